//! The text of every rule: one place, so that a finding, `explain` and the documentation say the same.
//!
//! No decision is made here.

mod configuration;
mod deployment;
mod proxy;

use serde::Serialize;

use crate::finding::Severity;

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RuleText {
    /// Stable identity.
    pub id: &'static str,
    /// How much a finding of it weighs.
    pub severity: Severity,
    /// What it asks for.
    pub title: &'static str,
    /// What happens otherwise.
    pub why: &'static str,
    /// How to mend it.
    pub remedy: &'static str,
    /// The ruleset it came with.
    pub since: &'static str,
}

/// The text of a rule, by its identity in any case.
pub fn explain(id: &str) -> Option<&'static RuleText> {
    rules().find(|rule| rule.id.eq_ignore_ascii_case(id))
}

/// All rules, in the order of their identities.
pub fn rules() -> impl Iterator<Item = &'static RuleText> {
    configuration::RULES.iter().chain(deployment::RULES).chain(proxy::RULES)
}

/// The text of one of our own rules.
pub(crate) fn rule(id: &'static str) -> &'static RuleText {
    explain(id).expect("a test holds every identity that is used against the table")
}

const fn text(
    id: &'static str,
    severity: Severity,
    title: &'static str,
    why: &'static str,
    remedy: &'static str,
) -> RuleText {
    RuleText { id, severity, title, why, remedy, since: "2026.1" }
}

/// The same rule, of a later ruleset.
const fn since(rule: RuleText, since: &'static str) -> RuleText {
    RuleText { since, ..rule }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_unique_and_sorted() {
        let ids: Vec<&str> = rules().map(|rule| rule.id).collect();
        assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    }

    #[test]
    fn explain_ignores_case() {
        assert_eq!(explain("cfg-001").map(|rule| rule.id), Some("CFG-001"));
        assert!(explain("CFG-999").is_none());
    }
}
