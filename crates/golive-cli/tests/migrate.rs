//! A migration from end to end by the built binary, on a real MariaDB.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::time::{Duration, Instant};

use support::{PLANTED, golive, run, server, sqlite, while_open};

const RUN: [&str; 6] = ["migrate", "run", "--source", "app.db", "--target", "env:TARGET"];
const VERIFY: [&str; 6] = ["migrate", "verify", "--source", "app.db", "--target", "env:TARGET"];

#[test]
fn one_changed_cell_is_named_by_table_key_and_column_and_bars_the_switch() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    sqlite(&here.join("app.db"));
    let mariadb = server();
    let (url, password) = (mariadb.url("app"), password(&mariadb.url("app")));

    let first = run(here, &url, &[&RUN[..], &["--format", "json"]].concat()).with(0);
    assert_eq!(first.json()["verdict"], "match");
    assert_eq!(first.json()["copy"]["rows"], 6);
    let again = run(here, &url, &RUN).with(0);
    again.says(&["verdict      match", "3 tables", "6 rows"]);

    mariadb.execute("UPDATE app.piece SET label = 'changed-by-hand' WHERE id = 7").unwrap();
    let text = run(here, &url, &VERIFY).with(10);
    text.says(&["mismatch", "piece", "key id=7", "column label"]);
    let document = run(here, &url, &[&VERIFY[..], &["--format", "json"]].concat()).with(10);
    let json = document.json();
    assert_eq!(json["verdict"], "mismatch");
    let table = json["tables"].as_array().unwrap().iter().find(|table| table["name"] == "piece").unwrap();
    assert_eq!(table["mismatches"][0]["column"], "label");
    assert!(table["mismatches"][0]["key"].as_str().unwrap().contains('7'));

    let refused = run(here, &url, &switch()).with(10);
    refused.says(&["not switched"]);
    assert!(!here.join("state.json").exists(), "a refused switch writes nothing");

    mariadb.execute(&format!("UPDATE app.piece SET label = '{PLANTED}' WHERE id = 7")).unwrap();
    let switched = run(here, &url, &switch()).with(0);
    let state = std::fs::read_to_string(here.join("state.json")).unwrap();
    assert!(state.contains("mariadb") && !state.contains(&password));
    let status = [&["migrate", "status"], &VERIFY[2..], &["--state", "state.json"]].concat();
    run(here, &url, &status).with(0).says(&["says MariaDB"]);
    for ended in [first, again, text, document, refused, switched] {
        for secret in [password.as_str(), PLANTED, "changed-by-hand"] {
            assert!(!ended.all().contains(secret), "`{secret}` was shown");
        }
    }
}

#[test]
fn a_second_switch_records_nothing_anew_and_a_switch_back_says_what_would_be_lost() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    sqlite(&here.join("app.db"));
    let mariadb = server();
    let url = mariadb.url("app");
    run(here, &url, &RUN).with(0).says(&["next         golive migrate switch"]);
    run(here, &url, &switch()).with(0).says(&["state.json says MariaDB", "next    restart the application"]);
    let against = [&VERIFY[..], &["--against", "recorded", "--format", "json"]].concat();
    let recorded_at = || run(here, &url, &against).json()["recorded_at"].clone();
    let first = recorded_at();
    run(here, &url, &switch()).with(0);
    assert_eq!(recorded_at(), first, "what was recorded at the switch stands");

    mariadb.execute("UPDATE app.piece SET label = 'of today' WHERE id = 7").unwrap();
    run(here, &url, &switch()).with(10).says(&["not switched again", "moved on", "--back"]);
    let back = [&switch()[..], &["--back", "--reason", "slow"]].concat();
    run(here, &url, &back).with(10).says(&["1 changed", "--dangerous-accept-loss 1"]);
    let lossy = [&back[..], &["--dangerous-accept-loss", "1"]].concat();
    let went = run(here, &url, &lossy).with(0);
    went.says(&[
        "state.json says SQLite",
        "left: MariaDB at",
        "why: slow",
        "restart the application on the SQLite",
    ]);
    assert!(!went.stdout.contains("SQLite at"), "SQLite is not at the server: {}", went.stdout);
}

#[test]
fn equal_cells_in_a_file_of_other_bytes_are_a_match_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    sqlite(&here.join("app.db"));
    let mariadb = server();
    let url = mariadb.url("app");
    run(here, &url, &RUN).with(0);
    while_open(&here.join("app.db"), "CREATE TABLE passing (id); DROP TABLE passing", || {});
    run(here, &url, &VERIFY)
        .with(0)
        .says(&["verdict      match", "warning      the source is not byte for byte"]);
    run(here, &url, &[&VERIFY[..], &["--deny-warnings"]].concat()).with(11);
    while_open(&here.join("app.db"), "UPDATE piece SET label = 'written since' WHERE id = 7", || {});
    run(here, &url, &VERIFY).with(10).says(&["mismatch", "stop the application"]);
}

#[test]
fn a_run_that_was_killed_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    while_open(&here.join("app.db"), MANY_ROWS, || {});
    let mariadb = server();
    let mut child = golive(here).args(RUN).arg("--quiet").env("TARGET", mariadb.url("app")).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    // Killed as soon as the first rows are there, whatever this machine's speed.
    while mariadb.execute("SELECT 1 FROM app.many LIMIT 1").unwrap_or_default().is_empty() {
        assert!(
            Instant::now() < deadline && child.try_wait().unwrap().is_none(),
            "rows arrive before the end"
        );
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let before = count(&mariadb);
    assert!((1..300_000).contains(&before), "killed in the middle, with {before} rows");

    let ended = run(here, &mariadb.url("app"), &[&RUN[..], &["--format", "json"]].concat()).with(0);
    assert_eq!(ended.json()["copy"]["resumed"], true);
    assert_eq!(ended.json()["verdict"], "match");
    assert_eq!(count(&mariadb), 300_000);
}

fn count(mariadb: &golive_sandbox::MariaDb) -> u64 {
    mariadb.execute("SELECT COUNT(*) FROM app.many").unwrap().trim().parse().unwrap()
}

const MANY_ROWS: &str = "CREATE TABLE many (id INTEGER PRIMARY KEY, label TEXT, amount REAL);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)
    INSERT INTO many SELECT i, 'row number ' || i, i / 7.0 FROM n;";

#[test]
fn survey_and_plan_only_look() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    sqlite(&here.join("app.db"));
    let before = std::fs::read(here.join("app.db")).unwrap();
    let survey = run(here, "", &["migrate", "survey", "--source", "app.db", "--format", "json"]).with(0);
    assert_eq!(survey.json()["tables"].as_array().unwrap().len(), 3);
    assert!(survey.json()["findings"].is_array());
    let plan = run(here, "", &["migrate", "plan", "--source", "app.db"]).with(0);
    plan.says(&["tier  1: company", "CREATE TABLE IF NOT EXISTS `piece`", "FOREIGN KEY"]);
    assert_eq!(std::fs::read(here.join("app.db")).unwrap(), before);
    assert_eq!(std::fs::read_dir(here).unwrap().count(), 1, "looking leaves nothing behind");
}

fn switch() -> Vec<&'static str> {
    [&["migrate", "switch"], &VERIFY[2..], &["--state", "state.json"]].concat()
}

fn password(url: &str) -> String {
    url::Url::parse(url).unwrap().password().unwrap().to_owned()
}
