//! What we see of a server is what sslscan and testssl.sh see of it.

use std::time::Duration;

use golive_deploy::tls::{CrossCheck, CrossCheckError, TlsFacts, cross_check_sslscan, cross_check_testssl};
use golive_sandbox::{ProcessSpec, Requirement, run_to_end};

use crate::endpoint::{CA, Endpoint};
use crate::golden::rsa;

fn sslscan(port: u16) -> String {
    let spec = ProcessSpec::new(Requirement::Sslscan.find().expect("sslscan is installed"))
        .arguments(["--xml=-"])
        .argument(format!("127.0.0.1:{port}"));
    run_to_end(spec, Duration::from_secs(120)).expect("sslscan runs").output
}

fn check(endpoint: &Endpoint) -> (CrossCheck, String) {
    let (report, xml) = endpoint.grade_and(sslscan);
    (cross_check_sslscan(&report.facts, &xml).expect("a report"), xml)
}

#[test]
fn sslscan_agrees_on_every_fact_that_it_states() {
    let all = "ALL:@SECLEVEL=0";
    let dh = "ssl_dhparam {directory}/dh.pem;".to_owned();
    let dh1024 = (String::from("dh.pem"), include_str!("../fixtures/dh1024.pem").to_owned());
    for (what, endpoint) in [
        ("good", Endpoint::good()),
        ("TLS 1.3 only", Endpoint { protocols: "TLSv1.3", ..Endpoint::good() }),
        ("TLS 1.2 only", Endpoint { protocols: "TLSv1.2", ..rsa() }),
        ("old versions", Endpoint { protocols: "TLSv1 TLSv1.1 TLSv1.2 TLSv1.3", ciphers: all, ..rsa() }),
        ("CBC", Endpoint { ciphers: "ECDHE-RSA-AES256-SHA384:AES128-SHA", ..rsa() }),
        ("DH 1024", Endpoint { ciphers: all, extra: dh, files: vec![dh1024], ..rsa() }),
    ] {
        let (check, xml) = check(&endpoint);
        assert!(check.differences.is_empty() && check.agreed > 40, "{what}: {check:#?}\n{xml}");
    }
}

#[test]
fn a_difference_is_told_and_what_is_no_report_is_refused() {
    let endpoint = Endpoint::good();
    let (report, xml) = endpoint.grade_and(sslscan);
    let changed = xml.replace("version=\"1.1\" enabled=\"0\"", "version=\"1.1\" enabled=\"1\"");
    let check = cross_check_sslscan(&report.facts, &changed).expect("a report");
    let told: Vec<_> = check.differences.iter().map(|d| (d.fact.as_str(), d.ours.as_str())).collect();
    assert_eq!(told, [("TLSv1.1", "not offered")]);
    let refused = |text: &str| cross_check_sslscan(&report.facts, text);
    assert!(matches!(refused("ERROR: Could not open a connection"), Err(CrossCheckError::NoScan { .. })));
    assert!(matches!(refused("<document></wrong>"), Err(CrossCheckError::Xml(_))));
    assert!(matches!(refused(&" ".repeat(5 << 20)), Err(CrossCheckError::TooLarge { .. })));
}

/// Everything that testssl.sh can state of the server below, as version 3.0.8 writes it.
const STATED: [(&str, &str); 21] = [
    ("SSLv3", "not offered"),
    ("TLS1", "not offered"),
    ("TLS1_2", "offered"),
    ("TLS1_3", "not offered"),
    ("TLS_extensions", "'renegotiation info/#65281' 'server name/#0' 'EC point formats/#11'"),
    ("cipher_order", "server"),
    ("cipher-tls1_2_xc02f", "TLS 1.2 xc02f ECDHE-RSA-AES128-GCM-SHA256 ECDH 253 AESGCM 128"),
    ("cipher-tls1_2_x9e", "TLS 1.2 x9e DHE-RSA-AES128-GCM-SHA256 DH 1024 AESGCM 128"),
    ("PFS_ECDHE_curves", "prime256v1 secp384r1 secp521r1 X25519 X448 "),
    ("cert_keySize", "RSA 2048 bits"),
    ("cert_signatureAlgorithm", "ECDSA with SHA256"),
    ("cert_notAfter", "2126-10-29 20:56"),
    ("cert_subjectAltName", "localhost 127.0.0.1"),
    ("cert_trust", "Ok via SAN (same w/o SNI)"),
    ("cert_chain_of_trust", "passed. "),
    ("HSTS_time", "730 days (=63072000 seconds) > 15552000 seconds"),
    ("CRIME_TLS", "not vulnerable"),
    ("secure_renego", "supported"),
    ("cert_ocspURL", "--"),
    ("scanTime", "57"),
    ("service", "HTTP"),
];

fn report<'a>(stated: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let lines: Vec<_> = stated
        .into_iter()
        .map(|(id, finding)| serde_json::json!({ "id": id, "severity": "INFO", "finding": finding }))
        .collect();
    serde_json::Value::from(lines).to_string()
}

fn facts() -> TlsFacts {
    let ciphers = "ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0";
    let extra = "ssl_dhparam {directory}/dh.pem; ssl_prefer_server_ciphers on;".to_owned();
    let extra = format!("{} {extra}", crate::endpoint::HSTS);
    let files = vec![("dh.pem".into(), include_str!("../fixtures/dh1024.pem").into())];
    Endpoint { protocols: "TLSv1.2", ciphers, extra, files, ..rsa() }.grade().facts
}

#[test]
fn each_statement_of_testssl_is_held_against_ours() {
    let facts = facts();
    let check = |stated: Vec<(&str, &str)>| cross_check_testssl(&facts, &report(stated)).expect("a report");
    let agreed = check(STATED.into());
    assert_eq!(agreed.differences, [], "{agreed:#?}");
    for (id, changed, difference) in [
        ("SSLv3", "offered", "SSLv3: not offered, offered"),
        ("TLS1", "offered (deprecated)", "TLSv1.0: not offered, offered"),
        ("TLS1_2", "not offered", "TLSv1.2: offered, not offered"),
        ("TLS_extensions", "'session ticket/#35'", "session tickets before TLS 1.3: no, yes"),
        ("TLS_extensions", "'heartbeat/#15'", "the heartbeat extension: no, yes"),
        ("cipher_order", "NOT a cipher order configured", "the server's own order of suites: yes, no"),
        (
            "cipher-tls1_2_x9e",
            "DHE-RSA-AES128-GCM-SHA256 DH 2048",
            "bits of the Diffie-Hellman prime: 1024, 2048",
        ),
        ("PFS_ECDHE_curves", "prime256v1 secp384r1 secp521r1 X25519", "group X448: offered, not offered"),
        ("cert_keySize", "EC 256 bits", "key of the certificate: RSA 2048, EC 256"),
        ("cert_signatureAlgorithm", "SHA1 with RSA", "a signature with SHA-1: no, yes"),
        (
            "cert_notAfter",
            "2027-10-29 20:56",
            "end of the certificate's time: 2126-10-29 20:56, 2027-10-29 20:56",
        ),
        ("cert_subjectAltName", "localhost", "names in the certificate: 127.0.0.1 localhost, localhost"),
        ("cert_trust", "certificate does not match supplied URI", "the name asked for is in it: yes, no"),
        ("cert_chain_of_trust", "failed (expired). ", "the chain sent leads to a trusted issuer: yes, no"),
        ("HSTS_time", "0. HSTS is disabled", "HSTS: 63072000 seconds, 0 seconds"),
        ("HSTS", "not offered", "HSTS: 63072000 seconds, none"),
        ("CRIME_TLS", "VULNERABLE", "TLS compression: no, yes"),
        ("secure_renego", "VULNERABLE", "protected renegotiation: yes, no"),
        (
            "cipher-tls1_2_x2f",
            "TLS 1.2 x2f AES128-SHA RSA",
            "TLS_RSA_WITH_AES_128_CBC_SHA with TLSv1.2: not offered, offered",
        ),
    ] {
        // What it says twice, the last stands.
        let stated = STATED.into_iter().filter(|(known, _)| *known != id).chain([(id, changed)]);
        let check = check(stated.collect());
        let told: Vec<_> =
            check.differences.iter().map(|d| format!("{}: {}, {}", d.fact, d.ours, d.theirs)).collect();
        assert_eq!(told.join("; "), difference, "{id} is {changed}");
    }
    let without = |id: &str| check(STATED.into_iter().filter(|(known, _)| *known != id).collect());
    let missing = without("cipher-tls1_2_xc02f");
    assert_eq!(missing.differences[0].fact, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 with TLSv1.2");
    assert_eq!(without("cert_trust").agreed, agreed.agreed - 1, "what is not stated is not compared");
    let whole = report(STATED);
    let refused = |text: &str| cross_check_testssl(&facts, text);
    assert!(matches!(refused("[]"), Err(CrossCheckError::NoScan { .. })));
    assert!(matches!(refused(&whole[..whole.len() / 2]), Err(CrossCheckError::Json(_))));
    assert!(matches!(refused(&" ".repeat(5 << 20)), Err(CrossCheckError::TooLarge { .. })));
}

/// The facts alone: with every check of its own it works for minutes.
fn testssl(port: u16) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, anchor) = (folder.path().join("report.json"), folder.path().join("ca.pem"));
    std::fs::write(&anchor, CA).expect("a file");
    let spec = ProcessSpec::new(Requirement::Testssl.find().expect("testssl.sh is installed"))
        .arguments(["--quiet", "--warnings", "off", "--color", "0", "--nodns", "none", "--ip", "127.0.0.1"])
        .arguments(["-p", "-E", "-f", "-P", "-S", "-h", "-R", "-C", "--add-ca"])
        .argument(&anchor)
        .argument("--jsonfile")
        .argument(&file)
        .argument(format!("localhost:{port}"));
    let finished = run_to_end(spec, Duration::from_secs(600)).expect("testssl.sh runs");
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{error}: {}", finished.output))
}

fn testssl_agrees(endpoint: &Endpoint, at_least: usize) {
    let (report, json) = endpoint.grade_and(testssl);
    let check = cross_check_testssl(&report.facts, &json).expect("a report");
    assert!(check.differences.is_empty() && check.agreed >= at_least, "{check:#?}\n{json}");
}

#[test]
fn heavy_testssl_agrees_on_a_good_server() {
    testssl_agrees(&rsa(), 50);
}

#[test]
fn heavy_testssl_agrees_on_an_old_server() {
    let files = vec![("dh.pem".into(), include_str!("../fixtures/dh1024.pem").into())];
    let extra = "ssl_dhparam {directory}/dh.pem; ssl_prefer_server_ciphers on;".to_owned();
    let ciphers = "AES128-SHA:ECDHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-SHA:@SECLEVEL=0";
    testssl_agrees(&Endpoint { protocols: "TLSv1 TLSv1.1 TLSv1.2", ciphers, extra, files, ..rsa() }, 50);
}
