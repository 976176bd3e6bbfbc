//! Load against a real HTTP server in this process, which can be made slow, wrong or absent.
#![allow(clippy::unwrap_used, reason = "a test stops at the first trouble")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::routing::{get, post};
use golive_load::{
    Arrivals, Body, Expect, JsonCheck, JsonTest, LoadError, LoadPlan, LoadReport, Progress,
    PublicTargetConfirmation, RequestTemplate, Scenario, ScenarioKind, StopReason, Verdict, run, run_sampled,
};
use golive_sandbox::{CertificateAuthority, Nginx, NginxOptions};
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

/// What the application under load does and has seen.
#[derive(Default)]
struct Application {
    broken: AtomicBool,
    requests: AtomicU64,
    seen: Mutex<Vec<(Uri, HeaderMap, Bytes)>>,
}

struct Running {
    application: Arc<Application>,
    url: Url,
    _server: tokio::task::JoinHandle<()>,
}

async fn start() -> Running {
    let application = Arc::new(Application::default());
    let router = Router::new()
        .route("/dashboard", get(dashboard))
        .route("/entries", post(entry))
        .route("/stall", get(stall))
        .route("/never", get(std::future::pending::<()>))
        .route("/large", get(async || "x".repeat(100_000)))
        .with_state(Arc::clone(&application));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    Running { application, url, _server: server }
}

/// When its database is away it answers defaults, as real ones do: 200, fast, and wrong.
async fn dashboard(State(application): State<Arc<Application>>) -> String {
    application.requests.fetch_add(1, Ordering::Relaxed);
    let availability = if application.broken.load(Ordering::Relaxed) { 100.0 } else { 87.5 };
    json!({"kpis": {"availability": availability, "oee": 61.2}}).to_string()
}

async fn entry(
    State(application): State<Arc<Application>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    application.seen.lock().unwrap().push((uri, headers, body));
    StatusCode::CREATED
}

/// Answers at once, except that everything stands still for the first 100 ms of each half second.
async fn stall(State(application): State<Arc<Application>>) {
    static BEGAN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    application.requests.fetch_add(1, Ordering::Relaxed);
    let began = *BEGAN.get_or_init(Instant::now);
    let millis = began.elapsed().as_millis() % 500;
    if millis < 100 {
        let rest = u64::try_from(100 - millis).unwrap();
        tokio::time::sleep(Duration::from_millis(rest)).await;
    }
}

fn plan(url: &Url, scenarios: Vec<Scenario>) -> LoadPlan {
    let mut plan = LoadPlan::new(url.clone(), scenarios);
    plan.duration = Duration::from_millis(600);
    plan.warm_up = Duration::from_millis(50);
    plan
}

async fn report(plan: &LoadPlan) -> LoadReport {
    run(plan, &|_| {}, &CancellationToken::new()).await.unwrap()
}

fn dashboards() -> Scenario {
    let mut scenario =
        Scenario::new("dashboards", ScenarioKind::Dashboard, RequestTemplate::get("/dashboard"));
    scenario.users = 5;
    scenario.think_time = Duration::from_millis(5);
    scenario.expect.json_pointer_present = vec!["/kpis/oee".into()];
    scenario.expect.json = vec![JsonCheck::new("/kpis/availability", JsonTest::NotEquals(json!(100)))];
    scenario
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_application_gets_percentiles_and_no_complaint() {
    let running = start().await;
    let report = report(&plan(&running.url, vec![dashboards()])).await;
    assert_eq!((report.errors, report.content_failures, report.stopped), (0, 0, StopReason::Duration));
    assert!(report.requests > 60, "{report:?}");
    assert!(running.application.requests.load(Ordering::Relaxed) >= report.requests);
    let latency = report.latency_of(ScenarioKind::Dashboard).unwrap();
    assert_eq!(latency.samples, report.requests);
    assert!(latency.p50_ms > 0.0 && latency.p50_ms <= latency.p95_ms && latency.p95_ms <= latency.max_ms);
    assert_eq!(report.scenarios_missing().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dashboard_of_defaults_fails_however_fast_it_is() {
    let running = start().await;
    running.application.broken.store(true, Ordering::Relaxed);
    let report = report(&plan(&running.url, vec![dashboards()])).await;
    assert_eq!((report.errors, report.content_failures), (0, report.requests));
    assert_eq!(report.scenarios_missing().collect::<Vec<_>>(), ["dashboards"]);
    assert_eq!(report.latency_of(ScenarioKind::Dashboard), None, "wrong answers have no speed");
    let reasons: Vec<_> = report.scenarios[0].content_failure_reasons.keys().collect();
    assert_eq!(reasons, ["/kpis/availability is not other than 100"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stall_shows_in_the_response_time_of_the_open_model() {
    let running = start().await;
    let mut open = Scenario::new("open", ScenarioKind::Dashboard, RequestTemplate::get("/stall"));
    open.arrivals_per_second = Some(200.0);
    open.users = 2;
    let mut plan = plan(&running.url, vec![open]);
    plan.duration = Duration::from_secs(2);
    let report = report(&plan).await;
    let scenario = &report.scenarios[0];
    let (service, response) = (scenario.service.unwrap(), scenario.response.unwrap());
    // 20 % of arrivals meet the stall, but of the two users only 8 requests in 400 do: the service time hides it.
    assert!(response.p95_ms > 50.0, "{response:?}");
    assert!(service.p95_ms < response.p95_ms / 2.0, "{service:?} {response:?}");
    assert_eq!(report.requests, 400, "the schedule is kept whatever the server does");
    assert!(scenario.send_lag.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_iteration_is_another_request_and_each_user_has_a_token() {
    let running = start().await;
    let body = Body::Json(json!({"number": "{#sequence}", "line": "{line}"}));
    let mut entries =
        Scenario::new("entries", ScenarioKind::Entry, RequestTemplate::post("/entries?u={user}", body));
    entries.users = 3;
    entries.iterations = Some(30);
    entries.values.insert("line".into(), vec!["A".into(), "B".into()]);
    entries.tokens = vec!["token-a".into(), "token-b".into()];
    entries.expect = Expect::status(201);
    let report = report(&plan(&running.url, vec![entries])).await;
    assert_eq!((report.requests, report.errors, report.stopped), (30, 0, StopReason::Iterations));
    let seen = running.application.seen.lock().unwrap();
    let mut numbers: Vec<_> = seen
        .iter()
        .map(|(uri, headers, body)| {
            let body: serde_json::Value = serde_json::from_slice(body).unwrap();
            let number = body["number"].as_u64().unwrap();
            assert_eq!(body["line"], if number.is_multiple_of(2) { "A" } else { "B" });
            let token = if uri.query() == Some("u=1") { "Bearer token-b" } else { "Bearer token-a" };
            assert_eq!(headers["authorization"], token);
            number
        })
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..30).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_carries_all_its_rows() {
    let running = start().await;
    let content = Box::new(Body::Rows { header: "id".into(), row: "{sequence}-{row}".into(), count: 1000 });
    let body = Body::File { field: "file".into(), file_name: "rows.csv".into(), content };
    let mut upload = Scenario::new("upload", ScenarioKind::Upload, RequestTemplate::post("/entries", body));
    upload.iterations = Some(1);
    upload.start_after = Duration::from_millis(100);
    upload.expect = Expect::status(201);
    let report = report(&plan(&running.url, vec![upload])).await;
    assert_eq!((report.requests, report.errors), (1, 0));
    let seen = running.application.seen.lock().unwrap();
    let text = String::from_utf8(seen[0].2.to_vec()).unwrap();
    assert_eq!(text.lines().filter(|line| line.starts_with("0-")).count(), 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_counted_by_class() {
    let running = start().await;
    let of = |name: &str, path: &str| {
        let mut scenario = Scenario::new(name, ScenarioKind::Other, RequestTemplate::get(path));
        scenario.iterations = Some(2);
        scenario.expect.max_body_bytes = 1000;
        scenario
    };
    let mut plan =
        plan(&running.url, vec![of("gone", "/gone"), of("never", "/never"), of("large", "/large")]);
    plan.request_timeout = Duration::from_millis(200);
    let report = report(&plan).await;
    let class = |index: usize| report.scenarios[index].errors.keys().next().unwrap().as_str();
    assert_eq!([class(0), class(1), class(2)], ["status_404", "timeout", "too_large"]);
    assert_eq!((report.errors, report.error_rate), (6, 1.0));
    let slow = report.scenarios[1].service.unwrap();
    assert!(slow.p50_ms >= 199.0, "a timeout counts as slow: {slow:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overloaded_application_ends_the_run_in_time_and_the_unsent_count_as_errors() {
    let running = start().await;
    let mut open = Scenario::new("open", ScenarioKind::Other, RequestTemplate::get("/never"));
    open.arrivals_per_second = Some(100.0);
    let mut plan = plan(&running.url, vec![open]);
    plan.duration = Duration::from_millis(300);
    plan.warm_up = Duration::ZERO;
    plan.request_timeout = Duration::from_millis(150);
    let began = Instant::now();
    let report = report(&plan).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!((report.requests, report.errors), (30, 30));
    let errors = &report.scenarios[0].errors;
    assert!(errors["not_sent"] >= 20 && errors["timeout"] >= 1, "{errors:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absent_application_is_all_errors() {
    let port = golive_sandbox::free_port().unwrap();
    let url = Url::parse(&format!("http://127.0.0.1:{port}")).unwrap();
    let mut scenario = dashboards();
    scenario.iterations = Some(5);
    let report = report(&plan(&url, vec![scenario])).await;
    assert_eq!((report.requests, report.errors), (5, 5));
    assert_eq!(report.scenarios[0].errors["connect"], 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_requests_are_sent_than_the_plan_allows() {
    let running = start().await;
    let mut plan = plan(&running.url, vec![dashboards()]);
    plan.warm_up = Duration::ZERO;
    plan.max_requests = 17;
    let report = report(&plan).await;
    assert_eq!(running.application.requests.load(Ordering::Relaxed), 17);
    assert_eq!((report.requests, report.stopped), (17, StopReason::RequestLimit));
    assert!(report.inconclusive.iter().any(|doubt| doubt.contains("17")), "{:?}", report.inconclusive);
}

#[tokio::test(flavor = "multi_thread")]
async fn canceling_ends_it_at_once_with_a_report() {
    let running = start().await;
    let cancel = CancellationToken::new();
    let mut plan = plan(
        &running.url,
        vec![dashboards(), Scenario::new("never", ScenarioKind::Other, RequestTemplate::get("/never"))],
    );
    plan.duration = Duration::from_secs(600);
    let stop = cancel.clone();
    let progress = move |progress: Progress| {
        if progress.requests > 20 {
            stop.cancel();
        }
    };
    let began = Instant::now();
    let report = run(&plan, &progress, &cancel).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(20));
    assert_eq!(report.stopped, StopReason::Canceled);
    assert!(!report.inconclusive.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sampler_is_asked_and_may_hang() {
    let running = start().await;
    let plan = plan(&running.url, vec![dashboards()]);
    let cancel = CancellationToken::new();
    let sampled = run_sampled(
        &plan,
        &|_| {},
        &cancel,
        Some(Box::new(|| Box::pin(async { BTreeMap::from([("pool".to_owned(), 12.0)]) }))),
    )
    .await
    .unwrap();
    assert!(
        !sampled.samples.is_empty() && sampled.samples.iter().all(|sample| sample.values["pool"] == 12.0)
    );
    assert_eq!((sampled.watched[0].name.as_str(), sampled.watched[0].max), ("pool", 12.0));
    let hanging: golive_load::Sampler = Box::new(|| Box::pin(std::future::pending()));
    let report = run_sampled(&plan, &|_| {}, &cancel, Some(hanging)).await.unwrap();
    assert!(report.samples.is_empty() && report.requests > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_authority_is_trusted_only_when_the_plan_names_it() {
    let authority = CertificateAuthority::new("load test").unwrap();
    let certificate = authority.issue(&["localhost", "127.0.0.1"]).unwrap();
    let port = golive_sandbox::free_port().unwrap();
    let mut options = NginxOptions::new(format!(
        "error_log stderr; events {{}} http {{ {{temporary_paths}} access_log off; server {{
            listen 127.0.0.1:{port} ssl; ssl_certificate {{directory}}/cert.pem; ssl_certificate_key {{directory}}/key.pem;
            location / {{ default_type application/json; return 200 '{{\"kpis\":{{\"availability\":87,\"oee\":61}}}}'; }}
        }} }}"
    ));
    options.files = vec![
        ("cert.pem".into(), certificate.certificate_pem.clone()),
        ("key.pem".into(), certificate.expose_key_pem().to_owned()),
    ];
    let _nginx = Nginx::start(&options).unwrap();
    let url = Url::parse(&format!("https://127.0.0.1:{port}")).unwrap();
    let mut scenario = dashboards();
    scenario.iterations = Some(10);
    let mut plan = plan(&url, vec![scenario]);
    let distrusting = report(&plan).await;
    assert_eq!(distrusting.scenarios[0].errors["tls"], 10, "{distrusting:?}");
    plan.root_certificate_pem = Some(authority.certificate_pem().to_owned());
    let trusting = report(&plan).await;
    assert_eq!((trusting.requests, trusting.errors, trusting.content_failures), (10, 0, 0), "{trusting:?}");
}

#[tokio::test]
async fn another_host_is_refused_unless_confirmed_by_name() {
    let url = Url::parse("http://shop.invalid").unwrap();
    let mut plan = plan(&url, vec![dashboards()]);
    let refused = run(&plan, &|_| {}, &CancellationToken::new()).await;
    assert!(matches!(refused, Err(LoadError::TargetNotAllowed { host }) if host == "shop.invalid"));
    plan.dangerous_public_target = Some(PublicTargetConfirmation::dangerous_i_may_overload("shop.invalid"));
    plan.max_requests = 1;
    plan.warm_up = Duration::ZERO;
    assert_eq!(report(&plan).await.errors, 1);
}

#[tokio::test]
async fn a_plan_that_cannot_run_is_refused_before_a_request() {
    let url = Url::parse("http://127.0.0.1:1").unwrap();
    let refused = async |change: fn(&mut LoadPlan)| {
        let mut plan = plan(&url, vec![dashboards()]);
        change(&mut plan);
        run(&plan, &|_| {}, &CancellationToken::new()).await.unwrap_err()
    };
    let changes: [fn(&mut LoadPlan); 7] = [
        |plan| plan.scenarios.clear(),
        |plan| plan.duration = Duration::ZERO,
        |plan| plan.max_requests = 0,
        |plan| plan.scenarios[0].users = 0,
        |plan| plan.scenarios[0].users = 1_000_000,
        |plan| plan.scenarios[0].arrivals_per_second = Some(f64::NAN),
        |plan| plan.scenarios[0].request.path = "dashboard".into(),
    ];
    for change in changes {
        assert!(matches!(refused(change).await, LoadError::Plan { .. }));
    }
    let unknown = refused(|plan| plan.scenarios[0].request.path = "/{client}".into()).await;
    assert_eq!(
        unknown.to_string(),
        "fill `{client}` in scenario `dashboards`: give it values, or use sequence, user or random"
    );
}

#[test]
fn a_scenario_reads_from_a_file_and_refuses_what_it_does_not_know() {
    let mut file = json!({
        "name": "upload", "kind": "upload", "users": 2, "think_seconds": 1.5, "iterations": 1,
        "request": {"method": "POST", "path": "/u", "body": {"rows": {"header": "a", "row": "{row}", "count": 3}}},
        "expect": {"status": [200, 207], "json": [{"pointer": "/ok", "test": {"at_least": 3.0}}]},
    });
    let scenario: Scenario = serde_json::from_value(file.clone()).unwrap();
    assert_eq!(scenario.think_time, Duration::from_millis(1500));
    file["tokens"] = json!(["secret"]);
    assert!(serde_json::from_value::<Scenario>(file).is_err(), "tokens do not belong into files");
}

/// A server of bytes, for what no HTTP library would send.
async fn raw(answer: &'static [u8], then_drip: bool) -> Url {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                while socket.read(&mut request).await.is_ok_and(|read| read > 0) {
                    if socket.write_all(answer).await.is_err() {
                        return;
                    }
                    let mut pieces = if then_drip { u32::MAX } else { 0 };
                    while pieces > 0 {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                        if socket.write_all(b"x").await.is_err() {
                            return;
                        }
                        pieces -= 1;
                    }
                }
            });
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_server_does_is_bounded_classed_and_counted() {
    const ELSEWHERE: &[u8] =
        b"HTTP/1.1 302 Found\r\nLocation: http://203.0.113.1/x\r\nContent-Length: 0\r\n\r\n";
    const HERE: &[u8] = b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n";
    const ENDLESS: &[u8] =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400000\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    const DRIP: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
    const NONSENSE: &[u8] = b"SSH-2.0-OpenSSH_9.2\r\n";
    const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7200\r\nContent-Length: 0\r\n\r\n";
    let cases: [(&[u8], bool, &str); 6] = [
        (ELSEWHERE, false, "redirect_elsewhere"),
        (HERE, false, "status_302"),
        (ENDLESS, true, "too_large"),
        (DRIP, true, "timeout"),
        (NONSENSE, false, "transport"),
        (BUSY, false, "status_503"),
    ];
    for (answer, drips, class) in cases {
        let url = raw(answer, drips).await;
        let mut scenario = Scenario::new("s", ScenarioKind::Other, RequestTemplate::get("/"));
        scenario.iterations = Some(2);
        scenario.users = 2;
        scenario.expect.max_body_bytes = 20;
        let mut plan = plan(&url, vec![scenario]);
        if class == "timeout" {
            plan.scenarios[0].expect.max_body_bytes = 1_000_000;
        }
        plan.request_timeout = Duration::from_millis(400);
        let began = Instant::now();
        let report = report(&plan).await;
        assert!(began.elapsed() < Duration::from_secs(10), "{class}: {:?}", began.elapsed());
        let found = &report.scenarios[0];
        assert_eq!((report.requests, report.errors), (2, 2), "{class}: {found:?}");
        assert_eq!(found.errors[class], 2, "{class}: {found:?}");
        assert_eq!(found.asked_to_wait, if class == "status_503" { 2 } else { 0 });
        if class == "status_503" {
            assert_eq!(found.longest_wait_seconds, 7200);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_user_waits_when_asked_to() {
    let url =
        raw(b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n", false).await;
    let scenario = Scenario::new("s", ScenarioKind::Other, RequestTemplate::get("/"));
    let mut plan = plan(&url, vec![scenario]);
    plan.duration = Duration::from_millis(1500);
    plan.warm_up = Duration::ZERO;
    let report = report(&plan).await;
    assert_eq!((report.requests, report.scenarios[0].errors["status_429"]), (2, 2), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn thresholds_are_judged_and_a_lasting_breach_ends_the_run() {
    let running = start().await;
    let mut plan = plan(&running.url, vec![dashboards()]);
    plan.thresholds = vec![
        r#"http.duration{route="/dashboard"}.p95 < 10s"#.parse().unwrap(),
        r#"http.errors{scenario="dashboards"}.rate < 1%"#.parse().unwrap(),
        "http.duration.p99.9 < 10s".parse().unwrap(),
    ];
    let kept = report(&plan).await;
    let verdicts: Vec<_> = kept.thresholds.iter().map(|judged| judged.verdict).collect();
    assert_eq!(verdicts, [Verdict::Kept, Verdict::Kept, Verdict::Unknown], "{:?}", kept.thresholds);
    assert_eq!(kept.verdict(), Verdict::Unknown, "what is unknown does not pass");

    plan.thresholds = vec!["http.duration.p50 < 1us".parse().unwrap()];
    plan.duration = Duration::from_secs(600);
    plan.abort_after = Some(Duration::from_secs(1));
    let began = Instant::now();
    let broken = report(&plan).await;
    assert!(began.elapsed() < Duration::from_secs(60));
    assert_eq!((broken.stopped, broken.verdict()), (StopReason::Breached, Verdict::Broken));
    assert!(broken.timeline.len() >= 2 && broken.timeline.iter().any(|moment| moment.latency.is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spike_arrives_when_and_as_often_as_it_says() {
    let running = start().await;
    let mut open = Scenario::new("open", ScenarioKind::Dashboard, RequestTemplate::get("/dashboard"));
    open.users = 50;
    open.arrivals = Some(Arrivals::Spike { base: 20.0, peak: 200.0, at_seconds: 1.0, for_seconds: 1.0 });
    let mut plan = plan(&running.url, vec![open]);
    plan.duration = Duration::from_secs(3);
    let report = report(&plan).await;
    assert_eq!((report.requests, report.errors), (240, 0), "{report:?}");
    let says: Vec<_> = report.marks.iter().map(|mark| (mark.seconds, mark.says.as_str())).collect();
    assert_eq!(says, [(0.0, "open: 20/s"), (1.0, "open: 200/s"), (2.0, "open: 20/s")]);
    let counted: u64 = report.scenarios[0].distribution.iter().map(|(_, count)| count).sum();
    assert_eq!(counted, report.requests);
    assert_eq!(report.scenarios[0].by_status[&200].samples, report.requests);
}
