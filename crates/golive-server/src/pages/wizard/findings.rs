//! What the survey found, to be filtered, understood and decided about; and the decisions as a difference, before they are written.
//!
//! Not here: whether a decision settles a finding. The survey with it says so.

use golive::migrate::{Policy, Severity};
use golive::{DiffLine, SurveyedFinding};
use maud::{Markup, html};

use super::super::act::csrf;
use super::super::parts::{self, Tone};
use super::super::show;
use super::stages::View;
use crate::acting::{Found, Proposal};
use crate::i18n::Words;

/// What a field of a decision starts with; the selector follows.
pub(super) const FIELD: &str = "policy ";

/// Which findings are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
    All,
    Blocks,
    Changes,
}

impl Filter {
    const ALL: [(Self, &str, &str); 3] = [
        (Self::All, "all", "wizard-show-all"),
        (Self::Blocks, "blocks", "wizard-show-blocks"),
        (Self::Changes, "changes", "wizard-show-changes"),
    ];

    pub(super) fn of_query(query: Option<&str>) -> Self {
        let word = query.unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("show="));
        let known = Self::ALL.iter().find(|(_, name, _)| Some(*name) == word);
        known.map_or(Self::All, |(filter, ..)| *filter)
    }

    fn takes(self, finding: &SurveyedFinding) -> bool {
        match self {
            Self::All => true,
            Self::Blocks => tone(finding) == Tone::Fail,
            Self::Changes => tone(finding) == Tone::Unknown,
        }
    }
}

pub(super) fn findings(view: &View<'_>, found: &Found) -> Markup {
    let (words, surveyed) = (view.words(), &found.surveyed);
    let shown: Vec<&SurveyedFinding> =
        surveyed.findings.iter().filter(|finding| view.filter.takes(finding)).collect();
    let decides = view.actor.can_decide() && view.is_idle();
    html! {
        p {
            code { (show::line(&surveyed.source, 200)) } " → " code { (show::line(&surveyed.target, 200)) } " · "
            (words.with("wizard-found", &[
                ("tables", surveyed.tables.into()), ("rows", show::count(words, surveyed.rows).into()),
            ])) " · " (parts::time_ago(words, found.at, view.now))
        }
        @if surveyed.blocking() == 0 {
            p.notice.pass { (Tone::Pass.icon()) " " (words.t("wizard-nothing-blocks")) }
        } @else {
            p.notice.fail { (Tone::Fail.icon()) " " (words.count("wizard-blocking", surveyed.blocking())) }
        }
        @if let Some(why) = &surveyed.refused { p.notice.fail { (Tone::Fail.icon()) " " (parts::prose(why, 600)) } }
        @if let Some(proposal) = &found.proposal { (proposed(view, proposal)) }
        @if !surveyed.findings.is_empty() {
            nav.filter aria-label=(words.t("wizard-filter")) {
                @for (filter, name, key) in Filter::ALL {
                    a href={ (view.site.href("/migrate")) "?show=" (name) "#findings" } aria-current=[(filter == view.filter).then_some("true")] { (words.t(key)) }
                }
            }
            form method="post" action={ (view.site.options.mount) "/migrate/choose" } {
                (csrf(view.visitor))
                @for finding in shown.iter().take(MOST_SHOWN) { (one(words, finding, decides)) }
                @if shown.is_empty() { p.quiet { (words.t("wizard-none-shown")) } }
                @if shown.len() > MOST_SHOWN { p.quiet { (words.count("wizard-more", shown.len() - MOST_SHOWN)) } }
                @if decides && shown.iter().any(|finding| !finding.offers.is_empty()) {
                    button.main type="submit" { (words.t("wizard-try")) }
                }
            }
            @if !view.actor.can_decide() { p.quiet { (words.t("wizard-no-file")) } }
        }
    }
}

fn tone(finding: &SurveyedFinding) -> Tone {
    match finding.severity {
        _ if finding.blocks => Tone::Fail,
        Severity::Note => Tone::Idle,
        // One that would block and is settled changes data by that.
        _ => Tone::Unknown,
    }
}

fn one(words: Words, finding: &SurveyedFinding, decides: bool) -> Markup {
    let tone = tone(finding);
    let weight = match tone {
        Tone::Fail => "wizard-blocks",
        Tone::Idle => "wizard-note",
        _ => "wizard-changes",
    };
    // What was decided elsewhere stays chosen, even where it is not offered.
    let elsewhere = finding.policy.filter(|policy| !finding.offers.contains(policy));
    html! {
        details.card.(tone.class()) id={ "finding-" (finding.selector) } open[tone == Tone::Fail] {
            summary {
                h3.name { (finding.title) " · " code { (show::line(&finding.place, 130)) } }
                span.count { (words.count("wizard-times", usize::try_from(finding.count).unwrap_or(usize::MAX))) }
                (parts::badge(tone, &words.t(weight)))
            }
            div.inside {
                p { (parts::prose(&finding.what, 600)) }
                @if !finding.keys.is_empty() {
                    p.quiet { (words.t("wizard-keys")) " " @for key in &finding.keys { code { (show::line(key, 80)) } " " } }
                }
                p.quiet { (words.t("wizard-otherwise")) " " (parts::prose(finding.why, 300)) }
                p.quiet { (words.t("wizard-mend")) " " (parts::prose(&finding.remedy, 600)) " " code { "golive explain " (finding.id) } }
                @if decides && !finding.offers.is_empty() {
                    p.choice {
                        label for={ "choice-" (finding.selector) } { (words.t("wizard-decide")) } " "
                        select id={ "choice-" (finding.selector) } name={ (FIELD) (finding.selector) } {
                            option value="" selected[finding.policy.is_none()] { (words.t("wizard-undecided")) }
                            @for offer in finding.offers.iter().chain(&elsewhere) {
                                option value=(offer) selected[finding.policy == Some(*offer)] { (offer) " — " (words.t(meaning(*offer))) }
                            }
                        }
                    }
                } @else if let Some(decided) = finding.policy {
                    p { (words.t("wizard-decided")) " " code { (decided) } }
                }
            }
        }
    }
}

/// What a policy does, as the catalogs name it.
fn meaning(policy: Policy) -> &'static str {
    match policy {
        Policy::Quarantine => "policy-quarantine",
        Policy::Accept => "policy-accept",
        Policy::Stop => "policy-stop",
        _ => "policy-convert",
    }
}

/// What would be written, and what the survey says with it.
fn proposed(view: &View<'_>, proposal: &Proposal) -> Markup {
    let words = view.words();
    html! {
        section.panel.confirm #proposal {
            h3 { (words.t("wizard-proposal")) }
            p { (words.t("wizard-proposal-says")) }
            pre.diff {
                @for line in &proposal.decision.diff { (line_of(line)) }
            }
            form method="post" action={ (view.site.options.mount) "/migrate/write" } {
                (csrf(view.visitor))
                input type="hidden" name="proposal" value=(proposal.id);
                button.main type="submit" { (words.t("wizard-write")) }
            }
            (view.button("survey", "wizard-drop", false))
        }
    }
}

fn line_of(line: &DiffLine) -> Markup {
    html! {
        @match line {
            DiffLine::Added(text) => { ins { "+ " (show::line(text, 300)) } }
            DiffLine::Removed(text) => { del { "- " (show::line(text, 300)) } }
            DiffLine::Same(text) => { span { "  " (show::line(text, 300)) } }
            _ => {}
        }
    }
}

const MOST_SHOWN: usize = 100;
