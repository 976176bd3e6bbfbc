//! The reading half of a copy: one blocking thread steps through a table in key order and hands on lines for
//! `LOAD DATA`, or parameters for `INSERT`, with the ends of chunks between them.

use bytes::Bytes;
use mysql_async::Value;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row, ToSql, params_from_iter};
use tokio::sync::mpsc::Sender;

use crate::core::conversion::Converted;
use crate::core::convert::{Misfit, as_is, escape, write_field, write_value};
use crate::core::hex;
use crate::ident;
use crate::plan::{PlannedColumn, PlannedTable};
use crate::quarantine::{self, SetAside};
use crate::source;
use crate::survey::key_text;

/// Bytes handed on at once.
const PIECE_BYTES: usize = 256 << 10;
/// Rows set aside that a chunk holds at most.
const SET_ASIDE_A_CHUNK: usize = 1_000;

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
    /// Rows that go into the table.
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// The key of its last row; what follows begins after it.
    pub(crate) last_key: Option<String>,
    /// Whether the table ends with it.
    pub(crate) last: bool,
    /// Rows that go into the side table instead.
    pub(crate) set_aside: Vec<SetAside>,
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
    columns: Vec<PlannedColumn>,
    key: Vec<String>,
    primary_key: Vec<String>,
    /// Conditions that a row must not break, or it is set aside.
    conditions: Vec<String>,
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
            columns: table.copied().cloned().collect(),
            key,
            primary_key: table.primary_key.clone(),
            conditions: table.set_aside.clone(),
            chunk_rows: chunk_rows.max(1),
            chunk_bytes: chunk_bytes.max(1),
        }
    }

    /// `unordered`: the table's own order is none that can be continued in.
    fn sql(&self, continued: bool, unordered: bool) -> String {
        let columns = self.columns.iter().map(|column| ident::sqlite(&column.name));
        let primary = self.primary_key.iter().map(|name| ident::sqlite(name));
        let broken = self.conditions.iter().map(|condition| format!("NOT ({condition})"));
        let selected: Vec<String> =
            columns.chain(self.key.iter().cloned()).chain(primary).chain(broken).collect();
        let binary = if unordered { " COLLATE BINARY" } else { "" };
        let key = self.key.iter().map(|part| format!("{part}{binary}")).collect::<Vec<_>>().join(", ");
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
    let unordered = source::is_in_order_of_the_application(connection, &plan.table)?;
    let mut statement = connection.prepare(&plan.sql(last_key.is_some(), unordered))?;
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
    set_aside: Vec<SetAside>,
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
            set_aside: Vec::new(),
            last_key,
        }
    }

    fn take(&mut self, row: &Row<'_>, pieces: &Sender<Piece>) -> Result<(), Piece> {
        if matches!(self.form, Form::Rows(_)) && self.piece_rows == 0 {
            self.piece_key = row_key(row, self.plan);
        }
        if let Some(reason) = self.broken_condition(row) {
            return self.put_aside(row, reason);
        }
        let (lines, values, piece_bytes) = (self.lines.len(), self.values.len(), self.piece_bytes);
        let plan = self.plan;
        for (at, column) in plan.columns.iter().enumerate() {
            let value = row.get_ref(at).map_err(Piece::Failed)?;
            if self.form == Form::Lines && size(value) > PIECE_BYTES {
                self.lines.truncate(lines);
                return self.take_large(row, pieces);
            }
            match self.cell(at, value, column) {
                Ok(()) => {}
                Err(why) if column.quarantine => {
                    self.lines.truncate(lines);
                    self.values.truncate(values);
                    self.piece_bytes = piece_bytes;
                    return self.put_aside(row, format!("{}: {}", column.name, why.0));
                }
                Err(why) => {
                    let (key, column) = (row_key(row, self.plan), column.name.clone());
                    return Err(Piece::Misfit { key, column, what: why.0 });
                }
            }
        }
        if self.form == Form::Lines {
            self.lines.push(b'\n');
        }
        self.bytes += (self.lines.len() - lines + self.piece_bytes - piece_bytes) as u64;
        self.rows += 1;
        self.piece_rows += 1;
        Ok(())
    }

    /// A row that is handed on in pieces, so that a large value is held by SQLite only, and once. All of its cells are
    /// looked at before the first piece goes, which cannot be taken back.
    fn take_large(&mut self, row: &Row<'_>, pieces: &Sender<Piece>) -> Result<(), Piece> {
        let plan = self.plan;
        for (at, column) in plan.columns.iter().enumerate() {
            let value = row.get_ref(at).map_err(Piece::Failed)?;
            if streams(value, column).is_some() {
                continue;
            }
            let start = self.lines.len();
            let looked_at = self.cell(at, value, column);
            self.lines.truncate(start);
            match looked_at {
                Ok(()) => {}
                Err(why) if column.quarantine => {
                    return self.put_aside(row, format!("{}: {}", column.name, why.0));
                }
                Err(why) => {
                    let (key, column) = (row_key(row, plan), column.name.clone());
                    return Err(Piece::Misfit { key, column, what: why.0 });
                }
            }
        }
        for (at, column) in plan.columns.iter().enumerate() {
            let value = row.get_ref(at).map_err(Piece::Failed)?;
            match streams(value, column) {
                Some(bytes) => {
                    if at > 0 {
                        self.lines.push(b'\t');
                    }
                    self.stream(bytes, pieces)?;
                }
                None => self.cell(at, value, column).expect("it was looked at before"),
            }
        }
        self.lines.push(b'\n');
        self.bytes += self.row_bytes(row);
        self.rows += 1;
        self.piece_rows += 1;
        Ok(())
    }

    fn stream(&mut self, bytes: &[u8], pieces: &Sender<Piece>) -> Result<(), Piece> {
        for part in bytes.chunks(PIECE_BYTES) {
            escape(part, &mut self.lines);
            if self.lines.len() >= PIECE_BYTES {
                let full = std::mem::replace(&mut self.lines, Vec::with_capacity(PIECE_BYTES + 4096));
                pieces.blocking_send(Piece::Lines(Bytes::from(full))).map_err(|_| Piece::Unheard)?;
            }
        }
        Ok(())
    }

    /// What a row takes, about: its texts and blobs, and some for each other cell.
    fn row_bytes(&self, row: &Row<'_>) -> u64 {
        let cells = 0..self.plan.columns.len();
        cells.map(|at| size(row.get_ref(at).unwrap_or(ValueRef::Null)) as u64 + 1).sum()
    }

    fn is_piece_full_before(&self, row: &Row<'_>) -> bool {
        matches!(self.form, Form::Rows(_))
            && self.piece_rows > 0
            && self.piece_bytes as u64 + self.row_bytes(row) > PIECE_BYTES as u64
    }

    /// Puts a cell into the piece as its column's policies have it.
    fn cell(&mut self, at: usize, value: ValueRef<'_>, column: &PlannedColumn) -> Result<(), Misfit> {
        let converted = column.conversions.iter().find_map(|one| one.apply(value, column.target));
        let value = converted.as_ref().map_or(value, Converted::as_value);
        let given = if self.form == Form::Lines {
            if at > 0 {
                self.lines.push(b'\t');
            }
            write_field(value, column.target, &mut self.lines)?
        } else {
            self.scratch.clear();
            let given = write_value(value, column.target, &mut self.scratch)?;
            self.piece_bytes += self.scratch.len();
            self.values.push(match given {
                true if self.scratch.len() > PIECE_BYTES => Value::Bytes(std::mem::take(&mut self.scratch)),
                true => Value::Bytes(self.scratch.clone()),
                false => Value::NULL,
            });
            given
        };
        if given || !column.not_null { Ok(()) } else { Err(Misfit("is NULL, which its column refuses")) }
    }

    fn broken_condition(&self, row: &Row<'_>) -> Option<String> {
        let start = self.plan.columns.len() + self.plan.key.len() + self.plan.primary_key.len();
        let broken =
            |at: usize| matches!(row.get_ref(start + at), Ok(ValueRef::Integer(broken)) if broken != 0);
        let at = (0..self.plan.conditions.len()).find(|at| broken(*at))?;
        Some(format!("MIG-CHECK-BROKEN: CHECK ({})", self.plan.conditions[at]))
    }

    fn put_aside(&mut self, row: &Row<'_>, reason: String) -> Result<(), Piece> {
        let cell = |(at, column): (usize, &'a PlannedColumn)| {
            (column.name.as_str(), row.get_ref(at).unwrap_or(ValueRef::Null))
        };
        let content = quarantine::of_source(self.plan.columns.iter().enumerate().map(cell));
        let key = row_key(row, self.plan);
        if content.len() > quarantine::ROW_BYTES_AT_MOST {
            let what = "does not fit, and its row is too large to be set aside";
            return Err(Piece::Misfit { key, column: self.plan.table.clone(), what });
        }
        self.bytes += content.len() as u64;
        self.set_aside.push(SetAside { key, reason: reason.chars().take(255).collect(), content });
        Ok(())
    }

    fn is_piece_full(&self) -> bool {
        match self.form {
            Form::Lines => self.lines.len() >= PIECE_BYTES,
            Form::Rows(rows) => self.piece_rows >= rows || self.piece_bytes >= PIECE_BYTES,
        }
    }

    fn is_full(&self) -> bool {
        self.rows + self.set_aside.len() as u64 >= self.plan.chunk_rows as u64
            || self.bytes >= self.plan.chunk_bytes as u64
            || self.set_aside.len() >= SET_ASIDE_A_CHUNK
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
        let set_aside = std::mem::take(&mut self.set_aside);
        let end =
            ChunkEnd { rows: self.rows, bytes: self.bytes, last_key: self.last_key.clone(), last, set_aside };
        self.rows = 0;
        self.bytes = 0;
        pieces.blocking_send(Piece::End(end)).is_ok()
    }
}

/// The bytes of a large value that goes as it is; policies that change it, and what does not fit, are for the usual way.
fn streams<'v>(value: ValueRef<'v>, column: &PlannedColumn) -> Option<&'v [u8]> {
    let changed = || column.conversions.iter().any(|one| one.apply(value, column.target).is_some());
    if size(value) > PIECE_BYTES && !changed() { as_is(value, column.target) } else { None }
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
        ValueRef::Text(text) => format!("t{}", hex::encode(text)),
        ValueRef::Blob(blob) => format!("b{}", hex::encode(blob)),
    };
    (0..plan.key.len()).map(part).collect::<Vec<_>>().join(",")
}

/// One part of a key out of the journal.
#[derive(Debug, Clone, PartialEq)]
enum KeyPart {
    Null,
    Integer(i64),
    Real(f64),
    /// As bytes: a text in SQLite need not be UTF-8, and another text is another place in the table.
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

impl ToSql for KeyPart {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(integer) => ValueRef::Integer(*integer),
            Self::Real(real) => ValueRef::Real(*real),
            Self::Text(text) => ValueRef::Text(text),
            Self::Blob(blob) => ValueRef::Blob(blob),
        }))
    }
}

fn decode_key(text: &str) -> Vec<KeyPart> {
    text.split(',')
        .map(|part| {
            let (class, content) = part.split_at(part.len().min(1));
            match class {
                "i" => content.parse().map_or(KeyPart::Null, KeyPart::Integer),
                "r" => u64::from_str_radix(content, 16)
                    .map_or(KeyPart::Null, |bits| KeyPart::Real(f64::from_bits(bits))),
                "t" => KeyPart::Text(hex::decode(content)),
                "b" => KeyPart::Blob(hex::decode(content)),
                _ => KeyPart::Null,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_the_journal() {
        let decoded = decode_key("i-5,r3ff8000000000000,t61c3a9,t61ff,b00ff,n");
        let expected = [
            KeyPart::Integer(-5),
            KeyPart::Real(1.5),
            KeyPart::Text("aé".as_bytes().to_vec()),
            KeyPart::Text(vec![0x61, 0xff]),
            KeyPart::Blob(vec![0, 255]),
            KeyPart::Null,
        ];
        assert_eq!(decoded, expected);
    }
}
