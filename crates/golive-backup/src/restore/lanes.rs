//! Feeds a dump to several sessions of the client at once: one makes the tables, all of them take rows in turn, secondary
//! keys are built when the rows are in, and views, triggers, routines and events come last.
//!
//! What goes where is [`super::split`]'s business. Each session is a `mariadb` of its own, so that a statement of any size
//! or character set arrives as the tool wrote it; a marker that comes back says that everything before it is done.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

use super::split::{Out, Splitter};
use crate::exec::{self, Mask, Running, ToolError, Tools};
use crate::manifest::{Part, TableFacts};
use crate::pipeline::BUFFER_BYTES;
use crate::progress::{Progress, Stage};
use crate::server::{DefaultsFile, Server};

/// How the sessions that take rows are set; the first one is set by the dump itself.
const SETTINGS: &[u8] = b"SET NAMES utf8mb4; SET SESSION TIME_ZONE = '+00:00', FOREIGN_KEY_CHECKS = 0, \
    SQL_MODE = 'NO_AUTO_VALUE_ON_ZERO', SQL_NOTES = 0;\n";
/// The longest line that is looked at whole.
const LINE_BYTES: usize = 1024 * 1024;
/// So many pieces of [`BUFFER_BYTES`] may wait for a session.
const WAITING: usize = 4;

/// Why a dump did not go in.
pub(super) enum LoadError {
    Tool(ToolError),
    Io(io::Error),
}

/// Loads a dump into a database by so many sessions, and checks that its bytes are those that were packed.
pub(super) async fn load(
    target: &Server,
    database: &str,
    tools: &Tools,
    lanes: usize,
    reader: impl Read + Send + 'static,
    (part, tables): (Part, Vec<TableFacts>),
    progress: &Progress,
) -> Result<(), LoadError> {
    let defaults = target.defaults_file().map_err(LoadError::Io)?;
    let mut clients = Vec::new();
    let mut sessions = Vec::new();
    for _ in 0..=lanes {
        let (client, session) = start(tools, &defaults, database)?;
        clients.push(client);
        sessions.push(session);
    }
    let progress = progress.clone();
    let feeding = tokio::task::spawn_blocking(move || {
        let main = sessions.swap_remove(0);
        feed(reader, main, sessions, &part, &tables, &progress)
    });
    let fed = feeding.await.expect("feeding does not panic");
    match fed {
        // The dump is at fault; the sessions, cut off in a statement, would only complain about that.
        Err(Broken { session: None, error }) => return Err(LoadError::Io(error)),
        // Whose session broke has the reason.
        Err(Broken { session: Some(at), error }) => {
            clients.swap_remove(at).finish(Mask::QuotedValues).await.map_err(LoadError::Tool)?;
            return Err(LoadError::Io(error));
        }
        Ok(()) => {}
    }
    for client in clients {
        client.finish(Mask::QuotedValues).await.map_err(LoadError::Tool)?;
    }
    Ok(())
}

fn start(tools: &Tools, defaults: &DefaultsFile, database: &str) -> Result<(Running, Session), LoadError> {
    let arguments = [
        &defaults.argument(),
        "--default-character-set=utf8mb4",
        "--binary-mode",
        "--batch",
        "--skip-column-names",
        "--unbuffered",
        "--max-allowed-packet=1G",
        "--",
        database,
    ]
    .map(str::to_owned);
    let mut running =
        exec::start(&tools.client, &arguments, Stdio::piped(), Stdio::piped()).map_err(LoadError::Tool)?;
    let stdin = running.child.stdin.take().expect("stdin was asked for as a pipe");
    let stdout = running.child.stdout.take().expect("stdout was asked for as a pipe");
    let stdin = File::from(stdin.into_owned_fd().map_err(LoadError::Io)?);
    let stdout = File::from(stdout.into_owned_fd().map_err(LoadError::Io)?);
    Ok((running, Session { stdin, stdout: BufReader::new(stdout), markers: 0 }))
}

/// A session of the client.
struct Session {
    stdin: File,
    stdout: BufReader<File>,
    markers: u64,
}

impl Session {
    /// Waits until everything that was written is done.
    fn settle(&mut self) -> io::Result<()> {
        self.markers += 1;
        let marker = format!("golive-done-{}", self.markers);
        self.stdin.write_all(format!("SELECT '{marker}';\n").as_bytes())?;
        let mut line = Vec::new();
        loop {
            line.clear();
            if self.stdout.read_until(b'\n', &mut line)? == 0 {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            if line.trim_ascii() == marker.as_bytes() {
                return Ok(());
            }
        }
    }
}

/// What broke, and in which session, the first being 0.
struct Broken {
    session: Option<usize>,
    error: io::Error,
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self { session: None, error }
    }
}

/// The statements that build keys, shared by the sessions: whoever is done takes the next.
type Statements = Arc<Mutex<VecDeque<Vec<u8>>>>;

enum Message {
    Bytes(Vec<u8>),
    /// Do all before, and say so.
    Settle(Sender<()>),
    /// Take statements until there are none, and say so.
    Work(Statements, Sender<()>),
}

/// Serves one session from its own thread, so that reading goes on while it works.
fn serve(mut session: Session, messages: &Receiver<Message>) -> io::Result<()> {
    session.stdin.write_all(SETTINGS)?;
    for message in messages {
        // Nobody waits any more when another session has failed.
        match message {
            Message::Bytes(bytes) => session.stdin.write_all(&bytes)?,
            Message::Settle(done) => {
                session.settle()?;
                let _ = done.send(());
            }
            Message::Work(statements, done) => {
                let next = || statements.lock().expect("no panic holds the statements").pop_front();
                while let Some(statement) = next() {
                    session.stdin.write_all(&statement)?;
                    session.settle()?;
                }
                let _ = done.send(());
            }
        }
    }
    session.settle()
}

fn feed(
    reader: impl Read,
    main: Session,
    sessions: Vec<Session>,
    part: &Part,
    tables: &[TableFacts],
    progress: &Progress,
) -> Result<(), Broken> {
    thread::scope(|scope| {
        let mut lanes = Vec::new();
        let mut threads = Vec::new();
        for session in sessions {
            let (sender, messages) = sync_channel(WAITING);
            lanes.push(Lane { sender, held: Vec::with_capacity(BUFFER_BYTES) });
            threads.push(scope.spawn(move || serve(session, &messages)));
        }
        let mut feeder = Feeder {
            main,
            lanes,
            turn: 0,
            keys: Vec::new(),
            foreign: Vec::new(),
            tail: tempfile::tempfile()?,
            broken: None,
        };
        let mut fed = read_through(reader, part, tables, progress, |piece| feeder.take(piece));
        if fed.is_ok() {
            fed = feeder.finish();
        }
        let mut broken = feeder.broken;
        // Closes every session, so that each thread comes to its end.
        drop((feeder.lanes, feeder.main));
        let mut first = None;
        for (at, thread) in threads.into_iter().enumerate() {
            if let Err(error) = thread.join().expect("serving does not panic") {
                first.get_or_insert((at + 1, error));
            }
        }
        match (fed, first) {
            (Ok(()), None) => Ok(()),
            (Ok(()), Some((at, error))) => Err(Broken { session: Some(at), error }),
            (Err(error), first) => {
                let session = broken.take().or_else(|| first.map(|(at, _)| at));
                Err(Broken { session, error })
            }
        }
    })
}

/// Reads the dump to its end, line by line, and insists that it is what was packed.
fn read_through(
    mut reader: impl Read,
    part: &Part,
    tables: &[TableFacts],
    progress: &Progress,
    mut out: impl FnMut(Out<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let mut splitter = Splitter::new(tables);
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; LINE_BYTES];
    let (mut filled, mut bytes, mut first) = (0, 0, true);
    loop {
        let read = reader.read(&mut buffer[filled..])?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[filled..filled + read]);
        bytes += read as u64;
        filled += read;
        let mut begin = 0;
        while let Some(length) = buffer[begin..filled].iter().position(|byte| *byte == b'\n') {
            splitter.line(&buffer[begin..=begin + length], first, true, &mut out)?;
            (begin, first) = (begin + length + 1, true);
        }
        if begin == 0 && filled == buffer.len() {
            // A line longer than the buffer: in pieces.
            splitter.line(&buffer, first, false, &mut out)?;
            (begin, first) = (filled, false);
        }
        buffer.copy_within(begin..filled, 0);
        filled -= begin;
        progress.bytes(Stage::Restoring, bytes, Some(part.plain_bytes));
    }
    if filled > 0 {
        splitter.line(&buffer[..filled], first, true, &mut out)?;
    }
    if (bytes, hasher.finalize().to_hex().as_str()) != (part.plain_bytes, part.plain_blake3.as_str()) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the unpacked dump differs from what was packed",
        ));
    }
    splitter.end(&mut out)
}

struct Lane {
    sender: SyncSender<Message>,
    held: Vec<u8>,
}

/// Deals the pieces out.
struct Feeder {
    main: Session,
    lanes: Vec<Lane>,
    turn: usize,
    keys: Vec<(u64, Vec<u8>)>,
    foreign: Vec<Vec<u8>>,
    /// Without a name, so nobody else sees it and it goes with the process.
    tail: File,
    /// The session that would not take any more.
    broken: Option<usize>,
}

impl Feeder {
    fn take(&mut self, piece: Out<'_>) -> io::Result<()> {
        match piece {
            Out::Main(bytes) => {
                let written = self.main.stdin.write_all(bytes);
                self.of_main(written)
            }
            Out::Ready => {
                let settled = self.main.settle();
                self.of_main(settled)
            }
            Out::Rows(bytes) => {
                self.lanes[self.turn].held.extend_from_slice(bytes);
                if self.lanes[self.turn].held.len() < BUFFER_BYTES {
                    return Ok(());
                }
                self.flush(self.turn)
            }
            Out::Next => {
                self.flush(self.turn)?;
                self.turn = (self.turn + 1) % self.lanes.len();
                Ok(())
            }
            Out::Keys { rows, statement } => {
                self.keys.push((rows, statement));
                Ok(())
            }
            Out::Foreign(statement) => {
                self.foreign.push(statement);
                Ok(())
            }
            Out::Tail(bytes) => self.tail.write_all(bytes),
        }
    }

    fn of_main(&mut self, done: io::Result<()>) -> io::Result<()> {
        if done.is_err() {
            self.broken.get_or_insert(0);
        }
        done
    }

    fn send(&mut self, lane: usize, message: Message) -> io::Result<()> {
        self.lanes[lane].sender.send(message).map_err(|_| {
            self.broken.get_or_insert(lane + 1);
            io::ErrorKind::BrokenPipe.into()
        })
    }

    fn flush(&mut self, lane: usize) -> io::Result<()> {
        let held = std::mem::replace(&mut self.lanes[lane].held, Vec::with_capacity(BUFFER_BYTES));
        if held.is_empty() { Ok(()) } else { self.send(lane, Message::Bytes(held)) }
    }

    /// Gives every session the same to do, and waits for all.
    fn all(&mut self, message: impl Fn(Sender<()>) -> Message) -> io::Result<()> {
        let mut waiting = Vec::new();
        for lane in 0..self.lanes.len() {
            self.flush(lane)?;
            let (done, waits) = channel();
            self.send(lane, message(done))?;
            waiting.push(waits);
        }
        for (lane, waits) in waiting.into_iter().enumerate() {
            if waits.recv().is_err() {
                self.broken.get_or_insert(lane + 1);
                return Err(io::ErrorKind::BrokenPipe.into());
            }
        }
        Ok(())
    }

    /// Rows are read: keys, references, and what waited.
    fn finish(&mut self) -> io::Result<()> {
        self.all(Message::Settle)?;
        self.keys.sort_by_key(|(rows, _)| std::cmp::Reverse(*rows));
        let statements: VecDeque<Vec<u8>> =
            std::mem::take(&mut self.keys).into_iter().map(|(_, statement)| statement).collect();
        let statements: Statements = Arc::new(Mutex::new(statements));
        self.all(|done| Message::Work(statements.clone(), done))?;
        // One after the other: two that refer to each other's table would wait for each other.
        let mut last = self.foreign.concat();
        self.tail.seek(SeekFrom::Start(0))?;
        let mut written = self.main.stdin.write_all(&last);
        last.resize(BUFFER_BYTES, 0);
        while written.is_ok() {
            match self.tail.read(&mut last)? {
                0 => break,
                read => written = self.main.stdin.write_all(&last[..read]),
            }
        }
        let settled = written.and_then(|()| self.main.settle());
        self.of_main(settled)
    }
}
