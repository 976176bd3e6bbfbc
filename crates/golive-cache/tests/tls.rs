//! A Redis that is reached over TLS: whom a connection trusts, and whom not.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::path::Path;

use golive_cache::{Cache, CacheOptions, CacheOptionsError, ConnectCacheError};
use golive_sandbox::{CertificateAuthority, Redis, RedisOptions, free_port};

/// A server that also listens with this certificate, and the address of that.
fn server(folder: &Path, authority: &CertificateAuthority, name: &str) -> (Redis, String) {
    let certificate = authority.issue(&[name]).unwrap();
    let write = |file: &str, text: &str| {
        let path = folder.join(file);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let port = free_port().unwrap();
    let mut options = RedisOptions::new();
    options.settings = vec![
        format!("tls-port {port}"),
        format!("tls-cert-file {}", write("server.pem", &certificate.certificate_pem)),
        format!("tls-key-file {}", write("server.key", certificate.expose_key_pem())),
        format!("tls-ca-cert-file {}", write("ca.pem", authority.certificate_pem())),
        "tls-auth-clients no".to_owned(),
    ];
    let redis = Redis::start(&options).unwrap();
    let url = redis.url().replacen("redis://", "rediss://", 1);
    let url = url.replacen(&format!(":{}/", redis.port()), &format!(":{port}/"), 1);
    (redis, url)
}

#[tokio::test]
async fn the_authority_of_the_file_is_trusted_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let authority = CertificateAuthority::new("plant").unwrap();
    let (_redis, url) = server(folder.path(), &authority, "127.0.0.1");
    let file = folder.path().join("ca.pem");
    let named = CacheOptions::new(format!("{url}?ssl_ca_certs={}", file.display()).into());
    Cache::connect(&named).await.unwrap();
    let mut options = CacheOptions::new(url.into());
    options.connect_timeout = std::time::Duration::from_secs(3);
    let stranger = Cache::connect(&options).await.unwrap_err();
    assert!(matches!(stranger, ConnectCacheError::Unreachable { .. }), "{stranger}");

    options.ca_file = Some(file);
    let cache = Cache::connect(&options).await.unwrap();
    cache.ping().await.unwrap();

    let other = folder.path().join("other.pem");
    std::fs::write(&other, CertificateAuthority::new("other").unwrap().certificate_pem()).unwrap();
    options.ca_file = Some(other);
    assert!(Cache::connect(&options).await.is_err(), "another authority vouches for nobody here");
}

#[tokio::test]
async fn a_certificate_of_another_name_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let authority = CertificateAuthority::new("plant").unwrap();
    let (_redis, url) = server(folder.path(), &authority, "redis.example");
    let mut options = CacheOptions::new(url.into());
    options.connect_timeout = std::time::Duration::from_secs(3);
    options.ca_file = Some(folder.path().join("ca.pem"));
    assert!(Cache::connect(&options).await.is_err());
}

#[tokio::test]
async fn a_file_without_certificates_is_refused_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = CacheOptions::new("rediss://:secret@127.0.0.1:1/0".to_owned().into());
    for text in [None, Some(""), Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")] {
        let path = folder.path().join("ca.pem");
        if let Some(text) = text {
            std::fs::write(&path, text).unwrap();
        }
        options.ca_file = Some(path);
        let refused = Cache::connect(&options).await.unwrap_err();
        let is_named = matches!(&refused, ConnectCacheError::Options(CacheOptionsError::Authorities { .. }));
        assert!(is_named, "{refused}");
    }
}
