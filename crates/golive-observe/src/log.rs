//! Where log lines go: standard output, standard error, or a file that rotates. Formatting is in `layer`; here are only
//! bytes. What waits is in `queue`, what rotates in `rolling`, what becomes of rotated files in `archive`,
//! and how their threads give way in `priority`.

mod archive;
mod priority;
mod queue;
mod rolling;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::Duration;

pub(crate) use queue::{LogGuard, LogQueue};
use rolling::RollingFile;

/// Where and how a service logs.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum LogTarget {
    /// Readable lines on standard error where standard output is a terminal, JSON lines on standard output elsewhere.
    #[default]
    Auto,
    /// JSON lines on standard output, for a container platform.
    Json,
    /// Readable lines on standard error, for a terminal.
    Human,
    /// JSON lines in a file that rotates.
    File(LogFile),
}

impl LogTarget {
    /// What [`LogTarget::Auto`] means here; any other target is itself.
    pub(crate) fn decided(self) -> Self {
        self.decided_for(io::stdout().is_terminal())
    }

    /// Readable lines are for people: only where nothing else is said, and somebody looks.
    fn decided_for(self, is_terminal: bool) -> Self {
        match self {
            Self::Auto if is_terminal => Self::Human,
            Self::Auto => Self::Json,
            other => other,
        }
    }
}

/// A log file, when it rotates, and what is kept. A device or a pipe is written to and never rotated.
///
/// Lines wait for the disk in memory, at most [`LogFile::LARGEST_LOSS_BYTES`] of them: so much a `kill -9` loses at
/// most, and as much a full disk holds up before lines are dropped (and counted). An end in order, a panic included,
/// loses nothing.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LogFile {
    /// The file being written; rotated ones stand beside it with a time stamp appended.
    pub path: PathBuf,
    /// Rotate when the file would exceed this many bytes. 64 MiB by default.
    pub max_bytes: u64,
    /// Rotate at midnight UTC. True by default.
    pub daily: bool,
    /// Rotated files that are kept; older ones are deleted. 30 by default.
    pub keep_files: usize,
    /// Rotated files older than this are deleted. 30 days by default.
    pub keep_for: Duration,
    /// The oldest rotated files are deleted while all of them together exceed this. 2 GiB by default.
    pub keep_bytes: u64,
    /// Compress rotated files with gzip, in a thread of its own. True by default.
    pub compress: bool,
}

impl LogFile {
    /// The most that may wait in memory, in bytes: what `kill -9` can lose.
    pub const LARGEST_LOSS_BYTES: usize = queue::LARGEST_LOSS_BYTES;

    /// A log file with the default rotation.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            max_bytes: 64 << 20,
            daily: true,
            keep_files: 30,
            keep_for: Duration::from_secs(30 * 24 * 3600),
            keep_bytes: 2 << 30,
            compress: true,
        }
    }
}

/// Opens the target; lines are written by a thread behind a bounded queue, so that no request waits for a disk.
/// `notice` makes the line that tells how many were dropped.
pub(crate) fn open(
    target: &LogTarget,
    notice: impl Fn(u64) -> Vec<u8> + Send + 'static,
) -> io::Result<(LogQueue, LogGuard)> {
    let output: Box<dyn queue::Output> = match target {
        LogTarget::Auto | LogTarget::Json => Box::new(queue::Stream(io::stdout())),
        LogTarget::Human => Box::new(queue::Stream(io::stderr())),
        LogTarget::File(file) => Box::new(RollingFile::open(file.clone())?),
    };
    queue::start(output, notice)
}

/// A queue in front of any stream, for tests of what is put into it.
#[cfg(test)]
pub(crate) fn start_stream(stream: impl io::Write + Send + 'static) -> io::Result<(LogQueue, LogGuard)> {
    queue::start(Box::new(queue::Stream(stream)), |_| Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_terminal_gets_readable_lines_unasked() {
        assert!(matches!(LogTarget::Auto.decided_for(true), LogTarget::Human));
        assert!(matches!(LogTarget::Auto.decided_for(false), LogTarget::Json));
        for is_terminal in [true, false] {
            assert!(matches!(LogTarget::Json.decided_for(is_terminal), LogTarget::Json));
            assert!(matches!(LogTarget::Human.decided_for(is_terminal), LogTarget::Human));
            let file = LogTarget::File(LogFile::new("app.log"));
            assert!(matches!(file.decided_for(is_terminal), LogTarget::File(_)));
        }
    }
}
