//! `backup drill`: the newest backup, restored into a disposable server, compared with its own record.

use std::sync::Arc;

use golive_backup::{RestoreOptions, Server, compare_restored, restore_backup};
use golive_sandbox::{MariaDb, MariaDbOptions};
use secrecy::SecretString;
use serde_json::json;

use super::failure::ToFailure;
use super::{Place, moving, open};
use crate::args::Global;
use crate::clock;
use crate::commands::support::{Meter, blocking, show};
use crate::exit::{End, Failure, Result};

pub(super) async fn run(global: &Global, place: &Place) -> Result {
    let repository = open(global, place)?;
    let all = repository.list().map_err(ToFailure::failure)?;
    let newest = all
        .into_iter()
        .filter(|manifest| manifest.database().is_some())
        .max_by_key(|manifest| manifest.id.sequence());
    let manifest = newest
        .ok_or_else(|| Failure::usage("find a backup of a database: take one with `golive backup create`"))?;
    // Under its own name: triggers and routines may name it.
    let database = manifest.database().map(|facts| facts.name.clone()).expect("only databases were kept");
    let meter = Meter::new(global, "starting a disposable server");
    let disposable = Arc::new(start(&database).await?);
    let server = Server::parse(&SecretString::from(disposable.url(&database))).map_err(Failure::usage)?;
    let restored = restore_backup(
        &repository,
        &manifest.id,
        &server,
        &database,
        &RestoreOptions::new(),
        &moving(&meter),
    )
    .await;
    let restored = restored.map_err(ToFailure::failure)?;
    let compared =
        compare_restored(&manifest, &server, &database, &moving(&meter)).await.map_err(Failure::reach)?;
    blocking(move || drop(disposable)).await;
    meter.clear();
    let proof = compared.proof(clock::now(), restored.seconds);
    repository.record(&manifest.id, &proof).map_err(ToFailure::failure)?;
    let value = json!({ "equal": compared.equal(), "restore": restored, "comparison": compared });
    show(global, &value, || {
        let mut lines = vec![format!(
            "backup {}: {} tables, {} rows restored in {:.1} s, {}",
            manifest.id,
            compared.tables,
            compared.rows,
            restored.seconds,
            if compared.equal() { "every table equal" } else { "NOT equal" }
        )];
        lines.extend(compared.differences.iter().map(|difference| format!("  {difference}")));
        lines.join("\n")
    });
    Ok(if compared.equal() { End::Ready } else { End::NotReady })
}

async fn start(database: &str) -> std::result::Result<MariaDb, Failure> {
    let mut options = MariaDbOptions::new();
    options.databases = vec![database.to_owned()];
    // The default redo log of a disposable server is tiny; a restore writes a lot.
    options.settings =
        ["--innodb-buffer-pool-size=256M", "--innodb-log-file-size=128M"].map(str::to_owned).to_vec();
    blocking(move || MariaDb::start(&options)).await.map_err(Failure::reach)
}
