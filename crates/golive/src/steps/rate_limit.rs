//! 2.2: the limit fires, is shared by instances, outlives a restart, and no forged header walks around it.

use std::time::Duration;

use async_trait::async_trait;

use super::session;
use crate::config::{RateLimitProof, RequestTemplate};
use crate::context::Context;
use crate::http::Endpoint;
use crate::step::{About, Doing, Plan, Proof, Step, StepError, Witness};

pub(crate) struct RateLimit;

#[async_trait]
impl Step for RateLimit {
    fn about(&self) -> About {
        About::new("rate-limit", 2, "Hit the rate limit, forge a header, restart, use a second instance")
            .checklist(&["2.2"])
            .after(&["environment"])
            .once_ended(&["revocation"])
            .supplies(&[
                "rate_limit.enforced",
                "rate_limit.survives_restart",
                "rate_limit.shared",
                "rate_limit.forged_header_ignored",
            ])
            .exclusive()
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        let limit = limit(context)?;
        Ok(Plan::lines(vec![
            format!(
                "send `{}` {} times, of which {} are allowed",
                limit.request,
                limit.limit + 2,
                limit.limit
            ),
            "send it with a forged X-Forwarded-For, to a second instance, and after a restart".to_owned(),
        ]))
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let limit = limit(context)?;
        let request = context.request(&limit.request)?;
        let endpoint = context.application().await?;
        let mut seen = Witness::new(format!("the application at {}", endpoint.base()), context.now());
        let (mut allowed, mut refused) = fill(context, &endpoint, request, limit).await?;
        if allowed + 1 < limit.limit {
            // Somebody used the window before us; in the next one it is ours alone.
            tokio::time::sleep(Duration::from_secs(u64::from(limit.window_seconds.min(120)))).await;
            (allowed, refused) = fill(context, &endpoint, request, limit).await?;
        }
        if allowed + 1 < limit.limit {
            seen.could_not(format!(
                "{allowed} of {} requests were allowed: what refuses may be something else",
                limit.limit
            ));
            return Ok(seen.done());
        }
        // A window may turn while it is filled: one more is then allowed, never many.
        seen.saw("rate_limit.allowed", allowed)
            .saw("rate_limit.refused", refused)
            .saw("rate_limit.enforced", refused > 0 && allowed <= limit.limit + 1);
        let mut forged = request.clone();
        forged.headers.insert("x-forwarded-for".to_owned(), "203.0.113.77".to_owned());
        forged.headers.insert("forwarded".to_owned(), "for=203.0.113.78".to_owned());
        forged.headers.insert("x-real-ip".to_owned(), "203.0.113.79".to_owned());
        seen.saw("rate_limit.forged_header_ignored", is_still_refused(context, &endpoint, &forged).await?);
        if context.config.application.commands.serve.is_none() {
            seen.could_not(
                "golive cannot start or restart the application: [application.commands] has no `serve`",
            );
            return Ok(seen.done());
        }
        let second = context.start_instance().await?;
        let shared = is_still_refused(context, &second.endpoint, request).await;
        second.stop().await;
        seen.source("a second instance").saw("rate_limit.shared", shared?);
        let endpoint = context.restart_application(false).await?;
        let survives = is_still_refused(context, &endpoint, request).await?;
        seen.source("the application after a restart").saw("rate_limit.survives_restart", survives);
        Ok(seen.done())
    }
}

fn limit(context: &Context) -> Result<&RateLimitProof, StepError> {
    let limit = context.config.rate_limit.as_ref();
    if limit.is_some_and(|limit| limit.limit < LEAST_LIMIT) {
        return Err(StepError::unknown(format!(
            "[rate_limit] names a limit below {LEAST_LIMIT}: a fresh limiter could not be told from an old one"
        )));
    }
    limit.ok_or_else(|| {
        StepError::unknown("golive.toml names no request whose limit can be hit: add [rate_limit]")
    })
}

/// How many of two more than the limit are allowed and refused.
async fn fill(
    context: &Context,
    endpoint: &Endpoint,
    request: &RequestTemplate,
    limit: &RateLimitProof,
) -> Result<(u32, u32), StepError> {
    let (mut allowed, mut refused) = (0, 0);
    for _ in 0..limit.limit + 2 {
        match is_refused(context, endpoint, request).await? {
            true => refused += 1,
            false => allowed += 1,
        }
    }
    Ok((allowed, refused))
}

async fn is_refused(
    context: &Context,
    endpoint: &Endpoint,
    request: &RequestTemplate,
) -> Result<bool, StepError> {
    let values = session::values(context).set("username", "rate-limit-probe");
    let answer = endpoint.send(request, &values, None).await.doing("send the limited request")?;
    Ok(answer.is_too_many())
}

/// One of the few next is refused: a fresh limiter would allow them all, an old one lets at most one through as
/// time passes.
async fn is_still_refused(
    context: &Context,
    endpoint: &Endpoint,
    request: &RequestTemplate,
) -> Result<bool, StepError> {
    for _ in 0..3 {
        if is_refused(context, endpoint, request).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// After a restart three requests are sent: a fresh limiter must allow them all.
const LEAST_LIMIT: u32 = 4;
