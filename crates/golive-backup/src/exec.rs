//! The one room where programs are started: the dump tool, the client, the log reader and the physical
//! backup of MariaDB, and the client of OpenSSH, without a shell. Every status is
//! looked at, error output is bounded, and a program dies with the operation that started it.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How much of a program's error output is kept: its end.
const STDERR_TAIL_BYTES: usize = 4 * 1024;
/// Longest line that is passed on whole.
const LINE_BYTES: u64 = 64 * 1024;
/// How long `--version` may take.
const VERSION_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the programs are; by default the search path decides.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tools {
    /// `mariadb-dump`.
    pub dump: PathBuf,
    /// `mariadb`, the client.
    pub client: PathBuf,
    /// `mariadb-binlog`.
    pub binlog: PathBuf,
    /// `mariadb-backup`.
    pub physical: PathBuf,
    /// `mbstream`.
    pub stream: PathBuf,
    /// `redis-cli`.
    pub redis: PathBuf,
}

impl Tools {
    /// The names under which MariaDB installs them.
    pub fn new() -> Self {
        Self {
            dump: PathBuf::from("mariadb-dump"),
            client: PathBuf::from("mariadb"),
            binlog: PathBuf::from("mariadb-binlog"),
            physical: PathBuf::from("mariadb-backup"),
            stream: PathBuf::from("mbstream"),
            redis: PathBuf::from("redis-cli"),
        }
    }
}

impl Default for Tools {
    fn default() -> Self {
        Self::new()
    }
}

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ToolError {
    /// It could not be started.
    #[error("start {}; install the client programs (Debian and Ubuntu: mariadb-client, mariadb-backup, redis-tools) or give their path", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It ended badly.
    #[error("finish {}: {status}; it said: {stderr}", program.display())]
    Failed {
        /// The program.
        program: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// The end of its error output, without values.
        stderr: String,
    },
    /// It could not be waited for.
    #[error("wait for {}", program.display())]
    Wait {
        /// The program.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It did not end in time.
    #[error("see {} end within {seconds} s", program.display())]
    Timeout {
        /// The program.
        program: PathBuf,
        /// The limit.
        seconds: u64,
    },
}

/// A started program; dropped, it is killed.
pub(crate) struct Running {
    program: PathBuf,
    pub(crate) child: Child,
    stderr: JoinHandle<Vec<u8>>,
    /// Who signals it when we cannot. Dropped, it is killed before it does.
    outliving: Option<Child>,
}

/// Starts a program with the given standard streams.
pub(crate) fn start(
    program: &Path,
    arguments: &[String],
    stdin: Stdio,
    stdout: Stdio,
) -> Result<Running, ToolError> {
    start_watched(program, arguments, stdin, stdout, None)
}

/// Starts a program that reads nothing and takes a secret from its environment, where other users cannot see it.
pub(crate) fn start_with_secret(
    program: &Path,
    arguments: &[String],
    secret: Option<(&str, &SecretString)>,
) -> Result<Running, ToolError> {
    let mut command = command(program, arguments);
    if let Some((name, value)) = secret {
        command.env(name, value.expose_secret());
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    spawn(program, command, None)
}

/// [`start`], and every line of the error output goes to `lines` as it comes.
pub(crate) fn start_watched(
    program: &Path,
    arguments: &[String],
    stdin: Stdio,
    stdout: Stdio,
    lines: Option<mpsc::UnboundedSender<String>>,
) -> Result<Running, ToolError> {
    let mut command = command(program, arguments);
    command.stdin(stdin).stdout(stdout);
    spawn(program, command, lines)
}

/// Starts a program to speak with over its pipes; every line of its error output goes to `lines`. Ctrl-C in a terminal
/// reaches us alone: what is cleared up then goes over it.
pub(crate) fn start_apart(
    program: &Path,
    arguments: &[String],
    lines: mpsc::UnboundedSender<String>,
) -> Result<Running, ToolError> {
    let mut command = command(program, arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
    spawn(program, command, Some(lines))
}

#[expect(clippy::disallowed_methods, reason = "the one place of this crate that starts programs")]
fn command(program: &Path, arguments: &[String]) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        // One language, one time zone, and no password from the surroundings.
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .env_remove("MYSQL_PWD")
        .env_remove("REDISCLI_AUTH")
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

fn spawn(
    program: &Path,
    mut command: Command,
    lines: Option<mpsc::UnboundedSender<String>>,
) -> Result<Running, ToolError> {
    let mut child =
        command.spawn().map_err(|source| ToolError::Start { program: program.to_owned(), source })?;
    let stderr = child.stderr.take().expect("stderr was asked for as a pipe");
    let stderr = match lines {
        Some(lines) => tokio::spawn(watch(stderr, lines)),
        None => tokio::spawn(tail(stderr)),
    };
    Ok(Running { program: program.to_owned(), child, stderr, outliving: None })
}

impl Running {
    /// Holds the program where it is, or lets it go on.
    pub(crate) fn hold(&self, held: bool) -> std::io::Result<()> {
        let signal = if held { rustix::process::Signal::STOP } else { rustix::process::Signal::CONT };
        Ok(rustix::process::kill_process(self.pid()?, signal)?)
    }

    /// Sends the program a signal when we are killed and can do so no more: one that is held goes on, where it would keep
    /// its locks for ever, and one that writes files itself ends.
    pub(crate) fn signal_without_us(&mut self, signal: &'static str) -> Result<(), ToolError> {
        let shell = Path::new("sh");
        let failed = |source| ToolError::Start { program: shell.to_owned(), source };
        let program = self.pid().map_err(failed)?.as_raw_nonzero().to_string();
        // Nothing is ever written to it: the line ends when we do.
        let script = ["-c", "read -r line; kill -s \"$1\" \"$2\"", "sh", signal, &program].map(str::to_owned);
        let mut command = command(shell, &script);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        self.outliving = Some(command.spawn().map_err(failed)?);
        Ok(())
    }

    fn pid(&self) -> std::io::Result<rustix::process::Pid> {
        let id =
            self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        id.ok_or_else(|| std::io::Error::other("the program has ended"))
    }

    /// Waits for the end and insists on status 0. `mask` hides quoted values in what the program said.
    pub(crate) async fn finish(mut self, mask: Mask) -> Result<(), ToolError> {
        let program = self.program.clone();
        let status =
            self.child.wait().await.map_err(|source| ToolError::Wait { program: program.clone(), source })?;
        let stderr = self.stderr.await.unwrap_or_default();
        if status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&stderr).trim().to_owned();
        let stderr = match mask {
            Mask::Nothing => text,
            Mask::QuotedValues => hide_quoted(&text),
        };
        Err(ToolError::Failed { program, status, stderr })
    }
}

/// What to hide in a program's error output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mask {
    /// The program speaks of names only.
    Nothing,
    /// The program quotes cell values.
    QuotedValues,
}

/// The first line that `program --version` prints.
pub(crate) async fn version(program: &Path) -> Result<String, ToolError> {
    // mariadb-backup says it where others complain.
    let (sender, mut complaints) = mpsc::unbounded_channel();
    let arguments = ["--version".to_owned()];
    let mut running = start_watched(program, &arguments, Stdio::null(), Stdio::piped(), Some(sender))?;
    let stdout = running.child.stdout.take().expect("stdout was asked for as a pipe");
    let work = async {
        let text = tail(stdout).await;
        running.finish(Mask::Nothing).await?;
        let said = String::from_utf8_lossy(&text).lines().next().unwrap_or_default().trim().to_owned();
        Ok(if said.is_empty() { complaints.recv().await.unwrap_or_default() } else { said })
    };
    tokio::time::timeout(VERSION_TIMEOUT, work).await.unwrap_or_else(|_| {
        Err(ToolError::Timeout { program: program.to_owned(), seconds: VERSION_TIMEOUT.as_secs() })
    })
}

/// Sends each line on, and keeps the end.
async fn watch(stream: impl AsyncRead + Unpin, lines: mpsc::UnboundedSender<String>) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    // Bounded: a line longer than this is cut in two.
    while let Ok(1..) = (&mut reader).take(LINE_BYTES).read_until(b'\n', &mut line).await {
        kept.extend_from_slice(&line);
        let surplus = kept.len().saturating_sub(STDERR_TAIL_BYTES);
        kept.drain(..surplus);
        // Nobody listens any more when the work is done.
        let _ = lines.send(String::from_utf8_lossy(&line).trim_end().to_owned());
        line.clear();
    }
    kept
}

async fn tail(mut stream: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        kept.extend_from_slice(&buffer[..read]);
        let surplus = kept.len().saturating_sub(STDERR_TAIL_BYTES);
        kept.drain(..surplus);
    }
    kept
}

/// Replaces what stands between single quotes: the client quotes cell values there, names stand in backticks.
pub(crate) fn hide_quoted(text: &str) -> String {
    text.lines()
        .map(|line| match (line.find('\''), line.rfind('\'')) {
            (Some(first), Some(last)) if first < last => {
                format!("{}'...'{}", &line[..first], &line[last + 1..])
            }
            (Some(first), _) => format!("{}'...", &line[..first]),
            _ => line.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_hidden_and_names_stay() {
        assert_eq!(
            hide_quoted(
                "ERROR 1062 (23000) at line 40: Duplicate entry 'it's bob@acme.test' for key 'PRIMARY'"
            ),
            "ERROR 1062 (23000) at line 40: Duplicate entry '...'"
        );
        assert_eq!(hide_quoted("Table `kpi`.`a` is gone"), "Table `kpi`.`a` is gone");
    }

    #[tokio::test]
    async fn a_missing_program_says_what_to_install() {
        let error = version(Path::new("/nowhere/mariadb-dump")).await.unwrap_err();
        assert!(error.to_string().contains("mariadb-client"), "{error}");
    }
}
