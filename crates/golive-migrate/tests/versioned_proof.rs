//! What a disposable server proves of versioned migrations: up, down and up again, drift, the scaffold for it, and what
//! pending changes do to the site.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::path::Path;

use golive_migrate::{
    ChangeClass, DisposableServer, Migrations, VersionedError, VersionedOptions, prove_migrations,
    schema_baseline, schema_drift, schema_lint, schema_scaffold, schema_up,
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

async fn disposable(db: &MariaDb) -> DisposableServer {
    DisposableServer::dangerous_claim(db.url("app").into()).await.unwrap()
}

const PARENT: &str = "CREATE TABLE parent (id BIGINT PRIMARY KEY, code VARCHAR(20) NOT NULL, UNIQUE KEY u (code)) \
                      DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;";
const CHILD: &str = "CREATE TABLE child (id BIGINT AUTO_INCREMENT PRIMARY KEY, parent_id BIGINT, note VARCHAR(50) DEFAULT 'a', \
                     age INT CHECK (age > 0), CONSTRAINT fk FOREIGN KEY (parent_id) REFERENCES parent (id));\n\
                     CREATE VIEW all_children AS SELECT id, note FROM child;\n\
                     CREATE TRIGGER stamp BEFORE INSERT ON child FOR EACH ROW SET NEW.note = COALESCE(NEW.note, 'b');";

fn two(folder: &Path) {
    write(folder, "1_parent.up.sql", PARENT);
    write(folder, "1_parent.down.sql", "DROP TABLE parent;");
    write(folder, "2_child.up.sql", CHILD);
    write(folder, "2_child.down.sql", "DROP VIEW all_children;\nDROP TABLE child;");
}

#[tokio::test(flavor = "multi_thread")]
async fn up_down_up_is_proven_and_a_down_that_leaves_something_is_found() {
    let (db, folder) = (server(), tempfile::tempdir().unwrap());
    two(folder.path());
    let server = disposable(&db).await;
    let proof = prove_migrations(&read(folder.path()), &server).await.unwrap();
    assert!(proof.holds(), "{proof:?}");
    assert_eq!((proof.applied, proof.taken_back, proof.tables), (2, 2, 2));

    write(folder.path(), "2_child.down.sql", "DROP TABLE child;");
    let proof = prove_migrations(&read(folder.path()), &server).await.unwrap();
    assert_eq!(proof.findings[0].id, "SCH-DOWN-LEAVES");
    assert!(proof.findings[0].what.contains("view all_children"), "{proof:?}");

    write(folder.path(), "2_child.up.sql", "CREATE TABLE child (id NONSENSE);");
    let proof = prove_migrations(&read(folder.path()), &server).await.unwrap();
    assert_eq!((proof.holds(), proof.findings[0].id), (false, "SCH-FAILS"));
    std::fs::remove_file(folder.path().join("2_child.down.sql")).unwrap();
    write(folder.path(), "2_child.up.sql", "CREATE TABLE child (id INT);");
    let proof = prove_migrations(&read(folder.path()), &server).await.unwrap();
    assert_eq!((proof.holds(), proof.findings[0].id, proof.taken_back), (true, "SCH-NO-DOWN", 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_somebodys_tables_is_never_taken_for_disposable() {
    let db = server();
    db.execute("CREATE DATABASE shop; CREATE TABLE shop.orders (id INT)").unwrap();
    let refused = DisposableServer::dangerous_claim(db.url("app").into()).await.unwrap_err();
    assert!(matches!(refused, VersionedError::NotDisposable { .. }), "{refused:?}");
    assert!(refused.to_string().contains("orders"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_drift_is_found_and_the_scaffold_leads_there_and_back() {
    let (db, spare, folder) = (server(), server(), tempfile::tempdir().unwrap());
    let here = folder.path();
    two(here);
    assert!(schema_up(&read(here), &options(&db), &|_| {}).await.unwrap().is_done());
    let server = disposable(&spare).await;
    let none = schema_drift(&read(here), &options(&db), &server).await.unwrap();
    assert!(none.is_none(), "{:?}", none.findings);

    db.execute(
        "USE app; ALTER TABLE child ADD COLUMN extra INT FIRST, MODIFY note VARCHAR(60) DEFAULT 'z', ADD INDEX by_note (note); \
         ALTER TABLE child DROP FOREIGN KEY fk; ALTER TABLE child ADD CONSTRAINT fk FOREIGN KEY (parent_id) REFERENCES parent (id) ON DELETE CASCADE; \
         ALTER TABLE parent CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci; ALTER TABLE parent ADD CHECK (id > 5); \
         CREATE TABLE by_hand (id INT PRIMARY KEY, parent_id BIGINT, FOREIGN KEY (parent_id) REFERENCES parent (id)); \
         CREATE OR REPLACE VIEW all_children AS SELECT id FROM child; DROP TRIGGER stamp;",
    )
    .unwrap();
    let drift = schema_drift(&read(here), &options(&db), &server).await.unwrap();
    let places: Vec<String> = drift.deviations.iter().map(golive_migrate::SchemaDeviation::place).collect();
    for place in [
        "column child.extra",
        "column child.note",
        "index child.by_note",
        "foreign key child.fk",
        "table options parent",
        "check parent.CONSTRAINT_1",
        "table by_hand",
        "view all_children",
        "trigger stamp",
    ] {
        assert!(places.iter().any(|found| found == place), "`{place}` is missing in {places:?}");
    }
    assert!(!drift.is_none());

    let name = read(here).next_name("from drift");
    let scaffold = schema_scaffold(&read(here), &drift, &name, &server).await.unwrap();
    assert!(scaffold.left.is_empty(), "{:#?}\n{}\n{}", scaffold.left, scaffold.up, scaffold.down);
    scaffold.write(here, &name).unwrap();
    schema_baseline(&read(here), &options(&db), &name).await.unwrap();
    let none = schema_drift(&read(here), &options(&db), &server).await.unwrap();
    assert!(none.is_none(), "{:?}", none.findings);
    let proof = prove_migrations(&read(here), &server).await.unwrap();
    assert!(proof.holds(), "{:?}", proof.findings);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lint_tells_what_each_change_does_to_the_site() {
    let (db, spare, folder) = (server(), server(), tempfile::tempdir().unwrap());
    let here = folder.path();
    write(
        here,
        "1_t.up.sql",
        "CREATE TABLE t (id BIGINT PRIMARY KEY, a INT, b VARCHAR(50), c INT) DEFAULT CHARSET=utf8mb4;",
    );
    assert!(schema_up(&read(here), &options(&db), &|_| {}).await.unwrap().is_done());
    db.execute("INSERT INTO app.t SELECT seq, 1, 'x', 1 FROM app.seq_1_to_500").unwrap_or_default();
    let changes = [
        ("ALTER TABLE t ADD COLUMN d INT", ChangeClass::Instant),
        ("CREATE INDEX ia ON t (a)", ChangeClass::Online),
        ("ALTER TABLE t MODIFY b VARCHAR(100)", ChangeClass::Copies),
        ("ALTER TABLE t MODIFY id INT NOT NULL", ChangeClass::Copies),
        ("ALTER TABLE t ADD CHECK (c > 0)", ChangeClass::Copies),
        ("ALTER TABLE t ADD FULLTEXT INDEX f (b)", ChangeClass::BlocksWrites),
        ("ALTER TABLE t DROP COLUMN c", ChangeClass::Unknown),
    ];
    let text: Vec<String> = changes[..6].iter().map(|(sql, _)| format!("{sql};")).collect();
    write(here, "2_change.up.sql", &text.join("\n"));
    write(here, "3_drop.up.sql", "DROP TABLE t;");
    let server = disposable(&spare).await;
    let drift = schema_drift(&read(here), &options(&db), &server).await.unwrap();
    let lint = schema_lint(&read(here), &options(&db), &drift, &server).await.unwrap();
    let seen: Vec<ChangeClass> = lint.changes.iter().map(|change| change.class).collect();
    assert_eq!(seen, changes[..6].iter().map(|(_, class)| *class).collect::<Vec<_>>(), "{lint:#?}");
    let ids: Vec<&str> = lint.findings.iter().map(|finding| finding.id).collect();
    assert_eq!(
        ids,
        ["SCH-LINT-COPIES", "SCH-LINT-COPIES", "SCH-LINT-COPIES", "SCH-LINT-BLOCKS", "SCH-LINT-LOSES"]
    );
    assert!(lint.findings[0].what.contains("rows"), "{:?}", lint.findings[0]);
}
