//! The example of a service that embeds everything does what it says: whoever is not logged in sees nothing, whoever asks too often
//! waits, and console, health and numbers answer beside it.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

#[path = "../examples/embed.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "an example is a program; its `main` is not run here"
)]
mod embed;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use golive_auth::{SecretKey, hash_password};
use tower::ServiceExt as _;

async fn ask(app: &Router, method: Method, path: &str, token: &str, body: &str) -> (StatusCode, String) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "app.test")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Body::from(body.to_owned()))
        .unwrap();
    let answer = app.clone().oneshot(request).await.unwrap();
    let status = answer.status();
    let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn a_service_in_sixty_lines_has_console_health_numbers_logins_and_limits() {
    let source = include_str!("../examples/embed.rs");
    assert!(source.lines().count() <= 60, "{} lines", source.lines().count());
    let folder = tempfile::tempdir().unwrap();
    let hash = hash_password(&"copper meadow train 58".into()).unwrap();
    // No Redis there: the limit is held by this instance alone, stricter.
    let runs = folder.path().to_str().unwrap();
    let app = embed::app(runs, "redis://127.0.0.1:1/0", &SecretKey::generate(), &hash).await.unwrap();

    let get = async |path: &str, token: &str| ask(&app, Method::GET, path, token, "").await;
    assert_eq!(get("/orders", "").await.0, StatusCode::UNAUTHORIZED);
    let login =
        async |password: &str| ask(&app, Method::POST, "/login", "", &format!("\"{password}\"")).await;
    assert_eq!(login("copper meadow train 59").await.0, StatusCode::UNAUTHORIZED);
    let (status, token) = login("copper meadow train 58").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(get("/orders", &token).await, (StatusCode::OK, "two orders".to_owned()));

    assert_eq!(get("/health/live", "").await.0, StatusCode::OK);
    assert!(get("/health/ready", "").await.1.contains("redis"));
    assert!(get("/metrics", "").await.1.contains("http_server"));
    let (status, page) = get("/golive/login", "").await;
    assert!(status == StatusCode::OK && page.contains("/golive/assets/"), "{status} {page}");
    assert_eq!(get("/golive/run", "").await.0, StatusCode::SEE_OTHER, "the console has its own door");

    let mut refused = 0;
    for _ in 0..70 {
        refused +=
            usize::from(ask(&app, Method::POST, "/login", "", "7").await.0 == StatusCode::TOO_MANY_REQUESTS);
    }
    assert!(refused > 0, "the limit holds");
}
