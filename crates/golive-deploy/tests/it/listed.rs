//! The list of graded configurations in `docs/tls-grade.md`: every row of it is graded anew, on a real server, and must be
//! as it stands there.

use golive_deploy::tls::{Letter, TlsReport};
use golive_sandbox::CertificateAuthority;

use crate::endpoint::{Endpoint, HSTS};
use crate::golden::{rsa, trust::valid};
use crate::replay::{Old, graded};

const LIST: &str = include_str!("../../../../docs/tls-grade.md");

/// What is served, the grade that the guide demands, and how to grade it.
type Row = (&'static str, Letter, Box<dyn FnOnce() -> TlsReport>);

fn nginx(what: &'static str, letter: Letter, endpoint: impl FnOnce() -> Endpoint + 'static) -> Row {
    (what, letter, Box::new(move || endpoint().grade()))
}

fn replayed(what: &'static str, letter: Letter, ssl2: bool, versions: &[(u16, &[u16])]) -> Row {
    let versions = versions.iter().map(|(version, suites)| (*version, suites.to_vec())).collect();
    (what, letter, Box::new(move || graded(Old { ssl2, versions, raw: None })))
}

fn tls12(ciphers: &'static str) -> Endpoint {
    Endpoint { protocols: "TLSv1.2", ciphers, ..rsa() }
}

fn hsts(header: &str) -> Endpoint {
    Endpoint {
        extra: format!("add_header Strict-Transport-Security \"{header}\" always;"),
        ..Endpoint::good()
    }
}

fn protocols() -> Vec<Row> {
    let of = |protocols| move || Endpoint { protocols, ..Endpoint::good() };
    let old = |protocols| move || Endpoint { protocols, ciphers: "DEFAULT:@SECLEVEL=0", ..rsa() };
    vec![
        nginx("TLS 1.2 and 1.3, AEAD suites, an EC key, HSTS of two years", Letter::APlus, Endpoint::good),
        nginx("the same with an RSA key of 2048 bits", Letter::APlus, rsa),
        nginx("TLS 1.3 alone", Letter::APlus, of("TLSv1.3")),
        nginx("TLS 1.2 alone", Letter::AMinus, of("TLSv1.2")),
        nginx("TLS 1.0 to 1.3", Letter::B, old("TLSv1 TLSv1.1 TLSv1.2 TLSv1.3")),
        nginx("TLS 1.1 to 1.3", Letter::B, old("TLSv1.1 TLSv1.2 TLSv1.3")),
        nginx("TLS 1.0 and 1.2", Letter::B, old("TLSv1 TLSv1.2")),
        nginx("TLS 1.0 and 1.1 alone", Letter::C, old("TLSv1 TLSv1.1")),
        replayed("SSL 3.0 beside TLS 1.2", Letter::C, false, &[(0x0300, &[0x002f]), (0x0303, &[0xc02f])]),
        replayed("SSL 3.0 alone", Letter::F, false, &[(0x0300, &[0x002f])]),
        replayed("SSL 2.0 beside TLS 1.2", Letter::F, true, &[(0x0303, &[0xc02f])]),
    ]
}

fn suites() -> Vec<Row> {
    let dh1024 = || {
        let files = vec![("dh.pem".into(), include_str!("../fixtures/dh1024.pem").into())];
        let extra = format!("{HSTS} ssl_dhparam {{directory}}/dh.pem;");
        let ciphers = "ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0";
        Endpoint { ciphers, extra, files, ..rsa() }
    };
    let both = "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-SHA384";
    vec![
        nginx("no forward secrecy: RSA key exchange alone", Letter::B, || {
            tls12("AES256-GCM-SHA384:AES128-GCM-SHA256")
        }),
        nginx("no AEAD suite", Letter::B, || tls12("ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256")),
        nginx("CBC suites beside AEAD ones", Letter::A, move || Endpoint { ciphers: both, ..rsa() }),
        nginx("a Diffie-Hellman prime of 1024 bits", Letter::B, dh1024),
        nginx("suites without encryption (NULL)", Letter::F, || {
            tls12("NULL-SHA256:ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0")
        }),
        nginx("suites without authentication (anonymous Diffie-Hellman)", Letter::F, || {
            tls12("aNULL:ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0")
        }),
        replayed("RC4 alone", Letter::F, false, &[(0x0303, &[0xc011, 0x0005])]),
        replayed(
            "RC4 and 3DES with TLS 1.0 and 1.2",
            Letter::C,
            false,
            &[(0x0301, &[0xc011, 0x000a, 0xc014, 0x009c]), (0x0303, &[0xc011, 0x000a, 0xc014, 0x009c])],
        ),
        replayed("RC4 with TLS 1.2, never preferred", Letter::B, false, &[(0x0303, &[0xc02f, 0xc011])]),
        replayed("EXPORT beside AEAD", Letter::F, false, &[(0x0303, &[0xc02f, 0x0003])]),
    ]
}

fn headers() -> Vec<Row> {
    vec![
        nginx("no HSTS", Letter::A, || Endpoint { extra: String::new(), ..Endpoint::good() }),
        nginx("HSTS of a day", Letter::A, || hsts("max-age=86400")),
        nginx("HSTS of zero seconds", Letter::AMinus, || hsts("max-age=0")),
        nginx("HSTS without max-age", Letter::AMinus, || hsts("includeSubDomains")),
    ]
}

fn certificates() -> Vec<Row> {
    let below =
        || Endpoint::fixture(include_str!("../fixtures/below.pem"), include_str!("../fixtures/below.key"));
    let intermediate = || include_str!("../fixtures/intermediate.pem").to_owned();
    let small = || {
        Endpoint::fixture(include_str!("../fixtures/rsa1024.pem"), include_str!("../fixtures/rsa1024.key"))
    };
    let sha1 =
        || Endpoint::fixture(include_str!("../fixtures/sha1.pem"), include_str!("../fixtures/sha1.key"));
    let revoked = || {
        Endpoint::fixture(include_str!("../fixtures/revoked.pem"), include_str!("../fixtures/revoked.key"))
    };
    let listed = |list: &str| vec![list.to_owned()];
    let stranger = || {
        let authority = CertificateAuthority::new("stranger").expect("an authority");
        Endpoint { anchors: vec![authority.certificate_pem().to_owned()], ..Endpoint::good() }
    };
    vec![
        // 2027-01-01, the day of the tests, is day 20819.
        nginx("expired yesterday", Letter::T, || valid(20_000, 20_818)),
        nginx("not valid before tomorrow", Letter::T, || valid(20_820, 21_000)),
        nginx("a certificate for another name", Letter::M, || Endpoint {
            host: "other.test",
            ..Endpoint::good()
        }),
        nginx("an authority that nobody trusts", Letter::T, stranger),
        nginx("no intermediate, and nobody knows it", Letter::T, below),
        nginx("no intermediate, but it is known", Letter::B, move || Endpoint {
            intermediates: vec![intermediate()],
            ..below()
        }),
        nginx("the chain complete", Letter::APlus, move || Endpoint {
            certificate: format!("{}{}", below().certificate, intermediate()),
            ..below()
        }),
        nginx("an RSA key of 1024 bits", Letter::B, move || Endpoint {
            ciphers: "ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0",
            ..small()
        }),
        nginx("signed with SHA-1", Letter::T, move || Endpoint {
            ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256:@SECLEVEL=0",
            ..sha1()
        }),
        nginx("revoked, and the list says so", Letter::T, move || Endpoint {
            revocation_lists: listed(include_str!("../fixtures/ca.crl")),
            ..revoked()
        }),
        nginx("with a revocation list at an address, and no list at hand", Letter::A, revoked),
    ]
}

/// What the report says against it, in its words.
fn reasons(report: &TlsReport) -> String {
    let caps = report.caps.iter().map(|cap| format!("at most {}: {}", cap.grade, cap.reason));
    let mut all: Vec<String> = report.distrust().into_iter().chain(caps).collect();
    all.extend(report.warnings.iter().chain(&report.below_a_plus).cloned());
    all.dedup();
    if all.is_empty() { "nothing".to_owned() } else { all.join("; ").replace('|', "\\|") }
}

#[test]
fn the_list_of_graded_configurations_is_true() {
    let mut rows = vec!["| served | grade | ignoring trust | what the report says against it |".to_owned()];
    rows.push("|---|---|---|---|".to_owned());
    let mut wrong = Vec::new();
    for (what, letter, grade) in
        protocols().into_iter().chain(suites()).chain(headers()).chain(certificates())
    {
        let report = grade();
        if report.grade != letter {
            wrong.push(format!("{what}: {} instead of {letter}: {report:#?}", report.grade));
        }
        rows.push(format!(
            "| {what} | {} | {} | {} |",
            report.grade,
            report.grade_ignoring_trust,
            reasons(&report)
        ));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(rows.len() >= 32, "at least thirty are listed");
    let table = rows.join("\n");
    assert!(LIST.contains(&table), "docs/tls-grade.md must hold this table:\n{table}");
}
