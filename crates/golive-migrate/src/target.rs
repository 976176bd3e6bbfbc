//! The MariaDB we go to: parsing its address, connecting, and looking at what it can do. Session settings of every
//! connection are made here and nowhere else. No table is read or written here.

mod address;

use std::collections::BTreeMap;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, SslOpts};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use self::address::{ParsedUrl, Tls, one_a_host, parse_url, unverified};

/// How to reach the target.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TargetOptions {
    /// `mysql://user:password@host:port/database`; several hosts of one cluster as `host1:port1,host2:port2`, of which the
    /// first that answers is used for the whole run. With `socket=`, `ssl-mode=` and `ssl-ca=` as sqlx writes them.
    pub url: SecretString,
    /// How long to wait for a connection; 10 seconds by default.
    pub connect_timeout: Duration,
    /// Whether `LOAD DATA LOCAL INFILE` may be used where the server allows it; the fallback is multi-row `INSERT`.
    pub local_infile: bool,
}

impl TargetOptions {
    /// The defaults for an address.
    pub fn new(url: SecretString) -> Self {
        Self { url, connect_timeout: Duration::from_secs(10), local_infile: true }
    }

    /// `host:port/database` of every host that the address names, in its order; without user and password.
    ///
    /// ```
    /// let options = golive_migrate::TargetOptions::new("mysql://u:p@db1,db2:3307/app".to_owned().into());
    /// assert_eq!(options.display_names().unwrap(), ["db1:3306/app", "db2:3307/app"]);
    /// ```
    ///
    /// # Errors
    /// When the address does not parse or names no database.
    pub fn display_names(&self) -> Result<Vec<String>, ConnectTargetError> {
        let hosts = one_a_host(self.url.expose_secret());
        let name = |url: &String| parse_url(url).map(|parsed| display(&parsed.address, &parsed.database));
        hosts.iter().map(name).collect()
    }
}

/// What the server says of itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ServerInfo {
    /// `VERSION()`.
    pub version: String,
    /// `@@max_allowed_packet`, in bytes.
    pub max_allowed_packet_bytes: u64,
    /// `@@max_connections`.
    pub max_connections: u64,
    /// `@@wait_timeout`, in seconds.
    pub wait_timeout_seconds: u64,
    /// Whether table names are compared without regard to case.
    pub lower_case_table_names: bool,
    /// Whether `LOAD DATA LOCAL INFILE` will be used.
    pub local_infile: bool,
    /// What it says of its Galera cluster, when it is a node of one.
    pub galera: Option<GaleraInfo>,
}

/// What a Galera node says of its cluster.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GaleraInfo {
    /// `wsrep_cluster_size`: how many nodes it sees.
    pub nodes: u64,
    /// `wsrep_max_ws_size`: bytes that a transaction may replicate.
    pub max_write_set_bytes: u64,
    /// `wsrep_max_ws_rows`; 0 is no limit.
    pub max_write_set_rows: u64,
    /// `wsrep_load_data_splitting`: whether `LOAD DATA` commits by itself every 10,000 rows.
    pub splits_load_data: bool,
    /// `wsrep_OSU_method`: how schema changes reach the other nodes; `TOI` is the usual.
    pub schema_upgrade_method: String,
    /// `innodb_force_primary_key`: whether tables without a primary key are refused.
    pub forces_primary_key: bool,
    /// `wsrep_flow_control_paused`: the share of time, from 0 to 1, in which a slow node held the others up.
    pub flow_control_paused: f64,
}

/// A reachable MariaDB database with the grants that a migration needs.
#[derive(Clone)]
pub struct Target {
    node_url: SecretString,
    opts: Opts,
    connect_timeout: Duration,
    address: String,
    database: String,
    server: ServerInfo,
}

/// Why a target cannot be used. Nothing was changed. Never holds the password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectTargetError {
    /// The address does not parse.
    #[error("read the target address: {reason}; it must look like mysql://USER:PASSWORD@HOST:3306/DATABASE")]
    InvalidUrl {
        /// What is wrong with it.
        reason: String,
    },
    /// The address names no database.
    #[error("choose a database on {address}: the address names none, append /DATABASE to it")]
    NoDatabaseNamed {
        /// Host and port, or socket.
        address: String,
    },
    /// Nothing answers there.
    #[error("reach {address}: check host, port and firewall, and that MariaDB is running there")]
    Unreachable {
        /// Host and port, or socket.
        address: String,
        /// The driver's reason.
        #[source]
        source: mysql_async::Error,
    },
    /// Nothing answers in time.
    #[error(
        "reach {address} within {seconds} s: check host, port and firewall, and that what listens there is MariaDB"
    )]
    TimedOut {
        /// Host and port, or socket.
        address: String,
        /// How long was waited.
        seconds: u64,
    },
    /// User or password is wrong.
    #[error(
        "log in to {address} as `{user}`: check user, password and the host from which the user may connect"
    )]
    Authentication {
        /// Host and port, or socket.
        address: String,
        /// The user of the address.
        user: String,
    },
    /// The database does not exist, or the user may not see it.
    #[error(
        "use database `{database}` on {address}: create it (CREATE DATABASE) or grant the user access to it"
    )]
    UnknownDatabase {
        /// Host and port, or socket.
        address: String,
        /// The database of the address.
        database: String,
    },
    /// Another server answers, like MySQL 8.
    #[error(
        "use {address} as target: it says it is `{version}`, which is not MariaDB; MySQL and its relatives lack the \
         collation utf8mb4_nopad_bin, store JSON otherwise and name server settings otherwise, so a copy there would not \
         be proven: name a MariaDB server of 10.6 or newer"
    )]
    NotMariaDb {
        /// Host and port, or socket.
        address: String,
        /// What it says it is.
        version: String,
    },
    /// The MariaDB is too old.
    #[error(
        "use {address} as target: it is MariaDB `{version}`, whose schema changes are not atomic; update it to 10.6 or \
         newer"
    )]
    TooOld {
        /// Host and port, or socket.
        address: String,
        /// What it says it is.
        version: String,
    },
    /// The user lacks grants.
    #[error(
        "work in `{database}` on {address}: the user lacks {missing}; GRANT {missing} ON `{database}`.* TO it"
    )]
    MissingGrants {
        /// Host and port, or socket.
        address: String,
        /// The database of the address.
        database: String,
        /// The missing privileges, comma-separated.
        missing: String,
    },
    /// TLS could not be had as the address asks.
    #[error(
        "make a TLS connection to {address}: check ssl-mode and ssl-ca in the address against the server's certificate"
    )]
    Tls {
        /// Host and port, or socket.
        address: String,
        /// The driver's reason.
        #[source]
        source: mysql_async::Error,
    },
    /// The server refused a question about itself.
    #[error("ask {address} about its settings")]
    Server {
        /// Host and port, or socket.
        address: String,
        /// The driver's reason.
        #[source]
        source: mysql_async::Error,
    },
}

/// What the copying user must be allowed to do.
const NEEDED_GRANTS: [&str; 9] =
    ["SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX", "REFERENCES"];

/// The session of every connection we open: strict, UTC, zero is a value, foreign keys are proven by us at the end.
const SESSION: &str = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,\
     ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00', \
     foreign_key_checks = 0, unique_checks = 1, max_statement_time = 0, lock_wait_timeout = 60, \
     innodb_lock_wait_timeout = 60, wait_timeout = 28800, net_write_timeout = 3600, net_read_timeout = 3600";

/// The driver's options hold the password, so they are left out.
impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target").field("target", &self.display_name()).field("server", &self.server).finish()
    }
}

impl Target {
    /// Connects, and looks whether the database can take a migration.
    ///
    /// # Errors
    /// Each way in which the server cannot be a target has its own variant with the next action.
    pub async fn connect(options: &TargetOptions) -> Result<Self, ConnectTargetError> {
        let (node_url, parsed, mut conn, opts) = first_that_answers(options).await?;
        let server = look(&mut conn, &parsed, options.local_infile).await?;
        check_grants(&mut conn, &parsed).await?;
        let _ = conn.disconnect().await;
        Ok(Self {
            node_url,
            opts,
            connect_timeout: options.connect_timeout,
            address: parsed.address,
            database: parsed.database,
            server,
        })
    }

    /// Host and port, or the socket; without user and password.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The address of the node that answered, with its user and password: whatever else is to work on the same node
    /// connects there, and need not understand an address of several hosts.
    pub fn node_url(&self) -> &SecretString {
        &self.node_url
    }

    /// The database's name.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// `host:port/database`, as it may be printed and recorded.
    pub fn display_name(&self) -> String {
        display(&self.address, &self.database)
    }

    /// What the server says of itself.
    pub fn server(&self) -> &ServerInfo {
        &self.server
    }

    /// A new connection with our session settings.
    pub(crate) async fn open(&self) -> Result<Conn, mysql_async::Error> {
        let mut conn =
            timed(self.connect_timeout, Conn::new(self.opts.clone())).await.unwrap_or_else(|| {
                Err(mysql_async::Error::Io(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))
            })?;
        conn.query_drop(SESSION).await?;
        if self.server.galera.is_some() {
            // What another node committed is seen, so that a run that goes on here sees the whole journal.
            conn.query_drop("SET SESSION wsrep_sync_wait = 7").await?;
        }
        Ok(conn)
    }

    /// The name of the lock that keeps a second run away. Lock names are server-wide and at most 64 characters.
    pub(crate) fn lock_name(&self) -> String {
        crate::ident::bounded(&["golive", &self.database, "migrate"])
    }
}

fn display(address: &str, database: &str) -> String {
    format!("{address}/{database}")
}

/// The nodes of a cluster in their order. One that is away or not ready is passed over; a wrong password is not.
async fn first_that_answers(
    options: &TargetOptions,
) -> Result<(SecretString, ParsedUrl, Conn, Opts), ConnectTargetError> {
    let mut last = None;
    for url in one_a_host(options.url.expose_secret()) {
        let parsed = parse_url(&url)?;
        match open_ready(&parsed, options.connect_timeout).await {
            Ok((conn, opts)) => return Ok((SecretString::from(url), parsed, conn, opts)),
            Err(
                error @ (ConnectTargetError::Unreachable { .. }
                | ConnectTargetError::TimedOut { .. }
                | ConnectTargetError::Server { .. }),
            ) => last = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(last.unwrap_or(ConnectTargetError::InvalidUrl { reason: "it names no host".to_owned() }))
}

/// A node that has lost its cluster answers, but refuses every question.
async fn open_ready(parsed: &ParsedUrl, timeout: Duration) -> Result<(Conn, Opts), ConnectTargetError> {
    let (mut conn, opts) = open_first(parsed, timeout).await?;
    let address = || parsed.address.clone();
    match timed(timeout, conn.query_drop("SELECT COUNT(*) FROM information_schema.SCHEMATA")).await {
        None => Err(ConnectTargetError::TimedOut { address: address(), seconds: timeout.as_secs() }),
        Some(Err(source)) => Err(ConnectTargetError::Server { address: address(), source }),
        Some(Ok(())) => Ok((conn, opts)),
    }
}

async fn open_first(parsed: &ParsedUrl, timeout: Duration) -> Result<(Conn, Opts), ConnectTargetError> {
    let plain = Opts::from(parsed.opts.clone());
    match &parsed.tls {
        Tls::Off => connect(parsed, plain, timeout).await,
        Tls::Demand(ssl) => connect(parsed, with_tls(parsed, (**ssl).clone()), timeout).await,
        Tls::Prefer => match connect(parsed, with_tls(parsed, unverified()), timeout).await {
            Err(ConnectTargetError::Tls { .. }) => connect(parsed, plain, timeout).await,
            other => other,
        },
    }
}

fn with_tls(parsed: &ParsedUrl, ssl: SslOpts) -> Opts {
    Opts::from(parsed.opts.clone().ssl_opts(ssl))
}

async fn connect(
    parsed: &ParsedUrl,
    opts: Opts,
    timeout: Duration,
) -> Result<(Conn, Opts), ConnectTargetError> {
    let address = parsed.address.clone();
    match timed(timeout, Conn::new(opts.clone())).await {
        None => Err(ConnectTargetError::TimedOut { address, seconds: timeout.as_secs() }),
        Some(Ok(conn)) => Ok((conn, opts)),
        Some(Err(error)) => Err(explain(parsed, error)),
    }
}

fn explain(parsed: &ParsedUrl, error: mysql_async::Error) -> ConnectTargetError {
    use mysql_async::{DriverError, Error, IoError};
    let address = parsed.address.clone();
    match error {
        Error::Server(server) if matches!(server.code, 1045 | 1698 | 1130 | 1862) => {
            ConnectTargetError::Authentication { address, user: parsed.user.clone() }
        }
        Error::Server(server) if matches!(server.code, 1044 | 1049) => {
            ConnectTargetError::UnknownDatabase { address, database: parsed.database.clone() }
        }
        Error::Io(IoError::Tls(_)) | Error::Driver(DriverError::NoClientSslFlagFromServer) => {
            ConnectTargetError::Tls { address, source: error }
        }
        // So rustls says that it does not trust the certificate.
        Error::Io(IoError::Io(ref io)) if io.kind() == std::io::ErrorKind::InvalidData => {
            ConnectTargetError::Tls { address, source: error }
        }
        source => ConnectTargetError::Unreachable { address, source },
    }
}

async fn look(
    conn: &mut Conn,
    parsed: &ParsedUrl,
    want_infile: bool,
) -> Result<ServerInfo, ConnectTargetError> {
    let failed = |source| ConnectTargetError::Server { address: parsed.address.clone(), source };
    let version: Option<String> = conn.query_first("SELECT VERSION()").await.map_err(failed)?;
    let version = version.unwrap_or_default();
    let address = parsed.address.clone();
    if !is_mariadb(&version) {
        return Err(ConnectTargetError::NotMariaDb { address, version });
    }
    if older_than(&version, (10, 6, 0)) {
        return Err(ConnectTargetError::TooOld { address, version });
    }
    let settings: Option<(u64, u64, u64, u64, u64)> = conn
        .query_first(
            "SELECT @@GLOBAL.max_allowed_packet, @@GLOBAL.max_connections, @@GLOBAL.wait_timeout, \
             @@GLOBAL.lower_case_table_names, @@GLOBAL.local_infile",
        )
        .await
        .map_err(failed)?;
    let (packet, connections, wait, lower, infile) = settings.unwrap_or_default();
    let galera = look_at_galera(conn).await.map_err(failed)?;
    Ok(ServerInfo {
        version,
        max_allowed_packet_bytes: packet,
        max_connections: connections,
        wait_timeout_seconds: wait,
        lower_case_table_names: lower != 0,
        // A LOAD DATA that commits in between would let half a chunk stay.
        local_infile: want_infile
            && infile == 1
            && galera.as_ref().is_none_or(|galera| !galera.splits_load_data),
        galera,
    })
}

/// `None` where the server is no node of a cluster.
async fn look_at_galera(conn: &mut Conn) -> Result<Option<GaleraInfo>, mysql_async::Error> {
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    for what in ["VARIABLES", "STATUS"] {
        let sql = format!(
            "SHOW GLOBAL {what} WHERE Variable_name IN ('wsrep_on', 'wsrep_cluster_size', 'wsrep_max_ws_size', \
             'wsrep_max_ws_rows', 'wsrep_load_data_splitting', 'wsrep_OSU_method', 'innodb_force_primary_key', \
             'wsrep_flow_control_paused')"
        );
        let rows: Vec<(String, String)> = conn.query(sql).await?;
        said.extend(rows.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)));
    }
    let value = |name: &str| said.get(name).map_or("", String::as_str);
    let number = |name| value(name).parse().unwrap_or(0);
    let nodes = number("wsrep_cluster_size");
    if value("wsrep_on") != "ON" || nodes == 0 {
        return Ok(None);
    }
    Ok(Some(GaleraInfo {
        nodes,
        max_write_set_bytes: number("wsrep_max_ws_size"),
        max_write_set_rows: number("wsrep_max_ws_rows"),
        splits_load_data: value("wsrep_load_data_splitting") == "ON",
        schema_upgrade_method: value("wsrep_osu_method").to_owned(),
        forces_primary_key: value("innodb_force_primary_key") == "ON",
        flow_control_paused: value("wsrep_flow_control_paused").parse().unwrap_or(0.0),
    }))
}

/// Every MariaDB says so in its version; MySQL, Percona, Aurora and TiDB do not.
fn is_mariadb(version: &str) -> bool {
    version.to_ascii_lowercase().contains("mariadb")
}

/// Atomic DDL, on which resuming rests, came with 10.6.
pub(crate) fn older_than(version: &str, wanted: (u32, u32, u32)) -> bool {
    // Some proxies prefix the version for old clients.
    let version = version.strip_prefix("5.5.5-").unwrap_or(version);
    let mut parts = version.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next()) < wanted
}

async fn check_grants(conn: &mut Conn, parsed: &ParsedUrl) -> Result<(), ConnectTargetError> {
    let failed = |source| ConnectTargetError::Server { address: parsed.address.clone(), source };
    let who: Option<(String, Option<String>)> =
        conn.query_first("SELECT CURRENT_USER(), CURRENT_ROLE()").await.map_err(failed)?;
    let (user, role) = who.unwrap_or_default();
    let (name, host) = user.rsplit_once('@').unwrap_or((&user, "%"));
    let grantee = format!("'{name}'@'{host}'");
    let role = role.map(|role| format!("'{role}'@''")).unwrap_or_default();
    let bare_role = role.trim_end_matches("@''").to_owned();
    let held: Vec<String> = conn
        .exec(
            "SELECT PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES WHERE GRANTEE IN (?, ?, ?) \
             UNION SELECT PRIVILEGE_TYPE FROM information_schema.SCHEMA_PRIVILEGES \
             WHERE GRANTEE IN (?, ?, ?) AND ? LIKE TABLE_SCHEMA",
            (&grantee, &role, &bare_role, &grantee, &role, &bare_role, &parsed.database),
        )
        .await
        .map_err(failed)?;
    let missing: Vec<&str> =
        NEEDED_GRANTS.into_iter().filter(|needed| !held.iter().any(|have| have == needed)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(ConnectTargetError::MissingGrants {
        address: parsed.address.clone(),
        database: parsed.database.clone(),
        missing: missing.join(", "),
    })
}

async fn timed<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, future).await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert!(older_than("10.5.29-MariaDB", (10, 6, 0)));
        assert!(!older_than("5.5.5-10.11.19-MariaDB-0+deb12u1", (10, 6, 0)));
        assert!(!older_than("11.4.2-MariaDB", (10, 6, 0)));
        assert!(
            older_than("10.11.3-MariaDB-log", (10, 11, 4)) && !older_than("10.11.4-MariaDB", (10, 11, 4))
        );
        let others =
            ["8.0.36", "8.4.3-commercial", "8.0.11-TiDB-v7.5.0", "8.0.mysql_aurora.3.04.0", "5.7.44-48-log"];
        assert!(others.into_iter().all(|version| !is_mariadb(version)));
        assert!(is_mariadb("10.11.14-MariaDB-0+deb12u2") && is_mariadb("5.5.5-10.6.1-mariadb"));
    }
}
