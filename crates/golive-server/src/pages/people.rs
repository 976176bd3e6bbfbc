//! The people of the application that goes live: somebody new, another role, a new password, and somebody who is to get in no more.
//! Each is recorded before it is done; a password is shown once, in the answer that made it.
//!
//! Not here: how an account is changed (golive-auth), how the page looks (`list`, `roles`), and the console's own operators
//! (`access`).

mod list;
mod roles;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use golive_auth::{Account, Accounts, NewAccount, generate_password};
use maud::{Markup, html};
use secrecy::{ExposeSecret, SecretString};

use super::act::name;
use super::parts::{self, Tone};
use super::{frame, problem, show};
use crate::access::{Fields, Visitor};
use crate::clock;
use crate::i18n::Words;
use crate::router::Site;

/// The page.
pub(crate) async fn people(State(site): State<Site>, Extension(visitor): Extension<Visitor>) -> Response {
    page(&site, &visitor, StatusCode::OK, html! {}).await
}

/// Makes an account, and shows the password that was made for it, this once.
pub(crate) async fn create(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    fields: Fields,
) -> Response {
    let accounts = match to_change(&site, &visitor, "create account", fields.get("username")).await {
        Ok(accounts) => accounts,
        Err(refusal) => return refusal,
    };
    let words = visitor.words;
    let password = generate_password(PASSWORD_LENGTH).password;
    let field = |name: &str| Some(fields.get(name).trim().to_owned()).filter(|text| !text.is_empty());
    let mut account =
        NewAccount::new(fields.get("username").trim(), password.clone(), fields.get("role").trim());
    account.tenant = field("tenant");
    account.full_name = field("full_name").filter(|_| accounts.mapping().full_name.is_some());
    account.must_change_password = accounts.mapping().must_change_password.is_some();
    let (hasher, now) = (site.access.hasher(), clock::now());
    let made = match accounts.mapping().admin_roles.contains(&account.role) {
        true => accounts.create_admin(&account, hasher, now).await,
        false => accounts.create_account(&account, hasher, now).await,
    };
    match made {
        Ok(made) => {
            page(&site, &visitor, StatusCode::OK, issued(words, "people-made", &made, &password)).await
        }
        Err(error) => page(&site, &visitor, StatusCode::UNPROCESSABLE_ENTITY, refused(words, &error)).await,
    }
}

/// Gives an account another role and tenant.
pub(crate) async fn assign(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    fields: Fields,
) -> Response {
    let (words, username) = (visitor.words, fields.get("username"));
    let accounts = match to_change(&site, &visitor, "assign role", username).await {
        Ok(accounts) => accounts,
        Err(refusal) => return refusal,
    };
    let tenant = Some(fields.get("tenant").trim()).filter(|tenant| !tenant.is_empty());
    match accounts.assign(username, fields.get("role").trim(), tenant).await {
        Ok(account) => {
            let role = account.role.as_deref().unwrap_or_default();
            let says = words.with(
                "people-assigned",
                &[("name", show::line(&account.username, 150).into()), ("role", show::line(role, 80).into())],
            );
            let said = html! { p.notice.pass role="status" { (Tone::Pass.icon()) " " (says) } };
            page(&site, &visitor, StatusCode::OK, said).await
        }
        Err(error) => page(&site, &visitor, StatusCode::UNPROCESSABLE_ENTITY, refused(words, &error)).await,
    }
}

/// Gives an account a new password, once its name was typed: the old one ends. The new one is shown this once.
pub(crate) async fn reissue(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    fields: Fields,
) -> Response {
    let (words, username) = (visitor.words, fields.get("username"));
    if username.is_empty() || fields.get("typed").trim() != username {
        return problem(&site, &visitor, StatusCode::UNPROCESSABLE_ENTITY, "problem-people-typed");
    }
    let accounts = match to_change(&site, &visitor, "reissue password", username).await {
        Ok(accounts) => accounts,
        Err(refusal) => return refusal,
    };
    let password = generate_password(PASSWORD_LENGTH).password;
    match accounts.reissue(username, &password, site.access.hasher()).await {
        Ok(account) => {
            let said = issued(words, "people-reissued", &account, &password);
            page(&site, &visitor, StatusCode::OK, said).await
        }
        Err(error) => page(&site, &visitor, StatusCode::UNPROCESSABLE_ENTITY, refused(words, &error)).await,
    }
}

/// A password that was made here, this once.
fn issued(words: Words, key: &str, account: &Account, password: &SecretString) -> Markup {
    html! {
        section.panel.pass role="status" {
            p { (Tone::Pass.icon()) " " (words.with(key, &[("name", show::line(&account.username, 150).into())])) }
            p { code.password { (password.expose_secret()) } }
            p { strong { (words.t("people-once")) } }
        }
    }
}

/// Switches an account off, once its name was typed.
pub(crate) async fn deactivate(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    fields: Fields,
) -> Response {
    let (words, username) = (visitor.words, fields.get("username").to_owned());
    if username.is_empty() || fields.get("typed").trim() != username {
        return problem(&site, &visitor, StatusCode::UNPROCESSABLE_ENTITY, "problem-people-typed");
    }
    let accounts = match to_change(&site, &visitor, "deactivate account", &username).await {
        Ok(accounts) => accounts,
        Err(refusal) => return refusal,
    };
    match accounts.deactivate(std::slice::from_ref(&username)).await {
        Ok(done) => {
            let is_off = !done.changed.is_empty() || !done.already.is_empty();
            let tone = if is_off { Tone::Pass } else { Tone::Unknown };
            let says = words.with(
                if is_off { "people-off" } else { "people-absent" },
                &[("name", show::line(&username, 150).into())],
            );
            let said = html! { p.notice.(tone.class()) role="status" { (tone.icon()) " " (says) } };
            page(&site, &visitor, StatusCode::OK, said).await
        }
        Err(error) => page(&site, &visitor, StatusCode::UNPROCESSABLE_ENTITY, refused(words, &error)).await,
    }
}

/// The accounts, to be changed in this visitor's name; what cannot be recorded is not done.
async fn to_change(
    site: &Site,
    visitor: &Visitor,
    action: &'static str,
    target: &str,
) -> Result<Accounts, Response> {
    let accounts = match open(site, visitor).await {
        Ok(accounts) => accounts,
        Err(Closed::Refused(response)) => return Err(response),
        Err(Closed::Away(why)) => {
            return Err(page_of(site, visitor, StatusCode::BAD_GATEWAY, away(visitor.words, &why)));
        }
    };
    let (by, now) = (name(visitor), clock::now());
    let trail = accounts.audit_trail();
    let recorded = site.access.audit().record(&by, action, target, now).await.is_ok()
        && trail.create_tables().await.is_ok();
    if !recorded {
        return Err(problem(site, visitor, StatusCode::SERVICE_UNAVAILABLE, "problem-audit"));
    }
    Ok(accounts.recorded(by, now))
}

/// Why the accounts cannot be looked at.
enum Closed {
    Refused(Response),
    Away(String),
}

async fn open(site: &Site, visitor: &Visitor) -> Result<Accounts, Closed> {
    if !visitor.may_administer {
        return Err(Closed::Refused(problem(site, visitor, StatusCode::FORBIDDEN, "problem-may-not")));
    }
    let described = site.actor.as_ref().and_then(|actor| actor.accounts());
    let Some((mapping, url)) = described else {
        return Err(Closed::Refused(problem(site, visitor, StatusCode::NOT_FOUND, "problem-people-not")));
    };
    let url = url.map_err(Closed::Away)?;
    Accounts::connect(&url, mapping).await.map_err(|error| Closed::Away(golive::error_chain(&error)))
}

async fn page(site: &Site, visitor: &Visitor, status: StatusCode, said: Markup) -> Response {
    let words = visitor.words;
    let accounts = match open(site, visitor).await {
        Ok(accounts) => accounts,
        Err(Closed::Refused(response)) => return response,
        Err(Closed::Away(why)) => return page_of(site, visitor, StatusCode::BAD_GATEWAY, away(words, &why)),
    };
    let listed = match accounts.list().await {
        Ok(listed) => listed,
        Err(error) => {
            let why = golive::error_chain(&error);
            return page_of(site, visitor, StatusCode::BAD_GATEWAY, away(words, &why));
        }
    };
    let mapping = accounts.mapping();
    let body = html! {
        (said)
        p.lead { (words.t("people-says")) }
        (list::list(site, visitor, mapping, &listed))
        (list::new_account(site, visitor, mapping))
        (roles::roles(words, mapping, site.actor.as_ref().and_then(|actor| actor.roles()), &listed))
    };
    page_of(site, visitor, status, body)
}

fn page_of(site: &Site, visitor: &Visitor, status: StatusCode, body: Markup) -> Response {
    (status, frame(site, visitor, &visitor.words.t("page-people"), None, body)).into_response()
}

fn away(words: Words, why: &str) -> Markup {
    html! { p.notice.unknown role="alert" { (Tone::Unknown.icon()) " " (words.t("people-away")) " " (parts::prose(why, 600)) } }
}

fn refused(words: Words, error: &(dyn std::error::Error + 'static)) -> Markup {
    html! { p.notice.fail role="alert" { (Tone::Fail.icon()) " " (words.t("people-refused")) " " (parts::prose(&golive::error_chain(error), 600)) } }
}

const PASSWORD_LENGTH: usize = 24;
