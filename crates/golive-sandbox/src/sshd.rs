//! A private OpenSSH server that shows files by SFTP: its own host key, one login by one key, on 127.0.0.1 alone.
//!
//! It runs as the user who starts it and lets in that user only. What is in the files is not known here.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::directory::{PrivateDirectory, at, create_directory, open_log, tail, write_private};
use crate::error::{StartError, StopError};
use crate::keeper::{Keeper, Launch};
use crate::process::{ProcessSpec, run_to_end};
use crate::requirements::Requirement;
use crate::server::{Life, start_and_wait, start_on_free_port};

const SERVER: &str = "sshd";
const MADE_WITHIN: Duration = Duration::from_secs(30);
/// Where the part of the server without rights is locked in; it insists on it when root starts it.
const EMPTY: &str = "/run/sshd";

/// How an SSH server is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SshdOptions {
    /// The kind of its host key, as `ssh-keygen -t` takes it.
    pub host_key: String,
    /// More arguments for its SFTP server; see sftp-server(8).
    pub sftp: Vec<String>,
    /// No file can become larger than so many KiB, as where a quota is used up.
    pub largest_file: Option<u32>,
    /// Leaves the private directory for inspection.
    pub keep: bool,
}

impl SshdOptions {
    /// A server with an Ed25519 key.
    #[must_use]
    pub fn new() -> Self {
        Self { host_key: "ed25519".to_owned(), sftp: Vec::new(), largest_file: None, keep: false }
    }
}

impl Default for SshdOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// A running private SSH server; killed and removed when dropped.
#[derive(Debug)]
pub struct Sshd {
    // Dropped in this order: the server before its directory.
    life: Life,
    setup: Setup,
}

#[derive(Debug)]
struct Setup {
    program: PathBuf,
    options: SshdOptions,
    port: u16,
    user: String,
    log: PathBuf,
    private: PrivateDirectory,
}

impl Sshd {
    /// Makes the keys and starts the server. Returns when it listens.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(options: &SshdOptions) -> Result<Self, StartError> {
        let program = Requirement::Sshd.find()?;
        let keygen = Requirement::SshKeygen.find()?;
        let private = PrivateDirectory::new()?;
        let directory = private.path().to_path_buf();
        create_directory(&directory.join("home"))?;
        if rustix::process::geteuid().is_root() {
            fs::create_dir_all(EMPTY).map_err(at(Path::new(EMPTY)))?;
        }
        for (name, kind) in [("host_key", options.host_key.as_str()), ("login_key", "ed25519")] {
            make_key(&keygen, kind, &directory.join(name))?;
        }
        let public = directory.join("login_key.pub");
        let public = fs::read_to_string(&public).map_err(at(&public))?;
        write_private(&directory.join("authorized_keys"), &public)?;
        let user = user()?;
        let log = directory.join("log");
        let mut setup = Setup { program, options: options.clone(), port: 0, user, log, private };
        let keeper = setup.start_on_free_port()?;
        let sshd = Self { life: Life::new(SERVER, setup.log.clone(), keeper), setup };
        write_private(&sshd.known_hosts(), &sshd.known_as(sshd.port())?)?;
        Ok(sshd)
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.setup.port
    }

    /// Who may log in: whoever runs this program.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.setup.user
    }

    /// Its private directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.setup.private.path()
    }

    /// Where a path that is not absolute begins.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.directory().join("home")
    }

    /// The private key that may log in.
    #[must_use]
    pub fn login_key(&self) -> PathBuf {
        self.directory().join("login_key")
    }

    /// A file that knows this server.
    #[must_use]
    pub fn known_hosts(&self) -> PathBuf {
        self.directory().join("known_hosts")
    }

    /// The line by which this server is known at a port, as that of a proxy before it.
    ///
    /// # Errors
    /// When its public key cannot be read.
    pub fn known_as(&self, port: u16) -> Result<String, StartError> {
        let path = self.directory().join("host_key.pub");
        Ok(format!("[127.0.0.1]:{port} {}", fs::read_to_string(&path).map_err(at(&path))?))
    }

    /// The server's process id while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.life.pid()
    }

    /// The end of the server's log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        tail(&self.setup.log)
    }

    /// Holds the server and every session of it where they are (SIGSTOP).
    pub fn pause(&self) {
        self.signal_all(Signal::STOP);
    }

    /// Lets all go on (SIGCONT).
    pub fn resume(&self) {
        self.signal_all(Signal::CONT);
    }

    /// Kills the server and every session of it (SIGKILL), and waits until it is gone.
    pub fn kill(&self) {
        self.signal_all(Signal::KILL);
        self.life.kill();
    }

    /// Stops listening in order, and waits; sessions go on.
    ///
    /// # Errors
    /// [`StopError`] when it had to be killed.
    pub fn stop(&self) -> Result<(), StopError> {
        self.life.stop(Signal::TERM)
    }

    /// Starts it again with the same keys and port, unless it runs.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start_again(&self) -> Result<(), StartError> {
        self.life.start_again(|| self.setup.start_here())
    }

    fn signal_all(&self, signal: Signal) {
        let Some(server) = self.life.pid() else { return };
        for pid in std::iter::once(server).chain(descendants(server)) {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                // One that has ended meanwhile needs no signal.
                let _ = kill_process(pid, signal);
            }
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.kill();
        if self.setup.options.keep {
            self.setup.private.keep();
        }
    }
}

impl Setup {
    fn start_on_free_port(&mut self) -> Result<Keeper, StartError> {
        start_on_free_port("Address already in use", |port| {
            self.port = port;
            self.start_here()
        })
    }

    fn configuration(&self) -> String {
        let directory = self.private.path().display();
        let sftp: String = self.options.sftp.iter().map(|argument| format!(" {argument}")).collect();
        format!(
            "ListenAddress 127.0.0.1\nPort {}\nHostKey \"{directory}/host_key\"\n\
             AuthorizedKeysFile \"{directory}/authorized_keys\"\nPidFile \"{directory}/pid\"\nAllowUsers {}\n\
             PermitRootLogin prohibit-password\nAuthenticationMethods publickey\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\nAllowTcpForwarding no\nPermitTTY no\n\
             X11Forwarding no\nPrintMotd no\nMaxStartups 100\nForceCommand internal-sftp -d {directory}/home{sftp}\n\
             Subsystem sftp internal-sftp\n",
            self.port, self.user
        )
    }

    fn start_here(&self) -> Result<Keeper, StartError> {
        let directory = self.private.path();
        let (configuration, pid_file) = (directory.join("sshd_config"), directory.join("pid"));
        write_private(&configuration, &self.configuration())?;
        if pid_file.exists() {
            fs::remove_file(&pid_file).map_err(at(&pid_file))?;
        }
        let (program, mut arguments) = match self.options.largest_file {
            None => (self.program.as_path(), Vec::new()),
            // A refused write is to be an error there, and no end by a signal.
            Some(kibibytes) => {
                let limited = format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", u64::from(kibibytes) * 2);
                let shell = [OsString::from("-c"), limited.into(), "sh".into(), self.program.clone().into()];
                (Path::new("/bin/sh"), Vec::from(shell))
            }
        };
        arguments.extend([OsString::from("-D"), "-e".into(), "-f".into(), configuration.into_os_string()]);
        let mut launch = Launch::server(program).arguments(arguments);
        launch.errors = Some(open_log(&self.log)?);
        // The pid file is written once its socket listens.
        start_and_wait(SERVER, launch, &self.log, |pid| {
            fs::read_to_string(&pid_file).is_ok_and(|text| text.trim() == pid.to_string())
        })
    }
}

fn make_key(keygen: &Path, kind: &str, path: &Path) -> Result<(), StartError> {
    let refused = |problem| StartError::Refused { server: SERVER, problem };
    let arguments = ["-q", "-t", kind, "-N", "", "-C", "golive", "-f"];
    let spec = ProcessSpec::new(keygen).arguments(arguments).argument(path);
    let finished = run_to_end(spec, MADE_WITHIN).map_err(|error| refused(error.to_string()))?;
    if finished.status.success() {
        return Ok(());
    }
    Err(refused(format!("no key of the kind {kind:?} could be made:\n{}", finished.errors.trim())))
}

/// The name of whoever runs this program, which the system knows better than the environment.
fn user() -> Result<String, StartError> {
    let refused = |problem| StartError::Refused { server: SERVER, problem };
    let spec = ProcessSpec::new("id").argument("-un");
    let finished = run_to_end(spec, MADE_WITHIN).map_err(|error| refused(error.to_string()))?;
    Ok(finished.output.trim().to_owned())
}

/// Every process that this one has started, and what those have; Linux alone shows them.
fn descendants(ancestor: u32) -> Vec<u32> {
    let parent_of = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is a name in parentheses that may hold anything.
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok()
    };
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let parents: Vec<(u32, u32)> = numbers.filter_map(|pid| Some((pid, parent_of(pid)?))).collect();
    let (mut found, mut looked) = (vec![ancestor], 0);
    while let Some(above) = found.get(looked).copied() {
        found.extend(parents.iter().filter(|(_, parent)| *parent == above).map(|(pid, _)| *pid));
        looked += 1;
    }
    found.split_off(1)
}
