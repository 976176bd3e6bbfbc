//! 4.2: the version before takes over on the living data and gives way again, and nobody has to sign in anew.

use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::health::{ready_path, wait_for_ready};
use super::session;
use crate::context::Context;
use crate::http::Endpoint;
use crate::step::{About, Plan, Proof, Step, StepError, Witness};

pub(crate) struct Rollback;

#[async_trait]
impl Step for Rollback {
    fn about(&self) -> About {
        About::new("rollback", 4, "Roll back to the version before, and forward again")
            .checklist(&["4.2"])
            .after(&["team"])
            .once_ended(&["redis-outage", "database-outage", "backup"])
            .exclusive()
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        context.rehearsal()?;
        let words = context.previous_version()?.join(" ");
        Ok(Plan::lines(vec![
            format!("end the application and run `{words}` on the same data"),
            "see it ready, and a token of before accepted".to_owned(),
            "end it and run the application again".to_owned(),
        ]))
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        context.rehearsal()?;
        context.previous_version()?;
        let ready = ready_path(context)?;
        let now = context.application().await?;
        let token = session::sign_in_admin(context, &now).await?;
        let probe = &context.config.journeys.authenticated;
        let expected = &context.request(probe)?.respond;
        let accepts = async |endpoint: &Endpoint| -> Result<Result<(), String>, StepError> {
            let answer = session::ask(context, endpoint, probe, &session::values(context), &token).await?;
            Ok(answer.check(expected))
        };
        let began = Instant::now();
        context.stop_application().await;
        let previous = context.start_previous().await?;
        let is_ready = wait_for_ready(&previous.endpoint, ready, 200, READY_WITHIN).await.is_some();
        let took = began.elapsed();
        let accepted = accepts(&previous.endpoint).await;
        previous.stop().await;
        let forward = context.application().await?;
        let is_back = wait_for_ready(&forward, ready, 200, READY_WITHIN).await.is_some();
        let back = accepts(&forward).await?;
        let accepted = accepted?;
        let mut seen = Witness::new("the application as it was before, on the living data", context.now());
        seen.saw("rollback.previous_ready", is_ready)
            .saw("rollback.token_accepted", accepted.is_ok())
            .saw("rollback.seconds", took.as_secs_f64())
            .source("the application, after the version before gave way")
            .saw("rollback.forward_again", is_back && back.is_ok());
        if !is_ready {
            seen.finds("the version before does not become ready on this data: it cannot be gone back to");
        }
        if let Err(why) = accepted {
            seen.finds(format!("to the version before, a token of now is worth nothing: the answer {why}"));
        }
        if !is_back {
            seen.finds("the application did not become ready again after the version before had run");
        }
        if let Err(why) = back {
            seen.finds(format!(
                "after the version before had run, a token is worth nothing: the answer {why}"
            ));
        }
        Ok(seen.done())
    }
}

const READY_WITHIN: Duration = Duration::from_secs(30);
