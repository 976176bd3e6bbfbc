//! Passwords made here, for people to type once.

use secrecy::SecretString;

use crate::random;

/// A password that was just made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GeneratedPassword {
    /// The password.
    pub password: SecretString,
    /// How many bits of randomness it has.
    pub entropy_bits: u32,
}

/// A password of `length` characters (16 to 128; others count as the nearest), without those that look alike.
///
/// # Panics
/// When the operating system has no randomness.
pub fn generate_password(length: usize) -> GeneratedPassword {
    let length = length.clamp(16, 128);
    let password = SecretString::from(random::text(length, ALPHABET).as_str());
    let characters = f64::from(u32::try_from(length).expect("at most 128"));
    let alphabet = f64::from(u32::try_from(ALPHABET.len()).expect("a short alphabet"));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 128 times 6")]
    let entropy_bits = (characters * alphabet.log2()) as u32;
    GeneratedPassword { password, entropy_bits }
}

/// Letters, digits and four signs that no shell, URL or CSV file treats specially; no 0 O o 1 l I.
const ALPHABET: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789-_.+";

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn has_the_length_and_says_its_entropy() {
        let made = generate_password(20);
        assert_eq!(made.password.expose_secret().len(), 20);
        assert!(made.entropy_bits >= 115, "{}", made.entropy_bits);
        assert_eq!(generate_password(3).password.expose_secret().len(), 16);
        assert!(!format!("{made:?}").contains(made.password.expose_secret()));
    }
}
