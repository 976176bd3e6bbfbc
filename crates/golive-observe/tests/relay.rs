//! The error events that leave are what Sentry's own Relay takes: its Python package reads them and finds nothing wrong.
#![expect(clippy::unwrap_used, reason = "a test that fails")]

mod support;

use std::path::{Path, PathBuf};
use std::time::Duration;

use golive_sandbox::{ProcessSpec, Sink, python_with, run_to_end};
use serde_json::Value;
use support::{OWN_SECRET, Service, events};

/// What pip brings, once.
const PACKAGE: &str = "sentry-relay==0.10.1";
const PATIENCE: Duration = Duration::from_secs(300);

/// A Python with Relay's package, under `target`.
fn python() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers/sentry-relay");
    python_with(&folder, PACKAGE).unwrap()
}

/// What Relay says of each of these documents.
fn relay(documents: &[Value]) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/relay.py");
    let input: String = documents.iter().map(|document| format!("{document}\n")).collect();
    let finished = run_to_end(ProcessSpec::new(python()).argument(script).input(input), PATIENCE).unwrap();
    assert!(finished.status.success(), "{}", finished.output);
    let said: Vec<Value> = finished.output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(said.len(), documents.len(), "{}", finished.output);
    said
}

#[test]
fn relay_takes_every_event_and_finds_nothing_wrong() {
    let sink = Sink::start().unwrap();
    let dsn = format!("dsn=http://0123456789abcdef0123456789abcdef@127.0.0.1:{}/7", sink.port());
    let service = Service::start(&[dsn]);
    let callers_secret = "PlantedCallersSecret4711";
    for path in ["/fail", "/panic", "/silent-failure"] {
        assert_eq!(service.get(path).status(), 500);
    }
    let leaked = service
        .client
        .get(service.url(&format!("/leak?token={callers_secret}")))
        .header("authorization", format!("Bearer {callers_secret}"))
        .send()
        .unwrap();
    assert!(leaked.status().as_u16() >= 200);
    service.finish();
    let documents: Vec<Value> =
        events(&sink.received()).into_iter().map(|event| event.document.clone()).collect();
    assert!(documents.len() >= 3, "{}", documents.len());

    let said = relay(&documents);
    for (said, document) in said.iter().zip(&documents) {
        assert_eq!(said["wrong"], Value::Array(Vec::new()), "{document}");
        let event = &said["event"];
        assert_eq!(
            (&event["release"], &event["environment"]),
            (&"observed-service@1.2.3".into(), &"test".into())
        );
        assert_eq!(event["fingerprint"], document["fingerprint"]);
        assert!(event["tags"]["request_id"].is_string(), "{event}");
        let whole = format!("{said} {document}");
        assert!(!whole.contains(OWN_SECRET) && !whole.contains(callers_secret), "{whole}");
    }
    let panic = said.iter().find(|said| said["event"]["exceptions"][0] == "panic").unwrap();
    assert_eq!(panic["event"]["level"], "fatal");
    let failed = said.iter().find(|said| said["event"]["exceptions"][1] == "SaveFailed").unwrap();
    assert_eq!(failed["event"]["level"], "error");
}

#[test]
fn relay_would_find_what_is_wrong() {
    let mut broken = vec![serde_json::json!({ "level": "loud", "timestamp": "never" })];
    broken.push(serde_json::json!({ "fingerprint": { "a": 1 }, "user": 7 }));
    for said in relay(&broken) {
        assert!(!said["wrong"].as_array().unwrap().is_empty(), "{said}");
    }
}
