//! Signing in to the application as somebody, as many steps do. Passwords live in the run's private folder.

use std::time::Duration;

use golive_auth::generate_password;
use secrecy::{ExposeSecret, SecretString};

use crate::context::Context;
use crate::http::{Answer, Endpoint};
use crate::placeholder::Values;
use crate::step::{Doing, StepError};

/// What the application said to a name and a password.
pub(crate) enum Login {
    /// A token.
    Accepted(SecretString),
    /// A refusal.
    Refused,
}

/// Tries to sign in once. An application that asks for patience gets it, for a while: many logins in a row look like an
/// attack to it, and are one for its limit.
pub(crate) async fn login(
    context: &Context,
    endpoint: &Endpoint,
    username: &str,
    password: &SecretString,
) -> Result<Login, StepError> {
    let request = context.request(&context.config.journeys.login)?;
    let values = Values::new().set("username", username).set("password", password.expose_secret());
    let send = async || endpoint.send(request, &values, None).await.doing(format!("sign in as {username}"));
    let mut answer = send().await?;
    let mut patience = PATIENCE;
    while let Some(pause) = answer.asks_for_patience() {
        let Some(left) = patience.checked_sub(pause) else {
            return Err(StepError::Refused(format!(
                "signing in as {username}: the application answers 429, too many logins, and asks to wait {} s; raise its \
                 limit for this machine's address, or try again later",
                pause.as_secs()
            )));
        };
        patience = left;
        tokio::time::sleep(pause).await;
        answer = send().await?;
    }
    if answer.is_refusal() {
        return Ok(Login::Refused);
    }
    answer
        .check(&request.respond)
        .map_err(|why| StepError::Refused(format!("signing in as {username}: the application {why}")))?;
    match answer.take(&request.respond).as_ref().and_then(|token| token.as_str()) {
        Some(token) => Ok(Login::Accepted(SecretString::from(token))),
        None => {
            Err(StepError::unknown("`respond.take` of the login request points at no token in the answer"))
        }
    }
}

/// Asks something that needs a valid token.
pub(crate) async fn ask(
    context: &Context,
    endpoint: &Endpoint,
    request: &str,
    values: &Values,
    token: &SecretString,
) -> Result<Answer, StepError> {
    let template = context.request(request)?;
    endpoint.send(template, values, Some(token)).await.doing(format!("send the request `{request}`"))
}

/// Signs in with the password this run keeps for the account; changes an initial password first, if the
/// application insists on it, as its owner would.
pub(crate) async fn sign_in(
    context: &Context,
    endpoint: &Endpoint,
    username: &str,
) -> Result<SecretString, StepError> {
    let _one_at_a_time = context.sign_in.lock().await;
    let (token, password) = sign_in_with_kept(context, endpoint, username).await?;
    let probe =
        ask(context, endpoint, &context.config.journeys.authenticated, &values(context), &token).await?;
    if !probe.is_refusal() {
        return Ok(token);
    }
    if !context.acts {
        return Err(StepError::unknown(format!("{username} has not changed the first password yet")));
    }
    let fresh = generate_password(PASSWORD_LENGTH).password;
    // Kept before it is set: a run that is killed in between knows both.
    context.keep_secret(&next_name(username), &fresh)?;
    let values = values(context)
        .set("username", username)
        .set("current_password", password.expose_secret())
        .set("new_password", fresh.expose_secret());
    let change = &context.config.journeys.change_password;
    let answer = ask(context, endpoint, change, &values, &token).await?;
    answer
        .check(&context.request(change)?.respond)
        .map_err(|why| StepError::Refused(format!("changing the first password of {username}: it {why}")))?;
    context.keep_secret(&password_name(username), &fresh)?;
    context.directory.forget_secret(&next_name(username));
    match login(context, endpoint, username, &fresh).await? {
        Login::Accepted(token) => Ok(token),
        Login::Refused => {
            Err(StepError::Refused(format!("{username} cannot sign in with the password just changed")))
        }
    }
}

async fn sign_in_with_kept(
    context: &Context,
    endpoint: &Endpoint,
    username: &str,
) -> Result<(SecretString, SecretString), StepError> {
    for name in [password_name(username), next_name(username)] {
        let Some(password) = context.secret(&name)? else { continue };
        if let Login::Accepted(token) = login(context, endpoint, username, &password).await? {
            if name != password_name(username) {
                context.keep_secret(&password_name(username), &password)?;
                context.directory.forget_secret(&name);
            }
            return Ok((token, password));
        }
    }
    Err(StepError::Refused(format!("{username} cannot sign in with the password this run keeps")))
}

/// What every request may name.
pub(crate) fn values(context: &Context) -> Values {
    let today = context.now().date_naive();
    let month_ago = today - chrono::Days::new(30);
    let values = Values::new()
        .set("today", today.to_string())
        .set("from", month_ago.to_string())
        .set("to", today.to_string());
    match &context.config.tenant {
        Some(tenant) => values.set("tenant_id", &tenant.id).set("tenant_name", &tenant.name),
        None => values,
    }
}

/// The administrator's account name.
pub(crate) fn admin(context: &Context) -> Result<&crate::config::Admin, StepError> {
    let admin = context.config.admin.as_ref();
    admin.ok_or_else(|| StepError::unknown("golive.toml names no production administrator: add [admin]"))
}

/// Signs in as the administrator.
pub(crate) async fn sign_in_admin(context: &Context, endpoint: &Endpoint) -> Result<SecretString, StepError> {
    sign_in(context, endpoint, &admin(context)?.username).await
}

/// The name under which an account's password lies among the run's secrets.
pub(crate) fn password_name(username: &str) -> String {
    format!("password-{}", plain(username))
}

fn next_name(username: &str) -> String {
    format!("next-password-{}", plain(username))
}

/// A user name as a file name: no name leads out of the folder, no two names share a file.
fn plain(username: &str) -> String {
    use std::fmt::Write;
    username.bytes().fold(String::new(), |mut name, byte| {
        if byte.is_ascii_alphanumeric() || byte == b'_' {
            name.push(char::from(byte));
        } else {
            let _ = write!(name, "%{byte:02x}");
        }
        name
    })
}

/// A limit by the minute is over then.
const PATIENCE: Duration = Duration::from_secs(65);
/// Characters of a generated password; the checklist asks for 16.
pub(crate) const PASSWORD_LENGTH: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_name_cannot_lead_out_of_the_folder() {
        assert_eq!(password_name("../a b"), "password-%2e%2e%2fa%20b");
        assert_ne!(plain("a-b"), plain("a_b"));
    }
}
