//! The query review on a real MariaDB.
#![allow(clippy::unwrap_used, reason = "a test stops at the first trouble")]

use golive_load::{FindingKind, QueryReview, QuerySource, ReviewError, ReviewOptions, review_queries};
use golive_sandbox::{MariaDb, MariaDbOptions};
use secrecy::SecretString;

const SCHEMA: &str = "
CREATE TABLE entries (id INT PRIMARY KEY AUTO_INCREMENT, client_id VARCHAR(20) NOT NULL, production_date DATE NOT NULL,
  shift INT NOT NULL, note TEXT, `order` INT) ENGINE=InnoDB;
INSERT INTO entries (client_id, production_date, shift, note, `order`)
  SELECT CONCAT('C', seq % 7), DATE_ADD('2026-01-01', INTERVAL seq % 200 DAY), seq % 3, 'n', seq FROM seq_1_to_5000;
CREATE TABLE clients (id VARCHAR(20) PRIMARY KEY, name VARCHAR(50)) ENGINE=InnoDB;
INSERT INTO clients SELECT CONCAT('C', seq), 'n' FROM seq_1_to_7;
ANALYZE TABLE entries, clients;
";
const DASHBOARD: &str = "SELECT shift, COUNT(*) FROM entries e WHERE e.client_id = 'C-SECRET' \
    AND e.production_date BETWEEN '2026-02-01' AND '2026-03-01' GROUP BY shift";

fn start(settings: &[&str]) -> MariaDb {
    let mut options = MariaDbOptions::new();
    options.databases = vec!["shop".into(), "other".into()];
    options.settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
    let server = MariaDb::start(&options).unwrap();
    server.execute(&format!("USE shop; {SCHEMA}")).unwrap();
    server
}

async fn review(server: &MariaDb, options: &ReviewOptions) -> Result<QueryReview, ReviewError> {
    let url = SecretString::from(server.url("shop"));
    review_queries(&url, options).await
}

fn given(statements: &[&str]) -> ReviewOptions {
    let mut options = ReviewOptions::default();
    options.statements = statements.iter().map(|statement| (*statement).to_owned()).collect();
    options
}

#[tokio::test]
async fn a_dashboard_without_index_gets_the_index_that_mends_it() {
    let server = start(&[]);
    let options = given(&[DASHBOARD]);
    let before = review(&server, &options).await.unwrap();
    assert_eq!(before.source, QuerySource::Given);
    let kinds: Vec<_> = before.queries[0].findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [FindingKind::FullScan, FindingKind::Filesort, FindingKind::TemporaryTable]);
    let indexes = before.indexes();
    let expected =
        "CREATE INDEX `ix_entries_client_id_production_date` ON `entries` (`client_id`, `production_date`)";
    assert_eq!(indexes, [expected]);
    assert!(!serde_json::to_string(&before).unwrap().contains("SECRET"), "a literal got out");

    server.execute(&format!("USE shop; {expected}; ANALYZE TABLE entries")).unwrap();
    let after = review(&server, &options).await.unwrap();
    assert!(
        after.queries[0].findings.iter().all(|finding| finding.kind != FindingKind::FullScan),
        "{after:?}"
    );
    assert!(after.indexes().is_empty());
}

#[tokio::test]
async fn a_prepared_statement_a_list_and_an_awkward_name_are_understood() {
    let server = start(&[]);
    let options = given(&[
        "SELECT id FROM entries WHERE client_id = ? ORDER BY production_date DESC LIMIT ?",
        "SELECT id FROM shop.entries AS x WHERE x.`order` = 7;",
        "SELECT id FROM entries WHERE shift = 1 AND client_id = 'C1'",
        "SELECT c.name FROM clients c WHERE c.id = 'C1'",
        "SELECT id FROM entries WHERE note = 'x'",
    ]);
    let review = review(&server, &options).await.unwrap();
    assert!(review.queries.iter().all(|query| query.not_explained.is_none()), "{review:?}");
    assert_eq!(
        review.indexes(),
        [
            "CREATE INDEX `ix_entries_client_id_production_date` ON `entries` (`client_id`, `production_date`)",
            "CREATE INDEX `ix_entries_order` ON `entries` (`order`)",
            "CREATE INDEX `ix_entries_client_id_shift` ON `entries` (`client_id`, `shift`)",
        ]
    );
    assert!(review.queries[3].findings.is_empty());
    assert_eq!(review.queries[4].findings.len(), 1, "a text column cannot be indexed whole");
    assert!(review.notes.iter().any(|note| note.contains("stand-in")));
}

#[tokio::test]
async fn nothing_is_executed_but_explain() {
    let server = start(&[]);
    let options = given(&[
        "DELETE FROM entries",
        "SELECT 1; DELETE FROM entries",
        "SELECT * FROM entries INTO OUTFILE '/tmp/never'",
        "SELECT nonsense FROM nowhere WHERE secret = 'SECRET'",
    ]);
    let review = review(&server, &options).await.unwrap();
    assert!(review.queries.iter().all(|query| query.not_explained.is_some()), "{review:?}");
    assert!(!serde_json::to_string(&review).unwrap().contains("SECRET"));
    assert_eq!(server.execute("SELECT COUNT(*) FROM shop.entries").unwrap().trim(), "5000");
}

#[tokio::test]
async fn digests_are_used_when_performance_schema_is_on() {
    let server = start(&["performance_schema=ON"]);
    for client in ["C1", "C2", "C3"] {
        let query = DASHBOARD.replace("C-SECRET", client);
        server.execute(&format!("USE shop; {query}")).unwrap();
    }
    server.execute("USE other; SELECT 1").unwrap();
    let review = review(&server, &ReviewOptions::default()).await.unwrap();
    assert_eq!(review.source, QuerySource::PerformanceSchema);
    let dashboard = review.queries.iter().find(|query| query.statement.contains("GROUP BY")).unwrap();
    assert_eq!(dashboard.executions, Some(3));
    assert!(dashboard.total_seconds.unwrap() > 0.0);
    assert_eq!(dashboard.not_explained, None);
    assert!(!review.indexes().is_empty(), "{review:?}");
}

#[tokio::test]
async fn the_slow_log_is_used_as_table_and_as_file() {
    let server = start(&["performance_schema=OFF"]);
    server
        .execute("SET GLOBAL log_output='TABLE,FILE', GLOBAL long_query_time=0, GLOBAL slow_query_log=ON")
        .unwrap();
    for client in ["C1", "C2", "C-SECRET"] {
        server.execute(&format!("USE shop; {}", DASHBOARD.replace("C-SECRET", client))).unwrap();
    }
    server.execute("USE other; SELECT 'SECRET'").unwrap();
    let from_table = review(&server, &ReviewOptions::default()).await.unwrap();
    assert_eq!(from_table.source, QuerySource::SlowLogTable);
    let dashboard = from_table.queries.iter().find(|query| query.statement.contains("GROUP BY")).unwrap();
    assert_eq!(dashboard.executions, Some(3));
    assert_eq!(from_table.indexes().len(), 1, "{from_table:?}");
    assert!(!serde_json::to_string(&from_table).unwrap().contains("SECRET"));

    let file = server.execute("SELECT CONCAT(@@datadir, @@slow_query_log_file)").unwrap();
    server.execute("SET GLOBAL slow_query_log=OFF; TRUNCATE mysql.slow_log").unwrap();
    let mut options = ReviewOptions::default();
    options.slow_log_file = Some(file.trim().into());
    let from_file = review(&server, &options).await.unwrap();
    assert_eq!(from_file.source, QuerySource::SlowLogFile);
    assert_eq!(from_file.indexes(), from_table.indexes());
}

#[tokio::test]
async fn no_statement_and_no_server_are_told_apart() {
    let server = start(&[]);
    let nothing = review(&server, &ReviewOptions::default()).await;
    assert!(matches!(nothing, Err(ReviewError::NothingToReview { .. })), "{nothing:?}");
    let url =
        SecretString::from(format!("mysql://u:SECRET@127.0.0.1:{}/x", golive_sandbox::free_port().unwrap()));
    let error = review_queries(&url, &ReviewOptions::default()).await.unwrap_err();
    assert!(matches!(error, ReviewError::Connect { .. }));
    assert!(!format!("{error:?} {error}").contains("SECRET"));
    let url = SecretString::from("mysql://127.0.0.1");
    assert!(matches!(review_queries(&url, &ReviewOptions::default()).await, Err(ReviewError::Url)));
}

#[tokio::test]
async fn what_keeps_an_index_from_use_and_what_is_wrong_with_indexes_is_told() {
    let server = start(&["userstat=ON"]);
    server
        .execute(
            "USE shop; ALTER TABLE entries ADD COLUMN code VARCHAR(20) NOT NULL DEFAULT '7', ADD INDEX by_code (code), \
             ADD INDEX by_day (production_date), ADD INDEX by_day_too (production_date), \
             ADD INDEX by_day_and_shift (production_date, shift); ANALYZE TABLE entries; \
             SELECT COUNT(*) FROM entries FORCE INDEX (by_code) WHERE code = '7'",
        )
        .unwrap();
    let mut options = given(&[
        "SELECT COUNT(*) FROM entries e WHERE e.code = 7",
        "SELECT COUNT(*) FROM entries e WHERE YEAR(e.production_date) = 2026",
    ]);
    options.unused_after = std::time::Duration::ZERO;
    let review = review(&server, &options).await.unwrap();
    let kinds = |at: usize| review.queries[at].findings.iter().map(|f| f.kind).collect::<Vec<_>>();
    assert!(kinds(0).contains(&FindingKind::ImplicitConversion), "{review:#?}");
    assert!(kinds(1).contains(&FindingKind::FunctionOverIndex), "{review:#?}");
    assert!(
        !kinds(0).contains(&FindingKind::FunctionOverIndex)
            && !kinds(1).contains(&FindingKind::ImplicitConversion)
    );
    let told = |kind| -> Vec<&str> {
        let of_kind = review.structure.iter().filter(|finding| finding.kind == kind);
        of_kind.map(|finding| finding.says.split('`').nth(1).unwrap()).collect()
    };
    assert_eq!(told(FindingKind::DuplicateIndex), ["by_day_too"]);
    assert_eq!(told(FindingKind::RedundantIndex), ["by_day"]);
    assert_eq!(told(FindingKind::MissingReferenceIndex), ["client_id"]);
    let unused = told(FindingKind::UnusedIndex);
    assert!(unused.contains(&"by_day") && !unused.contains(&"by_code"), "{unused:?}");
}

#[tokio::test]
async fn a_select_inside_a_loop_is_found_and_the_same_select_by_many_is_not() {
    let server = start(&["performance_schema=OFF"]);
    server
        .execute("SET GLOBAL log_output='TABLE', GLOBAL long_query_time=0, GLOBAL slow_query_log=ON")
        .unwrap();
    let one_by_one: String =
        (1..=20).map(|id| format!("SELECT note FROM entries WHERE id = {id};")).collect();
    server.execute(&format!("USE shop; {one_by_one}")).unwrap();
    for id in 1..=12 {
        server.execute(&format!("USE shop; SELECT shift FROM entries WHERE id = {id}")).unwrap();
    }
    let review = review(&server, &ReviewOptions::default()).await.unwrap();
    let looped: Vec<_> = review
        .queries
        .iter()
        .filter(|query| query.findings.iter().any(|finding| finding.kind == FindingKind::QueryInLoop))
        .map(|query| (query.statement.as_str(), query.executions))
        .collect();
    assert_eq!(looped, [("SELECT note FROM entries WHERE id = ?", Some(20))], "{review:#?}");
}
