//! A private Redis (or Valkey) server.
//!
//! No knowledge of what is done with the server belongs here.

mod cluster;
mod sentinel;
mod wire;

pub use cluster::RedisCluster;
pub use sentinel::RedisSentinel;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use secrecy::{ExposeSecret, SecretString};

use crate::directory::{PrivateDirectory, at, create_directory, open_log, tail, write_private};
use crate::error::{StartError, StopError};
use crate::keeper::{Keeper, Launch};
use crate::requirements::Requirement;
use crate::server::{Life, Persistent, random_password, start_and_wait, start_on_free_port};

const SERVER: &str = "Redis";

/// How a Redis server is to be. The default keeps everything in memory and forgets it at the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedisOptions {
    /// Keeps its files and its password here, and continues with those that are here. What is kept is decided by
    /// [`append_only`](Self::append_only).
    pub directory: Option<PathBuf>,
    /// Writes every change to its file before it is answered, and syncs the file every second: what was answered
    /// survives a kill of the server, though not of the machine.
    pub append_only: bool,
    /// Leaves the private directory for inspection.
    pub keep: bool,
    /// More lines for its configuration, as `name value`.
    pub settings: Vec<String>,
}

impl RedisOptions {
    /// A server that keeps everything in memory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

/// A running private Redis server; killed and removed when dropped.
pub struct Redis {
    // Dropped in this order: the server before its directory.
    life: Life,
    setup: Setup,
}

/// What the program is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Server,
    Sentinel,
}

struct Setup {
    kind: Kind,
    program: PathBuf,
    options: RedisOptions,
    password: SecretString,
    port: u16,
    data: PathBuf,
    log: PathBuf,
    private: PrivateDirectory,
    persistent: Option<Persistent>,
}

impl Redis {
    /// Starts a server. Returns when it answers.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(options: &RedisOptions) -> Result<Self, StartError> {
        Self::start_as(Kind::Server, options, None)
    }

    /// Starts a replica of this server, with the same password, so that it can take its place.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start_replica(&self, options: &RedisOptions) -> Result<Self, StartError> {
        let mut options = options.clone();
        let password = &self.setup.password;
        options.settings.push(format!("replicaof 127.0.0.1 {}", self.setup.port));
        options.settings.push(format!("masterauth {}", password.expose_secret()));
        Self::start_as(Kind::Server, &options, Some(password.clone()))
    }

    fn start_as(
        kind: Kind,
        options: &RedisOptions,
        password: Option<SecretString>,
    ) -> Result<Self, StartError> {
        if let Some(setting) = options.settings.iter().find(|setting| setting.contains('\n')) {
            let problem = format!("the setting {setting:?} must be one line, as `name value`");
            return Err(StartError::Refused { server: SERVER, problem });
        }
        let found = Requirement::RedisServer.find()?;
        let private = PrivateDirectory::new()?;
        let program = under_its_name(&found, private.path())?;
        let persistent = options.directory.as_deref().map(Persistent::take).transpose()?;
        let data = persistent.as_ref().map_or(private.path(), Persistent::path).join("data");
        create_directory(&data)?;
        let password = match (password, &persistent) {
            (Some(password), _) => password,
            (None, Some(persistent)) => persistent.password()?,
            (None, None) => random_password(),
        };
        let log = private.path().join("log");
        let options = options.clone();
        let mut setup = Setup { kind, program, options, password, port: 0, data, log, private, persistent };
        let keeper = setup.start_on_free_port()?;
        Ok(Self { life: Life::new(SERVER, setup.log.clone(), keeper), setup })
    }

    /// Its address, `redis://:PASSWORD@127.0.0.1:PORT/0`. It holds the password.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://:{}@127.0.0.1:{}/0", self.setup.password.expose_secret(), self.setup.port)
    }

    /// The password.
    #[must_use]
    pub fn password(&self) -> &SecretString {
        &self.setup.password
    }

    /// The port on 127.0.0.1; it stays the same over [`start_again`](Self::start_again).
    #[must_use]
    pub fn port(&self) -> u16 {
        self.setup.port
    }

    /// Where its files are.
    #[must_use]
    pub fn data_directory(&self) -> &Path {
        &self.setup.data
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

    /// Sends one command and returns its answer as text, lists line by line; for setting a server up or hurting it.
    ///
    /// # Errors
    /// When it does not answer, or answers with an error.
    pub fn command(&self, words: &[&str]) -> io::Result<String> {
        wire::command(self.setup.port, &self.setup.password, words)
    }

    /// Stops it with SIGSTOP: it keeps its connections and answers nothing until [`thaw`](Self::thaw).
    pub fn freeze(&self) {
        self.life.signal(Signal::STOP);
    }

    /// Lets it go on after [`freeze`](Self::freeze).
    pub fn thaw(&self) {
        self.life.signal(Signal::CONT);
    }

    /// Stops it in order and waits; what was kept stays for [`start_again`](Self::start_again).
    ///
    /// # Errors
    /// [`StopError`] when it had to be killed.
    pub fn stop(&self) -> Result<(), StopError> {
        self.life.stop(Signal::TERM)
    }

    /// Kills it with SIGKILL and waits until it is gone.
    ///
    /// # Errors
    /// None today; a place for systems that can refuse.
    pub fn kill(&self) -> Result<(), StopError> {
        self.life.kill();
        Ok(())
    }

    /// Starts it again on the same port, unless it runs.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start_again(&self) -> Result<(), StartError> {
        self.life.start_again(|| self.setup.start_here())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if self.setup.persistent.is_some() {
            let _ = self.life.stop(Signal::TERM);
        }
        self.life.kill();
        if self.setup.options.keep {
            self.setup.private.keep();
        }
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Setup { port, data, .. } = &self.setup;
        f.debug_struct("Redis").field("port", port).field("data", data).finish_non_exhaustive()
    }
}

/// The executable decides by its own name what it is, so one called otherwise gets a link of the right name.
fn under_its_name(found: &Path, private: &Path) -> Result<PathBuf, StartError> {
    if found.file_name().is_some_and(|name| name != "redis-check-rdb") {
        return Ok(found.to_path_buf());
    }
    let link = private.join("redis-server");
    std::os::unix::fs::symlink(found, &link).map_err(at(&link))?;
    Ok(link)
}

impl Setup {
    fn start_on_free_port(&mut self) -> Result<Keeper, StartError> {
        start_on_free_port("Address already in use", |port| {
            self.port = port;
            self.start_here()
        })
    }

    fn start_here(&self) -> Result<Keeper, StartError> {
        let file = self.private.path().join("redis.conf");
        write_private(&file, &self.configuration())?;
        let mut launch = Launch::server(&self.program).arguments([&file]);
        if self.kind == Kind::Sentinel {
            launch.arguments.push("--sentinel".into());
        }
        launch.errors = Some(open_log(&self.log)?);
        let keeper = start_and_wait(SERVER, launch, &self.log, |_| self.answers())?;
        if let Some(persistent) = &self.persistent {
            persistent.note_server(keeper.pid())?;
        }
        Ok(keeper)
    }

    fn configuration(&self) -> String {
        let mut text = match self.kind {
            Kind::Server => self.server_configuration(),
            Kind::Sentinel => self.base_configuration(),
        };
        for setting in &self.options.settings {
            text.push_str(setting);
            text.push('\n');
        }
        text
    }

    fn base_configuration(&self) -> String {
        format!(
            "bind 127.0.0.1\nport {}\nrequirepass {}\ndir \"{}\"\nlogfile \"{}\"\ndaemonize no\n",
            self.port,
            self.password.expose_secret(),
            self.data.display(),
            self.log.display(),
        )
    }

    fn server_configuration(&self) -> String {
        let append_only = if self.options.append_only { "yes" } else { "no" };
        let base = self.base_configuration();
        format!("{base}save \"\"\nappendonly {append_only}\nappendfsync everysec\n")
    }

    /// Whether it answers to our password: another server on that port would not.
    fn answers(&self) -> bool {
        wire::command(self.port, &self.password, &["PING"]).is_ok_and(|answer| answer == "PONG")
    }
}
