//! Every difference between the schemas is found, and told from what a plan declared.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use golive_migrate::{
    CopyOptions, Difference, Intended, Plan, PlanOptions, Source, SurveyOptions, Target, Verdict,
    Verification, VerifyOptions, add_constraints, copy, create_schema, survey, verify,
};
use golive_sandbox::MariaDb;

const SCHEMA: &str = "
CREATE TABLE parent (id INTEGER PRIMARY KEY AUTOINCREMENT, code VARCHAR(20) NOT NULL UNIQUE);
CREATE TABLE child (id INTEGER PRIMARY KEY, parent_id INTEGER REFERENCES parent(id) ON DELETE CASCADE,
  qty INTEGER NOT NULL DEFAULT 5 CHECK (qty > 0), state VARCHAR(10) DEFAULT 'it''s' CHECK (state IN ('it''s', 'back\\slash', 'é')), price DECIMAL(10,2) DEFAULT -1.5,
  made DATETIME DEFAULT CURRENT_TIMESTAMP, twice INTEGER GENERATED ALWAYS AS (qty * 2) STORED, note TEXT);
CREATE INDEX child_state ON child(state, qty);
INSERT INTO parent VALUES (1, 'a'), (2, 'b'); UPDATE sqlite_sequence SET seq = 50;
INSERT INTO child (id, parent_id, qty) VALUES (1, 1, 3), (2, NULL, 4);
";

/// A change of the target, what undoes it, the kind it is told as, and a part of what is said.
type Change = (&'static str, &'static str, Difference, &'static str);

const CHANGES: &[Change] = &[
    (
        "ALTER TABLE child MODIFY note VARCHAR(300)",
        "ALTER TABLE child MODIFY note LONGTEXT",
        Difference::Type,
        "`note`",
    ),
    (
        "ALTER TABLE child MODIFY state VARCHAR(10) DEFAULT 'other'",
        "ALTER TABLE child MODIFY state VARCHAR(10) DEFAULT 'it''s'",
        Difference::Default,
        "`state`",
    ),
    (
        "ALTER TABLE child ALTER made DROP DEFAULT",
        "ALTER TABLE child MODIFY made DATETIME(6) DEFAULT (UTC_TIMESTAMP())",
        Difference::Default,
        "`made`",
    ),
    (
        "ALTER TABLE child MODIFY price DECIMAL(10,2) NOT NULL DEFAULT -1.5",
        "ALTER TABLE child MODIFY price DECIMAL(10,2) DEFAULT -1.5",
        Difference::Nullability,
        "`price` refuses",
    ),
    (
        "DROP INDEX child_state ON child",
        "CREATE INDEX child_state ON child(state, qty)",
        Difference::Index,
        "state, qty",
    ),
    (
        "DROP INDEX child_state ON child; CREATE INDEX child_state ON child(qty, state)",
        "DROP INDEX child_state ON child; CREATE INDEX child_state ON child(state, qty)",
        Difference::Index,
        "state, qty",
    ),
    (
        "ALTER TABLE child ADD UNIQUE KEY more (id, made)",
        "ALTER TABLE child DROP KEY more",
        Difference::UniqueKey,
        "id, made",
    ),
    (
        "ALTER TABLE child DROP CONSTRAINT ck_child_1",
        "ALTER TABLE child ADD CONSTRAINT ck_child_1 CHECK (qty > 0)",
        Difference::Check,
        "qty",
    ),
    (
        "ALTER TABLE child ADD CONSTRAINT c2 CHECK (price < 100)",
        "ALTER TABLE child DROP CONSTRAINT c2",
        Difference::Check,
        "price",
    ),
    (
        "ALTER TABLE child DROP CONSTRAINT ck_child_1; ALTER TABLE child ADD CONSTRAINT ck_child_1 CHECK (qty > -1)",
        "ALTER TABLE child DROP CONSTRAINT ck_child_1; ALTER TABLE child ADD CONSTRAINT ck_child_1 CHECK (qty > 0)",
        Difference::Check,
        "the CHECK over qty is not the source's",
    ),
    (
        "ALTER TABLE child DROP CONSTRAINT ck_child_2; ALTER TABLE child ADD CONSTRAINT ck_child_2 CHECK (state <> 'x' OR state IS NULL)",
        "ALTER TABLE child DROP CONSTRAINT ck_child_2; ALTER TABLE child ADD CONSTRAINT ck_child_2 CHECK (state IN ('it''s', 'back\\\\slash', 'é'))",
        Difference::Check,
        "the CHECK over state is not the source's",
    ),
    (
        "CREATE INDEX by_note ON child (made)",
        "DROP INDEX by_note ON child",
        Difference::Index,
        "made is only in the target",
    ),
    (
        "CREATE TRIGGER tr BEFORE INSERT ON child FOR EACH ROW SET NEW.note = 'x'",
        "DROP TRIGGER tr",
        Difference::Trigger,
        "`tr`",
    ),
    ("CREATE VIEW extra AS SELECT 1 one", "DROP VIEW extra", Difference::View, "only in the target"),
    (
        "ALTER TABLE child ADD COLUMN more INT",
        "ALTER TABLE child DROP COLUMN more",
        Difference::Column,
        "`more`",
    ),
    (
        "ALTER TABLE child DROP FOREIGN KEY fk_child_parent_id; ALTER TABLE child ADD CONSTRAINT fk_child_parent_id \
             FOREIGN KEY (parent_id) REFERENCES parent(id) ON DELETE SET NULL",
        "ALTER TABLE child DROP FOREIGN KEY fk_child_parent_id; ALTER TABLE child ADD CONSTRAINT fk_child_parent_id \
             FOREIGN KEY (parent_id) REFERENCES parent(id) ON DELETE CASCADE",
        Difference::ForeignKey,
        "ON DELETE SET NULL",
    ),
    (
        "ALTER TABLE parent AUTO_INCREMENT = 3",
        "ALTER TABLE parent AUTO_INCREMENT = 51",
        Difference::NextNumber,
        "twice",
    ),
    (
        "ALTER TABLE parent CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
        "ALTER TABLE parent CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
        Difference::Collation,
        "utf8mb4_general_ci",
    ),
    ("ALTER TABLE child ENGINE = Aria", "", Difference::Engine, "InnoDB"),
];

async fn migrated(sql: &str) -> (tempfile::TempDir, MariaDb, Source, Target, VerifyOptions) {
    let folder = tempfile::tempdir().unwrap();
    let source = Source::open(&support::sqlite(folder.path(), sql)).unwrap();
    let db = support::server();
    let target = support::target(&db).await;
    let (_, plan) = support::plan(&source, &target).await;
    create_schema(&target, &plan).await.unwrap();
    copy(&source, &target, &plan, &CopyOptions::default(), &|_| {}).await.unwrap();
    add_constraints(&target, &plan).await.unwrap();
    (folder, db, source, target, VerifyOptions::for_plan(&plan))
}

async fn check(source: &Source, target: &Target, options: &VerifyOptions) -> Verification {
    verify(source, target, options, &|_| {}).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_of_the_schema_is_told_once_and_by_its_kind() {
    let (_folder, db, source, target, options) = migrated(SCHEMA).await;
    for options in [&options, &VerifyOptions::default()] {
        let found = check(&source, &target, options).await;
        assert_eq!(found.verdict, Verdict::Match, "{found:#?}");
        assert_eq!(found.foreign_keys.len(), 1);
    }
    let mut unnoticed = Vec::new();
    for (change, back, kind, said) in CHANGES.iter().copied() {
        let prefix = "USE app; SET foreign_key_checks = 0;";
        // Aria takes no foreign key.
        let before = if kind == Difference::Engine {
            "ALTER TABLE child DROP FOREIGN KEY fk_child_parent_id;"
        } else {
            ""
        };
        db.execute(&format!("{prefix} {before} {change}")).unwrap();
        let found = check(&source, &target, &options).await;
        // An index over other columns is one that is missing, and one that nobody planned.
        let differences = if change.contains("(qty, state)") { 2 } else { 1 };
        let of_kind = found.schema.iter().filter(|one| one.kind == kind && one.intended == Intended::No);
        let said = of_kind.clone().any(|one| one.what.contains(said)) && of_kind.count() == differences;
        let alone = kind == Difference::Engine || found.schema.len() == differences;
        if !(said && alone && found.verdict == Verdict::Mismatch) {
            unnoticed.push(format!("{change}: {:?} {:#?}", found.verdict, found.schema));
        }
        if kind != Difference::Engine {
            db.execute(&format!("{prefix} {back}")).unwrap();
        }
    }
    assert!(unnoticed.is_empty(), "{} of {}:\n{}", unnoticed.len(), CHANGES.len(), unnoticed.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_plan_a_type_is_held_against_the_declared_one() {
    let (_folder, db, source, target, _) = migrated(SCHEMA).await;
    db.execute("USE app; DROP TABLE _golive_migrate_recorded").unwrap();
    assert_eq!(check(&source, &target, &VerifyOptions::default()).await.verdict, Verdict::Match);
    db.execute("USE app; ALTER TABLE parent MODIFY code VARBINARY(80) NOT NULL").unwrap();
    let found = check(&source, &target, &VerifyOptions::default()).await;
    assert!(found.schema.iter().any(|one| one.kind == Difference::Type), "{:#?}", found.schema);
}

#[tokio::test(flavor = "multi_thread")]
async fn orphans_are_counted_key_by_key() {
    let (_folder, db, source, target, options) = migrated(SCHEMA).await;
    db.execute("USE app; SET foreign_key_checks = 0; DELETE FROM parent WHERE id = 1").unwrap();
    let found = check(&source, &target, &options).await;
    assert_eq!((found.foreign_keys[0].table.as_str(), found.foreign_keys[0].orphans), ("child", 1));
    assert_eq!(found.verdict, Verdict::Mismatch);
    assert!(
        found.schema.iter().any(|one| one.what.starts_with("1 rows of the foreign key")),
        "{:#?}",
        found.schema
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plan_declares_is_intended_and_without_a_plan_it_is_a_difference() {
    let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT CHECK (a GLOB 'x*'), b TEXT DEFAULT (hex(randomblob(4))), c INTEGER);
        CREATE TRIGGER tr AFTER INSERT ON t BEGIN SELECT 1; END;
        CREATE VIRTUAL TABLE search USING fts5(body);
        INSERT INTO t (id, a, b, c) VALUES (1, 'xy', 'z', 1);";
    let (_folder, db, source, target, options) = migrated(sql).await;
    let planned = check(&source, &target, &options).await;
    assert_eq!(planned.verdict, Verdict::Match, "{planned:#?}");
    assert!(planned.intended.len() >= 4, "{:#?}", planned.intended);
    assert!(planned.intended.iter().all(|one| one.intended == Intended::Yes && one.finding.is_some()));

    // The target keeps what its plan meant, so whoever has no plan knows it too.
    let later = check(&source, &target, &VerifyOptions::default()).await;
    assert_eq!((later.verdict, later.intended.len()), (Verdict::Match, planned.intended.len()), "{later:#?}");
    db.execute("USE app; ALTER TABLE t ADD CONSTRAINT other CHECK (c > 0)").unwrap();
    assert_eq!(check(&source, &target, &VerifyOptions::default()).await.verdict, Verdict::Mismatch);
    db.execute("USE app; ALTER TABLE t DROP CONSTRAINT other; DROP TABLE _golive_migrate_recorded").unwrap();

    let alone = check(&source, &target, &VerifyOptions::default()).await;
    assert_eq!(alone.verdict, Verdict::Mismatch, "nobody is known to have meant it");
    assert_eq!(alone.schema.len(), planned.intended.len());
    assert!(alone.schema.iter().all(|one| one.intended == Intended::Unknown), "{:#?}", alone.schema);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_key_left_out_is_told_by_the_finding_that_left_it_out() {
    let sql = "CREATE TABLE ord (id INTEGER PRIMARY KEY, no INTEGER NOT NULL, UNIQUE (id, no)); CREATE TABLE page (url TEXT NOT NULL UNIQUE);
        CREATE TABLE a (id INTEGER PRIMARY KEY, ord VARCHAR(9) REFERENCES ord(id));
        CREATE TABLE b (id INTEGER PRIMARY KEY, url TEXT REFERENCES page(url));
        CREATE TABLE c (id INTEGER PRIMARY KEY, ord INTEGER REFERENCES ord(id));
        CREATE TABLE d (id INTEGER PRIMARY KEY, ord INTEGER, no VARCHAR(9), FOREIGN KEY (ord, no) REFERENCES ord(id, no));
        CREATE TABLE e (id INTEGER PRIMARY KEY, ord INTEGER REFERENCES ord(id));
        INSERT INTO ord VALUES (1, 5); INSERT INTO page VALUES (printf('%.900c', 'x'));
        INSERT INTO a VALUES (1, '1'); INSERT INTO b SELECT 1, url FROM page; INSERT INTO c VALUES (1, 99);
        INSERT INTO d VALUES (1, 1, '5'); INSERT INTO e VALUES (1, 1), (2, 99)";
    let folder = tempfile::tempdir().unwrap();
    let source = Source::open(&support::sqlite(folder.path(), sql)).unwrap();
    let db = support::server();
    let target = support::target(&db).await;
    let mut decided = SurveyOptions::default();
    for (selector, policy) in [
        ("MIG-FK-TYPE", "accept"),
        ("MIG-FK-LENGTH", "accept"),
        ("MIG-FK-ORPHAN:c", "accept"),
        ("MIG-FK-ORPHAN:e", "quarantine"),
    ] {
        decided.policies.0.insert(selector.to_owned(), policy.parse().unwrap());
    }
    let surveyed = survey(&source, Some(&target), &decided).await.unwrap();
    let plan = Plan::new(&surveyed, &PlanOptions::default()).unwrap();
    create_schema(&target, &plan).await.unwrap();
    copy(&source, &target, &plan, &CopyOptions::default(), &|_| {}).await.unwrap();
    add_constraints(&target, &plan).await.unwrap();
    let told = check(&source, &target, &VerifyOptions::default()).await;
    assert_eq!(told.verdict, Verdict::Match, "{told:#?}");
    let mut ids: Vec<_> =
        told.intended.iter().map(|one| (one.table.as_str(), one.finding.unwrap())).collect();
    ids.sort_unstable();
    let left_out =
        [("a", "MIG-FK-TYPE"), ("b", "MIG-FK-LENGTH"), ("c", "MIG-FK-ORPHAN"), ("d", "MIG-FK-TYPE")];
    assert_eq!(ids, left_out, "{:#?}", told.intended);

    // Where orphans were set aside the foreign key was made, and nobody meant it to go.
    db.execute("USE app; ALTER TABLE e DROP FOREIGN KEY fk_e_ord, DROP KEY fk_e_ord").unwrap();
    for options in [VerifyOptions::default(), VerifyOptions::for_plan(&plan)] {
        let found = check(&source, &target, &options).await;
        assert_eq!((found.verdict, found.schema.len()), (Verdict::Mismatch, 1), "{found:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_of_both_sides_is_compared_by_what_it_shows() {
    let sql =
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER); INSERT INTO t VALUES (1, 5), (2, 6), (3, 6);
        CREATE VIEW v AS SELECT a, count(*) AS n FROM t GROUP BY a;";
    let (_folder, db, source, target, options) = migrated(sql).await;
    db.execute("USE app; CREATE OR REPLACE VIEW v AS SELECT a, COUNT(*) AS n FROM t GROUP BY a").unwrap();
    let found = check(&source, &target, &options).await;
    assert_eq!(found.verdict, Verdict::Match, "{found:#?}");
    assert_eq!((found.views[0].name.as_str(), found.views[0].rows_source), ("v", 2));
    db.execute("USE app; CREATE OR REPLACE VIEW v AS SELECT a, COUNT(*) + (a = 6) AS n FROM t GROUP BY a")
        .unwrap();
    let found = check(&source, &target, &options).await;
    assert_eq!(found.verdict, Verdict::Mismatch);
    assert_eq!(found.views[0].mismatches[0].column.as_deref(), Some("n"));
}
