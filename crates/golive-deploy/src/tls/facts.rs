//! What was seen of an endpoint: plain data, from which the rating is computed.
//!
//! No network, no judgement.

use chrono::{DateTime, Utc};
use serde::Serialize;

/// A version of the protocol, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[non_exhaustive]
pub enum TlsVersion {
    /// SSL 2.0.
    #[serde(rename = "SSLv2")]
    Ssl2,
    /// SSL 3.0.
    #[serde(rename = "SSLv3")]
    Ssl3,
    /// TLS 1.0.
    #[serde(rename = "TLSv1.0")]
    Tls10,
    /// TLS 1.1.
    #[serde(rename = "TLSv1.1")]
    Tls11,
    /// TLS 1.2.
    #[serde(rename = "TLSv1.2")]
    Tls12,
    /// TLS 1.3.
    #[serde(rename = "TLSv1.3")]
    Tls13,
}

impl TlsVersion {
    /// The version as printed, such as `TLSv1.2`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ssl2 => "SSLv2",
            Self::Ssl3 => "SSLv3",
            Self::Tls10 => "TLSv1.0",
            Self::Tls11 => "TLSv1.1",
            Self::Tls12 => "TLSv1.2",
            Self::Tls13 => "TLSv1.3",
        }
    }

    /// The number on the wire.
    pub(crate) const fn wire(self) -> u16 {
        match self {
            Self::Ssl2 => 0x0002,
            Self::Ssl3 => 0x0300,
            Self::Tls10 => 0x0301,
            Self::Tls11 => 0x0302,
            Self::Tls12 => 0x0303,
            Self::Tls13 => 0x0304,
        }
    }
}

/// Whether something is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Support {
    /// The server answered with it.
    Offered,
    /// The server refused it.
    Refused,
    /// The server gave no clear answer.
    Unknown,
}

/// One protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProtocolFact {
    /// The version.
    pub version: TlsVersion,
    /// Whether it is offered.
    pub support: Support,
}

/// One cipher suite under one version, in the order in which the server chose them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SuiteFact {
    /// The version.
    pub version: TlsVersion,
    /// The number in the registry.
    pub id: u16,
    /// The name in the registry.
    pub name: String,
    /// Effective bits of the cipher; 3DES counts 112, export suites 40 or 56, NULL 0.
    pub bits: u16,
    /// Keys are forgotten after the session.
    pub forward_secrecy: bool,
    /// Encrypted and authenticated in one.
    pub aead: bool,
}

/// A reason why the certificate is not trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TrustProblem {
    /// Its time is over.
    Expired,
    /// Its time has not begun.
    NotYetValid,
    /// Signed with its own key.
    SelfSigned,
    /// No trust anchor signed it, or an intermediate certificate is missing.
    UnknownIssuer,
    /// Signed with SHA-1.
    Sha1Signature,
    /// Taken back by its issuer.
    Revoked,
    /// The server signed its handshake with another key.
    KeyNotHeld,
    /// Not valid for servers, or otherwise not as the rules demand.
    Invalid(String),
}

/// One certificate chain that the server sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CertificateFacts {
    /// Whom it names.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// Host names and addresses in it.
    pub names: Vec<String>,
    /// Start of its time.
    pub not_before: DateTime<Utc>,
    /// End of its time.
    pub not_after: DateTime<Utc>,
    /// Kind of key: `RSA`, `EC`, `Ed25519`, `DSA` or another.
    pub key_kind: String,
    /// Bits of the key.
    pub key_bits: u32,
    /// The same strength as an RSA key of so many bits.
    pub rsa_equivalent_bits: u32,
    /// An RSA key with exponent 1, which is none.
    pub exponent_one: bool,
    /// Signed with MD2 or MD5 somewhere in the chain.
    pub md5_signature: bool,
    /// Certificates sent, the first included.
    pub chain_length: usize,
    /// Trust could be built only with a certificate that the server did not send.
    pub incomplete_chain: bool,
    /// Valid for the name asked for.
    pub name_matches: bool,
    /// Why it is not trusted; empty when it is.
    pub trust_problems: Vec<TrustProblem>,
    /// It says where to ask whether it was taken back.
    pub names_revocation_source: bool,
    /// It was looked up in a revocation list.
    pub revocation_checked: bool,
}

/// What was said about HTTP Strict Transport Security.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HstsFact {
    /// No header.
    Absent,
    /// A header that browsers ignore.
    Invalid,
    /// `max-age=0`: switched off.
    Disabled,
    /// In force for so many seconds.
    MaxAge(u64),
}

/// What one request over TLS showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HttpFacts {
    /// Status of the answer over TLS.
    pub status: u16,
    /// HSTS over TLS.
    pub hsts: HstsFact,
    /// A key pinning header was sent; it is not evaluated.
    pub key_pins: bool,
}

/// Everything seen of one endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TlsFacts {
    /// Versions, oldest first.
    pub protocols: Vec<ProtocolFact>,
    /// Suites, by version.
    pub suites: Vec<SuiteFact>,
    /// The server keeps its own order; `None` when it cannot be told.
    pub server_order: Option<bool>,
    /// A client like today's browsers, but limited to TLS 1.2, got forward secrecy; `None` when it was refused.
    pub browser_forward_secrecy: Option<bool>,
    /// Groups for key exchange by elliptic curve, by name.
    pub groups: Vec<String>,
    /// The weakest of them, as bits of an RSA key of the same strength.
    pub weakest_group_rsa_bits: Option<u32>,
    /// The smallest Diffie-Hellman prime seen, in bits.
    pub dh_bits: Option<u32>,
    /// TLS compression is offered.
    pub compression: bool,
    /// Renegotiation is protected (RFC 5746); `None` when only TLS 1.3 is spoken.
    pub secure_renegotiation: Option<bool>,
    /// The heartbeat extension is offered.
    pub heartbeat: bool,
    /// Session tickets are offered before TLS 1.3.
    pub tickets: bool,
    /// An early ChangeCipherSpec is refused; `None` when it could not be told.
    pub early_ccs_refused: Option<bool>,
    /// What the server chose when its weak suites (RC4, 64-bit blocks) were offered first.
    pub chosen_when_weak_first: Vec<(TlsVersion, u16)>,
    /// What was asked and not clearly answered.
    pub unclear: Vec<String>,
    /// Chains sent, one for each key.
    pub certificates: Vec<CertificateFacts>,
    /// The server proved that it holds the key of the certificate.
    pub key_possession_proved: bool,
    /// Answer over HTTP; `None` when none was had.
    pub http: Option<HttpFacts>,
    /// Plain http redirects to https; `None` when no plain port was asked, or none answered.
    pub redirects_to_https: Option<bool>,
}
