//! The reading half of a copy: one blocking thread steps through a table in key order and hands on lines for
//! `LOAD DATA`, or parameters for `INSERT`, with the ends of chunks between them.

use bytes::Bytes;
use mysql_async::Value;
use rusqlite::types::{Value as SourceValue, ValueRef};
use rusqlite::{Connection, Row, params_from_iter};
use tokio::sync::mpsc::Sender;

use crate::core::convert::{as_is, escape_field, write_value};
use crate::core::types::TargetType;
use crate::ident;
use crate::plan::PlannedTable;
use crate::survey::key_text;

/// Bytes handed on at once.
const PIECE_BYTES: usize = 256 << 10;

/// What the reader hands on.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Lines for `LOAD DATA`.
    Lines(Bytes),
    /// Parameters of so many rows, and the key of the first.
    Rows { values: Vec<Value>, rows: usize, key: String },
    /// The chunk is complete.
    End(ChunkEnd),
    /// A value does not fit.
    Misfit { key: String, column: String, what: &'static str },
    /// The source cannot be read.
    Failed(rusqlite::Error),
    /// Never sent: nobody listens any more.
    Unheard,
}

/// The end of a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChunkEnd {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// The key of its last row; what follows begins after it.
    pub(crate) last_key: Option<String>,
    /// Whether the table ends with it.
    pub(crate) last: bool,
}

/// How rows are handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Lines,
    /// For statements of so many rows.
    Rows(usize),
}

/// What to read.
#[derive(Debug, Clone)]
pub(crate) struct ReadPlan {
    table: String,
    columns: Vec<(String, TargetType)>,
    key: Vec<String>,
    primary_key: Vec<String>,
    chunk_rows: usize,
    chunk_bytes: usize,
}

impl ReadPlan {
    pub(crate) fn new(table: &PlannedTable, chunk_rows: usize, chunk_bytes: usize) -> Self {
        // By row number where there is one: it is unique, ordered and cheap in every such table.
        let key = match &table.rowid_name {
            Some(name) => vec![name.clone()],
            None => table.primary_key.iter().map(|name| ident::sqlite(name)).collect(),
        };
        Self {
            table: table.name.clone(),
            columns: table.copied().map(|column| (column.name.clone(), column.target)).collect(),
            key,
            primary_key: table.primary_key.clone(),
            chunk_rows: chunk_rows.max(1),
            chunk_bytes: chunk_bytes.max(1),
        }
    }

    fn sql(&self, continued: bool) -> String {
        let columns: Vec<String> = self.columns.iter().map(|(name, _)| ident::sqlite(name)).collect();
        let primary = self.primary_key.iter().map(|name| ident::sqlite(name));
        let selected: Vec<String> =
            columns.into_iter().chain(self.key.iter().cloned()).chain(primary).collect();
        let key = self.key.join(", ");
        let marks = vec!["?"; self.key.len()].join(", ");
        let from = if continued { format!(" WHERE ({key}) > ({marks})") } else { String::new() };
        format!("SELECT {} FROM {}{from} ORDER BY {key}", selected.join(", "), ident::sqlite(&self.table))
    }
}

/// Reads from after `last_key` until the table ends or nobody listens, and gives the connection back.
pub(crate) fn read(
    connection: Connection,
    plan: &ReadPlan,
    form: Form,
    last_key: Option<&str>,
    pieces: &Sender<Piece>,
) -> Connection {
    if let Err(error) = read_rows(&connection, plan, form, last_key, pieces) {
        let _ = pieces.blocking_send(Piece::Failed(error));
    }
    connection
}

fn read_rows(
    connection: &Connection,
    plan: &ReadPlan,
    form: Form,
    last_key: Option<&str>,
    pieces: &Sender<Piece>,
) -> rusqlite::Result<()> {
    let after = last_key.map(decode_key).unwrap_or_default();
    let mut statement = connection.prepare(&plan.sql(last_key.is_some()))?;
    let mut rows = statement.query(params_from_iter(after))?;
    let mut chunk = Chunk::new(plan, form, last_key.map(str::to_owned));
    while let Some(row) = rows.next()? {
        // A large row has a statement of its own, which a server takes as long as it takes the row.
        let full = chunk.is_piece_full_before(row);
        if full && !chunk.send_piece(pieces) {
            return Ok(());
        }
        match chunk.take(row, pieces) {
            Ok(()) => {}
            Err(Piece::Unheard) => return Ok(()),
            Err(misfit) => {
                let _ = pieces.blocking_send(misfit);
                return Ok(());
            }
        }
        if chunk.is_piece_full() && !chunk.send_piece(pieces) {
            return Ok(());
        }
        if chunk.is_full() {
            chunk.last_key = Some(encode_key(row, plan));
            if !chunk.send_end(false, pieces) {
                return Ok(());
            }
        }
        // The key of the very last row is only needed when the table ends, which costs a look at each row's key otherwise.
    }
    chunk.send_end(true, pieces);
    Ok(())
}

struct Chunk<'a> {
    plan: &'a ReadPlan,
    form: Form,
    lines: Vec<u8>,
    values: Vec<Value>,
    scratch: Vec<u8>,
    piece_rows: usize,
    piece_bytes: usize,
    piece_key: String,
    rows: u64,
    bytes: u64,
    last_key: Option<String>,
}

impl<'a> Chunk<'a> {
    fn new(plan: &'a ReadPlan, form: Form, last_key: Option<String>) -> Self {
        Self {
            plan,
            form,
            lines: Vec::with_capacity(PIECE_BYTES + 4096),
            values: Vec::new(),
            scratch: Vec::new(),
            piece_rows: 0,
            piece_bytes: 0,
            piece_key: String::new(),
            rows: 0,
            bytes: 0,
            last_key,
        }
    }

    fn take(&mut self, row: &Row<'_>, pieces: &Sender<Piece>) -> Result<(), Piece> {
        if self.form == Form::Lines && self.row_bytes(row) > PIECE_BYTES as u64 {
            return self.take_large(row, pieces);
        }
        let misfit = |at: usize, what| Piece::Misfit {
            key: row_key(row, self.plan),
            column: self.plan.columns[at].0.clone(),
            what,
        };
        if self.form == Form::Rows(1) || matches!(self.form, Form::Rows(_)) && self.piece_rows == 0 {
            self.piece_key = row_key(row, self.plan);
        }
        let before = self.bytes;
        for (at, (_, target)) in self.plan.columns.iter().enumerate() {
            let value = row.get_ref(at).map_err(Piece::Failed)?;
            self.scratch.clear();
            let given = write_value(value, *target, &mut self.scratch).map_err(|why| misfit(at, why.0))?;
            self.piece_bytes += self.scratch.len();
            match self.form {
                Form::Rows(_) if given && self.scratch.len() > PIECE_BYTES => {
                    self.values.push(Value::Bytes(std::mem::take(&mut self.scratch)));
                }
                Form::Rows(_) if given => self.values.push(Value::Bytes(self.scratch.clone())),
                Form::Rows(_) => self.values.push(Value::NULL),
                Form::Lines => {
                    if at > 0 {
                        self.lines.push(b'\t');
                    }
                    if given {
                        escape_field(&self.scratch, &mut self.lines);
                    } else {
                        self.lines.extend_from_slice(b"\\N");
                    }
                }
            }
        }
        if self.form == Form::Lines {
            self.lines.push(b'\n');
        }
        self.bytes = before + self.row_bytes(row);
        self.rows += 1;
        self.piece_rows += 1;
        Ok(())
    }

    /// A row that is handed on in pieces, so that a large value is held by SQLite only, and once. All of its cells are
    /// looked at before the first piece goes, which cannot be taken back.
    fn take_large(&mut self, row: &Row<'_>, pieces: &Sender<Piece>) -> Result<(), Piece> {
        let before = self.bytes;
        let columns = &self.plan.columns;
        for (at, (name, target)) in columns.iter().enumerate() {
            let value = row.get_ref(at).map_err(Piece::Failed)?;
            self.scratch.clear();
            if as_is(value, *target).is_none() {
                write_value(value, *target, &mut self.scratch).map_err(|why| {
                    let (key, column) = (row_key(row, self.plan), name.clone());
                    Piece::Misfit { key, column, what: why.0 }
                })?;
            }
        }
        for (at, (_, target)) in columns.iter().enumerate() {
            if at > 0 {
                self.lines.push(b'\t');
            }
            let value = row.get_ref(at).map_err(Piece::Failed)?;
            self.scratch.clear();
            match as_is(value, *target) {
                Some(bytes) => self.stream(bytes, pieces)?,
                None if write_value(value, *target, &mut self.scratch) == Ok(true) => {
                    escape_field(&self.scratch, &mut self.lines);
                }
                None => self.lines.extend_from_slice(b"\\N"),
            }
        }
        self.lines.push(b'\n');
        self.bytes = before + self.row_bytes(row);
        self.rows += 1;
        self.piece_rows += 1;
        Ok(())
    }

    fn stream(&mut self, bytes: &[u8], pieces: &Sender<Piece>) -> Result<(), Piece> {
        for part in bytes.chunks(PIECE_BYTES) {
            escape_field(part, &mut self.lines);
            if self.lines.len() >= PIECE_BYTES {
                let full = std::mem::replace(&mut self.lines, Vec::with_capacity(PIECE_BYTES + 4096));
                pieces.blocking_send(Piece::Lines(Bytes::from(full))).map_err(|_| Piece::Unheard)?;
            }
        }
        Ok(())
    }

    /// What a row takes, about: its texts and blobs, and some for each other cell. Told alike for both forms.
    fn row_bytes(&self, row: &Row<'_>) -> u64 {
        let cells = 0..self.plan.columns.len();
        cells.map(|at| size(row.get_ref(at).unwrap_or(ValueRef::Null)) as u64 + 1).sum()
    }

    fn is_piece_full_before(&self, row: &Row<'_>) -> bool {
        matches!(self.form, Form::Rows(_))
            && self.piece_rows > 0
            && self.piece_bytes as u64 + self.row_bytes(row) > PIECE_BYTES as u64
    }

    fn is_piece_full(&self) -> bool {
        match self.form {
            Form::Lines => self.lines.len() >= PIECE_BYTES,
            Form::Rows(rows) => self.piece_rows >= rows || self.piece_bytes >= PIECE_BYTES,
        }
    }

    fn is_full(&self) -> bool {
        self.rows >= self.plan.chunk_rows as u64 || self.bytes >= self.plan.chunk_bytes as u64
    }

    fn flush(&mut self) -> Option<Piece> {
        let rows = std::mem::take(&mut self.piece_rows);
        self.piece_bytes = 0;
        if rows == 0 {
            return None;
        }
        Some(match self.form {
            Form::Lines => {
                let full = std::mem::replace(&mut self.lines, Vec::with_capacity(PIECE_BYTES + 4096));
                Piece::Lines(Bytes::from(full))
            }
            Form::Rows(_) => Piece::Rows {
                values: std::mem::take(&mut self.values),
                rows,
                key: std::mem::take(&mut self.piece_key),
            },
        })
    }

    /// `false` when nobody listens any more.
    fn send_piece(&mut self, pieces: &Sender<Piece>) -> bool {
        let large = self.piece_bytes > PIECE_BYTES && matches!(self.form, Form::Rows(_));
        let Some(piece) = self.flush() else { return true };
        pieces.blocking_send(piece).is_ok() && (!large || wait_until_taken(pieces))
    }

    /// `false` when nobody listens any more.
    fn send_end(&mut self, last: bool, pieces: &Sender<Piece>) -> bool {
        if !self.send_piece(pieces) {
            return false;
        }
        let end = ChunkEnd { rows: self.rows, bytes: self.bytes, last_key: self.last_key.clone(), last };
        self.rows = 0;
        self.bytes = 0;
        pieces.blocking_send(Piece::End(end)).is_ok()
    }
}

/// Large rows do not queue up: the next one is read when this one is on its way.
fn wait_until_taken(pieces: &Sender<Piece>) -> bool {
    let all = pieces.max_capacity();
    tokio::runtime::Handle::current().block_on(pieces.reserve_many(all)).is_ok()
}

/// Bytes of a value's text or blob; numbers are written in a few.
fn size(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len(),
        ValueRef::Null => 2,
        ValueRef::Integer(_) | ValueRef::Real(_) => 12,
    }
}

/// The row's key for people: its primary key, or its row number.
fn row_key(row: &Row<'_>, plan: &ReadPlan) -> String {
    let start = plan.columns.len();
    let columns: Vec<(usize, &str)> = if plan.primary_key.is_empty() {
        plan.key.iter().enumerate().map(|(at, name)| (start + at, name.as_str())).collect()
    } else {
        let start = start + plan.key.len();
        plan.primary_key.iter().enumerate().map(|(at, name)| (start + at, name.as_str())).collect()
    };
    key_text(&columns, |at| row.get_ref(at).unwrap_or(ValueRef::Null))
}

/// The row's key for the journal: storage class and content of each part.
fn encode_key(row: &Row<'_>, plan: &ReadPlan) -> String {
    let start = plan.columns.len();
    let part = |at: usize| match row.get_ref(start + at).unwrap_or(ValueRef::Null) {
        ValueRef::Null => "n".to_owned(),
        ValueRef::Integer(integer) => format!("i{integer}"),
        ValueRef::Real(real) => format!("r{:016x}", real.to_bits()),
        ValueRef::Text(text) => format!("t{}", hex(text)),
        ValueRef::Blob(blob) => format!("b{}", hex(blob)),
    };
    (0..plan.key.len()).map(part).collect::<Vec<_>>().join(",")
}

fn decode_key(text: &str) -> Vec<SourceValue> {
    text.split(',')
        .map(|part| {
            let (class, content) = part.split_at(part.len().min(1));
            match class {
                "i" => content.parse().map_or(SourceValue::Null, SourceValue::Integer),
                "r" => u64::from_str_radix(content, 16)
                    .map_or(SourceValue::Null, |bits| SourceValue::Real(f64::from_bits(bits))),
                "t" => SourceValue::Text(String::from_utf8_lossy(&unhex(content)).into_owned()),
                "b" => SourceValue::Blob(unhex(content)),
                _ => SourceValue::Null,
            }
        })
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).filter_map(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_the_journal() {
        let decoded = decode_key("i-5,r3ff8000000000000,t61c3a9,b00ff,n");
        let expected = [
            SourceValue::Integer(-5),
            SourceValue::Real(1.5),
            SourceValue::Text("aé".to_owned()),
            SourceValue::Blob(vec![0, 255]),
            SourceValue::Null,
        ];
        assert_eq!(decoded, expected);
    }
}
