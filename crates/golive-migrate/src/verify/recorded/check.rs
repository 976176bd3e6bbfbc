//! Compares the target with the state recorded in it. The source is not needed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use serde::Serialize;

use super::store::{self, Shape, StoredChunk};
use crate::ident;
use crate::stall;
use crate::target::Target;
use crate::verify::canonical;
use crate::verify::digest::{self, Sums};
use crate::verify::layout::{self, Layout, TargetSide};
use crate::verify::options::VerifyOptions;
use crate::verify::ranges::{Bound, Range};
use crate::verify::report::{Verdict, VerifyError};

/// What became of the recorded state.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RecordedVerification {
    /// `match` when everything that was migrated is there unchanged.
    pub verdict: Verdict,
    /// `host:port/database`.
    pub target: String,
    /// When the state was recorded.
    pub recorded_at: DateTime<Utc>,
    /// Fingerprint of the source that it was recorded from.
    pub source_digest: String,
    /// Digest of the record, to be compared with the one in the provider state.
    pub record_digest: String,
    /// One entry a table.
    pub tables: Vec<RecordedTable>,
    /// How long it took.
    pub seconds: f64,
}

/// What became of one table.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct RecordedTable {
    /// Its name.
    pub name: String,
    /// Rows that were recorded.
    pub rows_recorded: u64,
    /// Rows that are there now.
    pub rows_now: u64,
    /// Rows that came later. That is no fault.
    pub added: u64,
    /// Recorded rows whose content is another now.
    pub changed: u64,
    /// Recorded rows that are gone; in a table without key also those that were changed.
    pub deleted: u64,
    /// Columns that are gone or have another type, as `column: what`.
    pub columns: Vec<String>,
    /// The first rows that were changed or deleted.
    pub changes: Vec<Change>,
}

/// One row that is not as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Change {
    /// What happened to it.
    pub kind: ChangeKind,
    /// Its key, as `column=value`.
    pub key: String,
}

/// What happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChangeKind {
    /// Its content is another.
    Changed,
    /// It is gone.
    Deleted,
}

impl RecordedTable {
    /// Whether everything that was recorded is there unchanged.
    pub fn is_kept(&self) -> bool {
        self.changed == 0 && self.deleted == 0 && self.columns.is_empty()
    }

    fn note(&mut self, limit: usize, kind: ChangeKind, key: impl FnOnce() -> String) {
        match kind {
            ChangeKind::Changed => self.changed += 1,
            ChangeKind::Deleted => self.deleted += 1,
        }
        if self.changes.len() < limit {
            self.changes.push(Change { kind, key: key() });
        }
    }
}

impl RecordedVerification {
    /// Rows that came after the state was recorded.
    pub fn added(&self) -> u64 {
        self.tables.iter().map(|table| table.added).sum()
    }

    /// Recorded rows that were changed or deleted since.
    pub fn lost(&self) -> u64 {
        self.tables.iter().map(|table| table.changed + table.deleted).sum()
    }
}

/// Checks that everything that was recorded at cut-over is still there unchanged. The server computes the digests; rows
/// are only looked at where those differ.
///
/// # Errors
/// When nothing was recorded, or the target cannot be read.
pub async fn verify_recorded(
    target: &Target,
    options: &VerifyOptions,
) -> Result<RecordedVerification, VerifyError> {
    let work = compared(target, options);
    stall::guarded(target, options.stall_timeout, VerifyError::Target, work).await
}

async fn compared(target: &Target, options: &VerifyOptions) -> Result<RecordedVerification, VerifyError> {
    let start = Instant::now();
    let mut conn = target.open().await?;
    let Some(head) = store::head(&mut conn).await? else {
        return Err(VerifyError::NothingRecorded { target: target.display_name() });
    };
    let side = layout::target_side(&mut conn).await?;
    let shapes = store::shapes(&mut conn).await?;
    digest::prepare_session(&mut conn).await?;
    let mut tables = Vec::with_capacity(shapes.len());
    for (name, shape) in shapes {
        let shape = shape.ok_or_else(|| VerifyError::Recorded {
            target: target.display_name(),
            what: "the shape of a table does not parse, record it again from the source",
        })?;
        tables.push(table(&mut conn, &side, name, &shape, options).await?);
    }
    let _ = conn.disconnect().await;
    let kept = tables.iter().all(RecordedTable::is_kept);
    Ok(RecordedVerification {
        verdict: if kept { Verdict::Match } else { Verdict::Mismatch },
        target: target.display_name(),
        recorded_at: head.recorded_at,
        source_digest: head.source_digest,
        record_digest: head.digest,
        tables,
        seconds: start.elapsed().as_secs_f64(),
    })
}

async fn table(
    conn: &mut Conn,
    side: &TargetSide,
    name: String,
    shape: &Shape,
    options: &VerifyOptions,
) -> Result<RecordedTable, VerifyError> {
    let chunks = store::chunks(conn, &name).await?;
    let mut found = RecordedTable { name, ..RecordedTable::default() };
    found.rows_recorded = chunks.iter().map(|chunk| chunk.sums.rows).sum();
    let Some(columns) = side.tables.get(&found.name) else {
        found.deleted = found.rows_recorded;
        found.columns.push("the table is gone".to_owned());
        return Ok(found);
    };
    for (column, was) in &shape.columns {
        match columns.iter().find(|one| one.name.eq_ignore_ascii_case(column)) {
            None => found.columns.push(format!("{column}: gone")),
            Some(now) if now.column_type != *was => {
                found.columns.push(format!("{column}: was {was}, is {}", now.column_type));
            }
            Some(_) => {}
        }
    }
    let names: Vec<String> = shape.columns.iter().map(|(name, _)| name.clone()).collect();
    let Some(layout) = Layout::of_target(&found.name, &names, &shape.key, columns) else { return Ok(found) };
    let count = format!("SELECT COUNT(*) FROM {}", ident::mariadb(&found.name));
    found.rows_now = conn.query_first(count).await?.unwrap_or(0);
    if shape.keyed {
        keyed(conn, &layout, &chunks, options, &mut found).await?;
    } else {
        unkeyed(conn, &layout, &chunks, options, &mut found).await?;
    }
    Ok(found)
}

async fn keyed(
    conn: &mut Conn,
    layout: &Layout,
    chunks: &[StoredChunk],
    options: &VerifyOptions,
    found: &mut RecordedTable,
) -> Result<(), VerifyError> {
    let mut rest = Range::default();
    for chunk in chunks {
        if options.cancel.is_cancelled() {
            return Err(VerifyError::Cancelled);
        }
        let upto = chunk.upto.as_deref().and_then(|key| Bound::of_canonical(layout, key)).map(Arc::new);
        let range = Range { after: rest.after.take(), upto: upto.clone() };
        let now = digest::sums(conn, layout, &range).await?;
        if now != chunk.sums {
            rows(conn, layout, &range, chunk, options.mismatches_per_table, found).await?;
        }
        rest.after = upto;
    }
    // Keys beyond the last: what a counting key gives to new rows.
    let tail = digest::sums(conn, layout, &rest).await?;
    found.added += tail.rows;
    Ok(())
}

/// Row by row, where a range is not as it was recorded.
async fn rows(
    conn: &mut Conn,
    layout: &Layout,
    range: &Range,
    chunk: &StoredChunk,
    limit: usize,
    found: &mut RecordedTable,
) -> Result<(), VerifyError> {
    let bytes = store::entries(conn, &layout.table, chunk.chunk).await?;
    let mut recorded = store::read_keyed(&bytes, layout.key.len());
    digest::rows_of(conn, layout, range, &mut |key, (high, _)| {
        let key: Vec<Vec<u8>> = key
            .iter()
            .zip(&layout.key)
            .map(|(value, at)| {
                let mut cell = Vec::new();
                canonical::target(value, layout.columns[*at].form, &mut cell);
                cell
            })
            .collect();
        match recorded.remove(&store::short_key(&key)) {
            Some(was) if was == high => {}
            Some(_) => found.note(limit, ChangeKind::Changed, || named(layout, &key)),
            None => found.added += 1,
        }
    })
    .await?;
    let mut gone: Vec<Vec<u8>> = recorded.into_keys().collect();
    gone.sort();
    for key in gone {
        found.note(limit, ChangeKind::Deleted, || match store::long_key(&key) {
            Some(key) => named(layout, &key),
            None => format!("a row with a long key {}", range.for_people(layout)),
        });
    }
    Ok(())
}

fn named(layout: &Layout, key: &[Vec<u8>]) -> String {
    let part = |(cell, at): (&Vec<u8>, &usize)| {
        let column = &layout.columns[*at];
        format!("{}={}", column.name, canonical::for_people(cell, column.form.kind))
    };
    key.iter().zip(&layout.key).map(part).collect::<Vec<_>>().join(", ")
}

async fn unkeyed(
    conn: &mut Conn,
    layout: &Layout,
    chunks: &[StoredChunk],
    options: &VerifyOptions,
    found: &mut RecordedTable,
) -> Result<(), VerifyError> {
    let now = digest::bucket_sums(conn, layout).await?;
    let differing: Vec<(usize, &StoredChunk)> = chunks
        .iter()
        .enumerate()
        .filter(|(at, chunk)| now.get(*at).copied().unwrap_or_default() != chunk.sums)
        .collect();
    if differing.is_empty() {
        return Ok(());
    }
    let mut recorded: HashMap<u64, i64> = HashMap::new();
    let mut buckets: HashSet<usize> = HashSet::new();
    for (at, chunk) in &differing {
        let bytes = store::entries(conn, &layout.table, chunk.chunk).await?;
        if bytes.is_empty() && chunk.sums.rows > 0 {
            // Only sums were kept of so large a table.
            let rows = now.get(*at).map_or(0, |sum: &Sums| sum.rows);
            found.added += rows.saturating_sub(chunk.sums.rows);
            let gone = chunk.sums.rows.saturating_sub(rows).max(u64::from(rows <= chunk.sums.rows));
            (0..gone.min(1)).for_each(|_| {
                found.note(options.mismatches_per_table, ChangeKind::Deleted, || {
                    "rows without key: too many were recorded to tell which".to_owned()
                });
            });
            found.deleted += gone.saturating_sub(1);
        } else {
            buckets.insert(*at);
        }
        for (digest, count) in store::read_unkeyed(&bytes) {
            *recorded.entry(digest).or_default() += count;
        }
    }
    if buckets.is_empty() {
        return Ok(());
    }
    let mut added = 0;
    digest::rows_of(conn, layout, &Range::default(), &mut |_, (high, _)| {
        if buckets.contains(&((high >> 56) as usize)) {
            match recorded.get_mut(&high) {
                Some(count) if *count > 0 => *count -= 1,
                _ => added += 1,
            }
        }
    })
    .await?;
    found.added += added;
    let gone: i64 = recorded.values().sum();
    for _ in 0..gone {
        found.note(options.mismatches_per_table, ChangeKind::Deleted, || "a row without key".to_owned());
    }
    Ok(())
}
