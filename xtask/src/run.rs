//! Running programs, reading the environment and talking to whoever called: the one room for all three.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// What ends a chore, as a sentence for whoever called it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) message: String,
}

impl Failure {
    /// The call itself was wrong, or asks for what is not there yet.
    pub(crate) fn usage(message: String) -> Self {
        Self { code: 2, message }
    }

    /// We looked, and it is not as it must be.
    pub(crate) fn not_ready(message: String) -> Self {
        Self { code: 10, message }
    }

    /// We could not look: a tool or a file is out of reach.
    pub(crate) fn out_of_reach(message: String) -> Self {
        Self { code: 12, message }
    }
}

/// The answer that was asked for.
pub(crate) fn say(text: &str) {
    // A closed pipe on the other side is no reason to fail.
    let _ = io::stdout().lock().write_all(text.as_bytes());
}

/// Progress and complaints, so that stdout holds one answer.
pub(crate) fn say_error(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", text.trim_end());
}

#[expect(clippy::disallowed_methods, reason = "the one place where this crate spawns programs")]
fn command(program: &OsStr) -> Command {
    Command::new(program)
}

#[expect(clippy::disallowed_methods, reason = "the one place where this crate reads the environment")]
fn environment(name: &str) -> Option<OsString> {
    env::var_os(name)
}

/// The cargo that started us, which need not be the one on the PATH.
pub(crate) fn cargo() -> Command {
    command(&environment("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// A program of the system.
pub(crate) fn tool(name: &str) -> Command {
    command(OsStr::new(name))
}

/// A program by its file.
pub(crate) fn program(file: &Path) -> Command {
    command(file.as_os_str())
}

/// Whether `program --version` runs.
pub(crate) fn runs(mut probe: Command) -> bool {
    probe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

/// Whether a C compiler answers: the cryptography, SQLite and compression below us are built from C.
pub(crate) fn has_c_compiler() -> bool {
    let chosen = environment("CC").or_else(|| environment("HOST_CC"));
    chosen.into_iter().chain(["cc".into(), "gcc".into(), "clang".into()]).any(|name| {
        let mut probe = command(&name);
        probe.arg("--version");
        runs(probe)
    })
}

/// Runs to the end with everything it prints on our stderr; its exit code, or 1 where a signal ended it.
pub(crate) fn finish_on_stderr(mut program: Command) -> Result<u8, Failure> {
    program.stdout(Stdio::from(io::stderr()));
    finish(program)
}

/// Runs to the end; its exit code, or 1 where a signal ended it.
pub(crate) fn finish(mut program: Command) -> Result<u8, Failure> {
    let status = program.status().map_err(|error| cannot_start(&program, &error))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// What a program prints on stdout; a failure carries the end of its stderr.
pub(crate) fn capture(mut program: Command) -> Result<String, Failure> {
    let output = program.output().map_err(|error| cannot_start(&program, &error))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::out_of_reach(format!("{} failed: {}", shown(&program), complaint.trim_end())));
    }
    String::from_utf8(output.stdout)
        .map_err(|_| Failure::out_of_reach(format!("{} printed what is not text", shown(&program))))
}

/// How a program ended, and what it printed.
pub(crate) struct Ended {
    /// Its exit code, or 1 where a signal ended it.
    pub(crate) code: u8,
    pub(crate) output: String,
    pub(crate) errors: String,
}

/// Runs to the end and keeps both outputs, whatever the exit code.
pub(crate) fn captured(mut program: Command) -> Result<Ended, Failure> {
    let output = program.stdin(Stdio::null()).output().map_err(|error| cannot_start(&program, &error))?;
    Ok(Ended {
        code: output.status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1),
        output: String::from_utf8_lossy(&output.stdout).into_owned(),
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Becomes that program, so that signals and the exit code are its own; returns only where it cannot start.
#[cfg(unix)]
pub(crate) fn become_program(mut program: Command) -> Result<u8, Failure> {
    use std::os::unix::process::CommandExt as _;
    let error = program.exec();
    Err(cannot_start(&program, &error))
}

/// Runs that program in our place.
#[cfg(not(unix))]
pub(crate) fn become_program(program: Command) -> Result<u8, Failure> {
    finish(program)
}

pub(crate) fn cannot_start(program: &Command, error: &dyn Display) -> Failure {
    Failure::out_of_reach(format!("{} cannot start: {error}", shown(program)))
}

fn shown(program: &Command) -> String {
    let words = std::iter::once(program.get_program()).chain(program.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Where this workspace lies and where cargo puts what it builds.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// What is made goes here.
    pub(crate) target: PathBuf,
    binaries: PathBuf,
}

impl Workspace {
    /// Asks cargo, which knows about CARGO_TARGET_DIR and configuration files.
    pub(crate) fn find() -> Result<Self, Failure> {
        let mut program = cargo();
        program.args(["metadata", "--no-deps", "--format-version", "1"]);
        let metadata: Value = serde_json::from_str(&capture(program)?)
            .map_err(|error| Failure::out_of_reach(format!("cargo metadata printed no JSON: {error}")))?;
        let path = |key: &str| {
            let text = metadata[key].as_str();
            text.map(PathBuf::from)
                .ok_or_else(|| Failure::out_of_reach(format!("cargo metadata names no {key}")))
        };
        let target = path("target_directory")?;
        Ok(Self { root: path("workspace_root")?, binaries: target.join("debug"), target })
    }

    /// A cargo command at the root, for the whole workspace: another set of packages would resolve other features and
    /// build most dependencies a second time.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut program = cargo();
        program.current_dir(&self.root).args(arguments);
        program
    }

    /// One of our own programs, with all of them first on the PATH.
    pub(crate) fn own_program(&self, name: &str) -> Result<Command, Failure> {
        let file = self.binaries.join(format!("{name}{}", env::consts::EXE_SUFFIX));
        let mut program = command(file.as_os_str());
        program.current_dir(&self.root).env("PATH", with_first(&self.binaries, environment("PATH"))?);
        Ok(program)
    }
}

fn with_first(directory: &Path, path: Option<OsString>) -> Result<OsString, Failure> {
    let rest = path.unwrap_or_default();
    let directories = std::iter::once(directory.to_owned()).chain(env::split_paths(&rest));
    env::join_paths(directories).map_err(|error| {
        Failure::out_of_reach(format!(
            "{} cannot stand on the PATH ({error}): set CARGO_TARGET_DIR to a directory without `:`",
            directory.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_programs_come_first_on_the_path() {
        let path = with_first(Path::new("/build/debug"), Some("/usr/bin:/bin".into())).unwrap();
        assert_eq!(path, "/build/debug:/usr/bin:/bin");
    }

    #[test]
    fn a_directory_that_no_path_can_hold_says_what_to_do() {
        let failure = with_first(Path::new("/bu:ild"), None).unwrap_err();
        assert_eq!(failure.code, 12);
        assert!(failure.message.contains("CARGO_TARGET_DIR"), "{}", failure.message);
    }

    #[test]
    fn exit_codes_pass_through() {
        let mut shell = command(OsStr::new("sh"));
        shell.args(["-c", "exit 75"]);
        assert_eq!(finish(shell).unwrap(), 75);
    }

    #[test]
    fn a_program_that_is_not_there_is_out_of_reach() {
        let failure = finish(command(OsStr::new("no-such-program-anywhere"))).unwrap_err();
        assert_eq!(failure.code, 12);
        assert!(failure.message.contains("no-such-program-anywhere"));
    }

    #[test]
    fn the_workspace_is_found() {
        let workspace = Workspace::find().unwrap();
        assert!(workspace.root.join("deny.toml").is_file());
    }
}
