//! The disposable MariaDB server that a benchmark measures against, and its own client.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::run::{Failure, cannot_start, capture, finish_on_stderr, program, tool};

/// What a server that takes such a load would have; the rest is the sandbox's, `durable` switched on.
pub(crate) const SETTINGS: [&str; 6] = [
    "innodb-buffer-pool-size=1G",
    "innodb-log-file-size=512M",
    "innodb-flush-log-at-trx-commit=1",
    "innodb-flush-method=O_DIRECT",
    "max-allowed-packet=64M",
    "local-infile=1",
];
/// How long the pages of the work before may take to reach the disk.
const SETTLE: Duration = Duration::from_secs(120);

/// A running server; ended when dropped.
pub(crate) struct Server {
    sandbox: Child,
    address: Address,
    pub(crate) version: String,
    pub(crate) pid: u32,
}

#[derive(Debug, PartialEq, Eq)]
struct Address {
    user: String,
    password: String,
    host: String,
    port: String,
}

impl Server {
    /// Starts it through `golive sandbox`.
    pub(crate) fn start(golive: &Path) -> Result<Self, Failure> {
        Self::start_with(golive, &[])
    }

    /// With these settings too.
    pub(crate) fn start_with(golive: &Path, more: &[&str]) -> Result<Self, Failure> {
        let mut sandbox = program(golive);
        sandbox.args(["sandbox", "--format", "json", "--quiet"]);
        for setting in SETTINGS.iter().chain(more) {
            sandbox.args(["--setting", setting]);
        }
        sandbox.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = sandbox.spawn().map_err(|error| cannot_start(&sandbox, &error))?;
        let unclear = || Failure::out_of_reach("`golive sandbox` did not start its servers".to_owned());
        let stdout = child.stdout.take().ok_or_else(unclear)?;
        let mut documents = serde_json::Deserializer::from_reader(stdout).into_iter::<Value>();
        let told = documents.next().and_then(Result::ok).ok_or_else(unclear)?;
        let address = told["database_url"].as_str().and_then(Address::parse).ok_or_else(unclear)?;
        let version = told["mariadb_version"].as_str().unwrap_or("of unknown version").to_owned();
        let mut server = Self { sandbox: child, address, version, pid: 0 };
        let file = server.ask("SELECT @@GLOBAL.pid_file")?;
        let pid = std::fs::read_to_string(file.trim()).ok().and_then(|text| text.trim().parse().ok());
        server.pid = pid.ok_or_else(unclear)?;
        Ok(server)
    }

    /// For `--target env:NAME`.
    pub(crate) fn url(&self, database: &str) -> String {
        let Address { user, password, host, port } = &self.address;
        format!("mysql://{user}:{password}@{host}:{port}/{database}")
    }

    /// An option file for the other programs of MariaDB.
    pub(crate) fn option_file(&self) -> String {
        let Address { user, password, host, port } = &self.address;
        format!("[client]\nuser={user}\npassword={password}\nhost={host}\nport={port}\nprotocol=tcp\n")
    }

    /// The mariadb client, about to run statements, over the same loopback as golive.
    pub(crate) fn client(&self, database: &str, statements: &str) -> Command {
        let mut client = tool("mariadb");
        client.args(["--no-defaults", "--batch", "--skip-column-names", "--local-infile=1"]);
        client.args(["--default-character-set=utf8mb4", "--protocol=tcp"]);
        client.arg(format!("--host={}", self.address.host)).arg(format!("--port={}", self.address.port));
        client.arg(format!("--user={}", self.address.user)).env("MYSQL_PWD", &self.address.password);
        client.arg(format!("--execute={statements}")).arg(database);
        client
    }

    /// Runs statements and gives what they answer.
    pub(crate) fn ask(&self, statements: &str) -> Result<String, Failure> {
        capture(self.client("information_schema", statements))
    }

    /// Makes an empty database.
    pub(crate) fn fresh(&self, database: &str) -> Result<(), Failure> {
        let make = format!(
            "DROP DATABASE IF EXISTS `{database}`; CREATE DATABASE `{database}` CHARACTER SET utf8mb4"
        );
        self.ask(&make)?;
        self.settle()
    }

    /// Waits until what was written before is on the disk, so that no work pays for the one before it.
    fn settle(&self) -> Result<(), Failure> {
        let before = self.ask("SELECT @@GLOBAL.innodb_max_dirty_pages_pct")?;
        self.ask("SET GLOBAL innodb_max_dirty_pages_pct = 0")?;
        let start = Instant::now();
        while start.elapsed() < SETTLE && self.dirty_pages()? > 100 {
            thread::sleep(Duration::from_millis(100));
        }
        self.ask(&format!("SET GLOBAL innodb_max_dirty_pages_pct = {}", before.trim())).map(drop)
    }

    fn dirty_pages(&self) -> Result<u64, Failure> {
        let dirty =
            "SELECT VARIABLE_VALUE FROM GLOBAL_STATUS WHERE VARIABLE_NAME = 'INNODB_BUFFER_POOL_PAGES_DIRTY'";
        Ok(self.ask(dirty)?.trim().parse().unwrap_or(0))
    }

    /// sqlite3-to-mysql, about to move a file.
    pub(crate) fn peer(&self, venv: &Path, source: &Path, database: &str) -> Command {
        let mut peer = program(&venv.join("bin/sqlite3mysql"));
        peer.arg("--sqlite-file").arg(source).args(["--mysql-database", database, "--quiet"]);
        peer.args(["--mysql-user", &self.address.user, "--mysql-password", &self.address.password]);
        peer.args(["--mysql-host", &self.address.host, "--mysql-port", &self.address.port]);
        peer
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut end = tool("kill");
        end.arg("-TERM").arg(self.sandbox.id().to_string());
        let asked = finish_on_stderr(end);
        if asked.is_err() {
            let _ = self.sandbox.kill();
        }
        let _ = self.sandbox.wait();
    }
}

impl Address {
    fn parse(url: &str) -> Option<Self> {
        let (account, rest) = url.strip_prefix("mysql://")?.split_once('@')?;
        let (user, password) = account.split_once(':')?;
        let (host, port) = rest.split('/').next()?.split_once(':')?;
        let owned = str::to_owned;
        Some(Self { user: owned(user), password: owned(password), host: owned(host), port: owned(port) })
    }
}

/// The version of sqlite3-to-mysql that is measured.
pub(crate) const PEER: &str = "sqlite3-to-mysql==2.6.1";

/// A virtual environment of its own with these packages, made once.
pub(crate) fn python_environment(venv: &Path, packages: &[&str]) -> Result<PathBuf, Failure> {
    let wanted = packages.join("\n");
    let marker = venv.join("packages.txt");
    if std::fs::read_to_string(&marker).is_ok_and(|found| found == wanted) {
        return Ok(venv.to_owned());
    }
    let mut make = tool("python3");
    make.args(["-m", "venv"]).arg(venv);
    capture(make)?;
    let mut install = program(&venv.join("bin/pip"));
    install.args(["install", "--quiet", "--disable-pip-version-check"]).args(packages);
    capture(install)?;
    std::fs::write(&marker, wanted)
        .map_err(|error| Failure::out_of_reach(format!("{} cannot be written: {error}", marker.display())))?;
    Ok(venv.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        let address = Address::parse("mysql://golive:s3cret@127.0.0.1:4711/sandbox").unwrap();
        assert_eq!((address.user.as_str(), address.password.as_str()), ("golive", "s3cret"));
        assert_eq!((address.host.as_str(), address.port.as_str()), ("127.0.0.1", "4711"));
        assert_eq!(Address::parse("redis://x"), None);
    }
}
