//! Requests made ready before a run: what is the same every time is made once.
//!
//! What must not be here: connections, and values of one iteration.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{HeaderMap, Method, Request, Uri};

use crate::check::Expect;
use crate::journey::Extract;
use crate::plan::RequestTemplate;
use crate::template::{self, Filling};

use super::extract;
use super::http::{Broken, Target};

/// One step, ready to be filled.
pub(super) struct Prepared {
    pub(super) spot: usize,
    pub(super) expect: Expect,
    pub(super) extract: BTreeMap<String, Extract>,
    /// Before it.
    pub(super) think_time: Duration,
    pub(super) keeps_body: bool,
    method: Method,
    headers: HeaderMap,
    fixed_uri: Option<Uri>,
    fixed_body: Option<Bytes>,
    /// What is left to fill.
    rest: RequestTemplate,
}

impl Prepared {
    pub(super) fn new(
        spot: usize,
        request: &RequestTemplate,
        expect: &Expect,
        target: &Target,
    ) -> Result<Self, String> {
        let method =
            Method::from_bytes(request.method.as_bytes()).map_err(|_| "the method is no HTTP method")?;
        let mut headers = HeaderMap::new();
        let host =
            HeaderValue::from_str(&target.authority).map_err(|_| "the base URL's host is no header")?;
        headers.insert(HOST, host);
        headers
            .insert(USER_AGENT, HeaderValue::from_static(concat!("golive-load/", env!("CARGO_PKG_VERSION"))));
        let mut rest = request.clone();
        let mut fixed_body = None;
        if request.body.as_ref().is_none_or(template::is_fixed_body) {
            let none = BTreeMap::new();
            let given = template::Given { taken: [&none, &none], data: (&[], &[]), values: &BTreeMap::new() };
            let mut random = template::Random::new(0);
            let filled = template::fill(request, &mut Filling::new(0, 0, given, &mut random));
            let (content_type, body) = filled.body.unzip();
            if let Some(content_type) = content_type {
                headers.insert(
                    CONTENT_TYPE,
                    HeaderValue::from_str(&content_type).expect("content types are our own"),
                );
            }
            fixed_body = Some(Bytes::from(body.unwrap_or_default()));
            rest.body = None;
        }
        for (name, value) in &request.headers {
            let header = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| format!("`{name}` is no name of a header"))?;
            if template::is_fixed(value) {
                let value = HeaderValue::from_str(value)
                    .map_err(|_| format!("the header `{name}` holds what HTTP does not allow"))?;
                headers.insert(header, value);
                rest.headers.remove(name);
            }
        }
        let fixed_uri = match template::is_fixed(&request.path) {
            true => {
                let uri = format!("{}{}", target.prefix, request.path).parse();
                Some(uri.map_err(|_| "the path holds what HTTP does not allow")?)
            }
            false => None,
        };
        let keeps_body = !expect.ignores_body();
        Ok(Self {
            spot,
            expect: expect.clone(),
            extract: BTreeMap::new(),
            think_time: Duration::ZERO,
            keeps_body,
            method,
            headers,
            fixed_uri,
            fixed_body,
            rest,
        })
    }

    pub(super) fn taking(mut self, extract: &BTreeMap<String, Extract>) -> Self {
        self.keeps_body |= extract.values().any(extract::reads_body);
        self.extract.clone_from(extract);
        self
    }

    /// The request of one iteration.
    pub(super) fn request(
        &self,
        filling: &mut Filling<'_>,
        target: &Target,
        token: Option<&HeaderValue>,
        cookies: impl FnOnce(&str) -> Option<HeaderValue>,
    ) -> Result<Request<Full<Bytes>>, Broken> {
        let mut request = Request::new(Full::default());
        request.headers_mut().clone_from(&self.headers);
        self.request_uri(&mut request, filling, target)?;
        if let Some(body) = &self.fixed_body {
            *request.body_mut() = Full::new(body.clone());
        }
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        if let Some(cookies) = cookies(path) {
            request.headers_mut().insert(COOKIE, cookies);
        }
        if let Some(token) = token {
            request.headers_mut().insert(AUTHORIZATION, token.clone());
        }
        *request.method_mut() = self.method.clone();
        Ok(request)
    }

    fn request_uri(
        &self,
        request: &mut Request<Full<Bytes>>,
        filling: &mut Filling<'_>,
        target: &Target,
    ) -> Result<(), Broken> {
        if let (Some(uri), true, None) = (&self.fixed_uri, self.rest.headers.is_empty(), &self.rest.body) {
            *request.uri_mut() = uri.clone();
            return Ok(());
        }
        // The error may quote a header, so it is not told.
        let broken = || Broken {
            class: "request",
            cause: "its path or a header holds what HTTP does not allow".to_owned(),
        };
        let filled = template::fill(&self.rest, filling);
        *request.uri_mut() = match &self.fixed_uri {
            Some(uri) => uri.clone(),
            None => {
                target.place(&filled.path, self.rest.path.starts_with("{+"))?.parse().map_err(|_| broken())?
            }
        };
        for (name, value) in filled.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| broken())?;
            request.headers_mut().insert(name, HeaderValue::from_str(&value).map_err(|_| broken())?);
        }
        if let Some((content_type, body)) = filled.body {
            request
                .headers_mut()
                .entry(CONTENT_TYPE)
                .or_insert(HeaderValue::from_str(&content_type).map_err(|_| broken())?);
            *request.body_mut() = Full::new(body.into());
        }
        Ok(())
    }
}
