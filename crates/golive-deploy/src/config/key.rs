//! The secret key: present, long, random, unpublished.
//!
//! Judges the text of a key; making one is golive-auth's work.

use std::collections::BTreeMap;

use super::{Seen, Settings};

const MIN_CHARACTERS: usize = 64;
const MIN_DISTINCT: usize = 12;
/// Random hexadecimal has four bits a character; a sample of 64 of them measures about 3.7.
const MIN_BITS_PER_CHARACTER: f64 = 3.3;

/// Words that nearly every sample key holds. None is so short that a random key would hold it by chance.
const WORDS: &[&str] = &[
    "change",
    "secret",
    "example",
    "default",
    "insecure",
    "password",
    "please",
    "replace",
    "generate",
    "production",
    "development",
    "sample",
    "dummy",
    "your-",
    "your_",
    "testkey",
    "test-key",
    "abcdefgh",
    "12345678",
    "qwerty",
];

/// Keys printed in widely read tutorials and templates.
const PUBLISHED: &[&str] =
    &["09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7", "9a$3n!0x#7q@f5w2"];

/// The problem that a key has on its own, if any: rule and words.
pub(super) fn weakness(key: &str) -> Option<(&'static str, &'static str)> {
    let lower = key.to_ascii_lowercase();
    if PUBLISHED.iter().any(|known| lower.contains(known)) {
        return Some(("CFG-004", "is a key published in a tutorial"));
    }
    if WORDS.iter().any(|word| lower.contains(word)) {
        return Some(("CFG-003", "has words in it, as sample keys do"));
    }
    if key.chars().count() < MIN_CHARACTERS {
        return Some(("CFG-002", "is shorter than 64 characters"));
    }
    let mut counts: BTreeMap<char, usize> = BTreeMap::new();
    for c in key.chars() {
        *counts.entry(c).or_default() += 1;
    }
    let too_plain = counts.len() < MIN_DISTINCT || bits_per_character(&counts) < MIN_BITS_PER_CHARACTER;
    (too_plain || repeats(key.as_bytes())).then_some(("CFG-003", "repeats itself: it is not random"))
}

#[expect(clippy::cast_precision_loss, reason = "counts of characters are far below 2^52")]
fn bits_per_character(counts: &BTreeMap<char, usize>) -> f64 {
    let total = counts.values().sum::<usize>() as f64;
    counts
        .values()
        .map(|&count| {
            let share = count as f64 / total;
            -share * share.log2()
        })
        .sum()
}

/// Is it one shorter text written several times over?
fn repeats(key: &[u8]) -> bool {
    (1..=key.len() / 2).any(|period| key[period..].iter().zip(key).all(|(a, b)| a == b))
}

pub(super) fn check(seen: &mut Seen<'_>) {
    let name = seen.rules.names.secret_key.clone();
    let Some(key) = seen.value(&name) else {
        seen.find("CFG-001", &name, "is not set");
        return;
    };
    if seen.rules.known_insecure_keys.iter().any(|known| known == key) {
        seen.find("CFG-004", &name, "is on the list of known insecure keys");
    } else if let Some((id, message)) = weakness(key) {
        seen.find(id, &name, message);
    }
    let in_example = |example: &Settings| example.names().any(|other| example.get(other) == Some(key));
    if seen.rules.examples.iter().any(in_example) {
        seen.find("CFG-005", &name, "is the key of an example file");
    }
}

#[cfg(test)]
mod tests {
    use super::weakness;

    #[test]
    fn random_keys_pass() {
        for key in [
            "f3a91c07be5d428866d20e17ac94b3507d1f6e82c05b9a347e16d8f0239c4ba5",
            "Qz7mK2vX9pRt4LwB8nYc3HdJ6gFs1AoE5iUkTqWxZrMvNbPyCjGhDlSfOaIeVu0w",
        ] {
            assert_eq!(weakness(key), None, "{key}");
        }
    }

    #[test]
    fn weak_keys_do_not() {
        let sample = format!("please-change-this-{}", "x7Kq".repeat(15));
        assert_eq!(weakness(&sample).map(|w| w.0), Some("CFG-003"));
        assert_eq!(weakness(&"a".repeat(64)).map(|w| w.0), Some("CFG-003"));
        assert_eq!(weakness(&"x7KqmP2v9LwB8nYc".repeat(4)).map(|w| w.0), Some("CFG-003"));
        assert_eq!(weakness("f3a91c07be5d4288").map(|w| w.0), Some("CFG-002"));
    }
}
