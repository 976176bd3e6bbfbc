//! Servers that no library here can be any more: SSL 2.0, SSL 3.0, RC4, 3DES, export. They answer
//! hellos by hand and encrypt nothing.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use golive_deploy::tls::{GradeError, GradeOptions, Letter, TlsReport};
use rustls::pki_types::pem::PemObject as _;

use crate::endpoint::{CA, now, run};

/// What such a server speaks: suites by version, its own order first.
#[derive(Clone, Default)]
pub(crate) struct Old {
    pub(crate) ssl2: bool,
    pub(crate) versions: Vec<(u16, Vec<u16>)>,
    pub(crate) raw: Option<&'static [u8]>,
}

fn serve(old: Old) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let old = Arc::new(old);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let old = Arc::clone(&old);
            std::thread::spawn(move || answer(stream, &old));
        }
    });
    port
}

fn answer(mut stream: TcpStream, old: &Old) -> Option<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let mut head = [0; 5];
    stream.read_exact(&mut head).ok()?;
    if let Some(raw) = old.raw {
        stream.write_all(raw).ok()?;
        // Stays until the other side goes.
        while stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {}
        return None;
    }
    if head[0] & 0x80 != 0 {
        let mut rest = vec![0; usize::from(head[1]) - 3];
        stream.read_exact(&mut rest).ok()?;
        if old.ssl2 {
            stream.write_all(&[0x80, 11, 4, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0]).ok()?;
        }
        return None;
    }
    let mut hello = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
    stream.read_exact(&mut hello).ok()?;
    let version = u16::from_be_bytes([hello[4], hello[5]]);
    // A library sends the number of a session, which we do not.
    let suites = 39 + usize::from(hello[38]);
    let length = usize::from(u16::from_be_bytes([*hello.get(suites)?, *hello.get(suites + 1)?]));
    let offered: Vec<u16> = hello
        .get(suites + 2..suites + 2 + length)?
        .chunks(2)
        .map(|two| u16::from_be_bytes([two[0], two[1]]))
        .collect();
    let speaks = old.versions.iter().find(|(known, _)| *known == version);
    let chosen = speaks.and_then(|(_, suites)| suites.iter().find(|suite| offered.contains(suite)));
    // A hello of TLS 1.3 says 1.2 in its version; it offers none of the old suites.
    let Some(chosen) = chosen else {
        stream.write_all(&[21, 3, 1, 0, 2, 2, 40]).ok()?;
        return None;
    };
    let mut body = version.to_be_bytes().to_vec();
    body.extend([9; 32]);
    body.push(0);
    body.extend(chosen.to_be_bytes());
    body.push(0);
    body.extend([0, 5, 0xff, 1, 0, 1, 0]);
    let leaf =
        rustls::pki_types::CertificateDer::from_pem_slice(include_bytes!("../fixtures/rsa2048.pem")).ok()?;
    let size = |length: usize| u32::try_from(length).expect("short").to_be_bytes()[1..].to_vec();
    let chain = [size(leaf.len() + 3), size(leaf.len()), leaf.to_vec()].concat();
    let message = |kind: u8, body: &[u8]| [vec![kind], size(body.len()), body.to_vec()].concat();
    let flight = [message(2, &body), message(11, &chain), message(14, &[])].concat();
    let mut record = vec![22];
    record.extend(version.to_be_bytes());
    record.extend(u16::try_from(flight.len()).expect("short").to_be_bytes());
    record.extend(flight);
    stream.write_all(&record).ok()?;
    let mut next = [0; 6];
    stream.read_exact(&mut next).ok()?;
    stream.write_all(&[21, 3, 1, 0, 2, 2, 10]).ok()
}

/// Its grade, and the port at which it goes on serving.
pub(crate) fn graded(old: Old) -> (TlsReport, u16) {
    let mut options = GradeOptions::new(now());
    options.system_anchors = false;
    options.extra_anchors_pem = vec![CA.into()];
    let port = serve(old);
    (run(port, "localhost", &options).expect("a grade"), port)
}

const AES: u16 = 0xc02f;

#[test]
fn rc4_alone_is_f() {
    let (report, _) = graded(Old { versions: vec![(0x0303, vec![0xc011, 0x0005])], ..Old::default() });
    assert_eq!(report.grade_ignoring_trust, Letter::F, "{report:#?}");
    assert_eq!((report.scores.protocol, report.scores.key_exchange, report.scores.cipher), (100, 90, 80));
}

#[test]
fn rc4_and_3des_with_tls12_are_c() {
    let suites = vec![0xc011, 0x000a, 0xc014, 0x009c];
    let (report, _) =
        graded(Old { versions: vec![(0x0301, suites.clone()), (0x0303, suites)], ..Old::default() });
    assert_eq!(report.grade, Letter::C, "{report:#?}");
}

#[test]
fn three_des_that_is_never_preferred_does_not_cap_at_c() {
    let (report, _) = graded(Old { versions: vec![(0x0303, vec![AES, 0x000a])], ..Old::default() });
    assert!(report.caps.iter().all(|cap| cap.grade != Letter::C), "{report:#?}");
    assert_eq!(report.facts.server_order, Some(true));
}

#[test]
fn export_is_f() {
    let (report, _) = graded(Old { versions: vec![(0x0303, vec![AES, 0x0003])], ..Old::default() });
    assert_eq!(report.grade, Letter::F, "{report:#?}");
    assert_eq!(report.scores.key_exchange, 40);
}

#[test]
fn ssl2_is_f_and_ssl3_is_c() {
    let good = (0x0303, vec![AES]);
    let (report, _) = graded(Old { ssl2: true, versions: vec![good.clone()], ..Old::default() });
    assert_eq!(report.grade, Letter::F, "{report:#?}");
    let (report, _) = graded(Old { versions: vec![(0x0300, vec![0x002f]), good], ..Old::default() });
    assert_eq!(report.grade, Letter::C, "{report:#?}");
    let (report, _) = graded(Old { versions: vec![(0x0300, vec![0x002f])], ..Old::default() });
    assert_eq!(report.grade, Letter::F, "{report:#?}");
}

#[test]
fn garbage_gets_no_grade() {
    let mut options = GradeOptions::new(now());
    options.connection_timeout = Duration::from_secs(1);
    for raw in [&b"SSH-2.0-OpenSSH_9.2\r\n"[..], &[22, 3, 3, 0, 4, 2, 0, 0, 0], &[0; 64]] {
        let port = serve(Old { raw: Some(raw), ..Old::default() });
        let error = run(port, "localhost", &options).expect_err("garbage is no TLS");
        assert!(matches!(error, GradeError::NotTls { .. }), "{error}");
    }
}

#[test]
fn silence_ends_within_the_time_allowed() {
    let mut options = GradeOptions::new(now());
    options.connection_timeout = Duration::from_millis(100);
    let port = serve(Old { raw: Some(&[]), ..Old::default() });
    let error = run(port, "localhost", &options).expect_err("silence is no TLS");
    assert!(matches!(error, GradeError::NoAnswer { .. }), "{error}");
    options.timeout = Duration::from_millis(50);
    let error = run(port, "localhost", &options).expect_err("too little time");
    assert!(matches!(error, GradeError::Timeout { .. }), "{error}");
}

/// Answers with a certificate that is somebody else's.
#[derive(Debug)]
struct Stolen(Arc<rustls::sign::CertifiedKey>);

impl rustls::server::ResolvesServerCert for Stolen {
    fn resolve(&self, _hello: rustls::server::ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

fn impostor(certificate: &str, key: &str) -> u16 {
    let chain = rustls::pki_types::CertificateDer::pem_slice_iter(certificate.as_bytes());
    let chain = chain.collect::<Result<Vec<_>, _>>().expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = provider.key_provider.load_private_key(key).expect("a key");
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Stolen(Arc::new(rustls::sign::CertifiedKey::new(chain, key)))));
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let config = Arc::clone(&config);
            std::thread::spawn(move || {
                let mut connection = rustls::ServerConnection::new(config).ok()?;
                let mut tls = rustls::Stream::new(&mut connection, &mut stream);
                tls.read_exact(&mut [0; 16]).ok()?;
                let head = "HTTP/1.1 200 OK\r\nStrict-Transport-Security: max-age=63072000\r\n\r\n";
                tls.write_all(head.as_bytes()).ok()?;
                tls.flush().ok()
            });
        }
    });
    port
}

#[test]
fn a_certificate_without_its_key_is_t() {
    let authority = golive_sandbox::CertificateAuthority::new("test authority").expect("an authority");
    let own = authority.issue(&["localhost"]).expect("a certificate");
    let other = authority.issue(&["localhost"]).expect("a certificate");
    let mut options = GradeOptions::new(now());
    options.extra_anchors_pem = vec![authority.certificate_pem().into()];
    let honest =
        run(impostor(&own.certificate_pem, own.expose_key_pem()), "localhost", &options).expect("a grade");
    assert_eq!(honest.grade, Letter::APlus, "{honest:#?}");
    let port = impostor(&own.certificate_pem, other.expose_key_pem());
    let report = run(port, "localhost", &options).expect("a grade");
    assert_eq!(report.grade, Letter::T, "{report:#?}");
    assert!(report.grade_ignoring_trust != Letter::APlus);
}
