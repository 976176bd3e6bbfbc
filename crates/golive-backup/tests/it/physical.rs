//! The files of a whole server: taken under writes, full and continued, brought back, started on and compared.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use golive_backup::{
    Depth, Digests, Manifest, PhysicalError, PhysicalOptions, Progress, RestorePhysicalError, SnapshotMethod,
    Tools, check_tables, compare_restored, create_physical, restore_physical, verify_backup,
};
use golive_sandbox::{MariaDb, MariaDbOptions};
use tempfile::TempDir;

use crate::logged::{LEDGER, Logged, address, now};

const LIMIT: Duration = Duration::from_secs(120);

async fn back_up(logged: &Logged, base: Option<&Manifest>) -> Manifest {
    let mut options = PhysicalOptions::new();
    options.base = base.map(|base| base.id.clone());
    create_physical(&logged.url, &logged.repository, &options, now(), &Progress::silent()).await.unwrap()
}

/// Brings a backup back and starts a server on it.
async fn start_on(logged: &Logged, manifest: &Manifest) -> (MariaDb, TempDir) {
    let root = tempfile::tempdir().unwrap();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let data = root.path().join("data");
    restore_physical(&logged.repository, &manifest.id, &data, &Tools::new(), LIMIT, &Progress::silent())
        .await
        .unwrap();
    let mut options = MariaDbOptions::new();
    options.directory = Some(root.path().to_owned());
    (MariaDb::start(&options).unwrap(), root)
}

#[tokio::test(flavor = "multi_thread")]
async fn files_taken_under_writes_equal_their_manifest_and_so_do_those_that_continue_them() {
    let logged = Logged::new(LEDGER);
    // So many and so large that each session is still at work when commits go on, the more since the server digests all.
    let written: Vec<String> = (0..12).map(|number| format!("written_{number}")).collect();
    for table in &written {
        let rows = "SELECT 'before' FROM seq_1_to_100000";
        logged.execute(&format!("CREATE TABLE {table} LIKE audit; INSERT INTO {table} (what) {rows}"));
    }
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let (server, stop) = (logged.server.clone(), stop.clone());
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let insert = |table| format!("INSERT INTO {table} (what) SELECT 'written' FROM seq_1_to_20;");
                let inserts: String = written.iter().map(insert).collect();
                server.execute(&format!("USE kpi; {inserts}")).unwrap();
            }
        })
    };
    let mut by_sql = PhysicalOptions::new();
    by_sql.digests = Digests::Sql;
    let silent = Progress::silent();
    let full = create_physical(&logged.url, &logged.repository, &by_sql, now(), &silent).await.unwrap();
    logged.execute("INSERT INTO ledger (amount) SELECT seq * 7 FROM seq_501_to_900");
    let next = back_up(&logged, Some(&full)).await;
    logged.execute("INSERT INTO ledger (amount) VALUES (901 * 7)");
    let last = back_up(&logged, Some(&next)).await;
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    for manifest in [&full, &next, &last] {
        let facts = manifest.physical().unwrap();
        assert_eq!(facts.snapshot, SnapshotMethod::Locked, "one moment, although writes went on");
        assert!(facts.binlog.is_some() && facts.lock_milliseconds < 10_000, "{facts:?}");
    }
    let plain = |manifest: &Manifest| manifest.parts[0].plain_bytes;
    assert!(
        plain(&next) < plain(&full),
        "one that continues holds what changed: {} {}",
        plain(&next),
        plain(&full)
    );
    let verified =
        verify_backup(&logged.repository, &last.id, Depth::Contents, now(), &Progress::silent()).await;
    assert!(verified.unwrap().passed());
    for (manifest, rows) in [(&full, "500"), (&last, "901")] {
        let (copy, _root) = start_on(&logged, manifest).await;
        assert_eq!(copy.execute("SELECT COUNT(*) FROM kpi.ledger").unwrap().trim(), rows);
        let compared = compare_restored(manifest, &address(&copy), "kpi", &Progress::silent()).await.unwrap();
        assert!(compared.equal() && compared.exact, "{:?}", compared.differences);
        assert_eq!(check_tables(&address(&copy), "kpi").await.unwrap(), []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_or_overwritten_table_file_is_found_though_the_server_starts() {
    let logged = Logged::new(LEDGER);
    logged.execute("ALTER TABLE ledger ADD KEY (amount); INSERT INTO audit (what) SELECT REPEAT('x', 80) FROM seq_1_to_3000");
    let manifest = back_up(&logged, None).await;
    let (copy, root) = start_on(&logged, &manifest).await;
    copy.stop().unwrap();
    let table = |name: &str| root.path().join("data/kpi").join(name);
    // Zeros over a page in the middle of the clustered index.
    let mut bytes = fs::read(table("audit.ibd")).unwrap();
    let middle = bytes.len() / 2 / 16_384 * 16_384;
    bytes[middle..middle + 16_384].fill(0x5a);
    fs::write(table("audit.ibd"), bytes).unwrap();
    fs::remove_file(table("ledger.ibd")).unwrap();
    copy.start_again().unwrap();
    let problems = check_tables(&address(&copy), "kpi").await;
    // A server that gives up on reading the page has found it too.
    if let Ok(problems) = problems {
        let tables: Vec<&str> = problems.iter().map(|problem| problem.table.as_str()).collect();
        assert!(tables.contains(&"ledger") && tables.contains(&"audit"), "{problems:?}");
    }
    let compared = compare_restored(&manifest, &address(&copy), "kpi", &Progress::silent()).await;
    assert!(compared.is_err() || !compared.unwrap().equal());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_lies_or_dies_leaves_nothing() {
    let logged = Logged::new(LEDGER);
    let folder = tempfile::tempdir().unwrap();
    let tool = folder.path().join("mariadb-backup");
    let mut options = PhysicalOptions::new();
    options.tools.physical = tool.clone();
    let real = "if [ \"$1\" = --version ]; then exec mariadb-backup --version; fi\n";
    for (body, expected) in [
        ("mariadb-backup \"$@\" 2>&1 >/dev/null | grep -v 'completed OK' >&2; exit 0", "completed OK"),
        ("mariadb-backup \"$@\" | head -c 100000; exit 1", "Broken pipe"),
        ("kill -9 $$", "Tool(Failed"),
        ("echo 'completed OK!' >&2; exit 0", "checkpoints"),
    ] {
        fs::write(&tool, format!("#!/bin/sh\n{real}{body}\n")).unwrap();
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
        let error =
            create_physical(&logged.url, &logged.repository, &options, now(), &Progress::silent()).await;
        let error = error.unwrap_err();
        assert!(format!("{error} {error:?}").contains(expected), "{body}: {error:?}");
        assert_eq!(logged.repository.list().unwrap(), []);
    }
    assert_eq!(logged.repository.attempts().unwrap().len(), 4, "each is noted for whoever looks later");
    // A truncated stream is not unpacked under the name asked for, and neither is one without its base.
    let manifest = back_up(&logged, None).await;
    let stored = logged.repository.directory().join(manifest.id.as_str()).join(&manifest.parts[0].name);
    let good = fs::read(&stored).unwrap();
    fs::write(&stored, &good[..good.len() / 2]).unwrap();
    let target = folder.path().join("data");
    let silent = Progress::silent();
    let tools = Tools::new();
    let bring = || restore_physical(&logged.repository, &manifest.id, &target, &tools, LIMIT, &silent);
    assert!(matches!(bring().await, Err(RestorePhysicalError::Damaged { .. })));
    fs::write(&stored, &good).unwrap();
    let mut dying = Tools::new();
    fs::write(&tool, format!("#!/bin/sh\n{real}exit 0\n")).unwrap();
    dying.physical = tool;
    let unprepared =
        restore_physical(&logged.repository, &manifest.id, &target, &dying, LIMIT, &silent).await;
    assert!(matches!(unprepared, Err(RestorePhysicalError::Unprepared { .. })), "{unprepared:?}");
    assert!(!target.exists() && !folder.path().join("data.partial").exists());
    bring().await.unwrap();
    assert!(matches!(bring().await, Err(RestorePhysicalError::NotEmpty { .. })), "never over what is there");
    let mut wrong = PhysicalOptions::new();
    wrong.base = Some(logged.back_up().await.id);
    let refused = create_physical(&logged.url, &logged.repository, &wrong, now(), &silent).await;
    assert!(matches!(refused, Err(PhysicalError::Base { .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_is_told_of_where_it_lies_however_many_look_at_once() {
    let logged = Logged::new(LEDGER);
    for (database, tables) in [("alpha", 3_u64), ("zeta", 4)] {
        logged.server.execute(&format!("CREATE DATABASE {database}")).unwrap();
        for number in 1..=tables {
            let rows = number * 100 + tables;
            let fill = format!(
                "USE {database}; CREATE TABLE t{number} (id INT PRIMARY KEY); \
                 INSERT INTO t{number} SELECT seq FROM seq_1_to_{rows}"
            );
            logged.server.execute(&fill).unwrap();
        }
    }
    logged.server.execute("CREATE DATABASE without_tables").unwrap();
    let manifest = back_up(&logged, None).await;
    let facts = |database| manifest.database_named(database).unwrap();
    for (database, tables) in [("alpha", 3_u64), ("zeta", 4)] {
        let found: Vec<(String, u64)> =
            facts(database).tables.iter().map(|table| (table.name.clone(), table.rows)).collect();
        let expected: Vec<(String, u64)> =
            (1..=tables).map(|number| (format!("t{number}"), number * 100 + tables)).collect();
        assert_eq!(found, expected);
    }
    assert!(facts("without_tables").tables.is_empty());
    assert!(facts("kpi").tables.iter().any(|table| table.name == "ledger"));
    assert!(facts("zeta").tables.iter().all(|table| table.sample.is_some()));
}
