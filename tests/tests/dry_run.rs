//! Planning changes nothing: the target, Redis, the source and the folder are the same before and after.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use golive_sandbox::{MariaDb, MariaDbOptions, ProcessSpec, Redis, RedisOptions, Sink, run_to_end};
use golive_tests::{Document, Platform, seconds};

/// Every file below a folder, with its size and when it last changed.
fn files(folder: &Path) -> BTreeMap<PathBuf, (u64, SystemTime)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let about = entry.metadata().unwrap();
            if is_left_by_sqlite(&entry.path(), about.len()) {
                continue;
            }
            match about.is_dir() {
                // Its entries are looked at; its time changes also when something was made and taken away again.
                true => folders.push(entry.path()),
                false => drop(found.insert(entry.path(), (about.len(), about.modified().unwrap()))),
            }
        }
    }
    found
}

/// Whoever reads a database in WAL mode needs these, and SQLite lets only a writer take them away.
fn is_left_by_sqlite(path: &Path, length: u64) -> bool {
    path.extension().is_some_and(|end| end == "db-shm" || (end == "db-wal" && length == 0))
}

fn dump(server: &MariaDb) -> String {
    let file = format!("--defaults-file={}", server.client_file().unwrap().display());
    let words =
        [&file, "--all-databases", "--skip-comments", "--events", "--routines", "--ignore-database=mysql"];
    let ended = run_to_end(ProcessSpec::new("mariadb-dump").arguments(words), seconds(60)).unwrap();
    assert!(ended.status.success(), "{}", ended.errors);
    assert!(ended.output.contains("`app`"), "{}", ended.output);
    ended.output
}

/// How many keys Redis holds, asked on a bare connection.
fn keys(redis: &Redis) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", redis.port())).unwrap();
    let words = format!("AUTH {}\r\nDBSIZE\r\nQUIT\r\n", redis.url().split([':', '@']).nth(2).unwrap());
    stream.write_all(words.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let lines: Vec<&str> = answer.lines().collect();
    assert_eq!((lines[0], lines[2]), ("+OK", "+OK"), "{answer}");
    lines[1].to_owned()
}

#[test]
fn heavy_planning_a_run_changes_neither_servers_nor_source_nor_folder() {
    let mut platform = Platform::demo();
    let source = platform.path("app.db");
    let source_words = source.to_str().unwrap().to_owned();
    platform.seed(&source);
    platform.set(&["source", "sqlite"], "app.db");
    let mut options = MariaDbOptions::new();
    options.databases = vec!["app".to_owned()];
    let database = MariaDb::start(&options).unwrap();
    let mut options = RedisOptions::new();
    options.append_only = true;
    let redis = Redis::start(&options).unwrap();
    let sink = Sink::start().unwrap();
    platform.variable("GOLIVE_TARGET_URL", &database.url("app"));
    platform.variable("GOLIVE_REDIS_URL", &redis.url());
    platform.variable("SENTRY_DSN", &format!("http://key@127.0.0.1:{}/1", sink.port()));
    platform.variable("ALERT_WEBHOOK_URL", &format!("http://127.0.0.1:{}/alerts", sink.port()));
    let (target, bytes, folder) = (dump(&database), std::fs::read(&source).unwrap(), files(platform.root()));
    for command in [
        &["plan", "--format", "json"][..],
        &["run", "--dry-run", "--format", "json"],
        &["run", "--dry-run", "--yes", "--format", "json", "--source", &source_words],
    ] {
        let ended = platform.golive(command).expect_code(0);
        let report = Document::of(&ended);
        let copy = report.steps().iter().find(|step| step["id"] == "copy").unwrap();
        assert_eq!(copy["status"], "planned", "{ended}");
        assert!(copy["plan"].as_array().unwrap().len() >= 45, "{copy}");
        assert_eq!(dump(&database), target, "`{}` changed the target", ended.command);
        assert_eq!(std::fs::read(&source).unwrap(), bytes, "`{}` changed the source", ended.command);
        assert_eq!(files(platform.root()), folder, "`{}` left something behind", ended.command);
        assert_eq!(keys(&redis), ":0", "`{}` wrote to Redis", ended.command);
        assert!(sink.received().is_empty(), "`{}` sent something", ended.command);
    }
}

#[test]
fn a_rehearsal_s_dry_run_lists_the_steps_and_starts_nothing() {
    let platform = Platform::demo();
    let before = files(platform.root());
    let ended = platform.golive(&["rehearse", "--dry-run", "--format", "json"]).expect_code(0);
    let listed = Document::of(&ended);
    let ids: Vec<&str> = listed.steps().iter().filter_map(|step| step["id"].as_str()).collect();
    assert!(ids.len() >= 30 && ids.contains(&"copy") && ids.contains(&"ci"), "{ids:?}");
    assert_eq!(files(platform.root()), before, "nothing was to change");
    let text = platform.golive(&["rehearse", "--dry-run"]).expect_code(0).stdout;
    for id in ids {
        assert!(text.lines().any(|line| line.starts_with(id)), "{id} is not in the text: {text}");
    }
    assert_eq!(files(platform.root()), before, "nothing was to change");
}
