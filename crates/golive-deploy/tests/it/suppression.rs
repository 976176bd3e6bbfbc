//! Findings that somebody has taken upon himself: each is marked and stays, and what is worth nothing is said.

use chrono::NaiveDate;
use golive_deploy::{RULESET, Severity, Waiver, audit_dockerfile, hold_to_ruleset, waive, worst};

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a day")
}

const FILE: &str = "FROM debian:12\nUSER 10001\nHEALTHCHECK CMD [\"true\"]\n\
                    # golive: ignore DEP-108 -- a shell is wanted here\nCMD true\n";

#[test]
fn a_comment_with_a_reason_takes_a_finding_upon_itself() {
    let of = |text: &str, id: &str| audit_dockerfile("f", text).into_iter().find(|finding| finding.id == id);
    let shell = of(FILE, "DEP-108").unwrap();
    assert_eq!(shell.suppression.unwrap().text(), "ignored in the file: a shell is wanted here");
    assert!(of(FILE, "DEP-105").unwrap().counts(), "another rule still counts");
    let without = FILE.replace(" -- a shell is wanted here", "");
    assert!(of(&without, "DEP-108").unwrap().counts());
    assert_eq!(of(&without, "DEP-002").unwrap().line, Some(4));
    let stale = FILE.replace("CMD true", "CMD [\"true\"]");
    assert_eq!(of(&stale, "DEP-003").unwrap().severity, Severity::Note);
}

#[test]
fn a_waiver_holds_until_its_day_and_needs_a_name() {
    let run = |waiver: Waiver, today: &str| {
        let mut findings = audit_dockerfile("deploy/Dockerfile", "FROM debian\n");
        waive(&mut findings, &[waiver], day(today));
        let counts = findings.iter().any(|finding| finding.id == "DEP-104" && finding.counts());
        (counts, findings.iter().filter(|finding| finding.id == "DEP-004").count(), findings)
    };
    let waiver = Waiver::new("DEP-104", "r.ortiz", "rebuilt next week", day("2026-12-31"));
    let (counts, worthless, findings) = run(waiver.clone(), "2026-12-31");
    assert!(!counts && worthless == 0);
    assert!(findings.iter().any(|finding| finding.id == "DEP-104"), "it stays visible");
    assert!(worst(&findings).is_some(), "others count");
    let outcome = |waiver: &Waiver, today| {
        let (counts, worthless, _) = run(waiver.clone(), today);
        (counts, worthless)
    };
    assert_eq!(outcome(&waiver, "2027-01-01"), (true, 1), "expired");
    let changed = |change: fn(&mut Waiver)| {
        let mut changed = waiver.clone();
        change(&mut changed);
        outcome(&changed, "2026-12-01")
    };
    assert_eq!(changed(|waiver| waiver.owner = " ".into()), (true, 1));
    assert_eq!(changed(|waiver| waiver.reason.clear()), (true, 1));
    assert_eq!(changed(|waiver| waiver.file = Some("Dockerfile".into())), (false, 0));
    assert_eq!(
        changed(|waiver| waiver.file = Some("file".into())),
        (true, 1),
        "the end of a name is no path"
    );
}

#[test]
fn a_rule_newer_than_the_ruleset_is_shown_and_does_not_count() {
    let without = FILE.replace(" -- a shell is wanted here", "");
    let held = |ruleset| {
        let mut findings = audit_dockerfile("f", &without);
        hold_to_ruleset(&mut findings, ruleset).map(|()| findings)
    };
    let counts = |ruleset, id: &str| held(ruleset).unwrap().iter().any(|f| f.id == id && f.counts());
    assert!(!counts("2026.1", "DEP-002") && counts("2026.1", "DEP-108"));
    assert!(counts(RULESET, "DEP-002"));
    for unknown in ["2026.3", "2025.1", "2026", "new", "2026.0"] {
        assert!(held(unknown).is_err(), "{unknown}");
    }
}

#[test]
fn nobody_answers_for_a_file_that_could_not_be_read() {
    let text = "# golive: ignore DEP-001 -- never mind\nserver { listen 80\n}\n";
    for text in [text.to_owned(), text.replacen("\nserver", "\n\nserver", 1)] {
        for line in 1..=3 {
            let mut lines: Vec<&str> = text.lines().collect();
            lines.insert(line, "# golive: ignore DEP-001 -- never mind");
            let mut findings = golive_deploy::audit_nginx("n.conf", &lines.join("\n"));
            waive(
                &mut findings,
                &[Waiver::new("DEP-001", "r.ortiz", "never mind", day("2026-12-31"))],
                day("2026-12-01"),
            );
            assert!(
                findings.iter().any(|finding| finding.id == "DEP-001" && finding.counts()),
                "{findings:#?}"
            );
        }
    }
}
