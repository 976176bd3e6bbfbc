//! The judgement: facts against the table.
//!
//! What must not be here: reading anything, the clock included, or rendering.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use serde_json::Value;

use crate::criteria::{Criterion, Requirement, Tested, criteria};
use crate::report::{CriterionResult, Evidence, Report, SCHEMA_VERSION, Status, Verdict};
use crate::settled::{self, SET_ASIDE, WAIVED_FINDINGS};
use crate::step::{StepResult, StepStatus};
use crate::{Fact, Policy, Waiver, figures};

/// Judges the thirteen criteria from `facts` and the proofs of `steps`, as of `now`.
///
/// The newest fact of a key wins. A fact that is missing, older than the policy allows, dated after `now`, of the wrong
/// type, or contradicted by another of the same moment makes its requirement unknown. One failed requirement fails its
/// criterion; one failed criterion makes the verdict [`Verdict::NoGo`], one unknown [`Verdict::Inconclusive`]. A step
/// that failed, or could not look, keeps the verdict from being [`Verdict::Go`] in the same way, unless all it supplies is
/// waived.
#[must_use]
pub fn judge(facts: &[Fact], steps: &[StepResult], policy: &Policy, now: DateTime<Utc>) -> Report {
    let newest = newest_by_key(facts.iter().chain(steps.iter().flat_map(|step| &step.proof)));
    let court = Court { newest, steps, policy, now };
    let mut warnings = policy.leniencies();
    let criteria: Vec<_> = criteria()
        .iter()
        .map(|criterion| {
            let judged = court.with_settled_findings(court.judge_criterion(criterion), &mut warnings);
            court.waive(judged, &mut warnings)
        })
        .collect();
    warnings.extend(unknown_waivers(policy));
    let verdict = with_steps(verdict(&criteria), steps, &criteria, &mut warnings);
    Report {
        schema_version: SCHEMA_VERSION,
        verdict,
        application: String::new(),
        run_id: String::new(),
        started_at: now,
        finished_at: now,
        figures: figures::pick(|key| court.newest.get(key).map(|newest| &newest.fact.value)),
        steps: steps.to_vec(),
        criteria,
        warnings,
    }
}

struct Court<'a> {
    newest: BTreeMap<&'a str, Newest<'a>>,
    steps: &'a [StepResult],
    policy: &'a Policy,
    now: DateTime<Utc>,
}

struct Newest<'a> {
    fact: &'a Fact,
    /// Another fact of the same moment says something else.
    contradicted: bool,
}

impl Court<'_> {
    fn judge_criterion(&self, criterion: &Criterion) -> CriterionResult {
        let evidence: Vec<_> = criterion
            .requirements
            .iter()
            .map(|requirement| self.judge_requirement(criterion, requirement))
            .collect();
        CriterionResult {
            number: criterion.number,
            key: criterion.key.to_owned(),
            title: criterion.title.to_owned(),
            status: worst(evidence.iter().map(|e| e.status)),
            underlying: None,
            waiver: None,
            expected: expected(&evidence),
            actual: actual(&evidence),
            evidence,
        }
    }

    fn judge_requirement(&self, criterion: &Criterion, requirement: &Requirement) -> Evidence {
        let newest = self.newest.get(requirement.fact);
        let (status, reason) = match newest {
            None => (Status::Unknown, Some(self.why_missing(criterion, requirement))),
            Some(newest) => self.judge_fact(criterion, requirement, newest),
        };
        Evidence {
            fact: requirement.fact.to_owned(),
            says: requirement.says.to_owned(),
            expected: requirement.test.expected(self.policy),
            value: newest.map(|newest| newest.fact.value.clone()),
            status,
            reason,
            source: newest.map(|newest| newest.fact.source.clone()),
            collected_at: newest.map(|newest| newest.fact.collected_at),
        }
    }

    fn judge_fact(
        &self,
        criterion: &Criterion,
        requirement: &Requirement,
        newest: &Newest<'_>,
    ) -> (Status, Option<String>) {
        if let Some(reason) = self.why_not_usable(criterion, newest) {
            return (Status::Unknown, Some(reason));
        }
        match requirement.test.check(&newest.fact.value, self.policy) {
            Tested::Holds => (Status::Pass, None),
            Tested::Broken => (Status::Fail, self.trouble_with(requirement.fact)),
            Tested::Unfit(reason) => (Status::Unknown, Some(reason)),
        }
    }

    fn why_not_usable(&self, criterion: &Criterion, newest: &Newest<'_>) -> Option<String> {
        let age = self.now - newest.fact.collected_at;
        let max_age = self.policy.max_age(criterion);
        if age < -Duration::seconds(i64::from(self.policy.clock_skew_seconds)) {
            return Some(format!(
                "dated {} in the future: set the clocks, then collect it again",
                span(-age)
            ));
        }
        if age > max_age {
            return Some(format!("{} old, accepted are {}: collect it again", span(age), span(max_age)));
        }
        newest
            .contradicted
            .then(|| "two observations of the same moment contradict each other: collect it again".to_owned())
    }

    /// A missing fact is explained by the step that was to supply it, or by the steps of its phase that went wrong.
    fn why_missing(&self, criterion: &Criterion, requirement: &Requirement) -> String {
        if let Some(trouble) = self.trouble_with(requirement.fact) {
            return trouble;
        }
        let trouble = self
            .steps
            .iter()
            .filter(|step| step.phase == criterion.phase && step.supplies.is_empty())
            .find_map(trouble_of);
        trouble.unwrap_or_else(|| "no evidence was collected".to_owned())
    }

    fn trouble_with(&self, fact: &str) -> Option<String> {
        self.steps
            .iter()
            .filter(|step| {
                step.supplies.iter().any(|key| key == fact)
                    || step.proof.iter().any(|proof| proof.key == fact)
            })
            .find_map(trouble_of)
    }

    /// A criterion that passes only since findings were waived or set aside says so.
    fn with_settled_findings(&self, result: CriterionResult, warnings: &mut Vec<String>) -> CriterionResult {
        let ours = |table: [(&str, &str); 2]| {
            let facts = table.into_iter().filter(|(key, _)| *key == result.key);
            let newest = facts.filter_map(|(_, fact)| self.newest.get(fact));
            newest.map(|newest| newest.fact).collect::<Vec<_>>()
        };
        let (waived, set_aside) = (ours(WAIVED_FINDINGS), ours(SET_ASIDE));
        let result =
            waived.into_iter().fold(result, |result, fact| settled::apply(result, fact, self.now, warnings));
        set_aside.into_iter().fold(result, |result, fact| settled::tell(result, fact, warnings))
    }

    fn waive(&self, mut result: CriterionResult, warnings: &mut Vec<String>) -> CriterionResult {
        let ours = self.policy.waivers.iter().filter(|waiver| waiver.criterion == result.key);
        let mut in_force: Option<&Waiver> = None;
        for waiver in ours {
            if waiver.is_expired(self.now) {
                warnings.push(format!(
                    "the waiver of `{}` by {} expired on {} and is ignored",
                    result.key, waiver.owner, waiver.expires
                ));
            } else if !waiver.is_signed() {
                warnings
                    .push(format!("the waiver of `{}` has no owner or no reason and is ignored", result.key));
            } else {
                in_force = Some(waiver);
            }
        }
        let Some(waiver) = in_force else { return result };
        if matches!(result.status, Status::Pass | Status::Waived) {
            warnings.push(format!("`{}` passes: its waiver by {} can be removed", result.key, waiver.owner));
            return result;
        }
        warnings.push(format!(
            "`{}` is {} and waived by {} until {}",
            result.key,
            result.status.as_str(),
            waiver.owner,
            waiver.expires
        ));
        result.underlying = Some(result.status);
        result.status = Status::Waived;
        result.waiver = Some(waiver.clone());
        result
    }
}

fn newest_by_key<'a>(facts: impl Iterator<Item = &'a Fact>) -> BTreeMap<&'a str, Newest<'a>> {
    let mut newest: BTreeMap<&str, Newest<'_>> = BTreeMap::new();
    for fact in facts {
        match newest.get_mut(fact.key.as_str()) {
            Some(known) if fact.collected_at < known.fact.collected_at => {}
            Some(known) if fact.collected_at == known.fact.collected_at => {
                known.contradicted |= !same_value(&fact.value, &known.fact.value);
            }
            _ => {
                newest.insert(&fact.key, Newest { fact, contradicted: false });
            }
        }
    }
    newest
}

/// `1` and `1.0` are the same observation.
fn same_value(left: &Value, right: &Value) -> bool {
    left == right || left.as_f64().zip(right.as_f64()).is_some_and(|(l, r)| l == r)
}

fn trouble_of(step: &StepResult) -> Option<String> {
    let what = match step.status {
        StepStatus::Failed => "failed",
        StepStatus::Unknown => "could not look",
        StepStatus::Skipped => "was skipped",
        StepStatus::Planned => "was only planned",
        StepStatus::Passed => return None,
    };
    let why = step.error.as_deref().or(step.reason.as_deref());
    Some(match why {
        Some(why) => format!("step `{}` {what}: {why}", step.id),
        None => format!("step `{}` {what}", step.id),
    })
}

fn worst(statuses: impl Iterator<Item = Status>) -> Status {
    statuses.fold(Status::Pass, |worst, status| match (worst, status) {
        (Status::Fail, _) | (_, Status::Fail) => Status::Fail,
        (Status::Unknown, _) | (_, Status::Unknown) => Status::Unknown,
        _ => Status::Pass,
    })
}

fn verdict(criteria: &[CriterionResult]) -> Verdict {
    let blocking = criteria.iter().map(|c| c.status).filter(|status| *status != Status::Waived);
    match worst(blocking) {
        Status::Fail => Verdict::NoGo,
        Status::Pass => Verdict::Go,
        _ => Verdict::Inconclusive,
    }
}

fn expected(evidence: &[Evidence]) -> String {
    let parts: Vec<_> = evidence.iter().map(|e| e.says.as_str()).collect();
    parts.join("; ")
}

fn actual(evidence: &[Evidence]) -> String {
    let open: Vec<_> = evidence.iter().filter(|e| e.status != Status::Pass).collect();
    if open.is_empty() {
        return format!("all {} hold", evidence.len());
    }
    let parts: Vec<_> = open.into_iter().map(describe_open).collect();
    parts.join("; ")
}

fn describe_open(evidence: &Evidence) -> String {
    let reason = evidence.reason.as_deref().unwrap_or_default();
    match (&evidence.value, evidence.status) {
        (Some(value), Status::Fail) => {
            let found = format!("{} is {}, expected {}", evidence.fact, plain(value), evidence.expected);
            if reason.is_empty() { found } else { format!("{found} ({reason})") }
        }
        _ => format!("{}: {reason}", evidence.fact),
    }
}

/// A value as people write it.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What a step found beyond its facts counts too: a go with a failed step under it would be a lie.
fn with_steps(
    verdict: Verdict,
    steps: &[StepResult],
    criteria: &[CriterionResult],
    warnings: &mut Vec<String>,
) -> Verdict {
    let is_waived = |step: &StepResult| {
        !step.supplies.is_empty()
            && step.supplies.iter().all(|fact| {
                let rests = |c: &&CriterionResult| c.evidence.iter().any(|evidence| evidence.fact == *fact);
                criteria.iter().filter(rests).all(|c| c.status == Status::Waived)
            })
    };
    let mut worst = verdict;
    for step in steps.iter().filter(|step| !is_waived(step)) {
        let held = match step.status {
            // Not having been able to look is no finding.
            StepStatus::Failed if step.error.is_some() => Verdict::Inconclusive,
            StepStatus::Failed => Verdict::NoGo,
            StepStatus::Unknown | StepStatus::Skipped => Verdict::Inconclusive,
            _ => continue,
        };
        if verdict == Verdict::Go {
            warnings.push(format!("step `{}` {}, so this is no go", step.id, step.status.as_str()));
            if held == Verdict::NoGo || worst == Verdict::Go {
                worst = held;
            }
        }
    }
    worst
}

fn unknown_waivers(policy: &Policy) -> impl Iterator<Item = String> {
    policy
        .waivers
        .iter()
        .filter(|waiver| criteria().iter().all(|c| c.key != waiver.criterion))
        .map(|waiver| format!("a waiver names `{}`, which is no criterion; it is ignored", waiver.criterion))
}

fn span(duration: Duration) -> String {
    match duration.num_seconds() {
        seconds if seconds < 120 => format!("{seconds} s"),
        seconds if seconds < 2 * 3600 => format!("{} min", seconds / 60),
        seconds if seconds < 72 * 3600 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}
