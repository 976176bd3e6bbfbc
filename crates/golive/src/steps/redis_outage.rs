//! 2.1, 3.3, 4.3: Redis is stopped on purpose. Tokens are denied, readiness says so, the service stays up, and all
//! comes back by itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::health::{ready_path, wait_for_ready};
use super::session;
use crate::context::Context;
use crate::rehearsal::Rehearsal;
use crate::step::{About, Doing, Plan, Proof, Step, StepError, Witness};

pub(crate) struct RedisOutage;

#[async_trait]
impl Step for RedisOutage {
    fn about(&self) -> About {
        About::new("redis-outage", 4, "Stop Redis under the running application")
            .checklist(&["2.1", "3.3", "4.3"])
            .after(&["team"])
            .once_ended(&["health", "revocation", "rate-limit"])
            .supplies(&["revocation.fails_closed", "health.not_ready_without_redis"])
            .exclusive()
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        context.rehearsal()?;
        Ok(Plan::line("stop Redis, look at tokens, readiness and liveness, start Redis again"))
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let servers = Arc::clone(context.rehearsal()?);
        let ready = ready_path(context)?;
        let endpoint = context.application().await?;
        let mut seen = Witness::new("the application while Redis was stopped", context.now());
        let token = session::sign_in_admin(context, &endpoint).await?;
        let probe = &context.config.journeys.authenticated;
        let before = session::ask(context, &endpoint, probe, &session::values(context), &token).await?;
        before.check(&context.request(probe)?.respond).map_err(|why| {
            StepError::Refused(format!("a valid token does not work before the outage: it {why}"))
        })?;
        switch(&servers, false).await?;
        let during = session::ask(context, &endpoint, probe, &session::values(context), &token).await;
        let not_ready = wait_for_ready(&endpoint, ready, 503, NOTICED_WITHIN).await;
        let live = endpoint.probe(context.config.http.live.as_deref().unwrap_or("/")).await;
        let began = Instant::now();
        switch(&servers, true).await?;
        let back = wait_for_ready(&endpoint, ready, 200, BACK_WITHIN).await;
        let recovery = began.elapsed();
        let denied = during.is_ok_and(|answer| matches!(answer.status, 401 | 403 | 503));
        let stayed = live.is_ok_and(|answer| answer.status == 200);
        seen.saw("revocation.fails_closed", denied)
            .saw("health.not_ready_without_redis", not_ready.is_some())
            .saw("health.live_without_redis", stayed)
            .saw("outage.redis_recovered", back.is_some())
            .saw("outage.redis_recovery_seconds", recovery.as_secs_f64());
        if !stayed {
            seen.finds("the application was not live while Redis was stopped: it must go on without");
        }
        if back.is_none() {
            seen.finds("the application did not become ready again after Redis came back");
        }
        Ok(seen.done())
    }
}

async fn switch(servers: &Arc<Rehearsal>, on: bool) -> Result<(), StepError> {
    let servers = Arc::clone(servers);
    let act = move || match on {
        true => servers.redis.start_again().doing("start Redis again"),
        false => servers.redis.stop().doing("stop Redis"),
    };
    tokio::task::spawn_blocking(act).await.expect("switching Redis does not panic")
}

const NOTICED_WITHIN: Duration = Duration::from_secs(15);
const BACK_WITHIN: Duration = Duration::from_secs(30);
