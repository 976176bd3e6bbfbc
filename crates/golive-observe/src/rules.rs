//! The alerting rules that go with the metrics. The file is the source; names in it are tested against the metrics.

/// Alerting rules for Prometheus, ready to be written to a file: readiness failed three times in a row, error rate,
/// p95, pool, Redis, backup age, lost errors and undelivered alerts. `promtool check rules` accepts them.
#[must_use]
pub fn alert_rules() -> &'static str {
    include_str!("alert_rules.yml")
}
