//! Stored password hashes of every form that is known here, told by their prefix. Costs are capped before anything is
//! computed, because a stored hash names its own.

use std::num::NonZeroU32;

use argon2::Argon2;
use argon2::password_hash::PasswordVerifier as _;
use argon2::password_hash::phc::PasswordHash;
use aws_lc_rs::pbkdf2;
use serde::Serialize;
use sha2::{Digest, Sha256};

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
            Self::Unknown
        }
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
            let digest: String =
                Sha256::digest(password.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
            stored.find("$2").and_then(|from| try_bcrypt(&stored[from..], &digest))
        }
        HashFormat::DjangoPbkdf2 => try_django(stored, password),
        HashFormat::PasslibPbkdf2 => try_passlib(stored, password),
        HashFormat::WerkzeugPbkdf2 => try_werkzeug(stored, password),
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
    if cost("m") > MOST_MEMORY_KIB || cost("t") > 32 || cost("p") > 64 {
        return None;
    }
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

/// `pbkdf2_sha256$iterations$salt$base64`
fn try_django(stored: &str, password: &str) -> Option<bool> {
    let mut parts = stored.split('$');
    let algorithm = algorithm(parts.next()?.strip_prefix("pbkdf2_")?)?;
    let iterations = parts.next()?;
    let salt = parts.next()?;
    let expected = base64(parts.next()?)?;
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
    let expected = base64(parts.next()?)?;
    derive(algorithm, rounds, &salt, password, &expected)
}

/// `pbkdf2:sha256:iterations$salt$hexadecimal`
fn try_werkzeug(stored: &str, password: &str) -> Option<bool> {
    let mut parts = stored.split('$');
    let mut method = parts.next()?.split(':').skip(1);
    let algorithm = algorithm(method.next()?)?;
    let iterations = method.next()?;
    let salt = parts.next()?;
    let expected = hexadecimal(parts.next()?)?;
    derive(algorithm, iterations, salt.as_bytes(), password, &expected)
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
    if iterations.get() > MOST_ITERATIONS || expected.is_empty() || expected.len() > 64 {
        return None;
    }
    Some(pbkdf2::verify(algorithm, iterations, salt, password.as_bytes(), expected).is_ok())
}

/// Base64 with or without padding; `.` counts as `+`.
fn base64(text: &str) -> Option<Vec<u8>> {
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

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).ok()).collect()
}

const MOST_MEMORY_KIB: u32 = 1 << 20;
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

    #[test]
    fn django_bcrypt_sha256() {
        let digest: String = Sha256::digest(b"demo123").iter().map(|b| format!("{b:02x}")).collect();
        let stored = format!("bcrypt_sha256${}", bcrypt::hash(digest, 4).unwrap());
        assert_eq!(try_password(&stored, "demo123"), Attempt::Match);
    }

    #[test]
    fn unknown_broken_and_too_costly_are_told_apart_from_wrong() {
        for stored in [
            "",
            "plain text",
            "5f4dcc3b5aa765d61d8327deb882cf99",
            "$argon2id$v=19$m=4194304,t=2,p=1$c2Vhc2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
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
