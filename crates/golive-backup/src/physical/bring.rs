//! Brings a physical backup back as a data directory on which a server can be started. It appears under its name only
//! when it is complete and prepared: a server starts on an unprepared set without a word.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::sync::mpsc;

use super::{COMPLETED, PHYSICAL_PART};
use crate::exec::{self, Mask, ToolError, Tools};
use crate::manifest::{BackupId, Manifest, Part};
use crate::pipeline::open_part;
use crate::progress::Progress;
use crate::repository::{Repository, RepositoryError};
use crate::restore::feed;
use crate::verify::check_part;

/// A chain longer than this is damaged rather than long.
const CHAIN_LIMIT: usize = 1000;

/// Why files were not brought back. Nothing stands under the name asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestorePhysicalError {
    /// The repository, the manifest or the key.
    #[error("open the backup")]
    Repository(#[from] RepositoryError),
    /// It is a backup of something else.
    #[error("bring back the files of {id}: it is no physical backup; choose another")]
    NotPhysical {
        /// The backup.
        id: BackupId,
    },
    /// The base of a backup is not the one it continues.
    #[error("bring back {id}: it continues {base}, which ends elsewhere; choose another")]
    Broken {
        /// The backup.
        id: BackupId,
        /// Its base.
        base: BackupId,
    },
    /// The stored bytes are damaged.
    #[error("bring back {id}: {part} {what}; choose another backup")]
    Damaged {
        /// The backup.
        id: BackupId,
        /// The file in the backup.
        part: String,
        /// What is wrong.
        what: String,
    },
    /// There is something already.
    #[error("bring files back into {path}: it is there already; name a new directory, or move that one away")]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// The tool is of another series of MariaDB than the files.
    #[error(
        "bring back {id}: its files are of MariaDB {files}, and the tool here is of {tool}; install mariadb-backup and a \
         server of the series {files}"
    )]
    OtherSeries {
        /// The backup.
        id: BackupId,
        /// The series of the files, like 10.11.
        files: String,
        /// What the tool says of itself.
        tool: String,
    },
    /// A file or directory could not be used.
    #[error("{doing} {path}")]
    File {
        /// What was being done, as a verb.
        doing: &'static str,
        /// The path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A program failed.
    #[error("unpack and prepare {id}")]
    Tool {
        /// The backup.
        id: BackupId,
        /// What the program said.
        #[source]
        source: ToolError,
    },
    /// The tool ended with success but not at the end.
    #[error("see `completed OK!` as the last word about {id}, although the tool reported success; try again")]
    Unprepared {
        /// The backup.
        id: BackupId,
    },
    /// It took too long.
    #[error("bring the files back within {seconds} s; give a longer deadline")]
    Timeout {
        /// The limit.
        seconds: u64,
    },
}

/// Unpacks a physical backup, and those it continues, into a new directory, and prepares it.
///
/// # Errors
/// When the directory exists, a stored byte changed, or a program fails; then the directory is not made.
pub async fn restore_physical(
    repository: &Repository,
    id: &BackupId,
    directory: &Path,
    tools: &Tools,
    deadline: Duration,
    progress: &Progress,
) -> Result<(), RestorePhysicalError> {
    if directory.exists() {
        return Err(RestorePhysicalError::NotEmpty { path: directory.to_owned() });
    }
    let chain = chain(repository, id)?;
    same_series(&chain, tools).await?;
    let mut name = directory.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    let partial = directory.with_file_name(name);
    make(&partial)?;
    let work = bring(repository, &chain, &partial, tools, progress);
    let brought = tokio::time::timeout(deadline, work)
        .await
        .unwrap_or(Err(RestorePhysicalError::Timeout { seconds: deadline.as_secs() }));
    if let Err(error) = brought {
        if let Err(left) = fs::remove_dir_all(&partial) {
            tracing::warn!(path = %partial.display(), error = %left, "what was unpacked could not be removed");
        }
        return Err(error);
    }
    fs::rename(partial.join("data"), directory)
        .and_then(|()| fs::remove_dir_all(&partial))
        .map_err(using("put in place", directory))
}

/// The full backup and those that continue it, in order, up to the one asked for.
fn chain(repository: &Repository, id: &BackupId) -> Result<Vec<Manifest>, RestorePhysicalError> {
    let mut chain = Vec::new();
    let mut next = Some(id.clone());
    while let Some(id) = next {
        let manifest = repository.find(&id)?;
        let facts =
            manifest.physical().ok_or_else(|| RestorePhysicalError::NotPhysical { id: id.clone() })?;
        next = facts.base.clone();
        if let Some(base) = &next {
            let ends = repository.find(base)?.physical().map(|facts| facts.to_lsn);
            if ends != Some(facts.from_lsn) || chain.len() > CHAIN_LIMIT {
                return Err(RestorePhysicalError::Broken { id, base: base.clone() });
            }
        }
        chain.push(manifest);
    }
    chain.reverse();
    Ok(chain)
}

async fn bring(
    repository: &Repository,
    chain: &[Manifest],
    partial: &Path,
    tools: &Tools,
    progress: &Progress,
) -> Result<(), RestorePhysicalError> {
    let data = partial.join("data");
    for manifest in chain {
        let first = !data.exists();
        let target = if first { data.clone() } else { partial.join("increment") };
        make(&target)?;
        unpack(repository, manifest, &target, tools, progress).await?;
        let mut arguments = vec!["--prepare".to_owned(), format!("--target-dir={}", data.display())];
        if !first {
            arguments.push(format!("--incremental-dir={}", target.display()));
        }
        prepare(manifest, tools, &arguments).await?;
        if !first {
            fs::remove_dir_all(&target).map_err(using("remove", &target))?;
        }
    }
    Ok(())
}

/// Another series prepares the files without complaint, and a server of it may upgrade or refuse them.
async fn same_series(chain: &[Manifest], tools: &Tools) -> Result<(), RestorePhysicalError> {
    for manifest in chain {
        let Some(facts) = manifest.physical() else { continue };
        let tool = exec::version(&tools.physical)
            .await
            .map_err(|source| RestorePhysicalError::Tool { id: manifest.id.clone(), source })?;
        let files = series(&facts.server_version).unwrap_or_default();
        if series(&tool) != Some(files) {
            let (id, files) = (manifest.id.clone(), files.to_owned());
            return Err(RestorePhysicalError::OtherSeries { id, files, tool });
        }
    }
    Ok(())
}

/// The first two numbers of the first version in a text: `10.11` of `mariadb-backup based on MariaDB server 10.11.19-MariaDB`.
fn series(text: &str) -> Option<&str> {
    text.split_whitespace().find_map(|word| {
        let (major, rest) = word.split_once('.')?;
        let minor = rest.find(|c: char| !c.is_ascii_digit()).map_or(rest, |end| &rest[..end]);
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        (is_number(major) && is_number(minor)).then(|| &word[..major.len() + 1 + minor.len()])
    })
}

async fn unpack(
    repository: &Repository,
    manifest: &Manifest,
    target: &Path,
    tools: &Tools,
    progress: &Progress,
) -> Result<(), RestorePhysicalError> {
    let id = manifest.id.clone();
    let damaged =
        |part: &Part, what| RestorePhysicalError::Damaged { id: id.clone(), part: part.name.clone(), what };
    let part = manifest.parts.iter().find(|part| part.name == PHYSICAL_PART).cloned();
    let part = part.ok_or_else(|| RestorePhysicalError::NotPhysical { id: id.clone() })?;
    let key = repository.keys().identity.clone().ok_or(RepositoryError::NoIdentity)?;
    let (folder, checked, of, reporting) =
        (repository.shelf(&manifest.id), part.clone(), manifest.clone(), progress.clone());
    let reader = tokio::task::spawn_blocking(move || {
        check_part(&folder, &checked, None, &of, &reporting)?;
        open_part(&folder, &checked.name, &key).map_err(|error| format!("cannot be opened: {error}"))
    })
    .await
    .expect("checking does not panic")
    .map_err(|what| damaged(&part, what))?;
    let tool = |source| RestorePhysicalError::Tool { id: manifest.id.clone(), source };
    let arguments = ["-x".to_owned(), "-C".to_owned(), target.display().to_string()];
    let mut running = exec::start(&tools.stream, &arguments, Stdio::piped(), Stdio::null()).map_err(tool)?;
    let stdin = running.child.stdin.take().expect("stdin was asked for as a pipe");
    let stdin = File::from(stdin.into_owned_fd().map_err(using("feed", target))?);
    let (progress, packed) = (progress.clone(), part.clone());
    let fed = tokio::task::spawn_blocking(move || feed(reader, stdin, &packed, &progress)).await;
    running.finish(Mask::Nothing).await.map_err(tool)?;
    fed.expect("feeding does not panic").map_err(|error| damaged(&part, format!("cannot be read: {error}")))
}

async fn prepare(
    manifest: &Manifest,
    tools: &Tools,
    arguments: &[String],
) -> Result<(), RestorePhysicalError> {
    let tool = |source| RestorePhysicalError::Tool { id: manifest.id.clone(), source };
    let (sender, mut lines) = mpsc::unbounded_channel();
    let running = exec::start_watched(&tools.physical, arguments, Stdio::null(), Stdio::null(), Some(sender))
        .map_err(tool)?;
    let mut last = String::new();
    while let Some(line) = lines.recv().await {
        last = line;
    }
    running.finish(Mask::Nothing).await.map_err(tool)?;
    if last.ends_with(COMPLETED) {
        return Ok(());
    }
    Err(RestorePhysicalError::Unprepared { id: manifest.id.clone() })
}

fn make(path: &Path) -> Result<(), RestorePhysicalError> {
    fs::DirBuilder::new().mode(0o700).create(path).map_err(using("create", path))
}

fn using(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> RestorePhysicalError {
    let path = path.to_owned();
    move |source| RestorePhysicalError::File { doing, path: path.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::series;

    #[test]
    fn a_series_is_two_numbers() {
        let tool = "mariadb-backup based on MariaDB server 10.11.19-MariaDB debian-linux-gnu (x86_64)";
        assert_eq!((series(tool), series("10.11.6-MariaDB-0+deb12u1")), (Some("10.11"), Some("10.11")));
        assert_eq!((series("11.4.2"), series("mariadb-backup"), series("")), (Some("11.4"), None, None));
    }
}
