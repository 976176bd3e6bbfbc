//! A child process that cannot outlive us: the only place where this crate spawns anything.
//!
//! A thread per child starts it, waits for it and reaps it. On Linux the kernel sends SIGKILL to the child when
//! that thread ends (`setpriv --pdeathsig`, which then becomes the program, so the process id is the program's);
//! the signal follows the *thread* that forked, so it must never be a short-lived one. Where `setpriv` is missing
//! a shell holding a pipe from us does the killing. What a child starts itself is killed with its process group
//! when we stop it, but not when we are killed: programs started here should be single processes.
//! No knowledge of any particular server belongs here.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use crate::environment::environment;

/// The one way to make a command.
#[expect(clippy::disallowed_methods, reason = "the one place where this crate spawns programs")]
pub(crate) fn command(program: &Path) -> Command {
    Command::new(program)
}

/// A program to start and everything it gets from us.
#[derive(Debug, Default)]
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    /// Set on top of what is inherited.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// Whether our own environment is passed on.
    pub(crate) inherit_environment: bool,
    pub(crate) directory: Option<PathBuf>,
    pub(crate) input: Option<File>,
    pub(crate) output: Option<File>,
    pub(crate) errors: Option<File>,
}

impl Launch {
    /// A server of the system: a small environment of its own, no input, output thrown away.
    pub(crate) fn server(program: &Path) -> Self {
        let environment = environment();
        let mut variables: Vec<(OsString, OsString)> = vec![
            ("PATH".into(), environment.search_path()),
            ("LC_ALL".into(), "C".into()),
            ("TZ".into(), "UTC".into()),
        ];
        if let Some(home) = &environment.home {
            variables.push(("HOME".into(), home.into()));
        }
        Self { program: program.to_path_buf(), environment: variables, ..Self::default() }
    }

    pub(crate) fn arguments<T: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Completes a command that ends by executing the program.
    fn finish(self, command: &mut Command) {
        command.arg(self.program).args(self.arguments);
        if !self.inherit_environment {
            command.env_clear();
        }
        command.envs(self.environment);
        if let Some(directory) = self.directory {
            command.current_dir(directory);
        }
        command.stdout(self.output.map_or_else(Stdio::null, Stdio::from));
        command.stderr(self.errors.map_or_else(Stdio::null, Stdio::from));
        // A group of its own: Ctrl-C in the terminal reaches us, and we then end the child in order.
        command.process_group(0);
    }
}

/// A running (or ended) child, its group killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Keeper {
    pid: u32,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    exit: Mutex<Option<ExitStatus>>,
    ended: Condvar,
}

impl Shared {
    fn exit(&self) -> MutexGuard<'_, Option<ExitStatus>> {
        self.exit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keeper {
    /// Starts the command from a thread of its own, tied to our life.
    pub(crate) fn start(launch: Launch) -> io::Result<Self> {
        Self::start_tied(launch, setpriv())
    }

    fn start_tied(launch: Launch, setpriv: Option<&'static Path>) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (report, started) = mpsc::channel();
        let thread = std::thread::Builder::new().name("golive-keeper".into()).spawn({
            let shared = Arc::clone(&shared);
            move || match spawn(launch, setpriv) {
                Ok((child, watchdog)) => {
                    let _ = report.send(Ok(child.id()));
                    keep(child, watchdog, &shared);
                }
                Err(error) => {
                    let _ = report.send(Err(error));
                }
            }
        })?;
        let pid = started.recv().map_err(io::Error::other)??;
        Ok(Self { pid, shared, thread: Some(thread) })
    }

    /// The program's own process id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// How it ended, if it did.
    pub(crate) fn exit_status(&self) -> Option<ExitStatus> {
        *self.shared.exit()
    }

    /// Sends a signal to the program alone; nothing happens when it has ended.
    pub(crate) fn signal(&self, signal: Signal) {
        // The lock keeps the keeper from reaping, so the process id cannot have been given to somebody else.
        let exit = self.shared.exit();
        if let (None, Some(pid)) = (*exit, pid_of(self.pid)) {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Kills the program and whatever it started.
    pub(crate) fn kill(&self) {
        let exit = self.shared.exit();
        if let (None, Some(pid)) = (*exit, pid_of(self.pid)) {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
            let _ = rustix::process::kill_process_group(pid, Signal::KILL);
        }
    }

    /// Waits for the end; `None` when it still runs after `timeout`.
    pub(crate) fn wait(&self, timeout: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + timeout;
        let mut exit = self.shared.exit();
        while exit.is_none() {
            let left = deadline.checked_duration_since(Instant::now())?;
            exit = self.shared.ended.wait_timeout(exit, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        *exit
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.kill();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Waits without reaping first, so that nobody can signal a process id that is already free.
fn keep(mut child: Child, watchdog: Option<Watchdog>, shared: &Shared) {
    let pid = pid_of(child.id());
    if let Some(pid) = pid {
        let until_ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while rustix::process::waitid(WaitId::Pid(pid), until_ended)
            .is_err_and(|error| error == rustix::io::Errno::INTR)
        {}
    }
    let mut exit = shared.exit();
    if let Some(pid) = pid {
        // What the program left behind in its group.
        let _ = rustix::process::kill_process_group(pid, Signal::KILL);
    }
    drop(watchdog);
    *exit = child.wait().ok();
    shared.ended.notify_all();
}

fn pid_of(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// A shell that kills the child's group when our end of its pipe closes.
#[derive(Debug)]
struct Watchdog(Child);

impl Drop for Watchdog {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts only if the parent is still us: it may have died before the death signal was set.
const START_IF_PARENT_LIVES: &str = r#"test "$PPID" = "$0" && exec "$@""#;
/// Starts when told to, by which time the watchdog is there. `read` takes a line and not a byte more from a pipe,
/// so that the rest of the pipe is the program's input.
const START_WHEN_TOLD: &str = r#"read -r go && exec "$@""#;
const KILL_AT_END_OF_INPUT: &str = r#"read -r never; kill -KILL "-$1" "$1""#;

fn spawn(mut launch: Launch, setpriv: Option<&Path>) -> io::Result<(Child, Option<Watchdog>)> {
    let Some(setpriv) = setpriv else { return spawn_watched(launch) };
    let mut tied = command(setpriv);
    tied.args(["--pdeathsig", "KILL", "--", "/bin/sh", "-c", START_IF_PARENT_LIVES]);
    tied.arg(std::process::id().to_string());
    tied.stdin(launch.input.take().map_or_else(Stdio::null, Stdio::from));
    launch.finish(&mut tied);
    Ok((tied.spawn()?, None))
}

fn spawn_watched(mut launch: Launch) -> io::Result<(Child, Option<Watchdog>)> {
    let mut held = command(Path::new("/bin/sh"));
    held.args(["-c", START_WHEN_TOLD, "sh"]).stdin(Stdio::piped());
    let mut input = launch.input.take();
    launch.finish(&mut held);
    let mut child = held.spawn()?;
    let go = child.stdin.take();
    let mut watchdog = command(Path::new("/bin/sh"));
    watchdog.args(["-c", KILL_AT_END_OF_INPUT, "sh", &child.id().to_string()]);
    watchdog.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    let watchdog = Watchdog(watchdog.spawn()?);
    let mut go = go.ok_or_else(|| io::Error::other("the child has no standard input"))?;
    go.write_all(b"go\n")?;
    if let Some(input) = &mut input {
        io::copy(input, &mut go)?;
    }
    Ok((child, Some(watchdog)))
}

/// `setpriv` where it can do what we need (BusyBox has one that cannot).
fn setpriv() -> Option<&'static Path> {
    static SETPRIV: OnceLock<Option<PathBuf>> = OnceLock::new();
    SETPRIV
        .get_or_init(|| {
            let path = environment().find_program(&["setpriv"])?;
            let mut probe = command(&path);
            probe.args(["--pdeathsig", "KILL", "--", "/bin/sh", "-c", ":"]);
            probe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            probe.status().is_ok_and(|status| status.success()).then_some(path)
        })
        .as_deref()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    fn sleeper() -> Launch {
        Launch::server(Path::new("/bin/sleep")).arguments(["1000"])
    }

    #[test]
    fn without_setpriv_the_closing_of_our_pipe_kills_the_child() {
        let (mut child, watchdog) = spawn_watched(sleeper()).unwrap();
        let mut watchdog = watchdog.unwrap();
        assert!(child.try_wait().unwrap().is_none());
        drop(watchdog.0.stdin.take());
        assert_eq!(child.wait().unwrap().signal(), Some(9));
    }

    #[test]
    fn both_ways_give_the_programs_own_id_input_and_status() {
        for setpriv in [None, setpriv()] {
            let mut input = tempfile::tempfile().unwrap();
            input.write_all(b"one\ntwo\n").unwrap();
            std::io::Seek::rewind(&mut input).unwrap();
            let mut output = tempfile::tempfile().unwrap();
            let mut launch = Launch::server(Path::new("/bin/sh")).arguments(["-c", "echo $$; cat; exit 5"]);
            launch.input = Some(input);
            launch.output = Some(output.try_clone().unwrap());
            let keeper = Keeper::start_tied(launch, setpriv).unwrap();
            let status = keeper.wait(Duration::from_secs(20)).unwrap();
            assert_eq!(status.code(), Some(5));
            std::io::Seek::rewind(&mut output).unwrap();
            assert_eq!(std::io::read_to_string(output).unwrap(), format!("{}\none\ntwo\n", keeper.pid()));
        }
    }

    #[test]
    fn a_child_outlives_the_thread_that_asked_for_it_and_dies_with_its_keeper() {
        let keeper = std::thread::spawn(|| Keeper::start(sleeper()).unwrap()).join().unwrap();
        assert_eq!(keeper.wait(Duration::from_millis(50)), None);
        let pid = keeper.pid();
        drop(keeper);
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }
}
