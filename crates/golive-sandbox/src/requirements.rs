//! The programs that this suite runs, whether they are here, and which package brings each on which system.
//!
//! Looking only: nothing is installed here.

use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;

use crate::environment::environment;
use crate::keeper::command;

/// A program that some part of the suite starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Requirement {
    /// The MariaDB server.
    Mariadbd,
    /// Makes an empty MariaDB data directory.
    MariadbInstallDb,
    /// The MariaDB client.
    Mariadb,
    /// Logical backups.
    MariadbDump,
    /// Reads binary logs.
    MariadbBinlog,
    /// Physical backups.
    MariadbBackup,
    /// The Redis (or Valkey) server.
    RedisServer,
    /// The nginx web server.
    Nginx,
    /// Ties a child's life to ours (Linux only; a shell does it elsewhere).
    Setpriv,
    /// The library by which MariaDB servers form a cluster; only golive's own tests use it.
    Galera,
    /// Scrapes metrics and evaluates rules; only golive's own tests use it.
    Prometheus,
    /// Checks metrics and rules; only golive's own tests use it.
    Promtool,
    /// Another scanner of TLS, beside which a grade may be checked.
    Sslscan,
    /// A slower one that looks at more.
    Testssl,
    /// Judges units; only golive's own tests use it.
    SystemdAnalyze,
    /// An ACME authority; only golive's own tests use it.
    Pebble,
    /// Names for it; only golive's own tests use it.
    PebbleNames,
    /// Drives a browser without a screen, which comes with it; only golive's own tests use it.
    Chromedriver,
    /// OpenSSH's server, with SFTP; only golive's own tests use it.
    Sshd,
    /// Makes keys for it; only golive's own tests use it.
    SshKeygen,
}

/// Package names by system family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Packages {
    /// Debian, Ubuntu and their relatives.
    pub debian: &'static str,
    /// Fedora and its relatives.
    pub fedora: &'static str,
    /// Homebrew on macOS; empty where there is none and none is needed.
    pub macos: &'static str,
}

impl Requirement {
    /// Those that an operator needs, in the order in which they are reported.
    pub const ALL: [Self; 9] = [
        Self::Mariadbd,
        Self::MariadbInstallDb,
        Self::Mariadb,
        Self::MariadbDump,
        Self::MariadbBinlog,
        Self::MariadbBackup,
        Self::RedisServer,
        Self::Nginx,
        Self::Setpriv,
    ];

    /// Those that golive's own tests use besides.
    pub(crate) const OF_TESTS: [Self; 11] = [
        Self::Galera,
        Self::Prometheus,
        Self::Promtool,
        Self::Sslscan,
        Self::Testssl,
        Self::SystemdAnalyze,
        Self::Pebble,
        Self::PebbleNames,
        Self::Chromedriver,
        Self::Sshd,
        Self::SshKeygen,
    ];

    /// The program's usual name.
    #[must_use]
    pub fn program(self) -> &'static str {
        self.names()[0]
    }

    /// The names under which it is looked for, best first.
    ///
    /// Debian's `redis-server` is the same executable as `redis-check-rdb`, which a smaller package without a
    /// service brings; it serves when it is called by the other name.
    #[must_use]
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Self::Mariadbd => &["mariadbd"],
            Self::MariadbInstallDb => &["mariadb-install-db"],
            Self::Mariadb => &["mariadb"],
            Self::MariadbDump => &["mariadb-dump"],
            Self::MariadbBinlog => &["mariadb-binlog"],
            Self::MariadbBackup => &["mariadb-backup", "mariabackup"],
            Self::RedisServer => &["redis-server", "redis-check-rdb", "valkey-server"],
            Self::Nginx => &["nginx"],
            Self::Setpriv => &["setpriv"],
            Self::Galera => &["libgalera_smm.so"],
            Self::Prometheus => &["prometheus"],
            Self::Promtool => &["promtool"],
            Self::Sslscan => &["sslscan"],
            Self::Testssl => &["testssl", "testssl.sh"],
            Self::SystemdAnalyze => &["systemd-analyze"],
            Self::Pebble => &["pebble"],
            Self::PebbleNames => &["pebble-challtestsrv"],
            Self::Chromedriver => &["chromedriver"],
            Self::Sshd => &["sshd"],
            Self::SshKeygen => &["ssh-keygen"],
        }
    }

    /// The packages that bring it. The Debian ones bring no database service.
    #[must_use]
    pub fn packages(self) -> Packages {
        let (debian, fedora, macos) = match self {
            Self::Mariadbd | Self::MariadbInstallDb => ("mariadb-server-core", "mariadb-server", "mariadb"),
            Self::Mariadb | Self::MariadbDump | Self::MariadbBinlog => {
                ("mariadb-client", "mariadb", "mariadb")
            }
            Self::MariadbBackup => ("mariadb-backup", "mariadb-backup", "mariadb"),
            Self::RedisServer => ("redis-tools", "valkey", "redis"),
            Self::Nginx => ("nginx", "nginx", "nginx"),
            Self::Setpriv => ("util-linux", "util-linux", ""),
            Self::Galera => ("galera-4", "galera", ""),
            Self::Prometheus | Self::Promtool => ("prometheus", "golang-github-prometheus", "prometheus"),
            Self::Sslscan => ("sslscan", "sslscan", "sslscan"),
            Self::Testssl => ("testssl.sh", "testssl", "testssl"),
            Self::SystemdAnalyze => ("systemd", "systemd", ""),
            Self::Pebble | Self::PebbleNames => ("pebble", "", ""),
            Self::Chromedriver => ("chromium-driver", "chromedriver", "chromedriver"),
            Self::Sshd => ("openssh-server", "openssh-server", "openssh"),
            Self::SshKeygen => ("openssh-client", "openssh-clients", "openssh"),
        };
        Packages { debian, fedora, macos }
    }

    /// Whether work stops without it on this system.
    #[must_use]
    pub fn is_needed(self) -> bool {
        self != Self::Setpriv || cfg!(target_os = "linux")
    }

    /// Where it is.
    ///
    /// # Errors
    /// [`Missing`], which says how to install it.
    pub fn find(self) -> Result<PathBuf, Missing> {
        let found = match self {
            Self::Galera => GALERA_PLACES.iter().map(PathBuf::from).find(|path| path.is_file()),
            _ => environment().find_program(self.names()),
        };
        found.ok_or(Missing { requirement: self })
    }

    /// mariadb-install-db takes any argument as a wish to install, a library is not run, testssl.sh works for seconds before
    /// it greets with a banner, and ssh-keygen knows no version.
    fn tells_its_version(self) -> bool {
        !matches!(self, Self::MariadbInstallDb | Self::Galera | Self::Testssl | Self::SshKeygen)
    }

    /// Looks for it and asks it for its version, where asking is harmless.
    #[must_use]
    pub fn look(self) -> Found {
        let path = self.find().ok();
        let version = path.as_ref().filter(|_| self.tells_its_version()).and_then(|path| {
            let argument = match self {
                Self::Nginx => "-v",
                Self::Sshd => "-V",
                _ => "--version",
            };
            let output = command(path).arg(argument).stdin(Stdio::null()).output().ok()?;
            let text = [output.stdout, output.stderr].concat();
            let line = String::from_utf8_lossy(&text).lines().next()?.trim().to_owned();
            (!line.is_empty()).then_some(line)
        });
        Found { requirement: self, path, version }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.program())
    }
}

/// What looking for one program showed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Found {
    /// What was looked for.
    pub requirement: Requirement,
    /// Where it is; `None` when it is missing.
    pub path: Option<PathBuf>,
    /// The first line it prints when asked for its version.
    pub version: Option<String>,
}

/// Where packages put the library of a cluster: Debian, Fedora.
const GALERA_PLACES: [&str; 3] = [
    "/usr/lib/galera/libgalera_smm.so",
    "/usr/lib64/galera/libgalera_smm.so",
    "/usr/lib64/galera-4/libgalera_smm.so",
];

/// Looks for every program that an operator needs.
#[must_use]
pub fn look() -> Vec<Found> {
    Requirement::ALL.map(Requirement::look).into()
}

/// The same, and what golive's own tests need besides.
#[must_use]
pub fn look_for_tests() -> Vec<Found> {
    let mut found = look();
    found.extend(Requirement::OF_TESTS.map(Requirement::look));
    found
}

/// A program is not installed; its text says which package brings it, on each system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct Missing {
    /// What is missing.
    pub requirement: Requirement,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Packages { debian, fedora, macos } = self.requirement.packages();
        write!(
            f,
            "find the program `{}`; install it, then try again:\n  \
             Debian, Ubuntu:  sudo apt-get install --no-install-recommends {debian}\n  \
             Fedora:          sudo dnf install {fedora}",
            self.requirement
        )?;
        if !macos.is_empty() {
            write!(f, "\n  macOS:           brew install {macos}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_says_how_to_get_it() {
        let text = Requirement::ALL.map(|requirement| Missing { requirement }.to_string()).join("\n");
        insta::assert_snapshot!(text);
    }
}
