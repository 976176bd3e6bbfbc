//! What a run may not leave behind or risk: server settings, connections, and a chunk that did not go in exactly.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod support;

use std::path::Path;

use golive_migrate::{CopyError, CopyOptions, Source, Target, TargetOptions, copy, create_schema};

const ROWS: &str = "CREATE TABLE big (id INTEGER PRIMARY KEY, name TEXT);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
    INSERT INTO big SELECT i, 'name ' || i FROM n;";

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_the_server_are_left_alone_and_no_connection_stays() {
    let folder = tempfile::tempdir().unwrap();
    let source = Source::open(&support::sqlite(folder.path(), ROWS)).unwrap();
    let db = support::server();
    // What the run itself moves is not a setting.
    let settings = "SELECT VARIABLE_NAME, VARIABLE_VALUE FROM information_schema.GLOBAL_VARIABLES \
        WHERE VARIABLE_NAME NOT IN ('GTID_BINLOG_POS', 'GTID_CURRENT_POS') ORDER BY 1";
    let before = db.execute(settings).unwrap();
    assert!(before.contains("UNIQUE_CHECKS\tON") && before.contains("FOREIGN_KEY_CHECKS\tON"));
    let target = support::target(&db).await;
    support::migrate(&source, &target, &CopyOptions::default()).await;
    assert_eq!(db.execute(settings).unwrap(), before);
    // The server takes a moment to notice a closed connection.
    let ours = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = 'app'";
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while support::number(&db, ours) > 0 {
        assert!(std::time::Instant::now() < until, "{}", db.execute("SHOW PROCESSLIST").unwrap());
        std::thread::yield_now();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_load_data_would_only_warn_of_rolls_its_chunk_back_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let source = Source::open(&support::sqlite(folder.path(), ROWS)).unwrap();
    let db = support::server();
    for infile in [true, false] {
        let mut how = TargetOptions::new(db.url("app").into());
        how.local_infile = infile;
        let target = Target::connect(&how).await.unwrap();
        let (_, plan) = support::plan_of_source(&source).await;
        create_schema(&target, &plan).await.unwrap();
        // Too narrow for `name 1000` and all after it: LOAD DATA LOCAL cuts them and goes on, strict mode or not.
        db.execute("ALTER TABLE app.big MODIFY name VARCHAR(8)").unwrap();
        let refused = copy(&source, &target, &plan, &CopyOptions::default(), &|_| {}).await;
        let Err(CopyError::RowRefused { table, key, code, .. }) = &refused else { panic!("{refused:?}") };
        assert_eq!((table.as_str(), key.as_str(), *code), ("big", "id=1000", 1406));
        assert_eq!(support::number(&db, "SELECT COUNT(*) FROM app.big"), 0, "nothing of the chunk stays");
        assert_eq!(support::number(&db, "SELECT COUNT(*) FROM app._golive_migrate_chunk"), 0);
        // A row that the server does not take without a word: a trigger gives all rows after 1500 one key.
        db.execute(
            "ALTER TABLE app.big MODIFY name LONGTEXT;
             CREATE TRIGGER app.late BEFORE INSERT ON app.big FOR EACH ROW SET NEW.id = LEAST(NEW.id, 1500)",
        )
        .unwrap();
        let refused = copy(&source, &target, &plan, &CopyOptions::default(), &|_| {}).await;
        let Err(CopyError::RowRefused { key, code, .. }) = &refused else { panic!("{refused:?}") };
        assert_eq!((key.as_str(), *code), ("id=1501", 1062));
        assert_eq!(support::number(&db, "SELECT COUNT(*) FROM app.big"), 0);
        db.execute("DROP TRIGGER app.late").unwrap();
        let report = copy(&source, &target, &plan, &CopyOptions::default(), &|_| {}).await.unwrap();
        assert_eq!(report.rows, 2000);
        db.execute("DROP DATABASE app; CREATE DATABASE app CHARACTER SET utf8mb4").unwrap();
    }
}

/// With `unique_checks = 0` InnoDB loads an empty table in bulk, and one bad row rolls back all good ones before it.
#[test]
fn no_statement_switches_unique_checks_off_or_changes_the_server() {
    let mut files = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    assert!(files.len() > 20);
    let mut on = 0;
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap().to_ascii_lowercase();
        let dense: String = text.split_whitespace().collect();
        on += dense.matches("unique_checks=1").count();
        for never in [
            "unique_checks=0",
            "unique_checks=off",
            "query_drop(\"setglobal",
            "query_drop(format!(\"setglobal",
        ] {
            assert!(!dense.contains(never), "{}: {never}", file.display());
        }
    }
    assert!(on >= 1, "every session says so");
}

fn collect(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}
