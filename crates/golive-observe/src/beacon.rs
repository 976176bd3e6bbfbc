//! What browsers tell: how long pages and calls took, and errors that nobody caught. It comes from anybody, so it is bounded
//! in size, number, rate and in the labels it can make, and scrubbed like everything else. Nothing here believes it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::routing::post;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use serde::Deserialize;

use crate::metrics::metrics;

/// Largest beacon, and how much one may hold.
const LARGEST_BYTES: usize = 16 << 10;
const MOST_REQUESTS: usize = 50;
const MOST_ERRORS: usize = 5;
const LONGEST_TEXT_CHARS: usize = 2000;

/// Longest time that is believed: a tablet that slept overnight is no slow page.
const LONGEST_MILLISECONDS: f64 = 120_000.0;

/// Beacons, and errors in them that are reported, from all browsers together: one each so often, and so many at once.
const BEACON_EVERY: Duration = Duration::from_millis(20);
const BEACONS_AT_ONCE: NonZeroU32 = NonZeroU32::new(200).expect("it is not zero");
const ERROR_EVERY: Duration = Duration::from_secs(2);
const ERRORS_AT_ONCE: NonZeroU32 = NonZeroU32::new(10).expect("it is not zero");

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
    let beacons = RateLimiter::direct(quota(BEACON_EVERY, BEACONS_AT_ONCE));
    let errors = RateLimiter::direct(quota(ERROR_EVERY, ERRORS_AT_ONCE));
    let limits = Arc::new(Limits { beacons, errors });
    let take = move |body: Result<Bytes, BytesRejection>| std::future::ready(take(body, &limits));
    Router::new().route("/beacon", post(take)).layer(DefaultBodyLimit::max(LARGEST_BYTES))
}

struct Limits {
    beacons: DefaultDirectRateLimiter,
    errors: DefaultDirectRateLimiter,
}

fn quota(every: Duration, at_once: NonZeroU32) -> Quota {
    Quota::with_period(every).expect("a period is longer than nothing").allow_burst(at_once)
}

/// A browser reads no answer to a beacon; the status is for whoever looks for what is wrong.
fn take(body: Result<Bytes, BytesRejection>, limits: &Limits) -> StatusCode {
    let (status, outcome) = if limits.beacons.check().is_err() {
        (StatusCode::TOO_MANY_REQUESTS, "limited")
    } else {
        match body.map(|body| serde_json::from_slice::<Beacon>(&body)) {
            Ok(Ok(beacon)) => {
                note(&beacon, &limits.errors);
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

fn note(beacon: &Beacon, errors: &DefaultDirectRateLimiter) {
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
        if errors.check().is_ok() {
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

#[cfg(test)]
mod tests {
    use super::*;

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
        let clock = governor::clock::FakeRelativeClock::default();
        let at_once = NonZeroU32::new(3).unwrap();
        let limiter =
            RateLimiter::direct_with_clock(quota(Duration::from_millis(500), at_once), clock.clone());
        let admitted = || (0..10).filter(|_| limiter.check().is_ok()).count();
        assert_eq!(admitted(), 3);
        clock.advance(Duration::from_secs(1));
        assert_eq!(admitted(), 2);
        clock.advance(Duration::from_secs(100));
        assert_eq!(admitted(), 3);
    }
}
