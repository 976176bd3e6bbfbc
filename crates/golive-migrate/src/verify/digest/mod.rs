//! Digests over ranges of keys, computed by either side for itself, for a target that is too far away to stream its
//! rows. A range whose digests differ is narrowed to a few rows, which are then compared cell by cell.
//!
//! A row's digest is half of the SHA-1 of its cells, each as a text that says where it ends (`sql`); a range's is the
//! number of its rows and the sums of the two halves of that. Never an exclusive or of a CRC: under that a shift of every
//! row by the same amount cancels out.

mod local;
mod sql;

use std::sync::Arc;

use mysql_async::Conn;
use rusqlite::Connection;

pub(super) use self::local::{Chunk, RowDigest, chunks, text_digest};
pub(super) use self::sql::{bucket_sums, prepare_session, rows_of, sums};
use super::compare::{self, Task};
use super::ranges::Range;
use super::report::{Mismatch, MismatchKind, VerifiedTable, VerifyError};

/// Ranges of at most so many rows are streamed and compared.
const EXACT_ROWS: u64 = 128;
/// Into how many a differing range is split.
const SPLIT: u64 = 8;

/// Rows and the sums of their digests' halves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sums {
    pub(super) rows: u64,
    pub(super) high: u128,
    pub(super) low: u128,
}

impl Sums {
    pub(super) fn add(&mut self, (high, low): RowDigest) {
        self.rows += 1;
        self.high += u128::from(high);
        self.low += u128::from(low);
    }
}

/// Compares a range by digests. `None` when the source does not come in key order.
pub(super) async fn range(
    source: Connection,
    conn: Conn,
    task: Task<'_>,
    range: &Range,
    chunk_rows: u64,
) -> Result<(Option<VerifiedTable>, Connection, Option<Conn>), VerifyError> {
    let mut verified = VerifiedTable::new(&task.layout.table, task.layout.columns.len());
    let mut conn = conn;
    prepare_session(&mut conn).await?;
    let (read, source) = differing(source, &mut conn, task, range, chunk_rows).await?;
    let Some(read) = read else { return Ok((None, source, Some(conn))) };
    verified.chunks = read.chunks;
    verified.chunks_differing = read.differing.len() as u64;
    verified.rows_source = read.rows_source;
    verified.rows_target = read.rows_target;
    task.teller.add(read.rows_source);
    let (source, conn) = narrow(source, conn, task, read.differing, &mut verified).await?;
    Ok((Some(verified), source, Some(conn)))
}

struct Read {
    chunks: u64,
    rows_source: u64,
    rows_target: u64,
    differing: Vec<Chunk>,
}

/// The chunks of a range whose digests differ.
async fn differing(
    source: Connection,
    conn: &mut Conn,
    task: Task<'_>,
    range: &Range,
    chunk_rows: u64,
) -> Result<(Option<Read>, Connection), VerifyError> {
    let mut reading = chunks(source, task.layout, range.clone(), chunk_rows, false, Arc::default());
    let mut read = Read { chunks: 0, rows_source: 0, rows_target: 0, differing: Vec::new() };
    let mut failed = None;
    while let Some(chunk) = reading.next().await? {
        if let Err(error) = task.teller.take_up() {
            failed = Some(error);
            break;
        }
        let theirs = match sums(conn, task.layout, &chunk.range).await {
            Ok(theirs) => theirs,
            Err(error) => {
                failed = Some(error.into());
                break;
            }
        };
        read.chunks += 1;
        read.rows_source += chunk.sums.rows;
        read.rows_target += theirs.rows;
        if chunk.sums != theirs {
            read.differing.push(chunk);
        }
    }
    let (ascending, source) = reading.finish().await?;
    match failed {
        Some(error) => Err(error),
        None => Ok((ascending.then_some(read), source)),
    }
}

/// Splits differing chunks until they are small, and compares those row by row.
async fn narrow(
    source: Connection,
    conn: Conn,
    task: Task<'_>,
    differing: Vec<Chunk>,
    verified: &mut VerifiedTable,
) -> Result<(Connection, Conn), VerifyError> {
    let (mut source, mut conn) = (source, conn);
    let mut open = differing;
    open.reverse();
    while let Some(chunk) = open.pop() {
        if verified.mismatches.len() >= task.limit {
            // Enough are named; that something differs here is known and counted.
            verified.mismatch_count += 1;
            continue;
        }
        if chunk.sums.rows > EXACT_ROWS {
            let rows = chunk.sums.rows.div_ceil(SPLIT);
            let (read, back) = differing_in(source, &mut conn, task, &chunk, rows).await?;
            source = back;
            open.extend(read.into_iter().rev());
            continue;
        }
        let (found, back, there) = compare::range(source, conn, task, &chunk.range).await?;
        source = back;
        conn = match there {
            Some(conn) => conn,
            None => {
                return Err(
                    mysql_async::Error::Io(std::io::Error::other("lost the connection").into()).into()
                );
            }
        };
        match found {
            Some(found) => {
                verified.set_aside += found.set_aside;
                verified.mismatch_count += found.mismatch_count;
                verified.mismatches.extend(found.mismatches);
                verified.mismatches.truncate(task.limit);
            }
            None => {
                let key = chunk.range.for_people(task.layout);
                verified.mismatch_count += 1;
                verified.mismatches.push(Mismatch { kind: MismatchKind::Differs, key, column: None });
            }
        }
    }
    Ok((source, conn))
}

async fn differing_in(
    source: Connection,
    conn: &mut Conn,
    task: Task<'_>,
    chunk: &Chunk,
    rows: u64,
) -> Result<(Vec<Chunk>, Connection), VerifyError> {
    let (read, source) = differing(source, conn, task, &chunk.range, rows).await?;
    // The order was right a moment ago, in one snapshot.
    let differing = read.map(|read| read.differing).unwrap_or_else(|| vec![chunk.clone()]);
    Ok((differing, source))
}
