//! Every requirement of every criterion, broken one at a time; and the rules of evidence.

mod fixture;

use chrono::Duration;
use fixture::{bad, good_facts, now, replace};
use golive_gate::{
    Fact, Policy, PolicyError, Report, Status, StepResult, StepStatus, Verdict, Waiver, criteria, judge,
};
use serde_json::json;

fn judged(facts: &[Fact]) -> Report {
    judge(facts, &[], &Policy::default(), now())
}

/// All criteria but this one pass.
fn only(report: &Report, key: &str, status: Status) {
    for criterion in &report.criteria {
        let expected = if criterion.key == key { status } else { Status::Pass };
        assert_eq!(criterion.status, expected, "{} ({})", criterion.key, criterion.actual);
    }
}

#[test]
fn there_are_thirteen_in_order_and_no_fact_serves_two() {
    let numbers: Vec<_> = criteria().iter().map(|c| c.number).collect();
    assert_eq!(numbers, (1..=13).collect::<Vec<_>>());
    let mut facts: Vec<_> = criteria().iter().flat_map(|c| c.requirements).map(|r| r.fact).collect();
    let count = facts.len();
    facts.sort_unstable();
    facts.dedup();
    assert_eq!(facts.len(), count);
}

#[test]
fn all_good_is_go() {
    let report = judged(&good_facts());
    only(&report, "", Status::Pass);
    assert_eq!(report.verdict, Verdict::Go);
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
}

#[test]
fn nothing_is_inconclusive() {
    let report = judged(&[]);
    assert!(report.criteria.iter().all(|c| c.status == Status::Unknown));
    assert_eq!(report.verdict, Verdict::Inconclusive);
}

#[test]
fn each_broken_requirement_fails_its_criterion_alone() {
    for criterion in criteria() {
        for requirement in criterion.requirements {
            let mut facts = good_facts();
            replace(&mut facts, requirement.fact, bad(&requirement.test));
            let report = judged(&facts);
            only(&report, criterion.key, Status::Fail);
            assert_eq!(report.verdict, Verdict::NoGo);
            assert!(report.criterion(criterion.key).unwrap().actual.contains(requirement.fact));
        }
    }
}

#[test]
fn each_missing_fact_makes_its_criterion_unknown() {
    for criterion in criteria() {
        for requirement in criterion.requirements {
            let mut facts = good_facts();
            facts.retain(|fact| fact.key != requirement.fact);
            let report = judged(&facts);
            only(&report, criterion.key, Status::Unknown);
            assert_eq!(report.verdict, Verdict::Inconclusive);
        }
    }
}

#[test]
fn a_value_of_another_type_is_unknown() {
    for criterion in criteria() {
        for requirement in criterion.requirements {
            for value in [json!(null), json!("true"), json!("0"), json!(1), json!(true), json!({})] {
                let mut facts = good_facts();
                let same_type = fixture::good(&requirement.test).is_boolean() == value.is_boolean()
                    && fixture::good(&requirement.test).is_number() == value.is_number()
                    && fixture::good(&requirement.test).is_string() == value.is_string();
                if same_type {
                    continue;
                }
                replace(&mut facts, requirement.fact, value.clone());
                let report = judged(&facts);
                let status = report.criterion(criterion.key).unwrap().status;
                assert_eq!(status, Status::Unknown, "{} with {value}", requirement.fact);
            }
        }
    }
}

#[test]
fn a_negative_measurement_is_unknown() {
    for key in ["backup.age_hours", "load.dashboard_p95_ms", "load.error_rate"] {
        let mut facts = good_facts();
        replace(&mut facts, key, json!(-1.0));
        assert_eq!(judged(&facts).verdict, Verdict::Inconclusive, "{key}");
    }
}

#[test]
fn stale_evidence_is_unknown_and_backups_have_two_hours_more() {
    let at = |hours: i64, key: &str| {
        let mut facts = good_facts();
        facts.iter_mut().for_each(|fact| fact.collected_at = now() - Duration::hours(hours));
        judged(&facts).criterion(key).unwrap().status
    };
    assert_eq!(at(24, "tls"), Status::Pass);
    assert_eq!(at(25, "tls"), Status::Unknown);
    assert_eq!(at(26, "backups"), Status::Pass);
    assert_eq!(at(27, "backups"), Status::Unknown);
}

#[test]
fn evidence_from_the_future_is_unknown_beyond_a_minute() {
    for (seconds, expected) in [(60, Verdict::Go), (61, Verdict::Inconclusive)] {
        let mut facts = good_facts();
        facts[0].collected_at = now() + Duration::seconds(seconds);
        assert_eq!(judged(&facts).verdict, expected);
    }
}

#[test]
fn the_newest_fact_wins_wherever_it_stands() {
    let old = Fact::new("tls.grade", "B", "earlier", now() - Duration::hours(2));
    let mut facts = good_facts();
    facts.insert(0, old.clone());
    facts.push(old);
    assert_eq!(judged(&facts).verdict, Verdict::Go);
    facts.insert(0, Fact::new("tls.grade", "B", "later", now()));
    assert_eq!(judged(&facts).verdict, Verdict::NoGo);
}

#[test]
fn a_contradiction_is_unknown_and_a_repetition_is_not() {
    let mut facts = good_facts();
    let grade = facts.iter().find(|fact| fact.key == "tls.grade").unwrap().clone();
    facts.push(grade.clone());
    assert_eq!(judged(&facts).verdict, Verdict::Go);
    let mut other = grade;
    other.value = json!("B");
    facts.push(other);
    only(&judged(&facts), "tls", Status::Unknown);
}

#[test]
fn proofs_of_steps_are_evidence() {
    let mut step = StepResult::new("all", 1, "All", StepStatus::Passed);
    step.proof = good_facts();
    assert_eq!(judge(&[], &[step], &Policy::default(), now()).verdict, Verdict::Go);
}

#[test]
fn a_failed_step_explains_the_fact_that_it_owes() {
    let mut facts = good_facts();
    facts.retain(|fact| fact.key != "backup.verified");
    let mut step = StepResult::new("backup.verify", 4, "Verify", StepStatus::Failed);
    step.error = Some("read the manifest: permission denied".into());
    let mut named = step.clone();
    named.phase = 0;
    named.supplies = vec!["backup.verified".into()];
    for step in [step, named] {
        let report = judge(&facts, &[step], &Policy::default(), now());
        let actual = &report.criterion("backups").unwrap().actual;
        assert!(
            actual.contains("step `backup.verify` failed: read the manifest: permission denied"),
            "{actual}"
        );
    }
}

#[test]
fn the_policy_sets_the_load_limit_and_being_lenient_is_told() {
    let mut facts = good_facts();
    replace(&mut facts, "load.dashboard_p95_ms", json!(600.0));
    let mut policy = Policy::default();
    policy.dashboard_p95_ms = 700.0;
    policy.max_age_hours.insert("tls".into(), 72);
    let report = judge(&facts, &[], &policy, now());
    assert_eq!(report.verdict, Verdict::Go);
    assert_eq!(report.warnings.len(), 2, "{:?}", report.warnings);
}

#[test]
fn a_waiver_lets_pass_until_its_last_day_and_shows_what_is_under_it() {
    let mut facts = good_facts();
    replace(&mut facts, "tls.grade", json!("B"));
    let waived = |expires: &str, owner: &str| {
        let mut policy = Policy::default();
        policy.waivers = vec![Waiver::new("tls", owner, "ordered", expires.parse().unwrap())];
        judge(&facts, &[], &policy, now())
    };
    let report = waived("2026-05-04", "R. Okafor");
    let tls = report.criterion("tls").unwrap();
    assert_eq!((report.verdict, tls.status, tls.judged()), (Verdict::Go, Status::Waived, Status::Fail));
    for report in [waived("2026-05-03", "R. Okafor"), waived("2026-06-01", " ")] {
        assert_eq!(report.verdict, Verdict::NoGo);
        assert!(report.warnings.iter().any(|w| w.contains("ignored")), "{:?}", report.warnings);
    }
}

#[test]
fn a_waiver_of_one_does_not_hide_another() {
    let mut facts = good_facts();
    replace(&mut facts, "tls.grade", json!("B"));
    replace(&mut facts, "ci.failed", json!(1));
    let mut policy = Policy::default();
    policy.waivers = vec![Waiver::new("tls", "R. Okafor", "ordered", "2026-06-01".parse().unwrap())];
    assert_eq!(judge(&facts, &[], &policy, now()).verdict, Verdict::NoGo);
}

#[test]
fn a_policy_that_cannot_mean_what_it_says_is_refused() {
    assert_eq!(Policy::default().validate(), Ok(()));
    let mut unknown = Policy::default();
    unknown.max_age_hours.insert("tsl".into(), 1);
    assert!(matches!(unknown.validate(), Err(PolicyError::UnknownCriterion { .. })));
    let mut unsigned = Policy::default();
    unsigned.waivers = vec![Waiver::new("tls", "", "x", "2026-06-01".parse().unwrap())];
    assert!(matches!(unsigned.validate(), Err(PolicyError::UnsignedWaiver { .. })));
    let mut limit = Policy::default();
    limit.dashboard_p95_ms = f64::NAN;
    assert!(matches!(limit.validate(), Err(PolicyError::BadLimit { .. })));
    assert!(serde_json::from_value::<Policy>(json!({"dashboard_p95": 1})).is_err());
}

#[test]
fn a_waived_finding_lets_its_criterion_pass_and_is_seen() {
    let waived = |key: &str, list: serde_json::Value| {
        let mut facts = good_facts();
        facts.push(Fact::new(key, list, "prod.env", now()));
        facts
    };
    let one = |expires: &str| json!({"rule": "CFG-010", "owner": "r.ortiz", "reason": "until Monday", "expires": expires});
    let day = |days: i64| (now() + Duration::days(days)).date_naive().to_string();

    let report = judged(&waived("config.waived", json!([])));
    only(&report, "", Status::Pass);
    let report = judged(&waived("config.waived", json!([one(&day(0))])));
    only(&report, "production_config", Status::Waived);
    assert_eq!(report.verdict, Verdict::Go);
    let result = report.criterion("production_config").unwrap();
    assert_eq!((result.judged(), result.waiver.as_ref().unwrap().owner.as_str()), (Status::Fail, "r.ortiz"));
    assert!(result.actual.contains("CFG-010: until Monday"), "{}", result.actual);
    assert!(report.warnings.iter().any(|warning| warning.contains("CFG-010 is waived by r.ortiz")));

    // The last day is over since it was collected.
    for (list, status) in [
        (json!([one(&day(-1))]), Status::Fail),
        (json!([{"rule": "CFG-010", "owner": " ", "reason": "x", "expires": day(9)}]), Status::Fail),
        (json!([{"rule": "CFG-010"}]), Status::Unknown),
        (json!("none"), Status::Unknown),
    ] {
        let report = judged(&waived("config.waived", list));
        only(&report, "production_config", status);
        assert_ne!(report.verdict, Verdict::Go);
    }

    // Two lists are one waiver, which ends with the first that ends.
    let mut facts = waived("config.waived", json!([one(&day(9))]));
    let other = json!([{"rule": "DEP-204", "owner": "k.lee", "reason": "no other way", "expires": day(2)}]);
    facts.push(Fact::new("deploy.waived", other, "compose.yml", now()));
    let report = judged(&facts);
    let waiver = report.criterion("production_config").unwrap().waiver.clone().unwrap();
    assert_eq!(
        (waiver.owner.as_str(), waiver.reason.as_str(), waiver.expires.to_string()),
        ("r.ortiz, k.lee", "CFG-010: until Monday; DEP-204: no other way", day(2))
    );

    // A finding that counts is not let pass by the waiver of another.
    replace(&mut facts, "config.errors", json!(1));
    only(&judged(&facts), "production_config", Status::Fail);
}

#[test]
fn a_finding_that_a_comment_sets_aside_is_told_in_the_report() {
    let with = |list: serde_json::Value| {
        let mut facts = good_facts();
        facts.push(Fact::new("deploy.set_aside", list, "Dockerfile", now()));
        judged(&facts)
    };
    let report = with(json!(["Dockerfile:4: DEP-105 is ignored there: one base image for all"]));
    only(&report, "", Status::Pass);
    let told = "`production_config`: Dockerfile:4: DEP-105 is ignored there: one base image for all";
    assert!(report.warnings.iter().any(|warning| warning == told), "{:?}", report.warnings);
    assert!(with(json!([])).warnings.is_empty());
    let unreadable = with(json!(3));
    only(&unreadable, "production_config", Status::Unknown);
    assert_ne!(unreadable.verdict, Verdict::Go);
}
