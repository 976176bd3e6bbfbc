//! How far a migration is: a value that each phase tells, and a stream of such values for whoever shows them elsewhere.
//! Display is not here, and nothing here can hold up the work that it tells of.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::stream::{self, BoxStream, Stream, StreamExt as _};
use serde::Serialize;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// Events that wait for a slow listener of a [`ProgressEvents`]; older ones are let go.
const WAITING_EVENTS: usize = 64;

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// A private copy of the source is made, because somebody writes to it; rows are pages then.
    Snapshot,
    /// The source is read through.
    Survey,
    /// Rows move.
    Copy,
    /// Indexes and foreign keys are added; a table's rows count as done when its keys stand.
    Constraints,
    /// Both sides are compared.
    Verify,
}

/// How far a table and its phase are. As JSON, for a progress endpoint, it is one flat object; numbers are never
/// missing, and `seconds_left` is `null` while nothing can be told:
///
/// ```json
/// {"phase":"copy","table":"orders","rows":150000,"total":400000,"bytes":31200000,"rows_per_second":142000.0,
///  "phase_rows":310000,"phase_total":900000,"seconds_left":4.2}
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Progress {
    /// What is being done: `snapshot`, `survey`, `copy`, `constraints` or `verify`.
    pub phase: Phase,
    /// The table.
    pub table: String,
    /// Rows of the table that are done, those of an earlier run included.
    pub rows: u64,
    /// Rows of the table in all.
    pub total: u64,
    /// Bytes of the table that this run handled; 0 where a phase does not count them.
    pub bytes: u64,
    /// Rows of the table a second, since this run took it up.
    pub rows_per_second: f64,
    /// Rows of all tables that are done in this phase.
    pub phase_rows: u64,
    /// Rows of all tables of this phase; 0 while unknown.
    pub phase_total: u64,
    /// Seconds until the phase ends at its present speed.
    pub seconds_left: Option<f64>,
}

impl Progress {
    /// Progress of a table whose phase counts no rows over all tables.
    pub(crate) fn of_table(phase: Phase, table: &str, rows: u64, total: u64, elapsed: Duration) -> Self {
        let rows_per_second = per_second(rows, elapsed);
        Self {
            phase,
            table: table.to_owned(),
            rows,
            total,
            bytes: 0,
            rows_per_second,
            phase_rows: rows,
            phase_total: 0,
            seconds_left: seconds_left(total.saturating_sub(rows), rows_per_second),
        }
    }
}

/// Who is told of progress. It is called from the work itself and must return at once.
pub type OnProgress<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// Progress for listeners elsewhere: a channel that never holds up the work. Who listens too slowly misses events in
/// between, never the last.
///
/// ```
/// use futures_util::StreamExt;
/// use golive_migrate::ProgressEvents;
///
/// # async fn demo(source: &golive_migrate::Source, target: &golive_migrate::Target, plan: &golive_migrate::Plan) {
/// let events = ProgressEvents::new();
/// let mut listener = events.subscribe();
/// tokio::spawn(async move {
///     while let Some(progress) = listener.next().await {
///         println!("{}", serde_json::to_string(&progress).unwrap());
///     }
/// });
/// let options = golive_migrate::CopyOptions::default();
/// let _ = golive_migrate::copy(source, target, plan, &options, &|progress| events.tell(progress)).await;
/// // An endpoint that is polled answers with `events.latest()`.
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ProgressEvents {
    sender: broadcast::Sender<Progress>,
    latest: Arc<Mutex<Option<Progress>>>,
}

impl Default for ProgressEvents {
    fn default() -> Self {
        Self::new()
    }
}

impl ProgressEvents {
    /// A channel without listeners.
    pub fn new() -> Self {
        Self { sender: broadcast::Sender::new(WAITING_EVENTS), latest: Arc::default() }
    }

    /// Hands an event on, to nobody if nobody listens.
    pub fn tell(&self, progress: Progress) {
        *self.latest.lock().expect("no holder of this lock can panic") = Some(progress.clone());
        let _ = self.sender.send(progress);
    }

    /// What was told last.
    pub fn latest(&self) -> Option<Progress> {
        self.latest.lock().expect("no holder of this lock can panic").clone()
    }

    /// Events from now on, until the last clone of this value is dropped.
    pub fn subscribe(&self) -> ProgressStream {
        let events = stream::unfold(self.sender.subscribe(), |mut receiver| async move {
            loop {
                match receiver.recv().await {
                    Ok(progress) => return Some((progress, receiver)),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        });
        ProgressStream { events: events.boxed() }
    }
}

/// The events of a [`ProgressEvents`].
pub struct ProgressStream {
    events: BoxStream<'static, Progress>,
}

impl std::fmt::Debug for ProgressStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProgressStream").finish_non_exhaustive()
    }
}

impl Stream for ProgressStream {
    type Item = Progress;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Progress>> {
        self.events.poll_next_unpin(context)
    }
}

/// Counts a phase over all of its tables, from several tasks at once.
pub(crate) struct PhaseMeter<'a> {
    phase: Phase,
    total: u64,
    start: Instant,
    rows: AtomicU64,
    rows_now: AtomicU64,
    progress: OnProgress<'a>,
}

impl<'a> PhaseMeter<'a> {
    pub(crate) fn new(phase: Phase, total: u64, progress: OnProgress<'a>) -> Self {
        let start = Instant::now();
        Self { phase, total, start, rows: AtomicU64::new(0), rows_now: AtomicU64::new(0), progress }
    }

    /// Takes a table up, of which an earlier run has done so many rows.
    pub(crate) fn table(&self, table: &str, total: u64, done: u64) -> TableMeter<'_, 'a> {
        self.rows.fetch_add(done, Ordering::Relaxed);
        let (start, table) = (Instant::now(), table.to_owned());
        TableMeter { meter: self, table, total, start, rows: done, rows_now: 0, bytes: 0 }
    }
}

/// Counts one table.
pub(crate) struct TableMeter<'m, 'a> {
    meter: &'m PhaseMeter<'a>,
    table: String,
    total: u64,
    start: Instant,
    rows: u64,
    pub(crate) rows_now: u64,
    bytes: u64,
}

impl TableMeter<'_, '_> {
    /// So many more are done; tells it.
    pub(crate) fn advance(&mut self, rows: u64, bytes: u64) {
        self.rows += rows;
        self.rows_now += rows;
        self.bytes += bytes;
        let meter = self.meter;
        let phase_rows = meter.rows.fetch_add(rows, Ordering::Relaxed) + rows;
        let now = meter.rows_now.fetch_add(rows, Ordering::Relaxed) + rows;
        (meter.progress)(Progress {
            phase: meter.phase,
            table: self.table.clone(),
            rows: self.rows,
            total: self.total,
            bytes: self.bytes,
            rows_per_second: per_second(self.rows_now, self.start.elapsed()),
            phase_rows,
            phase_total: meter.total,
            seconds_left: seconds_left(
                meter.total.saturating_sub(phase_rows),
                per_second(now, meter.start.elapsed()),
            ),
        });
    }
}

pub(crate) fn per_second(rows: u64, elapsed: Duration) -> f64 {
    rows as f64 / elapsed.as_secs_f64().max(0.001)
}

fn seconds_left(rows: u64, rate: f64) -> Option<f64> {
    match rows {
        0 => Some(0.0),
        _ => (rate > 0.0).then(|| rows as f64 / rate),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_shape_is_as_documented() {
        let mut progress = Progress::of_table(Phase::Copy, "orders", 0, 4, Duration::from_secs(1));
        let json = |progress: &Progress| serde_json::to_string(progress).unwrap();
        assert_eq!(
            json(&progress),
            r#"{"phase":"copy","table":"orders","rows":0,"total":4,"bytes":0,"rows_per_second":0.0,"phase_rows":0,"phase_total":0,"seconds_left":null}"#
        );
        progress = Progress::of_table(Phase::Verify, "orders", 2, 4, Duration::from_secs(1));
        assert_eq!(progress.seconds_left, Some(1.0));
    }

    #[tokio::test]
    async fn a_slow_listener_holds_nobody_up_and_hears_the_last_event() {
        let events = ProgressEvents::new();
        let listener = events.subscribe();
        let told = 10 * WAITING_EVENTS as u64;
        for rows in 1..=told {
            events.tell(Progress::of_table(Phase::Copy, "t", rows, told, Duration::from_secs(1)));
        }
        assert_eq!(events.latest().unwrap().rows, told);
        drop(events);
        let heard: Vec<u64> = listener.map(|progress| progress.rows).collect().await;
        assert_eq!((heard.len(), heard.last()), (WAITING_EVENTS, Some(&told)));
    }

    #[test]
    fn tables_side_by_side_add_up() {
        let told = Mutex::new(Vec::new());
        let note = |progress: Progress| told.lock().unwrap().push(progress);
        let meter = PhaseMeter::new(Phase::Copy, 100, &note);
        let mut one = meter.table("one", 60, 20);
        let mut other = meter.table("other", 40, 0);
        one.advance(30, 300);
        other.advance(40, 400);
        let told = told.into_inner().unwrap();
        assert_eq!((told[0].rows, told[0].phase_rows, told[0].bytes), (50, 50, 300));
        assert_eq!((told[1].rows, told[1].phase_rows, told[1].phase_total), (40, 90, 100));
        assert!(told[1].seconds_left.unwrap() > 0.0);
    }
}
