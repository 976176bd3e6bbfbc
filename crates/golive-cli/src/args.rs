//! The command line, as data.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

/// Takes an application from an SQLite demo to production on MariaDB and Redis, and proves that it is ready.
#[derive(Debug, Parser)]
#[command(name = "golive", version, max_term_width = 110, after_help = EXIT_CODES)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0   done; ready                       1   a bug in golive
  2   usage or golive.toml              10  looked, and it is not ready
  11  ready but for warnings            12  could not look: out of reach
  75  another run is at work, or it was ended: try again

Begin with:
  golive init --source app.db           a golive.toml for this application
  golive rehearse --source app.db       the whole flow on disposable servers
  golive explain exit-10                what a code, a finding or a criterion means";

/// What every command takes.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct Global {
    /// The description of the application.
    #[arg(long, global = true, default_value = "golive.toml", value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// What to print on stdout: text to read, or one JSON document.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// No colors.
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
    /// Nothing but the result.
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Of an error, every link of its chain.
    #[arg(long, global = true)]
    pub(crate) verbose: bool,
    /// Breaks off as a bug would (for tests of what is then said).
    #[arg(long, hide = true)]
    pub(crate) dangerous_panic: bool,
    /// Warnings count: exit with 11 where only warnings are left.
    #[arg(long, global = true)]
    pub(crate) deny_warnings: bool,
    /// Folder that holds the runs; `.golive` beside golive.toml unless given.
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Text to read.
    Text,
    /// One JSON document.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a golive.toml for this application by looking at its SQLite file.
    Init(crate::commands::init::Args),
    /// What is missing on this machine and behind these URLs, and how to get it.
    Doctor(crate::commands::doctor::Args),
    /// The whole flow on disposable servers, with this application's data.
    Rehearse(RehearseArgs),
    /// Everything that `run` would do, in order; changes nothing.
    Plan(PlanArgs),
    /// Go live: do it, prove it.
    Run(RunArgs),
    /// Judge the 13 criteria from fresh evidence: go or no-go.
    Gate(GateArgs),
    /// Where the newest run stands.
    Status,
    /// The newest run's report; a signed bundle of its evidence, and holding one against its signer.
    Report(ReportArgs),
    /// The console in a browser: where the go-live stands, live.
    Serve(crate::commands::serve::Args),
    /// Disposable MariaDB and Redis, printing their URLs, until Ctrl-C.
    Sandbox(crate::commands::sandbox::Args),
    /// What a finding or criterion means and how to mend it; offline.
    Explain(crate::commands::explain::Args),
    /// What a shell needs to complete golive's commands.
    Completions(crate::commands::manual::CompletionsArgs),
    /// Manual pages.
    Man(crate::commands::manual::ManArgs),
    /// Move an SQLite database to MariaDB.
    #[command(subcommand)]
    Migrate(crate::commands::migrate::Command),
    /// Versioned migrations.
    #[command(subcommand)]
    Schema(crate::commands::schema::Command),
    /// Secret keys.
    #[command(subcommand)]
    Secret(crate::commands::secret::Command),
    /// User accounts.
    #[command(subcommand)]
    Accounts(crate::commands::accounts::Command),
    /// Redis.
    #[command(subcommand)]
    Cache(crate::commands::cache::Command),
    /// Health, logs and error tracking of a running application.
    #[command(subcommand)]
    Observe(crate::commands::observe::Command),
    /// Backups.
    #[command(subcommand)]
    Backup(crate::commands::backup::Command),
    /// Configuration, containers and proxy.
    #[command(subcommand)]
    Deploy(crate::commands::deploy::Command),
    /// TLS.
    #[command(subcommand)]
    Tls(crate::commands::tls::Command),
    /// Load.
    #[command(subcommand)]
    Load(crate::commands::load::Command),
    /// Queries and sizing of the database.
    #[command(subcommand)]
    Db(crate::commands::db::Command),
}

/// Which steps run.
#[derive(Debug, Clone, Default, ClapArgs)]
pub(crate) struct StepArgs {
    /// Take up the newest run where it was cut off.
    #[arg(long)]
    pub(crate) resume: bool,
    /// Begin with this step; the outcomes before it are taken from the newest run.
    #[arg(long, value_name = "STEP", conflicts_with = "only")]
    pub(crate) from: Option<String>,
    /// This step alone.
    #[arg(long, value_name = "STEP")]
    pub(crate) only: Option<String>,
    /// As far as this step: it, and the steps that must come before it. `--resume` does the rest later.
    #[arg(long, value_name = "STEP", conflicts_with_all = ["only", "from"])]
    pub(crate) until: Option<String>,
    /// Print what would be done; change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Ends the process the hard way after this step acted (for tests of resuming).
    #[arg(long, value_name = "STEP", hide = true)]
    pub(crate) dangerous_abort_applied: Option<String>,
    /// Ends the process the hard way after this step ended (for tests of resuming).
    #[arg(long, value_name = "STEP", hide = true)]
    pub(crate) dangerous_abort_ended: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RehearseArgs {
    /// Somebody's SQLite file; without it the application's `seed` command makes one.
    #[arg(long, value_name = "FILE")]
    pub(crate) source: Option<PathBuf>,
    /// Size of the demo database.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) scale: u32,
    /// Seed of the demo database: the same seed makes the same rows.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Keep the servers' data for inspection.
    #[arg(long)]
    pub(crate) keep: bool,
    /// Never install a missing server; say what is missing instead.
    #[arg(long)]
    pub(crate) no_install: bool,
    #[command(flatten)]
    pub(crate) steps: StepArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct PlanArgs {
    /// Overrides `[source] sqlite`.
    #[arg(long, value_name = "FILE")]
    pub(crate) source: Option<PathBuf>,
    /// Overrides `[target] url`: `env:NAME` or `file:PATH`.
    #[arg(long, value_name = "URL")]
    pub(crate) target: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) addresses: PlanArgs,
    #[command(flatten)]
    pub(crate) steps: StepArgs,
    /// Do not ask before acting.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct GateArgs {
    #[command(flatten)]
    pub(crate) addresses: PlanArgs,
}

#[derive(Debug, ClapArgs)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ReportArgs {
    #[command(subcommand)]
    pub(crate) command: Option<crate::commands::report::bundle::Command>,
    /// The form of the report.
    #[arg(long = "as", value_enum, default_value_t = Form::Text)]
    pub(crate) form: Form,
    /// Write it to a file instead of stdout.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    Text,
    Html,
    Json,
    Junit,
    Markdown,
}
