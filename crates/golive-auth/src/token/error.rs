//! Why a token is not issued or not accepted, and the HTTP status that answers it.

use crate::revocation::StoreUnavailable;

/// Why no token was issued.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssueTokenError {
    /// Signing failed.
    #[error("sign a token: check that the key ring can be read")]
    Sign,
    /// The claims make it longer than verification takes.
    #[error("issue a token of {bytes} bytes: shorten the user's names, or raise max_token_bytes")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The family cannot be recorded.
    #[error("start a session")]
    Store(#[source] StoreUnavailable),
}

/// Why a token is not accepted. [`AuthenticateError::http_status`] says how to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyTokenError {
    /// Longer than is looked at.
    #[error("accept a token of this length")]
    TooLong,
    /// Not a token, or a claim is missing or given twice.
    #[error("read the token")]
    Malformed,
    /// Another algorithm than the key's.
    #[error("accept the token's algorithm")]
    Algorithm,
    /// Signed with a key that is not (or no longer) in the ring.
    #[error("find the token's key: log in again")]
    UnknownKey,
    /// The signature does not fit.
    #[error("verify the token's signature")]
    Signature,
    /// Its time is over.
    #[error("accept an expired token: refresh it, or log in again")]
    Expired,
    /// Its time has not come.
    #[error("accept a token from the future: check the clocks")]
    NotYetValid,
    /// Issued by somebody else.
    #[error("accept the token's issuer")]
    Issuer,
    /// Meant for somebody else.
    #[error("accept the token's audience")]
    Audience,
    /// An access token where a refresh token belongs, or the reverse.
    #[error("accept this kind of token")]
    Kind,
    /// Good for changing the password only.
    #[error("accept this token before the password is changed: change it first")]
    PasswordChangeRequired,
    /// The file of the key ring could not be read for too long.
    #[error("verify a token without keys: try again in a moment")]
    KeysUnavailable,
}

/// Why a request is not authenticated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthenticateError {
    /// The token itself is not accepted.
    #[error(transparent)]
    Token(#[from] VerifyTokenError),
    /// It was revoked.
    #[error("accept a revoked token: log in again")]
    Revoked,
    /// Nobody knows whether it was revoked.
    #[error("check the token: try again in a moment")]
    Unavailable(#[source] StoreUnavailable),
}

impl AuthenticateError {
    /// 401; 403 for who must change the password first; 503 while nobody knows, because a 401 would log everybody out.
    pub fn http_status(&self) -> u16 {
        match self {
            Self::Unavailable(_) | Self::Token(VerifyTokenError::KeysUnavailable) => 503,
            Self::Token(VerifyTokenError::PasswordChangeRequired) => 403,
            Self::Token(_) | Self::Revoked => 401,
        }
    }
}

/// Why a refresh token gets no successor.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RefreshError {
    /// An old refresh token came back: somebody has a copy. The session is ended, for its owner as well.
    #[error("refresh with a token that was used before: the session is ended, log in again")]
    Reused,
    /// The session is over.
    #[error("refresh an ended session: log in again")]
    Ended,
    /// The new user is not the session's.
    #[error("refresh the session of another user")]
    OtherUser,
    /// Nobody knows.
    #[error("refresh the session: try again in a moment")]
    Unavailable(#[source] StoreUnavailable),
    /// No token could be made.
    #[error(transparent)]
    Issue(#[from] IssueTokenError),
}
