//! Who and what a log line belongs to: the request's id, trace, client and user, kept on the request's span so that
//! everything below it inherits them. No HTTP types here; `request` reads and writes the headers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::Span;
use tracing_subscriber::Registry;
use tracing_subscriber::registry::LookupSpan;

use crate::scrub;

/// Longest client or user id that is kept.
const LONGEST_ID_CHARS: usize = 128;

/// What is known about the request being answered.
#[derive(Debug)]
pub(crate) struct RequestContext {
    pub(crate) request_id: String,
    pub(crate) trace: TraceParent,
    pub(crate) method: String,
    pub(crate) route: String,
    identity: Mutex<Identity>,
    has_reported_error: AtomicBool,
}

/// Whom the request was identified as.
#[derive(Debug, Default, Clone)]
pub(crate) struct Identity {
    pub(crate) client_id: Option<String>,
    pub(crate) user_id: Option<String>,
}

impl RequestContext {
    pub(crate) fn new(request_id: String, trace: TraceParent, method: String, route: String) -> Self {
        Self {
            request_id,
            trace,
            method,
            route,
            identity: Mutex::default(),
            has_reported_error: AtomicBool::new(false),
        }
    }

    pub(crate) fn identity(&self) -> Identity {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes that an error event was recorded under this request.
    pub(crate) fn note_error(&self) {
        self.has_reported_error.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_reported_error(&self) -> bool {
        self.has_reported_error.load(Ordering::Relaxed)
    }

    /// Puts this context on a span; everything below it inherits it.
    pub(crate) fn attach(self: &Arc<Self>, span: &Span) {
        span.with_subscriber(|(id, dispatch)| {
            if let Some(span) = dispatch.downcast_ref::<Registry>().and_then(|registry| registry.span(id)) {
                span.extensions_mut().replace(Arc::clone(self));
            }
        });
    }

    /// The context of the request being answered here, if there is one.
    pub(crate) fn current() -> Option<Arc<Self>> {
        Span::current()
            .with_subscriber(|(id, dispatch)| {
                let span = dispatch.downcast_ref::<Registry>()?.span(id)?;
                span.scope().find_map(|span| span.extensions().get::<Arc<Self>>().cloned())
            })
            .flatten()
    }
}

/// Records whose request this is: from here on every log line, error event and span below the request carries
/// `client_id` and `user_id`.
///
/// Call it once the caller is authenticated. An empty text leaves the value as it was. Outside of a request it does
/// nothing.
pub fn identify(client_id: &str, user_id: &str) {
    let Some(context) = RequestContext::current() else { return };
    let mut guard = context.identity.lock().unwrap_or_else(PoisonError::into_inner);
    let identity = &mut *guard;
    for (slot, value) in [(&mut identity.client_id, client_id), (&mut identity.user_id, user_id)] {
        if !value.is_empty() {
            *slot = Some(scrub::global().scrub(value).chars().take(LONGEST_ID_CHARS).collect());
        }
    }
}

/// The headers that carry the current request on to another service: `x-request-id` and `traceparent`.
/// Empty outside of a request.
#[must_use]
pub fn outgoing_headers() -> Vec<(&'static str, String)> {
    let Some(context) = RequestContext::current() else { return Vec::new() };
    vec![("x-request-id", context.request_id.clone()), ("traceparent", context.trace.to_string())]
}

/// The id of the request being answered, for an error body that support can search for.
#[must_use]
pub fn current_request_id() -> Option<String> {
    RequestContext::current().map(|context| context.request_id.clone())
}

/// A request id is taken over from a caller only if it is 8 to 64 letters, digits, `-` or `_` and no secret.
pub(crate) fn accept_request_id(candidate: &str) -> Option<String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_valid = (8..=64).contains(&candidate.len()) && candidate.bytes().all(allowed);
    (is_valid && scrub::global().scrub(candidate) == candidate).then(|| candidate.to_owned())
}

/// The position in a distributed trace, as in W3C Trace Context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TraceParent {
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    pub(crate) sampled: bool,
}

impl TraceParent {
    /// Reads a `traceparent` header; nothing if it is malformed, as the recommendation demands.
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let is_hex = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let mut parts = header.trim().split('-');
        let (version, trace_id, span_id, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_known = is_hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
        let has_ids = is_hex(trace_id, 32) && is_hex(span_id, 16) && is_hex(flags, 2);
        if !is_known || !has_ids || is_zero(trace_id) || is_zero(span_id) {
            return None;
        }
        let sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
        Some(Self { trace_id: trace_id.to_owned(), span_id: span_id.to_owned(), sampled })
    }

    /// The start of a new trace.
    pub(crate) fn start() -> Self {
        let span = uuid::Uuid::new_v4().simple().to_string();
        Self {
            trace_id: uuid::Uuid::new_v4().simple().to_string(),
            span_id: span[16..].to_owned(),
            sampled: true,
        }
    }

    /// The same trace, one step further: what this service tells those it calls.
    pub(crate) fn child(&self) -> Self {
        Self { span_id: Self::start().span_id, ..self.clone() }
    }
}

impl std::fmt::Display for TraceParent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace_id, self.span_id, u8::from(self.sampled))
    }
}

fn is_zero(hex: &str) -> bool {
    hex.bytes().all(|byte| byte == b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_well_formed_request_ids_are_taken_over() {
        assert!(accept_request_id("01J9-abc_DEF").is_some());
        for bad in
            ["short", "has space here", "new\nline-line", "", &"x".repeat(65), "ünïcödé-id", "a.b.c.d.e.f"]
        {
            assert_eq!(accept_request_id(bad), None, "{bad}");
        }
        assert_eq!(accept_request_id("sk_live_0123456789abcdef"), None);
    }

    #[test]
    fn trace_parents_follow_the_recommendation() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let parsed = TraceParent::parse(text).unwrap();
        assert_eq!(parsed.to_string(), text);
        assert_eq!(parsed.child().trace_id, parsed.trace_id);
        assert_ne!(parsed.child().span_id, parsed.span_id);
        for bad in [
            "",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        ] {
            assert_eq!(TraceParent::parse(bad), None, "{bad}");
        }
        assert!(TraceParent::parse(&TraceParent::start().to_string()).is_some());
    }
}
