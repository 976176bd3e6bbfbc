//! One real handshake, to have the chain of TLS 1.3 and one answer over HTTP.
//!
//! The chain is accepted here whatever it is, because it is judged apart, in `chain.rs`. Only the
//! possession of its key is checked. Nothing secret is ever sent over this connection.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::facts::{HstsFact, HttpFacts};

const MAX_HEAD_BYTES: usize = 64 * 1024;

/// What the handshake and the request showed.
#[derive(Debug, Default)]
pub(super) struct Harvest {
    pub(super) chain: Vec<Vec<u8>>,
    /// Whether the server signed with the key of its certificate; `None` when no handshake came so far.
    pub(super) key_proved: Option<bool>,
    pub(super) http: Option<HttpFacts>,
}

#[derive(Debug)]
struct Collector {
    algorithms: WebPkiSupportedAlgorithms,
    seen: Mutex<(Vec<Vec<u8>>, Option<bool>)>,
}

impl Collector {
    fn note(&self, result: &Result<HandshakeSignatureValid, rustls::Error>) {
        self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).1 = Some(result.is_ok());
    }
}

impl ServerCertVerifier for Collector {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = std::iter::once(end_entity).chain(intermediates).map(|der| der.to_vec()).collect();
        self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).0 = chain;
        Ok(ServerCertVerified::assertion())
    }

    // A key too weak for the library still gets its HSTS looked at; that its possession is not proved is judged later.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.note(&rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.algorithms));
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.note(&rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.algorithms));
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Shakes hands and asks for `/`. What could not be had is absent, never guessed.
pub(super) async fn harvest(
    address: SocketAddr,
    name: &ServerName<'static>,
    host: &str,
    provider: &Arc<CryptoProvider>,
    limit: Duration,
) -> Harvest {
    let collector = Arc::new(Collector {
        algorithms: provider.signature_verification_algorithms,
        seen: Mutex::new((Vec::new(), None)),
    });
    let asked = async {
        let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(provider));
        let config = builder
            .with_safe_default_protocol_versions()
            .ok()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::<Collector>::clone(&collector))
            .with_no_client_auth();
        let stream = TcpStream::connect(address).await.ok()?;
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let mut stream = connector.connect(name.clone(), stream).await.ok()?;
        request(&mut stream, host).await
    };
    let head = timeout(limit, asked).await.ok().flatten();
    let seen = collector.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    Harvest { chain: seen.0.clone(), key_proved: seen.1, http: head.as_ref().map(Head::facts) }
}

/// Does plain http send the visitor to https on the same host? `None` when nothing answered.
pub(super) async fn redirects(address: SocketAddr, host: &str, limit: Duration) -> Option<bool> {
    let asked = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        request(&mut stream, host).await
    };
    let head = timeout(limit, asked).await.ok().flatten()?;
    let to_https = head.get("location").is_some_and(|to| {
        url::Url::parse(to).is_ok_and(|url| {
            url.scheme() == "https" && url.host_str().is_some_and(|to| to.eq_ignore_ascii_case(host))
        })
    });
    Some((300..400).contains(&head.status) && to_https)
}

async fn request<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, host: &str) -> Option<Head> {
    let text = format!(
        "GET / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: golive\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(text.as_bytes()).await.ok()?;
    stream.flush().await.ok()?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            return Head::parse(&String::from_utf8_lossy(&bytes[..end]));
        }
        let count = stream.read(&mut buffer).await.ok()?;
        if count == 0 || bytes.len() > MAX_HEAD_BYTES {
            return None;
        }
        bytes.extend_from_slice(&buffer[..count]);
    }
}

/// The head of an answer.
struct Head {
    status: u16,
    headers: Vec<(String, String)>,
}

impl Head {
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.split("\r\n");
        let mut first = lines.next()?.split(' ');
        if !first.next()?.starts_with("HTTP/1.") {
            return None;
        }
        let status = first.next()?.parse().ok()?;
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Some(Self { status, headers })
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    fn facts(&self) -> HttpFacts {
        HttpFacts {
            status: self.status,
            hsts: self.get("strict-transport-security").map_or(HstsFact::Absent, parse_hsts),
            key_pins: self.get("public-key-pins").is_some(),
        }
    }
}

/// The header by RFC 6797, section 6.1: one `max-age`, no directive twice.
pub(super) fn parse_hsts(value: &str) -> HstsFact {
    let mut seen: Vec<String> = Vec::new();
    let mut max_age = None;
    for directive in value.split(';').map(str::trim).filter(|directive| !directive.is_empty()) {
        let (name, value) =
            directive.split_once('=').map_or((directive, ""), |(name, value)| (name.trim(), value.trim()));
        let name = name.to_ascii_lowercase();
        if seen.contains(&name) {
            return HstsFact::Invalid;
        }
        if name == "max-age" {
            let digits = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
            let valid = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            max_age = valid.then(|| digits.parse().unwrap_or(u64::MAX));
        }
        seen.push(name);
    }
    match max_age {
        None => HstsFact::Invalid,
        Some(0) => HstsFact::Disabled,
        Some(seconds) => HstsFact::MaxAge(seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hsts_by_the_rfc() {
        assert_eq!(parse_hsts("max-age=63072000; includeSubDomains"), HstsFact::MaxAge(63_072_000));
        assert_eq!(parse_hsts("Max-Age=\"31536000\""), HstsFact::MaxAge(31_536_000));
        assert_eq!(parse_hsts("max-age=0"), HstsFact::Disabled);
        for invalid in
            ["", "includeSubDomains", "max-age=", "max-age=1y", "max-age=1; max-age=2", "max-age=-1"]
        {
            assert_eq!(parse_hsts(invalid), HstsFact::Invalid, "{invalid}");
        }
    }
}
