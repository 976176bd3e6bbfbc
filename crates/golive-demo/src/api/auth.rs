//! Login, refresh, logout and passwords. How tokens and hashes work is golive-auth's business.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, TimeDelta, Utc};
use golive_auth::{HashPasswordError, IssueTokenError, RefreshError, TokenKind, TokenPair};
use sea_orm::{
    ActiveEnum, ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, TransactionTrait,
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::audit::{self, Actor, Deed};
use super::caller::{self, Caller};
use super::error::ApiError;
use super::extract::{Body, ClientAddress};
use super::limits;
use super::scope;
use super::state::App;
use crate::entity::user;

/// Who logs in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    username: String,
    #[schema(value_type = String, format = "password")]
    password: SecretString,
}

/// Logs in. Unknown, wrong, inactive: the answer is the same and takes as long.
pub(crate) async fn login(
    State(app): State<App>,
    ClientAddress(address): ClientAddress,
    Body(login): Body<Login>,
) -> Result<Json<Value>, ApiError> {
    app.limits.logins.check(&login.username, address, app.now())?;
    let known = user::Entity::find().filter(user::Column::Username.eq(&login.username)).one(&app.db).await?;
    // A database may compare more generously than we do.
    let known = known.filter(|user| user.username == login.username);
    let stored = known.as_ref().map(|user| user.password_hash.clone());
    let verified = verify(&app, stored, login.password.clone()).await?;
    let now = app.now();
    let actor = Actor {
        user_id: known.as_ref().map(|user| user.id),
        // A name that nobody has may be a password typed into the wrong field.
        username: known.as_ref().map_or_else(|| "(unknown)".to_owned(), |user| user.username.clone()),
        client_id: known.as_ref().and_then(|user| user.client_id.clone()),
        address,
    };
    let is_open = match &known {
        Some(user) => verified.ok && user.is_active && scope::tenant_is_open(&app.db, user).await?,
        None => false,
    };
    let (Some(user), true) = (known, is_open) else {
        app.limits.logins.failed(&login.username, address, now).await?;
        let id = actor.user_id.map(|id| id.to_string()).unwrap_or_default();
        audit::record_alone(&app, &actor, Deed::new("login_failed", "user", id)).await?;
        return Err(ApiError::login_failed());
    };
    let rehashed = if verified.needs_upgrade { app.passwords.hash(login.password).await.ok() } else { None };
    app.limits.logins.succeeded(&user.username, address, now);
    golive_observe::identify(user.client_id.as_deref().unwrap_or_default(), &user.id.to_string());
    // First the tokens: where they cannot be recorded, nobody has logged in.
    let pair = start_session(&app, &user, now).await?;
    let transaction = app.db.begin().await?;
    let mut change = user::ActiveModel {
        id: Set(user.id),
        last_login_at: Set(Some(now.naive_utc())),
        ..Default::default()
    };
    if let Some(hash) = rehashed {
        change.password_hash = Set(hash);
    }
    user::Entity::update(change).exec(&transaction).await?;
    audit::record(&app, &transaction, now, &actor, Deed::new("login", "user", user.id)).await?;
    transaction.commit().await?;
    Ok(Json(session(&app, &user, &pair)))
}

async fn verify(
    app: &App,
    stored: Option<String>,
    password: SecretString,
) -> Result<golive_auth::Verified, ApiError> {
    app.passwords.verify(stored, password).await.map_err(hashing_failed)
}

fn hashing_failed(cause: HashPasswordError) -> ApiError {
    match cause {
        HashPasswordError::Busy => ApiError::busy(),
        cause => ApiError::internal().with_cause(cause),
    }
}

async fn start_session(app: &App, user: &user::Model, now: DateTime<Utc>) -> Result<TokenPair, ApiError> {
    let started = app.tokens.start_session(&caller::subject(user), app.sessions.families.as_ref(), now).await;
    started.map_err(not_issued)
}

fn not_issued(error: IssueTokenError) -> ApiError {
    match error {
        IssueTokenError::Store(cause) => ApiError::revocation_unavailable(cause),
        other => ApiError::internal().with_cause(other),
    }
}

/// What a login or a refresh hands out.
fn session(app: &App, user: &user::Model, pair: &TokenPair) -> Value {
    json!({
        "access_token": pair.access.token.expose_secret(),
        "refresh_token": pair.refresh.token.expose_secret(),
        "token_type": "Bearer",
        "expires_in": app.tokens.settings().access_lifetime.as_secs(),
        "must_change_password": user.must_change_password,
        "user": view(user),
    })
}

/// An account as its owner sees it.
fn view(user: &user::Model) -> Value {
    json!({
        "id": user.id,
        "username": user.username,
        "full_name": user.full_name,
        "role": user.role.to_value(),
        "client_id": user.client_id,
        "must_change_password": user.must_change_password,
    })
}

/// A refresh token to be exchanged.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refresh {
    #[schema(value_type = String)]
    refresh_token: SecretString,
}

/// The next pair of tokens. An old refresh token that comes back ends its session.
pub(crate) async fn refresh(
    State(app): State<App>,
    Body(body): Body<Refresh>,
) -> Result<Json<Value>, ApiError> {
    let claims = caller::authenticate(&app, body.refresh_token.expose_secret(), TokenKind::Refresh).await?;
    let user = caller::account(&app, &claims).await?;
    golive_observe::identify(user.client_id.as_deref().unwrap_or_default(), &user.id.to_string());
    let refreshed =
        app.tokens.refresh(&claims, &caller::subject(&user), app.sessions.families.as_ref(), app.now()).await;
    match refreshed {
        Ok(pair) => Ok(Json(session(&app, &user, &pair))),
        Err(RefreshError::Unavailable(cause)) => Err(ApiError::revocation_unavailable(cause)),
        Err(RefreshError::Issue(error)) => Err(not_issued(error)),
        Err(RefreshError::Reused) => {
            tracing::warn!(session = claims.sid, "an old refresh token came back; the session is ended");
            app.tokens
                .end_session(&claims, app.sessions.families.as_ref(), app.sessions.revocation.as_ref())
                .await?;
            Err(ApiError::unauthorized())
        }
        Err(_) => Err(ApiError::unauthorized()),
    }
}

/// Ends the session; its tokens are dead when this is answered.
pub(crate) async fn logout(State(app): State<App>, caller: Caller) -> Result<StatusCode, ApiError> {
    app.tokens
        .end_session(&caller.claims, app.sessions.families.as_ref(), app.sessions.revocation.as_ref())
        .await?;
    audit::record_alone(&app, &caller.actor, Deed::new("logout", "user", caller.user.id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The old password and the new one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangePassword {
    #[schema(value_type = String, format = "password")]
    current_password: SecretString,
    #[schema(value_type = String, format = "password")]
    new_password: SecretString,
}

/// Changes the caller's password. All older tokens of the account die; the answer brings new ones.
pub(crate) async fn change_password(
    State(app): State<App>,
    caller: Caller,
    Body(body): Body<ChangePassword>,
) -> Result<Json<Value>, ApiError> {
    let (name, address) = (&caller.user.username, caller.actor.address);
    app.limits.logins.check(name, address, app.now())?;
    let stored = Some(caller.user.password_hash.clone());
    if !verify(&app, stored, body.current_password.clone()).await?.ok {
        app.limits.logins.failed(name, address, app.now()).await?;
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "wrong_password",
            "the current password is wrong",
        ));
    }
    if body.current_password.expose_secret() == body.new_password.expose_secret() {
        return Err(ApiError::invalid("the new password must not be the old one"));
    }
    let hash = new_hash(&app, body.new_password, &[&caller.user.username, &caller.user.full_name]).await?;
    let now = app.now();
    // First the tokens: should the database fail afterwards, somebody logs in once more, and no old token lives on.
    let cutoff = now + TimeDelta::milliseconds(1);
    app.sessions.revocation.revoke_user_before(&caller.user.id.to_string(), cutoff).await?;
    let transaction = app.db.begin().await?;
    let change = user::ActiveModel {
        id: Set(caller.user.id),
        password_hash: Set(hash),
        must_change_password: Set(false),
        updated_at: Set(now.naive_utc()),
        ..Default::default()
    };
    let user = change.update(&transaction).await?;
    audit::record(&app, &transaction, now, &caller.actor, Deed::new("change_password", "user", user.id))
        .await?;
    transaction.commit().await?;
    let pair = start_session(&app, &user, cutoff + TimeDelta::milliseconds(1)).await?;
    Ok(Json(session(&app, &user, &pair)))
}

/// The hash of a password that the policy accepts.
pub(crate) async fn new_hash(app: &App, password: SecretString, about: &[&str]) -> Result<String, ApiError> {
    app.policy.check(&password, about).map_err(|refusal| {
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "weak_password", refusal.to_string())
    })?;
    app.passwords.hash(password).await.map_err(hashing_failed)
}

/// The account of the caller.
pub(crate) async fn me(caller: Caller) -> Json<Value> {
    Json(view(&caller.user))
}

/// Who has forgotten the password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForgotPassword {
    username: String,
}

/// Notes the wish for a new password, for an administrator to act on. The answer does not tell whether the account
/// exists.
pub(crate) async fn forgot_password(
    State(app): State<App>,
    ClientAddress(address): ClientAddress,
    Body(body): Body<ForgotPassword>,
) -> Response {
    let decided = app.limits.forgot_password.take(&limits::address_key(address)).await;
    let answer = async {
        decided.allowed()?;
        let known =
            user::Entity::find().filter(user::Column::Username.eq(&body.username)).one(&app.db).await?;
        let actor = Actor {
            user_id: known.as_ref().map(|user| user.id),
            username: known.as_ref().map_or_else(|| "(unknown)".to_owned(), |user| user.username.clone()),
            client_id: known.as_ref().and_then(|user| user.client_id.clone()),
            address,
        };
        let id = actor.user_id.map(|id| id.to_string()).unwrap_or_default();
        audit::record_alone(&app, &actor, Deed::new("forgot_password", "user", id)).await?;
        let body = json!({ "message": "if there is such an account, its administrator has been told" });
        Ok::<_, ApiError>((StatusCode::ACCEPTED, Json(body)))
    };
    let mut response = answer.await.into_response();
    let headers: &mut HeaderMap = response.headers_mut();
    decided.describe(headers);
    response
}
