//! Tokens in front of axum routes: a layer and extractors. What a route then does is its own business.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};

use crate::revocation::Revocation;
use crate::roles::{RolePolicy, TenantScope};
use crate::token::{AuthenticateError, Claims, TokenKind, TokenService, VerifyTokenError};

/// What the extractors need, in the router's state (`FromRef`). Cheap to clone.
#[derive(Clone, Debug)]
pub struct TokenGate {
    shared: Arc<Gate>,
}

#[derive(Debug)]
struct Gate {
    service: TokenService,
    revocation: Arc<dyn Revocation>,
    policy: RolePolicy,
    clock: fn() -> DateTime<Utc>,
}

impl TokenGate {
    /// A gate that reads the time with `clock`.
    pub fn new(
        service: TokenService,
        revocation: Arc<dyn Revocation>,
        policy: RolePolicy,
        clock: fn() -> DateTime<Utc>,
    ) -> Self {
        Self { shared: Arc::new(Gate { service, revocation, policy, clock }) }
    }

    async fn claims(&self, headers: &HeaderMap, kind: TokenKind) -> Result<Claims, Refused> {
        let token = bearer(headers).ok_or(Refused::NoToken)?;
        let gate = &self.shared;
        let checked = gate.service.authenticate(token, kind, gate.revocation.as_ref(), (gate.clock)()).await;
        checked.map_err(|error| match error {
            AuthenticateError::Token(VerifyTokenError::PasswordChangeRequired) => Refused::PasswordChange,
            error if error.http_status() == 503 => {
                let error = &error as &(dyn std::error::Error + 'static);
                tracing::error!(error, "a token cannot be checked; the request is refused");
                Refused::Unavailable
            }
            _ => Refused::BadToken,
        })
    }
}

/// A layer for whole routers: lets through who is logged in (`axum::middleware::from_fn_with_state`). The claims are then
/// among the request's extensions.
pub async fn require_login(State(gate): State<TokenGate>, mut request: Request, next: Next) -> Response {
    match gate.claims(request.headers(), TokenKind::Access).await {
        Ok(claims) => {
            request.extensions_mut().insert(claims);
            next.run(request).await
        }
        Err(refused) => refused.into_response(),
    }
}

/// Somebody who is logged in and need not change the password first.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Authenticated {
    /// What the token says.
    pub claims: Claims,
}

/// Somebody who is logged in, perhaps with the duty to change the password: for changing it, and for logging out.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RestrictedSession {
    /// What the token says.
    pub claims: Claims,
}

/// A permission as a type, for [`RequirePermission`].
pub trait Permission: Send + Sync {
    /// Its name in the [`RolePolicy`].
    const NAME: &'static str;
}

/// Somebody whose role has the permission `P`.
#[derive(Debug)]
#[non_exhaustive]
pub struct RequirePermission<P: Permission> {
    /// What the token says.
    pub claims: Claims,
    permission: PhantomData<fn() -> P>,
}

/// Why a request is not let through. The answer is `application/problem+json` (RFC 9457).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// There is no bearer token.
    #[error("log in first")]
    NoToken,
    /// The token is not accepted, whatever the reason: it is not told which.
    #[error("log in again")]
    BadToken,
    /// The password must be changed first.
    #[error("change your password first")]
    PasswordChange,
    /// The role does not have the permission, or there is no tenant.
    #[error("ask somebody with another role")]
    Forbidden,
    /// Nobody knows whether the token was revoked.
    #[error("try again in a moment")]
    Unavailable,
}

impl Refused {
    fn status_and_code(self) -> (StatusCode, &'static str) {
        match self {
            Self::NoToken => (StatusCode::UNAUTHORIZED, "unauthenticated"),
            Self::BadToken => (StatusCode::UNAUTHORIZED, "invalid_token"),
            Self::PasswordChange => (StatusCode::FORBIDDEN, "password_change_required"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "auth_unavailable"),
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, code) = self.status_and_code();
        let body = serde_json::json!({
            "type": "about:blank", "status": status.as_u16(), "title": self.to_string(), "code": code,
        });
        let mut response = (status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let further = match self {
            Self::NoToken => Some((header::WWW_AUTHENTICATE, "Bearer")),
            Self::BadToken => Some((header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")),
            Self::Unavailable => Some((header::RETRY_AFTER, "5")),
            Self::PasswordChange | Self::Forbidden => None,
        };
        if let Some((name, value)) = further {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Authenticated
where
    TokenGate: FromRef<S>,
{
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let claims = TokenGate::from_ref(state).claims(&parts.headers, TokenKind::Access).await?;
        Ok(Self { claims })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RestrictedSession
where
    TokenGate: FromRef<S>,
{
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let claims = TokenGate::from_ref(state).claims(&parts.headers, TokenKind::PasswordChange).await?;
        Ok(Self { claims })
    }
}

impl<S: Send + Sync, P: Permission> FromRequestParts<S> for RequirePermission<P>
where
    TokenGate: FromRef<S>,
{
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let gate = TokenGate::from_ref(state);
        let claims = gate.claims(&parts.headers, TokenKind::Access).await?;
        if !gate.shared.policy.allows(&claims.role, P::NAME) {
            return Err(Refused::Forbidden);
        }
        Ok(Self { claims, permission: PhantomData })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for TenantScope
where
    TokenGate: FromRef<S>,
{
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let gate = TokenGate::from_ref(state);
        let claims = gate.claims(&parts.headers, TokenKind::Access).await?;
        gate.shared.policy.scope(&claims).map_err(|_| Refused::Forbidden)
    }
}

/// The token of `Authorization: Bearer`, when there is exactly one such header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(one), None) = (all.next(), all.next()) else { return None };
    let (scheme, token) = one.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
