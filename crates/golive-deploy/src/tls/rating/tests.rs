//! The guide, rule by rule, on plain facts: what one change to a perfect server costs, and why.

use chrono::{DateTime, Utc};
use proptest::prelude::*;

use super::*;
use crate::tls::facts::{CertificateFacts, HttpFacts, ProtocolFact};

fn suite(version: TlsVersion, id: u16) -> SuiteFact {
    let suite = suites::by_id(id).expect("a known suite");
    SuiteFact {
        version,
        id,
        name: suite.name(),
        bits: suite.bits(),
        forward_secrecy: suite.forward_secrecy(),
        aead: suite.aead(),
    }
}

fn certificate() -> CertificateFacts {
    CertificateFacts {
        subject: "CN=a".into(),
        issuer: "CN=b".into(),
        names: vec!["a".into()],
        not_before: DateTime::<Utc>::UNIX_EPOCH,
        not_after: DateTime::<Utc>::UNIX_EPOCH,
        key_kind: "RSA".into(),
        key_bits: 2048,
        rsa_equivalent_bits: 2048,
        exponent_one: false,
        md5_signature: false,
        chain_length: 2,
        incomplete_chain: false,
        name_matches: true,
        trust_problems: Vec::new(),
        names_revocation_source: false,
        revocation_checked: false,
    }
}

fn perfect() -> TlsFacts {
    let offered = |version| version >= TlsVersion::Tls12;
    let versions = [
        TlsVersion::Ssl2,
        TlsVersion::Ssl3,
        TlsVersion::Tls10,
        TlsVersion::Tls11,
        TlsVersion::Tls12,
        TlsVersion::Tls13,
    ];
    TlsFacts {
        protocols: versions
            .map(|version| ProtocolFact {
                version,
                support: if offered(version) { Support::Offered } else { Support::Refused },
            })
            .to_vec(),
        suites: vec![
            suite(TlsVersion::Tls12, 0xc030),
            suite(TlsVersion::Tls12, 0xc02f),
            suite(TlsVersion::Tls13, 0x1302),
            suite(TlsVersion::Tls13, 0x1301),
        ],
        browser_forward_secrecy: Some(true),
        weakest_group_rsa_bits: Some(3072),
        secure_renegotiation: Some(true),
        early_ccs_refused: Some(true),
        certificates: vec![certificate()],
        key_possession_proved: true,
        http: Some(HttpFacts { status: 200, hsts: HstsFact::MaxAge(63_072_000), key_pins: false }),
        ..TlsFacts::default()
    }
}

fn rated(facts: TlsFacts) -> TlsReport {
    rate(facts, "a:443", "127.0.0.1:443", "a", DateTime::<Utc>::UNIX_EPOCH)
}

fn set(facts: &mut TlsFacts, version: TlsVersion, support: Support) {
    for fact in facts.protocols.iter_mut().filter(|fact| fact.version == version) {
        fact.support = support;
    }
}

#[test]
fn the_perfect_server_is_a_plus() {
    let report = rated(perfect());
    assert_eq!((report.grade, report.scores.total), (Letter::APlus, 93), "{report:#?}");
}

/// One change, the letter it leads to, and a word of the reason.
type Case = (&'static str, fn(&mut TlsFacts), Letter, &'static str);

const CASES: &[Case] = &[
    ("ssl2", |f| set(f, TlsVersion::Ssl2, Support::Offered), Letter::F, "SSL 2.0"),
    ("ssl3", |f| set(f, TlsVersion::Ssl3, Support::Offered), Letter::B, "SSL 3.0 is spoken"),
    ("tls10", |f| set(f, TlsVersion::Tls10, Support::Offered), Letter::B, "TLS 1.0"),
    ("tls11", |f| set(f, TlsVersion::Tls11, Support::Offered), Letter::B, "TLS 1.1"),
    ("unknown", |f| set(f, TlsVersion::Tls11, Support::Unknown), Letter::A, "not verified: TLSv1.1"),
    ("no tls13", |f| set(f, TlsVersion::Tls13, Support::Refused), Letter::AMinus, "TLS 1.3"),
    ("crime", |f| f.compression = true, Letter::C, "CRIME"),
    ("null", |f| f.suites.push(suite(TlsVersion::Tls12, 0x003b)), Letter::F, "without encryption"),
    ("anonymous", |f| f.suites.push(suite(TlsVersion::Tls12, 0x006d)), Letter::F, "without authentication"),
    ("export", |f| f.suites.push(suite(TlsVersion::Tls12, 0x0003)), Letter::F, "export"),
    ("des", |f| f.suites.push(suite(TlsVersion::Tls12, 0x0009)), Letter::F, "112 bits"),
    ("rc4", |f| f.suites.push(suite(TlsVersion::Tls12, 0x0005)), Letter::B, "RC4 is offered"),
    ("rc4 used", |f| f.chosen_when_weak_first = vec![(TlsVersion::Tls12, 0x0005)], Letter::C, "RC4 is used"),
    ("3des used", |f| f.chosen_when_weak_first = vec![(TlsVersion::Tls12, 0x000a)], Letter::C, "64-bit"),
    ("rsa 1024", |f| f.certificates[0].rsa_equivalent_bits = 1024, Letter::B, "RSA key"),
    ("rsa 1000", |f| f.certificates[0].rsa_equivalent_bits = 1000, Letter::F, "insecure RSA key"),
    ("exponent", |f| f.certificates[0].exponent_one = true, Letter::F, "exponent 1"),
    ("md5", |f| f.certificates[0].md5_signature = true, Letter::F, "MD5"),
    ("incomplete", |f| f.certificates[0].incomplete_chain = true, Letter::B, "incomplete"),
    ("dh 1024", |f| f.dh_bits = Some(1024), Letter::B, "Diffie-Hellman"),
    ("dh 768", |f| f.dh_bits = Some(768), Letter::F, "insecure Diffie-Hellman"),
    ("curve", |f| f.weakest_group_rsa_bits = Some(1024), Letter::B, "elliptic curve"),
    ("renegotiation", |f| f.secure_renegotiation = Some(false), Letter::AMinus, "RFC 5746"),
    ("robot", |f| f.suites.push(suite(TlsVersion::Tls12, 0x009d)), Letter::A, "ROBOT"),
    ("cbc", |f| f.suites.push(suite(TlsVersion::Tls12, 0xc028)), Letter::A, "padding oracles"),
    ("no http", |f| f.http = None, Letter::A, "HSTS"),
    ("no proof", |f| f.key_possession_proved = false, Letter::A, "possession"),
    ("unclear", |f| f.unclear.push("the suites".into()), Letter::A, "the suites"),
    ("revocation", |f| f.certificates[0].names_revocation_source = true, Letter::A, "revocation"),
    ("name", |f| f.certificates[0].name_matches = false, Letter::M, ""),
    ("trust", |f| f.certificates[0].trust_problems.push(TrustProblem::Expired), Letter::T, ""),
    ("no suite", |f| f.suites.clear(), Letter::F, ""),
];

#[test]
fn each_rule_costs_what_the_guide_says() {
    for (name, change, letter, reason) in CASES {
        let mut facts = perfect();
        change(&mut facts);
        let report = rated(facts);
        assert_eq!(report.grade, *letter, "{name}: {report:#?}");
        let mut reasons: Vec<&str> = report.caps.iter().map(|cap| cap.reason.as_str()).collect();
        reasons.extend(report.warnings.iter().chain(&report.below_a_plus).map(String::as_str));
        assert!(reason.is_empty() || reasons.iter().any(|text| text.contains(reason)), "{name}: {reasons:?}");
    }
}

#[test]
fn what_only_old_software_had_is_open_only_without_tls13() {
    for (change, check) in [
        ((|f| f.heartbeat = true) as fn(&mut TlsFacts), "Heartbleed"),
        (|f| f.tickets = true, "Ticketbleed"),
        (|f| f.early_ccs_refused = None, "CVE-2014-0224"),
    ] {
        let mut facts = perfect();
        change(&mut facts);
        assert_eq!(rated(facts.clone()).grade, Letter::APlus, "{check}");
        set(&mut facts, TlsVersion::Tls13, Support::Refused);
        assert!(
            rated(facts).unverified.iter().any(|item| item.check == check && item.blocks_a_plus),
            "{check}"
        );
    }
}

/// Cases that only add a fault: the others take something away, and with it what was wrong with it.
fn additive() -> Vec<Case> {
    let takes =
        ["no tls13", "no suite", "no http", "rc4 used", "3des used", "unknown", "rsa 1024", "dh 1024"];
    CASES.iter().filter(|case| !takes.contains(&case.0)).copied().collect()
}

proptest! {
    /// No fault, on top of whatever others, ever makes the grade better.
    #[test]
    fn faults_never_help(first in proptest::sample::subsequence(additive(), 0..6), next in proptest::sample::select(additive())) {
        let mut facts = perfect();
        for (_, change, ..) in &first {
            change(&mut facts);
        }
        let before = rated(facts.clone()).grade_ignoring_trust;
        next.1(&mut facts);
        let after = rated(facts).grade_ignoring_trust;
        prop_assert!(after >= before, "{before} became {after}");
    }
}
