//! The report as Markdown, for a pull request or a wiki page.
//!
//! What must not be here: HTML passed through from facts; every foreign text is escaped.

use crate::Report;
use crate::report::{CriterionResult, Status, Verdict};
use crate::step::{StepStatus, phase_title};

use super::format;
use super::text::{sorted, tally};

/// The report as GitHub-flavored Markdown.
#[must_use]
pub fn to_markdown(report: &Report) -> String {
    let mut out = head(report);
    out.push_str("\n| # | Criterion | Status | Found |\n|--:|---|---|---|\n");
    for criterion in &report.criteria {
        out.push_str(&row(criterion));
    }
    if !report.figures.is_empty() {
        out.push_str("\n## Figures\n\n| | |\n|---|--:|\n");
        for figure in &report.figures {
            let value = format!("{} {}", format::value(&figure.value), figure.unit);
            out.push_str(&format!("| {} | {} |\n", escape(&figure.label), escape(value.trim_end())));
        }
    }
    if !report.steps.is_empty() {
        out.push_str(&steps(report));
    }
    if !report.warnings.is_empty() {
        out.push_str("\n## Warnings\n\n");
        for warning in &report.warnings {
            out.push_str(&format!("- {}\n", escape(warning)));
        }
    }
    out
}

fn head(report: &Report) -> String {
    let verdict = match report.verdict {
        Verdict::Go => "✅ Go",
        Verdict::NoGo => "❌ No go",
        Verdict::Inconclusive => "❔ Inconclusive",
    };
    let title = if report.application.is_empty() { "Go-live" } else { &report.application };
    let run =
        if report.run_id.is_empty() { String::new() } else { format!("Run {}, ", escape(&report.run_id)) };
    format!(
        "# {}: {verdict}\n\n{}. {run}judged {}.\n",
        escape(title),
        tally(report),
        format::moment(report.finished_at)
    )
}

fn row(criterion: &CriterionResult) -> String {
    let status = match criterion.status {
        Status::Pass => "✅ pass".to_owned(),
        Status::Fail => "❌ **fail**".to_owned(),
        Status::Unknown => "❔ **unknown**".to_owned(),
        Status::Waived => format!("⏸ waived ({})", criterion.judged().as_str()),
    };
    let mut found = escape(&criterion.actual);
    if let Some(waiver) = &criterion.waiver {
        found = format!(
            "{found} — waived by {} until {}: {}",
            escape(&waiver.owner),
            waiver.expires,
            escape(&waiver.reason)
        );
    }
    format!("| {} | {} | {status} | {found} |\n", criterion.number, escape(&criterion.title))
}

fn steps(report: &Report) -> String {
    let mut out = String::from("\n## Steps\n\n| Phase | Step | Status | Time |\n|---|---|---|--:|\n");
    for step in sorted(&report.steps) {
        let mark = match step.status {
            StepStatus::Passed => "✅",
            StepStatus::Failed => "❌",
            StepStatus::Unknown => "❔",
            StepStatus::Skipped | StepStatus::Planned => "⏸",
        };
        let why = step.error.as_deref().or(step.reason.as_deref()).map(|why| format!(": {}", escape(why)));
        out.push_str(&format!(
            "| {} {} | {} | {mark} {}{} | {} |\n",
            step.phase,
            phase_title(step.phase),
            escape(&step.title),
            step.status.as_str(),
            why.unwrap_or_default(),
            format::took(step)
        ));
    }
    out
}

/// Foreign text as it was written: nothing in it is markup, and it stays in its table cell.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in format::line(text, 1000).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '~' | '#' | '!' => {
                out.push('\\');
                out.push(c);
            }
            '@' => out.push_str("&#64;"),
            _ => out.push(c),
        }
    }
    out
}
