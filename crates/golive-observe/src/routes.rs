//! The four routes that probes and scrapers ask. Only translates; what is healthy is decided in `health`.

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::health::{HealthChecks, HealthReport};
use crate::metrics::metrics_text;

impl HealthChecks {
    /// `/health/live`, `/health/ready`, `/health/deep` and `/metrics`, for a service's router or for one on a listener
    /// of its own. None of them asks for a login.
    pub fn router<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        self.observe();
        let (live, ready, deep) = (self.clone(), self.clone(), self.clone());
        Router::new()
            .route("/health/live", get(move || async move { answer(&live.liveness()) }))
            .route("/health/ready", get(move || async move { answer(&ready.readiness().await) }))
            .route("/health/deep", get(move || async move { answer(&deep.deep_report().await) }))
            .route("/metrics", get(async || text(metrics_text())))
    }
}

fn answer(report: &HealthReport) -> Response {
    let status = StatusCode::from_u16(report.http_status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let headers = [(header::CONTENT_TYPE, "application/health+json"), (header::CACHE_CONTROL, "no-store")];
    let body = serde_json::to_string(report).expect("a report always serializes");
    (status, headers, body).into_response()
}

fn text(body: String) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/plain; version=0.0.4"), (header::CACHE_CONTROL, "no-store")];
    (headers, body).into_response()
}
