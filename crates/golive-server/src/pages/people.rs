//! The people of the application that goes live: who may get in, with which role; somebody new, and somebody who is to get in no
//! more. The accounts of the demo stay in sight, switched off, for what refers to them.
//!
//! Not here: how an account is made and switched off (golive-auth), and the console's own operators (`access`).

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use golive_auth::{
    Account, AccountState, Accounts, AccountsMapping, NewAccount, TenantRule, generate_password,
};
use maud::{Markup, html};
use secrecy::ExposeSecret;

use super::act::{csrf, name};
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
            let said = html! {
                section.panel.pass role="status" {
                    p { (Tone::Pass.icon()) " " (words.with("people-made", &[("name", show::line(&made.username, 150).into())])) }
                    p { code.password { (password.expose_secret()) } }
                    p { strong { (words.t("people-once")) } }
                }
            };
            page(&site, &visitor, StatusCode::OK, said).await
        }
        Err(error) => page(&site, &visitor, StatusCode::UNPROCESSABLE_ENTITY, refused(words, &error)).await,
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
        (list(site, visitor, mapping, &listed))
        (new_account(site, visitor, mapping))
        (roles(words, mapping))
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

fn list(site: &Site, visitor: &Visitor, mapping: &AccountsMapping, listed: &[Account]) -> Markup {
    let words = visitor.words;
    let is_demo = |account: &Account| mapping.demo_usernames.contains(&account.username);
    html! {
        section aria-labelledby="accounts" {
            h2 #accounts { (words.count("people-accounts", listed.len())) }
            div.table-box tabindex="0" { table {
                thead { tr {
                    @for head in ["login-name", "people-state", "access-role", "people-tenant", "people-login", "people-switch"] {
                        th scope="col" { (words.t(head)) }
                    }
                } }
                tbody { @for account in listed.iter().take(MOST_SHOWN) { tr {
                    th scope="row" data-label=(words.t("login-name")) {
                        (show::line(&account.username, 150))
                        @if is_demo(account) { br; span.quiet { (words.t("people-demo")) } }
                    }
                    td data-label=(words.t("people-state")) { (state(words, account.state, is_demo(account))) }
                    td data-label=(words.t("access-role")) { (shown(account.role.as_deref())) }
                    td data-label=(words.t("people-tenant")) { (shown(account.tenant.as_deref())) }
                    td data-label=(words.t("people-login")) { (shown(account.last_login.as_deref())) }
                    td data-label=(words.t("people-switch")) {
                        @if account.is_active() && mapping.active.is_some() { (switch_off(site, visitor, &account.username)) } @else { "—" }
                    }
                } } }
            } }
            @if listed.len() > MOST_SHOWN { p.quiet { (words.count("people-more", listed.len() - MOST_SHOWN)) } }
        }
    }
}

fn switch_off(site: &Site, visitor: &Visitor, username: &str) -> Markup {
    let words = visitor.words;
    let typed = words.with("people-type", &[("name", show::line(username, 150).into())]);
    html! {
        details {
            summary { (words.t("people-deactivate")) }
            form method="post" action={ (site.options.mount) "/people/deactivate" } {
                (csrf(visitor))
                input type="hidden" name="username" value=(username);
                label { (typed) " " input name="typed" autocomplete="off" required; }
                button type="submit" { (words.t("people-deactivate")) }
            }
        }
    }
}

/// A demo account that may still get in is no mere note.
fn state(words: Words, state: AccountState, is_demo: bool) -> Markup {
    let (tone, key) = match state {
        AccountState::Active if is_demo => (Tone::Fail, "people-active"),
        AccountState::Active => (Tone::Pass, "people-active"),
        AccountState::Inactive => (Tone::Idle, "people-inactive"),
        _ => (Tone::Unknown, "people-unclear"),
    };
    parts::badge(tone, &words.t(key))
}

fn shown(text: Option<&str>) -> String {
    text.map_or_else(|| "—".to_owned(), |text| show::line(text, 80))
}

fn new_account(site: &Site, visitor: &Visitor, mapping: &AccountsMapping) -> Markup {
    let words = visitor.words;
    html! {
        section.panel aria-labelledby="new" {
            h2 #new { (words.t("people-new")) }
            form.fields method="post" action={ (site.options.mount) "/people/create" } {
                (csrf(visitor))
                p { label for="username" { (words.t("login-name")) } " " input #username name="username" autocomplete="off" maxlength="150" required; }
                p { label for="role" { (words.t("access-role")) } " " input #role name="role" autocomplete="off" maxlength="80" list="known-roles" required; }
                datalist #known-roles { @for (role, _) in known_roles(mapping) { option value=(role) {} } }
                @if mapping.tenant.is_some() {
                    p { label for="tenant" { (words.t("people-tenant")) } " " input #tenant name="tenant" autocomplete="off" maxlength="80"; }
                }
                @if mapping.full_name.is_some() {
                    p { label for="full_name" { (words.t("people-full-name")) } " " input #full_name name="full_name" autocomplete="off" maxlength="150"; }
                }
                button.main type="submit" { (words.t("people-create")) }
            }
        }
    }
}

/// The roles that are described, and whether each goes with a tenant.
fn known_roles(mapping: &AccountsMapping) -> Vec<(&str, Option<TenantRule>)> {
    let mut roles: Vec<(&str, Option<TenantRule>)> =
        mapping.role_tenants.iter().map(|(role, rule)| (role.as_str(), Some(*rule))).collect();
    if mapping.role_tenants.is_empty() {
        roles.extend(mapping.admin_roles.iter().map(|role| (role.as_str(), None)));
    }
    roles
}

fn roles(words: Words, mapping: &AccountsMapping) -> Markup {
    let rule = |rule: Option<TenantRule>| {
        words.t(match rule {
            Some(TenantRule::Required) => "people-tenant-required",
            Some(TenantRule::Forbidden) => "people-tenant-forbidden",
            _ => "people-tenant-optional",
        })
    };
    html! {
        section aria-labelledby="roles" {
            h2 #roles { (words.t("people-roles")) }
            div.table-box tabindex="0" { table {
                thead { tr {
                    @for head in ["access-role", "people-administers", "people-tenant"] { th scope="col" { (words.t(head)) } }
                } }
                tbody { @for (role, tenant) in known_roles(mapping) { tr {
                    th scope="row" data-label=(words.t("access-role")) { (role) }
                    td data-label=(words.t("people-administers")) {
                        (words.t(if mapping.admin_roles.iter().any(|admin| admin == role) { "value-yes" } else { "value-no" }))
                    }
                    td data-label=(words.t("people-tenant")) { (rule(tenant)) }
                } } }
            } }
        }
    }
}

const PASSWORD_LENGTH: usize = 24;
const MOST_SHOWN: usize = 500;
