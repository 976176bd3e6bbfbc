//! A run that is killed, at whatever point, is taken up again and comes to the same end as one that was left alone.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use golive_tests::{Document, Ended, Platform, leftovers, seconds, wait_until};
use serde_json::Value;

/// Steps that change something; these are also killed after they acted and before that is journalled.
const ACTING: [&str; 9] = [
    "schema",
    "copy",
    "constraints",
    "switch",
    "production-admin",
    "demo-users",
    "environment",
    "team",
    "backup",
];

#[test]
fn heavy_a_run_killed_after_each_of_its_steps_comes_to_the_same_end() {
    let platform = Platform::demo();
    let steps = listed(&platform);
    let mut killed_after = BTreeSet::new();
    let mut killed_inside = BTreeSet::new();
    while let Some(next) = next_step(&steps, &passed(&platform)) {
        let flag = match ACTING.contains(&next) && killed_inside.insert(next) {
            true => "--dangerous-abort-applied",
            false => "--dangerous-abort-ended",
        };
        let before = passed(&platform);
        let mut arguments = vec!["rehearse", "--keep", "--format", "json", flag, next];
        if !before.is_empty() || killed_inside.contains("schema") {
            arguments.push("--resume");
        }
        let ended = platform.golive(&arguments);
        assert_eq!(ended.code, None, "killed at {next}: {ended}");
        assert_eq!(ended.stdout, "", "a killed run judges nothing: {ended}");
        all_gone(&platform);
        let after = passed(&platform);
        assert!(
            flag.ends_with("applied") || after.contains(next),
            "{next} ended and is not in the journal: {ended}"
        );
        killed_after.extend(after.difference(&before).cloned());
    }
    let every: BTreeSet<String> = steps.iter().map(|step| id(step).to_owned()).collect();
    assert_eq!(killed_after, every, "some step ended in no run that was killed");
    for step in &ACTING[..4] {
        // These come one after the other; the later ones may end beside another that was to be killed.
        assert!(killed_inside.contains(step), "{step} was not killed after it acted: {killed_inside:?}");
    }
    let ended = platform.golive(&["rehearse", "--resume", "--keep", "--format", "json"]);
    let report = all_passed_once(&platform, &ended);
    let alone = Platform::demo();
    let reference = alone.golive(&["rehearse", "--keep", "--format", "json"]);
    assert_eq!(
        shape(&all_passed_once(&alone, &reference)),
        shape(&report),
        "the proofs speak of other things"
    );
    assert_eq!(who_is_active(&platform), who_is_active(&alone));
}

#[test]
fn heavy_a_copy_cut_off_by_a_lost_machine_goes_on_until_every_cell_is_equal() {
    let platform = Platform::demo();
    let first = platform.start(&["rehearse", "--keep", "--scale", "8"]);
    wait_until("the copy to begin", seconds(120), || {
        assert!(first.is_running(), "{}", first.said());
        began(&platform, "copy").then_some(())
    });
    // Any moment of the copy will do; the same one every time would prove that one only.
    let moment = Duration::from_millis(std::hash::RandomState::new().build_hasher().finish() % 400);
    let unlucky = std::time::Instant::now();
    wait_until("the moment", seconds(10), || (unlucky.elapsed() >= moment).then_some(()));
    let _ = first.kill();
    all_gone(&platform);
    let cut_off = !passed(&platform).contains("copy");
    assert!(cut_off, "the copy had ended after {moment:?}: it must be made larger");
    // What comes after the comparison is the other test's.
    let ended = platform.golive(&["rehearse", "--resume", "--keep", "--dangerous-abort-ended", "switch"]);
    let endings = platform.rehearsal().endings();
    for step in ["copy", "constraints", "verify", "switch"] {
        let last = endings.get(step).and_then(|ends| ends.last());
        let passed = last.is_some_and(|end| end["status"] == "passed");
        assert!(passed, "killed {moment:?} into the copy, then {step} ended so: {last:?}\n{ended}");
    }
    let verified = endings["verify"][0]["proof"].as_array().unwrap().iter();
    let rows = verified
        .filter(|fact| fact["key"] == "migrate.rows_verified")
        .find_map(|fact| fact["value"].as_u64());
    assert!(rows.is_some_and(|rows| rows > 100_000), "{rows:?} rows were compared");
}

/// The steps as golive lists them.
fn listed(platform: &Platform) -> Vec<Value> {
    let ended = platform.golive(&["rehearse", "--dry-run", "--format", "json"]).expect_code(0);
    Document::of(&ended).steps().to_vec()
}

fn id(step: &Value) -> &str {
    step["id"].as_str().unwrap()
}

/// A step that may run and has not passed; first one that changes something, so that it is not passed by.
fn next_step<'a>(steps: &'a [Value], passed: &BTreeSet<String>) -> Option<&'a str> {
    let done =
        |names: &Value| names.as_array().unwrap().iter().all(|name| passed.contains(name.as_str().unwrap()));
    let open = steps.iter().filter(|step| !passed.contains(id(step)));
    let ready: Vec<&str> =
        open.filter(|step| done(&step["after"]) && done(&step["once_ended"])).map(id).collect();
    ready.iter().find(|step| ACTING.contains(step)).or(ready.first()).copied()
}

fn passed(platform: &Platform) -> BTreeSet<String> {
    if !platform.runs().join("rehearsals/latest").exists() {
        return BTreeSet::new();
    }
    let endings = platform.rehearsal().endings().into_iter();
    endings
        .filter(|(_, ends)| ends.last().is_some_and(|end| end["status"] == "passed"))
        .map(|(id, _)| id)
        .collect()
}

fn began(platform: &Platform, step: &str) -> bool {
    let begun = platform.runs().join("rehearsals/latest").exists();
    begun
        && platform
            .rehearsal()
            .journal()
            .iter()
            .any(|entry| entry["event"] == "started" && entry["step"] == step)
}

/// What a killed run had started dies with it: nobody has to clean up.
fn all_gone(platform: &Platform) {
    wait_until("the servers of a killed run to be gone", seconds(10), || {
        leftovers(platform.root()).is_empty().then_some(())
    });
}

/// All criteria pass, and no step ended twice: what had passed before a kill was taken from the journal.
fn all_passed_once(platform: &Platform, ended: &Ended) -> Document {
    let report = Document::of(ended);
    assert_eq!(ended.code, Some(0), "{}{ended}", report.trouble());
    assert!(report.criteria().values().all(|status| status == "pass"), "{}", report.trouble());
    assert_eq!(report.criteria().len(), 13);
    for (step, ends) in platform.rehearsal().endings() {
        let statuses: Vec<&Value> = ends.iter().map(|end| &end["status"]).collect();
        assert_eq!(statuses, ["passed"], "step {step} ended more than once, or otherwise");
    }
    report
}

/// Which facts each step saw: values such as times differ from run to run, what is looked at does not. How fast rows were
/// copied is known only to the run that copied them.
fn shape(report: &Document) -> BTreeMap<String, Vec<String>> {
    let facts = |step: &Value| {
        let facts = step["proof"].as_array().unwrap().iter().map(|fact| fact["key"].as_str().unwrap());
        facts.filter(|key| !key.ends_with("_per_second")).map(str::to_owned).collect()
    };
    report.steps().iter().map(|step| (id(step).to_owned(), facts(step))).collect()
}

fn who_is_active(platform: &Platform) -> String {
    let server = platform.rehearsal().database();
    let found = server
        .execute(
            "SELECT username, role, client_id, must_change_password FROM golive.user WHERE is_active ORDER BY 1; \
             SELECT client_id, client_name FROM golive.client WHERE is_active ORDER BY 1",
        )
        .unwrap();
    assert!(found.contains("northwind_admin") && found.contains("NORTHWIND-KNITS"), "{found}");
    found
}
