//! The page before all others.
//!
//! Not here: checking what is typed (`access`).

use maud::{Markup, html};
use secrecy::ExposeSecret;

use super::frame;
use crate::access::Visitor;
use crate::router::Site;

/// The form, with what went wrong before if something did.
pub(crate) fn login_page(site: &Site, visitor: &Visitor, wrong: Option<&'static str>) -> Markup {
    let (words, mount) = (visitor.words, site.options.mount.as_str());
    let body = html! {
        section.panel.login {
            @if let Some(wrong) = wrong { p.notice.fail role="alert" #wrong { (words.t(wrong)) } }
            form method="post" action={ (mount) "/login" } {
                input type="hidden" name="csrf" value=(visitor.csrf.expose_secret());
                label for="name" { (words.t("login-name")) }
                input #name name="name" autocomplete="username" required maxlength="64" autofocus aria-describedby=[wrong.map(|_| "wrong")];
                label for="password" { (words.t("login-password")) }
                input #password type="password" name="password" autocomplete="current-password" required maxlength="1024";
                button.main type="submit" { (words.t("login-enter")) }
            }
            @if site.options.entry_link { p.quiet { (words.t("login-link")) } }
        }
    };
    frame(site, visitor, &words.t("login-title"), None, body)
}
