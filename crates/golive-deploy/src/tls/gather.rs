//! Grades an endpoint: resolves it, gathers every fact, and hands them to the rating.
//!
//! Only the host named is contacted. No rule of the rating stands here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, ServerName};
use thiserror::Error;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::chain::Judge;
use super::facts::{ProtocolFact, SuiteFact, Support, TlsFacts, TlsVersion, TrustProblem};
use super::harvest::{Harvest, harvest, redirects};
use super::hello::GROUPS;
use super::probe::{Prober, Version};
use super::rating::rate;
use super::report::TlsReport;
use super::suites;

/// Suites that browsers of today offer for TLS 1.2, in their order.
const BROWSER_SUITES: &[u16] =
    &[0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035];

/// Why there is no grade. A grade is never guessed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GradeError {
    /// The host name has no address.
    #[error("find the address of {host}; check the name, or give an address and the server name apart")]
    Resolve {
        /// The host.
        host: String,
        /// What the resolver said.
        #[source]
        source: std::io::Error,
    },
    /// Nothing listens there, or nothing answers in time.
    #[error(
        "connect to {target} within {seconds} s; check that the server runs and that no firewall is between"
    )]
    Connect {
        /// What was asked for.
        target: String,
        /// The time allowed.
        seconds: u64,
        /// What the last address said.
        #[source]
        source: Option<std::io::Error>,
    },
    /// It is no name or address that a certificate could be for.
    #[error("use {name:?} as a server name; give a host name or an address")]
    ServerName {
        /// The name.
        name: String,
    },
    /// Something answered that is not TLS.
    #[error("speak TLS with {target}: it answers with something else; is this the https port?")]
    NotTls {
        /// What was asked for.
        target: String,
    },
    /// Connections open but no version of TLS is answered.
    #[error(
        "speak TLS with {target}: no version was answered clearly; is this the https port, and is the server overloaded?"
    )]
    NoAnswer {
        /// What was asked for.
        target: String,
    },
    /// Gathering took too long.
    #[error("grade {target} within {seconds} s; allow more time, or look why the server is slow")]
    Timeout {
        /// What was asked for.
        target: String,
        /// The time allowed.
        seconds: u64,
    },
    /// A certificate or list that was given cannot be read.
    #[error("read the given {what}; give PEM text")]
    Pem {
        /// Which of the options.
        what: &'static str,
    },
}

/// What to grade.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GradeTarget {
    /// Host name or address to connect to.
    pub host: String,
    /// The https port.
    pub port: u16,
    /// The name that the certificate must be valid for, and that is sent; the host when `None`.
    pub server_name: Option<String>,
    /// The plain http port that should redirect; `None` asks none.
    pub http_port: Option<u16>,
}

impl GradeTarget {
    /// A host at a port. Port 443 also asks port 80 for its redirect.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port, server_name: None, http_port: (port == 443).then_some(80) }
    }

    fn label(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// How to grade.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GradeOptions {
    /// The time that certificates are judged at.
    pub now: DateTime<Utc>,
    /// Trust what the system trusts.
    pub system_anchors: bool,
    /// More trust anchors, as PEM text.
    pub extra_anchors_pem: Vec<String>,
    /// Known intermediate certificates, as PEM text, to tell an incomplete chain from an unknown issuer.
    pub intermediates_pem: Vec<String>,
    /// Certificate revocation lists, as PEM text.
    pub revocation_lists_pem: Vec<String>,
    /// For each connection.
    pub connection_timeout: Duration,
    /// For everything.
    pub timeout: Duration,
}

impl GradeOptions {
    /// The system's trust anchors; 5 s a connection, 60 s in all.
    pub fn new(now: DateTime<Utc>) -> Self {
        Self {
            now,
            system_anchors: true,
            extra_anchors_pem: Vec::new(),
            intermediates_pem: Vec::new(),
            revocation_lists_pem: Vec::new(),
            connection_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(60),
        }
    }
}

/// Grades an endpoint by the SSL Labs rating guide.
pub async fn grade(target: &GradeTarget, options: &GradeOptions) -> Result<TlsReport, GradeError> {
    let name_text = target.server_name.clone().unwrap_or_else(|| target.host.clone());
    let name = ServerName::try_from(name_text.clone())
        .map_err(|_invalid| GradeError::ServerName { name: name_text.clone() })?;
    let judge = judge(name, options)?;
    let graded = async {
        let address = reachable(target, options.connection_timeout).await?;
        let facts = gather(target, options, address, &name_text, &judge).await?;
        Ok((address, facts))
    };
    let (address, facts) = timeout(options.timeout, graded).await.map_err(|_elapsed| {
        GradeError::Timeout { target: target.label(), seconds: options.timeout.as_secs() }
    })??;
    Ok(rate(facts, &target.label(), &address.to_string(), &name_text, options.now))
}

pub(super) fn judge(name: ServerName<'static>, options: &GradeOptions) -> Result<Judge, GradeError> {
    let mut anchors = RootCertStore::empty();
    if options.system_anchors {
        // What the system holds and cannot be read is not trusted: that can only lower the grade.
        anchors.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    for certificate in certificates(&options.extra_anchors_pem, "trust anchor")? {
        anchors.add(certificate).map_err(|_bad| GradeError::Pem { what: "trust anchor" })?;
    }
    let mut lists = Vec::new();
    for text in &options.revocation_lists_pem {
        for list in CertificateRevocationListDer::pem_slice_iter(text.as_bytes()) {
            lists.push(list.map_err(|_bad| GradeError::Pem { what: "revocation list" })?);
        }
    }
    Ok(Judge {
        anchors: Arc::new(anchors),
        intermediates: certificates(&options.intermediates_pem, "intermediate certificate")?,
        revocation_lists: lists,
        provider: provider(),
        name,
        now: options.now,
    })
}

/// The provider is named, so that a second one elsewhere in the program cannot make this ambiguous.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn certificates(texts: &[String], what: &'static str) -> Result<Vec<CertificateDer<'static>>, GradeError> {
    let mut list = Vec::new();
    for text in texts {
        let before = list.len();
        for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
            list.push(certificate.map_err(|_bad| GradeError::Pem { what })?);
        }
        if list.len() == before {
            return Err(GradeError::Pem { what });
        }
    }
    Ok(list)
}

/// The first address that takes a connection.
async fn reachable(target: &GradeTarget, limit: Duration) -> Result<SocketAddr, GradeError> {
    let host = target.host.trim_start_matches('[').trim_end_matches(']');
    let resolve = |source| GradeError::Resolve { host: target.host.clone(), source };
    let addresses = timeout(limit, lookup_host((host, target.port)))
        .await
        .map_err(|_elapsed| resolve(std::io::ErrorKind::TimedOut.into()))?
        .map_err(resolve)?;
    let mut last = None;
    for address in addresses.take(8) {
        match timeout(limit, TcpStream::connect(address)).await {
            Ok(Ok(_stream)) => return Ok(address),
            Ok(Err(error)) => last = Some(error),
            Err(_elapsed) => last = Some(std::io::ErrorKind::TimedOut.into()),
        }
    }
    Err(GradeError::Connect { target: target.label(), seconds: limit.as_secs(), source: last })
}

async fn gather(
    target: &GradeTarget,
    options: &GradeOptions,
    address: SocketAddr,
    name: &str,
    judge: &Judge,
) -> Result<TlsFacts, GradeError> {
    // An address is not sent as a name (RFC 6066, section 3).
    let sent_name = matches!(judge.name, ServerName::DnsName(_)).then(|| name.to_owned());
    let prober = Prober::new(address, sent_name, options.connection_timeout);
    let (ssl2, ssl3, tls10, tls11, tls12, tls13) = tokio::join!(
        prober.ssl2(),
        prober.version(TlsVersion::Ssl3),
        prober.version(TlsVersion::Tls10),
        prober.version(TlsVersion::Tls11),
        prober.version(TlsVersion::Tls12),
        prober.version(TlsVersion::Tls13),
    );
    let versions = [ssl3, tls10, tls11, tls12, tls13];
    let offered = versions.iter().any(|seen| seen.support == Support::Offered);
    if !offered && ssl2 != Support::Offered {
        return Err(if versions.iter().any(|seen| seen.garbage) {
            GradeError::NotTls { target: target.label() }
        } else {
            GradeError::NoAnswer { target: target.label() }
        });
    }
    let mut facts = TlsFacts::default();
    facts.protocols.push(ProtocolFact { version: TlsVersion::Ssl2, support: ssl2 });
    for seen in &versions {
        note_version(&mut facts, seen);
    }
    follow_up(&mut facts, &prober, &versions).await;
    let limit = options.connection_timeout * 2;
    let harvest = harvest(address, &judge.name, name, &judge.provider, limit).await;
    note_chains(&mut facts, judge, &versions, &harvest);
    facts.key_possession_proved = harvest.key_proved == Some(true);
    facts.http = harvest.http;
    note_redirect(&mut facts, target, address, name, options.connection_timeout).await;
    Ok(facts)
}

/// What the flights of one version say by themselves.
fn note_version(facts: &mut TlsFacts, seen: &Version) {
    facts.protocols.push(ProtocolFact { version: seen.version, support: seen.support });
    if seen.partial {
        facts.unclear.push(format!("the suites of {}", seen.version.as_str()));
    }
    for id in &seen.suites {
        let Some(suite) = suites::by_id(*id) else { continue };
        facts.suites.push(SuiteFact {
            version: seen.version,
            id: *id,
            name: suite.name(),
            bits: suite.bits(),
            forward_secrecy: suite.forward_secrecy(),
            aead: suite.aead(),
        });
    }
    if seen.version == TlsVersion::Tls13 {
        return;
    }
    for flight in &seen.flights {
        facts.compression |= flight.compression != 0;
        facts.heartbeat |= flight.extensions.contains(&15);
        facts.tickets |= flight.extensions.contains(&35);
        let secure = flight.extensions.contains(&0xff01);
        facts.secure_renegotiation = Some(facts.secure_renegotiation.unwrap_or(true) && secure);
        if suites::by_id(flight.suite).is_some_and(|suite| suite.diffie_hellman()) {
            facts.dh_bits = flight.prime_bits().into_iter().chain(facts.dh_bits).min();
        }
    }
}

/// Questions that depend on the suites found.
async fn follow_up(facts: &mut TlsFacts, prober: &Prober, versions: &[Version]) {
    let newest_plain = versions
        .iter()
        .rev()
        .find(|seen| seen.version != TlsVersion::Tls13 && seen.support == Support::Offered);
    if let Some(seen) = newest_plain {
        order(facts, prober, seen).await;
        facts.early_ccs_refused = prober.early_ccs_refused(seen.version, &seen.suites).await;
        let elliptic: Vec<u16> = seen
            .suites
            .iter()
            .copied()
            .filter(|id| suites::by_id(*id).is_some_and(|suite| suite.elliptic()))
            .collect();
        if !elliptic.is_empty() {
            groups(facts, prober, seen.version, &elliptic).await;
        }
    }
    for seen in versions.iter().filter(|seen| seen.support == Support::Offered) {
        match seen.version {
            TlsVersion::Tls13 => groups(facts, prober, seen.version, &seen.suites).await,
            TlsVersion::Tls12 => {
                let choice = prober.choice(seen.version, BROWSER_SUITES).await;
                facts.browser_forward_secrecy =
                    choice.and_then(suites::by_id).map(|suite| suite.forward_secrecy());
                weak_first(facts, prober, seen).await;
            }
            TlsVersion::Tls11 => weak_first(facts, prober, seen).await,
            _ => {}
        }
    }
}

/// Offers the weak suites first: does the server take them although better ones are there?
async fn weak_first(facts: &mut TlsFacts, prober: &Prober, seen: &Version) {
    let weak = |id: &u16| suites::by_id(*id).is_some_and(|suite| suite.rc4() || suite.small_block());
    let (mut list, strong): (Vec<u16>, Vec<u16>) = seen.suites.iter().copied().partition(weak);
    if list.is_empty() {
        return;
    }
    list.extend(strong);
    // Without an answer the worse is assumed.
    let chosen = prober.choice(seen.version, &list).await.unwrap_or(list[0]);
    facts.chosen_when_weak_first.push((seen.version, chosen));
}

async fn order(facts: &mut TlsFacts, prober: &Prober, seen: &Version) {
    let mut list = seen.suites.clone();
    if list.len() < 2 {
        return;
    }
    let forward = prober.choice(seen.version, &list).await;
    list.reverse();
    let backward = prober.choice(seen.version, &list).await;
    facts.server_order = forward.zip(backward).map(|(forward, backward)| forward == backward);
}

async fn groups(facts: &mut TlsFacts, prober: &Prober, version: TlsVersion, suites: &[u16]) {
    let (found, whole) = prober.groups(version, suites).await;
    if !whole {
        facts.unclear.push(format!("the groups of {}", version.as_str()));
    }
    for (_, name, bits) in GROUPS.iter().filter(|(id, ..)| found.contains(id)) {
        if !facts.groups.iter().any(|known| known == name) {
            facts.groups.push((*name).to_owned());
        }
        facts.weakest_group_rsa_bits =
            Some(facts.weakest_group_rsa_bits.map_or(*bits, |weakest| weakest.min(*bits)));
    }
}

/// One chain for each first certificate: a server may hold an RSA and an EC key.
fn note_chains(facts: &mut TlsFacts, judge: &Judge, versions: &[Version], harvest: &Harvest) {
    let sent = versions.iter().flat_map(|seen| &seen.flights).map(|flight| &flight.chain);
    let mut seen: Vec<&Vec<u8>> = Vec::new();
    for chain in sent.chain([&harvest.chain]) {
        let Some(leaf) = chain.first() else { continue };
        if seen.contains(&leaf) {
            continue;
        }
        seen.push(leaf);
        match judge.facts(chain) {
            Some(mut certificate) => {
                let signed_by_another =
                    harvest.key_proved == Some(false) && harvest.chain.first() == Some(leaf);
                // The library verifies no signature of a shorter key; that is then unverified, not false.
                if signed_by_another && certificate.rsa_equivalent_bits >= 2048 {
                    certificate.trust_problems.push(TrustProblem::KeyNotHeld);
                }
                facts.certificates.push(certificate);
            }
            None => facts.unclear.push("a certificate that cannot be read".into()),
        }
    }
}

async fn note_redirect(
    facts: &mut TlsFacts,
    target: &GradeTarget,
    address: SocketAddr,
    name: &str,
    limit: Duration,
) {
    let Some(port) = target.http_port else { return };
    let answer = redirects(SocketAddr::new(address.ip(), port), name, limit).await;
    facts.redirects_to_https = answer;
}
