//! Lies that need a stage of their own: a schema that changes in the middle of the dump, a tool killed anywhere, a
//! clock a year back, a replica that stands still, files of another series, encrypted logs. Which test injects which
//! row of the table is in docs/backup-lies.md, and the last test here holds that page to the tests there are.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use golive_backup::{
    BackupOptions, CreateBackupError, Depth, Difference, Expectations, HealthFinding, PhysicalOptions,
    Progress, RestoreOptions, RestorePhysicalError, Retention, Server, Target, Tools, compare_restored,
    create_backup, create_physical, plan_prune, restore_backup, restore_physical, verify_backup,
};
use golive_sandbox::{MariaDb, MariaDbOptions, ProcessSpec, run_to_end};
use secrecy::{ExposeSecret, SecretString};

use crate::logged::{LEDGER, Logged, address, now, rows_at, until};
use crate::world::{World, execute, noon, server};

fn script(path: &Path, body: &str) {
    fs::write(path, format!("#!/bin/bash\nset -o pipefail\n{body}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A program in place of `mariadb-dump`, with bash for the status of a whole pipe.
fn with_dump(folder: &Path, database: &str, body: &str) -> BackupOptions {
    let path = folder.join("fake-dump");
    script(&path, &format!("if [ \"$1\" = --version ]; then exec mariadb-dump --version; fi\n{body}"));
    let mut options = BackupOptions::new(database);
    options.tools.dump = path;
    options
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_changed_in_the_middle_of_the_dump_spoils_it_with_every_statement() {
    let world = World::new("midway");
    let client = server().client_file().unwrap();
    let silent = Progress::silent();
    for statement in [
        "TRUNCATE TABLE zz_late",
        "ALTER TABLE zz_late ADD COLUMN more INT NOT NULL DEFAULT 7",
        "DROP TABLE zz_late",
        "CREATE TABLE zz_new LIKE zz_late; RENAME TABLE zz_late TO zz_old, zz_new TO zz_late",
    ] {
        execute(
            "USE midway; DROP TABLE IF EXISTS zz_late, zz_old; CREATE TABLE zz_late (id INT PRIMARY KEY); INSERT INTO zz_late VALUES (1)",
        );
        // The tool waits in its full pipe, far before the last table, until the statement is through.
        let body = format!(
            "mariadb-dump \"$@\" | {{ head -c 60000; mariadb --defaults-file={} midway -e '{statement}' >&2 && cat; }}",
            client.display()
        );
        let result = create_backup(
            &world.server,
            &world.repository,
            &with_dump(world.directory.path(), &world.database, &body),
            noon(0),
            &silent,
        )
        .await;
        assert!(
            matches!(result, Err(CreateBackupError::Tool(_) | CreateBackupError::SchemaChanged { .. })),
            "{statement}: {result:?}"
        );
        assert!(world.repository.list().unwrap().is_empty(), "{statement}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_changes_a_table_does_not_wait_for_the_end_of_the_backup() {
    let logged = Logged::new(
        "CREATE TABLE a_large (id INT PRIMARY KEY, v TEXT); \
         INSERT INTO a_large SELECT seq, REPEAT(SHA2(seq, 512), 10) FROM seq_1_to_2000; \
         CREATE TABLE zz_late (id INT PRIMARY KEY); INSERT INTO zz_late VALUES (1)",
    );
    let folder = tempfile::tempdir().unwrap();
    let (client, altered) = (logged.server.client_file().unwrap(), folder.path().join("altered"));
    // The tool stands in its full pipe, far before the last table; the server's own word was had long ago.
    let body = format!(
        "mariadb-dump \"$@\" | {{ head -c 60000; sleep 3; mariadb --defaults-file={} kpi -e \
         'SET SESSION lock_wait_timeout = 10; ALTER TABLE zz_late ADD COLUMN more INT' >&2 && touch '{}'; cat; }}",
        client.display(),
        altered.display()
    );
    let options = with_dump(folder.path(), "kpi", &body);
    let result = create_backup(&logged.url, &logged.repository, &options, noon(0), &Progress::silent()).await;
    assert!(altered.exists(), "it waited: {result:?}");
    assert!(
        matches!(result, Err(CreateBackupError::Tool(_) | CreateBackupError::SchemaChanged { .. })),
        "{result:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_view_fails_the_backup_and_is_named() {
    let world = World::new("broken");
    execute(
        "USE broken; CREATE TABLE gone (id INT); CREATE VIEW a_view AS SELECT id FROM gone; DROP TABLE gone",
    );
    let options = BackupOptions::new("broken");
    let refused =
        create_backup(&world.server, &world.repository, &options, noon(0), &Progress::silent()).await;
    let text = format!("{:?}", refused.unwrap_err());
    assert!(text.contains("a_view"), "{text}");
    assert!(world.repository.list().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_in_another_character_set_is_seen_by_its_content() {
    let world = World::new("garbled");
    let silent = Progress::silent();
    // With success, and a question mark for every letter that the set does not have.
    let options =
        with_dump(world.directory.path(), &world.database, "mariadb-dump \"${@/=utf8mb4/=latin1}\"");
    let manifest = create_backup(&world.server, &world.repository, &options, noon(0), &silent).await.unwrap();
    let copy = world.copy();
    let restore = RestoreOptions::new();
    restore_backup(&world.repository, &manifest.id, &world.server, &copy, &restore, &silent).await.unwrap();
    let compared = compare_restored(&manifest, &world.server, &copy, &silent).await.unwrap();
    let other = Difference::Content { table: "clients".into() };
    assert!(compared.differences.contains(&other), "{:?}", compared.differences);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_as_an_account_that_is_missing_is_named_after_a_restore() {
    let world = World::new("orphaned");
    execute(
        "CREATE USER author@localhost; GRANT ALL ON orphaned.* TO author@localhost; USE orphaned; \
         CREATE DEFINER = author@localhost VIEW by_author AS SELECT id FROM clients",
    );
    let silent = Progress::silent();
    let options = BackupOptions::new("orphaned");
    let manifest = create_backup(&world.server, &world.repository, &options, noon(0), &silent).await.unwrap();
    execute("DROP USER author@localhost");
    let (copy, restore) = (world.copy(), RestoreOptions::new());
    let report =
        restore_backup(&world.repository, &manifest.id, &world.server, &copy, &restore, &silent).await;
    assert_eq!(report.unwrap().missing_definers, ["author@localhost"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_those_that_the_server_says_it_writes_whatever_they_are_called() {
    let logged = Logged::with(LEDGER, &["log-basename=elsewhere"]);
    logged.back_up().await;
    logged.execute("INSERT INTO ledger (amount) VALUES (501 * 7)");
    logged.catch_up().await;
    assert_eq!(rows_at(&logged, Target::Latest).await, "501");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_killed_at_any_moment_leaves_no_backup_and_the_next_one_is_good() {
    let world = World::new("killed");
    let silent = Progress::silent();
    let real = BackupOptions::new("killed");
    let whole = create_backup(&world.server, &world.repository, &real, noon(0), &silent).await.unwrap();
    let bytes = whole.parts[0].plain_bytes;
    // Moments all over the dump, the first and the last byte among them, and some that differ with every run.
    let chance = u64::from(now().timestamp_subsec_nanos());
    let mut moments = vec![0, 1, bytes / 3, bytes - 1, bytes];
    moments.extend((1..=5).map(|turn| chance.wrapping_mul(turn * 7919) % bytes));
    for moment in moments {
        let body = format!("mariadb-dump \"$@\" | head -c {moment}; kill -9 $$");
        let result = create_backup(
            &world.server,
            &world.repository,
            &with_dump(world.directory.path(), &world.database, &body),
            noon(1),
            &silent,
        )
        .await;
        assert!(matches!(result, Err(CreateBackupError::Tool(_))), "killed after {moment} bytes: {result:?}");
        assert_eq!(world.repository.list().unwrap().len(), 1, "killed after {moment} bytes");
    }
    let next = create_backup(&world.server, &world.repository, &real, noon(1), &silent).await.unwrap();
    let found = verify_backup(&world.repository, &next.id, Depth::Contents, noon(1), &silent).await.unwrap();
    assert!(found.passed(), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_back_a_year_deletes_nothing_and_is_told() {
    let world = World::new("yearback");
    let silent = Progress::silent();
    let options = BackupOptions::new("yearback");
    for day in [0, 1] {
        let manifest =
            create_backup(&world.server, &world.repository, &options, noon(day), &silent).await.unwrap();
        verify_backup(&world.repository, &manifest.id, Depth::Bytes, noon(day), &silent).await.unwrap();
    }
    let back = noon(1 - 365);
    let third = create_backup(&world.server, &world.repository, &options, back, &silent).await.unwrap();
    assert_eq!(third.id.sequence(), 3, "the order is that of taking, whatever the clock says");
    verify_backup(&world.repository, &third.id, Depth::Bytes, back, &silent).await.unwrap();
    let plan = plan_prune(&world.repository.scan().unwrap().candidates(), &Retention::new(), back);
    assert!(plan.delete.is_empty(), "{plan}");
    // And when the clock is right again, the one of the wrong year is old and the newest all the same.
    let plan = plan_prune(&world.repository.scan().unwrap().candidates(), &Retention::new(), noon(2));
    assert!(plan.delete.is_empty(), "{plan}");
    let ahead = create_backup(&world.server, &world.repository, &options, noon(365), &silent).await.unwrap();
    let health = world.repository.health("yearback", &Expectations::new(), noon(2)).unwrap();
    let told = |finding: &HealthFinding| matches!(finding, HealthFinding::Future { id } if *id == ahead.id);
    assert!(health.findings.iter().any(told) && !health.is_good(), "{:?}", health.findings);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_stands_still_is_no_source_of_a_backup() {
    let primary = Logged::new(LEDGER);
    let mut options = MariaDbOptions::new();
    options.binary_log = true;
    options.settings = vec!["server-id=77".to_owned()];
    let replica = MariaDb::start(&options).unwrap();
    let password = primary.server.password().expose_secret().to_owned();
    replica
        .execute(&format!(
            "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={}, MASTER_USER='{}', MASTER_PASSWORD='{password}', \
             MASTER_USE_GTID=slave_pos; START SLAVE",
            primary.server.port(),
            primary.server.user()
        ))
        .unwrap();
    let caught_up =
        || replica.execute("SELECT COUNT(*) FROM kpi.ledger").is_ok_and(|rows| rows.trim() == "500");
    until("the replica to catch up", caught_up).await;
    let take = || async {
        create_backup(
            &address(&replica),
            &primary.repository,
            &BackupOptions::new("kpi"),
            now(),
            &Progress::silent(),
        )
        .await
    };
    let good = take().await.unwrap();
    let notes = good.database().unwrap().notes.join("\n");
    assert!(notes.contains("taken from a replica"), "{notes}");
    for thread in ["SQL_THREAD", "IO_THREAD"] {
        replica.execute(&format!("STOP SLAVE {thread}")).unwrap();
        let refused = take().await.unwrap_err();
        assert!(matches!(refused, CreateBackupError::StaleReplica { .. }), "{thread}: {refused:?}");
        replica.execute("START SLAVE").unwrap();
        until("replication to run", || {
            let status = replica.execute("SHOW SLAVE STATUS").unwrap_or_default();
            status.split('\t').filter(|word| *word == "Yes").count() >= 2
        })
        .await;
    }
    assert_eq!(primary.repository.list().unwrap().len(), 1);
    // Who may not ask is told that it is not known.
    replica
        .execute(
            "SET SESSION sql_log_bin = 0; CREATE USER narrow@localhost IDENTIFIED BY 'narrow'; GRANT RELOAD ON *.* TO narrow@localhost; \
             GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES ON kpi.* TO narrow@localhost; GRANT SELECT ON mysql.proc TO narrow@localhost",
        )
        .unwrap();
    let url = format!("mysql://narrow:narrow@localhost/?socket={}", replica.socket().display());
    let narrow = Server::parse(&SecretString::from(url)).unwrap();
    let taken =
        create_backup(&narrow, &primary.repository, &BackupOptions::new("kpi"), now(), &Progress::silent())
            .await;
    let notes = taken.unwrap().database().unwrap().notes.join("\n");
    assert!(notes.contains("is not known: GRANT SLAVE MONITOR"), "{notes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_another_series_are_not_brought_back() {
    let logged = Logged::new(LEDGER);
    let silent = Progress::silent();
    let manifest = create_physical(&logged.url, &logged.repository, &PhysicalOptions::new(), now(), &silent)
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let tool = folder.path().join("mariadb-backup");
    script(
        &tool,
        "if [ \"$1\" = --version ]; then echo 'mariadb-backup based on MariaDB server 10.6.99-MariaDB'; exit 0; fi\nexec mariadb-backup \"$@\"",
    );
    let mut tools = Tools::new();
    tools.physical = tool;
    let target = folder.path().join("data");
    let limit = Duration::from_secs(120);
    let refused = restore_physical(&logged.repository, &manifest.id, &target, &tools, limit, &silent).await;
    assert!(matches!(refused, Err(RestorePhysicalError::OtherSeries { .. })), "{refused:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was unpacked");
    restore_physical(&logged.repository, &manifest.id, &target, &Tools::new(), limit, &silent).await.unwrap();
}

/// The plug-in that holds the keys of encrypted logs; it comes with the package of the whole server, which is not
/// installed for it.
fn key_plugin() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers/mariadb-server");
    let plugins = folder.join("root/usr/lib/mysql/plugin");
    if !plugins.join("file_key_management.so").exists() {
        fs::create_dir_all(&folder).unwrap();
        let fetch = ProcessSpec::new("sh")
            .arguments([
                "-euc",
                "apt-get -q download mariadb-server && dpkg-deb -x mariadb-server_*.deb root",
            ])
            .directory(&folder);
        let fetched = run_to_end(fetch, Duration::from_secs(300)).unwrap();
        assert!(fetched.status.success(), "{}; apt must reach its archive (apt-get update)", fetched.errors);
    }
    plugins.canonicalize().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn encrypted_binary_logs_are_archived_and_replayed() {
    let plugins = key_plugin();
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    fs::write(&keys, format!("1;{}\n", "4711".repeat(16))).unwrap();
    let settings = [
        format!("plugin-dir={}", plugins.display()),
        "plugin-load-add=file_key_management".to_owned(),
        format!("file-key-management-filename={}", keys.display()),
        "encrypt-binlog=1".to_owned(),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let logged = Logged::with(LEDGER, &settings);
    logged.back_up().await;
    logged.execute(
        "INSERT INTO ledger (amount) VALUES (501 * 7); INSERT INTO audit (what) VALUES ('planted words')",
    );
    logged.execute("FLUSH BINARY LOGS; INSERT INTO ledger (amount) VALUES (502 * 7)");
    // The stage is what it says: on the server's disk nobody can read them.
    let logs = fs::read_dir(logged.server.data_directory()).unwrap().map(|entry| entry.unwrap().path());
    let logs: Vec<PathBuf> = logs
        .filter(|path| path.extension().is_some_and(|end| end.to_string_lossy().starts_with("0000")))
        .collect();
    assert!(logs.len() >= 2, "{logs:?}");
    for log in &logs {
        let bytes = fs::read(log).unwrap();
        assert!(!bytes.windows(13).any(|window| window == b"planted words"), "{}", log.display());
    }
    logged.catch_up().await;
    assert_eq!(rows_at(&logged, Target::Latest).await, "502");
}

/// Names of tests in the sources of a folder.
fn tests_in(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests_in(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            for (before, line) in lines.iter().zip(lines.iter().skip(1)) {
                let is_test = before.ends_with("test]") || before.starts_with("#[tokio::test(");
                let name = line.split("fn ").nth(1).and_then(|rest| rest.split('(').next());
                if let Some(name) = name.filter(|_| is_test) {
                    found.insert(name.to_owned());
                }
            }
        }
    }
}

#[test]
fn every_lie_in_the_table_has_a_test_that_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut tests = BTreeSet::new();
    for folder in ["crates/golive-backup", "crates/golive/src", "crates/golive-cli/tests"] {
        tests_in(&root.join(folder), &mut tests);
    }
    let page = fs::read_to_string(root.join("docs/backup-lies.md")).unwrap();
    let rows: Vec<&str> =
        page.lines().filter(|line| line.starts_with("| ") && !line.contains("| test |")).collect();
    assert!(rows.len() > 40, "{} rows", rows.len());
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        let named: Vec<&str> = cells.last().unwrap().split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "no test: {row}");
        for name in named {
            assert!(tests.contains(name), "there is no test {name}: {row}");
        }
    }
}
