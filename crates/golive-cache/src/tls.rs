//! Whom a connection over TLS trusts. Which connections are, the URL says.

use std::path::{Path, PathBuf};

use fred::types::config::TlsConnector;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::options::CacheOptionsError;

/// The file that the URL names, as redis-py reads it too: `rediss://…?ssl_ca_certs=FILE`.
pub(crate) fn file_of(url: &str) -> Option<PathBuf> {
    let url = url::Url::parse(url).ok()?;
    url.query_pairs().find(|(name, _)| name == "ssl_ca_certs").map(|(_, file)| PathBuf::from(file.as_ref()))
}

/// The system's authorities and those of the file. One of the system's that cannot be read is passed over: it vouches for
/// nobody.
pub(crate) fn connector(file: &Path) -> Result<TlsConnector, CacheOptionsError> {
    let unusable = || CacheOptionsError::Authorities { path: file.to_owned() };
    let mut trusted = RootCertStore::empty();
    trusted.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let ours: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(|certificates| certificates.collect())
        .map_err(|_| unusable())?;
    if ours.is_empty() {
        return Err(unusable());
    }
    for certificate in ours {
        trusted.add(certificate).map_err(|_| unusable())?;
    }
    Ok(ClientConfig::builder().with_root_certificates(trusted).with_no_client_auth().into())
}
