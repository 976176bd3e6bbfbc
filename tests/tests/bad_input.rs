//! What golive says to input that it cannot use: one clear message with the next action, and nothing changed.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use golive_sandbox::{MariaDb, MariaDbOptions};
use golive_tests::{Document, Ended, Platform};

/// The operator is told by name what is wrong and what to do, in few words, and no run is left behind.
#[track_caller]
fn refused(ended: Ended, code: i32, says: &[&str]) {
    let ended = ended.expect_code(code);
    for word in says {
        assert!(ended.stderr.contains(word), "does not say `{word}`: {ended}");
    }
    assert!(ended.stderr.lines().count() <= 12, "too long: {ended}");
    assert!(!ended.stderr.contains("panicked"), "{ended}");
}

/// The steps that could not look, with what they said.
fn errors(ended: &Ended) -> Vec<(String, String)> {
    let report = Document::of(ended);
    let broken = report.steps().iter().filter(|step| !step["error"].is_null());
    broken.map(|step| (text(&step["id"]), text(&step["error"]))).collect()
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[test]
fn an_unknown_key_in_golive_toml_is_named_with_its_line() {
    let platform = Platform::demo();
    platform.set(&["acounts", "table"], "user");
    for command in [&["rehearse"][..], &["plan"], &["run", "--yes"], &["gate"]] {
        refused(platform.golive(command), 2, &["golive.toml", "acounts", "line"]);
    }
    assert!(!platform.runs().exists(), "nothing was to change");
}

#[test]
fn no_golive_toml_says_how_to_get_one() {
    let platform = Platform::empty();
    refused(platform.golive(&["rehearse"]), 2, &["golive.toml", "golive init"]);
    assert!(!platform.runs().exists(), "nothing was to change");
}

#[test]
fn an_unknown_step_is_refused_before_anything_starts() {
    let platform = Platform::demo();
    for flag in ["--only", "--from"] {
        refused(platform.golive(&["rehearse", flag, "cofee"]), 2, &["cofee", "golive plan"]);
    }
    assert!(!platform.runs().join("rehearsals").exists(), "nothing was to change");
}

#[test]
fn nothing_to_resume_says_how_to_begin() {
    let platform = Platform::demo();
    refused(platform.golive(&["rehearse", "--resume"]), 2, &["resume", "without `--resume`"]);
    assert!(!platform.runs().join("rehearsals").exists(), "nothing was to change");
}

#[test]
fn an_unset_address_is_named() {
    let platform = Platform::demo();
    for command in [&["plan"][..], &["run", "--yes"]] {
        refused(platform.golive(command), 2, &["GOLIVE_TARGET_URL", "set it"]);
    }
    assert!(!platform.runs().exists(), "nothing was to change");
}

#[test]
fn a_run_is_not_begun_without_a_yes() {
    let mut platform = Platform::demo();
    platform.variable("GOLIVE_TARGET_URL", "mysql://nobody:nothing@127.0.0.1:1/nowhere");
    platform.variable("GOLIVE_REDIS_URL", "redis://:nothing@127.0.0.1:1/0");
    refused(platform.golive(&["run"]), 2, &["--yes", "golive plan"]);
    assert!(!platform.runs().exists(), "nothing was to change");
}

/// Each source that is none, rehearsed: the survey says what it is, nothing is copied, and the source stays as it was.
#[test]
fn heavy_a_source_that_is_no_database_is_told_by_what_it_is() {
    let platform = Platform::empty();
    let missing = platform.path("missing.db");
    let words = platform.path("words.db");
    std::fs::write(&words, "once upon a time ".repeat(400)).unwrap();
    let empty = platform.path("empty.db");
    std::fs::write(&empty, "").unwrap();
    let corrupt = platform.path("corrupt.db");
    std::fs::write(&corrupt, corrupted()).unwrap();
    for (source, says) in
        [(&missing, "missing.db"), (&words, "not an SQLite"), (&empty, "empty"), (&corrupt, "corrupt")]
    {
        let before = std::fs::read(source).ok();
        let ended = platform.golive(&["rehearse", "--format", "json", "--source", source.to_str().unwrap()]);
        assert!(matches!(ended.code, Some(2 | 12)), "{ended}");
        let said =
            if ended.stdout.is_empty() { ended.stderr.clone() } else { format!("{:?}", errors(&ended)) };
        assert!(said.to_lowercase().contains(&says.to_lowercase()), "does not say `{says}`: {said}\n{ended}");
        assert_eq!(std::fs::read(source).ok(), before, "{} was changed", source.display());
        assert_eq!(golive_tests::leftovers(platform.root()), [], "something still runs");
    }
}

/// A database whose pages were overwritten in the middle.
fn corrupted() -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut sql = String::from("CREATE TABLE t (id INTEGER PRIMARY KEY, words TEXT NOT NULL);\n");
    for number in 0..2000 {
        sql += &format!("INSERT INTO t VALUES ({number}, 'some words that fill pages {number}');\n");
    }
    golive_tests::sqlite(file.path(), &sql);
    let mut bytes = std::fs::read(file.path()).unwrap();
    assert!(bytes.len() > 40_000);
    bytes[12_000..20_000].fill(0x5a);
    bytes
}

#[test]
fn heavy_a_target_that_cannot_be_used_is_told_and_left_alone() {
    let mut platform = Platform::demo();
    let source = platform.path("app.db");
    golive_tests::sqlite(
        &source,
        "CREATE TABLE note (id INTEGER PRIMARY KEY, words TEXT NOT NULL); INSERT INTO note VALUES (1, 'x');",
    );
    platform.set(&["source", "sqlite"], "app.db");
    // What has nothing to do with the target only takes time here.
    platform.edit(|config| drop(config.remove("ci")));
    platform.variable("GOLIVE_REDIS_URL", "redis://:nothing@127.0.0.1:1/0");
    platform.variable("SENTRY_DSN", "http://key@127.0.0.1:1/1");
    platform.variable("ALERT_WEBHOOK_URL", "http://127.0.0.1:1/alerts");
    // Nobody listens.
    platform.variable("GOLIVE_TARGET_URL", "mysql://golive:s3cretpassword@127.0.0.1:1/app");
    let ended = platform.golive(&["run", "--yes", "--format", "json"]).expect_code(12);
    assert!(
        ended.stderr.contains("127.0.0.1:1") && ended.stderr.lines().count() == 2,
        "what and why: {ended}"
    );
    assert!(!format!("{}{}", ended.stdout, ended.stderr).contains("s3cretpassword"), "{ended}");
    // Somebody else's table is there.
    let mut options = MariaDbOptions::new();
    options.databases = vec!["app".to_owned()];
    let server = MariaDb::start(&options).unwrap();
    server.execute("CREATE TABLE app.note (id INT PRIMARY KEY); INSERT INTO app.note VALUES (7)").unwrap();
    platform.variable("GOLIVE_TARGET_URL", &server.url("app"));
    let before = server.execute(WHOLE).unwrap();
    for verb in [&["run", "--yes"][..], &["plan"]] {
        let ended = platform.golive(verb).expect_code(2);
        let said = &ended.stderr;
        assert!(said.contains("note") && said.contains("empty"), "does not say what is in the way: {ended}");
    }
    assert_eq!(server.execute(WHOLE).unwrap(), before, "a target in use was changed");
}

const WHOLE: &str =
    "SELECT table_name FROM information_schema.tables WHERE table_schema = 'app'; SELECT * FROM app.note";
