//! The state at cut-over, kept in the target itself, so that days later it can be told what of the migrated rows was
//! changed or deleted since, without the source file. Rows that were added are the business going on.
//!
//! Kept are, for each range of keys, the sums that `digest` compares, and for each row its key and half of its digest: so
//! a change is named by its key. No cell's value is kept but the keys'.

mod check;
mod store;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use rusqlite::Connection;
use serde::Serialize;

pub use self::check::{Change, ChangeKind, RecordedTable, RecordedVerification, verify_recorded};
pub(super) use self::store::intentions;
pub(crate) use self::store::keep_intentions;
use self::store::{Entries, Writer};
use super::digest::{self, RowDigest, Sums};
use super::layout::{self, Layout};
use super::options::{Method, VerifyOptions};
use super::progress::Teller;
use super::ranges::Range;
use super::report::{Verified, VerifyError};
use super::work::Subject;
use super::{Watch, open, rows, subjects};
use crate::progress::OnProgress;
use crate::source::Source;
use crate::target::Target;

/// Rows of a range.
const CHUNK_ROWS: u64 = 10_000;
/// Rows of a table without key whose digests are kept one by one; beyond it only sums are.
const UNKEYED_ROWS: u64 = 1_000_000;
/// Sums of a table without key.
const BUCKETS: usize = 256;

/// What was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Recorded {
    /// Tables.
    pub tables: usize,
    /// Rows of all tables.
    pub rows: u64,
    /// Digest of everything that was recorded: kept elsewhere, it tells whether the record itself was changed.
    pub digest: String,
}

/// Records the state that was verified, in the target. An earlier record is replaced.
///
/// # Errors
/// When source or target cannot be read, or the source is no longer what was verified.
pub async fn record(
    source: &Source,
    target: &Target,
    verified: &Verified,
    options: &VerifyOptions,
    now: DateTime<Utc>,
    progress: OnProgress<'_>,
) -> Result<Recorded, VerifyError> {
    let watch = Watch::begin(source).await?;
    let (catalog, mut snapshots, counts) = open(source, 1).await?;
    let mut conn = target.open().await?;
    let options = &super::with_recorded(&mut conn, options).await?;
    let side = layout::target_side(&mut conn).await?;
    let whole = VerifyOptions { method: Method::DIGESTS, ..options.clone() };
    let (mut subjects, _) = subjects(&catalog, &counts, &side, &whole, &mut Vec::new());
    super::lay_aside(&mut conn, &mut subjects).await?;
    let mut writer = Writer::begin(conn, verified, options, now).await?;
    let mut connection = snapshots.pop().ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    for subject in &subjects {
        let cancel = &options.cancel;
        let teller = Teller { counter: &subject.counter, progress, cancel };
        writer.table(&subject.layout, &side).await?;
        connection = match subject.layout.splittable {
            true => match keyed(connection, subject, teller, &mut writer).await? {
                (true, connection) => connection,
                (false, connection) => unkeyed(connection, subject, teller, &mut writer).await?,
            },
            false => unkeyed(connection, subject, teller, &mut writer).await?,
        };
        teller.tell();
    }
    drop(connection);
    if watch.end(source).await? != verified.source_digest() {
        return Err(VerifyError::SourceChanged);
    }
    Ok(writer.end().await?)
}

/// `false` when the keys do not come in order.
async fn keyed(
    connection: Connection,
    subject: &Subject,
    teller: Teller<'_>,
    writer: &mut Writer,
) -> Result<(bool, Connection), VerifyError> {
    let mut reading = digest::chunks(
        connection,
        &subject.layout,
        Range::default(),
        CHUNK_ROWS,
        true,
        Arc::clone(&subject.aside),
    );
    while let Some(chunk) = reading.next().await? {
        teller.take_up()?;
        teller.add(chunk.sums.rows);
        // The last range ends with the last key, so that what comes after it is new.
        let upto = chunk.rows.last().map(|(key, _)| key.clone());
        if upto.is_some() {
            writer.chunk(&subject.layout, upto, chunk.sums, &Entries::Keyed(chunk.rows)).await?;
        }
    }
    let (ascending, connection) = reading.finish().await?;
    if !ascending {
        writer.forget(&subject.layout.table).await?;
    }
    Ok((ascending, connection))
}

/// By the first byte of the rows' digests.
async fn unkeyed(
    connection: Connection,
    subject: &Subject,
    teller: Teller<'_>,
    writer: &mut Writer,
) -> Result<Connection, VerifyError> {
    let layout: Arc<Layout> = Arc::clone(&subject.layout);
    let aside = Arc::clone(&subject.aside);
    aside.begin();
    let keep = subject.counter.total() <= UNKEYED_ROWS;
    let reading = tokio::task::spawn_blocking(move || {
        let mut sums = vec![Sums::default(); BUCKETS];
        let mut kept: Vec<Vec<RowDigest>> = vec![Vec::new(); BUCKETS];
        let mut scratch = Vec::new();
        let read = rows::walk(&connection, &layout, false, &Range::default(), &mut |block| {
            for at in 0..block.rows() {
                let row = block.row(at);
                if aside.take(&row) {
                    continue;
                }
                let digest = digest::text_digest(&row, &layout, &mut scratch);
                let bucket = (digest.0 >> 56) as usize;
                sums[bucket].add(digest);
                if keep {
                    kept[bucket].push(digest);
                }
            }
            true
        });
        read.map(|()| (sums, kept, connection))
    });
    let (sums, kept, connection) = reading.await??;
    teller.add(sums.iter().map(|sum| sum.rows).sum());
    for (sum, kept) in sums.into_iter().zip(kept) {
        writer.chunk(&subject.layout, None, sum, &Entries::Unkeyed(kept)).await?;
    }
    Ok(connection)
}
