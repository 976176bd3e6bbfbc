//! Somebody is told: through every channel, again when it is over, once and not twice, and never in the clear.
#![expect(clippy::unwrap_used, reason = "a test that fails")]

mod support;

use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use golive_observe::{AlertChannel, MailOptions, parse_metrics_text, send_test_alert};
use golive_sandbox::{CertificateAuthority, MailSink};
use serde_json::Value;
use support::endpoint::{Endpoint, Request};
use support::{Service, until};

fn documents(endpoint: &Endpoint, path: &str) -> Vec<(Request, Value)> {
    let requests = endpoint.requests().into_iter().filter(|request| request.path == path);
    requests.map(|request| (request.clone(), serde_json::from_slice(&request.body).unwrap())).collect()
}

#[test]
fn a_condition_is_told_once_and_its_end_too() {
    let endpoint = Endpoint::start(0);
    let service = Service::start(&[
        format!("webhook={}", endpoint.url("/slack")),
        format!("json_webhook={}", endpoint.url("/json")),
    ]);
    let database = |verb: &str| {
        service.client.post(service.url(&format!("/database/{verb}"))).send().unwrap();
    };
    let states = || -> Vec<String> {
        let all = documents(&endpoint, "/json");
        all.iter().map(|(_, alert)| alert["state"].as_str().unwrap().to_owned()).collect()
    };
    // Two failures are no incident.
    database("stop");
    until("it failed twice", || {
        let samples = parse_metrics_text(&service.get("/metrics").text().unwrap()).unwrap();
        service.get("/health/ready");
        samples.iter().any(|s| s.name == "health_ready_consecutive_failures" && s.value >= 2.0)
    });
    until("it was told", || {
        service.get("/health/ready");
        !states().is_empty()
    });
    database("start");
    until("its end was told", || {
        service.get("/health/ready");
        states().len() >= 2
    });
    service.finish();
    let alerts = documents(&endpoint, "/json");
    assert_eq!(states(), ["raised", "recovered"]);
    assert!(
        alerts.iter().all(|(_, alert)| alert["key"] == "readiness" && alert["service"] == "observed-service")
    );
    assert_eq!(alerts[0].1["text"], "[test] observed-service: not ready 3 times in a row: database");
    assert_ne!(alerts[0].1["id"], alerts[1].1["id"]);
    let slack = documents(&endpoint, "/slack");
    assert_eq!(slack.len(), 2);
    assert!(slack[1].1["text"].as_str().unwrap().contains("readiness is well again"), "{slack:?}");
}

#[test]
fn failed_requests_and_an_unknown_backup_are_told() {
    let endpoint = Endpoint::start(0);
    let service = Service::start(&[
        format!("json_webhook={}", endpoint.url("/json")),
        "look_every_ms=100".to_owned(),
        "backup=unknown".to_owned(),
    ]);
    for _ in 0..25 {
        assert_eq!(service.get("/unavailable").status(), 503);
    }
    let told = || -> Vec<(String, String)> {
        let all = documents(&endpoint, "/json");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        all.iter().map(|(_, alert)| (text(&alert["key"]), text(&alert["text"]))).collect()
    };
    until("both were told", || {
        let told = told();
        ["failed requests", "backup"].iter().all(|key| told.iter().any(|(found, _)| found == key))
    });
    service.finish();
    let told = told();
    assert_eq!(told.len(), 2, "each once: {told:?}");
    assert!(told.iter().any(|(_, text)| text.contains("100.0 % of the requests")), "{told:?}");
    assert!(told.iter().any(|(_, text)| text.contains("no good backup is known")), "{told:?}");
}

#[test]
fn a_delivery_that_fails_is_tried_again_with_the_same_key_and_seen() {
    let endpoint = Endpoint::start(0);
    endpoint.answer(503, "");
    let service = Service::start(&[format!("json_webhook={}", endpoint.url("/json"))]);
    service.get("/fail");
    until("it was tried", || !endpoint.requests().is_empty());
    endpoint.answer(200, "");
    until("and taken", || endpoint.requests().iter().any(|request| request.status == 200));
    let text = service.get("/metrics").text().unwrap();
    assert!(text.contains("alerts_total{channel=\"webhook\",outcome=\"retried\"}"), "{text}");
    service.finish();
    let keys: std::collections::BTreeSet<String> =
        endpoint.requests().iter().map(|request| request.headers["idempotency-key"].clone()).collect();
    assert_eq!(keys.len(), 1, "a receiver can tell a retry from another alert");
}

#[test]
fn mail_goes_over_tls_and_never_without() {
    let authority = CertificateAuthority::new("test").unwrap();
    let certificate = authority.issue(&["localhost"]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("authority.pem");
    std::fs::write(&file, authority.certificate_pem()).unwrap();
    let send = |server: String, is_trusted: bool| {
        let mut mail =
            MailOptions::new(server.into(), "golive <ops@acme.example>", vec!["ann@acme.example".to_owned()]);
        mail.authority = is_trusted.then(|| file.clone());
        send_test_alert(&[AlertChannel::Mail(mail)], "demo", "test").unwrap().remove(0)
    };
    let server = MailSink::start(Some(&certificate)).unwrap();
    let tested = send(format!("smtps://ops:p%40ss-PLANTED@localhost:{}", server.port()), true);
    assert!(tested.is_delivered, "{tested:?}");
    let told = server.told();
    for line in ["MAIL FROM:<ops@acme.example>", "RCPT TO:<ann@acme.example>", "To: ann@acme.example"] {
        assert!(told.iter().any(|found| found.starts_with(line)), "{line}: {told:#?}");
    }
    assert!(told.iter().any(|line| line.starts_with("Subject: TEST [test] demo: a test alert")), "{told:#?}");
    assert!(told.iter().any(|line| line.starts_with("AUTH PLAIN ")), "{told:#?}");

    let before = server.told().len();
    let tested = send(format!("smtps://ops:PLANTED@localhost:{}", server.port()), false);
    assert!(!tested.is_delivered, "a certificate that nobody vouches for");
    assert!(!format!("{tested:?}").contains("PLANTED"));
    assert_eq!(server.told().len(), before);

    let plain = MailSink::start(None).unwrap();
    let tested = send(format!("smtp://ops:PLANTED@localhost:{}", plain.port()), true);
    assert!(!tested.is_delivered, "no STARTTLS, no mail");
    assert!(
        !plain.told().iter().any(|line| line.starts_with("AUTH") || line.starts_with("MAIL")),
        "{:?}",
        plain.told()
    );
}

#[test]
fn a_test_of_a_channel_tells_what_stands_in_the_way() {
    let endpoint = Endpoint::start(0);
    endpoint.answer(404, "");
    let gone = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    assert!(TcpStream::connect_timeout(&([127, 0, 0, 1], gone).into(), Duration::from_secs(1)).is_err());
    let channels = [
        AlertChannel::Slack(endpoint.url("/PLANTED").into()),
        AlertChannel::Webhook(format!("http://127.0.0.1:{gone}/PLANTED").into()),
    ];
    let tested = send_test_alert(&channels, "demo", "test").unwrap();
    assert_eq!(
        tested.iter().map(|one| (one.channel, one.is_delivered)).collect::<Vec<_>>(),
        [("slack", false), ("webhook", false)]
    );
    assert!(tested[0].problem.as_ref().unwrap().contains("404"));
    assert!(!format!("{tested:?}").contains("PLANTED"), "{tested:?}");
    endpoint.answer(200, "");
    assert!(send_test_alert(&channels[..1], "demo", "test").unwrap()[0].is_delivered);
}
