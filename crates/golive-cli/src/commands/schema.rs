//! `schema`: versioned migrations of an application that lives on MariaDB already.
//!
//! Not here: what any of it does (golive-migrate), and how it reads (`text`).

mod check;
mod failure;
mod text;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use golive_migrate::{
    Direction, Migrations, Resolution, Scaffold, VersionedEvent, VersionedFinding, VersionedOptions,
    VersionedRun, Weight, schema_baseline, schema_down, schema_plan, schema_status, schema_up,
};
use serde_json::json;

use crate::args::Global;
use crate::commands::migrate::failure::ToFailure;
use crate::commands::support::{self, Meter, blocking, show};
use crate::exit::{End, Failure, Result};
use crate::{commands, output};

/// What can be asked of the schema.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Which migrations are applied, pending or half run; 10 unless all are applied.
    Status(Place),
    /// Apply what is pending; one that was cut off is taken up.
    Up(UpArgs),
    /// Take back the newest, and no other.
    Down(DownArgs),
    /// Whether every migration goes up, down and up again on a disposable server; with a target, whether the live schema
    /// is what its migrations make and what pending changes would do to the site.
    Check(Place),
    /// Begin a new migration.
    New(NewArgs),
}

/// Which migrations, which database.
#[derive(Debug, clap::Args)]
pub(crate) struct Place {
    /// Folder of NNNN_name.up.sql and NNNN_name.down.sql; `[schema] directory` of golive.toml, else `migrations`.
    #[arg(long, value_name = "DIR")]
    migrations: Option<PathBuf>,
    /// The MariaDB database: `env:NAME` or `file:PATH`; `[target] url` of golive.toml unless given.
    #[arg(long, value_name = "URL")]
    target: Option<String>,
    /// Accept a finding, as `ID` or `ID:migration`; may be given more than once.
    #[arg(long, value_name = "FINDING")]
    accept: Vec<String>,
}

/// How long is waited, and what the operator knows.
#[derive(Debug, clap::Args)]
pub(crate) struct Patience {
    /// Seconds to wait for another run to end.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    patience: u64,
    /// Seconds that a statement waits for its lock; everybody who comes after it waits as long.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=3600))]
    wait: u32,
    /// How often such a statement is tried.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    tries: u32,
    /// What you found out by looking, about the migration that was cut off.
    #[arg(long, value_enum, value_name = "WORD")]
    resolve: Option<Word>,
}

/// The operator's word.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Word {
    /// The statement in doubt took effect.
    Done,
    /// The statement in doubt did not take effect.
    NotDone,
    /// The whole migration is in effect.
    Applied,
    /// Nothing of the migration is in effect.
    NotApplied,
}

/// What `up` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct UpArgs {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    patience: Patience,
    /// Print every statement that would be sent; change nothing.
    #[arg(long)]
    dry_run: bool,
    /// At most so many migrations.
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
    /// Count all up to this one (its name or its number) as applied and run none: for a database made in another way.
    #[arg(long, value_name = "MIGRATION", conflicts_with_all = ["dry_run", "steps", "resolve"])]
    baseline: Option<String>,
}

/// What `down` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct DownArgs {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    patience: Patience,
    /// Do not ask before acting.
    #[arg(long)]
    yes: bool,
}

/// What `new` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct NewArgs {
    /// What it does, in a few words.
    name: String,
    /// Write the statements that lead from the migrations' schema to the live one, for review.
    #[arg(long)]
    from_drift: bool,
    #[command(flatten)]
    place: Place,
}

pub(crate) async fn run(global: &Global, command: Command) -> Result {
    match command {
        Command::Status(place) => status(global, &place).await,
        Command::Up(args) => up(global, &args).await,
        Command::Down(args) => down(global, &args).await,
        Command::Check(place) => check::run(global, &place).await,
        Command::New(args) => new(global, &args).await,
    }
}

async fn status(global: &Global, place: &Place) -> Result {
    let (migrations, options) = (place.read(global).await?, place.options(global)?);
    let status = schema_status(&migrations, &options).await.map_err(ToFailure::failure)?;
    let pending = status.pending().count();
    show(global, &status, || text::status(&status));
    Ok(if pending > 0 { End::NotReady } else { end(global, &status.findings, &options.accept) })
}

async fn up(global: &Global, args: &UpArgs) -> Result {
    let (migrations, mut options) = (args.place.read(global).await?, args.place.options(global)?);
    args.patience.give(&mut options);
    options.steps = args.steps;
    if args.dry_run {
        let plan = schema_plan(&migrations, &options).await.map_err(ToFailure::failure)?;
        show(global, &plan, || text::plan(&plan));
        return Ok(if plan.is_barred() { End::NotReady } else { End::Ready });
    }
    let meter = Meter::new(global, "applying migrations");
    let run = match &args.baseline {
        Some(up_to) => schema_baseline(&migrations, &options, up_to).await,
        None => schema_up(&migrations, &options, &telling(global, &meter)).await,
    };
    meter.clear();
    finish(global, &run.map_err(ToFailure::failure)?)
}

async fn down(global: &Global, args: &DownArgs) -> Result {
    let (migrations, mut options) = (args.place.read(global).await?, args.place.options(global)?);
    args.patience.give(&mut options);
    let status = schema_status(&migrations, &options).await.map_err(ToFailure::failure)?;
    let name = status.half().or_else(|| status.newest()).map(|one| one.name.clone());
    if let Some(name) = name
        && !args.yes
        && !confirmed(&status.target, &name)?
    {
        return Err(Failure::usage(
            "go on: nothing was changed; look at `golive schema status`, then give --yes",
        ));
    }
    let meter = Meter::new(global, "taking a migration back");
    let run = schema_down(&migrations, &options, &telling(global, &meter)).await;
    meter.clear();
    finish(global, &run.map_err(ToFailure::failure)?)
}

async fn new(global: &Global, args: &NewArgs) -> Result {
    let directory = args.place.directory(global)?;
    // The first migration makes the folder.
    std::fs::create_dir_all(&directory).map_err(Failure::reach)?;
    let migrations = args.place.read(global).await?;
    let name = migrations.next_name(&args.name);
    let scaffold = match args.from_drift {
        true => check::scaffold(global, &args.place, &migrations, &name).await?,
        false => Some(Scaffold::empty(&name)),
    };
    let Some(scaffold) = scaffold else {
        show(global, &json!({ "name": null, "files": [], "left": [] }), || {
            "no drift: nothing to write".to_owned()
        });
        return Ok(End::Ready);
    };
    let files = scaffold.write(&directory, &name).map_err(Failure::reach)?;
    let value = json!({ "name": name, "files": files, "left": scaffold.left });
    show(global, &value, || text::new(&name, &files, &scaffold, args.from_drift));
    Ok(if scaffold.left.is_empty() { End::Ready } else { End::NotReady })
}

fn finish(global: &Global, run: &VersionedRun) -> Result {
    show(global, run, || text::run(run));
    Ok(if run.is_done() { End::Ready } else { End::NotReady })
}

/// What findings mean for the exit code.
fn end(global: &Global, findings: &[VersionedFinding], accept: &BTreeSet<String>) -> End {
    let counts = |finding: &&VersionedFinding| {
        !accept.contains(finding.id) && !accept.contains(&format!("{}:{}", finding.id, finding.place))
    };
    let weights: Vec<Weight> = findings.iter().filter(counts).map(|finding| finding.weight).collect();
    match () {
        () if weights.contains(&Weight::Error) => End::NotReady,
        () if global.deny_warnings && weights.contains(&Weight::Warning) => End::Warnings,
        () => End::Ready,
    }
}

/// Shows what goes on; a wait for a lock is told in any case.
fn telling(global: &Global, meter: &Meter) -> impl Fn(VersionedEvent) + Send + Sync + 'static {
    let (meter, quiet) = (meter.clone(), global.quiet);
    move |event| match event {
        VersionedEvent::Begins { migration, direction } => {
            meter.say(format!(
                "{} {migration}",
                if direction == Direction::Up { "applying" } else { "taking back" }
            ));
        }
        VersionedEvent::Statement { migration, number, of } => {
            meter.say(format!("{migration}: statement {number} of {of}"));
        }
        VersionedEvent::Waiting { migration, tried, of, blockers } if !quiet => {
            output::complain(&format!("{migration}: no lock, try {tried} of {of}; {}", blockers.join("; ")));
        }
        _ => {}
    }
}

fn confirmed(target: &str, name: &str) -> std::result::Result<bool, Failure> {
    use std::io::{BufRead, IsTerminal};
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    output::complain(&format!(
        "This takes `{name}` back in {target}, with the data that it holds.\nType its name to go on:"
    ));
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(Failure::reach)?;
    Ok(line.trim() == name)
}

impl Place {
    fn directory(&self, global: &Global) -> std::result::Result<PathBuf, Failure> {
        if let Some(directory) = &self.migrations {
            return std::path::absolute(directory).map_err(Failure::reach);
        }
        let config = commands::config_or_nothing(global)?;
        let named = config.schema.directory.clone().unwrap_or_else(|| PathBuf::from("migrations"));
        Ok(config.path(&named))
    }

    async fn read(&self, global: &Global) -> std::result::Result<Migrations, Failure> {
        let directory = self.directory(global)?;
        blocking(move || Migrations::read(&directory)).await.map_err(ToFailure::failure)
    }

    fn options(&self, global: &Global) -> std::result::Result<VersionedOptions, Failure> {
        let mut options = VersionedOptions::new(support::target(global, self.target.as_deref())?);
        options.accept = self.accept.iter().cloned().collect();
        Ok(options)
    }

    /// Whether the command line or golive.toml names a database.
    fn names_target(&self, global: &Global) -> std::result::Result<bool, Failure> {
        Ok(self.target.is_some() || commands::config_or_nothing(global)?.target.url.is_some())
    }
}

impl Patience {
    fn give(&self, options: &mut VersionedOptions) {
        options.lock_patience = Duration::from_secs(self.patience);
        options.lock_wait_seconds = self.wait;
        options.tries = self.tries;
        options.resolution = self.resolve.map(|word| match word {
            Word::Done => Resolution::StatementDone,
            Word::NotDone => Resolution::StatementNotDone,
            Word::Applied => Resolution::Applied,
            Word::NotApplied => Resolution::NotApplied,
        });
    }
}
