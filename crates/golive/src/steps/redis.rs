//! 2.1: the Redis server itself: reachable, with a password, keeping what must survive a restart.

use async_trait::async_trait;
use golive_cache::FindingSeverity;

use crate::context::Context;
use crate::step::{About, Doing, Plan, Proof, Step, StepError, Witness};

pub(crate) struct RedisServer;

#[async_trait]
impl Step for RedisServer {
    fn about(&self) -> About {
        About::new("redis", 2, "Look at the Redis server").checklist(&["2.1", "2.2"])
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        context.redis()?;
        Ok(Plan::line("look at version, password, persistence and eviction"))
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let check = golive_cache::check(&context.redis()?).await.doing("look at Redis")?;
        let mut seen = Witness::new("Redis INFO", context.now());
        seen.saw("redis.latency_ms", check.latency_microseconds as f64 / 1e3)
            .saw("redis.append_only", check.append_only)
            .saw("redis.password", check.password_in_url);
        let texts: Vec<String> = check.findings.iter().map(|finding| finding.message.clone()).collect();
        seen.saw("redis.findings", texts);
        for finding in check.findings.iter().filter(|finding| finding.severity == FindingSeverity::Error) {
            seen.finds(format!("{}; {}", finding.message, finding.remedy));
        }
        Ok(seen.done())
    }
}
