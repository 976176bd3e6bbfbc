//! A private copy of one consistent state of a source that somebody is writing to, so that a migration may take its time
//! without holding a lock or a read transaction in the application's file. Made through SQLite's backup interface;
//! nothing here is written to the source, and nothing here knows MariaDB.

use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use tokio_util::sync::CancellationToken;

use crate::progress::{OnProgress, Phase, PhaseMeter};
use crate::source::{OpenSourceError, Source};

/// How long a source that is held exclusively is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a moment between a writer's transactions is looked for.
const SLIP_IN_TIMEOUT: Duration = Duration::from_secs(30);
/// Pages copied between two looks at the cancellation: a few milliseconds.
const PAGES_A_STEP: i32 = 2_000;
/// Room that must be left on the disk beside the copy.
const SPARE_BYTES: u64 = 16 << 20;

/// A frozen copy of a source. It holds all of its data, is readable by its owner only, and stays until
/// [`discard`](Self::discard)ed, so that a run that was cut off finds it again.
#[derive(Debug)]
pub struct Frozen {
    source: Source,
    origin: PathBuf,
    bytes: u64,
}

/// How a source is frozen.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct FreezeOptions {
    /// Cancelling it ends the freezing and removes what was made.
    pub cancel: CancellationToken,
}

/// Why no frozen copy was made. The source is untouched, and nothing half made is left.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FreezeError {
    /// The source cannot be used at all, or what was copied is damaged.
    #[error(transparent)]
    Source(#[from] OpenSourceError),
    /// The disk is too full for the copy.
    #[error(
        "keep a frozen copy of the source in {folder}: {missing_bytes} bytes of free space are missing there; make \
         room, name another folder, or stop the application so that no copy is needed"
    )]
    NoRoom {
        /// Where it was to be.
        folder: PathBuf,
        /// How much more is needed.
        missing_bytes: u64,
    },
    /// A file could not be made, moved or removed.
    #[error("keep a frozen copy of the source at {path}; check that the folder is writable and has room")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// SQLite could not copy it.
    #[error(
        "freeze {path}; check that its application lets others read, and that there is room for the copy"
    )]
    Sqlite {
        /// The source.
        path: PathBuf,
        /// SQLite's reason.
        #[source]
        source: rusqlite::Error,
    },
    /// It was asked to end.
    #[error("freeze {path}: it was cancelled, and what was made is removed")]
    Cancelled {
        /// The source.
        path: PathBuf,
    },
}

impl Frozen {
    /// Copies the present state of `origin` into `folder`, replacing an earlier copy of the same source.
    ///
    /// The state is that of one moment. In write-ahead-log mode writers go on meanwhile; in rollback-journal mode a
    /// writer waits until the copy is made (about two seconds a gigabyte), as for any reader. It blocks: call it from a
    /// blocking task.
    ///
    /// # Errors
    /// See [`FreezeError`]; nothing half made is left.
    pub fn take(
        origin: &Path,
        folder: &Path,
        options: &FreezeOptions,
        progress: OnProgress<'_>,
    ) -> Result<Self, FreezeError> {
        let source = Source::unchecked(origin)?;
        let path = place(origin, folder);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(at(folder))?;
        let partial = path.with_extension("partial");
        let made = copy(&source, origin, &partial, options, progress).and_then(|()| {
            File::open(&partial).and_then(|file| file.sync_all()).map_err(at(&partial))?;
            remove_if_there(&path)?;
            fs::rename(&partial, &path).map_err(at(&path))?;
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))
        });
        if let Err(error) = made {
            let _ = remove_if_there(&partial);
            return Err(error);
        }
        Self::at(origin, &path)
    }

    /// The copy of `origin` that an earlier run left in `folder`.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn find(origin: &Path, folder: &Path) -> Result<Option<Self>, FreezeError> {
        let path = place(origin, folder);
        if path.exists() { Self::at(origin, &path).map(Some) } else { Ok(None) }
    }

    fn at(origin: &Path, path: &Path) -> Result<Self, FreezeError> {
        let source = Source::open(path)?;
        let bytes = path.metadata().map_err(at(path))?.len();
        Ok(Self { source, origin: origin.to_owned(), bytes })
    }

    /// The copy, to be surveyed, copied and verified in place of the source.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The application's own file. What is written to it from now on is not in the copy.
    pub fn origin(&self) -> &Path {
        &self.origin
    }

    /// The size of the copy.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Removes the copy.
    ///
    /// # Errors
    /// When the file cannot be removed; it holds all data of the source and should not stay.
    pub fn discard(self) -> Result<(), FreezeError> {
        remove_if_there(self.source.path())
    }
}

/// One name a source, so that another source's copy is never taken for this one's.
fn place(origin: &Path, folder: &Path) -> PathBuf {
    let whole = fs::canonicalize(origin).unwrap_or_else(|_| origin.to_owned());
    let digest = blake3::hash(whole.as_os_str().as_encoded_bytes()).to_hex();
    folder.join(format!("frozen-source-{}.db", &digest[..16]))
}

fn copy(
    source: &Source,
    origin: &Path,
    partial: &Path,
    options: &FreezeOptions,
    progress: OnProgress<'_>,
) -> Result<(), FreezeError> {
    let failed = |source| FreezeError::Sqlite { path: origin.to_owned(), source };
    let live = slip_in(options, origin, || source.connect())?;
    // The transaction pins one state over all steps: without it a writer makes the copy start over again and again.
    live.execute_batch("BEGIN").map_err(failed)?;
    live.busy_timeout(Duration::from_millis(1)).map_err(failed)?;
    slip_in(options, origin, || {
        live.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))
    })?;
    live.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    let number = |sql| live.query_row(sql, [], |row| row.get::<_, u32>(0)).map(u64::from).map_err(failed);
    let (pages, page_bytes) = (number("PRAGMA page_count")?, number("PRAGMA page_size")?);
    require_room(partial, pages * page_bytes)?;
    remove_if_there(partial)?;
    // Made before SQLite writes to it, so that nobody else can read it at any moment.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(partial).map_err(at(partial))?;
    fs::set_permissions(partial, Permissions::from_mode(0o600)).map_err(at(partial))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut kept = Connection::open_with_flags(partial, flags).map_err(failed)?;
    // It is made whole and synced by us at its end, or removed.
    kept.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF").map_err(failed)?;
    let meter = PhaseMeter::new(Phase::Snapshot, pages, progress);
    let mut meter = meter.table(&origin.display().to_string(), pages, 0);
    let backup = Backup::new(&live, &mut kept).map_err(failed)?;
    let deadline = Instant::now() + BUSY_TIMEOUT;
    let mut left = pages;
    loop {
        if options.cancel.is_cancelled() {
            return Err(FreezeError::Cancelled { path: origin.to_owned() });
        }
        let step = backup.step(PAGES_A_STEP).map_err(failed)?;
        let now_left = u64::try_from(backup.progress().remaining).unwrap_or_default();
        let done = left.saturating_sub(now_left);
        meter.advance(done, done * page_bytes);
        left = now_left;
        match step {
            StepResult::Done => break,
            StepResult::More => {}
            _ if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
            _ => return Err(OpenSourceError::Locked { path: origin.to_owned() }.into()),
        }
    }
    drop(backup);
    // One file that needs no other beside it, whatever mode the source is in.
    kept.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())).map_err(failed)?;
    kept.close().map_err(|(_, error)| failed(error))
}

/// Tries again while a writer holds the file. SQLite's own waiting sleeps ever longer, and may never meet the moment in
/// which a writer that goes on without pause lets go.
fn slip_in<T>(
    options: &FreezeOptions,
    origin: &Path,
    attempt: impl Fn() -> rusqlite::Result<T>,
) -> Result<T, FreezeError> {
    let deadline = Instant::now() + SLIP_IN_TIMEOUT;
    loop {
        match attempt() {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                if options.cancel.is_cancelled() {
                    return Err(FreezeError::Cancelled { path: origin.to_owned() });
                }
                if Instant::now() >= deadline {
                    return Err(FreezeError::Sqlite { path: origin.to_owned(), source: error });
                }
                std::thread::sleep(Duration::from_micros(500));
            }
            other => return other.map_err(|source| FreezeError::Sqlite { path: origin.to_owned(), source }),
        }
    }
}

fn require_room(partial: &Path, bytes: u64) -> Result<(), FreezeError> {
    let folder = partial.parent().unwrap_or(partial);
    let disk = rustix::fs::statvfs(folder).map_err(|error| at(folder)(error.into()))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    // The room of a copy that will be replaced is not counted: it goes only when the new one is whole.
    let needed = bytes + SPARE_BYTES;
    if free >= needed {
        return Ok(());
    }
    Err(FreezeError::NoRoom { folder: folder.to_owned(), missing_bytes: needed - free })
}

fn remove_if_there(path: &Path) -> Result<(), FreezeError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(at(path)(error)),
        _ => Ok(()),
    }
}

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> FreezeError + use<> {
    let path = path.to_owned();
    move |source| FreezeError::File { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_before_anything_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let refused = require_room(&folder.path().join("x"), u64::MAX / 2);
        assert!(matches!(refused, Err(FreezeError::NoRoom { .. })), "{refused:?}");
        require_room(&folder.path().join("x"), 1).unwrap();
    }
}
