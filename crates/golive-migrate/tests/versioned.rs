//! Versioned migrations from files, on a real server: the lock, the journal, what a half-run leaves, waiting for locks.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use golive_migrate::{
    Effect, Migrations, Resolution, Standing, VersionedError, VersionedOptions, VersionedRun,
    schema_baseline, schema_down, schema_status, schema_up,
};
use golive_sandbox::MariaDb;
use support::server;

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

fn read(folder: &Path) -> Migrations {
    Migrations::read(folder).unwrap_or_else(|error| panic!("{error}"))
}

fn options(db: &MariaDb) -> VersionedOptions {
    VersionedOptions::new(db.url("app").into())
}

async fn up(folder: &Path, options: &VersionedOptions) -> VersionedRun {
    schema_up(&read(folder), options, &|_| {}).await.unwrap_or_else(|error| panic!("{error:?}"))
}

fn ids(findings: &[golive_migrate::VersionedFinding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.id).collect()
}

fn count(db: &MariaDb, sql: &str) -> i64 {
    db.execute(sql).unwrap().trim().parse().unwrap()
}

const USERS: &str =
    "CREATE TABLE users (id INT PRIMARY KEY, name VARCHAR(50));\nINSERT INTO users VALUES (1, 'a;b');\n";

#[tokio::test(flavor = "multi_thread")]
async fn up_down_up_with_triggers_and_one_of_each_at_a_time() {
    let (db, folder) = (server(), tempfile::tempdir().unwrap());
    let here = folder.path();
    write(here, "0001_users.up.sql", USERS);
    write(here, "0001_users.down.sql", "DROP TABLE users;");
    write(
        here,
        "0002_log.up.sql",
        "CREATE TABLE log (id INT AUTO_INCREMENT PRIMARY KEY, what TEXT);\nDELIMITER //\nCREATE TRIGGER users_log AFTER INSERT ON \
         users FOR EACH ROW BEGIN\n  INSERT INTO log (what) VALUES ('x;y');\nEND//\nDELIMITER ;\nSTART TRANSACTION;\n\
         INSERT INTO users VALUES (2, 'c');\nUPDATE users SET name = 'd' WHERE id = 1;\nCOMMIT;\n",
    );
    write(
        here,
        "0002_log.down.sql",
        "DROP TRIGGER users_log;\nDROP TABLE log;\nDELETE FROM users WHERE id = 2;\n",
    );
    let run = up(here, &options(&db)).await;
    assert!(run.is_done(), "{run:?}");
    assert_eq!(run.ran.len(), 2);
    assert_eq!(
        count(&db, "SELECT COUNT(*) FROM app.log"),
        1,
        "the trigger worked for the row of the same migration"
    );
    assert!(up(here, &options(&db)).await.ran.is_empty(), "a second run finds nothing to do");

    let down = schema_down(&read(here), &options(&db), &|_| {}).await.unwrap();
    assert_eq!(down.ran[0].name, "0002_log");
    let status = schema_status(&read(here), &options(&db)).await.unwrap();
    assert_eq!(status.pending().collect::<Vec<_>>(), ["0002_log"]);
    assert_eq!(status.newest().unwrap().name, "0001_users");
    assert!(up(here, &options(&db)).await.is_done());
    assert_eq!(count(&db, "SELECT COUNT(*) FROM app.users"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_at_once_apply_a_data_migration_once() {
    let (db, folder) = (server(), tempfile::tempdir().unwrap());
    write(
        folder.path(),
        "1_data.up.sql",
        "CREATE TABLE t (a INT);\nINSERT INTO t SELECT 1 FROM (SELECT SLEEP(1)) s;\n",
    );
    let mut options = options(&db);
    options.lock_patience = Duration::from_secs(60);
    let (one, two) = tokio::join!(up(folder.path(), &options), up(folder.path(), &options));
    assert!(one.is_done() && two.is_done());
    assert_eq!(one.ran.len() + two.ran.len(), 1, "one of them did it, the other found it done");
    assert_eq!(count(&db, "SELECT COUNT(*) FROM app.t"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_that_does_not_wait_is_refused() {
    let (db, folder) = (server(), tempfile::tempdir().unwrap());
    write(folder.path(), "1_slow.up.sql", "CREATE TABLE t (a INT);\nINSERT INTO t SELECT SLEEP(3);\n");
    let options = options(&db);
    let (migrations, first) = (read(folder.path()), options.clone());
    let running = tokio::spawn(async move { schema_up(&migrations, &first, &|_| {}).await });
    wait_until(
        &db,
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'INSERT INTO t%'",
        1,
    )
    .await;
    let mut second = options.clone();
    second.lock_patience = Duration::ZERO;
    let refused = schema_up(&read(folder.path()), &second, &|_| {}).await.unwrap_err();
    assert!(matches!(refused, VersionedError::AnotherRun { .. }), "{refused:?}");
    assert!(running.await.unwrap().unwrap().is_done());
}

async fn wait_until(db: &MariaDb, sql: &str, at_least: i64) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while count(db, sql) < at_least {
        assert!(Instant::now() < deadline, "`{sql}` never came to {at_least}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_failed_halfway_is_told_and_taken_up_after_it_was_mended() {
    let (db, folder) = (server(), tempfile::tempdir().unwrap());
    let here = folder.path();
    write(
        here,
        "1_a.up.sql",
        &format!("{USERS}ALTER TABLE users ADD COLUMN name INT;\nCREATE TABLE late (a INT);\n"),
    );
    let run = up(here, &options(&db)).await;
    let stopped = run.stopped.unwrap();
    assert_eq!((stopped.statement, stopped.line, stopped.effect), (3, Some(3), Effect::NotDone));
    assert!(stopped.reason.contains("1060"), "{stopped:?}");

    let status = schema_status(&read(here), &options(&db)).await.unwrap();
    let half = status.half().unwrap().half.clone().unwrap();
    assert_eq!((half.statement, half.statements, half.changed), (3, Some(4), vec!["table users".to_owned()]));
    assert_eq!(ids(&status.findings), ["SCH-HALF-RUN"]);

    // Its statements that are done may not change, the rest may.
    write(here, "1_a.up.sql", "CREATE TABLE users (id INT PRIMARY KEY, name VARCHAR(50));\n");
    assert_eq!(ids(&up(here, &options(&db)).await.findings), ["SCH-HALF-EDITED"]);
    write(here, "1_a.up.sql", "CREATE TABLE other (id INT);\nINSERT INTO users VALUES (9, 'z');\n");
    assert_eq!(ids(&up(here, &options(&db)).await.findings), ["SCH-HALF-EDITED"]);
    write(
        here,
        "1_a.up.sql",
        &format!("{USERS}ALTER TABLE users ADD COLUMN age INT;\nCREATE TABLE late (a INT);\n"),
    );
    let run = up(here, &options(&db)).await;
    assert!(run.is_done(), "{run:?}");
    assert_eq!(run.ran[0].resumed_after, 2);
    assert_eq!(count(&db, "SELECT COUNT(*) FROM app.users"), 1, "the row was not inserted again");
    assert!(schema_status(&read(here), &options(&db)).await.unwrap().findings.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_in_the_servers_message_is_not_told() {
    let (db, folder) = (server(), tempfile::tempdir().unwrap());
    let text = "CREATE TABLE t (a VARCHAR(50) UNIQUE);\nINSERT INTO t VALUES ('planted-value'), ('planted-value');\n";
    write(folder.path(), "1_a.up.sql", text);
    let run = up(folder.path(), &options(&db)).await;
    let told = format!("{run:?}");
    assert!(told.contains("1062") && !told.contains("planted-value"), "{told}");
    assert_eq!(count(&db, "SELECT COUNT(*) FROM app.t"), 0, "a refused statement on rows leaves none");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_cut_in_a_statement_leaves_it_undone_and_the_next_run_goes_on() {
    let (db, folder) = (server(), tempfile::tempdir().unwrap());
    let here = folder.path();
    write(
        here,
        "1_a.up.sql",
        "CREATE TABLE t (a INT);\nINSERT INTO t SELECT SLEEP(60);\nCREATE TABLE u (a INT);\n",
    );
    let (migrations, first) = (read(here), options(&db));
    let running = tokio::spawn(async move { schema_up(&migrations, &first, &|_| {}).await });
    let busy = "FROM information_schema.PROCESSLIST WHERE INFO LIKE 'INSERT INTO t%'";
    wait_until(&db, &format!("SELECT COUNT(*) {busy}"), 1).await;
    let id = count(&db, &format!("SELECT ID {busy}"));
    db.execute(&format!("KILL CONNECTION {id}")).unwrap();
    running.await.unwrap().unwrap_err();
    let status = schema_status(&read(here), &options(&db)).await.unwrap();
    let half = status.half().unwrap().half.clone().unwrap();
    assert_eq!((half.statement, half.effect), (2, Effect::NotDone));

    write(
        here,
        "1_a.up.sql",
        "CREATE TABLE t (a INT);\nINSERT INTO t SELECT SLEEP(0);\nCREATE TABLE u (a INT);\n",
    );
    assert_eq!(up(here, &options(&db)).await.ran[0].resumed_after, 1);
    assert_eq!(count(&db, "SELECT COUNT(*) FROM app.t"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_the_mark_that_they_are_in_are_one() {
    let (db, folder) = (server(), tempfile::tempdir().unwrap());
    let here = folder.path();
    write(here, "1_a.up.sql", "CREATE TABLE t (a INT);");
    assert!(up(here, &options(&db)).await.is_done());
    // The run ends between the statement and its mark.
    db.execute(
        "CREATE TRIGGER app.no_mark BEFORE UPDATE ON app._golive_schema_statement FOR EACH ROW \
         SET NEW.state = IF(NEW.state = 'done', (SELECT 1 UNION SELECT 2), NEW.state)",
    )
    .unwrap();
    write(here, "2_b.up.sql", "INSERT INTO t VALUES (1);\nALTER TABLE t ADD b INT;\n");
    schema_up(&read(here), &options(&db), &|_| {}).await.unwrap_err();
    assert_eq!(count(&db, "SELECT COUNT(*) FROM app.t"), 0);
    db.execute("DROP TRIGGER app.no_mark").unwrap();
    let status = schema_status(&read(here), &options(&db)).await.unwrap();
    let half = status.half().unwrap().half.clone().unwrap();
    assert_eq!((half.statement, half.effect), (1, Effect::NotDone));
    assert!(up(here, &options(&db)).await.is_done());
    assert_eq!(count(&db, "SELECT COUNT(*) FROM app.t"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_took_effect_before_the_crash_is_not_run_again() {
    let (db, folder) = (server(), tempfile::tempdir().unwrap());
    let here = folder.path();
    write(here, "1_a.up.sql", "CREATE TABLE t (a INT);\nALTER TABLE t ADD b INT;\nCREATE TABLE u (a INT);\n");
    assert!(up(here, &options(&db)).await.is_done());
    // As a crash between the second statement and its mark leaves it.
    db.execute(
        "DROP TABLE app.u; UPDATE app._golive_schema_migration SET state = 'started'; \
         DELETE FROM app._golive_schema_statement WHERE number = 3; \
         UPDATE app._golive_schema_statement SET state = 'running' WHERE number = 2;",
    )
    .unwrap();
    let status = schema_status(&read(here), &options(&db)).await.unwrap();
    assert_eq!(status.half().unwrap().half.as_ref().unwrap().effect, Effect::Done);
    let run = up(here, &options(&db)).await;
    assert_eq!(run.ran[0].resumed_after, 2, "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_proven_waits_for_the_operators_word() {
    let (db, folder) = (server(), tempfile::tempdir().unwrap());
    let here = folder.path();
    db.execute("CREATE TABLE app.t (a INT); INSERT INTO app.t VALUES (1); CREATE PROCEDURE app.p() SIGNAL SQLSTATE '45000';")
        .unwrap();
    write(here, "1_a.up.sql", "CREATE TABLE u (a INT);\nCALL p();\nCREATE TABLE v (a INT);\n");
    assert_eq!(up(here, &options(&db)).await.stopped.unwrap().effect, Effect::Unknown);
    let barred = up(here, &options(&db)).await;
    assert_eq!(ids(&barred.findings), ["SCH-HALF-RUN"]);
    assert!(barred.findings[0].remedy.contains("--resolve"), "{barred:?}");
    let mut said = options(&db);
    said.resolution = Some(Resolution::StatementDone);
    assert!(up(here, &said).await.is_done());
    assert_eq!(
        count(
            &db,
            "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'app' AND TABLE_NAME = 'v'"
        ),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_a_missing_and_a_late_migration_bar_a_run_until_accepted() {
    let (db, folder) = (server(), tempfile::tempdir().unwrap());
    let here = folder.path();
    write(here, "1_a.up.sql", "CREATE TABLE a (x INT);");
    write(here, "3_c.up.sql", "CREATE TABLE c (x INT);");
    assert!(up(here, &options(&db)).await.is_done());
    write(here, "1_a.up.sql", "CREATE TABLE a (x INT);\r\n");
    assert!(up(here, &options(&db)).await.is_done(), "line ends are no edit");

    write(here, "1_a.up.sql", "CREATE TABLE a (x BIGINT);");
    write(here, "2_b.up.sql", "CREATE TABLE b (x INT);");
    std::fs::remove_file(here.join("3_c.up.sql")).unwrap();
    let status = schema_status(&read(here), &options(&db)).await.unwrap();
    assert_eq!(ids(&status.findings), ["SCH-EDITED", "SCH-MISSING"]);
    write(here, "3_c.up.sql", "CREATE TABLE c (x INT);");
    assert_eq!(ids(&up(here, &options(&db)).await.findings), ["SCH-EDITED", "SCH-ORDER"]);
    let mut accepted = options(&db);
    accepted.accept = ["SCH-EDITED:1_a".to_owned(), "SCH-ORDER".to_owned()].into();
    assert!(up(here, &accepted).await.is_done());
    assert!(up(here, &options(&db)).await.is_done(), "what was accepted is the text now");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_transaction_is_waited_for_in_bounded_time_and_the_site_is_not_stalled() {
    let (db, folder) = (server(), tempfile::tempdir().unwrap());
    let here = folder.path();
    db.execute("CREATE TABLE app.t (id INT PRIMARY KEY); INSERT INTO app.t VALUES (1);").unwrap();
    write(here, "1_a.up.sql", "CREATE TABLE u (a INT);\nALTER TABLE t ADD COLUMN b INT;\n");
    let holder = golive_migrate::Target::connect(&golive_migrate::TargetOptions::new(db.url("app").into()))
        .await
        .unwrap();
    drop(holder);
    let (stop, release) = (std::sync::Arc::new(tokio::sync::Notify::new()), db.url("app"));
    let wait = std::sync::Arc::clone(&stop);
    let held = tokio::spawn(async move { hold(&release, &wait).await });
    wait_until(&db, "SELECT COUNT(*) FROM information_schema.INNODB_TRX", 1).await;

    let mut options = options(&db);
    (options.tries, options.pause) = (3, Duration::from_millis(200));
    let site = {
        let url = db.url("app");
        tokio::spawn(async move { longest_read(&url, Duration::from_secs(4)).await })
    };
    let began = Instant::now();
    let given_up = schema_up(&read(here), &options, &|_| {}).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    let VersionedError::LockWait { statement, blockers, .. } = &given_up else { panic!("{given_up:?}") };
    assert_eq!(*statement, 2);
    assert!(blockers.contains("an open transaction"), "{blockers}");
    let longest = site.await.unwrap();
    assert!(longest < Duration::from_millis(2500), "a read of the site waited {longest:?}");
    assert_eq!(
        schema_status(&read(here), &options).await.unwrap().half().unwrap().standing,
        Standing::HalfRun
    );

    stop.notify_one();
    held.await.unwrap();
    let run = up(here, &options).await;
    assert_eq!(run.ran[0].resumed_after, 1, "{run:?}");
}

/// Reads a row in a transaction that stays open until it is told to end.
async fn hold(url: &str, end: &tokio::sync::Notify) {
    use sea_orm::sqlx::{Connection, MySqlConnection, raw_sql};
    let mut connection = MySqlConnection::connect(url).await.unwrap();
    raw_sql("START TRANSACTION; SELECT * FROM t;").execute(&mut connection).await.unwrap();
    end.notified().await;
    raw_sql("COMMIT").execute(&mut connection).await.unwrap();
}

/// The longest that a read by primary key took while it was made again and again.
async fn longest_read(url: &str, during: Duration) -> Duration {
    use sea_orm::sqlx::{Connection, MySqlConnection, raw_sql};
    let mut connection = MySqlConnection::connect(url).await.unwrap();
    let (began, mut longest) = (Instant::now(), Duration::ZERO);
    while began.elapsed() < during {
        let read = Instant::now();
        raw_sql("SELECT * FROM t WHERE id = 1").execute(&mut connection).await.unwrap();
        longest = longest.max(read.elapsed());
    }
    longest
}

#[tokio::test(flavor = "multi_thread")]
async fn a_baseline_counts_without_running() {
    let (db, folder) = (server(), tempfile::tempdir().unwrap());
    let here = folder.path();
    db.execute("CREATE TABLE app.a (x INT);").unwrap();
    write(here, "0001_a.up.sql", "CREATE TABLE a (x INT);");
    write(here, "0002_b.up.sql", "CREATE TABLE b (x INT);");
    let run = schema_baseline(&read(here), &options(&db), "1").await.unwrap();
    assert_eq!(run.recognized, ["0001_a"]);
    assert_eq!(up(here, &options(&db)).await.ran[0].name, "0002_b");
    let refused = schema_baseline(&read(here), &options(&db), "7").await.unwrap_err();
    assert!(matches!(refused, VersionedError::NoSuchMigration { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_way_back_or_with_an_open_transaction_nothing_is_guessed() {
    let (db, folder) = (server(), tempfile::tempdir().unwrap());
    let here = folder.path();
    write(here, "1_a.up.sql", "CREATE TABLE t (a INT);");
    assert!(up(here, &options(&db)).await.is_done());
    let down = schema_down(&read(here), &options(&db), &|_| {}).await.unwrap();
    assert_eq!(ids(&down.findings), ["SCH-NO-DOWN"]);
    write(here, "2_b.up.sql", "START TRANSACTION;\nINSERT INTO t VALUES (1);\n");
    let stopped = up(here, &options(&db)).await.stopped.unwrap();
    assert!(stopped.reason.contains("COMMIT"), "{stopped:?}");
    assert_eq!(count(&db, "SELECT COUNT(*) FROM app.t"), 0);
    write(here, "2_b.up.sql", "START TRANSACTION;\nINSERT INTO t VALUES (1);\nCOMMIT;\n");
    assert!(up(here, &options(&db)).await.is_done());
    assert_eq!(count(&db, "SELECT COUNT(*) FROM app.t"), 1);
}
