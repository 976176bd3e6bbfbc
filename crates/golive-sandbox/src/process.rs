//! Any program, kept as a child that dies with us, and short commands run to their end.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;

use crate::environment::environment;
use crate::keeper::{Keeper, Launch};

/// What is kept of either output of [`run_to_end`], in bytes: the end of it.
const LONGEST_OUTPUT: u64 = 4 * 1024 * 1024;

/// A program to start. Never put a secret into an argument: every user of the machine can read those.
#[derive(Clone, Default)]
#[must_use]
pub struct ProcessSpec {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    is_environment_empty: bool,
    directory: Option<PathBuf>,
    input: Option<Vec<u8>>,
    output: Option<PathBuf>,
}

impl ProcessSpec {
    /// A program by its path, or by its name to be looked for where programs are.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), ..Self::default() }
    }

    /// Adds an argument.
    pub fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    pub fn arguments<T: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Adds variables to the environment, which is otherwise inherited.
    pub fn environment<K: Into<OsString>, V: Into<OsString>>(
        mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.environment.extend(variables.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// Inherits nothing: only what [`environment`](Self::environment) adds.
    pub fn empty_environment(mut self) -> Self {
        self.is_environment_empty = true;
        self
    }

    /// The working directory.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// What it reads from standard input; nothing by default.
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = Some(input.into());
        self
    }

    /// Appends both of its outputs to this file, made with mode 0600. They are thrown away by default.
    pub fn output(mut self, path: impl Into<PathBuf>) -> Self {
        self.output = Some(path.into());
        self
    }

    fn launch(self) -> Result<Launch, ProcessError> {
        let name = self.program.to_string_lossy();
        let program = environment()
            .find_program(&[&name])
            .ok_or_else(|| ProcessError::NotFound { program: self.program.clone() })?;
        let output = match &self.output {
            Some(path) => Some(
                OpenOptions::new()
                    .append(true)
                    .create(true)
                    .mode(0o600)
                    .open(path)
                    .map_err(files_at(path))?,
            ),
            None => None,
        };
        let errors = match (&output, &self.output) {
            (Some(file), Some(path)) => Some(file.try_clone().map_err(files_at(path))?),
            _ => None,
        };
        let input = self.input.as_deref().map(temporary_with).transpose().map_err(files_at(&program))?;
        Ok(Launch {
            program,
            arguments: self.arguments,
            environment: self.environment,
            inherit_environment: !self.is_environment_empty,
            directory: self.directory,
            input,
            output,
            errors,
        })
    }
}

/// Shows the names of variables, not their values.
impl fmt::Debug for ProcessSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variables: Vec<&OsStr> = self.environment.iter().map(|(name, _)| name.as_os_str()).collect();
        f.debug_struct("ProcessSpec")
            .field("program", &self.program)
            .field("arguments", &self.arguments)
            .field("variables", &variables)
            .field("directory", &self.directory)
            .field("output", &self.output)
            .finish_non_exhaustive()
    }
}

/// Why a program could not be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// There is no such program.
    #[error("find the program `{}`; install or build it, or give its path", program.display())]
    NotFound {
        /// What was looked for.
        program: PathBuf,
    },
    /// A file for its input or output could not be used.
    #[error("open files for {}; check that the place is writable and has room", path.display())]
    Files {
        /// What was touched.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The system refused to start it.
    #[error("run {}; check that it is executable", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It ran longer than allowed and was killed.
    #[error("finish {} within {allowed:?}: it was killed; the end of what it said:\n{errors}", program.display())]
    TooLong {
        /// The program.
        program: PathBuf,
        /// How long it was allowed to run.
        allowed: Duration,
        /// The end of its error output.
        errors: String,
    },
}

/// A running program, killed with whatever it started when this is dropped, and killed when we are.
#[derive(Debug)]
pub struct Process {
    keeper: Keeper,
}

impl Process {
    /// Starts it.
    ///
    /// # Errors
    /// See [`ProcessError`]. A program that starts and then fails shows in [`exit_status`](Self::exit_status).
    pub fn start(spec: ProcessSpec) -> Result<Self, ProcessError> {
        let launch = spec.launch()?;
        let program = launch.program.clone();
        let keeper = Keeper::start(launch).map_err(|source| ProcessError::Spawn { program, source })?;
        Ok(Self { keeper })
    }

    /// Its process id; another program's once this one has ended and was waited for.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.keeper.pid()
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.keeper.exit_status().is_none()
    }

    /// How it ended, if it did.
    #[must_use]
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.keeper.exit_status()
    }

    /// Waits for its end; `None` when it still runs after `timeout`.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> Option<ExitStatus> {
        self.keeper.wait(timeout)
    }

    /// Asks it to end (SIGTERM) and waits; kills it when it has not ended after `timeout`. Returns how it ended.
    pub fn terminate(&self, timeout: Duration) -> Option<ExitStatus> {
        self.keeper.signal(Signal::TERM);
        self.keeper.wait(timeout).or_else(|| self.kill())
    }

    /// Kills it (SIGKILL) with whatever it started, and waits until it is gone.
    pub fn kill(&self) -> Option<ExitStatus> {
        self.keeper.kill();
        self.keeper.wait(Duration::from_secs(30))
    }
}

/// How a short command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finished {
    /// Its exit status.
    pub status: ExitStatus,
    /// What it printed, at most the last 4 MiB.
    pub output: String,
    /// What it printed as errors, at most the last 4 MiB.
    pub errors: String,
}

/// Runs a program to its end, killing it after `timeout`. An exit status other than 0 is no error here.
///
/// # Errors
/// See [`ProcessError`].
pub fn run_to_end(spec: ProcessSpec, timeout: Duration) -> Result<Finished, ProcessError> {
    let mut launch = spec.launch()?;
    let program = launch.program.clone();
    let files = |source| ProcessError::Files { path: program.clone(), source };
    let mut output = temporary_with(&[]).map_err(files)?;
    let mut errors = temporary_with(&[]).map_err(files)?;
    launch.output = Some(output.try_clone().map_err(files)?);
    launch.errors = Some(errors.try_clone().map_err(files)?);
    let keeper =
        Keeper::start(launch).map_err(|source| ProcessError::Spawn { program: program.clone(), source })?;
    let ended = keeper.wait(timeout);
    drop(keeper);
    let output = end_of(&mut output).map_err(files)?;
    let errors = end_of(&mut errors).map_err(files)?;
    match ended {
        Some(status) => Ok(Finished { status, output, errors }),
        None => Err(ProcessError::TooLong { program, allowed: timeout, errors }),
    }
}

fn files_at(path: &Path) -> impl FnOnce(io::Error) -> ProcessError + use<> {
    let path = path.to_path_buf();
    move |source| ProcessError::Files { path, source }
}

/// A file without a name, positioned at its beginning: a pipe would fill up while nobody reads.
fn temporary_with(bytes: &[u8]) -> io::Result<File> {
    let mut file = tempfile::tempfile_in(&environment().temporary)?;
    file.write_all(bytes)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

fn end_of(file: &mut File) -> io::Result<String> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LONGEST_OUTPUT)))?;
    let mut bytes = Vec::new();
    file.take(LONGEST_OUTPUT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
