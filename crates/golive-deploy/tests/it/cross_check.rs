//! What we see of a server is what sslscan sees of it.

use std::time::Duration;

use golive_deploy::tls::{CrossCheck, CrossCheckError, cross_check_sslscan};
use golive_sandbox::{ProcessSpec, Requirement, run_to_end};

use crate::endpoint::Endpoint;

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
    let rsa = || Endpoint::fixture(crate::golden::RSA.0, crate::golden::RSA.1);
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
        assert!(check.differences.is_empty() && check.agreed > 8, "{what}: {check:#?}\n{xml}");
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
    assert!(matches!(refused("ERROR: Could not open a connection"), Err(CrossCheckError::NoScan)));
    assert!(matches!(refused("<document></wrong>"), Err(CrossCheckError::Xml(_))));
    assert!(matches!(refused(&" ".repeat(5 << 20)), Err(CrossCheckError::TooLarge)));
}
