//! `rehearse`, `plan`, `run` and `gate`: the flow, watched on a board and ended with the report.

use std::sync::Arc;

use golive::{AbortAt, Config, FlowOptions, Mode, Outcome, ProductionOptions, RehearseOptions, RunError};
use golive_gate::{Report, StepStatus, Verdict};

use crate::args::{Format, GateArgs, Global, PlanArgs, RehearseArgs, RunArgs, StepArgs};
use crate::board::Board;
use crate::commands::migrate::failure::ToFailure;
use crate::commands::support;
use crate::exit::{End, Failure, Result};
use crate::{clock, commands, output};

/// Said when a run is ended.
const GOES_ON: &str = "ending; `--resume` goes on from here";

pub(crate) async fn rehearse(global: &Global, args: RehearseArgs) -> Result {
    let config =
        if args.source.is_some() { commands::config_or_nothing(global)? } else { commands::config(global)? };
    if args.steps.dry_run {
        return Ok(print_list(global));
    }
    commands::doctor::ensure_servers(global, !args.no_install).await?;
    let base = commands::runs(global, &config).join("rehearsals");
    let mut options = RehearseOptions::new(config, base, run_name());
    options.source = args.source.map(std::path::absolute).transpose().map_err(Failure::reach)?;
    options.scale = args.scale;
    options.seed = args.seed;
    options.keep = args.keep;
    options.flow = flow_options(Mode::Act, args.steps);
    options.cancel = support::cancel_when_ended(GOES_ON);
    let board = Arc::new(Board::new(global));
    let outcome = golive::rehearse(options, Board::observer(&board)).await;
    finish(global, &board, outcome)
}

pub(crate) async fn plan(global: &Global, args: PlanArgs) -> Result {
    production(global, args, FlowOptions::new(Mode::Plan)).await
}

pub(crate) async fn run(global: &Global, args: RunArgs) -> Result {
    if args.steps.dry_run {
        return plan(global, args.addresses).await;
    }
    if !args.yes && !confirmed(global)? {
        return Err(Failure::usage("go on: nothing was changed; look at `golive plan`, then give --yes"));
    }
    production(global, args.addresses, flow_options(Mode::Act, args.steps)).await
}

pub(crate) async fn gate(global: &Global, args: GateArgs) -> Result {
    production(global, args.addresses, FlowOptions::new(Mode::Prove)).await
}

async fn production(global: &Global, args: PlanArgs, flow: FlowOptions) -> Result {
    let config = commands::config(global)?;
    let base = commands::runs(global, &config).join("runs");
    let mut options = ProductionOptions::new(config, base, run_name(), flow.mode);
    options.source = args.source.map(std::path::absolute).transpose().map_err(Failure::reach)?;
    options.target = args.target.map(golive::Setting::from);
    options.by = clock::environment("USER");
    options.flow = flow;
    options.cancel = support::cancel_when_ended(GOES_ON);
    let mode = options.flow.mode;
    if mode == Mode::Plan {
        // The plan is the document; a board beside it would say everything twice.
        return finish_plan(global, golive::run(options, &clock::environment, golive::nobody()).await);
    }
    let board = Arc::new(Board::new(global));
    let outcome = golive::run(options, &clock::environment, Board::observer(&board)).await;
    finish(global, &board, outcome)
}

fn finish(global: &Global, board: &Board, outcome: std::result::Result<Outcome, RunError>) -> Result {
    board.clear();
    let outcome = outcome.map_err(failure)?;
    match global.format {
        Format::Json => output::print(&golive_gate::to_json(&outcome.report)),
        Format::Text => {
            let color = output::is_colored(global);
            output::print(&golive_gate::to_text(&outcome.report, output::width(), color));
        }
    }
    if !global.quiet {
        output::complain(&format!("report: {}", outcome.directory.join("report.html").display()));
    }
    Ok(end(global, &outcome.report))
}

/// A criterion that fails is a no, whatever else could not be looked at; a step that could not look outweighs what is
/// merely unknown.
pub(super) fn end(global: &Global, report: &Report) -> End {
    let broken = report.steps.iter().any(|step| step.error.is_some());
    match report.verdict {
        Verdict::Go if global.deny_warnings && !report.warnings.is_empty() => End::Warnings,
        Verdict::Go => End::Ready,
        Verdict::NoGo => End::NotReady,
        _ if broken => End::OutOfReach,
        _ => End::NotReady,
    }
}

fn finish_plan(global: &Global, outcome: std::result::Result<Outcome, RunError>) -> Result {
    let report = outcome.map_err(failure)?.report;
    match global.format {
        Format::Json => {
            output::print_json(
                &serde_json::json!({ "schema_version": report.schema_version, "steps": report.steps }),
            );
        }
        Format::Text => {
            for step in &report.steps {
                output::print(&format!("{:<18} phase {}  {}", step.id, step.phase, step.title));
                for line in step.plan.iter().chain(&step.reason).chain(&step.error) {
                    output::print(&format!("    {line}"));
                }
            }
        }
    }
    let broken = report.steps.iter().any(|step| step.error.is_some());
    let refused = report.steps.iter().any(|step| step.status == StepStatus::Failed);
    Ok(match (broken, refused) {
        (true, _) => End::OutOfReach,
        (false, true) => End::NotReady,
        (false, false) => End::Ready,
    })
}

fn print_list(global: &Global) -> End {
    let steps = golive::list();
    match global.format {
        Format::Json => output::print_json(&serde_json::json!({ "schema_version": 1, "steps": steps })),
        Format::Text => {
            for about in steps {
                let sections = about.checklist.join(" ");
                output::print(&format!(
                    "{:<18} phase {}  {}  [{sections}]",
                    about.id, about.phase, about.title
                ));
            }
        }
    }
    End::Ready
}

fn flow_options(mode: Mode, args: StepArgs) -> FlowOptions {
    let mut options = FlowOptions::new(mode);
    options.resume = args.resume || args.from.is_some() || args.only.is_some();
    options.from = args.from;
    options.only = args.only;
    options.until = args.until;
    let applied = args.dangerous_abort_applied.map(AbortAt::Applied);
    options.dangerous_abort_at = applied.or(args.dangerous_abort_ended.map(AbortAt::Ended));
    options
}

fn failure(error: RunError) -> Failure {
    use golive::RunDirectoryError;
    let error = match error {
        RunError::Source(error) => return ToFailure::failure(error),
        RunError::Target(error) => return ToFailure::failure(error),
        RunError::TargetInUse(error) => return ToFailure::failure(error),
        error => error,
    };
    match &error {
        RunError::Directory(RunDirectoryError::Locked { .. }) => Failure::Busy(Box::new(error)),
        RunError::NoSource
        | RunError::NoSuchStep { .. }
        | RunError::Address(_)
        | RunError::OtherSubject { .. }
        | RunError::DataGone { .. }
        | RunError::Directory(RunDirectoryError::NothingToResume { .. }) => Failure::usage(error),
        _ => Failure::reach(error),
    }
}

fn confirmed(global: &Global) -> std::result::Result<bool, Failure> {
    use std::io::{BufRead, IsTerminal};
    let config: Config = commands::config(global)?;
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    output::complain(&format!(
        "This takes `{}` live: data is copied, demo accounts are switched off, keys are replaced.\nType its name to go on:",
        config.application.name
    ));
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(Failure::reach)?;
    Ok(line.trim() == config.application.name)
}

fn run_name() -> String {
    clock::now().format("%Y%m%dT%H%M%S%.3fZ").to_string()
}
