//! Compares one table, both sides streamed in key order. Where a side does not come in that order (keys whose text sorts
//! unlike their meaning) or there is no key, `content` compares without an order.

use std::cmp::Ordering;
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use rusqlite::Connection;

use super::content;
use super::layout::Layout;
use super::report::{MismatchKind, VerifiedTable, VerifyError, VerifyOptions};
use super::rows::{CanonicalRow, SourceRows, TargetRows, key_for_people};
use crate::progress::{OnProgress, Phase, Progress};
use crate::target::Target;

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// Compares a table and gives the source's connection back.
pub(super) async fn table(
    source: Connection,
    target: &Target,
    layout: &Layout,
    options: &VerifyOptions,
    progress: OnProgress<'_>,
) -> Result<(VerifiedTable, Connection), VerifyError> {
    let (total, source) = super::rows::count(source, &layout.table).await?;
    let mut teller = Teller { layout, total, start: Instant::now(), told: Instant::now(), progress };
    let mut conn = target.open().await?;
    conn.query_drop("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY").await?;
    let (verified, source) = if layout.key.is_empty() {
        (None, source)
    } else {
        in_key_order(source, &mut conn, layout, options, &mut teller).await?
    };
    let (verified, source) = match verified {
        Some(verified) => (verified, source),
        None => content::compare(source, &mut conn, layout, options, &mut teller).await?,
    };
    teller.tell(verified.rows_source);
    // The result may not be read to its end; closing is cheaper than reading it.
    drop(conn);
    Ok((verified, source))
}

/// Tells progress, but not too often.
pub(super) struct Teller<'a> {
    layout: &'a Layout,
    pub(super) total: u64,
    start: Instant,
    told: Instant,
    progress: OnProgress<'a>,
}

impl Teller<'_> {
    pub(super) fn maybe(&mut self, rows: u64) {
        if rows.is_multiple_of(1024) && self.told.elapsed() >= TELL_EVERY {
            self.told = Instant::now();
            self.tell(rows);
        }
    }

    fn tell(&self, rows: u64) {
        let (table, elapsed) = (&self.layout.table, self.start.elapsed());
        (self.progress)(Progress::of_table(Phase::Verify, table, rows, self.total, elapsed));
    }
}

/// `None` when a side turned out not to come in key order.
async fn in_key_order(
    source: Connection,
    conn: &mut mysql_async::Conn,
    layout: &Layout,
    options: &VerifyOptions,
    teller: &mut Teller<'_>,
) -> Result<(Option<VerifiedTable>, Connection), VerifyError> {
    let mut left = SourceRows::start(source, layout, true);
    let result = merge(&mut left, conn, layout, options, teller).await;
    let source = left.finish().await?;
    Ok((result?, source))
}

async fn merge(
    left: &mut SourceRows,
    conn: &mut mysql_async::Conn,
    layout: &Layout,
    options: &VerifyOptions,
    teller: &mut Teller<'_>,
) -> Result<Option<VerifiedTable>, VerifyError> {
    let mut right = TargetRows::start(conn, layout, true).await?;
    let mut verified = VerifiedTable::new(&layout.table, layout.columns.len());
    let mut one = left.next().await?;
    let mut other = right.next().await?;
    let limit = options.mismatches_per_table;
    loop {
        let order = match (&one, &other) {
            (None, None) => return Ok(Some(verified)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(other)) => one.cmp_key(other, &layout.key),
        };
        if order.is_le() {
            let row = one.take().unwrap_or_default();
            verified.rows_source += 1;
            teller.maybe(verified.rows_source);
            match &other {
                Some(other) if order.is_eq() => cells(&row, other, layout, limit, &mut verified),
                _ => {
                    verified.add(limit, MismatchKind::MissingInTarget, || key_for_people(layout, &row), None);
                }
            }
            one = left.next().await?;
            if one.as_ref().is_some_and(|next| row.cmp_key(next, &layout.key).is_ge()) {
                return Ok(None);
            }
        }
        if order.is_ge() {
            let row = other.take().unwrap_or_default();
            verified.rows_target += 1;
            if order.is_gt() {
                verified.add(limit, MismatchKind::OnlyInTarget, || key_for_people(layout, &row), None);
            }
            other = right.next().await?;
            if other.as_ref().is_some_and(|next| row.cmp_key(next, &layout.key).is_ge()) {
                return Ok(None);
            }
        }
    }
}

/// Names every column in which two rows of one key differ.
pub(super) fn cells(
    one: &CanonicalRow,
    other: &CanonicalRow,
    layout: &Layout,
    limit: usize,
    verified: &mut VerifiedTable,
) {
    if one.bytes == other.bytes {
        return;
    }
    for (at, column) in layout.columns.iter().enumerate() {
        if one.cell(at) != other.cell(at) {
            verified.add(limit, MismatchKind::Differs, || key_for_people(layout, one), Some(&column.name));
        }
    }
}
