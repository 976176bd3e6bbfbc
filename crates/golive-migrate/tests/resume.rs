//! Killed at any point, run again, and the end is the same.

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt;
use golive_migrate::{
    CancellationToken, ConstraintError, ConstraintOptions, CopyError, CopyOptions, Phase, Plan, PlanOptions,
    Progress, ProgressEvents, SchemaError, Source, SurveyOptions, Target, TargetOptions, Verdict,
    VerifyOptions, add_constraints, add_constraints_with, copy, create_schema, quarantined, survey, verify,
};

const ROWS: usize = 5_000;

fn many_rows() -> String {
    format!(
        "CREATE TABLE big (id INTEGER PRIMARY KEY, name TEXT, price real(10, 2), made datetime_text);
         CREATE TABLE bag (a INTEGER, b TEXT);
         CREATE TABLE tight (k TEXT, n INTEGER, v TEXT, PRIMARY KEY (k, n)) WITHOUT ROWID;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
         INSERT INTO big SELECT i * 3, 'name ' || i, i * 1.25, datetime(1700000000 + i, 'unixepoch') FROM n;
         INSERT INTO bag SELECT id % 7, name FROM big; INSERT INTO tight SELECT 'k' || (id % 11), id, name FROM big;"
    )
}

fn small_chunks() -> CopyOptions {
    let mut options = CopyOptions::default();
    options.chunk_rows = 300;
    options
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_dropped_or_a_server_killed_at_any_chunk_continues_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let source = Source::open(&support::sqlite(folder.path(), &many_rows())).unwrap();
    let db = support::server();
    let target = support::target(&db).await;
    let (_, plan) = support::plan(&source, &target).await;
    create_schema(&target, &plan).await.unwrap();
    assert!(create_schema(&target, &plan).await.unwrap().resumed, "making the tables again is no fault");
    assert!(matches!(add_constraints(&target, &plan).await, Err(ConstraintError::NotCopied { .. })));

    let options = small_chunks();
    for stop_after in [1_usize, 4, 9] {
        let chunks = AtomicUsize::new(0);
        let stop = tokio::sync::Notify::new();
        let tell = |_| {
            if chunks.fetch_add(1, Ordering::Relaxed) + 1 >= stop_after {
                stop.notify_one();
            }
        };
        tokio::select! {
            ended = copy(&source, &target, &plan, &options, &tell) => panic!("ended too early: {ended:?}"),
            () = stop.notified() => {}
        }
    }
    let chunks = AtomicUsize::new(0);
    let kill = |_| {
        if chunks.fetch_add(1, Ordering::Relaxed) == 5 {
            db.kill().unwrap();
        }
    };
    let ended = copy(&source, &target, &plan, &small_chunks(), &kill).await;
    assert!(matches!(ended, Err(CopyError::Server { .. })), "{ended:?}");
    db.start_again().unwrap();

    let report = copy(&source, &target, &plan, &small_chunks(), &|_| {}).await.unwrap();
    assert!(
        report.resumed && report.rows < 3 * ROWS as u64,
        "finished chunks are not copied again: {report:?}"
    );
    add_constraints(&target, &plan).await.unwrap();
    add_constraints(&target, &plan).await.unwrap();
    let verification = support::check(&source, &target).await;
    assert_eq!(verification.verdict, Verdict::Match, "{verification:#?}");
    assert_eq!(verification.tables.iter().map(|table| table.rows_target).sum::<u64>(), 3 * ROWS as u64);
    let again = copy(&source, &target, &plan, &small_chunks(), &|_| {}).await.unwrap();
    assert_eq!(again.rows, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_leaves_no_chunk_half_done_and_the_next_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let source = Source::open(&support::sqlite(folder.path(), &many_rows())).unwrap();
    let db = support::server();
    let mut target = support::target(&db).await;
    let (_, plan) = support::plan(&source, &target).await;
    create_schema(&target, &plan).await.unwrap();
    let events = ProgressEvents::new();
    let heard = events.subscribe();
    let mut copied = 0;
    // Once by LOAD DATA, once by INSERT.
    for infile in [true, false] {
        let mut how = TargetOptions::new(db.url("app").into());
        how.local_infile = infile;
        target = Target::connect(&how).await.unwrap();
        let mut options = small_chunks();
        options.cancel = CancellationToken::new();
        let before = copied;
        let now = AtomicUsize::new(0);
        let cancel_at_the_fourth = |progress: Progress| {
            if now.fetch_add(1, Ordering::Relaxed) == 3 {
                options.cancel.cancel();
            }
            events.tell(progress);
        };
        let ended = copy(&source, &target, &plan, &options, &cancel_at_the_fourth).await;
        assert!(matches!(ended, Err(CopyError::Cancelled { .. })), "{ended:?}");
        copied = rows_by_journal(&db);
        assert!(copied > before && copied < 3 * ROWS, "{copied}");
        assert_eq!(copied, rows_in_tables(&db), "no row of an unfinished chunk stays");
        let open = db.execute("SELECT COUNT(*) FROM information_schema.INNODB_TRX").unwrap();
        assert!(open.trim_end().ends_with('0'), "{open}");
    }
    let again = copy(&source, &target, &plan, &small_chunks(), &|progress| events.tell(progress)).await;
    let report = again.unwrap();
    assert!(report.resumed);
    assert_eq!(report.rows as usize, 3 * ROWS - copied, "finished chunks are not copied again");
    let last = events.latest().unwrap();
    assert_eq!((last.phase, last.phase_rows, last.phase_total), (Phase::Copy, 15_000, 15_000));
    assert_eq!(last.seconds_left, Some(0.0));
    drop(events);
    assert_eq!(heard.collect::<Vec<Progress>>().await.last(), Some(&last));

    let mut cancelled = ConstraintOptions::default();
    cancelled.cancel = CancellationToken::new();
    cancelled.cancel.cancel();
    let refused = add_constraints_with(&target, &plan, &cancelled, &|_| {}).await;
    assert!(matches!(refused, Err(ConstraintError::Cancelled { .. })), "{refused:?}");
    add_constraints(&target, &plan).await.unwrap();
    assert_eq!(support::check(&source, &target).await.verdict, Verdict::Match);
}

fn rows_by_journal(db: &golive_sandbox::MariaDb) -> usize {
    support::number(db, "SELECT CAST(SUM(row_count) AS UNSIGNED) FROM app._golive_migrate_chunk")
}

fn rows_in_tables(db: &golive_sandbox::MariaDb) -> usize {
    support::number(
        db,
        "SELECT (SELECT COUNT(*) FROM app.big) + (SELECT COUNT(*) FROM app.bag) + (SELECT COUNT(*) FROM app.tight)",
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_ends_at_a_key_that_is_no_utf8_is_gone_on_from_exactly() {
    let folder = tempfile::tempdir().unwrap();
    // Read as UTF-8 the first broken key would lie behind `aé`, and the second before itself.
    let sql = "CREATE TABLE tight (k TEXT PRIMARY KEY, n INTEGER) WITHOUT ROWID;
        INSERT INTO tight VALUES ('a', 1), (CAST(x'6180' AS TEXT), 2), ('aé', 3), (CAST(x'61ff' AS TEXT), 4), ('b', 5)";
    let source = Source::open(&support::sqlite(folder.path(), sql)).unwrap();
    let db = support::server();
    let target = support::target(&db).await;
    let mut decided = SurveyOptions::default();
    decided.policies.0.insert("MIG-TEXT-UTF8".to_owned(), "quarantine".parse().unwrap());
    let surveyed = survey(&source, Some(&target), &decided).await.unwrap();
    let plan = Plan::new(&surveyed, &PlanOptions::default()).unwrap();
    create_schema(&target, &plan).await.unwrap();
    let mut runs = 0;
    loop {
        let mut options = CopyOptions::default();
        options.chunk_rows = 1;
        options.cancel = CancellationToken::new();
        runs += 1;
        match copy(&source, &target, &plan, &options, &|_| options.cancel.cancel()).await {
            Err(CopyError::Cancelled { .. }) if runs < 9 => {}
            ended => break drop(ended.unwrap()),
        }
    }
    // A chunk that was on its way when its run was cancelled may still be finished.
    assert!(runs > 2, "each run ends after a row or two: {runs}");
    add_constraints(&target, &plan).await.unwrap();
    let numbers = db.execute("USE app; SELECT GROUP_CONCAT(n ORDER BY n) FROM tight").unwrap();
    assert_eq!(numbers.lines().last(), Some("1,3,5"));
    let aside: u64 = quarantined(&target).await.unwrap().iter().map(|rows| rows.count).sum();
    assert_eq!(aside, 2, "each once");
    let verification = verify(&source, &target, &VerifyOptions::for_plan(&plan), &|_| {}).await.unwrap();
    assert_eq!(verification.verdict, Verdict::Match, "{verification:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_under_way_is_given_up_when_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    let rows = 200_000;
    let sql = format!(
        "CREATE TABLE big (id INTEGER PRIMARY KEY, a TEXT, b TEXT); CREATE INDEX i1 ON big (a, b); CREATE INDEX i2 ON big (b, a);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
         INSERT INTO big SELECT i, 'some text to sort ' || (i * 7919 % 100003), hex(i * 31) FROM n;"
    );
    let source = Source::open(&support::sqlite(folder.path(), &sql)).unwrap();
    let db = support::server();
    let target = support::target(&db).await;
    let (_, plan) = support::plan(&source, &target).await;
    create_schema(&target, &plan).await.unwrap();
    copy(&source, &target, &plan, &CopyOptions::default(), &|_| {}).await.unwrap();
    let mut options = ConstraintOptions::default();
    options.cancel = CancellationToken::new();
    let adding = add_constraints_with(&target, &plan, &options, &|_| {});
    let cancelling = async {
        let under_way = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'ALTER TABLE%'";
        while tokio::task::block_in_place(|| support::number(&db, under_way)) == 0 {
            tokio::task::yield_now().await;
        }
        options.cancel.cancel();
    };
    let (ended, ()) = tokio::join!(adding, cancelling);
    assert!(matches!(ended, Err(ConstraintError::Cancelled { .. })), "{ended:?}");
    let keys = "SELECT COUNT(DISTINCT INDEX_NAME) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = 'app' AND TABLE_NAME = 'big'";
    assert_eq!(support::number(&db, keys), 1, "the statement was undone as a whole");
    assert_eq!(add_constraints(&target, &plan).await.unwrap().indexes_added, 2);
    assert_eq!(support::check(&source, &target).await.verdict, Verdict::Match);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_a_changed_source_and_a_used_target_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = support::sqlite(folder.path(), &many_rows());
    let source = Source::open(&path).unwrap();
    let db = support::server();
    let target = support::target(&db).await;
    let (_, plan) = support::plan(&source, &target).await;
    create_schema(&target, &plan).await.unwrap();

    let first = tokio::sync::Notify::new();
    let tell = |_| first.notify_one();
    let options = small_chunks();
    let running = copy(&source, &target, &plan, &options, &tell);
    tokio::pin!(running);
    tokio::select! {
        ended = &mut running => panic!("ended too early: {ended:?}"),
        () = first.notified() => {}
    }
    // The first run is alive but not polled: it holds its lock.
    let second = copy(&source, &target, &plan, &options, &|_| {}).await;
    assert!(matches!(second, Err(CopyError::AnotherRun { .. })), "{second:?}");
    running.await.unwrap();

    rusqlite::Connection::open(&path).unwrap().execute("UPDATE big SET name = 'x' WHERE id = 3", []).unwrap();
    let changed = copy(&source, &target, &plan, &options, &|_| {}).await;
    assert!(matches!(changed, Err(CopyError::SourceChanged)), "{changed:?}");
    let (_, other) = support::plan(&source, &target).await;
    assert!(matches!(create_schema(&target, &other).await, Err(SchemaError::OtherRun { .. })));
    let verification = support::check(&source, &target).await;
    assert!(verification.source_changed_since_copy);
    let big = verification.tables.iter().find(|table| table.name == "big").unwrap();
    assert_eq!((big.mismatches[0].key.as_str(), big.mismatches[0].column.as_deref()), ("id=3", Some("name")));

    db.create_database("used").unwrap();
    db.execute("USE used; CREATE TABLE precious (id INT)").unwrap();
    let used = Target::connect(&TargetOptions::new(db.url("used").into())).await.unwrap();
    let refused = create_schema(&used, &plan).await;
    assert!(
        matches!(&refused, Err(SchemaError::NotEmpty { table, .. }) if table == "precious"),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_the_server_refuses_is_named_and_nothing_of_its_chunk_stays() {
    let folder = tempfile::tempdir().unwrap();
    let source = Source::open(&support::sqlite(folder.path(), &many_rows())).unwrap();
    let db = support::server();
    let target = support::target(&db).await;
    let (_, plan) = support::plan(&source, &target).await;
    create_schema(&target, &plan).await.unwrap();
    db.execute("USE app; ALTER TABLE big ADD CONSTRAINT odd CHECK (name <> 'name 4321')").unwrap();
    let refused = copy(&source, &target, &plan, &CopyOptions::default(), &|_| {}).await;
    let Err(CopyError::RowRefused { table, key, code, .. }) = &refused else { panic!("{refused:?}") };
    assert_eq!((table.as_str(), key.as_str(), *code), ("big", "id=12963", 4025));
    let rows = db.execute("USE app; SELECT COUNT(*) FROM big").unwrap();
    assert!(rows.trim_end().ends_with('0'), "{rows}");
    db.execute("USE app; ALTER TABLE big DROP CONSTRAINT odd").unwrap();
    copy(&source, &target, &plan, &CopyOptions::default(), &|_| {}).await.unwrap();
    add_constraints(&target, &plan).await.unwrap();
    assert_eq!(support::check(&source, &target).await.verdict, Verdict::Match);
}
