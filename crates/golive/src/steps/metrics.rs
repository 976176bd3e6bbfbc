//! 3.4: `/metrics` answers without a login, in the format a scraper reads, with what a dashboard needs.

use async_trait::async_trait;

use crate::context::Context;
use crate::step::{About, Doing, Plan, Proof, Step, StepError, Witness};

pub(crate) struct Metrics;

#[async_trait]
impl Step for Metrics {
    fn about(&self) -> About {
        About::new("metrics", 3, "Scrape the metrics").checklist(&["3.4"]).after(&["admin-login"])
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        Ok(Plan::line(format!("GET {}", path(context)?)))
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let path = path(context)?;
        let endpoint = context.application().await?;
        let answer = endpoint.probe(path).await.doing("scrape the metrics")?;
        let mut seen =
            Witness::new(format!("{path} of the application at {}", endpoint.base()), context.now());
        seen.saw("metrics.status", answer.status);
        if answer.status != 200 {
            seen.finds(format!("{path} answers {}", answer.status));
            return Ok(seen.done());
        }
        let text = String::from_utf8_lossy(&answer.body);
        let families = text.lines().filter(|line| line.starts_with("# TYPE ")).count();
        let histogram = text.lines().any(|line| line.starts_with("# TYPE ") && line.ends_with(" histogram"));
        seen.saw("metrics.families", families).saw("metrics.latency_histogram", histogram);
        if !histogram {
            seen.finds("there is no histogram: p95 cannot be derived");
        }
        Ok(seen.done())
    }
}

fn path(context: &Context) -> Result<&str, StepError> {
    let path = context.config.http.metrics.as_deref();
    path.ok_or_else(|| StepError::unknown("golive.toml gives no `metrics` in [http]"))
}
