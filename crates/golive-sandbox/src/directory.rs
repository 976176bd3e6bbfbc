//! Private directories of servers: made with mode 0700, marked with their owner, removed with them, and swept by
//! a later start when their owner was killed. Also the small file helpers that all servers share.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::environment::environment;
use crate::error::StartError;

const PREFIX: &str = "golive-sandbox-";
/// Holds process id and start time of whoever made the directory.
const OWNER_FILE: &str = "owner";
/// A socket's path has to fit into 104 bytes on some systems; ours adds a name of a few bytes.
const LONGEST_PATH: usize = 90;

/// A directory that only we can read.
#[derive(Debug)]
pub(crate) struct PrivateDirectory {
    inner: Option<tempfile::TempDir>,
    path: PathBuf,
}

impl PrivateDirectory {
    /// Makes one, and removes those whose owners are dead.
    pub(crate) fn new() -> Result<Self, StartError> {
        let temporary = &environment().temporary;
        let base = if temporary.as_os_str().len() + PREFIX.len() + 6 > LONGEST_PATH {
            Path::new("/tmp")
        } else {
            temporary
        };
        let inner = tempfile::Builder::new()
            .prefix(PREFIX)
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(base)
            .map_err(at(base))?;
        let path = inner.path().to_path_buf();
        write_private(&path.join(OWNER_FILE), &Owner::of_this_process().to_text())?;
        sweep(base, &path);
        Ok(Self { inner: Some(inner), path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves it where it is, for somebody to look into.
    pub(crate) fn keep(&mut self) {
        if let Some(inner) = self.inner.take() {
            let _ = fs::remove_file(self.path.join(OWNER_FILE));
            let _ = inner.keep();
        }
    }
}

/// A process, told from a later one with the same id by its start time where the system shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) pid: u32,
    started: String,
}

impl Owner {
    pub(crate) fn of_this_process() -> Self {
        Self::of(std::process::id())
    }

    pub(crate) fn of(pid: u32) -> Self {
        Self { pid, started: start_time(pid).unwrap_or_default() }
    }

    pub(crate) fn to_text(&self) -> String {
        format!("{} {}\n", self.pid, self.started)
    }

    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let pid = words.next()?.parse().ok()?;
        Some(Self { pid, started: words.next().unwrap_or_default().to_owned() })
    }

    /// Whether that very process still runs. In doubt it does.
    pub(crate) fn is_alive(&self) -> bool {
        match start_time(self.pid) {
            Some(started) => self.started.is_empty() || started == self.started,
            None => !Path::new("/proc/self/stat").exists() && exists(self.pid),
        }
    }
}

fn exists(pid: u32) -> bool {
    i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
        .is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

/// Field 22 of `/proc/PID/stat`; `None` for a process that is gone or only waits to be reaped.
fn start_time(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is a name in parentheses that may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if state == "Z" || state == "X" {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

/// Removes our own user's directories whose owners are dead. Failing to is nobody's trouble.
fn sweep(base: &Path, ours: &Path) {
    let Ok(user) = fs::metadata(ours).map(|metadata| metadata.uid()) else { return };
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_candidate = entry.file_name().to_string_lossy().starts_with(PREFIX)
            && path != ours
            && fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == user);
        if !is_candidate {
            continue;
        }
        let owner = fs::read_to_string(path.join(OWNER_FILE)).ok().and_then(|text| Owner::from_text(&text));
        if owner.is_some_and(|owner| !owner.is_alive()) {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// Turns an I/O error into one that names the path.
pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> StartError + use<> {
    let path = path.to_path_buf();
    move |source| StartError::Files { path, source }
}

/// Writes a file that only its owner can read, replacing what was there.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<(), StartError> {
    let write = || {
        let _ = fs::remove_file(path);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())
    };
    write().map_err(at(path))
}

/// Makes a directory with mode 0700, if it is not there, and its parents.
pub(crate) fn create_directory(path: &Path) -> Result<(), StartError> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(at(path))
}

/// Opens a log for what a program says before it opens the log itself.
pub(crate) fn open_log(path: &Path) -> Result<File, StartError> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(at(path))
}

/// The last lines of a log, at most 4 KiB, for an error.
pub(crate) fn tail(path: &Path) -> String {
    const LONGEST: u64 = 4096;
    let read = || -> io::Result<String> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LONGEST)))?;
        let mut bytes = Vec::new();
        file.take(LONGEST).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    };
    read().ok().filter(|text| !text.is_empty()).unwrap_or_else(|| "(empty)".to_owned())
}

/// Copies a directory with all it holds.
pub(crate) fn copy_directory(from: &Path, to: &Path) -> Result<(), StartError> {
    create_directory(to)?;
    for entry in fs::read_dir(from).map_err(at(from))? {
        let entry = entry.map_err(at(from))?;
        let target = to.join(entry.file_name());
        if entry.file_type().map_err(at(from))?.is_dir() {
            copy_directory(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target).map_err(at(&target))?;
        }
    }
    Ok(())
}
