//! Where the programs under test lie: beside the test executable, where cargo put them.

use std::path::{Path, PathBuf};

/// The built program of this name.
///
/// # Panics
/// When it is not built, or older than nothing: says which command builds it.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let path = folder().join(name);
    assert!(path.is_file(), "{} is missing: run `cargo build --workspace --bins` first", path.display());
    path
}

/// `target/debug`: test executables lie in its `deps`.
pub(crate) fn folder() -> PathBuf {
    let own = std::env::current_exe().expect("a running program knows its path");
    let deps = own.parent().expect("a program lies in a folder");
    let folder = if deps.ends_with("deps") { deps.parent() } else { Some(deps) };
    folder.unwrap_or(Path::new("/")).to_path_buf()
}
