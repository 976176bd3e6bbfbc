//! From facts to a letter, by the SSL Labs Server Rating Guide, version 2009r (May 2025).
//!
//! Pure. Where the guide asks for something that handshakes alone cannot show, the thing is either
//! excluded by what the server speaks, or listed as unverified; then A+ is not claimed.

use chrono::{DateTime, Utc};

use super::facts::{HstsFact, SuiteFact, Support, TlsFacts, TlsVersion, TrustProblem};
use super::report::{Cap, Letter, Scores, TlsReport, Unverified};
use super::suites::{self, Suite};

/// The version of the guide.
const GUIDE: &str = "SSL Labs Server Rating Guide 2009r";
/// Six months, as the guide counts them.
const HSTS_SECONDS: u64 = 15_552_000;

/// Rates facts. `target`, `address`, `server_name` and `now` only label the report.
pub fn rate(
    facts: TlsFacts,
    target: &str,
    address: &str,
    server_name: &str,
    now: DateTime<Utc>,
) -> TlsReport {
    let seen = Seen::new(&facts);
    let scores = seen.scores();
    let mut caps = Vec::new();
    seen.cap_protocols(&mut caps);
    seen.cap_suites(&mut caps);
    seen.cap_keys(&mut caps);
    caps.sort_by_key(|cap| cap.grade);
    let warnings = seen.warnings();
    let unverified = seen.unverified();
    let mut below_a_plus = seen.below_a_plus();
    below_a_plus.extend(
        unverified
            .iter()
            .filter(|item| item.blocks_a_plus)
            .map(|item| format!("not verified: {}", item.check)),
    );
    let ignoring_trust = letter(scores, &caps, &warnings, &below_a_plus);
    let grade = match seen.trust() {
        None => ignoring_trust,
        Some(letter) => letter,
    };
    drop(seen);
    TlsReport {
        guide: GUIDE,
        target: target.into(),
        address: address.into(),
        server_name: server_name.into(),
        collected_at: now,
        grade,
        grade_ignoring_trust: ignoring_trust,
        scores,
        caps,
        warnings,
        below_a_plus,
        unverified,
        facts,
    }
}

fn letter(scores: Scores, caps: &[Cap], warnings: &[String], below_a_plus: &[String]) -> Letter {
    let by_score = match scores.total {
        80.. => Letter::A,
        65.. => Letter::B,
        50.. => Letter::C,
        35.. => Letter::D,
        20.. => Letter::E,
        _ => Letter::F,
    };
    let capped = caps.iter().map(|cap| cap.grade).max().map_or(by_score, |cap| cap.max(by_score));
    match (capped, warnings.is_empty(), below_a_plus.is_empty()) {
        (Letter::A, false, _) => Letter::AMinus,
        (Letter::A, true, true) => Letter::APlus,
        (letter, _, _) => letter,
    }
}

struct Seen<'a> {
    facts: &'a TlsFacts,
    suites: Vec<(&'a SuiteFact, Suite)>,
}

impl<'a> Seen<'a> {
    fn new(facts: &'a TlsFacts) -> Self {
        let suites = facts
            .suites
            .iter()
            .filter_map(|fact| suites::by_id(fact.id).map(|suite| (fact, suite)))
            .collect();
        Self { facts, suites }
    }

    fn support(&self, version: TlsVersion) -> Support {
        self.facts
            .protocols
            .iter()
            .find(|fact| fact.version == version)
            .map_or(Support::Unknown, |fact| fact.support)
    }

    fn speaks(&self, version: TlsVersion) -> bool {
        self.support(version) == Support::Offered
    }

    fn any(&self, test: impl Fn(&Suite) -> bool) -> bool {
        self.suites.iter().any(|(_, suite)| test(suite))
    }

    /// Spoken before TLS 1.3, where the old attacks live.
    fn speaks_old(&self) -> bool {
        [TlsVersion::Ssl3, TlsVersion::Tls10, TlsVersion::Tls11, TlsVersion::Tls12]
            .iter()
            .any(|&version| self.speaks(version))
    }

    fn scores(&self) -> Scores {
        let protocol =
            average(self.facts.protocols.iter().filter(|fact| fact.support == Support::Offered).map(
                |fact| match fact.version {
                    TlsVersion::Ssl2 => 0,
                    TlsVersion::Ssl3 => 80,
                    TlsVersion::Tls10 => 90,
                    TlsVersion::Tls11 => 95,
                    TlsVersion::Tls12 | TlsVersion::Tls13 => 100,
                },
            ));
        let cipher = average(self.facts.suites.iter().map(|suite| match suite.bits {
            0 => 0,
            1..128 => 20,
            128..256 => 80,
            256.. => 100,
        }));
        // No cipher at all, as with SSL 2.0 alone, is no strength.
        let null = self.any(|suite| suite.bits() == 0);
        let (protocol, cipher) = (protocol.unwrap_or(0), if null { 0 } else { cipher.unwrap_or(0) });
        let key_exchange = self.key_exchange();
        let sum = (30 * u32::from(protocol) + 30 * u32::from(key_exchange) + 40 * u32::from(cipher)) / 100;
        let zero = protocol == 0 || key_exchange == 0 || cipher == 0;
        let total = if zero { 0 } else { u8::try_from(sum).unwrap_or(100) };
        Scores { protocol, key_exchange, cipher, total }
    }

    fn key_exchange(&self) -> u8 {
        let certificates = self.facts.certificates.iter().map(|certificate| certificate.rsa_equivalent_bits);
        let weakest = certificates.chain(self.facts.dh_bits).chain(self.facts.weakest_group_rsa_bits).min();
        let by_bits = match weakest {
            None | Some(0) => 0,
            Some(..512) => 20,
            Some(..1024) => 40,
            Some(..2048) => 80,
            Some(..4096) => 90,
            Some(_) => 100,
        };
        if self.any(Suite::anonymous)
            || self.facts.certificates.iter().any(|certificate| certificate.exponent_one)
        {
            return 0;
        }
        if self.any(Suite::export) { by_bits.min(40) } else { by_bits }
    }

    fn cap_protocols(&self, caps: &mut Vec<Cap>) {
        let mut cap = |when: bool, grade: Letter, reason: &str| {
            if when {
                caps.push(Cap { grade, reason: reason.into() });
            }
        };
        let modern = self.speaks(TlsVersion::Tls12) || self.speaks(TlsVersion::Tls13);
        let tls = modern || self.speaks(TlsVersion::Tls10) || self.speaks(TlsVersion::Tls11);
        let ssl3 = self.speaks(TlsVersion::Ssl3);
        cap(self.speaks(TlsVersion::Ssl2), Letter::F, "SSL 2.0 is spoken (DROWN)");
        cap(ssl3 && !tls, Letter::F, "SSL 3.0 is the best version spoken");
        cap(ssl3, Letter::B, "SSL 3.0 is spoken");
        let ssl3_cbc =
            self.suites.iter().any(|(fact, suite)| fact.version == TlsVersion::Ssl3 && suite.cbc());
        cap(ssl3_cbc, Letter::C, "SSL 3.0 with CBC suites (POODLE)");
        cap(self.speaks(TlsVersion::Tls10), Letter::B, "TLS 1.0 is spoken");
        cap(self.speaks(TlsVersion::Tls11), Letter::B, "TLS 1.1 is spoken");
        cap(!modern, Letter::C, "neither TLS 1.2 nor 1.3 is spoken");
        cap(self.facts.compression, Letter::C, "TLS compression is on (CRIME)");
    }

    fn cap_suites(&self, caps: &mut Vec<Cap>) {
        let mut cap = |when: bool, grade: Letter, reason: &str| {
            if when {
                caps.push(Cap { grade, reason: reason.into() });
            }
        };
        cap(self.any(|suite| suite.bits() == 0), Letter::F, "suites without encryption");
        cap(self.any(Suite::anonymous), Letter::F, "suites without authentication");
        cap(self.any(Suite::export), Letter::F, "export suites (FREAK, Logjam)");
        cap(self.any(|suite| (1..112).contains(&suite.bits())), Letter::F, "suites weaker than 112 bits");
        let rc4 = self.any(Suite::rc4);
        cap(rc4 && !self.any(|suite| !suite.rc4()), Letter::F, "RC4 is all there is");
        cap(rc4, Letter::B, "RC4 is offered");
        let takes = |test: fn(&Suite) -> bool| {
            self.facts
                .chosen_when_weak_first
                .iter()
                .any(|(_, id)| suites::by_id(*id).is_some_and(|suite| test(&suite)))
        };
        cap(takes(Suite::rc4), Letter::C, "RC4 is used with TLS 1.1 or newer");
        cap(
            takes(Suite::small_block),
            Letter::C,
            "64-bit block ciphers are used with TLS 1.1 or newer (SWEET32)",
        );
        // TLS 1.3 always has both.
        let old_only = !self.speaks(TlsVersion::Tls13);
        let forward = self.any(Suite::forward_secrecy) && self.facts.browser_forward_secrecy != Some(false);
        cap(old_only && !forward, Letter::B, "no forward secrecy with current browsers");
        cap(old_only && !self.any(Suite::aead), Letter::B, "no authenticated encryption (AEAD)");
    }

    fn cap_keys(&self, caps: &mut Vec<Cap>) {
        let mut cap = |when: bool, grade: Letter, reason: String| {
            if when {
                caps.push(Cap { grade, reason });
            }
        };
        for certificate in &self.facts.certificates {
            let bits = certificate.key_bits;
            let strength = certificate.rsa_equivalent_bits;
            cap(certificate.exponent_one, Letter::F, "RSA key with exponent 1".into());
            cap(certificate.md5_signature, Letter::F, "certificate signed with MD5 or MD2".into());
            cap(strength < 1024, Letter::F, format!("insecure {} key of {bits} bits", certificate.key_kind));
            cap(
                (1024..2048).contains(&strength),
                Letter::B,
                format!("{} key of {bits} bits", certificate.key_kind),
            );
            cap(certificate.incomplete_chain, Letter::B, "the chain sent is incomplete".into());
        }
        if let Some(bits) = self.facts.dh_bits {
            cap(bits < 1024, Letter::F, format!("insecure Diffie-Hellman prime of {bits} bits"));
            cap((1024..2048).contains(&bits), Letter::B, format!("Diffie-Hellman prime of {bits} bits"));
        }
        if let Some(bits) = self.facts.weakest_group_rsa_bits {
            cap(bits < 2048, Letter::B, format!("an elliptic curve no stronger than RSA with {bits} bits"));
        }
    }

    fn warnings(&self) -> Vec<String> {
        let mut list = Vec::new();
        let mut warn = |when: bool, text: &str| {
            if when {
                list.push(text.to_owned());
            }
        };
        warn(!self.speaks(TlsVersion::Tls13), "TLS 1.3 is not spoken");
        warn(self.facts.secure_renegotiation == Some(false), "renegotiation is not protected (RFC 5746)");
        warn(
            self.speaks_old() && !self.any(|suite| !suite.is_tls13() && suite.forward_secrecy()),
            "no forward secrecy before TLS 1.3",
        );
        if let Some(http) = &self.facts.http {
            warn(http.hsts == HstsFact::Disabled, "HSTS is switched off with max-age=0");
            warn(http.hsts == HstsFact::Invalid, "the HSTS header is invalid, so that browsers ignore it");
        }
        list
    }

    /// What keeps the plus away without being a warning.
    fn below_a_plus(&self) -> Vec<String> {
        let mut list = Vec::new();
        match self.facts.http.as_ref().map(|http| &http.hsts) {
            Some(HstsFact::Absent) => list.push("no HSTS header over https".to_owned()),
            Some(HstsFact::MaxAge(seconds)) if *seconds < HSTS_SECONDS => {
                list.push(format!("HSTS max-age {seconds} is less than six months ({HSTS_SECONDS})"));
            }
            _ => {}
        }
        if self.facts.http.as_ref().is_some_and(|http| http.key_pins) {
            list.push(
                "a key pinning header is sent; it is not evaluated, and browsers have dropped it".to_owned(),
            );
        }
        list
    }

    /// The letter that trust alone gives: T, or M when only the name is wrong.
    fn trust(&self) -> Option<Letter> {
        let certificates = &self.facts.certificates;
        if certificates.iter().any(|certificate| !certificate.trust_problems.is_empty()) {
            return Some(Letter::T);
        }
        certificates.iter().any(|certificate| !certificate.name_matches).then_some(Letter::M)
    }

    fn unverified(&self) -> Vec<Unverified> {
        let mut list = Vec::new();
        self.unanswered(&mut list);
        self.attacks(&mut list);
        let source = self
            .facts
            .certificates
            .iter()
            .any(|certificate| certificate.names_revocation_source && !certificate.revocation_checked);
        open(
            &mut list,
            source,
            "revocation",
            "the certificate names a revocation list or responder; give the list to have it checked",
        );
        if self.facts.certificates.len() > 1 {
            list.push(Unverified {
                check: "possession of the further keys".into(),
                reason: "one handshake proves one key; the server sends several certificates".into(),
                blocks_a_plus: false,
            });
        }
        list.push(Unverified {
            check: "the list of weak keys of 2006-2008 (CVE-2008-0166)".into(),
            reason: "not at hand; keys made since May 2008 are not on it".into(),
            blocks_a_plus: false,
        });
        list
    }

    /// Questions that were asked and not answered.
    fn unanswered(&self, list: &mut Vec<Unverified>) {
        for fact in self.facts.protocols.iter().filter(|fact| fact.support == Support::Unknown) {
            let reason = "no clear answer to its hello; ask again when the server is idle";
            open(list, true, fact.version.as_str(), reason);
        }
        for unclear in &self.facts.unclear {
            open(list, true, unclear, "no clear answer to the end; ask again when the server is idle");
        }
        let none = self.facts.certificates.is_empty();
        open(list, none, "the certificate", "the server sent none that could be read");
        open(list, self.facts.http.is_none(), "HSTS", "no answer over HTTP; the headers are unknown");
        let unproved = !self.facts.key_possession_proved;
        open(list, unproved, "possession of the certificate's key", "no handshake could be completed");
    }

    /// Weaknesses that only an attack would show, unless what the server speaks excludes them.
    fn attacks(&self, list: &mut Vec<Unverified>) {
        let old = self.speaks_old();
        open(
            list,
            old && self.any(Suite::rsa_exchange),
            "ROBOT",
            "needs attack traffic; without RSA key exchange it is impossible",
        );
        open(
            list,
            old && self.any(Suite::cbc),
            "padding oracles (Zombie POODLE, GOLDENDOODLE, POODLE-TLS, CVE-2016-2107)",
            "need attack traffic; without CBC suites they are impossible",
        );
        // No version of the software that had these three speaks TLS 1.3.
        let before_tls13 = old && !self.speaks(TlsVersion::Tls13);
        open(
            list,
            before_tls13 && self.facts.heartbeat,
            "Heartbleed",
            "the heartbeat extension is offered; it needs attack traffic",
        );
        open(
            list,
            before_tls13 && self.facts.tickets,
            "Ticketbleed",
            "needs a resumed session; without tickets before TLS 1.3 it is impossible",
        );
        open(
            list,
            before_tls13 && self.facts.early_ccs_refused != Some(true),
            "CVE-2014-0224",
            "an early ChangeCipherSpec was not clearly refused",
        );
        open(
            list,
            self.facts.secure_renegotiation == Some(false),
            "insecure renegotiation",
            "needs a second handshake; with RFC 5746 it is impossible",
        );
    }
}

/// Notes something open that could lower the grade.
fn open(list: &mut Vec<Unverified>, when: bool, check: &str, reason: &str) {
    if when {
        list.push(Unverified { check: check.into(), reason: reason.into(), blocks_a_plus: true });
    }
}

fn average(values: impl Iterator<Item = u8> + Clone) -> Option<u8> {
    let best = values.clone().max()?;
    let worst = values.min()?;
    u8::try_from((u16::from(best) + u16::from(worst)) / 2).ok()
}

impl TrustProblem {
    /// The problem in words.
    pub fn describe(&self) -> String {
        match self {
            Self::Expired => "the certificate, or one above it, has expired".into(),
            Self::NotYetValid => "the certificate is not valid yet".into(),
            Self::SelfSigned => "the certificate is self-signed".into(),
            Self::UnknownIssuer => "no trusted issuer; if it is your own CA, give it as trust anchor, else send the intermediate certificate too".into(),
            Self::Sha1Signature => "signed with SHA-1, which browsers refuse".into(),
            Self::KeyNotHeld => "the server does not hold the key of the certificate".into(),
            Self::Revoked => "the certificate was revoked".into(),
            Self::Invalid(reason) => format!("the certificate is not acceptable: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests;
