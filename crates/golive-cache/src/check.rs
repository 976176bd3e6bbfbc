//! Looks at a Redis server and says whether it may hold revocations and limits. Reads only.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use fred::types::{ClusterHash, Value};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use crate::command::CommandError;
use crate::connection::{Cache, ConnectCacheError};
use crate::health::ServerFacts;
use crate::options::CacheOptions;

/// What a server says of itself, and what is wrong with it.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct CacheCheck {
    /// The version, for example `7.0.15`.
    pub version: String,
    /// `master` or `slave`.
    pub role: String,
    /// One round trip, in microseconds.
    pub latency_microseconds: u64,
    /// What it does when full; `None` when it will not say.
    pub maxmemory_policy: Option<String>,
    /// The memory limit in bytes; 0 is none.
    pub maxmemory_bytes: Option<u64>,
    /// Memory in use, in bytes.
    pub used_memory_bytes: Option<u64>,
    /// Keys evicted since it started.
    pub evicted_keys: Option<u64>,
    /// Whether every write goes to the append-only file.
    pub append_only: Option<bool>,
    /// Whether the URL holds a password.
    pub password_in_url: bool,
    /// What should be mended, worst first. Empty: fit for production.
    pub findings: Vec<CacheFinding>,
}

/// One thing to mend.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct CacheFinding {
    /// A stable name, for example `redis.evicts`.
    pub id: &'static str,
    /// How bad.
    pub severity: FindingSeverity,
    /// What was seen.
    pub message: String,
    /// What to do.
    pub remedy: &'static str,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FindingSeverity {
    /// Not fit for production.
    Error,
    /// Should be mended.
    Warning,
}

/// Why nothing could be seen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckCacheError {
    /// No connection.
    #[error("check Redis")]
    Connect(#[source] ConnectCacheError),
    /// The server refuses to say anything about itself.
    #[error("read INFO from Redis: grant the user +info")]
    Info(#[source] CommandError),
}

/// Looks at the server behind `url`.
///
/// # Errors
/// When the server cannot be reached or asked. What is wrong with a server that answers is a finding.
pub async fn check(url: &SecretString) -> Result<CacheCheck, CheckCacheError> {
    let mut options = CacheOptions::new(url.clone());
    options.command_timeout = Duration::from_secs(2); // an operator waits, no request does
    let cache = Cache::open(&options, false).await.map_err(CheckCacheError::Connect)?;
    let looked = look(&cache, url).await;
    cache.close().await;
    looked
}

async fn look(cache: &Cache, url: &SecretString) -> Result<CacheCheck, CheckCacheError> {
    let began = Instant::now();
    let _pong: Value =
        cache.look("PING", ClusterHash::Random, Vec::new()).await.map_err(CheckCacheError::Info)?;
    let latency = began.elapsed();
    let facts: ServerFacts = cache.server_facts().await.map_err(CheckCacheError::Info)?;
    let mut check = CacheCheck {
        version: facts.version,
        role: facts.role,
        latency_microseconds: u64::try_from(latency.as_micros()).unwrap_or(u64::MAX),
        maxmemory_policy: facts.maxmemory_policy,
        maxmemory_bytes: facts.maxmemory_bytes,
        used_memory_bytes: facts.used_memory_bytes,
        evicted_keys: facts.evicted_keys,
        append_only: facts.append_only,
        password_in_url: has_password(url),
        findings: Vec::new(),
    };
    let snapshots = snapshots(cache).await;
    check.findings = judge(&check, snapshots);
    if facts.persists == Some(false) {
        check.findings.insert(
            0,
            CacheFinding {
                id: "redis.write_failed",
                severity: FindingSeverity::Error,
                message: "the last write to disk failed".to_owned(),
                remedy: "make room on the server's disk and read its log",
            },
        );
    }
    Ok(check)
}

/// Whether RDB snapshots are configured; `None` where CONFIG is forbidden, as on managed servers.
async fn snapshots(cache: &Cache) -> Option<bool> {
    let arguments = vec![Value::from("GET"), Value::from("save")];
    let pairs: HashMap<String, String> = cache.look("CONFIG", ClusterHash::Random, arguments).await.ok()?;
    pairs.get("save").map(|save| !save.is_empty())
}

fn judge(check: &CacheCheck, snapshots: Option<bool>) -> Vec<CacheFinding> {
    use FindingSeverity::{Error, Warning};
    let mut findings = Vec::new();
    let mut find = |id, severity, message: String, remedy| {
        findings.push(CacheFinding { id, severity, message, remedy });
    };
    if check.role != "master" {
        find(
            "redis.role",
            Error,
            format!("the server's role is `{}`: reads may be stale, writes are refused", check.role),
            "point REDIS_URL at the primary, or use redis-sentinel://",
        );
    }
    match check.maxmemory_policy.as_deref() {
        Some("noeviction") => {}
        Some(policy) => find(
            "redis.evicts",
            Error,
            format!("maxmemory-policy is {policy}: under pressure revoked tokens become valid again"),
            "set maxmemory-policy noeviction, and give caches that may be evicted a server of their own",
        ),
        None => find(
            "redis.policy_unknown",
            Warning,
            "the server does not tell its maxmemory-policy".to_owned(),
            "read it in your provider's console: it must be noeviction",
        ),
    }
    if check.append_only == Some(false) {
        let (severity, message) = match snapshots {
            Some(true) => (Warning, "only snapshots are kept: a restart forgets the last minutes"),
            _ => (Error, "nothing is kept on disk: a restart forgets revocations and limits"),
        };
        find("redis.no_append_only", severity, message.to_owned(), "set appendonly yes");
    }
    if !check.password_in_url {
        find(
            "redis.no_password",
            Error,
            "the server lets this URL in without a password".to_owned(),
            "set requirepass or an ACL user, and put it into REDIS_URL",
        );
    }
    let major = check.version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_some_and(|major| major < 6) {
        find(
            "redis.old",
            Warning,
            format!("version {} is no longer maintained", check.version),
            "upgrade to Redis 7 or Valkey 8",
        );
    }
    findings.extend(judge_memory(check));
    findings.sort_by_key(|finding| finding.severity);
    findings
}

fn judge_memory(check: &CacheCheck) -> Vec<CacheFinding> {
    let severity = FindingSeverity::Warning;
    let mut findings = Vec::new();
    let mut find = |id, message: String, remedy| {
        findings.push(CacheFinding { id, severity, message, remedy });
    };
    if let (Some(used), Some(most)) = (check.used_memory_bytes, check.maxmemory_bytes)
        && most > 0
        && used.saturating_mul(5) > most.saturating_mul(4)
    {
        find(
            "redis.nearly_full",
            format!("{used} of {most} bytes are in use"),
            "raise maxmemory: with noeviction a full server refuses to record revocations",
        );
    }
    if check.evicted_keys.is_some_and(|keys| keys > 0) {
        find(
            "redis.evicted",
            format!("{} keys were evicted since it started", check.evicted_keys.unwrap_or(0)),
            "rotate the secret key or revoke all sessions: revocations may be among them",
        );
    }
    findings
}

/// `scheme://[user]:password@host`; the password may hold no `@` unencoded.
fn has_password(url: &SecretString) -> bool {
    let authority = url.expose_secret().split_once("://").map_or("", |(_scheme, rest)| rest);
    authority
        .split(['/', '?'])
        .next()
        .and_then(|authority| authority.rsplit_once('@'))
        .and_then(|(login, _host)| login.split_once(':'))
        .is_some_and(|(_user, password)| !password.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit() -> CacheCheck {
        CacheCheck {
            version: "7.0.15".into(),
            role: "master".into(),
            latency_microseconds: 100,
            maxmemory_policy: Some("noeviction".into()),
            maxmemory_bytes: Some(0),
            used_memory_bytes: Some(1),
            evicted_keys: Some(0),
            append_only: Some(true),
            password_in_url: true,
            findings: Vec::new(),
        }
    }

    #[test]
    fn a_fit_server_has_no_findings_and_each_fault_has_one() {
        assert!(judge(&fit(), Some(true)).is_empty());
        let ids = |check: &CacheCheck| judge(check, None).iter().map(|f| f.id).collect::<Vec<_>>();
        assert_eq!(ids(&CacheCheck { role: "slave".into(), ..fit() }), ["redis.role"]);
        assert_eq!(
            ids(&CacheCheck { maxmemory_policy: Some("allkeys-lru".into()), ..fit() }),
            ["redis.evicts"]
        );
        assert_eq!(ids(&CacheCheck { append_only: Some(false), ..fit() }), ["redis.no_append_only"]);
        assert_eq!(ids(&CacheCheck { password_in_url: false, ..fit() }), ["redis.no_password"]);
        assert_eq!(
            ids(&CacheCheck { maxmemory_bytes: Some(100), used_memory_bytes: Some(90), ..fit() }),
            ["redis.nearly_full"]
        );
    }

    #[test]
    fn sees_a_password_in_a_url() {
        assert!(has_password(&"redis://:p@localhost:1/0".into()));
        assert!(has_password(&"rediss://user:p@localhost".into()));
        assert!(!has_password(&"redis://localhost:6379/0".into()));
        assert!(!has_password(&"redis://user@localhost:6379/0".into()));
    }
}
