//! Streams of canonical rows from either side, in blocks of bounded size. No comparison here.

use std::cmp::Ordering;
use std::sync::Arc;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Params, Value};
use rusqlite::{Connection, params_from_iter};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinHandle;

use super::canonical;
use super::layout::Layout;
use super::ranges::{Bound, Range};
use super::report::VerifyError;
use crate::ident;

/// Where a block ends. Equal rows make equal blocks on both sides.
const BLOCK_ROWS: usize = 1024;
const BLOCK_BYTES: usize = 128 << 10;
const QUEUED_BLOCKS: usize = 4;

/// Rows in canonical form, cell after cell in one buffer.
#[derive(Debug, Default)]
pub(super) struct Block {
    bytes: Vec<u8>,
    /// Where each cell ends.
    ends: Vec<u32>,
    /// SQLite's row numbers, where there are any.
    rowids: Vec<i64>,
    columns: usize,
    rows: usize,
    /// Whether each row's key lies after the one before it, also across blocks.
    pub(super) ascending: bool,
}

/// A row of a block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    block: &'a Block,
    at: usize,
}

impl Block {
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn row(&self, at: usize) -> Row<'_> {
        Row { block: self, at }
    }

    /// Whether both hold the same rows.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.rows == other.rows && self.ends == other.ends && self.bytes == other.bytes
    }

    fn is_full(&self) -> bool {
        self.rows >= BLOCK_ROWS || self.bytes.len() >= BLOCK_BYTES
    }
}

impl<'a> Row<'a> {
    pub(super) fn cell(&self, column: usize) -> &'a [u8] {
        let place = self.at * self.block.columns + column;
        let start = if place == 0 { 0 } else { self.block.ends[place - 1] as usize };
        &self.block.bytes[start..self.block.ends[place] as usize]
    }

    fn columns(&self) -> usize {
        self.block.columns
    }

    /// SQLite's row number, where there is one.
    pub(super) fn rowid(&self) -> Option<i64> {
        self.block.rowids.get(self.at).copied()
    }

    pub(super) fn is_same(&self, other: &Row<'_>) -> bool {
        (0..self.columns()).all(|at| self.cell(at) == other.cell(at))
    }

    /// Compares by key, part by part.
    pub(super) fn cmp_key(&self, other: &Row<'_>, key: &[usize]) -> Ordering {
        key.iter()
            .map(|at| self.cell(*at).cmp(other.cell(*at)))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }

    /// Compares its key with a bound.
    pub(super) fn cmp_bound(&self, bound: &Bound, key: &[usize]) -> Ordering {
        key.iter()
            .zip(&bound.canonical)
            .map(|(at, part)| self.cell(*at).cmp(part.as_slice()))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }

    /// Half of the BLAKE3 of the row: cells, each after its length.
    pub(super) fn digest(&self) -> u128 {
        let mut hasher = blake3::Hasher::new();
        for at in 0..self.columns() {
            let cell = self.cell(at);
            hasher.update(&(cell.len() as u64).to_le_bytes());
            hasher.update(cell);
        }
        let mut half = [0; 16];
        half.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        u128::from_le_bytes(half)
    }

    /// The row by itself.
    pub(super) fn to_block(self) -> Block {
        let mut block = Block { columns: self.columns(), rows: 1, ascending: true, ..Block::default() };
        for at in 0..self.columns() {
            block.bytes.extend_from_slice(self.cell(at));
            block.ends.push(end(&block.bytes));
        }
        block.rowids.extend(self.rowid());
        block
    }
}

fn end(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// Fills blocks, and looks whether keys ascend.
struct Builder {
    layout: Arc<Layout>,
    block: Block,
    last_key: Option<Vec<Vec<u8>>>,
}

impl Builder {
    fn new(layout: Arc<Layout>) -> Self {
        let mut builder = Self { layout, block: Block::default(), last_key: None };
        builder.renew();
        builder
    }

    fn renew(&mut self) -> Block {
        let columns = self.layout.columns.len();
        let fresh = Block {
            bytes: Vec::with_capacity(BLOCK_BYTES + 1024),
            ends: Vec::with_capacity(BLOCK_ROWS * columns),
            columns,
            ascending: true,
            ..Block::default()
        };
        std::mem::replace(&mut self.block, fresh)
    }

    fn cell(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.block.bytes);
        self.block.ends.push(end(&self.block.bytes));
    }

    /// Ends a row; hands the block on when it is full.
    fn end_row(&mut self, rowid: Option<i64>) -> Option<Block> {
        self.block.rowids.extend(rowid);
        let at = self.block.rows;
        self.block.rows += 1;
        let key = &self.layout.key;
        let row = self.block.row(at);
        let after = match (at, &self.last_key) {
            (0, None) => true,
            (0, Some(last)) => {
                let mut parts = key.iter().zip(last).map(|(at, part)| row.cell(*at).cmp(part.as_slice()));
                parts.find(|order| order.is_ne()).is_some_and(Ordering::is_gt)
            }
            _ => row.cmp_key(&self.block.row(at - 1), key).is_gt(),
        };
        if !after {
            self.block.ascending = false;
        }
        self.block.is_full().then(|| self.take())
    }

    fn take(&mut self) -> Block {
        let full = self.renew();
        if full.rows > 0 && !self.layout.key.is_empty() {
            let last = full.row(full.rows - 1);
            self.last_key = Some(self.layout.key.iter().map(|at| last.cell(*at).to_vec()).collect());
        }
        full
    }
}

/// The rows of one side, read by a task of its own that gives its connection back.
pub(super) struct Blocks<C> {
    blocks: Receiver<Result<Block, VerifyError>>,
    task: JoinHandle<C>,
}

impl<C> Blocks<C> {
    pub(super) async fn next(&mut self) -> Result<Option<Block>, VerifyError> {
        self.blocks.recv().await.transpose()
    }

    /// Stops reading.
    pub(super) async fn finish(self) -> Result<C, VerifyError> {
        drop(self.blocks);
        Ok(self.task.await?)
    }
}

/// Reads the source.
pub(super) fn source(
    connection: Connection,
    layout: &Arc<Layout>,
    ordered: bool,
    range: &Range,
) -> Blocks<Connection> {
    let (sender, blocks) = mpsc::channel(QUEUED_BLOCKS);
    let (layout, range) = (Arc::clone(layout), range.clone());
    let task = tokio::task::spawn_blocking(move || {
        let mut send = |block| sender.blocking_send(Ok(block)).is_ok();
        if let Err(error) = walk(&connection, &layout, ordered, &range, &mut send) {
            let _ = sender.blocking_send(Err(error.into()));
        }
        connection
    });
    Blocks { blocks, task }
}

/// Steps through the source on this thread, until nobody wants more.
pub(super) fn walk(
    connection: &Connection,
    layout: &Arc<Layout>,
    ordered: bool,
    range: &Range,
    wants_more: &mut dyn FnMut(Block) -> bool,
) -> rusqlite::Result<()> {
    let (sql, parameters) = layout.source_sql(ordered, range);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(parameters))?;
    let mut builder = Builder::new(Arc::clone(layout));
    while let Some(row) = rows.next()? {
        for (at, column) in layout.columns.iter().enumerate() {
            let value = row.get_ref(at)?;
            builder.cell(|out| column.source(value, out));
        }
        let rowid = match layout.rowid_name {
            Some(_) => row.get(layout.columns.len().max(1))?,
            None => None,
        };
        if let Some(block) = builder.end_row(rowid)
            && !wants_more(block)
        {
            return Ok(());
        }
    }
    wants_more(builder.take());
    Ok(())
}

/// Reads the target, by the binary protocol. A connection whose result was not read to its end is not given back.
pub(super) fn target(conn: Conn, layout: &Arc<Layout>, ordered: bool, range: &Range) -> Blocks<Option<Conn>> {
    let (sender, blocks) = mpsc::channel(QUEUED_BLOCKS);
    let (sql, parameters) = layout.target_sql(ordered, range);
    let layout = Arc::clone(layout);
    let task = tokio::spawn(async move {
        let mut conn = conn;
        match read_target(&mut conn, &sql, parameters, &layout, &sender).await {
            Ok(true) => Some(conn),
            Ok(false) => None,
            Err(error) => {
                let _ = sender.send(Err(error.into())).await;
                None
            }
        }
    });
    Blocks { blocks, task }
}

async fn read_target(
    conn: &mut Conn,
    sql: &str,
    parameters: Vec<Value>,
    layout: &Arc<Layout>,
    sender: &Sender<Result<Block, VerifyError>>,
) -> Result<bool, mysql_async::Error> {
    let parameters = if parameters.is_empty() { Params::Empty } else { Params::Positional(parameters) };
    let mut result = conn.exec_iter(sql, parameters).await?;
    let mut builder = Builder::new(Arc::clone(layout));
    while let Some(row) = result.next().await? {
        for (at, column) in layout.columns.iter().enumerate() {
            let value = row.as_ref(at).unwrap_or(&Value::NULL);
            builder.cell(|out| canonical::target(value, column.form, out));
        }
        if let Some(block) = builder.end_row(None)
            && sender.send(Ok(block)).await.is_err()
        {
            return Ok(false);
        }
    }
    let _ = sender.send(Ok(builder.take())).await;
    Ok(true)
}

/// A key read back out of its canonical form.
pub(super) fn key_for_people(layout: &Layout, row: &Row<'_>) -> String {
    if layout.key.is_empty() {
        return match row.rowid() {
            Some(rowid) => format!("rowid={rowid}"),
            None => "a row without key".to_owned(),
        };
    }
    let part = |at: &usize| {
        let column = &layout.columns[*at];
        format!("{}={}", column.name, canonical::for_people(row.cell(*at), column.form.kind))
    };
    layout.key.iter().map(part).collect::<Vec<_>>().join(", ")
}

/// Counts a table's rows.
pub(super) fn count(connection: &Connection, table: &str) -> rusqlite::Result<u64> {
    let sql = format!("SELECT count(*) FROM {}", ident::sqlite(table));
    connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
}
