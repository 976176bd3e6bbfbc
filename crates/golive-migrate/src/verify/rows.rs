//! Streams of canonical rows from either side, in bounded batches. No comparison here.

use mysql_async::prelude::Queryable;
use mysql_async::{BinaryProtocol, Conn, QueryResult, Row as TargetRow, Value};
use rusqlite::Connection;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinHandle;

use super::canonical;
use super::layout::Layout;
use super::report::VerifyError;
use crate::ident;

/// Rows and bytes handed on at once.
const BATCH_ROWS: usize = 256;
const BATCH_BYTES: usize = 512 << 10;
const QUEUED_BATCHES: usize = 4;

/// A row in canonical form.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct CanonicalRow {
    /// All cells, one after the other.
    pub(super) bytes: Vec<u8>,
    /// Where each cell ends.
    pub(super) ends: Vec<u32>,
    /// SQLite's row number, where there is one.
    pub(super) rowid: Option<i64>,
}

impl CanonicalRow {
    pub(super) fn cell(&self, at: usize) -> &[u8] {
        let start = if at == 0 { 0 } else { self.ends[at - 1] as usize };
        &self.bytes[start..self.ends[at] as usize]
    }

    fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
    }

    /// Compares by key, part by part.
    pub(super) fn cmp_key(&self, other: &Self, key: &[usize]) -> std::cmp::Ordering {
        key.iter()
            .map(|at| self.cell(*at).cmp(other.cell(*at)))
            .find(|order| order.is_ne())
            .unwrap_or(std::cmp::Ordering::Equal)
    }
}

/// The source's rows, read by a thread that gives its connection back.
pub(super) struct SourceRows {
    batches: Receiver<Result<Vec<CanonicalRow>, rusqlite::Error>>,
    batch: std::vec::IntoIter<CanonicalRow>,
    thread: JoinHandle<Connection>,
}

impl SourceRows {
    pub(super) fn start(connection: Connection, layout: &Layout, ordered: bool) -> Self {
        let (sender, batches) = mpsc::channel(QUEUED_BATCHES);
        let (sql, layout) = (layout.source_sql(ordered), layout.clone());
        let thread = tokio::task::spawn_blocking(move || {
            if let Err(error) = read(&connection, &sql, &layout, &sender) {
                let _ = sender.blocking_send(Err(error));
            }
            connection
        });
        Self { batches, batch: Vec::new().into_iter(), thread }
    }

    pub(super) async fn next(&mut self) -> Result<Option<CanonicalRow>, VerifyError> {
        loop {
            if let Some(row) = self.batch.next() {
                return Ok(Some(row));
            }
            match self.batches.recv().await {
                Some(batch) => self.batch = batch?.into_iter(),
                None => return Ok(None),
            }
        }
    }

    /// Stops reading.
    pub(super) async fn finish(self) -> Result<Connection, VerifyError> {
        drop(self.batches);
        Ok(self.thread.await?)
    }
}

fn read(
    connection: &Connection,
    sql: &str,
    layout: &Layout,
    sender: &Sender<Result<Vec<CanonicalRow>, rusqlite::Error>>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let (mut batch, mut bytes) = (Vec::with_capacity(BATCH_ROWS), 0);
    while let Some(row) = rows.next()? {
        let mut canonical = CanonicalRow::default();
        canonical.ends.reserve(layout.columns.len());
        for (at, column) in layout.columns.iter().enumerate() {
            let value = row.get_ref(at)?;
            canonical.push(|out| canonical::source(value, column.kind, out));
        }
        if layout.rowid_name.is_some() {
            canonical.rowid = row.get(layout.columns.len())?;
        }
        bytes += canonical.bytes.len();
        batch.push(canonical);
        if batch.len() >= BATCH_ROWS || bytes >= BATCH_BYTES {
            bytes = 0;
            if sender
                .blocking_send(Ok(std::mem::replace(&mut batch, Vec::with_capacity(BATCH_ROWS))))
                .is_err()
            {
                return Ok(());
            }
        }
    }
    let _ = sender.blocking_send(Ok(batch));
    Ok(())
}

/// The target's rows, streamed by the binary protocol.
pub(super) struct TargetRows<'a> {
    result: QueryResult<'a, 'static, BinaryProtocol>,
    layout: &'a Layout,
}

impl<'a> TargetRows<'a> {
    pub(super) async fn start(
        conn: &'a mut Conn,
        layout: &'a Layout,
        ordered: bool,
    ) -> Result<Self, VerifyError> {
        Ok(Self { result: conn.exec_iter(layout.target_sql(ordered), ()).await?, layout })
    }

    pub(super) async fn next(&mut self) -> Result<Option<CanonicalRow>, VerifyError> {
        Ok(self.result.next().await?.map(|row| canonical_row(&row, self.layout)))
    }
}

fn canonical_row(row: &TargetRow, layout: &Layout) -> CanonicalRow {
    let mut canonical = CanonicalRow::default();
    canonical.ends.reserve(layout.columns.len());
    for (at, column) in layout.columns.iter().enumerate() {
        let value = row.as_ref(at).unwrap_or(&Value::NULL);
        canonical.push(|out| canonical::target(value, column.kind, out));
    }
    canonical
}

/// A key read back out of its canonical form.
pub(super) fn key_for_people(layout: &Layout, row: &CanonicalRow) -> String {
    if layout.key.is_empty() {
        return match row.rowid {
            Some(rowid) => format!("rowid={rowid}"),
            None => "a row without key".to_owned(),
        };
    }
    let part = |at: &usize| {
        let column = &layout.columns[*at];
        format!("{}={}", column.name, canonical::for_people(row.cell(*at), column.kind))
    };
    layout.key.iter().map(part).collect::<Vec<_>>().join(", ")
}

/// Counts a table's rows.
pub(super) async fn count(connection: Connection, table: &str) -> Result<(u64, Connection), VerifyError> {
    let sql = format!("SELECT count(*) FROM {}", ident::sqlite(table));
    let counted = tokio::task::spawn_blocking(move || {
        let count = connection.query_row(&sql, [], |row| row.get::<_, i64>(0));
        (count, connection)
    });
    let (count, connection) = counted.await?;
    Ok((count?.unsigned_abs(), connection))
}
