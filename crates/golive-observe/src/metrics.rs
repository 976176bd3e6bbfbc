//! The numbers of a service: one set of OpenTelemetry instruments, read as Prometheus text and, when an endpoint is
//! configured, pushed over OTLP too. Labels come from route templates and fixed words, never from a caller.

mod lanes;
mod observed;

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{BoundCounter, BoundHistogram, Counter, Histogram, Meter, MeterProvider};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::TextEncoder;

use lanes::Lanes;

use crate::{process, scrub};

/// Bucket bounds in seconds that the semantic conventions prescribe for request durations.
const DURATION_BUCKETS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// Routes told apart; further ones count as `other`, so that nothing can grow without bound.
const MOST_ROUTES: usize = 500;

static METRICS: OnceLock<Metrics> = OnceLock::new();

/// The numbers of this process.
pub struct Metrics {
    registry: prometheus::Registry,
    provider: SdkMeterProvider,
    meter: Meter,
    routes: Mutex<HashSet<String>>,
    numbers: RwLock<HashMap<&'static str, &'static RouteNumbers>>,
    request_duration: Histogram<f64>,
    request_errors: Counter<u64>,
    cache_requests: Counter<u64>,
    error_events: Counter<u64>,
    suppressed_errors: Counter<u64>,
    sent_errors: Counter<u64>,
    lost_errors: Counter<u64>,
    alerts: Counter<u64>,
    page_loads: Histogram<f64>,
    browser_requests: Histogram<f64>,
    browser_errors: Counter<u64>,
    beacons: Counter<u64>,
    requests: Arc<Lanes>,
    backup_age: OnceLock<Box<dyn Fn() -> Option<f64> + Send + Sync>>,
}

thread_local! {
    /// The routes of this process that this thread has met: no request waits for another one to find its numbers.
    static KNOWN_ROUTES: RefCell<HashMap<&'static str, &'static RouteNumbers>> = RefCell::default();
}

/// What [`Metrics::route`] says of the numbers of the process.
#[cfg(feature = "axum")]
pub(crate) fn known_route(route: &str) -> (Cow<'static, str>, &'static RouteNumbers) {
    let known = KNOWN_ROUTES.try_with(|routes| routes.borrow().get(route).copied()).ok().flatten();
    if let Some(numbers) = known {
        return (Cow::Borrowed(&numbers.clean), numbers);
    }
    let (clean, numbers) = metrics().route(route);
    if &*numbers.route == route {
        // Those too many are no route's own, so that this is bounded, too.
        let _ending = KNOWN_ROUTES.try_with(|routes| routes.borrow_mut().insert(&numbers.route, numbers));
    }
    (clean, numbers)
}

/// The numbers of one route, found when a request comes. They are never given up: there are at most [`MOST_ROUTES`] and
/// one, and counting who uses them would make every request of a route write to one place.
pub(crate) struct RouteNumbers {
    /// As it stands in labels: `other` for a route too many.
    route: Box<str>,
    /// As it stands in log lines.
    clean: Box<str>,
    /// The first kind of answer met; each leads to the next. They are only added to, so that nobody takes a lock.
    answers: OnceLock<Box<Answer>>,
}

/// The numbers of one kind of answer of one route, found once and for all: a request pays for no search by labels.
struct Answer {
    method: &'static str,
    status: u16,
    duration: BoundHistogram<f64>,
    /// Of failures only.
    errors: Option<BoundCounter<u64>>,
    next: OnceLock<Box<Answer>>,
}

impl std::fmt::Debug for RouteNumbers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RouteNumbers").field("route", &self.route).finish_non_exhaustive()
    }
}

impl Answer {
    fn record(&self, seconds: f64) {
        self.duration.record(seconds);
        if let Some(errors) = &self.errors {
            errors.add(1);
        }
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// The state of a connection pool at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStatus {
    /// Connections that are open.
    pub size: u64,
    /// Of these, connections that nobody uses.
    pub idle: u64,
    /// Callers that wait for a connection.
    pub waiting: u64,
}

impl PoolStatus {
    /// A pool of `size` open connections, of which `idle` are free, with `waiting` callers in line.
    #[must_use]
    pub fn new(size: u64, idle: u64, waiting: u64) -> Self {
        Self { size, idle, waiting }
    }
}

/// The numbers of this process; usable before and without [`init`](crate::init).
pub fn metrics() -> &'static Metrics {
    METRICS.get_or_init(|| Metrics::build(SdkMeterProvider::builder()))
}

/// Everything as Prometheus text (version 0.0.4).
#[must_use]
pub fn metrics_text() -> String {
    metrics().text()
}

/// Builds the metrics of the process with readers of its own besides; without effect when they exist already.
pub(crate) fn install(builder: opentelemetry_sdk::metrics::MeterProviderBuilder) -> &'static Metrics {
    METRICS.get_or_init(|| Metrics::build(builder))
}

impl Metrics {
    fn build(builder: opentelemetry_sdk::metrics::MeterProviderBuilder) -> Self {
        let registry = prometheus::Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .without_target_info()
            .build()
            .expect("the registry is new, so nothing in it can clash");
        let provider = builder.with_reader(exporter).build();
        let meter = provider.meter("golive-observe");
        process::register(&meter);
        let counter =
            |name: &'static str, help: &'static str| meter.u64_counter(name).with_description(help).build();
        let histogram = |name: &'static str, help: &'static str| {
            let histogram = meter.f64_histogram(name).with_unit("s").with_description(help);
            histogram.with_boundaries(DURATION_BUCKETS.to_vec()).build()
        };
        let requests = Arc::new(Lanes::default());
        let active = Arc::clone(&requests);
        meter
            .i64_observable_up_down_counter("http.server.active_requests")
            .with_description("Requests being answered now.")
            .with_callback(move |observer| observer.observe(active.active(), &[]))
            .build();
        Self {
            routes: Mutex::default(),
            numbers: RwLock::default(),
            request_duration: histogram(
                "http.server.request.duration",
                "Time from the request's head to the response's head.",
            ),
            request_errors: counter(
                "http.server.errors",
                "Requests answered with a 5xx status or by a panic.",
            ),
            cache_requests: counter("cache.requests", "Lookups in a cache by result, hit or miss."),
            error_events: counter("error.events", "Error-level events and panics."),
            suppressed_errors: counter("error.events.suppressed", "Error events held back during a storm."),
            sent_errors: counter("error.events.sent", "Error events that the endpoint has taken."),
            lost_errors: counter(
                "error.events.lost",
                "Error events that could not be scrubbed, kept or delivered, by reason.",
            ),
            alerts: counter("alerts", "Alerts by channel and outcome: sent, retried, failed or dropped."),
            page_loads: histogram(
                "browser.page.load",
                "Time from navigation to the end of loading, as browsers tell.",
            ),
            browser_requests: histogram(
                "browser.request.duration",
                "Time of calls to the API, as browsers tell.",
            ),
            browser_errors: counter("browser.errors", "Uncaught errors in browsers."),
            beacons: counter(
                "browser.beacons",
                "Beacons by outcome: taken, malformed, too_large or limited.",
            ),
            requests,
            backup_age: OnceLock::new(),
            registry,
            provider,
            meter,
        }
    }

    /// Everything as Prometheus text (version 0.0.4).
    #[must_use]
    pub fn text(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }

    /// Counts a value that the cache had, as `cache_requests_total{result="hit"}`.
    pub fn cache_hit(&self) {
        self.cache_requests.add(1, &[KeyValue::new("result", "hit")]);
    }

    /// Counts a value that the cache did not have, as `cache_requests_total{result="miss"}`.
    pub fn cache_miss(&self) {
        self.cache_requests.add(1, &[KeyValue::new("result", "miss")]);
    }

    /// The name of a route for log lines, kept once for all requests, and its numbers.
    pub(crate) fn route(&self, route: &str) -> (Cow<'static, str>, &'static RouteNumbers) {
        let known = self.numbers.read().unwrap_or_else(PoisonError::into_inner).get(route).copied();
        let numbers = known.unwrap_or_else(|| self.new_route(self.bounded_route(route)));
        let clean = match &*numbers.route == route {
            true => Cow::Borrowed(&*numbers.clean),
            false => Cow::Owned(scrub::scrub(route).into_owned()),
        };
        (clean, numbers)
    }

    fn new_route(&self, label: String) -> &'static RouteNumbers {
        let mut all = self.numbers.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(label.as_str()) {
            return known;
        }
        let clean = scrub::scrub(&label).as_ref().into();
        let fresh = RouteNumbers { route: label.into(), clean, answers: OnceLock::new() };
        let numbers: &'static RouteNumbers = Box::leak(Box::new(fresh));
        all.insert(&numbers.route, numbers);
        numbers
    }

    /// Notes one answered request.
    pub(crate) fn record_request(
        &self,
        numbers: &RouteNumbers,
        method: &'static str,
        status: u16,
        seconds: f64,
    ) {
        let mut place = &numbers.answers;
        loop {
            let fresh = || Box::new(self.answer(method, numbers.route.to_string(), status));
            let answer = place.get_or_init(fresh);
            if answer.status == status && answer.method == method {
                answer.record(seconds);
                return;
            }
            place = &answer.next;
        }
    }

    fn answer(&self, method: &'static str, route: String, status: u16) -> Answer {
        let labels = [
            KeyValue::new("http.request.method", method),
            KeyValue::new("http.route", route.clone()),
            KeyValue::new("http.response.status_code", i64::from(status)),
        ];
        let errors = (status >= 500).then(|| {
            let labels = [KeyValue::new("http.route", route), KeyValue::new("error.type", i64::from(status))];
            self.request_errors.bind(&labels)
        });
        Answer {
            method,
            status,
            duration: self.request_duration.bind(&labels),
            errors,
            next: OnceLock::new(),
        }
    }

    /// Counts a request into the share that alerts go by. Probes and scrapes are not asked for: they would thin it out.
    pub(crate) fn count_request(&self, has_failed: bool) {
        self.requests.add_answered(has_failed);
    }

    pub(crate) fn add_active_requests(&self, change: i64) {
        self.requests.add_active(change);
    }

    pub(crate) fn count_error_event(&self) {
        self.error_events.add(1, &[]);
    }

    pub(crate) fn count_suppressed_error(&self) {
        self.suppressed_errors.add(1, &[]);
    }

    pub(crate) fn count_sent_error(&self) {
        self.sent_errors.add(1, &[]);
    }

    pub(crate) fn count_lost_error(&self, reason: &'static str) {
        self.lost_errors.add(1, &[KeyValue::new("reason", reason)]);
    }

    pub(crate) fn count_alert(&self, channel: &'static str, outcome: &'static str) {
        self.alerts.add(1, &[KeyValue::new("channel", channel), KeyValue::new("outcome", outcome)]);
    }

    /// All requests answered, probes left out, and how many of them with a 5xx status.
    pub(crate) fn request_totals(&self) -> (u64, u64) {
        self.requests.answered()
    }

    /// The age of the last good backup in seconds, where the service tells it; nothing inside while it is unknown.
    pub(crate) fn backup_age(&self) -> Option<Option<f64>> {
        self.backup_age.get().map(|read| read())
    }

    /// Notes how long a page took; `page` comes from outside and is told apart only as far as routes are.
    #[cfg(feature = "axum")]
    pub(crate) fn record_page_load(&self, page: &str, seconds: f64) {
        self.page_loads.record(seconds, &[KeyValue::new("page", self.bounded_route(page))]);
    }

    #[cfg(feature = "axum")]
    pub(crate) fn record_browser_request(&self, route: &str, seconds: f64) {
        self.browser_requests.record(seconds, &[KeyValue::new("route", self.bounded_route(route))]);
    }

    #[cfg(feature = "axum")]
    pub(crate) fn count_browser_error(&self) {
        self.browser_errors.add(1, &[]);
    }

    #[cfg(feature = "axum")]
    pub(crate) fn count_beacon(&self, outcome: &'static str) {
        self.beacons.add(1, &[KeyValue::new("outcome", outcome)]);
    }

    pub(crate) fn flush(&self) {
        // Nothing is lost for a scraper when the push fails; a down collector must not hold up the end.
        let _ = self.provider.force_flush();
    }

    fn bounded_route(&self, route: &str) -> String {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        if routes.contains(route) {
            return route.to_owned();
        }
        if routes.len() >= MOST_ROUTES {
            return "other".to_owned();
        }
        routes.insert(route.to_owned());
        route.to_owned()
    }
}

/// The resource that traces and pushed metrics belong to.
pub(crate) fn resource(service: &str, release: &str, environment: &str) -> Resource {
    let attributes = [
        KeyValue::new("service.version", release.to_owned()),
        KeyValue::new("deployment.environment.name", environment.to_owned()),
    ];
    Resource::builder().with_service_name(service.to_owned()).with_attributes(attributes).build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RedisInfo;

    fn fresh() -> Metrics {
        Metrics::build(SdkMeterProvider::builder())
    }

    #[test]
    fn names_follow_the_conventions() {
        let metrics = fresh();
        metrics.observe_pool(|| PoolStatus::new(5, 3, 1));
        metrics.observe_redis(|| true);
        metrics.observe_redis_info(|| {
            RedisInfo::parse(
                "used_memory:7\nmaxmemory:8\nconnected_clients:2\nevicted_keys:1\nkeyspace_hits:5\nkeyspace_misses:4",
            )
        });
        metrics.observe_backup_age(|| Some(12.0));
        metrics.cache_hit();
        metrics.cache_miss();
        let (_, numbers) = metrics.route("/entries/{id}");
        metrics.record_request(numbers, "GET", 200, 0.02);
        metrics.record_request(numbers, "GET", 503, 0.02);
        metrics.add_active_requests(1);
        metrics.count_error_event();
        let text = metrics.text();
        for line in [
            "# TYPE http_server_request_duration_seconds histogram",
            "http_route=\"/entries/{id}\",http_response_status_code=\"200\",le=\"0.025\"} 1",
            "# TYPE http_server_errors_total counter",
            "http_server_active_requests 1",
            "db_pool_size 5",
            "db_pool_idle 3",
            "db_pool_waiting 1",
            "redis_up 1",
            "redis_memory_used_bytes 7",
            "redis_memory_max_bytes 8",
            "redis_clients 2",
            "redis_keys_evicted_total 1",
            "redis_keyspace_hits_total 5",
            "redis_keyspace_misses_total 4",
            "backup_age_seconds 12",
            "cache_requests_total{result=\"hit\"} 1",
            "cache_requests_total{result=\"miss\"} 1",
            "error_events_total 1",
            "process_resident_memory_bytes ",
            "process_cpu_seconds_total ",
        ] {
            let parts: Vec<&str> = line.split(',').collect();
            assert!(
                text.lines().any(|found| parts.iter().all(|part| found.contains(part))),
                "{line}\n{text}"
            );
        }
        assert!(crate::parse_metrics_text(&text).unwrap().len() > 30);
    }

    #[test]
    fn routes_are_bounded() {
        let metrics = fresh();
        for number in 0..2 * MOST_ROUTES {
            let (name, numbers) = metrics.route(&format!("/{number}"));
            assert_eq!(*name, format!("/{number}"), "a log line tells it whatever its label is");
            metrics.record_request(numbers, "GET", 200, 0.0);
        }
        assert!(metrics.routes.lock().unwrap().len() <= MOST_ROUTES);
        assert!(metrics.numbers.read().unwrap().len() <= MOST_ROUTES + 1);
        assert!(metrics.text().contains("http_route=\"other\""));
    }
}
