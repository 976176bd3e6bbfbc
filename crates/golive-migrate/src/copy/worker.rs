//! The writing half of a copy: takes tables off the queue and brings their chunks into MariaDB, each in one transaction
//! with its journal row. A chunk that did not go in exactly is rolled back and replayed row by row, to name the row.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use futures_util::StreamExt as _;
use futures_util::stream;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Params};
use rusqlite::Connection;
use tokio::sync::mpsc::{self, Receiver};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::confirm::Confirmation;
use super::reader::{self, ChunkEnd, Form, Piece, ReadPlan};
use super::{CopiedTable, CopyError, CopyOptions};
use crate::ident;
use crate::journal::{self, TableState};
use crate::plan::{Plan, PlannedTable};
use crate::progress::{PhaseMeter, TableMeter};
use crate::quarantine;
use crate::stall::Pulse;
use crate::target::Target;

/// Pieces that may wait between reader and writer.
const QUEUED_PIECES: usize = 8;
/// Parameters a prepared statement has at most: measured optimum, far below the protocol's 65,535.
const PARAMETERS: usize = 3_000;
/// Bytes of a chunk into a Galera cluster, at most.
const GALERA_CHUNK_BYTES: usize = 16 << 20;
/// A lost race with a killed run's last transaction is settled in one more look; more is a fault.
const ATTEMPTS: usize = 5;

pub(crate) struct Worker<'a> {
    target: &'a Target,
    options: &'a CopyOptions,
    meter: &'a PhaseMeter<'a>,
    /// Set when the run is cancelled, or another worker failed.
    stop: &'a CancellationToken,
    confirmation: &'a Confirmation,
    pulse: &'a Arc<Pulse>,
}

/// Two connections that take turns: while one commits a chunk, the other takes the rows of the next, so that the server
/// never waits for its disk. Chunks are committed in their order all the same.
struct Lanes {
    /// Takes rows.
    ahead: Conn,
    /// Holds the chunk before, to be committed.
    behind: Conn,
}

impl Lanes {
    async fn open(target: &Target) -> Result<Self, Error> {
        Ok(Self { ahead: target.open().await?, behind: target.open().await? })
    }

    fn turn(&mut self) {
        std::mem::swap(&mut self.ahead, &mut self.behind);
    }

    /// Best effort: the server rolls back by itself when a connection is gone. Nothing happens where nothing is open.
    async fn roll_back(&mut self) {
        let _ = self.ahead.query_drop("ROLLBACK").await;
        let _ = self.behind.query_drop("ROLLBACK").await;
    }

    async fn close(self) {
        let _ = self.ahead.disconnect().await;
        let _ = self.behind.disconnect().await;
    }
}

/// How a chunk ended.
enum Loaded {
    /// As many rows as were sent, without a warning.
    Exactly(ChunkEnd),
    /// Refused or changed; nothing may be kept.
    Inexactly,
    /// A killed run's last transaction brought it in after all.
    Raced,
    /// The run is to end; nothing may be kept.
    Stopped,
}

/// A running reader and its channel.
struct Reading {
    pieces: Arc<tokio::sync::Mutex<Receiver<Piece>>>,
    thread: JoinHandle<Connection>,
    form: Form,
}

impl<'a> Worker<'a> {
    pub(crate) fn new(
        target: &'a Target,
        options: &'a CopyOptions,
        meter: &'a PhaseMeter<'a>,
        stop: &'a CancellationToken,
        confirmation: &'a Confirmation,
        pulse: &'a Arc<Pulse>,
    ) -> Self {
        Self { target, options, meter, stop, confirmation, pulse }
    }

    /// Copies tables until the queue is empty.
    pub(crate) async fn run(
        self,
        snapshot: Connection,
        plan: &Plan,
        queue: &Mutex<VecDeque<usize>>,
    ) -> Result<Vec<(usize, CopiedTable)>, CopyError> {
        let mut lanes = Lanes::open(self.target).await.map_err(CopyError::server("the journal"))?;
        let mut snapshot = snapshot;
        let mut copied = Vec::new();
        loop {
            let next = queue.lock().expect("no holder of this lock can panic").pop_front();
            let Some(place) = next else { break };
            let (table, back) = self.table(&mut lanes, snapshot, &plan.tables[place]).await?;
            snapshot = back;
            copied.push((place, table));
        }
        lanes.close().await;
        Ok(copied)
    }

    async fn table(
        &self,
        lanes: &mut Lanes,
        snapshot: Connection,
        table: &PlannedTable,
    ) -> Result<(CopiedTable, Connection), CopyError> {
        let server = CopyError::server(&table.name);
        let mut snapshot = snapshot;
        let mut state = journal::table_state(&mut lanes.ahead, &table.name).await.map_err(&server)?;
        let mut meter = self.meter.table(&table.name, table.rows, state.rows);
        for _ in 0..ATTEMPTS {
            let mut form = self.form(table);
            while !state.done {
                let reading = self.start(snapshot, table, form, &state);
                let outcome = self.chunks(lanes, table, &reading, &mut state, &mut meter).await;
                lanes.roll_back().await;
                let Reading { pieces, thread, form: used } = reading;
                // Without a listener the reader ends at once and gives its connection back.
                pieces.lock().await.close();
                drop(pieces);
                snapshot = thread.await?;
                match outcome {
                    Ok(Outcome::Raced) => break,
                    Err(error) if lost_a_race(&error) => break,
                    Err(error) => return Err(error),
                    Ok(Outcome::Done) => {}
                    Ok(Outcome::Inexact) if used == Form::Rows(1) => {
                        unreachable!("a single row that is inexact is an error that names it")
                    }
                    Ok(Outcome::Inexact) => form = Form::Rows(1),
                    Ok(Outcome::Replayed) => form = self.form(table),
                }
            }
            if state.done {
                let chunks = state.chunks.unsigned_abs();
                let set_aside = quarantine::count(&mut lanes.ahead, &table.name).await.map_err(&server)?;
                let (name, rows_now) = (table.name.clone(), meter.rows_now);
                let copied = CopiedTable { name, rows: state.rows, rows_now, chunks, set_aside };
                return Ok((copied, snapshot));
            }
            state = journal::table_state(&mut lanes.ahead, &table.name).await.map_err(&server)?;
        }
        Err(CopyError::AnotherRun { target: self.target.display_name() })
    }

    /// Rows and bytes of a chunk, which must fit into what a cluster takes at once.
    fn chunk_limits(&self) -> (usize, usize) {
        let (mut rows, mut bytes) = (self.options.chunk_rows, self.options.chunk_bytes);
        if let Some(galera) = &self.target.server().galera {
            // A write set holds its rows in the server's form, with keys and headers: about twice the text at the most. A
            // small one also keeps the other nodes' queues short.
            let most = usize::try_from(galera.max_write_set_bytes / 4).unwrap_or(usize::MAX);
            bytes = bytes.min(most).min(GALERA_CHUNK_BYTES);
            if galera.max_write_set_rows > 0 {
                // The journal's row is written twice in the same transaction.
                rows = rows
                    .min(usize::try_from(galera.max_write_set_rows.saturating_sub(2)).unwrap_or(usize::MAX));
            }
        }
        (rows.max(1), bytes.max(1))
    }

    /// Rows that a policy keeps out go into the side table, in the chunk's own transaction.
    async fn put_aside(
        &self,
        conn: &mut Conn,
        table: &PlannedTable,
        end: &ChunkEnd,
    ) -> Result<(), CopyError> {
        if end.set_aside.is_empty() {
            return Ok(());
        }
        let server = CopyError::server(&table.name);
        quarantine::enter(conn, &table.name, &end.set_aside).await.map_err(&server)?;
        if quarantine::count(conn, &table.name).await.map_err(&server)? <= quarantine::ROWS_AT_MOST {
            return Ok(());
        }
        Err(CopyError::TooManySetAside { table: table.name.clone(), limit: quarantine::ROWS_AT_MOST })
    }

    fn cancelled(&self) -> CopyError {
        CopyError::Cancelled { target: self.target.display_name() }
    }

    fn form(&self, table: &PlannedTable) -> Form {
        if self.target.server().local_infile {
            Form::Lines
        } else {
            Form::Rows((PARAMETERS / table.copied().count().max(1)).clamp(1, 200))
        }
    }

    fn start(&self, snapshot: Connection, table: &PlannedTable, form: Form, state: &TableState) -> Reading {
        let (sender, receiver) = mpsc::channel(QUEUED_PIECES);
        let (rows, bytes) = self.chunk_limits();
        let plan = ReadPlan::new(table, rows, bytes);
        let last_key = state.last_key.clone();
        let thread = tokio::task::spawn_blocking(move || {
            reader::read(snapshot, &plan, form, last_key.as_deref(), &sender)
        });
        Reading { pieces: Arc::new(tokio::sync::Mutex::new(receiver)), thread, form }
    }

    /// Brings chunks in until the table ends, one is inexact, or one was replayed. What is not committed then is the
    /// caller's to roll back.
    async fn chunks(
        &self,
        lanes: &mut Lanes,
        table: &PlannedTable,
        reading: &Reading,
        state: &mut TableState,
        meter: &mut TableMeter<'_, '_>,
    ) -> Result<Outcome, CopyError> {
        let replaying = reading.form == Form::Rows(1) && self.form(table) != Form::Rows(1);
        let mut sent = self.send(&mut lanes.ahead, table, reading, state.chunks).await?;
        loop {
            let end = match sent {
                Loaded::Exactly(end) => end,
                Loaded::Inexactly => return Ok(Outcome::Inexact),
                Loaded::Raced => return Ok(Outcome::Raced),
                Loaded::Stopped => return Err(self.cancelled()),
            };
            lanes.turn();
            let Lanes { ahead, behind } = lanes;
            let (chunk, alone) = (state.chunks, end.last || replaying);
            let (committed, next) = tokio::join!(self.commit(behind, table, chunk, &end), async {
                if alone { None } else { Some(self.send(ahead, table, reading, chunk + 1).await) }
            });
            committed?;
            self.pulse.beat();
            meter.advance(end.rows, end.bytes);
            state.chunks += 1;
            state.rows += end.rows;
            state.done = end.last;
            state.last_key = end.last_key;
            sent = match next {
                Some(next) => next?,
                None if state.done => return Ok(Outcome::Done),
                None => return Ok(Outcome::Replayed),
            };
        }
    }

    /// Takes the chunk's number and sends its rows, in a transaction that is left open.
    async fn send(
        &self,
        conn: &mut Conn,
        table: &PlannedTable,
        reading: &Reading,
        chunk: i64,
    ) -> Result<Loaded, CopyError> {
        if self.stop.is_cancelled() {
            return Ok(Loaded::Stopped);
        }
        let server = CopyError::server(&table.name);
        conn.query_drop("START TRANSACTION").await.map_err(&server)?;
        match journal::reserve(conn, &table.name, chunk).await {
            Err(Error::Server(error)) if error.code == 1062 => return Ok(Loaded::Raced),
            reserved => reserved.map_err(&server)?,
        }
        self.pulse.beat();
        match reading.form {
            Form::Lines => load(conn, table, &reading.pieces, self.stop, self.pulse).await,
            Form::Rows(rows) => {
                let packet_bytes = self.target.server().max_allowed_packet_bytes;
                let statement = Inserting { rows, packet_bytes };
                insert(conn, table, &reading.pieces, statement, self.stop, self.pulse).await
            }
        }
    }

    /// Brings the chunk's rows and its journal row in, once the source is known to be the planned one.
    async fn commit(
        &self,
        conn: &mut Conn,
        table: &PlannedTable,
        chunk: i64,
        end: &ChunkEnd,
    ) -> Result<(), CopyError> {
        let server = CopyError::server(&table.name);
        tokio::select! {
            () = self.pulse.elsewhere(self.confirmation.known()) => {}
            () = self.stop.cancelled() => return Err(self.cancelled()),
        }
        self.put_aside(conn, table, end).await?;
        journal::complete(conn, &table.name, chunk, end).await.map_err(&server)?;
        conn.query_drop("COMMIT").await.map_err(&server)
    }
}

enum Outcome {
    Done,
    Raced,
    Inexact,
    Replayed,
}

/// One chunk through `LOAD DATA LOCAL INFILE`, straight from the reader.
async fn load(
    conn: &mut Conn,
    table: &PlannedTable,
    pieces: &Arc<tokio::sync::Mutex<Receiver<Piece>>>,
    stop: &CancellationToken,
    pulse: &Arc<Pulse>,
) -> Result<Loaded, CopyError> {
    let ending: Arc<Mutex<Option<Piece>>> = Arc::default();
    let state = (Arc::clone(pieces), Arc::clone(&ending), stop.clone(), Arc::clone(pulse));
    let lines = stream::unfold(state, |(pieces, ending, stop, pulse)| async move {
        let piece = next(&mut *pieces.lock().await, &stop, &pulse).await;
        match piece {
            Some(Piece::Lines(bytes)) => Some((Ok(bytes), (pieces, ending, stop, pulse))),
            other => {
                *ending.lock().expect("no holder of this lock can panic") = other;
                None
            }
        }
    });
    conn.set_infile_handler(async move { Ok(lines.boxed()) });
    let columns: Vec<String> = table.copied().map(|column| column.name.clone()).collect();
    let statement = format!(
        "LOAD DATA LOCAL INFILE 'golive' INTO TABLE {} CHARACTER SET binary FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' \
         LINES TERMINATED BY '\\n' ({})",
        ident::mariadb(&table.name),
        ident::mariadb_list(&columns)
    );
    let result = conn.query_drop(statement).await;
    let (affected, warnings) = (conn.affected_rows(), conn.get_warnings());
    let ended = ending.lock().expect("no holder of this lock can panic").take();
    match result {
        Ok(()) => {}
        Err(Error::Server(error)) if names_a_row(error.code) => return Ok(Loaded::Inexactly),
        Err(error) => return Err(CopyError::server(&table.name)(error)),
    }
    match ended {
        Some(Piece::End(end)) if affected == end.rows && warnings == 0 => Ok(Loaded::Exactly(end)),
        Some(Piece::End(_)) => Ok(Loaded::Inexactly),
        Some(other) => Err(failure(table, other)),
        None if stop.is_cancelled() => Ok(Loaded::Stopped),
        None => Err(ended_early(table)),
    }
}

/// The reader's next piece; `None` when it ended, or the run is to end.
async fn next(pieces: &mut Receiver<Piece>, stop: &CancellationToken, pulse: &Pulse) -> Option<Piece> {
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        piece = pulse.elsewhere(pieces.recv()) => piece,
    }
}

fn ended_early(table: &PlannedTable) -> CopyError {
    CopyError::server(&table.name)(Error::Io(std::io::Error::other("the reader ended early").into()))
}

/// Rows of a statement, and what the server takes at once.
struct Inserting {
    rows: usize,
    packet_bytes: u64,
}

/// One chunk through prepared multi-row inserts.
async fn insert(
    conn: &mut Conn,
    table: &PlannedTable,
    pieces: &Arc<tokio::sync::Mutex<Receiver<Piece>>>,
    statement: Inserting,
    stop: &CancellationToken,
    pulse: &Pulse,
) -> Result<Loaded, CopyError> {
    let Inserting { rows: rows_at_once, packet_bytes } = statement;
    let mut pieces = pieces.lock().await;
    loop {
        let (values, rows, key) = match next(&mut pieces, stop, pulse).await {
            Some(Piece::Rows { values, rows, key }) => (values, rows, key),
            Some(Piece::End(end)) => return Ok(Loaded::Exactly(end)),
            Some(other) => return Err(failure(table, other)),
            None if stop.is_cancelled() => return Ok(Loaded::Stopped),
            None => return Err(ended_early(table)),
        };
        let bytes = values.iter().map(|value| value.bin_len() + 1).sum::<u64>() + 1024;
        if bytes > packet_bytes {
            return Err(CopyError::PacketTooSmall { table: table.name.clone(), key, bytes, packet_bytes });
        }
        let result = conn.exec_drop(insert_statement(table, rows), Params::Positional(values)).await;
        let code = match result {
            Ok(()) if conn.affected_rows() == rows as u64 && conn.get_warnings() == 0 => continue,
            Ok(()) => 0,
            Err(Error::Server(error)) if names_a_row(error.code) => error.code,
            Err(error) => return Err(CopyError::server(&table.name)(error)),
        };
        if rows_at_once > 1 {
            return Ok(Loaded::Inexactly);
        }
        return Err(CopyError::RowRefused { table: table.name.clone(), key, what: meaning(code), code });
    }
}

fn insert_statement(table: &PlannedTable, rows: usize) -> String {
    let columns: Vec<String> = table.copied().map(|column| column.name.clone()).collect();
    let one = format!("({})", vec!["?"; columns.len()].join(","));
    format!(
        "INSERT INTO {} ({}) VALUES {}",
        ident::mariadb(&table.name),
        ident::mariadb_list(&columns),
        vec![one; rows].join(",")
    )
}

fn failure(table: &PlannedTable, piece: Piece) -> CopyError {
    let table = table.name.clone();
    match piece {
        Piece::Misfit { key, column, what } => CopyError::Misfit { table, key, column, what },
        Piece::Failed(source) => CopyError::Source { table, source },
        Piece::Lines(_) | Piece::Rows { .. } | Piece::End(_) | Piece::Unheard => {
            CopyError::server(&table)(Error::Io(std::io::Error::other("the reader changed its form").into()))
        }
    }
}

/// Errors of a value or key, as opposed to those of the server, the statement or the connection. What is unknown is
/// taken for one of a value, since the server's text may then repeat it.
fn names_a_row(code: u16) -> bool {
    const OF_THE_SERVER: [u16; 28] = [
        1021, 1030, 1040, 1044, 1045, 1046, 1047, 1049, 1053, 1054, 1064, 1114, 1136, 1142, 1143, 1146, 1153,
        1158, 1159, 1160, 1161, 1180, 1205, 1213, 1290, 1317, 1927, 1969,
    ];
    !OF_THE_SERVER.contains(&code)
}

/// A deadlock, a lock waited for in vain, or a transaction that another node of a cluster was faster with: nothing of it
/// stays, and what stands now is looked up again.
fn lost_a_race(error: &CopyError) -> bool {
    matches!(error, CopyError::Server { source: Error::Server(error), .. } if matches!(error.code, 1205 | 1213))
}

/// What an error code means, since the server's own text repeats the value.
fn meaning(code: u16) -> &'static str {
    match code {
        0 => "would have changed a value",
        1048 | 1364 => "misses a value for a column that refuses NULL",
        1062 | 1586 => "holds a row of the same key already",
        1264 => "finds a number out of range",
        1406 => "finds a value too long",
        4025 => "finds a CHECK constraint broken",
        _ => "finds a value that its column's type does not take",
    }
}
