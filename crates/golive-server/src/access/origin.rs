//! Whether a request was meant for this console: the name it was sent to, and the page it came from.
//!
//! Not here: who sends it.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

/// The names by which browsers may reach the console.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    names: BTreeSet<String>,
    scheme: &'static str,
}

impl Names {
    /// Those that were given, and those of the address that is listened on.
    pub(crate) fn new(given: &[String], listen: Option<SocketAddr>, secure: bool) -> Self {
        let scheme = if secure { "https" } else { "http" };
        let usual = if secure { ":443" } else { ":80" };
        let mut names: BTreeSet<String> = given.iter().map(|name| name.to_ascii_lowercase()).collect();
        if let Some(listen) = listen {
            if listen.ip().is_loopback() {
                names.extend(
                    ["127.0.0.1", "localhost", "[::1]"].map(|host| format!("{host}:{}", listen.port())),
                );
            } else if !listen.ip().is_unspecified() {
                names.insert(listen.to_string());
            }
        }
        // Browsers leave the scheme's own port out.
        let bare: Vec<String> =
            names.iter().filter_map(|name| name.strip_suffix(usual)).map(str::to_owned).collect();
        names.extend(bare);
        Self { names, scheme }
    }

    /// Whether the request was sent to one of them. Without this a page elsewhere could let its own name point to this
    /// machine, and read the console with the browser's help (DNS rebinding).
    pub(crate) fn are_meant(&self, parts: &Parts) -> bool {
        let mut hosts = parts.headers.get_all(header::HOST).iter();
        let (host, more) = (hosts.next(), hosts.next());
        let header_fits = match (host.map(|host| host.to_str()), more) {
            (Some(Ok(host)), None) => self.has(host),
            // HTTP/2 has no such header; the address then holds the name.
            (None, None) => parts.uri.authority().is_some(),
            _ => false,
        };
        header_fits && parts.uri.authority().is_none_or(|authority| self.has(authority.as_str()))
    }

    /// Whether a request that changes something came from a page of the console itself. Every browser says so on a POST;
    /// what does not say is no browser, and has no business with a form.
    pub(crate) fn is_own_page(&self, headers: &HeaderMap) -> bool {
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        let site_fits = text("sec-fetch-site").is_none_or(|site| site == "same-origin");
        let origin = text(header::ORIGIN.as_str()).and_then(|origin| origin.split_once("://"));
        site_fits && origin.is_some_and(|(scheme, host)| scheme == self.scheme && self.has(host))
    }

    fn has(&self, name: &str) -> bool {
        self.names.contains(&name.to_ascii_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn meant(names: &Names, uri: &str, hosts: &[&str]) -> bool {
        let mut request = Request::builder().uri(uri);
        for host in hosts {
            request = request.header(header::HOST, *host);
        }
        names.are_meant(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn only_the_names_of_the_console_are_meant() {
        let names = Names::new(&["Go.Example".to_owned()], Some("127.0.0.1:8330".parse().unwrap()), false);
        for host in ["127.0.0.1:8330", "localhost:8330", "LOCALHOST:8330", "[::1]:8330", "go.example"] {
            assert!(meant(&names, "/", &[host]), "{host}");
        }
        for host in ["127.0.0.1", "localhost:8331", "evil.example:8330", "127.0.0.1.evil.example:8330", ""] {
            assert!(!meant(&names, "/", &[host]), "{host}");
        }
        assert!(!meant(&names, "/", &["localhost:8330", "evil.example"]));
        assert!(!meant(&names, "http://evil.example/", &["localhost:8330"]));
        assert!(!meant(&names, "/", &[]));
        let standard = Names::new(&[], Some("192.0.2.7:443".parse().unwrap()), true);
        assert!(meant(&standard, "/", &["192.0.2.7"]));
    }

    #[test]
    fn a_form_of_another_page_is_told() {
        let names = Names::new(&[], Some("127.0.0.1:8330".parse().unwrap()), false);
        let own = |origin: Option<&str>, site: Option<&str>| {
            let mut headers = HeaderMap::new();
            origin.map(|origin| headers.insert(header::ORIGIN, origin.parse().unwrap()));
            site.map(|site| headers.insert("sec-fetch-site", site.parse().unwrap()));
            names.is_own_page(&headers)
        };
        assert!(own(Some("http://127.0.0.1:8330"), Some("same-origin")));
        assert!(own(Some("http://localhost:8330"), None));
        assert!(!own(Some("http://127.0.0.1:8330"), Some("cross-site")));
        assert!(!own(Some("http://127.0.0.1:9999"), Some("same-site")));
        assert!(!own(Some("https://127.0.0.1:8330"), None));
        assert!(!own(Some("null"), Some("same-origin")) && !own(None, Some("same-origin")));
    }
}
