//! The pieces that pages are made of: a status with its shape and word, a time, a command, a fact, a step.
//!
//! Not here: which of them a page has.

use chrono::{DateTime, Utc};
use golive::StepStanding;
use golive_gate::{Fact, Status, Verdict};
use maud::{Markup, html};

use super::show;
use crate::i18n::Words;
use crate::look::{Look, StepState};

/// A color and a shape; the word beside it says the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Pass,
    Fail,
    Unknown,
    Waived,
    Running,
    Idle,
}

impl Tone {
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
            Self::Waived => "waived",
            Self::Running => "running",
            Self::Idle => "idle",
        }
    }

    pub(crate) fn of_status(status: Status) -> Self {
        match status {
            Status::Pass => Self::Pass,
            Status::Fail => Self::Fail,
            Status::Waived => Self::Waived,
            _ => Self::Unknown,
        }
    }

    pub(crate) fn of_step(state: StepState) -> Self {
        match state {
            StepState::Passed => Self::Pass,
            StepState::Failed => Self::Fail,
            StepState::Unknown | StepState::CutOff => Self::Unknown,
            StepState::Running => Self::Running,
            StepState::Waiting | StepState::Skipped => Self::Idle,
        }
    }

    pub(crate) fn of_verdict(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Go => Self::Pass,
            Verdict::NoGo => Self::Fail,
            _ => Self::Unknown,
        }
    }

    /// Each has a shape of its own: a disc, a square on its corner, a plain square, a ring.
    pub(crate) fn icon(self) -> Markup {
        html! {
            svg.icon viewBox="0 0 20 20" width="20" height="20" aria-hidden="true" focusable="false" {
                @match self {
                    Self::Pass => {
                        circle.solid cx="10" cy="10" r="9" {}
                        path.sign d="M5.8 10.4l2.9 2.9 5.6-6.2" {}
                    }
                    Self::Fail => {
                        path.solid d="M6.3 1h7.4L19 6.3v7.4L13.7 19H6.3L1 13.7V6.3z" {}
                        path.sign d="M6.7 6.7l6.6 6.6M13.3 6.7l-6.6 6.6" {}
                    }
                    Self::Unknown => {
                        path.solid d="M10 .6L19.4 10 10 19.4.6 10z" {}
                        path.sign d="M7.9 8a2.1 2.1 0 1 1 3.1 1.9c-.7.4-1 .8-1 1.5M10 13.6v.4" {}
                    }
                    Self::Waived => {
                        rect.solid x="1.5" y="1.5" width="17" height="17" rx="3" {}
                        path.sign d="M5 11c1.6-3 3.3-2.6 5-1s3.400 2 5-1" {}
                    }
                    Self::Running => {
                        circle.ring cx="10" cy="10" r="7.6" {}
                        path.arc d="M10 2.400a7.6 7.6 0 0 1 7.6 7.6" {}
                    }
                    Self::Idle => { circle.hollow cx="10" cy="10" r="7.6" {} }
                }
            }
        }
    }
}

/// A status: shape, color and word.
pub(crate) fn badge(tone: Tone, word: &str) -> Markup {
    html! { span.badge.(tone.class()) { (tone.icon()) span { (word) } } }
}

pub(crate) fn status_word(words: Words, status: Status) -> String {
    words.t(match status {
        Status::Pass => "status-pass",
        Status::Fail => "status-fail",
        Status::Waived => "status-waived",
        _ => "status-unknown",
    })
}

pub(crate) fn state_word(words: Words, state: StepState) -> String {
    words.t(match state {
        StepState::Waiting => "state-waiting",
        StepState::Running => "state-running",
        StepState::CutOff => "state-cut-off",
        StepState::Passed => "state-passed",
        StepState::Failed => "state-failed",
        StepState::Unknown => "state-unknown",
        StepState::Skipped => "state-skipped",
    })
}

pub(crate) fn verdict_word(words: Words, verdict: Verdict) -> String {
    words.t(match verdict {
        Verdict::Go => "verdict-go",
        Verdict::NoGo => "verdict-no-go",
        _ => "verdict-inconclusive",
    })
}

/// A time for people and machines.
pub(crate) fn time(at: DateTime<Utc>) -> Markup {
    html! { time datetime=(at.to_rfc3339()) { (show::moment(at)) } }
}

/// A time and how long ago it was.
pub(crate) fn time_ago(words: Words, at: DateTime<Utc>, now: DateTime<Utc>) -> Markup {
    html! { (time(at)) span.ago { " (" (show::age(words, at, now)) ")" } }
}

/// A command to type, with a button that copies it where there is script.
pub(crate) fn command(words: Words, text: &str) -> Markup {
    html! {
        div.command {
            code { (text) }
            button.copy type="button" data-copy=(text) hidden { (words.t("command-copy")) }
        }
    }
}

/// Text of golive's own with names between backticks set as code.
pub(crate) fn prose(text: &str, most: usize) -> Markup {
    let line = show::line(text, most);
    html! {
        @for (index, part) in line.split('`').enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// What was seen, fact by fact, with where and when.
pub(crate) fn facts<'f>(words: Words, facts: impl Iterator<Item = &'f Fact>) -> Markup {
    let mut facts: Vec<&Fact> = facts.collect();
    facts.truncate(MOST_FACTS);
    html! {
        @if facts.is_empty() {
            p.quiet { (words.t("facts-none")) }
        } @else {
            div.table-box tabindex="0" {
                table.facts {
                    thead {
                        tr {
                            th scope="col" { (words.t("facts-what")) }
                            th scope="col" { (words.t("facts-seen")) }
                            th scope="col" { (words.t("facts-where")) }
                        }
                    }
                    tbody {
                        @for fact in facts {
                            tr {
                                th scope="row" data-label=(words.t("facts-what")) {
                                    @if let Some(name) = words.fact(&fact.key) { (name) br; }
                                    code.key { (fact.key) }
                                }
                                td.value data-label=(words.t("facts-seen")) { (show::value(words, &fact.value)) }
                                td data-label=(words.t("facts-where")) {
                                    (prose(&fact.source, 300)) br;
                                    span.quiet { (time(fact.collected_at)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A step on a line: how it stands, what it does, how long it took.
pub(crate) fn step_line(words: Words, step: &StepStanding, state: StepState, mount: &str) -> Markup {
    let tone = Tone::of_step(state);
    html! {
        li.step.(tone.class()) {
            (tone.icon())
            a.name href={ (mount) "/steps#step-" (step.id) } { (words.step(step.id, step.title)) }
            span.end {
                span.word { (state_word(words, state)) }
                @match (&step.ended, step.under_way_since) {
                    (Some(result), _) if result.seconds > 0.0 => {
                        span.took { (show::duration(words, result.seconds)) }
                    }
                    (None, Some(since)) => {
                        span.took { (words.t("step-since-prefix")) " " time datetime=(since.to_rfc3339()) { (since.format("%H:%M:%S UTC")) } }
                    }
                    _ => {}
                }
            }
        }
    }
}

/// Why a step did not pass, as it was recorded.
pub(crate) fn reason(step: &StepStanding) -> Option<&str> {
    let result = step.ended.as_ref()?;
    result.error.as_deref().or(result.reason.as_deref())
}

/// Large numbers with their names.
pub(crate) fn figures(items: &[(String, String)]) -> Markup {
    html! {
        @if !items.is_empty() {
            dl.figures {
                @for (label, value) in items {
                    div { dt { (label) } dd { (value) } }
                }
            }
        }
    }
}

/// The command that repeats a step alone, in the kind of run that is shown.
pub(crate) fn only(look: &Look, step: &str) -> String {
    format!("golive {} --only {step}", look.kind.verb())
}

const MOST_FACTS: usize = 200;
