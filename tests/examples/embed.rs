//! A service of one's own with what golive brings: the console, health, metrics, logins and limits.
#![expect(clippy::disallowed_methods, reason = "the edge reads the clock")]
use axum::{Json, Router, extract::State, http::StatusCode, middleware::from_fn_with_state, routing};
use chrono::Utc;
use golive_auth::{MemoryRefreshStore, MemoryRevocation, RolePolicy, SecretKey, Subject, TokenGate};
use golive_auth::{TokenKeys, TokenService, TokenSettings, hash_password, require_login, verify_password};
use golive_cache::{Cache, CacheOptions, CommandError, Quota, RateKey, RateLimitLayer, RateLimiter};
use golive_observe::{HealthChecks, Importance, request_layer};
use secrecy::{ExposeSecret, SecretString};
use std::{net::SocketAddr, sync::Arc, time::Duration};

#[derive(Clone)]
struct App {
    tokens: TokenService,
    families: Arc<MemoryRefreshStore>, // in production `golive_cache::RefreshFamilies`
    hash: String,                      // in production a table of users: `golive_auth::Accounts`
}
type Failure = Box<dyn std::error::Error>;

pub(crate) async fn app(runs: &str, redis: &str, key: &SecretKey, hash: &str) -> Result<Router, Failure> {
    let mut console = golive_server::ServerOptions::new(runs.into());
    (console.mount, console.entry_link, console.hosts) = ("/golive".into(), false, vec!["app.test".into()]);
    let cache = Cache::start(&CacheOptions::for_application(redis.into(), "orders", "production"))?;
    let limit = RateLimiter::new(cache.clone(), Quota::per_minute("requests", 60));
    let limit = RateLimitLayer::new(limit, |r| (r.uri.path() == "/login").then(|| RateKey::new("all")));
    let redis = move || ping(cache.clone());
    let health = HealthChecks::new().ready("redis", Importance::Degradable, Duration::from_secs(1), redis);
    let tokens = TokenService::new(TokenKeys::new(key), TokenSettings::new("orders", "orders-api"));
    let revocation = Arc::new(MemoryRevocation::new()); // in production `golive_cache::RevocationStore`
    let gate = TokenGate::new(tokens.clone(), revocation, RolePolicy::new([], [].into(), [])?, Utc::now);
    let app = App { tokens, families: Arc::new(MemoryRefreshStore::new()), hash: hash.into() };
    let orders = Router::new().route("/orders", routing::get(|| async { "two orders" }));
    Ok(orders
        .layer(from_fn_with_state(gate, require_login))
        .route("/login", routing::post(login))
        .with_state(app)
        .layer(limit)
        .merge(health.router())
        .nest("/golive", golive_server::router(&console).await?)
        .layer(request_layer()))
}

async fn ping(cache: Cache) -> Result<(), CommandError> {
    cache.ping().await.map(drop)
}

async fn login(State(app): State<App>, Json(password): Json<SecretString>) -> Result<String, StatusCode> {
    let known = verify_password(&app.hash, &password).is_ok_and(|verified| verified.ok);
    let rosa = known.then(|| Subject::new("1", "rosa", "clerk")).ok_or(StatusCode::UNAUTHORIZED)?;
    let pair = app.tokens.start_session(&rosa, app.families.as_ref(), Utc::now()).await;
    Ok(pair.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?.access.token.expose_secret().to_owned())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let hash = hash_password(&"violet harbor lamp 31".into())?; // what a table of users holds
    let app = app(".golive", "redis://127.0.0.1/0", &SecretKey::generate(), &hash).await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    Ok(axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?)
}
