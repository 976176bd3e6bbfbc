//! Findings as SARIF 2.1.0 (OASIS), for code scanning. No rule is decided here.

use serde_json::{Value, json};

use crate::explain::rules;
use crate::finding::{Finding, Severity};
use crate::suppress::Suppression;

/// A SARIF log with one run. Paths below the working directory are relative to `%SRCROOT%`; a finding that stands in no
/// file is put at `fallback`, as scanners drop results without a place.
///
/// ```
/// let findings = golive_deploy::audit_dockerfile("Dockerfile", "FROM debian\n");
/// let log = golive_deploy::to_sarif(&findings, "golive.toml");
/// assert_eq!(log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"], 1);
/// ```
pub fn to_sarif(findings: &[Finding], fallback: &str) -> Value {
    let descriptors: Vec<Value> = rules()
        .map(|rule| {
            json!({
                "id": rule.id,
                "shortDescription": { "text": rule.title },
                "fullDescription": { "text": rule.why },
                "help": { "text": rule.remedy },
                "defaultConfiguration": { "level": rule.severity.as_str() },
                "properties": { "since": rule.since },
            })
        })
        .collect();
    let results: Vec<Value> = findings.iter().map(|finding| result(finding, fallback)).collect();
    json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "golive",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": descriptors,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn result(finding: &Finding, fallback: &str) -> Value {
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let file = finding.file.as_deref().unwrap_or(fallback);
    let mut place = json!({ "artifactLocation": location(file) });
    if let Some(line) = finding.line {
        place["region"] = match finding.span {
            Some(span) => json!({
                "startLine": line,
                "startColumn": span.column,
                "endColumn": span.column.saturating_add(span.length),
            }),
            None => json!({ "startLine": line }),
        };
    }
    let suppressions: Vec<Value> = finding.suppression.iter().map(suppression).collect();
    let mut result = json!({
        "ruleId": finding.id,
        "level": level,
        "kind": "fail",
        "message": { "text": format!("{}; {}", finding.message, finding.remedy) },
        "locations": [{ "physicalLocation": place }],
        // Not the line: what stands above a finding does not make it another one.
        "partialFingerprints": { "golive/v1": format!("{}|{file}|{}", finding.id, finding.message) },
        "suppressions": suppressions,
    });
    if let Some(index) = rules().position(|rule| rule.id == finding.id) {
        result["ruleIndex"] = json!(index);
    }
    result
}

fn location(file: &str) -> Value {
    let absolute = std::path::Path::new("/").join(file);
    let uri = url::Url::from_file_path(absolute).map(|url| url.path().to_owned()).unwrap_or_default();
    if file.starts_with('/') {
        json!({ "uri": format!("file://{uri}") })
    } else {
        json!({ "uri": uri.trim_start_matches('/'), "uriBaseId": "%SRCROOT%" })
    }
}

fn suppression(suppression: &Suppression) -> Value {
    let kind = if matches!(suppression, Suppression::Ignored { .. }) { "inSource" } else { "external" };
    json!({ "kind": kind, "status": "accepted", "justification": suppression.text() })
}
