//! The switch is proven by the running application: what it answers, and where it writes.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use golive_tests::{Document, Platform};
use serde_json::Value;

#[test]
fn heavy_an_application_that_stays_on_sqlite_after_the_switch_fails_it() {
    let platform = Platform::demo();
    let begun = platform.golive(&["rehearse", "--keep", "--dangerous-abort-ended", "environment"]);
    assert_eq!(begun.code, None, "{begun}");
    let followed = platform.golive(&["rehearse", "--only", "in-use", "--keep", "--format", "json"]);
    let report = Document::of(&followed);
    let step = step(&report, "in-use");
    assert_eq!(step["status"], "passed", "{step}\n{followed}");
    assert_eq!(
        (fact(&step, "application.database"), fact(&step, "migrate.switched")),
        ("mariadb".into(), true.into())
    );
    recorded(&platform);

    // The demo as it was, on the file that it always had.
    let old = platform.path("old.db");
    std::fs::copy(platform.rehearsal().path("demo.sqlite"), &old).unwrap();
    platform.edit(|config| {
        let mut environment = config["demo_environment"].as_table().unwrap().clone();
        environment.insert("DATABASE_URL".to_owned(), format!("sqlite://{}?mode=rwc", old.display()).into());
        config.insert("environment".to_owned(), environment.into());
    });
    let stayed = platform.golive(&["rehearse", "--only", "in-use", "--keep", "--format", "json"]);
    let report = Document::of(&stayed);
    let step = self::step(&report, "in-use");
    assert_eq!(stayed.code, Some(10), "{stayed}");
    assert_eq!(step["status"], "failed", "{step}");
    assert_eq!(
        (fact(&step, "application.database"), fact(&step, "migrate.switched")),
        ("other".into(), false.into())
    );
    assert!(step["reason"].as_str().unwrap().contains("does not use the MariaDB"), "{step}");
    assert_eq!(report.criteria()[&4], "fail", "what the state file says is outweighed: {}", report.trouble());

    // Nobody asks any more: unknown, and unknown never passes.
    platform.edit(|config| drop(config["http"].as_table_mut().unwrap().remove("database")));
    let unasked = platform.golive(&["rehearse", "--only", "in-use", "--keep", "--format", "json"]);
    let step = self::step(&Document::of(&unasked), "in-use");
    assert_eq!(step["status"], "unknown", "{step}");
    assert!(step["reason"].as_str().unwrap().contains("[http.database]"), "{step}");
}

/// Who, when, why, and the digests of what was verified; no secret.
fn recorded(platform: &Platform) {
    let run = platform.rehearsal();
    let state: Value = serde_json::from_str(&run.text("provider_state.json")).unwrap();
    for digest in ["source_digest", "plan_digest", "record_digest"] {
        assert!(state[digest].as_str().is_some_and(|digest| digest.len() >= 32), "no {digest}: {state}");
    }
    let why = state["note"].as_str().unwrap();
    assert!(why.contains("golive run") && why.contains("every cell"), "{state}");
    assert!(state["switched_by"].as_str().is_some_and(|by| !by.is_empty()), "{state}");
    assert!(state["switched_at"].as_str().is_some_and(|at| at.starts_with("20")), "{state}");
}

#[test]
fn heavy_a_changed_golive_toml_is_noticed_and_what_depends_on_it_is_proven_again() {
    let platform = Platform::demo();
    let begun = platform.golive(&["rehearse", "--keep", "--dangerous-abort-ended", "secret-key"]);
    assert_eq!(begun.code, None, "{begun}");
    platform.edit(|config| {
        config["environment"].as_table_mut().unwrap().insert("LOG_LEVEL".to_owned(), "debug".into());
    });
    let resumed =
        platform.golive(&["rehearse", "--resume", "--keep", "--dangerous-abort-ended", "environment"]);
    assert!(resumed.stderr.contains("changed since the run began, in [environment]"), "{resumed}");
    // What had passed beside it differs from run to run; this one had, for it was killed after it.
    let again = resumed.stderr.lines().find(|line| line.contains("proven again: ")).unwrap_or_default();
    assert!(again.contains("secret-key") && !again.contains("copy"), "{resumed}");
    let endings = platform.rehearsal().endings();
    for step in ["survey", "copy", "verify", "switch"] {
        assert_eq!(endings[step].len(), 1, "{step} does not depend on [environment]");
    }
    assert_eq!(endings["secret-key"].len(), 2, "{resumed}");
    let written = platform.rehearsal().text("production.env");
    assert!(written.contains("LOG_LEVEL='debug'"), "{written}");
    // The same file in other words is no change.
    let path = platform.path("golive.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("# In other words.\n\n{text}")).unwrap();
    let again = platform.golive(&["rehearse", "--resume", "--keep", "--dangerous-abort-ended", "in-use"]);
    assert!(!again.stderr.contains("changed since"), "{again}");
}

fn step(report: &Document, id: &str) -> Value {
    report.steps().iter().find(|step| step["id"] == id).unwrap().clone()
}

fn fact(step: &Value, key: &str) -> Value {
    let facts = step["proof"].as_array().unwrap();
    facts.iter().find(|fact| fact["key"] == key).map_or(Value::Null, |fact| fact["value"].clone())
}
