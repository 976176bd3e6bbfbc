//! Judges a chain that a server sent: names, time, key, signatures, trust, completeness, revocation.
//!
//! Pure: the time and the trust anchors come in. No letter is given here.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rustls::client::danger::ServerCertVerifier as _;
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, RootCertStore};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;

use super::facts::{CertificateFacts, TrustProblem};

/// What a chain is judged with.
pub(super) struct Judge {
    pub(super) anchors: Arc<RootCertStore>,
    pub(super) intermediates: Vec<CertificateDer<'static>>,
    pub(super) revocation_lists: Vec<CertificateRevocationListDer<'static>>,
    pub(super) provider: Arc<CryptoProvider>,
    pub(super) name: ServerName<'static>,
    pub(super) now: DateTime<Utc>,
}

/// What building trust came to.
enum Trust {
    Good,
    Incomplete,
    Bad(TrustProblem),
}

impl Judge {
    /// Facts of a chain; `None` when its first certificate cannot be read.
    pub(super) fn facts(&self, chain: &[Vec<u8>]) -> Option<CertificateFacts> {
        let (_, leaf) = X509Certificate::from_der(chain.first()?).ok()?;
        let parsed: Vec<X509Certificate<'_>> = chain
            .iter()
            .filter_map(|der| X509Certificate::from_der(der).ok())
            .map(|(_, certificate)| certificate)
            .collect();
        let not_before = time(leaf.validity().not_before.timestamp())?;
        let not_after = time(leaf.validity().not_after.timestamp())?;
        let key = key(&leaf);
        let trust = self.trust(chain, not_before, not_after);
        let mut facts = CertificateFacts {
            subject: leaf.subject().to_string(),
            issuer: leaf.issuer().to_string(),
            names: names(&leaf),
            not_before,
            not_after,
            key_kind: key.kind.into(),
            key_bits: key.bits,
            rsa_equivalent_bits: key.rsa_equivalent,
            exponent_one: key.exponent_one,
            md5_signature: signed_with(&parsed, &[MD2_RSA, MD5_RSA]),
            chain_length: chain.len(),
            incomplete_chain: matches!(trust, Trust::Incomplete),
            name_matches: self.name_matches(&chain[0]),
            trust_problems: Vec::new(),
            names_revocation_source: names_revocation_source(&leaf),
            revocation_checked: false,
        };
        self.problems(&mut facts, &leaf, trust, signed_with(&parsed, &[SHA1_RSA, SHA1_ECDSA, SHA1_DSA]));
        self.revocation(&mut facts, chain);
        Some(facts)
    }

    fn problems(&self, facts: &mut CertificateFacts, leaf: &X509Certificate<'_>, trust: Trust, sha1: bool) {
        if self.now > facts.not_after {
            facts.trust_problems.push(TrustProblem::Expired);
        }
        if self.now < facts.not_before {
            facts.trust_problems.push(TrustProblem::NotYetValid);
        }
        if sha1 {
            facts.trust_problems.push(TrustProblem::Sha1Signature);
        }
        let self_signed = leaf.subject().as_raw() == leaf.issuer().as_raw();
        match trust {
            Trust::Good | Trust::Incomplete => {}
            Trust::Bad(_) if self_signed => facts.trust_problems.push(TrustProblem::SelfSigned),
            // Said already, more exactly.
            Trust::Bad(TrustProblem::Invalid(_)) if sha1 => {}
            Trust::Bad(problem) => {
                if !facts.trust_problems.contains(&problem) {
                    facts.trust_problems.push(problem);
                }
            }
        }
    }

    /// Builds trust at a time when the certificate itself is valid, so that its age hides nothing else.
    fn trust(&self, chain: &[Vec<u8>], not_before: DateTime<Utc>, not_after: DateTime<Utc>) -> Trust {
        let at = self.now.min(not_after).max(not_before);
        let sent: Vec<CertificateDer<'_>> =
            chain.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        let Some(problem) = self.verify(&sent, at, &[]) else { return Trust::Good };
        if problem == TrustProblem::UnknownIssuer && !self.intermediates.is_empty() {
            let completed: Vec<CertificateDer<'_>> =
                sent.into_iter().chain(self.intermediates.iter().cloned()).collect();
            if self.verify(&completed, at, &[]).is_none() {
                return Trust::Incomplete;
            }
        }
        Trust::Bad(problem)
    }

    /// The problem with a chain, the name left aside.
    fn verify(
        &self,
        chain: &[CertificateDer<'_>],
        at: DateTime<Utc>,
        lists: &[CertificateRevocationListDer<'static>],
    ) -> Option<TrustProblem> {
        let (end_entity, intermediates) = chain.split_first()?;
        let verifier = WebPkiServerVerifier::builder_with_provider(
            Arc::clone(&self.anchors),
            Arc::clone(&self.provider),
        )
        .with_crls(lists.iter().cloned())
        .only_check_end_entity_revocation()
        .build();
        // Without a single anchor nothing can be trusted.
        let Ok(verifier) = verifier else { return Some(TrustProblem::UnknownIssuer) };
        let seconds = u64::try_from(at.timestamp()).unwrap_or(0);
        let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let error = verifier.verify_server_cert(end_entity, intermediates, &self.name, &[], at).err()?;
        match error {
            rustls::Error::InvalidCertificate(error) => problem(&error),
            other => Some(TrustProblem::Invalid(other.to_string())),
        }
    }

    fn name_matches(&self, leaf: &[u8]) -> bool {
        let leaf = CertificateDer::from(leaf);
        ParsedCertificate::try_from(&leaf).is_ok_and(|parsed| verify_server_name(&parsed, &self.name).is_ok())
    }

    fn revocation(&self, facts: &mut CertificateFacts, chain: &[Vec<u8>]) {
        if self.revocation_lists.is_empty() || !facts.trust_problems.is_empty() {
            return;
        }
        let sent: Vec<CertificateDer<'_>> =
            chain.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        let completed: Vec<CertificateDer<'_>> =
            sent.into_iter().chain(self.intermediates.iter().cloned()).collect();
        match self.verify(&completed, self.now, &self.revocation_lists) {
            None => facts.revocation_checked = true,
            Some(TrustProblem::Revoked) => {
                facts.revocation_checked = true;
                facts.trust_problems.push(TrustProblem::Revoked);
            }
            // The lists do not cover this certificate: it stays unchecked.
            Some(_) => {}
        }
    }
}

fn problem(error: &CertificateError) -> Option<TrustProblem> {
    Some(match error {
        // The chain is sound when only the name is wrong; the name is a fact of its own.
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => return None,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TrustProblem::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            TrustProblem::NotYetValid
        }
        CertificateError::UnknownIssuer => TrustProblem::UnknownIssuer,
        CertificateError::Revoked => TrustProblem::Revoked,
        other => TrustProblem::Invalid(other.to_string()),
    })
}

fn time(seconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(seconds, 0)
}

struct Key {
    kind: &'static str,
    bits: u32,
    rsa_equivalent: u32,
    exponent_one: bool,
}

fn key(certificate: &X509Certificate<'_>) -> Key {
    let spki = certificate.public_key();
    let plain = |kind, bits, rsa_equivalent| Key { kind, bits, rsa_equivalent, exponent_one: false };
    match spki.algorithm.algorithm.to_id_string().as_str() {
        "1.3.101.112" => return plain("Ed25519", 256, 3072),
        "1.3.101.113" => return plain("Ed448", 448, 7680),
        _ => {}
    }
    match spki.parsed() {
        Ok(PublicKey::RSA(rsa)) => {
            let modulus = rsa.modulus.iter().skip_while(|&&byte| byte == 0).copied().collect::<Vec<u8>>();
            let bits = bits_of(&modulus);
            let exponent = rsa.exponent.iter().skip_while(|&&byte| byte == 0).copied().collect::<Vec<u8>>();
            Key { kind: "RSA", bits, rsa_equivalent: bits, exponent_one: exponent == [1] }
        }
        Ok(PublicKey::EC(point)) => {
            let bytes = u32::try_from(point.data().len().saturating_sub(1) / 2).unwrap_or(0);
            plain("EC", if bytes == 66 { 521 } else { bytes * 8 }, rsa_equivalent(bytes * 8))
        }
        Ok(PublicKey::DSA(number)) => {
            let bits = bits_of(number);
            plain("DSA", bits, bits)
        }
        _ => plain("unknown", 0, 0),
    }
}

fn bits_of(number: &[u8]) -> u32 {
    u32::try_from(number.len()).unwrap_or(0) * 8 - number.first().map_or(0, |first| first.leading_zeros())
}

/// Comparable strengths (NIST SP 800-57, part 1, table 2).
fn rsa_equivalent(curve_bits: u32) -> u32 {
    match curve_bits {
        512.. => 15360,
        384.. => 7680,
        256.. => 3072,
        224.. => 2048,
        192.. => 1536,
        160.. => 1024,
        _ => 512,
    }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(alternative)) = certificate.subject_alternative_name() else { return Vec::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match *bytes {
            [a, b, c, d] => Some(std::net::Ipv4Addr::new(*a, *b, *c, *d).to_string()),
            bytes => {
                <[u8; 16]>::try_from(bytes).ok().map(|bytes| std::net::Ipv6Addr::from(bytes).to_string())
            }
        },
        _ => None,
    };
    alternative.value.general_names.iter().filter_map(name).take(100).collect()
}

fn names_revocation_source(certificate: &X509Certificate<'_>) -> bool {
    const OCSP: &str = "1.3.6.1.5.5.7.48.1";
    certificate.iter_extensions().any(|extension| match extension.parsed_extension() {
        ParsedExtension::CRLDistributionPoints(_) => true,
        ParsedExtension::AuthorityInfoAccess(access) => {
            access.accessdescs.iter().any(|description| description.access_method.to_id_string() == OCSP)
        }
        _ => false,
    })
}

const MD2_RSA: &str = "1.2.840.113549.1.1.2";
const MD5_RSA: &str = "1.2.840.113549.1.1.4";
const SHA1_RSA: &str = "1.2.840.113549.1.1.5";
const SHA1_ECDSA: &str = "1.2.840.10045.4.1";
const SHA1_DSA: &str = "1.2.840.10040.4.3";

/// Is a certificate of the chain signed so? A root's own signature protects nothing and does not count.
fn signed_with(chain: &[X509Certificate<'_>], algorithms: &[&str]) -> bool {
    chain.iter().enumerate().any(|(position, certificate)| {
        let root = position > 0 && certificate.subject().as_raw() == certificate.issuer().as_raw();
        !root && algorithms.contains(&certificate.signature_algorithm.algorithm.to_id_string().as_str())
    })
}
