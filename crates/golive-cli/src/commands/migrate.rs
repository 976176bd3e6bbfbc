//! `migrate`: an SQLite database to MariaDB, every cell proven.
//!
//! Not here: what any of it does (golive-migrate), and how it reads (`text`).

pub(super) mod failure;
pub(super) mod findings;
mod live;
mod switch;
mod text;
mod verify;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use golive::Config;
use golive_migrate::{
    ConstraintOptions, CopyOptions, Finding, Plan, PlanError, PlanOptions, Policy, Progress, Provider,
    ProviderState, Severity, Source, Survey, SurveyError, SurveyOptions, Target, TargetOptions,
    VerifyOptions, add_constraints_with, copy, create_schema, quarantined, survey,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use self::failure::ToFailure;
use self::live::Held;
use crate::args::Global;
use crate::commands;
use crate::commands::support::{self, Meter, blocking, show};
use crate::exit::{End, Failure, Result};

/// The steps of a migration.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Look at the source (and at the target, if one is named) and say what would go wrong.
    Survey(SurveyArgs),
    /// Print the whole plan: tables in order, every statement.
    Plan(Sides),
    /// Build the schema, copy, add the constraints, verify. After a kill, the same command goes on.
    Run(RunArgs),
    /// Compare every cell of both sides; or by digests, by a sample, or with what was recorded at the switch.
    Verify(verify::VerifyArgs),
    /// What is there: the source, the target, and which of them the provider state names.
    Status(StatusArgs),
    /// Verify, and only if all is equal make the provider state say MariaDB; or switch back.
    Switch(switch::SwitchArgs),
}

/// Where from, where to.
#[derive(Debug, clap::Args)]
pub(crate) struct Sides {
    /// The SQLite file; `[source] sqlite` of golive.toml unless given.
    #[arg(long, value_name = "FILE")]
    source: Option<PathBuf>,
    /// The MariaDB database: mysql://USER:PASSWORD@HOST:PORT/DATABASE, better `env:NAME` or `file:PATH`, which no
    /// process list shows; `[target] url` of golive.toml unless given.
    #[arg(long, value_name = "URL")]
    target: Option<String>,
    /// Accept a finding that blocks, as `ID` or `ID:table.column`; may be given more than once.
    #[arg(long, value_name = "FINDING")]
    accept: Vec<String>,
    /// Decide about a finding, as `ID[:table[.column]]=stop|accept|quarantine|convert:NAME`; may be given more than once,
    /// and wins over `[migrate.policy]` of golive.toml.
    #[arg(long, value_name = "FINDING=POLICY", value_parser = policy)]
    policy: Vec<(String, Policy)>,
    /// Show the values of the examples that findings give; they may be anybody's data.
    #[arg(long)]
    show_values: bool,
}

/// What `survey` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct SurveyArgs {
    #[command(flatten)]
    sides: Sides,
    /// Print what every column becomes, and what was seen in it. `[migrate.types]` of golive.toml overrides it, by
    /// `table.column` or by declared type.
    #[arg(long)]
    types: bool,
}

/// What `run` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    sides: Sides,
    /// Work from a private copy of the source's present state, so that its application may go on writing. Without it
    /// that is done only when somebody is seen writing.
    #[arg(long)]
    freeze: bool,
    #[command(flatten)]
    stall: Stall,
}

/// How long a server is waited for.
#[derive(Debug, clap::Args)]
pub(crate) struct Stall {
    /// Seconds without a sign of life of the server after which the work ends with 12; the same command goes on from there.
    /// A single statement may take longer, as long as the server answers beside it.
    #[arg(long = "stall-timeout", value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
}

impl Stall {
    fn timeout(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

/// What `status` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    sides: Sides,
    /// The provider state file.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    #[command(flatten)]
    proof: switch::ProofArgs,
}

pub(crate) async fn run(global: &Global, command: Command) -> Result {
    match command {
        Command::Survey(args) => run_survey(global, &args).await,
        Command::Plan(sides) => run_plan(global, &sides).await,
        Command::Run(args) => run_all(global, &args).await,
        Command::Verify(args) => verify::run(global, &args).await,
        Command::Status(args) => run_status(global, &args).await,
        Command::Switch(args) => switch::run(global, &args).await,
    }
}

async fn run_survey(global: &Global, args: &SurveyArgs) -> Result {
    let sides = &args.sides;
    let (_, _, survey) = surveyed(global, sides, named_target(global, sides).await?).await?;
    show(global, &survey, || {
        let types = if args.types { text::types(&survey) } else { String::new() };
        types + &text::survey(&survey)
    });
    let warns = survey.findings.iter().any(|finding| finding.severity == Severity::ChangesData);
    Ok(match survey.blocks() {
        true => End::NotReady,
        false if warns && global.deny_warnings => End::Warnings,
        false => End::Ready,
    })
}

async fn run_plan(global: &Global, sides: &Sides) -> Result {
    let (_, _, survey) = surveyed(global, sides, named_target(global, sides).await?).await?;
    match plan(&survey)? {
        Ok(plan) => {
            let value = json!({ "plan": plan, "statements": plan.statements() });
            show(global, &value, || text::plan(&plan));
            Ok(End::Ready)
        }
        Err(findings) => Ok(blocked(global, &findings)),
    }
}

async fn run_all(global: &Global, args: &RunArgs) -> Result {
    let sides = &args.sides;
    let cancel = support::cancel_when_ended("ending; the same command goes on from here");
    let target = connect(global, sides).await?;
    let mut held = Held::take(global, sides, &target, args.freeze, &cancel).await?;
    let options = survey_options(&commands::config_or_nothing(global)?, sides);
    let mut survey = looked_at(global, &held.source, Some(&target), options.clone(), &cancel).await;
    if matches!(survey, Err(SurveyError::Changed)) && !held.is_frozen() {
        held = Held::freeze(global, sides, &cancel).await?;
        survey = looked_at(global, &held.source, Some(&target), options, &cancel).await;
    }
    let survey = survey.map_err(ToFailure::failure)?;
    let plan = match plan(&survey)? {
        Ok(plan) => plan,
        Err(findings) => return refuse(global, &findings),
    };
    if cancel.is_cancelled() {
        return Err(Failure::Busy("begin the migration: it was cancelled, and nothing was made yet".into()));
    }
    let meter = Meter::new(global, "building the schema");
    let source = &held.source;
    let schema = create_schema(&target, &plan).await.map_err(ToFailure::failure)?;
    let mut options = CopyOptions::default();
    options.stall_timeout = args.stall.timeout();
    options.cancel = cancel.clone();
    let copied = copy(source, &target, &plan, &options, &moving(&meter, "copying", plan.rows()))
        .await
        .map_err(ToFailure::failure)?;
    meter.say("adding indexes and foreign keys");
    let mut options = ConstraintOptions::default();
    options.stall_timeout = args.stall.timeout();
    options.cancel = cancel.clone();
    let keyed = moving(&meter, "adding the keys of", 0);
    let constraints =
        add_constraints_with(&target, &plan, &options, &keyed).await.map_err(ToFailure::failure)?;
    meter.clear();
    let mut intended = VerifyOptions::for_plan(&plan);
    intended.stall_timeout = args.stall.timeout();
    let verification = verify::compared(global, source, &target, intended, cancel).await?;
    let aside = quarantined(&target).await.map_err(Failure::reach)?;
    let value = json!({
        "source": held.json(), "findings": plan.findings, "schema": schema, "copy": copied, "constraints": constraints,
        "quarantine": aside, "verdict": verification.verdict, "verification": verification,
    });
    let end = verify::end(global, &verification);
    show(global, &value, || {
        let text = text::run(&plan, &schema, &copied, &constraints, &verification);
        let next = match (end, held.is_frozen()) {
            (End::Ready, false) => {
                "next         golive migrate switch --state FILE compares again, then switches\n"
            }
            _ => "",
        };
        held.note().unwrap_or_default() + &text + &text::quarantine(&aside) + next
    });
    if end == End::Ready {
        held.done();
    }
    Ok(end)
}

async fn run_status(global: &Global, args: &StatusArgs) -> Result {
    let source = open(global, &args.sides).await?;
    let target = connect(global, &args.sides).await?;
    let state = match &args.state {
        Some(path) => ProviderState::read(path).map_err(ToFailure::failure)?,
        None => None,
    };
    let switched = state.as_ref().is_some_and(|state| state.provider == Provider::Mariadb);
    let proof = switch::prove(global, &args.proof, &args.sides, &target).await?;
    let value = json!({
        "source": source.path(), "target": target.display_name(), "server_version": target.server().version,
        "local_infile": target.server().local_infile, "state_file": args.state, "state": state, "proof": proof,
    });
    show(global, &value, || {
        text::status(&source, &target, args.state.as_deref(), state.as_ref())
            + &switch::proof_text(proof.as_ref())
    });
    let follows = proof.is_none_or(|proof| proof.passes());
    Ok(if follows && (args.state.is_none() || switched) { End::Ready } else { End::NotReady })
}

/// Opens the source, surveys it, and the target with it where one is named.
async fn surveyed(
    global: &Global,
    sides: &Sides,
    target: Option<Target>,
) -> std::result::Result<(Source, Option<Target>, Survey), Failure> {
    let source = open(global, sides).await?;
    let options = survey_options(&commands::config_or_nothing(global)?, sides);
    let found = looked_at(global, &source, target.as_ref(), options, &CancellationToken::new()).await;
    Ok((source, target, found.map_err(ToFailure::failure)?))
}

async fn looked_at(
    global: &Global,
    source: &Source,
    target: Option<&Target>,
    mut options: SurveyOptions,
    cancel: &CancellationToken,
) -> std::result::Result<Survey, SurveyError> {
    let meter = Meter::new(global, "surveying the source");
    options.cancel = cancel.clone();
    let found = survey(source, target, &options).await;
    meter.clear();
    found
}

/// What golive.toml and the command line ask for together; the command line wins.
fn survey_options(config: &Config, sides: &Sides) -> SurveyOptions {
    let mut options = config.migrate.survey_options();
    let accepted = sides.accept.iter().map(|selector| (selector.clone(), Policy::Accept));
    options.policies.0.extend(accepted.chain(sides.policy.iter().cloned()));
    options.show_values = sides.show_values;
    options
}

/// `SELECTOR=POLICY`.
fn policy(text: &str) -> std::result::Result<(String, Policy), String> {
    let (selector, policy) =
        text.rsplit_once('=').ok_or("it must look like MIG-TYPE-MIXED:table.column=quarantine")?;
    Ok((selector.to_owned(), Policy::try_from(policy.to_owned())?))
}

/// The plan, or the findings that block it.
fn plan(survey: &Survey) -> std::result::Result<std::result::Result<Plan, Vec<Finding>>, Failure> {
    match Plan::new(survey, &PlanOptions::default()) {
        Ok(plan) => Ok(Ok(plan)),
        Err(PlanError::Blocked(findings)) => Ok(Err(findings)),
        Err(error) => Err(Failure::usage(error)),
    }
}

/// A target that is not empty is a wrong argument; data that does not fit is a finding.
fn refuse(global: &Global, findings: &[Finding]) -> Result {
    match findings.iter().find(|finding| finding.id == TARGET_NOT_EMPTY) {
        Some(finding) => Err(Failure::usage(format!("use the target: {}; {}", finding.what, finding.remedy))),
        None => Ok(blocked(global, findings)),
    }
}

fn blocked(global: &Global, findings: &[Finding]) -> End {
    show(global, &json!({ "blocked": true, "findings": findings }), || text::blocked(findings));
    End::NotReady
}

async fn open(global: &Global, sides: &Sides) -> std::result::Result<Source, Failure> {
    let path = support::source(global, sides.source.as_deref())?;
    blocking(move || Source::open(&path)).await.map_err(ToFailure::failure)
}

async fn connect(global: &Global, sides: &Sides) -> std::result::Result<Target, Failure> {
    let url = support::target(global, sides.target.as_deref())?;
    Target::connect(&TargetOptions::new(url)).await.map_err(ToFailure::failure)
}

/// The target if the command line names one: a survey does not need it.
async fn named_target(global: &Global, sides: &Sides) -> std::result::Result<Option<Target>, Failure> {
    match &sides.target {
        Some(_) => connect(global, sides).await.map(Some),
        None => Ok(None),
    }
}

/// Shows rows as they move, over all tables together where their number is known.
fn moving(meter: &Meter, doing: &'static str, all: u64) -> impl Fn(Progress) + Send + Sync + 'static {
    let meter = Arc::new(meter.clone());
    let of = if all > 0 { format!(" · {all} rows in all") } else { String::new() };
    move |progress| {
        meter.say(format!(
            "{doing} {} {} of {} · {:.0}/s{of}",
            progress.table, progress.rows, progress.total, progress.rows_per_second
        ));
    }
}

const TARGET_NOT_EMPTY: &str = "MIG-TARGET-NOT-EMPTY";
