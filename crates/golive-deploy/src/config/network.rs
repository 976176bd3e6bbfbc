//! Addresses: origins, database, Redis, error tracking.
//!
//! Nothing is connected to here.

use std::net::{IpAddr, Ipv4Addr};

use url::{Host, Url};

use super::Seen;

const DEFAULT_PASSWORDS: &[&str] = &[
    "password",
    "passwd",
    "root",
    "admin",
    "mysql",
    "mariadb",
    "redis",
    "secret",
    "changeme",
    "change-me",
    "change_me",
    "test",
    "demo",
    "example",
    "default",
    "123456",
    "12345678",
    "foobared",
    "golive",
    "user",
    "app",
    "letmein",
    "qwerty",
];

pub(super) fn check(seen: &mut Seen<'_>) {
    origins(seen);
    database(seen);
    redis(seen);
    error_tracking(seen);
}

/// How far away a host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Loopback,
    Private,
    Public,
}

fn reach(host: &str) -> Reach {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(address) if address.is_loopback() || address.is_unspecified() => Reach::Loopback,
        Ok(IpAddr::V4(address)) if is_private(address) => Reach::Private,
        Ok(IpAddr::V6(address)) if (address.segments()[0] & 0xfe00) == 0xfc00 => Reach::Private,
        Ok(_) => Reach::Public,
        Err(_) if bare.eq_ignore_ascii_case("localhost") || bare.ends_with(".localhost") => Reach::Loopback,
        // A name without a dot is resolved by the container network or the host file only.
        Err(_) if !bare.contains('.') || bare.ends_with(".internal") || bare.ends_with(".local") => {
            Reach::Private
        }
        Err(_) => Reach::Public,
    }
}

fn is_private(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    address.is_private() || address.is_link_local() || (a == 100 && (64..128).contains(&b))
}

fn is_placeholder(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host.contains("example.") || host.contains("your") || host.contains("changeme") || host.contains('<')
}

fn origins(seen: &mut Seen<'_>) {
    let name = seen.rules.names.cors_origins.clone();
    let Some(value) = seen.value(&name) else {
        seen.find("CFG-020", &name, "is not set");
        return;
    };
    let list = value.trim_start_matches('[').trim_end_matches(']');
    let parts = list.split(',').map(|part| part.trim().trim_matches(['"', '\'']));
    for (number, part) in (1..).zip(parts) {
        if let Some((id, message)) = origin_problem(part) {
            seen.find(id, &name, &format!("entry {number} {message}"));
        }
    }
}

fn origin_problem(origin: &str) -> Option<(&'static str, &'static str)> {
    if origin.contains('*') {
        return Some(("CFG-021", "is a wildcard"));
    }
    let Ok(url) = Url::parse(origin) else {
        return Some(("CFG-023", "is not an origin"));
    };
    let host = url.host_str().unwrap_or_default();
    if reach(host) == Reach::Loopback {
        return Some(("CFG-022", "is a local address"));
    }
    if url.scheme() != "https" {
        return Some(("CFG-023", "is not https"));
    }
    // Written exactly as the browser sends it: no path, no user, no trailing slash.
    if origin.to_ascii_lowercase() != url.origin().ascii_serialization() {
        return Some(("CFG-023", "has more than scheme, host and port"));
    }
    is_placeholder(host).then_some(("CFG-091", "is a placeholder"))
}

fn password_problem(password: Option<&str>, user: &str) -> Option<&'static str> {
    let Some(password) = password.filter(|password| !password.is_empty()) else {
        return Some("has no password");
    };
    let lower = password.to_ascii_lowercase();
    if DEFAULT_PASSWORDS.contains(&lower.as_str()) || lower == user.to_ascii_lowercase() {
        return Some("has a default password");
    }
    (password.chars().count() < 12).then_some("has a password shorter than 12 characters")
}

fn option<'a>(url: &'a Url, names: &[&str]) -> Option<std::borrow::Cow<'a, str>> {
    url.query_pairs()
        .find(|(key, _)| names.iter().any(|name| key.eq_ignore_ascii_case(name)))
        .map(|(_, value)| value)
}

fn database(seen: &mut Seen<'_>) {
    let name = seen.rules.names.database_url.clone();
    let Some(value) = seen.value(&name) else {
        seen.find("CFG-030", &name, "is not set");
        return;
    };
    let Ok(url) = Url::parse(value) else {
        seen.find("CFG-034", &name, "is not a URL");
        return;
    };
    // A driver may be named after the database, as in mysql+driver://.
    let scheme = url.scheme().split('+').next().unwrap_or_default();
    if !["mysql", "mariadb"].contains(&scheme) {
        seen.find("CFG-030", &name, "is not a MariaDB address");
        return;
    }
    let host = url.host_str().unwrap_or_default();
    let socket = option(&url, &["socket", "unix_socket"]).is_some();
    if host.is_empty() && !socket {
        seen.find("CFG-034", &name, "names neither host nor socket");
    }
    let mode = option(&url, &["ssl-mode", "sslmode", "ssl_mode"])
        .map(|mode| mode.to_ascii_uppercase().replace('-', "_"));
    let python_verified =
        option(&url, &["ssl_verify_identity"]).is_some_and(|on| on.eq_ignore_ascii_case("true") || on == "1");
    let verified = mode.as_deref() == Some("VERIFY_IDENTITY") || python_verified;
    if !socket && !verified && reach(host) != Reach::Loopback {
        seen.find("CFG-031", &name, "reaches another host without verifying who answers");
    }
    // Over a socket the system's own user may be the credential; a password is then not needed.
    if let Some(problem) = password_problem(decoded(url.password()).as_deref(), url.username())
        && !(socket && url.password().is_none())
    {
        seen.find("CFG-032", &name, problem);
    }
    if url.username().eq_ignore_ascii_case("root") {
        seen.find("CFG-033", &name, "connects as root");
    }
    if is_placeholder(host) {
        seen.find("CFG-091", &name, "names a placeholder host");
    }
}

fn decoded(text: Option<&str>) -> Option<String> {
    // `url` keeps user and password percent-encoded; a query pair decodes the same way, but for `+`.
    let text = text?.replace('+', "%2B");
    url::form_urlencoded::parse(format!("p={text}").as_bytes()).next().map(|(_, value)| value.into_owned())
}

fn redis(seen: &mut Seen<'_>) {
    let name = seen.rules.names.redis_url.clone();
    let Some(value) = seen.value(&name) else {
        seen.find("CFG-040", &name, "is not set");
        return;
    };
    let Ok(url) = Url::parse(value) else {
        seen.find("CFG-043", &name, "is not a URL");
        return;
    };
    let scheme = url.scheme();
    let socket = matches!(scheme, "unix" | "redis+unix");
    let encrypted = scheme.starts_with("rediss");
    if !socket && !encrypted && !scheme.starts_with("redis") {
        seen.find("CFG-043", &name, "is not a Redis address");
        return;
    }
    let host = url.host_str().unwrap_or_default();
    if !socket && !encrypted && reach(host) == Reach::Public {
        seen.find("CFG-041", &name, "reaches a public address without TLS");
    }
    if let Some(problem) = password_problem(decoded(url.password()).as_deref(), url.username())
        && !socket
    {
        seen.find("CFG-042", &name, problem);
    }
}

fn error_tracking(seen: &mut Seen<'_>) {
    let name = seen.rules.names.sentry_dsn.clone();
    let Some(value) = seen.value(&name) else {
        seen.find("CFG-050", &name, "is not set");
        return;
    };
    let url = Url::parse(value).ok().filter(|url| !url.username().is_empty() && url.path().len() > 1);
    let Some(url) = url else {
        seen.find("CFG-050", &name, "is not a DSN");
        return;
    };
    let local = match url.host() {
        Some(Host::Domain(host)) => reach(host),
        Some(host) => reach(&host.to_string()),
        None => Reach::Public,
    } == Reach::Loopback;
    match (url.scheme(), local) {
        (_, true) => seen.find("CFG-052", &name, "points to this host"),
        ("https", false) if is_placeholder(url.host_str().unwrap_or_default()) => {
            seen.find("CFG-091", &name, "names a placeholder host");
        }
        ("https", false) => {}
        _ => seen.find("CFG-051", &name, "is not https"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_hosts_are() {
        for (host, expected) in [
            ("127.0.0.1", Reach::Loopback),
            ("[::1]", Reach::Loopback),
            ("localhost", Reach::Loopback),
            ("0.0.0.0", Reach::Loopback),
            ("10.1.2.3", Reach::Private),
            ("172.16.0.1", Reach::Private),
            ("100.64.0.1", Reach::Private),
            ("[fd00::1]", Reach::Private),
            ("redis", Reach::Private),
            ("8.8.8.8", Reach::Public),
            ("db.client.mx", Reach::Public),
        ] {
            assert_eq!(reach(host), expected, "{host}");
        }
    }

    #[test]
    fn origins_must_be_exact() {
        assert_eq!(origin_problem("https://app.client.mx"), None);
        assert_eq!(origin_problem("https://app.client.mx:8443"), None);
        for (origin, id) in [
            ("*", "CFG-021"),
            ("https://*.client.mx", "CFG-021"),
            ("http://localhost:3000", "CFG-022"),
            ("https://127.0.0.1", "CFG-022"),
            ("http://app.client.mx", "CFG-023"),
            ("https://app.client.mx/", "CFG-023"),
            ("https://app.client.mx/x", "CFG-023"),
            ("app.client.mx", "CFG-023"),
            ("https://your-domain.com", "CFG-091"),
        ] {
            assert_eq!(origin_problem(origin).map(|p| p.0), Some(id), "{origin}");
        }
    }

    #[test]
    fn passwords_are_decoded_before_they_are_judged() {
        assert_eq!(decoded(Some("p%61ssword")).as_deref(), Some("password"));
        assert_eq!(decoded(Some("a+b")).as_deref(), Some("a+b"));
    }
}
