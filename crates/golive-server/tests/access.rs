//! Who gets in, and who does not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use golive_server::{OperatorsFile, Role, ServeError, ServerOptions, TlsFiles, bind};
use reqwest::{Method, StatusCode, header};
use secrecy::ExposeSecret;
use support::{Browser, now, serve};

#[tokio::test]
async fn the_link_lets_in_once_and_leaves_no_trace_in_the_address() {
    let served = serve(|_| {}).await;
    let mut stranger = Browser::new(&served);
    let turned_away = stranger.get("/").await;
    assert_eq!(turned_away.status(), StatusCode::SEE_OTHER);
    assert_eq!(turned_away.headers()[header::LOCATION], "/login");
    for path in ["/api/v1/status", "/events"] {
        assert_eq!(stranger.get(path).await.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    assert_eq!(stranger.get("/enter?token=guessed").await.status(), StatusCode::FORBIDDEN);
    assert_eq!(stranger.get("/enter").await.status(), StatusCode::FORBIDDEN);
    assert!(stranger.session().is_none());

    let mut first = Browser::new(&served);
    let path = served.entry.as_ref().unwrap().strip_prefix(&served.url).unwrap().to_owned();
    let entered = first.get(&path).await;
    assert_eq!(
        (entered.status(), &entered.headers()[header::LOCATION]),
        (StatusCode::SEE_OTHER, &"/".parse().unwrap())
    );
    let cookies: Vec<&str> =
        entered.headers().get_all(header::SET_COOKIE).iter().map(|line| line.to_str().unwrap()).collect();
    let session = cookies.iter().find(|line| line.contains("session")).unwrap();
    assert!(
        session.contains("; HttpOnly")
            && session.contains("; SameSite=Strict")
            && session.contains("; Path=/;")
    );
    assert!(first.text("/").await.contains("terminal"));
    assert_eq!(stranger.get(&path).await.status(), StatusCode::FORBIDDEN, "it was used");
    assert!(stranger.session().is_none());
}

#[tokio::test]
async fn operators_log_in_by_password_and_are_out_at_once_when_removed_or_changed() {
    let served = serve(|_| {}).await;
    let file = OperatorsFile::new(served.base.path().join("operators.json"));
    let password = file.add("rosa", Role::Viewer, now()).unwrap().password;
    let mut browser = Browser::new(&served);
    let wrong = browser.log_in("rosa", "not-it").await;
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    let unknown = browser.log_in("nobody", "not-it").await;
    assert_eq!(unknown.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(wrong.text().await.unwrap().len(), unknown.text().await.unwrap().len(), "the same answer");
    assert_eq!(browser.log_in("ROSA", password.expose_secret()).await.status(), StatusCode::SEE_OTHER);
    assert!(browser.text("/access").await.contains("rosa"));
    assert!(!browser.text("/access").await.contains("id=\"trail\""), "a viewer sees no trail");

    let again = file.add("rosa", Role::Operator, now()).unwrap().password;
    assert_eq!(
        browser.get("/access").await.status(),
        StatusCode::SEE_OTHER,
        "another password, another session"
    );
    assert_eq!(browser.log_in("rosa", password.expose_secret()).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(browser.log_in("rosa", again.expose_secret()).await.status(), StatusCode::SEE_OTHER);
    let access = browser.text("/access").await;
    assert!(access.contains("id=\"trail\"") && access.contains("whole"), "{access}");
    file.remove("rosa").unwrap();
    assert_eq!(browser.get("/").await.status(), StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn guessing_takes_longer_and_longer_and_the_right_password_has_to_wait_too() {
    let served = serve(|_| {}).await;
    let file = OperatorsFile::new(served.base.path().join("operators.json"));
    let password = file.add("rosa", Role::Viewer, now()).unwrap().password;
    let mut browser = Browser::new(&served);
    let mut statuses = Vec::new();
    for _ in 0..12 {
        let answer = browser.log_in("rosa", "guess").await;
        statuses.push(answer.status());
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            let wait: u64 = answer.headers()[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
            assert!((1..=900).contains(&wait));
        }
    }
    assert_eq!(statuses[..4], [StatusCode::UNAUTHORIZED; 4]);
    assert!(statuses[4..].contains(&StatusCode::TOO_MANY_REQUESTS), "{statuses:?}");
    for _ in 0..6 {
        browser.log_in("rosa", "guess").await;
    }
    let right = browser.log_in("rosa", password.expose_secret()).await.status();
    assert!(matches!(right, StatusCode::TOO_MANY_REQUESTS | StatusCode::SEE_OTHER), "{right}");
}

#[tokio::test]
async fn a_form_without_its_token_or_from_another_page_does_nothing() {
    let served = serve(|_| {}).await;
    let file = OperatorsFile::new(served.base.path().join("operators.json"));
    let password = file.add("rosa", Role::Viewer, now()).unwrap().password;
    let mut browser = Browser::entered(&served).await;
    let csrf = browser.csrf("/").await;
    assert_eq!(browser.post("/logout", &[]).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(browser.post("/logout", &[("csrf", "guessed")]).await.status(), StatusCode::FORBIDDEN);
    for origin in [None, Some("null"), Some("https://evil.example"), Some("http://127.0.0.1:1")] {
        browser.origin = origin.map(str::to_owned);
        assert_eq!(
            browser.post("/logout", &[("csrf", &csrf)]).await.status(),
            StatusCode::FORBIDDEN,
            "{origin:?}"
        );
    }
    browser.origin = Some(browser.url.clone());
    let answer = browser
        .send(
            Method::POST,
            "/logout",
            &[("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "cross-site")],
            Some(format!("csrf={csrf}")),
        )
        .await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(browser.text("/").await.contains("terminal"), "still in");
    assert_eq!(browser.post("/logout", &[("csrf", &csrf)]).await.status(), StatusCode::SEE_OTHER);
    assert_eq!(browser.get("/").await.status(), StatusCode::SEE_OTHER, "out");

    // The token of somebody else's page logs nobody in: it belongs to the browser that it was given to.
    let mut other = Browser::new(&served);
    let theirs = other.csrf("/login").await;
    let mut victim = Browser::new(&served);
    victim.csrf("/login").await;
    let fields = [("csrf", theirs.as_str()), ("name", "rosa"), ("password", password.expose_secret())];
    assert_eq!(victim.post("/login", &fields).await.status(), StatusCode::FORBIDDEN);
    assert!(victim.session().is_none());
}

#[tokio::test]
async fn a_session_is_never_one_that_the_browser_brought() {
    let served = serve(|_| {}).await;
    let file = OperatorsFile::new(served.base.path().join("operators.json"));
    let password = file.add("rosa", Role::Viewer, now()).unwrap().password;
    let mut attacker = Browser::entered(&served).await;
    let planted = attacker.session().unwrap();
    let name = attacker.cookies.keys().find(|name| name.contains("session")).unwrap().clone();
    // A victim whose browser was given the attacker's session logs in over it.
    let csrf = attacker.csrf("/").await;
    assert_eq!(attacker.post("/logout", &[("csrf", &csrf)]).await.status(), StatusCode::SEE_OTHER);
    let mut victim = Browser::new(&served);
    victim.cookies.insert(name.clone(), planted.clone());
    assert_eq!(victim.log_in("rosa", password.expose_secret()).await.status(), StatusCode::SEE_OTHER);
    assert_ne!(victim.session().unwrap(), planted);
    let mut watching = Browser::new(&served);
    watching.cookies.insert(name.clone(), planted);
    assert_eq!(watching.get("/").await.status(), StatusCode::SEE_OTHER);
    // One that nobody made is not made by being brought.
    let mut again = Browser::new(&served);
    again.cookies.insert(name.clone(), "x".repeat(86));
    assert_eq!(again.log_in("rosa", password.expose_secret()).await.status(), StatusCode::SEE_OTHER);
    assert_ne!(again.session().unwrap(), "x".repeat(86));
}

#[tokio::test]
async fn the_link_ends_the_session_that_the_browser_had() {
    let served = serve(|_| {}).await;
    let file = OperatorsFile::new(served.base.path().join("operators.json"));
    let password = file.add("rosa", Role::Viewer, now()).unwrap().password;
    let mut browser = Browser::new(&served);
    browser.log_in("rosa", password.expose_secret()).await;
    let (name, earlier) = (
        browser.cookies.keys().find(|name| name.contains("session")).unwrap().clone(),
        browser.session().unwrap(),
    );
    let path = served.entry.as_ref().unwrap().strip_prefix(&served.url).unwrap().to_owned();
    assert_eq!(browser.get(&path).await.status(), StatusCode::SEE_OTHER);
    let mut old = Browser::new(&served);
    old.cookies.insert(name, earlier);
    assert_eq!(old.get("/").await.status(), StatusCode::SEE_OTHER, "what was known before lets nobody in");
}

#[tokio::test]
async fn a_name_that_is_not_the_consoles_is_refused() {
    let served = serve(|options| options.hosts = vec!["golive.example".to_owned()]).await;
    let mut browser = Browser::entered(&served).await;
    let port = served.url.rsplit(':').next().unwrap();
    for host in ["evil.example", "127.0.0.1", "localhost:1", &format!("evil.example:{port}")] {
        let answer = browser.send(Method::GET, "/", &[("host", host)], None).await;
        assert_eq!(answer.status(), StatusCode::MISDIRECTED_REQUEST, "{host}");
        let asset = browser.send(Method::GET, "/assets/x", &[("host", host)], None).await;
        assert_eq!(asset.status(), StatusCode::MISDIRECTED_REQUEST, "{host}");
    }
    for host in ["golive.example", &format!("localhost:{port}")] {
        assert_eq!(
            browser.send(Method::GET, "/", &[("host", host)], None).await.status(),
            StatusCode::OK,
            "{host}"
        );
    }
}

#[tokio::test]
async fn a_session_ends_when_it_is_idle() {
    let served = serve(|options| options.limits.session_idle = std::time::Duration::from_millis(400)).await;
    let mut browser = Browser::entered(&served).await;
    let page = browser.get("/").await.status();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    assert!(matches!(page, StatusCode::OK | StatusCode::SEE_OTHER));
    while browser.get("/login").await.status() != StatusCode::OK {
        // Each look is use, so that this one waits longer than the last.
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        assert!(std::time::Instant::now() < deadline, "the session never ended");
    }
}

#[tokio::test]
async fn others_reach_it_by_tls_and_only_where_somebody_can_log_in() {
    let base = tempfile::tempdir().unwrap();
    let mut options = ServerOptions::new(base.path().to_owned());
    options.listen = "0.0.0.0:0".parse().unwrap();
    assert!(matches!(bind(&options).await, Err(ServeError::NeedsTls { .. })));
    let authority = golive_sandbox::CertificateAuthority::new("test").unwrap();
    let issued = authority.issue(&["localhost", "127.0.0.1"]).unwrap();
    let (certificate, key) = (base.path().join("chain.pem"), base.path().join("key.pem"));
    std::fs::write(&certificate, &issued.certificate_pem).unwrap();
    std::fs::write(&key, "no key").unwrap();
    options.tls = Some(TlsFiles::new(certificate, key.clone()));
    assert!(matches!(bind(&options).await, Err(ServeError::NeedsOperators { .. })));
    let file = OperatorsFile::new(base.path().join("operators.json"));
    let password = file.add("rosa", Role::Viewer, now()).unwrap().password;
    assert!(matches!(bind(&options).await, Err(ServeError::NeedsHost { .. })));
    options.listen = "127.0.0.1:0".parse().unwrap();
    assert!(matches!(bind(&options).await, Err(ServeError::Tls { .. })));
    std::fs::write(&key, issued.expose_key_pem()).unwrap();

    let server = bind(&options).await.unwrap();
    let url = server.url();
    assert!(url.starts_with("https://127.0.0.1:"));
    let serving = tokio::spawn(server.serve(std::future::pending()));
    let trusted = reqwest::Certificate::from_pem(authority.certificate_pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_only([trusted])
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let page = client.get(format!("{url}/login")).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    let cookie = page.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
    assert!(cookie.starts_with("__Host-golive-form") && cookie.contains("; Secure"), "{cookie}");
    let text = page.text().await.unwrap();
    let csrf = text.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let answer = client
        .post(format!("{url}/login"))
        .header(header::ORIGIN, &url)
        .header(header::COOKIE, cookie.split(';').next().unwrap())
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(format!("csrf={csrf}&name=rosa&password={}", password.expose_secret().replace('+', "%2B")))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    serving.abort();
}
