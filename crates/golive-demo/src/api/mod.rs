//! The HTTP API of the platform. `endpoints` lists the routes, `caller` guards them, `scope` says which tenants a query
//! may see; the other files answer. Nothing here opens a listener: `serve` does.

mod access;
mod admin;
mod audit;
mod auth;
mod caller;
mod capacity;
mod clients;
pub(crate) mod config;
mod dashboard;
mod endpoints;
mod error;
mod extract;
mod floor;
pub(crate) mod health;
mod in_use;
mod limits;
mod lookups;
mod master_data;
mod production;
mod scope;
mod sessions;
pub(crate) mod state;
#[cfg(test)]
mod tests;
pub(crate) mod upkeep;
mod upload;
mod users;

use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use golive_observe::HealthChecks;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::timeout::TimeoutLayer;

use error::ApiError;
use state::App;

/// A JSON body is never longer; the upload has a limit of its own.
const LONGEST_BODY_BYTES: usize = 64 * 1024;
/// A request that takes longer is given up: its caller has gone, and its connection is needed.
const LONGEST_REQUEST: Duration = Duration::from_secs(20);
/// How long a browser may remember what CORS allows.
const CORS_AGE: Duration = Duration::from_secs(600);

/// The whole service: the API and, unless they have a listener of their own, the health routes.
pub(crate) fn router(app: &App, health: Option<&HealthChecks>) -> Router {
    let document = endpoints::document();
    let mut router = endpoints::router(app)
        .route("/openapi.json", get(move || std::future::ready(Json(document))))
        .fallback(async || ApiError::not_found("route"))
        .method_not_allowed_fallback(async || {
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "see /openapi.json")
        })
        .with_state(App::clone(app));
    if let Some(health) = health {
        router = router.merge(probed(app, health.router()));
    }
    router
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, LONGEST_REQUEST))
        .layer(DefaultBodyLimit::max(LONGEST_BODY_BYTES))
        .layer(cors(&app.cors_origins))
        .layer(axum::middleware::map_response(secure))
        .layer(golive_observe::request_layer())
}

/// Health and metrics alone, for the listener that only operators reach.
pub(crate) fn management_router(app: &App, health: &HealthChecks) -> Router {
    probed(app, health.management_router())
        .fallback(async || ApiError::not_found("route"))
        .layer(axum::middleware::map_response(secure))
        .layer(golive_observe::request_layer())
}

/// What operators and their tools ask.
fn probed(app: &App, health: Router) -> Router {
    let db = app.db.clone();
    health.route("/health/database", get(move || in_use::answer(db.clone())))
}

fn cors(origins: &[String]) -> CorsLayer {
    let exact = origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(exact))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            HeaderName::from_static("idempotency-key"),
        ])
        .expose_headers([
            HeaderName::from_static("x-request-id"),
            HeaderName::from_static("ratelimit"),
            HeaderName::from_static("ratelimit-policy"),
            header::RETRY_AFTER,
        ])
        .max_age(CORS_AGE)
}

/// The headers that every answer has. HSTS is the proxy's, which is where TLS ends.
async fn secure(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    // Answers are somebody's own.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
