//! Rehearses disasters of the database on disposable servers with a copy of the application's data: rows are written
//! all the time, something terrible happens, and what an operator would type brings the data back. What is typed is
//! really run, with the built program, and timed; the page for the runbook is made of that and cannot rot.
//!
//! Not here: how backups and archives work (golive-backup). What a lost Redis or a cut network does to the running
//! application is seen by steps of the rehearsal; here is what it does to the data.

mod full_disk;
mod page;
mod partition;
mod redis_loss;
mod stage;

use std::path::PathBuf;
use std::time::Instant;

use chrono::{DateTime, Utc};
use golive_backup::{BackupId, Server, check_tables};
use secrecy::SecretString;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use self::stage::{Stage, Writer};
pub use page::render_disasters;

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Disaster {
    /// Somebody drops a table while rows are written to it.
    DroppedTable,
    /// The server is killed while rows are written, and its disk is gone.
    ServerLoss,
    /// Bytes of a table's file are overwritten.
    Corruption,
    /// The disk of the backups runs full while one is taken.
    FullDisk,
    /// The network between the application and its database is cut, and comes back.
    NetworkPartition,
    /// Redis is killed while keys are written, and its disk is gone.
    RedisLoss,
}

impl Disaster {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::DroppedTable,
        Self::ServerLoss,
        Self::Corruption,
        Self::FullDisk,
        Self::NetworkPartition,
        Self::RedisLoss,
    ];

    /// The word for it on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::DroppedTable => "dropped-table",
            Self::ServerLoss => "server-loss",
            Self::Corruption => "corruption",
            Self::FullDisk => "full-disk",
            Self::NetworkPartition => "network-partition",
            Self::RedisLoss => "redis-loss",
        }
    }
}

impl std::str::FromStr for Disaster {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|disaster| disaster.word() == word);
        found.ok_or_else(|| format!("choose one of {}", Self::ALL.map(Self::word).join(", ")))
    }
}

/// Where the data comes from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DisasterOptions {
    /// The built `golive`.
    pub program: PathBuf,
    /// The repository of the application's backups.
    pub repository: PathBuf,
    /// Its key file.
    pub key_file: PathBuf,
    /// The backup whose data is used.
    pub backup: BackupId,
    /// The database in it.
    pub database: String,
    /// Reads the clock.
    pub clock: fn() -> DateTime<Utc>,
    /// Ends the rehearsal with the command that runs when it is triggered.
    pub cancel: CancellationToken,
}

impl DisasterOptions {
    /// All of it is needed; nothing ends it.
    pub fn new(
        program: PathBuf,
        repository: PathBuf,
        key_file: PathBuf,
        backup: BackupId,
        database: String,
        clock: fn() -> DateTime<Utc>,
    ) -> Self {
        let cancel = CancellationToken::new();
        Self { program, repository, key_file, backup, database, clock, cancel }
    }
}

/// A command that was run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Executed {
    /// As it was typed, with `$REPOSITORY` and `$KEY` for the places.
    pub command: String,
    /// How long it took.
    pub seconds: f64,
}

/// What a rehearsal of a disaster showed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DisasterReport {
    /// What happened.
    pub disaster: Disaster,
    /// When.
    pub at: DateTime<Utc>,
    /// Seconds from the disaster until the data was back (RTO).
    pub recovery_seconds: f64,
    /// Seconds of commits that were lost (RPO): from the last that came back to the last that the writer was told of.
    pub lost_seconds: f64,
    /// Rows that the server had confirmed.
    pub committed: u64,
    /// Rows that came back.
    pub recovered: u64,
    /// How the disaster was noticed, a sentence.
    pub noticed: String,
    /// What was run to recover, in order.
    pub commands: Vec<Executed>,
}

impl DisasterReport {
    /// Whether no confirmed row is missing.
    pub fn lost_nothing(&self) -> bool {
        self.recovered >= self.committed
    }
}

/// Why a disaster could not be rehearsed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DisasterError {
    /// A disposable server or a program could not be started, or did not answer.
    #[error("{doing}")]
    Stage {
        /// What was being done, as a verb.
        doing: &'static str,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A command of the recovery failed: that is a finding about the recovery, and its words are in it.
    #[error("recover by `{command}`: {said}")]
    Command {
        /// The command.
        command: String,
        /// The end of what it said.
        said: String,
    },
    /// Something did not come to pass in time.
    #[error("see {what} within {seconds} s")]
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// The limit.
        seconds: u64,
    },
    /// It was ended from outside.
    #[error("finish the rehearsal: it was ended, rehearse again")]
    Ended,
    /// The damage was not noticed: a recovery would never have begun.
    #[error("notice the damage: every table was found in order, or half a backup was taken for a whole one")]
    Unnoticed,
}

impl DisasterError {
    /// Whether it is a finding about the recovery; else nothing was learnt, and the stage is to be looked at.
    pub fn is_finding(&self) -> bool {
        matches!(self, Self::Command { .. } | Self::Unnoticed)
    }
}

/// A disaster that was not survived, or could not be rehearsed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DisasterFailure {
    /// Which.
    pub disaster: Disaster,
    /// When it was tried.
    pub at: DateTime<Utc>,
    /// Whether the recovery failed; else nothing is known.
    pub is_finding: bool,
    /// Why, a sentence.
    pub said: String,
}

impl DisasterFailure {
    /// What a failed rehearsal leaves.
    pub fn new(disaster: Disaster, at: DateTime<Utc>, error: &DisasterError) -> Self {
        Self { disaster, at, is_finding: error.is_finding(), said: crate::step::error_chain(error) }
    }
}

/// Rehearses one disaster. Blocks for as long as it takes; everything it starts ends with it.
///
/// # Errors
/// When the stage could not be set, or a command of the recovery failed.
pub fn rehearse_disaster(
    options: &DisasterOptions,
    disaster: Disaster,
) -> Result<DisasterReport, DisasterError> {
    if disaster == Disaster::RedisLoss {
        return redis_loss::rehearse(options);
    }
    let stage = Stage::set(options)?;
    let writer = Writer::start(&stage)?;
    writer.wait_for(ROWS_BEFORE)?;
    stage.turn_log()?;
    writer.wait_for(2 * ROWS_BEFORE)?;
    match disaster {
        Disaster::DroppedTable => dropped_table(options, &stage, writer),
        Disaster::ServerLoss => server_loss(options, &stage, writer),
        Disaster::Corruption => corruption(options, &stage, writer),
        Disaster::FullDisk => full_disk::rehearse(options, &stage, writer),
        Disaster::NetworkPartition => partition::rehearse(options, &stage, writer),
        Disaster::RedisLoss => redis_loss::rehearse(options),
    }
}

fn dropped_table(
    options: &DisasterOptions,
    stage: &Stage,
    writer: Writer,
) -> Result<DisasterReport, DisasterError> {
    let (began, at) = (Instant::now(), (options.clock)());
    stage.execute("DROP TABLE golive_drill")?;
    let written = writer.end();
    stage.wait_archived()?;
    let mut commands = Vec::new();
    let found = stage.golive(
        &["find-event", "--table", "golive_drill", "--kind", "drop", "--format", "json"],
        None,
        &mut commands,
    )?;
    let found: serde_json::Value =
        serde_json::from_str(&found).map_err(stage::doing("read what was found"))?;
    let gtid = found["changes"][0]["gtid"].as_str().unwrap_or_default().to_owned();
    let copy = stage.empty_server()?;
    stage.golive(&["restore", "--before", &gtid, "--target", "env:TARGET"], Some(&copy), &mut commands)?;
    let noticed = "the application's statements failed, and find-event named the DROP".to_owned();
    written.report(stage, &copy, Disaster::DroppedTable, at, began, noticed, commands)
}

fn server_loss(
    options: &DisasterOptions,
    stage: &Stage,
    writer: Writer,
) -> Result<DisasterReport, DisasterError> {
    let (began, at) = (Instant::now(), (options.clock)());
    stage.lose_server()?;
    let written = writer.end();
    let mut commands = Vec::new();
    let copy = stage.empty_server()?;
    stage.golive(&["restore", "--to", "latest", "--target", "env:TARGET"], Some(&copy), &mut commands)?;
    let noticed = "the server did not answer".to_owned();
    written.report(stage, &copy, Disaster::ServerLoss, at, began, noticed, commands)
}

fn corruption(
    options: &DisasterOptions,
    stage: &Stage,
    writer: Writer,
) -> Result<DisasterReport, DisasterError> {
    let written = writer.end();
    let (began, at) = (Instant::now(), (options.clock)());
    stage.overwrite_table()?;
    let server = Server::parse(&SecretString::from(stage.url())).map_err(stage::doing("read an address"))?;
    let checked = tokio::runtime::Handle::current().block_on(check_tables(&server, &options.database));
    let noticed = match checked {
        Ok(problems) if problems.is_empty() => return Err(DisasterError::Unnoticed),
        Ok(problems) => format!("CHECK TABLE said of {}: {}", problems[0].table, problems[0].what),
        Err(_) => "the server gave up when it read the table".to_owned(),
    };
    let mut commands = Vec::new();
    let copy = stage.empty_server()?;
    stage.golive(&["restore", "--to", "latest", "--target", "env:TARGET"], Some(&copy), &mut commands)?;
    written.report(stage, &copy, Disaster::Corruption, at, began, noticed, commands)
}

/// So many rows are written before each turn of the play.
const ROWS_BEFORE: u64 = 20;
