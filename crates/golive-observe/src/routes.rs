//! The routes that probes and scrapers ask. Only translates; what is healthy is decided in `health`.

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use crate::health::{HealthChecks, HealthReport};
use crate::metrics::metrics_text;

impl HealthChecks {
    /// `/health/live`, `/health/ready`, `/health/deep` and `/metrics` for a service's own router. Probes and scrapers need
    /// no login; deep health, which names what the service rests on, answers only to the
    /// [token](HealthChecks::deep_token).
    pub fn router<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        let deep = self.clone();
        self.open_router().route(
            "/health/deep",
            get(move |headers: HeaderMap| async move {
                match refusal(&headers, deep.deep_token.as_ref()) {
                    Some(refusal) => refusal,
                    None => answer(&deep.deep_report().await),
                }
            }),
        )
    }

    /// The same routes for a listener of its own that only operators reach: deep health answers without a token.
    pub fn management_router<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        let deep = self.clone();
        self.open_router()
            .route("/health/deep", get(move || async move { answer(&deep.deep_report().await) }))
    }

    fn open_router<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        self.observe();
        let (live, ready) = (self.clone(), self.clone());
        Router::new()
            .route("/health/live", get(move || async move { answer(&live.liveness()) }))
            .route("/health/ready", get(move || async move { answer(&ready.readiness().await) }))
            .route("/metrics", get(async || text(metrics_text())))
    }
}

/// The answer to who may not see deep health; it does not tell a wrong token from none.
fn refusal(headers: &HeaderMap, token: Option<&SecretString>) -> Option<Response> {
    let given =
        headers.get(header::AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    let is_right = match (token, given) {
        // An empty token is none.
        (Some(token), Some(given)) if !given.is_empty() => {
            bool::from(token.expose_secret().as_bytes().ct_eq(given))
        }
        _ => false,
    };
    let headers = [(header::WWW_AUTHENTICATE, "Bearer"), (header::CACHE_CONTROL, "no-store")];
    (!is_right).then(|| (StatusCode::UNAUTHORIZED, headers).into_response())
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

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt;

    async fn deep(router: Router, authorization: Option<&str>) -> StatusCode {
        let mut request = Request::get("/health/deep");
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
    }

    #[tokio::test]
    async fn deep_health_is_for_who_knows_the_token() {
        let (open, guarded) = (HealthChecks::new(), HealthChecks::new().deep_token("right-token".into()));
        assert_eq!(deep(guarded.router(), Some("Bearer right-token")).await, StatusCode::OK);
        for wrong in [
            None,
            Some("Bearer right-toke"),
            Some("Bearer right-token2"),
            Some("right-token"),
            Some("Bearer "),
        ] {
            assert_eq!(deep(guarded.router(), wrong).await, StatusCode::UNAUTHORIZED, "{wrong:?}");
            assert_eq!(deep(open.router(), wrong).await, StatusCode::UNAUTHORIZED, "without a token: nobody");
        }
        assert_eq!(deep(guarded.management_router(), None).await, StatusCode::OK);
    }
}
