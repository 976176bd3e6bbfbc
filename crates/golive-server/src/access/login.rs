//! Coming in and going out: by the link that is good once, or by name and password.
//!
//! Not here: whether a request may be asked at all (`access`).

use axum::Extension;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use golive_auth::{HashPasswordError, MustWait};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::operators::{Role, is_called};
use super::sessions::{digest, is_same};
use super::{Fields, Visitor, text};
use crate::clock;
use crate::pages::{login_page, problem};
use crate::router::Site;

#[derive(Deserialize)]
pub(crate) struct Entry {
    #[serde(default)]
    token: String,
}

/// The link of the terminal: it is exchanged once for a session, and the page that follows does not have it in its address.
pub(crate) async fn enter(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    Query(given): Query<Entry>,
) -> Response {
    let access = &site.access;
    let taken = {
        let mut entry = access.entry.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let fits = entry.as_ref().is_some_and(|token| is_same(&given.token, token));
        if fits { entry.take() } else { None }
    };
    if taken.is_none() {
        return problem(&site, &visitor, StatusCode::FORBIDDEN, "problem-entry");
    }
    let now = clock::now();
    if access.audit.record(BY_LINK, "enter", &visitor.address.to_string(), now).await.is_err() {
        return problem(&site, &visitor, StatusCode::SERVICE_UNAVAILABLE, "problem-audit");
    }
    begin(&site, &headers, BY_LINK, Role::Operator, None)
}

/// The form.
pub(crate) async fn form(State(site): State<Site>, Extension(visitor): Extension<Visitor>) -> Response {
    if visitor.session.is_some() {
        return to_start(&site);
    }
    (StatusCode::OK, login_page(&site, &visitor, None)).into_response()
}

/// A name and a password. The same answer whether the name is known or not, after the same time.
pub(crate) async fn log_in(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    fields: Fields,
) -> Response {
    let access = &site.access;
    let (name, address) = (fields.get("name").trim(), visitor.address);
    let password = SecretString::from(fields.get("password"));
    if let Err(wait) = access.guard.check(name, address, clock::now()) {
        return must_wait(&site, &visitor, wait);
    }
    let operators = match access.operators.list() {
        Ok(operators) => operators,
        Err(error) => {
            tracing::error!(error = %golive::error_chain(&error), "nobody can log in to the console");
            return problem(&site, &visitor, StatusCode::SERVICE_UNAVAILABLE, "problem-operators");
        }
    };
    let known = operators.iter().find(|operator| is_called(operator, name));
    let verified = access.hasher.verify(known.map(|known| known.password_hash.clone()), password).await;
    let now = clock::now();
    match (verified, known) {
        (Ok(verified), Some(known)) if verified.ok => {
            access.guard.succeeded(name, address, now);
            if access.audit.record(&known.name, "log in", &address.to_string(), now).await.is_err() {
                return problem(&site, &visitor, StatusCode::SERVICE_UNAVAILABLE, "problem-audit");
            }
            begin(&site, &headers, &known.name, known.role, Some(digest(&known.password_hash)))
        }
        (Ok(_), _) => {
            access.guard.failed(name, address, now);
            let who = if name.is_empty() { "nobody" } else { name };
            if access.audit.record(who, "log in refused", &address.to_string(), now).await.is_err() {
                return problem(&site, &visitor, StatusCode::SERVICE_UNAVAILABLE, "problem-audit");
            }
            (StatusCode::UNAUTHORIZED, login_page(&site, &visitor, Some("login-wrong"))).into_response()
        }
        (Err(HashPasswordError::Busy), _) => {
            problem(&site, &visitor, StatusCode::SERVICE_UNAVAILABLE, "problem-busy")
        }
        (Err(_), _) => problem(&site, &visitor, StatusCode::INTERNAL_SERVER_ERROR, "problem-unexpected"),
    }
}

/// Out. Nothing of the session is left, here or in the browser.
pub(crate) async fn leave(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    _checked: Fields,
) -> Response {
    let (access, cookies) = (&site.access, &site.access.cookies);
    if let Some(identifier) = cookies.read(&headers, &cookies.session) {
        access.sessions.end(identifier);
    }
    if let Some(session) = &visitor.session
        && access
            .audit
            .record(&session.name, "log out", &visitor.address.to_string(), clock::now())
            .await
            .is_err()
    {
        // Gone all the same: to stay in because the trail is full would be worse.
        tracing::error!("a log-out could not be recorded in the audit trail");
    }
    let headers = [
        (header::SET_COOKIE, cookies.gone(&cookies.session)),
        (header::LOCATION, text(&format!("{}/login", site.options.mount))),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// A session under a new identifier: one that the browser had before, from wherever, is good for nothing any more.
fn begin(site: &Site, headers: &HeaderMap, name: &str, role: Role, credential: Option<[u8; 32]>) -> Response {
    let (access, cookies) = (&site.access, &site.access.cookies);
    if let Some(earlier) = cookies.read(headers, &cookies.session) {
        access.sessions.end(earlier);
    }
    let identifier = access.sessions.begin(name, role, credential, clock::now());
    let mut response = to_start(site);
    let cookie = cookies.of_session(&cookies.session, identifier.expose_secret());
    response.headers_mut().append(header::SET_COOKIE, cookie);
    response.headers_mut().append(header::SET_COOKIE, cookies.gone(&cookies.form));
    response
}

fn to_start(site: &Site) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, text(&site.href("/")))]).into_response()
}

fn must_wait(site: &Site, visitor: &Visitor, wait: MustWait) -> Response {
    let page = login_page(site, visitor, Some("login-wait"));
    let mut response = (StatusCode::TOO_MANY_REQUESTS, page).into_response();
    let seconds = wait.retry_after.as_secs().saturating_add(1);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// The name of whoever came by the link of the terminal.
const BY_LINK: &str = "terminal";
