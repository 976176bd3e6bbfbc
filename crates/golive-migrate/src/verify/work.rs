//! Shares the comparison out: tables and ranges of them in one queue, a few workers, each with a connection to the target
//! and a reader of the source. All readers see one state of the source.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use futures_util::future::try_join_all;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use rusqlite::Connection;
use tokio_util::sync::CancellationToken;

use super::aside::Aside;
use super::compare::{self, Task};
use super::layout::Layout;
use super::options::{Method, VerifyOptions};
use super::progress::{Counter, Teller};
use super::ranges::{self, Range};
use super::report::{VerifiedTable, VerifyError};
use super::{content, digest, sample};
use crate::progress::OnProgress;
use crate::target::Target;

/// Rows a worker takes up at once: small enough that all workers end together, large enough that the server's reading
/// ahead pays.
const RANGE_ROWS: u64 = 125_000;

/// One table that both sides have, and how far it is.
pub(super) struct Subject {
    pub(super) layout: Arc<Layout>,
    pub(super) counter: Counter,
    /// Rows that a policy set aside.
    pub(super) aside: Arc<Aside>,
}

/// What one worker takes up at once.
struct Job {
    subject: usize,
    /// `None`: the whole table, without an order.
    range: Option<Range>,
}

/// What came of a job; `None` when the rows did not come in key order.
type Outcome = (usize, Option<VerifiedTable>);

/// Everything that workers share.
pub(super) struct Shop<'a> {
    pub(super) target: &'a Target,
    pub(super) options: &'a VerifyOptions,
    pub(super) progress: OnProgress<'a>,
    pub(super) subjects: &'a [Subject],
}

/// What all workers found, and what it took.
pub(super) struct Done {
    pub(super) tables: Vec<VerifiedTable>,
    pub(super) snapshots: Vec<Connection>,
    pub(super) bytes_from_target: u64,
}

impl Shop<'_> {
    /// Compares every subject.
    pub(super) async fn run(&self, snapshots: Vec<Connection>) -> Result<Done, VerifyError> {
        let (jobs, snapshots) = self.jobs(snapshots).await?;
        let (outcomes, snapshots, first_bytes) = self.work(snapshots, jobs).await?;
        let mut tables: Vec<Option<VerifiedTable>> = self
            .subjects
            .iter()
            .map(|one| Some(VerifiedTable::new(&one.layout.table, one.layout.columns.len())))
            .collect();
        for (subject, outcome) in outcomes {
            let limit = self.options.mismatches_per_table;
            match (&mut tables[subject], outcome) {
                (Some(table), Some(part)) => table.join(part, limit),
                (table, _) => *table = None,
            }
        }
        // What did not come in order, or not whole, is compared again without one.
        let sampled = matches!(self.options.method, Method::Sample(_));
        let again: Vec<Job> = tables
            .iter()
            .enumerate()
            .filter(|(at, table)| {
                let total = self.subjects[*at].counter.total();
                let keyed = !self.subjects[*at].layout.key.is_empty();
                table.as_ref().is_none_or(|table| keyed && !sampled && table.rows_source != total)
            })
            .map(|(subject, _)| Job { subject, range: None })
            .collect();
        again.iter().for_each(|job| self.subjects[job.subject].aside.begin());
        let (outcomes, snapshots, more_bytes) = self.work(snapshots, again).await?;
        for (subject, outcome) in outcomes {
            tables[subject] = outcome;
        }
        let mut done: Vec<VerifiedTable> = tables.into_iter().flatten().collect();
        for (table, subject) in done.iter_mut().zip(self.subjects) {
            table.rows_compared = table.rows_source;
            if sampled {
                table.set_aside = subject.aside.rows();
            } else if subject.aside.left() > 0 {
                table.add_aside(subject.aside.left(), self.options.mismatches_per_table);
            }
            Teller { counter: &subject.counter, progress: self.progress, cancel: &self.options.cancel }
                .tell();
        }
        Ok(Done { tables: done, snapshots, bytes_from_target: first_bytes + more_bytes })
    }

    /// The largest first, so that no worker is left with one at the end.
    async fn jobs(&self, snapshots: Vec<Connection>) -> Result<(Vec<Job>, Vec<Connection>), VerifyError> {
        let workers = snapshots.len();
        let subjects: Vec<(usize, Arc<Layout>, u64)> = self
            .subjects
            .iter()
            .enumerate()
            .map(|(at, one)| (at, Arc::clone(&one.layout), one.counter.total()))
            .collect();
        let method = self.options.method;
        let cutting = tokio::task::spawn_blocking(move || {
            let mut jobs = Vec::new();
            let mut largest = subjects;
            largest.sort_by_key(|(_, _, rows)| std::cmp::Reverse(*rows));
            let all: u64 = largest.iter().map(|(_, _, rows)| *rows).sum();
            for (subject, layout, rows) in largest {
                let ranges = match method {
                    Method::Sample(sample) => sample::ranges(&snapshots[0], &layout, rows, all, sample)?,
                    _ if layout.key.is_empty() => vec![None],
                    _ if !layout.splittable || workers < 2 || rows <= RANGE_ROWS => {
                        vec![Some(Range::default())]
                    }
                    _ => {
                        let whole = Range::default();
                        let cut = ranges::cut(&snapshots[0], &layout, &whole, RANGE_ROWS)?;
                        cut.into_iter().map(Some).collect()
                    }
                };
                jobs.extend(ranges.into_iter().map(|range| Job { subject, range }));
            }
            Ok::<_, rusqlite::Error>((jobs, snapshots))
        });
        Ok(cutting.await??)
    }

    async fn work(
        &self,
        snapshots: Vec<Connection>,
        jobs: Vec<Job>,
    ) -> Result<(Vec<Outcome>, Vec<Connection>, u64), VerifyError> {
        if jobs.is_empty() {
            return Ok((Vec::new(), snapshots, 0));
        }
        let queue = Mutex::new(VecDeque::from(jobs));
        let workers = snapshots.into_iter().map(|snapshot| self.worker(snapshot, &queue));
        let (mut outcomes, mut back, mut bytes) = (Vec::new(), Vec::new(), 0);
        for (found, snapshot, sent) in try_join_all(workers).await? {
            outcomes.extend(found);
            back.push(snapshot);
            bytes += sent;
        }
        // Ranges of a table are joined in the order of their keys.
        outcomes.sort_by_key(|(place, (subject, _))| (*subject, *place));
        Ok((outcomes.into_iter().map(|(_, outcome)| outcome).collect(), back, bytes))
    }

    async fn worker(
        &self,
        snapshot: Connection,
        queue: &Mutex<VecDeque<Job>>,
    ) -> Result<(Vec<(usize, Outcome)>, Connection, u64), VerifyError> {
        let (mut snapshot, mut conn) = (snapshot, None);
        let (mut outcomes, mut bytes) = (Vec::new(), 0);
        loop {
            let next = {
                let mut queue = queue.lock().expect("no holder of this lock can panic");
                let left = queue.len();
                queue.pop_front().map(|job| (usize::MAX - left, job))
            };
            let Some((place, job)) = next else { break };
            let target = match conn.take() {
                Some(conn) => conn,
                None => reading(self.target).await?,
            };
            let (outcome, source, there) = self.job(&job, snapshot, target).await?;
            snapshot = source;
            conn = there;
            outcomes.push((place, (job.subject, outcome)));
        }
        if let Some(mut conn) = conn {
            bytes += bytes_sent(&mut conn).await?;
            let _ = conn.disconnect().await;
        }
        Ok((outcomes, snapshot, bytes))
    }

    async fn job(
        &self,
        job: &Job,
        source: Connection,
        target: Conn,
    ) -> Result<(Option<VerifiedTable>, Connection, Option<Conn>), VerifyError> {
        let subject = &self.subjects[job.subject];
        let cancel: &CancellationToken = &self.options.cancel;
        let teller = Teller { counter: &subject.counter, progress: self.progress, cancel };
        let task = Task {
            layout: &subject.layout,
            limit: self.options.mismatches_per_table,
            teller,
            aside: &subject.aside,
        };
        match (&job.range, self.options.method) {
            (None, _) => {
                let (table, source, target) = content::compare(source, target, task).await?;
                Ok((Some(table), source, target))
            }
            (Some(range), Method::Digests { chunk_rows }) if subject.layout.splittable => {
                digest::range(source, target, task, range, chunk_rows).await
            }
            (Some(range), _) => compare::range(source, target, task, range).await,
        }
    }
}

/// A connection that sees one state of the target.
pub(super) async fn reading(target: &Target) -> Result<Conn, mysql_async::Error> {
    let mut conn = target.open().await?;
    conn.query_drop("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY").await?;
    Ok(conn)
}

/// What the server sent over this connection.
pub(super) async fn bytes_sent(conn: &mut Conn) -> Result<u64, mysql_async::Error> {
    let row: Option<(String, u64)> = conn.query_first("SHOW SESSION STATUS LIKE 'Bytes_sent'").await?;
    Ok(row.map_or(0, |(_, bytes)| bytes))
}
