//! Asks an address for protocols, suites, groups and primes, one connection a question.
//!
//! Gathers; the letter comes from `rating.rs`. A question without a clear answer stays unknown.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::answer::{Flight, Progress, Reader, is_ssl2_hello};
use super::facts::{Support, TlsVersion};
use super::hello::{GROUPS, Hello, ssl2};
use super::suites::{self, Suite};

/// At most so many connections at a time: polite, and enough.
const CONNECTIONS: usize = 4;
/// Some servers close the connection on a longer list.
const SUITES_A_HELLO: usize = 120;
/// A change of cipher before any key was agreed on (RFC 5246, 7.1).
const CHANGE_CIPHER_SPEC: [u8; 6] = [20, 3, 3, 0, 1, 1];

/// An answer to one hello.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    Flight(Box<Flight>),
    Refused,
    Unknown,
    NotTls,
}

/// Asks one address.
pub(super) struct Prober {
    pub(super) address: SocketAddr,
    pub(super) server_name: Option<String>,
    pub(super) timeout: Duration,
    permits: Semaphore,
}

/// What one version showed.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) version: TlsVersion,
    pub(super) support: Support,
    pub(super) suites: Vec<u16>,
    /// One flight for each suite.
    pub(super) flights: Vec<Flight>,
    /// Something answered that was not TLS.
    pub(super) garbage: bool,
    /// Enumeration ended early: the list may lack suites.
    pub(super) partial: bool,
}

impl Prober {
    pub(super) fn new(address: SocketAddr, server_name: Option<String>, timeout: Duration) -> Self {
        Self { address, server_name, timeout, permits: Semaphore::new(CONNECTIONS) }
    }

    /// Asks once, and once more if there was no clear answer.
    async fn ask(&self, hello: &Hello<'_>) -> Reply {
        let bytes = hello.encode();
        for _attempt in 0..2 {
            let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
            match timeout(self.timeout, self.exchange(&bytes)).await {
                Ok(Ok(Reply::Unknown) | Err(_)) | Err(_) => {}
                Ok(Ok(reply)) => return reply,
            }
        }
        Reply::Unknown
    }

    async fn exchange(&self, hello: &[u8]) -> std::io::Result<Reply> {
        let mut stream = TcpStream::connect(self.address).await?;
        stream.write_all(hello).await?;
        read_flight(&mut stream).await
    }

    fn hello<'a>(&'a self, version: TlsVersion, suites: &'a [u16], groups: &'a [u16]) -> Hello<'a> {
        Hello { version, suites, groups, server_name: self.server_name.as_deref() }
    }

    /// SSL 2.0: one question.
    pub(super) async fn ssl2(&self) -> Support {
        let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
        let asked = async {
            let mut stream = TcpStream::connect(self.address).await?;
            stream.write_all(&ssl2()).await?;
            let mut bytes = [0; 16];
            let mut length = 0;
            while length < 7 {
                match stream.read(&mut bytes[length..]).await {
                    Ok(0) => break,
                    Ok(count) => length += count,
                    // A reset is how some refuse what they do not even parse.
                    Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
                    Err(error) => return Err(error),
                }
            }
            Ok::<_, std::io::Error>(if is_ssl2_hello(&bytes[..length]) {
                Support::Offered
            } else {
                Support::Refused
            })
        };
        match timeout(self.timeout, asked).await {
            Ok(Ok(support)) => support,
            Ok(Err(_)) | Err(_) => Support::Unknown,
        }
    }

    /// Every suite of one version: what the server chose is taken off the list until it refuses.
    pub(super) async fn version(&self, version: TlsVersion) -> Version {
        let groups: Vec<u16> = offered_groups(version);
        let ids: Vec<u16> =
            suites::all().iter().filter(|suite| fits(suite, version)).map(|suite| suite.id).collect();
        let mut seen = Version {
            version,
            support: Support::Refused,
            suites: Vec::new(),
            flights: Vec::new(),
            garbage: false,
            partial: false,
        };
        for part in ids.chunks(SUITES_A_HELLO) {
            let mut left = part.to_vec();
            while !left.is_empty() {
                match self.ask(&self.hello(version, &left, &groups)).await {
                    Reply::Flight(flight)
                        if flight.version == version.wire() && left.contains(&flight.suite) =>
                    {
                        left.retain(|&id| id != flight.suite);
                        seen.suites.push(flight.suite);
                        seen.flights.push(*flight);
                        seen.support = Support::Offered;
                    }
                    // Another version, or a suite never offered: this version is not spoken.
                    Reply::Flight(_) | Reply::Refused => break,
                    Reply::Unknown | Reply::NotTls if seen.support == Support::Offered => {
                        seen.partial = true;
                        break;
                    }
                    Reply::Unknown => {
                        seen.support = Support::Unknown;
                        return seen;
                    }
                    Reply::NotTls => {
                        seen.garbage = true;
                        seen.support = Support::Unknown;
                        return seen;
                    }
                }
            }
        }
        seen
    }

    /// Groups that the server takes with these suites, by removal; the flag says that the list is whole.
    pub(super) async fn groups(&self, version: TlsVersion, suites: &[u16]) -> (Vec<u16>, bool) {
        let mut left = offered_groups(version);
        let mut found = Vec::new();
        while !left.is_empty() {
            match self.ask(&self.hello(version, suites, &left)).await {
                Reply::Flight(flight) => {
                    let group = flight.group.or_else(|| flight.named_group());
                    let Some(group) = group.filter(|group| left.contains(group)) else {
                        return (found, true);
                    };
                    left.retain(|&other| other != group);
                    found.push(group);
                }
                Reply::Refused => return (found, true),
                Reply::Unknown | Reply::NotTls => return (found, false),
            }
        }
        (found, true)
    }

    /// What the server chooses from this list, in this order.
    pub(super) async fn choice(&self, version: TlsVersion, suites: &[u16]) -> Option<u16> {
        match self.ask(&self.hello(version, suites, &offered_groups(version))).await {
            Reply::Flight(flight) if flight.version == version.wire() => Some(flight.suite),
            _ => None,
        }
    }

    /// Sends a ChangeCipherSpec where none belongs; a sound server answers with an alert or closes.
    pub(super) async fn early_ccs_refused(&self, version: TlsVersion, suites: &[u16]) -> Option<bool> {
        let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
        let groups = offered_groups(version);
        let hello = self.hello(version, suites, &groups).encode();
        let asked = async {
            let mut stream = TcpStream::connect(self.address).await.ok()?;
            stream.write_all(&hello).await.ok()?;
            let Ok(Reply::Flight(_)) = read_flight(&mut stream).await else { return None };
            stream.write_all(&CHANGE_CIPHER_SPEC).await.ok()?;
            let mut byte = [0; 1];
            // An alert, an end, or a reset: each is a refusal. Silence is not.
            match stream.read(&mut byte).await {
                Ok(0) | Err(_) => Some(true),
                Ok(_) => Some(byte[0] == 21),
            }
        };
        timeout(self.timeout, asked).await.ok().flatten()
    }
}

async fn read_flight(stream: &mut TcpStream) -> std::io::Result<Reply> {
    let mut reader = Reader::default();
    let mut buffer = [0; 8192];
    let mut any = false;
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            // Closed in the middle of an answer tells nothing.
            return Ok(if any { Reply::Unknown } else { Reply::Refused });
        }
        any = true;
        match reader.feed(&buffer[..count]) {
            Progress::More => {}
            Progress::Flight(flight) => return Ok(Reply::Flight(flight)),
            // The name is not known here: that says nothing about what was offered.
            Progress::Alert(112) => return Ok(Reply::Unknown),
            Progress::Alert(_) => return Ok(Reply::Refused),
            Progress::Garbage => return Ok(Reply::NotTls),
        }
    }
}

fn fits(suite: &Suite, version: TlsVersion) -> bool {
    match version {
        TlsVersion::Tls13 => suite.is_tls13(),
        TlsVersion::Tls12 => !suite.is_tls13(),
        _ => !suite.is_tls13() && !suite.needs_tls12(),
    }
}

fn offered_groups(version: TlsVersion) -> Vec<u16> {
    let hybrid = |id: u16| id >= 0x1000;
    GROUPS.iter().map(|(id, ..)| *id).filter(|&id| version == TlsVersion::Tls13 || !hybrid(id)).collect()
}
