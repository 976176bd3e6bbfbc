//! 6.1, 1.2: the expected load, by the real team's accounts, against the running application.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use golive_auth::TeamMember;
use golive_load::{LoadPlan, LoadReport, Sampler, Scenario, ScenarioKind};
use secrecy::SecretString;
use url::Url;

use super::session;
use super::team::read;
use crate::config::Load;
use crate::context::Context;
use crate::event::Event;
use crate::http::Endpoint;
use crate::step::{About, Doing, Plan, Proof, Step, StepError, Witness};

pub(crate) struct LoadTest;

#[async_trait]
impl Step for LoadTest {
    fn about(&self) -> About {
        About::new(ID, 6, "Bear the expected load")
            .checklist(&["6.1", "1.2"])
            .after(&["team"])
            .once_ended(&[
                "credentials",
                "cache",
                "logs",
                "errors",
                "metrics",
                "redis-outage",
                "database-outage",
            ])
            .supplies(&[
                "load.dashboard_p95_ms",
                "load.error_rate",
                "load.content_failures",
                "load.scenarios_missing",
            ])
            .exclusive()
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        let load = load(context)?;
        let mut lines = vec![format!("for {} s:", load.seconds)];
        lines.extend(load.scenarios.iter().map(|scenario| {
            let run = &scenario.run;
            let steps: Vec<_> =
                run.requests().map(|request| format!("{} {}", request.method, request.path)).collect();
            format!("  {} × {}: {}", run.users, run.name, steps.join(", then "))
        }));
        Ok(Plan::lines(lines))
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let report = run(context, Duration::from_secs(load(context)?.seconds)).await?;
        let mut seen =
            Witness::new(format!("{} s of load on {}", report.seconds.round(), report.target), context.now());
        tell(&report, &mut seen);
        judge_description(load(context)?, &report, &mut seen);
        Ok(seen.done())
    }
}

/// A load that expects nothing of an answer, or leaves out what people do all day, proves nothing.
fn judge_description(load: &Load, report: &LoadReport, seen: &mut Witness) {
    let runs = || load.scenarios.iter().map(|scenario| &scenario.run);
    let left_out = [ScenarioKind::Dashboard, ScenarioKind::Entry, ScenarioKind::Upload]
        .into_iter()
        .filter(|kind| runs().all(|run| run.kind != *kind))
        .count();
    seen.saw("load.scenarios_missing", report.scenarios_missing().count() + left_out);
    let blind = runs().find(|run| {
        let expect = &run.expect;
        run.kind != ScenarioKind::Other
            && expect.json_pointer_present.is_empty()
            && expect.json.is_empty()
            && expect.contains.is_empty()
    });
    match blind {
        Some(run) => {
            seen.could_not(format!("scenario `{}` expects nothing of an answer but its status", run.name))
        }
        None => seen.saw("load.content_failures", report.content_failures),
    };
}

/// Runs the described load for a time.
pub(crate) async fn run(context: &Context, duration: Duration) -> Result<LoadReport, StepError> {
    let load = load(context)?;
    let endpoint = context.application().await?;
    let mut plan = LoadPlan::new(
        Url::parse(endpoint.base()).doing("read the application's address")?,
        scenarios(context, &endpoint, load).await?,
    );
    plan.duration = duration;
    let watch = |progress: golive_load::Progress| {
        (context.observer)(Event::Progress {
            step: ID,
            item: "requests".to_owned(),
            done: progress.requests,
            total: None,
            per_second: Some(progress.requests as f64 / progress.elapsed.as_secs_f64().max(0.1)),
        });
    };
    let sampler = sampler(context, &endpoint, load);
    golive_load::run_sampled(&plan, &watch, &context.cancel, sampler).await.doing("run the load")
}

/// Beside the load: the database server's connections, and the metrics that `[load]` names. What cannot be looked at is left
/// out: the load is what must be proven.
fn sampler(context: &Context, endpoint: &Endpoint, load: &Load) -> Option<Sampler> {
    let server = context.target().ok().and_then(|url| golive_load::watch_server(&url).ok());
    let mut samplers: Vec<Sampler> = server.into_iter().collect();
    if let Some(path) = context.config.http.metrics.clone().filter(|_| !load.watch_metrics.is_empty()) {
        let (endpoint, names) = (endpoint.clone(), Arc::<[String]>::from(load.watch_metrics.clone()));
        samplers.push(Box::new(move || {
            let (endpoint, names, path) = (endpoint.clone(), Arc::clone(&names), path.clone());
            Box::pin(async move { scrape(&endpoint, &path, &names).await })
        }));
    }
    golive_load::watch_all(samplers)
}

/// The named metrics, each summed over its labels; none when they cannot be had.
async fn scrape(endpoint: &Endpoint, path: &str, names: &[String]) -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    let Ok(answer) = endpoint.probe(path).await else { return found };
    let text = String::from_utf8_lossy(&answer.body);
    for sample in golive_observe::parse_metrics_text(&text).unwrap_or_default() {
        if names.contains(&sample.name) {
            *found.entry(sample.name).or_default() += sample.value;
        }
    }
    found
}

fn tell(report: &LoadReport, seen: &mut Witness) {
    match report.latency_of(ScenarioKind::Dashboard) {
        Some(latency) => {
            seen.saw("load.dashboard_p50_ms", latency.p50_ms)
                .saw("load.dashboard_p95_ms", latency.p95_ms)
                .saw("load.dashboard_p99_ms", latency.p99_ms);
        }
        None => {
            seen.could_not(
                "no dashboard was measured: no scenario has `kind = \"dashboard\"`, or none answered",
            );
        }
    }
    for (kind, fact) in
        [(ScenarioKind::Entry, "load.entry_p95_ms"), (ScenarioKind::Upload, "load.upload_p95_ms")]
    {
        if let Some(latency) = report.latency_of(kind) {
            seen.saw(fact, latency.p95_ms);
        }
    }
    seen.saw("load.requests", report.requests)
        .saw("load.requests_per_second", report.requests as f64 / report.seconds.max(0.001))
        .saw("load.error_rate", report.error_rate);
    for watched in &report.watched {
        seen.saw(&format!("load.watched.{}.max", watched.name), watched.max);
    }
    for scenario in &report.scenarios {
        let name: String =
            scenario.name.chars().map(|letter| if letter.is_alphanumeric() { letter } else { '_' }).collect();
        if let Some(latency) = &scenario.service {
            seen.saw(&format!("load.{name}.p95_ms"), latency.p95_ms);
        }
        seen.saw(&format!("load.{name}.requests"), scenario.requests);
        for (class, count) in &scenario.errors {
            seen.saw(&format!("load.{name}.errors.{class}"), *count);
        }
    }
    for reason in &report.inconclusive {
        seen.could_not(reason.clone());
    }
}

async fn scenarios(context: &Context, endpoint: &Endpoint, load: &Load) -> Result<Vec<Scenario>, StepError> {
    let has_roles = load.scenarios.iter().any(|described| described.role.is_some());
    let members = if has_roles { read(context)? } else { Vec::new() };
    let mut all = Vec::new();
    for described in &load.scenarios {
        let mut scenario = described.run.clone();
        scenario.data.iter_mut().for_each(|feeder| feeder.locate(&context.config.directory));
        if let Some(role) = &described.role {
            scenario.tokens = tokens(context, endpoint, &members, role, scenario.users).await?;
        }
        for (name, value) in session::values(context).as_map() {
            scenario.values.entry(name.clone()).or_insert_with(|| vec![value.clone()]);
        }
        all.push(scenario);
    }
    Ok(all)
}

/// A token for each member of the role, as many as there are users; the administrator's own where that is the role.
async fn tokens(
    context: &Context,
    endpoint: &Endpoint,
    members: &[TeamMember],
    role: &str,
    users: u32,
) -> Result<Vec<SecretString>, StepError> {
    let mut tokens = Vec::new();
    for member in members.iter().filter(|member| member.role == role).take(users as usize) {
        tokens.push(session::sign_in(context, endpoint, &member.username).await?);
    }
    if tokens.is_empty() && role == session::admin(context)?.role {
        tokens.push(session::sign_in_admin(context, endpoint).await?);
    }
    if tokens.is_empty() {
        return Err(StepError::unknown(format!("nobody in the team has role {role}")));
    }
    Ok(tokens)
}

fn load(context: &Context) -> Result<&Load, StepError> {
    context.config.load.as_ref().ok_or_else(|| StepError::unknown("golive.toml describes no [load]"))
}

const ID: &str = "load";
