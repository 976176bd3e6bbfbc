//! Index advice from the slow application to the migration that mends it, on a real MariaDB.
#![allow(clippy::unwrap_used, reason = "a test stops at the first trouble")]

#[path = "emitted/m20260301_000001_indexes.rs"]
#[allow(elided_lifetimes_in_paths, unreachable_pub, reason = "written for another crate")]
mod emitted;

use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use golive_load::{
    DisposableCopy, IndexVerdict, LoadPlan, ProveError, ProveOptions, RequestTemplate, ReviewOptions,
    Scenario, ScenarioKind, collect_workload, prove_indexes, render_index_migration, run,
};
use golive_sandbox::{MariaDb, MariaDbOptions};
use sea_orm_migration::prelude::*;
use secrecy::SecretString;
use sqlx::mysql::{MySqlPool, MySqlPoolOptions};
use tokio_util::sync::CancellationToken;
use url::Url;

const SCHEMA: &str = "
CREATE TABLE entries (id INT PRIMARY KEY AUTO_INCREMENT, client_id VARCHAR(20) NOT NULL, production_date DATE NOT NULL,
  shift INT NOT NULL, units INT NOT NULL, note VARCHAR(60)) ENGINE=InnoDB;
INSERT INTO entries (client_id, production_date, shift, units, note)
  SELECT CONCAT('C', seq % 20), DATE_ADD('2025-01-01', INTERVAL seq % 730 DAY), seq % 3, seq % 200, REPEAT('n', 50)
  FROM seq_1_to_120000;
";
const DASHBOARD: &str = "SELECT shift, CAST(SUM(units) AS SIGNED) FROM entries WHERE client_id = ? \
    AND production_date BETWEEN '2026-02-01' AND '2026-03-01' GROUP BY shift";
const INDEX: &str = "CREATE INDEX own ON shop.entries (client_id, production_date)";

fn start() -> MariaDb {
    let mut options = MariaDbOptions::new();
    options.databases = vec!["shop".into(), "copy".into()];
    let server = MariaDb::start(&options).unwrap();
    server.execute(&format!("USE shop; {SCHEMA}")).unwrap();
    server
}

fn copy(server: &MariaDb) {
    server
        .execute("USE copy; CREATE TABLE entries LIKE shop.entries; INSERT INTO entries SELECT * FROM shop.entries; \
                  ANALYZE TABLE entries")
        .unwrap();
}

#[derive(serde::Deserialize)]
struct Asked {
    client: String,
}

async fn dashboard(State(pool): State<MySqlPool>, Query(asked): Query<Asked>) -> Result<String, StatusCode> {
    let rows: Vec<(i32, i64)> = sqlx::query_as(DASHBOARD)
        .bind(asked.client)
        .fetch_all(&pool)
        .await
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(format!("shifts:{}", rows.len()))
}

/// p95 of the dashboard in an application that starts now, as its sessions must be new to be recorded.
async fn p95(server: &MariaDb) -> f64 {
    let pool = MySqlPoolOptions::new().max_connections(4).connect(&server.url("shop")).await.unwrap();
    let router = Router::new().route("/dashboard", get(dashboard)).with_state(pool.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let mut scenario = Scenario::new(
        "dashboards",
        ScenarioKind::Dashboard,
        RequestTemplate::get("/dashboard?client=C{random:0-19}"),
    );
    scenario.users = 2;
    scenario.iterations = Some(100);
    scenario.expect.contains = vec!["shifts:3".into()];
    let mut plan = LoadPlan::new(url, vec![scenario]);
    plan.duration = Duration::from_secs(120);
    plan.warm_up = Duration::ZERO;
    let report = run(&plan, &|_| {}, &CancellationToken::new()).await.unwrap();
    assert_eq!((report.requests, report.errors, report.content_failures), (100, 0, 0), "{report:?}");
    serving.abort();
    pool.close().await;
    report.latency_of(ScenarioKind::Dashboard).unwrap().p95_ms
}

fn leftovers(server: &MariaDb) -> String {
    let question = "SELECT COUNT(*) FROM information_schema.statistics WHERE index_name LIKE 'golive%' OR table_name LIKE 'golive%'";
    server.execute(question).unwrap().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_index_is_found_advised_proven_and_the_p95_restored() {
    let server = start();
    server.execute(INDEX).unwrap();
    let good = p95(&server).await;
    server.execute("DROP INDEX own ON shop.entries").unwrap();

    server
        .execute("SET GLOBAL log_output='TABLE', GLOBAL long_query_time=0, GLOBAL slow_query_log=ON")
        .unwrap();
    let bad = p95(&server).await;
    server.execute("SET GLOBAL slow_query_log=OFF, GLOBAL long_query_time=10").unwrap();
    assert!(bad > 3.0 * good, "dropping the index must be felt: {good} ms, then {bad} ms");

    copy(&server);
    let workload =
        collect_workload(&SecretString::from(server.url("shop")), &ReviewOptions::default()).await.unwrap();
    assert!(workload.statements().any(|statement| statement.contains("GROUP BY")), "{workload:?}");
    let confirmed = DisposableCopy::dangerous_indexes_may_be_made_in("copy");
    let url = SecretString::from(server.url("copy"));
    let proof = prove_indexes(&url, &confirmed, &workload, &ProveOptions::default()).await.unwrap();
    let recommended: Vec<_> = proof.recommended().collect();
    assert_eq!(recommended.len(), 1, "{proof:#?}");
    let index = recommended[0];
    assert_eq!(index.columns, ["client_id", "production_date"], "{proof:#?}");
    let query = index.queries.iter().find(|query| query.statement.contains("GROUP BY")).unwrap();
    let (before, after) = (query.before.unwrap(), query.after.unwrap());
    assert!(before.rows_examined >= 100_000 && after.rows_examined < 1000, "{query:?}");
    assert!(before.pages_accessed.unwrap() > after.pages_accessed.unwrap(), "{query:?}");
    assert!(index.size_bytes.unwrap() > 100_000 && index.write_factor.unwrap() > 0.5, "{index:?}");
    assert_eq!(leftovers(&server), "0");

    let text = render_index_migration("m20260301_000001_indexes", [index]);
    let without_figures = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !line.trim_start().starts_with("// ")).map(str::to_owned).collect()
    };
    assert_eq!(
        without_figures(&text),
        without_figures(include_str!("emitted/m20260301_000001_indexes.rs")),
        "what is applied below is what is written: {text}"
    );
    let connection = sea_orm_migration::sea_orm::Database::connect(server.url("shop")).await.unwrap();
    let manager = SchemaManager::new(&connection);
    emitted::Migration.up(&manager).await.unwrap();
    emitted::Migration.up(&manager).await.unwrap();
    let restored = p95(&server).await;
    assert!(restored < bad / 2.0, "{good} ms, {bad} ms, and {restored} ms again");
    emitted::Migration.down(&manager).await.unwrap();
    assert_eq!(server.execute("SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema='shop' AND index_name LIKE 'ix%'").unwrap().trim(), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_that_was_cut_off_is_swept_up_and_two_never_meet() {
    let server = start();
    copy(&server);
    let url = SecretString::from(server.url("copy"));
    let mut asked = ReviewOptions::default();
    asked.statements = vec![DASHBOARD.replace('?', "'C3'")];
    let workload = collect_workload(&url, &asked).await.unwrap();
    let confirmed = DisposableCopy::dangerous_indexes_may_be_made_in("copy");
    let cut_off = {
        let (url, workload, confirmed) = (url.clone(), workload.clone(), confirmed.clone());
        tokio::spawn(
            async move { prove_indexes(&url, &confirmed, &workload, &ProveOptions::default()).await },
        )
    };
    while leftovers(&server) == "0" {
        tokio::task::yield_now().await;
        assert!(!cut_off.is_finished(), "it ended before it was cut off");
    }
    let busy = prove_indexes(&url, &confirmed, &workload, &ProveOptions::default()).await;
    assert!(matches!(busy, Err(ProveError::Busy { .. })), "{busy:?}");
    cut_off.abort();
    assert!(cut_off.await.unwrap_err().is_cancelled());
    let proof = loop {
        // The server lets go of the lock when it has noticed that the session is gone.
        match prove_indexes(&url, &confirmed, &workload, &ProveOptions::default()).await {
            Err(ProveError::Busy { .. }) => tokio::task::yield_now().await,
            proof => break proof.unwrap(),
        }
    };
    assert!(!proof.swept.is_empty() && proof.recommended().count() == 1, "{proof:#?}");
    assert_eq!(leftovers(&server), "0");
}

#[tokio::test]
async fn what_is_no_confirmed_copy_is_left_alone_and_what_helps_nobody_is_not_advised() {
    let server = start();
    copy(&server);
    let url = SecretString::from(server.url("copy"));
    let mut asked = ReviewOptions::default();
    // All rows: an index on it is no better than reading the table. And one that is served already.
    asked.statements = vec![
        "SELECT SUM(units), MAX(note) FROM entries WHERE shift >= 0".to_owned(),
        "SELECT note FROM entries WHERE id = 17".to_owned(),
    ];
    let workload = collect_workload(&url, &asked).await.unwrap();
    let other = DisposableCopy::dangerous_indexes_may_be_made_in("shop");
    let refused = prove_indexes(&url, &other, &workload, &ProveOptions::default()).await;
    assert!(matches!(refused, Err(ProveError::NotConfirmed { database }) if database == "copy"));
    let confirmed = DisposableCopy::dangerous_indexes_may_be_made_in("copy");
    let proof = prove_indexes(&url, &confirmed, &workload, &ProveOptions::default()).await.unwrap();
    assert_eq!(proof.recommended().count(), 0, "{proof:#?}");
    assert!(proof.tried.iter().any(|index| index.verdict == IndexVerdict::NotWorth), "{proof:#?}");
}
