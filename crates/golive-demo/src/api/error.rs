//! What goes wrong in a request and how the caller is told: a code, a sentence, never what was sent and never what the
//! database said. Causes go to the log.

use std::borrow::Cow;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use golive_auth::StoreUnavailable;
use sea_orm::DbErr;
use serde_json::json;

/// The answer to a request that cannot be served.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
    retry_after: Option<Duration>,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ApiError {
    /// An answer of this status.
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, message: message.into(), retry_after: None, cause: None }
    }

    /// What was sent is not usable.
    pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_input", message)
    }

    /// Nobody is logged in.
    pub(crate) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "log in and send the access token")
    }

    /// The same for every reason, so that nobody learns which accounts exist.
    pub(crate) fn login_failed() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "login_failed", "the user name or the password is wrong")
    }

    /// The role does not allow it.
    pub(crate) fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "your role does not allow this")
    }

    /// There is no such thing, or not for this caller.
    pub(crate) fn not_found(what: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no such {what}"))
    }

    /// It exists already.
    pub(crate) fn conflict(message: &'static str) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", message)
    }

    /// A bug, or something deliberate.
    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "something went wrong; it was reported")
    }

    /// Too many.
    pub(crate) fn too_many(retry_after: Duration) -> Self {
        let mut error = Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "wait and try again");
        error.retry_after = Some(retry_after.max(Duration::from_secs(1)));
        error
    }

    /// More logins at once than the machine can hash.
    pub(crate) fn busy() -> Self {
        let mut error = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "too many logins at once; try again in a moment",
        );
        error.retry_after = Some(Duration::from_secs(2));
        error
    }

    /// Nobody knows whether the token was revoked.
    pub(crate) fn revocation_unavailable(cause: StoreUnavailable) -> Self {
        let mut error = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "revocation_unavailable",
            "it cannot be checked whether you are still logged in; try again",
        );
        error.retry_after = Some(Duration::from_secs(5));
        error.with_cause(cause)
    }

    /// The same with its cause, for the log.
    pub(crate) fn with_cause(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }
}

impl From<DbErr> for ApiError {
    /// The database failed: never answered with defaults.
    fn from(cause: DbErr) -> Self {
        let mut error = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "database_unavailable",
            "the database does not answer; try again",
        );
        error.retry_after = Some(Duration::from_secs(5));
        error.with_cause(cause)
    }
}

impl From<StoreUnavailable> for ApiError {
    fn from(cause: StoreUnavailable) -> Self {
        Self::revocation_unavailable(cause)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Some(cause) = &self.cause {
            let error: &(dyn std::error::Error + 'static) = cause.as_ref();
            tracing::warn!(error, code = self.code, "request not served");
        }
        let body = json!({ "error": self.code, "message": self.message });
        let mut response = (self.status, Json(body)).into_response();
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
