//! One key and its one algorithm: sign, verify, and what of it may be published. Which key is used when is not known here.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    ParsedPublicKey,
};
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::secret_key::{SecretKey, WeakKeyError};

/// How a key signs (RFC 7518, RFC 8037). A token of another algorithm than its key's is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum KeyAlgorithm {
    /// HMAC with SHA-256: whoever verifies can also sign. The fastest, for tokens that only this service reads.
    #[serde(rename = "HS256")]
    Hs256,
    /// Ed25519: others verify with the public key.
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// ECDSA over P-256, for those who cannot verify Ed25519.
    #[serde(rename = "ES256")]
    Es256,
}

impl KeyAlgorithm {
    pub(crate) const ALL: [Self; 3] = [Self::Hs256, Self::EdDsa, Self::Es256];

    /// The name in a token's header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
        }
    }
}

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SigningKeyError {
    /// The secret is weak.
    #[error("use the secret of an HS256 key")]
    Weak(#[source] WeakKeyError),
    /// The private key is not one of its algorithm.
    #[error("use a private key that is not one of {}: make a new one with `golive secret generate`", algorithm.name())]
    Unreadable {
        /// The algorithm that it should have.
        algorithm: KeyAlgorithm,
    },
}

/// Secret material, ready to sign. Wiped on drop by those who hold it.
pub(crate) enum SigningKey {
    Hs256 { key: Box<hmac::Key>, text: SecretKey },
    EdDsa { pair: Ed25519KeyPair, public: ParsedPublicKey, pkcs8: SecretString },
    Es256 { pair: EcdsaKeyPair, public: ParsedPublicKey, pkcs8: SecretString },
}

impl SigningKey {
    /// A new key from the operating system's randomness.
    pub(crate) fn generate(algorithm: KeyAlgorithm) -> Self {
        let random = SystemRandom::new();
        let made = match algorithm {
            KeyAlgorithm::Hs256 => return Self::from_secret(&SecretKey::generate()),
            KeyAlgorithm::EdDsa => Ed25519KeyPair::generate_pkcs8(&random),
            KeyAlgorithm::Es256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random),
        };
        let document = made.expect("the operating system has randomness; without it nothing here is safe");
        let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(document.as_ref()));
        Self::parse(algorithm, &encoded).expect("a key that was just made is one")
    }

    pub(crate) fn from_secret(secret: &SecretKey) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.dangerous_expose().as_bytes());
        Self::Hs256 { key: Box::new(key), text: secret.clone() }
    }

    /// From what [`SigningKey::dangerous_expose`] gave.
    pub(crate) fn parse(algorithm: KeyAlgorithm, text: &str) -> Result<Self, SigningKeyError> {
        let unreadable = || SigningKeyError::Unreadable { algorithm };
        if algorithm == KeyAlgorithm::Hs256 {
            return SecretKey::parse(text).map(|key| Self::from_secret(&key)).map_err(SigningKeyError::Weak);
        }
        let der = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).map_err(|_| unreadable())?);
        let pkcs8 = SecretString::from(text);
        Ok(if algorithm == KeyAlgorithm::EdDsa {
            let pair = Ed25519KeyPair::from_pkcs8(&der).map_err(|_| unreadable())?;
            let public = ParsedPublicKey::new(&ED25519, pair.public_key().as_ref());
            Self::EdDsa { public: public.map_err(|_| unreadable())?, pair, pkcs8 }
        } else {
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der);
            let pair = pair.map_err(|_| unreadable())?;
            let public = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref());
            Self::Es256 { public: public.map_err(|_| unreadable())?, pair, pkcs8 }
        })
    }

    pub(crate) fn algorithm(&self) -> KeyAlgorithm {
        match self {
            Self::Hs256 { .. } => KeyAlgorithm::Hs256,
            Self::EdDsa { .. } => KeyAlgorithm::EdDsa,
            Self::Es256 { .. } => KeyAlgorithm::Es256,
        }
    }

    /// The `kid`: says which key, and nothing about it.
    pub(crate) fn id(&self) -> String {
        match self {
            Self::Hs256 { text, .. } => text.fingerprint(),
            Self::EdDsa { pair, .. } => {
                let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
                thumbprint(&format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#))
            }
            Self::Es256 { pair, .. } => {
                let (x, y) = coordinates(pair);
                thumbprint(&format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#))
            }
        }
    }

    /// The secret itself, for the file that keeps it.
    pub(crate) fn dangerous_expose(&self) -> &str {
        match self {
            Self::Hs256 { text, .. } => text.dangerous_expose(),
            Self::EdDsa { pkcs8, .. } | Self::Es256 { pkcs8, .. } => pkcs8.expose_secret(),
        }
    }

    /// The public key as a JWK (RFC 7517); `None` where there is only a secret.
    pub(crate) fn public_jwk(&self) -> Option<Value> {
        let (kid, alg) = (self.id(), self.algorithm().name());
        match self {
            Self::Hs256 { .. } => None,
            Self::EdDsa { pair, .. } => {
                let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
                Some(json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "alg": alg, "use": "sig" }))
            }
            Self::Es256 { pair, .. } => {
                let (x, y) = coordinates(pair);
                Some(
                    json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": kid, "alg": alg, "use": "sig" }),
                )
            }
        }
    }

    /// The signature's bytes. `None` when the library refuses, which it does not for keys that were parsed.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Hs256 { key, .. } => Some(hmac::sign(key, message).as_ref().to_vec()),
            Self::EdDsa { pair, .. } => Some(pair.try_sign(message).ok()?.as_ref().to_vec()),
            Self::Es256 { pair, .. } => {
                let mut signature = pair.sign(&SystemRandom::new(), message).ok()?.as_ref().to_vec();
                lower_s(&mut signature);
                Some(signature)
            }
        }
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Hs256 { key, .. } => hmac::verify(key, message, signature).is_ok(),
            Self::EdDsa { public, .. } => public.verify_sig(message, signature).is_ok(),
            // The other s of the same signature verifies too, and would make a second token of one.
            Self::Es256 { public, .. } => {
                is_low_s(signature) && public.verify_sig(message, signature).is_ok()
            }
        }
    }
}

/// RFC 7638.
fn thumbprint(members: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, members.as_bytes()))
}

/// x and y of an uncompressed point.
fn coordinates(pair: &EcdsaKeyPair) -> (String, String) {
    let point = pair.public_key().as_ref();
    (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..65]))
}

/// Whether s is at most half the order of P-256.
fn is_low_s(signature: &[u8]) -> bool {
    signature.len() == 64 && signature[32..] <= HALF_ORDER[..]
}

/// Replaces s by order - s where that is the lower of the two; both verify.
fn lower_s(signature: &mut [u8]) {
    if signature.len() != 64 || is_low_s(signature) {
        return;
    }
    let mut borrow = false;
    for (byte, order) in signature[32..].iter_mut().zip(ORDER).rev() {
        let (difference, under) = order.overflowing_sub(*byte);
        let (difference, under_borrow) = difference.overflowing_sub(u8::from(borrow));
        *byte = difference;
        borrow = under || under_borrow;
    }
}

/// The order of P-256 (SEC 2), and half of it.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xde,
    0x73, 0x7d, 0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_verifies_and_survives_its_text() {
        for algorithm in KeyAlgorithm::ALL {
            let key = SigningKey::generate(algorithm);
            let signature = key.sign(b"message").unwrap();
            let again = SigningKey::parse(algorithm, key.dangerous_expose()).unwrap();
            assert!(again.verify(b"message", &signature) && again.id() == key.id());
            assert!(!again.verify(b"messagf", &signature));
            assert!(!SigningKey::generate(algorithm).verify(b"message", &signature));
            assert!(SigningKey::parse(algorithm, "AAAA").is_err());
        }
    }

    #[test]
    fn the_other_s_of_an_es256_signature_is_refused() {
        let key = SigningKey::generate(KeyAlgorithm::Es256);
        for i in 0..40_u8 {
            let mut signature = key.sign(&[i]).unwrap();
            assert!(key.verify(&[i], &signature), "about half of them had to be lowered");
            // order - s, as an attacker would write it
            let mut borrow = 0_i16;
            for at in (32..64).rev() {
                let difference = i16::from(ORDER[at - 32]) - i16::from(signature[at]) - borrow;
                borrow = i16::from(difference < 0);
                signature[at] = u8::try_from(difference.rem_euclid(256)).unwrap();
            }
            let SigningKey::Es256 { public, .. } = &key else { unreachable!() };
            assert!(public.verify_sig(&[i], &signature).is_ok(), "the library takes it");
            assert!(!key.verify(&[i], &signature), "we do not");
        }
    }

    #[test]
    fn only_public_keys_are_published() {
        assert!(SigningKey::generate(KeyAlgorithm::Hs256).public_jwk().is_none());
        for algorithm in [KeyAlgorithm::EdDsa, KeyAlgorithm::Es256] {
            let key = SigningKey::generate(algorithm);
            let jwk = key.public_jwk().unwrap();
            assert!(jwk.get("d").is_none() && !jwk.to_string().contains(key.dangerous_expose()));
        }
    }
}
