//! A soak tells memory that is never given back from memory that is, and says nothing of what it did not see.
#![allow(clippy::unwrap_used, reason = "a test stops at the first trouble")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use golive_load::{
    GENERATOR_MEMORY, Growth, LoadPlan, LoadReport, RequestTemplate, Sampler, Scenario, ScenarioKind, Trend,
    Verdict, run_sampled, to_html, to_junit, to_prometheus, watch_all, watch_own_memory, watch_server,
};
use golive_sandbox::{MariaDb, MariaDbOptions};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use url::Url;

/// Application and generator are one process here, so that its memory is that of both.
async fn soaked(path: &str, seconds: u64, steady: &[&str], sampler: Sampler) -> LoadReport {
    let router = Router::new().route("/plain", get(async || "x".repeat(64 * 1024))).route(
        "/leak",
        get(async || {
            // What nobody reads would not even be made in an optimised build.
            std::hint::black_box(Vec::leak(vec![7_u8; 64 * 1024]));
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let mut scenario = Scenario::new("soak", ScenarioKind::Other, RequestTemplate::get(path));
    scenario.users = 2;
    scenario.think_time = Duration::from_millis(50);
    let mut plan = LoadPlan::new(url, vec![scenario]);
    plan.warm_up = Duration::ZERO;
    plan.duration = Duration::from_secs(seconds);
    plan.steady = steady.iter().map(|name| (*name).to_owned()).collect();
    let report = run_sampled(&plan, &|_| {}, &CancellationToken::new(), Some(sampler)).await.unwrap();
    server.abort();
    report
}

fn of<'r>(report: &'r LoadReport, name: &str) -> &'r Growth {
    report.growth.iter().find(|growth| growth.name == name).unwrap()
}

/// A value of which the test knows what it does.
fn counting(up: bool) -> Sampler {
    let seen = Arc::new(AtomicU64::new(0));
    Box::new(move || {
        let number = seen.fetch_add(1, Ordering::Relaxed) as f64;
        Box::pin(
            async move { BTreeMap::from([("jobs".to_owned(), if up { 100.0 + number } else { 100.0 })]) },
        )
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_soak_finds_a_leak_and_tells_it_everywhere() {
    let sampler = watch_all(vec![watch_own_memory(), counting(false)]).unwrap();
    let report = soaked("/leak", 21, &[GENERATOR_MEMORY, "jobs"], sampler).await;
    let leak = of(&report, GENERATOR_MEMORY);
    assert_eq!((leak.trend, report.verdict()), (Trend::Grows, Verdict::Broken), "{leak:?}");
    assert!(leak.samples >= 12 && leak.share.unwrap() > 0.02, "{leak:?}");
    assert_eq!(of(&report, "jobs").trend, Trend::Steady, "what does not grow is not blamed");
    assert!(to_junit(&report).contains("<failure"), "{}", to_junit(&report));
    let metrics = to_prometheus(&report);
    assert!(metrics.contains("golive_load_steady{value=\"generator.resident_bytes\"} 0"), "{metrics}");
    assert!(metrics.contains("golive_load_steady{value=\"jobs\"} 1"), "{metrics}");
    let page = to_html(&report);
    assert!(page.contains("something grew") && page.contains("generator.resident_bytes grows"), "{page}");
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<LoadReport>(&text).unwrap().growth, report.growth);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_soak_of_what_does_not_leak_is_steady() {
    let sampler = watch_all(vec![watch_own_memory(), counting(true)]).unwrap();
    // As large as an application: a small process still grows by a few hundred KiB in its first seconds, and is told so.
    let application = std::hint::black_box(vec![7_u8; 128 * 1024 * 1024]);
    let report = soaked("/plain", 21, &[GENERATOR_MEMORY], sampler).await;
    drop(application);
    let found = of(&report, GENERATOR_MEMORY);
    assert_eq!((found.trend, report.verdict()), (Trend::Steady, Verdict::Kept), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_soak_too_short_to_tell_is_unknown_and_so_is_what_nobody_told_of() {
    let sampler = watch_all(vec![watch_own_memory(), counting(false)]).unwrap();
    let report = soaked("/plain", 6, &[GENERATOR_MEMORY, "jobs", "nothing"], sampler).await;
    let told: Vec<_> = report.growth.iter().map(|growth| growth.trend).collect();
    assert_eq!(told, [Trend::Unknown; 3], "{:?}", report.growth);
    assert!(report.inconclusive.is_empty(), "the load itself was measured: {:?}", report.inconclusive);
    assert_eq!(report.verdict(), Verdict::Unknown);
    assert!(to_junit(&report).contains("<error") && to_html(&report).contains("12 are needed"));
    assert!(to_prometheus(&report).contains("golive_load_steady{value=\"nothing\"} NaN"));
}

/// Connections that cannot be counted are not none.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_a_gap_never_zero_and_is_watched_again_when_it_is_back() {
    let server = MariaDb::start(&MariaDbOptions::new()).unwrap();
    let watch = watch_all(vec![watch_server(&SecretString::from(server.url("mysql"))).unwrap()]).unwrap();
    let first = watch().await;
    assert!(first["database.threads_connected"] >= 1.0, "its own is among them: {first:?}");
    assert!(first["database.threads_running"] >= 1.0, "{first:?}");
    server.pause();
    // Its threads stop one after the other; till then it is seen as it is, and never as nothing.
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let seen = watch().await;
        if seen.is_empty() {
            break;
        }
        assert!(seen["database.threads_connected"] >= 1.0, "{seen:?}");
        assert!(Instant::now() < until, "a server that does not answer is still seen: {seen:?}");
    }
    server.resume();
    assert!(watch().await["database.threads_connected"] >= 1.0);
    server.kill().unwrap();
    assert_eq!(watch().await, BTreeMap::new(), "a server that is gone");
    server.start_again().unwrap();
    assert!(watch().await["database.threads_connected"] >= 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_during_a_soak_makes_its_connections_unknown() {
    let server = Arc::new(MariaDb::start(&MariaDbOptions::new()).unwrap());
    let watch = watch_server(&SecretString::from(server.url("mysql"))).unwrap();
    let asked = AtomicU64::new(0);
    let sampler: Sampler = Box::new(move || {
        if asked.fetch_add(1, Ordering::Relaxed) == 8 {
            server.kill().unwrap();
        }
        watch()
    });
    let report = soaked("/plain", 18, &["database.threads_connected"], sampler).await;
    let found = of(&report, "database.threads_connected");
    assert_eq!((found.trend, report.verdict()), (Trend::Unknown, Verdict::Unknown), "{found:?}");
    let watched = report.watched.iter().find(|watched| watched.name == found.name).unwrap();
    assert_eq!(watched.samples, 8, "{watched:?}");
    assert!(watched.min >= 1.0 && watched.last >= 1.0, "{watched:?}");
}
