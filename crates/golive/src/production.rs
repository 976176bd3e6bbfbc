//! The verbs `plan`, `run` and `gate` against an operator's own servers.
//!
//! Not here: starting servers (`rehearse`).

use std::path::PathBuf;
use std::sync::Arc;

use golive_migrate::{Source, Target, TargetOptions, require_unused};
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Setting};
use crate::context::{Addresses, Context};
use crate::event::Observer;
use crate::flow::{FlowOptions, Mode};
use crate::journal::Journal;
use crate::rehearse::{JOURNAL, Outcome, RunError, carry_through};
use crate::run_dir::{RunDirectory, RunDirectoryError};
use crate::steps;

/// What a run against an operator's own servers works with.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ProductionOptions {
    /// `golive.toml`.
    pub config: Config,
    /// Folder that holds the folders of runs.
    pub base: PathBuf,
    /// Name of the run; its folder is called so.
    pub run: String,
    /// Overrides `[source] sqlite`.
    pub source: Option<PathBuf>,
    /// Overrides `[target] url`.
    pub target: Option<Setting>,
    /// Who goes live, for the record of the switch; the run alone stands there otherwise.
    pub by: Option<String>,
    /// Which steps, and whether an earlier run is taken up.
    pub flow: FlowOptions,
    /// Ends the run when triggered.
    pub cancel: CancellationToken,
}

impl ProductionOptions {
    /// All steps of this application, in this mode.
    #[must_use]
    pub fn new(config: Config, base: PathBuf, run: String, mode: Mode) -> Self {
        let (flow, cancel) = (FlowOptions::new(mode), CancellationToken::new());
        Self { config, base, run, source: None, target: None, by: None, flow, cancel }
    }
}

/// Plans, runs or proves a go-live on the servers that `golive.toml` names.
///
/// # Errors
/// When it could not be carried through: an address that is not to be found, a held lock. Steps that fail are in
/// the report.
pub async fn run(
    options: ProductionOptions,
    environment: &(dyn Fn(&str) -> Option<String> + Sync),
    observer: Observer,
) -> Result<Outcome, RunError> {
    steps::check_names(&options.flow)?;
    let mut addresses = find_addresses(&options, environment)?;
    let begins = !options.flow.resume && options.flow.from.is_none() && options.flow.only.is_none();
    if begins && options.flow.mode != Mode::Prove {
        refuse_bad_input(&addresses).await?;
    }
    let node = choose_node(&addresses).await;
    addresses.node = node.as_ref().map(|target| target.node_url().clone());
    let node = node.map(|target| target.display_name());
    // Planning changes nothing, so it must not leave a folder behind either.
    let scratch = (options.flow.mode == Mode::Plan).then(tempfile::tempdir).transpose();
    let scratch = scratch.map_err(|source| RunDirectoryError::File { path: std::env::temp_dir(), source })?;
    let directory = match (&scratch, options.flow.mode, options.flow.resume) {
        (Some(_), ..) => RunDirectory::imagined(&options.base, &options.run),
        (None, Mode::Act, false) => RunDirectory::create(&options.base, &options.run)?,
        (None, ..) => RunDirectory::latest(&options.base)?,
    };
    let journal = match &scratch {
        Some(scratch) => Journal::open(&scratch.path().join(JOURNAL))?,
        None => Journal::open(&directory.path(JOURNAL))?,
    };
    let mut context = Context::new(options.config, directory, journal, addresses, None, observer);
    context.cancel = options.cancel;
    context.by = options.by;
    if let ([_, _, ..], Some(node)) = (&context.target_names[..], node) {
        context.note(format!(
            "{} is the first of {} nodes that answered: the run works on it, and {{database_url}} names it",
            node,
            context.target_names.len()
        ));
    }
    context.acts = options.flow.mode == Mode::Act;
    carry_through(&Arc::new(context), &options.flow).await
}

/// A wrong file and a server that cannot be used are told before anything starts, in a line.
async fn refuse_bad_input(addresses: &Addresses) -> Result<(), RunError> {
    if let Some(source) = addresses.source.clone() {
        let open = move || Source::open(&source).map(drop);
        tokio::task::spawn_blocking(open).await.expect("opening a source does not panic")?;
    }
    if let Some(url) = addresses.target.clone() {
        let target = Target::connect(&TargetOptions::new(url)).await?;
        require_unused(&target).await?;
    }
    Ok(())
}

/// Of a cluster's nodes one serves the whole run: the first that answers now. When none does the steps say so, each with what
/// it wanted of it.
async fn choose_node(addresses: &Addresses) -> Option<Target> {
    let options = TargetOptions::new(addresses.target.clone()?);
    if options.display_names().map_or(1, |names| names.len()) < 2 {
        return None;
    }
    Target::connect(&options).await.ok()
}

fn find_addresses(
    options: &ProductionOptions,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Addresses, RunError> {
    let config = &options.config;
    let find = |setting: Option<&Setting>| {
        setting.map(|setting| setting.resolve(&config.directory, environment)).transpose()
    };
    let errors = config.errors.as_ref();
    Ok(Addresses {
        source: options
            .source
            .clone()
            .or_else(|| config.source.sqlite.as_deref().map(|path| config.path(path))),
        target: find(options.target.as_ref().or(config.target.url.as_ref()))?,
        redis: find(config.redis.url.as_ref())?,
        sentry_dsn: find(errors.and_then(|errors| errors.dsn.as_ref()))?,
        alert_webhook: find(errors.and_then(|errors| errors.alert_webhook.as_ref()))?,
        deep_token: find(config.http.deep_token.as_ref())?,
        node: None,
    })
}
