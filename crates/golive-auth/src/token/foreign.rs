//! Tokens that somebody else issues, an identity provider for example: verified with the public keys that it publishes.
//! Fetching those is the application's business.

use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, Validation};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::VerifyTokenError;

/// The public keys of one issuer, and what its tokens must say (RFC 8725).
#[derive(Clone)]
pub struct ForeignTokens {
    keys: Vec<ForeignKey>,
    leeway: Duration,
    typ: Option<String>,
}

#[derive(Clone)]
struct ForeignKey {
    id: String,
    key: DecodingKey,
    validation: Validation,
}

/// Why a JWKS document gives no keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ForeignKeysError {
    /// It is no JWKS document.
    #[error("read the issuer's keys: the document must be a JWKS (RFC 7517)")]
    Malformed,
    /// No key in it can be used.
    #[error(
        "find a usable key of the issuer: one with a `kid`, for signatures, of an asymmetric algorithm is needed"
    )]
    NoKeys,
}

impl ForeignTokens {
    /// Tokens of `issuer` for `audience`, signed with a key of this JWKS document. Keys without name, for encryption, or of
    /// symmetric algorithms are passed over. When the issuer rotates, fetch the document again and make a new one of these: at
    /// an unknown key, at most every ten seconds, and every few hours besides, so that a removed key ends.
    ///
    /// # Errors
    /// When there is no usable key.
    pub fn new(issuer: &str, audience: &str, jwks: &str) -> Result<Self, ForeignKeysError> {
        let set: JwkSet = serde_json::from_str(jwks).map_err(|_| ForeignKeysError::Malformed)?;
        let usable = |jwk: &Jwk| ForeignKey::new(jwk, issuer, audience);
        let keys: Vec<ForeignKey> = set.keys.iter().filter_map(usable).collect();
        if keys.is_empty() {
            return Err(ForeignKeysError::NoKeys);
        }
        Ok(Self { keys, leeway: Duration::from_secs(5), typ: None })
    }

    /// Takes only tokens with this `typ`, for example `at+jwt`: an identity token is no access token.
    #[must_use]
    pub fn of_type(mut self, typ: &str) -> Self {
        self.typ = Some(typ.to_owned());
        self
    }

    /// The claims of a token that passes every check: length, algorithm by its key, signature, issuer, audience, times,
    /// subject.
    ///
    /// # Errors
    /// The check that it does not pass.
    pub fn verify<C: DeserializeOwned>(
        &self,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<C, VerifyTokenError> {
        if token.len() > LONGEST {
            return Err(VerifyTokenError::TooLong);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|error| classify(&error))?;
        if header.crit.is_some() || header.jwk.is_some() || header.jku.is_some() || header.x5u.is_some() {
            return Err(VerifyTokenError::Malformed);
        }
        let found = self.keys.iter().find(|key| header.kid.as_ref() == Some(&key.id));
        let key = found.ok_or(VerifyTokenError::UnknownKey)?;
        if self.typ.is_some() && !is_type(self.typ.as_deref(), header.typ.as_deref()) {
            return Err(VerifyTokenError::Kind);
        }
        let read = |error| classify(&error);
        let times = jsonwebtoken::decode::<Times>(token, &key.key, &key.validation).map_err(read)?.claims;
        let (seconds, leeway) = (now.timestamp(), i64::try_from(self.leeway.as_secs()).unwrap_or(0));
        if seconds >= times.exp.saturating_add(leeway) {
            return Err(VerifyTokenError::Expired);
        }
        if times.nbf.unwrap_or(i64::MIN).max(times.iat.unwrap_or(i64::MIN)) > seconds.saturating_add(leeway) {
            return Err(VerifyTokenError::NotYetValid);
        }
        Ok(jsonwebtoken::decode::<C>(token, &key.key, &key.validation).map_err(read)?.claims)
    }
}

impl ForeignKey {
    fn new(jwk: &Jwk, issuer: &str, audience: &str) -> Option<Self> {
        let id = jwk.common.key_id.clone()?;
        if jwk.common.public_key_use.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature) {
            return None;
        }
        let algorithm = Algorithm::from_str(&format!("{:?}", jwk.common.key_algorithm?)).ok()?;
        let key = DecodingKey::from_jwk(jwk).ok()?;
        // A published secret is none; and each key verifies its own algorithm only.
        if key.family() == AlgorithmFamily::Hmac {
            return None;
        }
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Checked against the time that the caller passes.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Some(Self { id, key, validation })
    }
}

impl std::fmt::Debug for ForeignTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ids: Vec<&str> = self.keys.iter().map(|key| key.id.as_str()).collect();
        f.debug_struct("ForeignTokens").field("keys", &ids).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Times {
    exp: i64,
    nbf: Option<i64>,
    iat: Option<i64>,
}

/// Media types compare without case, and `application/` may be left out (RFC 7515 4.1.9).
fn is_type(wanted: Option<&str>, found: Option<&str>) -> bool {
    let bare = |typ: &str| {
        let typ = typ.to_ascii_lowercase();
        typ.strip_prefix("application/").map(str::to_owned).unwrap_or(typ)
    };
    wanted.map(bare) == found.map(bare)
}

fn classify(error: &jsonwebtoken::errors::Error) -> VerifyTokenError {
    match error.kind() {
        ErrorKind::InvalidSignature => VerifyTokenError::Signature,
        ErrorKind::InvalidIssuer => VerifyTokenError::Issuer,
        ErrorKind::InvalidAudience => VerifyTokenError::Audience,
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName | ErrorKind::UnsupportedAlgorithm => {
            VerifyTokenError::Algorithm
        }
        _ => VerifyTokenError::Malformed,
    }
}

const LONGEST: usize = 8192;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::{Subject, TokenService, TokenSettings};
    use super::*;
    use crate::keys::{KeyAlgorithm, KeyRing, TokenKeys};
    use secrecy::ExposeSecret;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn tokens_of_another_issuer_are_checked_as_strictly() {
        for algorithm in [KeyAlgorithm::EdDsa, KeyAlgorithm::Es256] {
            let keys = TokenKeys::from_ring(KeyRing::generate(algorithm, at(0)));
            let service = TokenService::new(keys, TokenSettings::new("provider", "plant-api"));
            let issued = service.issue_access(&Subject::new("17", "rosa", "operator"), at(0)).unwrap();
            let token = issued.token.expose_secret();
            let jwks = service.keys().jwks(at(0)).to_string();
            let foreign = |issuer, audience| ForeignTokens::new(issuer, audience, &jwks).unwrap();
            let good = foreign("provider", "plant-api").of_type("application/AT+JWT");
            assert_eq!(good.verify::<Value>(token, at(60)).unwrap()["username"], "rosa");
            let refused =
                |tokens: &ForeignTokens, token: &str, now| tokens.verify::<Value>(token, now).unwrap_err();
            assert_eq!(refused(&good, token, at(905)), VerifyTokenError::Expired);
            assert_eq!(refused(&good, token, at(-6)), VerifyTokenError::NotYetValid);
            assert_eq!(refused(&foreign("other", "plant-api"), token, at(0)), VerifyTokenError::Issuer);
            assert_eq!(refused(&foreign("provider", "other"), token, at(0)), VerifyTokenError::Audience);
            assert_eq!(refused(&good.clone().of_type("jwt"), token, at(0)), VerifyTokenError::Kind);
            let cut = refused(&good, &token[..token.len() - 3], at(0));
            assert!(matches!(cut, VerifyTokenError::Signature | VerifyTokenError::Malformed));
            let other = KeyRing::generate(algorithm, at(0)).jwks(at(0)).to_string();
            let other = ForeignTokens::new("provider", "plant-api", &other).unwrap();
            assert_eq!(refused(&other, token, at(0)), VerifyTokenError::UnknownKey);
        }
    }

    #[test]
    fn published_secrets_and_nameless_keys_are_passed_over() {
        let jwks = json!({"keys": [
            {"kty": "oct", "kid": "a", "alg": "HS256", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"},
            {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        ]});
        let none = ForeignTokens::new("provider", "plant-api", &jwks.to_string());
        assert_eq!(none.unwrap_err(), ForeignKeysError::NoKeys);
        assert_eq!(ForeignTokens::new("p", "a", "{}").unwrap_err(), ForeignKeysError::Malformed);
    }
}
