//! The binary log: archived while a server is written to, and used to come back to a moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use chrono::DateTime;
use golive_backup::{
    ArchiveError, ArchiveEvent, ArchiveOptions, ArchivedLog, BinlogFinding, ChangeKind, Manifest, PlanError,
    Progress, RecoverError, RecoverOptions, Search, Server, Target, archive_binlogs, find_changes,
    plan_log_prune, plan_recovery, recover,
};
use golive_sandbox::{MariaDb, MariaDbOptions};

use crate::logged::{LEDGER, Logged, address, now, rows_at, until, until_archived};

/// Content that says of itself whether a row is missing or wrong.
const LOOK: &str = "SELECT COUNT(*), MAX(id), SUM(amount = id * 7) FROM kpi.ledger";

#[tokio::test(flavor = "multi_thread")]
async fn a_table_dropped_under_load_comes_back_without_one_committed_row_missing() {
    let logged = Logged::new(LEDGER);
    let (stop, archiver) = logged.follow();
    logged.back_up().await;
    let (committed, dropped) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let writer = {
        let (server, committed, dropped) = (logged.server.clone(), committed.clone(), dropped.clone());
        std::thread::spawn(move || {
            // One statement a row; what the server confirmed is counted, and the first refusal is the drop.
            let mut id = 500_u64;
            loop {
                id += 1;
                let row = format!("INSERT INTO kpi.ledger VALUES ({id}, {})", id * 7);
                if server.execute(&row).is_err() {
                    assert!(dropped.load(Ordering::SeqCst), "a write failed before the drop");
                    return;
                }
                committed.store(id, Ordering::SeqCst);
            }
        })
    };
    until("some writes", || committed.load(Ordering::SeqCst) > 520).await;
    logged.execute("FLUSH BINARY LOGS");
    until("more writes", || committed.load(Ordering::SeqCst) > 540).await;
    logged.execute("FLUSH BINARY LOGS");
    until("still more writes", || committed.load(Ordering::SeqCst) > 560).await;
    dropped.store(true, Ordering::SeqCst);
    logged.execute("DROP TABLE ledger");
    writer.join().unwrap();
    logged.execute("INSERT INTO audit (what) VALUES ('life goes on')");
    let end = logged.gtid();
    let lag = until_archived(&logged, end).await;
    assert!(lag < 30.0, "the archive lags by {lag} s");
    drop(stop);
    archiver.await.unwrap();

    let mut search = Search::new();
    search.table = Some("ledger".to_owned());
    search.kind = Some(ChangeKind::Drop);
    let found = find_changes(&logged.repository, &search).unwrap();
    let [drop] = found.as_slice() else { panic!("{found:?}") };
    assert!(drop.text.as_ref().unwrap().contains("ledger"), "{drop}");

    let (copy, report) = logged.recover_to(Target::Before(drop.gtid)).await;
    let rows = committed.load(Ordering::SeqCst);
    assert_eq!(copy.execute(LOOK).unwrap().trim(), format!("{rows}\t{rows}\t{rows}"));
    assert_eq!(copy.execute("SELECT COUNT(*) FROM kpi.audit").unwrap().trim(), "0");
    assert!(report.transactions >= 60, "{report:?}");
    assert_eq!(report.stands_at, format!("0-1-{}", drop.gtid.sequence - 1));
    // And to the end: without the table, with what came later.
    let (copy, report) = logged.recover_to(Target::Latest).await;
    assert_eq!(report.stands_at, end.to_string());
    assert!(copy.execute(LOOK).is_err());
    assert_eq!(copy.execute("SELECT COUNT(*) FROM kpi.audit").unwrap().trim(), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_blocks_a_recovery_unless_it_is_allowed() {
    let logged = Logged::new(LEDGER);
    logged.back_up().await;
    logged.execute("INSERT INTO ledger (amount) VALUES (501 * 7)");
    let inside = logged.gtid();
    logged.execute("FLUSH BINARY LOGS");
    logged.catch_up().await;
    // What follows is purged before anybody archived it.
    logged.execute("INSERT INTO ledger (amount) VALUES (502 * 7)");
    logged.execute("FLUSH BINARY LOGS; FLUSH BINARY LOGS");
    let newest = logged.execute("SHOW MASTER STATUS");
    let newest = newest.split_whitespace().next().unwrap();
    // The server keeps what the archiver's connection read until it notices that the connection is gone.
    until("the purge", || {
        logged.execute(&format!("PURGE BINARY LOGS TO '{newest}'"));
        logged.execute("SHOW BINARY LOGS").lines().count() == 1
    })
    .await;
    logged.execute("INSERT INTO audit (what) VALUES ('behind the gap')");
    let behind = logged.gtid();
    logged.execute("FLUSH BINARY LOGS");
    logged.catch_up().await;
    let seen = logged.events.lock().unwrap().iter().any(|event| matches!(event, ArchiveEvent::Gap { .. }));
    assert!(seen, "the archiver says so when it happens");
    let plan = |target, allow| plan_recovery(&logged.repository, "kpi", target, None, allow);
    assert!(matches!(plan(Target::Latest, false), Err(PlanError::Gap { .. })));
    assert!(matches!(plan(Target::After(behind), false), Err(PlanError::Gap { .. })));
    assert!(matches!(plan(Target::At(now()), false), Err(PlanError::Gap { .. })));
    // Before the gap everything is certain.
    assert_eq!(plan(Target::After(inside), false).unwrap().transactions, 1);
    let allowed = plan(Target::Latest, true).unwrap();
    assert_eq!(allowed.gaps.len(), 1, "{allowed}");
    assert!(allowed.to_string().contains("GAP, allowed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_means_the_same_whatever_the_zone_and_though_stamps_leap() {
    let logged = Logged::new(LEDGER);
    logged.back_up().await;
    let base = now().timestamp() + 3600;
    let stamped = |second: i64, statement: &str| {
        logged.execute(&format!("SET TIMESTAMP = {}; {statement}", base + second));
    };
    stamped(0, "INSERT INTO ledger (amount) VALUES (501 * 7)");
    // A session whose clock is an hour ahead: the tool's own stop by time would end here and lose what follows.
    stamped(3600, "INSERT INTO ledger (amount) VALUES (502 * 7)");
    stamped(10, "INSERT INTO ledger (amount) VALUES (503 * 7)");
    let last_good = logged.gtid();
    stamped(12, "DROP TABLE audit");
    stamped(14, "INSERT INTO ledger (amount) VALUES (504 * 7)");
    logged.catch_up().await;
    let at = DateTime::from_timestamp(base + 11, 0).unwrap();
    let plan = plan_recovery(&logged.repository, "kpi", Target::At(at), None, false).unwrap();
    assert_eq!((plan.to.as_str(), plan.transactions), (last_good.to_string().as_str(), 3), "{plan}");
    assert_eq!(plan.leaps.len(), 1, "it says that the clock leapt: {plan}");
    assert_eq!(rows_at(&logged, Target::At(at)).await, "503");
    // A time that the archive does not reach is refused, not cut short.
    let late = DateTime::from_timestamp(base + 100_000, 0).unwrap();
    let refused = plan_recovery(&logged.repository, "kpi", Target::At(late), None, false);
    assert!(matches!(refused, Err(PlanError::NotReached { .. })), "{refused:?}");
    // One before every backup too.
    let early = DateTime::from_timestamp(base - 7200, 0).unwrap();
    let refused = plan_recovery(&logged.repository, "kpi", Target::At(early), None, false);
    assert!(matches!(refused, Err(PlanError::NoBase { .. })), "{refused:?}");
    let unknown =
        plan_recovery(&logged.repository, "kpi", Target::After("0-1-99999".parse().unwrap()), None, false);
    assert!(matches!(unknown, Err(PlanError::NoSuchTransaction { .. })), "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_server_and_archiver_lose_and_truncate_nothing() {
    let logged = Logged::new(LEDGER);
    logged.back_up().await;
    let (stop, archiver) = logged.follow();
    logged.execute("INSERT INTO ledger (amount) VALUES (501 * 7)");
    until_archived(&logged, logged.gtid()).await;
    // Killed, not stopped: its log has no end mark, and the archiver's connection breaks.
    logged.server.kill().unwrap();
    until("the archiver to notice", || {
        let events = logged.events.lock().unwrap();
        events.iter().any(|event| matches!(event, ArchiveEvent::Disconnected { .. }))
    })
    .await;
    // While the server is away, what arrived is still enough.
    assert_eq!(rows_at(&logged, Target::Latest).await, "501");
    logged.server.start_again().unwrap();
    logged.execute("INSERT INTO ledger (amount) VALUES (502 * 7)");
    until_archived(&logged, logged.gtid()).await;
    drop(stop);
    archiver.await.unwrap();
    // A second archiver fetches the open log again, into another folder, and gives the first copy up only then.
    logged.execute("INSERT INTO ledger (amount) VALUES (503 * 7)");
    logged.catch_up().await;
    assert_eq!(rows_at(&logged, Target::Latest).await, "503");
    logged.execute("FLUSH BINARY LOGS; INSERT INTO ledger (amount) VALUES (504 * 7)");
    logged.catch_up().await;
    assert_eq!(rows_at(&logged, Target::Latest).await, "504");
    let spool = logged.repository.binlogs().directory().join("spool");
    let copies: usize = std::fs::read_dir(&spool)
        .unwrap()
        .map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap().count())
        .sum();
    assert_eq!(copies, 1, "only the open log is left in the spool");
    // Names begin again after a reset; the archive keeps both, and says that they do not join.
    until("the reset", || logged.server.execute("RESET MASTER").is_ok()).await;
    logged.execute("INSERT INTO ledger (amount) VALUES (505 * 7)");
    logged.catch_up().await;
    let plan = plan_recovery(&logged.repository, "kpi", Target::Latest, None, false);
    assert!(matches!(plan, Err(PlanError::Gap { .. })), "{plan:?}");
    logged.back_up().await;
    logged.execute("INSERT INTO ledger (amount) VALUES (506 * 7)");
    logged.catch_up().await;
    assert_eq!(rows_at(&logged, Target::Latest).await, "506");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_closed_between_plan_and_replay_is_still_read() {
    let logged = Logged::new(LEDGER);
    logged.back_up().await;
    logged.execute("INSERT INTO ledger (amount) VALUES (501 * 7)");
    logged.catch_up().await;
    let plan = plan_recovery(&logged.repository, "kpi", Target::Latest, None, false).unwrap();
    // Fetched again by another connection, then closed: what the plan has seen in the spool is gone.
    for rows in ["(502 * 7)", "(503 * 7)"] {
        logged.execute(&format!("INSERT INTO ledger (amount) VALUES {rows}"));
        logged.catch_up().await;
        let copy = MariaDb::start(&MariaDbOptions::new()).unwrap();
        let options = RecoverOptions::new();
        recover(&logged.repository, &plan, &address(&copy), &options, &Progress::silent()).await.unwrap();
        assert_eq!(copy.execute("SELECT COUNT(*) FROM kpi.ledger").unwrap().trim(), "501");
        logged.execute("FLUSH BINARY LOGS");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_in_the_archive_stops_a_recovery_before_anything_is_touched() {
    let logged = Logged::new(LEDGER);
    logged.back_up().await;
    logged.execute("INSERT INTO ledger (amount) VALUES (501 * 7); FLUSH BINARY LOGS");
    logged.catch_up().await;
    let archive = logged.repository.binlogs();
    let logs = archive.logs().unwrap();
    assert!(!logs.is_empty());
    let stored = archive.directory().join("logs").join(&logs[logs.len() - 1].part.name);
    let good = std::fs::read(&stored).unwrap();
    for position in [30, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[position] ^= 1;
        std::fs::write(&stored, bad).unwrap();
        let plan = plan_recovery(&logged.repository, "kpi", Target::Latest, None, false);
        assert!(plan.is_err(), "byte {position}: {plan:?}");
        assert_eq!(archive.verify().unwrap()[0].0, logs[logs.len() - 1].part.name, "byte {position}");
    }
    std::fs::write(&stored, &good[..good.len() / 2]).unwrap();
    assert!(plan_recovery(&logged.repository, "kpi", Target::Latest, None, false).is_err());
    // A log that is lost is a gap, or the backup's place is not covered; it is never passed over.
    std::fs::remove_file(&stored).unwrap();
    assert!(plan_recovery(&logged.repository, "kpi", Target::Latest, None, true).is_err());
    std::fs::write(&stored, good).unwrap();
    assert_eq!(archive.verify().unwrap(), []);
    assert_eq!(rows_at(&logged, Target::Latest).await, "501");
    let text = std::fs::read(&stored).unwrap();
    assert!(!text.windows(6).any(|window| window == b"ledger"), "it is encrypted");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_replayed_wrongly_is_refused() {
    let logged = Logged::new(LEDGER);
    logged.back_up().await;
    logged
        .server
        .execute("CREATE DATABASE other; CREATE TABLE other.t (id INT PRIMARY KEY) ENGINE=InnoDB")
        .unwrap();
    logged
        .execute("CREATE USER reader@localhost IDENTIFIED BY 'x'; GRANT SELECT ON kpi.* TO reader@localhost");
    // Structure changed without any default database, and from another one.
    logged.server.execute("CREATE TABLE kpi.made_from_nowhere (id INT PRIMARY KEY)").unwrap();
    logged.server.execute("USE mysql; ALTER TABLE kpi.ledger ADD COLUMN note VARCHAR(20)").unwrap();
    logged
        .server
        .execute("USE other; INSERT INTO t VALUES (1); INSERT INTO kpi.ledger (amount) VALUES (501 * 7)")
        .unwrap();
    let before = logged.gtid();
    logged
        .server
        .execute(
            "BEGIN; INSERT INTO other.t VALUES (2); INSERT INTO kpi.ledger (amount) VALUES (502 * 7); COMMIT",
        )
        .unwrap();
    let both = logged.gtid();
    logged.catch_up().await;
    let plan = plan_recovery(&logged.repository, "kpi", Target::Before(both), None, false).unwrap();
    assert_eq!((plan.accounts, plan.to.as_str()), (2, before.to_string().as_str()), "{plan}");
    let (copy, _) = logged.recover_to(Target::Before(both)).await;
    assert_eq!(copy.execute("SELECT COUNT(*), COUNT(note) FROM kpi.ledger").unwrap().trim(), "501\t0");
    assert_eq!(copy.execute("SHOW TABLES FROM kpi").unwrap().split_whitespace().count(), 3);
    // One transaction in both databases: half of it must not come back silently.
    let refused = plan_recovery(&logged.repository, "kpi", Target::Latest, None, false);
    assert!(matches!(&refused, Err(PlanError::Straddles { gtid, .. }) if *gtid == both), "{refused:?}");
    // On a server that runs events, half-recovered data would change by itself.
    logged.execute("CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO DELETE FROM audit");
    logged.server.execute("DROP DATABASE other").unwrap();
    logged.back_up().await;
    logged.catch_up().await;
    let plan = plan_recovery(&logged.repository, "kpi", Target::Latest, None, false).unwrap();
    let mut options = MariaDbOptions::new();
    options.settings = vec!["event-scheduler=ON".to_owned()];
    let running = MariaDb::start(&options).unwrap();
    let silent = Progress::silent();
    let refused =
        recover(&logged.repository, &plan, &address(&running), &RecoverOptions::new(), &silent).await;
    assert!(matches!(refused, Err(RecoverError::EventsRun { events: 1 })), "{refused:?}");
    assert_eq!(running.execute("SHOW DATABASES LIKE 'kpi'").unwrap(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_target_may_log_itself_but_not_be_strict_and_a_failing_reader_is_no_success() {
    let logged = Logged::new(LEDGER);
    logged.back_up().await;
    logged.execute("INSERT INTO ledger (amount) VALUES (501 * 7)");
    logged.catch_up().await;
    let plan = plan_recovery(&logged.repository, "kpi", Target::Latest, None, false).unwrap();
    let silent = Progress::silent();
    let mut options = MariaDbOptions::new();
    options.binary_log = true;
    options.settings = vec!["gtid-strict-mode=1".to_owned()];
    let target = MariaDb::start(&options).unwrap();
    // A write of its own before the replay, after which a strict server refuses older transactions.
    target.execute("CREATE USER somebody@localhost").unwrap();
    let (url, options) = (address(&target), RecoverOptions::new());
    let refused = recover(&logged.repository, &plan, &url, &options, &silent).await;
    assert!(matches!(refused, Err(RecoverError::StrictTarget)), "{refused:?}");
    assert_eq!(target.execute("SHOW DATABASES LIKE 'kpi'").unwrap(), "", "nothing was changed");
    target.execute("SET GLOBAL gtid_strict_mode = OFF").unwrap();
    recover(&logged.repository, &plan, &url, &options, &silent).await.unwrap();
    assert_eq!(target.execute("SELECT COUNT(*) FROM kpi.ledger").unwrap().trim(), "501");
    // The left side of the pipe dies, and the right side ends well.
    let folder = tempfile::tempdir().unwrap();
    let failing = folder.path().join("mariadb-binlog");
    std::fs::write(&failing, "#!/bin/sh\ncat > /dev/null\necho torn >&2\nexit 1\n").unwrap();
    std::fs::set_permissions(&failing, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut options = RecoverOptions::new();
    options.restore.tools.binlog = failing;
    let copy = MariaDb::start(&MariaDbOptions::new()).unwrap();
    let failed = recover(&logged.repository, &plan, &address(&copy), &options, &silent).await;
    assert!(matches!(failed, Err(RecoverError::Tool { .. })), "{failed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_usable_log_is_refused_with_the_setting() {
    let logged = Logged::with(LEDGER, &["binlog-format=STATEMENT"]);
    let mut options = ArchiveOptions::new(now);
    options.catch_up = true;
    let archive = |url: Server, options: ArchiveOptions| {
        let repository = logged.repository.clone();
        async move { archive_binlogs(&url, &repository, &options, std::future::pending(), &|_| {}).await }
    };
    let refused = archive(logged.url.clone(), options.clone()).await.unwrap_err();
    assert!(refused.to_string().contains("binlog_format=ROW"), "{refused}");
    let off = MariaDb::start(&MariaDbOptions::new()).unwrap();
    let refused = archive(address(&off), options).await.unwrap_err();
    assert!(matches!(&refused, ArchiveError::Unsuitable { finding: BinlogFinding::Off }), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_go_when_no_backup_needs_them_and_not_before() {
    let logged = Logged::new(LEDGER);
    logged.catch_up().await;
    let turn = || logged.execute("INSERT INTO ledger (amount) VALUES (7 * 7); FLUSH BINARY LOGS");
    turn();
    let first = logged.back_up().await;
    turn();
    turn();
    let second = logged.back_up().await;
    turn();
    logged.catch_up().await;
    let archive = logged.repository.binlogs();
    let names = |logs: &[ArchivedLog]| logs.iter().map(|log| log.name.clone()).collect::<Vec<_>>();
    let all = archive.logs().unwrap();
    assert_eq!(names(&all), ["binlog.000001", "binlog.000002", "binlog.000003", "binlog.000004"]);
    let plan = |backups: &[Manifest]| names(&plan_log_prune(&all, backups));
    assert_eq!(plan(&[first.clone(), second.clone()]), ["binlog.000001"]);
    assert_eq!(plan(std::slice::from_ref(&second)), ["binlog.000001", "binlog.000002", "binlog.000003"]);
    assert_eq!(plan(&[]), Vec::<String>::new(), "without a backup that knows its place nothing goes");
    assert_eq!(names(&plan_log_prune(&all[3..], &[first])), Vec::<String>::new());
    archive.prune(&plan_log_prune(&all, &[second])).unwrap();
    assert_eq!(names(&archive.logs().unwrap()), ["binlog.000004"]);
    assert_eq!(std::fs::read_dir(archive.directory().join("logs")).unwrap().count(), 1);
    assert_eq!(rows_at(&logged, Target::Latest).await, "504");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_about_another_database_stops_no_recovery_half_way() {
    let logged = Logged::new(LEDGER);
    logged.execute("CREATE DATABASE elsewhere");
    logged.back_up().await;
    // Run with `kpi` chosen, each of them would fail where only `kpi` is.
    logged.execute("CREATE TABLE elsewhere.t (a INT); CREATE TABLE elsewhere.like_ours LIKE ledger");
    logged.execute("CREATE INDEX i ON elsewhere.t (a); DROP TABLE elsewhere.like_ours");
    logged.execute("INSERT INTO ledger (amount) VALUES (501 * 7)");
    let whole = logged.gtid();
    logged.execute("CREATE TABLE linked LIKE elsewhere.t");
    let needing = logged.gtid();
    logged.execute("DROP TABLE linked, elsewhere.t");
    logged.catch_up().await;
    assert_eq!(rows_at(&logged, Target::After(whole)).await, "501");
    for target in [Target::After(needing), Target::Latest] {
        let refused = plan_recovery(&logged.repository, "kpi", target, None, false);
        let Err(PlanError::Straddles { gtid, other, .. }) = &refused else { panic!("{target}: {refused:?}") };
        assert_eq!((*gtid, other.as_str()), (needing, "elsewhere"));
    }
}
