//! A tower layer that holds a limit before a service. Which requests are counted, and under what, a closure says.

use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use tower::{Layer, Service};

use crate::client_address::ClientAddress;
use crate::limit::{Decision, RateLimiter};
use crate::quota::Quota;

/// What a request is counted under, and how much it weighs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateKey {
    /// A user, a tenant, or an address as [`AddressPrefix::key`](crate::AddressPrefix::key) writes it.
    pub key: String,
    /// How many it counts for. Default 1.
    pub cost: NonZeroU32,
}

impl RateKey {
    /// Counts for one.
    pub fn new(key: impl Into<String>) -> Self {
        Self { key: key.into(), cost: NonZeroU32::MIN }
    }

    /// Counts for so many.
    #[must_use]
    pub fn with_cost(mut self, cost: NonZeroU32) -> Self {
        self.cost = cost;
        self
    }
}

type FindKey = dyn Fn(&Parts) -> Option<RateKey> + Send + Sync;

/// Answers 429 to what is above the limit, and tells the limit in the headers of every answer.
///
/// Put it inside the layer that adds CORS headers, or a browser will not show its answer to a script. The closure
/// answers `None` for what is not counted: preflight requests (`OPTIONS`) and health checks.
///
/// ```
/// # fn add(limiter: golive_cache::RateLimiter) {
/// use golive_cache::{RateKey, RateLimitLayer};
///
/// let layer = RateLimitLayer::new(limiter, |request| {
///     let is_counted = request.method != "OPTIONS" && request.uri.path() != "/health";
///     is_counted.then(|| RateKey::new("user-1")) // from the token, or the client's address
/// });
/// # let _ = tower::ServiceBuilder::new().layer(layer);
/// # }
/// ```
#[derive(Clone)]
pub struct RateLimitLayer {
    limiter: RateLimiter,
    find_key: Arc<FindKey>,
}

impl RateLimitLayer {
    /// Holds this limit for requests counted under what the closure says.
    pub fn new(
        limiter: RateLimiter,
        find_key: impl Fn(&Parts) -> Option<RateKey> + Send + Sync + 'static,
    ) -> Self {
        Self { limiter, find_key: Arc::new(find_key) }
    }
}

impl ClientAddress {
    /// [`ClientAddress::find`] with the header of a request.
    pub fn of(&self, peer: std::net::IpAddr, headers: &HeaderMap) -> std::net::IpAddr {
        // One that is no text is nothing that a proxy wrote: it ends the walk like any other junk.
        let values: Vec<&str> =
            headers.get_all(self.header().name()).iter().map(|value| value.to_str().unwrap_or("?")).collect();
        self.find(peer, values)
    }
}

impl std::fmt::Debug for RateLimitLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RateLimitLayer").field("limiter", &self.limiter).finish_non_exhaustive()
    }
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimited<S>;

    fn layer(&self, inner: S) -> RateLimited<S> {
        RateLimited { inner, layer: self.clone() }
    }
}

/// A service with a limit before it; see [`RateLimitLayer`].
#[derive(Clone, Debug)]
pub struct RateLimited<S> {
    inner: S,
    layer: RateLimitLayer,
}

impl<S, RequestBody, ResponseBody> Service<Request<RequestBody>> for RateLimited<S>
where
    S: Service<Request<RequestBody>, Response = Response<ResponseBody>> + Clone + Send + 'static,
    S::Future: Send,
    RequestBody: Send + 'static,
    ResponseBody: From<String>,
{
    type Response = Response<ResponseBody>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        // The one that was made ready is the one to be called.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let limiter = self.layer.limiter.clone();
        let (parts, body) = request.into_parts();
        let key = (self.layer.find_key)(&parts);
        let request = Request::from_parts(parts, body);
        Box::pin(async move {
            let Some(key) = key else { return inner.call(request).await };
            let decision = limiter.check_cost(&key.key, key.cost).await;
            if !decision.allowed {
                return Ok(refusal(&decision, limiter.quota()));
            }
            let mut response = inner.call(request).await?;
            decision.describe(limiter.quota(), response.headers_mut());
            Ok(response)
        })
    }
}

fn refusal<B: From<String>>(decision: &Decision, quota: &Quota) -> Response<B> {
    let mut response = Response::new(B::from(decision.problem_json(quota)));
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    decision.describe(quota, headers);
    response
}

impl Decision {
    /// Adds what the limit says to the headers of an answer, for services that ask a [`RateLimiter`] themselves. What
    /// another limit said already stays.
    ///
    /// ```
    /// # async fn answer(limiter: golive_cache::RateLimiter) {
    /// let decision = limiter.check("user-1").await;
    /// let mut headers = http::HeaderMap::new();
    /// decision.describe(limiter.quota(), &mut headers);
    /// assert!(headers.contains_key("ratelimit"));
    /// # }
    /// ```
    pub fn describe(&self, quota: &Quota, headers: &mut HeaderMap) {
        let mut add = |name: &'static str, value: String| {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.append(HeaderName::from_static(name), value);
            }
        };
        add("ratelimit-policy", quota.policy_header());
        add("ratelimit", self.rate_limit_header(quota));
        if let Some(wait) = self.retry_after_seconds() {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait));
        }
    }
}
