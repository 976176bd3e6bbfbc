//! Acting: the plan in full, one confirmation, and the end of a run that is at work.
//!
//! Not here: what acting does (`acting`).

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use golive::RunState;
use golive_gate::StepResult;
use maud::{Markup, html};
use secrecy::ExposeSecret;

use super::parts::{self, Tone};
use super::{frame, problem, show};
use crate::access::{Fields, Visitor};
use crate::acting::{Actor, Doing, Planned, Refusal, Scope};
use crate::clock;
use crate::look::{Kind, StepState};
use crate::router::Site;

/// The page.
pub(crate) async fn act(State(site): State<Site>, Extension(visitor): Extension<Visitor>) -> Response {
    let Some(actor) = actor(&site, &visitor) else { return refused(&site, &visitor) };
    let seeing = site.looker.look().await;
    let words = visitor.words;
    let (doing, failed) = actor.doing();
    let look = seeing.run().filter(|look| look.kind == Kind::Run);
    let other = look.is_some_and(|look| look.standing.state == RunState::GoesOn);
    // A run that only went as far as the migration has ended, and is not at its end.
    let cut_off = look.is_some_and(|look| {
        !other && (look.standing.state != RunState::Ended || look.count(StepState::Waiting) > 0)
    });
    let button = |action: &str, word: &str, main: bool| {
        html! {
            form method="post" action={ (site.options.mount) "/run/" (action) } {
                (csrf(&visitor))
                button.main[main] type="submit" { (words.t(word)) }
            }
        }
    };
    let body = html! {
        @if let Some(failed) = &failed { p.notice.fail role="alert" { (Tone::Fail.icon()) " " (words.t("act-failed")) " " (parts::prose(failed, 1200)) } }
        @match &doing {
            Doing::Surveying { since } => { p { (parts::badge(Tone::Running, &words.t("wizard-surveying"))) " " (words.t("step-since-prefix")) " " (parts::time(*since)) } }
            Doing::Planning { since, .. } => { p { (parts::badge(Tone::Running, &words.t("act-planning"))) " " (words.t("step-since-prefix")) " " (parts::time(*since)) } }
            Doing::Running { since, by, resumes, ending, .. } => {
                section.panel {
                    p { (parts::badge(Tone::Running, &words.t(if *ending { "act-ending" } else { "act-running" }))) }
                    p {
                        (words.with("act-by", &[("by", show::line(by, 80).into())])) " · " (words.t("step-since-prefix")) " " (parts::time(*since))
                        @if *resumes { " · " (words.t("act-resumed")) }
                    }
                    p { a href=(site.href("/")) { (words.t("act-watch")) } }
                    @if !ending { p.quiet { (words.t("act-end-says")) } (button("end", "act-end", false)) }
                }
            }
            Doing::Nothing | Doing::Planned { .. } if other => {
                p { (parts::badge(Tone::Running, &words.t("run-goes-on"))) " " (words.t("act-elsewhere")) }
            }
            Doing::Planned { plan } if plan.scope == Scope::Whole => {
                (confirm(&site, &visitor, actor, plan, "/run/start"))
                (button("plan", "act-plan-again", false))
                @for step in &plan.steps { (planned(words, step)) }
            }
            Doing::Nothing | Doing::Planned { .. } => {
                section.panel {
                    p { (words.t("act-says")) }
                    (button("plan", "act-plan", true))
                    @if cut_off { (resuming(&site, &visitor, actor)) }
                }
            }
        }
    };
    (StatusCode::OK, frame(&site, &visitor, &words.t("page-act"), Some(&seeing), body)).into_response()
}

/// The one question before anything is changed, above the plan that it is about.
pub(super) fn confirm(site: &Site, visitor: &Visitor, actor: &Actor, plan: &Planned, path: &str) -> Markup {
    let words = visitor.words;
    html! {
        section.panel.confirm {
            p { (words.t("act-planned")) " " (parts::time_ago(words, plan.at, clock::now())) }
            @if plan.is_ready() {
                form method="post" action={ (site.options.mount) (path) } {
                    (csrf(visitor))
                    input type="hidden" name="plan" value=(plan.id);
                    p { strong { (words.t("act-warning")) } }
                    (ask_name(words, actor, "application"))
                    button.main type="submit" { (words.t("act-start")) }
                }
            } @else {
                p.notice.fail { (Tone::Fail.icon()) " " (words.t("act-not-ready")) }
            }
        }
    }
}

/// The run goes on to its end, however far it was to go when it began: so it asks, as its start did.
fn resuming(site: &Site, visitor: &Visitor, actor: &Actor) -> Markup {
    let words = visitor.words;
    html! {
        div.confirm {
            p { (words.t("next-resume")) }
            form method="post" action={ (site.options.mount) "/run/resume" } {
                (csrf(visitor))
                p { strong { (words.t("act-warning")) } }
                (ask_name(words, actor, "application"))
                button type="submit" { (words.t("act-resume")) }
            }
        }
    }
}

/// What stands before a deed that changes a server; the field has an id of its own on its page.
pub(super) fn ask_name(words: crate::i18n::Words, actor: &Actor, id: &str) -> Markup {
    html! {
        label for=(id) { (words.with("act-type", &[("name", show::line(actor.application(), 80).into())])) }
        input id=(id) name="application" autocomplete="off" required;
    }
}

pub(super) fn planned(words: crate::i18n::Words, step: &StepResult) -> Markup {
    let why = step.error.as_deref().or(step.reason.as_deref());
    let tone = match step.status {
        golive_gate::StepStatus::Planned => Tone::Idle,
        golive_gate::StepStatus::Failed => Tone::Fail,
        _ => Tone::Unknown,
    };
    html! {
        section.card.(tone.class()) {
            div.inside {
                h2.name { (words.step(&step.id, &step.title)) }
                @if let Some(why) = why { p.notice.(tone.class()) { (tone.icon()) " " (parts::prose(why, 1200)) } }
                @if !step.plan.is_empty() { (super::steps::plan(words, &step.plan)) }
            }
        }
    }
}

pub(crate) async fn plan(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    _checked: Fields,
) -> Response {
    done(&site, &visitor, "/run", "plan a run", |actor| actor.plan(Scope::Whole)).await
}

pub(crate) async fn start(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    fields: Fields,
) -> Response {
    let (plan, by) = (fields.get("plan").parse().unwrap_or(0), name(&visitor));
    let start = |actor: &Arc<Actor>| actor.run(Scope::Whole, plan, &by);
    confirmed(&site, &visitor, "/run", &fields, "start a run", start).await
}

pub(crate) async fn resume(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    fields: Fields,
) -> Response {
    let by = name(&visitor);
    let resume = |actor: &Arc<Actor>| actor.resume(Scope::Whole, &by);
    confirmed(&site, &visitor, "/run", &fields, "resume a run", resume).await
}

pub(crate) async fn end(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    _checked: Fields,
) -> Response {
    done(&site, &visitor, "/run", "end a run", |actor| {
        actor.end();
        Ok(())
    })
    .await
}

/// What changes a server is done only when the application's name was typed.
pub(super) async fn confirmed(
    site: &Site,
    visitor: &Visitor,
    page: &str,
    fields: &Fields,
    action: &str,
    deed: impl FnOnce(&Arc<Actor>) -> Result<(), Refusal>,
) -> Response {
    let Some(actor) = actor(site, visitor) else { return refused(site, visitor) };
    if fields.get("application").trim() != actor.application() {
        return problem(site, visitor, StatusCode::UNPROCESSABLE_ENTITY, "problem-confirm");
    }
    done(site, visitor, page, action, deed).await
}

/// Records it, does it, and shows what goes on; what cannot be recorded is not done.
pub(super) async fn done(
    site: &Site,
    visitor: &Visitor,
    page: &str,
    action: &str,
    deed: impl FnOnce(&Arc<Actor>) -> Result<(), Refusal>,
) -> Response {
    let Some(actor) = actor(site, visitor) else { return refused(site, visitor) };
    let recorded =
        site.access.audit().record(&name(visitor), action, actor.application(), clock::now()).await;
    if recorded.is_err() {
        return problem(site, visitor, StatusCode::SERVICE_UNAVAILABLE, "problem-audit");
    }
    match deed(actor) {
        Ok(()) => {
            let page = HeaderValue::from_str(&format!("{}{page}", site.options.mount));
            (StatusCode::SEE_OTHER, [(header::LOCATION, page.expect("the mount is a path"))]).into_response()
        }
        Err(Refusal::Busy) => problem(site, visitor, StatusCode::CONFLICT, "problem-act-busy"),
        Err(Refusal::NoChoice) => {
            problem(site, visitor, StatusCode::UNPROCESSABLE_ENTITY, "problem-no-choice")
        }
        Err(Refusal::OtherPlan) => problem(site, visitor, StatusCode::CONFLICT, "problem-other-plan"),
    }
}

/// Whoever acts, for who may.
pub(super) fn actor<'s>(site: &'s Site, visitor: &Visitor) -> Option<&'s Arc<Actor>> {
    site.actor.as_ref().filter(|_| visitor.may_act)
}

pub(super) fn refused(site: &Site, visitor: &Visitor) -> Response {
    match &site.actor {
        Some(_) => problem(site, visitor, StatusCode::FORBIDDEN, "problem-may-not"),
        None => problem(site, visitor, StatusCode::NOT_FOUND, "problem-acts-not"),
    }
}

pub(super) fn name(visitor: &Visitor) -> String {
    visitor.session.as_ref().map_or_else(|| "nobody".to_owned(), |session| session.name.clone())
}

pub(super) fn csrf(visitor: &Visitor) -> Markup {
    html! { input type="hidden" name="csrf" value=(visitor.csrf.expose_secret()); }
}
