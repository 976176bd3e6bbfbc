//! 5.1, 5.2: which findings a waiver covers, as the gate takes them: each with its owner and its last day.

use golive_deploy::{Finding, Severity, Suppression};
use serde_json::{Value, json};

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
