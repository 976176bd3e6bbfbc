//! The people of the application, managed from the console on a real server: made, shown their password once, switched off.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/staff.rs"]
mod staff;
mod support;

use golive_sandbox::MariaDb;
use golive_server::{OperatorsFile, Role};
use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use sqlx::Connection;
use staff::with_people;
use support::{Browser, now};

async fn row(server: &MariaDb, username: &str) -> (String, bool, bool) {
    let mut database = sqlx::MySqlConnection::connect(&server.url("app")).await.unwrap();
    let sql = "SELECT password_hash, is_active, must_change FROM users WHERE username = ?";
    sqlx::query_as(sql).bind(username).fetch_one(&mut database).await.unwrap()
}

fn shown_password(page: &str) -> String {
    page.split("class=\"password\">").nth(1).expect("a password").split('<').next().unwrap().to_owned()
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
    let password = shown_password(&page);
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
async fn heavy_a_role_is_assigned_and_a_password_issued_anew_and_the_old_one_ends() {
    let (served, server) = with_people().await;
    let mut operator = Browser::entered(&served).await;
    let csrf = operator.csrf("/people").await;
    let new = [("csrf", csrf.as_str()), ("username", "rosa"), ("role", "operator"), ("tenant", "one")];
    let first = shown_password(&operator.post("/people/create", &new).await.text().await.unwrap());
    server.execute("UPDATE app.users SET must_change = 0 WHERE username = 'rosa'").unwrap();

    let reissue = |typed| [("csrf", csrf.as_str()), ("username", "rosa"), ("typed", typed)];
    let mistyped = operator.post("/people/reissue", &reissue("anna")).await;
    assert_eq!(mistyped.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!row(&server, "rosa").await.2, "nothing was done");
    let answer = operator.post("/people/reissue", &reissue("rosa")).await;
    assert_eq!(
        (answer.status(), &answer.headers()["cache-control"]),
        (StatusCode::OK, &"no-store".parse().unwrap())
    );
    let second = shown_password(&answer.text().await.unwrap());
    let (stored, active, must_change) = row(&server, "rosa").await;
    let fits =
        |password: String| golive_auth::verify_password(&stored, &SecretString::from(password)).unwrap().ok;
    assert!(active && must_change && fits(second.clone()) && !fits(first), "the old one ends");
    assert!(!operator.text("/people").await.contains(&second), "it is shown once");

    let assign = |username, role, tenant| {
        [("csrf", csrf.as_str()), ("username", username), ("role", role), ("tenant", tenant)]
    };
    for (username, role, tenant, says) in [
        ("rosa", "operator", "", "without a tenant"),
        ("rosa", "admin", "one", "leave the tenant out"),
        ("rosa", "owner", "", "role_tenants"),
        ("demo", "operator", "one", "one of the demo"),
        ("anna", "operator", "one", "last active administrator"),
        ("nobody", "admin", "", "there is none"),
    ] {
        let refused = operator.post("/people/assign", &assign(username, role, tenant)).await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "{username} {role}");
        let page = refused.text().await.unwrap();
        assert!(page.contains(says), "{says}: {page}");
    }
    assert_eq!(operator.post("/people/assign", &assign("rosa", "admin", "")).await.status(), StatusCode::OK);
    let roles = server.execute("SELECT role, company FROM app.users WHERE username = 'rosa'").unwrap();
    assert_eq!(roles.split_whitespace().collect::<Vec<_>>(), ["admin", "NULL"]);
    assert_eq!(
        operator.post("/people/assign", &assign("anna", "operator", "one")).await.status(),
        StatusCode::OK
    );

    // The roles are laid out, and one that is handed out without a known permission is said.
    let page = operator.text("/people").await;
    assert!(page.contains("kept for what refers to it"), "the demo's account is a reference");
    assert!(
        page.contains("<code>manage</code>") && page.contains("The role operator is handed out"),
        "{page}"
    );
    std::fs::write(served.base.path().join("roles.toml"), "permissions = 7").unwrap();
    let page = operator.text("/people").await;
    assert!(page.contains("It is not known which role may do what") && !page.contains("<code>manage</code>"));
    let trail = server.execute("SELECT COUNT(*) FROM app._golive_audit").unwrap();
    assert_eq!(trail.trim(), "4", "made, issued anew, assigned twice");
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
    for path in ["/people/create", "/people/deactivate", "/people/assign", "/people/reissue"] {
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
