//! Runs `mariadb-dump` and works on what it says while it says it: stored by one thread, digested by another, compressed
//! by a third. Also without storing, for the digests of a restored copy. When to do which is not decided here.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel, sync_channel};
use std::thread;

use tokio::sync::oneshot;

use super::{BackupOptions, CreateBackupError, DUMP_PART, Digests, END_MARKER};
use crate::exec::{self, Mask, ToolError, Tools};
use crate::manifest::Part;
use crate::pipeline::{BUFFER_BYTES, Gathering, PartWriter};
use crate::progress::{Progress, Stage};
use crate::repository::{Repository, Staging};
use crate::rows::{RowDigester, Sum};
use crate::server::Server;

/// How far from the end the marker may stand.
const TAIL_BYTES: usize = 256;
/// So many buffers wait for the thread that digests.
const WAITING: usize = 8;

/// Tables with the digests of their rows.
pub(crate) type Sums = BTreeMap<String, Sum>;

/// What came out of the tool.
pub(super) struct Dumped {
    pub(super) part: Part,
    pub(super) complete: bool,
    /// Empty unless rows were to be digested.
    pub(super) tables: Sums,
}

/// Starts the tool and the threads that take what it says; the receiver fires when its snapshot is open.
pub(super) fn start(
    server: &Server,
    repository: &Repository,
    options: &BackupOptions,
    (staging, digests): (&Staging, Digests),
    progress: &Progress,
) -> Result<
    (impl Future<Output = Result<Dumped, CreateBackupError>> + use<>, oneshot::Receiver<()>),
    CreateBackupError,
> {
    let defaults = server.defaults_file().map_err(CreateBackupError::Write)?;
    let recipients = &repository.keys().recipients;
    let writer = PartWriter::create_paced(staging.shelf(), DUMP_PART, recipients, options.bytes_a_second)
        .map_err(CreateBackupError::Write)?;
    let whole = ["--routines", "--triggers", "--events", "--dump-date"];
    let mut running = exec::start(
        &options.tools.dump,
        &arguments(&defaults.argument(), &whole, &options.database),
        Stdio::null(),
        Stdio::piped(),
    )?;
    let stdout = running.child.stdout.take().expect("stdout was asked for as a pipe");
    let stdout = Gathering::new(stdout.into_owned_fd().map_err(CreateBackupError::Write)?);
    let (signal, opened) = oneshot::channel();
    let progress = progress.clone();
    let storing = tokio::task::spawn_blocking(move || store(stdout, writer, digests, signal, &progress));
    let finish = async move {
        let stored = storing.await.expect("storing does not panic");
        let stored = match stored {
            // Nobody reads on, so the tool would only say that its pipe broke.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(CreateBackupError::Shape(error));
            }
            stored => stored,
        };
        // The tool's own words come first: when it dies, the pipe merely ends.
        running.finish(Mask::Nothing).await?;
        drop(defaults);
        stored.map_err(CreateBackupError::Write)
    };
    Ok((finish, opened))
}

/// Why the rows of a database could not be digested.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DigestRowsError {
    #[error(transparent)]
    Tool(#[from] ToolError),
    #[error("read what it says")]
    Read(#[source] io::Error),
}

/// Dumps rows, keeps none, and gives their digests.
pub(crate) async fn digest_rows(
    server: &Server,
    database: &str,
    tools: &Tools,
    progress: &Progress,
) -> Result<Sums, DigestRowsError> {
    let defaults = server.defaults_file().map_err(DigestRowsError::Read)?;
    let rows_alone = ["--no-create-info", "--skip-triggers"];
    let arguments = arguments(&defaults.argument(), &rows_alone, database);
    let mut running = exec::start(&tools.dump, &arguments, Stdio::null(), Stdio::piped())?;
    let stdout = running.child.stdout.take().expect("stdout was asked for as a pipe");
    let mut stdout = Gathering::new(stdout.into_owned_fd().map_err(DigestRowsError::Read)?);
    let progress = progress.clone();
    let digesting = tokio::task::spawn_blocking(move || {
        let (mut digester, mut tail) = (RowDigester::new(), Tail::default());
        let (mut buffer, mut bytes) = (vec![0; BUFFER_BYTES], 0);
        loop {
            let read = stdout.fill(&mut buffer)?;
            if read == 0 {
                break;
            }
            digester.feed(&buffer[..read])?;
            tail.keep(&buffer[..read]);
            bytes += read as u64;
            progress.bytes(Stage::Comparing, bytes, None);
        }
        if ends_with_marker(&tail.0) {
            return digester.finish();
        }
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the dump is cut off; try again"))
    });
    let digested = digesting.await.expect("digesting does not panic");
    running.finish(Mask::Nothing).await?;
    drop(defaults);
    digested.map_err(DigestRowsError::Read)
}

/// What decides how a value is written is the same for both.
fn arguments(defaults: &str, what: &[&str], database: &str) -> Vec<String> {
    let always = [
        "--single-transaction",
        "--quick",
        "--skip-lock-tables",
        "--hex-blob",
        "--no-tablespaces",
        "--default-character-set=utf8mb4",
        "--max-allowed-packet=1G",
        "--comments",
    ];
    let words = [defaults].into_iter().chain(always).chain(what.iter().copied()).chain(["--", database]);
    words.map(str::to_owned).collect()
}

/// Copies the dump into the part, fires the signal at the first table, and looks at the end. The rows are digested beside.
fn store(
    stdout: Gathering<File>,
    writer: PartWriter,
    digests: Digests,
    signal: oneshot::Sender<()>,
    progress: &Progress,
) -> io::Result<Dumped> {
    if digests != Digests::Quick {
        let (part, complete) = copy(stdout, writer, signal, progress, Ok)?;
        return Ok(Dumped { part, complete, tables: Sums::new() });
    }
    thread::scope(|scope| {
        let (sender, filled) = sync_channel::<(Vec<u8>, usize)>(WAITING);
        let (giver, spare) = channel();
        let digesting = scope.spawn(move || digest(&filled, &giver));
        let copied = copy(stdout, writer, signal, progress, |(buffer, read)| {
            // Gone only when it found what it cannot read, which it tells at the end.
            sender.send((buffer, read)).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
            Ok((spare.try_recv().unwrap_or_default(), 0))
        });
        drop(sender);
        let digested = digesting.join().expect("digesting does not panic");
        match (copied, digested) {
            // A dump that is cut off is told as that.
            (Ok((part, false)), _) => Ok(Dumped { part, complete: false, tables: Sums::new() }),
            (Ok((part, true)), tables) => Ok(Dumped { part, complete: true, tables: tables? }),
            (Err(_), Err(shape)) => Err(shape),
            (Err(error), Ok(_)) => Err(error),
        }
    })
}

fn digest(filled: &Receiver<(Vec<u8>, usize)>, giver: &std::sync::mpsc::Sender<Vec<u8>>) -> io::Result<Sums> {
    let mut digester = RowDigester::new();
    for (buffer, read) in filled {
        digester.feed(&buffer[..read])?;
        // Nobody takes it any more when the dump is over.
        let _ = giver.send(buffer);
    }
    digester.finish()
}

/// Copies to the end; `pass` is given each buffer that was stored, and gives one back.
fn copy(
    mut stdout: Gathering<File>,
    mut writer: PartWriter,
    signal: oneshot::Sender<()>,
    progress: &Progress,
    mut pass: impl FnMut((Vec<u8>, usize)) -> io::Result<(Vec<u8>, usize)>,
) -> io::Result<(Part, bool)> {
    let mut tail = Tail::default();
    let mut head = Some((Vec::new(), signal));
    let mut buffer = Vec::new();
    loop {
        buffer.resize(BUFFER_BYTES, 0);
        // Writes wait for the first table to show: until then nothing is held back.
        let read = if head.is_some() { stdout.read(&mut buffer)? } else { stdout.fill(&mut buffer)? };
        if read == 0 {
            break;
        }
        let seen = &buffer[..read];
        if let Some((mut beginning, signal)) = head.take() {
            beginning.extend_from_slice(seen);
            if shows_a_table(&beginning) {
                // Nobody listens any more when the time limit was faster.
                let _ = signal.send(());
            } else {
                head = Some((beginning, signal));
            }
        }
        writer.write_all(seen)?;
        tail.keep(seen);
        progress.bytes(Stage::Dumping, writer.plain_bytes(), None);
        (buffer, _) = pass((buffer, read))?;
    }
    Ok((writer.finish()?, ends_with_marker(&tail.0)))
}

/// The last bytes of what passed.
#[derive(Default)]
struct Tail(Vec<u8>);

impl Tail {
    fn keep(&mut self, seen: &[u8]) {
        self.0.extend_from_slice(&seen[seen.len().saturating_sub(TAIL_BYTES)..]);
        let surplus = self.0.len().saturating_sub(TAIL_BYTES);
        self.0.drain(..surplus);
    }
}

/// The tool writes these comments only after its transaction is open.
fn shows_a_table(beginning: &[u8]) -> bool {
    ["\n-- Table structure for", "\n-- Temporary table structure for", "\n-- Sequence structure for"]
        .iter()
        .any(|mark| beginning.windows(mark.len()).any(|window| window == mark.as_bytes()))
}

/// Whether the last line is the end marker.
pub(crate) fn ends_with_marker(tail: &[u8]) -> bool {
    let trimmed = tail.trim_ascii_end();
    let line = trimmed.iter().rposition(|byte| *byte == b'\n').map_or(trimmed, |end| &trimmed[end + 1..]);
    line.starts_with(END_MARKER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_last_line_that_is_the_marker_counts() {
        assert!(ends_with_marker(b"x\n-- Dump completed on 2026-11-22 10:00:00\n"));
        assert!(!ends_with_marker(b"-- Dump completed on 2026-11-22\nINSERT INTO"));
        assert!(!ends_with_marker(b"INSERT INTO a VALUES ('-- Dump completed"));
        assert!(!ends_with_marker(b""));
    }
}
