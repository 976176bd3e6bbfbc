//! The error journal: error reports as JSON lines in a private file of bounded size, so that nothing is lost where no
//! error tracking endpoint is configured. Entries arrive scrubbed.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::clock;
use crate::envelope::EnvelopeEvent;

/// The journal moves to `<path>.1` at this size, replacing what was there.
const MAX_BYTES: u64 = 8 << 20;

/// One error, as it stands in the journal.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ErrorEntry {
    /// When, RFC 3339 in UTC.
    pub timestamp: String,
    /// `error` or, for a panic, `fatal`.
    pub level: String,
    /// What was logged.
    pub message: String,
    /// `Type: text` of each error of the chain, outermost first.
    pub exceptions: Vec<String>,
    /// The module that logged it.
    pub target: String,
    /// File and line.
    pub location: Option<String>,
    /// What makes two errors the same one.
    pub fingerprint: Vec<String>,
    /// The request it happened in.
    pub request_id: Option<String>,
    /// Whose request it was.
    pub client_id: Option<String>,
    /// Who made the request.
    pub user_id: Option<String>,
    /// The release it happened in.
    pub release: Option<String>,
    /// The environment it happened in.
    pub environment: Option<String>,
    /// How many of the same were held back since the last one.
    pub suppressed: u64,
}

impl ErrorEntry {
    pub(super) fn from_event(event: &EnvelopeEvent) -> Self {
        let document = &event.document;
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        let exceptions = event.exception_types.iter().zip(&event.exception_values);
        let fingerprint = document["fingerprint"].as_array().into_iter().flatten();
        Self {
            timestamp: clock::rfc3339(clock::now()),
            level: text(&document["level"]).unwrap_or_else(|| "error".to_owned()),
            message: event.message.clone(),
            exceptions: exceptions.rev().map(|(kind, value)| format!("{kind}: {value}")).collect(),
            target: text(&document["logger"]).unwrap_or_default(),
            location: text(&document["culprit"]),
            fingerprint: fingerprint.filter_map(text).collect(),
            request_id: text(&document["tags"]["request_id"]),
            client_id: text(&document["tags"]["client_id"]),
            user_id: text(&document["user"]["id"]),
            release: event.release.clone(),
            environment: event.environment.clone(),
            suppressed: document["extra"]["suppressed_since_last"].as_u64().unwrap_or(0),
        }
    }

    /// The error in one line: the message, or the outermost exception when there is none.
    #[must_use]
    pub fn title(&self) -> &str {
        if self.message.is_empty() {
            self.exceptions.first().map_or("", String::as_str)
        } else {
            &self.message
        }
    }
}

/// The file being appended to.
pub(crate) struct Journal {
    path: PathBuf,
    max_bytes: u64,
    file: Mutex<File>,
}

impl Journal {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        if let Some(directory) = path.parent().filter(|path| !path.as_os_str().is_empty()) {
            fs::create_dir_all(directory)?;
        }
        Ok(Self { path: path.to_owned(), max_bytes: MAX_BYTES, file: Mutex::new(open_private(path)?) })
    }

    /// Appends one line, whole or not at all as far as readers are concerned.
    pub(super) fn append(&self, entry: &ErrorEntry) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if file.metadata()?.len() + line.len() as u64 > self.max_bytes {
            fs::rename(&self.path, older(&self.path))?;
            *file = open_private(&self.path)?;
        }
        file.write_all(&line)
    }
}

/// Why the journal cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("read the error journal {}: check that the path is right and that this user may read it", path.display())]
#[non_exhaustive]
pub struct ReadJournalError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// All errors of the journal, oldest first. A journal that does not exist yet is empty; a line that was cut off by a
/// crash is passed over.
///
/// # Errors
/// When the file is there and cannot be read.
pub fn read_error_journal(path: impl AsRef<Path>) -> Result<Vec<ErrorEntry>, ReadJournalError> {
    let mut entries = Vec::new();
    for path in [older(path.as_ref()), path.as_ref().to_owned()] {
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(ReadJournalError { path, source }),
        };
        entries
            .extend(bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()));
    }
    Ok(entries)
}

fn older(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    PathBuf::from(name)
}

fn open_private(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    // A device keeps what it has: it is everybody's.
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_keeps_its_permissions() {
        use std::os::fd::{AsRawFd, OwnedFd};
        let (_reader, writer) = io::pipe().unwrap();
        let pipe = File::from(OwnedFd::from(writer));
        pipe.set_permissions(Permissions::from_mode(0o622)).unwrap();
        open_private(Path::new(&format!("/proc/self/fd/{}", pipe.as_raw_fd()))).unwrap();
        assert_eq!(pipe.metadata().unwrap().permissions().mode() & 0o777, 0o622);
    }

    #[test]
    fn the_journal_is_private_bounded_and_survives_a_cut_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("errors.jsonl");
        assert!(read_error_journal(&path).unwrap().is_empty());
        let mut journal = Journal::open(&path).unwrap();
        journal.max_bytes = 2000;
        for number in 0..50 {
            let entry = ErrorEntry { message: format!("number {number}"), ..ErrorEntry::default() };
            journal.append(&entry).unwrap();
        }
        journal.file.lock().unwrap().write_all(b"{\"message\":\"cut").unwrap();
        let entries = read_error_journal(&path).unwrap();
        assert_eq!(entries.last().unwrap().title(), "number 49");
        assert!(fs::metadata(&path).unwrap().len() + fs::metadata(older(&path)).unwrap().len() <= 4100);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
