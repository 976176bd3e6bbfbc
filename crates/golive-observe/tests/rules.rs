//! The alerting rules name only metrics that exist.

use golive_observe::{HealthChecks, PoolStatus, alert_rules, metrics, metrics_text};

#[test]
fn every_metric_in_the_rules_is_exposed_under_that_name() {
    metrics().observe_pool(|| PoolStatus::new(1, 1, 0));
    metrics().observe_redis(|| true);
    metrics().observe_backup_age(|| Some(1.0));
    let _routes: axum::Router = HealthChecks::new().router();
    let text = metrics_text();
    for name in [
        "health_ready_consecutive_failures",
        "db_pool_waiting",
        "db_pool_idle",
        "redis_up",
        "backup_age_seconds",
    ] {
        assert!(alert_rules().contains(name), "{name} is not in the rules");
        assert!(text.lines().any(|line| line.starts_with(name)), "{name} is not exposed");
    }
    // Counters and histograms that appear with the first request or error; `service` sees them on the wire.
    for name in
        ["http_server_errors_total", "http_server_request_duration_seconds_bucket", "error_events_lost_total"]
    {
        assert!(alert_rules().contains(name), "{name}");
    }
}
