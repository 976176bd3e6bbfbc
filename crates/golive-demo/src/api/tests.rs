//! The API as its callers see it: the whole router, on SQLite alone and on MariaDB with Redis.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode};
use chrono::{DateTime, NaiveDate, SubsecRound, Utc};
use golive_auth::AuditTrail;
use golive_cache::{Cache, CacheOptions};
use golive_observe::HealthChecks;
use golive_sandbox::{MariaDb, MariaDbOptions, Redis, RedisOptions};
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseConnection, EntityTrait, PaginatorTrait, QueryFilter};
use secrecy::SecretString;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::config::ServeConfig;
use super::endpoints::{self, ENDPOINTS, Method};
use super::health;
use super::state::{App, Platform};
use crate::database;
use crate::entity::audit_log;
use crate::seed::{self, Plan};

/// A platform with the demonstration in it.
struct World {
    router: Router,
    health: HealthChecks,
    db: DatabaseConnection,
    mariadb: Option<MariaDb>,
    redis: Option<Redis>,
    _folder: tempfile::TempDir,
}

#[expect(clippy::disallowed_methods, reason = "the edge of a test")]
fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

async fn seeded(url: &SecretString) -> DatabaseConnection {
    database::migrate_up(url).await.unwrap();
    let db = database::open(url, 10).await.unwrap();
    let plan = Plan::new(1, 1, NaiveDate::from_ymd_opt(2026, 1, 15).unwrap());
    seed::seed(&db, &plan, |_, _| {}).await.unwrap();
    db
}

fn config() -> ServeConfig {
    let pairs =
        [("APP_ENV", "demo"), ("DATABASE_URL", "sqlite:///unused"), ("CORS_ORIGINS", "https://app.example")];
    let environment = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    ServeConfig::read(&environment).unwrap()
}

async fn world(
    db: DatabaseConnection,
    mariadb: Option<MariaDb>,
    redis: Option<Redis>,
    folder: tempfile::TempDir,
) -> World {
    let config = config();
    let cache = match &redis {
        Some(redis) => Some(Cache::connect(&CacheOptions::new(redis.url().into())).await.unwrap()),
        None => None,
    };
    let health = health::checks(&db, cache.as_ref(), 10, folder.path(), &Arc::new(AtomicBool::new(true)));
    let app: App = Arc::new(Platform::new(&config, db.clone(), cache.as_ref(), now));
    app.open().await;
    World { router: super::router(&app, Some(&health)), health, db, mariadb, redis, _folder: folder }
}

async fn on_sqlite() -> World {
    let folder = tempfile::tempdir().unwrap();
    let url = SecretString::from(format!("sqlite://{}/demo.db?mode=rwc", folder.path().display()));
    world(seeded(&url).await, None, None, folder).await
}

async fn on_mariadb() -> World {
    let mut options = MariaDbOptions::new();
    options.databases = vec!["demo".into()];
    let starting = tokio::task::spawn_blocking(move || {
        (MariaDb::start(&options).unwrap(), Redis::start(&RedisOptions::new()).unwrap())
    });
    let (mariadb, redis) = starting.await.unwrap();
    let db = seeded(&SecretString::from(mariadb.url("demo"))).await;
    world(db, Some(mariadb), Some(redis), tempfile::tempdir().unwrap()).await
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl World {
    async fn send(&self, request: Request<Body>) -> Answer {
        let mut request = request;
        let peer: SocketAddr = "198.51.100.7:4000".parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 1 << 22).await.unwrap();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn call(&self, method: &str, path: &str, token: &str, body: Value) -> Answer {
        let mut request =
            Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
        let mut content = Body::empty();
        if !body.is_null() {
            request = request.header("content-type", "application/json");
            content = Body::from(body.to_string());
        }
        self.send(request.body(content).unwrap()).await
    }

    async fn get(&self, path: &str, token: &str) -> Answer {
        self.call("GET", path, token, Value::Null).await
    }

    async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        self.call("POST", path, token, body).await
    }

    async fn try_login(&self, username: &str, password: &str) -> Answer {
        self.post("/api/auth/login", "", json!({ "username": username, "password": password })).await
    }

    async fn login(&self, username: &str, password: &str) -> String {
        let answer = self.try_login(username, password).await;
        assert_eq!(answer.status, StatusCode::OK, "{username}: {}", answer.body);
        answer.body["access_token"].as_str().unwrap().to_owned()
    }

    async fn upload(&self, token: &str, key: &str, csv: &str) -> Answer {
        let request = Request::post("/api/production-entries/upload?client_id=NW")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "text/csv")
            .header("idempotency-key", key)
            .body(Body::from(csv.to_owned()));
        self.send(request.unwrap()).await
    }
}

const FIRST_PASSWORD: &str = "Initial-Passw0rd-77";
const OWN_PASSWORD: &str = "Correct-horse-91-battery";

/// A tenant with a shift, a line, a product and an operator who has not logged in yet.
async fn new_tenant(world: &World, admin: &str) {
    let today = now().date_naive();
    for (path, body) in [
        ("/api/clients", json!({"client_id": "NW", "client_name": "Northwind"})),
        (
            "/api/shifts",
            json!({"client_id": "NW", "shift_code": "EARLY", "shift_name": "Early", "starts_at": "06:00:00", "ends_at": "14:00:00"}),
        ),
        ("/api/lines", json!({"client_id": "NW", "line_code": "L-1", "line_name": "Line"})),
        ("/api/products", json!({"client_id": "NW", "product_code": "SW-1", "product_name": "Sweater"})),
        (
            "/api/users",
            json!({"username": "nw_op", "full_name": "Op", "role": "operator", "client_id": "NW", "shift": "EARLY", "password": FIRST_PASSWORD}),
        ),
    ] {
        let answer = world.post(path, admin, body.clone()).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{path}: {}", answer.body);
        assert_eq!(world.post(path, admin, body).await.status, StatusCode::CONFLICT, "{path}");
    }
    let entry = entry(today);
    assert_eq!(world.post("/api/production-entries", admin, entry).await.status, StatusCode::CREATED);
}

fn entry(day: NaiveDate) -> Value {
    json!({
        "client_id": "NW", "product_code": "SW-1", "line_code": "L-1", "shift_code": "EARLY", "production_date": day,
        "units_produced": 120, "defect_count": 2, "run_minutes": 450, "employees_assigned": 6
    })
}

async fn passwords_and_tokens(world: &World) -> String {
    let first = world.login("nw_op", FIRST_PASSWORD).await;
    for path in ["/api/auth/me", "/api/clients", "/api/kpi/dashboard"] {
        let answer = world.get(path, &first).await;
        assert_eq!(
            (answer.status, &answer.body["error"]),
            (StatusCode::FORBIDDEN, &json!("password_change_required"))
        );
    }
    let change = |old: &str, new: &str| json!({"current_password": old, "new_password": new});
    let path = "/api/auth/change-password";
    assert_eq!(
        world.post(path, &first, change("wrong-wrong-wrong", OWN_PASSWORD)).await.status,
        StatusCode::BAD_REQUEST
    );
    let weak = world.post(path, &first, change(FIRST_PASSWORD, "hunter2")).await;
    assert_eq!(weak.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!weak.body.to_string().contains("hunter2"));
    let changed = world.post(path, &first, change(FIRST_PASSWORD, OWN_PASSWORD)).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.body);
    assert_eq!(world.get("/api/auth/me", &first).await.status, StatusCode::UNAUTHORIZED, "older tokens die");
    let fresh = changed.body["access_token"].as_str().unwrap();
    assert_eq!(world.get("/api/auth/me", fresh).await.status, StatusCode::OK);

    let session = world.try_login("nw_op", OWN_PASSWORD).await.body;
    let refresh = |token: &Value| world.post("/api/auth/refresh", "", json!({ "refresh_token": token }));
    let next = refresh(&session["refresh_token"]).await;
    assert_eq!(next.status, StatusCode::OK, "{}", next.body);
    assert_eq!(
        refresh(&session["access_token"]).await.status,
        StatusCode::UNAUTHORIZED,
        "not a refresh token"
    );
    let token = next.body["access_token"].as_str().unwrap();
    assert_eq!(world.post("/api/auth/logout", token, Value::Null).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.get("/api/auth/me", token).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(refresh(&next.body["refresh_token"]).await.status, StatusCode::UNAUTHORIZED);
    world.login("nw_op", OWN_PASSWORD).await
}

async fn roles(world: &World, operator: &str, admin: &str) {
    for (path, allowed) in [
        ("/api/settings", false),
        ("/api/users", false),
        ("/api/audit-log", false),
        ("/api/clients/all", false),
        ("/api/shifts/mine", true),
    ] {
        let status = world.get(path, operator).await.status;
        assert_eq!(status, if allowed { StatusCode::OK } else { StatusCode::FORBIDDEN }, "{path}");
    }
    assert_eq!(world.get("/api/settings", admin).await.status, StatusCode::OK);
    let needless =
        json!({"username": "x1", "full_name": "X", "role": "operator", "password": FIRST_PASSWORD});
    assert_eq!(world.post("/api/users", admin, needless).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let elsewhere = world.get("/api/kpi/dashboard?client_id=ACME-MFG", operator).await;
    assert_eq!(elsewhere.status, StatusCode::NOT_FOUND, "another tenant does not exist");
    let chosen = world.get("/api/clients", operator).await.body;
    assert_eq!(chosen["items"], json!([{"client_id": "NW", "client_name": "Northwind"}]));
    // A new role counts at once, although permissions are cached.
    let users = world.get("/api/users", admin).await.body;
    let id =
        users["items"].as_array().unwrap().iter().find(|user| user["username"] == "nw_op").unwrap()["id"]
            .clone();
    let demoted = world.call("PATCH", &format!("/api/users/{id}"), admin, json!({"role": "viewer"})).await;
    assert_eq!(demoted.status, StatusCode::OK, "{}", demoted.body);
    assert_eq!(world.get("/api/auth/me", operator).await.status, StatusCode::UNAUTHORIZED);
    let viewer = world.login("nw_op", OWN_PASSWORD).await;
    assert_eq!(
        world.post("/api/production-entries", &viewer, entry(now().date_naive())).await.status,
        StatusCode::FORBIDDEN
    );
    world.call("PATCH", &format!("/api/users/{id}"), admin, json!({"role": "operator"})).await;
}

async fn uploads(world: &World, operator: &str) {
    let today = now().date_naive();
    let mut csv = String::from(
        "\u{feff}production_date,product_code,line_code,shift_code,units_produced,defect_count,run_minutes\r\n",
    );
    for row in 0..1000 {
        let product = if row == 10 { "NOPE" } else { "SW-1" };
        let defects = if row == 20 { "secret-cell" } else { "1" };
        csv.push_str(&format!("{today},{product},L-1,EARLY,100,{defects},400.5\r\n"));
    }
    let before = world.get("/api/kpi/dashboard", operator).await.body["entries"].as_i64().unwrap();
    let first = world.upload(operator, "file-1", &csv).await;
    assert_eq!((first.status, &first.body["accepted"]), (StatusCode::OK, &json!(998)), "{}", first.body);
    let rejected: Vec<&Value> =
        first.body["rows"].as_array().unwrap().iter().filter(|row| row["status"] == "rejected").collect();
    assert_eq!((&rejected[0]["row"], &rejected[1]["row"]), (&json!(12), &json!(22)));
    assert_eq!(first.body["rows"][0], json!({ "row": 2, "status": "accepted" }));
    assert!(!first.body.to_string().contains("secret-cell"));
    assert_eq!(world.upload(operator, "file-1", &csv).await.body, first.body, "counts once");
    assert_eq!(world.upload(operator, "file-1", &csv[..400]).await.status, StatusCode::CONFLICT);
    let lacking = world.upload(operator, "file-2", "a,b\n1,2\n").await;
    assert_eq!(lacking.status, StatusCode::UNPROCESSABLE_ENTITY);
    let after = world.get("/api/kpi/dashboard", operator).await.body;
    assert_eq!(after["entries"].as_i64().unwrap(), before + 998);
    assert_eq!(after["trend"].as_array().unwrap().len(), 1);
}

/// What both databases must answer alike.
async fn numbers(world: &World, admin: &str) -> Value {
    let one = world.get("/api/kpi/dashboard?client_id=ACME-MFG&from=2025-12-17&to=2026-01-15", admin).await;
    let all = world.get("/api/kpi/dashboard?from=2025-11-01&to=2026-01-15", admin).await;
    assert_eq!((one.status, all.status), (StatusCode::OK, StatusCode::OK), "{} {}", one.body, all.body);
    assert!(one.body["oee"].as_f64().unwrap() > 0.1 && one.body["entries"].as_i64().unwrap() > 100);
    let nothing =
        world.get("/api/kpi/dashboard?client_id=ACME-MFG&from=2001-01-01&to=2001-01-02", admin).await.body;
    assert!(nothing["oee"].is_null() && nothing["quality"].is_null() && nothing["entries"] == 0);
    let question = json!({"client_id": "ACME-MFG", "from": "2026-01-15", "to": "2026-02-15"});
    let capacity = world.post("/api/capacity/analysis", admin, question).await;
    assert_eq!(capacity.status, StatusCode::OK, "{}", capacity.body);
    let page = world
        .get("/api/production-entries?client_id=ACME-MFG&from=2026-01-10&to=2026-01-15", admin)
        .await
        .body;
    assert!(!page["items"].as_array().unwrap().is_empty());
    json!([one.body, all.body, capacity.body["lines"], page])
}

async fn deactivation(world: &World, admin: &str, operator: &str) {
    let off = world.call("PATCH", "/api/clients/NW", admin, json!({"is_active": false})).await;
    assert_eq!(off.status, StatusCode::OK, "{}", off.body);
    assert_eq!(world.get("/api/auth/me", operator).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(world.try_login("nw_op", OWN_PASSWORD).await.status, StatusCode::UNAUTHORIZED);
    for path in
        ["/api/kpi/dashboard", "/api/config", "/api/thresholds", "/api/production-entries", "/api/audit-log"]
    {
        assert_eq!(
            world.get(&format!("{path}?client_id=NW"), admin).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    let entered = world.post("/api/production-entries", admin, entry(now().date_naive())).await;
    assert_eq!(entered.status, StatusCode::NOT_FOUND);
    for path in ["/api/clients", "/api/kpi/dashboard", "/api/audit-log?limit=1000", "/api/production-entries"]
    {
        assert!(!world.get(path, admin).await.body.to_string().contains("\"NW\""), "{path}");
    }
    let all = world.get("/api/clients/all", admin).await.body.to_string();
    assert!(all.contains("\"NW\""), "administration still sees it");
}

async fn limits_and_errors(world: &World, admin: &str) {
    let forgot = || world.post("/api/auth/forgot-password", "", json!({"username": "nobody"}));
    for _ in 0..10 {
        assert_eq!(forgot().await.status, StatusCode::ACCEPTED);
    }
    let refused = forgot().await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers.contains_key("retry-after") && refused.headers.contains_key("ratelimit-policy"));
    for attempt in 0..6 {
        let answer = world.try_login("poweruser", "hunter2-guess").await;
        let expected = if attempt < 4 { StatusCode::UNAUTHORIZED } else { StatusCode::TOO_MANY_REQUESTS };
        assert_eq!(answer.status, expected, "{attempt}");
        assert_eq!(answer.headers.contains_key("retry-after"), attempt >= 4);
    }
    let right = world.try_login("poweruser", "poweruser123").await;
    assert_eq!(right.status, StatusCode::TOO_MANY_REQUESTS, "even the right password waits");
    let bad = world.post("/api/auth/login", "", json!({"username": 7, "password": "hunter2"})).await;
    assert_eq!(bad.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!bad.body.to_string().contains("hunter2"));
    assert_eq!(world.get("/api/nothing", admin).await.status, StatusCode::NOT_FOUND);
    assert_eq!(
        world.call("PATCH", "/api/auth/login", "", Value::Null).await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
    let raised = world.post("/api/admin/raise-error", admin, json!({"secret": "s3cr3t"})).await;
    assert_eq!(raised.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!raised.body.to_string().contains("s3cr3t"));
    for origin in ["https://app.example", "https://evil.example"] {
        let request = Request::get("/openapi.json").header("origin", origin).body(Body::empty()).unwrap();
        let headers = world.send(request).await.headers;
        assert_eq!(headers.contains_key("access-control-allow-origin"), origin == "https://app.example");
        assert_eq!(headers["x-content-type-options"], "nosniff");
    }
}

#[tokio::test]
async fn the_database_in_use_is_told_by_its_connection() {
    let on_file = on_sqlite().await.get("/health/database", "").await;
    assert_eq!((on_file.status, &on_file.body["kind"]), (StatusCode::OK, &json!("sqlite")));
    assert_eq!((&on_file.body["schema"], &on_file.body["server"]), (&json!("demo.db"), &Value::Null));
    let world = on_mariadb().await;
    let told = world.get("/health/database", "").await.body;
    let server = world.mariadb.as_ref().unwrap();
    assert_eq!(told["kind"], "mariadb");
    assert!(told["server"].as_str().unwrap().ends_with(&format!(":{}", server.port())), "{told}");
    assert_eq!(told["schema"], "demo", "{told}");
    let secret = server.url("").split([':', '@']).nth(2).unwrap().to_owned();
    assert!(secret.len() > 3 && !told.to_string().contains(&secret), "{told}");
}

async fn whole_platform(world: &World) -> Value {
    let admin = world.login("admin", "admin123").await;
    let numbers = numbers(world, &admin).await;
    new_tenant(world, &admin).await;
    let operator = passwords_and_tokens(world).await;
    roles(world, &operator, &admin).await;
    let operator = world.login("nw_op", OWN_PASSWORD).await;
    uploads(world, &operator).await;
    limits_and_errors(world, &admin).await;
    deactivation(world, &admin, &operator).await;
    assert_eq!(world.health.deep_report().await.http_status(), 200);
    numbers
}

async fn until(world: &World, path: &str, token: &str, wanted: StatusCode) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let answer = world.get(path, token).await;
        if answer.status == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "{path} stays {}: {}", answer.status, answer.body);
        tokio::task::yield_now().await;
    }
}

async fn caches(world: &World, admin: &str) {
    for path in ["/api/config?client_id=ACME-MFG", "/api/thresholds?client_id=ACME-MFG"] {
        let sources = [world.get(path, admin).await, world.get(path, admin).await];
        let sources = sources.map(|answer| answer.headers["x-cache"].to_str().unwrap().to_owned());
        assert_eq!(sources, ["miss", "hit"], "{path}");
    }
    let threshold = json!({"client_id": "ACME-MFG", "metric": "oee", "warning_value": 0.7, "critical_value": 0.6, "condition": "below"});
    assert_eq!(world.call("PUT", "/api/thresholds", admin, threshold).await.status, StatusCode::OK);
    let after = world.get("/api/thresholds?client_id=ACME-MFG", admin).await;
    assert_eq!(after.headers["x-cache"], "miss");
    assert!(
        after.body["items"]
            .as_array()
            .unwrap()
            .iter()
            .any(|item| item["metric"] == "oee" && item["warning_value"] == 0.7)
    );
}

/// Without Redis nobody is let in, and readiness says so; liveness does not care; everything recovers by itself.
async fn outages(world: &mut World, admin: &str) {
    let redis = world.redis.take().unwrap();
    redis.stop().unwrap();
    let refused = world.get("/api/auth/me", admin).await;
    assert_eq!(
        (refused.status, &refused.body["error"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("revocation_unavailable"))
    );
    until(world, "/health/ready", "", StatusCode::SERVICE_UNAVAILABLE).await;
    assert_eq!(world.get("/health/live", "").await.status, StatusCode::OK);
    redis.start_again().unwrap();
    until(world, "/health/ready", "", StatusCode::OK).await;

    let mariadb = world.mariadb.take().unwrap();
    mariadb.pause();
    let started = Instant::now();
    until(world, "/health/ready", "", StatusCode::SERVICE_UNAVAILABLE).await;
    let noticed = started.elapsed();
    let live = world.get("/health/live", "").await.status;
    mariadb.resume();
    assert!(noticed < Duration::from_secs(5), "{noticed:?}");
    assert_eq!(live, StatusCode::OK);
    until(world, "/health/ready", "", StatusCode::OK).await;
    world.redis = Some(redis);
    world.mariadb = Some(mariadb);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_platform_answers_alike_on_both_databases() {
    let (sqlite, mut mariadb) = tokio::join!(on_sqlite(), on_mariadb());
    let (left, right) = tokio::join!(whole_platform(&sqlite), whole_platform(&mariadb));
    assert_eq!(left, right);
    let admin = mariadb.login("admin", "admin123").await;
    caches(&mariadb, &admin).await;
    audit_chain(&mariadb).await;
    emptied_redis(&mut mariadb, &admin).await;
    outages(&mut mariadb, &admin).await;
}

/// Each row of the log has its link, and a link that was changed is told.
async fn audit_chain(world: &World) {
    let trail = AuditTrail::new(world.db.clone());
    let whole = trail.verify(None).await.unwrap();
    assert!(whole.broken.is_none(), "{whole:?}");
    let log = audit_log::Entity::find().filter(audit_log::Column::Address.eq("198.51.100.7"));
    assert_eq!(whole.head.entries, log.count(&world.db).await.unwrap());
    let forged = "UPDATE _golive_audit SET actor = 'nobody' WHERE seq = 3";
    world.db.execute_unprepared(forged).await.unwrap();
    assert_eq!(trail.verify(None).await.unwrap().broken.unwrap().entry, 3);
}

/// What the database knows is in force again before anybody is let in, also by an instance that was not there when it was
/// told: who logged out stays out, who is in stays in.
async fn emptied_redis(world: &mut World, admin: &str) {
    let left = world.login("operator2", "password123").await;
    assert_eq!(world.post("/api/auth/logout", &left, Value::Null).await.status, StatusCode::NO_CONTENT);
    let session = world.try_login("supervisor2", "password123").await;
    let redis = world.redis.as_ref().unwrap();
    let cache = Cache::connect(&CacheOptions::new(redis.url().into())).await.unwrap();
    let second: App = Arc::new(Platform::new(&config(), world.db.clone(), Some(&cache), now));
    second.open().await;
    redis.command(&["FLUSHALL"]).unwrap();
    world.router = super::router(&second, Some(&world.health));
    let refused = loop {
        let answer = world.get("/api/auth/me", &left).await;
        if answer.status != StatusCode::SERVICE_UNAVAILABLE {
            break answer.status;
        }
        assert_eq!(answer.body["error"], "revocation_unavailable");
    };
    assert_eq!(refused, StatusCode::UNAUTHORIZED);
    assert_eq!(world.get("/api/auth/me", admin).await.status, StatusCode::OK);
    let refresh = json!({ "refresh_token": session.body["refresh_token"] });
    assert_eq!(world.post("/api/auth/refresh", "", refresh).await.status, StatusCode::OK);
}

#[test]
fn the_document_lists_every_route() {
    let document = serde_json::to_value(endpoints::document()).unwrap();
    for endpoint in ENDPOINTS {
        let method = match endpoint.method {
            Method::Get => "get",
            Method::Post => "post",
            Method::Put => "put",
            Method::Patch => "patch",
        };
        assert!(
            document["paths"][endpoint.path][method]["responses"].is_object(),
            "{method} {}",
            endpoint.path
        );
    }
    assert!(ENDPOINTS.len() >= 28, "{}", ENDPOINTS.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_but_the_public_ones_wants_a_login() {
    let world = on_sqlite().await;
    for endpoint in ENDPOINTS {
        let method = format!("{:?}", endpoint.method).to_uppercase();
        let path = endpoint.path.replace("{id}", "1");
        let answer = world.call(&method, &path, "no-token", json!({})).await;
        let is_public = endpoint.access == super::caller::Access::Public;
        assert_eq!(
            answer.status == StatusCode::UNAUTHORIZED,
            !is_public,
            "{method} {path}: {}",
            answer.status
        );
    }
}
