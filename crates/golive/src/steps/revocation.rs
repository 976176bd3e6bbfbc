//! 2.1: a token that was logged out stays dead, also for an application that has been restarted.

use async_trait::async_trait;

use super::session;
use super::team::{member_with_role, team};
use crate::context::Context;
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
        match context.restart_application(false).await {
            Ok(endpoint) => {
                let answer =
                    session::ask(context, &endpoint, &journeys.authenticated, &values, &token).await?;
                seen.source("the application after a restart")
                    .saw("revocation.survives_restart", answer.status == 401);
            }
            Err(StepError::Unknown(why)) => {
                seen.could_not(why);
            }
            Err(error) => return Err(error),
        }
        Ok(seen.done())
    }
}
