//! 1.2: the application's pool settings against the server, and the pool itself under 10, 30 and 50 requests at once.

use async_trait::async_trait;
use golive_migrate::{PoolSettings, probe_pool};

use crate::context::Context;
use crate::step::{About, Doing, Plan, Proof, Step, StepError, Witness};

pub(crate) struct Pool;

#[async_trait]
impl Step for Pool {
    fn about(&self) -> About {
        About::new("pool", 1, "Probe the connection pool")
            .checklist(&["1.2"])
            // The survey has reached the server: a pool would wait half a minute for one that is not there.
            .after(&["survey"])
            .once_ended(&["switch"])
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        context.target()?;
        let settings = settings(context)?;
        Ok(Plan::line(format!(
            "open a pool of {} connections, ask it from 10, 30 and 50 tasks at once",
            settings.max_connections()
        )))
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let settings = settings(context)?;
        let probe = probe_pool(&context.target()?, &settings, &CONCURRENCY).await.doing("probe the pool")?;
        let mut seen =
            Witness::new(format!("a pool of {} connections", settings.max_connections()), context.now());
        for run in &probe.runs {
            let key = |what: &str| format!("pool.{}.{what}", run.concurrency);
            seen.saw(&key("waited"), run.waited)
                .saw(&key("exhausted"), run.exhausted)
                .saw(&key("acquire_p95_ms"), run.acquire_p95_ms);
            if run.exhausted + run.failed > 0 {
                seen.finds(format!(
                    "{} of {} requests got no connection with {} at once",
                    run.exhausted + run.failed,
                    run.requests,
                    run.concurrency
                ));
            }
        }
        Ok(seen.done())
    }
}

/// As the application will read them from its environment.
fn settings(context: &Context) -> Result<PoolSettings, StepError> {
    PoolSettings::from_pairs(&context.config.environment).doing("read the pool settings of [environment]")
}

const CONCURRENCY: [usize; 3] = [10, 30, 50];
