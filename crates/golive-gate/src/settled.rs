//! Findings that do not fail a criterion since somebody decided so. Where somebody answers for them by name, for a while, the
//! criterion says that it is waived; what a comment in a file sets aside, or an older ruleset, is told as a warning.
//!
//! What must not be here: deciding which finding a waiver covers. Whoever collects the facts does that; here it is looked
//! again whether each one still holds on the day of the judgement.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Deserialize;

use crate::report::{CriterionResult, Evidence, Status};
use crate::{Fact, Waiver};

/// Facts that list waived findings, with the criterion that would fail without the waivers. Nobody has to supply them.
pub(crate) const WAIVED_FINDINGS: [(&str, &str); 2] =
    [("production_config", "config.waived"), ("production_config", "deploy.waived")];

/// Facts that list, in words, the findings that nobody signed for and that do not count all the same.
pub(crate) const SET_ASIDE: [(&str, &str); 2] =
    [("production_config", "config.set_aside"), ("production_config", "deploy.set_aside")];

/// A waived finding, as a fact lists it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Waived {
    rule: String,
    owner: String,
    reason: String,
    expires: NaiveDate,
}

/// Holds a criterion against the waived findings under it. One that is over, or that nobody signed, fails it; one that
/// cannot be read leaves it unknown; those in force turn a pass into a pass by waiver.
pub(crate) fn apply(
    mut result: CriterionResult,
    fact: &Fact,
    now: DateTime<Utc>,
    warnings: &mut Vec<String>,
) -> CriterionResult {
    let (status, reason, waived) = match read(fact, now.date_naive()) {
        Ok(waived) if waived.is_empty() => return result,
        Ok(waived) => (Status::Waived, None, waived),
        Err((status, reason)) => (status, Some(reason), Vec::new()),
    };
    result.evidence.push(evidence(fact, "no finding is waived", status, reason.clone()));
    if let Some(reason) = reason {
        return spoilt(result, fact, status, &reason);
    }
    if !matches!(result.status, Status::Pass | Status::Waived) {
        return result;
    }
    for one in &waived {
        let Waived { rule, owner, expires, .. } = one;
        warnings.push(format!("`{}`: {rule} is waived by {owner} until {expires}", result.key));
    }
    let waiver = merged(&result, waived);
    result.actual = format!("waived findings: {}", waiver.reason);
    result.waiver = Some(waiver);
    result.underlying = Some(Status::Fail);
    result.status = Status::Waived;
    result
}

/// Tells what is set aside under a criterion; a list that cannot be read leaves it unknown.
pub(crate) fn tell(mut result: CriterionResult, fact: &Fact, warnings: &mut Vec<String>) -> CriterionResult {
    let Ok(list) = serde_json::from_value::<Vec<String>>(fact.value.clone()) else {
        let reason = "is no list of findings: collect it again";
        result.evidence.push(evidence(fact, "no finding is set aside", Status::Unknown, Some(reason.into())));
        return spoilt(result, fact, Status::Unknown, reason);
    };
    warnings.extend(list.into_iter().map(|one| format!("`{}`: {one}", result.key)));
    result
}

fn evidence(fact: &Fact, says: &str, status: Status, reason: Option<String>) -> Evidence {
    Evidence {
        fact: fact.key.clone(),
        says: says.to_owned(),
        expected: "none".to_owned(),
        value: Some(fact.value.clone()),
        status,
        reason,
        source: Some(fact.source.clone()),
        collected_at: Some(fact.collected_at),
    }
}

/// What failed by itself stays failed.
fn spoilt(mut result: CriterionResult, fact: &Fact, status: Status, reason: &str) -> CriterionResult {
    if result.judged() != Status::Fail {
        result.status = status;
        result.underlying = None;
        result.waiver = None;
    }
    result.actual = format!("{}; {}: {reason}", result.actual, fact.key);
    result
}

fn read(fact: &Fact, today: NaiveDate) -> Result<Vec<Waived>, (Status, String)> {
    let waived: Vec<Waived> = serde_json::from_value(fact.value.clone())
        .map_err(|_other| (Status::Unknown, "is no list of waivers: collect it again".to_owned()))?;
    for one in &waived {
        let Waived { rule, owner, reason, expires } = one;
        if owner.trim().is_empty() || reason.trim().is_empty() {
            return Err((Status::Fail, format!("the waiver of {rule} has no owner or no reason")));
        }
        if *expires < today {
            return Err((Status::Fail, format!("the waiver of {rule} by {owner} expired on {expires}")));
        }
    }
    Ok(waived)
}

/// One waiver that says all: it ends with the first that ends.
fn merged(result: &CriterionResult, waived: Vec<Waived>) -> Waiver {
    let (mut owners, mut reasons, mut expires) = (Vec::new(), Vec::new(), NaiveDate::MAX);
    if let Some(before) = &result.waiver {
        owners.push(before.owner.clone());
        reasons.push(before.reason.clone());
        expires = before.expires;
    }
    for one in waived {
        if !owners.contains(&one.owner) {
            owners.push(one.owner);
        }
        let reason = format!("{}: {}", one.rule, one.reason);
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
        expires = expires.min(one.expires);
    }
    Waiver::new(result.key.clone(), owners.join(", "), reasons.join("; "), expires)
}
