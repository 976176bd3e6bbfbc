//! Proves on a disposable server that every migration goes up, down and up again, and that the schema is the same
//! afterwards. No live database is touched here.

use std::collections::BTreeMap;

use serde::Serialize;

use super::disposable::{DisposableServer, Likeness};
use super::error::VersionedError;
use super::finding::{DOWN_LEAVES, FAILS, NO_DOWN, UP_DIFFERS, VersionedFinding, Weight};
use super::migrations::Migrations;
use super::options::VersionedOptions;
use super::report::VersionedRun;
use super::run::{schema_down, schema_up};
use super::session::Session;
use super::snapshot::{SchemaDeviation, Snapshot};
use super::status::dialect;

/// What the proof saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MigrationProof {
    /// The disposable server's version.
    pub server_version: String,
    /// Migrations that went up.
    pub applied: usize,
    /// Those of them that went down and up again.
    pub taken_back: usize,
    /// Tables after all of them.
    pub tables: usize,
    /// What is wrong.
    pub findings: Vec<VersionedFinding>,
}

impl MigrationProof {
    /// Whether up, down and up again came to the same schema.
    pub fn holds(&self) -> bool {
        !self.findings.iter().any(|finding| finding.weight == Weight::Error)
    }
}

/// Applies all migrations to an empty database of a disposable server, takes them back one by one as far as they have a
/// way back, applies them again, and compares the schema after each step.
///
/// ```no_run
/// # async fn demo(url: secrecy::SecretString) -> Result<(), Box<dyn std::error::Error>> {
/// use golive_migrate::{DisposableServer, Migrations, prove_migrations};
/// let server = DisposableServer::dangerous_claim(url).await?;
/// let proof = prove_migrations(&Migrations::read("migrations".as_ref())?, &server).await?;
/// assert!(proof.holds(), "{:?}", proof.findings);
/// # Ok(()) }
/// ```
///
/// # Errors
/// When the server cannot be worked with. What is wrong with a migration is a finding.
pub async fn prove_migrations(
    migrations: &Migrations,
    server: &DisposableServer,
) -> Result<MigrationProof, VersionedError> {
    prove_like(migrations, server, &Likeness::default()).await
}

pub(crate) async fn prove_like(
    migrations: &Migrations,
    server: &DisposableServer,
    likeness: &Likeness,
) -> Result<MigrationProof, VersionedError> {
    let options = server.fresh("golive_schema_proof", likeness).await?;
    let mut proof = MigrationProof {
        server_version: server.version().to_owned(),
        applied: 0,
        taken_back: 0,
        tables: 0,
        findings: Vec::new(),
    };
    let Some(after) = step_up(migrations, &options, &mut proof).await? else { return Ok(proof) };
    let top = snapshot(migrations, &options).await?;
    proof.tables = top.tables.len();
    let ways_back = step_down(migrations, &options, &after, &mut proof).await?;
    if !proof.holds() {
        return Ok(proof);
    }
    let again = schema_up(migrations, &options, &|_| {}).await?;
    if fails(&again, "a second time", &mut proof) {
        return Ok(proof);
    }
    proof.taken_back = ways_back;
    for deviation in top.compare(&snapshot(migrations, &options).await?) {
        let what = deviation.what("the first up", "the second");
        proof.findings.push(VersionedFinding::new(&UP_DIFFERS, deviation.place(), what));
    }
    Ok(proof)
}

/// Applies one after the other and keeps the schema before each.
async fn step_up(
    migrations: &Migrations,
    options: &VersionedOptions,
    proof: &mut MigrationProof,
) -> Result<Option<BTreeMap<String, Snapshot>>, VersionedError> {
    let mut one = options.clone();
    one.steps = Some(1);
    let mut before = BTreeMap::new();
    for name in migrations.names() {
        before.insert(name.to_owned(), snapshot(migrations, options).await?);
        let run = schema_up(migrations, &one, &|_| {}).await?;
        if fails(&run, "up", proof) {
            return Ok(None);
        }
        proof.applied += run.ran.len();
    }
    Ok(Some(before))
}

/// Takes one after the other back, and looks whether the schema is what it was before it.
async fn step_down(
    migrations: &Migrations,
    options: &VersionedOptions,
    before: &BTreeMap<String, Snapshot>,
    proof: &mut MigrationProof,
) -> Result<usize, VersionedError> {
    let names: Vec<&str> = migrations.names().collect();
    for (count, name) in names.iter().rev().enumerate() {
        if migrations.item(name).is_some_and(|item| !item.has_down) {
            let what =
                format!("it has no way back, so {} migrations were not tried downwards", names.len() - count);
            proof.findings.push(VersionedFinding::new(&NO_DOWN, *name, what));
            return Ok(count);
        }
        let run = schema_down(migrations, options, &|_| {}).await?;
        if fails(&run, "down", proof) {
            return Ok(count);
        }
        let left: Vec<SchemaDeviation> = match before.get(*name) {
            Some(before) => before.compare(&snapshot(migrations, options).await?),
            None => Vec::new(),
        };
        for deviation in left {
            let what = format!(
                "after its down, at {}: {}",
                deviation.place(),
                deviation.what("the schema before it", "the schema after")
            );
            proof.findings.push(VersionedFinding::new(&DOWN_LEAVES, *name, what));
        }
    }
    Ok(names.len())
}

fn fails(run: &VersionedRun, way: &str, proof: &mut MigrationProof) -> bool {
    if let Some(stopped) = &run.stopped {
        let line = stopped.line.map(|line| format!(" (line {line})")).unwrap_or_default();
        let what = format!("{way}: statement {}{line}: {}", stopped.statement, stopped.reason);
        proof.findings.push(VersionedFinding::new(&FAILS, &stopped.migration, what));
    }
    proof.findings.extend(run.findings.iter().cloned());
    !run.is_done()
}

/// The schema as it is.
pub(crate) async fn snapshot(
    migrations: &Migrations,
    options: &VersionedOptions,
) -> Result<Snapshot, VersionedError> {
    let session = Session::open(options, dialect(migrations)).await?;
    let read = Snapshot::read(&session, migrations.books()).await;
    session.close().await;
    read
}
