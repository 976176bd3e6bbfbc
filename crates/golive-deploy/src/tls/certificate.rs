//! Certificate files before anything serves them: time left, names, chain, and whether the key belongs to them.
//!
//! Pure: text and the time come in.

use chrono::{DateTime, TimeDelta, Utc};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use thiserror::Error;

use super::facts::{CertificateFacts, TrustProblem};
use super::gather::{GradeError, GradeOptions, judge, provider};
use crate::finding::Finding;

/// Why certificate files cannot be judged.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CheckCertificateError {
    /// Not a certificate in PEM.
    #[error("read the certificate; give PEM text with the certificate first and its chain after it")]
    Certificate,
    /// A name that no certificate could be for.
    #[error("use {name:?} as a server name; give a host name or an address")]
    ServerName {
        /// The name.
        name: String,
    },
    /// What it is judged with cannot be read.
    #[error("prepare to judge the certificate")]
    Options(#[from] GradeError),
}

/// A private key, as its file has it.
#[derive(Debug)]
#[non_exhaustive]
pub struct KeyFile {
    /// Its text, PEM.
    pub pem: SecretString,
    /// The mode of the file, where it is known.
    pub mode: Option<u32>,
}

impl KeyFile {
    /// A key of which only the text is known.
    pub const fn new(pem: SecretString) -> Self {
        Self { pem, mode: None }
    }
}

/// What certificate files are worth.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct CertificateCheck {
    /// What the certificate says.
    pub certificate: CertificateFacts,
    /// Whole days until it expires; negative when it has.
    pub days_left: i64,
    /// From when on it should be renewed: the last third of its life, at most 30 days.
    pub renew_from: DateTime<Utc>,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Judges a chain, and a key when there is one, for these names at the time of the options.
///
/// # Errors
/// When the text is no certificate, or a name is none.
pub fn check_certificate(
    chain_pem: &str,
    key: Option<&KeyFile>,
    names: &[String],
    options: &GradeOptions,
) -> Result<CertificateCheck, CheckCertificateError> {
    let chain: Result<Vec<CertificateDer<'static>>, _> =
        CertificateDer::pem_slice_iter(chain_pem.as_bytes()).collect();
    let chain = chain.map_err(|_not_pem| CheckCertificateError::Certificate)?;
    let bytes: Vec<Vec<u8>> = chain.iter().map(|certificate| certificate.as_ref().to_vec()).collect();
    let facts_for = |name: &str| {
        let invalid = |_| CheckCertificateError::ServerName { name: name.to_owned() };
        let name = ServerName::try_from(name.to_owned()).map_err(invalid)?;
        judge(name, options)?.facts(&bytes).ok_or(CheckCertificateError::Certificate)
    };
    let certificate = facts_for(names.first().map_or("localhost", String::as_str))?;
    let mut findings = Vec::new();
    for name in names {
        if !facts_for(name)?.name_matches {
            let covered = certificate.names.join(", ");
            findings.push(Finding::of(
                "DEP-403",
                format!("the certificate is not for {name}, but for {covered}"),
            ));
        }
    }
    let now = options.now;
    let life = certificate.not_after - certificate.not_before;
    let renew_from = certificate.not_after - (life / 3).min(TimeDelta::days(MOST_RENEWAL_DAYS));
    time_left(&certificate, renew_from, now, &mut findings);
    trust(&certificate, &mut findings);
    if let Some(key) = key {
        findings.extend(key_problem(chain, &key.pem));
        if let Some(mode) = key.mode.filter(|mode| mode & 0o077 != 0) {
            findings.push(Finding::of("DEP-407", format!("the key has mode {:04o}", mode & 0o777)));
        }
    }
    let days_left = (certificate.not_after - now).num_days();
    Ok(CertificateCheck { certificate, days_left, renew_from, findings })
}

fn time_left(
    certificate: &CertificateFacts,
    renew_from: DateTime<Utc>,
    now: DateTime<Utc>,
    findings: &mut Vec<Finding>,
) {
    let until = certificate.not_after.format("%Y-%m-%d %H:%M UTC");
    if now > certificate.not_after {
        findings.push(Finding::of("DEP-401", format!("the certificate expired on {until}")));
    } else if now < certificate.not_before {
        let from = certificate.not_before.format("%Y-%m-%d %H:%M UTC");
        findings.push(Finding::of("DEP-401", format!("the certificate is not valid before {from}")));
    } else if now >= renew_from {
        let days = (certificate.not_after - now).num_days();
        findings.push(Finding::of("DEP-402", format!("the certificate expires in {days} days, on {until}")));
    }
}

fn trust(certificate: &CertificateFacts, findings: &mut Vec<Finding>) {
    for problem in &certificate.trust_problems {
        let what = match problem {
            // Told by the time that is left.
            TrustProblem::Expired | TrustProblem::NotYetValid => continue,
            TrustProblem::UnknownIssuer => {
                "the chain leads to no authority that is trusted here: it is incomplete, in the wrong order, or of a \
                 private authority"
                    .to_owned()
            }
            other => format!("the chain is not trusted: {}", other.describe()),
        };
        findings.push(Finding::of("DEP-404", what));
    }
    if certificate.incomplete_chain {
        findings.push(Finding::of("DEP-404", "the chain lacks an intermediate certificate"));
    }
    let bits = certificate.key_bits;
    if certificate.rsa_equivalent_bits < 2048 {
        let kind = &certificate.key_kind;
        findings.push(Finding::of("DEP-406", format!("the {kind} key has {bits} bits only")));
    }
    if certificate.md5_signature {
        findings.push(Finding::of("DEP-406", "the certificate is signed with MD5 or MD2"));
    }
}

fn key_problem(chain: Vec<CertificateDer<'static>>, key: &SecretString) -> Option<Finding> {
    let unreadable =
        || Some(Finding::of("DEP-405", "the key cannot be read: it is not PEM, or sealed with a passphrase"));
    let Ok(key) = PrivateKeyDer::from_pem_slice(key.expose_secret().as_bytes()) else { return unreadable() };
    match CertifiedKey::from_der(chain, key, &provider()) {
        Ok(_) => None,
        Err(rustls::Error::InconsistentKeys(_)) => {
            Some(Finding::of("DEP-405", "the key belongs to another certificate"))
        }
        Err(_) => unreadable(),
    }
}

/// Of a certificate that lives for years, a third would be too early.
const MOST_RENEWAL_DAYS: i64 = 30;
