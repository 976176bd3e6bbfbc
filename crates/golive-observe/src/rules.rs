//! The alerting rules and the dashboard that go with the metrics. The files are the source; the tests hold the names in
//! them against the metrics, and ask a Prometheus server.

/// Alerting rules for Prometheus, ready to be written to a file: readiness failed three times in a row, error rate,
/// p95, pool, Redis, backup age, lost errors and undelivered alerts. `promtool check rules` accepts them.
#[must_use]
pub fn alert_rules() -> &'static str {
    include_str!("alert_rules.yml")
}

/// A Grafana dashboard over the same metrics, ready to be imported: requests, errors, latency, pool, Redis, cache, backup,
/// browsers, the process, and what observation itself lost.
#[must_use]
pub fn grafana_dashboard() -> &'static str {
    include_str!("dashboard.json")
}
