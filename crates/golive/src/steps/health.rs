//! 3.3: the three health endpoints answer without a login, say how long they took, and are ready while all is well. Deep
//! health may ask for a token of its own, and its report is read check by check.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use golive_observe::{HealthStatus, InvalidHealthDocument, check_health_document};

use crate::context::Context;
use crate::http::{Answer, Endpoint};
use crate::step::{About, Doing, Plan, Proof, Step, StepError, Witness};

pub(crate) struct Health;

#[async_trait]
impl Step for Health {
    fn about(&self) -> About {
        About::new("health", 3, "Ask the health endpoints, without a login")
            .checklist(&["3.3"])
            .after(&["environment"])
            .supplies(&["health.live", "health.ready", "health.anonymous"])
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        let paths = paths(context)?;
        Ok(Plan::lines(paths.iter().map(|(_, path)| format!("GET {path}")).collect()))
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let paths = paths(context)?;
        let endpoint = context.application().await?;
        let mut seen = Witness::new(format!("the application at {}", endpoint.base()), context.now());
        let mut anonymous = true;
        for (name, path) in paths {
            let token = context.deep_token.as_ref().filter(|_| name == "deep");
            let asked = match token {
                Some(token) => endpoint.probe_as(path, token).await,
                None => endpoint.probe(path).await,
            };
            let answer = asked.doing(format!("ask {path}"))?;
            anonymous &= !answer.is_refusal();
            let fine = answer.status == 200;
            seen.saw(&format!("health.{name}"), fine)
                .saw(&format!("health.{name}_ms"), answer.elapsed.as_secs_f64() * 1e3);
            if !fine {
                seen.finds(format!("{path} answers {}", answer.status));
            }
            if name != "live" && !has_timings(&answer) {
                seen.finds(format!("{path} does not say how long its checks took"));
            }
            if name == "deep" {
                if answer.is_refusal() {
                    seen.finds(refused(path, token.is_some()));
                }
                for finding in unwell(&answer.json()) {
                    seen.finds(format!("{path}: {finding}"));
                }
            }
        }
        seen.saw("health.anonymous", anonymous);
        Ok(seen.done())
    }
}

/// What to do about a deep check that refuses to answer.
fn refused(path: &str, was_token_given: bool) -> String {
    if was_token_given {
        return format!("{path} refuses the token that `deep_token` in [http] of golive.toml gives");
    }
    format!("{path} asks for a token: name it as `deep_token = \"env:NAME\"` in [http] of golive.toml")
}

/// The checks of a deep report that are not as they must be; what is degraded works. An application that reports in
/// another form says by its status alone how it is.
fn unwell(document: &serde_json::Value) -> Vec<String> {
    match check_health_document(document) {
        Ok(report) => {
            let bad = report.checks.into_iter().filter(|check| check.status >= HealthStatus::Unknown);
            let told = bad.map(|check| {
                let status = format!("{:?}", check.status).to_lowercase();
                let detail = check.detail.map(|detail| format!(": {detail}")).unwrap_or_default();
                format!("{} is {status}{detail}", check.name)
            });
            told.collect()
        }
        Err(InvalidHealthDocument::Hides { check, .. }) => {
            vec![format!("the report says that all is better than its check {check}")]
        }
        Err(_) => Vec::new(),
    }
}

fn paths(context: &Context) -> Result<[(&'static str, &str); 3], StepError> {
    let http = &context.config.http;
    match (&http.live, &http.ready, &http.deep) {
        (Some(live), Some(ready), Some(deep)) => Ok([("live", live), ("ready", ready), ("deep", deep)]),
        _ => Err(StepError::unknown("golive.toml must give `live`, `ready` and `deep` in [http]")),
    }
}

/// Some number in the document is named for a time.
fn has_timings(answer: &Answer) -> bool {
    fn timed(value: &serde_json::Value) -> bool {
        match value {
            serde_json::Value::Object(fields) => fields.iter().any(|(name, value)| {
                let named = ["milliseconds", "_ms", "duration", "latency", "elapsed"]
                    .iter()
                    .any(|word| name.contains(word));
                (named && value.is_number()) || timed(value)
            }),
            serde_json::Value::Array(items) => items.iter().any(timed),
            _ => false,
        }
    }
    timed(&answer.json())
}

/// The readiness path.
pub(crate) fn ready_path(context: &Context) -> Result<&str, StepError> {
    let path = context.config.http.ready.as_deref();
    path.ok_or_else(|| StepError::unknown("golive.toml gives no `ready` in [http]"))
}

/// Waits until readiness answers `status`; how long that took, or nothing when it did not within `limit`.
pub(crate) async fn wait_for_ready(
    endpoint: &Endpoint,
    path: &str,
    status: u16,
    limit: Duration,
) -> Option<Duration> {
    let began = Instant::now();
    while began.elapsed() < limit {
        if endpoint.probe(path).await.is_ok_and(|answer| answer.status == status) {
            return Some(began.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_deep_report_is_read_check_by_check() {
        let check = |name: &str, status: &str| json!({ "name": name, "status": status, "milliseconds": 1.5 });
        let mut backup = check("backup", "unknown");
        backup["detail"] = "no good backup is known".into();
        let report = json!({ "status": "unknown", "checks": [check("tables", "up"), check("disk", "degraded"), backup] });
        assert_eq!(unwell(&report), ["backup is unknown: no good backup is known"]);
        let hides = json!({ "status": "up", "checks": [check("schema", "down")] });
        assert_eq!(unwell(&hides), ["the report says that all is better than its check schema"]);
        assert!(unwell(&json!({ "status": "up", "checks": [check("tables", "up")] })).is_empty());
        assert!(unwell(&json!({ "database": "ok", "latency_ms": 3 })).is_empty());
    }

    #[test]
    fn a_refusal_says_where_the_token_belongs() {
        assert!(refused("/health/deep", false).contains("deep_token = \"env:NAME\""));
        assert!(refused("/health/deep", true).contains("refuses the token"));
    }
}
