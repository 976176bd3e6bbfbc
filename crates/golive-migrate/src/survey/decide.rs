//! Carries policies out on a survey: what stops, what is set aside, what was decided in vain. Pure. Conversions are made
//! while columns are counted, and what is accepted is left out by the plan.

use std::collections::BTreeSet;

use super::model::{Survey, SurveyedTable};
use crate::finding::{Finding, Severity};
use crate::policy::Policy;

/// Settles every finding that a policy speaks of.
pub(super) fn settle(survey: &mut Survey) {
    let mut used: BTreeSet<String> = BTreeSet::new();
    let mut findings = std::mem::take(&mut survey.findings);
    for finding in &mut findings {
        let Some((selector, policy)) = survey.policies.of(finding) else { continue };
        used.insert(selector.to_owned());
        finding.policy = Some(policy);
        match policy {
            Policy::Stop => finding.severity = Severity::Blocks,
            Policy::Quarantine if finding.offers.contains(&policy) => {
                set_aside(&mut survey.tables, finding);
            }
            Policy::Accept if finding.offers.contains(&policy) => {}
            // Conversions were made; one that did not settle its finding leaves it as it is.
            Policy::Convert(_) if finding.severity == Severity::Blocks => {
                finding.remedy = format!("its policy {policy} does not settle it; {}", finding.remedy);
            }
            Policy::Accept | Policy::Quarantine if finding.severity == Severity::Blocks => {
                finding.remedy = format!("{policy} cannot settle it; {}", finding.remedy);
            }
            Policy::Accept | Policy::Quarantine | Policy::Convert(_) => {}
        }
    }
    orphans_to_come(survey);
    let converted = findings.iter().filter(|finding| finding.id == "MIG-CONVERTED");
    let converted: BTreeSet<String> = converted.map(Finding::place).collect();
    let idle = survey.policies.0.iter().filter(|(selector, policy)| {
        let place = selector.split_once(':').map(|(_, place)| place);
        let worked = match (policy, place) {
            // The finding is gone because the conversion was made.
            (Policy::Convert(_), Some(place)) => converted
                .iter()
                .any(|one| one == place || one.strip_prefix(place).is_some_and(|rest| rest.starts_with('.'))),
            (Policy::Convert(_), None) => !converted.is_empty(),
            _ => false,
        };
        !used.contains(*selector) && !worked
    });
    for (selector, policy) in idle {
        let what = format!("the policy \"{selector}\" = \"{policy}\" speaks of nothing that was found");
        let remedy = "check its spelling, or take it out";
        findings.push(Finding::new("MIG-POLICY-UNUSED", Severity::Note, what, remedy));
    }
    survey.findings = findings;
}

/// A row set aside may leave others without a parent that had one: where a policy speaks of a table's orphans, it speaks of
/// those too.
fn orphans_to_come(survey: &mut Survey) {
    for table in &mut survey.tables {
        for key in &mut table.foreign_keys {
            let finding = Finding::new("MIG-FK-ORPHAN", Severity::Note, "", "");
            let finding = finding.table(&table.name).column(key.columns.join(", "));
            key.quarantine |= matches!(survey.policies.of(&finding), Some((_, Policy::Quarantine)));
        }
    }
}

const COLLISION: &str = "MIG-UNIQUE-COLLISION";

/// Marks what the copy sets aside; the finding then changes data instead of blocking.
fn set_aside(tables: &mut [SurveyedTable], finding: &mut Finding) {
    let Some(table) = tables.iter_mut().find(|table| Some(&table.name) == finding.table.as_ref()) else {
        return;
    };
    let column = finding.column.clone().unwrap_or_default();
    let mut named: Vec<&str> = column.split(", ").collect();
    named.sort_unstable();
    let marked = match finding.id {
        "MIG-CHECK-BROKEN" => {
            let broken = table.checks.iter_mut().filter(|check| check.breaking > 0);
            broken.map(|check| check.quarantine = true).count()
        }
        "MIG-FK-ORPHAN" => {
            let keys = table.foreign_keys.iter_mut().filter(|key| {
                let mut own: Vec<&str> = key.columns.iter().map(String::as_str).collect();
                own.sort_unstable();
                own == named
            });
            keys.map(|key| key.quarantine = true).count()
        }
        COLLISION => {
            let indexes = table.indexes.iter_mut().filter(|index| index.name == column);
            indexes.map(|index| index.quarantine = true).count()
        }
        _ => {
            let columns = table.columns.iter_mut().filter(|one| one.name == column);
            columns.map(|one| one.quarantine = true).count()
        }
    };
    if marked > 0 {
        finding.severity = Severity::ChangesData;
        finding.what = format!("{}; those rows are set aside in the quarantine table", finding.what);
    }
}
