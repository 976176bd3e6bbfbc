//! Journeys of several requests against a real application with sign-in, tokens that end, cookies and forms.
#![allow(clippy::unwrap_used, reason = "a test stops at the first trouble")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use golive_load::{
    Body, Extract, FeedOrder, Feeder, JourneyStep, LoadError, LoadPlan, LoadReport, RequestTemplate,
    Scenario, ScenarioKind, SignIn, StopReason, Verdict, run,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use url::Url;

/// An application whose tokens are good for a number of requests.
#[derive(Default)]
struct Shop {
    /// Requests that each token is still good for; the token says whose it is.
    tokens: Mutex<BTreeMap<String, u64>>,
    issued: AtomicU64,
    orders: Mutex<Vec<(String, u64)>>,
    paid: Mutex<BTreeSet<u64>>,
    unknown: AtomicU64,
    good_for: u64,
    lives_seconds: Option<u64>,
}

async fn start(good_for: u64, lives_seconds: Option<u64>) -> (Arc<Shop>, Url) {
    let shop = Arc::new(Shop { good_for, lives_seconds, ..Shop::default() });
    let router = Router::new()
        .route("/sign-in", post(sign_in))
        .route("/orders", post(order))
        .route("/orders/{id}", get(read).post(pay))
        .route("/page", get(page).post(submit))
        .with_state(Arc::clone(&shop));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (shop, url)
}

async fn sign_in(State(shop): State<Arc<Shop>>, Json(who): Json<Value>) -> Result<Json<Value>, StatusCode> {
    let (user, password) = (who["user"].as_str().unwrap(), who["password"].as_str().unwrap());
    if password != format!("of {user}") {
        return Err(StatusCode::FORBIDDEN);
    }
    let token = format!("{user}-{}", shop.issued.fetch_add(1, Ordering::Relaxed));
    shop.tokens.lock().unwrap().insert(token.clone(), shop.good_for);
    Ok(Json(json!({"token": token, "expires_in": shop.lives_seconds})))
}

fn whose(shop: &Shop, headers: &HeaderMap) -> Result<String, StatusCode> {
    let token = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()?.strip_prefix("Bearer "));
    let token = token.ok_or(StatusCode::UNAUTHORIZED)?;
    let mut tokens = shop.tokens.lock().unwrap();
    let left = tokens.get_mut(token).ok_or(StatusCode::UNAUTHORIZED)?;
    *left = left.checked_sub(1).ok_or(StatusCode::UNAUTHORIZED)?;
    Ok(token.split('-').next().unwrap().to_owned())
}

async fn order(State(shop): State<Arc<Shop>>, headers: HeaderMap) -> Result<impl IntoResponse, StatusCode> {
    let user = whose(&shop, &headers)?;
    let mut orders = shop.orders.lock().unwrap();
    let id = orders.len() as u64 + 1;
    orders.push((user, id));
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, format!("/orders/{id}"))],
        Json(json!({"order": {"id": id}})),
    ))
}

async fn read(
    State(shop): State<Arc<Shop>>,
    Path(id): Path<u64>,
    headers: HeaderMap,
) -> Result<Json<Value>, StatusCode> {
    let user = whose(&shop, &headers)?;
    if !shop.orders.lock().unwrap().contains(&(user, id)) {
        shop.unknown.fetch_add(1, Ordering::Relaxed);
        return Err(StatusCode::NOT_FOUND);
    }
    Ok(Json(json!({"items": [{"key": format!("k{id}")}, {"key": format!("k{id}")}]})))
}

async fn pay(
    State(shop): State<Arc<Shop>>,
    Path(id): Path<u64>,
    headers: HeaderMap,
    body: String,
) -> StatusCode {
    if whose(&shop, &headers).is_err() {
        return StatusCode::UNAUTHORIZED;
    }
    let expected = json!({"id": id, "key": format!("k{id}")}).to_string();
    if body != expected {
        return StatusCode::BAD_REQUEST;
    }
    shop.paid.lock().unwrap().insert(id);
    StatusCode::OK
}

async fn page() -> impl IntoResponse {
    ([(header::SET_COOKIE, "session=abc; Path=/; HttpOnly")], "<input name=\"csrf\" value=\"t0 k&n\">")
}

async fn submit(headers: HeaderMap, body: String) -> StatusCode {
    let form: BTreeMap<_, _> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let cookie = headers.get(header::COOKIE).and_then(|value| value.to_str().ok());
    match (cookie, form.get("csrf").map(String::as_str)) {
        (Some("session=abc"), Some("t0 k&n")) => StatusCode::OK,
        _ => StatusCode::FORBIDDEN,
    }
}

fn users(count: usize) -> Feeder {
    let rows = (0..count).map(|n| format!("u{n},of u{n}\n")).collect::<String>();
    Feeder::csv(format!("user,password\n{rows}"), FeedOrder::PerUser)
}

/// Orders, reads the order at the address that was given, and pays with what that said.
fn shopping() -> Scenario {
    let mut scenario = Scenario::new(
        "shopping",
        ScenarioKind::Entry,
        RequestTemplate::post("/orders", Body::Json(json!({}))),
    );
    (scenario.users, scenario.iterations) = (4, Some(40));
    scenario.expect.status = vec![201];
    scenario.extract = BTreeMap::from([
        ("id".to_owned(), Extract::Json("/order/id".into())),
        ("at".to_owned(), Extract::Header("location".into())),
    ]);
    let mut read = JourneyStep::new(RequestTemplate::get("{+at}"));
    read.request.route = Some("read".into());
    read.tags = vec!["detail".into()];
    read.think_time = Duration::from_millis(5);
    read.extract = BTreeMap::from([("key".to_owned(), Extract::Json("/items/*/key".into()))]);
    let pay = Body::Json(json!({"id": "{#id}", "key": "{key}"}));
    let mut pay = JourneyStep::new(RequestTemplate::post("/orders/{id}", pay));
    pay.request.route = Some("pay".into());
    scenario.then = vec![read, pay];
    scenario.data = vec![users(4)];
    let body = Body::Json(json!({"user": "{user_name}", "password": "{password}"}));
    scenario.sign_in =
        Some(SignIn::new(RequestTemplate::post("/sign-in", body), Some(Extract::Json("/token".into()))));
    scenario.data[0].csv = scenario.data[0].csv.as_ref().map(|csv| csv.replacen("user,", "user_name,", 1));
    scenario
}

async fn report(url: &Url, scenario: Scenario) -> LoadReport {
    let mut plan = LoadPlan::new(url.clone(), vec![scenario]);
    // Long enough for any machine: it is over when the journeys are walked.
    plan.duration = Duration::from_secs(60);
    plan.warm_up = Duration::ZERO;
    plan.thresholds = vec![r#"http.duration{tag="detail"}.p50 < 10s"#.parse().unwrap()];
    run(&plan, &|_| {}, &CancellationToken::new()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journey_goes_on_with_what_was_answered_and_each_step_is_measured() {
    let (shop, url) = start(u64::MAX, None).await;
    let report = report(&url, shopping()).await;
    let scenario = &report.scenarios[0];
    assert_eq!((report.errors, report.content_failures), (0, 0), "{scenario:?}");
    let steps: Vec<_> = scenario.steps.iter().map(|step| (step.route.as_str(), step.requests)).collect();
    assert_eq!(steps, [("/orders", 40), ("read", 40), ("pay", 40)]);
    assert_eq!(scenario.requests, 120);
    let sign_in = scenario.sign_in.as_ref().unwrap();
    assert_eq!((sign_in.requests, sign_in.latency.unwrap().samples), (4, 4));
    assert_eq!(report.requests, scenario.requests + 4);
    assert_eq!(report.verdict_of(r#"http.duration{tag="detail"}.p50 < 10s"#), Verdict::Kept);
    // What was answered was used: every order was read by who made it, and paid with its own key.
    assert_eq!(shop.unknown.load(Ordering::Relaxed), 0);
    let (orders, paid) = (shop.orders.lock().unwrap(), shop.paid.lock().unwrap());
    assert_eq!((paid.len(), orders.len()), (40, 40));
    assert_eq!(orders.iter().map(|(user, _)| user.as_str()).collect::<BTreeSet<_>>().len(), 4);
}

trait VerdictOf {
    fn verdict_of(&self, threshold: &str) -> Verdict;
}

impl VerdictOf for LoadReport {
    fn verdict_of(&self, threshold: &str) -> Verdict {
        self.thresholds.iter().find(|judged| judged.threshold == threshold).unwrap().verdict
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_is_renewed_counted_and_no_error() {
    let (_, url) = start(7, None).await;
    let mut scenario = shopping();
    scenario.sign_in.as_mut().unwrap().at_most = 10_000;
    let report = report(&url, scenario).await;
    let scenario = &report.scenarios[0];
    assert_eq!((report.errors, scenario.journeys_abandoned), (0, 0), "{scenario:?}");
    assert!(scenario.tokens_refused > 3, "{scenario:?}");
    assert_eq!(scenario.sign_in.as_ref().unwrap().requests, scenario.tokens_refused + 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_renewed_before_it_ends_and_no_more_often_than_allowed() {
    // A token that ends at once is renewed before each request.
    let (_, url) = start(u64::MAX, Some(0)).await;
    let mut scenario = shopping();
    scenario.iterations = None;
    let sign_in = scenario.sign_in.as_mut().unwrap();
    (sign_in.expires_in, sign_in.at_most) = (Some(Extract::Json("/expires_in".into())), 9);
    let report = report(&url, scenario).await;
    let scenario = &report.scenarios[0];
    let signed = scenario.sign_in.as_ref().unwrap();
    assert_eq!(scenario.tokens_refused, 0);
    assert_eq!(
        (signed.latency.unwrap().samples, signed.errors.get("sign_in_limit")),
        (36, Some(&4)),
        "{signed:?}"
    );
    assert_eq!((report.stopped, scenario.journeys_abandoned), (StopReason::Iterations, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_sign_in_sends_nothing_else() {
    let (shop, url) = start(u64::MAX, None).await;
    let mut scenario = shopping();
    scenario.sign_in.as_mut().unwrap().at_most = 2;
    scenario.data = vec![Feeder::csv("user_name,password\nu0,wrong secret\n", FeedOrder::Sequential)];
    let report = report(&url, scenario).await;
    let scenario = &report.scenarios[0];
    assert_eq!((scenario.requests, report.scenarios_missing().count()), (0, 1));
    assert!(scenario.sign_in.as_ref().unwrap().errors["status_403"] >= 4);
    assert!(report.errors >= 4 && shop.orders.lock().unwrap().is_empty());
    assert!(!serde_json::to_string(&report).unwrap().contains("wrong secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_missing_ends_the_journey_and_is_named() {
    let (shop, url) = start(u64::MAX, None).await;
    let mut scenario = shopping();
    scenario.extract.insert("id".into(), Extract::Json("/order/number".into()));
    let report = report(&url, scenario).await;
    let scenario = &report.scenarios[0];
    assert_eq!(scenario.steps[1].requests, 0);
    assert!(scenario.journeys_abandoned > 0 && scenario.journeys_abandoned == scenario.content_failures);
    assert!(scenario.content_failure_reasons.contains_key("/order/number gave no value for `id`"));
    assert!(shop.paid.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_are_kept_and_a_page_is_read() {
    let (_, url) = start(0, None).await;
    let journey = || {
        let mut scenario = Scenario::new("page", ScenarioKind::Other, RequestTemplate::get("/page"));
        scenario.iterations = Some(10);
        let csrf = Extract::Between { after: "value=\"".into(), before: "\"".into() };
        scenario.extract = BTreeMap::from([("csrf".to_owned(), csrf)]);
        let form = Body::Form(BTreeMap::from([("csrf".to_owned(), "{csrf}".to_owned())]));
        scenario.then = vec![JourneyStep::new(RequestTemplate::post("/page", form))];
        scenario
    };
    let kept = report(&url, journey()).await;
    assert_eq!(kept.errors, 0, "{:?}", kept.scenarios[0]);
    let mut without = journey();
    without.cookies = false;
    let lost = report(&url, without).await;
    assert_eq!(lost.errors, lost.scenarios[0].steps[1].requests);
    assert!(lost.errors > 0);
}

#[tokio::test]
async fn a_journey_that_cannot_be_walked_is_refused_before_a_request() {
    let url = Url::parse("http://127.0.0.1:9").unwrap();
    let refused = async |change: fn(&mut Scenario)| {
        let mut scenario = shopping();
        change(&mut scenario);
        let plan = LoadPlan::new(url.clone(), vec![scenario]);
        run(&plan, &|_| {}, &CancellationToken::new()).await.unwrap_err()
    };
    let later = refused(|s| s.then.swap(0, 1)).await;
    assert!(
        matches!(later, LoadError::UnknownPlaceholder { ref placeholder, .. } if placeholder == "key"),
        "{later}"
    );
    for (change, why) in [
        ((|s| s.data[0].csv = Some("User\nx\n".into())) as fn(&mut Scenario), "small letters"),
        (|s| s.data[0] = serde_json::from_value(json!({"file": "/nowhere.csv"})).unwrap(), "/nowhere.csv"),
        (|s| s.then = vec![s.then[0].clone(); 51], "51 steps"),
        (|s| s.then[0].request.path = "x".into(), "begin with /"),
        (|s| s.then[0].request.headers = BTreeMap::from([("a b".into(), "x".into())]), "name of a header"),
        (
            |s| s.then[0].extract = BTreeMap::from([("A".into(), Extract::Header("x".into()))]),
            "small letters",
        ),
        (|s| s.sign_in.as_mut().unwrap().at_most = 0, "at_most"),
    ] {
        let error = refused(change).await;
        assert!(matches!(error, LoadError::Plan { .. }) && error.to_string().contains(why), "{error}");
    }
}

#[test]
fn a_journey_reads_from_a_file() {
    let text = json!({
        "name": "j",
        "request": {"path": "/orders"},
        "extract": {"id": {"json": "/id"}, "csrf": {"between": {"after": "a", "before": "b"}}},
        "then": [{"request": {"path": "/orders/{id}"}, "think_seconds": 0.5, "tags": ["detail"], "extract": {"at": {"header": "location"}}}],
        "data": [{"file": "users.csv", "order": "per_user"}],
        "sign_in": {"request": {"method": "POST", "path": "/in", "body": {"form": {"user": "{user_name}"}}}, "token": {"json": "/token"}, "lifetime_seconds": 900},
        "tags": ["x"]
    });
    let scenario: Scenario = serde_json::from_value(text).unwrap();
    assert_eq!(scenario.then[0].think_time, Duration::from_millis(500));
    assert_eq!(scenario.data[0].order, FeedOrder::PerUser);
    assert!(scenario.cookies && scenario.sign_in.unwrap().at_most == 20);
    let unknown =
        json!({"name": "j", "request": {"path": "/"}, "then": [{"request": {"path": "/"}, "thinking": 1}]});
    assert!(serde_json::from_value::<Scenario>(unknown).is_err());
}
