//! The SARIF that we write is what the standard's own schema takes.

use golive_deploy::{
    AuditFile, AuditInputs, AuditKind, Finding, Severity, Waiver, audit_files, to_sarif, waive,
};
use serde_json::{Value, json};

const SCHEMA: &str = include_str!("../fixtures/sarif-schema-2.1.0.json");

fn findings() -> Vec<Finding> {
    let dockerfile =
        "FROM debian\n# golive: ignore DEP-112 -- the vendor signs it\nRUN curl https://x.test/i | sh\n";
    let inputs = AuditInputs::new([
        AuditFile::new(AuditKind::Dockerfile, "deploy/with space/Dockerfile", dockerfile),
        AuditFile::new(
            AuditKind::Nginx,
            "/etc/nginx/ü.conf",
            "server { listen 80; server_name localhost; }\n",
        ),
    ]);
    let mut findings = audit_files(&inputs);
    findings.push(Finding::new("APP-001", Severity::Note, "of the application's own", "do so"));
    let until = "2026-12-31".parse().expect("a day");
    waive(&mut findings, &[Waiver::new("DEP-104", "r.ortiz", "rebuilt next week", until)], until);
    findings
}

#[test]
fn it_fits_the_schema_and_says_where_what_and_why_not() {
    // A bracket too many in the published pattern of languages, which strict readers of patterns refuse.
    let schema: Value = serde_json::from_str(&SCHEMA.replace("{2}]?$", "{2}$")).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let findings = findings();
    let log = to_sarif(&findings, "golive.toml");
    let errors: Vec<String> = schema.iter_errors(&log).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let mut broken = log.clone();
    broken["runs"][0]["results"][0]["level"] = json!("fatal");
    assert!(!schema.is_valid(&broken), "the schema sees");

    let results = log["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), findings.len(), "also what does not count");
    let of = |id: &str| results.iter().find(|result| result["ruleId"] == id).unwrap();
    let place = |id: &str| &of(id)["locations"][0]["physicalLocation"];
    assert_eq!(of("DEP-112")["suppressions"][0]["kind"], "inSource");
    assert_eq!(of("DEP-104")["suppressions"][0]["kind"], "external");
    assert!(of("DEP-104")["suppressions"][0]["justification"].as_str().unwrap().contains("r.ortiz"));
    assert_eq!(of("DEP-301")["suppressions"], json!([]));
    assert_eq!(place("DEP-104")["artifactLocation"]["uri"], "deploy/with%20space/Dockerfile");
    assert_eq!(place("DEP-104")["region"], json!({ "startLine": 1, "startColumn": 6, "endColumn": 12 }));
    assert_eq!(place("DEP-301")["artifactLocation"]["uri"], "file:///etc/nginx/%C3%BC.conf");
    assert_eq!(place("APP-001")["artifactLocation"]["uri"], "golive.toml");
    let rule = usize::try_from(of("DEP-301")["ruleIndex"].as_u64().unwrap()).unwrap();
    assert_eq!(log["runs"][0]["tool"]["driver"]["rules"][rule]["id"], "DEP-301");
}
