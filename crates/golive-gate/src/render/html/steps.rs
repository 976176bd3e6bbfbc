//! The steps of the run, by phase, each with a bar as long as it took.
//!
//! What must not be here: start times; the journal has them, the report shows how long things took.

use maud::{Markup, PreEscaped, html};

use crate::step::{StepResult, StepStatus, phase_title};

use super::format;
use crate::render::text::sorted;

pub(super) fn timeline(steps: &[StepResult]) -> Markup {
    let steps = sorted(steps);
    let longest = steps.iter().map(|step| step.seconds).filter(|s| s.is_finite()).fold(0.0_f64, f64::max);
    html! {
        section aria-labelledby="steps" {
            h2 #steps { "Steps" }
            @for phase in steps.chunk_by(|a, b| a.phase == b.phase) {
                @let seconds: f64 = phase.iter().map(|step| step.seconds).filter(|s| s.is_finite()).sum();
                section.phase {
                    h3 {
                        span { "Phase " (phase[0].phase) " · " (phase_title(phase[0].phase)) }
                        span.seconds { (format::seconds(seconds)) }
                    }
                    ol { @for step in phase { (row(step, longest)) } }
                }
            }
        }
    }
}

fn row(step: &StepResult, longest: f64) -> Markup {
    let why = step.error.as_deref().or(step.reason.as_deref());
    html! {
        li.step.(class(step.status)) {
            span.dot aria-hidden="true" { (mark(step.status)) }
            span.name {
                (format::line(&step.title, 200))
                @if step.status != StepStatus::Passed { span.state { " " (step.status.as_str()) } }
            }
            span.bar aria-hidden="true" { (bar(step.seconds, longest)) }
            span.seconds { (format::took(step)) }
            @if let Some(why) = why { p.why { (super::prose(why, 600)) } }
        }
    }
}

/// An inline SVG, as widths in a style attribute would be one more thing for the policy to allow.
fn bar(seconds: f64, longest: f64) -> Markup {
    let percent = if longest > 0.0 && seconds.is_finite() {
        (seconds / longest * 100.0).clamp(1.0, 100.0)
    } else {
        1.0
    };
    PreEscaped(format!(
        r#"<svg viewBox="0 0 100 6" preserveAspectRatio="none"><rect class="track" width="100" height="6"/><rect class="fill" width="{percent:.1}" height="6"/></svg>"#
    ))
}

fn class(status: StepStatus) -> &'static str {
    match status {
        StepStatus::Passed => "pass",
        StepStatus::Failed => "fail",
        StepStatus::Unknown => "unknown",
        StepStatus::Skipped | StepStatus::Planned => "idle",
    }
}

fn mark(status: StepStatus) -> &'static str {
    match status {
        StepStatus::Passed => "✓",
        StepStatus::Failed => "✕",
        StepStatus::Unknown => "?",
        StepStatus::Skipped => "–",
        StepStatus::Planned => "·",
    }
}
