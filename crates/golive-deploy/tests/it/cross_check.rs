//! What we see of a server is what sslscan and testssl.sh see of it.

use std::time::Duration;

use golive_deploy::tls::{CrossCheck, CrossCheckError, TlsFacts, cross_check_sslscan, cross_check_testssl};
use golive_sandbox::{ProcessSpec, Requirement, run_to_end};

use crate::endpoint::Endpoint;
use crate::golden::rsa;
use crate::listed::{Row, Served, rows};

fn sslscan(served: &Served) -> String {
    let spec = ProcessSpec::new(Requirement::Sslscan.find().expect("sslscan is installed"))
        .arguments(["--xml=-"])
        .argument(format!("--sni-name={}", served.host))
        .argument(format!("127.0.0.1:{}", served.port));
    run_to_end(spec, Duration::from_secs(120)).expect("sslscan runs").output
}

/// Whether both scanners look at every row, which takes half an hour; else sslscan at what it can shake hands with, and testssl.sh at a
/// few.
fn is_whole() -> bool {
    #[expect(
        clippy::disallowed_methods,
        reason = "how much is looked at is for whoever runs the tests to say"
    )]
    std::env::var("GOLIVE_CROSS_CHECK").is_ok_and(|value| value == "all")
}

/// A served row on which a scanner differs, and how: `fact: ours, theirs`. Each is explained in `docs/tls-grade.md`.
type Differing = (&'static str, &'static [&'static str]);

const BY_SSLSCAN: [Differing; 7] = [
    ("TLS 1.2 alone", &["group X25519: offered, not offered"]),
    (
        "SSL 3.0 beside TLS 1.2",
        &[ECDHE_AES128, "TLS_RSA_WITH_AES_128_CBC_SHA with SSLv3: offered, not offered"],
    ),
    ("SSL 3.0 alone", &["TLS_RSA_WITH_AES_128_CBC_SHA with SSLv3: offered, not offered"]),
    ("SSL 2.0 beside TLS 1.2", &[ECDHE_AES128]),
    (
        "RC4 and 3DES with TLS 1.0 and 1.2",
        &[
            "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA with TLSv1.0: offered, not offered",
            "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA with TLSv1.2: offered, not offered",
            "TLS_RSA_WITH_AES_128_GCM_SHA256 with TLSv1.2: offered, not offered",
        ],
    ),
    ("RC4 with TLS 1.2, never preferred", &[ECDHE_AES128]),
    ("EXPORT beside AEAD", &[ECDHE_AES128]),
];
const ECDHE_AES128: &str = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 with TLSv1.2: offered, not offered";

const BY_TESTSSL: [Differing; 7] = [
    ("TLS 1.2 alone", &["group X25519: offered, not offered"]),
    ("no forward secrecy: RSA key exchange alone", &["HSTS: unknown, 63072000 seconds"]),
    ("no AEAD suite", &["HSTS: unknown, 63072000 seconds"]),
    ("suites without encryption (NULL)", &["the server's own order of suites: no, yes"]),
    (
        "suites without authentication (anonymous Diffie-Hellman)",
        &["the server's own order of suites: no, yes"],
    ),
    ("signed with SHA-1", &["the chain sent leads to a trusted issuer: no, yes"]),
    ("revoked, and the list says so", &["the chain sent leads to a trusted issuer: no, yes"]),
];

/// What a scanner says of a row that is not as it is known, if anything.
fn unlike(
    row: Row,
    scan: fn(&Served) -> String,
    read: fn(&TlsFacts, &str) -> Result<CrossCheck, CrossCheckError>,
    known: &[Differing],
) -> Option<String> {
    let what = row.what;
    let (report, text) = row.grade_and(scan);
    let check = read(&report.facts, &text).unwrap_or_else(|error| panic!("{what}: {error}: {text}"));
    let told: Vec<_> =
        check.differences.iter().map(|one| format!("{}: {}, {}", one.fact, one.ours, one.theirs)).collect();
    let expected = known.iter().find(|(row, _)| *row == what).map_or(&[][..], |(_, differences)| differences);
    (told != expected || check.agreed < 10)
        .then(|| format!("{what}: {} agreed; {told:#?}\n{text}", check.agreed))
}

#[test]
fn sslscan_agrees_on_the_list_of_graded_configurations() {
    let rows = rows().filter(|row| !row.is_replayed || is_whole());
    let unlike: Vec<_> =
        rows.filter_map(|row| unlike(row, sslscan, cross_check_sslscan, &BY_SSLSCAN)).collect();
    assert!(unlike.is_empty(), "{}", unlike.join("\n"));
}

#[test]
fn a_difference_is_told_and_what_is_no_report_is_refused() {
    let (report, xml) = Endpoint::good().grade_and(|port| sslscan(&Served::local(port)));
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
fn testssl(served: &Served) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, anchors) = (folder.path().join("report.json"), folder.path().join("ca.pem"));
    std::fs::write(&anchors, &served.anchors).expect("a file");
    let spec = ProcessSpec::new(Requirement::Testssl.find().expect("testssl.sh is installed"))
        .arguments(["--quiet", "--warnings", "off", "--color", "0", "--nodns", "none", "--ip", "127.0.0.1"])
        .arguments(["-p", "-E", "-f", "-P", "-S", "-h", "-R", "-C", "--add-ca"])
        .argument(&anchors)
        .argument("--jsonfile")
        .argument(&file)
        .argument(format!("{}:{}", served.host, served.port));
    let finished = run_to_end(spec, Duration::from_secs(600)).expect("testssl.sh runs");
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{error}: {}", finished.output))
}

#[test]
fn heavy_testssl_agrees_on_the_list_of_graded_configurations() {
    let always = ["TLS 1.0 and 1.2", "TLS 1.2 alone", "a Diffie-Hellman prime of 1024 bits"];
    let rows = rows().filter(|row| always.contains(&row.what) || is_whole());
    let unlike: Vec<_> =
        rows.filter_map(|row| unlike(row, testssl, cross_check_testssl, &BY_TESTSSL)).collect();
    assert!(unlike.is_empty(), "{}", unlike.join("\n"));
}
