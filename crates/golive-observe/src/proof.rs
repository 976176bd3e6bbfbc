//! Looks at what a service put out and says whether it is what was promised: for proofs of any service, also one that
//! does not use this crate. Pure; fetching is the caller's.

use serde_json::Value;

use crate::health::{HealthReport, HealthStatus};

/// What every log line under an authenticated request must carry.
const REQUIRED: [&str; 7] = ["timestamp", "level", "target", "message", "request_id", "client_id", "user_id"];

const LEVELS: [&str; 5] = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"];

/// What a log line lacks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read the log line: missing or malformed: {}", fields.join(", "))]
#[non_exhaustive]
pub struct MissingFields {
    /// The fields that are missing, empty or malformed; `json` alone when the line is no JSON object.
    pub fields: Vec<&'static str>,
}

/// Is this a structured log line of an authenticated request: a JSON object whose timestamp (RFC 3339), level, target,
/// message, `request_id`, `client_id` and `user_id` stand at the top?
///
/// # Errors
/// Names what is missing.
pub fn check_log_line(line: &str) -> Result<(), MissingFields> {
    let Ok(Value::Object(members)) = serde_json::from_str(line) else {
        return Err(MissingFields { fields: vec!["json"] });
    };
    let is_good = |name: &&str| {
        let text = members.get(*name).and_then(Value::as_str).unwrap_or_default();
        match *name {
            "timestamp" => chrono::DateTime::parse_from_rfc3339(text).is_ok(),
            "level" => LEVELS.contains(&text.to_ascii_uppercase().as_str()),
            _ => !text.is_empty(),
        }
    };
    let fields: Vec<&'static str> = REQUIRED.into_iter().filter(|name| !is_good(name)).collect();
    if fields.is_empty() { Ok(()) } else { Err(MissingFields { fields }) }
}

/// Why a document is no health report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidHealthDocument {
    /// A part is missing or of another type.
    #[error(
        "read the health document: {reason}; it must be {{status, checks: [{{name, status, milliseconds}}]}}"
    )]
    Shape {
        /// What was found.
        reason: String,
    },
    /// A check is worse than the whole claims to be.
    #[error("read the health document: it says {status:?} although check {check} is worse")]
    Hides {
        /// What the document claims.
        status: HealthStatus,
        /// The check that contradicts it.
        check: String,
    },
    /// A check took no time that could be measured, or a negative one.
    #[error("read the health document: check {check} has no valid time in milliseconds")]
    Time {
        /// The check.
        check: String,
    },
}

/// Reads a health document and refuses one that contradicts itself: up or degraded while a check is worse.
///
/// # Errors
/// See [`InvalidHealthDocument`].
pub fn check_health_document(document: &Value) -> Result<HealthReport, InvalidHealthDocument> {
    let report: HealthReport = serde_json::from_value(document.clone())
        .map_err(|error| InvalidHealthDocument::Shape { reason: error.to_string() })?;
    for check in &report.checks {
        if !check.milliseconds.is_finite() || check.milliseconds < 0.0 {
            return Err(InvalidHealthDocument::Time { check: check.name.clone() });
        }
        if check.status > report.status {
            return Err(InvalidHealthDocument::Hides { status: report.status, check: check.name.clone() });
        }
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_log_line_needs_every_field_at_the_top() {
        let mut line = json!({
            "timestamp": "2026-11-22T20:00:00.5Z", "level": "INFO", "target": "app", "message": "saved",
            "request_id": "r", "client_id": "c", "user_id": "u",
        });
        assert_eq!(check_log_line(&line.to_string()), Ok(()));
        line["timestamp"] = json!("yesterday");
        line["user_id"] = json!("");
        line.as_object_mut().unwrap().remove("client_id");
        let missing = check_log_line(&line.to_string()).unwrap_err();
        assert_eq!(missing.fields, ["timestamp", "client_id", "user_id"]);
        assert_eq!(check_log_line("INFO saved").unwrap_err().fields, ["json"]);
    }

    #[test]
    fn a_health_document_must_not_contradict_itself() {
        let check = |status: &str| json!({"name": "database", "status": status, "milliseconds": 1.5});
        let good = json!({"status": "degraded", "checks": [check("up"), check("degraded")]});
        assert_eq!(check_health_document(&good).unwrap().status, HealthStatus::Degraded);
        let lying = json!({"status": "up", "checks": [check("down")]});
        assert!(matches!(check_health_document(&lying), Err(InvalidHealthDocument::Hides { .. })));
        let timeless =
            json!({"status": "up", "checks": [{"name": "x", "status": "up", "milliseconds": -1.0}]});
        assert!(matches!(check_health_document(&timeless), Err(InvalidHealthDocument::Time { .. })));
        assert!(matches!(
            check_health_document(&json!({"ok": true})),
            Err(InvalidHealthDocument::Shape { .. })
        ));
    }
}
