//! Who and what a log line belongs to: the request's id, trace, client and user, kept on the request's span so that
//! everything below it inherits them. No HTTP types here; `request` reads and writes the headers.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrayvec::ArrayString;
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};
use tracing::Span;
use tracing_subscriber::Registry;
use tracing_subscriber::registry::LookupSpan;

use crate::layer::CONTEXT_TARGET;
use crate::scrub;

/// Longest client or user id that is kept, and longest request id that is taken over.
const LONGEST_ID_BYTES: usize = 128;
const LONGEST_REQUEST_ID_BYTES: usize = 64;

/// Who a request is of, where it is kept: memory of its own for each id would cost every request more than the id.
pub(crate) type KeptId = ArrayString<LONGEST_ID_BYTES>;

/// The id of a request.
pub(crate) type RequestId = ArrayString<LONGEST_REQUEST_ID_BYTES>;

thread_local! {
    static OPENING: RefCell<Option<Arc<RequestContext>>> = const { RefCell::new(None) };
}

/// What of `tracestate` is passed on at most; the recommendation asks for at least so much.
const MOST_STATE_MEMBERS: usize = 32;
const LONGEST_STATE_BYTES: usize = 512;

/// What is known about the request being answered.
#[derive(Debug)]
pub(crate) struct RequestContext {
    pub(crate) request_id: RequestId,
    pub(crate) trace: TraceParent,
    /// What other tracing systems noted in the trace, passed on as it came.
    pub(crate) trace_state: Option<String>,
    pub(crate) method: &'static str,
    pub(crate) route: Cow<'static, str>,
    identity: Mutex<Identity>,
    /// Zero until it is known.
    status: AtomicU16,
    has_reported_error: AtomicBool,
}

/// Whom the request was identified as.
#[derive(Debug, Default, Clone)]
pub(crate) struct Identity {
    pub(crate) client_id: Option<KeptId>,
    pub(crate) user_id: Option<KeptId>,
}

impl RequestContext {
    #[inline]
    pub(crate) fn new(
        request_id: RequestId,
        trace: TraceParent,
        method: &'static str,
        route: Cow<'static, str>,
    ) -> Self {
        Self {
            request_id,
            trace,
            trace_state: None,
            method,
            route,
            identity: Mutex::default(),
            status: AtomicU16::new(0),
            has_reported_error: AtomicBool::new(false),
        }
    }

    /// The same within a trace that other systems have noted something in.
    #[cfg(feature = "axum")]
    pub(crate) fn with_trace_state(mut self, trace_state: Option<String>) -> Self {
        self.trace_state = trace_state;
        self
    }

    /// Whom the request was identified as; hold it for as long as a line takes, and log nothing meanwhile.
    pub(crate) fn identity(&self) -> MutexGuard<'_, Identity> {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what the request was answered with.
    pub(crate) fn set_status(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    pub(crate) fn status(&self) -> Option<u16> {
        Some(self.status.load(Ordering::Relaxed)).filter(|status| *status != 0)
    }

    /// Notes that an error event was recorded under this request.
    pub(crate) fn note_error(&self) {
        self.has_reported_error.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_reported_error(&self) -> bool {
        self.has_reported_error.load(Ordering::Relaxed)
    }

    /// Opens the span of this request and puts the context on it, in one go where `layer` is there to take it.
    #[cfg(feature = "axum")]
    pub(crate) fn open_span(self: &Arc<Self>) -> Span {
        OPENING.with(|opening| *opening.borrow_mut() = Some(Arc::clone(self)));
        let span = tracing::info_span!(target: CONTEXT_TARGET, "request");
        if OPENING.with(|opening| opening.borrow_mut().take()).is_some() {
            self.attach(&span);
        }
        span
    }

    /// The context whose span is just being opened on this thread.
    pub(crate) fn opening() -> Option<Arc<Self>> {
        OPENING.try_with(|opening| opening.borrow_mut().take()).ok().flatten()
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
        Self::with_current(Arc::clone)
    }

    /// Calls with the context of the request being answered here, if there is one. Log nothing meanwhile: its span is held.
    fn with_current<T>(mut use_it: impl FnMut(&Arc<Self>) -> T) -> Option<T> {
        // By the id alone: a `Span::current()` would count a reference to the span up and down for nothing.
        tracing::dispatcher::get_default(|dispatch| {
            let registry = dispatch.downcast_ref::<Registry>()?;
            let span = registry.span(dispatch.current_span().id()?)?;
            span.scope().find_map(|span| span.extensions().get::<Arc<Self>>().map(&mut use_it))
        })
    }
}

/// Records whose request this is: from here on every log line, error event and span below the request carries
/// `client_id` and `user_id`.
///
/// Call it once the caller is authenticated. An empty text leaves the value as it was. Outside of a request it does
/// nothing.
pub fn identify(client_id: &str, user_id: &str) {
    // Before the lock: no more happens under it than has to.
    let [client_id, user_id] = [client_id, user_id].map(|value| scrub::global().scrub(value));
    RequestContext::with_current(|context| {
        let mut identity = context.identity();
        keep_id(&mut identity.client_id, &client_id);
        keep_id(&mut identity.user_id, &user_id);
    });
}

/// Written where it stays: a longer way would cost more than the id.
fn keep_id(kept: &mut Option<KeptId>, value: &str) {
    if value.is_empty() {
        return;
    }
    let kept = kept.insert(KeptId::new());
    let fits = kept.try_push_str(&value[..value.floor_char_boundary(LONGEST_ID_BYTES)]);
    debug_assert!(fits.is_ok(), "it was cut to what there is room for");
}

/// The headers that carry the current request on to another service: `x-request-id`, `traceparent` and, where the caller
/// sent one, `tracestate`. Empty outside of a request.
#[must_use]
pub fn outgoing_headers() -> Vec<(&'static str, String)> {
    let Some(context) = RequestContext::current() else { return Vec::new() };
    let trace_state = context.trace_state.clone().map(|state| ("tracestate", state));
    [("x-request-id", context.request_id.to_string()), ("traceparent", context.trace.to_string())]
        .into_iter()
        .chain(trace_state)
        .collect()
}

/// The id of the request being answered, for an error body that support can search for.
#[must_use]
pub fn current_request_id() -> Option<String> {
    RequestContext::current().map(|context| context.request_id.to_string())
}

/// A request id is taken over from a caller only if it is 8 to 64 letters, digits, `-` or `_` and no secret.
pub(crate) fn accept_request_id(candidate: &str) -> Option<RequestId> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let id = RequestId::from(candidate).ok().filter(|id| id.len() >= 8 && id.bytes().all(allowed))?;
    (scrub::global().scrub(candidate) == candidate).then_some(id)
}

/// A request id of our own making: 32 hexadecimal digits, told apart but not unguessable.
pub(crate) fn new_request_id() -> RequestId {
    RequestId::from(new_trace_id().as_str()).expect("it is shorter than one from a caller may be")
}

/// Drawn from a generator that each thread seeds once: asking the system for every request would cost as much as the
/// rest of its id.
fn new_trace_id() -> Hex<32> {
    Hex::of(RandomIdGenerator::default().new_trace_id().to_bytes())
}

fn new_span_id() -> Hex<16> {
    Hex::of(RandomIdGenerator::default().new_span_id().to_bytes())
}

/// `N` hexadecimal digits, lower case, where they are kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hex<const N: usize>([u8; N]);

impl<const N: usize> Hex<N> {
    /// The digits of these bytes, of which there are half as many.
    pub(crate) fn of<const BYTES: usize>(bytes: [u8; BYTES]) -> Self {
        const { assert!(BYTES * 2 == N, "two digits a byte") };
        let mut digits = [0; N];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
            pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
            pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
        }
        Self(digits)
    }

    /// Nothing unless it is exactly so many digits, lower case, as W3C Trace Context demands.
    fn parse(text: &[u8]) -> Option<Self> {
        let digits: [u8; N] = text.try_into().ok()?;
        // Without an early end, so that many digits are looked at together.
        let is_digit = |byte: u8| (byte.wrapping_sub(b'0') < 10) | (byte.wrapping_sub(b'a') < 6);
        digits.iter().fold(true, |all, digit| all & is_digit(*digit)).then_some(Self(digits))
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("digits are ASCII")
    }

    #[cfg(feature = "axum")]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn is_zero(&self) -> bool {
        self.0.iter().fold(0, |any, digit| any | (digit ^ b'0')) == 0
    }
}

impl<const N: usize> std::fmt::Debug for Hex<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads `tracestate`, which may come in several headers, as W3C Trace Context (3.3) has it; nothing if it is malformed
/// or too long. It is passed on and never logged.
pub(crate) fn accept_trace_state<'h>(headers: impl Iterator<Item = &'h str>) -> Option<String> {
    let members: Vec<&str> = headers
        .flat_map(|header| header.split(','))
        .map(str::trim)
        .filter(|member| !member.is_empty())
        .collect();
    let state = members.join(",");
    let is_key = |key: &str| {
        let allowed = |byte: u8| {
            byte.is_ascii_lowercase()
                || byte.is_ascii_digit()
                || matches!(byte, b'_' | b'-' | b'*' | b'/' | b'@')
        };
        (1..=256).contains(&key.len()) && key.bytes().all(allowed)
    };
    let is_value = |value: &str| {
        (1..=256).contains(&value.len())
            && value.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'=')
    };
    let is_member =
        |member: &&str| member.split_once('=').is_some_and(|(key, value)| is_key(key) && is_value(value));
    let is_fine = (1..=MOST_STATE_MEMBERS).contains(&members.len())
        && state.len() <= LONGEST_STATE_BYTES
        && members.iter().all(is_member);
    is_fine.then_some(state)
}

/// The position in a distributed trace, as in W3C Trace Context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TraceParent {
    pub(crate) trace_id: Hex<32>,
    pub(crate) span_id: Hex<16>,
    pub(crate) sampled: bool,
}

impl TraceParent {
    /// Reads a `traceparent` header; nothing if it is malformed, as the recommendation demands.
    pub(crate) fn parse(header: &str) -> Option<Self> {
        // The parts stand at fixed places: `00-` 32 digits `-` 16 digits `-` two digits, and later versions may go on.
        let header = header.trim().as_bytes();
        let part = |from: usize, to: usize| header.get(from..to);
        let is_dash = |at: usize| header.get(at) == Some(&b'-');
        let version = Hex::<2>::parse(part(0, 2)?)?;
        let trace_id = Hex::parse(part(3, 35)?)?;
        let span_id = Hex::parse(part(36, 52)?)?;
        let flags = Hex::<2>::parse(part(53, 55)?)?;
        let ends = header.len() == 55 || (is_dash(55) && !version.is_zero());
        let is_known = version.0 != *b"ff" && is_dash(2) && is_dash(35) && is_dash(52) && ends;
        if !is_known || trace_id.is_zero() || span_id.is_zero() {
            return None;
        }
        // The lowest bit of the last digit.
        let sampled = matches!(flags.0[1], b'1' | b'3' | b'5' | b'7' | b'9' | b'b' | b'd' | b'f');
        Some(Self { trace_id, span_id, sampled })
    }

    /// The start of a new trace.
    pub(crate) fn start() -> Self {
        Self { trace_id: new_trace_id(), span_id: new_span_id(), sampled: true }
    }

    /// The same trace, one step further: what this service tells those it calls.
    pub(crate) fn child(&self) -> Self {
        Self { span_id: new_span_id(), ..self.clone() }
    }
}

impl std::fmt::Display for TraceParent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace_id.as_str(), self.span_id.as_str(), u8::from(self.sampled))
    }
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
    fn an_id_that_is_too_long_is_cut_between_characters() {
        let mut kept = None;
        keep_id(&mut kept, &format!("x{}", "\u{fc}".repeat(LONGEST_ID_BYTES)));
        let expected = format!("x{}", "\u{fc}".repeat((LONGEST_ID_BYTES - 1) / 2));
        assert_eq!(kept.as_deref(), Some(expected.as_str()));
        keep_id(&mut kept, "");
        assert_eq!(kept.as_deref(), Some(expected.as_str()), "an empty one says nothing");
    }

    #[test]
    fn trace_states_are_passed_on_as_they_came_or_not_at_all() {
        let accept = |headers: &[&str]| accept_trace_state(headers.iter().copied());
        assert_eq!(
            accept(&["rojo=00f067aa0ba902b7, congo=t61rcWkgMzE"]).unwrap(),
            "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"
        );
        assert_eq!(accept(&["a=1", "tenant@b=2,,"]).unwrap(), "a=1,tenant@b=2");
        let many = (0..33).map(|number| format!("k{number}=v")).collect::<Vec<_>>().join(",");
        for bad in [
            "",
            "novalue",
            "=x",
            "A=x",
            "a=",
            "a=b=c",
            "a=\u{e9}",
            "a=x\ny",
            &many,
            &format!("a={}", "x".repeat(600)),
        ] {
            assert_eq!(accept(&[bad]), None, "{bad:?}");
        }
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
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736+00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
        ] {
            assert_eq!(TraceParent::parse(bad), None, "{bad}");
        }
        let later = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more";
        assert_eq!(TraceParent::parse(later), Some(parsed), "of a later version what is known is taken");
        assert!(TraceParent::parse(&TraceParent::start().to_string()).is_some());
    }
}
