//! A certificate authority for tests and rehearsals. Nothing it issues is to be trusted anywhere else.

use std::fmt;
use std::time::SystemTime;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use secrecy::{ExposeSecret, SecretString};

/// Why a certificate could not be issued.
#[derive(Debug, thiserror::Error)]
#[error("issue a certificate for {names:?}; names are host names or addresses")]
#[non_exhaustive]
pub struct CertificateError {
    /// For whom.
    pub names: Vec<String>,
    /// What the library said.
    #[source]
    pub source: rcgen::Error,
}

/// An authority that exists in memory only. Its keys are ECDSA P-256.
pub struct CertificateAuthority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
}

/// A certificate for a server, with its key.
#[derive(Clone)]
#[non_exhaustive]
pub struct Certificate {
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// Its private key (PKCS #8), PEM.
    pub key_pem: SecretString,
}

impl CertificateAuthority {
    /// Makes an authority of this name.
    ///
    /// # Errors
    /// When the name cannot stand in a certificate.
    pub fn new(name: &str) -> Result<Self, CertificateError> {
        let failed = |source| CertificateError { names: vec![name.to_owned()], source };
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().map_err(failed)?;
        let certificate_pem = parameters.self_signed(&key).map_err(failed)?.pem();
        Ok(Self { issuer: Issuer::new(parameters, key), certificate_pem })
    }

    /// The authority's own certificate, PEM: what a client has to trust.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Issues a certificate for host names and addresses that is valid at any time this century.
    ///
    /// # Errors
    /// When a name cannot stand in a certificate.
    pub fn issue(&self, names: &[&str]) -> Result<Certificate, CertificateError> {
        self.sign(names, |_| {})
    }

    /// Issues one that is valid between two moments only, also one that has expired.
    ///
    /// # Errors
    /// When a name cannot stand in a certificate.
    pub fn issue_between(
        &self,
        names: &[&str],
        not_before: SystemTime,
        not_after: SystemTime,
    ) -> Result<Certificate, CertificateError> {
        self.sign(names, |parameters| {
            parameters.not_before = not_before.into();
            parameters.not_after = not_after.into();
        })
    }

    fn sign(
        &self,
        names: &[&str],
        adjust: impl FnOnce(&mut CertificateParams),
    ) -> Result<Certificate, CertificateError> {
        let owned: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let failed = |source| CertificateError { names: owned.clone(), source };
        let mut parameters = CertificateParams::new(owned.clone()).map_err(failed)?;
        if let Some(first) = names.first() {
            parameters.distinguished_name = rcgen::DistinguishedName::new();
            parameters.distinguished_name.push(DnType::CommonName, *first);
        }
        parameters.use_authority_key_identifier_extension = true;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        adjust(&mut parameters);
        let key = KeyPair::generate().map_err(failed)?;
        let certificate_pem = parameters.signed_by(&key, &self.issuer).map_err(failed)?.pem();
        Ok(Certificate { certificate_pem, key_pem: key.serialize_pem().into() })
    }
}

impl Certificate {
    /// The private key as text, for writing it to a file that only its owner reads.
    #[must_use]
    pub fn expose_key_pem(&self) -> &str {
        self.key_pem.expose_secret()
    }
}

impl fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateAuthority")
            .field("certificate_pem", &self.certificate_pem)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("certificate_pem", &self.certificate_pem).finish_non_exhaustive()
    }
}
