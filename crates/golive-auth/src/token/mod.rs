//! Signed tokens: issue, verify with every check, rotate. Where revocations and families are kept is not known here.

mod claims;
mod error;
mod foreign;
mod wire;

use std::time::Duration;

use chrono::{DateTime, Utc};

pub use claims::{Claims, IssuedToken, Subject, TokenKind, TokenPair, TokenSettings};
pub use error::{AuthenticateError, IssueTokenError, RefreshError, VerifyTokenError};
pub use foreign::{ForeignKeysError, ForeignTokens};

use crate::keys::TokenKeys;
use crate::random;
use crate::refresh::{RefreshStore, Rotation, RotationRequest};
use crate::revocation::{Revocation, StoreUnavailable};

/// Issues and verifies the tokens of one service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TokenService {
    keys: TokenKeys,
    settings: TokenSettings,
}

impl TokenService {
    /// A service with these keys.
    pub fn new(keys: TokenKeys, mut settings: TokenSettings) -> Self {
        settings.leeway = settings.leeway.min(Duration::from_secs(60));
        Self { keys, settings }
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
        self.issue(subject, subject.access_kind(), &self.new_session(now), &random_id(), now)
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
        let access = self.issue(subject, subject.access_kind(), &session, &random_id(), now)?;
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
        let claims = wire::read(token, &self.keys, now)?;
        if claims.iss != self.settings.issuer {
            return Err(VerifyTokenError::Issuer);
        }
        if claims.aud != self.settings.audience {
            return Err(VerifyTokenError::Audience);
        }
        // Without them a token could not be revoked, or would be revoked with every other one.
        if claims.sub.is_empty() || claims.jti.is_empty() || claims.sid.is_empty() {
            return Err(VerifyTokenError::Malformed);
        }
        claims.must_be(expected)?;
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
        let access = self.issue(subject, subject.access_kind(), &session, &random_id(), now)?;
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
            TokenKind::Access | TokenKind::PasswordChange => self.settings.access_lifetime,
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
        let ring = self.keys.ring().map_err(|_| IssueTokenError::Sign)?;
        let token = wire::write(ring.active(), &claims).ok_or(IssueTokenError::Sign)?;
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
