//! The verb `rehearse`: the whole flow on disposable servers, with somebody's data, leaving nothing running.
//!
//! Not here: the flow itself (`flow`), a production run (`production`).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use golive_gate::{Report, Verdict};
use golive_sandbox::{Finished, ProcessError, run_to_end};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::application::{StartApplicationError, command, render};
use crate::config::Config;
use crate::context::{Addresses, Context};
use crate::event::{Event, Observer};
use crate::flow::{self, FlowOptions};
use crate::journal::{Entry, Journal, JournalError};
use crate::placeholder::{UnknownPlaceholder, Values};
use crate::rehearsal::{Rehearsal, RehearsalError};
use crate::report::{self, WriteReportError};
use crate::run_dir::{RunDirectory, RunDirectoryError};
use crate::steps;

/// What a rehearsal works with.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RehearseOptions {
    /// `golive.toml`.
    pub config: Config,
    /// Folder that holds the folders of rehearsals.
    pub base: PathBuf,
    /// Somebody's SQLite file; without it the application's `seed` command makes one.
    pub source: Option<PathBuf>,
    /// Given to the `seed` command as `{scale}`.
    pub scale: u32,
    /// Given to the `seed` command as `{seed}`.
    pub seed: u64,
    /// Name of the run; its folder is called so.
    pub run: String,
    /// Keep the servers' data for inspection.
    pub keep: bool,
    /// Which steps, and whether an earlier rehearsal is taken up.
    pub flow: FlowOptions,
    /// Ends the rehearsal when triggered.
    pub cancel: CancellationToken,
}

impl RehearseOptions {
    /// All steps of this application, on data of scale 1.
    #[must_use]
    pub fn new(config: Config, base: PathBuf, run: String) -> Self {
        let flow = FlowOptions::new(flow::Mode::Act);
        let cancel = CancellationToken::new();
        Self { config, base, source: None, scale: 1, seed: 1, run, keep: false, flow, cancel }
    }
}

/// What a run came to.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// The judgement, with every step.
    pub report: Report,
    /// The run's folder, with the report in every form.
    pub directory: PathBuf,
}

/// Why a run could not be carried through. What the steps met is in the report instead.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// The run's folder.
    #[error(transparent)]
    Directory(#[from] RunDirectoryError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The disposable servers.
    #[error(transparent)]
    Servers(#[from] RehearsalError),
    /// There is nothing to migrate.
    #[error("find a database to rehearse with: give --source FILE, or `seed` in [application.commands]")]
    NoSource,
    /// The demo database could not be made.
    #[error("make the demo database")]
    Seed(#[source] SeedError),
    /// No such step.
    #[error("find a step called `{name}`; `golive plan` lists them")]
    NoSuchStep {
        /// What was asked for.
        name: String,
    },
    /// The run to take up is about other data.
    #[error("take up the newest run: it is about {earlier}, and this would be about {now}; start a new one")]
    OtherSubject {
        /// What it is about.
        earlier: String,
        /// What was asked for.
        now: String,
    },
    /// The run to take up ended well, and its servers' data went with it.
    #[error("take up the run in {path}: its servers' data is gone; rehearse again with `--keep`", path = path.display())]
    DataGone {
        /// The run's folder.
        path: PathBuf,
    },
    /// The source cannot be used.
    #[error(transparent)]
    Source(#[from] golive_migrate::OpenSourceError),
    /// The target cannot be reached, or is none.
    #[error(transparent)]
    Target(#[from] golive_migrate::ConnectTargetError),
    /// The target holds something already.
    #[error(transparent)]
    TargetInUse(#[from] golive_migrate::SchemaError),
    /// The report could not be written.
    #[error(transparent)]
    Report(#[from] WriteReportError),
    /// An address could not be found.
    #[error("find an address that golive.toml refers to")]
    Address(#[from] crate::config::SettingError),
}

/// Why the demo database could not be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SeedError {
    /// The command or its environment is not right.
    #[error(transparent)]
    Environment(#[from] UnknownPlaceholder),
    /// The command is empty.
    #[error(transparent)]
    Command(#[from] StartApplicationError),
    /// The program could not be run, or not in time.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The program said no.
    #[error("see the seed command succeed; it ended with {status} and said: {said}")]
    Refused {
        /// Its exit status.
        status: std::process::ExitStatus,
        /// The end of what it wrote.
        said: String,
    },
    /// The database did not get its final name.
    #[error("keep the demo database")]
    File(#[source] std::io::Error),
}

/// Rehearses a go-live.
///
/// # Errors
/// When it could not be carried through: a missing server, a held lock, a seed that fails. Steps that fail are
/// in the report.
pub async fn rehearse(options: RehearseOptions, observer: Observer) -> Result<Outcome, RunError> {
    steps::check_names(&options.flow)?;
    if let Some(source) = options.source.clone() {
        // A wrong file is told before anything starts.
        let open = move || golive_migrate::Source::open(&source).map(drop);
        tokio::task::spawn_blocking(open).await.expect("opening a source does not panic")?;
    }
    let directory = if options.flow.resume {
        RunDirectory::latest(&options.base)?
    } else {
        RunDirectory::create(&options.base, &options.run)?
    };
    let journal = Journal::open(&directory.path(JOURNAL))?;
    if options.flow.resume && !journal.results().is_empty() && !directory.path("servers").exists() {
        return Err(RunError::DataGone { path: directory.root().to_owned() });
    }
    let source = find_source(&options, &directory, &observer).await?;
    let folder = directory.folder("servers")?;
    observer(Event::Note { text: "starting MariaDB and Redis".to_owned() });
    let start = move || Rehearsal::start(&folder);
    let servers = tokio::task::spawn_blocking(start).await.expect("starting servers does not panic")?;
    // A rehearsal reads no variable: where the token is one, the step says that it is missing.
    let token = options.config.http.deep_token.as_ref();
    let deep_token = token.and_then(|token| token.resolve(&options.config.directory, &|_| None).ok());
    let addresses = Addresses { source: Some(source), deep_token, ..Addresses::default() };
    let mut context = Context::new(options.config, directory, journal, addresses, Some(servers), observer);
    context.cancel = options.cancel;
    let (keep, observer) = (options.keep, Arc::clone(&context.observer));
    let outcome = carry_through(&Arc::new(context), &options.flow).await;
    if let Ok(Outcome { report, directory }) = &outcome {
        let data = directory.join("servers");
        if report.verdict == Verdict::Go && !keep {
            // Evidence stays; the servers' data was disposable.
            let _ = std::fs::remove_dir_all(data);
        } else {
            let text = format!("the servers' data is kept in {} for --resume and --only", data.display());
            observer(Event::Note { text });
        }
    }
    outcome
}

/// Runs the flow in a context and writes the report.
pub(crate) async fn carry_through(
    context: &Arc<Context>,
    options: &FlowOptions,
) -> Result<Outcome, RunError> {
    let subject = context.subject();
    if let Some(earlier) = context.journal.subject().filter(|earlier| *earlier != subject) {
        return Err(RunError::OtherSubject { earlier, now: subject });
    }
    if options.mode != flow::Mode::Plan {
        context.journal.append(Entry::Opened {
            at: context.now(),
            run: context.directory.run().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            resumed: options.resume,
            subject,
        })?;
    }
    let results = flow::run(context, steps::all(), options).await;
    context.stop().await;
    let report = report::judge(context, results?);
    if options.mode != flow::Mode::Plan {
        report::write(&report, context.directory.root())?;
    }
    Ok(Outcome { report, directory: context.directory.root().to_owned() })
}

async fn find_source(
    options: &RehearseOptions,
    directory: &RunDirectory,
    observer: &Observer,
) -> Result<PathBuf, RunError> {
    if let Some(source) = &options.source {
        return Ok(source.clone());
    }
    let path = directory.path("demo.sqlite");
    if path.exists() {
        return Ok(path);
    }
    let Some(words) = &options.config.application.commands.seed else {
        let known = options.config.source.sqlite.as_deref().map(|path| options.config.path(path));
        return known.ok_or(RunError::NoSource);
    };
    observer(Event::Note { text: format!("seeding the demo database at scale {}", options.scale) });
    seed(options, words, &path).await.map_err(RunError::Seed)?;
    Ok(path)
}

/// Makes the demo database under another name first: a seed that was killed leaves nothing that looks whole.
async fn seed(options: &RehearseOptions, words: &[String], path: &Path) -> Result<(), SeedError> {
    let partial = path.with_extension("partial");
    let _ = std::fs::remove_file(&partial);
    let values = Values::new()
        .set("scale", options.scale.to_string())
        .set("seed", options.seed.to_string())
        .set("source", partial.to_string_lossy())
        .set("bind", "127.0.0.1:0")
        .set("management_bind", "127.0.0.1:0")
        .set("log_file", "");
    let environment = render(&options.config.demo_environment, &values)?;
    let spec = command(&options.config, words, &values)?.empty_environment().environment(environment);
    let run = move || run_to_end(spec, SEED_WITHIN);
    let Finished { status, output, errors, .. } =
        tokio::task::spawn_blocking(run).await.expect("running a program does not panic")?;
    if !status.success() {
        let said = format!("{output}{errors}");
        let tail: Vec<&str> = said.lines().rev().take(5).collect();
        let said = tail.into_iter().rev().collect::<Vec<_>>().join(" / ");
        return Err(SeedError::Refused { status, said });
    }
    std::fs::rename(&partial, path).map_err(SeedError::File)
}

pub(crate) const JOURNAL: &str = "journal.jsonl";
/// Scale 100 has two million rows in one table alone; a slow disk takes its time.
const SEED_WITHIN: Duration = Duration::from_secs(3600);
