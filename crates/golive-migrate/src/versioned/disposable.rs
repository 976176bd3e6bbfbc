//! A server that may be changed at will. The one door to everything that drops: what is not in this type's hands cannot
//! be reset, and a server that holds anybody's tables does not become one.

use sea_orm::sqlx::Row;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::error::VersionedError;
use super::options::VersionedOptions;
use super::session::{Dialect, Session};

/// A server that was started for this purpose and is thrown away afterwards.
///
/// It is one by proof, not by promise: it listens on this machine only, and no database of it holds a table.
#[derive(Debug, Clone)]
pub struct DisposableServer {
    url: SecretString,
    version: String,
}

/// What a scratch database is made like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Likeness {
    /// Character set and collation that tables inherit.
    pub(crate) defaults: Option<(String, String)>,
    /// The server's own version.
    pub(crate) version: Option<String>,
}

impl DisposableServer {
    /// Takes a server for disposable, after looking whether it is: on this machine, and without a table of anybody. The
    /// address names a database of it.
    ///
    /// # Errors
    /// When it cannot be reached, or holds something.
    pub async fn dangerous_claim(url: SecretString) -> Result<Self, VersionedError> {
        let session = Session::open(&VersionedOptions::new(url.clone()), Dialect::Client).await?;
        let claimed = claim(&session, url).await;
        session.close().await;
        claimed
    }

    /// The server's version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// A new, empty database, whatever was in one of this name before; it is the only thing here that drops.
    pub(crate) async fn fresh(
        &self,
        name: &'static str,
        likeness: &Likeness,
    ) -> Result<VersionedOptions, VersionedError> {
        const DOING: &str = "make a database on the disposable server";
        let session = Session::open(&VersionedOptions::new(self.url.clone()), Dialect::Client).await?;
        let database = crate::ident::mariadb(name);
        let like = match &likeness.defaults {
            Some((set, collation)) => format!(" CHARACTER SET {set} COLLATE {collation}"),
            None => String::new(),
        };
        let mut done = session.run(&format!("DROP DATABASE IF EXISTS {database}")).await;
        if done.is_ok() {
            done = session.run(&format!("CREATE DATABASE {database}{like}")).await;
        }
        session.close().await;
        done.map_err(VersionedError::server(DOING))?;
        let mut url = Url::parse(self.url.expose_secret()).expect("this address was connected to");
        url.set_path(name);
        Ok(VersionedOptions::new(url.to_string().into()))
    }
}

async fn claim(session: &Session, url: SecretString) -> Result<DisposableServer, VersionedError> {
    const DOING: &str = "look at the disposable server";
    let not = |reason: String| VersionedError::NotDisposable { target: session.target.clone(), reason };
    let address = Url::parse(url.expose_secret()).map_err(|error| not(error.to_string()))?;
    // Of an address like ours the host is text, an IP address in it as well.
    let host = address.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if !here {
        return Err(not("it is not on this machine".to_owned()));
    }
    let rows = session.rows(ANYBODYS, &[]).await.map_err(VersionedError::server(DOING))?;
    if let Some(row) = rows.first() {
        let (database, table): (String, String) = (
            row.try_get(0).map_err(VersionedError::server(DOING))?,
            row.try_get(1).map_err(VersionedError::server(DOING))?,
        );
        return Err(not(format!("it holds table `{table}` in database `{database}`")));
    }
    let version: Option<String> = session.value(DOING, "SELECT VERSION()", &[]).await?;
    Ok(DisposableServer { url, version: version.unwrap_or_default() })
}

/// Tables that are neither the system's nor of our own scratch databases.
const ANYBODYS: &str = "SELECT CAST(TABLE_SCHEMA AS CHAR), CAST(TABLE_NAME AS CHAR) FROM information_schema.TABLES \
    WHERE TABLE_SCHEMA NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys', 'golive_schema_proof', \
    'golive_schema_drift') LIMIT 1";

impl Likeness {
    /// What the session's own database and server are like.
    pub(crate) async fn of(session: &Session) -> Result<Self, VersionedError> {
        const DOING: &str = "look at the database's defaults";
        let sql = "SELECT CAST(DEFAULT_CHARACTER_SET_NAME AS CHAR), CAST(DEFAULT_COLLATION_NAME AS CHAR) \
                   FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = DATABASE()";
        let rows = session.rows(sql, &[]).await.map_err(VersionedError::server(DOING))?;
        let mut likeness = Self::default();
        if let Some(row) = rows.first() {
            let defaults: (String, String) = (
                row.try_get(0).map_err(VersionedError::server(DOING))?,
                row.try_get(1).map_err(VersionedError::server(DOING))?,
            );
            let plain = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            likeness.defaults = (plain(&defaults.0) && plain(&defaults.1)).then_some(defaults);
        }
        likeness.version = session.value(DOING, "SELECT VERSION()", &[]).await?;
        Ok(likeness)
    }
}
