//! Error reports reach an endpoint that is away, slow, or asks for patience: later, once, and without holding anything up.
#![expect(clippy::unwrap_used, reason = "a test that fails")]

mod support;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use golive_observe::{
    DeliverTestError, Envelope, deliver_test_error, parse_metrics_text, read_error_journal,
};
use support::endpoint::{Endpoint, Request};
use support::{Service, until};

/// The messages that were taken, in order.
fn taken(requests: &[Request]) -> Vec<String> {
    let taken = requests.iter().filter(|request| request.status == 200);
    let events = taken.flat_map(|request| Envelope::parse(&request.body).unwrap().events);
    events.map(|event| event.document["event_id"].as_str().unwrap().to_owned()).collect()
}

fn start(endpoint: &Endpoint, directory: &Path) -> Service {
    Service::start(&[
        format!("dsn={}", endpoint.dsn()),
        format!("journal={}", directory.join("errors.jsonl").display()),
        format!("spool={}", directory.join("spool").display()),
    ])
}

/// Those that are whole: one that is being written would be lost with its process.
fn spooled(directory: &Path) -> usize {
    let names = fs::read_dir(directory.join("spool")).into_iter().flatten().flatten();
    names.filter(|entry| entry.path().extension().is_some_and(|ending| ending == "envelope")).count()
}

fn total(service: &Service, name: &str) -> f64 {
    let samples = parse_metrics_text(&service.get("/metrics").text().unwrap()).unwrap();
    samples.iter().filter(|sample| sample.name == name).map(|sample| sample.value).sum()
}

#[test]
fn what_an_endpoint_missed_is_brought_once_when_it_is_back() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::start(0);
    let port = endpoint.port();
    let service = start(&endpoint, directory.path());
    drop(endpoint); // gone
    for path in ["/fail", "/panic", "/silent-failure"] {
        assert_eq!(service.get(path).status(), 500);
    }
    until("three reports wait on disk", || spooled(directory.path()) == 3);
    // Killed, not stopped: what waits on disk is brought by the next process.
    service.process.kill();
    let endpoint = Endpoint::start(port);
    let service = start(&endpoint, directory.path());
    until("all are taken", || taken(&endpoint.requests()).len() == 3);
    until("and wait no longer", || spooled(directory.path()) == 0);
    assert_eq!(total(&service, "error_events_sent_total"), 3.0);
    service.finish();
    let mut ids = taken(&endpoint.requests());
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3, "each of them once");
    assert_eq!(read_error_journal(directory.path().join("errors.jsonl")).unwrap().len(), 3);
}

#[test]
fn an_endpoint_that_asks_for_patience_is_left_alone_so_long() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::start(0);
    endpoint.answer(429, "retry-after: 8\r\n");
    let service = start(&endpoint, directory.path());
    service.get("/fail");
    until("the first report was put off", || spooled(directory.path()) == 1);
    let asked = Instant::now();
    endpoint.answer(200, "");
    service.get("/panic");
    until("the second waits without having been sent", || spooled(directory.path()) == 2);
    assert_eq!(endpoint.requests().len(), 1);
    until("both are taken", || taken(&endpoint.requests()).len() == 2);
    // The moment of the answer is a little before the one noted here.
    assert!(asked.elapsed() > Duration::from_secs(4), "{:?}", asked.elapsed());
    assert_eq!(total(&service, "error_events_lost_total"), 0.0);
    service.finish();
}

#[test]
fn a_slow_endpoint_holds_up_no_request_and_a_refusal_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::start(0);
    endpoint.hang(Duration::from_secs(8));
    let service = start(&endpoint, directory.path());
    let began = Instant::now();
    for _ in 0..20 {
        assert_eq!(service.get("/fail").status(), 500);
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let began = Instant::now();
    service.finish();
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());

    let endpoint = Endpoint::start(0);
    endpoint.answer(403, "");
    let service = start(&endpoint, directory.path());
    service.get("/fail");
    until("the refusal is counted", || total(&service, "error_events_lost_total") >= 1.0);
    service.finish();
    assert!(!read_error_journal(directory.path().join("errors.jsonl")).unwrap().is_empty());
}

#[test]
fn a_test_error_tells_whether_it_arrived() {
    let endpoint = Endpoint::start(0);
    let send = |dsn: String| deliver_test_error(&dsn.into(), "demo@1", "test", "token=PLANTED");
    let id = send(endpoint.dsn()).unwrap();
    let requests = endpoint.requests();
    assert_eq!(requests[0].path, "/api/7/envelope/");
    assert!(requests[0].headers["x-sentry-auth"].contains("sentry_key=0123456789abcdef0123456789abcdef"));
    assert_eq!(taken(&requests), [id]);
    assert!(!String::from_utf8_lossy(&requests[0].body).contains("PLANTED"));
    endpoint.answer(403, "");
    assert!(matches!(send(endpoint.dsn()), Err(DeliverTestError::Refused { status: 403, .. })));
    let address = endpoint.dsn();
    drop(endpoint);
    let error = send(address).unwrap_err();
    assert!(matches!(error, DeliverTestError::Unreachable { .. }));
    assert!(!format!("{error} {error:?}").contains("0123456789abcdef"), "the key is a secret: {error:?}");
    assert!(matches!(send("PLANTED".to_owned()), Err(DeliverTestError::Dsn)));
}
