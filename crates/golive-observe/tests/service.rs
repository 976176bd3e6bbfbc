//! The whole crate inside a running service: what it logs, reports, alerts, exports and answers, seen from outside.
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail like the test itself")]

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use golive_observe::{
    HealthStatus, check_health_document, check_log_line, parse_metrics_text, read_error_journal,
};
use golive_sandbox::{Sink, free_port};
use serde_json::Value;

mod support;

use support::{OWN_SECRET, Service, events, lines, to, until};

/// A caller's secret: known only by the names and shapes around it.
const CALLERS_SECRET: &str = "PlantedCallersSecret4711";

fn destinations(sink: &Sink) -> Vec<String> {
    let (url, port) = (sink.url(), sink.port());
    vec![
        format!("dsn=http://0123456789abcdef0123456789abcdef@127.0.0.1:{port}/7"),
        format!("webhook={url}/alert"),
        format!("otlp={url}"),
        // Of the rules over shares `alerts` knows; here they would tell of failures made on purpose.
        "look_every_ms=3600000".to_owned(),
    ]
}

#[test]
fn every_line_of_a_request_says_whose_it_is() {
    let service = Service::start(&[]);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let response = service
        .client
        .get(service.url("/orders/17?password=PlantedInQuery"))
        .header("x-request-id", "probe-0001")
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))
        .send()
        .unwrap();
    assert_eq!(response.headers()["x-request-id"], "probe-0001");
    let refused =
        service.client.get(service.url("/orders/18")).header("x-request-id", "a b;c").send().unwrap();
    let made = refused.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert!(made.len() == 32 && made.bytes().all(|byte| byte.is_ascii_hexdigit()), "{made}");

    let output = service.finish();
    assert!(!output.contains("PlantedInQuery") && !output.contains("a b;c"), "{output}");
    let found: Vec<Value> =
        lines(&output).into_iter().filter(|line| line["request_id"] == "probe-0001").collect();
    let messages: Vec<&str> = found.iter().filter_map(|line| line["message"].as_str()).collect();
    assert_eq!(messages, ["order read", "read by another task", "request answered"]);
    for line in &found {
        check_log_line(&line.to_string()).unwrap();
        assert_eq!((&line["client_id"], &line["user_id"]), (&"ACME-MFG".into(), &"operator1".into()));
        assert_eq!(line["trace_id"], trace);
        assert_eq!(line["span_fields"]["http.route"], "/orders/{id}");
    }
    assert_eq!(found[0]["fields"]["order"], 17);
    assert_eq!(found[2]["fields"]["status"], 200);
    assert_eq!(lines(&output).iter().filter(|line| line["request_id"] == made.as_str()).count(), 3);
}

#[test]
fn a_quiet_level_does_not_lose_the_request() {
    let service = Service::start(&["level=error".to_owned()]);
    assert_eq!(service.get("/orders/1").status(), 200);
    assert_eq!(service.get("/fail").status(), 500);
    let output = service.finish();
    let lines = lines(&output);
    assert_eq!(lines.len(), 1, "{output}");
    check_log_line(&lines[0].to_string()).unwrap();
}

#[test]
fn errors_are_tracked_grouped_and_told_once() {
    let sink = Sink::start().unwrap();
    let service = Service::start(&destinations(&sink));
    for _ in 0..30 {
        assert_eq!(service.get("/fail").status(), 500);
    }
    let panicked = service.get("/panic");
    assert_eq!(panicked.status(), 500);
    let body: Value = serde_json::from_str(&panicked.text().unwrap()).unwrap();
    assert_eq!(service.get("/silent-failure").status(), 500);
    assert_eq!(service.get("/orders/1").status(), 200);
    let text = service.get("/metrics").text().unwrap();
    assert!(text.contains("error_events_total 32"), "{text}");
    assert!(text.contains("error_events_suppressed_total 25"), "{text}");
    assert!(text.contains("http_server_errors_total{error_type=\"500\",http_route=\"/fail\"} 30"), "{text}");
    let output = service.finish();

    let received = sink.received();
    let events = events(&received);
    let failures: Vec<_> = events.iter().filter(|event| event.message == "order lost").collect();
    assert_eq!(failures.len(), 5);
    assert_eq!(failures[0].exception_values, ["the disk is gone", "save the order"]);
    assert_eq!(failures[0].exception_types[1], "SaveFailed");
    assert_eq!(failures[0].release.as_deref(), Some("observed-service@1.2.3"));
    assert_eq!(failures[0].environment.as_deref(), Some("test"));
    assert_eq!(failures[0].document["tags"]["http.route"], "/fail");
    assert_eq!(failures[0].document["tags"]["client_id"], "ACME-MFG");
    assert_eq!(failures[0].document["user"]["id"], "operator1");
    let panic = events.iter().find(|event| event.exception_types == ["panic"]).unwrap();
    assert_eq!((panic.message.as_str(), &panic.document["level"]), ("no such shift", &"fatal".into()));
    assert_eq!(panic.document["tags"]["request_id"], body["request_id"]);
    let place = panic.document["culprit"].as_str().unwrap();
    assert!(
        place.starts_with("crates/golive-observe/examples/observed_service.rs:"),
        "not the hook's: {place}"
    );
    assert_eq!(panic.document["fingerprint"][1], place);
    assert!(events.iter().any(|event| event.message == "request failed"), "an unreported 500 is reported");

    let alerts: Vec<String> = to(&received, "/alert")
        .into_iter()
        .map(|request| {
            serde_json::from_slice::<Value>(&request.body).unwrap()["text"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(alerts.len(), 3, "{alerts:?}");
    assert!(
        alerts[0].starts_with("[test] observed-service: order lost (SaveFailed: save the order) in "),
        "{alerts:?}"
    );
    assert!(!to(&received, "/v1/traces").is_empty(), "traces are exported");
    assert!(!to(&received, "/v1/metrics").is_empty(), "metrics are exported");
    let reported = lines(&output).into_iter().filter(|line| line["level"] == "ERROR").count();
    assert_eq!(reported, 32, "the log keeps every one");
}

#[test]
fn no_planted_secret_gets_out_anywhere() {
    let sink = Sink::start().unwrap();
    let journals = tempfile::tempdir().unwrap();
    let journal = journals.path().join("errors.jsonl");
    let log = journals.path().join("app.log");
    let mut arguments = destinations(&sink);
    arguments.push(format!("journal={}", journal.display()));
    arguments.push(format!("log={}", log.display()));
    let service = Service::start(&arguments);
    let response = service
        .client
        .get(service.url(&format!("/leak?token={CALLERS_SECRET}")))
        .header("authorization", format!("Bearer {CALLERS_SECRET}"))
        .header("cookie", format!("session={CALLERS_SECRET}"))
        .header("x-request-id", "planted-own")
        .send()
        .unwrap();
    assert_eq!(response.status(), 500);
    let body = response.text().unwrap();
    let health = service.get("/health/deep").text().unwrap();
    let numbers = service.get("/metrics").text().unwrap();
    let output = service.finish();

    let received = sink.received();
    assert_eq!(events(&received).len(), 2, "the error and the panic");
    assert_eq!(to(&received, "/alert").len(), 2);
    assert!(!to(&received, "/v1/traces").is_empty());
    assert_eq!(read_error_journal(&journal).unwrap().len(), 2);
    let log = fs::read_to_string(&log).unwrap();
    assert!(log.contains("leaking") && log.contains("[redacted]"), "{log}");
    let mut everything: Vec<(&str, Vec<u8>)> = vec![
        ("standard output and error", output.into_bytes()),
        ("log", log.into_bytes()),
        ("journal", fs::read(&journal).unwrap()),
        ("response", body.into_bytes()),
        ("health", health.into_bytes()),
        ("metrics", numbers.into_bytes()),
    ];
    for request in received {
        assert!(!request.headers.contains_key("content-encoding"), "{} is sent uncompressed", request.path);
        everything.push(("request", request.path.into_bytes()));
        everything.push(("body", request.body));
    }
    for (place, bytes) in everything {
        let text = String::from_utf8_lossy(&bytes);
        for secret in [OWN_SECRET, CALLERS_SECRET] {
            assert!(!text.contains(secret), "{secret} in {place}: {text}");
        }
    }
}

#[test]
fn without_an_endpoint_errors_stay_in_the_journal() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("logs/app.log");
    let service = Service::start(&[format!("log={}", log.display())]);
    assert_eq!(service.get("/fail").status(), 500);
    // Killed, not stopped: what was journaled before must be there all the same.
    service.process.kill();
    let entries = read_error_journal(log.with_file_name("errors.jsonl")).unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].title(), "order lost");
    assert_eq!(entries[0].exceptions, ["SaveFailed: save the order", "Custom: the disk is gone"]);
    assert_eq!(entries[0].client_id.as_deref(), Some("ACME-MFG"));
    assert_eq!(entries[0].release.as_deref(), Some("observed-service@1.2.3"));
}

#[test]
fn endpoints_that_are_away_neither_hold_up_requests_nor_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let journal = directory.path().join("errors.jsonl");
    let away = format!("http://127.0.0.1:{}", free_port().unwrap());
    let service = Service::start(&[
        format!("dsn={}/7", away.replace("://", "://0123456789abcdef0123456789abcdef@")),
        format!("webhook={away}/alert"),
        format!("otlp={away}"),
        format!("journal={}", journal.display()),
    ]);
    let started = Instant::now();
    for _ in 0..20 {
        assert_eq!(service.get("/fail").status(), 500);
    }
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    let started = Instant::now();
    service.finish();
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    assert_eq!(read_error_journal(&journal).unwrap().len(), 5);
}

#[test]
fn health_tells_the_truth_and_pages_after_three_failures() {
    let sink = Sink::start().unwrap();
    let service = Service::start(&destinations(&sink));
    let probe = |path: &str| {
        let response = service.get(path);
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers()["content-type"], "application/health+json");
        let status = response.status().as_u16();
        (status, check_health_document(&serde_json::from_str(&response.text().unwrap()).unwrap()).unwrap())
    };
    let (status, report) = probe("/health/ready");
    assert_eq!((status, report.status), (200, HealthStatus::Up));
    let (status, report) = probe("/health/deep");
    assert_eq!(status, 200, "{report:?}");
    assert_eq!(report.checks.len(), 2);
    service.client.post(service.url("/database/stop")).send().unwrap();
    until("readiness is down three times in a row and somebody was told", || {
        probe("/health/ready");
        // The pause between probes ends early when something arrives.
        let before = sink.received().len();
        !to(&sink.wait_for(before + 1, Duration::from_millis(200)), "/alert").is_empty()
    });
    let (status, report) = probe("/health/ready");
    assert_eq!((status, report.status), (503, HealthStatus::Down));
    assert_eq!(report.checks[0].detail.as_deref(), Some("connection refused"));
    assert_eq!(probe("/health/live").0, 200);
    let text = service.get("/metrics").text().unwrap();
    let samples = parse_metrics_text(&text).unwrap();
    let failures = samples.iter().find(|sample| sample.name == "health_ready_consecutive_failures").unwrap();
    assert!(failures.value >= 3.0);
    service.finish();
    let received = sink.received();
    let alerts = to(&received, "/alert");
    assert_eq!(alerts.len(), 1);
    let alert = String::from_utf8_lossy(&alerts[0].body);
    assert!(alert.contains("not ready 3 times in a row: database"), "{alert}");
}

#[test]
fn the_level_changes_while_it_runs() {
    let service = Service::start(&["level=warn".to_owned()]);
    service.get("/orders/1");
    let change = |level: &str| {
        service.client.post(service.url(&format!("/level/{level}"))).send().unwrap().status().as_u16()
    };
    assert_eq!(change("demo=loud"), 400);
    assert_eq!(change("info"), 204);
    service.get("/orders/2");
    assert_eq!(change("error"), 204);
    service.get("/orders/3");
    let output = service.finish();
    let read: Vec<Value> =
        lines(&output).into_iter().filter(|line| line["message"] == "order read").collect();
    assert_eq!(read.len(), 1, "{output}");
    assert_eq!(read[0]["fields"]["order"], 2);
    check_log_line(&read[0].to_string()).unwrap();
}

/// Every line of the log and of its rotated files, as numbers.
fn numbers(log: &Path) -> (Vec<u64>, usize) {
    let (mut found, mut broken) = (Vec::new(), 0);
    let mut files: Vec<PathBuf> =
        fs::read_dir(log.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for path in files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("app.log") || name.ends_with(".tmp") {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let mut text = String::new();
        if name.ends_with(".gz") {
            flate2::read::GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
        } else {
            text = String::from_utf8(bytes).unwrap();
        }
        for line in text.lines() {
            match serde_json::from_str::<Value>(line) {
                Ok(line) => found.extend(line["fields"]["number"].as_u64()),
                Err(_) => broken += 1,
            }
        }
    }
    found.sort_unstable();
    (found, broken)
}

#[test]
fn a_log_rotated_under_load_loses_no_line() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("app.log");
    let service = Service::start(&[format!("log={}", log.display()), "log_bytes=100000".to_owned()]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    assert_eq!(service.client.post(service.url("/log/250")).send().unwrap().status(), 200);
                }
            });
        }
    });
    let text = service.get("/metrics").text().unwrap();
    assert!(text.contains("log_lines_dropped_total 0"), "{text}");
    service.finish();
    let files = fs::read_dir(directory.path()).unwrap().count();
    assert!(files > 20, "{files} files");
    let (numbers, broken) = numbers(&log);
    assert_eq!((numbers.len(), broken), (10_000, 0));
    // Forty times each.
    assert!(numbers.chunks(40).enumerate().all(|(number, all)| all.iter().all(|one| *one == number as u64)));
}

#[test]
fn killed_it_loses_at_most_the_stated_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("app.log");
    let service = Service::start(&[format!("log={}", log.display())]);
    // Fewer bytes than may wait, so that none is dropped however slow the disk is.
    let answered = service.client.post(service.url("/log/10000")).send().unwrap();
    assert_eq!(answered.status(), 200);
    service.process.kill();
    let bytes = fs::metadata(&log).unwrap().len();
    let (numbers, broken) = numbers(&log);
    // What is there is whole and without a gap: only the end is missing, and no more of it than may wait.
    assert!(broken <= 1, "at most the line that was being written");
    assert!(numbers.iter().enumerate().all(|(index, number)| index as u64 == *number));
    let per_line = bytes / numbers.len().max(1) as u64;
    let lost = (10_000 - numbers.len() as u64) * per_line.max(200);
    assert!(lost <= golive_observe::LogFile::LARGEST_LOSS_BYTES as u64, "{lost} bytes lost");
}

#[test]
fn a_full_disk_holds_up_the_log_and_nothing_else() {
    // /dev/full refuses every write as a full disk does.
    let directory = tempfile::tempdir().unwrap();
    let journal = format!("journal={}", directory.path().join("errors.jsonl").display());
    let service = Service::start(&["log=/dev/full".to_owned(), journal]);
    for number in 0..50 {
        assert_eq!(service.get(&format!("/orders/{number}")).status(), 200);
    }
    until("the refused writes are counted", || {
        let samples = parse_metrics_text(&service.get("/metrics").text().unwrap()).unwrap();
        samples.iter().any(|sample| sample.name == "log_write_failures_total" && sample.value >= 1.0)
    });
    service.finish();
}

#[test]
fn a_receiver_decodes_traces_and_metrics() {
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use prost::Message;

    let sink = Sink::start().unwrap();
    let service = Service::start(&[format!("otlp={}", sink.url())]);
    let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let response = service
        .client
        .get(service.url("/orders/1"))
        .header("traceparent", format!("00-{trace}-{parent}-01"))
        .send()
        .unwrap();
    assert_eq!(response.status(), 200);
    let output = service.finish();
    assert_eq!(lines(&output).iter().filter(|line| line["trace_id"] == trace).count(), 3);

    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let received = sink.received();
    let mut spans = Vec::new();
    for request in to(&received, "/v1/traces") {
        for group in ExportTraceServiceRequest::decode(request.body.as_slice()).unwrap().resource_spans {
            let resource = format!("{:?}", group.resource);
            assert!(
                resource.contains("observed-service") && resource.contains("deployment.environment.name")
            );
            spans.extend(group.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }
    let request =
        spans.iter().find(|span| span.name == "GET /orders/{id}" && hex(&span.trace_id) == trace).unwrap();
    assert_eq!(
        (hex(&request.parent_span_id).as_str(), request.kind),
        (parent, 2),
        "a server span below the caller's"
    );
    let names: Vec<&str> = request.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
    for name in ["http.request.method", "http.route", "http.response.status_code"] {
        assert!(names.contains(&name), "{name} is missing in {names:?}");
    }
    assert!(spans.iter().any(|span| span.name == "order" && span.parent_span_id == request.span_id));
    let metrics: Vec<String> = to(&received, "/v1/metrics")
        .into_iter()
        .flat_map(|request| {
            ExportMetricsServiceRequest::decode(request.body.as_slice()).unwrap().resource_metrics
        })
        .flat_map(|group| group.scope_metrics)
        .flat_map(|scope| scope.metrics)
        .map(|metric| metric.name)
        .collect();
    assert!(metrics.iter().any(|name| name == "http.server.request.duration"), "{metrics:?}");
}

#[test]
fn a_beacon_is_bounded_limited_and_scrubbed() {
    let directory = tempfile::tempdir().unwrap();
    let journal = directory.path().join("errors.jsonl");
    let service = Service::start(&[format!("journal={}", journal.display())]);
    let send = |body: String| {
        service.client.post(service.url("/beacon")).body(body).send().unwrap().status().as_u16()
    };
    assert_eq!(send("no json".to_owned()), 400);
    assert_eq!(send(format!("{{\"page\":\"{}\"}}", "x".repeat(20_000))), 413);
    let error = r#"{"message":"login with token=PLANTED0123 failed","source":"app.js","line":3}"#;
    assert_eq!(send(format!("{{\"page\":\"/login\",\"errors\":[{}]}}", [error; 40].join(","))), 204);
    let answers: Vec<u16> = (0..600).map(|_| send("{}".to_owned())).collect();
    assert!(answers.contains(&429), "six hundred at once are too many");
    for number in 0..1000 {
        if send(format!("{{\"page\":\"/p{}\",\"load_ms\":1}}", "x".repeat(number % 30 + 1))) == 429 {
            break;
        }
    }
    let text = service.get("/metrics").text().unwrap();
    assert!(text.contains("browser_errors_total 5"), "five of one beacon: {text}");
    let output = service.finish();
    assert!(
        output.contains("in a browser: login with token=[redacted] failed") && !output.contains("PLANTED"),
        "{output}"
    );
    let entries = read_error_journal(&journal).unwrap();
    assert_eq!(entries.iter().filter(|entry| entry.target == "golive_observe::browser").count(), 5);
}
