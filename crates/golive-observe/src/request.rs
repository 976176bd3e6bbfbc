//! The layer around every request of an axum service: its id, its trace, its span, its numbers, and what becomes of a
//! panic. Bodies, queries and raw paths are never looked at.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Body;
use axum::extract::MatchedPath;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tower::{Layer, Service};
use tracing::{Instrument, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::context::{RequestContext, TraceParent, accept_request_id};
use crate::layer::CONTEXT_TARGET;
use crate::metrics::metrics;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

/// The target of the line that every answered request leaves.
const ACCESS_TARGET: &str = "golive_observe::access";

/// Stands for the route where no route matched.
const UNMATCHED: &str = "unmatched";

/// A layer for [`axum::Router::layer`]; add it last, so that it is the outermost one.
///
/// It takes over a valid `x-request-id` (8 to 64 letters, digits, `-`, `_`) or makes one and returns it in the response,
/// continues a W3C `traceparent`, opens the span that log lines and [`identify`](crate::identify) belong to, measures
/// the request under its route template, and turns a panic into an error event and a plain 500.
#[must_use]
pub fn request_layer() -> RequestLayer {
    RequestLayer { _private: () }
}

/// See [`request_layer`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RequestLayer {
    _private: (),
}

impl<S> Layer<S> for RequestLayer {
    type Service = RequestService<S>;

    fn layer(&self, inner: S) -> RequestService<S> {
        RequestService { inner }
    }
}

/// The service that [`request_layer`] makes.
#[derive(Debug, Clone)]
pub struct RequestService<S> {
    inner: S,
}

impl<S> Service<Request<Body>> for RequestService<S>
where
    S: Service<Request<Body>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The service that was polled ready must be the one that is called.
        let ready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, ready);
        let method = method_label(request.method());
        let route =
            request.extensions().get::<MatchedPath>().map_or(UNMATCHED, MatchedPath::as_str).to_owned();
        let (span, context) = open_span(request.headers(), method, &route);
        let in_span = span.clone();
        Box::pin(
            async move {
                let timing = Timing::start();
                let called = AssertUnwindSafe(async { inner.call(request).await }).catch_unwind().await;
                let mut response = match called {
                    Ok(Ok(response)) => response,
                    Ok(Err(never)) => match never {},
                    Err(_) => after_panic(&context),
                };
                timing.finish(&in_span, &context, method, response.status());
                if let Ok(value) = HeaderValue::from_str(&context.request_id) {
                    response.headers_mut().insert(REQUEST_ID, value);
                }
                Ok(response)
            }
            .instrument(span),
        )
    }
}

/// The request's span and context, from what the caller sent.
fn open_span(headers: &HeaderMap, method: &'static str, route: &str) -> (Span, Arc<RequestContext>) {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let request_id = text(&REQUEST_ID)
        .and_then(accept_request_id)
        .unwrap_or_else(|| uuid::Uuid::new_v4().simple().to_string());
    let incoming = text(&TRACE_PARENT).and_then(TraceParent::parse);
    let span = tracing::info_span!(
        target: CONTEXT_TARGET,
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        http.response.status_code = tracing::field::Empty,
    );
    if let Some(parent) = incoming.as_ref().and_then(remote_context) {
        // Fails only where traces are not exported, and there is nothing to continue then.
        let _ = span.set_parent(parent);
    }
    let trace = exported_trace(&span)
        .or_else(|| incoming.map(|parent| parent.child()))
        .unwrap_or_else(TraceParent::start);
    let context = Arc::new(RequestContext::new(request_id, trace, method.to_owned(), route.to_owned()));
    context.attach(&span);
    (span, context)
}

fn remote_context(parent: &TraceParent) -> Option<opentelemetry::Context> {
    let flags = if parent.sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
    let trace_id = TraceId::from_hex(&parent.trace_id).ok()?;
    let span_id = SpanId::from_hex(&parent.span_id).ok()?;
    let context = SpanContext::new(trace_id, span_id, flags, true, TraceState::default());
    Some(opentelemetry::Context::new().with_remote_span_context(context))
}

/// The ids under which the span is exported, if it is.
fn exported_trace(span: &Span) -> Option<TraceParent> {
    let context = span.context();
    let span_context = context.span().span_context().clone();
    span_context.is_valid().then(|| TraceParent {
        trace_id: span_context.trace_id().to_string(),
        span_id: span_context.span_id().to_string(),
        sampled: span_context.is_sampled(),
    })
}

/// Any method that is not a known one counts as `_OTHER`: a caller must not be able to invent labels.
fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        "TRACE" => "TRACE",
        "CONNECT" => "CONNECT",
        _ => "_OTHER",
    }
}

/// Measures one request; also when the caller goes away and the future is dropped.
struct Timing {
    started: Instant,
}

impl Timing {
    fn start() -> Self {
        metrics().add_active_requests(1);
        Self { started: Instant::now() }
    }

    fn finish(&self, span: &Span, context: &RequestContext, method: &'static str, status: StatusCode) {
        let seconds = self.started.elapsed().as_secs_f64();
        span.record("http.response.status_code", status.as_u16());
        metrics().record_request(method, &context.route, status.as_u16(), seconds);
        if !is_probe(&context.route) {
            metrics().count_request(status.is_server_error());
        }
        let (status, duration_ms) = (status.as_u16(), (seconds * 1e6).round() / 1e3);
        if status >= 500 && status != 503 && !context.has_reported_error() {
            // A failure that nobody reported would otherwise be seen by no one.
            tracing::error!(target: ACCESS_TARGET, status, duration_ms, "request failed");
        } else if status >= 500 {
            tracing::warn!(target: ACCESS_TARGET, status, duration_ms, "request failed");
        } else if is_probe(&context.route) {
            tracing::debug!(target: ACCESS_TARGET, status, duration_ms, "request answered");
        } else {
            tracing::info!(target: ACCESS_TARGET, status, duration_ms, "request answered");
        }
    }
}

impl Drop for Timing {
    fn drop(&mut self) {
        metrics().add_active_requests(-1);
    }
}

/// Probes come every few seconds for ever; their lines would bury the others.
fn is_probe(route: &str) -> bool {
    route.starts_with("/health/") || route == "/metrics"
}

/// The panic hook has logged and reported it; the caller learns only the request id.
fn after_panic(context: &RequestContext) -> Response {
    let body = serde_json::json!({ "error": "internal server error", "request_id": context.request_id });
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (StatusCode::INTERNAL_SERVER_ERROR, headers, body.to_string()).into_response()
}
