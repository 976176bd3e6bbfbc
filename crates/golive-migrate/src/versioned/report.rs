//! What a run did, and what it says while it runs. Plain data.

use serde::Serialize;

use super::evidence::Effect;
use super::finding::{VersionedFinding, Weight};
use super::journal::Direction;

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct VersionedRun {
    /// `host:port/database`.
    pub target: String,
    /// Migrations that were applied or taken back, in order.
    pub ran: Vec<RanMigration>,
    /// Migrations that something else had applied and that are in golive's journal now.
    pub recognized: Vec<String>,
    /// Where it stopped, if it did.
    pub stopped: Option<Stopped>,
    /// What is wrong, heaviest first; nothing was run where one of them bars a run.
    pub findings: Vec<VersionedFinding>,
}

/// A migration that was applied or taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RanMigration {
    /// Its name.
    pub name: String,
    /// Which way.
    pub direction: Direction,
    /// How long it took, of this run.
    pub milliseconds: u64,
    /// Statements that an earlier run had done.
    pub resumed_after: usize,
}

/// Where and why a run stopped; what was done before it stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Stopped {
    /// The migration.
    pub migration: String,
    /// Which way.
    pub direction: Direction,
    /// The statement, from 1; for a Rust migration, how many had changed something.
    pub statement: usize,
    /// Its line in the file.
    pub line: Option<usize>,
    /// The statement's beginning.
    pub sql: Option<String>,
    /// What the server said, without values.
    pub reason: String,
    /// Whether the statement took effect.
    pub effect: Effect,
}

impl VersionedRun {
    pub(crate) fn new(target: &str) -> Self {
        Self {
            target: target.to_owned(),
            ran: Vec::new(),
            recognized: Vec::new(),
            stopped: None,
            findings: Vec::new(),
        }
    }

    /// Whether everything that was to be done is done.
    pub fn is_done(&self) -> bool {
        self.stopped.is_none() && !self.findings.iter().any(|finding| finding.weight == Weight::Error)
    }
}

/// What a run says while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum VersionedEvent {
    /// A migration begins.
    Begins {
        /// Its name.
        migration: String,
        /// Which way.
        direction: Direction,
    },
    /// A statement of a file begins.
    Statement {
        /// The migration.
        migration: String,
        /// Which, from 1.
        number: usize,
        /// Of how many.
        of: usize,
    },
    /// A statement did not get its lock, and lets those behind it pass before it tries again.
    Waiting {
        /// The migration.
        migration: String,
        /// How often it was tried.
        tried: u32,
        /// How often it will be.
        of: u32,
        /// Who may hold the lock.
        blockers: Vec<String>,
    },
}

/// Takes what a run says.
pub type OnVersionedEvent<'a> = &'a (dyn Fn(VersionedEvent) + Send + Sync);

/// The beginning of a statement, as one line, without its values.
pub(crate) fn head(sql: &str) -> String {
    let line = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = line.find(['\'', '"']).unwrap_or(line.len());
    let cut: String = line[..end].chars().take(100).collect();
    if cut.len() < line.len() { format!("{}…", cut.trim_end()) } else { cut }
}
