//! Our half: the same digests, from SQLite.

use std::sync::Arc;

use rusqlite::Connection;
use sha1::{Digest as _, Sha1};
use tokio::sync::mpsc::{self, Receiver};
use tokio::task::JoinHandle;

use super::Sums;
use crate::verify::aside::Aside;
use crate::verify::canonical;
use crate::verify::layout::Layout;
use crate::verify::ranges::{self, Range};
use crate::verify::report::VerifyError;
use crate::verify::rows::{self, Row};

/// The two halves of a row's digest.
pub(crate) type RowDigest = (u64, u64);

/// A range of keys and what is in it.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    pub(crate) range: Range,
    pub(crate) sums: Sums,
    /// Key, in canonical form, and digest of each row, where they were asked for.
    pub(crate) rows: Vec<(Vec<Vec<u8>>, RowDigest)>,
}

/// A reader of chunks.
pub(crate) struct Chunks {
    chunks: Receiver<Result<Chunk, VerifyError>>,
    task: JoinHandle<(bool, Connection)>,
}

impl Chunks {
    pub(crate) async fn next(&mut self) -> Result<Option<Chunk>, VerifyError> {
        self.chunks.recv().await.transpose()
    }

    /// Stops reading. Also tells whether the keys came in order.
    pub(crate) async fn finish(self) -> Result<(bool, Connection), VerifyError> {
        drop(self.chunks);
        Ok(self.task.await?)
    }
}

/// Reads a range of the source in chunks of so many rows; together they cover it without a gap. Rows that lie `aside` are
/// passed over.
pub(crate) fn chunks(
    connection: Connection,
    layout: &Arc<Layout>,
    range: Range,
    chunk_rows: u64,
    keep: bool,
    aside: Arc<Aside>,
) -> Chunks {
    let (sender, chunks) = mpsc::channel(4);
    let layout = Arc::clone(layout);
    let task = tokio::task::spawn_blocking(move || {
        let mut ascending = true;
        let mut rest = Some(range);
        while let Some(range) = rest.take() {
            match chunk(&connection, &layout, range, chunk_rows.max(1), keep, &aside) {
                Ok(Some((chunk, left))) => {
                    if sender.blocking_send(Ok(chunk)).is_ok() {
                        rest = left;
                    }
                }
                Ok(None) => ascending = false,
                Err(error) => drop(sender.blocking_send(Err(error.into()))),
            }
        }
        (ascending, connection)
    });
    Chunks { chunks, task }
}

/// The first chunk of a range, and what is left of it; `None` when keys do not come in order.
fn chunk(
    connection: &Connection,
    layout: &Arc<Layout>,
    range: Range,
    rows: u64,
    keep: bool,
    aside: &Aside,
) -> rusqlite::Result<Option<(Chunk, Option<Range>)>> {
    let (range, left) = ranges::split(connection, layout, range, rows)?;
    let mut chunk = Chunk { range, sums: Sums::default(), rows: Vec::new() };
    let (mut ascending, mut scratch) = (true, Vec::new());
    let range = chunk.range.clone();
    rows::walk(connection, layout, true, &range, &mut |block| {
        ascending &= block.ascending && range.holds(&block, layout);
        for at in 0..block.rows() {
            let row = block.row(at);
            if aside.take(&row) {
                continue;
            }
            let digest = text_digest(&row, layout, &mut scratch);
            chunk.sums.add(digest);
            if keep {
                let key = layout.key.iter().map(|at| row.cell(*at).to_vec()).collect();
                chunk.rows.push((key, digest));
            }
        }
        ascending
    })?;
    Ok(ascending.then_some((chunk, left)))
}

/// A row's digest, as `sql` has the server compute it.
pub(crate) fn text_digest(row: &Row<'_>, layout: &Layout, scratch: &mut Vec<u8>) -> RowDigest {
    scratch.clear();
    scratch.push(b'r');
    for (at, column) in layout.columns.iter().enumerate() {
        canonical::as_sql_text(row.cell(at), column.form.kind, column.scale, scratch);
    }
    let digest = Sha1::digest(&scratch);
    let half = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&digest[at..at + 8]);
        u64::from_be_bytes(bytes)
    };
    (half(0), half(8))
}
