//! Where log lines go: standard output, standard error, or a file that rotates by size and by day.
//! Formatting is in `layer`; here are only bytes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};

use crate::clock;

/// Lines that may wait for the writer before further ones are dropped (and counted).
const QUEUE_LINES: usize = 65_536;

/// Where and how a service logs.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum LogTarget {
    /// JSON lines on standard output, for a container platform.
    #[default]
    Json,
    /// Readable lines on standard error, for a terminal.
    Human,
    /// JSON lines in a file that rotates.
    File(LogFile),
}

/// A log file and when it rotates.
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
}

impl LogFile {
    /// A log file with the default rotation.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), max_bytes: 64 << 20, daily: true, keep_files: 30 }
    }
}

/// Opens the target; lines are written by a thread behind a bounded queue, so that no request waits for a disk.
pub(crate) fn open(target: &LogTarget) -> io::Result<(NonBlocking, WorkerGuard)> {
    let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(QUEUE_LINES);
    Ok(match target {
        LogTarget::Json => builder.finish(io::stdout()),
        LogTarget::Human => builder.finish(io::stderr()),
        LogTarget::File(file) => builder.finish(RollingFile::open(file.clone())?),
    })
}

/// A file that renames itself away when it is full or the day has changed.
struct RollingFile {
    options: LogFile,
    file: File,
    bytes: u64,
    day: NaiveDate,
    rotations: u32,
}

impl RollingFile {
    fn open(options: LogFile) -> io::Result<Self> {
        if let Some(directory) = options.path.parent().filter(|path| !path.as_os_str().is_empty()) {
            fs::create_dir_all(directory)?;
        }
        let file = open_append(&options.path)?;
        let metadata = file.metadata()?;
        let today = clock::now().date_naive();
        let day = match metadata.modified() {
            Ok(modified) if metadata.len() > 0 => {
                chrono::DateTime::<chrono::Utc>::from(modified).date_naive()
            }
            _ => today,
        };
        Ok(Self { options, file, bytes: metadata.len(), day, rotations: 0 })
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.rotations += 1;
        let stamp = clock::now().format("%Y%m%dT%H%M%S%.6f");
        let mut name = self.options.path.clone().into_os_string();
        name.push(format!(".{stamp}-{:06}", self.rotations));
        fs::rename(&self.options.path, &name)?;
        self.file = open_append(&self.options.path)?;
        self.bytes = 0;
        for old in rotated(&self.options.path)?.iter().rev().skip(self.options.keep_files) {
            fs::remove_file(old)?;
        }
        Ok(())
    }
}

impl Write for RollingFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let today = clock::now().date_naive();
        let is_full = self.bytes > 0 && self.bytes + line.len() as u64 > self.options.max_bytes;
        if is_full || (self.options.daily && self.bytes > 0 && today != self.day) {
            // A rotation that fails must not cost the line: it goes on into the old file.
            let _ = self.rotate();
        }
        self.day = today;
        self.file.write_all(line)?;
        self.bytes += line.len() as u64;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The rotated files beside `path`, oldest first.
fn rotated(path: &Path) -> io::Result<Vec<PathBuf>> {
    let directory = path.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let prefix = format!("{}.2", path.file_name().unwrap_or_default().to_string_lossy());
    let mut found: Vec<PathBuf> = fs::read_dir(directory)?
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    Ok(found)
}

fn open_append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_rotates_without_losing_a_line_and_old_ones_go() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.log");
        let mut options = LogFile::new(&path);
        options.max_bytes = 100;
        options.keep_files = 100;
        let mut file = RollingFile::open(options.clone()).unwrap();
        for number in 0..100 {
            file.write_all(format!("line number {number}\n").as_bytes()).unwrap();
        }
        let mut files = rotated(&path).unwrap();
        files.push(path.clone());
        let whole: String = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        let expected: String = (0..100).map(|number| format!("line number {number}\n")).collect();
        assert_eq!(whole, expected);

        file.options.keep_files = 2;
        file.rotate().unwrap();
        assert_eq!(rotated(&path).unwrap().len(), 2);
    }
}
