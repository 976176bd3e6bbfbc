//! What a token says and how long it lives. Signing and checking are in the neighbors.

use std::time::Duration;

use chrono::DateTime;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::error::VerifyTokenError;
use crate::keys::HEADER_TYPES;
use crate::revocation::TokenFacts;

/// Names and lifetimes of this service's tokens.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TokenSettings {
    /// `iss`: who issues them.
    pub issuer: String,
    /// `aud`: whom they are for.
    pub audience: String,
    /// Life of an access token. Default 15 minutes.
    pub access_lifetime: Duration,
    /// Life of a refresh token without use. Default 14 days.
    pub refresh_lifetime: Duration,
    /// Life of a session however often it is refreshed. Default 30 days.
    pub session_lifetime: Duration,
    /// Difference of clocks that is forgiven. Default 5 s; more than 60 s counts as 60 s.
    pub leeway: Duration,
    /// Longest token looked at. Default 4096 bytes.
    pub max_token_bytes: usize,
    /// How long after a rotation the same old refresh token gets the same successor, for two tabs at once. Default 10 s.
    pub refresh_grace: Duration,
}

impl TokenSettings {
    /// Settings with the defaults.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audience: audience.into(),
            access_lifetime: Duration::from_secs(15 * 60),
            refresh_lifetime: Duration::from_secs(14 * 24 * 3600),
            session_lifetime: Duration::from_secs(30 * 24 * 3600),
            leeway: Duration::from_secs(5),
            max_token_bytes: 4096,
            refresh_grace: Duration::from_secs(10),
        }
    }
}

/// Who a token speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subject {
    /// The user's identifier: one that does not change and is not given to another user.
    pub user_id: String,
    /// The login name.
    pub username: String,
    /// The role.
    pub role: String,
    /// The tenant, if the role has one.
    pub client_id: Option<String>,
    /// Whether the token is good for changing the password only.
    pub must_change_password: bool,
}

impl Subject {
    /// A user without tenant who need not change the password.
    pub fn new(user_id: impl Into<String>, username: impl Into<String>, role: impl Into<String>) -> Self {
        Self {
            user_id: user_id.into(),
            username: username.into(),
            role: role.into(),
            client_id: None,
            must_change_password: false,
        }
    }

    pub(super) fn access_kind(&self) -> TokenKind {
        if self.must_change_password { TokenKind::PasswordChange } else { TokenKind::Access }
    }
}

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TokenKind {
    /// Sent with each request.
    Access,
    /// Exchanged for the next pair.
    Refresh,
    /// An access token that is good for changing the password and for logging out, and for nothing else: what an account
    /// gets that must change its password. Asked for, an [`TokenKind::Access`] token will do as well.
    PasswordChange,
}

impl TokenKind {
    /// The header's `typ` (RFC 8725 3.11).
    pub(super) fn header_type(self) -> &'static str {
        match self {
            Self::Access => HEADER_TYPES[0],
            Self::Refresh => HEADER_TYPES[1],
            Self::PasswordChange => HEADER_TYPES[2],
        }
    }
}

/// What a verified token says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// Whom it is for.
    pub aud: String,
    /// The user's identifier.
    pub sub: String,
    /// The token's own identifier.
    pub jti: String,
    /// The session: all tokens since one login.
    pub sid: String,
    /// Issued at, in seconds.
    pub iat: i64,
    /// Issued at, in milliseconds: two tokens of one second can be told apart when everything before a moment is revoked.
    pub iat_ms: i64,
    /// Not valid before, in seconds.
    pub nbf: i64,
    /// Not valid from then on, in seconds.
    pub exp: i64,
    /// When the session ends at the latest, in seconds.
    pub sxp: i64,
    /// What it is for.
    pub typ: TokenKind,
    /// The login name.
    pub username: String,
    /// The role.
    pub role: String,
    /// The tenant.
    pub client_id: Option<String>,
    /// Whether it is good for changing the password only.
    pub must_change_password: bool,
}

impl Claims {
    /// What a revocation store needs to know.
    pub fn facts(&self) -> TokenFacts {
        let issued_at = DateTime::from_timestamp_millis(self.iat_ms).unwrap_or(DateTime::UNIX_EPOCH);
        let mut facts = TokenFacts::new(&self.jti, &self.sid, &self.sub, issued_at);
        facts.tenant.clone_from(&self.client_id);
        facts
    }

    pub(super) fn must_be(&self, expected: TokenKind) -> Result<(), VerifyTokenError> {
        match (expected, self.typ) {
            (TokenKind::Access, TokenKind::PasswordChange) => Err(VerifyTokenError::PasswordChangeRequired),
            (TokenKind::Access, TokenKind::Access) if self.must_change_password => {
                Err(VerifyTokenError::PasswordChangeRequired)
            }
            (TokenKind::PasswordChange, TokenKind::Access) => Ok(()),
            (expected, kind) if expected == kind => Ok(()),
            _ => Err(VerifyTokenError::Kind),
        }
    }

    /// Who it speaks for.
    pub fn subject(&self) -> Subject {
        let mut subject = Subject::new(&self.sub, &self.username, &self.role);
        subject.client_id.clone_from(&self.client_id);
        subject.must_change_password = self.must_change_password;
        subject
    }
}

/// A token that was just signed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct IssuedToken {
    /// The token.
    pub token: SecretString,
    /// Its claims.
    pub claims: Claims,
}

/// What a login or a refresh hands out.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TokenPair {
    /// For requests.
    pub access: IssuedToken,
    /// For the next pair.
    pub refresh: IssuedToken,
}
