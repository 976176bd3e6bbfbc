//! The gate before every route: token, account, forced password change, limit, permission, in this order. What the route
//! then does is its own business.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use golive_auth::{AuthenticateError, Claims, Subject, TokenKind};
use sea_orm::{ActiveEnum, EntityTrait};

use super::access::Permission;
use super::audit::Actor;
use super::error::ApiError;
use super::extract::ClientAddress;
use super::limits::Decided;
use super::scope::{self, Scope};
use super::state::App;
use crate::entity::user;

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nothing.
    Public,
    /// A login, even one that must change its password first.
    AnyLogin,
    /// A login.
    Login,
    /// A login whose role may do this.
    Needs(Permission),
}

/// Who is logged in.
#[derive(Clone, Debug)]
pub(crate) struct Caller(Arc<Identity>);

/// What is known of the caller.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) user: user::Model,
    pub(crate) claims: Claims,
    pub(crate) scope: Scope,
    pub(crate) actor: Actor,
}

impl Deref for Caller {
    type Target = Identity;

    fn deref(&self) -> &Identity {
        &self.0
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        // Only a route that was registered as public can get here without one, and that is a bug.
        parts.extensions.get::<Self>().cloned().ok_or_else(ApiError::unauthorized)
    }
}

/// Lets a request through to its route, or not.
pub(crate) async fn gate(
    State((app, access)): State<(App, Access)>,
    request: Request,
    next: Next,
) -> Response {
    if access == Access::Public {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let mut limits = None;
    let mut response = match admit(&app, access, &parts, &mut limits).await {
        Ok(caller) => {
            parts.extensions.insert(caller);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(error) => error.into_response(),
    };
    if let Some(decided) = limits {
        decided.describe(response.headers_mut());
    }
    if response.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

async fn admit<'a>(
    app: &'a App,
    access: Access,
    parts: &Parts,
    limits: &mut Option<Decided<'a>>,
) -> Result<Caller, ApiError> {
    let token = bearer(&parts.headers).ok_or_else(ApiError::unauthorized)?;
    // Also one that is good for changing the password only: what it may reach is decided below.
    let claims = authenticate(app, token, TokenKind::PasswordChange).await?;
    let user = account(app, &claims).await?;
    golive_observe::identify(user.client_id.as_deref().unwrap_or_default(), &user.id.to_string());
    let decided = app.limits.requests.take(&format!("user:{}", user.id)).await;
    limits.insert(decided).allowed()?;
    let restricted = user.must_change_password || claims.typ == TokenKind::PasswordChange;
    if restricted && access != Access::AnyLogin {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "password_change_required",
            "change your password first: POST /api/auth/change-password",
        ));
    }
    let permissions = app.lookups.permissions(&user).await?;
    if let Access::Needs(permission) = access
        && !permissions.contains(&permission)
    {
        return Err(ApiError::forbidden());
    }
    let ClientAddress(address) = ClientAddress::of(parts, app);
    let actor = Actor {
        user_id: Some(user.id),
        username: user.username.clone(),
        client_id: user.client_id.clone(),
        address,
    };
    let scope = Scope::of(&user);
    Ok(Caller(Arc::new(Identity { user, claims, scope, actor })))
}

/// A token that is good, or why the request is not served: 503 when nobody knows whether it was revoked.
pub(crate) async fn authenticate(app: &App, token: &str, kind: TokenKind) -> Result<Claims, ApiError> {
    let verified = app.tokens.authenticate(token, kind, app.sessions.revocation.as_ref(), app.now()).await;
    verified.map_err(|error| match error {
        AuthenticateError::Unavailable(cause) => ApiError::revocation_unavailable(cause),
        _ => ApiError::unauthorized(),
    })
}

/// The account of a token as the database has it now: switched off, it is nobody's.
pub(crate) async fn account(app: &App, claims: &Claims) -> Result<user::Model, ApiError> {
    let id: i64 = claims.sub.parse().map_err(|_| ApiError::unauthorized())?;
    let user = user::Entity::find_by_id(id).one(&app.db).await?.ok_or_else(ApiError::unauthorized)?;
    if !user.is_active || !scope::tenant_is_open(&app.db, &user).await? {
        return Err(ApiError::unauthorized());
    }
    Ok(user)
}

/// Who a token of this account speaks for.
pub(crate) fn subject(user: &user::Model) -> Subject {
    let mut subject = Subject::new(user.id.to_string(), &user.username, user.role.to_value());
    subject.client_id.clone_from(&user.client_id);
    subject.must_change_password = user.must_change_password;
    subject
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
