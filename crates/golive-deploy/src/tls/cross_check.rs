//! Holds what was seen against what another scanner saw. Pure: the other's report comes in as text; who is right is not
//! decided here.

use std::collections::BTreeSet;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde::Serialize;
use thiserror::Error;

use super::facts::{Support, TlsFacts, TlsVersion};
use super::suites;

/// A report of another scanner larger than this is something else.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// Why a report cannot be compared.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CrossCheckError {
    /// It is not XML.
    #[error("read the report of sslscan: it is not XML; write it with --xml=-")]
    Xml(#[source] quick_xml::Error),
    /// It is XML, but not of a scan.
    #[error("read the report of sslscan: it holds no scan of a server; did sslscan reach it?")]
    NoScan,
    /// It is too large.
    #[error("read the report of sslscan: it is larger than 4 MiB")]
    TooLarge,
}

/// Where two scanners agree, and where they do not.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct CrossCheck {
    /// Facts that both state alike.
    pub agreed: usize,
    /// Facts that they do not.
    pub differences: Vec<Difference>,
}

/// A fact on which two scanners differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct Difference {
    /// What.
    pub fact: String,
    /// What golive saw.
    pub ours: String,
    /// What the other saw.
    pub theirs: String,
}

/// Holds facts against the XML that sslscan 2 writes: versions, suites of each version, compression, renegotiation, and the
/// bits of an RSA key. What it does not state is not compared.
///
/// # Errors
/// When the text is no such report.
pub fn cross_check_sslscan(facts: &TlsFacts, xml: &str) -> Result<CrossCheck, CrossCheckError> {
    if xml.len() > MAX_BYTES {
        return Err(CrossCheckError::TooLarge);
    }
    let theirs = read(xml)?;
    let mut check = CrossCheck { agreed: 0, differences: Vec::new() };
    for (version, offered) in &theirs.versions {
        let ours = facts.protocols.iter().find(|fact| fact.version == *version).map(|fact| fact.support);
        let told = |support| match support {
            Some(Support::Offered) => "offered",
            Some(Support::Refused) => "not offered",
            _ => "unknown",
        };
        let other = if *offered { "offered" } else { "not offered" };
        check.note(version.as_str(), told(ours), other);
    }
    let ours: BTreeSet<(TlsVersion, u16)> =
        facts.suites.iter().map(|suite| (suite.version, suite.id)).collect();
    for (version, id) in ours.union(&theirs.suites) {
        let name = suites::by_id(*id).map_or_else(|| format!("0x{id:04X}"), |suite| suite.name());
        let told = |seen: bool| if seen { "offered" } else { "not offered" };
        let fact = format!("{name} with {}", version.as_str());
        check.note(
            &fact,
            told(ours.contains(&(*version, *id))),
            told(theirs.suites.contains(&(*version, *id))),
        );
    }
    let yes_no = |value: bool| if value { "yes" } else { "no" };
    if let Some(theirs) = theirs.compression {
        check.note("TLS compression", yes_no(facts.compression), yes_no(theirs));
    }
    if let (Some(ours), Some(theirs)) = (facts.secure_renegotiation, theirs.secure_renegotiation) {
        check.note("protected renegotiation", yes_no(ours), yes_no(theirs));
    }
    if let Some(theirs) = theirs.rsa_bits {
        let ours: Vec<String> = facts
            .certificates
            .iter()
            .filter(|certificate| certificate.key_kind == "RSA")
            .map(|certificate| certificate.key_bits.to_string())
            .collect();
        let theirs = theirs.to_string();
        let same = if ours.contains(&theirs) { theirs.clone() } else { ours.join(", ") };
        check.note("bits of the RSA key", &same, &theirs);
    }
    check.differences.sort();
    Ok(check)
}

impl CrossCheck {
    fn note(&mut self, fact: &str, ours: &str, theirs: &str) {
        if ours == theirs {
            self.agreed += 1;
        } else {
            let (fact, ours, theirs) = (fact.to_owned(), ours.to_owned(), theirs.to_owned());
            self.differences.push(Difference { fact, ours, theirs });
        }
    }
}

#[derive(Default)]
struct Theirs {
    versions: Vec<(TlsVersion, bool)>,
    suites: BTreeSet<(TlsVersion, u16)>,
    compression: Option<bool>,
    secure_renegotiation: Option<bool>,
    rsa_bits: Option<u32>,
}

fn read(xml: &str) -> Result<Theirs, CrossCheckError> {
    let mut reader = Reader::from_str(xml);
    let mut theirs = Theirs::default();
    loop {
        match reader.read_event().map_err(CrossCheckError::Xml)? {
            Event::Eof => break,
            Event::Start(element) | Event::Empty(element) => note(&mut theirs, &element),
            _ => {}
        }
    }
    if theirs.versions.is_empty() { Err(CrossCheckError::NoScan) } else { Ok(theirs) }
}

fn note(theirs: &mut Theirs, element: &BytesStart<'_>) {
    let get = |name: &str| {
        let attribute = element.try_get_attribute(name).ok().flatten()?;
        Some(String::from_utf8_lossy(&attribute.value).into_owned())
    };
    let is = |name: &str| get(name).map(|value| value == "1");
    match element.name().as_ref() {
        b"protocol" => {
            let version =
                format!("{}{}", get("type").unwrap_or_default(), get("version").unwrap_or_default());
            if let (Some(version), Some(offered)) = (version_of(&version), is("enabled")) {
                theirs.versions.push((version, offered));
            }
        }
        b"cipher" => {
            let version = version_of(&get("sslversion").unwrap_or_default().to_lowercase().replace('v', ""));
            let id = get("id").and_then(|id| u16::from_str_radix(id.trim_start_matches("0x"), 16).ok());
            theirs.suites.extend(version.zip(id));
        }
        b"compression" => theirs.compression = is("supported"),
        // Of a server that refuses to renegotiate it writes "not secure", which says nothing.
        b"renegotiation" if is("supported") == Some(true) => theirs.secure_renegotiation = is("secure"),
        b"pk" if get("type").as_deref() == Some("RSA") => {
            theirs.rsa_bits = get("bits").and_then(|bits| bits.parse().ok());
        }
        _ => {}
    }
}

fn version_of(text: &str) -> Option<TlsVersion> {
    Some(match text {
        "ssl2" => TlsVersion::Ssl2,
        "ssl3" => TlsVersion::Ssl3,
        "tls1.0" => TlsVersion::Tls10,
        "tls1.1" => TlsVersion::Tls11,
        "tls1.2" => TlsVersion::Tls12,
        "tls1.3" => TlsVersion::Tls13,
        _ => return None,
    })
}
