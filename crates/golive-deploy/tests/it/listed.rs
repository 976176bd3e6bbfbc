//! The list of graded configurations in `docs/tls-grade.md`: every row of it is graded anew, on a real server, and must be
//! as it stands there.

use golive_deploy::tls::{Letter, TlsReport};
use golive_sandbox::CertificateAuthority;

use crate::endpoint::{CA, Endpoint, HSTS};
use crate::golden::{rsa, trust::valid};
use crate::replay::{Old, graded};

const LIST: &str = include_str!("../../../../docs/tls-grade.md");

/// A configuration of the list.
pub(crate) struct Row {
    /// What is served, in the words of the list.
    pub(crate) what: &'static str,
    /// The grade that the guide demands.
    letter: Letter,
    /// Whether it is served by hand, so that nobody completes a handshake with it.
    pub(crate) is_replayed: bool,
    grade: Grading,
}

/// Serves it, has it looked at, and grades it.
type Grading = Box<dyn FnOnce(&mut dyn FnMut(&Served)) -> TlsReport>;

impl Row {
    /// Grades it, and has something else look at the same server.
    pub(crate) fn grade_and<T>(self, mut look: impl FnMut(&Served) -> T) -> (TlsReport, T) {
        let mut seen = None;
        let report = (self.grade)(&mut |served| seen = Some(look(served)));
        (report, seen.expect("it was served"))
    }
}

/// A server that waits to be looked at.
pub(crate) struct Served {
    pub(crate) port: u16,
    /// The name to ask it for.
    pub(crate) host: &'static str,
    /// Whom to trust, as PEM.
    pub(crate) anchors: String,
}

impl Served {
    /// With the authority of the fixtures.
    pub(crate) fn local(port: u16) -> Self {
        Self { port, host: "localhost", anchors: CA.into() }
    }
}

fn nginx(what: &'static str, letter: Letter, endpoint: impl FnOnce() -> Endpoint + 'static) -> Row {
    let grade = move |look: &mut dyn FnMut(&Served)| {
        let endpoint = endpoint();
        let (host, anchors) = (endpoint.host, endpoint.anchors.concat());
        endpoint.grade_and(|port| look(&Served { port, host, anchors })).0
    };
    Row { what, letter, is_replayed: false, grade: Box::new(grade) }
}

fn replayed(what: &'static str, letter: Letter, ssl2: bool, versions: &[(u16, &[u16])]) -> Row {
    let versions = versions.iter().map(|(version, suites)| (*version, suites.to_vec())).collect();
    let grade = move |look: &mut dyn FnMut(&Served)| {
        let (report, port) = graded(Old { ssl2, versions, raw: None });
        look(&Served::local(port));
        report
    };
    Row { what, letter, is_replayed: true, grade: Box::new(grade) }
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
        // Also by the clock of whoever looks at it with other tools: it ended in 2024, or begins in 2106.
        nginx("expired", Letter::T, || valid(19_000, 20_000)),
        nginx("not valid yet", Letter::T, || valid(50_000, 51_000)),
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

/// The whole list.
pub(crate) fn rows() -> impl Iterator<Item = Row> {
    protocols().into_iter().chain(suites()).chain(headers()).chain(certificates())
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
    let mut lines = vec!["| served | grade | ignoring trust | what the report says against it |".to_owned()];
    lines.push("|---|---|---|---|".to_owned());
    let mut wrong = Vec::new();
    for row in rows() {
        let (what, letter) = (row.what, row.letter);
        let (report, ()) = row.grade_and(|_| ());
        if report.grade != letter {
            wrong.push(format!("{what}: {} instead of {letter}: {report:#?}", report.grade));
        }
        lines.push(format!(
            "| {what} | {} | {} | {} |",
            report.grade,
            report.grade_ignoring_trust,
            reasons(&report)
        ));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(lines.len() >= 32, "at least thirty are listed");
    let table = lines.join("\n");
    assert!(LIST.contains(&table), "docs/tls-grade.md must hold this table:\n{table}");
}
