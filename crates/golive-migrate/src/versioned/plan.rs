//! The dry run: every statement that `up` would send, in order. Reads only.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use sea_orm_migration::MigrationTrait;
use serde::Serialize;

use super::capture::{self, Answers, Recording, Way};
use super::error::VersionedError;
use super::evidence::Effect;
use super::finding::{VersionedFinding, Weight};
use super::migrations::{Item, Migrations, Work};
use super::options::VersionedOptions;
use super::reconcile::Standing;
use super::session::Session;
use super::statement;
use super::status::{dialect, examine};

/// What `up` would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct VersionedPlan {
    /// `host:port/database`.
    pub target: String,
    /// Migrations that would run, in order.
    pub migrations: Vec<PlannedMigration>,
    /// What is wrong; errors among them bar the run.
    pub findings: Vec<VersionedFinding>,
}

/// The statements of one migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PlannedMigration {
    /// Its name.
    pub name: String,
    /// Every statement as it would be sent.
    pub statements: Vec<String>,
    /// How far the statements can be relied on.
    pub notes: Vec<String>,
}

impl VersionedPlan {
    /// Whether `up` would be barred.
    pub fn is_barred(&self) -> bool {
        self.findings.iter().any(|finding| finding.weight == Weight::Error)
    }
}

/// Every statement that [`schema_up`](crate::schema_up) would send, also those of Rust migrations, which are handed a
/// connection that only records. Changes nothing.
///
/// # Errors
/// When the database cannot be looked at.
pub async fn schema_plan(
    migrations: &Migrations,
    options: &VersionedOptions,
) -> Result<VersionedPlan, VersionedError> {
    let session = Session::open(options, dialect(migrations)).await?;
    let plan = plan(&session, migrations, options).await;
    session.close().await;
    plan
}

async fn plan(
    session: &Session,
    migrations: &Migrations,
    options: &VersionedOptions,
) -> Result<VersionedPlan, VersionedError> {
    let status = examine(session, migrations).await?;
    let mut planned = Vec::new();
    for one in &status.migrations {
        let Some(item) = migrations.item(&one.name) else { continue };
        let from = match (one.standing, &one.half) {
            (Standing::Pending, _) => 0,
            (Standing::HalfRun, Some(half)) => {
                (half.statement as usize).saturating_sub(usize::from(half.effect != Effect::Done))
            }
            _ => continue,
        };
        if planned.len() < options.steps.unwrap_or(usize::MAX) {
            planned.push(of_item(session, item, from, options.lock_wait_seconds).await?);
        }
    }
    let findings =
        status.findings.into_iter().filter(|finding| !finding.accepted_by(&options.accept)).collect();
    Ok(VersionedPlan { target: session.target.clone(), migrations: planned, findings })
}

/// The statements of one migration from an index on, as the database is now.
pub(crate) async fn of_item(
    session: &Session,
    item: &Item,
    from: usize,
    wait_seconds: u32,
) -> Result<PlannedMigration, VersionedError> {
    let (statements, notes) = match &item.work {
        Work::Files { up, .. } => {
            let sent = |piece: &super::split::Piece| {
                statement::parse(&piece.sql).with_wait(&piece.sql, wait_seconds)
            };
            let statements = up.iter().skip(from).map(sent).collect();
            (statements, if from > 0 { vec![format!("statements 1 to {from} are done")] } else { Vec::new() })
        }
        Work::Rust(migration) => {
            let recording = follow(session, migration.as_ref()).await?;
            let mut notes = Vec::new();
            if recording.reads_rows {
                notes.push(
                    "it reads rows, which a dry run answers with none: what comes after may differ"
                        .to_owned(),
                );
            }
            notes
                .extend(recording.error.map(|error| format!("it could not be followed to its end: {error}")));
            (recording.statements, notes)
        }
    };
    Ok(PlannedMigration { name: item.name.clone(), statements, notes })
}

/// Records a Rust migration, its questions answered by the database: each new one is asked, and the recording begins anew.
async fn follow(session: &Session, migration: &dyn MigrationTrait) -> Result<Recording, VersionedError> {
    let mut known = BTreeMap::new();
    loop {
        let recording = capture::record(migration, Way::Up, Answers::Known(known.clone())).await;
        let Some(question) = recording.question.clone().filter(|_| known.len() < QUESTIONS) else {
            return Ok(recording);
        };
        let orm = session.orm();
        let row = orm.query_one_raw(Statement::from_string(DbBackend::MySql, question.clone())).await;
        let answer = row.and_then(|row| row.map_or(Ok(false), |row| row.try_get_by_index(0)));
        let failed = |source| VersionedError::Orm { doing: "answer a question of a migration", source };
        known.insert(question, answer.map_err(failed)?);
    }
}

/// More than any migration asks; an end to one that never stops asking.
const QUESTIONS: usize = 1000;
