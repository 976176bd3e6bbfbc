//! The XML that sslscan 2 writes, as statements.

use std::collections::BTreeSet;

use chrono::NaiveDateTime;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::super::facts::{TlsFacts, TlsVersion};
use super::{CrossCheck, CrossCheckError, Groups, MAX_BYTES, MINUTE, Theirs, compare};

/// Holds facts against the XML that sslscan 2 writes: versions, suites of each version, groups, the Diffie-Hellman prime,
/// compression, renegotiation, and of the certificate its RSA key, names, end and kind of signature.
///
/// # Errors
/// When the text is no such report.
pub fn cross_check_sslscan(facts: &TlsFacts, xml: &str) -> Result<CrossCheck, CrossCheckError> {
    if xml.len() > MAX_BYTES {
        return Err(CrossCheckError::TooLarge { scanner: "sslscan" });
    }
    compare("sslscan", facts, &read(xml)?)
}

fn read(xml: &str) -> Result<Theirs, CrossCheckError> {
    let mut reader = Reader::from_str(xml);
    // It knows no hybrid group; and of a finite field it cannot tell a refusal from a time-out, as both sides count long.
    let groups = Groups { is_absence_told: |id| id < 0x0100, found: BTreeSet::new() };
    let mut theirs = Theirs { groups: Some(groups), ..Theirs::default() };
    let mut within = Vec::new();
    loop {
        match reader.read_event().map_err(CrossCheckError::Xml)? {
            Event::Eof => break,
            Event::Start(element) => {
                note(&mut theirs, &element);
                within = element.name().as_ref().to_vec();
            }
            Event::Empty(element) => note(&mut theirs, &element),
            Event::Text(text) => note_text(&mut theirs, &within, &text),
            Event::CData(text) => note_text(&mut theirs, &within, &text),
            Event::End(_) => within.clear(),
            _ => {}
        }
    }
    Ok(theirs)
}

fn note(theirs: &mut Theirs, element: &BytesStart<'_>) {
    let get = |name: &str| {
        let attribute = element.try_get_attribute(name).ok().flatten()?;
        Some(String::from_utf8_lossy(&attribute.value).into_owned())
    };
    let is = |name: &str| get(name).map(|value| value == "1");
    let id = || get("id").and_then(|id| u16::from_str_radix(id.trim_start_matches("0x"), 16).ok());
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
            theirs.suites.extend(version.zip(id()));
            let bits: Option<u32> = get("dhebits").and_then(|bits| bits.parse().ok());
            theirs.dh_bits = bits.into_iter().chain(theirs.dh_bits).min();
        }
        b"group" => {
            if let (Some(groups), Some(id)) = (&mut theirs.groups, id()) {
                groups.found.insert(id);
            }
        }
        b"compression" => theirs.compression = is("supported"),
        // Of a server that refuses to renegotiate it writes "not secure", which says nothing.
        b"renegotiation" if is("supported") == Some(true) => theirs.secure_renegotiation = is("secure"),
        // What it calls the bits of an elliptic curve is their strength.
        b"pk" if get("type").as_deref() == Some("RSA") => {
            theirs.keys.extend(get("bits").map(|bits| format!("RSA {bits}")));
        }
        _ => {}
    }
}

fn note_text(theirs: &mut Theirs, within: &[u8], text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let text = text.trim();
    match within {
        b"signature-algorithm" if !text.is_empty() => {
            theirs.sha1 = Some(theirs.sha1.unwrap_or(false) || text.to_ascii_lowercase().contains("sha1"));
        }
        b"altnames" if !text.is_empty() => {
            let plain = |name: &str| {
                let name = name.trim();
                name.strip_prefix("DNS:").or(name.strip_prefix("IP Address:")).map(str::to_owned)
            };
            theirs.names.push(text.split(',').filter_map(plain).collect());
        }
        b"not-valid-after" => {
            let end = NaiveDateTime::parse_from_str(text, "%b %e %H:%M:%S %Y GMT");
            theirs.ends.extend(end.map(|end| end.format(MINUTE).to_string()));
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
