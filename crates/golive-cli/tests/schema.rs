//! Versioned migrations by the built binary, on a real MariaDB: as an operator runs them, and killed as one is.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use support::{golive, run, server};

fn write(here: &Path, name: &str, text: &str) {
    std::fs::create_dir_all(here.join("migrations")).unwrap();
    std::fs::write(here.join("migrations").join(name), text).unwrap();
}

fn schema<'a>(words: &[&'a str]) -> Vec<&'a str> {
    [&["schema"], words, &["--target", "env:TARGET"]].concat()
}

const TABLE: &str =
    "CREATE TABLE t (id INT PRIMARY KEY, label VARCHAR(20));\nINSERT INTO t VALUES (1, 'planted-value');\n";

#[test]
fn a_schema_lives_through_new_status_up_down_and_check() {
    let folder = tempfile::tempdir().unwrap();
    let (here, mariadb) = (folder.path(), server());
    let url = mariadb.url("app");
    run(here, &url, &schema(&["status"])).with(12).says(&["migrations", "golive schema new NAME"]);
    run(here, &url, &["schema", "new", "First table"]).with(0).says(&["0001_first_table.up.sql"]);
    write(here, "0001_first_table.up.sql", TABLE);
    write(here, "0001_first_table.down.sql", "DROP TABLE t;\n");
    write(here, "0002_more.up.sql", "ALTER TABLE t ADD COLUMN more INT;\n");
    write(here, "0002_more.down.sql", "ALTER TABLE t DROP COLUMN more;\n");

    run(here, &url, &schema(&["status"]))
        .with(10)
        .says(&["pending    0001_first_table", "pending    0002_more"]);
    let dry = run(here, &url, &schema(&["up", "--dry-run"])).with(0);
    dry.says(&["ALTER TABLE t WAIT 1 ADD COLUMN more INT;", "nothing was changed"]);
    assert_eq!(mariadb.execute("SHOW TABLES IN app").unwrap(), "");

    let up = run(here, &url, &schema(&["up", "--format", "json"])).with(0);
    assert_eq!(up.json()["ran"].as_array().unwrap().len(), 2);
    run(here, &url, &schema(&["up"])).with(0).says(&["nothing to do"]);
    run(here, &url, &schema(&["status"])).with(0).says(&["applied    0002_more"]);

    run(here, &url, &schema(&["down"])).with(2).says(&["--yes"]);
    run(here, &url, &schema(&["down", "--yes"])).with(0).says(&["taken back 0002_more"]);
    let check = run(here, &url, &schema(&["check", "--format", "json"])).with(0);
    assert_eq!(
        (&check.json()["proof"]["applied"], &check.json()["lint"]["changes"][0]["class"]),
        (&2.into(), &"instant".into())
    );

    mariadb.execute("ALTER TABLE app.t ADD COLUMN by_hand INT").unwrap();
    run(here, &url, &schema(&["check"])).with(10).says(&["SCH-DRIFT", "column t.by_hand"]);
    let new = run(here, &url, &schema(&["new", "by hand", "--from-drift"])).with(0);
    new.says(&["0003_by_hand.up.sql", "--baseline 0003_by_hand"]);
    let text = std::fs::read_to_string(here.join("migrations/0003_by_hand.up.sql")).unwrap();
    assert!(text.contains("ADD COLUMN `by_hand` int(11)"), "{text}");
    assert!(!up.all().contains("planted-value") && !check.all().contains("planted-value"));
}

#[test]
fn an_edited_migration_and_a_refused_statement_are_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    let (here, mariadb) = (folder.path(), server());
    let url = mariadb.url("app");
    write(here, "0001_a.up.sql", TABLE);
    run(here, &url, &schema(&["up"])).with(0);
    write(here, "0002_b.up.sql", "CREATE TABLE b (id INT);\nINSERT INTO t VALUES (1, 'another-planted');\n");
    let stopped = run(here, &url, &schema(&["up"])).with(10);
    stopped.says(&["STOPPED    0002_b at statement 2, line 2: it did not take effect", "error 1062"]);
    assert!(!stopped.all().contains("another-planted"));
    let status = run(here, &url, &schema(&["status"])).with(10);
    status.says(&["HALF RUN   0002_b", "SCH-HALF-RUN", "table b"]);
    write(here, "0002_b.up.sql", "CREATE TABLE b (id INT);\nINSERT INTO t VALUES (2, 'x');\n");
    write(here, "0001_a.up.sql", "CREATE TABLE t (id BIGINT PRIMARY KEY);\n");
    run(here, &url, &schema(&["up"])).with(10).says(&["SCH-EDITED (error) 0001_a"]);
    run(here, &url, &schema(&["up", "--accept", "SCH-EDITED:0001_a"]))
        .with(0)
        .says(&["1 statements were done before"]);
    write(here, "0003_c.up.sql", "USE mysql;\n");
    run(here, &url, &schema(&["status"])).with(2).says(&["0003_c.up.sql at line 1"]);
    run(here, &url, &["explain", "SCH-EDITED"]).with(0).says(&["never edited"]);
}

#[test]
fn a_run_that_was_killed_is_told_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (here, mariadb) = (folder.path(), server());
    let url = mariadb.url("app");
    write(
        here,
        "0001_a.up.sql",
        "CREATE TABLE t (a INT);\nINSERT INTO t SELECT SLEEP(5);\nCREATE TABLE u (a INT);\n",
    );
    let mut child = golive(here).args(schema(&["up", "--quiet"])).env("TARGET", &url).spawn().unwrap();
    let busy = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'INSERT INTO t%'";
    let deadline = Instant::now() + Duration::from_secs(30);
    while mariadb.execute(busy).unwrap().trim() == "0" {
        assert!(
            Instant::now() < deadline && child.try_wait().unwrap().is_none(),
            "its second statement begins"
        );
    }
    // While it is at work, a second run is refused.
    run(here, &url, &schema(&["up", "--patience", "0"])).with(75).says(&["another run holds its lock"]);
    child.kill().unwrap();
    child.wait().unwrap();

    run(here, &url, &schema(&["status"])).with(10).says(&["HALF RUN   0001_a", "statement 2 of 3 (line 2)"]);
    let resumed = run(here, &url, &schema(&["up", "--patience", "60", "--format", "json"])).with(0);
    assert_eq!(resumed.json()["ran"][0]["resumed_after"], 1);
    assert_eq!(mariadb.execute("SELECT COUNT(*) FROM app.t").unwrap().trim(), "1");
    run(here, &url, &schema(&["status"])).with(0);
}

#[test]
fn without_a_target_check_proves_the_files_alone() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    write(here, "0001_a.up.sql", "CREATE TABLE a (x INT);\nCREATE TABLE b (x INT);\n");
    write(here, "0001_a.down.sql", "DROP TABLE a;\n");
    run(here, "", &["schema", "check"]).with(10).says(&["SCH-DOWN-LEAVES", "table b", "no target is named"]);
    write(here, "0001_a.down.sql", "DROP TABLE a, b;\n");
    std::fs::write(
        here.join("golive.toml"),
        "[application]\nname = \"x\"\n[schema]\ndirectory = \"migrations\"\n",
    )
    .unwrap();
    run(here, "", &["schema", "check"]).with(0).says(&["the same schema"]);
}
