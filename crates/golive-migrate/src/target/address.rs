//! The address of a target: its parts, what it asks of TLS, and its hosts one by one. Nothing is connected here.

use std::path::PathBuf;
use std::time::Duration;

use mysql_async::{OptsBuilder, SslOpts};
use url::Url;

use super::ConnectTargetError;

pub(super) struct ParsedUrl {
    pub(super) opts: OptsBuilder,
    pub(super) tls: Tls,
    pub(super) address: String,
    pub(super) user: String,
    pub(super) database: String,
}

/// What the address asks of TLS.
pub(super) enum Tls {
    Off,
    Prefer,
    Demand(Box<SslOpts>),
}

pub(super) fn parse_url(text: &str) -> Result<ParsedUrl, ConnectTargetError> {
    let invalid = |reason: String| ConnectTargetError::InvalidUrl { reason };
    let url = Url::parse(text).map_err(|error| invalid(error.to_string()))?;
    if !matches!(url.scheme(), "mysql" | "mariadb") {
        return Err(invalid(format!("the scheme `{}` is not mysql", url.scheme())));
    }
    let host = match url.host() {
        Some(url::Host::Ipv6(ip)) => ip.to_string(),
        Some(host) if !host.to_string().is_empty() => host.to_string(),
        _ => "localhost".to_owned(),
    };
    let port = url.port().unwrap_or(3306);
    let user = decode(url.username()).ok_or_else(|| invalid("the user is not UTF-8".to_owned()))?;
    let password = url
        .password()
        .map(|password| decode(password).ok_or_else(|| invalid("the password is not UTF-8".to_owned())));
    let database = decode(url.path().trim_start_matches('/'))
        .ok_or_else(|| invalid("the database is not UTF-8".to_owned()))?;
    let (mut socket, mut mode, mut authority) = (None, None, None);
    for (name, value) in url.query_pairs() {
        match name.as_ref() {
            "socket" => socket = Some(value.into_owned()),
            "ssl-mode" | "sslmode" => mode = Some(value.to_ascii_uppercase()),
            "ssl-ca" => authority = Some(PathBuf::from(value.as_ref())),
            "charset" | "collation" | "timezone" | "statement-cache-capacity" => {}
            other => return Err(invalid(format!("the parameter `{other}` is unknown"))),
        }
    }
    let address = socket.clone().unwrap_or_else(|| format!("{host}:{port}"));
    if database.is_empty() {
        return Err(ConnectTargetError::NoDatabaseNamed { address });
    }
    let loopback = socket.is_some()
        || host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let tls = tls_of(mode.as_deref(), authority, loopback)?;
    let opts = OptsBuilder::default()
        .ip_or_hostname(host)
        .tcp_port(port)
        .user(Some(user.clone()))
        .pass(password.transpose()?)
        .db_name(Some(database.clone()))
        .prefer_socket(socket.is_some())
        .socket(socket)
        .tcp_nodelay(true)
        // So that a peer that is gone without a word is noticed while we only listen.
        .tcp_keepalive(Some(Duration::from_secs(60)))
        // What a packet may hold is the server's to say; the driver would take the server's limit for rows it sends us too,
        // which the server itself does not.
        .max_allowed_packet(Some(1 << 30))
        .stmt_cache_size(16_usize);
    Ok(ParsedUrl { opts, tls, address, user, database })
}

fn tls_of(mode: Option<&str>, authority: Option<PathBuf>, loopback: bool) -> Result<Tls, ConnectTargetError> {
    let verified = || {
        let roots = authority.clone().map(|path| vec![path.into()]).unwrap_or_default();
        SslOpts::default().with_root_certs(roots)
    };
    Ok(match mode {
        Some("DISABLED") => Tls::Off,
        None | Some("PREFERRED") if loopback => Tls::Off,
        None | Some("PREFERRED") => Tls::Prefer,
        Some("REQUIRED") => Tls::Demand(Box::new(unverified())),
        Some("VERIFY_CA") => Tls::Demand(Box::new(verified().with_danger_skip_domain_validation(true))),
        Some("VERIFY_IDENTITY") => Tls::Demand(Box::new(verified())),
        Some(other) => {
            return Err(ConnectTargetError::InvalidUrl {
                reason: format!("the ssl-mode `{other}` is unknown"),
            });
        }
    })
}

/// Encrypted without knowing to whom: what `REQUIRED` and `PREFERRED` mean to every MySQL client.
pub(super) fn unverified() -> SslOpts {
    SslOpts::default().with_danger_accept_invalid_certs(true).with_danger_skip_domain_validation(true)
}

/// The address once for each of its hosts.
pub(super) fn one_a_host(url: &str) -> Vec<String> {
    let Some((scheme, rest)) = url.split_once("://") else { return vec![url.to_owned()] };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (user, hosts) = authority
        .rsplit_once('@')
        .map_or((String::new(), authority), |(user, hosts)| (format!("{user}@"), hosts));
    hosts.split(',').map(|host| format!("{scheme}://{user}{host}{path}")).collect()
}

/// Undoes percent-encoding.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first == b'%' && tail.len() >= 2 {
            let digits = std::str::from_utf8(&tail[..2]).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_database_or_with_unknown_parameter_is_refused() {
        assert!(matches!(parse_url("mysql://u:p@h/"), Err(ConnectTargetError::NoDatabaseNamed { .. })));
        assert!(matches!(parse_url("postgres://u:p@h/d"), Err(ConnectTargetError::InvalidUrl { .. })));
        assert!(matches!(parse_url("mysql://u:p@h/d?x=1"), Err(ConnectTargetError::InvalidUrl { .. })));
        let parsed = parse_url("mysql://u%40x:p%2F@h:1/d").unwrap();
        assert_eq!((parsed.user.as_str(), parsed.address.as_str()), ("u@x", "h:1"));
    }

    #[test]
    fn several_hosts_are_one_address_each() {
        assert_eq!(
            one_a_host("mysql://u:p,@a:1,b/d?x=1,2"),
            ["mysql://u:p,@a:1/d?x=1,2", "mysql://u:p,@b/d?x=1,2"]
        );
        assert_eq!(one_a_host("mysql://a/d"), ["mysql://a/d"]);
        assert_eq!(one_a_host("nonsense"), ["nonsense"]);
    }
}
