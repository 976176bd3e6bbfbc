//! Certificate files: each thing that can be wrong with them is found, and with good ones nothing.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use golive_deploy::tls::{CheckCertificateError, GradeOptions, KeyFile, check_certificate};
use golive_sandbox::CertificateAuthority;

use crate::endpoint::{CA, now};

const INTERMEDIATE: &str = include_str!("../fixtures/intermediate.pem");
const BELOW: (&str, &str) = (include_str!("../fixtures/below.pem"), include_str!("../fixtures/below.key"));
const SMALL: (&str, &str) =
    (include_str!("../fixtures/rsa1024.pem"), include_str!("../fixtures/rsa1024.key"));

fn options(anchor: &str, now: DateTime<Utc>) -> GradeOptions {
    let mut options = GradeOptions::new(now);
    options.system_anchors = false;
    options.extra_anchors_pem = vec![anchor.to_owned()];
    options
}

fn found(chain: &str, key: &str, name: &str, options: &GradeOptions) -> Vec<String> {
    let key = KeyFile::new(key.into());
    let check = check_certificate(chain, Some(&key), &[name.to_owned()], options).expect("a certificate");
    check.findings.into_iter().map(|finding| finding.id).collect()
}

#[test]
fn time_left_is_told_by_the_life_of_the_certificate() {
    let authority = CertificateAuthority::new("test").unwrap();
    let day = Duration::from_secs(86_400);
    let (from, until) = (now(), now() + TimeDelta::days(90));
    let leaf = authority.issue_between(&["a.example"], from.into(), until.into()).unwrap();
    let at = |now: DateTime<Utc>| {
        found(
            &leaf.certificate_pem,
            leaf.expose_key_pem(),
            "a.example",
            &options(authority.certificate_pem(), now),
        )
    };
    assert_eq!(at(from + day), Vec::<String>::new());
    assert_eq!(at(until - TimeDelta::days(31)), Vec::<String>::new());
    assert_eq!(at(until - TimeDelta::days(29)), ["DEP-402"]);
    assert_eq!(at(until + day), ["DEP-401"]);
    assert_eq!(at(from - day), ["DEP-401"]);
    let short =
        authority.issue_between(&["a.example"], from.into(), (from + TimeDelta::days(6)).into()).unwrap();
    let options = options(authority.certificate_pem(), from + TimeDelta::days(3));
    assert!(
        found(&short.certificate_pem, short.expose_key_pem(), "a.example", &options).is_empty(),
        "a third is two days"
    );
}

#[test]
fn names_chain_and_key_must_fit() {
    let trusted = options(CA, now());
    let whole = format!("{}{INTERMEDIATE}", BELOW.0);
    assert_eq!(found(&whole, BELOW.1, "localhost", &trusted), Vec::<String>::new());
    assert_eq!(found(&whole, BELOW.1, "other.example", &trusted), ["DEP-403"]);
    assert_eq!(found(BELOW.0, BELOW.1, "localhost", &trusted), ["DEP-404"], "without the intermediate");
    let mut knows = trusted.clone();
    knows.intermediates_pem = vec![INTERMEDIATE.to_owned()];
    assert_eq!(found(BELOW.0, BELOW.1, "localhost", &knows), ["DEP-404"], "incomplete");
    let stranger = CertificateAuthority::new("stranger").unwrap();
    assert_eq!(found(&whole, BELOW.1, "localhost", &options(stranger.certificate_pem(), now())), ["DEP-404"]);
    let own = check_certificate(stranger.certificate_pem(), None, &[], &trusted).unwrap();
    let told = "the chain is not trusted: the certificate is self-signed";
    assert!(own.findings.iter().any(|finding| finding.message == told), "{:?}", own.findings);
    assert_eq!(found(&whole, SMALL.1, "localhost", &trusted), ["DEP-405"], "the key of another");
    assert_eq!(found(&whole, "no key", "localhost", &trusted), ["DEP-405"]);
    assert!(found(SMALL.0, SMALL.1, "localhost", &trusted).contains(&"DEP-406".to_owned()));
    let names = ["a b".to_owned()];
    assert!(matches!(
        check_certificate(&whole, None, &names, &trusted),
        Err(CheckCertificateError::ServerName { .. })
    ));
    for text in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        assert!(matches!(
            check_certificate(text, None, &[], &trusted),
            Err(CheckCertificateError::Certificate)
        ));
    }
    for (mode, is_found) in [(0o100_600, false), (0o100_400, false), (0o100_640, true), (0o100_604, true)] {
        let mut key = KeyFile::new(BELOW.1.into());
        key.mode = Some(mode);
        let check = check_certificate(&whole, Some(&key), &[], &trusted).unwrap();
        assert_eq!(check.findings.iter().any(|finding| finding.id == "DEP-407"), is_found, "{mode:o}");
    }
}
