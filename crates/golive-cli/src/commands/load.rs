//! `load`: the load of golive.toml against a running application, and the numbers of the newest run.

mod agents;
mod board;
mod outputs;
mod watch;

use std::time::Duration;

use golive::Config;
use golive_load::{
    Capacity, Difference, LoadError, LoadPlan, LoadReport, Progress, PublicTargetConfirmation, ScenarioKind,
    Threshold, Verdict,
};
use url::Url;

use crate::args::Global;
use crate::commands::support::{self, Meter, show};
use crate::exit::{End, Failure, Result};
use crate::{clock, commands, output};

/// What can be done with load.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Send the scenarios of `[load]` to `[http] base_url` and measure.
    Run(Box<RunArgs>),
    /// The highest multiple of that load at which every threshold is kept.
    Capacity(CapacityArgs),
    /// Be one of several generators of `load run --agents`, until Ctrl-C.
    Agent(agents::AgentArgs),
    /// The load numbers of the newest run of the flow.
    Report,
}

/// What is sent, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct What {
    /// Where the application answers; `[http] base_url` unless given.
    #[arg(long, value_name = "URL")]
    base_url: Option<Url>,
    /// For how long; `[load] seconds` unless given.
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
    /// No more requests than this.
    #[arg(long, value_name = "COUNT", default_value_t = 100_000)]
    max_requests: u64,
    /// A bearer token for all scenarios, `env:NAME` or `file:PATH`; without it requests go out anonymous.
    #[arg(long, value_name = "SETTING")]
    token: Option<String>,
    /// What a `{placeholder}` of the scenarios stands for; may be given more than once.
    #[arg(long = "value", value_name = "NAME=VALUE", value_parser = pair)]
    values: Vec<(String, String)>,
    /// A limit beside those of `[load] thresholds`, as `http.duration{route="dashboard"}.p95 < 500ms`; may be given more
    /// than once.
    #[arg(long = "threshold", value_name = "EXPRESSION")]
    thresholds: Vec<Threshold>,
    /// Any host but this machine is refused unless it is named here once more.
    #[arg(long, value_name = "HOST")]
    dangerous_public_target: Option<String>,
}

/// What `run` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    what: What,
    /// End the run when a threshold has been broken for so long.
    #[arg(long, value_name = "SECONDS")]
    abort_after: Option<u64>,
    /// Compare with this report, which an earlier run wrote with --json.
    #[arg(long, value_name = "FILE")]
    baseline: Option<std::path::PathBuf>,
    /// The application's database server, whose connections are counted beside the load: `env:NAME` or `file:PATH`.
    #[arg(long, value_name = "URL")]
    watch_database: Option<String>,
    /// A soak: this value must not have grown by more than 2 % after the first third of the run. One of `[load]
    /// watch_metrics`, `database.threads_connected`, or `generator.resident_bytes`, the memory of golive itself; may be given
    /// more than once. What was seen too seldom to say is unknown, not kept.
    #[arg(long, value_name = "NAME")]
    steady: Vec<String>,
    #[command(flatten)]
    agents: agents::Shared,
    #[command(flatten)]
    outputs: outputs::Outputs,
}

/// What `capacity` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct CapacityArgs {
    #[command(flatten)]
    what: What,
    /// Try no more than this multiple of the plan.
    #[arg(long, value_name = "FACTOR", default_value_t = 64.0)]
    highest: f64,
}

pub(crate) async fn run(global: &Global, command: Command) -> Result {
    match command {
        Command::Run(args) => run_load(global, *args).await,
        Command::Capacity(args) => capacity(global, args).await,
        Command::Agent(args) => agents::serve(global, args).await,
        Command::Report => report(global),
    }
}

async fn run_load(global: &Global, args: RunArgs) -> Result {
    let (config, mut plan) = described(global, &args.what)?;
    plan.abort_after = args.abort_after.map(Duration::from_secs);
    plan.steady = args.steady;
    let baseline = args.baseline.as_deref().map(outputs::read).transpose()?;
    let meter = Meter::new(global, "sending");
    let cancel = support::cancel_when_ended("stopping; what was measured is told");
    let board = board::moving(&meter);
    let progress = |now| board(now, "");
    let watch = watch::sampler(&config, &plan, args.watch_database.as_deref())?;
    let found = match args.agents.chosen(global)? {
        Some(agents) => golive_load::run_with_agents(&plan, &agents, &progress, &cancel, watch)
            .await
            .map_err(agents::failure),
        None => golive_load::run_sampled(&plan, &progress, &cancel, watch).await.map_err(failure),
    };
    meter.clear();
    let found = found?;
    let compared = baseline.map(|baseline| golive_load::compare(&baseline, &found));
    show(global, &Told { report: &found, compared: compared.as_ref() }, || {
        let mut told = text(&found);
        told.extend(compared.iter().map(|compared| format!("  against the baseline: {}", compared.says)));
        told.join("\n")
    });
    args.outputs.write(&found)?;
    let slow = found
        .latency_of(ScenarioKind::Dashboard)
        .is_some_and(|latency| latency.p95_ms >= config.gate.dashboard_p95_ms);
    let broken = found.errors + found.content_failures > 0 || found.scenarios_missing().next().is_some();
    let verdict = found.verdict();
    // A generator that was late says nothing of the application, for better or worse; wrong answers are wrong all the same.
    let judged_slow = slow && found.inconclusive.is_empty();
    let slower = compared.as_ref().is_some_and(|compared| compared.difference == Difference::Slower);
    let untold = compared.as_ref().is_some_and(|compared| compared.difference == Difference::Unknown);
    Ok(if judged_slow || broken || slower || verdict == Verdict::Broken {
        End::NotReady
    } else if verdict == Verdict::Unknown || untold {
        End::OutOfReach
    } else {
        End::Ready
    })
}

async fn capacity(global: &Global, args: CapacityArgs) -> Result {
    let (_, plan) = described(global, &args.what)?;
    let meter = Meter::new(global, "searching");
    let cancel = support::cancel_when_ended("stopping; what was found is told");
    let moving = board::moving(&meter);
    let progress = |factor: f64, now: Progress| {
        if !meter.is_silent() {
            moving(now, &format!("× {factor:.2} · "));
        }
    };
    let found = golive_load::find_capacity(&plan, args.highest, &progress, &cancel).await;
    meter.clear();
    let found = found.map_err(failure)?;
    show(global, &found, || capacity_text(&found));
    Ok(match (found.held, &found.why) {
        (Some(held), _) if held >= 1.0 => End::Ready,
        (_, Some(_)) if found.broke.is_none() => End::OutOfReach,
        _ => End::NotReady,
    })
}

fn capacity_text(found: &Capacity) -> String {
    let mut lines: Vec<String> = found
        .tries
        .iter()
        .map(|tried| {
            let verdict = match tried.verdict {
                Verdict::Kept => "held",
                Verdict::Broken => "broke",
                _ => "does not tell",
            };
            let says = tried.says.as_deref().map(|says| format!("  {says}")).unwrap_or_default();
            format!("  × {:<8.3} {:>8.1}/s  {verdict}{says}", tried.factor, tried.per_second)
        })
        .collect();
    let times = |factor: f64| format!("× {factor:.3} of the plan");
    lines.push(match (found.held, found.broke) {
        (Some(held), Some(broke)) => format!("held {}, broke at {}", times(held), times(broke)),
        (Some(held), None) => format!("held {}; none was broken", times(held)),
        (None, Some(broke)) => format!("broke at {}; none was held", times(broke)),
        (None, None) => "nothing was found".to_owned(),
    });
    lines.extend(found.why.iter().map(|why| format!("ended early: {why}")));
    lines.join("\n")
}

fn failure(error: LoadError) -> Failure {
    match error {
        LoadError::Task { .. } => Failure::reach(error),
        _ => Failure::usage(error),
    }
}

/// The load of golive.toml with what the command line changes.
fn described(global: &Global, what: &What) -> std::result::Result<(Config, LoadPlan), Failure> {
    let config = commands::config(global)?;
    let load = config.load.as_ref();
    let load =
        load.ok_or_else(|| Failure::usage("find scenarios: describe them in [load] of golive.toml"))?;
    let base = match (&what.base_url, &config.http.base_url) {
        (Some(url), _) => url.clone(),
        (None, Some(text)) => {
            Url::parse(text).map_err(|_| Failure::usage("read `base_url` in [http]: it is no address"))?
        }
        (None, None) => {
            return Err(Failure::usage(
                "find the application: give --base-url, or `base_url` in [http] of golive.toml",
            ));
        }
    };
    let token = match &what.token {
        Some(setting) => Some(support::resolve(&golive::Setting::from(setting.clone()), &config.directory)?),
        None => None,
    };
    let mut scenarios: Vec<golive_load::Scenario> =
        load.scenarios.iter().map(|described| described.run.clone()).collect();
    for scenario in &mut scenarios {
        scenario.data.iter_mut().for_each(|feeder| feeder.locate(&config.directory));
        scenario.tokens = token.iter().cloned().collect();
        for (name, value) in &what.values {
            scenario.values.insert(name.clone(), vec![value.clone()]);
        }
        for (name, value) in usual_values(&config) {
            scenario.values.entry(name.to_owned()).or_insert_with(|| vec![value]);
        }
    }
    let mut plan = LoadPlan::new(base, scenarios);
    plan.duration = Duration::from_secs(what.seconds.unwrap_or(load.seconds));
    plan.max_requests = what.max_requests;
    plan.thresholds = load.thresholds.iter().chain(&what.thresholds).cloned().collect();
    plan.dangerous_public_target =
        what.dangerous_public_target.clone().map(PublicTargetConfirmation::dangerous_i_may_overload);
    Ok((config, plan))
}

/// One document: the report, and what came of the comparison.
#[derive(serde::Serialize)]
struct Told<'r> {
    #[serde(flatten)]
    report: &'r LoadReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    compared: Option<&'r golive_load::Comparison>,
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

fn text(report: &LoadReport) -> Vec<String> {
    let mut lines = vec![format!(
        "{:.0} s on {}: {} requests, {} errors, {} wrong answers",
        report.seconds, report.target, report.requests, report.errors, report.content_failures
    )];
    for scenario in &report.scenarios {
        let latency = scenario.response.as_ref().or(scenario.service.as_ref());
        let measured = match latency {
            Some(latency) => format!(
                "p50 {:.1} ms  p95 {:.1} ms  p99 {:.1} ms  p99.9 {:.1} ms  max {:.1} ms",
                latency.p50_ms, latency.p95_ms, latency.p99_ms, latency.p999_ms, latency.max_ms
            ),
            None => "not one good answer".to_owned(),
        };
        lines.push(format!("  {:<24} {:>8} requests  {measured}", scenario.name, scenario.requests));
        lines.extend(scenario.errors.iter().map(|(class, count)| {
            let cause =
                scenario.error_causes.get(class).map(|cause| format!(": {cause}")).unwrap_or_default();
            format!("    {count} × {class}{cause}")
        }));
        if scenario.asked_to_wait > 0 {
            lines.push(format!(
                "    {} × asked to wait, {} s at the longest",
                scenario.asked_to_wait, scenario.longest_wait_seconds
            ));
        }
        lines.extend(journey(scenario));
        lines.extend(
            scenario.content_failure_reasons.iter().map(|(reason, count)| format!("    {count} × {reason}")),
        );
    }
    lines.extend(report.watched.iter().map(|watched| {
        format!(
            "  {:<34} from {:.0} to {:.0}, mean {:.1}, at its end {:.0}",
            watched.name, watched.min, watched.max, watched.mean, watched.last
        )
    }));
    let word = |verdict| match verdict {
        Verdict::Kept => "kept",
        Verdict::Broken => "BROKEN",
        _ => "unknown",
    };
    lines.extend(
        report.growth.iter().map(|growth| format!("  {:<8} {}", word(growth.verdict()), growth.says())),
    );
    lines.extend(report.thresholds.iter().map(|judged| {
        let verdict = word(judged.verdict);
        let actual = judged.actual.map(|actual| format!(": {actual:.2} {}", judged.unit)).unwrap_or_default();
        let why = judged.why.as_deref().map(|why| format!("; {why}")).unwrap_or_default();
        format!("  {verdict:<8} {}{actual}{why}", judged.threshold)
    }));
    lines.extend(report.inconclusive.iter().map(|reason| format!("  inconclusive: {reason}")));
    lines
}

/// The steps of a journey, its sign-ins, and what became of those that did not end.
fn journey(scenario: &golive_load::ScenarioReport) -> Vec<String> {
    let line = |what: &str, step: &golive_load::StepReport| {
        let measured = step.latency.map_or_else(
            || "not one good answer".to_owned(),
            |latency| {
                format!(
                    "p50 {:.1} ms  p95 {:.1} ms  p99 {:.1} ms",
                    latency.p50_ms, latency.p95_ms, latency.p99_ms
                )
            },
        );
        format!("    {what:<22} {:>8} requests  {measured}", step.requests)
    };
    let mut lines: Vec<String> = scenario.steps.iter().map(|step| line(&step.route, step)).collect();
    if let Some(sign_in) = &scenario.sign_in {
        lines.push(line("signing in", sign_in));
        lines.extend(sign_in.errors.iter().map(|(class, count)| format!("      {count} × {class}")));
    }
    if scenario.tokens_refused > 0 {
        lines.push(format!("    {} × a token was refused and renewed", scenario.tokens_refused));
    }
    if scenario.journeys_abandoned > 0 {
        lines.push(format!("    {} journeys did not reach their last step", scenario.journeys_abandoned));
    }
    lines
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
