//! Reads what a request carries. What does not fit is refused without repeating it: it may be a password.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use chrono::NaiveDate;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::ApiError;
use super::state::App;

/// A JSON body.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(refuse(&rejection)),
        }
    }
}

fn refuse(rejection: &JsonRejection) -> ApiError {
    match rejection {
        JsonRejection::JsonDataError(_) => {
            ApiError::invalid("a field of the body is missing, unknown or of another type; see /openapi.json")
        }
        JsonRejection::JsonSyntaxError(_) => {
            ApiError::new(StatusCode::BAD_REQUEST, "invalid_json", "the body is not JSON")
        }
        JsonRejection::MissingJsonContentType(_) => ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "json_expected",
            "send the body with content-type: application/json",
        ),
        other if other.status() == StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ => ApiError::new(StatusCode::BAD_REQUEST, "invalid_body", "the body cannot be read"),
    }
}

/// The body is longer than the route takes.
pub(crate) fn too_large() -> ApiError {
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "the body is longer than this route takes")
}

/// The `{id}` of the address. One that is no identifier names nothing.
#[derive(Debug)]
pub(crate) struct Id<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(_) => Err(ApiError::not_found("identifier")),
        }
    }
}

/// The query.
#[derive(Debug)]
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(_) => Err(ApiError::invalid(
                "a parameter of the address is missing or of another type; see /openapi.json",
            )),
        }
    }
}

/// Whom the request came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

impl FromRequestParts<App> for ClientAddress {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        Ok(Self::of(parts, app))
    }
}

impl ClientAddress {
    /// The peer, or whom a trusted proxy names.
    pub(crate) fn of(parts: &Parts, app: &App) -> Self {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
        // Every listener of ours gives the peer; without one all callers share one count.
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        Self(app.client_address.of(peer, &parts.headers))
    }
}

/// A tenant and some days of it, both ends included.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Period {
    pub(crate) client_id: Option<String>,
    pub(crate) from: Option<NaiveDate>,
    pub(crate) to: Option<NaiveDate>,
}

/// The longest period that is summed up at once.
const LONGEST_DAYS: i64 = 366;

impl Period {
    /// The first day and the day after the last; the last 30 days when nothing is said.
    pub(crate) fn days(&self, today: NaiveDate) -> Result<(NaiveDate, NaiveDate), ApiError> {
        let last = self.to.unwrap_or(today);
        let too_far = || ApiError::invalid("from and to are too far away");
        let end = last.succ_opt().ok_or_else(too_far)?;
        let first = match self.from {
            Some(first) => first,
            None => last.checked_sub_days(chrono::Days::new(29)).ok_or_else(too_far)?,
        };
        let days = (end - first).num_days();
        if (1..=LONGEST_DAYS).contains(&days) {
            Ok((first, end))
        } else {
            Err(ApiError::invalid("from must not be after to, and at most 366 days are summed up at once"))
        }
    }
}

/// A text that is not empty, not too long, and printable.
pub(crate) fn text(value: &str, field: &'static str, longest: usize) -> Result<String, ApiError> {
    let value = value.trim();
    let length = value.chars().count();
    if length == 0 || length > longest || value.chars().any(char::is_control) {
        return Err(ApiError::invalid(format!("{field} must have 1 to {longest} printable characters")));
    }
    Ok(value.to_owned())
}

/// A text that serves as a key: letters, digits, `-`, `_`, `.`.
pub(crate) fn code(value: &str, field: &'static str, longest: usize) -> Result<String, ApiError> {
    let is_code = value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if value.is_empty() || value.len() > longest || !is_code {
        return Err(ApiError::invalid(format!(
            "{field} must have 1 to {longest} letters, digits, `-`, `_` or `.`"
        )));
    }
    Ok(value.to_owned())
}
