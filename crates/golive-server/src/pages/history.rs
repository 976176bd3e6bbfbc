//! The runs of the past, and what changed from one to another.
//!
//! Not here: the run of now (`overview`, `gate`).

use axum::Extension;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use golive::PastRun;
use golive_gate::{CriterionResult, Evidence, Status};
use maud::{Markup, html};
use serde::Deserialize;

use super::parts::{self, Tone};
use super::{frame, gate, show};
use crate::access::Visitor;
use crate::clock;
use crate::i18n::Words;
use crate::look::Kind;
use crate::router::Site;

#[derive(Deserialize)]
pub(crate) struct Asked {
    from: Option<String>,
    to: Option<String>,
    run: Option<String>,
}

pub(crate) async fn history(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    Query(asked): Query<Asked>,
) -> Response {
    let words = visitor.words;
    let title = words.t("page-history");
    let past = match site.looker.past().await {
        Ok(past) => past,
        Err(why) => {
            let body = super::unreadable(words, &why);
            return (StatusCode::INTERNAL_SERVER_ERROR, frame(&site, &visitor, &title, None, body))
                .into_response();
        }
    };
    let find = |name: &Option<String>| past.iter().find(|(_, run)| name.as_deref() == Some(run.run.as_str()));
    let newest = past.first();
    let to = find(&asked.to).or(newest);
    let before = to.and_then(|to| {
        past.iter().find(|run| run.0 == to.0 && run.1.report.finished_at < to.1.report.finished_at)
    });
    let from = find(&asked.from).or(before);
    let body = html! {
        @if past.is_empty() { p.quiet { (words.t("history-none")) } } @else {
            (list(&site, words, &past))
            @if let (Some(from), Some(to)) = (from, to) { (compare(&site, words, &past, from, to)) }
            @if let Some((kind, run)) = find(&asked.run) {
                section aria-labelledby="run" {
                    h2 #run { (words.t("history-run")) " " code { (run.run) } }
                    @for criterion in &run.report.criteria { (gate::card(words, *kind, criterion, &run.report)) }
                }
            }
        }
    };
    (StatusCode::OK, frame(&site, &visitor, &title, None, body)).into_response()
}

fn list(site: &Site, words: Words, past: &[(Kind, PastRun)]) -> Markup {
    let (mount, now) = (site.options.mount.as_str(), clock::now());
    html! {
        div.table-box tabindex="0" {
            table.runs {
                thead { tr {
                    th scope="col" { (words.t("history-run")) }
                    th scope="col" { (words.t("history-verdict")) }
                    th scope="col" { (words.t("criteria-title")) }
                    th scope="col" { (words.t("judged")) }
                    th scope="col" { (words.t("downloads")) }
                } }
                tbody {
                    @for (kind, run) in past {
                        @let report = &run.report;
                        tr {
                            th scope="row" data-label=(words.t("history-run")) {
                                a href={ (mount) "/history?run=" (run.run) "#run" } { code { (run.run) } }
                                br; span.quiet { (words.t(kind_word(*kind))) }
                            }
                            td data-label=(words.t("history-verdict")) { (parts::badge(Tone::of_verdict(report.verdict), &parts::verdict_word(words, report.verdict))) }
                            td data-label=(words.t("criteria-title")) {
                                (words.with("history-counts", &[
                                    ("pass", report.count(Status::Pass).into()), ("fail", report.count(Status::Fail).into()),
                                    ("unknown", report.count(Status::Unknown).into()), ("waived", report.count(Status::Waived).into()),
                                ]))
                            }
                            td data-label=(words.t("judged")) { (parts::time_ago(words, report.finished_at, now)) }
                            td.files data-label=(words.t("downloads")) {
                                @for (file, name) in [("report.html", "HTML"), ("report.json", "JSON"), ("report.xml", "JUnit"), ("report.md", "Markdown")] {
                                    a href={ (mount) "/report/" (file) "?run=" (run.run) } download { (name) } " "
                                }
                                a href={ (mount) "/report/evidence.tar?run=" (run.run) } download { (words.t("evidence-bundle")) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Run => "kind-run",
        Kind::Rehearsal => "kind-rehearsal",
    }
}

fn compare(
    site: &Site,
    words: Words,
    past: &[(Kind, PastRun)],
    from: &(Kind, PastRun),
    to: &(Kind, PastRun),
) -> Markup {
    let choice = |name: &'static str, label: &str, chosen: &str| {
        html! {
            label { (label) " "
                select name=(name) {
                    @for (_, run) in past { option value=(run.run) selected[run.run == chosen] { (run.run) } }
                }
            }
        }
    };
    let changes = changes(&from.1, &to.1);
    html! {
        section aria-labelledby="compare" {
            h2 #compare { (words.t("history-compare")) }
            form.compare method="get" action={ (site.options.mount) "/history#compare" } {
                (choice("from", &words.t("history-from"), &from.1.run))
                (choice("to", &words.t("history-to"), &to.1.run))
                button type="submit" { (words.t("history-show")) }
            }
            @if changes.is_empty() { p.quiet { (words.t("history-same")) } } @else {
                div.table-box tabindex="0" {
                    table.changes {
                        thead { tr {
                            th scope="col" { (words.t("evidence-needs")) }
                            th scope="col" { (words.t("history-from")) }
                            th scope="col" { (words.t("history-to")) }
                        } }
                        tbody { @for change in &changes { (change_row(words, change)) } }
                    }
                }
            }
        }
    }
}

/// What a requirement was, and what it is.
struct Change<'r> {
    criterion: &'r CriterionResult,
    before: Option<&'r Evidence>,
    after: &'r Evidence,
}

/// Requirements that stand differently, and those whose value is another.
fn changes<'r>(from: &'r PastRun, to: &'r PastRun) -> Vec<Change<'r>> {
    let mut found = Vec::new();
    for criterion in &to.report.criteria {
        let earlier = from.report.criterion(&criterion.key);
        for after in &criterion.evidence {
            let before =
                earlier.and_then(|one| one.evidence.iter().find(|evidence| evidence.fact == after.fact));
            let same =
                before.is_some_and(|before| before.status == after.status && before.value == after.value);
            if !same {
                found.push(Change { criterion, before, after });
            }
        }
    }
    // What stands differently first: that is what somebody came for.
    found.sort_by_key(|change| change.before.is_some_and(|before| before.status == change.after.status));
    found
}

fn change_row(words: Words, change: &Change<'_>) -> Markup {
    let side = |evidence: Option<&Evidence>| {
        html! {
            @if let Some(evidence) = evidence {
                (parts::badge(Tone::of_status(evidence.status), &parts::status_word(words, evidence.status))) " "
                @if let Some(value) = &evidence.value { span.value { (show::value(words, value)) } }
            } @else { span.quiet { (words.t("evidence-nothing")) } }
        }
    };
    html! {
        tr {
            th scope="row" data-label=(words.t("evidence-needs")) {
                (words.says(&change.after.fact, &change.after.says))
                br; span.quiet { (change.criterion.number) ". " (words.criterion(&change.criterion.key, &change.criterion.title)) }
            }
            td data-label=(words.t("history-from")) { (side(change.before)) }
            td data-label=(words.t("history-to")) { (side(Some(change.after))) }
        }
    }
}
