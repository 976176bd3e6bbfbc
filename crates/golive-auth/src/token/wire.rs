//! The compact form of a token (RFC 7515): written once, and read with one look at each part. Whether its claims hold is
//! judged by the service.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::claims::Claims;
use super::error::VerifyTokenError;
use crate::keys::{HEADER_TYPES, KeyAlgorithm, PreparedKey, TokenKeys};

/// `header.claims.signature`. `None` when the library refuses to sign.
pub(super) fn write(key: &PreparedKey, claims: &Claims) -> Option<String> {
    let header = key.header(claims.typ.header_type());
    let json = serde_json::to_vec(claims).ok()?;
    let mut token = String::with_capacity(header.len() + json.len() * 4 / 3 + 96);
    token.push_str(header);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(json, &mut token);
    let signature = key.key.sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Some(token)
}

/// The claims of a token whose key is usable and whose signature fits.
pub(super) fn read(token: &str, keys: &TokenKeys, now: DateTime<Utc>) -> Result<Claims, VerifyTokenError> {
    let (message, signature) = token.rsplit_once('.').ok_or(VerifyTokenError::Malformed)?;
    let (header, payload) = message.split_once('.').ok_or(VerifyTokenError::Malformed)?;
    let ring = keys.ring().map_err(|_| VerifyTokenError::KeysUnavailable)?;
    let typ = match ring.by_header(header) {
        // Our own tokens: their headers are known byte for byte, so nothing of them is parsed.
        Some((key, typ)) => {
            verify(key, message, signature, now)?;
            typ
        }
        None => {
            let json = URL_SAFE_NO_PAD.decode(header).map_err(|_| VerifyTokenError::Malformed)?;
            let header = Header::parse(&json)?;
            let id = header.kid.as_deref().ok_or(VerifyTokenError::UnknownKey)?;
            match ring.by_id(id) {
                Some(key) => verify(header.must_be_of(key)?, message, signature, now)?,
                None => {
                    let ring = keys.ring_for_unknown_key();
                    let key = ring.by_id(id).ok_or(VerifyTokenError::UnknownKey)?;
                    verify(header.must_be_of(key)?, message, signature, now)?;
                }
            }
            header.typ()?
        }
    };
    let json = URL_SAFE_NO_PAD.decode(payload).map_err(|_| VerifyTokenError::Malformed)?;
    let claims: Claims = serde_json::from_slice(&json).map_err(|_| VerifyTokenError::Malformed)?;
    if claims.typ.header_type() != typ {
        return Err(VerifyTokenError::Kind);
    }
    Ok(claims)
}

fn verify(
    key: &PreparedKey,
    message: &str,
    signature: &str,
    now: DateTime<Utc>,
) -> Result<(), VerifyTokenError> {
    if !key.info.is_usable(now) {
        return Err(VerifyTokenError::UnknownKey);
    }
    let mut bytes = [0_u8; 2 * LONGEST_SIGNATURE];
    if signature.len() > LONGEST_SIGNATURE_TEXT {
        return Err(VerifyTokenError::Malformed);
    }
    // Refuses padding, and other spellings of the last character.
    let length =
        URL_SAFE_NO_PAD.decode_slice(signature, &mut bytes).map_err(|_| VerifyTokenError::Malformed)?;
    match key.key.verify(message.as_bytes(), &bytes[..length]) {
        true => Ok(()),
        false => Err(VerifyTokenError::Signature),
    }
}

/// What of a header is looked at. Members that are not known are passed over, as RFC 7515 4 asks.
#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    #[serde(borrow)]
    typ: Option<Cow<'a, str>>,
    #[serde(borrow)]
    kid: Option<Cow<'a, str>>,
    crit: Option<IgnoredAny>,
    jwk: Option<IgnoredAny>,
    jku: Option<IgnoredAny>,
    x5u: Option<IgnoredAny>,
    x5c: Option<IgnoredAny>,
}

impl<'a> Header<'a> {
    fn parse(json: &'a [u8]) -> Result<Self, VerifyTokenError> {
        let header: Self = serde_json::from_slice(json).map_err(|_| VerifyTokenError::Malformed)?;
        // Also `none` (RFC 8725 3.2): told before anything else is asked.
        if !KeyAlgorithm::ALL.iter().any(|algorithm| algorithm.name() == header.alg) {
            return Err(VerifyTokenError::Algorithm);
        }
        let keys_from_elsewhere = [&header.jwk, &header.jku, &header.x5u, &header.x5c];
        // Extensions that must be understood are not, and keys do not come from tokens.
        if header.crit.is_some() || keys_from_elsewhere.iter().any(|member| member.is_some()) {
            return Err(VerifyTokenError::Malformed);
        }
        Ok(header)
    }

    /// The key decides the algorithm; the token may only agree (RFC 8725 3.1).
    fn must_be_of<'k>(&self, key: &'k PreparedKey) -> Result<&'k PreparedKey, VerifyTokenError> {
        if self.alg == key.info.algorithm.name() { Ok(key) } else { Err(VerifyTokenError::Algorithm) }
    }

    fn typ(&self) -> Result<&'static str, VerifyTokenError> {
        let known = HEADER_TYPES.into_iter().find(|typ| self.typ.as_deref() == Some(*typ));
        known.ok_or(VerifyTokenError::Kind)
    }
}

/// 64 bytes, in base64 86 characters.
const LONGEST_SIGNATURE: usize = 64;
const LONGEST_SIGNATURE_TEXT: usize = 86;
