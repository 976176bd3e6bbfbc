//! The alerting rules and the dashboard name only metrics that exist.

use std::collections::BTreeSet;

use golive_observe::{HealthChecks, PoolStatus, alert_rules, grafana_dashboard, metrics, metrics_text};

/// Words of an expression that look like a metric of ours: two parts or more, and no function or label.
fn names(text: &str) -> BTreeSet<String> {
    const PREFIXES: [&str; 11] = [
        "http_server_",
        "health_",
        "db_pool_",
        "redis_",
        "cache_requests",
        "backup_",
        "error_events",
        "process_",
        "browser_",
        "log_",
        "alerts_total",
    ];
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| PREFIXES.iter().any(|prefix| word.starts_with(prefix))).map(str::to_owned).collect()
}

#[test]
fn every_metric_in_rules_and_dashboard_is_exposed_under_that_name() {
    metrics().observe_pool(|| PoolStatus::new(1, 1, 0));
    metrics().observe_redis(|| true);
    metrics().observe_backup_age(|| Some(1.0));
    let _routes: axum::Router = HealthChecks::new().router();
    let text = metrics_text();
    // Counters and histograms appear with their first event; `service` and `prometheus` see them on the wire.
    let later = [
        "http_server_errors_total",
        "http_server_request_duration_seconds_bucket",
        "http_server_request_duration_seconds_count",
        "http_server_active_requests",
        "error_events_total",
        "error_events_suppressed_total",
        "error_events_lost_total",
        "cache_requests_total",
        "alerts_total",
        "log_lines_dropped_total",
        "browser_page_load_seconds_bucket",
    ];
    let dashboard: serde_json::Value = serde_json::from_str(grafana_dashboard()).unwrap();
    let expressions = dashboard["panels"].as_array().unwrap().iter().flat_map(|panel| {
        panel["targets"].as_array().unwrap().iter().map(|target| target["expr"].as_str().unwrap().to_owned())
    });
    let mut all = names(&expressions.collect::<Vec<_>>().join(" "));
    assert!(all.len() > 15, "{all:?}");
    all.extend(alert_rules().lines().filter(|line| !line.contains("http_route")).flat_map(names));
    for name in all {
        let is_exposed = text.lines().any(|line| line.starts_with(&name));
        assert!(is_exposed || later.contains(&name.as_str()), "{name} is not exposed");
    }
}
