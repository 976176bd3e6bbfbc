//! A small service that embeds golive-observe, and misbehaves on request: tests drive it, readers copy from it.
//!
//! `observed_service address=127.0.0.1:8080 [level=FILTER] [log=PATH] [log_bytes=N] [dsn=URL] [webhook=URL]
//! [json_webhook=URL] [look_every_ms=N] [backup=unknown] [otlp=URL] [sampler=NAME] [sampler_arg=RATIO] [journal=PATH] [spool=PATH]`
//!
//! Its own secret comes in on standard input, as one must not stand among the arguments.

use std::collections::HashMap;
use std::error::Error;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use golive_observe::{
    AlertChannel, HealthChecks, Importance, LogFile, LogTarget, ObserveOptions, PoolStatus, TraceSampling,
    beacon_router, identify, init, metrics, outgoing_headers, request_layer,
};
use secrecy::SecretString;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: HashMap<String, String> = std::env::args()
        .filter_map(|argument| {
            argument.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
        })
        .collect();
    let mut secret = String::new();
    std::io::stdin().read_to_string(&mut secret)?;
    let _guard = init(options(&arguments, &secret)?)?;

    metrics().observe_pool(|| PoolStatus::new(4, 3, 0));
    if arguments.get("backup").is_some_and(|backup| backup == "unknown") {
        metrics().observe_backup_age(|| None);
    }
    let is_database_up = Arc::new(AtomicBool::new(true));
    let checked = Arc::clone(&is_database_up);
    let health = HealthChecks::new().deep_disk_space("disk", "/").ready(
        "database",
        Importance::Critical,
        Duration::from_secs(1),
        move || {
            let is_up = checked.load(Ordering::SeqCst);
            async move { if is_up { Ok(()) } else { Err("connection refused") } }
        },
    );
    let service = Service { secret: secret.into(), is_database_up };
    let app = Router::new()
        .route("/orders/{id}", get(order))
        .route("/fail", get(fail))
        .route("/silent-failure", get(async || StatusCode::INTERNAL_SERVER_ERROR))
        .route("/panic", get(panics))
        .route("/leak", get(leak))
        .route("/unavailable", get(async || StatusCode::SERVICE_UNAVAILABLE))
        .route("/database/{verb}", post(database))
        .route("/level/{level}", post(set_level))
        .route("/outgoing", get(outgoing))
        .route("/log/{lines}", post(log_lines))
        .with_state(service)
        .merge(health.management_router())
        .merge(beacon_router())
        .layer(request_layer());
    let listener =
        tokio::net::TcpListener::bind(arguments.get("address").ok_or("address= is missing")?).await?;
    axum::serve(listener, app).with_graceful_shutdown(health.drain_on_signal()).await?;
    Ok(())
}

fn options(arguments: &HashMap<String, String>, secret: &str) -> Result<ObserveOptions, Box<dyn Error>> {
    let mut options = ObserveOptions::new("observed-service");
    options.environment = "test".to_owned();
    options.release = "observed-service@1.2.3".to_owned();
    options.scrubber = options.scrubber.with_secret(&SecretString::from(secret));
    options.sentry_dsn = arguments.get("dsn").map(|dsn| SecretString::from(dsn.as_str()));
    let slack = arguments.get("webhook").map(|address| AlertChannel::Slack(address.as_str().into()));
    let webhook = arguments.get("json_webhook").map(|address| AlertChannel::Webhook(address.as_str().into()));
    options.alerts.channels.extend(slack.into_iter().chain(webhook));
    if let Some(millis) = arguments.get("look_every_ms") {
        options.alerts.look_every = Duration::from_millis(millis.parse()?);
    }
    options.otlp_endpoint = arguments.get("otlp").map(|endpoint| endpoint.parse()).transpose()?;
    let given = |name: &str| arguments.get(name).map(String::as_str);
    options.trace_sampling = TraceSampling::from_variables(given("sampler"), given("sampler_arg"))?;
    options.error_journal = arguments.get("journal").map(Into::into);
    options.error_spool = arguments.get("spool").map(Into::into);
    if let Some(level) = arguments.get("level") {
        options.level.clone_from(level);
    }
    if let Some(path) = arguments.get("log") {
        let mut file = LogFile::new(path);
        if let Some(bytes) = arguments.get("log_bytes") {
            file.max_bytes = bytes.parse()?;
            file.keep_files = usize::MAX;
        }
        options.log = LogTarget::File(file);
    }
    Ok(options)
}

#[derive(Clone)]
struct Service {
    secret: Arc<str>,
    is_database_up: Arc<AtomicBool>,
}

#[tracing::instrument]
async fn order(Path(id): Path<u64>) -> String {
    identify("ACME-MFG", "operator1");
    tracing::info!(order = id, "order read");
    let elsewhere = tracing::Span::current();
    let task = tokio::spawn(async move { elsewhere.in_scope(|| tracing::info!("read by another task")) });
    let _ = task.await;
    format!("order {id}")
}

/// What the next service would be told.
async fn outgoing() -> String {
    let told = outgoing_headers().into_iter().find(|(name, _)| *name == "traceparent");
    told.map(|(_, value)| value).unwrap_or_default()
}

#[derive(Debug)]
struct SaveFailed(std::io::Error);

impl std::fmt::Display for SaveFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("save the order")
    }
}

impl Error for SaveFailed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

async fn fail() -> StatusCode {
    identify("ACME-MFG", "operator1");
    let error = SaveFailed(std::io::Error::other("the disk is gone"));
    tracing::error!(error = &error as &dyn Error, attempt = 3, "order lost");
    StatusCode::INTERNAL_SERVER_ERROR
}

async fn panics() -> StatusCode {
    identify("ACME-MFG", "operator1");
    panic!("no such shift");
}

/// Says its secret, and the caller's, in every way that programs do by mistake.
async fn leak(State(service): State<Service>, headers: HeaderMap) -> StatusCode {
    let own = &service.secret;
    let callers = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let callers = callers.trim_start_matches("Bearer ").to_owned();
    identify(own, "operator1");
    let span = tracing::info_span!("leaking", note = %own, api_key = %callers);
    let _entered = span.enter();
    tracing::info!(password = %callers, note = %own, headers = ?headers, "token={callers} and {own}");
    let cause = std::io::Error::other(format!("connect to mysql://app:{callers}@db/app with {own}"));
    tracing::error!(error = &SaveFailed(cause) as &dyn Error, "password: \"{callers}\", {own}");
    panic!("secret: {callers}; {own}");
}

async fn database(State(service): State<Service>, Path(verb): Path<String>) {
    service.is_database_up.store(verb == "start", Ordering::SeqCst);
}

async fn set_level(Path(level): Path<String>) -> StatusCode {
    match golive_observe::set_level(&level) {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::BAD_REQUEST,
    }
}

async fn log_lines(Path(lines): Path<u64>) {
    for number in 0..lines {
        tracing::info!(number, "one of many");
    }
}
