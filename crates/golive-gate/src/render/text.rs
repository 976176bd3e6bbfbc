//! The report for a terminal, or for a log when `color` is off.
//!
//! What must not be here: finding out the width or whether there is a terminal; the caller knows.

use crate::report::{CriterionResult, Evidence, Report, Status, Verdict};
use crate::step::{StepResult, StepStatus, phase_title};

use super::format;

/// The report as text, wrapped to `width` columns (at least 60), with ANSI colors if asked.
#[must_use]
pub fn to_text(report: &Report, width: usize, color: bool) -> String {
    let mut page = Page { out: String::new(), width: width.max(60), color };
    page.head(report);
    page.steps(&report.steps);
    page.criteria(report);
    page.figures(report);
    page.warnings(&report.warnings);
    page.verdict(report);
    page.out
}

struct Page {
    out: String,
    width: usize,
    color: bool,
}

impl Page {
    fn head(&mut self, report: &Report) {
        let title = if report.application.is_empty() { "Go-live report" } else { &report.application };
        let title = self.paint(BOLD, &format::line(title, 60));
        self.row(&title);
        let mut about = format!("judged {}", format::moment(report.finished_at));
        if !report.run_id.is_empty() {
            about = format!("run {} · {about}", format::line(&report.run_id, 60));
        }
        let about = self.paint(DIM, &about);
        self.row(&about);
    }

    fn steps(&mut self, steps: &[StepResult]) {
        let mut phase = None;
        for step in sorted(steps) {
            if phase != Some(step.phase) {
                phase = Some(step.phase);
                self.section(&format!("Phase {} · {}", step.phase, phase_title(step.phase)));
            }
            self.step(step);
        }
    }

    fn step(&mut self, step: &StepResult) {
        let (mark, code) = match step.status {
            StepStatus::Passed => ("✓", GREEN),
            StepStatus::Failed => ("✗", RED),
            StepStatus::Unknown => ("?", YELLOW),
            StepStatus::Skipped => ("–", DIM),
            StepStatus::Planned => ("·", DIM),
        };
        let time = format::took(step);
        let room = self.width.saturating_sub(6 + time.chars().count());
        let title = format::line(&step.title, room.saturating_sub(1));
        let gap = " ".repeat(room.saturating_sub(title.chars().count()));
        let (mark, time) = (self.paint(code, mark), self.paint(DIM, &time));
        self.row(&format!("  {mark} {title}{gap}{time}"));
        if let Some(why) = step.error.as_deref().or(step.reason.as_deref()) {
            self.wrapped(&format::line(why, 600), 6);
        }
    }

    fn criteria(&mut self, report: &Report) {
        self.section("The 13 criteria");
        for criterion in &report.criteria {
            self.criterion(criterion);
        }
    }

    fn criterion(&mut self, criterion: &CriterionResult) {
        let (word, code) = match criterion.status {
            Status::Pass => ("✓ pass   ", GREEN),
            Status::Fail => ("✗ fail   ", RED),
            Status::Unknown => ("? unknown", YELLOW),
            Status::Waived => ("~ waived ", CYAN),
        };
        let word = self.paint(code, word);
        self.row(&format!("  {:>2}  {word}  {}", criterion.number, criterion.title));
        if let Some(waiver) = &criterion.waiver {
            let under = criterion.judged().as_str();
            let reason = format::line(&waiver.reason, 300);
            let owner = format::line(&waiver.owner, 60);
            self.wrapped(&format!("{under}, waived by {owner} until {}: {reason}", waiver.expires), 17);
        }
        for evidence in criterion.evidence.iter().filter(|e| e.status != Status::Pass) {
            self.open_evidence(evidence);
        }
    }

    fn open_evidence(&mut self, evidence: &Evidence) {
        let found = evidence.value.as_ref().map_or_else(|| "nothing".to_owned(), format::value);
        let mut text = format!("{}: expected {}, found {found}", evidence.says, evidence.expected);
        if let Some(reason) = &evidence.reason {
            text = format!("{text} — {}", format::line(reason, 300));
        }
        if let Some(source) = &evidence.source {
            text = format!("{text} ({})", format::line(source, 120));
        }
        self.wrapped(&text, 17);
    }

    fn figures(&mut self, report: &Report) {
        if report.figures.is_empty() {
            return;
        }
        self.section("Figures");
        for figure in &report.figures {
            let line = format!("  {:<24}{} {}", figure.label, format::value(&figure.value), figure.unit);
            self.row(line.trim_end());
        }
    }

    fn warnings(&mut self, warnings: &[String]) {
        if warnings.is_empty() {
            return;
        }
        self.section("Warnings");
        for warning in warnings {
            self.wrapped(&format::line(warning, 400), 2);
        }
    }

    fn verdict(&mut self, report: &Report) {
        let (word, code) = match report.verdict {
            Verdict::Go => ("GO", GREEN),
            Verdict::NoGo => ("NO GO", RED),
            Verdict::Inconclusive => ("INCONCLUSIVE", YELLOW),
        };
        let word = self.paint(code, &self.paint(BOLD, word));
        self.out.push('\n');
        self.row(&format!("{word}  {}", tally(report)));
    }

    fn section(&mut self, title: &str) {
        self.out.push('\n');
        let title = self.paint(BOLD, title);
        self.row(&title);
    }

    fn wrapped(&mut self, text: &str, indent: usize) {
        let room = self.width.saturating_sub(indent).max(20);
        let mut line = String::new();
        for word in text.split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > room {
                self.indented(&line, indent);
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.indented(&line, indent);
    }

    fn indented(&mut self, line: &str, indent: usize) {
        let line = self.paint(DIM, line);
        self.row(&format!("{:indent$}{line}", ""));
    }

    fn row(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// `12 passed, 1 failed`.
pub(crate) fn tally(report: &Report) -> String {
    let parts: Vec<_> = [
        (Status::Pass, "passed"),
        (Status::Fail, "failed"),
        (Status::Unknown, "unknown"),
        (Status::Waived, "waived"),
    ]
    .into_iter()
    .filter_map(|(status, word)| {
        let count = report.count(status);
        (count > 0).then(|| format!("{count} {word}"))
    })
    .collect();
    parts.join(", ")
}

/// Steps by phase, in the order they were given within one.
pub(crate) fn sorted(steps: &[StepResult]) -> Vec<&StepResult> {
    let mut sorted: Vec<_> = steps.iter().collect();
    sorted.sort_by_key(|step| step.phase);
    sorted
}

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const CYAN: &str = "36";
