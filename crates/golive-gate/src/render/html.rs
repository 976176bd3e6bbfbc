//! The report as one HTML file: what a client's board reads, on a phone, on a desk or on paper.
//!
//! What must not be here: scripts, external resources, or text that did not go through maud's escaping. The document's own
//! content security policy forbids everything but its style sheet.

mod steps;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::Report;
use crate::report::{CriterionResult, Evidence, Status, Verdict};

use super::format;
use super::text::tally;

/// The report as one self-contained HTML document.
#[must_use]
pub fn to_html(report: &Report) -> String {
    let application = if report.application.is_empty() { "Application" } else { &report.application };
    let application = &format::line(application, 120);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy"
                    content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
                title { (verdict_word(report.verdict)) " · " (application) " · go-live report" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    (head(report, application))
                    @if !report.figures.is_empty() { (figures(report)) }
                    (criteria(report))
                    @if !report.steps.is_empty() { (steps::timeline(&report.steps)) }
                    @if !report.warnings.is_empty() { (warnings(report)) }
                    (sign_off(report))
                }
            }
        }
    }
    .into_string()
}

fn head(report: &Report, application: &str) -> Markup {
    let took = (report.finished_at - report.started_at).as_seconds_f64();
    html! {
        header {
            p.eyebrow { "Go-live report" }
            h1 { (application) }
            section.verdict.(verdict_class(report.verdict)) aria-label="Verdict" {
                div.lamp aria-hidden="true" { (verdict_mark(report.verdict)) }
                div {
                    p.word { (verdict_word(report.verdict)) }
                    p.meaning { (verdict_meaning(report)) }
                }
                ol.lamps aria-label="The 13 criteria at a glance" {
                    @for criterion in &report.criteria {
                        li.(class(criterion.status)) {
                            a href={ "#c" (criterion.number) } title=(title(criterion)) {
                                (criterion.number)
                                span.sr { " " (title(criterion)) ": " (criterion.status.as_str()) }
                            }
                        }
                    }
                }
            }
            dl.facts {
                @if !report.run_id.is_empty() { div { dt { "Run" } dd.mono { (format::line(&report.run_id, 80)) } } }
                div { dt { "Judged" } dd { (format::moment(report.finished_at)) } }
                @if took > 0.0 { div { dt { "Took" } dd { (format::seconds(took)) } } }
                div { dt { "Criteria" } dd { (tally(report)) } }
            }
        }
    }
}

fn figures(report: &Report) -> Markup {
    html! {
        section aria-labelledby="figures" {
            h2 #figures { "Figures" }
            ul.figures {
                @for figure in &report.figures {
                    li {
                        span.number {
                            (format::value(&figure.value))
                            @if !figure.unit.is_empty() { span.unit { " " (figure.unit) } }
                        }
                        span.label { (figure.label) }
                    }
                }
            }
        }
    }
}

fn criteria(report: &Report) -> Markup {
    html! {
        section aria-labelledby="criteria" {
            h2 #criteria { "The 13 criteria" }
            p.lead { "Each is judged from evidence alone. What could not be observed is unknown, and unknown never passes." }
            @for criterion in &report.criteria { (card(criterion, report)) }
        }
    }
}

fn card(criterion: &CriterionResult, report: &Report) -> Markup {
    // What holds is folded away on screen; what does not is open. Paper shows all.
    let open = criterion.status != Status::Pass;
    html! {
        details.card.(class(criterion.status)) id={ "c" (criterion.number) } open[open] {
            summary {
                span.no { (criterion.number) }
                span.title { (title(criterion)) }
                span.count { (holding(criterion)) }
                (badge(criterion.status))
            }
            @if let Some(waiver) = &criterion.waiver {
                p.waiver {
                    "The evidence says " strong { (criterion.judged().as_str()) } ". Waived by "
                    strong { (format::line(&waiver.owner, 80)) } " until " (waiver.expires) ": " (format::line(&waiver.reason, 400))
                }
            }
            table {
                thead { tr { th { "Requirement" } th { "Expected" } th { "Found" } th { "Evidence" } } }
                tbody { @for evidence in &criterion.evidence { (row(evidence, report)) } }
            }
        }
    }
}

fn row(evidence: &Evidence, report: &Report) -> Markup {
    html! {
        tr.(class(evidence.status)) {
            td.says data-label="Requirement" {
                span.dot aria-hidden="true" { (mark(evidence.status)) }
                span.sr { (evidence.status.as_str()) ": " }
                span { (evidence.says) }
            }
            td.expected data-label="Expected" { (evidence.expected) }
            td.found data-label="Found" {
                @match &evidence.value {
                    Some(value) => { (format::value(value)) }
                    None => { span.none { "nothing" } }
                }
            }
            td.source data-label="Evidence" {
                @if let Some(reason) = &evidence.reason { p.reason { (prose(reason, 600)) } }
                @if let Some(source) = &evidence.source { p { (format::line(source, 300)) } }
                p.meta {
                    @if let Some(at) = evidence.collected_at {
                        time datetime=(at.to_rfc3339()) { (format::clock(at, report.finished_at)) } " UTC · "
                    }
                    code { (evidence.fact) }
                }
            }
        }
    }
}

fn warnings(report: &Report) -> Markup {
    html! {
        section aria-labelledby="warnings" {
            h2 #warnings { "Warnings" }
            ul.warnings { @for warning in &report.warnings { li { (prose(warning, 600)) } } }
        }
    }
}

fn sign_off(report: &Report) -> Markup {
    html! {
        footer {
            div.sign {
                @for who in ["For the client", "For the operator"] {
                    div { p.line {} p { (who) } p.small { "Name, date, signature" } }
                }
            }
            p.small {
                "Written by golive from recorded evidence, report schema " (report.schema_version) ". Times are UTC. "
                "The same evidence, policy and moment give the same judgement."
            }
        }
    }
}

/// Names between backticks are set as code.
fn prose(text: &str, limit: usize) -> Markup {
    let line = format::line(text, limit);
    html! {
        @for (index, part) in line.split('`').enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

fn badge(status: Status) -> Markup {
    html! { span.badge { span aria-hidden="true" { (mark(status)) } " " (status.as_str()) } }
}

fn holding(criterion: &CriterionResult) -> String {
    let holds = criterion.evidence.iter().filter(|e| e.status == Status::Pass).count();
    format!("{holds} of {}", criterion.evidence.len())
}

fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Go => "Go",
        Verdict::NoGo => "No go",
        Verdict::Inconclusive => "Inconclusive",
    }
}

fn verdict_meaning(report: &Report) -> String {
    let (failed, unknown, waived) =
        (report.count(Status::Fail), report.count(Status::Unknown), report.count(Status::Waived));
    match report.verdict {
        Verdict::Go if waived > 0 => {
            format!(
                "{} criteria hold, {waived} {} waived. The application may go live.",
                report.count(Status::Pass),
                are(waived)
            )
        }
        Verdict::Go => "All 13 criteria hold. The application may go live.".to_owned(),
        Verdict::NoGo if unknown > 0 => {
            format!(
                "{failed} of 13 criteria {} not hold and {unknown} could not be judged.",
                if failed == 1 { "does" } else { "do" }
            )
        }
        Verdict::NoGo => {
            format!("{failed} of 13 criteria {} not hold.", if failed == 1 { "does" } else { "do" })
        }
        Verdict::Inconclusive => {
            format!(
                "Nothing observed speaks against going live, but {unknown} of 13 criteria could not be judged."
            )
        }
    }
}

fn are(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

fn verdict_mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Go => "✓",
        Verdict::NoGo => "✕",
        Verdict::Inconclusive => "?",
    }
}

fn verdict_class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Go => "pass",
        Verdict::NoGo => "fail",
        Verdict::Inconclusive => "unknown",
    }
}

fn title(criterion: &CriterionResult) -> String {
    format::line(&criterion.title, 160)
}

fn class(status: Status) -> &'static str {
    status.as_str()
}

fn mark(status: Status) -> &'static str {
    match status {
        Status::Pass => "✓",
        Status::Fail => "✕",
        Status::Unknown => "?",
        Status::Waived => "~",
    }
}

const STYLE: &str = include_str!("html/style.css");
