//! Tools of others that judge the console: axe-core, and schemathesis. They come from PyPI into an environment of their own, once.
//!
//! Not here: what they are asked.

#![allow(dead_code, reason = "each test target uses its part")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Versions are pinned: a new rule of theirs is not to fail a build of yesterday.
const AXE: &str = "axe-playwright-python==0.1.8";
const SCHEMATHESIS: &str = "schemathesis==4.32.5";

/// axe-core, as a script to put into a page. The package carries it; the browser driver that it asks for is left out.
pub(crate) fn axe() -> String {
    let environment = environment("axe", &["--no-deps", AXE]);
    let libraries = std::fs::read_dir(environment.join("lib")).unwrap();
    let mut found =
        libraries.map(|entry| entry.unwrap().path().join("site-packages/axe_playwright_python/axe.min.js"));
    let script = found.find(|path| path.exists()).expect("the package carries axe-core");
    std::fs::read_to_string(script).unwrap()
}

/// The program `schemathesis`.
pub(crate) fn schemathesis() -> PathBuf {
    environment("schemathesis", &[SCHEMATHESIS]).join("bin/schemathesis")
}

/// A Python environment with these packages; made when it is not there, by one process, the others wait.
fn environment(name: &str, packages: &[&str]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("peer-{name}"));
    let whole = folder.join(format!("whole-{}", packages.last().unwrap()));
    let lock = File::create(folder.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    if !whole.exists() {
        let _ = std::fs::remove_dir_all(&folder);
        let made = run(program(Path::new("python3")).args(["-m", "venv"]).arg(&folder));
        assert!(made.status.success(), "python3 with its module venv is needed: {}", told(&made));
        let mut pip = program(&folder.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--timeout", "30"]);
        let brought = run(pip.args(packages));
        assert!(brought.status.success(), "pip must reach its registry: {}", told(&brought));
        std::fs::write(&whole, "").unwrap();
    }
    folder
}

#[expect(clippy::disallowed_methods, reason = "the one room of these tests that starts tools of others")]
pub(crate) fn program(path: &Path) -> Command {
    Command::new(path)
}

fn run(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().expect("python3 is there")
}

pub(crate) fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
