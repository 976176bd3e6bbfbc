//! An application to take live: the demo platform's description in a folder of its own, and `golive` run beside it.
//!
//! Not here: what golive makes of it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use golive_sandbox::ProcessSpec;
use tempfile::TempDir;
use toml::{Table, Value};

use crate::binaries;
use crate::processes;
use crate::program::{Ended, Running};
use crate::run::Run;

/// A copy of the demo platform's `golive.toml` and deployment files, with a folder for runs and one for temporary files.
///
/// Whatever was started below it is ended with it. When a test fails the folder stays for inspection.
pub struct Platform {
    root: TempDir,
    variables: Vec<(String, String)>,
}

impl Platform {
    /// The demo platform, its load test shortened.
    #[must_use]
    pub fn demo() -> Self {
        let _ = binaries::program("golive-demo");
        let platform = Self::empty();
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/golive-demo");
        copy_folder(&demo.join("deploy"), &platform.path("deploy"));
        copy(&demo.join("golive.toml"), &platform.path("golive.toml"));
        platform.edit(|config| set(config, &["load", "seconds"], LOAD_SECONDS));
        platform
    }

    /// A folder that knows of no application.
    #[must_use]
    pub fn empty() -> Self {
        let root = tempfile::Builder::new().prefix("glt").tempdir().expect("a temporary folder can be made");
        std::fs::create_dir(root.path().join("t")).expect("a new folder is empty");
        Self { root, variables: Vec::new() }
    }

    /// A path in the folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The folder itself: every process that belongs to a run names it in its command line, folder or environment.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// Where the runs go.
    #[must_use]
    pub fn runs(&self) -> PathBuf {
        self.path("runs")
    }

    /// The newest rehearsal.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn rehearsal(&self) -> Run {
        Run::newest(&self.runs().join("rehearsals"))
    }

    /// Sets an environment variable for the programs run from here on.
    pub fn variable(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Makes the demo platform's SQLite database, small.
    ///
    /// # Panics
    /// When its own `seed` refuses.
    pub fn seed(&self, path: &Path) {
        let environment = [
            ("APP_ENV", "demo".to_owned()),
            ("BIND", "127.0.0.1:0".to_owned()),
            ("MANAGEMENT_BIND", "127.0.0.1:0".to_owned()),
            ("DATABASE_URL", format!("sqlite://{}?mode=rwc", path.display())),
            ("SECRET_KEY", "demo-secret-key-change-me".to_owned()),
        ];
        let spec = ProcessSpec::new(binaries::program("golive-demo"));
        let spec = spec.arguments(["seed", "--scale", "1"]).empty_environment().environment(environment);
        let _ = Ended::run("golive-demo seed".to_owned(), spec, LONGEST_RUN).expect_code(0);
    }

    /// Changes `golive.toml`.
    ///
    /// # Panics
    /// When the file is not there.
    pub fn edit(&self, change: impl FnOnce(&mut Table)) {
        let path = self.path("golive.toml");
        let text = std::fs::read_to_string(&path).expect("golive.toml is there");
        let mut config: Table = text.parse().expect("golive.toml parses");
        change(&mut config);
        std::fs::write(&path, config.to_string()).expect("the folder is ours");
    }

    /// Changes one value of `golive.toml`, by its keys.
    pub fn set(&self, keys: &[&str], value: impl Into<Value>) {
        self.edit(|config| set(config, keys, value));
    }

    /// Runs `golive` with these arguments to its end, beside `golive.toml`.
    #[must_use]
    pub fn golive(&self, arguments: &[&str]) -> Ended {
        let command = format!("golive {}", arguments.join(" "));
        Ended::run(command, self.spec(arguments), LONGEST_RUN)
    }

    /// Starts `golive` with these arguments.
    #[must_use]
    pub fn start(&self, arguments: &[&str]) -> Running {
        Running::start(self.spec(arguments), self.path("output.txt"))
    }

    fn spec(&self, arguments: &[&str]) -> ProcessSpec {
        let mut path = OsString::from(binaries::folder());
        path.push(":");
        path.push(search_path());
        ProcessSpec::new(binaries::program("golive"))
            .arguments(arguments)
            .argument("--directory")
            .argument(self.runs())
            .environment([(OsString::from("PATH"), path), ("TMPDIR".into(), self.path("t").into())])
            .environment(self.variables.clone())
            .directory(self.root.path())
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        processes::end_leftovers(self.root.path());
        if std::thread::panicking() {
            self.root.disable_cleanup(true);
            complain(&format!("the test's folder stays for inspection: {}", self.root.path().display()));
        }
    }
}

/// Sets a value in a table by its keys, making the tables on the way.
fn set(table: &mut Table, keys: &[&str], value: impl Into<Value>) {
    let (last, way) = keys.split_last().expect("a value has a name");
    let mut here = table;
    for key in way {
        let next = here.entry(*key).or_insert_with(|| Value::Table(Table::new()));
        here = next.as_table_mut().expect("the way leads over tables");
    }
    here.insert((*last).to_owned(), value.into());
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap_or_else(|error| panic!("{}: {error}", to.display()));
    let entries = std::fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    for entry in entries {
        let entry = entry.expect("a folder can be read to its end");
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
}

#[expect(clippy::disallowed_methods, reason = "the one place where the harness reads the environment")]
fn search_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_default()
}

#[expect(clippy::print_stderr, reason = "whoever sees a test fail must find what it left")]
fn complain(line: &str) {
    eprintln!("{line}");
}

/// Long enough for the sixty requests that a 95th percentile takes.
const LOAD_SECONDS: i64 = 8;
/// A whole rehearsal takes well under a minute on an idle machine; a busy one is not a failure.
const LONGEST_RUN: Duration = Duration::from_secs(400);
