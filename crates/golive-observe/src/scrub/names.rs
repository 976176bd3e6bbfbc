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

/// The letters of each of them, as [`letters`] has them. A name that lacks a letter of every one holds none of them: so
/// nearly every name is judged by a few comparisons of whole numbers.
const LETTERS: [u32; CONTAINED.len() + WORDS.len()] = {
    let mut found = [0; CONTAINED.len() + WORDS.len()];
    let mut index = 0;
    while index < found.len() {
        found[index] = if index < CONTAINED.len() {
            letters(CONTAINED[index].as_bytes())
        } else {
            letters(WORDS[index - CONTAINED.len()].as_bytes())
        };
        index += 1;
    }
    found
};

/// A bit for each letter, case ignored; none for what is no letter.
const BITS: [u32; 256] = {
    let mut bits = [0; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        if byte.is_ascii_alphabetic() {
            bits[byte as usize] = 1 << (byte.to_ascii_lowercase() - b'a');
        }
        byte += 1;
    }
    bits
};

/// Which letters there are.
const fn letters(bytes: &[u8]) -> u32 {
    let (mut found, mut index) = (0, 0);
    while index < bytes.len() {
        found |= BITS[bytes[index] as usize];
        index += 1;
    }
    found
}

/// A name that a program says holds a secret, besides the built-in ones.
#[derive(Debug, Clone)]
pub(super) struct ExtraName {
    normalized: String,
    letters: u32,
}

impl ExtraName {
    /// Nothing when there is no letter or digit in it: it would be in every name.
    pub(super) fn new(name: &str) -> Option<Self> {
        let normalized: String =
            name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        let letters = letters(normalized.as_bytes());
        (!normalized.is_empty()).then_some(Self { normalized, letters })
    }
}

/// Longer names are judged by their last part: names are short, and this runs for every field.
const LONGEST_NAME_BYTES: usize = 64;

/// Does a field of this name hold a secret, by the built-in list or by `extra`?
pub(super) fn is_sensitive(name: &str, extra: &[ExtraName]) -> bool {
    let bytes = judged(name);
    let found = letters(bytes);
    let mut may_be = false;
    // Without an early end, so that the comparisons are made side by side.
    for known in LETTERS {
        may_be |= found & known == known;
    }
    for known in extra {
        may_be |= found & known.letters == known.letters;
    }
    may_be && is_sensitive_by_spelling(bytes, extra)
}

/// The part of a name that it is judged by.
fn judged(name: &str) -> &[u8] {
    let bytes = name.as_bytes();
    &bytes[bytes.len().saturating_sub(LONGEST_NAME_BYTES)..]
}

fn is_sensitive_by_spelling(bytes: &[u8], extra: &[ExtraName]) -> bool {
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
        || extra.iter().any(|part| contains(&part.normalized))
        || bytes
            .split(|byte| !byte.is_ascii_alphanumeric())
            .any(|word| WORDS.iter().any(|known| word.eq_ignore_ascii_case(known.as_bytes())))
}

/// Is the value of this header a secret up to the end of its line, spaces included?
pub(super) fn is_whole_line(name: &str) -> bool {
    let ends_with = |end: &str| {
        let at = name.len().checked_sub(end.len());
        at.is_some_and(|at| name.as_bytes()[at..].eq_ignore_ascii_case(end.as_bytes()))
    };
    ends_with("authorization") || ends_with("cookie")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn judging_by_letters_first_misses_nothing(
            parts in prop::collection::vec("(\\PC{0,3}|[a-zA-Z0-9_.%-]{0,4}|pass|WORD|token|api|Key|to|ken|pin|dsn|id)", 0..12),
            extra in prop::collection::vec("[a-zA-Z0-9 _-]{0,5}", 0..3),
        ) {
            let name = parts.concat();
            let extra: Vec<ExtraName> = extra.iter().filter_map(|name| ExtraName::new(name)).collect();
            prop_assert_eq!(is_sensitive(&name, &extra), is_sensitive_by_spelling(judged(&name), &extra), "{}", name);
        }
    }
}
