//! `backup drill`: the newest backup of a database, and the newest of Redis, restored into disposable servers and compared
//! with their own records.
//!
//! Not here: how (golive).

use golive::{RestoreProof, RestoreProofError, prove_backup};
use golive_backup::{Content, Manifest, Repository};
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
    let newest = |wanted: fn(&Content) -> bool| {
        let of_kind = all.iter().filter(|manifest| wanted(&manifest.content));
        of_kind.max_by_key(|manifest| manifest.id.sequence())
    };
    let database = newest(|content| matches!(content, Content::Database(_) | Content::Physical(_)));
    let redis = newest(|content| matches!(content, Content::Redis(_)));
    let mut drilled = Vec::new();
    for manifest in [database, redis].into_iter().flatten() {
        drilled.push((manifest, prove(global, &repository, manifest).await?));
    }
    let Some((first, of_first)) = drilled.first() else {
        return Err(Failure::usage("find a backup of a database: take one with `golive backup create`"));
    };
    let equal = drilled.iter().all(|(_, drilled)| drilled.equal);
    let all: Vec<_> = drilled
        .iter()
        .map(|(manifest, drilled)| json!({ "backup": manifest.id, "equal": drilled.equal, "drill": drilled }))
        .collect();
    show(global, &json!({ "backup": first.id, "equal": equal, "drill": of_first, "all": all }), || {
        let texts: Vec<String> = drilled.iter().map(|(manifest, drilled)| text(manifest, drilled)).collect();
        texts.join("\n")
    });
    Ok(if equal { End::Ready } else { End::NotReady })
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
        RestoreProofError::Redis(error) => super::redis::failure(error),
        error => Failure::reach(error),
    })
}

/// What an operator reads of it.
pub(super) fn text(manifest: &Manifest, drilled: &RestoreProof) -> String {
    if let Some(redis) = &drilled.redis {
        let said = if drilled.equal { "as it was recorded" } else { "NOT as it was recorded" };
        return format!(
            "backup {}: {redis}, restored in {:.1} s, {said}",
            manifest.id, drilled.restore_seconds
        );
    }
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
