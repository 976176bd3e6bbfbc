//! Files that are no database but without which nothing starts: provider state, environment, deployment
//! configuration. One archive, encrypted always, restored into an empty directory with the permissions kept.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use chrono::{DateTime, Utc};

use crate::manifest::{BackupId, Content, Manifest, StateFacts, StateFile};
use crate::pipeline::{PartWriter, open_part};
use crate::progress::Progress;
use crate::repository::{Repository, RepositoryError};
use crate::verify::check_part;

const STATE_PART: &str = "state.tar.zst.age";
/// Configuration is small; what is larger is not configuration.
const FILE_LIMIT_BYTES: u64 = 64 * 1024 * 1024;

/// Why state files were not backed up or restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The repository, the manifest or the key.
    #[error("use the repository")]
    Repository(#[from] RepositoryError),
    /// A file could not be read or written.
    #[error("{doing} {path}")]
    File {
        /// What was being done, as a verb.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Not a regular file of a sensible size.
    #[error("back up {path}: {reason}")]
    Unsuitable {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: &'static str,
    },
    /// No files given.
    #[error(
        "back up no files at all; name the environment file, the provider state and the deployment configuration"
    )]
    NoFiles,
    /// The directory to restore into holds something; nothing was changed.
    #[error("restore into {path}: it is not empty; name a new directory")]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// It is a backup of a database.
    #[error("restore files from {id}: it holds a database; choose another backup")]
    NotFiles {
        /// The backup.
        id: BackupId,
    },
    /// The stored bytes are damaged; nothing was changed.
    #[error("restore {id}: {part} {what}; choose another backup")]
    Damaged {
        /// The backup.
        id: BackupId,
        /// The file in the backup.
        part: String,
        /// What is wrong.
        what: String,
    },
}

/// Backs up files into one encrypted archive and publishes it.
///
/// # Errors
/// When a file is missing, is no regular file, or the repository cannot be written; then nothing is published.
pub fn back_up_state(
    repository: &Repository,
    files: &[PathBuf],
    now: DateTime<Utc>,
) -> Result<Manifest, StateError> {
    if files.is_empty() {
        return Err(StateError::NoFiles);
    }
    let staging = repository.begin(now)?;
    let part_path = staging.shelf().shown(STATE_PART);
    let writing = |source| StateError::File { doing: "write", path: part_path.clone(), source };
    let writer =
        PartWriter::create(staging.shelf(), STATE_PART, &repository.keys().recipients).map_err(writing)?;
    let mut archive = tar::Builder::new(writer);
    let mut stored: Vec<StateFile> = Vec::new();
    for path in files {
        let file = append(&mut archive, path)?;
        if stored.iter().any(|other| other.restored_as == file.restored_as) {
            return Err(StateError::Unsuitable { path: path.clone(), reason: "it is named twice" });
        }
        stored.push(file);
    }
    let part = archive.into_inner().and_then(PartWriter::finish).map_err(writing)?;
    Ok(staging.publish(vec![part], Content::State(StateFacts { files: stored }))?)
}

fn append(archive: &mut tar::Builder<PartWriter>, path: &Path) -> Result<StateFile, StateError> {
    let reading = |source| StateError::File { doing: "read", path: path.to_owned(), source };
    let unsuitable = |reason| StateError::Unsuitable { path: path.to_owned(), reason };
    // Where a link leads is what must come back; where it stood is its name.
    let mut file = File::open(path).map_err(reading)?;
    let metadata = file.metadata().map_err(reading)?;
    if !metadata.is_file() {
        return Err(unsuitable("it is not a regular file; name the files in it"));
    }
    if metadata.len() > FILE_LIMIT_BYTES {
        return Err(unsuitable("it is larger than 64 MiB, which configuration is not"));
    }
    let restored_as = relative(&std::path::absolute(path).map_err(reading)?);
    // Read whole first: a file that changes size under the archive would spoil it.
    let mut content = Vec::new();
    Read::by_ref(&mut file).take(FILE_LIMIT_BYTES + 1).read_to_end(&mut content).map_err(reading)?;
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(metadata.mode() & 0o7777);
    header.set_mtime(u64::try_from(metadata.mtime()).unwrap_or(0));
    header.set_entry_type(tar::EntryType::Regular);
    archive.append_data(&mut header, &restored_as, content.as_slice()).map_err(reading)?;
    Ok(StateFile {
        path: path.display().to_string(),
        restored_as: restored_as.display().to_string(),
        bytes: content.len() as u64,
        mode: metadata.mode() & 0o7777,
    })
}

/// The path below a restore directory.
fn relative(path: &Path) -> PathBuf {
    path.components().filter(|component| matches!(component, Component::Normal(_))).collect()
}

/// Restores a state backup into a directory that is empty or does not exist, and returns the files written.
///
/// # Errors
/// When the backup is damaged or holds no files, or the directory is not empty.
pub fn restore_state(
    repository: &Repository,
    id: &BackupId,
    directory: &Path,
) -> Result<Vec<PathBuf>, StateError> {
    let manifest = repository.find(id)?;
    let part = manifest.parts.iter().find(|part| part.name == STATE_PART);
    let (Content::State(_), Some(part)) = (&manifest.content, part) else {
        return Err(StateError::NotFiles { id: id.clone() });
    };
    let key = repository.keys().identity.as_ref().ok_or(RepositoryError::NoIdentity)?;
    let damaged = |what| StateError::Damaged { id: id.clone(), part: part.name.clone(), what };
    check_part(&repository.shelf(id), part, Some(key), &manifest, &Progress::silent()).map_err(damaged)?;

    let using = |source| StateError::File { doing: "use", path: directory.to_owned(), source };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(using)?;
    if fs::read_dir(directory).map_err(using)?.next().is_some() {
        return Err(StateError::NotEmpty { path: directory.to_owned() });
    }
    let unreadable = |error: io::Error| damaged(format!("cannot be unpacked: {error}"));
    let mut archive =
        tar::Archive::new(open_part(&repository.shelf(id), &part.name, key).map_err(unreadable)?);
    let mut written = Vec::new();
    for entry in archive.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let path = directory.join(relative(&entry.path().map_err(unreadable)?));
        let mode = entry.header().mode().map_err(unreadable)?;
        write_entry(&mut entry, &path, mode).map_err(|source| StateError::File {
            doing: "write",
            path: path.clone(),
            source,
        })?;
        written.push(path);
    }
    Ok(written)
}

/// Writes privately first, then sets the permissions of the original.
fn write_entry(entry: &mut impl Read, path: &Path, mode: u32) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    }
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    io::copy(entry, &mut file)?;
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode & 0o777))?;
    file.sync_all()
}
