//! A MariaDB server as the tools and the driver need it. Credentials leave this file only inside a connection or a
//! 0600 option file in a private directory ([`defaults`]); never in an argument, an environment variable or a message.

mod defaults;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlSslMode};
use sqlx::{ConnectOptions, Row};
use url::Url;

pub(crate) use self::defaults::DefaultsFile;

/// How long one connection attempt may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Settings pinned in every session, so that one value always has one text.
const PINNED_SESSION: &str = "SET SESSION sql_mode = 'NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', \
     max_statement_time = 0, lock_wait_timeout = 30, net_write_timeout = 600, net_read_timeout = 600";

/// The number of an error that the server sent, by MariaDB's list of errors; none of one that is not its own.
pub(crate) fn error_number(error: &sqlx::Error) -> Option<u16> {
    error.as_database_error()?.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number)
}

/// A MariaDB server and the account to reach it with.
#[derive(Clone)]
pub struct Server {
    options: MySqlConnectOptions,
    user: String,
    password: SecretString,
    certificate_authority: Option<PathBuf>,
    database: Option<String>,
}

/// Why a server address cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidServer {
    /// Not a URL at all. The text is withheld: it may hold a password.
    #[error("read the server address: it is not a URL; write mysql://user:password@host:3306/database")]
    NotAUrl,
    /// The scheme is not `mysql` or `mariadb`.
    #[error(
        "use a server address with the scheme {scheme:?}; write mysql://user:password@host:3306/database"
    )]
    Scheme {
        /// The scheme found.
        scheme: String,
    },
    /// A part of the URL is not valid for the driver.
    #[error(
        "read the options of the server address (ssl-mode, ssl-ca, socket, ...); see the MariaDB URL options"
    )]
    Options,
    /// User, password or path cannot be written into an option file.
    #[error("use a server address whose {part} holds a control character; choose another {part}")]
    ControlCharacter {
        /// Which part of the address.
        part: &'static str,
    },
}

/// Why a server could not be reached or is not the right one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The driver could not connect.
    #[error("connect to MariaDB at {server}; check that it runs, and the account")]
    Connect {
        /// Host and port, or the socket.
        server: String,
        /// What the driver said.
        #[source]
        source: sqlx::Error,
    },
    /// No answer in time.
    #[error(
        "connect to MariaDB at {server} within {seconds} s; check that it runs and that no firewall is between"
    )]
    Timeout {
        /// Host and port, or the socket.
        server: String,
        /// The limit.
        seconds: u64,
    },
    /// Something else answers there.
    #[error(
        "use the server at {server}: it says it is version {version}, not MariaDB; give the address of a MariaDB server"
    )]
    NotMariaDb {
        /// Host and port, or the socket.
        server: String,
        /// What it calls itself.
        version: String,
    },
}

impl Server {
    /// Reads a `mysql://user:password@host:port/database` URL; `?socket=/path`, `ssl-mode` and `ssl-ca` are understood.
    ///
    /// # Errors
    /// When the text is no such URL. The message never repeats it.
    pub fn parse(address: &SecretString) -> Result<Self, InvalidServer> {
        let url = Url::parse(address.expose_secret()).map_err(|_| InvalidServer::NotAUrl)?;
        if !matches!(url.scheme(), "mysql" | "mariadb") {
            return Err(InvalidServer::Scheme { scheme: url.scheme().to_owned() });
        }
        let options = MySqlConnectOptions::from_url(&url).map_err(|_| InvalidServer::Options)?;
        let password = percent_decode(url.password().unwrap_or_default()).ok_or(InvalidServer::NotAUrl)?;
        let user = options.get_username().to_owned();
        let certificate_authority = url
            .query_pairs()
            .find(|(key, _)| matches!(key.as_ref(), "ssl-ca" | "sslca"))
            .map(|(_, value)| PathBuf::from(value.as_ref()));
        let socket = options.get_socket().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
        let authority = certificate_authority.as_deref().map(Path::to_string_lossy).unwrap_or_default();
        for (part, text) in [
            ("user", user.as_str()),
            ("password", &password),
            ("socket", &socket),
            ("ssl-ca", authority.as_ref()),
        ] {
            if text.chars().any(char::is_control) {
                return Err(InvalidServer::ControlCharacter { part });
            }
        }
        let database = options.get_database().filter(|name| !name.is_empty()).map(str::to_owned);
        // The driver must not take the default database for granted: it may not exist yet.
        let mut without_path = url.clone();
        without_path.set_path("");
        let options = MySqlConnectOptions::from_url(&without_path).map_err(|_| InvalidServer::Options)?;
        let options = options.disable_statement_logging();
        Ok(Self { options, user, password: SecretString::from(password), certificate_authority, database })
    }

    /// The database named in the URL, if any.
    pub fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// Host and port, or the socket: what may be shown.
    pub fn label(&self) -> String {
        match self.options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => format!("{}:{}", self.options.get_host(), self.options.get_port()),
        }
    }

    /// Opens a session with pinned settings, after checking that MariaDB answers.
    pub(crate) async fn connect(&self) -> Result<Session, ConnectError> {
        let attempt = async {
            let mut connection = self.options.connect().await?;
            sqlx::raw_sql(PINNED_SESSION).execute(&mut connection).await?;
            let row = sqlx::query("SELECT VERSION()").fetch_one(&mut connection).await?;
            Ok((connection, row.try_get::<String, _>(0)?))
        };
        let (connection, version) = match tokio::time::timeout(CONNECT_TIMEOUT, attempt).await {
            Ok(Ok(session)) => session,
            Ok(Err(source)) => return Err(ConnectError::Connect { server: self.label(), source }),
            Err(_) => {
                return Err(ConnectError::Timeout {
                    server: self.label(),
                    seconds: CONNECT_TIMEOUT.as_secs(),
                });
            }
        };
        if !version.to_ascii_lowercase().contains("mariadb") {
            return Err(ConnectError::NotMariaDb { server: self.label(), version });
        }
        Ok(Session { connection, version })
    }

    /// Writes the option file for the tools; it disappears with the value.
    pub(crate) fn defaults_file(&self) -> io::Result<DefaultsFile> {
        DefaultsFile::write(&self.defaults_text())
    }

    fn defaults_text(&self) -> SecretString {
        let mut text = String::from("[client]\n");
        let mut line = |key: &str, value: &str| {
            text.push_str(&format!("{key}=\"{}\"\n", value.replace('\\', "\\\\").replace('"', "\\\"")));
        };
        line("user", &self.user);
        line("password", self.password.expose_secret());
        match self.options.get_socket() {
            Some(socket) => {
                line("protocol", "socket");
                line("socket", &socket.to_string_lossy());
            }
            None => {
                line("protocol", "tcp");
                line("host", self.options.get_host().trim_start_matches('[').trim_end_matches(']'));
                line("port", &self.options.get_port().to_string());
            }
        }
        if let Some(authority) = &self.certificate_authority {
            line("ssl-ca", &authority.to_string_lossy());
        }
        match self.options.get_ssl_mode() {
            MySqlSslMode::Required => text.push_str("ssl=1\n"),
            MySqlSslMode::VerifyCa | MySqlSslMode::VerifyIdentity => {
                text.push_str("ssl=1\nssl-verify-server-cert\n");
            }
            MySqlSslMode::Disabled => text.push_str("skip-ssl\n"),
            MySqlSslMode::Preferred => {}
        }
        SecretString::from(text)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Server")
            .field("at", &self.label())
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// An open session and the version that answered.
pub(crate) struct Session {
    pub(crate) connection: MySqlConnection,
    pub(crate) version: String,
}

pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first == b'%' && tail.len() >= 2 {
            let digits = std::str::from_utf8(&tail[..2]).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(first);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> Result<Server, InvalidServer> {
        Server::parse(&SecretString::from(url))
    }

    #[test]
    fn debug_and_errors_never_show_the_password() {
        let parsed = server("mysql://app:hunter2%21@db.example:3307/kpi").unwrap();
        assert!(!format!("{parsed:?}").contains("hunter2"));
        assert_eq!(parsed.label(), "db.example:3307");
        assert_eq!(parsed.database(), Some("kpi"));
        for bad in [
            "hunter2",
            "postgres://a:hunter2@b/c",
            "mysql://a:hunter2%0a@b/c",
            "mysql://a:hunter2@b/c?ssl-mode=x",
        ] {
            let error = server(bad).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{bad}");
        }
    }

    #[test]
    fn option_file_quotes_what_would_end_a_value() {
        let parsed = server("mysql://app:a%22b%5Cc%23d@localhost/kpi?socket=/run/m.sock").unwrap();
        let text = parsed.defaults_text();
        assert!(text.expose_secret().contains("password=\"a\\\"b\\\\c#d\"\n"));
        assert!(text.expose_secret().contains("socket=\"/run/m.sock\"\n"));
    }
}
