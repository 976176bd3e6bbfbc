//! What browsers tell: how long pages and calls took, and errors that nobody caught. It comes from anybody, so it is bounded
//! in size, number, rate and in the labels it can make, and scrubbed like everything else. Nothing here believes it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::routing::post;
use serde::Deserialize;

use crate::metrics::metrics;

/// Largest beacon, and how much one may hold.
const LARGEST_BYTES: usize = 16 << 10;
const MOST_REQUESTS: usize = 50;
const MOST_ERRORS: usize = 5;
const LONGEST_TEXT_CHARS: usize = 2000;

/// Longest time that is believed: a tablet that slept overnight is no slow page.
const LONGEST_MILLISECONDS: f64 = 120_000.0;

/// Beacons, and errors in them that are reported, from all browsers together: so many a second, and so many at once.
const BEACONS: Rate = Rate { per_second: 50.0, at_once: 200.0 };
const ERRORS: Rate = Rate { per_second: 0.5, at_once: 10.0 };

/// A route that takes beacons: `POST /beacon`, for `navigator.sendBeacon("/beacon", JSON.stringify({…}))`.
///
/// The document, all parts of which may be left out:
///
/// ```json
/// {
///   "page": "/orders/:id",
///   "load_ms": 812,
///   "requests": [{ "route": "/api/orders/17", "ms": 35 }],
///   "errors": [{ "message": "x is undefined", "source": "app.js", "line": 3, "stack": "…" }]
/// }
/// ```
///
/// Pages and routes are cut down to their shape (numbers and ids become `:id`, the query goes) and at most 500 are told
/// apart. At most 16 KiB, 50 requests and 5 errors a beacon, and 50 beacons a second from all browsers together (answered
/// 429 beyond). Errors become error events like the service's own, one every two seconds at most.
pub fn beacon_router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let limits = Arc::new(Limits { beacons: Bucket::new(BEACONS), errors: Bucket::new(ERRORS) });
    let take = move |body: Result<Bytes, BytesRejection>| std::future::ready(take(body, &limits));
    Router::new().route("/beacon", post(take)).layer(DefaultBodyLimit::max(LARGEST_BYTES))
}

struct Limits {
    beacons: Bucket,
    errors: Bucket,
}

/// A browser reads no answer to a beacon; the status is for whoever looks for what is wrong.
fn take(body: Result<Bytes, BytesRejection>, limits: &Limits) -> StatusCode {
    let now = Instant::now();
    let (status, outcome) = if !limits.beacons.admits(now) {
        (StatusCode::TOO_MANY_REQUESTS, "limited")
    } else {
        match body.map(|body| serde_json::from_slice::<Beacon>(&body)) {
            Ok(Ok(beacon)) => {
                note(&beacon, &limits.errors, now);
                (StatusCode::NO_CONTENT, "taken")
            }
            Ok(Err(_)) => (StatusCode::BAD_REQUEST, "malformed"),
            Err(_) => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
        }
    };
    metrics().count_beacon(outcome);
    status
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Beacon {
    page: String,
    load_ms: Option<f64>,
    requests: Vec<ApiRequest>,
    errors: Vec<BrowserError>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ApiRequest {
    route: String,
    ms: f64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct BrowserError {
    message: String,
    source: String,
    line: u32,
    stack: String,
}

fn note(beacon: &Beacon, errors: &Bucket, now: Instant) {
    let page = shape(&beacon.page);
    if let Some(seconds) = beacon.load_ms.and_then(seconds) {
        metrics().record_page_load(&page, seconds);
    }
    for request in beacon.requests.iter().take(MOST_REQUESTS) {
        if let Some(seconds) = seconds(request.ms) {
            metrics().record_browser_request(&shape(&request.route), seconds);
        }
    }
    for error in beacon.errors.iter().take(MOST_ERRORS) {
        metrics().count_browser_error();
        if errors.admits(now) {
            let cut = |text: &str| text.chars().take(LONGEST_TEXT_CHARS).collect::<String>();
            let (message, source, stack) = (cut(&error.message), cut(&error.source), cut(&error.stack));
            let line = error.line;
            tracing::error!(target: "golive_observe::browser", page, source, line, stack, "in a browser: {message}");
        }
    }
}

fn seconds(milliseconds: f64) -> Option<f64> {
    (0.0..=LONGEST_MILLISECONDS).contains(&milliseconds).then_some(milliseconds / 1000.0)
}

/// A path without what changes in it: its query and its ids.
fn shape(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let mut shape = String::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty()).take(6) {
        let is_word = segment.len() <= 32
            && segment
                .bytes()
                .all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_' | b'.' | b':'));
        shape.push('/');
        shape.push_str(if is_word { segment } else { ":id" });
    }
    if shape.is_empty() { "/".to_owned() } else { shape }
}

#[derive(Clone, Copy)]
struct Rate {
    per_second: f64,
    at_once: f64,
}

/// A token bucket.
struct Bucket {
    rate: Rate,
    state: Mutex<Option<(f64, Instant)>>,
}

impl Bucket {
    fn new(rate: Rate) -> Self {
        Self { rate, state: Mutex::new(None) }
    }

    fn admits(&self, now: Instant) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, since) = state.unwrap_or((self.rate.at_once, now));
        let earned = now.saturating_duration_since(since).as_secs_f64() * self.rate.per_second;
        let tokens = (tokens + earned).min(self.rate.at_once);
        let is_admitted = tokens >= 1.0;
        *state = Some((tokens - f64::from(u8::from(is_admitted)), now));
        is_admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn paths_are_cut_down_to_their_shape() {
        for (path, expected) in [
            ("/orders/17?token=x", "/orders/:id"),
            ("/orders?token=x#top", "/orders"),
            ("/api/clients/ACME-2024/lines", "/api/clients/:id/lines"),
            ("", "/"),
            ("/a/b/c/d/e/f/g/h", "/a/b/c/d/e/f"),
            ("/\u{202e}x/<script>", "/:id/:id"),
            (&"/x".repeat(10_000), "/x/x/x/x/x/x"),
        ] {
            assert_eq!(shape(path), expected);
        }
    }

    #[test]
    fn times_that_cannot_be_are_left_out() {
        assert_eq!(seconds(812.0), Some(0.812));
        assert!([-1.0, f64::NAN, f64::INFINITY, 1e9].into_iter().all(|wrong| seconds(wrong).is_none()));
    }

    #[test]
    fn a_rate_is_kept_to() {
        let start = Instant::now();
        let bucket = Bucket::new(Rate { per_second: 2.0, at_once: 3.0 });
        let admitted = |at: Instant| (0..10).filter(|_| bucket.admits(at)).count();
        assert_eq!(admitted(start), 3);
        assert_eq!(admitted(start + Duration::from_secs(1)), 2);
        assert_eq!(admitted(start + Duration::from_secs(100)), 3);
    }
}
