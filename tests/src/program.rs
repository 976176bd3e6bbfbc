//! Runs `golive` and keeps what it said.
//!
//! Not here: what its output means (`report`).

use std::fmt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use golive_sandbox::{Process, ProcessSpec, run_to_end};

/// How a program ended, and what it said.
#[non_exhaustive]
pub struct Ended {
    /// What was asked of it.
    pub command: String,
    /// Its exit code; nothing when a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it complained.
    pub stderr: String,
}

impl Ended {
    pub(crate) fn run(command: String, spec: ProcessSpec, limit: Duration) -> Self {
        let ended = run_to_end(spec, limit).unwrap_or_else(|error| panic!("{command}: {error}"));
        Self { command, code: ended.status.code(), stdout: ended.output, stderr: ended.errors }
    }

    /// Insists on an exit code.
    ///
    /// # Panics
    /// When it is another: shows what was said.
    #[must_use]
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "`{}` ended with {:?}", self.command, self.code)?;
        writeln!(f, "stdout ends with: {}", tail(&self.stdout, SHORT))?;
        write!(f, "stderr: {}", tail(&self.stderr, LONGEST_SHOWN))
    }
}

/// A program at work; killed with the value.
pub struct Running {
    process: Process,
    output: PathBuf,
}

impl Running {
    pub(crate) fn start(spec: ProcessSpec, output: PathBuf) -> Self {
        let process = Process::start(spec.output(&output)).unwrap_or_else(|error| panic!("start: {error}"));
        Self { process, output }
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.process.is_running()
    }

    /// Ends it as the loss of its machine would: SIGKILL, no last word.
    #[must_use]
    pub fn kill(self) -> Option<ExitStatus> {
        self.process.kill()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end in time.
    #[must_use]
    pub fn wait(&self, limit: Duration) -> ExitStatus {
        crate::wait_until("the end of golive", limit, || self.process.exit_status())
    }

    /// What it has said so far, both outputs together.
    #[must_use]
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap_or_default()
    }
}

fn tail(text: &str, most: usize) -> &str {
    let mut start = text.len().saturating_sub(most);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

const SHORT: usize = 400;
const LONGEST_SHOWN: usize = 6000;
