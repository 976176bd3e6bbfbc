//! Taken, verified, restored, compared: the way a backup becomes a proven one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use golive_backup::{
    BackupOptions, CreateBackupError, Depth, Difference, ObjectKind, Progress, Proof, ProofLevel,
    RestoreError, RestoreOptions, Retention, Server, SnapshotMethod, compare_restored, create_backup,
    plan_prune, restore_backup, verify_backup,
};
use golive_sandbox::{MariaDb, MariaDbOptions};
use secrecy::SecretString;

use crate::world::{World, execute, noon, server};

#[tokio::test]
async fn a_restored_backup_equals_its_manifest_until_one_cell_changes() {
    let world = World::new("proof");
    let silent = Progress::silent();
    let options = BackupOptions::new("proof");
    let manifest = create_backup(&world.server, &world.repository, &options, noon(0), &silent).await.unwrap();
    let facts = manifest.database().unwrap();
    assert_eq!(facts.snapshot, SnapshotMethod::Locked);
    for kind in [
        ObjectKind::View,
        ObjectKind::Trigger,
        ObjectKind::Procedure,
        ObjectKind::Function,
        ObjectKind::Event,
    ] {
        assert_eq!(facts.inventory.count(kind), 1, "{kind}");
    }
    assert_eq!(facts.inventory.count(ObjectKind::Table), 4);
    assert_eq!(facts.tables.iter().find(|table| table.name == "order").unwrap().rows, 2002);
    assert_eq!(world.repository.list().unwrap(), std::slice::from_ref(&manifest));

    let verification =
        verify_backup(&world.repository, &manifest.id, Depth::Contents, noon(0), &silent).await.unwrap();
    assert!(verification.passed(), "{:?}", verification.damage);

    // The source goes on living; the backup is of its moment.
    execute("INSERT INTO proof.audit (what) VALUES ('later')");
    let copy = world.copy();
    let restore = RestoreOptions::new();
    let report = restore_backup(&world.repository, &manifest.id, &world.server, &copy, &restore, &silent)
        .await
        .unwrap();
    assert_eq!(report.missing_definers, Vec::<String>::new());
    let comparison = compare_restored(&manifest, &world.server, &copy, &silent).await.unwrap();
    assert!(comparison.equal() && comparison.exact, "{:?}", comparison.differences);
    assert_eq!(comparison.rows, 4 + 2002 + 2002);
    let level = Proof::new(noon(0), ProofLevel::Restored, comparison.equal(), "restored and equal");
    world.repository.record(&manifest.id, &level).unwrap();

    // Not a second time: it is not empty any more.
    let again =
        restore_backup(&world.repository, &manifest.id, &world.server, &copy, &restore, &silent).await;
    assert!(matches!(again, Err(RestoreError::NotEmpty { .. })), "{again:?}");

    for (change, difference) in [
        (
            "UPDATE `order` SET ratio = ratio + 1e-22 WHERE id = 7",
            Difference::Content { table: "order".into() },
        ),
        ("UPDATE clients SET note = '' WHERE id = 1", Difference::Content { table: "clients".into() }),
    ] {
        execute(&format!("USE {copy}; {change}"));
        let comparison = compare_restored(&manifest, &world.server, &copy, &silent).await.unwrap();
        assert!(comparison.differences.contains(&difference), "{change}: {:?}", comparison.differences);
    }
}

#[tokio::test]
async fn every_kind_of_difference_is_named() {
    let world = World::new("named");
    let silent = Progress::silent();
    let manifest =
        create_backup(&world.server, &world.repository, &BackupOptions::new("named"), noon(0), &silent)
            .await
            .unwrap();
    let copy = world.copy();
    restore_backup(&world.repository, &manifest.id, &world.server, &copy, &RestoreOptions::new(), &silent)
        .await
        .unwrap();
    // Values that trade places keep count, sum and every XOR; a deleted row, lost trigger, changed view are plain.
    execute(&format!(
        "USE {copy}; SET FOREIGN_KEY_CHECKS = 0;
         UPDATE clients SET name = 'tmp' WHERE id = 1; UPDATE clients SET name = 'ACME-MFG' WHERE id = 2;
         UPDATE clients SET name = 'TEXTILE' WHERE id = 1;
         DELETE FROM audit WHERE id = 5; DROP TRIGGER order_audit; DROP TABLE empty_table;
         CREATE OR REPLACE VIEW open_orders AS SELECT 1 AS id, 'x' AS name; CREATE TABLE stray (id INT);"
    ));
    let mut found: Vec<String> = compare_restored(&manifest, &world.server, &copy, &silent)
        .await
        .unwrap()
        .differences
        .iter()
        .map(ToString::to_string)
        .collect();
    found.sort();
    assert_eq!(
        found,
        [
            "table audit has 2001 rows, the backup 2002".to_owned(),
            "table clients has other content".to_owned(),
            "table empty_table is missing".to_owned(),
            "table stray is not in the backup".to_owned(),
            "trigger order_audit is missing".to_owned(),
            "view open_orders is defined otherwise".to_owned(),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manifest_is_of_the_dumped_snapshot_while_writes_go_on() {
    let mut logging = MariaDbOptions::new();
    logging.binary_log = true;
    let busy = Arc::new(MariaDb::start(&logging).unwrap());
    // Over TCP here; the other tests use the socket.
    let url = Server::parse(&SecretString::from(busy.url("live"))).unwrap();
    busy.execute(
        "CREATE DATABASE live; USE live; CREATE TABLE a (id INT PRIMARY KEY AUTO_INCREMENT, t VARCHAR(200)) ENGINE=InnoDB;
         CREATE TABLE b LIKE a; INSERT INTO a (t) SELECT REPEAT('x', 200) FROM seq_1_to_20000;
         CREATE EVENT writer ON SCHEDULE EVERY 1 SECOND DO BEGIN END;",
    )
    .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let key = golive_backup::Key::generate();
    let repository =
        golive_backup::Repository::open_local(directory.path(), golive_backup::Keys::with_identity(key))
            .unwrap();
    let silent = Progress::silent();
    let (stop, writes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writer = {
        let (stop, writes, busy) = (stop.clone(), writes.clone(), busy.clone());
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                busy.execute(
                    "INSERT INTO live.a (t) VALUES ('w'), ('v');
                     INSERT INTO live.b (t) SELECT t FROM live.a WHERE id < 50;",
                )
                .unwrap();
                writes.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    let reach = |count: u64| {
        while writes.load(Ordering::Relaxed) < count {
            std::thread::yield_now();
        }
    };
    reach(3);
    let options = BackupOptions::new("live");
    let manifest = create_backup(&url, &repository, &options, noon(0), &silent).await.unwrap();
    reach(writes.load(Ordering::Relaxed) + 2);
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    let facts = manifest.database().unwrap();
    let binlog = facts.binlog.as_ref().expect("the binary log is on");
    assert!(!binlog.file.is_empty() && binlog.position > 0 && !binlog.gtid.is_empty(), "{binlog:?}");
    restore_backup(&repository, &manifest.id, &url, "live_copy", &RestoreOptions::new(), &silent)
        .await
        .unwrap();
    let comparison = compare_restored(&manifest, &url, "live_copy", &silent).await.unwrap();
    assert!(comparison.equal() && comparison.exact, "{:?}", comparison.differences);
    let source = compare_restored(&manifest, &url, "live", &silent).await.unwrap();
    assert!(!source.equal(), "writes went on, so the source must have moved away");
}

#[tokio::test]
async fn an_account_that_would_leave_holes_is_refused() {
    let world = World::new("holes");
    execute(
        "CREATE USER holey@localhost IDENTIFIED BY 'we\"ird\\\\#pa ss''word'; GRANT SELECT, SHOW VIEW, EVENT ON holes.* TO holey@localhost; GRANT RELOAD ON *.* TO holey@localhost;",
    );
    let url =
        format!("mysql://holey:we%22ird%5C%23pa%20ss'word@localhost/?socket={}", server().socket().display());
    let holey = Server::parse(&SecretString::from(url)).unwrap();
    let options = BackupOptions::new("holes");
    let silent = Progress::silent();
    let refused = create_backup(&holey, &world.repository, &options, noon(0), &silent).await.unwrap_err();
    assert!(
        matches!(&refused, CreateBackupError::MissingGrants { missing, .. } if missing.contains("TRIGGER") && missing.contains("mysql.proc")),
        "{refused:?}"
    );
    execute("GRANT TRIGGER ON holes.* TO holey@localhost; GRANT SELECT ON mysql.proc TO holey@localhost;");
    // The same strange password now also goes through the tool's option file.
    let manifest = create_backup(&holey, &world.repository, &options, noon(0), &silent).await.unwrap();
    assert_eq!(manifest.database().unwrap().inventory.count(ObjectKind::Trigger), 1);
}

#[tokio::test]
async fn prune_deletes_what_the_plan_says_and_refuses_a_stale_plan() {
    let world = World::new("pruned");
    let silent = Progress::silent();
    let options = BackupOptions::new("pruned");
    let mut ids = Vec::new();
    for day in [0, 1, 40] {
        let manifest =
            create_backup(&world.server, &world.repository, &options, noon(day), &silent).await.unwrap();
        ids.push(manifest.id);
    }
    let retention = Retention::new();
    let plan = plan_prune(&world.repository.scan().unwrap().candidates(), &retention, noon(41));
    assert!(plan.delete.is_empty(), "nothing is proven, so nothing may go: {plan}");
    for id in &ids[1..] {
        verify_backup(&world.repository, id, Depth::Bytes, noon(41), &silent).await.unwrap();
    }
    let plan = plan_prune(&world.repository.scan().unwrap().candidates(), &retention, noon(41));
    assert_eq!(plan.delete, ids[..1], "{plan}");
    // The newest turns out to be damaged before the plan is carried out: the oldest is still not among the last good.
    world.repository.record(&ids[2], &Proof::new(noon(41), ProofLevel::Bytes, false, "damaged")).unwrap();
    world.repository.record(&ids[1], &Proof::new(noon(41), ProofLevel::Bytes, false, "damaged")).unwrap();
    assert!(world.repository.prune(&plan, &retention, noon(41)).is_err(), "no proven backup is left");
    world
        .repository
        .record(&ids[1], &Proof::new(noon(41), ProofLevel::Bytes, true, "a second look held"))
        .unwrap();
    assert_eq!(world.repository.prune(&plan, &retention, noon(41)).unwrap().deleted, ids[..1]);
    assert_eq!(world.repository.list().unwrap().len(), 2);
}

#[tokio::test]
async fn what_weaker_digests_miss_is_seen() {
    let world = World::new("blind");
    execute(
        "USE blind; CREATE TABLE plain (a VARCHAR(20), b VARCHAR(20), n DECIMAL(10,2), d DATETIME);
         INSERT INTO plain VALUES ('ab', 'c', 1, '2026-01-01'), ('x', NULL, 2, '2026-01-02'), ('p', 'q', 3, '2026-01-03'),
           ('p', 'q', 3, '2026-01-03'), ('P', 'r', 4, '2026-01-04'), ('t', 'u', 5, '2026-01-05'), ('t ', 'u', 5, '2026-01-05');",
    );
    let silent = Progress::silent();
    let options = BackupOptions::new("blind");
    let manifest = create_backup(&world.server, &world.repository, &options, noon(0), &silent).await.unwrap();
    assert!(compare_restored(&manifest, &world.server, "blind", &silent).await.unwrap().equal());
    for (change, back) in [
        // The same characters on the other side of the border between two columns.
        ("UPDATE plain SET a = 'a', b = 'bc' WHERE n = 1", "UPDATE plain SET a = 'ab', b = 'c' WHERE n = 1"),
        // NULL and the words that could stand for it.
        ("UPDATE plain SET b = 'N' WHERE n = 2", "UPDATE plain SET b = NULL WHERE n = 2"),
        ("UPDATE plain SET b = '' WHERE n = 2", "UPDATE plain SET b = NULL WHERE n = 2"),
        // Two equal rows become two other equal rows: an XOR cancels both.
        ("UPDATE plain SET b = 'z' WHERE n = 3", "UPDATE plain SET b = 'q' WHERE n = 3"),
        // What the collation calls equal.
        ("UPDATE plain SET a = 'p' WHERE n = 4", "UPDATE plain SET a = 'P' WHERE n = 4"),
        // A whole column by one hour, as a wrong time zone does.
        ("UPDATE plain SET d = d + INTERVAL 1 HOUR", "UPDATE plain SET d = d - INTERVAL 1 HOUR"),
        // Two values trade places.
        (
            "UPDATE plain SET n = IF(n = 1, 2, 1) WHERE n IN (1, 2)",
            "UPDATE plain SET n = IF(n = 1, 2, 1) WHERE n IN (1, 2)",
        ),
    ] {
        execute(&format!("USE blind; {change}"));
        let seen = compare_restored(&manifest, &world.server, "blind", &silent).await.unwrap();
        assert_eq!(seen.differences, [Difference::Content { table: "plain".into() }], "{change}");
        execute(&format!("USE blind; {back}"));
        assert!(
            compare_restored(&manifest, &world.server, "blind", &silent).await.unwrap().equal(),
            "{back}"
        );
    }
}

#[tokio::test]
async fn digits_that_no_dump_carries_are_told_from_damage() {
    let world = World::new("single");
    execute(
        "USE single; CREATE TABLE f (id INT PRIMARY KEY, x FLOAT);
         INSERT INTO f VALUES (1, 16777217), (2, 12345.6789), (3, 0.1);",
    );
    let silent = Progress::silent();
    let options = BackupOptions::new("single");
    let manifest = create_backup(&world.server, &world.repository, &options, noon(0), &silent).await.unwrap();
    assert!(manifest.database().unwrap().notes.iter().any(|note| note.contains("f.x")));
    let copy = world.copy();
    let restore = RestoreOptions::new();
    restore_backup(&world.repository, &manifest.id, &world.server, &copy, &restore, &silent).await.unwrap();
    let comparison = compare_restored(&manifest, &world.server, &copy, &silent).await.unwrap();
    assert_eq!(
        comparison.differences,
        [Difference::FloatDigits { table: "f".into(), columns: vec!["x".into()] }]
    );
    assert!(!comparison.equal() && comparison.equal_but_for_float_digits());
    // What an operator reads later names the column and the way out, and sends nobody to look at a healthy disk.
    world.repository.record(&manifest.id, &comparison.proof(noon(0), 1.0)).unwrap();
    let health = world.repository.health("single", &golive_backup::Expectations::new(), noon(0)).unwrap();
    let said = health.findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(said.contains("FLOAT columns only: x; make them DOUBLE"), "{said}");
    assert!(!said.contains("disk"), "{said}");
    execute(&format!("UPDATE {copy}.f SET x = 0.100001 WHERE id = 3"));
    let comparison = compare_restored(&manifest, &world.server, &copy, &silent).await.unwrap();
    assert_eq!(comparison.differences, [Difference::Content { table: "f".into() }]);
}

#[tokio::test]
async fn a_dump_that_names_its_database_is_restored_under_that_name_only() {
    let world = World::new("renamed");
    execute("ALTER DATABASE renamed COLLATE utf8mb4_bin");
    let silent = Progress::silent();
    let options = BackupOptions::new("renamed");
    let manifest = create_backup(&world.server, &world.repository, &options, noon(0), &silent).await.unwrap();
    assert!(manifest.database().unwrap().own_name_only);
    let restore = RestoreOptions::new();
    let refused =
        restore_backup(&world.repository, &manifest.id, &world.server, &world.copy(), &restore, &silent)
            .await;
    assert!(matches!(refused, Err(RestoreError::OwnNameOnly { .. })), "{refused:?}");
    execute("DROP DATABASE renamed");
    restore_backup(&world.repository, &manifest.id, &world.server, "renamed", &restore, &silent)
        .await
        .unwrap();
    let comparison = compare_restored(&manifest, &world.server, "renamed", &silent).await.unwrap();
    assert!(comparison.equal(), "{:?}", comparison.differences);
}

#[tokio::test]
async fn a_proof_that_nobody_with_the_key_wrote_is_not_believed() {
    let world = World::new("forged");
    let silent = Progress::silent();
    let options = BackupOptions::new("forged");
    let repository = &world.repository;
    let first = create_backup(&world.server, repository, &options, noon(0), &silent).await.unwrap();
    let second = create_backup(&world.server, repository, &options, noon(1), &silent).await.unwrap();
    let proof = Proof::new(noon(1), ProofLevel::Restored, true, "restored and equal");
    repository.record(&first.id, &proof).unwrap();
    let file = |id: &golive_backup::BackupId| repository.directory().join(id.as_str()).join("proofs.jsonl");
    let written = std::fs::read_to_string(file(&first.id)).unwrap();
    assert_eq!(repository.proofs(&first.id).unwrap().len(), 1);
    // Copied to a backup that was never restored; written by hand; changed afterwards.
    let by_hand = serde_json::to_string(&proof).unwrap();
    for forged in [written.clone(), by_hand, written.replace("1T12:00:00Z", "3T12:00:00Z")] {
        std::fs::write(file(&second.id), &forged).unwrap();
        assert_eq!(repository.proofs(&second.id).unwrap(), [], "{forged}");
    }
    std::fs::write(file(&first.id), written.replace("and equal", "and quite equal")).unwrap();
    assert_eq!(repository.proofs(&first.id).unwrap(), []);
    // With another key, nothing that was proven counts; that something is broken counts from anybody.
    std::fs::write(file(&first.id), &written).unwrap();
    let keys = golive_backup::Keys::with_identity(golive_backup::Key::generate());
    let stranger = golive_backup::Repository::open_local(repository.directory(), keys).unwrap();
    assert_eq!(stranger.proofs(&first.id).unwrap(), []);
    let broken = Proof::new(noon(1), ProofLevel::Bytes, false, "its BLAKE3 differs");
    stranger.record(&first.id, &broken).unwrap();
    assert_eq!(repository.proofs(&first.id).unwrap().len(), 2);
    let health = repository.health("forged", &golive_backup::Expectations::new(), noon(1)).unwrap();
    assert!(!health.is_good(), "{health:?}");
}
