//! Killed at any point, run again, and the end is the same.

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};

use golive_migrate::{
    ConstraintError, CopyError, CopyOptions, SchemaError, Source, Target, TargetOptions, Verdict,
    add_constraints, copy, create_schema,
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
