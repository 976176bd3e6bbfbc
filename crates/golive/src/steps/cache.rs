//! 2.3: a lookup that is read twice comes from the cache the second time.

use async_trait::async_trait;

use super::session;
use crate::context::Context;
use crate::step::{About, Plan, Proof, Step, StepError, Witness};

pub(crate) struct ReadCache;

#[async_trait]
impl Step for ReadCache {
    fn about(&self) -> About {
        About::new("cache", 2, "See a cached lookup hit the cache")
            .checklist(&["2.3"])
            .after(&["admin-login"])
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        let request = &context.config.journeys.cached;
        context.request(request)?;
        Ok(Plan::line(format!("send `{request}` twice; the second answer must say X-Cache: hit")))
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let request = &context.config.journeys.cached;
        context.request(request)?;
        let endpoint = context.application().await?;
        let mut seen = Witness::new(format!("the application at {}", endpoint.base()), context.now());
        let admin = session::sign_in_admin(context, &endpoint).await?;
        let mut second = None;
        for _ in 0..2 {
            let answer = session::ask(context, &endpoint, request, &session::values(context), &admin).await?;
            second = answer.headers.get("x-cache").and_then(|value| value.to_str().ok()).map(str::to_owned);
        }
        match second.as_deref() {
            None => seen.could_not(format!("`{request}` answers without an X-Cache header")),
            Some(word) => {
                seen.saw("cache.second_read", word);
                if !word.eq_ignore_ascii_case("hit") {
                    seen.finds(format!("`{request}` was read twice and the second answer says {word}"));
                }
                &mut seen
            }
        };
        Ok(seen.done())
    }
}
