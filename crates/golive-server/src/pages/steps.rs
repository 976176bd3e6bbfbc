//! Every step in full: what it was going to do, what it saw, why it did not pass.
//!
//! Not here: what its facts are worth (`gate`).

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use golive::{About, StepStanding};
use maud::{Markup, html};

use super::parts::{self, Tone};
use super::{Scene, about_run, graph, show};
use crate::access::Visitor;
use crate::i18n::Words;
use crate::look::StepState;
use crate::router::Site;

pub(crate) async fn steps(State(site): State<Site>, Extension(visitor): Extension<Visitor>) -> Response {
    about_run(&site, &visitor, "page-steps", |scene| {
        let known = golive::list();
        html! {
            @for phase in graph::PHASES {
                @let steps: Vec<_> = scene.look.steps().filter(|(step, _)| graph::lane(step.phase) == graph::lane(phase)).collect();
                @if !steps.is_empty() {
                    section {
                        h2 { (scene.words.phase(phase)) }
                        @for (step, state) in steps {
                            (card(scene, step, state, known.iter().find(|about| about.id == step.id)))
                        }
                    }
                }
            }
        }
    })
    .await
}

/// One step, folded where there is nothing to do about it.
pub(crate) fn card(
    scene: &Scene<'_>,
    step: &StepStanding,
    state: StepState,
    about: Option<&About>,
) -> Markup {
    let (words, tone) = (scene.words, Tone::of_step(state));
    let open =
        matches!(state, StepState::Failed | StepState::Unknown | StepState::CutOff | StepState::Running);
    html! {
        details.card.(tone.class()) id={ "step-" (step.id) } open[open] {
            summary {
                h3.name { (words.step(step.id, step.title)) }
                span.count {
                    @if let Some(result) = &step.ended { (show::duration(words, result.seconds)) }
                }
                (parts::badge(tone, &parts::state_word(words, state)))
            }
            div.inside {
                @if let Some(why) = parts::reason(step) { p.notice.(tone.class()) { (tone.icon()) " " (parts::prose(why, 1200)) } }
                @if let Some(since) = step.under_way_since {
                    p { (words.t("step-since-prefix")) " " (parts::time(since)) }
                }
                @if let Some(about) = about { (order(scene, about)) }
                @if let Some(result) = &step.ended {
                    @if !result.plan.is_empty() { h4 { (words.t("step-plan")) } (plan(words, &result.plan)) }
                    h4 { (words.t("step-proof")) }
                    (parts::facts(words, result.proof.iter()))
                }
                h4 { (words.t("step-alone")) }
                (parts::command(words, &parts::only(scene.look, step.id)))
            }
        }
    }
}

fn order(scene: &Scene<'_>, about: &About) -> Markup {
    let words = scene.words;
    html! {
        p.quiet {
            (words.t("step-checklist")) " " (about.checklist.join(", "))
            @if !about.after.is_empty() { " · " (words.t("step-after")) " " (names(scene, about.after)) }
            @if !about.once_ended.is_empty() { " · " (words.t("step-once-ended")) " " (names(scene, about.once_ended)) }
            @if about.exclusive { " · " (words.t("step-exclusive")) }
        }
    }
}

fn names(scene: &Scene<'_>, steps: &[&str]) -> Markup {
    html! {
        @for (index, id) in steps.iter().enumerate() {
            @if index > 0 { ", " }
            a href={ (scene.mount()) "/steps#step-" (id) } { (id) }
        }
    }
}

/// A long plan is folded: it is there in full.
pub(super) fn plan(words: Words, lines: &[String]) -> Markup {
    let list = html! { ul.plan { @for line in lines { li { (parts::prose(line, MOST_OF_A_LINE)) } } } };
    html! {
        @if lines.len() > 8 {
            details { summary { (words.count("step-plan-lines", lines.len())) } (list) }
        } @else { (list) }
    }
}

/// A statement that makes a table of hundreds of columns is whole; what is longer is not read by anybody.
const MOST_OF_A_LINE: usize = 50_000;
