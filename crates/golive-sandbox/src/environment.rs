//! The one room that reads the process environment: where programs, temporary and cached files are.
//!
//! Nothing here decides anything; callers get plain paths. No other file of this crate may read a variable.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// What this crate needs to know about the environment it runs in.
#[derive(Debug)]
pub(crate) struct Environment {
    /// Directories searched for programs: `PATH`, then places that distributions use outside of it.
    pub(crate) program_directories: Vec<PathBuf>,
    /// Where private directories are made.
    pub(crate) temporary: PathBuf,
    /// Where what is worth keeping between runs is kept.
    pub(crate) cache: Option<PathBuf>,
    /// The home directory, which a few servers insist on.
    pub(crate) home: Option<PathBuf>,
}

/// Server programs are often outside of a normal user's `PATH`.
const ALSO_SEARCHED: [&str; 11] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
    "/usr/libexec",
    "/opt/homebrew/bin",
    "/opt/homebrew/sbin",
    "/opt/homebrew/opt/mariadb/bin",
    "/usr/local/opt/mariadb/bin",
];

impl Environment {
    /// The first executable file of one of these names, in the order of the names.
    pub(crate) fn find_program(&self, names: &[&str]) -> Option<PathBuf> {
        names.iter().find_map(|name| {
            if name.contains('/') {
                let path = Path::new(name);
                return is_executable(path).then(|| path.to_path_buf());
            }
            self.program_directories
                .iter()
                .map(|directory| directory.join(name))
                .find(|path| is_executable(path))
        })
    }

    /// The search path given to started programs.
    pub(crate) fn search_path(&self) -> std::ffi::OsString {
        std::env::join_paths(&self.program_directories).unwrap_or_default()
    }
}

/// The environment, read once.
#[expect(clippy::disallowed_methods, reason = "the one place where this crate reads the environment")]
pub(crate) fn environment() -> &'static Environment {
    static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let absolute =
            |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let mut program_directories: Vec<PathBuf> = std::env::var_os("PATH")
            .map(|path| std::env::split_paths(&path).filter(|part| part.is_absolute()).collect())
            .unwrap_or_default();
        for directory in ALSO_SEARCHED.map(PathBuf::from) {
            if !program_directories.contains(&directory) {
                program_directories.push(directory);
            }
        }
        let home = absolute("HOME");
        Environment {
            program_directories,
            temporary: std::env::temp_dir(),
            cache: absolute("XDG_CACHE_HOME").or_else(|| home.as_ref().map(|home| home.join(".cache"))),
            home,
        }
    })
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
