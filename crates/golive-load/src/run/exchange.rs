//! One request and its answer, held against what is expected.
//!
//! What must not be here: what comes of it for the user, or for the totals.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{HeaderValue, LOCATION, RETRY_AFTER};
use hyper::{HeaderMap, Request, Response};

use super::Shared;
use super::http::{Broken, Connection};
use super::prepare::Prepared;

/// How a request ended.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) status: Option<u16>,
    pub(super) bytes: u64,
    pub(super) retry_after: Option<Duration>,
    pub(super) end: Ended,
}

#[derive(Debug)]
pub(super) enum Ended {
    Good,
    WrongContent { complaint: String },
    Error { class: String, cause: Option<String>, timed_out: bool },
}

/// An answer, and what of it later steps may need.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) outcome: Outcome,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Outcome {
    pub(super) fn error(class: impl Into<String>, cause: Option<String>) -> Self {
        let end = Ended::Error { class: class.into(), cause, timed_out: false };
        Self { status: None, bytes: 0, retry_after: None, end }
    }

    pub(super) fn is_good(&self) -> bool {
        matches!(self.end, Ended::Good)
    }
}

impl From<Outcome> for Answered {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, headers: HeaderMap::new(), body: Vec::new() }
    }
}

impl From<Broken> for Answered {
    fn from(broken: Broken) -> Self {
        Outcome::error(broken.class, Some(broken.cause)).into()
    }
}

/// Sends over the user's connection, within the time allowed. A connection that did not end well is not used again.
pub(super) async fn exchange(
    shared: &Shared,
    step: &Prepared,
    connection: &mut Option<Connection>,
    request: Request<Full<Bytes>>,
) -> Answered {
    let limit = shared.request_timeout;
    let work = talk(shared, step, connection.take(), request);
    match tokio::time::timeout(limit, work).await {
        Ok(Ok((answered, kept))) => {
            *connection = kept;
            answered
        }
        Ok(Err(broken)) => broken.into(),
        Err(_) => {
            let cause = format!("not fully answered within {} ms", limit.as_millis());
            let end = Ended::Error { class: "timeout".to_owned(), cause: Some(cause), timed_out: true };
            Outcome { status: None, bytes: 0, retry_after: None, end }.into()
        }
    }
}

async fn talk(
    shared: &Shared,
    step: &Prepared,
    connection: Option<Connection>,
    request: Request<Full<Bytes>>,
) -> Result<(Answered, Option<Connection>), Broken> {
    let mut usable = None;
    if let Some(mut kept) = connection {
        usable = kept.is_open().await.then_some(kept);
    }
    let mut connection = match usable {
        Some(connection) => connection,
        None => shared.target.connect().await?,
    };
    let response = match connection.send(request).await {
        // It was closed between the look and the sending.
        Err((_, Some(unsent))) => {
            connection = shared.target.connect().await?;
            connection.send(unsent).await.map_err(|(broken, _)| broken)?
        }
        answer => answer.map_err(|(broken, _)| broken)?,
    };
    let answered = read(shared, step, &mut connection, response).await?;
    let whole = !matches!(&answered.outcome.end, Ended::Error { class, .. } if class == "too_large");
    Ok((answered, whole.then_some(connection)))
}

async fn read(
    shared: &Shared,
    step: &Prepared,
    connection: &mut Connection,
    response: Response<hyper::body::Incoming>,
) -> Result<Answered, Broken> {
    let expect = &step.expect;
    let (head, mut content) = response.into_parts();
    let status = head.status.as_u16();
    let text = |name| head.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let retry_after = text(RETRY_AFTER).filter(|_| matches!(status, 429 | 503)).map(seconds);
    let (mut body, mut bytes) = (Vec::new(), 0_usize);
    let outcome = |bytes: usize, end| Outcome { status: Some(status), bytes: bytes as u64, retry_after, end };
    let error = |class: String, cause| Ended::Error { class, cause, timed_out: false };
    while let Some(chunk) = connection.chunk(&mut content).await {
        let chunk = chunk?;
        bytes += chunk.len();
        if bytes > expect.max_body_bytes {
            let cause = format!("more than {} bytes", expect.max_body_bytes);
            return Ok(outcome(bytes, error("too_large".to_owned(), Some(cause))).into());
        }
        if step.keeps_body {
            body.extend_from_slice(&chunk);
        }
    }
    let end = if expect.status.contains(&status) {
        expect.complaint(&body).map_or(Ended::Good, |complaint| Ended::WrongContent { complaint })
    } else {
        let elsewhere = text(LOCATION)
            .filter(|location| head.status.is_redirection() && shared.target.is_elsewhere(location));
        let class =
            if elsewhere.is_some() { "redirect_elsewhere".to_owned() } else { format!("status_{status}") };
        error(class, elsewhere.map(|_| "it points to another host, and was not followed".to_owned()))
    };
    Ok(Answered { outcome: outcome(bytes, end), headers: head.headers, body })
}

/// Seconds of a `Retry-After`; a date there asks for a second.
fn seconds(text: &str) -> Duration {
    Duration::from_secs(text.trim().parse().unwrap_or(1))
}
