//! Findings that somebody has taken upon himself: by a comment beside the line, by a waiver that ends, or because the rule
//! is newer than the ruleset in use. They are marked, never removed. No rule about files is decided here.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::explain;
use crate::finding::Finding;

/// The newest ruleset. Name the one that your files were last held against in golive.toml: rules that came later are then
/// shown and do not count.
pub const RULESET: &str = "2026.2";

/// Why a finding does not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Suppression {
    /// A comment at the line: `# golive: ignore DEP-105 -- why`.
    Ignored {
        /// The reason given.
        reason: String,
    },
    /// A waiver.
    Waived {
        /// Who answers for it.
        owner: String,
        /// The reason given.
        reason: String,
        /// The last day it holds.
        expires: NaiveDate,
    },
    /// The rule came with a later ruleset than the one in use.
    NewRule {
        /// The ruleset it came with.
        since: String,
    },
}

impl Suppression {
    /// For a person.
    pub fn text(&self) -> String {
        match self {
            Self::Ignored { reason } => format!("ignored in the file: {reason}"),
            Self::Waived { owner, reason, expires } => format!("waived by {owner} until {expires}: {reason}"),
            Self::NewRule { since } => format!("new in ruleset {since}, later than the one in use"),
        }
    }
}

/// Somebody answers for a finding, for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Waiver {
    /// The rule.
    pub rule: String,
    /// The file, or the end of its path; every file unless given.
    pub file: Option<String>,
    /// Who answers for it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// The last day it holds.
    pub expires: NaiveDate,
}

impl Waiver {
    /// A waiver for a rule in every file.
    pub fn new(
        rule: impl Into<String>,
        owner: impl Into<String>,
        reason: impl Into<String>,
        expires: NaiveDate,
    ) -> Self {
        Self { rule: rule.into(), file: None, owner: owner.into(), reason: reason.into(), expires }
    }

    fn covers(&self, finding: &Finding) -> bool {
        let in_file = |wanted: &String| {
            finding.file.as_deref().is_some_and(|file| std::path::Path::new(file).ends_with(wanted))
        };
        may_be_suppressed(finding)
            && self.rule.eq_ignore_ascii_case(&finding.id)
            && self.file.as_ref().is_none_or(in_file)
    }
}

/// What could not be read was not looked at: nobody can answer for what would have been found.
fn may_be_suppressed(finding: &Finding) -> bool {
    finding.id != "DEP-001"
}

/// Marks what waivers cover, and says which waivers are worth nothing: expired, without owner or reason, or for nothing.
pub fn waive(findings: &mut Vec<Finding>, waivers: &[Waiver], today: NaiveDate) {
    let mut worthless = Vec::new();
    for waiver in waivers {
        let mut say = |what: String| {
            worthless.push(Finding::of("DEP-004", format!("the waiver of {} {what}", waiver.rule)));
        };
        if waiver.owner.trim().is_empty() || waiver.reason.trim().is_empty() {
            say("has no owner or no reason".to_owned());
            continue;
        }
        if waiver.expires < today {
            say(format!("by {} expired on {}", waiver.owner, waiver.expires));
            continue;
        }
        let mut covered = findings.iter_mut().filter(|finding| waiver.covers(finding)).peekable();
        if covered.peek().is_none() {
            say(format!("by {} covers nothing", waiver.owner));
        }
        for finding in covered.filter(|finding| finding.counts()) {
            finding.suppression = Some(Suppression::Waived {
                owner: waiver.owner.clone(),
                reason: waiver.reason.clone(),
                expires: waiver.expires,
            });
        }
    }
    findings.extend(worthless);
}

/// Marks findings of rules that came later than this ruleset.
///
/// # Errors
/// When there is no such ruleset.
pub fn hold_to_ruleset(findings: &mut [Finding], ruleset: &str) -> Result<(), UnknownRuleset> {
    let unknown = || UnknownRuleset { ruleset: ruleset.to_owned() };
    let wanted = number(ruleset).filter(|wanted| Some(*wanted) <= number(RULESET)).ok_or_else(unknown)?;
    for finding in findings.iter_mut().filter(|finding| finding.counts()) {
        let since = explain(&finding.id).map(|rule| rule.since);
        if let Some(since) = since.filter(|since| number(since) > Some(wanted)) {
            finding.suppression = Some(Suppression::NewRule { since: since.to_owned() });
        }
    }
    Ok(())
}

/// There is no such ruleset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("use the ruleset {ruleset:?}: there are 2026.1 up to {RULESET}")]
#[non_exhaustive]
pub struct UnknownRuleset {
    /// What was asked for.
    pub ruleset: String,
}

fn number(ruleset: &str) -> Option<(u32, u32)> {
    let (year, number) = ruleset.split_once('.')?;
    Some((year.parse().ok().filter(|year| *year >= 2026)?, number.parse().ok().filter(|number| *number > 0)?))
}

/// Marks what comments in the file take upon themselves: beside the line, or in the comment above it.
pub(crate) fn ignore(findings: &mut Vec<Finding>, name: &str, text: &str) {
    let lines: Vec<&str> = text.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        let Some((before, ids, reason)) = directive(line) else { continue };
        let at = u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1);
        let Some(reason) = reason else {
            findings
                .push(Finding::of("DEP-002", "this comment ignores a finding without a reason").at(name, at));
            continue;
        };
        let target = if before.trim().is_empty() { next_line(&lines, index) } else { at };
        for id in ids {
            let mut hits = findings
                .iter_mut()
                .filter(|finding| finding.file.as_deref() == Some(name) && finding.line == Some(target))
                .filter(|finding| may_be_suppressed(finding) && finding.id.eq_ignore_ascii_case(id))
                .peekable();
            if hits.peek().is_none() {
                let message = format!("this comment ignores {id}, which is not found there");
                findings.push(Finding::of("DEP-003", message).at(name, at));
                continue;
            }
            for finding in hits {
                finding.suppression = Some(Suppression::Ignored { reason: reason.to_owned() });
            }
        }
    }
}

/// What stands before the comment, the rules it names, and the reason.
fn directive(line: &str) -> Option<(&str, Vec<&str>, Option<&str>)> {
    let (before, rest) = line.split_once('#')?;
    let rest = rest.trim_start().strip_prefix("golive:")?.trim_start().strip_prefix("ignore ")?;
    let (ids, reason) = match rest.split_once("--") {
        Some((ids, reason)) => (ids, Some(reason.trim()).filter(|reason| !reason.is_empty())),
        None => (rest, None),
    };
    Some((before, ids.split([',', ' ']).map(str::trim).filter(|id| !id.is_empty()).collect(), reason))
}

/// The first line after a comment that is neither empty nor a comment itself, counted from 1.
fn next_line(lines: &[&str], comment: usize) -> u32 {
    let is_text = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let next = lines.iter().enumerate().skip(comment + 1).find(|(_, line)| is_text(line));
    next.map_or(0, |(index, _)| u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1))
}
