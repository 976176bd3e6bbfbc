//! Fast digests in which some applications still keep passwords. They are tried to find known ones, and are no way to log
//! in: whoever has copied the table has the passwords.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;

use super::format::base64;
use crate::hex;

/// Django's `md5$salt$hexadecimal` and `sha1$salt$hexadecimal`, LDAP's `{SSHA}`.
pub(super) fn is_salted(stored: &str) -> bool {
    stored.starts_with("{SSHA}") || django(stored).is_some_and(|(_, salt, _)| !salt.is_empty())
}

/// Hexadecimal digits as many as a digest has, `{SHA}`, `{MD5}`, MySQL's `*`.
pub(super) fn is_unsalted(stored: &str) -> bool {
    let digits = stored.strip_prefix('*').unwrap_or(stored);
    let hex = matches!(digits.len(), 32 | 40 | 64 | 128) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    (hex && (digits.len() == stored.len() || digits.len() == 40))
        || stored.starts_with("{SHA}")
        || stored.starts_with("{MD5}")
        || django(stored).is_some_and(|(_, salt, _)| salt.is_empty())
}

/// Whether the password makes the digest; `None` when it is broken.
pub(super) fn try_digest(stored: &str, password: &str) -> Option<bool> {
    let password = password.as_bytes();
    let equal = |digest: &[u8], expected: &[u8]| bool::from(digest.ct_eq(expected));
    if let Some((algorithm, salt, expected)) = django(stored) {
        return Some(equal(&of(algorithm, &[salt.as_bytes(), password])?, &expected));
    }
    if let Some(rest) = stored.strip_prefix("{SSHA}") {
        let bytes = base64(rest)?;
        let (expected, salt) = bytes.split_at_checked(20)?;
        return Some(equal(&of("sha1", &[password, salt])?, expected));
    }
    if let Some(rest) = stored.strip_prefix("{SHA}") {
        return Some(equal(&of("sha1", &[password])?, &base64(rest)?));
    }
    if let Some(rest) = stored.strip_prefix("{MD5}") {
        return Some(equal(&of("md5", &[password])?, &base64(rest)?));
    }
    if let Some(rest) = stored.strip_prefix('*') {
        return Some(equal(&of("sha1", &[&of("sha1", &[password])?])?, &hex::decode(rest)?));
    }
    let expected = hex::decode(stored)?;
    let algorithm = match expected.len() {
        16 => "md5",
        20 => "sha1",
        32 => "sha256",
        64 => "sha512",
        _ => return None,
    };
    Some(equal(&of(algorithm, &[password])?, &expected))
}

/// `algorithm$salt$hexadecimal`
fn django(stored: &str) -> Option<(&str, &str, Vec<u8>)> {
    let (algorithm, rest) = stored.split_once('$')?;
    let (salt, digits) = rest.split_once('$')?;
    let length = match algorithm {
        "md5" => 16,
        "sha1" => 20,
        "sha256" => 32,
        "sha512" => 64,
        _ => return None,
    };
    let digest = hex::decode(digits).filter(|digest| digest.len() == length)?;
    Some((algorithm, salt, digest))
}

fn of(algorithm: &str, parts: &[&[u8]]) -> Option<Vec<u8>> {
    fn digest<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
        let mut digest = D::new();
        parts.iter().for_each(|part| digest.update(part));
        digest.finalize().as_slice().to_vec()
    }
    Some(match algorithm {
        "md5" => digest::<Md5>(parts),
        "sha1" => digest::<Sha1>(parts),
        "sha256" => digest::<Sha256>(parts),
        "sha512" => digest::<Sha512>(parts),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::format::HashFormat;
    use super::*;

    /// Made with Python's hashlib of the password `demo123`.
    #[test]
    fn each_form_is_told_and_tried() {
        for (stored, format) in [
            ("62cc2d8b4bf2d8728120d052163a77df", HashFormat::UnsaltedDigest),
            ("62CC2D8B4BF2D8728120D052163A77DF", HashFormat::UnsaltedDigest),
            ("cbdbe4936ce8be63184d9f2e13fc249234371b9a", HashFormat::UnsaltedDigest),
            ("d3ad9315b7be5dd53b31a273b3b3aba5defe700808305aa16a3062b76658a791", HashFormat::UnsaltedDigest),
            ("md5$$62cc2d8b4bf2d8728120d052163a77df", HashFormat::UnsaltedDigest),
            ("*3055544BD641D0814B910C4ACA5799F51B80F460", HashFormat::UnsaltedDigest),
            ("md5$salt$ea54b45653f552248578dc58f163efcf", HashFormat::SaltedDigest),
            ("sha1$salt$33ebfb41b6eb892e752882a27edaae74a28fe449", HashFormat::SaltedDigest),
            ("{SSHA}BNTeKkVEBpS3tr8msQ37aUH5vHZzYWx0eQ==", HashFormat::SaltedDigest),
        ] {
            assert_eq!(HashFormat::of(stored), format, "{stored}");
            assert!(!format.is_slow());
            assert_eq!(try_digest(stored, "demo123"), Some(true), "{stored}");
            assert_eq!(try_digest(stored, "demo124"), Some(false), "{stored}");
        }
        assert_eq!(HashFormat::of("{SSHA}AAAA"), HashFormat::SaltedDigest);
        assert_eq!(try_digest("{SSHA}AAAA", "x"), None);
    }
}
