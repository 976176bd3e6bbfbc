//! 0.3, 0.6: the administrator's first login, played as its owner would: refused until the password is changed.

use std::time::Duration;

use async_trait::async_trait;
use chrono::DateTime;

use super::production_admin::first_password_login;
use super::session;
use crate::context::Context;
use crate::http::Endpoint;
use crate::step::{About, Plan, Proof, Step, StepError, Witness};

pub(crate) struct AdminLogin;

#[async_trait]
impl Step for AdminLogin {
    fn about(&self) -> About {
        About::new("admin-login", 0, "Sign in as the administrator and change the first password")
            .checklist(&["0.3", "0.6"])
            .after(&["production-admin", "environment"])
            .supplies(&["admin.login_works", "admin.first_login_forces_change"])
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        let username = &session::admin(context)?.username;
        Ok(Plan::line(format!("sign in as {username}, see other requests refused, change the password")))
    }

    async fn apply(&self, context: &Context, _plan: &Plan) -> Result<(), StepError> {
        let endpoint = context.application().await?;
        if let Some(seen) = watch_first_login(context, &endpoint).await? {
            context.keep_note(FIRST_LOGIN, &format!("{} {seen}", context.now().to_rfc3339()))?;
        }
        session::sign_in_admin(context, &endpoint).await.map(drop)
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let endpoint = context.application().await?;
        let mut seen = Witness::new(format!("the application at {}", endpoint.base()), context.now());
        // Seen once, and as old as that.
        let note = context.kept_note(FIRST_LOGIN)?;
        let noted = note.as_deref().and_then(|note| note.split_once(' '));
        match noted.and_then(|(at, what)| Some((DateTime::parse_from_rfc3339(at).ok()?, what))) {
            Some((at, what)) => {
                seen.at(at.to_utc()).saw("admin.first_login_forces_change", what == "refused");
            }
            None => {
                seen.could_not("the first login was not watched");
            }
        }
        seen.at(context.now());
        let first_still_works = first_password_login(context, &endpoint).await?.is_some();
        if first_still_works {
            seen.finds("the first password still works after it was changed");
        }
        let token = session::sign_in_admin(context, &endpoint).await?;
        let probe = &context.config.journeys.authenticated;
        let answer = session::ask(context, &endpoint, probe, &session::values(context), &token).await?;
        seen.saw("admin.login_works", answer.check(&context.request(probe)?.respond).is_ok());
        Ok(seen.done())
    }
}

/// What a token of the first password meets; nothing when that password opens no door any more.
///
/// 403 says "not before the password is changed". 401 says that the token itself is no good: an application may refuse
/// what it issued before its store of revocations was open, so its owner signs in again. Nothing is noted of that: the
/// note is for good, because the first password is changed next.
async fn watch_first_login(
    context: &Context,
    endpoint: &Endpoint,
) -> Result<Option<&'static str>, StepError> {
    let probe = &context.config.journeys.authenticated;
    for _ in 0..SIGN_INS {
        let Some(token) = first_password_login(context, endpoint).await? else { return Ok(None) };
        let answer = session::ask(context, endpoint, probe, &session::values(context), &token).await?;
        match answer.status {
            401 => tokio::time::sleep(PAUSE).await,
            403 => return Ok(Some("refused")),
            _ => return Ok(Some("let in")),
        }
    }
    Err(StepError::Refused(format!(
        "the application takes none of its own tokens: `{probe}` answers 401 each time"
    )))
}

const SIGN_INS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(300);
/// What the first login met, noted where the run keeps its own.
const FIRST_LOGIN: &str = "first-login";
