//! The cookies of one user, as one browser keeps them for one host.
//!
//! What must not be here: cookies for other hosts; a user talks to one.

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use cookie::{Cookie, Expiration};
use hyper::HeaderMap;
use hyper::header::{DATE, HeaderValue, SET_COOKIE};
use tokio::time::Instant;

#[derive(Debug, Default)]
pub(super) struct Jar {
    kept: Vec<Kept>,
}

#[derive(Debug)]
struct Kept {
    name: String,
    value: String,
    path: String,
    ends: Option<Instant>,
}

impl Jar {
    /// Keeps, replaces and removes what an answer to `path` says (RFC 6265, sections 5.2 and 5.3).
    pub(super) fn take(&mut self, headers: &HeaderMap, path: &str, now: Instant) {
        // By the server's own clock: it is the one that wrote the other date.
        let says = headers.get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
        let says = says
            .and_then(|date| date.duration_since(UNIX_EPOCH).ok())
            .map_or(0, |since| since.as_secs().cast_signed());
        for header in headers.get_all(SET_COOKIE) {
            let Some(text) = header.to_str().ok().filter(|text| text.len() <= MAX_BYTES) else { continue };
            let Ok(cookie) = Cookie::parse(text) else { continue };
            let own = cookie
                .path()
                .filter(|own| own.starts_with('/'))
                .map_or_else(|| default_path(path), str::to_owned);
            self.kept.retain(|kept| (kept.name.as_str(), &kept.path) != (cookie.name(), &own));
            let is_over = match (cookie.max_age(), cookie.expires()) {
                (Some(age), _) => !age.is_positive(),
                (None, Some(Expiration::DateTime(date))) => date.unix_timestamp() <= says,
                _ => false,
            };
            if is_over || self.kept.len() >= MAX_COOKIES {
                continue;
            }
            let lives = cookie.max_age().and_then(|age| Duration::try_from(age).ok());
            self.kept.push(Kept {
                name: cookie.name().to_owned(),
                value: cookie.value().to_owned(),
                path: own,
                ends: lives.and_then(|lives| now.checked_add(lives)),
            });
        }
    }

    /// The `Cookie` header for a request to `path`.
    pub(super) fn header(&self, path: &str, now: Instant) -> Option<HeaderValue> {
        let mut out = String::new();
        let path = path.split('?').next().unwrap_or(path);
        for kept in &self.kept {
            if kept.ends.is_some_and(|ends| ends <= now) || !covers(&kept.path, path) {
                continue;
            }
            let separator = if out.is_empty() { "" } else { "; " };
            write!(out, "{separator}{}={}", kept.name, kept.value)
                .expect("writing to a string does not fail");
        }
        let mut value = HeaderValue::from_str(&out).ok().filter(|_| !out.is_empty())?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// Section 5.1.4.
fn default_path(path: &str) -> String {
    let path = path.split('?').next().unwrap_or(path);
    match path.rfind('/') {
        Some(at) if at > 0 => path[..at].to_owned(),
        _ => "/".to_owned(),
    }
}

fn covers(own: &str, path: &str) -> bool {
    path == own || path.strip_prefix(own).is_some_and(|rest| own.ends_with('/') || rest.starts_with('/'))
}

const MAX_COOKIES: usize = 50;
const MAX_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn jar(lines: &[&str]) -> Jar {
        let mut headers = HeaderMap::new();
        headers.insert(DATE, "Wed, 21 Oct 2026 07:28:00 GMT".parse().unwrap());
        for line in lines {
            headers.append(SET_COOKIE, line.parse().unwrap());
        }
        let mut jar = Jar::default();
        jar.take(&headers, "/shop/cart?x=1", Instant::now());
        jar
    }

    fn sent(jar: &Jar, path: &str, later: u64) -> Option<String> {
        Some(jar.header(path, Instant::now() + Duration::from_secs(later))?.to_str().unwrap().to_owned())
    }

    #[test]
    fn cookies_are_kept_by_name_and_path() {
        let jar = jar(&["a=1; Path=/; HttpOnly", "b=2", "a=3; Path=/", "c=4; Path=/admin"]);
        assert_eq!(sent(&jar, "/shop/x?y=1", 0).as_deref(), Some("b=2; a=3"));
        assert_eq!(sent(&jar, "/shopping", 0).as_deref(), Some("a=3"));
        assert_eq!(sent(&jar, "/admin", 0).as_deref(), Some("a=3; c=4"));
    }

    #[test]
    fn cookies_end() {
        let gone = ["a=1; Path=/", "a=; Path=/; Max-Age=0"];
        assert_eq!(sent(&jar(&gone), "/", 0), None);
        let gone = ["a=1; Path=/", "a=; Path=/; Expires=Tue, 20 Oct 2026 07:28:00 GMT"];
        assert_eq!(sent(&jar(&gone), "/", 0), None);
        let kept = ["a=1; Path=/; Expires=Thu, 22 Oct 2026 07:28:00 GMT"];
        assert_eq!(sent(&jar(&kept), "/", 0).as_deref(), Some("a=1"));
        let jar = jar(&["a=1; Path=/; Max-Age=60"]);
        assert_eq!((sent(&jar, "/", 50).as_deref(), sent(&jar, "/", 70)), (Some("a=1"), None));
    }

    #[test]
    fn a_server_cannot_fill_the_memory() {
        let many: Vec<String> = (0..1000)
            .map(|n| format!("c{n}=1; Path=/"))
            .chain([format!("big={}", "x".repeat(5000))])
            .collect();
        let jar = jar(&many.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(jar.kept.len(), MAX_COOKIES);
    }
}
