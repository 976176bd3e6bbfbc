//! Holds what was seen against what another scanner saw. Pure: the other's report comes in as text; who is right is not
//! decided here. What the other does not state is not compared.
//!
//! How a report is read stands in the room of its scanner.

mod sslscan;
mod testssl;

use std::collections::BTreeSet;

use serde::Serialize;
use thiserror::Error;

use super::facts::{CertificateFacts, HstsFact, Support, TlsFacts, TlsVersion, TrustProblem};
use super::hello::GROUPS;
use super::suites;

pub use sslscan::cross_check_sslscan;
pub use testssl::cross_check_testssl;

/// A report of another scanner larger than this is something else.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// Why a report cannot be compared.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CrossCheckError {
    /// It is not XML.
    #[error("read the report of sslscan: it is not XML; write it with --xml=-")]
    Xml(#[source] quick_xml::Error),
    /// It is not the JSON of testssl.sh, or ends before its end.
    #[error("read the report of testssl.sh: it is not whole JSON; write it with --jsonfile, and let it end")]
    Json(#[source] serde_json::Error),
    /// It is a report, but not of a scan.
    #[error("read the report of {scanner}: it holds no scan of a server; did {scanner} reach it?")]
    NoScan {
        /// Whose report.
        scanner: &'static str,
    },
    /// It is too large.
    #[error("read the report of {scanner}: it is larger than 4 MiB")]
    TooLarge {
        /// Whose report.
        scanner: &'static str,
    },
}

/// Where two scanners agree, and where they do not.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct CrossCheck {
    /// The other scanner.
    pub scanner: &'static str,
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

/// What another scanner states. `None` and an empty list: nothing.
#[derive(Default)]
struct Theirs {
    versions: Vec<(TlsVersion, bool)>,
    suites: BTreeSet<(TlsVersion, u16)>,
    groups: Option<Groups>,
    dh_bits: Option<u32>,
    server_order: Option<bool>,
    compression: Option<bool>,
    secure_renegotiation: Option<bool>,
    tickets: Option<bool>,
    heartbeat: Option<bool>,
    hsts: Option<HstsFact>,
    keys: Vec<String>,
    ends: Vec<String>,
    names: Vec<BTreeSet<String>>,
    sha1: Option<bool>,
    name_matches: Option<bool>,
    trusted: Option<bool>,
}

/// The groups that another scanner asked for.
struct Groups {
    /// Whether it states the absence of a group.
    is_absence_told: fn(u16) -> bool,
    found: BTreeSet<u16>,
}

fn compare(scanner: &'static str, facts: &TlsFacts, theirs: &Theirs) -> Result<CrossCheck, CrossCheckError> {
    if theirs.versions.is_empty() {
        return Err(CrossCheckError::NoScan { scanner });
    }
    let mut check = CrossCheck { scanner, agreed: 0, differences: Vec::new() };
    check.versions_and_suites(facts, theirs);
    check.groups(facts, theirs);
    check.connection(facts, theirs);
    check.certificates(&facts.certificates, theirs);
    check.differences.sort();
    Ok(check)
}

impl CrossCheck {
    fn versions_and_suites(&mut self, facts: &TlsFacts, theirs: &Theirs) {
        for (version, offered) in &theirs.versions {
            let ours = facts.protocols.iter().find(|fact| fact.version == *version).map(|fact| fact.support);
            let told = match ours {
                Some(Support::Offered) => "offered",
                Some(Support::Refused) => "not offered",
                _ => "unknown",
            };
            self.note(version.as_str(), told, told_offered(*offered));
        }
        let ours: BTreeSet<(TlsVersion, u16)> =
            facts.suites.iter().map(|suite| (suite.version, suite.id)).collect();
        for suite in ours.union(&theirs.suites) {
            let (version, id) = *suite;
            let name = suites::by_id(id).map_or_else(|| format!("0x{id:04X}"), |suite| suite.name());
            let fact = format!("{name} with {}", version.as_str());
            self.note(&fact, told_offered(ours.contains(suite)), told_offered(theirs.suites.contains(suite)));
        }
    }

    fn groups(&mut self, facts: &TlsFacts, theirs: &Theirs) {
        let Some(Groups { is_absence_told, found }) = &theirs.groups else { return };
        for (id, name, _) in GROUPS.iter().filter(|(id, ..)| is_absence_told(*id) || found.contains(id)) {
            let ours = facts.groups.iter().any(|group| group == name);
            self.note(&format!("group {name}"), told_offered(ours), told_offered(found.contains(id)));
        }
    }

    fn connection(&mut self, facts: &TlsFacts, theirs: &Theirs) {
        for (fact, ours, theirs) in [
            ("TLS compression", Some(facts.compression), theirs.compression),
            ("protected renegotiation", facts.secure_renegotiation, theirs.secure_renegotiation),
            ("the server's own order of suites", facts.server_order, theirs.server_order),
            ("session tickets before TLS 1.3", Some(facts.tickets), theirs.tickets),
            ("the heartbeat extension", Some(facts.heartbeat), theirs.heartbeat),
        ] {
            // Of a server that speaks TLS 1.3 alone, or has a single suite, one of the two is not told.
            if let (Some(ours), Some(theirs)) = (ours, theirs) {
                self.note(fact, yes_no(ours), yes_no(theirs));
            }
        }
        if facts.dh_bits.is_some() || theirs.dh_bits.is_some() {
            let told = |bits: Option<u32>| bits.map_or("none".into(), |bits| bits.to_string());
            self.note("bits of the Diffie-Hellman prime", &told(facts.dh_bits), &told(theirs.dh_bits));
        }
        if let Some(theirs) = &theirs.hsts {
            let ours = facts.http.as_ref().map_or("unknown".to_owned(), |http| told_hsts(&http.hsts));
            self.note("HSTS", &ours, &told_hsts(theirs));
        }
    }

    /// A server may hold several certificates, and each scanner sees them in its own order.
    fn certificates(&mut self, ours: &[CertificateFacts], theirs: &Theirs) {
        let keys = ours.iter().map(|one| format!("{} {}", one.key_kind, one.key_bits)).collect();
        self.note_each("key of the certificate", keys, &theirs.keys);
        let ends = ours.iter().map(|one| one.not_after.format(MINUTE).to_string()).collect();
        self.note_each("end of the certificate's time", ends, &theirs.ends);
        let joined = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(" ");
        let names = ours.iter().map(|one| joined(&one.names.iter().cloned().collect())).collect();
        let their_names: Vec<String> = theirs.names.iter().map(joined).collect();
        self.note_each("names in the certificate", names, &their_names);
        if ours.is_empty() {
            return;
        }
        let sha1 = ours.iter().any(|one| one.trust_problems.contains(&TrustProblem::Sha1Signature));
        let trusted = ours.iter().all(|one| one.trust_problems.is_empty() && !one.incomplete_chain);
        for (fact, ours, theirs) in [
            ("a signature with SHA-1", sha1, theirs.sha1),
            ("the name asked for is in it", ours.iter().all(|one| one.name_matches), theirs.name_matches),
            ("the chain sent leads to a trusted issuer", trusted, theirs.trusted),
        ] {
            if let Some(theirs) = theirs {
                self.note(fact, yes_no(ours), yes_no(theirs));
            }
        }
    }

    fn note_each(&mut self, fact: &str, ours: Vec<String>, theirs: &[String]) {
        let all = ours.join(", ");
        for stated in theirs {
            let same = if ours.contains(stated) { stated } else { &all };
            self.note(fact, same, stated);
        }
    }

    fn note(&mut self, fact: &str, ours: &str, theirs: &str) {
        if ours == theirs {
            self.agreed += 1;
        } else {
            let (fact, ours, theirs) = (fact.to_owned(), ours.to_owned(), theirs.to_owned());
            self.differences.push(Difference { fact, ours, theirs });
        }
    }
}

/// Both state the time of a certificate to the minute at least.
const MINUTE: &str = "%Y-%m-%d %H:%M";

fn told_offered(offered: bool) -> &'static str {
    if offered { "offered" } else { "not offered" }
}

fn yes_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

fn told_hsts(hsts: &HstsFact) -> String {
    match hsts {
        HstsFact::Absent => "none".into(),
        HstsFact::Invalid => "invalid".into(),
        HstsFact::Disabled => "0 seconds".into(),
        HstsFact::MaxAge(seconds) => format!("{seconds} seconds"),
    }
}
