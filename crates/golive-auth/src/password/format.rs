//! Stored password hashes of every form that is known here, told by their prefix. Costs are capped before anything is
//! computed, because a stored hash names its own.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use argon2::Argon2;
use argon2::password_hash::PasswordVerifier as _;
use argon2::password_hash::phc::PasswordHash;
use aws_lc_rs::pbkdf2;
use serde::Serialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::digest;
use crate::hex;

/// How a stored password was hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HashFormat {
    /// `$argon2id$`; also with Django's `argon2` before it.
    Argon2id,
    /// `$argon2i$` and `$argon2d$`, likewise.
    Argon2,
    /// `$2a$`, `$2b$`, `$2y$`; also with Django's `bcrypt$` or Spring's `{bcrypt}` before it.
    Bcrypt,
    /// Django's `bcrypt_sha256$`.
    BcryptSha256,
    /// Django's `pbkdf2_sha256$` and `pbkdf2_sha1$`.
    DjangoPbkdf2,
    /// passlib's `$pbkdf2-sha256$`, `$pbkdf2-sha512$`, `$pbkdf2$`.
    PasslibPbkdf2,
    /// Werkzeug's `pbkdf2:sha256:`.
    WerkzeugPbkdf2,
    /// scrypt: Django's `scrypt$`, Werkzeug's `scrypt:`, passlib's `$scrypt$`.
    Scrypt,
    /// A fast digest with a salt: Django's `md5$` and `sha1$`, LDAP's `{SSHA}`. Billions can be tried in a second.
    SaltedDigest,
    /// A fast digest without salt: MD5, SHA-1, SHA-2 in hexadecimal, `{SHA}`, MySQL's `*`. Tables of them exist.
    UnsaltedDigest,
    /// None of these.
    Unknown,
}

impl HashFormat {
    /// The form of a stored value.
    pub fn of(stored: &str) -> Self {
        let is = |prefix: &str| stored.starts_with(prefix);
        if is("$argon2id$") || is("argon2$argon2id$") {
            Self::Argon2id
        } else if is("$argon2") || is("argon2$argon2") {
            Self::Argon2
        } else if is("bcrypt_sha256$") {
            Self::BcryptSha256
        } else if ["$2a$", "$2b$", "$2y$", "bcrypt$$2", "{bcrypt}$2"].into_iter().any(is) {
            Self::Bcrypt
        } else if is("pbkdf2_sha256$") || is("pbkdf2_sha1$") {
            Self::DjangoPbkdf2
        } else if ["$pbkdf2-sha256$", "$pbkdf2-sha512$", "$pbkdf2$"].into_iter().any(is) {
            Self::PasslibPbkdf2
        } else if is("pbkdf2:sha256:") || is("pbkdf2:sha512:") || is("pbkdf2:sha1:") {
            Self::WerkzeugPbkdf2
        } else {
            Self::of_lesser(stored)
        }
    }

    fn of_lesser(stored: &str) -> Self {
        let is = |prefix: &str| stored.starts_with(prefix);
        if ["scrypt$", "scrypt:", "$scrypt$"].into_iter().any(is) {
            Self::Scrypt
        } else if digest::is_salted(stored) {
            Self::SaltedDigest
        } else if digest::is_unsalted(stored) {
            Self::UnsaltedDigest
        } else {
            Self::Unknown
        }
    }

    /// Whether it slows an attacker down who has copied the table.
    pub fn is_slow(self) -> bool {
        !matches!(self, Self::SaltedDigest | Self::UnsaltedDigest | Self::Unknown)
    }
}

impl std::fmt::Display for HashFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Argon2id => "argon2id",
            Self::Argon2 => "argon2",
            Self::Bcrypt => "bcrypt",
            Self::BcryptSha256 => "bcrypt_sha256",
            Self::DjangoPbkdf2 => "django_pbkdf2",
            Self::PasslibPbkdf2 => "passlib_pbkdf2",
            Self::WerkzeugPbkdf2 => "werkzeug_pbkdf2",
            Self::Scrypt => "scrypt",
            Self::SaltedDigest => "salted_digest",
            Self::UnsaltedDigest => "unsalted_digest",
            Self::Unknown => "unknown",
        })
    }
}

/// The outcome of trying one password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    Match,
    NoMatch,
    /// The form is unknown, broken, or asks for too much.
    Unknown,
}

pub(crate) fn try_password(stored: &str, password: &str) -> Attempt {
    let tried = match HashFormat::of(stored) {
        HashFormat::Argon2id | HashFormat::Argon2 => {
            try_argon2(stored.strip_prefix("argon2").unwrap_or(stored), password)
        }
        HashFormat::Bcrypt => {
            let from = stored.find("$2").unwrap_or(0);
            try_bcrypt(&stored[from..], password)
        }
        HashFormat::BcryptSha256 => {
            let digest = hex::encode(&Sha256::digest(password.as_bytes()));
            stored.find("$2").and_then(|from| try_bcrypt(&stored[from..], &digest))
        }
        HashFormat::DjangoPbkdf2 => try_django(stored, password),
        HashFormat::PasslibPbkdf2 => try_passlib(stored, password),
        HashFormat::WerkzeugPbkdf2 => try_werkzeug(stored, password),
        HashFormat::Scrypt => try_scrypt(stored, password),
        HashFormat::SaltedDigest | HashFormat::UnsaltedDigest => digest::try_digest(stored, password),
        HashFormat::Unknown => None,
    };
    match tried {
        Some(true) => Attempt::Match,
        Some(false) => Attempt::NoMatch,
        None => Attempt::Unknown,
    }
}

fn try_argon2(stored: &str, password: &str) -> Option<bool> {
    let hash = PasswordHash::new(stored).ok()?;
    let cost = |name: &str| hash.params.get_decimal(name).unwrap_or(0);
    let work = u64::from(cost("m")) * u64::from(cost("t"));
    if cost("m") > MOST_MEMORY_KIB || cost("t") > 32 || cost("p") > 64 || work > MOST_WORK_KIB {
        return None;
    }
    hash.hash.as_ref().filter(|digest| DIGEST_BYTES.contains(&digest.as_bytes().len()))?;
    match Argon2::default().verify_password(password.as_bytes(), &hash) {
        Ok(()) => Some(true),
        Err(argon2::password_hash::Error::PasswordInvalid) => Some(false),
        Err(_) => None,
    }
}

fn try_bcrypt(stored: &str, password: &str) -> Option<bool> {
    let cost: u32 = stored.get(4..6)?.parse().ok()?;
    if cost > 16 {
        return None;
    }
    bcrypt::verify(password, stored).ok()
}

/// Django's `scrypt$N$salt$r$p$base64`, Werkzeug's `scrypt:N:r:p$salt$hexadecimal`, passlib's
/// `$scrypt$ln=log2 N,r=…,p=…$salt$base64`
fn try_scrypt(stored: &str, password: &str) -> Option<bool> {
    if let Some(rest) = stored.strip_prefix("$scrypt$") {
        let mut parts = rest.split('$');
        let mut costs = parts.next()?.split(',');
        let mut cost = |name: &str| costs.next()?.strip_prefix(name)?.parse().ok();
        let (log_n, r, p) = (cost("ln=")?, cost("r=")?, cost("p=")?);
        let salt = base64(parts.next()?)?;
        return derive_scrypt(log_n, r, p, &salt, password, &base64(last(parts)?)?);
    }
    let log2 = |n: &str| n.parse::<u64>().ok().filter(|n| n.is_power_of_two()).map(u64::ilog2);
    if let Some(rest) = stored.strip_prefix("scrypt:") {
        let mut parts = rest.split('$');
        let mut costs = parts.next()?.split(':');
        let (log_n, r, p) = (log2(costs.next()?)?, costs.next()?.parse().ok()?, costs.next()?.parse().ok()?);
        let salt = parts.next()?;
        return derive_scrypt(log_n, r, p, salt.as_bytes(), password, &hex::decode(last(parts)?)?);
    }
    let mut parts = stored.split('$').skip(1);
    let log_n = log2(parts.next()?)?;
    let salt = parts.next()?;
    let (r, p) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    derive_scrypt(log_n, r, p, salt.as_bytes(), password, &base64(last(parts)?)?)
}

fn derive_scrypt(log_n: u32, r: u32, p: u32, salt: &[u8], password: &str, expected: &[u8]) -> Option<bool> {
    // Its memory is 128 bytes times N times r; p multiplies the time.
    let memory =
        128_u64.checked_mul(1_u64.checked_shl(log_n).filter(|_| log_n < 32)?)?.checked_mul(r.into())?;
    if r == 0 || p == 0 || p > 16 || memory > u64::from(MOST_MEMORY_KIB) << 10 {
        return None;
    }
    let length = Some(expected.len()).filter(|length| DIGEST_BYTES.contains(length))?;
    let params = scrypt::Params::new(u8::try_from(log_n).ok()?, r, p, length).ok()?;
    let mut derived = zeroize::Zeroizing::new(vec![0; length]);
    scrypt::scrypt(password.as_bytes(), salt, &params, &mut derived).ok()?;
    Some(derived.ct_eq(expected).into())
}

/// `pbkdf2_sha256$iterations$salt$base64`
fn try_django(stored: &str, password: &str) -> Option<bool> {
    let mut parts = stored.split('$');
    let algorithm = algorithm(parts.next()?.strip_prefix("pbkdf2_")?)?;
    let iterations = parts.next()?;
    let salt = parts.next()?;
    let expected = base64(last(parts)?)?;
    derive(algorithm, iterations, salt.as_bytes(), password, &expected)
}

/// `$pbkdf2-sha256$rounds$salt$hash`, in base64 with `.` for `+`
fn try_passlib(stored: &str, password: &str) -> Option<bool> {
    let mut parts = stored.split('$').skip(1);
    let algorithm = match parts.next()? {
        "pbkdf2" => algorithm("sha1")?,
        other => algorithm(other.strip_prefix("pbkdf2-")?)?,
    };
    let rounds = parts.next()?;
    let salt = base64(parts.next()?)?;
    let expected = base64(last(parts)?)?;
    derive(algorithm, rounds, &salt, password, &expected)
}

/// `pbkdf2:sha256:iterations$salt$hexadecimal`
fn try_werkzeug(stored: &str, password: &str) -> Option<bool> {
    let mut parts = stored.split('$');
    let mut method = parts.next()?.split(':').skip(1);
    let algorithm = algorithm(method.next()?)?;
    let iterations = method.next()?;
    let salt = parts.next()?;
    let expected = hex::decode(last(parts)?)?;
    derive(algorithm, iterations, salt.as_bytes(), password, &expected)
}

/// The digest, with nothing behind it.
fn last<'a>(mut parts: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let digest = parts.next()?;
    parts.next().is_none().then_some(digest)
}

fn algorithm(name: &str) -> Option<pbkdf2::Algorithm> {
    match name {
        "sha1" => Some(pbkdf2::PBKDF2_HMAC_SHA1),
        "sha256" => Some(pbkdf2::PBKDF2_HMAC_SHA256),
        "sha512" => Some(pbkdf2::PBKDF2_HMAC_SHA512),
        _ => None,
    }
}

fn derive(
    algorithm: pbkdf2::Algorithm,
    iterations: &str,
    salt: &[u8],
    password: &str,
    expected: &[u8],
) -> Option<bool> {
    let iterations = NonZeroU32::new(iterations.parse().ok()?)?;
    if iterations.get() > MOST_ITERATIONS || !DIGEST_BYTES.contains(&expected.len()) {
        return None;
    }
    Some(pbkdf2::verify(algorithm, iterations, salt, password.as_bytes(), expected).is_ok())
}

/// Base64 with or without padding; `.` counts as `+`.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let (mut bits, mut count) = (0u32, 0u32);
    for c in text.trim_end_matches('=').bytes() {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' | b'.' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).expect("eight bits"));
        }
    }
    Some(bytes)
}

/// What is shorter was cut off, by a column or by somebody: one byte of a digest fits one password in 256.
const DIGEST_BYTES: RangeInclusive<usize> = 16..=64;
const MOST_MEMORY_KIB: u32 = 1 << 20;
/// Memory times passes: some five seconds of one core.
const MOST_WORK_KIB: u64 = 8 << 20;
const MOST_ITERATIONS: u32 = 10_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with Python's hashlib: pbkdf2_hmac, 1000 iterations, password `demo123`.
    const DJANGO: &str = "pbkdf2_sha256$1000$seasalt$u/8WjNtHGboyyjCYMTN5Fxdqy53CtMPlDJFl7cmM5GA=";
    const PASSLIB: &str = "$pbkdf2-sha256$1000$c2Vhc2FsdA$u/8WjNtHGboyyjCYMTN5Fxdqy53CtMPlDJFl7cmM5GA";
    const WERKZEUG: &str =
        "pbkdf2:sha256:1000$seasalt$bbff168cdb4719ba32ca309831337917176acb9dc2b4c3e50c9165edc98ce460";

    #[test]
    fn pbkdf2_of_three_frameworks() {
        for stored in [DJANGO, PASSLIB, WERKZEUG] {
            assert_eq!(try_password(stored, "demo123"), Attempt::Match, "{stored}");
            assert_eq!(try_password(stored, "demo124"), Attempt::NoMatch, "{stored}");
        }
    }

    /// Made with Python's hashlib.scrypt: N 16, r 8, p 1, password `demo123`.
    #[test]
    fn scrypt_of_three_frameworks() {
        for stored in [
            "scrypt$16$seasalt$8$1$JP8ncxsKC4EtHXnn6oURV6uBzUj940DSFD0GtjHq3+IBWHlRYr7BEY14H0w8HhHxTZFkLxWm0S1LdUXtyTluIw==",
            "scrypt:16:8:1$seasalt$24ff27731b0a0b812d1d79e7ea851157ab81cd48fde340d2143d06b631eadfe20158795162bec1118d781f4c3c1e11f14d91642f15a6d12d4b7545edc9396e23",
            "$scrypt$ln=4,r=8,p=1$c2Vhc2FsdA$JP8ncxsKC4EtHXnn6oURV6uBzUj940DSFD0GtjHq3+I",
        ] {
            assert_eq!(HashFormat::of(stored), HashFormat::Scrypt);
            assert_eq!(try_password(stored, "demo123"), Attempt::Match, "{stored}");
            assert_eq!(try_password(stored, "demo124"), Attempt::NoMatch, "{stored}");
        }
        for costly in [
            "scrypt:16777216:8:1$s$00112233445566778899aabbccddeeff",
            "$scrypt$ln=63,r=8,p=1$c2Vh$JP8ncxsKC4EtHXnn6oURVw",
        ] {
            assert_eq!(try_password(costly, "x"), Attempt::Unknown, "{costly}");
        }
    }

    #[test]
    fn django_bcrypt_sha256() {
        let digest = hex::encode(&Sha256::digest(b"demo123"));
        let stored = format!("bcrypt_sha256${}", bcrypt::hash(digest, 4).unwrap());
        assert_eq!(try_password(&stored, "demo123"), Attempt::Match);
    }

    /// The first bytes of the digests above, and what the whole ones are followed by.
    #[test]
    fn a_digest_that_was_cut_off_or_is_followed_by_more_fits_nothing() {
        for stored in [
            "pbkdf2_sha256$1000$seasalt$uw",
            "pbkdf2_sha256$1000$seasalt$u/8WjNtHGboyyjCYMTN5",
            "$pbkdf2-sha256$1000$c2Vhc2FsdA$uw",
            "pbkdf2:sha256:1000$seasalt$bb",
            "scrypt$16$seasalt$8$1$JP8=",
            "scrypt:16:8:1$seasalt$24ff",
            "$scrypt$ln=4,r=8,p=1$c2Vhc2FsdA$JP8",
        ] {
            assert_eq!(try_password(stored, "demo123"), Attempt::Unknown, "{stored}");
        }
        for whole in [DJANGO, PASSLIB, WERKZEUG] {
            assert_eq!(try_password(&format!("{whole}$more"), "demo123"), Attempt::Unknown, "{whole}");
        }
        let short = argon2::Params::new(64, 1, 1, Some(10)).unwrap();
        let hasher = Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, short);
        let stored = argon2::password_hash::PasswordHasher::hash_password(&hasher, b"demo123").unwrap();
        assert_eq!(try_password(&stored.to_string(), "demo123"), Attempt::Unknown, "{stored}");
    }

    #[test]
    fn unknown_broken_and_too_costly_are_told_apart_from_wrong() {
        for stored in [
            "",
            "plain text",
            "$6$rounds=5000$salt$hash",
            "$argon2id$v=19$m=4194304,t=2,p=1$c2Vhc2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=1048576,t=30,p=1$c2Vhc2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$broken",
            "$2b$31$abcdefghijklmnopqrstuuXKnV5e3ysR6b8OmwSXJZ8UaS5Bhd1Oi",
            "$2b$é",
            "pbkdf2_sha256$99999999$salt$AAAA",
            "pbkdf2_md5$10$salt$AAAA",
        ] {
            assert_eq!(try_password(stored, "x"), Attempt::Unknown, "{stored}");
        }
    }
}
