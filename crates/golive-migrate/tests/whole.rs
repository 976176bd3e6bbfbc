//! Whole migrations of difficult databases to a real MariaDB, and the proof that a changed cell is found.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use golive_migrate::{
    CopyOptions, MismatchKind, Plan, PlanError, PlanOptions, Severity, Source, SurveyOptions, Verdict,
    survey, verify,
};

/// Every kind of column that goes wrong.
const DIFFICULT: &str = "
CREATE TABLE client (client_id varchar(50) PRIMARY KEY NOT NULL, name TEXT NOT NULL UNIQUE, is_active boolean NOT NULL DEFAULT TRUE);
CREATE TABLE \"order\" (
  id integer PRIMARY KEY AUTOINCREMENT, client_id varchar(50) NOT NULL REFERENCES client ON DELETE CASCADE,
  parent_id integer REFERENCES \"order\"(id) ON DELETE SET NULL,
  price real(10, 2) NOT NULL DEFAULT 0, money real_decimal, odd NUMERIC(6,2), weight float, exact double,
  made datetime_text DEFAULT CURRENT_TIMESTAMP, stamped timestamp_with_timezone_text, day date_text, at time_text,
  doc json_text, long_text text, state enum_text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'don''t\\', 'closed')),
  raw blob, uid uuid_text, twice integer GENERATED ALWAYS AS (id * 2) VIRTUAL, code varchar(20) DEFAULT \"none\",
  CHECK (price >= 0), UNIQUE (client_id, code));
CREATE INDEX order_day ON \"order\"(day, client_id DESC);
CREATE UNIQUE INDEX order_uid ON \"order\"(uid) WHERE uid IS NOT NULL;
CREATE TABLE entry (client_id varchar(50), day date_text, line integer, amount bigint, note TEXT,
  PRIMARY KEY (client_id, day, line), FOREIGN KEY (client_id) REFERENCES client(client_id));
CREATE TABLE small (k TEXT PRIMARY KEY, v ANY) WITHOUT ROWID;
CREATE TABLE keyless (a INTEGER, b TEXT, c REAL);
CREATE TABLE a_cycle (id integer PRIMARY KEY, other integer REFERENCES b_cycle(id));
CREATE TABLE b_cycle (id integer PRIMARY KEY, other integer REFERENCES a_cycle(id));
CREATE TABLE hollow (id integer PRIMARY KEY, \"we`ird \"\" name\" text);
INSERT INTO client VALUES ('a', 'x', 1), ('A', 'X', 0), ('a ', 'x ', 1), ('\u{e9}', 'caf\u{e9}', 1), ('e', 'cafe', 1);
INSERT INTO \"order\" (id, client_id, parent_id, price, money, odd, weight, exact, made, stamped, day, at, doc, long_text, state, raw, uid, code)
VALUES
 (0, 'a', NULL, 12.34, 1.23456789, 55.85891812865498, 0.1, 1.7976931348623157e308, '2024-02-18 01:59:31.123456', '2024-02-18T01:59:31.5+00:00', '2024-02-18', '08:30:00.250000', '{\"b\": 1.10, \"a\":[ ]}', 'tab\tnew\nline\\back\\N', 'open', x'000aff5c09', x'00112233445566778899aabbccddeeff', NULL),
 (-5, 'A', 0, 8, 8, 8, 16777217, 5e-324, '2024-02-18 01:59:31', '2024-02-18 03:59:31+02:00', '0999-12-31', '23:59:59', '[]', '', 'don''t\\', x'', NULL, 'none'),
 (9007199254740993, 'a ', -5, 0, NULL, NULL, NULL, -0.0, NULL, NULL, NULL, NULL, NULL, NULL, 'closed', NULL, NULL, 'None'),
 (7, 'é', 0, 1e-2, 123456789.5, 0.1, 3.4028234e38, 0.1, '1969-12-31T23:59:59Z', '9999-12-31 23:59:59.999999', '2024-02-29', '00:00:00', 'null', char(128512) || char(0) || 'x', 'open', NULL, x'ffffffffffffffffffffffffffffffff', 'none ');
INSERT INTO entry VALUES ('a', '2024-01-02', 2, 9223372036854775807, NULL), ('a', '2024-01-02', 1, -9223372036854775808, ''), ('A', '2024-01-01', 1, 0, ' ');
INSERT INTO small VALUES ('b', 1), ('a', 2), ('', NULL);
INSERT INTO keyless VALUES (1, 'x', 1.5), (1, 'x', 1.5), (NULL, NULL, NULL), (2, 'y', 2);
INSERT INTO a_cycle VALUES (1, 1); INSERT INTO b_cycle VALUES (1, 1);
UPDATE sqlite_sequence SET seq = 9007199254740999 WHERE name = 'order';
";

#[tokio::test(flavor = "multi_thread")]
async fn a_difficult_database_arrives_whole_and_every_change_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let source = Source::open(&support::sqlite(folder.path(), DIFFICULT)).unwrap();
    let db = support::server();
    let target = support::target(&db).await;
    let (survey, report, verification) = support::migrate(&source, &target, &CopyOptions::default()).await;
    assert_eq!(report.method, "load data");
    assert_eq!(report.rows, survey.rows());
    assert!(survey.findings.iter().any(|finding| finding.id == "MIG-DATETIME-OFFSET"));
    assert_eq!(verification.verdict, Verdict::Match, "{verification:#?}");
    assert!(verification.verified().is_some());

    // What a driver reads, by another path than ours.
    let shown = db
        .execute(
            "USE app; SELECT id, money, odd, made, stamped, HEX(uid), twice, doc FROM `order` ORDER BY id",
        )
        .unwrap();
    assert!(shown.contains("2024-02-18 01:59:31.000000"), "the offset is gone into UTC: {shown}");
    assert!(shown.contains("55.85891812865498") && shown.contains("{\"b\": 1.10, \"a\":[ ]}"), "{shown}");
    let next = db.execute("USE app; INSERT INTO `order` (client_id) VALUES ('a'); SELECT LAST_INSERT_ID(), made IS NOT NULL FROM `order` WHERE id > 9007199254740993 AND code = 'none'").unwrap();
    assert!(next.contains("9007199254741000\t1"), "{next}");
    db.execute("USE app; DELETE FROM `order` WHERE id > 9007199254740993").unwrap();
    let refused = db.execute("USE app; INSERT INTO `order` (client_id, price) VALUES ('nobody', 1)");
    assert!(refused.is_err(), "the foreign key holds");
    assert!(
        db.execute("USE app; UPDATE `order` SET state = 'lost' WHERE id = 7").is_err(),
        "the check holds"
    );

    every_change_is_named(&db, &source, &target).await;
}

async fn every_change_is_named(
    db: &golive_sandbox::MariaDb,
    source: &Source,
    target: &golive_migrate::Target,
) {
    let changes = [
        ("UPDATE `order` SET weight = weight + 1e-9 WHERE id = 0", "order", "id=0", Some("weight")),
        ("UPDATE `order` SET made = made + INTERVAL 2 HOUR WHERE id = 7", "order", "id=7", Some("made")),
        ("UPDATE `order` SET doc = '[ ]' WHERE id = -5", "order", "id=-5", Some("doc")),
        ("UPDATE `order` SET long_text = NULL WHERE id = -5", "order", "id=-5", Some("long_text")),
        (
            "UPDATE entry SET note = '' WHERE note = ' '",
            "entry",
            "client_id=A, day=2024-01-01, line=1",
            Some("note"),
        ),
        ("UPDATE keyless SET c = 3 WHERE a = 2", "keyless", "rowid=4", Some("c")),
        ("UPDATE small SET v = 9 WHERE k = ''", "small", "k=", Some("v")),
        ("DELETE FROM b_cycle", "b_cycle", "id=1", None),
        ("INSERT INTO hollow VALUES (3, NULL)", "hollow", "id=3", None),
    ];
    for (change, ..) in changes {
        db.execute(&format!("USE app; SET foreign_key_checks = 0; {change}")).unwrap();
    }
    let verification =
        verify(source, target, &golive_migrate::VerifyOptions::default(), &|_| {}).await.unwrap();
    assert_eq!(verification.verdict, Verdict::Mismatch);
    assert!(verification.verified().is_none());
    assert_eq!(verification.mismatch_count(), changes.len() as u64, "{verification:#?}");
    for (change, table, key, column) in changes {
        let found = verification.tables.iter().find(|one| one.name == table).unwrap();
        let named = found.mismatches.iter().any(|one| one.key == key && one.column.as_deref() == column);
        assert!(named, "{change}: {found:#?}");
    }
    let kinds =
        |table: &str| verification.tables.iter().find(|one| one.name == table).unwrap().mismatches[0].kind;
    assert_eq!(kinds("b_cycle"), MismatchKind::MissingInTarget);
    assert_eq!(kinds("hollow"), MismatchKind::OnlyInTarget);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_local_infile_rows_go_by_insert() {
    let folder = tempfile::tempdir().unwrap();
    let source = Source::open(&support::sqlite(folder.path(), DIFFICULT)).unwrap();
    let db = support::server_with(&["local_infile=0"]);
    let target = support::target(&db).await;
    let (survey, report, verification) = support::migrate(&source, &target, &CopyOptions::default()).await;
    assert_eq!(report.method, "insert");
    assert!(survey.findings.iter().any(|finding| finding.id == "MIG-TARGET-INFILE"));
    assert_eq!(verification.verdict, Verdict::Match, "{verification:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_lost_its_keys_is_no_match() {
    let folder = tempfile::tempdir().unwrap();
    let source = Source::open(&support::sqlite(folder.path(), DIFFICULT)).unwrap();
    let db = support::server();
    let target = support::target(&db).await;
    let (_, _, verification) = support::migrate(&source, &target, &CopyOptions::default()).await;
    assert_eq!(verification.verdict, Verdict::Match);
    db.execute(
        "USE app; ALTER TABLE entry DROP FOREIGN KEY fk_entry_client_id; ALTER TABLE small ENGINE=Aria; \
         ALTER TABLE client DROP KEY uq_name; CREATE TABLE extra (id INT)",
    )
    .unwrap();
    let verification = support::check(&source, &target).await;
    let said: Vec<String> =
        verification.schema.iter().map(|one| format!("{}: {}", one.table, one.what)).collect();
    for part in [
        "entry: the foreign key",
        "small: the engine",
        "client: the unique key over name",
        "extra: the table is only",
    ] {
        assert!(said.iter().any(|one| one.starts_with(part)), "{part} in {said:#?}");
    }
    assert_eq!(verification.verdict, Verdict::Mismatch);
}

#[tokio::test]
async fn orphans_and_misfits_block_and_name_their_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = support::sqlite(
        folder.path(),
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p(id), n INTEGER, \
         x TEXT, d DATETIME, o INTEGER CHECK (o > 0));
         PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON;
         INSERT INTO c VALUES (1, 99, 1, 'ok', '2024-01-01', 1), (2, 99, 'abc', CAST(x'ff' AS TEXT), 'yesterday', -1);
         CREATE VIEW v AS SELECT upper(x) FROM c; CREATE TRIGGER t AFTER INSERT ON p BEGIN SELECT 1; END; \
         CREATE INDEX low ON c(lower(x)); CREATE UNIQUE INDEX part ON c(n) WHERE o > 5; CREATE VIRTUAL TABLE f USING fts5(body)",
    );
    let source = Source::open(&path).unwrap();
    let survey = survey(&source, None, &SurveyOptions::default()).await.unwrap();
    let of = |id: &str| {
        survey
            .findings
            .iter()
            .find(|finding| finding.id == id)
            .unwrap_or_else(|| panic!("{id}: {:#?}", survey.findings))
    };
    let orphan = of("MIG-FK-ORPHAN");
    assert_eq!((orphan.place().as_str(), orphan.count, orphan.keys.len()), ("c.p", 2, 2));
    assert_eq!(of("MIG-TYPE-MIXED").keys, ["id=2"]);
    assert_eq!(of("MIG-TEXT-UTF8").keys, ["id=2"]);
    assert_eq!(of("MIG-DATETIME-FORMAT").keys, ["id=2"]);
    assert_eq!(of("MIG-CHECK-BROKEN").count, 1);
    for id in ["MIG-VIEW", "MIG-TRIGGER", "MIG-INDEX-EXPRESSION", "MIG-INDEX-PARTIAL", "MIG-VIRTUAL"] {
        assert_ne!(of(id).severity, Severity::Blocks, "{id}");
    }
    assert!(survey.tables.iter().all(|table| !table.name.starts_with("f_")), "shadow tables stay behind");
    let said = serde_json::to_string(&survey).unwrap();
    assert!(!said.contains("yesterday") && !said.contains("abc"), "no value is repeated");
    assert!(
        matches!(Plan::new(&survey, &PlanOptions::default()), Err(PlanError::Blocked(open)) if open.len() >= 5)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn accepted_orphans_leave_their_foreign_key_out_and_overrides_hold() {
    let folder = tempfile::tempdir().unwrap();
    let path = support::sqlite(
        folder.path(),
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p(id), n INTEGER);
         INSERT INTO c VALUES (1, 99, 1), (2, NULL, 'abc')",
    );
    let source = Source::open(&path).unwrap();
    let db = support::server();
    let target = support::target(&db).await;
    let mut options = SurveyOptions::default();
    options.column_types.insert("c.n".to_owned(), "LONGTEXT".to_owned());
    let survey = survey(&source, Some(&target), &options).await.unwrap();
    let mut decisions = PlanOptions::default();
    decisions.accept.insert("MIG-FK-ORPHAN:c.p".to_owned());
    let plan = Plan::new(&survey, &decisions).unwrap();
    assert!(plan.foreign_keys.is_empty());
    assert!(plan.to_string().contains("`n` LONGTEXT"), "{plan}");
    golive_migrate::create_schema(&target, &plan).await.unwrap();
    golive_migrate::copy(&source, &target, &plan, &CopyOptions::default(), &|_| {}).await.unwrap();
    golive_migrate::add_constraints(&target, &plan).await.unwrap();
    let told = support::check(&source, &target).await;
    assert_eq!((told.verdict, told.schema.len()), (Verdict::Match, 0), "{told:#?}");
    assert!(
        told.intended.iter().any(|one| one.finding == Some("MIG-FK-ORPHAN")),
        "what was accepted is told, even to whoever has no plan: {told:#?}"
    );
    let known = golive_migrate::VerifyOptions::for_plan(&plan);
    let verification = verify(&source, &target, &known, &|_| {}).await.unwrap();
    assert_eq!(verification.verdict, Verdict::Match);
}
