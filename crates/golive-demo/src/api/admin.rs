//! What only administrators ask for: the settings of the platform, and an error on purpose, to prove that errors are
//! noticed.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::audit::{self, Deed};
use super::caller::Caller;
use super::error::ApiError;
use super::extract::Body;
use super::state::App;

/// How the platform is set up; no secrets.
pub(crate) async fn settings(State(app): State<App>) -> Json<Value> {
    Json(json!({
        "environment": app.mode.name(),
        "release": app.release,
        "database": match app.db.get_database_backend() {
            sea_orm::DbBackend::MySql => "mariadb",
            sea_orm::DbBackend::Sqlite => "sqlite",
            _ => "another",
        },
        "revocation": if app.is_shared { "redis" } else { "memory" },
        "cors_origins": app.cors_origins,
        "access_token_seconds": app.tokens.settings().access_lifetime.as_secs(),
        "password_min_length": app.policy.min_length,
    }))
}

/// What the error is to carry.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RaiseError {
    /// A text that stands where a password would leak; error tracking must mask it.
    #[serde(default)]
    secret: String,
    /// A panic instead of an error event.
    #[serde(default)]
    panic: bool,
}

/// Fails on purpose, with the given text in the message, in a field and in the span, as a careless developer would
/// leak it. What leaves the process must not contain it.
pub(crate) async fn raise_error(
    State(app): State<App>,
    caller: Caller,
    Body(input): Body<RaiseError>,
) -> Result<Json<Value>, ApiError> {
    audit::record_alone(&app, &caller.actor, Deed::new("raise_error", "platform", "errors")).await?;
    let span = tracing::error_span!("deliberate_failure", password = %input.secret);
    let _in_span = span.enter();
    let leak = format!("password={}", input.secret);
    if input.panic {
        panic!("deliberate panic to prove error tracking: {leak}");
    }
    tracing::error!(password = %input.secret, extra = %leak, "deliberate error to prove error tracking: {leak}");
    Err(ApiError::internal())
}
