//! Policies: what is converted, set aside, left out or stopped, and that nothing of it is lost or goes unsaid. Also the
//! tables that an application's own migrations made.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use golive_migrate::{
    CopyOptions, Method, Plan, PlanError, PlanOptions, SchemaOrigin, Severity, Source, Survey, SurveyOptions,
    Target, Verdict, VerifyOptions, add_constraints, copy, create_schema, quarantined, survey, verify,
};

fn options(policies: &[(&str, &str)]) -> SurveyOptions {
    let mut options = SurveyOptions::default();
    options.policies.0 =
        policies.iter().map(|(selector, policy)| ((*selector).to_owned(), policy.parse().unwrap())).collect();
    options
}

async fn migrated(source: &Source, target: &Target, options: &SurveyOptions) -> (Survey, Plan) {
    let survey = survey(source, Some(target), options).await.unwrap();
    let plan = Plan::new(&survey, &PlanOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    create_schema(target, &plan).await.unwrap();
    copy(source, target, &plan, &CopyOptions::default(), &|_| {}).await.unwrap();
    add_constraints(target, &plan).await.unwrap();
    (survey, plan)
}

const MIXED: &str = "
CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE item (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parent(id), qty INTEGER, made DATETIME, day DATE,
  price NUMERIC(6,2), name VARCHAR(3), note TEXT, size INTEGER CHECK (size > 0));
CREATE TABLE part (item INTEGER PRIMARY KEY REFERENCES item(id));
PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON;
INSERT INTO parent VALUES (1, 'one');
INSERT INTO item VALUES
 (1, 1, 5, 1700000000, '02/18/2024', 1.005, 'abcdef', 'ok', 1),
 (2, 1, 'many', 1700000001, '12/31/2023', 2.5, 'abc', CAST(x'61ff' AS TEXT), 1),
 (3, 99, 7, '', NULL, 3, NULL, NULL, 1),
 (4, 1, 8, NULL, NULL, 4, NULL, NULL, -1);
INSERT INTO part VALUES (1), (3);
CREATE UNIQUE INDEX one_open ON item(parent) WHERE qty = 5;
CREATE VIEW named AS SELECT item.id, parent.name FROM item JOIN parent ON parent.id = item.parent;
";

const DECIDED: [(&str, &str); 9] = [
    ("MIG-TYPE-MIXED:item.qty", "quarantine"),
    ("MIG-TYPE-MIXED:item.made", "convert:epoch-seconds"),
    ("MIG-DATETIME-FORMAT:item.made", "convert:empty-as-null"),
    ("MIG-DATETIME-FORMAT:item.day", "convert:date-mdy"),
    ("MIG-DECIMAL-SCALE", "convert:round"),
    ("MIG-TEXT-LENGTH:item", "convert:truncate"),
    ("MIG-TEXT-UTF8", "convert:lossy-utf8"),
    ("MIG-CHECK-BROKEN", "quarantine"),
    ("MIG-FK-ORPHAN", "quarantine"),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_row_is_converted_or_set_aside_as_decided_and_all_of_it_is_proven() {
    let folder = tempfile::tempdir().unwrap();
    let path = support::sqlite(folder.path(), MIXED);
    let source = Source::open(&path).unwrap();
    let db = support::server();
    let target = support::target(&db).await;
    let plain = survey(&source, Some(&target), &SurveyOptions::default()).await.unwrap();
    assert!(
        matches!(Plan::new(&plain, &PlanOptions::default()), Err(PlanError::Blocked(open)) if open.len() >= 6)
    );

    let (survey, plan) = migrated(&source, &target, &options(&DECIDED)).await;
    let converted = survey.findings.iter().filter(|finding| finding.id == "MIG-CONVERTED");
    assert_eq!(converted.map(|finding| finding.count).sum::<u64>(), 3 + 2 + 1 + 1 + 1);
    assert!(
        !survey.findings.iter().any(|finding| finding.id == "MIG-POLICY-UNUSED"),
        "{:#?}",
        survey.findings
    );

    let shown = db
        .execute(
            "USE app; SELECT id, made, day, price, name, note FROM item ORDER BY id; SELECT item FROM part",
        )
        .unwrap();
    let row = "1\t2023-11-14 22:13:20.000000\t2024-02-18\t1.01\tabc\tok";
    assert!(shown.contains(row) && shown.trim_end().ends_with("\n1"), "{shown}");
    let aside = quarantined(&target).await.unwrap();
    let places: Vec<(&str, &str, u64)> = aside
        .iter()
        .map(|rows| (rows.table.as_str(), rows.reason.split(':').next().unwrap(), rows.count))
        .collect();
    assert_eq!(
        places,
        [
            ("item", "MIG-CHECK-BROKEN", 1),
            ("item", "MIG-FK-ORPHAN", 1),
            ("item", "qty", 1),
            ("part", "MIG-FK-ORPHAN", 1)
        ]
    );
    let content =
        db.execute("USE app; SELECT content FROM _golive_migrate_quarantine WHERE row_key = 'id=2'").unwrap();
    assert!(content.contains("many"), "the whole row is kept: {content}");

    let second = db.execute("USE app; INSERT INTO item (id, parent, qty) VALUES (9, 1, 5)");
    assert!(second.is_err(), "the key with a condition binds where it holds");
    db.execute("USE app; INSERT INTO item (id, parent, qty) VALUES (10, 1, 6), (11, 1, 6)").unwrap();
    db.execute("USE app; DELETE FROM item WHERE id > 9").unwrap();
    let named = db.execute("USE app; SELECT * FROM named ORDER BY id").unwrap();
    assert!(named.contains("1\tone"), "{named}");

    let verification = verify(&source, &target, &VerifyOptions::for_plan(&plan), &|_| {}).await.unwrap();
    assert_eq!(verification.verdict, Verdict::Match, "{verification:#?}");
    let item = verification.tables.iter().find(|table| table.name == "item").unwrap();
    assert_eq!((item.rows_source, item.rows_target, item.set_aside), (4, 1, 3));

    let mut by_digests = VerifyOptions::for_plan(&plan);
    by_digests.method = Method::DIGESTS;
    let digested = verify(&source, &target, &by_digests, &|_| {}).await.unwrap();
    assert_eq!(digested.verdict, Verdict::Match, "{digested:#?}");

    what_is_changed_afterwards_is_found(&db, &source, &target, &plan).await;
}

/// Neither a conversion nor the quarantine hides a change.
async fn what_is_changed_afterwards_is_found(
    db: &golive_sandbox::MariaDb,
    source: &Source,
    target: &Target,
    plan: &Plan,
) {
    for (change, back) in [
        (
            "UPDATE item SET made = made + INTERVAL 1 SECOND",
            "UPDATE item SET made = made - INTERVAL 1 SECOND",
        ),
        ("UPDATE item SET price = 1.00", "UPDATE item SET price = 1.01"),
        (
            "UPDATE _golive_migrate_quarantine SET content = REPLACE(content, 'many', 'few') WHERE row_key = 'id=2'",
            "UPDATE _golive_migrate_quarantine SET content = REPLACE(content, 'few', 'many') WHERE row_key = 'id=2'",
        ),
    ] {
        db.execute(&format!("USE app; {change}")).unwrap();
        let found = verify(source, target, &VerifyOptions::for_plan(plan), &|_| {}).await.unwrap();
        assert_eq!(found.verdict, Verdict::Mismatch, "{change}");
        db.execute(&format!("USE app; {back}")).unwrap();
    }
    let found = verify(source, target, &VerifyOptions::for_plan(plan), &|_| {}).await.unwrap();
    assert_eq!(found.verdict, Verdict::Match, "{found:#?}");
    db.execute("USE app; DELETE FROM _golive_migrate_quarantine WHERE row_key = 'id=3'").unwrap();
    let found = verify(source, target, &VerifyOptions::for_plan(plan), &|_| {}).await.unwrap();
    assert_eq!(found.verdict, Verdict::Mismatch, "a row that was set aside is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn collisions_under_another_collation_are_found_before_and_set_aside_if_decided() {
    let folder = tempfile::tempdir().unwrap();
    let path = support::sqlite(
        folder.path(),
        "CREATE TABLE user (id INTEGER PRIMARY KEY, name VARCHAR(20) UNIQUE);
         INSERT INTO user VALUES (1, 'ann'), (2, 'Ann'), (3, 'bob'), (4, 'bob '), (5, NULL), (6, NULL)",
    );
    let source = Source::open(&path).unwrap();
    let db = support::server();
    let target = support::target(&db).await;
    let mut chosen = options(&[]);
    chosen.collation = "utf8mb4_unicode_ci".to_owned();
    let found = survey(&source, Some(&target), &chosen).await.unwrap();
    let collision = found.findings.iter().find(|finding| finding.id == "MIG-UNIQUE-COLLISION").unwrap();
    assert_eq!((collision.count, collision.severity), (2, Severity::Blocks));

    chosen.policies = options(&[("MIG-UNIQUE-COLLISION", "quarantine")]).policies;
    let (_, plan) = migrated(&source, &target, &chosen).await;
    let left = db.execute("USE app; SELECT GROUP_CONCAT(id ORDER BY id) FROM user").unwrap();
    assert!(left.contains("1,3,5,6"), "{left}");
    let verification = verify(&source, &target, &VerifyOptions::for_plan(&plan), &|_| {}).await.unwrap();
    assert_eq!(verification.verdict, Verdict::Match, "{verification:#?}");

    db.create_database("accepted").unwrap();
    let target =
        Target::connect(&golive_migrate::TargetOptions::new(db.url("accepted").into())).await.unwrap();
    chosen.policies = options(&[("MIG-UNIQUE-COLLISION:user.uq_name", "accept")]).policies;
    let (_, plan) = migrated(&source, &target, &chosen).await;
    let verification = verify(&source, &target, &VerifyOptions::for_plan(&plan), &|_| {}).await.unwrap();
    assert_eq!(verification.verdict, Verdict::Match, "{verification:#?}");
    let told: Vec<_> = verification.intended.iter().map(|one| one.finding).collect();
    assert_eq!(told, [Some("MIG-UNIQUE-COLLISION")]);
}

const CITIES: &str = "
CREATE TABLE country (code VARCHAR(2) PRIMARY KEY COLLATE NOCASE NOT NULL);
CREATE TABLE city (id INTEGER PRIMARY KEY, code VARCHAR(2) REFERENCES country(code));
INSERT INTO country VALUES ('DE'); INSERT INTO city VALUES (1, 'DE'), (2, 'de'), (3, 'FR'), (4, NULL);
CREATE TABLE day (at DATETIME PRIMARY KEY NOT NULL); CREATE TABLE visit (id INTEGER PRIMARY KEY, at DATETIME REFERENCES day(at));
INSERT INTO day VALUES ('2024-02-18 00:00:00'); INSERT INTO visit VALUES (1, '02/18/2024'), (2, '2024-02-18 00:00:00')";

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_is_judged_as_the_target_will_compare_it() {
    let folder = tempfile::tempdir().unwrap();
    let source = Source::open(&support::sqlite(folder.path(), CITIES)).unwrap();
    let db = support::server();
    let target = support::target(&db).await;
    let orphans = |survey: &Survey| -> Vec<(String, u64, Vec<String>)> {
        let found = survey.findings.iter().filter(|finding| finding.id == "MIG-FK-ORPHAN");
        found.map(|finding| (finding.place(), finding.count, finding.keys.clone())).collect()
    };
    let found = |place: &str, keys: &[&str]| {
        (place.to_owned(), keys.len() as u64, keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>())
    };
    let mut chosen = options(&[]);
    let exact = survey(&source, Some(&target), &chosen).await.unwrap();
    assert_eq!(orphans(&exact), [found("city.code", &["id=2", "id=3"]), found("visit.at", &["id=1"])]);
    assert!(exact.findings.iter().any(|finding| finding.what.contains("COLLATE NOCASE")));

    chosen.collation = "utf8mb4_unicode_ci".to_owned();
    let mut policies = options(&[("MIG-DATETIME-FORMAT", "convert:date-mdy")]).policies;
    chosen.policies = policies.clone();
    let judged = survey(&source, Some(&target), &chosen).await.unwrap();
    assert_eq!(orphans(&judged), [found("city.code", &["id=3"])]);

    policies.0.insert("MIG-FK-ORPHAN:city".to_owned(), "quarantine".parse().unwrap());
    chosen.policies = policies;
    let (_, plan) = migrated(&source, &target, &chosen).await;
    assert_eq!(plan.foreign_keys.len(), 2);
    let left = db.execute("USE app; SELECT GROUP_CONCAT(id ORDER BY id) FROM city").unwrap();
    assert_eq!(left.lines().last(), Some("1,2,4"));
    let verification = verify(&source, &target, &VerifyOptions::for_plan(&plan), &|_| {}).await.unwrap();
    assert_eq!(verification.verdict, Verdict::Match, "{verification:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_into_the_applications_own_tables_is_judged_by_their_collation() {
    let folder = tempfile::tempdir().unwrap();
    let source = Source::open(&support::sqlite(folder.path(), CITIES)).unwrap();
    let db = support::server();
    db.execute(
        "USE app; CREATE TABLE country (code varchar(2) COLLATE utf8mb4_general_ci PRIMARY KEY);
         CREATE TABLE city (id bigint PRIMARY KEY, code varchar(2) COLLATE utf8mb4_general_ci REFERENCES country (code));",
    )
    .unwrap();
    let target = support::target(&db).await;
    let mut chosen = options(&[]);
    chosen.schema = SchemaOrigin::Target;
    chosen.exclude = ["day", "visit"].map(str::to_owned).into();
    let judged = survey(&source, Some(&target), &chosen).await.unwrap();
    let orphan = judged.findings.iter().find(|finding| finding.id == "MIG-FK-ORPHAN").unwrap();
    assert_eq!((orphan.count, orphan.keys.as_slice()), (1, ["id=3".to_owned()].as_slice()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_converted_to_text_is_wide_enough_for_an_index_or_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = support::sqlite(
        folder.path(),
        "CREATE TABLE part (code INT PRIMARY KEY NOT NULL, kind INT, bin INT UNIQUE); CREATE INDEX by_kind ON part (kind);
         INSERT INTO part VALUES (1, 5, 1), ('a-2', 'six', 'two'), (3.5, 7, 3);
         CREATE TABLE used (id INTEGER PRIMARY KEY, code INT REFERENCES part(code)); INSERT INTO used VALUES (1, 'a-2'), (2, 1);
         CREATE TABLE long (code INT PRIMARY KEY NOT NULL); INSERT INTO long VALUES (1), (printf('%.900c', 'x'))",
    );
    let source = Source::open(&path).unwrap();
    let db = support::server();
    let target = support::target(&db).await;
    let mut chosen = options(&[("MIG-TYPE-MIXED", "convert:text")]);
    let found = survey(&source, Some(&target), &chosen).await.unwrap();
    let blocking: Vec<String> = found
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Blocks)
        .map(golive_migrate::Finding::selector)
        .collect();
    assert_eq!(blocking, ["MIG-KEY-LENGTH:long.code"]);

    chosen.exclude.insert("long".to_owned());
    let (_, plan) = migrated(&source, &target, &chosen).await;
    assert_eq!(plan.foreign_keys.len(), 1);
    let shown = db.execute("USE app; SELECT code, kind, bin FROM part ORDER BY code").unwrap();
    assert_eq!(shown, "1\t5\t1\n3.5\t7\t3\na-2\tsix\ttwo\n");
    let keys = db.execute("SELECT INDEX_NAME, SUB_PART FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = 'app' AND TABLE_NAME = 'part' ORDER BY 1").unwrap();
    assert_eq!(keys, "by_kind\tNULL\nPRIMARY\tNULL\nuq_bin\tNULL\n", "no key is over a head only");
    let verification = verify(&source, &target, &VerifyOptions::for_plan(&plan), &|_| {}).await.unwrap();
    assert_eq!(verification.verdict, Verdict::Match, "{verification:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_key_with_null_is_a_unique_key_when_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let path = support::sqlite(
        folder.path(),
        "CREATE TABLE setting (name VARCHAR(20), user INTEGER, v TEXT, PRIMARY KEY (name, user));
         INSERT INTO setting VALUES ('a', 1, 'x'), (NULL, 1, 'y'), (NULL, 1, 'z'), ('b', 2, NULL);
         CREATE TABLE code (k VARCHAR(9) PRIMARY KEY); INSERT INTO code VALUES ('one'), (NULL);
         CREATE TABLE uses (id INTEGER PRIMARY KEY, k VARCHAR(9) REFERENCES code(k)); INSERT INTO uses VALUES (1, 'one'), (2, NULL)",
    );
    let source = Source::open(&path).unwrap();
    let db = support::server();
    let target = support::target(&db).await;
    let found = survey(&source, Some(&target), &options(&[])).await.unwrap();
    assert!(
        matches!(Plan::new(&found, &PlanOptions::default()), Err(PlanError::Blocked(open)) if open.len() == 2)
    );
    let (_, plan) = migrated(&source, &target, &options(&[("MIG-KEY-NULL", "accept")])).await;
    for options in [VerifyOptions::for_plan(&plan), VerifyOptions::default()] {
        let verification = verify(&source, &target, &options, &|_| {}).await.unwrap();
        assert_eq!(verification.verdict, Verdict::Match, "{verification:#?}");
        let told: Vec<_> =
            verification.intended.iter().map(|one| (one.table.as_str(), one.finding)).collect();
        assert_eq!(told, [("code", Some("MIG-KEY-NULL")), ("setting", Some("MIG-KEY-NULL"))]);
    }
    db.execute("USE app; INSERT INTO setting VALUES (NULL, 1, 'w'); DELETE FROM setting WHERE v = 'w'")
        .unwrap();
    assert!(
        db.execute("USE app; INSERT INTO setting VALUES ('a', 1, 'again')").is_err(),
        "it binds as SQLite's did"
    );
    db.execute("USE app; UPDATE setting SET v = 'other' WHERE v = 'z'").unwrap();
    let changed = verify(&source, &target, &VerifyOptions::for_plan(&plan), &|_| {}).await.unwrap();
    assert_eq!(changed.verdict, Verdict::Mismatch);
}

#[tokio::test(flavor = "multi_thread")]
async fn integers_beside_fractions_get_the_decimal_that_holds_both() {
    let folder = tempfile::tempdir().unwrap();
    let path = support::sqlite(
        folder.path(),
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, far INTEGER);
         INSERT INTO t VALUES (1, 9007199254740993, 9007199254740993), (2, 0.125, 1e-300), (3, 1.5, 1.5)",
    );
    let source = Source::open(&path).unwrap();
    let db = support::server();
    let target = support::target(&db).await;
    let mut chosen = options(&[]);
    let found = survey(&source, Some(&target), &chosen).await.unwrap();
    let remedy = |column: &str| {
        let of = |finding: &&golive_migrate::Finding| {
            finding.id == "MIG-REAL-INTEGER" && finding.column.as_deref() == Some(column)
        };
        found.findings.iter().find(of).unwrap().remedy.clone()
    };
    assert!(remedy("n").contains("DECIMAL(19,3)"), "{}", remedy("n"));
    assert!(
        !remedy("far").contains("DECIMAL(") && remedy("far").contains("convert:text"),
        "{}",
        remedy("far")
    );
    chosen.column_types.insert("t.n".to_owned(), "DECIMAL(19,3)".to_owned());
    chosen.policies = options(&[("MIG-REAL-INTEGER:t.far", "convert:text")]).policies;
    let (_, plan) = migrated(&source, &target, &chosen).await;
    let shown = db
        .execute("USE app; SELECT n FROM t WHERE id < 3 ORDER BY id; SELECT far FROM t WHERE id = 1")
        .unwrap();
    assert_eq!(shown, "9007199254740993.000\n0.125\n9007199254740993\n");
    let verification = verify(&source, &target, &VerifyOptions::for_plan(&plan), &|_| {}).await.unwrap();
    assert_eq!(verification.verdict, Verdict::Match, "{verification:#?}");
}

/// 205 texts: of 40 bytes each in all but nine of them, and one that decides.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_very_many_short_texts_is_found_where_the_server_refuses_it() {
    let columns: Vec<String> = (0..205).map(|at| format!("c{at} TEXT")).collect();
    let folder = tempfile::tempdir().unwrap();
    let row = |id: usize, last: usize| {
        let texts: Vec<String> = (0..205)
            .map(|at| match at {
                0..196 => "printf('%.40c', 'x')".to_owned(),
                196 => format!("printf('%.{last}c', 'x')"),
                _ => "NULL".to_owned(),
            })
            .collect();
        format!("INSERT INTO wide VALUES ({id}, {});", texts.join(", "))
    };
    let sql = format!(
        "CREATE TABLE wide (id INTEGER PRIMARY KEY, {}); {} {}",
        columns.join(", "),
        row(1, 36),
        row(2, 37)
    );
    let path = support::sqlite(folder.path(), &sql);
    let source = Source::open(&path).unwrap();
    let db = support::server();
    let target = support::target(&db).await;
    let found = survey(&source, Some(&target), &options(&[])).await.unwrap();
    let wide = found.findings.iter().find(|finding| finding.id == "MIG-ROW-SIZE").unwrap();
    assert_eq!((wide.severity, wide.keys.as_slice()), (Severity::Blocks, ["id=2".to_owned()].as_slice()));
    rusqlite::Connection::open(&path).unwrap().execute("DELETE FROM wide WHERE id = 2", []).unwrap();
    let (_, plan) = migrated(&source, &target, &options(&[])).await;
    let verification = verify(&source, &target, &VerifyOptions::for_plan(&plan), &|_| {}).await.unwrap();
    assert_eq!(verification.verdict, Verdict::Match, "{verification:#?}");
    let one_more = db.execute("USE app; UPDATE wide SET c196 = CONCAT(c196, 'x')");
    assert!(
        one_more.is_err_and(|error| error.to_string().contains("1118")),
        "the server takes what was told it would not"
    );
}

#[tokio::test]
async fn stop_blocks_a_note_and_a_policy_in_vain_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = support::sqlite(
        folder.path(),
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END",
    );
    let source = Source::open(&path).unwrap();
    let chosen = options(&[("MIG-TRIGGER", "stop"), ("MIG-TYPE-MIXED:t.b", "quarantine")]);
    let found = survey(&source, None, &chosen).await.unwrap();
    assert!(
        matches!(Plan::new(&found, &PlanOptions::default()), Err(PlanError::Blocked(open)) if open[0].id == "MIG-TRIGGER")
    );
    assert!(found.findings.iter().any(|finding| finding.id == "MIG-POLICY-UNUSED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_go_into_the_tables_that_the_applications_migrations_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = support::sqlite(
        folder.path(),
        "CREATE TABLE author (id integer PRIMARY KEY AUTOINCREMENT, name varchar NOT NULL, born datetime_text, alive boolean);
         CREATE TABLE book (id integer PRIMARY KEY, author integer REFERENCES author(id), price real(10,2), state text);
         INSERT INTO author VALUES (1, 'ann', '2024-02-18 01:02:03', 1), (7, 'bob', NULL, 0);
         INSERT INTO book VALUES (1, 1, 12.5, 'open'), (2, 7, 3, 'closed')",
    );
    let source = Source::open(&path).unwrap();
    let db = support::server();
    let made = "USE app; CREATE TABLE seaql_migrations (version varchar(255) PRIMARY KEY, applied_at bigint NOT NULL);
        INSERT INTO seaql_migrations VALUES ('m1', 1);
        CREATE TABLE author (alive tinyint(1), id int AUTO_INCREMENT PRIMARY KEY, name varchar(40) NOT NULL, born datetime,
          added timestamp DEFAULT CURRENT_TIMESTAMP);
        CREATE TABLE book (id int NOT NULL PRIMARY KEY, author int, price decimal(10,2), state enum('open','closed'),
          CONSTRAINT theirs FOREIGN KEY (author) REFERENCES author (id))";
    db.execute(made).unwrap();
    let target = support::target(&db).await;
    let mut chosen = options(&[]);
    chosen.schema = SchemaOrigin::Target;
    let (_, plan) = migrated(&source, &target, &chosen).await;
    assert!(plan.statements().iter().all(|statement| !statement.contains("CREATE TABLE")), "{plan}");
    let shown = db.execute("USE app; SELECT b.id, a.name, b.price, b.state, a.born FROM book b JOIN author a ON a.id = b.author").unwrap();
    assert!(shown.contains("1\tann\t12.50\topen\t2024-02-18 01:02:03"), "{shown}");
    let verification = verify(&source, &target, &VerifyOptions::for_plan(&plan), &|_| {}).await.unwrap();
    assert_eq!(verification.verdict, Verdict::Match, "{verification:#?}");

    for (change, id) in [
        ("ALTER TABLE author DROP COLUMN born", "MIG-SCHEMA-COLUMN"),
        ("ALTER TABLE author MODIFY name varchar(2) NOT NULL", "MIG-TYPE-NARROW"),
        ("ALTER TABLE author ADD COLUMN must int NOT NULL", "MIG-SCHEMA-EXTRA"),
        ("ALTER TABLE book MODIFY state point", "MIG-SCHEMA-TYPE"),
        ("SELECT 1", "MIG-SCHEMA-ROWS"),
    ] {
        db.execute(&format!("DROP DATABASE app; CREATE DATABASE app; {made}; {change}")).unwrap();
        if id == "MIG-SCHEMA-ROWS" {
            db.execute("USE app; INSERT INTO author (name) VALUES ('there')").unwrap();
        }
        let found = survey(&source, Some(&target), &chosen).await.unwrap();
        let blocking =
            found.findings.iter().any(|finding| finding.id == id && finding.severity == Severity::Blocks);
        assert!(blocking, "{id}: {:#?}", found.findings);
    }
}
