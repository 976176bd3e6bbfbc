//! `backup create --physical` and bringing such a backup back.

use std::path::Path;
use std::time::Duration;

use golive_backup::{
    BackupId, DatabaseFacts, PhysicalOptions, Repository, Server, SnapshotMethod, Tools, create_physical,
    restore_physical,
};
use serde_json::json;

use super::failure::ToFailure;
use super::{CreateArgs, advice, moving, open_to_write, prove_if_due};
use crate::args::Global;
use crate::clock;
use crate::commands::support::{Meter, show};
use crate::exit::{End, Result};

/// Bringing files back takes a fraction of loading a dump; eight hours is a large server.
const WITHIN: Duration = Duration::from_secs(8 * 60 * 60);

pub(super) async fn create(global: &Global, args: &CreateArgs, server: &Server) -> Result {
    let repository = open_to_write(global, &args.place)?;
    let mut options = PhysicalOptions::new();
    options.base.clone_from(&args.base);
    options.bytes_a_second = args.bytes_a_second();
    options.digests = args.digests();
    let meter = Meter::new(global, "copying the server's files");
    let manifest = create_physical(server, &repository, &options, clock::now(), &moving(&meter)).await;
    meter.clear();
    let manifest = manifest.map_err(ToFailure::failure)?;
    let advice = advice(&manifest, args.restore_within_minutes);
    let value = json!({ "repository": repository.directory(), "backup": manifest, "engine": advice });
    show(global, &value, || {
        let facts = manifest.physical().expect("a physical backup was taken");
        let rows: u64 = facts.databases.iter().map(DatabaseFacts::rows).sum();
        let exact = match facts.snapshot {
            SnapshotMethod::Locked => "of the same moment",
            _ => "of about the same moment: a difference may be a write meanwhile",
        };
        format!(
            "backup {} of the files of {} databases with {rows} rows, digests {exact}; {} bytes stored in {} s, commits held for {} ms{}",
            manifest.id,
            facts.databases.len(),
            manifest.stored_bytes(),
            manifest.duration_seconds.round(),
            facts.lock_milliseconds,
            advice.as_ref().map(|advice| format!("\n  {advice}")).unwrap_or_default()
        )
    });
    prove_if_due(global, &repository, &manifest, args.prove).await
}

pub(super) async fn restore(global: &Global, repository: &Repository, id: &BackupId, into: &Path) -> Result {
    let meter = Meter::new(global, "bringing the files back");
    let brought = restore_physical(repository, id, into, &Tools::new(), WITHIN, &moving(&meter)).await;
    meter.clear();
    brought.map_err(ToFailure::failure)?;
    let started = "start the same version of MariaDB with it, event_scheduler off, and check every table";
    show(global, &json!({ "directory": into }), || {
        format!("the data directory of backup {id} is prepared in {}: {started}", into.display())
    });
    Ok(End::Ready)
}
