//! 3.3: the three health endpoints answer without a login, say how long they took, and are ready while all is well.

use std::time::{Duration, Instant};

use async_trait::async_trait;

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
            let answer = endpoint.probe(path).await.doing(format!("ask {path}"))?;
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
        }
        seen.saw("health.anonymous", anonymous);
        Ok(seen.done())
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
