//! The journal: one JSON line an outcome, synced to disk, only ever appended. Resuming replays it.
//!
//! Not here: deciding anything from it (`flow`, golive-gate). No secret ever enters a line.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use chrono::{DateTime, Utc};
use golive_gate::{Fact, StepResult};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// One line. Old lines stay readable: fields are only added, and unknown kinds are skipped.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Entry {
    /// A run began, or was taken up again.
    Opened {
        /// When.
        at: DateTime<Utc>,
        /// Its identifier.
        run: String,
        /// The version of golive that wrote the line.
        version: String,
        /// Whether it took up an earlier one.
        resumed: bool,
        /// What it is about: source and target. An earlier run about something else cannot be taken up.
        #[serde(default)]
        subject: String,
    },
    /// A step began.
    Started {
        /// When.
        at: DateTime<Utc>,
        /// Which.
        step: String,
    },
    /// A step acted as planned; what follows is its proof.
    Applied {
        /// When.
        at: DateTime<Utc>,
        /// Which.
        step: String,
    },
    /// A step ended.
    Ended {
        /// When.
        at: DateTime<Utc>,
        /// How, with its plan and proof.
        result: Box<StepResult>,
        /// Digests of the sections of golive.toml that it depends on, as they were.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        config: BTreeMap<String, String>,
    },
    /// A line of a later version.
    #[serde(other)]
    Later,
}

impl Entry {
    /// When it was so; a line of a later version does not say.
    pub(crate) fn at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Opened { at, .. }
            | Self::Started { at, .. }
            | Self::Applied { at, .. }
            | Self::Ended { at, .. } => Some(*at),
            Self::Later => None,
        }
    }
}

/// Why the journal could not be kept.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The file could not be opened, read or written.
    #[error("keep the journal {path}; check its folder's permissions and free space", path = path.display())]
    File {
        /// The journal.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A line in the middle is damaged (a torn last line is expected after a kill, and skipped).
    #[error("read line {line} of {path}: it is damaged; restore the journal or begin a new run", path = path.display())]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: Mutex<File>,
    earlier: Vec<Entry>,
    written: Mutex<Vec<Entry>>,
}

impl Journal {
    /// Opens the journal at `path`, reading what is there.
    ///
    /// # Errors
    /// When the file is out of reach, or a line that is not the last is damaged.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let fail = |source| JournalError::File { path: path.to_owned(), source };
        let mut file =
            OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(path).map_err(fail)?;
        let (earlier, torn) = read_entries(path, &file)?;
        if torn {
            // A kill cut the last line short; what follows must not be glued to it.
            file.write_all(b"\n").map_err(fail)?;
        }
        Ok(Self { path: path.to_owned(), file: Mutex::new(file), earlier, written: Mutex::default() })
    }

    /// What a journal holds so far, whoever writes to it; nothing when it is not there yet.
    pub(crate) fn read(path: &Path) -> Result<Vec<Entry>, JournalError> {
        match File::open(path) {
            Ok(file) => read_entries(path, &file).map(|(entries, _)| entries),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(JournalError::File { path: path.to_owned(), source }),
        }
    }

    /// Appends a line and syncs it.
    ///
    /// # Errors
    /// When it could not be written: the step must then not count as done.
    pub fn append(&self, entry: Entry) -> Result<(), JournalError> {
        let fail = |source| JournalError::File { path: self.path.clone(), source };
        let mut line = serde_json::to_vec(&entry).expect("an entry is plain data");
        line.push(b'\n');
        {
            let mut file = self.file.lock().expect("no panic holds the journal");
            file.write_all(&line).map_err(fail)?;
            file.sync_data().map_err(fail)?;
        }
        self.written.lock().expect("no panic holds the journal").push(entry);
        Ok(())
    }

    /// The last outcome of every step, earlier runs of the same journal included, in the order they ended.
    #[must_use]
    pub fn results(&self) -> Vec<StepResult> {
        let mut results: Vec<StepResult> = Vec::new();
        let written = self.written.lock().expect("no panic holds the journal");
        for entry in self.earlier.iter().chain(written.iter()) {
            if let Entry::Ended { result, .. } = entry {
                results.retain(|known| known.id != result.id);
                results.push((**result).clone());
            }
        }
        results
    }

    /// The outcomes that still stand: a step that began again and did not end has none.
    #[must_use]
    pub fn finished(&self) -> Vec<StepResult> {
        let written = self.written.lock().expect("no panic holds the journal");
        let mut begun = std::collections::BTreeSet::new();
        for entry in self.earlier.iter().chain(written.iter()) {
            match entry {
                Entry::Started { step, .. } => {
                    begun.insert(step.clone());
                }
                Entry::Ended { result, .. } => {
                    begun.remove(&result.id);
                }
                _ => {}
            }
        }
        drop(written);
        let mut results = self.results();
        results.retain(|result| !begun.contains(&result.id));
        results
    }

    /// The sections of golive.toml that a step last ended with, by their digests; none in the lines of an older version.
    #[must_use]
    pub(crate) fn ended_with(&self, id: &str) -> BTreeMap<String, String> {
        let written = self.written.lock().expect("no panic holds the journal");
        let mut ended = self.earlier.iter().chain(written.iter()).rev();
        let found = ended.find_map(|entry| match entry {
            Entry::Ended { result, config, .. } if result.id == id => Some(config.clone()),
            _ => None,
        });
        found.unwrap_or_default()
    }

    /// The newest fact of this name that any step recorded.
    #[must_use]
    pub fn fact(&self, key: &str) -> Option<Fact> {
        self.results().into_iter().rev().flat_map(|result| result.proof).find(|fact| fact.key == key)
    }

    /// What the run of this journal is about.
    #[must_use]
    pub fn subject(&self) -> Option<String> {
        let written = self.written.lock().expect("no panic holds the journal");
        self.earlier.iter().chain(written.iter()).find_map(|entry| match entry {
            Entry::Opened { subject, .. } if !subject.is_empty() => Some(subject.clone()),
            _ => None,
        })
    }

    /// When the run of this journal first began.
    #[must_use]
    pub fn opened_at(&self) -> Option<DateTime<Utc>> {
        let written = self.written.lock().expect("no panic holds the journal");
        self.earlier.iter().chain(written.iter()).find_map(|entry| match entry {
            Entry::Opened { at, .. } => Some(*at),
            _ => None,
        })
    }
}

/// The entries of `file`, and whether its last line was cut short.
///
/// A damaged line is forgiven where a kill explains it: at the very end, or just before the line that opened
/// the next run. Anywhere else somebody changed the evidence.
fn read_entries(path: &Path, file: &File) -> Result<(Vec<Entry>, bool), JournalError> {
    let fail = |source| JournalError::File { path: path.to_owned(), source };
    let mut entries = Vec::new();
    let mut damaged = None;
    let mut whole = true;
    let mut reader = BufReader::new(file.try_clone().map_err(fail)?);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if reader.read_until(b'\n', &mut line).map_err(fail)? == 0 {
            break;
        }
        whole = line.ends_with(b"\n");
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        match (serde_json::from_slice(text), damaged.take()) {
            (Ok(entry @ Entry::Opened { .. }), _) | (Ok(entry), None) => entries.push(entry),
            (Ok(_), Some((line, source))) => {
                return Err(JournalError::Damaged { path: path.to_owned(), line, source });
            }
            (Err(source), None) => damaged = Some((number, source)),
            (Err(_), Some((line, source))) => {
                return Err(JournalError::Damaged { path: path.to_owned(), line, source });
            }
        }
    }
    Ok((entries, !whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened() -> Entry {
        Entry::Opened {
            at: DateTime::UNIX_EPOCH,
            run: "r".to_owned(),
            version: "0".to_owned(),
            resumed: false,
            subject: String::new(),
        }
    }

    fn started(step: &str) -> Entry {
        Entry::Started { at: DateTime::UNIX_EPOCH, step: step.to_owned() }
    }

    #[test]
    fn a_line_cut_short_by_a_kill_is_forgiven_and_one_changed_by_hand_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        Journal::open(&path).unwrap().append(opened()).unwrap();
        let mut text = std::fs::read(&path).unwrap();
        text.extend_from_slice(b"{\"event\":\"star");
        std::fs::write(&path, &text).unwrap();
        let again = Journal::open(&path).unwrap();
        again.append(opened()).unwrap();
        again.append(started("copy")).unwrap();
        assert_eq!(Journal::open(&path).unwrap().earlier.len(), 3);

        let changed =
            std::fs::read_to_string(&path).unwrap().replacen("unix", "", 1).replacen("\"r\"", "r", 1);
        std::fs::write(&path, changed + "{\"event\":\"started\"\n").unwrap();
        assert!(matches!(Journal::open(&path), Err(JournalError::Damaged { line: 1, .. })));
    }

    #[test]
    fn a_line_of_a_later_version_is_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        std::fs::write(&path, "{\"event\":\"teleported\",\"to\":\"mars\"}\n").unwrap();
        assert!(matches!(Journal::open(&path).unwrap().earlier[..], [Entry::Later]));
    }
}
