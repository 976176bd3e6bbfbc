//! The stages of the wizard, each with how it stands and the one thing that can be done there.
//!
//! Not here: findings, which are a stage of their own kind (`findings`).

use std::sync::Arc;

use chrono::{DateTime, Utc};
use golive::RunState;
use maud::{Markup, html};

use super::super::act::{ask_name, confirm, csrf, planned};
use super::super::parts::{self, Tone};
use super::super::{Scene, migration, show, steps, tables_of};
use super::findings::{self, Filter};
use crate::access::Visitor;
use crate::acting::{Actor, Doing, Found, Scope};
use crate::i18n::Words;
use crate::look::{Look, StepState};
use crate::router::Site;

/// What the wizard shows.
pub(super) struct View<'v> {
    pub(super) site: &'v Site,
    pub(super) visitor: &'v Visitor,
    pub(super) actor: &'v Arc<Actor>,
    pub(super) doing: &'v Doing,
    pub(super) failed: Option<&'v str>,
    pub(super) found: Option<Arc<Found>>,
    /// The newest production run.
    pub(super) look: Option<&'v Look>,
    pub(super) filter: Filter,
    pub(super) now: DateTime<Utc>,
}

impl View<'_> {
    pub(super) fn words(&self) -> Words {
        self.visitor.words
    }

    /// Whether something may be begun here.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.doing, Doing::Nothing | Doing::Planned { .. }) && !self.goes_on()
    }

    /// Whether a run is at work, of this console or of another process.
    fn goes_on(&self) -> bool {
        self.look.is_some_and(|look| look.standing.state == RunState::GoesOn)
    }

    fn state(&self, step: &str) -> StepState {
        self.look.and_then(|look| look.step(step)).map_or(StepState::Waiting, |(_, state)| state)
    }

    pub(super) fn button(&self, action: &str, word: &str, main: bool) -> Markup {
        html! {
            form method="post" action={ (self.site.options.mount) "/migrate/" (action) } {
                (csrf(self.visitor))
                button.main[main] type="submit" { (self.words().t(word)) }
            }
        }
    }
}

pub(super) fn all(view: &View<'_>) -> Markup {
    let words = view.words();
    html! {
        p.lead { (words.t("wizard-says")) }
        @if let Some(failed) = view.failed { p.notice.fail role="alert" { (Tone::Fail.icon()) " " (words.t("act-failed")) " " (parts::prose(failed, 1200)) } }
        @if view.goes_on() && !matches!(view.doing, Doing::Running { .. }) {
            p.notice.running { (Tone::Running.icon()) " " (words.t("act-elsewhere")) }
        }
        (stage(words, "findings", "wizard-stage-survey", survey_tone(view), survey(view)))
        (stage(words, "plan", "wizard-stage-plan", plan_tone(view), plan(view)))
        (stage(words, "copy", "wizard-stage-run", run_tone(view), run(view)))
        (stage(words, "switch", "wizard-stage-switch", Tone::of_step(view.state("switch")), switch(view)))
    }
}

fn stage(words: Words, id: &str, title: &str, tone: Tone, body: Markup) -> Markup {
    let word = match tone {
        Tone::Pass => "state-passed",
        Tone::Fail => "state-failed",
        Tone::Running => "state-running",
        Tone::Unknown => "state-unknown",
        _ => "state-waiting",
    };
    html! {
        section.card.stage.(tone.class()) id=(id) aria-labelledby={ "stage-" (id) } data-state=(tone.class()) {
            div.inside {
                div.heading { h2 id={ "stage-" (id) } { (words.t(title)) } " " (parts::badge(tone, &words.t(word))) }
                (body)
            }
        }
    }
}

fn survey_tone(view: &View<'_>) -> Tone {
    match (view.doing, &view.found) {
        (Doing::Surveying { .. }, _) => Tone::Running,
        (_, Some(found)) if found.surveyed.blocking() > 0 || found.surveyed.refused.is_some() => Tone::Fail,
        // What is not written is not decided.
        (_, Some(found)) if found.proposal.is_some() => Tone::Unknown,
        (_, Some(_)) => Tone::Pass,
        (_, None) => Tone::of_step(view.state("survey")),
    }
}

fn survey(view: &View<'_>) -> Markup {
    let words = view.words();
    html! {
        @if let Doing::Surveying { since } = view.doing {
            p { (parts::badge(Tone::Running, &words.t("wizard-surveying"))) " " (words.t("step-since-prefix")) " " (parts::time(*since)) }
        } @else if let Some(found) = &view.found {
            (findings::findings(view, found))
            @if view.is_idle() && found.proposal.is_none() { (view.button("survey", "wizard-survey-again", false)) }
        } @else {
            p { (words.t("wizard-survey-says")) }
            @if view.is_idle() { (view.button("survey", "wizard-survey", true)) }
        }
    }
}

fn plan_tone(view: &View<'_>) -> Tone {
    match view.doing {
        Doing::Planning { scope: Scope::Migration, .. } => Tone::Running,
        Doing::Planned { plan } if plan.scope == Scope::Migration => {
            if plan.is_ready() {
                Tone::Pass
            } else {
                Tone::Fail
            }
        }
        Doing::Running { scope: Scope::Migration | Scope::Switch, .. } => Tone::Pass,
        _ => Tone::Idle,
    }
}

fn plan(view: &View<'_>) -> Markup {
    let words = view.words();
    let settled =
        view.found.as_ref().is_some_and(|found| found.surveyed.blocking() == 0 && found.proposal.is_none());
    html! {
        @match view.doing {
            Doing::Planning { scope: Scope::Migration, since } => {
                p { (parts::badge(Tone::Running, &words.t("act-planning"))) " " (words.t("step-since-prefix")) " " (parts::time(*since)) }
            }
            Doing::Planned { plan } if plan.scope == Scope::Migration && view.is_idle() => {
                (confirm(view.site, view.visitor, view.actor, plan, "/migrate/run"))
                @for step in &plan.steps { (planned(words, step)) }
                (view.button("plan", "act-plan-again", false))
            }
            _ if !view.is_idle() => { p.quiet { (words.t("wizard-plan-later")) } }
            _ if settled => { p { (words.t("wizard-plan-says")) } (view.button("plan", "wizard-plan", true)) }
            _ => { p.quiet { (words.t("wizard-plan-first")) } }
        }
    }
}

/// The steps between the plan and the switch.
/// Whether every cell was compared, and none differs.
pub(super) fn is_proven(look: Option<&Look>) -> bool {
    let verify = look.and_then(|look| look.step("verify"));
    verify.is_some_and(|(_, state)| state == StepState::Passed)
}

const STEPS: [&str; 5] = ["survey", "schema", "copy", "constraints", "verify"];

fn run_tone(view: &View<'_>) -> Tone {
    let is_ours = matches!(view.doing, Doing::Running { scope: Scope::Migration, .. });
    let states = STEPS.map(|step| view.state(step));
    let any = |state| states.contains(&state);
    match view.state("verify") {
        StepState::Passed => Tone::Pass,
        _ if is_ours || any(StepState::Running) => Tone::Running,
        _ if any(StepState::Failed) => Tone::Fail,
        _ if any(StepState::CutOff) || any(StepState::Unknown) => Tone::Unknown,
        _ => Tone::Idle,
    }
}

fn run(view: &View<'_>) -> Markup {
    let words = view.words();
    let Some(look) = view.look else {
        return html! { p.quiet { (words.t(if matches!(view.doing, Doing::Running { .. }) { "wizard-begins" } else { "wizard-run-not" })) } };
    };
    let scene = Scene { site: view.site, words, look, now: view.now };
    let (known, tables) = (golive::list(), tables_of(look));
    let begun = STEPS.iter().any(|step| view.state(step) != StepState::Waiting);
    let proven = is_proven(view.look);
    html! {
        @if let Doing::Running { by, ending, .. } = view.doing {
            p {
                (parts::badge(Tone::Running, &words.t(if *ending { "act-ending" } else { "act-running" }))) " "
                (words.with("act-by", &[("by", show::line(by, 80).into())]))
            }
            @if !ending { (view.button("end", "act-end", false)) }
        }
        @if !tables.is_empty() { (migration::board(&scene, &tables)) }
        @for (step, state) in look.steps().filter(|(step, _)| STEPS.contains(&step.id)) {
            (steps::card(&scene, step, state, known.iter().find(|about| about.id == step.id)))
        }
        @if view.state("verify") == StepState::Failed { (differs(words)) }
        @if begun && !proven && view.is_idle() {
            p { (words.t("wizard-resume-says")) }
            (view.button("resume", "wizard-resume", true))
        }
    }
}

/// What it means that source and target differ, and what to do.
fn differs(words: Words) -> Markup {
    html! {
        section.panel.fail #differs role="alert" {
            h3 { (words.t("wizard-differs")) }
            p { (words.t("wizard-differs-says")) }
            ol {
                li { (words.t("wizard-differs-who")) (parts::command(words, "golive migrate verify")) }
                li { (words.t("wizard-differs-mend")) }
                li { (words.t("wizard-differs-again")) }
            }
        }
    }
}

fn switch(view: &View<'_>) -> Markup {
    let words = view.words();
    let Some(look) = view.look else { return html! { p.quiet { (words.t("wizard-switch-first")) } } };
    let switched = view.state("switch") == StepState::Passed;
    let scene = Scene { site: view.site, words, look, now: view.now };
    let known = golive::list();
    html! {
        @if switched {
            p { (words.t("wizard-switched")) }
            p { a href=(view.site.href("/run")) { (words.t("wizard-go-on")) } }
        } @else if !is_proven(view.look) {
            p.quiet { (words.t("wizard-switch-first")) }
        } @else if view.is_idle() {
            div.confirm {
                p { (words.t("wizard-switch-says")) }
                form method="post" action={ (view.site.options.mount) "/migrate/switch" } {
                    (csrf(view.visitor))
                    (ask_name(words, view.actor, "switch-name"))
                    button.main type="submit" { (words.t("wizard-switch")) }
                }
            }
        }
        @for (step, state) in look.steps().filter(|(step, state)| step.id == "switch" && *state != StepState::Waiting) {
            (steps::card(&scene, step, state, known.iter().find(|about| about.id == step.id)))
        }
    }
}
