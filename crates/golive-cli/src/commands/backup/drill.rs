//! `backup drill`: the newest backup, restored into a disposable server, compared with its own record.
//!
//! Not here: how (golive).

use golive::{RestoreProof, RestoreProofError, prove_backup};
use golive_backup::{Manifest, Repository};
use serde_json::json;

use super::failure::ToFailure;
use super::{Place, moving, open};
use crate::args::Global;
use crate::clock;
use crate::commands::support::{Meter, show};
use crate::exit::{End, Failure, Result};

pub(super) async fn run(global: &Global, place: &Place) -> Result {
    let repository = open(global, place)?;
    let all = repository.list().map_err(ToFailure::failure)?;
    let newest = all
        .into_iter()
        .filter(|manifest| manifest.database().is_some() || manifest.physical().is_some())
        .max_by_key(|manifest| manifest.id.sequence());
    let manifest = newest
        .ok_or_else(|| Failure::usage("find a backup of a database: take one with `golive backup create`"))?;
    let drilled = prove(global, &repository, &manifest).await?;
    show(global, &json!({ "backup": manifest.id, "equal": drilled.equal, "drill": drilled }), || {
        text(&manifest, &drilled)
    });
    Ok(if drilled.equal { End::Ready } else { End::NotReady })
}

/// Restores and compares, with a moving line.
pub(super) async fn prove(
    global: &Global,
    repository: &Repository,
    manifest: &Manifest,
) -> std::result::Result<RestoreProof, Failure> {
    let meter = Meter::new(global, "starting a disposable server");
    let drilled = prove_backup(repository, manifest, &clock::now, &moving(&meter)).await;
    meter.clear();
    drilled.map_err(|error| match error {
        RestoreProofError::Restore(error) => error.failure(),
        RestoreProofError::Physical(error) => error.failure(),
        error => Failure::reach(error),
    })
}

/// What an operator reads of it.
pub(super) fn text(manifest: &Manifest, drilled: &RestoreProof) -> String {
    let tables: usize = drilled.comparisons.iter().map(|compared| compared.tables).sum();
    let rows: u64 = drilled.comparisons.iter().map(|compared| compared.rows).sum();
    let mut lines = vec![format!(
        "backup {}: {tables} tables, {rows} rows restored in {:.1} s, {}",
        manifest.id,
        drilled.restore_seconds,
        if drilled.equal { "every table equal" } else { "NOT equal" }
    )];
    let differences = drilled.comparisons.iter().flat_map(|compared| &compared.differences);
    lines.extend(differences.map(|difference| format!("  {difference}")));
    lines.extend(
        drilled.problems.iter().map(|problem| format!("  CHECK TABLE {}: {}", problem.table, problem.what)),
    );
    lines.join("\n")
}
