//! Speaks to the application as its users do: the requests of `golive.toml`, filled, sent, and judged.
//!
//! Not here: load (golive-load), and which request proves what (`steps/`).

use std::time::{Duration, Instant};

use reqwest::{Client, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use thiserror::Error;

use crate::config::{RequestTemplate, Respond};
use crate::placeholder::{UnknownPlaceholder, Values};

/// Why a request could not be made. A refusal by the application is an answer, not an error.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HttpError {
    /// A placeholder stands for nothing.
    #[error("fill the request")]
    Fill(#[from] UnknownPlaceholder),
    /// The method is none.
    #[error("send with method {0}: use GET, POST, PUT, PATCH or DELETE in golive.toml")]
    Method(String),
    /// Nobody answered, or not in time.
    #[error("reach {url}: is the application running there?", url = url)]
    Unreachable {
        /// Without query and credentials.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// No HTTP client could be built.
    #[error("prepare the HTTP client")]
    Client(#[source] reqwest::Error),
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) elapsed: Duration,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// What `respond.take` points at.
    pub(crate) fn take(&self, respond: &Respond) -> Option<Value> {
        self.json().pointer(respond.take.as_deref()?).cloned()
    }

    /// Whether the answer is what the template asks for; if not, why. Never shows the body.
    pub(crate) fn check(&self, respond: &Respond) -> Result<(), String> {
        let fine = match respond.status.as_slice() {
            [] => (200..300).contains(&self.status),
            accepted => accepted.contains(&self.status),
        };
        if !fine {
            return Err(format!("answered {}", self.status));
        }
        let body = self.json();
        match respond.present.iter().find(|pointer| body.pointer(pointer).is_none_or(Value::is_null)) {
            Some(pointer) => Err(format!("answered {} without {pointer}", self.status)),
            None => Ok(()),
        }
    }

    /// A refusal for lack of rights: 401 or 403.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self.status, 401 | 403)
    }

    /// How long to wait before sending the same again, when there were too many: as `Retry-After` says in seconds, else a
    /// moment; never none.
    pub(crate) fn asks_for_patience(&self) -> Option<Duration> {
        let seconds = self
            .headers
            .get(reqwest::header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        self.is_too_many().then(|| Duration::from_secs(seconds.unwrap_or(5).max(1)))
    }

    pub(crate) fn is_too_many(&self) -> bool {
        self.status == StatusCode::TOO_MANY_REQUESTS.as_u16()
    }
}

/// Where an application answers.
#[derive(Clone)]
pub(crate) struct Endpoint {
    client: Client,
    base: String,
    management: String,
}

impl Endpoint {
    pub(crate) fn new(base: &str, management: Option<&str>) -> Result<Self, HttpError> {
        let client = Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(Duration::from_secs(3))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(HttpError::Client)?;
        let base = base.trim_end_matches('/').to_owned();
        let management = management.map_or_else(|| base.clone(), |url| url.trim_end_matches('/').to_owned());
        Ok(Self { client, base, management })
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Sends a described request, as the bearer of `token` if there is one.
    pub(crate) async fn send(
        &self,
        template: &RequestTemplate,
        values: &Values,
        token: Option<&SecretString>,
    ) -> Result<Answer, HttpError> {
        let method = Method::from_bytes(template.method.as_bytes())
            .map_err(|_| HttpError::Method(template.method.clone()))?;
        let path = values.fill(&template.path)?;
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        for (name, value) in &template.headers {
            request = request.header(name, values.fill(value)?);
        }
        if let Some(token) = token {
            request = request.bearer_auth(token.expose_secret());
        }
        if let Some(json) = &template.json {
            request = request.json(&values.fill_json(json)?);
        } else if let Some(text) = &template.text {
            let kind = template.content_type.as_deref().unwrap_or("text/plain");
            request = request.header("content-type", kind).body(values.fill(text)?);
        }
        self.finish(request, &path).await
    }

    /// Asks a health or metrics path.
    pub(crate) async fn probe(&self, path: &str) -> Result<Answer, HttpError> {
        self.finish(self.client.get(format!("{}{path}", self.management)), path).await
    }

    /// The same as the bearer of a token.
    pub(crate) async fn probe_as(&self, path: &str, token: &SecretString) -> Result<Answer, HttpError> {
        let request = self.client.get(format!("{}{path}", self.management));
        self.finish(request.bearer_auth(token.expose_secret()), path).await
    }

    async fn finish(&self, request: reqwest::RequestBuilder, path: &str) -> Result<Answer, HttpError> {
        let shown = || format!("{}{}", self.base, path.split('?').next().unwrap_or_default());
        let fail =
            |source: reqwest::Error| HttpError::Unreachable { url: shown(), source: source.without_url() };
        let began = Instant::now();
        let mut response = request.send().await.map_err(fail)?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(fail)? {
            body.extend_from_slice(&chunk);
            if body.len() > MOST_BYTES {
                body.truncate(MOST_BYTES);
                break;
            }
        }
        Ok(Answer { status, headers, body, elapsed: began.elapsed() })
    }
}

const TIMEOUT: Duration = Duration::from_secs(20);
/// An answer longer than this is cut: proofs look at small documents.
const MOST_BYTES: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_too_many_asks_for_patience_and_never_for_none() {
        let asks = |status, header: Option<&'static str>| {
            let mut headers = reqwest::header::HeaderMap::new();
            headers.extend(header.map(|value| {
                (reqwest::header::RETRY_AFTER, reqwest::header::HeaderValue::from_static(value))
            }));
            Answer { status, headers, body: Vec::new(), elapsed: Duration::ZERO }.asks_for_patience()
        };
        assert_eq!(asks(429, Some("17")), Some(Duration::from_secs(17)));
        assert_eq!(asks(429, Some("0")), Some(Duration::from_secs(1)));
        for unclear in [None, Some("Fri, 31 Dec 1999 23:59:59 GMT"), Some("-3"), Some("99999999999999999999")]
        {
            assert_eq!(asks(429, unclear), Some(Duration::from_secs(5)), "{unclear:?}");
        }
        assert_eq!(asks(503, Some("17")), None);
        assert_eq!(asks(200, None), None);
    }
}
