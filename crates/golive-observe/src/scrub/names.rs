//! Which field names hold secrets. Only names are judged here, never values.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

/// A name that contains one of these, ignoring case and separators, holds a secret.
const CONTAINED: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "token",
    "authorization",
    "cookie",
    "apikey",
    "accesskey",
    "privatekey",
    "signingkey",
    "encryptionkey",
    "credential",
    "sessionid",
    "creditcard",
    "cardnumber",
];

/// Finds any of them in one pass: a name is judged for every field of every line.
static SEARCH: LazyLock<AhoCorasick> =
    LazyLock::new(|| AhoCorasick::new(CONTAINED).expect("a few short words are far below every limit"));

/// Too short to be searched inside a name: one of its words must be exactly this.
const WORDS: &[&str] = &["pwd", "pass", "jwt", "dsn", "otp", "pin", "cvv", "cvc"];

/// Longer names are judged by their last part: names are short, and this runs for every field.
const LONGEST_NAME_BYTES: usize = 64;

/// Does a field of this name hold a secret, by the built-in list or by `extra` (already normalized)?
pub(super) fn is_sensitive(name: &str, extra: &[String]) -> bool {
    let bytes = name.as_bytes();
    let bytes = &bytes[bytes.len().saturating_sub(LONGEST_NAME_BYTES)..];
    let mut buffer = [0_u8; LONGEST_NAME_BYTES];
    let mut length = 0;
    for byte in bytes.iter().filter(|byte| byte.is_ascii_alphanumeric()) {
        buffer[length] = byte.to_ascii_lowercase();
        length += 1;
    }
    let normalized = &buffer[..length];
    let contains = |part: &str| {
        normalized.len() >= part.len()
            && normalized.windows(part.len()).any(|window| window == part.as_bytes())
    };
    SEARCH.is_match(normalized)
        || extra.iter().any(|part| contains(part))
        || bytes
            .split(|byte| !byte.is_ascii_alphanumeric())
            .any(|word| WORDS.iter().any(|known| word.eq_ignore_ascii_case(known.as_bytes())))
}

/// Is the value of this header a secret up to the end of its line, spaces included?
pub(super) fn is_whole_line(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with("authorization") || name.ends_with("cookie")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_in_every_spelling() {
        for name in ["password", "newPassword", "X-Api-Key", "set-cookie", "DB_PASS", "refresh.token", "pin"]
        {
            assert!(is_sensitive(name, &[]), "{name}");
        }
        for name in ["user", "author", "shipping", "passes", "key", "route", "", "compass"] {
            assert!(!is_sensitive(name, &[]), "{name}");
        }
    }
}
