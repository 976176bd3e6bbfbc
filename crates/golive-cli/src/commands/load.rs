//! `load`: the load of golive.toml against a running application, and the numbers of the newest run.

use std::time::Duration;

use golive::Config;
use golive_load::{LoadError, LoadPlan, LoadReport, Progress, PublicTargetConfirmation, ScenarioKind};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::args::Global;
use crate::commands::support::{self, Meter, show};
use crate::exit::{End, Failure, Result};
use crate::{clock, commands, output};

/// What can be done with load.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Send the scenarios of `[load]` to `[http] base_url` and measure.
    Run(RunArgs),
    /// The load numbers of the newest run of the flow.
    Report,
}

/// What `run` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// Where the application answers; `[http] base_url` unless given.
    #[arg(long, value_name = "URL")]
    base_url: Option<Url>,
    /// For how long; `[load] seconds` unless given.
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
    /// A bearer token for all scenarios, `env:NAME` or `file:PATH`; without it requests go out anonymous.
    #[arg(long, value_name = "SETTING")]
    token: Option<String>,
    /// What a `{placeholder}` of the scenarios stands for; may be given more than once.
    #[arg(long = "value", value_name = "NAME=VALUE", value_parser = pair)]
    values: Vec<(String, String)>,
    /// Any host but this machine is refused unless it is named here once more.
    #[arg(long, value_name = "HOST")]
    dangerous_public_target: Option<String>,
}

pub(crate) async fn run(global: &Global, command: Command) -> Result {
    match command {
        Command::Run(args) => run_load(global, args).await,
        Command::Report => report(global),
    }
}

async fn run_load(global: &Global, args: RunArgs) -> Result {
    let config = commands::config(global)?;
    let load = config.load.as_ref();
    let load =
        load.ok_or_else(|| Failure::usage("find scenarios: describe them in [load] of golive.toml"))?;
    let base = match (args.base_url, &config.http.base_url) {
        (Some(url), _) => url,
        (None, Some(text)) => {
            Url::parse(text).map_err(|_| Failure::usage("read `base_url` in [http]: it is no address"))?
        }
        (None, None) => {
            return Err(Failure::usage(
                "find the application: give --base-url, or `base_url` in [http] of golive.toml",
            ));
        }
    };
    let token = match args.token {
        Some(setting) => Some(support::resolve(&golive::Setting::from(setting), &config.directory)?),
        None => None,
    };
    let mut scenarios: Vec<golive_load::Scenario> =
        load.scenarios.iter().map(|described| described.run.clone()).collect();
    for scenario in &mut scenarios {
        scenario.tokens = token.iter().cloned().collect();
        for (name, value) in &args.values {
            scenario.values.insert(name.clone(), vec![value.clone()]);
        }
        for (name, value) in usual_values(&config) {
            scenario.values.entry(name.to_owned()).or_insert_with(|| vec![value]);
        }
    }
    let mut plan = LoadPlan::new(base, scenarios);
    plan.duration = Duration::from_secs(args.seconds.unwrap_or(load.seconds));
    plan.dangerous_public_target =
        args.dangerous_public_target.map(PublicTargetConfirmation::dangerous_i_may_overload);
    let meter = Meter::new(global, "sending");
    let found = golive_load::run(&plan, &moving(&meter), &until_interrupted()).await;
    meter.clear();
    let found = found.map_err(|error| match error {
        LoadError::Client { .. } | LoadError::Task { .. } => Failure::reach(error),
        _ => Failure::usage(error),
    })?;
    show(global, &found, || text(&found));
    let slow = found
        .latency_of(ScenarioKind::Dashboard)
        .is_some_and(|latency| latency.p95_ms >= config.gate.dashboard_p95_ms);
    let broken = found.errors + found.content_failures > 0 || found.scenarios_missing().next().is_some();
    Ok(match (slow || broken, found.inconclusive.is_empty()) {
        (true, _) => End::NotReady,
        (false, false) => End::OutOfReach,
        (false, true) => End::Ready,
    })
}

fn pair(text: &str) -> std::result::Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("give NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// What the flow fills in too, so that one golive.toml serves both.
fn usual_values(config: &Config) -> Vec<(&'static str, String)> {
    let today = clock::now().date_naive();
    let month_ago = today - chrono::Days::new(30);
    let mut values =
        vec![("today", today.to_string()), ("from", month_ago.to_string()), ("to", today.to_string())];
    if let Some(tenant) = &config.tenant {
        values.extend([("tenant_id", tenant.id.clone()), ("tenant_name", tenant.name.clone())]);
    }
    values
}

fn moving(meter: &Meter) -> impl Fn(Progress) + Send + Sync + 'static {
    let meter = meter.clone();
    move |progress| {
        let rate = progress.requests as f64 / progress.elapsed.as_secs_f64().max(0.1);
        meter.say(format!(
            "{} of {} s · {} requests, {rate:.0}/s · {} errors",
            progress.elapsed.as_secs(),
            progress.total.as_secs(),
            progress.requests,
            progress.errors
        ));
    }
}

fn until_interrupted() -> CancellationToken {
    let cancel = CancellationToken::new();
    let trigger = cancel.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            trigger.cancel();
        }
    });
    cancel
}

fn text(report: &LoadReport) -> String {
    let mut lines = vec![format!(
        "{:.0} s on {}: {} requests, {} errors, {} wrong answers",
        report.seconds, report.target, report.requests, report.errors, report.content_failures
    )];
    for scenario in &report.scenarios {
        let latency = scenario.response.as_ref().or(scenario.service.as_ref());
        let measured = match latency {
            Some(latency) => format!(
                "p50 {:.0} ms  p95 {:.0} ms  p99 {:.0} ms",
                latency.p50_ms, latency.p95_ms, latency.p99_ms
            ),
            None => "not one good answer".to_owned(),
        };
        lines.push(format!("  {:<24} {:>8} requests  {measured}", scenario.name, scenario.requests));
        lines.extend(scenario.errors.iter().map(|(class, count)| format!("    {count} × {class}")));
        lines.extend(
            scenario.content_failure_reasons.iter().map(|(reason, count)| format!("    {count} × {reason}")),
        );
    }
    lines.extend(report.inconclusive.iter().map(|reason| format!("  inconclusive: {reason}")));
    lines.join("\n")
}

/// The numbers of the newest run, of a production run if there is one, else of a rehearsal.
fn report(global: &Global) -> Result {
    let config = commands::config_or_nothing(global)?;
    let base = commands::runs(global, &config);
    let newest =
        golive::read_latest(&base.join("runs")).or_else(|_| golive::read_latest(&base.join("rehearsals")));
    let (report, _) = newest.map_err(Failure::reach)?;
    let Some(step) = report.steps.iter().find(|step| step.id == "load") else {
        return Err(Failure::reach(format!(
            "find the load test in run {}: it was not reached",
            report.run_id
        )));
    };
    show(global, step, || {
        let mut lines = vec![format!("run {} · {}", report.run_id, step.title)];
        lines.extend(step.proof.iter().map(|fact| format!("  {:<40} {}", fact.key, fact.value)));
        lines.join("\n")
    });
    if step.proof.is_empty() {
        output::complain("the load test of this run proved nothing");
        return Ok(End::OutOfReach);
    }
    Ok(if step.status == golive_gate::StepStatus::Passed { End::Ready } else { End::NotReady })
}
