//! What somebody sends who wants to break it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/peers.rs"]
mod peers;
mod support;

use std::time::Duration;

use golive_sandbox::{ProcessSpec, run_to_end};
use reqwest::{Method, StatusCode, header};
use support::{Browser, ended_run, now, results, serve, serve_folder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Sends bytes as they are, and says what comes back until the other side closes, or for so long.
async fn raw(url: &str, bytes: &[u8], patience: Duration) -> String {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(patience, stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn no_path_leads_out_of_the_console() {
    let base = tempfile::tempdir().unwrap();
    let at = now();
    ended_run(base.path(), "runs", "20260101T000000.000Z", &results(at), at);
    std::fs::write(base.path().join("secret.txt"), "s3cret-of-a-neighbor").unwrap();
    let served = serve_folder(base, |_| {}).await;
    let mut browser = Browser::entered(&served).await;
    for path in [
        "/report/..%2f..%2fsecret.txt",
        "/report/report.json?run=..%2f..",
        "/report/report.json?run=../../secret.txt",
        "/report/report.json?run=../secret.txt",
        "/report/report.json?run=..%2fsecret.txt",
        "/report/report.json?run=%00",
        "/assets/..%2f..%2fsecret.txt",
        "/assets/....//secret.txt",
        "/about/..%2fsecret.txt",
        "/history?run=../../secret.txt&from=..&to=..%2f..",
        "//evil.example/",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/steps/../../secret.txt",
    ] {
        let answer = browser.get(path).await;
        let status = answer.status();
        assert!(status == StatusCode::NOT_FOUND || status == StatusCode::OK, "{path}: {status}");
        assert!(!answer.text().await.unwrap().contains("s3cret-of-a-neighbor"), "{path}");
    }
    let cookie =
        browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
    let host = served.url.strip_prefix("http://").unwrap();
    for path in ["/../../secret.txt", "/report/../../secret.txt", "/./assets/../../secret.txt"] {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n");
        let answer = raw(&served.url, request.as_bytes(), Duration::from_secs(10)).await;
        assert!(answer.starts_with("HTTP/1.1 404") && !answer.contains("s3cret"), "{path}: {answer}");
    }
    // A link to another host is no way out either.
    let away = browser.get("//evil.example/?lang=de").await;
    assert_eq!(away.headers()[header::LOCATION], "/");
    assert!(!browser.get("//evil.example/").await.text().await.unwrap().contains("href=\"//"));
}

#[tokio::test]
async fn a_body_that_is_too_long_is_not_read() {
    let served = serve(|_| {}).await;
    let mut browser = Browser::new(&served);
    let csrf = browser.csrf("/login").await;
    let long = "x".repeat(100 * 1024);
    let answer = browser.post("/login", &[("csrf", &csrf), ("name", &long), ("password", "y")]).await;
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    // Without a length it is counted as it comes.
    let host = served.url.strip_prefix("http://").unwrap();
    let cookie =
        browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
    let mut request = format!(
        "POST /login HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nCookie: {cookie}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    );
    for _ in 0..20 {
        request.push_str(&format!("1000\r\n{}\r\n", "x".repeat(0x1000)));
    }
    request.push_str("0\r\n\r\n");
    let answer = raw(&served.url, request.as_bytes(), Duration::from_secs(10)).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert_eq!(browser.get("/login").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn who_dawdles_is_hung_up_on_and_nobody_else_waits() {
    let served = serve(|options| {
        options.limits.head = Duration::from_millis(400);
        options.limits.request = Duration::from_millis(600);
    })
    .await;
    let host = served.url.strip_prefix("http://").unwrap().to_owned();
    let begin = format!("GET /login HTTP/1.1\r\nHost: {host}\r\nX-Slow: ");
    let mut slow = TcpStream::connect(&host).await.unwrap();
    slow.write_all(begin.as_bytes()).await.unwrap();
    let hung_up = async {
        // A byte now and then keeps nothing open.
        loop {
            if slow.write_all(b"a").await.is_err() {
                return;
            }
            let mut byte = [0; 64];
            if let Ok(Ok(0) | Err(_)) = timeout(Duration::from_millis(50), slow.read(&mut byte)).await {
                return;
            }
        }
    };
    timeout(Duration::from_secs(10), hung_up).await.expect("a head that never ends is given up");
    // A body that never comes, too.
    let mut browser = Browser::new(&served);
    browser.csrf("/login").await;
    let cookie =
        browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
    let request = format!(
        "POST /login HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nCookie: {cookie}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\ncsrf="
    );
    let began = std::time::Instant::now();
    let answer = raw(&served.url, request.as_bytes(), Duration::from_secs(20)).await;
    assert!(began.elapsed() < Duration::from_secs(20), "the connection was closed by the other side");
    assert!(!answer.starts_with("HTTP/1.1 200") && !answer.starts_with("HTTP/1.1 303"), "{answer}");
    assert_eq!(browser.get("/login").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_flood_of_headers_is_refused_before_anything_looks_at_it() {
    let served = serve(|_| {}).await;
    let host = served.url.strip_prefix("http://").unwrap();
    let many: String = (0..500).map(|i| format!("X-{i}: y\r\n")).collect();
    let long = format!("X-Long: {}\r\n", "y".repeat(200 * 1024));
    for flood in [many, long] {
        let request = format!("GET /login HTTP/1.1\r\nHost: {host}\r\n{flood}Connection: close\r\n\r\n");
        let address = served.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        // It may hang up in the middle of it.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
    assert_eq!(Browser::new(&served).get("/login").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn one_address_cannot_take_all_connections() {
    let served = serve(|options| {
        options.limits.connections_of_address = 4;
        options.limits.head = Duration::from_secs(60);
    })
    .await;
    let host = served.url.strip_prefix("http://").unwrap();
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut stream = TcpStream::connect(host).await.unwrap();
        stream.write_all(b"GET /login HTTP/1.1\r\n").await.unwrap();
        held.push(stream);
    }
    let mut one_more = TcpStream::connect(host).await.unwrap();
    let mut byte = [0; 1];
    let read = timeout(Duration::from_secs(10), one_more.read(&mut byte)).await.expect("it is hung up on");
    assert!(matches!(read, Ok(0) | Err(_)));
    held.clear();
    let mut browser = Browser::new(&served);
    // The places come back as soon as the server has seen that they are free.
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    loop {
        let url = format!("{}/login", served.url);
        match reqwest::get(&url).await {
            Ok(answer) if answer.status() == StatusCode::OK => break,
            _ => assert!(std::time::Instant::now() < deadline, "the places never came back"),
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(browser.get("/login").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn watchers_have_an_end_in_number_and_in_time() {
    let served = serve(|options| {
        options.limits.watchers = 3;
        options.limits.watch = Duration::from_secs(2);
    })
    .await;
    let mut browser = Browser::entered(&served).await;
    let mut watching = Vec::new();
    for _ in 0..3 {
        let answer = browser.get("/events").await;
        assert_eq!(answer.status(), StatusCode::OK);
        watching.push(answer);
    }
    let refused = browser.get("/events").await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()[header::RETRY_AFTER], "15");
    assert_eq!(browser.get("/").await.status(), StatusCode::OK, "pages are still served");
    let text =
        timeout(Duration::from_secs(15), watching.pop().unwrap().text()).await.expect("it ends").unwrap();
    assert!(text.contains("event: state"), "{text}");
    drop(watching);
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while browser.get("/events").await.status() != StatusCode::OK {
        assert!(std::time::Instant::now() < deadline, "the places never came back");
    }
}

#[tokio::test]
async fn what_is_not_asked_for_so_is_refused_so_and_never_an_error_of_the_server() {
    let served = serve(|_| {}).await;
    let mut browser = Browser::entered(&served).await;
    for (method, path) in [
        (Method::POST, "/"),
        (Method::PUT, "/gate"),
        (Method::DELETE, "/steps"),
        (Method::PATCH, "/login"),
        (Method::GET, "/logout"),
        (Method::OPTIONS, "/api/v1/status"),
        (Method::POST, "/api/v1/status"),
    ] {
        let origin = browser.url.clone();
        let answer = browser.send(method.clone(), path, &[("origin", &origin)], None).await;
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
    }
    for query in ["?lang=%ff", "?run=%ff%fe", "?from=a&from=b", &format!("?run={}", "x".repeat(5000))] {
        for path in ["/history", "/report/report.json", "/enter", "/", "/api/v1/status"] {
            let status = browser.get(&format!("{path}{query}")).await.status();
            assert!(!status.is_server_error(), "{path}{query}: {status}");
        }
    }
}

/// Whatever is made up from the description of the interface is answered as described, and never by a 500 or by silence.
#[tokio::test(flavor = "multi_thread")]
async fn heavy_what_schemathesis_makes_up_is_answered_as_described() {
    let base = tempfile::tempdir().unwrap();
    let at = now();
    ended_run(base.path(), "runs", "20260101T000000.000Z", &results(at), at);
    let served = serve_folder(base, |options| options.limits.request = Duration::from_secs(5)).await;
    let browser = Browser::entered(&served).await;
    let cookie =
        browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
    let (description, cookie) = (format!("{}/api/openapi.json", served.url), format!("Cookie: {cookie}"));
    // Brought before the time runs.
    let schemathesis = tokio::task::spawn_blocking(peers::schemathesis).await.unwrap();
    let spec = ProcessSpec::new(schemathesis)
        .arguments(["run", description.as_str(), "--header", cookie.as_str()])
        .arguments(["--checks", CHECKS, "--max-time", "40", "--max-examples", "60", "--request-timeout", "6"])
        .arguments(["--seed", "7", "--generation-database", "none"])
        .environment([("NO_COLOR", "1")])
        .directory(served.base.path());
    let asked = tokio::task::spawn_blocking(|| run_to_end(spec, Duration::from_secs(300)));
    let finished = asked.await.unwrap().expect("it comes to its end");
    let told = format!("{}{}", finished.output, finished.errors);
    assert!(finished.status.success(), "{told}");
    assert!(told.contains("generated") && told.contains("Tested: 2"), "it asked: {told}");
}

const CHECKS: &str =
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";
