//! A go-live from the console, on a real server: the plan, the one question, the run, and what it came to.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::time::{Duration, Instant};

use golive::Config;
use golive_sandbox::{MariaDb, MariaDbOptions};
use golive_server::{Acts, OperatorsFile, Role};
use reqwest::StatusCode;
use secrecy::ExposeSecret;
use sqlx::{Connection, Executor};
use support::{Browser, now, serve_folder};

const CONFIG: &str = "[application]\nname = \"Ledger & Sons\"\n[source]\nsqlite = \"app.db\"\n[target]\nurl = \"env:TARGET\"\n";

/// A page once it says this.
async fn page(browser: &mut Browser, path: &str, says: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(90);
    loop {
        // A run that has just begun has no folder yet.
        let page = browser.get(path).await.text().await.expect("an answer");
        if page.contains(says) {
            return page;
        }
        assert!(Instant::now() < deadline, "{path} never says {says}: {page}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn source(path: &std::path::Path) {
    let url = format!("sqlite://{}?mode=rwc", path.display());
    let mut database = sqlx::SqliteConnection::connect(&url).await.unwrap();
    database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, name TEXT)").await.unwrap();
    database.execute("CREATE TABLE empty (id INTEGER PRIMARY KEY)").await.unwrap();
    let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500) \
                INSERT INTO orders SELECT i, 'order ' || i FROM n";
    database.execute(rows).await.unwrap();
    database.close().await.unwrap();
}

#[tokio::test]
async fn heavy_a_run_is_planned_confirmed_once_and_shown_to_its_end() {
    let base = tempfile::tempdir().unwrap();
    source(&base.path().join("app.db")).await;
    let mut options = MariaDbOptions::new();
    options.databases = vec!["ledger".to_owned()];
    let server = MariaDb::start(&options).unwrap();
    let url = server.url("ledger");
    let config = Config::parse(CONFIG, base.path()).unwrap();
    let acts = Acts::new(config, move |name| (name == "TARGET").then(|| url.clone()));
    let served = serve_folder(base, |options| options.acts = Some(acts)).await;
    let file = OperatorsFile::new(served.base.path().join("operators.json"));
    let password = file.add("vera", Role::Viewer, now()).unwrap().password;
    let mut viewer = Browser::new(&served);
    assert_eq!(viewer.log_in("vera", password.expose_secret()).await.status(), StatusCode::SEE_OTHER);
    let mut operator = Browser::entered(&served).await;

    // Who may look may not act, whatever form they send.
    assert_eq!(viewer.get("/run").await.status(), StatusCode::FORBIDDEN);
    assert!(!viewer.text("/").await.contains("/run\""));
    let theirs = viewer.csrf("/").await;
    for path in ["/run/plan", "/run/start", "/run/resume", "/run/end"] {
        let fields = [("csrf", theirs.as_str()), ("application", "Ledger %26 Sons"), ("plan", "1")];
        assert_eq!(viewer.post(path, &fields).await.status(), StatusCode::FORBIDDEN, "{path}");
    }
    let csrf = operator.csrf("/run").await;
    for path in ["/run/plan", "/run/start", "/run/resume", "/run/end"] {
        assert_eq!(operator.post(path, &[("csrf", "x")]).await.status(), StatusCode::FORBIDDEN, "{path}");
    }
    let start = [("csrf", csrf.as_str()), ("application", "Ledger %26 Sons"), ("plan", "1")];
    assert_eq!(operator.post("/run/start", &start).await.status(), StatusCode::CONFLICT, "there is no plan");

    assert_eq!(operator.post("/run/plan", &[("csrf", &csrf)]).await.status(), StatusCode::SEE_OTHER);
    let plan = page(&mut operator, "/run", "name=\"plan\"").await;
    assert!(plan.contains("Ledger &amp; Sons") && plan.contains("Copy every row"), "{plan}");
    assert!(!served.base.path().join("runs").exists(), "a plan changes nothing");
    let misspelled = [("csrf", csrf.as_str()), ("application", "ledger"), ("plan", "1")];
    assert_eq!(operator.post("/run/start", &misspelled).await.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let other = [("csrf", csrf.as_str()), ("application", "Ledger %26 Sons"), ("plan", "7")];
    assert_eq!(operator.post("/run/start", &other).await.status(), StatusCode::CONFLICT, "another plan");
    assert_eq!(operator.get("/api/v1/status").await.status(), StatusCode::NOT_FOUND, "nothing has begun");

    assert_eq!(operator.post("/run/start", &start).await.status(), StatusCode::SEE_OTHER);
    assert_eq!(
        operator.post("/run/start", &start).await.status(),
        StatusCode::CONFLICT,
        "a confirmation counts once"
    );
    assert_eq!(operator.post("/run/plan", &[("csrf", &csrf)]).await.status(), StatusCode::CONFLICT);
    page(&mut viewer, "/api/v1/status", "\"state\":\"ended\"").await;
    let status = viewer.json("/api/v1/status").await;
    assert_eq!(
        (&status["kind"], &status["verdict"]),
        (&"run".into(), &"inconclusive".into()),
        "most is not described"
    );
    let migration = viewer.json("/api/v1/migration/status").await;
    let mut database = sqlx::MySqlConnection::connect(&server.url("ledger")).await.unwrap();
    let rows: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM orders").fetch_one(&mut database).await.unwrap();
    assert_eq!(migration["rows_copied"].as_i64(), Some(rows), "{migration}");
    assert_eq!((&migration["state"], &migration["tables_verified"]), (&"verified".into(), &2.into()));
    page(&mut operator, "/run", "/run/plan").await;
    assert!(operator.text("/access").await.contains("whole"));
}

#[tokio::test]
async fn what_cannot_be_carried_through_is_said_and_a_console_without_a_description_only_looks() {
    let base = tempfile::tempdir().unwrap();
    let config = Config::parse(CONFIG, base.path()).unwrap();
    let acts = Acts::new(config, |_| Some("mysql://nobody:planted-s3cret@127.0.0.1:9/ledger".to_owned()));
    let served = serve_folder(base, |options| options.acts = Some(acts)).await;
    let mut operator = Browser::entered(&served).await;
    let csrf = operator.csrf("/run").await;
    operator.post("/run/plan", &[("csrf", &csrf)]).await;
    let failed = page(&mut operator, "/run", "role=\"alert\"").await;
    assert!(failed.contains("app.db") && !failed.contains("planted-s3cret"), "{failed}");
    let unasked = operator.post("/run/resume", &[("csrf", &csrf)]).await;
    assert_eq!(
        unasked.status(),
        StatusCode::UNPROCESSABLE_ENTITY,
        "it goes on to the end, whatever was begun"
    );
    operator.post("/run/resume", &[("csrf", &csrf), ("application", "Ledger %26 Sons")]).await;
    let failed = page(&mut operator, "/run", "find a run to resume").await;
    assert!(!failed.contains("planted-s3cret"));

    let looking = serve_folder(tempfile::tempdir().unwrap(), |_| {}).await;
    let mut operator = Browser::entered(&looking).await;
    assert_eq!(operator.get("/run").await.status(), StatusCode::NOT_FOUND);
    assert!(!operator.text("/").await.contains("/run\""));
}
