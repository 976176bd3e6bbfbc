//! The flat JSON that testssl.sh 3 writes, as statements. Its own rating and its warnings are left where they are.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::super::facts::{HstsFact, TlsFacts, TlsVersion};
use super::{CrossCheck, CrossCheckError, Groups, MAX_BYTES, Theirs, compare};

/// One line of the report. An identifier ends in ` <cert#2>` where there are several certificates.
#[derive(Deserialize)]
struct Line {
    id: String,
    finding: String,
}

/// Holds facts against the JSON that testssl.sh 3 writes (`--jsonfile`): versions, suites of each version (`-E`), curves
/// (`-f`), the Diffie-Hellman prime, the order of suites (`-P`) where TLS 1.3 is not spoken, HSTS (`-h`), compression (`-C`),
/// renegotiation (`-R`), and what `-S` shows: tickets, heartbeat, and of the certificate its key, names, end, signature
/// and trust.
///
/// # Errors
/// When the text is no such report, or one that was cut off.
pub fn cross_check_testssl(facts: &TlsFacts, json: &str) -> Result<CrossCheck, CrossCheckError> {
    if json.len() > MAX_BYTES {
        return Err(CrossCheckError::TooLarge { scanner: "testssl.sh" });
    }
    let lines: Vec<Line> = serde_json::from_str(json).map_err(CrossCheckError::Json)?;
    let mut theirs = Theirs::default();
    for line in &lines {
        let id = line.id.split(' ').next().unwrap_or_default();
        note(&mut theirs, id, &line.finding);
        note_certificate(&mut theirs, id, &line.finding);
    }
    // It lets TLS 1.3 choose when it asks for the order of the others, and so finds one wherever TLS 1.3 is spoken.
    if !theirs.versions.contains(&(TlsVersion::Tls13, false)) {
        theirs.server_order = None;
    }
    compare("testssl.sh", facts, &theirs)
}

fn note(theirs: &mut Theirs, id: &str, finding: &str) {
    if let Some((version, suite)) = id.strip_prefix("cipher-").and_then(|rest| rest.split_once("_x")) {
        let suite = u16::from_str_radix(suite, 16).ok();
        theirs.suites.extend(version_of(&version.to_ascii_uppercase()).zip(suite));
        // TLS 1.3 names its group in the same column.
        if !version.ends_with("1_3") {
            theirs.dh_bits = dh_bits(finding).into_iter().chain(theirs.dh_bits).min();
        }
        return;
    }
    if let Some(version) = version_of(id) {
        theirs.versions.extend(offered(finding).map(|offered| (version, offered)));
        return;
    }
    match id {
        "TLS_extensions" => {
            theirs.tickets = Some(finding.contains("session ticket/"));
            theirs.heartbeat = Some(finding.contains("heartbeat/"));
        }
        "cipher_order" => {
            theirs.server_order = match finding {
                "server" => Some(true),
                "NOT a cipher order configured" => Some(false),
                _ => None,
            };
        }
        "PFS_ECDHE_curves" | "FS_ECDHE_curves" => {
            let found = finding.split_whitespace().filter_map(curve).collect();
            theirs.groups = Some(Groups { is_absence_told: |id| (1..=30).contains(&id), found });
        }
        "HSTS" if finding == "not offered" => theirs.hsts = Some(HstsFact::Absent),
        "HSTS_time" => theirs.hsts = hsts(finding),
        "CRIME_TLS" => {
            let told = finding.starts_with("VULNERABLE") || finding.starts_with("not vulnerable");
            theirs.compression = told.then(|| finding.starts_with('V'));
        }
        "secure_renego" => {
            theirs.secure_renegotiation = match finding {
                "supported" => Some(true),
                "VULNERABLE" => Some(false),
                _ => None,
            };
        }
        _ => {}
    }
}

fn note_certificate(theirs: &mut Theirs, id: &str, finding: &str) {
    let all = |before: Option<bool>, now: bool| Some(before.unwrap_or(true) && now);
    match id {
        "cert_keySize" => {
            let key = finding.split(" bits").next().unwrap_or_default().trim();
            if key.split_once(' ').is_some_and(|(_, bits)| bits.parse::<u32>().is_ok()) {
                theirs.keys.push(key.to_owned());
            }
        }
        "cert_notAfter" => {
            // Of one that ends soon it says more behind the time.
            theirs.ends.extend(finding.get(..16).map(str::to_owned));
        }
        "cert_subjectAltName" if !finding.starts_with("No SAN") => {
            theirs.names.push(finding.split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>());
        }
        "cert_signatureAlgorithm" => {
            let sha1 = finding.starts_with("SHA1 ") || finding.ends_with(" SHA1");
            theirs.sha1 = Some(theirs.sha1.unwrap_or(false) || sha1);
        }
        "cert_trust" => theirs.name_matches = all(theirs.name_matches, finding.starts_with("Ok via")),
        "cert_chain_of_trust" => {
            theirs.trusted = all(theirs.trusted, finding.starts_with("passed"));
        }
        _ => {}
    }
}

/// `None` where it says "likely", or that something went wrong.
fn offered(finding: &str) -> Option<bool> {
    if finding.starts_with("not offered") {
        return Some(false);
    }
    (finding == "offered" || finding.starts_with("offered ") || finding.starts_with("offered,"))
        .then_some(true)
}

/// `DH 1024` in the column of the key exchange.
fn dh_bits(finding: &str) -> Option<u32> {
    let mut words = finding.split_whitespace();
    words.by_ref().find(|word| *word == "DH")?;
    words.next()?.parse().ok()
}

fn hsts(finding: &str) -> Option<HstsFact> {
    if finding.starts_with("misconfiguration") {
        return Some(HstsFact::Invalid);
    }
    if finding.starts_with("0.") {
        return Some(HstsFact::Disabled);
    }
    let seconds = finding.split_once("(=")?.1.split(' ').next()?;
    seconds.parse().ok().map(HstsFact::MaxAge)
}

fn version_of(text: &str) -> Option<TlsVersion> {
    Some(match text {
        "SSLv2" | "SSL2" => TlsVersion::Ssl2,
        "SSLv3" | "SSL3" => TlsVersion::Ssl3,
        "TLS1" => TlsVersion::Tls10,
        "TLS1_1" => TlsVersion::Tls11,
        "TLS1_2" => TlsVersion::Tls12,
        "TLS1_3" => TlsVersion::Tls13,
        _ => return None,
    })
}

/// The number of a curve by the name that OpenSSL gives it.
fn curve(name: &str) -> Option<u16> {
    let names = [
        "sect163k1",
        "sect163r1",
        "sect163r2",
        "sect193r1",
        "sect193r2",
        "sect233k1",
        "sect233r1",
        "sect239k1",
        "sect283k1",
        "sect283r1",
        "sect409k1",
        "sect409r1",
        "sect571k1",
        "sect571r1",
        "secp160k1",
        "secp160r1",
        "secp160r2",
        "secp192k1",
        "prime192v1",
        "secp224k1",
        "secp224r1",
        "secp256k1",
        "prime256v1",
        "secp384r1",
        "secp521r1",
        "brainpoolP256r1",
        "brainpoolP384r1",
        "brainpoolP512r1",
        "X25519",
        "X448",
    ];
    (1..).zip(names).find(|(_, known)| *known == name).map(|(id, _)| id)
}
