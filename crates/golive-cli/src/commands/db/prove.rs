//! `db prove`: indexes tried on a disposable copy; what paid, as a migration.

use std::path::PathBuf;
use std::sync::Arc;

use golive_backup::{
    BackupOptions, Key, Keys, Progress, Repository, RestoreOptions, Server, create_backup, restore_backup,
};
use golive_load::{
    DisposableCopy, IndexProof, IndexVerdict, ProveError, ProveOptions, ReviewError, collect_workload,
    prove_indexes, render_index_migration,
};
use golive_sandbox::{MariaDb, MariaDbOptions};
use secrecy::SecretString;

use super::Which;
use crate::args::Global;
use crate::clock;
use crate::commands::support::{self, Meter, blocking, show};
use crate::exit::{End, Failure, Result};
use crate::output;

/// What to try, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The database whose statements count: `env:NAME` or `file:PATH`; `[target] url` of golive.toml unless given. It is
    /// read only.
    #[arg(long, value_name = "URL")]
    target: Option<String>,
    #[command(flatten)]
    which: Which,
    /// A copy that is there already, to try in: `env:NAME` or `file:PATH`. Without it the target is dumped into a
    /// disposable server on this machine.
    #[arg(long, value_name = "URL", requires = "dangerous_disposable_copy")]
    copy: Option<String>,
    /// Confirms, by the name of its database, that the copy may be written to.
    #[arg(long, value_name = "DATABASE", requires = "copy")]
    dangerous_disposable_copy: Option<String>,
    /// How often each statement is measured with and without an index.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(3..=100))]
    rounds: u32,
    /// Write what paid as a sea-orm-migration into this folder, under a name with today's date.
    #[arg(long, value_name = "DIR")]
    migration: Option<PathBuf>,
}

pub(super) async fn run(global: &Global, args: Args) -> Result {
    let target = support::target(global, args.target.as_deref())?;
    let options = args.which.options()?;
    let meter = Meter::new(global, "reading the statements");
    let workload = collect_workload(&target, &options).await.map_err(|error| match error {
        ReviewError::Url => Failure::usage(error),
        _ => Failure::reach(error),
    })?;
    let (copy, database, server) = match (&args.copy, args.dangerous_disposable_copy) {
        (Some(copy), Some(database)) => (support::target(global, Some(copy))?, database, None),
        _ => {
            meter.say("copying the database into a disposable server");
            let (server, database) = copied(&target).await?;
            (SecretString::from(server.url(&database)), database, Some(server))
        }
    };
    meter.say("trying indexes");
    let mut how = ProveOptions::default();
    how.rounds = args.rounds;
    let confirmed = DisposableCopy::dangerous_indexes_may_be_made_in(database);
    let proof = prove_indexes(&copy, &confirmed, &workload, &how).await;
    blocking(move || drop(server)).await;
    meter.clear();
    let proof = proof.map_err(|error| match error {
        ProveError::NotConfirmed { .. } => Failure::usage(error),
        ProveError::Busy { .. } => Failure::Busy(error.into()),
        _ => Failure::reach(error),
    })?;
    show(global, &proof, || text(&proof));
    if let Some(folder) = args.migration.filter(|_| proof.recommended().next().is_some()) {
        write_migration(&proof, &folder)?;
    }
    let unknown = proof.tried.iter().any(|index| index.verdict == IndexVerdict::Unknown);
    Ok(match (proof.recommended().next().is_some(), unknown) {
        (true, _) => End::NotReady,
        (false, true) => End::OutOfReach,
        (false, false) => End::Ready,
    })
}

/// The target as it is now, by way of a backup that nobody keeps.
async fn copied(target: &SecretString) -> std::result::Result<(Arc<MariaDb>, String), Failure> {
    let source = Server::parse(target).map_err(Failure::usage)?;
    let database = source
        .database()
        .ok_or_else(|| Failure::usage("copy the database: its address names none"))?
        .to_owned();
    let mut options = MariaDbOptions::new();
    options.databases = vec![database.clone()];
    options.settings =
        ["--innodb-buffer-pool-size=256M", "--innodb-log-file-size=128M"].map(str::to_owned).to_vec();
    let server = Arc::new(blocking(move || MariaDb::start(&options)).await.map_err(Failure::reach)?);
    let folder = server.private_directory().join("copy");
    let keys = Keys::with_identity(Key::generate());
    let repository = Repository::open_local(&folder, keys).map_err(Failure::reach)?;
    let silent = Progress::silent();
    let backup = create_backup(&source, &repository, &BackupOptions::new(&database), clock::now(), &silent)
        .await
        .map_err(Failure::reach)?;
    let into = Server::parse(&SecretString::from(server.url(&database))).map_err(Failure::usage)?;
    restore_backup(&repository, &backup.id, &into, &database, &RestoreOptions::new(), &silent)
        .await
        .map_err(Failure::reach)?;
    Ok((server, database))
}

fn write_migration(proof: &IndexProof, folder: &std::path::Path) -> std::result::Result<(), Failure> {
    let name = format!("m{}_proven_indexes", clock::now().format("%Y%m%d_%H%M%S"));
    let path = folder.join(format!("{name}.rs"));
    std::fs::write(&path, render_index_migration(&name, proof.recommended()))
        .map_err(|error| Failure::reach(format!("write {}: {error}", path.display())))?;
    output::complain(&format!("wrote {}: add it to the list of migrations", path.display()));
    Ok(())
}

fn text(proof: &IndexProof) -> String {
    let mut lines = vec![format!(
        "{} indexes tried on MariaDB {}, {} paid",
        proof.tried.len(),
        proof.server_version,
        proof.recommended().count()
    )];
    for index in &proof.tried {
        let verdict = match index.verdict {
            IndexVerdict::Paid => "paid",
            IndexVerdict::NotWorth => "not worth it",
            IndexVerdict::Harmful => "harmful",
            _ => "unknown",
        };
        lines.push(format!("  {:<12} {}", verdict, index.create));
        lines.push(format!("               {}", index.reason));
        let size = index.size_bytes.map(|bytes| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)));
        let write = index.write_factor.map(|factor| format!("writing takes {factor:.2} times as long"));
        let costs: Vec<String> = size.into_iter().chain(write).collect();
        if !costs.is_empty() {
            lines.push(format!("               costs {}", costs.join(", ")));
        }
    }
    lines.extend(
        proof.swept.iter().map(|name| format!("note: dropped `{name}`, left by a trial that was cut off")),
    );
    lines.extend(proof.notes.iter().map(|note| format!("note: {note}")));
    lines.join("\n")
}
