//! What the pages show, and that it is what is there.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::time::Duration;

use chrono::TimeDelta;
use golive::RunDirectory;
use golive_gate::StepStatus;
use reqwest::{Method, StatusCode, header};
use support::{Browser, Served, ended_run, now, results, serve, serve_folder, write_journal};
use tokio::time::timeout;

const PAGES: [&str; 12] = [
    "/",
    "/gate",
    "/steps",
    "/migration",
    "/about/credentials",
    "/about/redis",
    "/about/health",
    "/about/backups",
    "/about/deployment",
    "/about/load",
    "/history",
    "/access",
];

/// Two runs: everything passed, then one criterion failed and one was not looked at.
async fn with_runs() -> Served {
    let base = tempfile::tempdir().expect("a folder of its own");
    let at = now() - TimeDelta::hours(2);
    ended_run(base.path(), "runs", "20260101T000000.000Z", &results(at), at);
    let at = now();
    let mut worse = results(at);
    for result in &mut worse {
        match result.id.as_str() {
            "tls" => {
                result.status = StepStatus::Failed;
                result.reason = Some("the grade is `B` <script>alert(1)</script>".to_owned());
                result
                    .proof
                    .iter_mut()
                    .filter(|fact| fact.key == "tls.grade")
                    .for_each(|fact| fact.value = "B".into());
            }
            "ci" => {
                result.status = StepStatus::Unknown;
                result.reason = Some("no checks are described".to_owned());
                result.proof.clear();
            }
            _ => {}
        }
    }
    ended_run(base.path(), "runs", "20260102T000000.000Z", &worse, at);
    serve_folder(base, |_| {}).await
}

#[tokio::test]
async fn every_page_is_whole_in_both_languages_and_holds_nothing_that_its_policy_forbids() {
    let served = with_runs().await;
    let mut browser = Browser::entered(&served).await;
    for language in ["en", "de"] {
        for path in PAGES {
            let answer = browser.send(Method::GET, path, &[("accept-language", language)], None).await;
            assert_eq!(answer.status(), StatusCode::OK, "{path}");
            let headers = answer.headers().clone();
            let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
            assert_eq!(headers[header::CACHE_CONTROL], "no-store", "{path}");
            assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
            assert_eq!(headers[header::REFERRER_POLICY], "same-origin");
            assert_eq!(headers["cross-origin-opener-policy"], "same-origin");
            assert_eq!(headers["cross-origin-resource-policy"], "same-origin");
            let page = answer.text().await.unwrap();
            assert!(page.contains(&format!("<html lang=\"{language}\"")), "{path}");
            for forbidden in ["style=", "<style", "onclick", "javascript:", "<script>", "https://", "http://"]
            {
                assert!(!page.contains(forbidden), "{path} holds {forbidden}");
            }
            assert_eq!(page.matches("<h1>").count(), 1, "{path}");
            for (whole, opened) in [("<main", "</main>"), ("<nav class=\"menu\"", "aria-current=\"page\"")] {
                assert!(
                    page.contains(whole) && (page.contains(opened) || path == "/access"),
                    "{path}: {opened}"
                );
            }
        }
    }
}

#[tokio::test]
async fn the_board_says_what_failed_why_and_how_to_look_again() {
    let served = with_runs().await;
    let mut browser = Browser::entered(&served).await;
    let overview = browser.text("/").await;
    assert!(overview.contains("No go") && overview.contains("golive explain tls"));
    assert!(overview.contains("Ledger &lt;b&gt;&amp;&lt;/b&gt;"), "foreign text is text");
    let gate = browser.text("/gate").await;
    for part in [
        "1 of 2",
        "the grade is <code>B</code> &lt;script&gt;",
        "golive run --only tls",
        "no checks are described",
    ] {
        assert!(gate.contains(part), "{part}");
    }
    let german = browser
        .send(Method::GET, "/gate", &[("accept-language", "de-CH,de;q=0.9")], None)
        .await
        .text()
        .await
        .unwrap();
    assert!(german.contains("TLS ist mit A+ bewertet") && german.contains("nicht erfüllt"));
    let history = browser.text("/history").await;
    assert!(history.contains("20260101T000000.000Z") && history.contains("the grade is A+"));
    let same = browser.text("/history?from=20260102T000000.000Z&to=20260102T000000.000Z").await;
    assert!(same.contains("Every requirement stands as it did"));
    assert!(browser.text("/history?run=20260101T000000.000Z").await.contains("id=\"c13\""));
}

#[tokio::test]
async fn the_language_is_kept_when_chosen() {
    let served = serve(|_| {}).await;
    let mut browser = Browser::entered(&served).await;
    let chosen = browser.get("/gate?lang=de").await;
    assert_eq!(
        (chosen.status(), &chosen.headers()[header::LOCATION]),
        (StatusCode::SEE_OTHER, &"/gate".parse().unwrap())
    );
    assert!(browser.text("/gate").await.contains("Es gibt noch keinen Lauf"));
    browser.get("/?lang=en").await;
    let page = browser.send(Method::GET, "/", &[("accept-language", "de")], None).await.text().await.unwrap();
    assert!(page.contains("There is no run yet"));
}

#[tokio::test]
async fn reports_are_files_of_this_run_or_another() {
    let served = with_runs().await;
    let mut browser = Browser::entered(&served).await;
    for (file, mark) in [
        ("report.html", "<!DOCTYPE html>"),
        ("report.json", "\"no_go\""),
        ("report.xml", "<testsuites"),
        ("report.md", "# "),
    ] {
        let answer = browser.get(&format!("/report/{file}")).await;
        assert!(answer.headers()[header::CONTENT_DISPOSITION].to_str().unwrap().starts_with("attachment"));
        assert!(answer.text().await.unwrap().contains(mark), "{file}");
    }
    assert!(browser.text("/report/report.json?run=20260101T000000.000Z").await.contains("\"go\""));
    assert_eq!(browser.get("/report/report.json?run=nothing").await.status(), StatusCode::NOT_FOUND);

    // The evidence is signed with the key of the folder, and that it was taken is in the trail.
    let evidence = browser.get("/report/evidence.tar?run=20260101T000000.000Z").await;
    assert!(evidence.headers()[header::CONTENT_DISPOSITION].to_str().unwrap().contains("20260101T000000"));
    let bytes = evidence.bytes().await.unwrap();
    let key = golive::EvidenceKey::read(&served.base.path().join(golive::EVIDENCE_KEY)).unwrap();
    let verdict = golive::verify_bundle(&bytes, &key.signer());
    assert_eq!(verdict.problems, []);
    assert_eq!(verdict.manifest.unwrap().verdict, "go");
    for name in ["nothing", "..", "..%2f..", "latest"] {
        let missing = browser.get(&format!("/report/evidence.tar?run={name}")).await;
        assert_eq!(missing.status(), StatusCode::NOT_FOUND, "{name}");
    }
    let stranger = Browser::new(&served).get("/report/evidence.tar").await;
    assert_eq!(stranger.status(), StatusCode::SEE_OTHER, "nobody takes it without a session");
}

#[tokio::test]
async fn assets_are_named_by_their_content_and_kept() {
    let served = serve(|_| {}).await;
    let mut stranger = Browser::new(&served);
    let page = stranger.text("/login").await;
    for (mark, kind) in [("rel=\"stylesheet\" href=\"", "text/css"), ("<script src=\"", "text/javascript")] {
        let path = page.split(mark).nth(1).unwrap().split('"').next().unwrap();
        let asset = stranger.get(path).await;
        assert_eq!(asset.status(), StatusCode::OK);
        assert!(asset.headers()[header::CONTENT_TYPE].to_str().unwrap().starts_with(kind));
        assert_eq!(asset.headers()[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
        assert_eq!(stranger.get(&path.replace('-', "-0")).await.status(), StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn a_run_is_shown_as_it_goes_and_what_was_seen_is_not_told_again() {
    let base = tempfile::tempdir().unwrap();
    let (at, all) = (now(), results(now()));
    let directory = RunDirectory::create(&base.path().join("rehearsals"), "20260101T000000.000Z").unwrap();
    let journal = write_journal(&directory, "20260101T000000.000Z", &all[..3], at);
    let served = serve_folder(base, |_| {}).await;
    let mut browser = Browser::entered(&served).await;
    let status = browser.json("/api/v1/status").await;
    assert_eq!((&status["state"], &status["kind"]), (&"goes_on".into(), &"rehearse".into()));
    assert_eq!((&status["verdict"], &status["verdict_is_final"]), (&"inconclusive".into(), &false.into()));

    let mut stream = browser.get("/events").await;
    let first = next_event(&mut stream).await;
    assert!(first.contains("event: state") && first.contains("goes_on"), "{first}");
    let id = first.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    journal.append(golive::Entry::Started { at, step: "copy".to_owned() }).unwrap();
    let second = next_event(&mut stream).await;
    assert!(second.contains("event: state") && !second.contains(&id), "{second}");
    let page = browser.text("/").await;
    assert!(page.contains("Under way") && page.contains("running"));
    drop(stream);

    let seen = second.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    let mut again = browser.send(Method::GET, "/events", &[("last-event-id", &seen)], None).await;
    assert!(next_event(&mut again).await.contains("event: beat"), "nothing is new, but the line stands");
    let mut behind = browser.send(Method::GET, "/events", &[("last-event-id", &id)], None).await;
    assert!(next_event(&mut behind).await.contains(&seen));

    drop((journal, directory));
    assert!(next_event(&mut behind).await.contains("cut_off"), "the process that ran it is gone");
    let status = browser.json("/api/v1/status").await;
    assert_eq!(status["state"], "cut_off");
    let copy = status["steps"].as_array().unwrap().iter().find(|step| step["id"] == "copy").unwrap();
    assert_eq!(copy["state"], "cut_off");
    assert!(browser.text("/").await.contains("golive rehearse --resume"));
}

#[tokio::test]
async fn the_migration_is_told_table_by_table() {
    let base = tempfile::tempdir().unwrap();
    let (at, all) = (now(), results(now()));
    let directory = RunDirectory::create(&base.path().join("runs"), "20260101T000000.000Z").unwrap();
    let journal = write_journal(&directory, "20260101T000000.000Z", &all[..3], at);
    journal.append(golive::Entry::Started { at, step: "copy".to_owned() }).unwrap();
    let progress = format!(
        r#"[{{"step":"copy","item":"orders","done":600,"total":1200,"per_second":250.5,"at":"{0}"}},
            {{"step":"copy","item":"items","done":34,"total":34,"per_second":null,"at":"{0}"}},
            {{"step":"copy","item":"later","done":0,"total":7,"per_second":null,"at":"{0}"}}]"#,
        at.to_rfc3339()
    );
    std::fs::write(directory.path("progress.json"), progress).unwrap();
    let served = serve_folder(base, |_| {}).await;
    let mut browser = Browser::entered(&served).await;
    let status = browser.json("/api/v1/migration/status").await;
    let number = |name: &str| status[name].as_u64().unwrap();
    assert_eq!(status["state"], "copying");
    assert_eq!((number("tables_total"), number("tables_copied"), number("tables_verified")), (3, 1, 0));
    assert_eq!((number("rows_total"), number("rows_copied"), number("rows_verified")), (1241, 634, 0));
    assert_eq!(status["tables"][0]["rows_per_second"], 250.5);
    let page = browser.text("/migration").await;
    assert!(page.contains("634 of 1241 rows are copied; 1 of 3 tables are complete"), "{page}");
    std::fs::write(directory.path("progress.json"), "{").unwrap();
    let page = next_page(&mut browser, "/migration", "could not be read").await;
    assert!(page.contains("could not be read"));
}

/// A page once it says this: what is shown may be a third of a second old.
async fn next_page(browser: &mut Browser, path: &str, says: &str) -> String {
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    loop {
        let page = browser.text(path).await;
        if page.contains(says) || std::time::Instant::now() > deadline {
            return page;
        }
    }
}

#[tokio::test]
async fn a_journal_that_cannot_be_read_shows_nothing_as_known() {
    let base = tempfile::tempdir().unwrap();
    let at = now();
    ended_run(base.path(), "runs", "20260101T000000.000Z", &results(at), at);
    let journal = base.path().join("runs/latest/journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap().replacen("\"event\"", "event", 3);
    std::fs::write(&journal, text).unwrap();
    let served = serve_folder(base, |_| {}).await;
    let mut browser = Browser::entered(&served).await;
    for path in ["/", "/gate", "/migration", "/api/v1/status"] {
        let answer = browser.get(path).await;
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        let page = answer.text().await.unwrap();
        assert!(!page.contains("class=\"lamps\"") && !page.contains("\"go\""), "{path}");
    }
}

#[tokio::test]
async fn the_interface_is_described_as_it_answers() {
    let served = with_runs().await;
    let mut browser = Browser::entered(&served).await;
    let document = browser.json("/api/openapi.json").await;
    for (path, schema) in [("/api/v1/status", "RunStatus"), ("/api/v1/migration/status", "MigrationStatus")] {
        let answer = browser.json(path).await;
        let described = document["components"]["schemas"][schema]["properties"].as_object().unwrap();
        let answered = answer.as_object().unwrap();
        assert_eq!(described.keys().collect::<Vec<_>>().len(), answered.len());
        assert!(answered.keys().all(|name| described.contains_key(name)), "{path}");
        assert!(document["paths"][path]["get"]["responses"]["401"].is_object());
    }
}

/// The next event of a stream, as it stands there.
async fn next_event(stream: &mut reqwest::Response) -> String {
    let mut text = String::new();
    while !text.contains("\n\n") {
        let chunk = timeout(Duration::from_secs(15), stream.chunk()).await.expect("an event in time");
        text.push_str(&String::from_utf8_lossy(&chunk.expect("a whole chunk").expect("the stream goes on")));
    }
    text
}

#[tokio::test]
async fn mounted_in_a_service_every_link_leads_somewhere() {
    let base = tempfile::tempdir().unwrap();
    let at = now();
    ended_run(base.path(), "runs", "20260101T000000.000Z", &results(at), at);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut options = golive_server::ServerOptions::new(base.path().to_owned());
    options.mount = "/ops/golive".to_owned();
    options.hosts = vec![address.to_string()];
    let console = golive_server::Console::open(&options).await.unwrap();
    let entry = secrecy::ExposeSecret::expose_secret(&console.entry_path().unwrap()).to_owned();
    let app = axum::Router::new().nest("/ops/golive", console.router());
    let app = app.into_make_service_with_connect_info::<std::net::SocketAddr>();
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });

    let served = Served::elsewhere(format!("http://{address}"), base);
    let mut browser = Browser::new(&served);
    let entered = browser.get(&entry).await;
    let mut waiting = vec![entered.headers()[header::LOCATION].to_str().unwrap().to_owned()];
    let mut seen = std::collections::BTreeSet::new();
    while let Some(path) = waiting.pop() {
        let path = path.split('#').next().unwrap().to_owned();
        if !seen.insert(path.clone()) {
            continue;
        }
        let answer = browser.get(&path).await;
        assert!(answer.status() == StatusCode::OK || path.contains("lang="), "{path}: {}", answer.status());
        if answer.status() != StatusCode::OK || path.contains("/report/") || path.contains("/assets/") {
            continue;
        }
        let page = answer.text().await.unwrap();
        let links = page.split(" href=\"").chain(page.split(" src=\"")).skip(1);
        waiting.extend(
            links.map(|rest| rest.split('"').next().unwrap().to_owned()).filter(|link| link.starts_with('/')),
        );
    }
    assert!(seen.len() > 20 && seen.iter().all(|path| path.starts_with("/ops/golive")), "{seen:?}");
    serving.abort();
}
