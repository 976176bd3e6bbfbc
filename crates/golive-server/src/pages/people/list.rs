//! The accounts as a list, each with the forms that change it, and the form of a new one. The accounts of the demo stay in
//! sight, switched off, for what refers to them.
//!
//! Not here: doing any of it (`people`).

use golive_auth::{Account, AccountState, AccountsMapping};
use maud::{Markup, html};

use super::super::act::csrf;
use super::super::parts::{self, Tone};
use super::super::show;
use super::roles::known_roles;
use crate::access::Visitor;
use crate::i18n::Words;
use crate::router::Site;

pub(super) fn list(site: &Site, visitor: &Visitor, mapping: &AccountsMapping, listed: &[Account]) -> Markup {
    let words = visitor.words;
    html! {
        section aria-labelledby="accounts" {
            h2 #accounts { (words.count("people-accounts", listed.len())) }
            div.table-box tabindex="0" { table {
                thead { tr {
                    @for head in ["login-name", "people-state", "access-role", "people-tenant", "people-login", "people-switch"] {
                        th scope="col" { (words.t(head)) }
                    }
                } }
                tbody { @for account in listed.iter().take(MOST_SHOWN) { (row(site, visitor, mapping, account)) } }
            } }
            @if listed.len() > MOST_SHOWN { p.quiet { (words.count("people-more", listed.len() - MOST_SHOWN)) } }
        }
        datalist #known-roles { @for (role, _) in known_roles(mapping) { option value=(role) {} } }
    }
}

fn row(site: &Site, visitor: &Visitor, mapping: &AccountsMapping, account: &Account) -> Markup {
    let words = visitor.words;
    let is_demo = mapping.demo_usernames.contains(&account.username);
    html! {
        tr {
            th scope="row" data-label=(words.t("login-name")) {
                (show::line(&account.username, 150))
                @if is_demo { br; span.quiet { (words.t("people-demo")) } }
                @if account.is_active() && account.must_change_password == Some(true) { br; span.quiet { (words.t("people-must-change")) } }
            }
            td data-label=(words.t("people-state")) { (state(words, account.state, is_demo)) }
            td data-label=(words.t("access-role")) { (shown(account.role.as_deref())) }
            td.long data-label=(words.t("people-tenant")) { (shown(account.tenant.as_deref())) }
            td data-label=(words.t("people-login")) { (shown(account.last_login.as_deref())) }
            td data-label=(words.t("people-switch")) {
                @if account.is_active() {
                    @if !is_demo && mapping.role.is_some() { (assign(site, visitor, mapping, account)) }
                    @if !is_demo && mapping.must_change_password.is_some() { (typed(site, visitor, &account.username, &REISSUE)) }
                    @if mapping.active.is_some() { (typed(site, visitor, &account.username, &DEACTIVATE)) }
                } @else { span.quiet { (words.t("people-reference")) } }
            }
        }
    }
}

/// A deed that asks for the account's name: where it is sent, its word, and how it asks.
struct Typed {
    path: &'static str,
    word: &'static str,
    asks: &'static str,
}

const REISSUE: Typed = Typed { path: "/people/reissue", word: "people-reissue", asks: "people-type-reissue" };
const DEACTIVATE: Typed =
    Typed { path: "/people/deactivate", word: "people-deactivate", asks: "people-type" };

fn typed(site: &Site, visitor: &Visitor, username: &str, deed: &Typed) -> Markup {
    let words = visitor.words;
    let asks = words.with(deed.asks, &[("name", show::line(username, 150).into())]);
    html! {
        details {
            summary { (words.t(deed.word)) }
            form method="post" action={ (site.options.mount) (deed.path) } {
                (csrf(visitor))
                input type="hidden" name="username" value=(username);
                label { (asks) " " input name="typed" autocomplete="off" required; }
                button type="submit" { (words.t(deed.word)) }
            }
        }
    }
}

fn assign(site: &Site, visitor: &Visitor, mapping: &AccountsMapping, account: &Account) -> Markup {
    let words = visitor.words;
    html! {
        details {
            summary { (words.t("people-assign")) }
            form method="post" action={ (site.options.mount) "/people/assign" } {
                (csrf(visitor))
                input type="hidden" name="username" value=(account.username);
                label { (words.t("access-role")) " " input name="role" value=[account.role.as_deref()] autocomplete="off" maxlength="80" list="known-roles" required; }
                @if mapping.tenant.is_some() {
                    label { (words.t("people-tenant")) " " input name="tenant" value=[account.tenant.as_deref()] autocomplete="off" maxlength="80"; }
                }
                button type="submit" { (words.t("people-assign")) }
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

pub(super) fn new_account(site: &Site, visitor: &Visitor, mapping: &AccountsMapping) -> Markup {
    let words = visitor.words;
    html! {
        section.panel aria-labelledby="new" {
            h2 #new { (words.t("people-new")) }
            form.fields method="post" action={ (site.options.mount) "/people/create" } {
                (csrf(visitor))
                p { label for="username" { (words.t("login-name")) } " " input #username name="username" autocomplete="off" maxlength="150" required; }
                p { label for="role" { (words.t("access-role")) } " " input #role name="role" autocomplete="off" maxlength="80" list="known-roles" required; }
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

const MOST_SHOWN: usize = 500;
