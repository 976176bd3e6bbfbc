//! A Python with one package, for programs that measure or check themselves beside an implementation in Python. What the package does
//! is not known here.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::process::{ProcessSpec, run_to_end};

const PATIENCE: Duration = Duration::from_secs(300);

/// The interpreter of a virtual environment in `folder` that has `package`, such as `hiredis==3.1.0`, from the registry. It is made by
/// whoever asks first, in whichever process, and kept; the others wait for it.
///
/// # Errors
/// When there is no `python3` with its module `venv`, the registry is out of reach, or the folder cannot be written.
pub fn python_with(folder: &Path, package: &str) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let only = File::create(folder.join("lock"))?;
    only.lock()?;
    let (python, marker) = (folder.join("bin/python"), folder.join("packages.txt"));
    if fs::read_to_string(&marker).is_ok_and(|found| found == package) {
        return Ok(python);
    }
    let run = |spec: ProcessSpec, remedy: &str| {
        let finished = run_to_end(spec, PATIENCE).map_err(io::Error::other)?;
        if finished.status.success() {
            return Ok(());
        }
        Err(io::Error::other(format!("{}{}; {remedy}", finished.output, finished.errors)))
    };
    let venv = ProcessSpec::new("python3").arguments(["-m", "venv"]).argument(folder);
    run(venv, "python3 with its module venv is needed (Debian: apt-get install python3-venv)")?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", package];
    run(ProcessSpec::new(&python).arguments(pip), "pip must reach its registry")?;
    fs::write(marker, package)?;
    Ok(python)
}
