//! Signed tokens: issue, verify with every check, rotate. Where revocations and families are kept is not known here.

use std::time::Duration;

use chrono::{DateTime, Utc};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::random;
use crate::refresh::{RefreshStore, Rotation, RotationRequest};
use crate::revocation::{Revocation, StoreUnavailable, TokenFacts};
use crate::token_keys::TokenKeys;

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
}

/// What a token is for. The two are not interchangeable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TokenKind {
    /// Sent with each request.
    Access,
    /// Exchanged for the next pair.
    Refresh,
}

impl TokenKind {
    /// The header's `typ` (RFC 8725 3.11).
    fn header_type(self) -> &'static str {
        match self {
            Self::Access => "at+jwt",
            Self::Refresh => "rt+jwt",
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

/// Why no token was issued.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssueTokenError {
    /// Signing failed.
    #[error("sign a token")]
    Sign(#[source] jsonwebtoken::errors::Error),
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

/// Why a token is not accepted. All of these are 401.
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
    /// 401, or 503 while the store cannot be asked: a 401 would log everybody out.
    pub fn http_status(&self) -> u16 {
        match self {
            Self::Unavailable(_) => 503,
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

/// Issues and verifies the tokens of one service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TokenService {
    keys: TokenKeys,
    settings: TokenSettings,
    validation: Validation,
}

impl TokenService {
    /// A service with these keys.
    pub fn new(keys: TokenKeys, mut settings: TokenSettings) -> Self {
        settings.leeway = settings.leeway.min(Duration::from_secs(60));
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[&settings.issuer]);
        validation.set_audience(&[&settings.audience]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        // Checked here against the time that the caller passes.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self { keys, settings, validation }
    }

    /// The settings.
    pub fn settings(&self) -> &TokenSettings {
        &self.settings
    }

    /// The keys.
    pub fn keys(&self) -> &TokenKeys {
        &self.keys
    }

    /// An access token of a new session of its own, without refresh token: for scripts and tests. A login is
    /// [`TokenService::start_session`].
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn issue_access(
        &self,
        subject: &Subject,
        now: DateTime<Utc>,
    ) -> Result<IssuedToken, IssueTokenError> {
        self.issue(subject, TokenKind::Access, &self.new_session(now), &random_id(), now)
    }

    /// A refresh token of a new session, not recorded anywhere: [`TokenService::start_session`] records it.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn issue_refresh(
        &self,
        subject: &Subject,
        now: DateTime<Utc>,
    ) -> Result<IssuedToken, IssueTokenError> {
        self.issue(subject, TokenKind::Refresh, &self.new_session(now), &random_id(), now)
    }

    /// What a login hands out: both tokens of a new session, whose family is recorded in `store`.
    ///
    /// # Errors
    /// When they cannot be signed, or the store does not confirm.
    pub async fn start_session(
        &self,
        subject: &Subject,
        store: &dyn RefreshStore,
        now: DateTime<Utc>,
    ) -> Result<TokenPair, IssueTokenError> {
        let session = self.new_session(now);
        let refresh = self.issue(subject, TokenKind::Refresh, &session, &random_id(), now)?;
        let access = self.issue(subject, TokenKind::Access, &session, &random_id(), now)?;
        store
            .start(&session.id, &refresh.claims.jti, self.longest_life())
            .await
            .map_err(IssueTokenError::Store)?;
        Ok(TokenPair { access, refresh })
    }

    /// Everything that can be checked without asking anybody: length, algorithm, key, signature, issuer, audience, times,
    /// kind. Whether it is revoked, [`TokenService::authenticate`] asks.
    ///
    /// # Errors
    /// The check that it does not pass.
    pub fn verify(
        &self,
        token: &str,
        expected: TokenKind,
        now: DateTime<Utc>,
    ) -> Result<Claims, VerifyTokenError> {
        if token.len() > self.settings.max_token_bytes {
            return Err(VerifyTokenError::TooLong);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|e| classify(&e))?;
        if header.alg != Algorithm::HS256 {
            return Err(VerifyTokenError::Algorithm);
        }
        // Extensions that must be understood are not, and keys do not come from tokens.
        if header.crit.is_some() || header.jwk.is_some() || header.jku.is_some() || header.x5u.is_some() {
            return Err(VerifyTokenError::Malformed);
        }
        let id = header.kid.as_deref().ok_or(VerifyTokenError::UnknownKey)?;
        let key = self.keys.verifying(id, now).ok_or(VerifyTokenError::UnknownKey)?;
        let claims =
            jsonwebtoken::decode::<Claims>(token, key, &self.validation).map_err(|e| classify(&e))?.claims;
        if claims.typ != expected || header.typ.as_deref() != Some(expected.header_type()) {
            return Err(VerifyTokenError::Kind);
        }
        let (seconds, leeway) = (now.timestamp(), seconds(self.settings.leeway));
        if seconds >= claims.exp.saturating_add(leeway) {
            return Err(VerifyTokenError::Expired);
        }
        if claims.nbf.max(claims.iat).max(claims.iat_ms / 1000) > seconds.saturating_add(leeway) {
            return Err(VerifyTokenError::NotYetValid);
        }
        Ok(claims)
    }

    /// [`TokenService::verify`], and not revoked.
    ///
    /// # Errors
    /// When the token is not accepted, revoked, or nobody knows; answer with [`AuthenticateError::http_status`].
    pub async fn authenticate(
        &self,
        token: &str,
        expected: TokenKind,
        revocation: &dyn Revocation,
        now: DateTime<Utc>,
    ) -> Result<Claims, AuthenticateError> {
        let claims = self.verify(token, expected, now)?;
        match revocation.is_revoked(&claims.facts(), now).await {
            Ok(false) => Ok(claims),
            Ok(true) => Err(AuthenticateError::Revoked),
            Err(e) => Err(AuthenticateError::Unavailable(e)),
        }
    }

    /// The next pair for a refresh token that passed [`TokenService::authenticate`]. `subject` is the user as the database
    /// has it now, so that a role change or deactivation counts.
    ///
    /// # Errors
    /// [`RefreshError::Reused`] when the token was used before: the caller then revokes the session with
    /// [`TokenService::end_session`], which ends its access tokens as well.
    pub async fn refresh(
        &self,
        presented: &Claims,
        subject: &Subject,
        store: &dyn RefreshStore,
        now: DateTime<Utc>,
    ) -> Result<TokenPair, RefreshError> {
        if presented.sub != subject.user_id || presented.typ != TokenKind::Refresh {
            return Err(RefreshError::OtherUser);
        }
        let successor = random_id();
        let request = RotationRequest {
            family: &presented.sid,
            presented: &presented.jti,
            successor: &successor,
            now,
            grace: self.settings.refresh_grace,
            ttl: self.longest_life(),
        };
        // The same identifier and time of issue sign to the same token: the loser of two gets what the winner got.
        let (token_id, issued_at) = match store.rotate(&request).await.map_err(RefreshError::Unavailable)? {
            Rotation::Rotated => (successor, now),
            Rotation::Replayed { successor, issued_at } => (successor, issued_at),
            Rotation::Reused => return Err(RefreshError::Reused),
            Rotation::Unknown => return Err(RefreshError::Ended),
        };
        let session = Session { id: presented.sid.clone(), ends: presented.sxp };
        let refresh = self.issue(subject, TokenKind::Refresh, &session, &token_id, issued_at)?;
        let access = self.issue(subject, TokenKind::Access, &session, &random_id(), now)?;
        Ok(TokenPair { access, refresh })
    }

    /// Logout: ends the session with its access and refresh tokens. Answer only after this returned.
    ///
    /// # Errors
    /// When a store does not confirm; then the session is *not* known to be ended.
    pub async fn end_session(
        &self,
        claims: &Claims,
        store: &dyn RefreshStore,
        revocation: &dyn Revocation,
    ) -> Result<(), StoreUnavailable> {
        revocation.revoke_session(&claims.sid, self.longest_life()).await?;
        store.end(&claims.sid).await
    }

    /// How long a revocation of this token must be kept: its remaining life, the leeway, and a margin for clocks.
    pub fn revocation_ttl(&self, claims: &Claims, now: DateTime<Utc>) -> Duration {
        let remaining = u64::try_from(claims.exp - now.timestamp()).unwrap_or(0);
        Duration::from_secs(remaining) + self.settings.leeway + CLOCK_MARGIN
    }

    /// The longest time that any token of a session can still be valid.
    fn longest_life(&self) -> Duration {
        self.settings.refresh_lifetime.max(self.settings.access_lifetime)
            + self.settings.leeway
            + CLOCK_MARGIN
    }

    fn new_session(&self, now: DateTime<Utc>) -> Session {
        Session { id: random_id(), ends: now.timestamp() + seconds(self.settings.session_lifetime) }
    }

    fn issue(
        &self,
        subject: &Subject,
        kind: TokenKind,
        session: &Session,
        token_id: &str,
        now: DateTime<Utc>,
    ) -> Result<IssuedToken, IssueTokenError> {
        let lifetime = match kind {
            TokenKind::Access => self.settings.access_lifetime,
            TokenKind::Refresh => self.settings.refresh_lifetime,
        };
        let claims = Claims {
            iss: self.settings.issuer.clone(),
            aud: self.settings.audience.clone(),
            sub: subject.user_id.clone(),
            jti: token_id.to_owned(),
            sid: session.id.clone(),
            iat: now.timestamp(),
            iat_ms: now.timestamp_millis(),
            nbf: now.timestamp(),
            exp: (now.timestamp() + seconds(lifetime)).min(session.ends),
            sxp: session.ends,
            typ: kind,
            username: subject.username.clone(),
            role: subject.role.clone(),
            client_id: subject.client_id.clone(),
            must_change_password: subject.must_change_password,
        };
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some(kind.header_type().to_owned());
        header.kid = Some(self.keys.current_id().to_owned());
        let token =
            jsonwebtoken::encode(&header, &claims, self.keys.signing()).map_err(IssueTokenError::Sign)?;
        if token.len() > self.settings.max_token_bytes {
            return Err(IssueTokenError::TooLong { bytes: token.len() });
        }
        Ok(IssuedToken { token: token.into(), claims })
    }
}

struct Session {
    id: String,
    ends: i64,
}

/// Clocks of two instances may differ, and a revocation must outlive the token on both.
const CLOCK_MARGIN: Duration = Duration::from_secs(30);

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX >> 12)
}

/// 22 characters, 131 bits.
fn random_id() -> String {
    random::text(22, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789").to_string()
}

fn classify(error: &jsonwebtoken::errors::Error) -> VerifyTokenError {
    match error.kind() {
        ErrorKind::InvalidSignature => VerifyTokenError::Signature,
        ErrorKind::InvalidIssuer => VerifyTokenError::Issuer,
        ErrorKind::InvalidAudience => VerifyTokenError::Audience,
        ErrorKind::ExpiredSignature => VerifyTokenError::Expired,
        ErrorKind::ImmatureSignature => VerifyTokenError::NotYetValid,
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName | ErrorKind::UnsupportedAlgorithm => {
            VerifyTokenError::Algorithm
        }
        _ => VerifyTokenError::Malformed,
    }
}
