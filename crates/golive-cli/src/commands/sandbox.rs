//! `sandbox`: disposable servers for as long as somebody looks.

use std::path::PathBuf;

use golive_sandbox::{MariaDb, MariaDbOptions, Redis, RedisOptions};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::Global;
use crate::commands::doctor::ensure_servers;
use crate::commands::support::{Meter, blocking, show};
use crate::exit::{End, Failure, Result};
use crate::output;

/// What `sandbox` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name of the database.
    #[arg(long, default_value = "sandbox", value_name = "NAME")]
    database: String,
    /// Keep the data in this folder; a folder that a sandbox left before is taken up again.
    #[arg(long = "data", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Write the binary log.
    #[arg(long)]
    binary_log: bool,
    /// A MariaDB server setting, as `innodb-buffer-pool-size=1G`; may be given more than once and wins over ours.
    #[arg(long = "setting", value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// Never install a missing server; say what is missing instead.
    #[arg(long)]
    no_install: bool,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result {
    ensure_servers(global, !args.no_install).await?;
    // Before the servers start: whoever ends us while they do must find everything gone too.
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::reach)?;
    let meter = Meter::new(global, "starting MariaDB and Redis");
    let mut database = MariaDbOptions::new();
    database.databases = vec![args.database.clone()];
    database.binary_log = args.binary_log;
    database.settings.clone_from(&args.settings);
    let mut cache = RedisOptions::new();
    // As production should be: what `cache check` asks for.
    cache.append_only = true;
    if let Some(data) = &args.data {
        database.directory = Some(data.join("mariadb"));
        cache.directory = Some(data.join("redis"));
        (database.keep, cache.keep) = (true, true);
    }
    let started = blocking(move || {
        Ok::<_, golive_sandbox::StartError>((MariaDb::start(&database)?, Redis::start(&cache)?))
    })
    .await;
    meter.clear();
    let (mariadb, redis) = started.map_err(Failure::reach)?;
    let (database_url, redis_url) = (mariadb.url(&args.database), redis.url());
    show(
        global,
        &json!({ "database_url": database_url, "redis_url": redis_url, "mariadb_version": mariadb.version() }),
        || format!("DATABASE_URL={database_url}\nREDIS_URL={redis_url}"),
    );
    if !global.quiet {
        output::complain("Ctrl-C ends both and leaves nothing behind");
    }
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed.map_err(Failure::reach)?,
        _ = terminate.recv() => {}
    }
    blocking(move || drop((mariadb, redis))).await;
    Ok(End::Ready)
}
