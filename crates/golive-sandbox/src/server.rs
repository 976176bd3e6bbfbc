//! What all servers share: random passwords, waiting until one is ready, stopping one, and a directory that
//! outlives it.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rand::distr::{Alphanumeric, SampleString};
use rustix::process::Signal;
use secrecy::{ExposeSecret, SecretString};

use crate::directory::{Owner, at, create_directory, tail, write_private};
use crate::error::{StartError, StopError};
use crate::keeper::{Keeper, Launch};
use crate::port::free_port;

/// How long a server may take to become ready; a loaded machine recovering a log needs its time.
const READY_WITHIN: Duration = Duration::from_secs(90);
const STOPPED_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(5);
/// Attempts with another port when somebody else took ours.
const PORT_ATTEMPTS: usize = 10;

/// Letters and digits, so that it needs no escape in an address, a file or a statement.
pub(crate) fn random_password() -> SecretString {
    Alphanumeric.sample_string(&mut rand::rng(), 40).into()
}

/// Starts the program and waits until `is_ready`; fails at once when it ends.
pub(crate) fn start_and_wait(
    server: &'static str,
    launch: Launch,
    log: &Path,
    is_ready: impl Fn(u32) -> bool,
) -> Result<Keeper, StartError> {
    let program = launch.program.clone();
    let keeper = Keeper::start(launch).map_err(|source| StartError::Spawn { program, source })?;
    let begun = Instant::now();
    loop {
        if let Some(status) = keeper.exit_status() {
            return Err(StartError::Ended { server, status: status.to_string(), log: tail(log) });
        }
        if is_ready(keeper.pid()) {
            return Ok(keeper);
        }
        if begun.elapsed() > READY_WITHIN {
            return Err(StartError::NotReady { server, waited: READY_WITHIN, log: tail(log) });
        }
        keeper.wait(POLL);
    }
}

/// Starts on one free port after the other until nobody else has taken it meanwhile, which the log says in the words
/// `taken`.
pub(crate) fn start_on_free_port(
    taken: &str,
    mut start: impl FnMut(u16) -> Result<Keeper, StartError>,
) -> Result<Keeper, StartError> {
    for _ in 0..PORT_ATTEMPTS {
        match start(free_port().map_err(|_| StartError::NoPort)?) {
            Err(StartError::Ended { log, .. }) if log.contains(taken) => {}
            ended => return ended,
        }
    }
    Err(StartError::NoPort)
}

/// The life of one server: running or not, started again and stopped through a shared reference.
#[derive(Debug)]
pub(crate) struct Life {
    server: &'static str,
    log: PathBuf,
    keeper: Mutex<Option<Keeper>>,
}

impl Life {
    pub(crate) fn new(server: &'static str, log: PathBuf, keeper: Keeper) -> Self {
        Self { server, log, keeper: Mutex::new(Some(keeper)) }
    }

    fn keeper(&self) -> MutexGuard<'_, Option<Keeper>> {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.keeper().as_ref().filter(|keeper| keeper.exit_status().is_none()).map(Keeper::pid)
    }

    pub(crate) fn kill(&self) {
        self.keeper().take();
    }

    pub(crate) fn stop(&self, signal: Signal) -> Result<(), StopError> {
        let mut running = self.keeper();
        let Some(keeper) = running.take() else { return Ok(()) };
        keeper.signal(signal);
        match keeper.wait(STOPPED_WITHIN) {
            Some(_) => Ok(()),
            None => Err(StopError { server: self.server, waited: STOPPED_WITHIN, log: tail(&self.log) }),
        }
    }

    /// Sends a signal, if it runs.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(keeper) = self.keeper().as_ref() {
            keeper.signal(signal);
        }
    }

    /// Starts it again if it does not run.
    pub(crate) fn start_again(
        &self,
        start: impl FnOnce() -> Result<Keeper, StartError>,
    ) -> Result<(), StartError> {
        let mut running = self.keeper();
        if running.as_ref().is_some_and(|keeper| keeper.exit_status().is_none()) {
            return Ok(());
        }
        *running = None;
        *running = Some(start()?);
        Ok(())
    }
}

/// A directory of the caller's that outlives the server, with its password.
#[derive(Debug)]
pub(crate) struct Persistent {
    path: PathBuf,
    /// Held as long as we use the directory, released by the system when we die.
    _lock: File,
}

const LOCK_FILE: &str = "golive-sandbox.lock";
const PASSWORD_FILE: &str = "golive-sandbox.password";
const SERVER_FILE: &str = "golive-sandbox.server";

impl Persistent {
    /// Takes the directory, making it when it is not there, and waits for a killed owner's server to be gone.
    pub(crate) fn take(path: &Path) -> Result<Self, StartError> {
        create_directory(path)?;
        let path = fs::canonicalize(path).map_err(at(path))?;
        let lock_path = path.join(LOCK_FILE);
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(at(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StartError::InUse { directory: path, holder: "another program".to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(at(&lock_path)(source)),
        }
        let persistent = Self { path, _lock: lock };
        persistent.wait_for_former_server()?;
        Ok(persistent)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The password saved here, or a new one, saved.
    pub(crate) fn password(&self) -> Result<SecretString, StartError> {
        let file = self.path.join(PASSWORD_FILE);
        if let Ok(saved) = fs::read_to_string(&file) {
            let saved = saved.trim();
            if !saved.is_empty() && saved.chars().all(|c| c.is_ascii_alphanumeric()) {
                return Ok(saved.into());
            }
        }
        let password = random_password();
        write_private(&file, password.expose_secret())?;
        Ok(password)
    }

    /// Notes which process works on the directory.
    pub(crate) fn note_server(&self, pid: u32) -> Result<(), StartError> {
        write_private(&self.path.join(SERVER_FILE), &Owner::of(pid).to_text())
    }

    fn wait_for_former_server(&self) -> Result<(), StartError> {
        let text = fs::read_to_string(self.path.join(SERVER_FILE)).unwrap_or_default();
        let Some(former) = Owner::from_text(&text) else { return Ok(()) };
        let begun = Instant::now();
        while former.is_alive() {
            if begun.elapsed() > STOPPED_WITHIN {
                let holder = format!("the server with process id {}", former.pid);
                return Err(StartError::InUse { directory: self.path.clone(), holder });
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }
}
