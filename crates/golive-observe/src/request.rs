//! The layer around every request of an axum service: its id, its trace, its span, its numbers, and what becomes of a
//! panic. Bodies, queries and raw paths are never looked at.

use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Body;
use axum::extract::MatchedPath;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tower::{Layer, Service};
use tracing::{Level, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::access::{self, ACCESS_TARGET};
use crate::context::{
    Hex, RequestContext, TraceParent, accept_request_id, accept_trace_state, new_request_id,
};
use crate::layer::CONTEXT_TARGET;
use crate::line::Answer;
use crate::metrics::{RouteNumbers, known_route, metrics};
use crate::otlp;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACE_STATE: HeaderName = HeaderName::from_static("tracestate");

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
    S: Service<Request<Body>, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = RequestFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let route = request.extensions().get::<MatchedPath>().map_or(UNMATCHED, MatchedPath::as_str);
        let observed = Observed::start(request.headers(), method_label(request.method()), route);
        // A handler may panic before there is a future.
        let called = {
            let _entered = observed.span.enter();
            catch_unwind(AssertUnwindSafe(|| self.inner.call(request)))
        };
        RequestFuture { inner: called.ok(), observed: Some(observed) }
    }
}

pin_project_lite::pin_project! {
    /// The future of [`RequestService`]: what it runs, it runs in the request's span.
    #[derive(Debug)]
    pub struct RequestFuture<F> {
        // Nothing when the call itself panicked.
        #[pin]
        inner: Option<F>,
        observed: Option<Observed>,
    }

    impl<F> PinnedDrop for RequestFuture<F> {
        // When the caller goes away: what the handler then logs still belongs to the request.
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Some(observed) = this.observed {
                let _entered = observed.span.enter();
                this.inner.set(None);
            }
        }
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for RequestFuture<F> {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let observed = this.observed.as_ref().expect("a future is not polled after its end");
        let entered = observed.span.enter();
        let polled = match this.inner.as_mut().as_pin_mut() {
            Some(inner) => catch_unwind(AssertUnwindSafe(|| inner.poll(cx))),
            None => Ok(Poll::Ready(Ok(after_panic(&observed.context)))),
        };
        let mut response = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(response))) => response,
            Ok(Poll::Ready(Err(never))) => match never {},
            Err(_) => after_panic(&observed.context),
        };
        this.inner.set(None);
        observed.finish(&mut response);
        drop(entered);
        *this.observed = None;
        Poll::Ready(Ok(response))
    }
}

/// A request that is being answered, measured until it is dropped; also when the caller goes away.
#[derive(Debug)]
struct Observed {
    span: Span,
    context: Arc<RequestContext>,
    numbers: &'static RouteNumbers,
    started: Instant,
    /// Is there a span around the request's, whose fields its lines must have?
    is_within: bool,
}

impl Observed {
    /// Opens the request's span, from what the caller sent.
    fn start(headers: &HeaderMap, method: &'static str, route: &str) -> Self {
        metrics().add_active_requests(1);
        let (route, numbers) = known_route(route);
        let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let request_id = text(&REQUEST_ID).and_then(accept_request_id).unwrap_or_else(new_request_id);
        let incoming = text(&TRACE_PARENT).and_then(TraceParent::parse);
        // Without a trace to belong to, a state means nothing.
        let state = incoming.as_ref().and_then(|_| {
            accept_trace_state(headers.get_all(&TRACE_STATE).iter().filter_map(|value| value.to_str().ok()))
        });
        let is_within = tracing::dispatcher::get_default(|dispatch| dispatch.current_span().id().is_some());
        let child = |exported: Option<TraceParent>| {
            exported.or_else(|| incoming.as_ref().map(TraceParent::child)).unwrap_or_else(TraceParent::start)
        };
        let (span, context) = if otlp::is_exporting() {
            let (span, exported) = exported_span(method, &route, incoming.as_ref(), state.as_deref());
            let context = RequestContext::new(request_id, child(exported), method, route);
            let context = Arc::new(context.with_trace_state(state));
            context.attach(&span);
            (span, context)
        } else {
            let context = RequestContext::new(request_id, child(None), method, route);
            let context = Arc::new(context.with_trace_state(state));
            (context.open_span(), context)
        };
        Self { span, context, numbers, started: Instant::now(), is_within }
    }

    /// Notes how the request was answered, and gives the answer its id.
    fn finish(&self, response: &mut Response) {
        let (status, context) = (response.status(), &self.context);
        let took = self.started.elapsed();
        context.set_status(status.as_u16());
        if otlp::is_exporting() {
            self.span.record("http.response.status_code", status.as_u16());
        }
        metrics().record_request(self.numbers, context.method, status.as_u16(), took.as_secs_f64());
        if !is_probe(&context.route) {
            metrics().count_request(status.is_server_error());
        }
        let microseconds = u64::try_from(took.as_nanos().div_ceil(500) / 2).unwrap_or(u64::MAX);
        self.log(Answer { status: status.as_u16(), microseconds });
        if let Ok(value) = HeaderValue::from_str(&context.request_id) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
    }

    fn log(&self, answer: Answer) {
        let (status, duration_ms) = (answer.status, answer.microseconds as f64 / 1e3);
        if status >= 500 && status != 503 && !self.context.has_reported_error() {
            // A failure that nobody reported would otherwise be seen by no one.
            tracing::error!(target: ACCESS_TARGET, status, duration_ms, "{}", access::FAILED);
            return;
        }
        let (level, message) = match status {
            500.. => (Level::WARN, access::FAILED),
            _ if is_probe(&self.context.route) => (Level::DEBUG, access::ANSWERED),
            _ => (Level::INFO, access::ANSWERED),
        };
        if !self.is_within && access::write(level, message, &self.context, answer) {
            return;
        }
        match level {
            Level::WARN => tracing::warn!(target: ACCESS_TARGET, status, duration_ms, "{message}"),
            Level::DEBUG => tracing::debug!(target: ACCESS_TARGET, status, duration_ms, "{message}"),
            _ => tracing::info!(target: ACCESS_TARGET, status, duration_ms, "{message}"),
        }
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        metrics().add_active_requests(-1);
    }
}

/// The span as a collector is to have it, and the ids under which it gets it.
fn exported_span(
    method: &'static str,
    route: &str,
    incoming: Option<&TraceParent>,
    state: Option<&str>,
) -> (Span, Option<TraceParent>) {
    let span = tracing::info_span!(
        target: CONTEXT_TARGET,
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        http.response.status_code = tracing::field::Empty,
    );
    if let Some(parent) = incoming.and_then(|parent| remote_context(parent, state)) {
        // Fails only where this span is not exported, and there is nothing to continue then.
        let _ = span.set_parent(parent);
    }
    let context = span.context();
    let span_context = context.span().span_context().clone();
    let trace = span_context.is_valid().then(|| TraceParent {
        trace_id: Hex::of(span_context.trace_id().to_bytes()),
        span_id: Hex::of(span_context.span_id().to_bytes()),
        sampled: span_context.is_sampled(),
    });
    (span, trace)
}

fn remote_context(parent: &TraceParent, state: Option<&str>) -> Option<opentelemetry::Context> {
    let flags = if parent.sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
    let trace_id = TraceId::from_hex(parent.trace_id.as_str()).ok()?;
    let state = state.and_then(|state| state.parse::<TraceState>().ok()).unwrap_or_default();
    let span_id = SpanId::from_hex(parent.span_id.as_str()).ok()?;
    let context = SpanContext::new(trace_id, span_id, flags, true, state);
    Some(opentelemetry::Context::new().with_remote_span_context(context))
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

/// Probes come every few seconds for ever; their lines would bury the others.
fn is_probe(route: &str) -> bool {
    route.starts_with("/health/") || route == "/metrics"
}

/// The panic hook has logged and reported it; the caller learns only the request id.
fn after_panic(context: &RequestContext) -> Response {
    let body =
        serde_json::json!({ "error": "internal server error", "request_id": context.request_id.as_str() });
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (StatusCode::INTERNAL_SERVER_ERROR, headers, body.to_string()).into_response()
}
