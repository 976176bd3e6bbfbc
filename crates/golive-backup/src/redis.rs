//! Redis: its data set as one RDB file, fetched through the replication protocol by `redis-cli --rdb`, and put back as
//! the file a server starts on. Its end and its checksum are looked at here, for the tool ends with success on less.
//!
//! No client library: what keys mean is not known here. A password goes to the tool in its environment alone.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use tokio::io::AsyncReadExt;
use url::Url;

use crate::create::chain;
use crate::exec::{self, Mask, ToolError, Tools};
use crate::manifest::{BackupId, Content, Manifest, Part, RedisFacts};
use crate::pipeline::{BUFFER_BYTES, PartWriter, open_part};
use crate::progress::{Progress, Stage};
use crate::rdb::{RdbEnd, RdbError};
use crate::repository::{Attempt, Repository, RepositoryError, Staging};
use crate::verify::check_part;

pub(crate) const REDIS_PART: &str = "redis.rdb.zst.age";
/// The name under which Redis looks for it.
const RDB_FILE: &str = "dump.rdb";
/// An answer of `INFO` is some kilobytes.
const ANSWER_BYTES: u64 = 1024 * 1024;

/// A Redis server and how to log in.
#[derive(Clone)]
pub struct RedisServer {
    host: String,
    port: u16,
    user: Option<String>,
    password: Option<SecretString>,
    tls: bool,
    authority: Option<String>,
}

impl std::fmt::Debug for RedisServer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RedisServer").field("at", &self.label()).finish_non_exhaustive()
    }
}

/// Why Redis was not backed up or brought back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedisError {
    /// The address is none. It is withheld: it may hold a password.
    #[error("read the address of Redis; write redis://user:password@host:6379, or rediss:// for TLS")]
    Address,
    /// The tool failed.
    #[error("fetch the data of Redis; the account needs the commands PSYNC, SYNC, REPLCONF and INFO")]
    Tool(#[from] ToolError),
    /// What came is no whole RDB file.
    #[error("trust what Redis sent; try again, and look at the server's log")]
    Rdb(#[from] RdbError),
    /// The part could not be written.
    #[error("write the data to the repository; check free space")]
    Write(#[source] io::Error),
    /// The repository, the manifest or the key.
    #[error("use the repository")]
    Repository(#[from] RepositoryError),
    /// It is a backup of something else.
    #[error("bring back Redis from {id}: it holds something else; choose another backup")]
    NotRedis {
        /// The backup.
        id: BackupId,
    },
    /// The stored bytes are damaged; nothing was changed.
    #[error("bring back {id}: {part} {what}; choose another backup")]
    Damaged {
        /// The backup.
        id: BackupId,
        /// The file in the backup.
        part: String,
        /// What is wrong.
        what: String,
    },
    /// There is something already; nothing was changed.
    #[error("bring Redis back into {path}: it holds something; name a new folder")]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The file could not be put in place.
    #[error("write {path}")]
    File {
        /// The path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It took too long.
    #[error("fetch the data of Redis within {seconds} s; give a longer deadline, or look for what blocks it")]
    Timeout {
        /// The limit.
        seconds: u64,
    },
}

impl RedisServer {
    /// Reads `redis://user:password@host:port`, or `rediss://` with `?ssl_ca_certs=FILE`.
    ///
    /// # Errors
    /// When it is none. The message never repeats it.
    pub fn parse(address: &SecretString) -> Result<Self, RedisError> {
        let url = Url::parse(address.expose_secret()).map_err(|_| RedisError::Address)?;
        let tls = match url.scheme() {
            "redis" => false,
            "rediss" => true,
            _ => return Err(RedisError::Address),
        };
        let decoded = |text: &str| crate::server::percent_decode(text).ok_or(RedisError::Address);
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(RedisError::Address)?;
        let user = decoded(url.username())?;
        let password = url.password().map(decoded).transpose()?;
        let authority = url.query_pairs().find(|(key, _)| key == "ssl_ca_certs");
        let [user, host] = [user, host.trim_start_matches('[').trim_end_matches(']').to_owned()];
        // They become arguments, and one that begins so would be an option.
        if host.starts_with('-') || user.starts_with('-') {
            return Err(RedisError::Address);
        }
        Ok(Self {
            host,
            port: url.port().unwrap_or(6379),
            user: Some(user).filter(|user| !user.is_empty() && password.is_some()),
            password: password.map(SecretString::from),
            tls,
            authority: authority.map(|(_, value)| value.into_owned()),
        })
    }

    /// Host and port: what may be shown.
    pub fn label(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    fn arguments(&self, what: &[&str]) -> Vec<String> {
        let mut arguments = vec!["-h".to_owned(), self.host.clone(), "-p".to_owned(), self.port.to_string()];
        if let Some(user) = &self.user {
            arguments.extend(["--user".to_owned(), user.clone()]);
        }
        if self.tls {
            arguments.push("--tls".to_owned());
        }
        if let Some(authority) = &self.authority {
            arguments.extend(["--cacert".to_owned(), authority.clone()]);
        }
        arguments.extend(what.iter().map(|word| (*word).to_owned()));
        arguments
    }

    fn start(&self, tools: &Tools, what: &[&str]) -> Result<exec::Running, ToolError> {
        let secret = self.password.as_ref().map(|password| ("REDISCLI_AUTH", password));
        exec::start_with_secret(&tools.redis, &self.arguments(what), secret)
    }
}

/// Fetches the data set of a Redis server, all its databases, and publishes it. `now` names the backup.
///
/// # Errors
/// When what came is not certainly whole; then nothing is published, and the attempt is noted.
pub async fn create_redis(
    server: &RedisServer,
    repository: &Repository,
    tools: &Tools,
    deadline: Duration,
    now: DateTime<Utc>,
    progress: &Progress,
) -> Result<Manifest, RedisError> {
    let taken = take(server, repository, tools, deadline, now, progress).await;
    if let Err(error) = &taken
        && !matches!(error, RedisError::Repository(RepositoryError::Busy { .. }))
        && let Err(failed) = repository.note_failure(&Attempt::new(now, "redis", chain(error)))
    {
        tracing::warn!(%failed, "a failed attempt could not be noted");
    }
    taken
}

async fn take(
    server: &RedisServer,
    repository: &Repository,
    tools: &Tools,
    deadline: Duration,
    now: DateTime<Utc>,
    progress: &Progress,
) -> Result<Manifest, RedisError> {
    let staging = repository.begin(now)?;
    let work = async {
        let before = info(server, tools).await?;
        let (part, is_checked) = fetch(server, repository, tools, &staging, progress).await?;
        let after = info(server, tools).await?;
        let facts = RedisFacts {
            server_version: after.version,
            keys_before: before.keys,
            keys_after: after.keys,
            expiring: before.expiring.max(after.expiring),
            is_checked,
        };
        Ok::<_, RedisError>((part, facts))
    };
    let (part, facts) = tokio::time::timeout(deadline, work)
        .await
        .map_err(|_| RedisError::Timeout { seconds: deadline.as_secs() })??;
    Ok(staging.publish(vec![part], Content::Redis(facts))?)
}

struct Info {
    version: String,
    keys: u64,
    expiring: u64,
}

async fn info(server: &RedisServer, tools: &Tools) -> Result<Info, RedisError> {
    let mut running = server.start(tools, &["INFO"])?;
    let stdout = running.child.stdout.take().expect("stdout was asked for as a pipe");
    let mut text = String::new();
    stdout.take(ANSWER_BYTES).read_to_string(&mut text).await.map_err(RedisError::Write)?;
    running.finish(Mask::Nothing).await?;
    let version = text.lines().find_map(|line| line.strip_prefix("redis_version:"));
    // Whoever may not ask is told so on standard output, with success.
    let version = version.ok_or(RedisError::Rdb(RdbError::NoAnswer))?.trim().to_owned();
    let mut info = Info { version, keys: 0, expiring: 0 };
    for line in text.lines().filter(|line| line.starts_with("db")) {
        let number = |name: &str| {
            let value = line.split([':', ',']).find_map(|field| field.strip_prefix(name));
            value.and_then(|value| value.trim().parse::<u64>().ok()).unwrap_or(0)
        };
        info.keys += number("keys=");
        info.expiring += number("expires=");
    }
    Ok(info)
}

async fn fetch(
    server: &RedisServer,
    repository: &Repository,
    tools: &Tools,
    staging: &Staging,
    progress: &Progress,
) -> Result<(Part, bool), RedisError> {
    let mut writer = PartWriter::create(staging.shelf(), REDIS_PART, &repository.keys().recipients)
        .map_err(RedisError::Write)?;
    let mut running = server.start(tools, &["--rdb", "-"])?;
    let stdout = running.child.stdout.take().expect("stdout was asked for as a pipe");
    let mut stdout = File::from(stdout.into_owned_fd().map_err(RedisError::Write)?);
    let progress = progress.clone();
    let storing = tokio::task::spawn_blocking(move || {
        let mut end = RdbEnd::default();
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let read = stdout.read(&mut buffer).map_err(RedisError::Write)?;
            if read == 0 {
                break;
            }
            end.take(&buffer[..read], &mut writer).map_err(RedisError::Write)?;
            progress.bytes(Stage::Dumping, writer.plain_bytes(), None);
        }
        let is_checked = end.finish(&mut writer)?;
        Ok::<_, RedisError>((writer.finish().map_err(RedisError::Write)?, is_checked))
    });
    let stored = storing.await.expect("storing does not panic");
    running.finish(Mask::Nothing).await?;
    stored
}

/// Puts the RDB file of a backup into a folder that is empty or does not exist, and returns its path. Start Redis there
/// with `appendonly no`, switch it on afterwards with `CONFIG SET appendonly yes`: a server that starts with it takes no
/// notice of the file. It is durable once `INFO persistence` says `aof_rewrite_in_progress:0`.
///
/// # Errors
/// When the backup is damaged or holds something else, or the folder is not empty.
pub fn restore_redis(
    repository: &Repository,
    id: &BackupId,
    directory: &Path,
) -> Result<PathBuf, RedisError> {
    let manifest = repository.find(id)?;
    let part = manifest.parts.iter().find(|part| part.name == REDIS_PART);
    let (Content::Redis(_), Some(part)) = (&manifest.content, part) else {
        return Err(RedisError::NotRedis { id: id.clone() });
    };
    let key = repository.keys().identity.as_ref().ok_or(RepositoryError::NoIdentity)?;
    let damaged = |what| RedisError::Damaged { id: id.clone(), part: part.name.clone(), what };
    check_part(&repository.shelf(id), part, Some(key), &manifest, &Progress::silent()).map_err(damaged)?;
    let using = |source| RedisError::File { path: directory.to_owned(), source };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(using)?;
    if fs::read_dir(directory).map_err(using)?.next().is_some() {
        return Err(RedisError::NotEmpty { path: directory.to_owned() });
    }
    let path = directory.join(RDB_FILE);
    let write = || {
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&path)?;
        io::copy(&mut open_part(&repository.shelf(id), &part.name, key)?, &mut file)?;
        file.flush()?;
        file.sync_all()
    };
    write().map_err(|source| RedisError::File { path: path.clone(), source })?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_becomes_an_argument() {
        let address = SecretString::from("rediss://app:hunter2@db.example:6380/0?ssl_ca_certs=/etc/ca.pem");
        let server = RedisServer::parse(&address).unwrap();
        let arguments = server.arguments(&["--rdb", "-"]);
        assert_eq!(
            arguments,
            [
                "-h",
                "db.example",
                "-p",
                "6380",
                "--user",
                "app",
                "--tls",
                "--cacert",
                "/etc/ca.pem",
                "--rdb",
                "-"
            ]
        );
        assert!(!format!("{server:?}").contains("hunter2"));
        for bad in ["hunter2", "http://a:hunter2@b", "redis://"] {
            let error = RedisServer::parse(&SecretString::from(bad)).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{bad}");
        }
    }
}
