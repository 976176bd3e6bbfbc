//! The small files of a repository, on a disk or on another machine: manifests, and notes that are only ever added.
//!
//! On a disk a note is a line that is appended; elsewhere, where nothing can be appended, an object of its own.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::{ATTEMPTS, MANIFEST, MANIFEST_DIGEST, PROOFS, RepositoryError, file_error};
use crate::manifest::BackupId;
use crate::remote::{Journal, Listed, Remote};
use crate::shelf::Shelf;

/// Journals of what is being written or removed, in a remote place.
pub(crate) const JOURNALS: &str = ".partial";

/// Those of removals are named so.
pub(super) const REMOVED: &str = "removed-";

/// The place of a repository.
#[derive(Debug, Clone)]
pub(crate) enum Home {
    Folder(PathBuf),
    Remote {
        remote: Remote,
        /// Where binary logs lie until they are closed.
        spool: PathBuf,
    },
}

/// The small files of one backup.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    pub(super) manifest: Vec<u8>,
    pub(super) digest: String,
    /// A line each.
    pub(super) proofs: Vec<String>,
}

impl Home {
    pub(super) fn shelf(&self, id: &BackupId, journal: Option<Journal>) -> Shelf {
        match self {
            Self::Folder(folder) => Shelf::Folder(folder.join(id.as_str())),
            Self::Remote { remote, .. } => {
                Shelf::Remote { remote: remote.clone(), folder: id.as_str().to_owned(), journal }
            }
        }
    }

    /// What may be shown of a name.
    pub(super) fn shown(&self, name: &str) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.join(name),
            Self::Remote { remote, .. } => remote.shown(name),
        }
    }

    /// The small files of one backup; `None` when there is no such backup.
    pub(super) fn texts(&self, id: &BackupId) -> io::Result<Option<Texts>> {
        match self {
            Self::Folder(folder) if !folder.join(id.as_str()).is_dir() => Ok(None),
            Self::Folder(folder) => texts_in(&folder.join(id.as_str())).map(Some),
            Self::Remote { remote, .. } => {
                let listed = remote.list(id.as_str())?;
                if !listed.iter().any(|one| one.name == format!("{id}/{MANIFEST}")) {
                    return Ok(None);
                }
                let mut read = remote.read_all(small(&listed))?.into_iter().collect();
                texts_of(id.as_str(), &mut read).map(Some)
            }
        }
    }

    /// The small files of every backup, by name; those that are being written or removed are passed over.
    pub(super) fn all(&self) -> io::Result<Vec<(String, io::Result<Texts>)>> {
        let remote = match self {
            Self::Remote { remote, .. } => remote,
            Self::Folder(folder) => return all_in(folder),
        };
        // In this order: what is published between the two looks is in the second and passed over for now.
        let journals = remote.list(JOURNALS)?;
        let is_open = |name: &str| {
            let removed = format!("{JOURNALS}/{REMOVED}{name}.json");
            journals.iter().any(|one| one.name == removed || one.name == format!("{JOURNALS}/{name}.json"))
        };
        let names: Vec<String> = remote.folders()?.into_iter().filter(|name| is_backups(name)).collect();
        let listed = remote.list_all(&names)?;
        let mut read = remote.read_all(small(&listed))?.into_iter().collect();
        let has_manifest = |name: &str| listed.iter().any(|one| one.name == format!("{name}/{MANIFEST}"));
        let wanted = names.into_iter().filter(|name| has_manifest(name) || !is_open(name));
        let wanted: Vec<String> = wanted.collect();
        Ok(wanted.into_iter().map(|name| (name.clone(), texts_of(&name, &mut read))).collect())
    }

    /// Every note of a name, in the order in which they were made.
    pub(super) fn notes(&self, name: &str) -> io::Result<Vec<String>> {
        match self {
            Self::Folder(folder) => lines_of(&folder.join(name)),
            Self::Remote { remote, .. } => {
                let names = remote.list(name)?.into_iter().map(|one| one.name).collect();
                Ok(remote.read_all(names)?.into_iter().map(|(_, bytes)| text(bytes)).collect())
            }
        }
    }

    /// Adds a note, durably.
    pub(super) fn note(&self, name: &str, at: DateTime<Utc>, line: &str) -> io::Result<()> {
        match self {
            Self::Folder(folder) => append(&folder.join(name), line),
            Self::Remote { remote, .. } => {
                // By the number first, so that the order is that of writing whatever the clock does.
                let number = remote.list(name)?.len();
                let stamp = at.format("%Y%m%dT%H%M%SZ");
                let own = format!("{name}/{number:06}-{stamp}-{}.json", uuid::Uuid::new_v4().simple());
                remote.create(&own, line.as_bytes().to_vec())
            }
        }
    }
}

/// Whether an entry of a repository should be a backup.
fn is_backups(name: &str) -> bool {
    !name.starts_with('.') && name != crate::binlog::archive::FOLDER && name != ATTEMPTS
}

fn small(listed: &[Listed]) -> Vec<String> {
    let is_small = |name: &str| {
        let own = name.split_once('/').map_or("", |(_, own)| own);
        own == MANIFEST || own == MANIFEST_DIGEST || own.starts_with(PROOFS)
    };
    listed.iter().filter(|one| is_small(&one.name)).map(|one| one.name.clone()).collect()
}

/// Takes the small files of one backup out of what was read, in which they stand in order.
fn texts_of(name: &str, read: &mut BTreeMap<String, Vec<u8>>) -> io::Result<Texts> {
    let missing = |what: &str| io::Error::new(io::ErrorKind::NotFound, format!("its {what} is missing"));
    let manifest = read.remove(&format!("{name}/{MANIFEST}")).ok_or_else(|| missing("manifest"))?;
    let digest =
        read.remove(&format!("{name}/{MANIFEST_DIGEST}")).ok_or_else(|| missing("manifest digest"))?;
    let prefix = format!("{name}/{PROOFS}/");
    let proofs = read.range(prefix.clone()..).take_while(|(name, _)| name.starts_with(&prefix));
    Ok(Texts {
        manifest,
        digest: text(digest),
        proofs: proofs.map(|(_, bytes)| text(bytes.clone())).collect(),
    })
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

fn all_in(folder: &Path) -> io::Result<Vec<(String, io::Result<Texts>)>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if is_backups(&name) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names.into_iter().map(|name| (name.clone(), texts_in(&folder.join(&name)))).collect())
}

fn texts_in(folder: &Path) -> io::Result<Texts> {
    Ok(Texts {
        manifest: fs::read(folder.join(MANIFEST))?,
        digest: fs::read_to_string(folder.join(MANIFEST_DIGEST))?,
        proofs: lines_of(&folder.join(PROOFS))?,
    })
}

fn lines_of(path: &Path) -> io::Result<Vec<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Appends a line, durably. The newline before it ends a line that a power cut may have torn.
fn append(path: &Path, line: &str) -> io::Result<()> {
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(format!("\n{line}\n").as_bytes()).and_then(|()| file.sync_all()))
}

/// The same, for other catalogs of lines.
pub(crate) fn append_line(path: &Path, line: &str) -> Result<(), RepositoryError> {
    append(path, line).map_err(file_error("write", path))
}
