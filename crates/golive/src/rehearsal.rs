//! The disposable servers of a rehearsal: MariaDB, Redis, and a sink that stands for the error tracker and the
//! alert channel. Gone with the process; their data is gone with the rehearsal's end.
//!
//! Not here: how a server is started (golive-sandbox).

use std::path::Path;

use golive_sandbox::{
    CertificateAuthority, CertificateError, MariaDb, MariaDbOptions, Redis, RedisOptions, Sink, SinkError,
    StartError,
};
use secrecy::SecretString;
use thiserror::Error;

/// Why the servers did not come up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RehearsalError {
    /// A server.
    #[error("start a disposable server")]
    Server(#[from] StartError),
    /// The sink.
    #[error("start the local sink for errors and alerts")]
    Sink(#[from] SinkError),
    /// The certificate authority.
    #[error("make a certificate authority for the rehearsal")]
    Authority(#[from] CertificateError),
}

/// The servers of one rehearsal.
pub struct Rehearsal {
    pub(crate) mariadb: MariaDb,
    pub(crate) redis: Redis,
    pub(crate) sink: Sink,
    pub(crate) authority: CertificateAuthority,
}

impl Rehearsal {
    /// Starts the servers with their data under `folder`, so that a killed rehearsal finds it again.
    ///
    /// # Errors
    /// When a server is missing or does not start; the error says which package brings it.
    pub fn start(folder: &Path) -> Result<Self, RehearsalError> {
        let mut mariadb = MariaDbOptions::new();
        mariadb.directory = Some(folder.join("mariadb"));
        mariadb.binary_log = true;
        mariadb.databases = vec![DATABASE.to_owned()];
        // The rehearsal's load runs on it: more than the smallest buffer pool, the platform's own pools included.
        mariadb.settings =
            ["--innodb-buffer-pool-size=256M", "--max-connections=200"].map(str::to_owned).to_vec();
        let mut redis = RedisOptions::new();
        redis.directory = Some(folder.join("redis"));
        redis.append_only = true;
        Ok(Self {
            mariadb: MariaDb::start(&mariadb)?,
            redis: Redis::start(&redis)?,
            sink: Sink::start()?,
            authority: CertificateAuthority::new("golive rehearsal")?,
        })
    }

    pub(crate) fn database_url(&self) -> SecretString {
        SecretString::from(self.mariadb.url(DATABASE))
    }

    pub(crate) fn redis_url(&self) -> SecretString {
        SecretString::from(self.redis.url())
    }

    /// The address an application reports its errors to; project 1 of the sink.
    pub(crate) fn sentry_dsn(&self) -> SecretString {
        SecretString::from(format!("http://rehearsal@127.0.0.1:{}/1", self.sink.port()))
    }

    pub(crate) fn alert_webhook(&self) -> SecretString {
        SecretString::from(format!("http://127.0.0.1:{}{ALERT_PATH}", self.sink.port()))
    }
}

/// The database of a rehearsal.
pub(crate) const DATABASE: &str = "golive";
/// Where alerts arrive at the sink.
pub(crate) const ALERT_PATH: &str = "/alerts";
