//! Whatever is wrong with what golive is given has its message, its exit code, and changes nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::path::Path;

use support::{run, server, sqlite, while_open};

/// Nobody listens on this port of the loopback: it is the discard port.
const NOWHERE: &str = "mysql://golive:hunter2hunter2@127.0.0.1:9/app";

#[test]
fn a_source_that_cannot_be_used_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    sqlite(&here.join("app.db"));
    let mut bytes = std::fs::read(here.join("app.db")).unwrap();
    std::fs::write(
        here.join("note.txt"),
        "this is a note, and no database at all, whatever its name says it is",
    )
    .unwrap();
    for byte in &mut bytes[4096..] {
        *byte ^= 0x5a;
    }
    std::fs::write(here.join("corrupt.db"), &bytes).unwrap();
    // Pages that look random, without SQLite's own first bytes: what an encrypted database is from outside.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let random: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    })
    .take(16 * 4096)
    .collect();
    std::fs::write(here.join("encrypted.db"), random).unwrap();
    for (source, code, word) in [
        ("missing.db", 2, "find the SQLite file"),
        (".", 2, "not a regular file"),
        ("note.txt", 2, "not an SQLite 3 database"),
        ("corrupt.db", 2, "corrupt.db"),
        ("encrypted.db", 2, "encrypted"),
    ] {
        let ended = run(here, "", &["migrate", "survey", "--source", source]).with(code);
        ended.says(&["golive failed to ", word]);
        assert!(ended.stdout.is_empty(), "an error is no document");
    }
}

#[test]
fn a_source_that_somebody_writes_to_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    sqlite(&here.join("app.db"));
    let ended = while_open(&here.join("app.db"), "BEGIN EXCLUSIVE; UPDATE users SET role = 'x'", || {
        run(here, "", &["migrate", "survey", "--source", "app.db"])
    });
    ended.with(12).says(&["app.db", "stop"]);
    run(here, "", &["migrate", "survey", "--source", "app.db"]).with(0);
}

#[test]
fn a_wrong_golive_toml_or_command_is_a_usage_error() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    std::fs::write(here.join("golive.toml"), "[application]\nname = \"x\"\n[acounts]\ntable = \"user\"\n")
        .unwrap();
    run(here, "", &["doctor"]).with(2).says(&["golive.toml", "acounts"]);
    run(here, "", &["migrate", "survey"]).with(2);
    run(here, "", &["frobnicate"]).with(2);
    std::fs::remove_file(here.join("golive.toml")).unwrap();
    run(here, "", &["migrate", "survey"]).with(2).says(&["--source FILE", "[source]"]);
    run(here, "", &["migrate", "run", "--source", "app.db"]).with(2).says(&["--target", "[target]"]);
    let unset = ["migrate", "verify", "--source", "app.db", "--target", "env:GOLIVE_TEST_UNSET"];
    run(here, "", &unset).with(2).says(&["GOLIVE_TEST_UNSET"]);
    run(here, "", &["backup", "list"]).with(2).says(&["golive backup create"]);
    run(here, "", &["accounts", "scan", "--target", "env:TARGET"]).with(2).says(&["golive init"]);
}

#[test]
fn a_target_that_cannot_be_used_says_why_and_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    sqlite(&here.join("app.db"));
    let mariadb = server();
    mariadb.create_database("used").unwrap();
    mariadb
        .execute("CREATE TABLE used.theirs (id INT PRIMARY KEY); INSERT INTO used.theirs VALUES (1)")
        .unwrap();
    mariadb
        .execute("CREATE USER weak@'%' IDENTIFIED BY 'weakweakweak1'; GRANT SELECT ON app.* TO weak@'%'")
        .unwrap();
    let weak = format!("mysql://weak:weakweakweak1@127.0.0.1:{}/app", mariadb.port());

    let ended = migrate(here, NOWHERE).with(12);
    ended.says(&["127.0.0.1:9", "reach"]);
    assert!(!ended.all().contains("hunter2"));
    migrate(here, "postgres://a:b@127.0.0.1/app").with(2).says(&["mysql://"]);
    migrate(here, &mariadb.url("absent")).with(12).says(&["absent", "CREATE DATABASE"]);
    migrate(here, &weak).with(2).says(&["lacks", "GRANT"]);
    migrate(here, &mariadb.url("used")).with(2).says(&["not empty", "theirs", "drop and create"]);
    let tables = mariadb
        .execute("SELECT table_name FROM information_schema.tables WHERE table_schema IN ('used', 'app')");
    assert_eq!(tables.unwrap().trim(), "theirs", "what was refused is unchanged");
    let scan = run(here, NOWHERE, &["db", "review", "--target", "env:TARGET"]).with(12);
    assert!(!scan.all().contains("hunter2"));
}

fn migrate(here: &Path, target: &str) -> support::Ended {
    run(here, target, &["migrate", "run", "--source", "app.db", "--target", "env:TARGET"])
}
