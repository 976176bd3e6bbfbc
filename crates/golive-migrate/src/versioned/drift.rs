//! Drift: the live schema against what its applied migrations make on a disposable server. The live database is read
//! and nothing else.

use std::collections::BTreeSet;

use serde::Serialize;

use super::disposable::{DisposableServer, Likeness};
use super::error::VersionedError;
use super::finding::{DRIFT, FAILS, VersionedFinding, Weight};
use super::migrations::Migrations;
use super::options::VersionedOptions;
use super::prove::snapshot;
use super::reconcile::VersionedStatus;
use super::run::schema_up;
use super::session::Session;
use super::snapshot::{SchemaDeviation, Snapshot};
use super::status::{dialect, examine};

/// What differs between the live schema and its migrations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SchemaDrift {
    /// `host:port/database`.
    pub target: String,
    /// The live server's version.
    pub server_version: String,
    /// The disposable server's version. Two versions may write the same definition in two ways.
    pub disposable_version: String,
    /// Applied migrations that were run there.
    pub applied: usize,
    /// Every difference.
    pub deviations: Vec<SchemaDeviation>,
    /// The same as findings, and what else is wrong.
    pub findings: Vec<VersionedFinding>,
    #[serde(skip)]
    pub(crate) expected: Snapshot,
    #[serde(skip)]
    pub(crate) live: Snapshot,
    #[serde(skip)]
    pub(crate) likeness: Likeness,
    #[serde(skip)]
    pub(crate) status: VersionedStatus,
}

impl SchemaDrift {
    /// Whether the live schema is what its migrations make, and all of that could be looked at.
    pub fn is_none(&self) -> bool {
        self.deviations.is_empty() && !self.findings.iter().any(|finding| finding.weight == Weight::Error)
    }
}

/// Runs the migrations that a database has applied on a disposable server, and compares both schemas: tables, columns,
/// types, defaults, collations, indexes, foreign keys, checks, views, triggers, routines, events.
///
/// # Errors
/// When one of the servers cannot be worked with.
pub async fn schema_drift(
    migrations: &Migrations,
    options: &VersionedOptions,
    server: &DisposableServer,
) -> Result<SchemaDrift, VersionedError> {
    let session = Session::open(options, dialect(migrations)).await?;
    let seen = look(&session, migrations).await;
    session.close().await;
    let (status, live, likeness) = seen?;
    let (scratch, ran) = rebuild(migrations, &status, server, &likeness).await?;
    let mut findings: Vec<VersionedFinding> =
        status.findings.iter().filter(|finding| !finding.accepted_by(&options.accept)).cloned().collect();
    let (mut expected, mut deviations) = (Snapshot::default(), Vec::new());
    match ran {
        Ok(_) => {
            expected = snapshot(migrations, &scratch).await?;
            deviations = expected.compare(&live);
        }
        // Half a schema is nothing to compare with.
        Err(finding) => findings.push(*finding),
    }
    findings.extend(deviations.iter().map(|deviation| {
        VersionedFinding::new(&DRIFT, deviation.place(), deviation.what("the migrations", "the database"))
    }));
    findings.retain(|finding| !finding.accepted_by(&options.accept));
    Ok(SchemaDrift {
        target: status.target.clone(),
        server_version: likeness.version.clone().unwrap_or_default(),
        disposable_version: server.version().to_owned(),
        applied: status.migrations.iter().filter(|one| one.standing.is_applied()).count(),
        deviations,
        findings,
        expected,
        live,
        likeness,
        status,
    })
}

async fn look(
    session: &Session,
    migrations: &Migrations,
) -> Result<(VersionedStatus, Snapshot, Likeness), VersionedError> {
    let status = examine(session, migrations).await?;
    let live = Snapshot::read(session, migrations.books()).await?;
    Ok((status, live, Likeness::of(session).await?))
}

/// Runs what a database has applied on a database like it; the inner error says which migration does not run there.
pub(crate) async fn rebuild(
    migrations: &Migrations,
    status: &VersionedStatus,
    server: &DisposableServer,
    likeness: &Likeness,
) -> Result<(VersionedOptions, Result<(), Box<VersionedFinding>>), VersionedError> {
    let mut scratch = server.fresh("golive_schema_drift", likeness).await?;
    let applied: BTreeSet<String> = status
        .migrations
        .iter()
        .filter(|one| one.standing.is_applied())
        .map(|one| one.name.clone())
        .collect();
    scratch.only = Some(applied);
    let run = schema_up(migrations, &scratch, &|_| {}).await?;
    scratch.only = None;
    let failed = run.stopped.map(|stopped| {
        let line = stopped.line.map(|line| format!(" (line {line})")).unwrap_or_default();
        let what = format!(
            "it is applied, and does not run on an empty database: statement {}{line}: {}",
            stopped.statement, stopped.reason
        );
        Box::new(VersionedFinding::new(&FAILS, &stopped.migration, what))
    });
    let barred = run.findings.into_iter().next().map(Box::new);
    Ok((scratch, failed.or(barred).map_or(Ok(()), Err)))
}
