//! 5.1, 5.2: which findings do not count, as the gate takes them: the waived ones, each with its owner and its last day, and those
//! that a comment or an older ruleset sets aside, in words.

use golive_deploy::{Finding, Severity, Suppression};
use serde_json::{Value, json};

use crate::step::Witness;

/// The waived findings that would count against the criterion: those of this severity and worse, each waiver once.
pub(super) fn waived(findings: &[Finding], least: Severity) -> Value {
    let mut list = Vec::new();
    for finding in findings.iter().filter(|finding| finding.severity >= least) {
        let Some(Suppression::Waived { owner, reason, expires }) = &finding.suppression else { continue };
        let one = json!({ "rule": finding.id, "owner": owner, "reason": reason, "expires": expires });
        if !list.contains(&one) {
            list.push(one);
        }
    }
    list.into()
}

/// The other findings of this severity and worse that do not count.
pub(super) fn set_aside(findings: &[Finding], least: Severity) -> Value {
    let told = |finding: &Finding| match &finding.suppression {
        None | Some(Suppression::Waived { .. }) => None,
        Some(other) => Some(format!("{}: {}", what(finding), other.text())),
    };
    findings.iter().filter(|finding| finding.severity >= least).filter_map(told).collect()
}

/// Tells of a finding: against the step where it counts, beside it where it does not.
pub(super) fn tell(seen: &mut Witness, finding: &Finding) {
    match &finding.suppression {
        None => seen.finds(format!("{}; {}", what(finding), finding.remedy)),
        Some(suppression) => seen.notes(format!("{}: {}", what(finding), suppression.text())),
    };
}

/// The finding and where it is.
fn what(finding: &Finding) -> String {
    let Finding { id, message, .. } = finding;
    match (&finding.file, finding.line) {
        (Some(file), Some(line)) => format!("{file}:{line}: {id} {message}"),
        (Some(file), None) => format!("{file}: {id} {message}"),
        _ => format!("{id} {message}"),
    }
}
