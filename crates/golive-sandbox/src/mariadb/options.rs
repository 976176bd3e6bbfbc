//! How a MariaDB server is to be, and the arguments that make it so.

use std::path::PathBuf;

use crate::error::StartError;
use crate::mariadb::SERVER;

/// How a MariaDB server is to be. The default is small and fast, and forgets everything at the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MariaDbOptions {
    /// Keeps the data here, and continues with the data and the password that are here; implies [`durable`](Self::durable).
    /// Without it the data is in a private temporary directory that is removed at the end.
    pub directory: Option<PathBuf>,
    /// Leaves the private directory (data, log) for inspection. [`MariaDb::private_directory`](crate::MariaDb::private_directory) names it.
    pub keep: bool,
    /// Writes a binary log (`binlog.*` in the data directory, rows in full).
    pub binary_log: bool,
    /// Commits survive the loss of power, at the usual price. Without it they survive a kill of the server.
    pub durable: bool,
    /// More server settings, as `name=value`; they win over ours. A large load is faster with
    /// `innodb-log-file-size=128M` and `innodb-buffer-pool-size=512M`.
    pub settings: Vec<String>,
    /// Databases to make at the start.
    pub databases: Vec<String>,
    /// Certificate and key with which TLS is offered.
    pub tls: Option<ServerTls>,
    /// Where the template of an empty data directory is cached; by default the user's cache directory.
    pub template_directory: Option<PathBuf>,
}

/// Files with which a server speaks TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerTls {
    /// The certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// The authority for client certificates, PEM.
    pub authority: Option<PathBuf>,
}

impl ServerTls {
    /// TLS with these two files.
    #[must_use]
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { certificate: certificate.into(), key: key.into(), authority: None }
    }
}

/// Both have to be the same at installation and at every start on that data.
pub(super) const DATA_FILE: &str = "--innodb-data-file-path=ibdata1:10M:autoextend";
pub(super) const LOG_FILE_SIZE: &str = "--innodb-log-file-size=4M";
/// `loose`: later servers call it otherwise, and a slow start is better than none.
pub(super) const NO_SYNC: &str = "--loose-innodb-flush-method=nosync";

const SMALL: [&str; 9] = [
    DATA_FILE,
    LOG_FILE_SIZE,
    "--innodb-buffer-pool-size=32M",
    "--innodb-temp-data-file-path=ibtmp1:5M:autoextend",
    "--innodb-buffer-pool-dump-at-shutdown=0",
    "--innodb-buffer-pool-load-at-startup=0",
    "--key-buffer-size=64K",
    "--aria-pagecache-buffer-size=1M",
    "--performance-schema=0",
];
const CHARACTER: [&str; 5] = [
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--default-time-zone=+00:00",
    "--character-set-server=utf8mb4",
    "--collation-server=utf8mb4_unicode_ci",
];

impl MariaDbOptions {
    /// A small server that forgets everything at the end.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn check(&self) -> Result<(), StartError> {
        let refused = |problem| StartError::Refused { server: SERVER, problem };
        if let Some(setting) = self.settings.iter().find(|setting| setting.contains(['\n', '\0'])) {
            return Err(refused(format!("the setting {setting:?} must be one line, as `name=value`")));
        }
        self.databases.iter().try_for_each(|name| check_name(name)).map_err(refused)
    }

    pub(super) fn is_cluster_node(&self) -> bool {
        self.settings.iter().any(|setting| setting.contains("wsrep-provider="))
    }

    pub(super) fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> =
            SMALL.iter().chain(&CHARACTER).map(|&text| text.to_owned()).collect();
        if self.durable || self.directory.is_some() {
            arguments.push("--innodb-flush-log-at-trx-commit=1".to_owned());
            arguments.push("--sync-binlog=1".to_owned());
        } else {
            // 2: commits reach the system at once, so a killed server loses none; only nothing is synced to disk.
            arguments.push("--innodb-flush-log-at-trx-commit=2".to_owned());
            arguments.push(NO_SYNC.to_owned());
        }
        if self.binary_log {
            for argument in ["--log-bin=binlog", "--server-id=1", "--binlog-format=ROW"] {
                arguments.push(argument.to_owned());
            }
        }
        if let Some(tls) = &self.tls {
            arguments.push(format!("--ssl-cert={}", tls.certificate.display()));
            arguments.push(format!("--ssl-key={}", tls.key.display()));
            if let Some(authority) = &tls.authority {
                arguments.push(format!("--ssl-ca={}", authority.display()));
            }
        }
        arguments
            .extend(self.settings.iter().map(|text| format!("--{}", text.trim().trim_start_matches("--"))));
        arguments
    }
}

/// A name that needs no quoting anywhere, an address included.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || name.len() > 64 || !name.chars().all(is_plain) {
        return Err(format!("the database name {name:?} must be 1 to 64 of a-z, A-Z, 0-9, `_` and `-`"));
    }
    Ok(())
}
