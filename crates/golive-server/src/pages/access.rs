//! Who is in, who may log in, and whether the trail of that is whole.
//!
//! Not here: letting anybody in; operators are added and removed on the command line, by whoever may write the file.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::frame;
use super::parts::{self, Tone};
use crate::access::{Role, Visitor};
use crate::i18n::Words;
use crate::router::Site;

pub(crate) async fn access(State(site): State<Site>, Extension(visitor): Extension<Visitor>) -> Response {
    let words = visitor.words;
    let body = html! {
        @if let Some(session) = &visitor.session {
            dl.times {
                div { dt { (words.t("access-you")) } dd { (session.name) } }
                div { dt { (words.t("access-role")) } dd { (role(words, session.role)) } }
                div { dt { (words.t("access-since")) } dd { (parts::time(session.began)) } }
            }
            p.quiet { (words.t(if visitor.may_act { "access-may-act" } else { "access-may-look" })) }
        }
        @if visitor.may_administer {
            (operators(&site, words))
            (trail(&site, words).await)
        }
    };
    (StatusCode::OK, frame(&site, &visitor, &words.t("page-access"), None, body)).into_response()
}

fn role(words: Words, role: Role) -> String {
    words.t(if role == Role::Operator { "role-operator" } else { "role-viewer" })
}

fn operators(site: &Site, words: Words) -> Markup {
    let listed = site.access.operators().list();
    html! {
        section aria-labelledby="operators" {
            h2 #operators { (words.t("access-operators")) }
            @match listed {
                Err(error) => { p.notice.unknown { (Tone::Unknown.icon()) " " (golive::error_chain(&error)) } }
                Ok(listed) if listed.is_empty() => { p.quiet { (words.t("access-nobody")) } }
                Ok(listed) => {
                    div.table-box tabindex="0" { table {
                        thead { tr {
                            th scope="col" { (words.t("login-name")) }
                            th scope="col" { (words.t("access-role")) }
                            th scope="col" { (words.t("access-since")) }
                        } }
                        tbody { @for operator in listed.iter() { tr {
                            th scope="row" data-label=(words.t("login-name")) { (operator.name) }
                            td data-label=(words.t("access-role")) { (role(words, operator.role)) }
                            td data-label=(words.t("access-since")) { (parts::time(operator.since)) }
                        } } }
                    } }
                }
            }
            (parts::command(words, "golive serve --add-operator NAME --role viewer"))
        }
    }
}

async fn trail(site: &Site, words: Words) -> Markup {
    let verdict = site.access.audit().verify().await;
    html! {
        section aria-labelledby="trail" {
            h2 #trail { (words.t("access-trail")) }
            @match verdict {
                Err(error) => { p.notice.unknown { (Tone::Unknown.icon()) " " (golive::error_chain(&error)) } }
                Ok(verdict) => {
                    p {
                        @match &verdict.broken {
                            None => { (parts::badge(Tone::Pass, &words.t("access-trail-whole"))) }
                            Some(broken) => {
                                (parts::badge(Tone::Fail, &words.t("access-trail-broken"))) " "
                                (words.count("access-trail-at", usize::try_from(broken.entry).unwrap_or(usize::MAX)))
                            }
                        }
                        " " (words.count("access-trail-entries", usize::try_from(verdict.head.entries).unwrap_or(usize::MAX)))
                    }
                    @if !verdict.head.digest.is_empty() { p.quiet { (words.t("access-trail-head")) " " code.digest { (verdict.head.digest) } } }
                }
            }
        }
    }
}
