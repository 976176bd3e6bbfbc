//! 2.1: a token that was logged out stays dead, also for an application that has been restarted.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use secrecy::SecretString;

use super::session;
use super::team::{member_with_role, team};
use crate::context::Context;
use crate::http::Endpoint;
use crate::step::{About, Plan, Proof, Step, StepError, Witness};

pub(crate) struct Revocation;

#[async_trait]
impl Step for Revocation {
    fn about(&self) -> About {
        About::new("revocation", 2, "See revoked tokens stay revoked over a restart")
            .checklist(&["2.1"])
            .after(&["team"])
            .once_ended(&["credentials", "redis"])
            .supplies(&["revocation.logout_refused", "revocation.survives_restart"])
            .exclusive()
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        let member = member_with_role(context, &team(context)?.operator_role)?;
        Ok(Plan::lines(vec![
            format!("sign in as {}, log out, use the token again", member.username),
            "restart the application, use the token once more".to_owned(),
        ]))
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let endpoint = context.application().await?;
        let mut seen = Witness::new(format!("the application at {}", endpoint.base()), context.now());
        let member = member_with_role(context, &team(context)?.operator_role)?;
        let token = session::sign_in(context, &endpoint, &member.username).await?;
        let values = session::values(context);
        let journeys = &context.config.journeys;
        let probe = context.request(&journeys.authenticated)?;
        let answer = session::ask(context, &endpoint, &journeys.authenticated, &values, &token).await?;
        answer.check(&probe.respond).map_err(|why| {
            StepError::Refused(format!("a fresh token does not work: the application {why}"))
        })?;
        let answer = session::ask(context, &endpoint, &journeys.logout, &values, &token).await?;
        answer
            .check(&context.request(&journeys.logout)?.respond)
            .map_err(|why| StepError::Refused(format!("logging out: the application {why}")))?;
        let answer = session::ask(context, &endpoint, &journeys.authenticated, &values, &token).await?;
        seen.saw("revocation.logout_refused", answer.status == 401);
        // A token that was not revoked tells a lost store from a forgotten revocation.
        let control = session::sign_in_admin(context, &endpoint).await?;
        match context.restart_application(false).await {
            Ok(endpoint) => {
                seen.source("the application after a restart");
                if is_accepted(context, &endpoint, &control).await? {
                    let answer =
                        session::ask(context, &endpoint, &journeys.authenticated, &values, &token).await?;
                    seen.saw("revocation.survives_restart", answer.status == 401);
                } else {
                    seen.could_not("after the restart a token that was never revoked is refused too");
                }
            }
            Err(StepError::Unknown(why)) => {
                seen.could_not(why);
            }
            Err(error) => return Err(error),
        }
        Ok(seen.done())
    }
}

/// Waits a little for the application to accept a token that was not revoked.
async fn is_accepted(
    context: &Context,
    endpoint: &Endpoint,
    token: &SecretString,
) -> Result<bool, StepError> {
    let probe = &context.config.journeys.authenticated;
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let answer = session::ask(context, endpoint, probe, &session::values(context), token).await?;
        if answer.check(&context.request(probe)?.respond).is_ok() {
            return Ok(true);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(false)
}

const PATIENCE: Duration = Duration::from_secs(10);
