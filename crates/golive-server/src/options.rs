//! What the console is told by whoever starts or mounts it.
//!
//! Not here: reading a configuration file. The frontend does, and hands the parts over.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use golive_gate::Policy;

use crate::acting::Acts;

/// What is served, to whom, and within which limits.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServerOptions {
    /// Folder that holds the runs, `.golive` beside golive.toml.
    pub base: PathBuf,
    /// Where to listen; a port of the system's choice on loopback unless given. An address that others reach needs `tls`
    /// and an operator. Of no meaning to a router that is mounted elsewhere.
    pub listen: SocketAddr,
    /// The certificate and key to serve with.
    pub tls: Option<TlsFiles>,
    /// Names, with their port if it is not the scheme's own, by which browsers reach the console: `golive.example:8330`.
    /// Requests to any other name are refused, so that no page elsewhere reaches it under a name of its own (DNS
    /// rebinding). Loopback names and the address listened on need not be given; behind a proxy, or mounted, what the browser
    /// shows must be.
    pub hosts: Vec<String>,
    /// The file of operators; `operators.json` in `base` unless given. Without it nobody logs in by password.
    pub operators: Option<PathBuf>,
    /// Whether a link is made that lets the first who opens it in, as operator: for a terminal on the same machine.
    pub entry_link: bool,
    /// Where the router is mounted, without a slash at the end: `/golive`. Nowhere by default.
    pub mount: String,
    /// Whether a proxy in front, or the service that mounts the console, speaks TLS to browsers: cookies are then for TLS only.
    pub behind_tls: bool,
    /// What the gate asks for, `[gate]` of golive.toml: to judge a run that has not come to its report.
    pub policy: Policy,
    /// What operators may plan and run from the console; without it the console only looks.
    pub acts: Option<Acts>,
    /// What is too much and too long.
    pub limits: Limits,
}

impl ServerOptions {
    /// The runs under `base`, on loopback, with an entry link.
    #[must_use]
    pub fn new(base: PathBuf) -> Self {
        Self {
            base,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: None,
            hosts: Vec::new(),
            operators: None,
            entry_link: true,
            mount: String::new(),
            behind_tls: false,
            policy: Policy::default(),
            acts: None,
            limits: Limits::default(),
        }
    }

    pub(crate) fn operators_file(&self) -> PathBuf {
        self.operators.clone().unwrap_or_else(|| self.base.join("operators.json"))
    }

    /// Whether browsers speak TLS to the console.
    pub(crate) fn is_secure(&self) -> bool {
        self.tls.is_some() || self.behind_tls
    }
}

/// A certificate chain and its key, both PEM.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TlsFiles {
    /// The chain, the console's own certificate first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl TlsFiles {
    /// These two.
    #[must_use]
    pub fn new(certificate: PathBuf, key: PathBuf) -> Self {
        Self { certificate, key }
    }
}

/// What is too much and too long. The defaults suit a screen in a room and a few people at their desks.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// Connections at once. Default 256; more wait to be accepted.
    pub connections: usize,
    /// Connections of one address at once. Default 128: a browser takes six, and a proxy in front takes many.
    pub connections_of_address: usize,
    /// Watchers of a live run at once. Default 200; one more is told to try again later. Up to 26 hear of a change within
    /// 0.4 s; with more it takes 15 ms for each who watches, 5 s at most, so that a crowd does not slow the run down.
    pub watchers: usize,
    /// How long a request's head may take, and how long a connection may be idle. Default 10 s.
    pub head: Duration,
    /// How long a request may take from its head to its answer's head. Default 15 s.
    pub request: Duration,
    /// How long a watcher stays before it has to come again. Default 10 minutes.
    pub watch: Duration,
    /// The longest body of a request in bytes. Default 16 KiB.
    pub body_bytes: usize,
    /// Sessions at once. Default 200; the one idle for longest goes.
    pub sessions: usize,
    /// How long a session may be idle; an open live view is use. Default 30 minutes.
    pub session_idle: Duration,
    /// How long a session lasts, however much it is used. Default 12 hours.
    pub session_life: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            connections_of_address: 128,
            watchers: 200,
            head: Duration::from_secs(10),
            request: Duration::from_secs(15),
            watch: Duration::from_secs(600),
            body_bytes: 16 * 1024,
            sessions: 200,
            session_idle: Duration::from_secs(30 * 60),
            session_life: Duration::from_secs(12 * 3600),
        }
    }
}
