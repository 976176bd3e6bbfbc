//! The proof that a backup is one: restored into a disposable server, compared with its own record, and the outcome
//! signed into the repository. A dump into an empty database; files of a whole server, or the data of Redis, by a server
//! started on them.
//!
//! Not here: how a restore or a comparison is made (golive-backup), when one is due, and what it is worth to the gate.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use golive_backup::{
    CompareError, Comparison, Content, DatabaseFacts, Manifest, Progress, Proof, ProofLevel, RedisError,
    RedisFacts, Repository, RepositoryError, RestoreError, RestoreOptions, RestorePhysicalError, Server,
    TableProblem, ToolError, Tools, check_tables, compare_restored, restore_backup, restore_physical,
    restore_redis,
};
use golive_sandbox::{MariaDb, MariaDbOptions, Redis, RedisOptions, StartError};
use secrecy::SecretString;
use serde::Serialize;

/// What a restore showed.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct RestoreProof {
    /// What was signed.
    pub proof: Proof,
    /// Whether everything came back as it was.
    pub equal: bool,
    /// Seconds until the data stood in the server.
    pub restore_seconds: f64,
    /// Seconds for all of it, the start of the server and the comparison included.
    pub seconds: f64,
    /// One comparison a database.
    pub comparisons: Vec<Comparison>,
    /// Tables that the server itself finds damaged; asked where files were brought back.
    pub problems: Vec<TableProblem>,
    /// What stood in Redis, for a backup of that.
    pub redis: Option<RedisComparison>,
}

/// Keys of a Redis that loaded a backup, beside what the backup says of itself. The file that it loaded is, byte for byte,
/// the one that was fetched: that is checked before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RedisComparison {
    /// Keys that were loaded.
    pub keys: u64,
    /// Keys that there were when the data was fetched, before and after.
    pub expected: (u64, u64),
    /// Keys among them whose time may have come since.
    pub expiring: u64,
    /// Whether so many may have come back.
    pub equal: bool,
}

impl RedisComparison {
    fn new(facts: &RedisFacts, keys: u64) -> Self {
        Self {
            keys,
            expected: (facts.keys_before, facts.keys_after),
            expiring: facts.expiring,
            // Without a checksum the file may have been changed on its way, and nothing would have said so.
            equal: facts.is_checked && facts.may_have(keys),
        }
    }
}

impl fmt::Display for RedisComparison {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, after) = self.expected;
        write!(
            formatter,
            "{} keys came back of {before} to {after}, {} with an end",
            self.keys, self.expiring
        )
    }
}

/// Why a backup could not be proven either way, or could not be restored at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreProofError {
    /// It holds files of the application.
    #[error("restore {id} into a server: it holds files; choose a backup of a database or of Redis")]
    NotADatabase {
        /// The backup.
        id: String,
    },
    /// No disposable server.
    #[error("start a disposable server")]
    Start(#[from] StartError),
    /// A folder could not be made.
    #[error("make a folder for the disposable server")]
    Folder(#[source] std::io::Error),
    /// The dump did not go in.
    #[error("restore the backup")]
    Restore(#[from] RestoreError),
    /// The files did not come back.
    #[error("bring the files back")]
    Physical(#[from] RestorePhysicalError),
    /// The data of Redis did not come back.
    #[error("bring the data of Redis back")]
    Redis(#[from] RedisError),
    /// The disposable Redis could not be asked.
    #[error("count the keys that came back")]
    Keys(#[source] std::io::Error),
    /// The restored database could not be read.
    #[error("compare the restored database")]
    Compare(#[from] CompareError),
    /// The outcome could not be recorded.
    #[error("record the outcome with the backup")]
    Record(#[from] RepositoryError),
}

/// Restores a backup into a disposable server, compares, and records the outcome signed. A backup that cannot be restored
/// is recorded as not proven too, before the error is returned.
///
/// # Errors
/// When it could not be restored or looked at. A difference is no error.
pub async fn prove_backup(
    repository: &Repository,
    manifest: &Manifest,
    clock: &(dyn Fn() -> DateTime<Utc> + Send + Sync),
    progress: &Progress,
) -> Result<RestoreProof, RestoreProofError> {
    let began = Instant::now();
    let restored = match &manifest.content {
        Content::Database(facts) => dump(repository, manifest, facts, progress).await,
        Content::Physical(facts) => files(repository, manifest, &facts.databases, progress).await,
        Content::Redis(facts) => redis(repository, manifest, facts.clone()).await,
        _ => return Err(RestoreProofError::NotADatabase { id: manifest.id.to_string() }),
    };
    let restored = match restored {
        Ok(restored) => restored,
        Err(error) => {
            if is_the_backups(&error) {
                let failed =
                    Proof::new(clock(), ProofLevel::Restored, false, crate::step::error_chain(&error));
                repository.record(&manifest.id, &failed)?;
            }
            return Err(error);
        }
    };
    let proof = judged(&restored, clock());
    repository.record(&manifest.id, &proof)?;
    Ok(RestoreProof {
        equal: proof.passed,
        proof,
        restore_seconds: restored.seconds,
        seconds: began.elapsed().as_secs_f64(),
        comparisons: restored.comparisons,
        problems: restored.problems,
        redis: restored.redis,
    })
}

/// Whether the backup itself is at fault; that no server could be started or no key was given says nothing about it.
fn is_the_backups(error: &RestoreProofError) -> bool {
    match error {
        RestoreProofError::Restore(error) => match error {
            RestoreError::Tool { source, .. } => !matches!(source, ToolError::Start { .. }),
            error => matches!(error, RestoreError::Damaged { .. } | RestoreError::Read { .. }),
        },
        RestoreProofError::Redis(error) => matches!(error, RedisError::Damaged { .. }),
        RestoreProofError::Physical(error) => match error {
            RestorePhysicalError::Tool { source, .. } => !matches!(source, ToolError::Start { .. }),
            RestorePhysicalError::Damaged { .. }
            | RestorePhysicalError::Broken { .. }
            | RestorePhysicalError::Unprepared { .. } => true,
            _ => false,
        },
        _ => false,
    }
}

/// What stood in the server.
struct Restored {
    seconds: f64,
    comparisons: Vec<Comparison>,
    problems: Vec<TableProblem>,
    redis: Option<RedisComparison>,
}

fn judged(restored: &Restored, at: DateTime<Utc>) -> Proof {
    let proofs = restored.comparisons.iter().map(|compared| compared.proof(at, restored.seconds));
    let (mut passed, mut details) = (restored.problems.is_empty(), Vec::new());
    for proof in proofs {
        passed &= proof.passed;
        details.push(proof.detail);
    }
    let told = restored.problems.iter().take(3);
    details.extend(told.map(|problem| format!("CHECK TABLE {}: {}", problem.table, problem.what)));
    if let Some(redis) = &restored.redis {
        passed &= redis.equal;
        details.push(redis.to_string());
    }
    // Nothing compared is nothing proven.
    let is_compared = !restored.comparisons.is_empty() || restored.redis.is_some();
    Proof::new(at, ProofLevel::Restored, passed && is_compared, details.join("; "))
}

async fn dump(
    repository: &Repository,
    manifest: &Manifest,
    facts: &DatabaseFacts,
    progress: &Progress,
) -> Result<Restored, RestoreProofError> {
    // Under its own name: triggers and routines may name it.
    let mut options = roomy();
    options.databases = vec![facts.name.clone()];
    let (disposable, server) = start(options).await?;
    let restore = RestoreOptions::new();
    let report = restore_backup(repository, &manifest.id, &server, &facts.name, &restore, progress).await?;
    let compared = compare_restored(manifest, &server, &facts.name, progress).await?;
    end(disposable).await;
    Ok(Restored { seconds: report.seconds, comparisons: vec![compared], problems: Vec::new(), redis: None })
}

async fn files(
    repository: &Repository,
    manifest: &Manifest,
    databases: &[DatabaseFacts],
    progress: &Progress,
) -> Result<Restored, RestoreProofError> {
    let began = Instant::now();
    let root = tempfile::tempdir().map_err(RestoreProofError::Folder)?;
    let data = root.path().join("data");
    restore_physical(repository, &manifest.id, &data, &Tools::new(), WITHIN, progress).await?;
    let mut options = roomy();
    options.directory = Some(root.path().to_owned());
    let (disposable, server) = start(options).await?;
    let seconds = began.elapsed().as_secs_f64();
    let (mut comparisons, mut problems) = (Vec::new(), Vec::new());
    for facts in databases {
        comparisons.push(compare_restored(manifest, &server, &facts.name, progress).await?);
        problems.extend(check_tables(&server, &facts.name).await.map_err(CompareError::from)?);
    }
    end(disposable).await;
    Ok(Restored { seconds, comparisons, problems, redis: None })
}

/// A server is started on the file, and asked how many keys it has.
async fn redis(
    repository: &Repository,
    manifest: &Manifest,
    facts: RedisFacts,
) -> Result<Restored, RestoreProofError> {
    let (repository, id) = (repository.clone(), manifest.id.clone());
    let work = move || {
        let began = Instant::now();
        let root = tempfile::tempdir().map_err(RestoreProofError::Folder)?;
        restore_redis(&repository, &id, &root.path().join("data"))?;
        let mut options = RedisOptions::new();
        options.directory = Some(root.path().to_owned());
        // With it the server would take no notice of the file, and begin empty.
        options.append_only = false;
        let server = Redis::start(&options)?;
        let seconds = began.elapsed().as_secs_f64();
        let told = server.command(&["INFO", "keyspace"]).map_err(RestoreProofError::Keys)?;
        let compared = RedisComparison::new(&facts, keys(&told));
        Ok(Restored { seconds, comparisons: Vec::new(), problems: Vec::new(), redis: Some(compared) })
    };
    tokio::task::spawn_blocking(work).await.expect("starting a server does not panic")
}

/// Keys of all databases, by `db0:keys=200,expires=0,avg_ttl=0`.
fn keys(told: &str) -> u64 {
    let fields = told.lines().filter(|line| line.starts_with("db")).flat_map(|line| line.split([':', ',']));
    fields.filter_map(|field| field.strip_prefix("keys=")?.trim().parse::<u64>().ok()).sum()
}

/// The default redo log of a disposable server is tiny; a restore writes a lot.
fn roomy() -> MariaDbOptions {
    let mut options = MariaDbOptions::new();
    options.settings =
        ["--innodb-buffer-pool-size=256M", "--innodb-log-file-size=128M"].map(str::to_owned).to_vec();
    options
}

async fn start(options: MariaDbOptions) -> Result<(Arc<MariaDb>, Server), RestoreProofError> {
    let starting = tokio::task::spawn_blocking(move || MariaDb::start(&options));
    let disposable = Arc::new(starting.await.expect("starting a server does not panic")?);
    let server = Server::parse(&SecretString::from(disposable.url(""))).expect("a sandbox's address is one");
    Ok((disposable, server))
}

async fn end(disposable: Arc<MariaDb>) {
    tokio::task::spawn_blocking(move || drop(disposable)).await.expect("stopping a server does not panic");
}

/// Bringing files back takes a fraction of loading a dump; eight hours is a large server.
const WITHIN: Duration = Duration::from_secs(8 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redis_that_took_no_notice_of_the_file_is_not_equal() {
        let facts = |checked: bool| -> RedisFacts {
            let text = format!(
                r#"{{"server_version":"7.0.15","keys_before":200,"keys_after":210,"expiring":5,"is_checked":{checked}}}"#
            );
            serde_json::from_str(&text).expect("facts as a manifest has them")
        };
        let is_equal = |checked, keys| RedisComparison::new(&facts(checked), keys).equal;
        assert!(is_equal(true, 200) && is_equal(true, 195) && is_equal(true, 210));
        assert!(!is_equal(true, 0) && !is_equal(true, 194) && !is_equal(true, 211));
        assert!(!is_equal(false, 200), "nobody knows what was changed on its way");
        let told = "# Keyspace\r\ndb0:keys=200,expires=5,avg_ttl=0\r\ndb3:keys=10,expires=0,avg_ttl=0\r\n";
        assert_eq!((keys(told), keys("# Keyspace")), (210, 0));
    }
}
