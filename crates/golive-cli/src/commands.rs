//! One file a command; each parses, calls its crate, renders and says how it ended.

pub(crate) mod accounts;
mod alerts;
pub(crate) mod backup;
pub(crate) mod cache;
pub(crate) mod db;
pub(crate) mod deploy;
pub(crate) mod doctor;
pub(crate) mod explain;
mod flow;
pub(crate) mod init;
pub(crate) mod load;
pub(crate) mod manual;
pub(crate) mod migrate;
pub(crate) mod observe;
mod obtain;
pub(crate) mod render;
pub(crate) mod report;
pub(crate) mod sandbox;
pub(crate) mod schema;
pub(crate) mod secret;
pub(crate) mod serve;
mod support;
pub(crate) mod tls;

use std::path::PathBuf;

use golive::Config;

use crate::args::{Args, Command, Global};
use crate::exit::{Failure, Result};

pub(crate) async fn dispatch(args: Args) -> Result {
    let global = &args.global;
    assert!(!global.dangerous_panic, "broken off on demand");
    match args.command {
        Command::Init(args) => init::run(global, &args).await,
        Command::Doctor(args) => doctor::run(global, &args).await,
        Command::Rehearse(args) => flow::rehearse(global, args).await,
        Command::Plan(args) => flow::plan(global, args).await,
        Command::Run(args) => flow::run(global, args).await,
        Command::Gate(args) => flow::gate(global, args).await,
        Command::Status => report::status(global),
        Command::Report(args) => report::report(global, &args),
        Command::Completions(args) => manual::completions(&args),
        Command::Man(args) => manual::man(global, &args),
        Command::Serve(args) => serve::run(global, &args).await,
        Command::Sandbox(args) => sandbox::run(global, &args).await,
        Command::Explain(args) => explain::run(global, &args),
        Command::Migrate(command) => migrate::run(global, command).await,
        Command::Schema(command) => schema::run(global, command).await,
        Command::Secret(command) => secret::run(global, command),
        Command::Accounts(command) => accounts::run(global, command).await,
        Command::Cache(command) => cache::run(global, command).await,
        Command::Observe(command) => observe::run(global, command).await,
        Command::Backup(command) => backup::run(global, command).await,
        Command::Deploy(command) => deploy::run(global, command),
        Command::Tls(command) => tls::run(global, command).await,
        Command::Load(command) => load::run(global, command).await,
        Command::Db(command) => db::run(global, command).await,
    }
}

/// `golive.toml`, which must be there.
pub(crate) fn config(global: &Global) -> std::result::Result<Config, Failure> {
    Config::read(&global.config).map_err(Failure::usage)
}

/// `golive.toml` if it is there, else a configuration that knows nothing.
pub(crate) fn config_or_nothing(global: &Global) -> std::result::Result<Config, Failure> {
    if global.config.exists() {
        return config(global);
    }
    let here = std::env::current_dir().map_err(Failure::reach)?;
    Ok(Config::nameless(&here))
}

/// Folder that holds the runs; absolute, since commands of golive.toml run elsewhere.
pub(crate) fn runs(global: &Global, config: &Config) -> PathBuf {
    let folder = global.directory.clone().unwrap_or_else(|| config.directory.join(".golive"));
    std::path::absolute(&folder).unwrap_or(folder)
}
