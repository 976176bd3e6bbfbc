//! 0.1, 0.6: a token of the demo is refused by the production configuration, while its owner could still sign in: so it is
//! the key that refuses it, and not the account.

use async_trait::async_trait;

use super::baseline::{OLD_TOKEN, demo_passwords};
use super::session::{self, Login};
use crate::context::Context;
use crate::step::{About, Plan, Proof, Step, StepError, Witness};

pub(crate) struct OldToken;

#[async_trait]
impl Step for OldToken {
    fn about(&self) -> About {
        About::new("old-token", 0, "See the demo's token refused while its owner can still sign in")
            .checklist(&["0.1", "0.6"])
            .after(&["environment"])
            .once_ended(&["baseline"])
            .supplies(&["secret.old_token_refused"])
    }

    async fn plan(&self, _context: &Context) -> Result<Plan, StepError> {
        Ok(Plan::lines(vec![
            "use the token that the demo handed out".to_owned(),
            "sign in as its owner and use a fresh one, to see that only the old one is refused".to_owned(),
        ]))
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let Some(old) = context.secret(OLD_TOKEN)? else {
            return Err(StepError::unknown("no token of the demo was kept: its refusal cannot be seen"));
        };
        let endpoint = context.application().await?;
        let mut seen = Witness::new(format!("the application at {}", endpoint.base()), context.now());
        let probe = &context.config.journeys.authenticated;
        let values = session::values(context);
        let answer = session::ask(context, &endpoint, probe, &values, &old).await?;
        let (username, passwords) = demo_passwords(context)?;
        let mut control = None;
        for password in passwords {
            if let Login::Accepted(fresh) = session::login(context, &endpoint, &username, &password).await? {
                control = Some(session::ask(context, &endpoint, probe, &values, &fresh).await?);
                break;
            }
        }
        match control {
            Some(fresh) if fresh.check(&context.request(probe)?.respond).is_ok() => {
                seen.saw("secret.old_token_refused", answer.status == 401);
            }
            _ => {
                seen.could_not(format!(
                    "{username} cannot sign in any more, so the old token may be refused for that"
                ));
            }
        }
        Ok(seen.done())
    }
}
