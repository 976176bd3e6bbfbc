//! A source that is not the planned one any more: its rows are on their way before that is known, and none may arrive.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use golive_migrate::{CopyError, CopyOptions, Source, copy, create_schema};

#[tokio::test(flavor = "multi_thread")]
async fn no_row_of_another_source_is_committed() {
    let folder = tempfile::tempdir().unwrap();
    let rows = "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT);
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
        INSERT INTO item SELECT i, 'item ' || i FROM n;
        CREATE TABLE wide (id INTEGER PRIMARY KEY, content BLOB);
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 256)
        INSERT INTO wide SELECT i, zeroblob(1048576) FROM n;";
    let path = support::sqlite(folder.path(), rows);
    let source = Source::open(&path).unwrap();
    let db = support::server();
    let target = support::target(&db).await;
    let (_, plan) = support::plan(&source, &target).await;
    create_schema(&target, &plan).await.unwrap();
    let writer = rusqlite::Connection::open(&path).unwrap();
    writer.execute("UPDATE item SET name = 'another' WHERE id = 7", []).unwrap();

    let mut options = CopyOptions::default();
    // Many small chunks in a big file, so that some are ready long before the fingerprint is.
    options.chunk_rows = 100;
    let refused = copy(&source, &target, &plan, &options, &|_| {}).await;
    assert!(matches!(refused, Err(CopyError::SourceChanged)), "{refused:?}");
    assert_eq!(support::number(&db, "SELECT COUNT(*) FROM app.item"), 0);
    assert_eq!(support::number(&db, "SELECT COUNT(*) FROM app._golive_migrate_chunk"), 0);
}
