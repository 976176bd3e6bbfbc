//! An empty data directory, made once per server version and copied for every server.

use std::fs::{self, File, TryLockError};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::directory::{at, copy_directory, create_directory, tail};
use crate::environment::environment;
use crate::error::StartError;
use crate::keeper::{Keeper, Launch, command};
use crate::mariadb::SERVER;
use crate::mariadb::options::{DATA_FILE, LOG_FILE_SIZE, NO_SYNC};
use crate::requirements::Requirement;

/// Goes up when a template made by an earlier recipe must not be used.
const RECIPE: u32 = 1;
const INSTALLED_WITHIN: Duration = Duration::from_secs(180);

/// What `mariadbd --version` says.
pub(super) fn version_line(program: &Path) -> Result<String, StartError> {
    let output = command(program)
        .args(["--no-defaults", "--version"])
        .output()
        .map_err(|source| StartError::Spawn { program: program.to_path_buf(), source })?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The server refuses to run as root unless told so. Changing the user would undo its being tied to our life.
pub(super) fn run_as() -> Option<String> {
    rustix::process::geteuid().is_root().then(|| "--user=root".to_owned())
}

/// Copies the template to `data`, making the template first when there is none for this server.
pub(super) fn copy_to(
    program: &Path,
    version: &str,
    cache: Option<&Path>,
    data: &Path,
) -> Result<(), StartError> {
    let template = find_or_make(program, version, cache)?;
    // Renamed when whole, so that a copy cut short is never taken for a data directory.
    let partial = data.with_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(at(&partial))?;
    }
    copy_directory(&template, &partial)?;
    fs::rename(&partial, data).map_err(at(data))
}

fn find_or_make(program: &Path, version: &str, cache: Option<&Path>) -> Result<PathBuf, StartError> {
    let cache = match cache {
        Some(directory) => directory.to_path_buf(),
        None => default_cache(),
    };
    create_directory(&cache)?;
    let mut hasher = DefaultHasher::new();
    (RECIPE, program, version).hash(&mut hasher);
    let name = format!("golive-template-{:016x}", hasher.finish());
    let template = cache.join(&name);
    let lock_path = cache.join(format!("{name}.lock"));
    let lock =
        File::options().create(true).truncate(false).write(true).open(&lock_path).map_err(at(&lock_path))?;
    lock_within(&lock, &lock_path)?;
    if !template.is_dir() {
        let partial = cache.join(format!("{name}.tmp"));
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(at(&partial))?;
        }
        install(&partial, &cache.join(format!("{name}.log")))?;
        fs::rename(&partial, &template).map_err(at(&template))?;
    }
    // Somebody else's template could hold accounts of theirs.
    let owner = fs::symlink_metadata(&template).map_err(at(&template))?.uid();
    if owner != rustix::process::geteuid().as_raw() {
        let problem =
            format!("{} belongs to another user; set another template directory", template.display());
        return Err(StartError::Refused { server: SERVER, problem });
    }
    Ok(template)
}

/// The user's cache, or a directory of their own among the temporary ones where there is no home to write to.
fn default_cache() -> PathBuf {
    let environment = environment();
    if let Some(cache) = environment.cache.as_ref().map(|cache| cache.join("golive"))
        && create_directory(&cache).is_ok()
        && rustix::fs::access(&cache, rustix::fs::Access::WRITE_OK).is_ok()
    {
        return cache;
    }
    environment.temporary.join(format!("golive-cache-{}", rustix::process::geteuid().as_raw()))
}

fn lock_within(lock: &File, path: &Path) -> Result<(), StartError> {
    let begun = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(source)) => return Err(at(path)(source)),
            Err(TryLockError::WouldBlock) if begun.elapsed() > INSTALLED_WITHIN => {
                let holder = "another program making a template".to_owned();
                return Err(StartError::InUse { directory: path.to_path_buf(), holder });
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

fn install(data: &Path, log: &Path) -> Result<(), StartError> {
    let program = Requirement::MariadbInstallDb.find()?;
    let output = File::create(log).map_err(at(log))?;
    let mut launch = Launch::server(&program)
        .arguments([
            "--no-defaults",
            // It refuses when the host's own name does not resolve, which is no matter here.
            "--force",
            "--skip-name-resolve",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            DATA_FILE,
            LOG_FILE_SIZE,
            NO_SYNC,
        ])
        .arguments([format!("--datadir={}", data.display())])
        .arguments(run_as());
    launch.errors = Some(output.try_clone().map_err(at(log))?);
    launch.output = Some(output);
    let keeper = Keeper::start(launch).map_err(|source| StartError::Spawn { program, source })?;
    match keeper.wait(INSTALLED_WITHIN) {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(StartError::Ended {
            server: "mariadb-install-db",
            status: status.to_string(),
            log: tail(log),
        }),
        None => Err(StartError::NotReady {
            server: "mariadb-install-db",
            waited: INSTALLED_WITHIN,
            log: tail(log),
        }),
    }
}
