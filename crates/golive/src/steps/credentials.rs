//! 0.6: what the new credentials let through, and what they must not: asked of the running application.

use std::time::Duration;

use async_trait::async_trait;
use golive_auth::FittingPassword;
use secrecy::SecretString;
use serde_json::Value;

use super::production_admin::accounts;
use super::session::{self, Login};
use super::team::{member_with_role, team};
use crate::context::Context;
use crate::http::Endpoint;
use crate::step::{About, Doing, Plan, Proof, Step, StepError, Witness};

pub(crate) struct Credentials;

#[async_trait]
impl Step for Credentials {
    fn about(&self) -> About {
        About::new("credentials", 0, "See demo logins fail and real people work")
            .checklist(&["0.2", "0.4", "0.5", "0.6"])
            .after(&["team", "demo-users", "demo-tenants"])
            .supplies(&["accounts.demo_logins_accepted", "tenants.demo_visible"])
    }

    async fn plan(&self, _context: &Context) -> Result<Plan, StepError> {
        Ok(Plan::lines(vec![
            "try every demo user with the known password that it has".to_owned(),
            "list the tenants that may be chosen".to_owned(),
            "sign in as a real operator, open the shift, try the settings, submit an entry".to_owned(),
            "read the audit log".to_owned(),
        ]))
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let endpoint = context.application().await?;
        let mut seen = Witness::new(format!("the application at {}", endpoint.base()), context.now());
        let admin = session::sign_in_admin(context, &endpoint).await?;
        demo_logins(context, &endpoint, &mut seen).await?;
        selector(context, &endpoint, &admin, &mut seen).await?;
        operator(context, &endpoint, &mut seen).await?;
        audit(context, &endpoint, &admin, &mut seen).await?;
        Ok(seen.done())
    }
}

/// With the password that fits the stored hash: that a wrong one is refused proves nothing. Where nobody can tell which one
/// fits, with all of them; where none does, the scan of hashes has said so.
async fn demo_logins(context: &Context, endpoint: &Endpoint, seen: &mut Witness) -> Result<(), StepError> {
    let mapping = context.config.accounts.as_ref();
    let mapping = mapping.ok_or_else(|| StepError::unknown("golive.toml describes no [accounts]"))?;
    let listed = accounts(context).await?.list().await.doing("list the accounts")?;
    let demo: Vec<String> = listed
        .into_iter()
        .filter(|account| !account.is_active() || mapping.demo_usernames.contains(&account.username))
        .map(|account| account.username)
        .collect();
    let fitting = accounts(context).await?.fitting_passwords(&demo, FITTING_WITHIN).await;
    let fitting = fitting.doing("try known passwords against the hashes")?;
    let (mut tried, mut with_theirs) = (0, 0);
    let mut accepted = Vec::new();
    for (username, fitting) in demo.iter().zip(fitting) {
        let passwords = match fitting {
            FittingPassword::Fits(password) => {
                with_theirs += 1;
                vec![password]
            }
            FittingPassword::None => Vec::new(),
            _ => mapping.known_passwords.iter().take(PASSWORDS_PER_USER).cloned().collect(),
        };
        for password in &passwords {
            tried += 1;
            if let Login::Accepted(_) = session::login(context, endpoint, username, password).await? {
                accepted.push(username.clone());
            }
        }
    }
    seen.source(format!("{with_theirs} demo users tried with the password that they have"));
    if !accepted.is_empty() {
        seen.finds(format!("can still sign in: {}", accepted.join(", ")));
    }
    match tried {
        0 => seen.could_not("there is no demo account, or no known password, to try"),
        _ => {
            seen.saw("accounts.demo_logins_tried", tried).saw("accounts.demo_logins_accepted", accepted.len())
        }
    };
    Ok(())
}

async fn selector(
    context: &Context,
    endpoint: &Endpoint,
    admin: &SecretString,
    seen: &mut Witness,
) -> Result<(), StepError> {
    let request = &context.config.journeys.tenants;
    let answer = session::ask(context, endpoint, request, &session::values(context), admin).await?;
    let Some(list) = answer.take(&context.request(request)?.respond) else {
        seen.could_not(format!("`respond.take` of `{request}` points at no list"));
        return Ok(());
    };
    let demo = demo_tenants(context).await?;
    let visible: Vec<String> = demo.into_iter().filter(|name| names(&list, name)).collect();
    let own = context.config.tenant.as_ref().is_none_or(|tenant| names(&list, &tenant.id));
    seen.saw("tenants.demo_visible", visible.len()).saw("tenants.production_visible", own);
    if !own {
        seen.finds("the production client is in no selector");
    }
    Ok(())
}

/// Whether a list shows this identifier or name, as text or number, in whatever letters.
fn names(list: &Value, name: &str) -> bool {
    match list {
        Value::String(text) => text.eq_ignore_ascii_case(name),
        Value::Number(number) => number.to_string() == name,
        Value::Array(items) => items.iter().any(|item| names(item, name)),
        Value::Object(fields) => fields.values().any(|value| names(value, name)),
        _ => false,
    }
}

/// Identifiers and names of the demo tenants, as the table has them.
async fn demo_tenants(context: &Context) -> Result<Vec<String>, StepError> {
    let demo =
        super::demo_tenants::tenants(context).await?.list_demo().await.doing("list the demo tenants")?;
    Ok(demo.into_iter().flat_map(|tenant| [tenant.id, tenant.name]).collect())
}

async fn operator(context: &Context, endpoint: &Endpoint, seen: &mut Witness) -> Result<(), StepError> {
    let member = member_with_role(context, &team(context)?.operator_role)?;
    let token = session::sign_in(context, endpoint, &member.username).await?;
    let values = session::values(context).set("username", &member.username);
    let journeys = &context.config.journeys;
    for (request, fact) in
        [(&journeys.my_shift, "operator.sees_shift"), (&journeys.submit_entry, "operator.submits_entry")]
    {
        let answer = session::ask(context, endpoint, request, &values, &token).await?;
        let fine = answer.check(&context.request(request)?.respond);
        seen.saw(fact, fine.is_ok());
        if let Err(why) = fine {
            seen.finds(format!("an operator sends `{request}` and the application {why}"));
        }
    }
    let answer = session::ask(context, endpoint, &journeys.settings, &values, &token).await?;
    seen.saw("operator.settings_refused", answer.status == 403);
    if answer.status != 403 {
        seen.finds(format!("an operator opens the settings and the application answers {}", answer.status));
    }
    Ok(())
}

async fn audit(
    context: &Context,
    endpoint: &Endpoint,
    admin: &SecretString,
    seen: &mut Witness,
) -> Result<(), StepError> {
    let request = &context.config.journeys.audit_log;
    let answer = session::ask(context, endpoint, request, &session::values(context), admin).await?;
    let Some(list) = answer.take(&context.request(request)?.respond) else {
        seen.could_not(format!("`respond.take` of `{request}` points at no list"));
        return Ok(());
    };
    let administrator = names(&list, &session::admin(context)?.username);
    let demo =
        context.config.accounts.as_ref().map(|mapping| mapping.demo_usernames.clone()).unwrap_or_default();
    let demo: Vec<String> = demo.into_iter().filter(|name| names(&list, name)).collect();
    seen.saw("audit.names_admin", administrator).saw("audit.demo_users", demo.len());
    if !administrator {
        seen.finds("the audit log of the production client does not name the administrator");
    }
    if !demo.is_empty() {
        seen.finds(format!("the audit log of the production client names {}", demo.join(", ")));
    }
    Ok(())
}

/// For finding which password fits; who is not done by then is tried with all of them.
const FITTING_WITHIN: Duration = Duration::from_secs(120);
/// Beyond these the application's own limit on failed logins answers instead of the login.
const PASSWORDS_PER_USER: usize = 8;
