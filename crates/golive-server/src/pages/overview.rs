//! The first page: may we go live, how far are we, what is next; the flow as the graph it is, and its phases.
//!
//! Not here: evidence (`gate`, `steps`).

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use golive::RunState;
use golive_gate::{CriterionResult, Status, Verdict, phase_title};
use maud::{Markup, html};

use super::parts::{self, Tone};
use super::{Scene, about_run, graph, run_name, run_state, show};
use crate::access::Visitor;
use crate::look::StepState;
use crate::router::Site;

pub(crate) async fn overview(State(site): State<Site>, Extension(visitor): Extension<Visitor>) -> Response {
    about_run(&site, &visitor, "page-overview", |scene| {
        html! {
            (hero(scene))
            (next(scene))
            (lamps(scene))
            (figures(scene))
            section aria-labelledby="flow" {
                h2 #flow { (scene.words.t("flow-title")) }
                p.quiet { (scene.words.t("flow-says")) }
                (graph::graph(scene.words, scene.look))
                (phases(scene))
            }
        }
    })
    .await
}

/// The answer in one glance: the verdict of a run that ended, else how far it is.
fn hero(scene: &Scene<'_>) -> Markup {
    let (words, look) = (scene.words, scene.look);
    let standing = &look.standing;
    let (tone, word) = match standing.state {
        RunState::GoesOn => (Tone::Running, words.t("hero-running")),
        RunState::Ended => {
            (Tone::of_verdict(look.report.verdict), parts::verdict_word(words, look.report.verdict))
        }
        _ => (Tone::Unknown, words.t("hero-cut-off")),
    };
    let ended = standing.steps.iter().filter(|step| step.ended.is_some()).count();
    html! {
        section.hero.(tone.class()) aria-label=(words.t("hero-label")) {
            div.lamp { (tone.icon()) }
            div.answer {
                p.eyebrow {
                    @if !look.report.application.is_empty() { (show::line(&look.report.application, 80)) " · " }
                    (run_name(words, look)) " · " (run_state(words, look))
                }
                p.word { (word) }
                p.meaning { (meaning(scene)) }
            }
            div.far {
                label for="far" { (words.with("steps-ended", &[("ended", ended.into()), ("all", standing.steps.len().into())])) }
                progress #far max=(standing.steps.len()) value=(ended) { (ended) }
                ul.counts { (counts(scene)) }
            }
            dl.times {
                @if let Some(at) = standing.opened_at { div { dt { (words.t("began")) } dd { (parts::time(at)) } } }
                @if let Some(at) = standing.last_at { div { dt { (words.t("last-heard")) } dd { (parts::time_ago(words, at, scene.now)) } } }
                @if look.is_final { div { dt { (words.t("judged")) } dd { (parts::time_ago(words, look.report.finished_at, scene.now)) } } }
            }
        }
    }
}

fn counts(scene: &Scene<'_>) -> Markup {
    let shown = [
        StepState::Running,
        StepState::Passed,
        StepState::Failed,
        StepState::Unknown,
        StepState::CutOff,
        StepState::Waiting,
        StepState::Skipped,
    ];
    html! {
        @for state in shown {
            @let count = scene.look.count(state);
            @if count > 0 {
                li { (parts::badge(Tone::of_step(state), &format!("{count} {}", parts::state_word(scene.words, state)))) }
            }
        }
    }
}

fn meaning(scene: &Scene<'_>) -> String {
    let (words, report) = (scene.words, &scene.look.report);
    let [pass, fail, unknown, waived] =
        [Status::Pass, Status::Fail, Status::Unknown, Status::Waived].map(|status| report.count(status));
    let numbers = [
        ("pass", pass.into()),
        ("fail", fail.into()),
        ("unknown", unknown.into()),
        ("waived", waived.into()),
    ];
    match (scene.look.standing.state, report.verdict) {
        (RunState::GoesOn, _) => words.with("meaning-running", &numbers),
        (RunState::Ended, Verdict::Go) => words.with("meaning-go", &numbers),
        (RunState::Ended, Verdict::NoGo) => words.with("meaning-no-go", &numbers),
        (RunState::Ended, _) => words.with("meaning-inconclusive", &numbers),
        _ => words.with("meaning-cut-off", &numbers),
    }
}

/// What to do next: one thing, with its command.
fn next(scene: &Scene<'_>) -> Markup {
    let (words, look) = (scene.words, scene.look);
    let verb = look.kind.verb();
    let first = |status| look.report.criteria.iter().find(|criterion| criterion.status == status);
    let (says, command) = match (look.standing.state, first(Status::Fail), first(Status::Unknown)) {
        (RunState::GoesOn, ..) => (words.t("next-wait"), "golive status".to_owned()),
        (RunState::Ended, Some(criterion), _) | (RunState::Ended, None, Some(criterion)) => {
            let key = if criterion.status == Status::Fail { "next-mend" } else { "next-look" };
            let title = words.criterion(&criterion.key, &criterion.title);
            let says = words.with(key, &[("number", criterion.number.into()), ("title", title.into())]);
            (says, format!("golive explain {}", criterion.key))
        }
        (RunState::Ended, None, None)
            if look.verdict_now(scene.site.looker.policy(), scene.now) != Verdict::Go =>
        {
            (words.t("next-aged"), format!("golive {}", if verb == "run" { "gate" } else { "rehearse" }))
        }
        (RunState::Ended, None, None) if verb == "rehearse" => {
            (words.t("next-rehearsed"), "golive plan".to_owned())
        }
        (RunState::Ended, None, None) => (words.t("next-live"), "golive gate".to_owned()),
        _ => (words.t("next-resume"), format!("golive {verb} --resume")),
    };
    html! {
        section.next aria-labelledby="next" {
            h2 #next { (words.t("next-title")) }
            p { (says) }
            (parts::command(words, &command))
        }
    }
}

fn lamps(scene: &Scene<'_>) -> Markup {
    let words = scene.words;
    html! {
        section aria-labelledby="criteria" {
            h2 #criteria { (words.t("criteria-title")) }
            @if !scene.look.is_final { p.quiet { (words.t("criteria-so-far")) } }
            ol.lamps { @for criterion in &scene.look.report.criteria { (lamp(scene, criterion)) } }
        }
    }
}

fn lamp(scene: &Scene<'_>, criterion: &CriterionResult) -> Markup {
    let tone = Tone::of_status(criterion.status);
    html! {
        li.(tone.class()) {
            a href={ (scene.mount()) "/gate#c" (criterion.number) } {
                span.no { (criterion.number) }
                span.what { (scene.words.criterion(&criterion.key, &criterion.title)) }
                span.how { (tone.icon()) (parts::status_word(scene.words, criterion.status)) }
            }
        }
    }
}

/// The numbers that people remember, of what the gate picks.
fn figures(scene: &Scene<'_>) -> Markup {
    let words = scene.words;
    let items: Vec<(String, String)> = scene
        .look
        .report
        .figures
        .iter()
        .map(|figure| {
            let value = show::value(words, &figure.value);
            // The catalog's name tells the unit.
            words.fact(&figure.fact).map_or_else(
                || (figure.label.clone(), format!("{value} {}", figure.unit)),
                |name| (name, value.clone()),
            )
        })
        .collect();
    html! {
        @if !items.is_empty() {
            section aria-labelledby="figures" {
                h2 #figures { (words.t("figures-title")) }
                (parts::figures(&items))
            }
        }
    }
}

fn phases(scene: &Scene<'_>) -> Markup {
    html! {
        div.phases {
            @for phase in graph::PHASES {
                @let steps: Vec<_> = scene.look.steps().filter(|(step, _)| graph::lane(step.phase) == graph::lane(phase)).collect();
                @if !steps.is_empty() {
                    section.phase aria-label=(phase_title(phase)) {
                        h3 { (scene.words.phase(phase)) }
                        ol { @for (step, state) in steps { (parts::step_line(scene.words, step, state, scene.mount())) } }
                    }
                }
            }
        }
    }
}
