//! The gate board: the thirteen criteria, each with what it rests on, how to look again and how to mend it.
//!
//! Not here: judging (golive-gate).

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use golive_gate::{CriterionResult, Evidence, Report, Status};
use maud::{Markup, html};

use super::parts::{self, Tone};
use super::{Scene, about_run, run_name, show};
use crate::access::Visitor;
use crate::i18n::Words;
use crate::look::Kind;
use crate::router::Site;

pub(crate) async fn gate(State(site): State<Site>, Extension(visitor): Extension<Visitor>) -> Response {
    about_run(&site, &visitor, "page-gate", |scene| {
        let (words, look) = (scene.words, scene.look);
        html! {
            section.summary.(Tone::of_verdict(look.report.verdict).class()) {
                p.word {
                    (parts::badge(Tone::of_verdict(look.report.verdict), &parts::verdict_word(words, look.report.verdict)))
                    @if !look.is_final { " " span.quiet { (words.t("gate-so-far")) } }
                }
                p { (run_name(words, look)) " · " (words.t("judged")) " " (parts::time_ago(words, look.report.finished_at, scene.now)) }
                @if look.is_final { (aged(scene)) (downloads(scene)) }
                p.again-label { (words.t("again-all")) }
                (parts::command(words, if look.kind == Kind::Run { "golive gate" } else { "golive rehearse" }))
            }
            @for criterion in &look.report.criteria { (card(words, look.kind, criterion, &look.report)) }
            @if !look.report.warnings.is_empty() {
                section aria-labelledby="warnings" {
                    h2 #warnings { (words.t("warnings-title")) }
                    ul { @for warning in &look.report.warnings { li { (parts::prose(warning, 600)) } } }
                }
            }
        }
    })
    .await
}

/// Evidence has an age: what was enough yesterday may not be today.
fn aged(scene: &Scene<'_>) -> Markup {
    let now = scene.look.verdict_now(scene.site.looker.policy(), scene.now);
    html! {
        @if now != scene.look.report.verdict {
            p.notice.unknown role="note" {
                (Tone::Unknown.icon()) " "
                (scene.words.with("gate-aged", &[("verdict", parts::verdict_word(scene.words, now).into())]))
            }
        }
    }
}

fn downloads(scene: &Scene<'_>) -> Markup {
    let forms = [
        ("report.html", "HTML"),
        ("report.json", "JSON"),
        ("report.xml", "JUnit"),
        ("report.md", "Markdown"),
    ];
    html! {
        p.downloads {
            span { (scene.words.t("downloads")) ": " }
            @for (file, name) in forms { a href={ (scene.mount()) "/report/" (file) } download { (name) } " " }
        }
    }
}

/// One criterion; also of a run of the past.
pub(crate) fn card(words: Words, kind: Kind, criterion: &CriterionResult, report: &Report) -> Markup {
    let tone = Tone::of_status(criterion.status);
    let holds = criterion.evidence.iter().filter(|evidence| evidence.status == Status::Pass).count();
    html! {
        details.card.(tone.class()) id={ "c" (criterion.number) } open[criterion.status != Status::Pass] {
            summary {
                span.no { (criterion.number) }
                h2.name { (words.criterion(&criterion.key, &criterion.title)) }
                span.count { (words.with("card-holds", &[("holds", holds.into()), ("all", criterion.evidence.len().into())])) }
                (parts::badge(tone, &parts::status_word(words, criterion.status)))
            }
            div.inside {
                @if let Some(waiver) = &criterion.waiver {
                    p.notice.waived {
                        (Tone::Waived.icon()) " "
                        (words.with("card-waived", &[
                            ("under", parts::status_word(words, criterion.judged()).into()),
                            ("owner", show::line(&waiver.owner, 80).into()),
                            ("until", waiver.expires.to_string().into()),
                            ("reason", show::line(&waiver.reason, 400).into()),
                        ]))
                    }
                }
                div.table-box tabindex="0" {
                    table.evidence {
                        thead { tr {
                            th scope="col" { (words.t("evidence-needs")) }
                            th scope="col" { (words.t("evidence-expected")) }
                            th scope="col" { (words.t("evidence-found")) }
                            th scope="col" { (words.t("evidence-from")) }
                        } }
                        tbody { @for evidence in &criterion.evidence { (row(words, evidence)) } }
                    }
                }
                (mend(words, kind, criterion, report))
            }
        }
    }
}

fn row(words: Words, evidence: &Evidence) -> Markup {
    let tone = Tone::of_status(evidence.status);
    html! {
        tr.(tone.class()) {
            th scope="row" data-label=(words.t("evidence-needs")) {
                (tone.icon()) span.sr { (parts::status_word(words, evidence.status)) ": " }
                span { (words.says(&evidence.fact, &evidence.says)) }
            }
            td data-label=(words.t("evidence-expected")) { (expected(words, &evidence.expected)) }
            td.value data-label=(words.t("evidence-found")) {
                @match &evidence.value {
                    Some(value) => { (show::value(words, value)) }
                    None => { span.quiet { (words.t("evidence-nothing")) } }
                }
            }
            td data-label=(words.t("evidence-from")) {
                @if let Some(reason) = &evidence.reason { p.why { (parts::prose(reason, 600)) } }
                @if let Some(source) = &evidence.source { p { (parts::prose(source, 300)) } }
                p.quiet {
                    @if let Some(at) = evidence.collected_at { (parts::time(at)) " · " }
                    code.key { (evidence.fact) }
                }
            }
        }
    }
}

/// The gate's few words for what it expects, in the reader's language.
fn expected(words: Words, text: &str) -> String {
    let number = |key: &str, rest: &str| words.with(key, &[("limit", rest.to_owned().into())]);
    match text {
        "yes" => words.t("value-yes"),
        "no" => words.t("value-no"),
        "something" => words.t("expected-something"),
        _ => {
            let limit = |prefix: &str| text.strip_prefix(prefix);
            if let Some(rest) = limit("at least ") {
                number("expected-at-least", rest)
            } else if let Some(rest) = limit("at most ") {
                number("expected-at-most", rest)
            } else if let Some(rest) = limit("below ") {
                number("expected-below", rest)
            } else {
                text.to_owned()
            }
        }
    }
}

/// Which steps supply it, how to run them again, where it is explained.
fn mend(words: Words, kind: Kind, criterion: &CriterionResult, report: &Report) -> Markup {
    let suppliers: Vec<&'static str> = golive::list()
        .iter()
        .filter(|step| {
            criterion.evidence.iter().any(|evidence| step.supplies.contains(&evidence.fact.as_str()))
        })
        .map(|step| step.id)
        .collect();
    let to_mend = criterion.judged() != Status::Pass;
    html! {
        div.mend {
            @if to_mend { h3 { (words.t("mend-title")) } } @else { h3 { (words.t("again-title")) } }
            @if to_mend { (broken(words, &suppliers, report)) }
            @for id in &suppliers {
                (parts::command(words, &format!("golive {} --only {id}", kind.verb())))
            }
            p.quiet { (words.t("mend-explain")) }
            (parts::command(words, &format!("golive explain {}", criterion.key)))
        }
    }
}

/// The steps under it that did not pass, with why.
fn broken(words: Words, suppliers: &[&str], report: &Report) -> Markup {
    let found: Vec<_> = report.steps.iter().filter(|step| suppliers.contains(&step.id.as_str())).collect();
    html! {
        ul.broken {
            @for step in found {
                @if let Some(why) = step.error.as_deref().or(step.reason.as_deref()) {
                    li { strong { (words.step(&step.id, &step.title)) } ": " (parts::prose(why, 600)) }
                }
            }
        }
    }
}
