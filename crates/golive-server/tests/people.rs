//! The people of the application, managed from the console on a real server: made, shown their password once, switched off.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use golive::Config;
use golive_sandbox::{MariaDb, MariaDbOptions};
use golive_server::{Acts, OperatorsFile, Role};
use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use sqlx::Connection;
use support::{Browser, Served, now, serve_folder};

const CONFIG: &str = r#"
[application]
name = "Ledger"
[target]
url = "env:TARGET"
[accounts]
table = "users"
username = "username"
password = "password_hash"
active = "is_active"
role = "role"
tenant = "company"
must_change_password = "must_change"
admin_roles = ["admin"]
role_tenants = { admin = "forbidden", operator = "required" }
demo_usernames = ["demo"]
"#;

const TABLE: &str = "CREATE TABLE app.users (id INT PRIMARY KEY AUTO_INCREMENT, username VARCHAR(150) UNIQUE NOT NULL, \
    password_hash VARCHAR(255) NOT NULL, is_active BOOLEAN NOT NULL DEFAULT 1, role VARCHAR(40), company VARCHAR(40), \
    must_change BOOLEAN NOT NULL DEFAULT 0); \
    INSERT INTO app.users (username, password_hash, is_active, role) VALUES ('demo', 'x', 0, 'operator'), ('anna', 'x', 1, 'admin')";

async fn with_people() -> (Served, MariaDb) {
    let mut options = MariaDbOptions::new();
    options.databases = vec!["app".to_owned()];
    let server = MariaDb::start(&options).unwrap();
    server.execute(TABLE).unwrap();
    let base = tempfile::tempdir().unwrap();
    let config = Config::parse(CONFIG, base.path()).unwrap();
    let url = server.url("app");
    let acts = Acts::new(config, move |name| (name == "TARGET").then(|| url.clone()));
    (serve_folder(base, |options| options.acts = Some(acts)).await, server)
}

async fn row(server: &MariaDb, username: &str) -> (String, bool, bool) {
    let mut database = sqlx::MySqlConnection::connect(&server.url("app")).await.unwrap();
    let sql = "SELECT password_hash, is_active, must_change FROM users WHERE username = ?";
    sqlx::query_as(sql).bind(username).fetch_one(&mut database).await.unwrap()
}

#[tokio::test]
async fn heavy_an_account_is_made_with_a_password_shown_once_and_switched_off_by_its_typed_name() {
    let (served, server) = with_people().await;
    let mut operator = Browser::entered(&served).await;
    let page = operator.text("/people").await;
    assert!(page.contains("anna") && page.contains("demo") && page.contains("inactive"), "{page}");
    assert!(operator.text("/").await.contains("/people\""));

    let csrf = operator.csrf("/people").await;
    let new = [("csrf", csrf.as_str()), ("username", "rosa"), ("role", "operator"), ("tenant", "one")];
    let made = operator.post("/people/create", &new).await;
    assert_eq!(made.status(), StatusCode::OK);
    assert_eq!(made.headers()["cache-control"], "no-store");
    let page = made.text().await.unwrap();
    let password = page.split("class=\"password\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert!(password.len() >= 24, "{page}");
    let (stored, active, must_change) = row(&server, "rosa").await;
    assert!(active && must_change && stored.starts_with("$argon2id$"));
    let fits = golive_auth::verify_password(&stored, &SecretString::from(password.clone())).unwrap();
    assert!(fits.ok, "the password that was shown is the one");
    assert!(!operator.text("/people").await.contains(&password), "it is shown once");
    assert_eq!(
        operator.post("/people/create", &new).await.status(),
        StatusCode::UNPROCESSABLE_ENTITY,
        "she is there"
    );

    // The rules are those of golive.toml.
    for (username, role, tenant, says) in [
        ("lea", "operator", "", "without a tenant"),
        ("lea", "admin", "one", "leave the tenant out"),
        ("lea", "owner", "", "role_tenants"),
        ("admin", "admin", "", "generic"),
        ("a b", "operator", "one", "printable"),
    ] {
        let fields = [("csrf", csrf.as_str()), ("username", username), ("role", role), ("tenant", tenant)];
        let refused = operator.post("/people/create", &fields).await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "{username} {role}");
        let page = refused.text().await.unwrap();
        assert!(page.contains(says) && !page.contains("class=\"password\""), "{says}: {page}");
    }

    let mistyped = [("csrf", csrf.as_str()), ("username", "rosa"), ("typed", "rose")];
    assert_eq!(
        operator.post("/people/deactivate", &mistyped).await.status(),
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert!(row(&server, "rosa").await.1);
    let off = [("csrf", csrf.as_str()), ("username", "rosa"), ("typed", "rosa")];
    assert_eq!(operator.post("/people/deactivate", &off).await.status(), StatusCode::OK);
    assert!(!row(&server, "rosa").await.1);
    assert!(operator.text("/people").await.contains("rosa"), "who is off stays in sight");
    let last = [("csrf", csrf.as_str()), ("username", "anna"), ("typed", "anna")];
    assert_eq!(operator.post("/people/deactivate", &last).await.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(row(&server, "anna").await.1, "the last administrator stays");

    // Both trails hold it, and are whole.
    assert!(operator.text("/access").await.contains("whole"));
    let trail = server.execute("SELECT COUNT(*) FROM app._golive_audit").unwrap();
    assert_eq!(trail.trim(), "2");
}

#[tokio::test]
async fn heavy_who_may_only_look_manages_nobody_and_no_form_is_taken_from_elsewhere() {
    let (served, server) = with_people().await;
    let file = OperatorsFile::new(served.base.path().join("operators.json"));
    let password = file.add("vera", Role::Viewer, now()).unwrap().password;
    let mut viewer = Browser::new(&served);
    viewer.log_in("vera", password.expose_secret()).await;
    assert_eq!(viewer.get("/people").await.status(), StatusCode::FORBIDDEN);
    assert!(!viewer.text("/").await.contains("/people\""));
    let theirs = viewer.csrf("/").await;
    let mut operator = Browser::entered(&served).await;
    for path in ["/people/create", "/people/deactivate"] {
        let fields = |csrf| [("csrf", csrf), ("username", "anna"), ("typed", "anna"), ("role", "admin")];
        assert_eq!(
            viewer.post(path, &fields(theirs.as_str())).await.status(),
            StatusCode::FORBIDDEN,
            "{path}"
        );
        assert_eq!(operator.post(path, &fields("x")).await.status(), StatusCode::FORBIDDEN, "{path}");
    }
    let csrf = operator.csrf("/people").await;
    operator.origin = Some("https://evil.example".to_owned());
    let forged = [("csrf", csrf.as_str()), ("username", "anna"), ("typed", "anna")];
    assert_eq!(operator.post("/people/deactivate", &forged).await.status(), StatusCode::FORBIDDEN);
    assert!(row(&server, "anna").await.1);
    drop(server);
    let away = operator.get("/people").await;
    assert_eq!(away.status(), StatusCode::BAD_GATEWAY, "a database that is away is said to be");
    assert!(!away.text().await.unwrap().contains("mysql://"));
}
