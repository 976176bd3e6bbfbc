//! The roles laid out: whether each administers and goes with a tenant, and which permissions it has.
//!
//! Not here: deciding anything by them. The application does.

use std::collections::BTreeSet;

use golive_auth::{Account, AccountsMapping, RolePolicy, TenantRule};
use maud::{Markup, html};

use super::super::parts::{self, Tone};
use super::super::show;
use crate::i18n::Words;

/// The roles that are described, and whether each goes with a tenant.
pub(super) fn known_roles(mapping: &AccountsMapping) -> Vec<(&str, Option<TenantRule>)> {
    let mut roles: Vec<(&str, Option<TenantRule>)> =
        mapping.role_tenants.iter().map(|(role, rule)| (role.as_str(), Some(*rule))).collect();
    if mapping.role_tenants.is_empty() {
        roles.extend(mapping.admin_roles.iter().map(|role| (role.as_str(), None)));
    }
    roles
}

pub(super) fn roles(
    words: Words,
    mapping: &AccountsMapping,
    policy: Option<Result<RolePolicy, String>>,
    accounts: &[Account],
) -> Markup {
    html! {
        section aria-labelledby="roles" {
            h2 #roles { (words.t("people-roles")) }
            (rules(words, mapping, accounts))
            @match &policy {
                None => { p.quiet { (words.t("people-permissions-not")) " " code { "[roles] file" } } }
                Some(Err(why)) => { p.notice.unknown { (Tone::Unknown.icon()) " " (words.t("people-permissions-away")) " " (parts::prose(why, 600)) } }
                Some(Ok(policy)) => { (permissions(words, mapping, policy, accounts)) }
            }
        }
    }
}

fn rules(words: Words, mapping: &AccountsMapping, accounts: &[Account]) -> Markup {
    let rule = |rule: Option<TenantRule>| {
        words.t(match rule {
            Some(TenantRule::Required) => "people-tenant-required",
            Some(TenantRule::Forbidden) => "people-tenant-forbidden",
            _ => "people-tenant-optional",
        })
    };
    let active = |role: &str| {
        accounts.iter().filter(|one| one.is_active() && one.role.as_deref() == Some(role)).count()
    };
    html! {
        div.table-box tabindex="0" { table {
            thead { tr {
                @for head in ["access-role", "people-administers", "people-tenant", "people-active-accounts"] { th scope="col" { (words.t(head)) } }
            } }
            tbody { @for (role, tenant) in known_roles(mapping) { tr {
                th scope="row" data-label=(words.t("access-role")) { (role) }
                td data-label=(words.t("people-administers")) {
                    (words.t(if mapping.admin_roles.iter().any(|admin| admin == role) { "value-yes" } else { "value-no" }))
                }
                td data-label=(words.t("people-tenant")) { (rule(tenant)) }
                td data-label=(words.t("people-active-accounts")) { (active(role)) }
            } } }
        } }
    }
}

/// A row for each permission, a column for each role; and each role that is handed out but may nothing.
fn permissions(words: Words, mapping: &AccountsMapping, policy: &RolePolicy, accounts: &[Account]) -> Markup {
    let (roles, permissions): (BTreeSet<&str>, BTreeSet<&str>) =
        policy.matrix().map(|(role, permission, _)| (role, permission)).unzip();
    let handed_out = known_roles(mapping)
        .into_iter()
        .map(|(role, _)| role)
        .chain(accounts.iter().filter(|one| one.is_active()).filter_map(|one| one.role.as_deref()));
    let unknown: BTreeSet<&str> = handed_out.filter(|role| !roles.contains(role)).collect();
    html! {
        h3 { (words.t("people-permissions")) }
        @for role in unknown {
            p.notice.unknown { (Tone::Unknown.icon()) " " (words.with("people-role-unknown", &[("role", show::line(role, 80).into())])) }
        }
        div.table-box tabindex="0" { table.permissions {
            thead { tr {
                th scope="col" { (words.t("people-permission")) }
                @for role in &roles { th scope="col" { (role) } }
            } }
            tbody {
                @for permission in permissions { tr {
                    th scope="row" data-label=(words.t("people-permission")) { code { (permission) } }
                    @for role in &roles { td data-label=(role) { (may(words, policy.allows(role, permission))) } }
                } }
                tr {
                    th scope="row" data-label=(words.t("people-permission")) { (words.t("people-all-tenants")) }
                    @for role in &roles { td data-label=(role) { (may(words, policy.scope_of(role, None).is_ok())) } }
                }
            }
        } }
    }
}

fn may(words: Words, may: bool) -> Markup {
    html! { @if may { strong { (words.t("value-yes")) } } @else { span.quiet { (words.t("value-no")) } } }
}
