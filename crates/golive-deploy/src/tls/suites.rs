//! The cipher suites of the registry up to TLS 1.3, with what the rating needs of each.
//!
//! Facts of the IANA registry only; which of them are good is the rating's business.

/// One suite.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suite {
    pub(super) id: u16,
    exchange: &'static str,
    cipher: &'static str,
    mac: &'static str,
}

const TLS13: &str = "";

impl Suite {
    pub(super) fn name(&self) -> String {
        let mac = if self.mac.is_empty() { String::new() } else { format!("_{}", self.mac) };
        if self.exchange == TLS13 {
            return format!("TLS_{}{mac}", self.cipher);
        }
        format!("TLS_{}_WITH_{}{mac}", self.exchange, self.cipher)
    }

    pub(super) fn is_tls13(&self) -> bool {
        self.exchange == TLS13
    }

    /// Works only where TLS 1.2 does.
    pub(super) fn needs_tls12(&self) -> bool {
        self.aead() || matches!(self.mac, "SHA256" | "SHA384")
    }

    pub(super) fn forward_secrecy(&self) -> bool {
        self.is_tls13() || self.exchange.starts_with("DHE") || self.exchange.starts_with("ECDHE")
    }

    pub(super) fn anonymous(&self) -> bool {
        self.exchange.contains("anon")
    }

    pub(super) fn export(&self) -> bool {
        self.exchange.contains("EXPORT")
    }

    /// The client encrypts a secret to the server's RSA key.
    pub(super) fn rsa_exchange(&self) -> bool {
        self.exchange.starts_with("RSA")
    }

    pub(super) fn elliptic(&self) -> bool {
        self.exchange.starts_with("ECDHE") || self.exchange == "ECDH_anon"
    }

    pub(super) fn diffie_hellman(&self) -> bool {
        self.exchange.starts_with("DHE") || self.exchange.starts_with("DH_anon")
    }

    pub(super) fn aead(&self) -> bool {
        ["GCM", "CCM", "CHACHA20"].iter().any(|mode| self.cipher.contains(mode))
    }

    pub(super) fn cbc(&self) -> bool {
        self.cipher.contains("CBC")
    }

    pub(super) fn rc4(&self) -> bool {
        self.cipher.starts_with("RC4")
    }

    /// A block of 64 bits, where collisions come early.
    pub(super) fn small_block(&self) -> bool {
        ["3DES", "DES", "IDEA", "RC2"].iter().any(|cipher| self.cipher.starts_with(cipher))
    }

    /// Effective strength: two of the three keys of 3DES can be met in the middle.
    pub(super) fn bits(&self) -> u16 {
        match self.cipher {
            "NULL" => 0,
            "RC4_40" | "RC2_CBC_40" | "DES40_CBC" => 40,
            "DES_CBC" | "RC4_56" => 56,
            "3DES_EDE_CBC" => 112,
            cipher if cipher.contains("256") || cipher.starts_with("CHACHA20") => 256,
            _ => 128,
        }
    }
}

/// All suites.
pub(super) fn all() -> Vec<Suite> {
    let mut list = Vec::with_capacity(256);
    tls13(&mut list);
    modern(&mut list);
    elliptic(&mut list);
    aria_and_camellia(&mut list);
    classic(&mut list);
    list
}

/// Whether a suite of the registry, by its name there, is none that a configuration should allow: no forward secrecy, no
/// authentication, or a cipher that can be broken.
pub(crate) fn is_weak_suite(name: &str) -> bool {
    all().into_iter().find(|suite| suite.name().eq_ignore_ascii_case(name)).is_some_and(|suite| {
        let is_broken = suite.anonymous() || suite.export() || suite.rc4() || suite.small_block();
        !suite.forward_secrecy() || is_broken || suite.bits() < 128
    })
}

/// A suite by its number.
pub(super) fn by_id(id: u16) -> Option<Suite> {
    all().into_iter().find(|suite| suite.id == id)
}

fn add(list: &mut Vec<Suite>, id: u16, exchange: &'static str, cipher: &'static str, mac: &'static str) {
    list.push(Suite { id, exchange, cipher, mac });
}

/// Several suites in a row, one for each exchange.
fn row(
    list: &mut Vec<Suite>,
    first: u16,
    exchanges: &[&'static str],
    cipher: &'static str,
    mac: &'static str,
) {
    for (id, exchange) in (first..).zip(exchanges) {
        add(list, id, exchange, cipher, mac);
    }
}

/// Pairs of suites in a row: 128 and 256 bits for each exchange.
fn pairs(
    list: &mut Vec<Suite>,
    first: u16,
    exchanges: &[&'static str],
    ciphers: [(&'static str, &'static str); 2],
) {
    for (id, exchange) in (first..).step_by(2).zip(exchanges) {
        add(list, id, exchange, ciphers[0].0, ciphers[0].1);
        add(list, id + 1, exchange, ciphers[1].0, ciphers[1].1);
    }
}

fn tls13(list: &mut Vec<Suite>) {
    add(list, 0x1301, TLS13, "AES_128_GCM", "SHA256");
    add(list, 0x1302, TLS13, "AES_256_GCM", "SHA384");
    add(list, 0x1303, TLS13, "CHACHA20_POLY1305", "SHA256");
    add(list, 0x1304, TLS13, "AES_128_CCM", "SHA256");
    add(list, 0x1305, TLS13, "AES_128_CCM_8", "SHA256");
}

fn modern(list: &mut Vec<Suite>) {
    let gcm = [("AES_128_GCM", "SHA256"), ("AES_256_GCM", "SHA384")];
    pairs(list, 0xc02b, &["ECDHE_ECDSA", "ECDH_ECDSA", "ECDHE_RSA", "ECDH_RSA"], gcm);
    pairs(list, 0x009c, &["RSA", "DHE_RSA", "DH_RSA", "DHE_DSS", "DH_DSS", "DH_anon"], gcm);
    row(list, 0xcca8, &["ECDHE_RSA", "ECDHE_ECDSA", "DHE_RSA"], "CHACHA20_POLY1305", "SHA256");
    pairs(list, 0xc09c, &["RSA", "DHE_RSA"], [("AES_128_CCM", ""), ("AES_256_CCM", "")]);
    pairs(list, 0xc0a0, &["RSA", "DHE_RSA"], [("AES_128_CCM_8", ""), ("AES_256_CCM_8", "")]);
    pairs(list, 0xc0ac, &["ECDHE_ECDSA"], [("AES_128_CCM", ""), ("AES_256_CCM", "")]);
    pairs(list, 0xc0ae, &["ECDHE_ECDSA"], [("AES_128_CCM_8", ""), ("AES_256_CCM_8", "")]);
}

fn elliptic(list: &mut Vec<Suite>) {
    let cbc = [("AES_128_CBC", "SHA256"), ("AES_256_CBC", "SHA384")];
    pairs(list, 0xc023, &["ECDHE_ECDSA", "ECDH_ECDSA", "ECDHE_RSA", "ECDH_RSA"], cbc);
    for (first, exchange) in [
        (0xc001, "ECDH_ECDSA"),
        (0xc006, "ECDHE_ECDSA"),
        (0xc00b, "ECDH_RSA"),
        (0xc010, "ECDHE_RSA"),
        (0xc015, "ECDH_anon"),
    ] {
        for (id, cipher) in (first..).zip(["NULL", "RC4_128", "3DES_EDE_CBC", "AES_128_CBC", "AES_256_CBC"]) {
            add(list, id, exchange, cipher, "SHA");
        }
    }
}

fn aria_and_camellia(list: &mut Vec<Suite>) {
    let finite = ["RSA", "DH_DSS", "DH_RSA", "DHE_DSS", "DHE_RSA", "DH_anon"];
    let curves = ["ECDHE_ECDSA", "ECDH_ECDSA", "ECDHE_RSA", "ECDH_RSA"];
    let finite_gcm = ["RSA", "DHE_RSA", "DH_RSA", "DHE_DSS", "DH_DSS", "DH_anon"];
    let aria = [("ARIA_128_CBC", "SHA256"), ("ARIA_256_CBC", "SHA384")];
    let aria_gcm = [("ARIA_128_GCM", "SHA256"), ("ARIA_256_GCM", "SHA384")];
    pairs(list, 0xc03c, &finite, aria);
    pairs(list, 0xc048, &curves, aria);
    pairs(list, 0xc050, &finite_gcm, aria_gcm);
    pairs(list, 0xc05c, &curves, aria_gcm);
    let camellia_gcm = [("CAMELLIA_128_GCM", "SHA256"), ("CAMELLIA_256_GCM", "SHA384")];
    pairs(list, 0xc072, &curves, [("CAMELLIA_128_CBC", "SHA256"), ("CAMELLIA_256_CBC", "SHA384")]);
    pairs(list, 0xc07a, &finite_gcm, camellia_gcm);
    pairs(list, 0xc086, &curves, camellia_gcm);
    row(list, 0x0041, &finite, "CAMELLIA_128_CBC", "SHA");
    row(list, 0x0084, &finite, "CAMELLIA_256_CBC", "SHA");
    row(list, 0x00ba, &finite, "CAMELLIA_128_CBC", "SHA256");
    row(list, 0x00c0, &finite, "CAMELLIA_256_CBC", "SHA256");
}

fn classic(list: &mut Vec<Suite>) {
    let finite = ["RSA", "DH_DSS", "DH_RSA", "DHE_DSS", "DHE_RSA", "DH_anon"];
    row(list, 0x002f, &finite, "AES_128_CBC", "SHA");
    row(list, 0x0035, &finite, "AES_256_CBC", "SHA");
    row(list, 0x0096, &finite, "SEED_CBC", "SHA");
    row(list, 0x003e, &["DH_DSS", "DH_RSA", "DHE_DSS"], "AES_128_CBC", "SHA256");
    row(list, 0x0067, &["DHE_RSA"], "AES_128_CBC", "SHA256");
    row(list, 0x0068, &["DH_DSS", "DH_RSA", "DHE_DSS", "DHE_RSA"], "AES_256_CBC", "SHA256");
    row(list, 0x006c, &["DH_anon"], "AES_128_CBC", "SHA256");
    row(list, 0x006d, &["DH_anon"], "AES_256_CBC", "SHA256");
    for (id, exchange, cipher, mac) in [
        (0x0001, "RSA", "NULL", "MD5"),
        (0x0002, "RSA", "NULL", "SHA"),
        (0x0003, "RSA_EXPORT", "RC4_40", "MD5"),
        (0x0004, "RSA", "RC4_128", "MD5"),
        (0x0005, "RSA", "RC4_128", "SHA"),
        (0x0006, "RSA_EXPORT", "RC2_CBC_40", "MD5"),
        (0x0007, "RSA", "IDEA_CBC", "SHA"),
        (0x0008, "RSA_EXPORT", "DES40_CBC", "SHA"),
        (0x0009, "RSA", "DES_CBC", "SHA"),
        (0x000a, "RSA", "3DES_EDE_CBC", "SHA"),
        (0x000b, "DH_DSS_EXPORT", "DES40_CBC", "SHA"),
        (0x000c, "DH_DSS", "DES_CBC", "SHA"),
        (0x000d, "DH_DSS", "3DES_EDE_CBC", "SHA"),
        (0x000e, "DH_RSA_EXPORT", "DES40_CBC", "SHA"),
        (0x000f, "DH_RSA", "DES_CBC", "SHA"),
        (0x0010, "DH_RSA", "3DES_EDE_CBC", "SHA"),
        (0x0011, "DHE_DSS_EXPORT", "DES40_CBC", "SHA"),
        (0x0012, "DHE_DSS", "DES_CBC", "SHA"),
        (0x0013, "DHE_DSS", "3DES_EDE_CBC", "SHA"),
        (0x0014, "DHE_RSA_EXPORT", "DES40_CBC", "SHA"),
        (0x0015, "DHE_RSA", "DES_CBC", "SHA"),
        (0x0016, "DHE_RSA", "3DES_EDE_CBC", "SHA"),
        (0x0017, "DH_anon_EXPORT", "RC4_40", "MD5"),
        (0x0018, "DH_anon", "RC4_128", "MD5"),
        (0x0019, "DH_anon_EXPORT", "DES40_CBC", "SHA"),
        (0x001a, "DH_anon", "DES_CBC", "SHA"),
        (0x001b, "DH_anon", "3DES_EDE_CBC", "SHA"),
        (0x003b, "RSA", "NULL", "SHA256"),
        (0x003c, "RSA", "AES_128_CBC", "SHA256"),
        (0x003d, "RSA", "AES_256_CBC", "SHA256"),
        (0x0062, "RSA_EXPORT1024", "DES_CBC", "SHA"),
        (0x0063, "DHE_DSS_EXPORT1024", "DES_CBC", "SHA"),
        (0x0064, "RSA_EXPORT1024", "RC4_56", "SHA"),
        (0x0065, "DHE_DSS_EXPORT1024", "RC4_56", "SHA"),
        (0x0066, "DHE_DSS", "RC4_128", "SHA"),
    ] {
        add(list, id, exchange, cipher, mac);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique() {
        let mut ids: Vec<u16> = all().iter().map(|suite| suite.id).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count);
    }

    #[test]
    fn known_numbers_have_their_names() {
        for (id, name) in [
            (0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
            (0xc030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
            (0xcca9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
            (0x009d, "TLS_RSA_WITH_AES_256_GCM_SHA384"),
            (0xc014, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"),
            (0x006b, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256"),
            (0x1301, "TLS_AES_128_GCM_SHA256"),
            (0x000a, "TLS_RSA_WITH_3DES_EDE_CBC_SHA"),
            (0xc09d, "TLS_RSA_WITH_AES_256_CCM"),
            (0xc08b, "TLS_ECDHE_RSA_WITH_CAMELLIA_256_GCM_SHA384"),
        ] {
            assert_eq!(by_id(id).map(|suite| suite.name()).as_deref(), Some(name));
        }
    }
}
