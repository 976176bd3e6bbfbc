//! One connection: OpenSSH's own client carries it, and the SFTP session goes over its pipes. Every wait ends.
//!
//! Which servers are known and who logs in is that program's business, as it is for `sftp` and `rsync`. What it is told
//! to do stands in the arguments alone: no file of settings changes what an address means, and nobody is ever asked.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh_sftp::client::error::Error as Refusal;
use russh_sftp::client::rawsession::Limits;
use russh_sftp::client::{Config, RawSftpSession};
use russh_sftp::extensions;
use tokio::sync::mpsc;

use super::address::{Login, SftpOptions};
use super::failure::Failure;
use crate::exec::{Running, ToolError, start_apart};
use crate::remote::CONNECT_WITHIN;

pub(super) const RENAME: &str = "posix-rename@openssh.com";
/// What a server takes at least, and what OpenSSH takes at most, in one request.
const LEAST_BYTES: u64 = 32 * 1024;
const MOST_BYTES: u64 = 255 * 1024;
/// How long the client may take to end once the session is over.
const ENDS_WITHIN: Duration = Duration::from_secs(5);
/// Lines of the client that are kept, its last, and how long they may be.
const LINES: usize = 40;
const LINE_CHARACTERS: usize = 400;

/// A session on a server.
pub(super) struct Connection {
    pub(super) session: RawSftpSession,
    /// How much one request may carry.
    pub(super) request_bytes: u64,
    pub(super) has_statvfs: bool,
    /// What writing needs and the server does not offer, as to a login that may only read.
    lacks: Option<&'static str>,
    is_broken: AtomicBool,
    seconds: u64,
    /// Killed when this is dropped.
    _client: Running,
}

/// What the client says of itself and of the server.
#[derive(Debug, Default)]
struct Said {
    /// The server's key as it was shown: its kind and its fingerprint.
    key: Option<String>,
    complaints: Vec<String>,
}

impl Connection {
    /// Connects, has the client make sure that the server is the one that is known, and log in.
    pub(super) async fn open(options: &SftpOptions) -> Result<Self, Failure> {
        let limit = options.patience + CONNECT_WITHIN;
        let silent = Failure::Silent { seconds: limit.as_secs() };
        tokio::time::timeout(limit, Self::open_at_leisure(options)).await.map_err(|_| silent)?
    }

    async fn open_at_leisure(options: &SftpOptions) -> Result<Self, Failure> {
        let (lines, listened) = mpsc::unbounded_channel();
        let arguments = arguments(options);
        let mut client = start_apart(&options.client, &arguments, lines)
            .map_err(|error| no_client(&options.client, error))?;
        let said = Arc::new(Mutex::new(Said::default()));
        let listening = tokio::spawn(listen(listened, said.clone()));
        let (Some(input), Some(output)) = (client.child.stdin.take(), client.child.stdout.take()) else {
            unreachable!("both were asked for as pipes")
        };
        let seconds = options.patience.as_secs().max(1);
        let config = Config { request_timeout_secs: seconds, ..Config::default() };
        let session = RawSftpSession::new_with_config(tokio::io::join(output, input), config);
        let version = match session.init().await {
            Ok(version) => version,
            Err(Refusal::Timeout) => return Err(Failure::Silent { seconds }),
            Err(_) => {
                drop(session);
                // It has ended, or is about to; what it said last says why.
                let _ = tokio::time::timeout(ENDS_WITHIN, client.child.wait()).await;
                let _ = tokio::time::timeout(ENDS_WITHIN, listening).await;
                let said = std::mem::take(&mut *said.lock().unwrap_or_else(PoisonError::into_inner));
                return Err(why(options, &said));
            }
        };
        let offers = |name: &str| version.extensions.contains_key(name);
        let limits = if offers(extensions::LIMITS) {
            let asked = session.limits().await;
            Limits::from(asked.map_err(|refusal| Failure::of(refusal, "its limits", seconds))?)
        } else {
            Limits::default()
        };
        let least = |limit: Option<u64>| limit.unwrap_or(LEAST_BYTES).clamp(1, MOST_BYTES);
        Ok(Self {
            session,
            request_bytes: least(limits.read_len).min(least(limits.write_len)),
            has_statvfs: offers(extensions::STATVFS),
            lacks: [extensions::FSYNC, RENAME].into_iter().find(|needed| !offers(needed)),
            is_broken: AtomicBool::new(false),
            seconds,
            _client: client,
        })
    }

    pub(super) fn is_usable(&self) -> bool {
        !self.is_broken.load(Ordering::Relaxed)
    }

    /// Makes sure that what is written here is durable, and is replaced at one moment.
    pub(super) fn takes_files(&self) -> Result<(), Failure> {
        self.lacks.map_or(Ok(()), |what| Err(Failure::Lacks { what }))
    }

    /// What a refusal means for a file; a connection that is no good any more is not used again.
    pub(super) fn meant(&self, path: &str) -> impl Fn(Refusal) -> Failure {
        move |refusal| {
            let failure = Failure::of(refusal, path, self.seconds);
            if failure.ends_connection() {
                self.is_broken.store(true, Ordering::Relaxed);
            }
            failure
        }
    }
}

/// What the client is told. No secret is in it.
fn arguments(options: &SftpOptions) -> Vec<String> {
    let mut arguments: Vec<String> =
        ["-F", "/dev/null", "-T", "-x", "-a", "-p", &options.port.to_string()].map(str::to_owned).into();
    let (key, agent) = match &options.login {
        Login::Key(key) => (quoted(key), "none".to_owned()),
        Login::Agent(socket) => ("none".to_owned(), quoted(socket)),
    };
    let only = matches!(options.login, Login::Key(_));
    let within = CONNECT_WITHIN.min(options.patience).as_secs().max(1);
    let settings = [
        // Nobody is here to answer, and nobody is trusted because they were the first to answer.
        "BatchMode=yes".to_owned(),
        "StrictHostKeyChecking=yes".to_owned(),
        format!("UserKnownHostsFile={}", quoted(&options.known_hosts)),
        "GlobalKnownHostsFile=/dev/null".to_owned(),
        "UpdateHostKeys=no".to_owned(),
        "PreferredAuthentications=publickey".to_owned(),
        format!("IdentitiesOnly={}", if only { "yes" } else { "no" }),
        format!("IdentityFile={key}"),
        format!("IdentityAgent={agent}"),
        "ClearAllForwardings=yes".to_owned(),
        "ControlPath=none".to_owned(),
        "Compression=no".to_owned(),
        format!("ConnectTimeout={within}"),
        "ServerAliveInterval=20".to_owned(),
        "ServerAliveCountMax=3".to_owned(),
        // At this level it says which key the server has shown.
        "LogLevel=DEBUG1".to_owned(),
    ];
    arguments.extend(settings.into_iter().flat_map(|setting| ["-o".to_owned(), setting]));
    arguments.extend(["-l", &options.user, "-s", "--", &options.host, "sftp"].map(str::to_owned));
    arguments
}

/// A path as a setting of the client takes it; see ssh_config(5), "TOKENS". What has a quote in it was refused before.
fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display().to_string().replace('%', "%%"))
}

fn no_client(program: &Path, error: ToolError) -> Failure {
    let source: Box<dyn std::error::Error + Send + Sync> = match error {
        ToolError::Start { source, .. } => Box::new(source),
        other => Box::new(other),
    };
    Failure::NoClient { program: program.to_owned(), source }
}

async fn listen(mut lines: mpsc::UnboundedReceiver<String>, said: Arc<Mutex<Said>>) {
    while let Some(line) = lines.recv().await {
        said.lock().unwrap_or_else(PoisonError::into_inner).take_in(&line);
    }
}

impl Said {
    fn take_in(&mut self, line: &str) {
        let line: String =
            line.chars().filter(|character| !character.is_control()).take(LINE_CHARACTERS).collect();
        if let Some(key) = line.strip_prefix("debug1: Server host key: ") {
            self.key = Some(key.to_owned());
        }
        if line.starts_with("debug") || line.trim().is_empty() || line.starts_with("OpenSSH_") {
            return;
        }
        if self.complaints.len() == LINES {
            self.complaints.remove(0);
        }
        self.complaints.push(line);
    }

    fn has(&self, words: &str) -> bool {
        self.complaints.iter().any(|line| line.contains(words))
    }
}

/// Why there is no session, from what the client said.
fn why(options: &SftpOptions, said: &Said) -> Failure {
    let untrusted = |what| Failure::Untrusted { at: options.at(), what };
    let file = options.known_hosts.display();
    let key = said.key.as_deref().unwrap_or("(not shown)");
    let keyscan = keyscan(options);
    if said.has("REVOKED HOST KEY") || said.has("is marked as revoked") {
        return untrusted(format!("its key {key} is revoked in {file}; speak to whoever runs it"));
    }
    if said.has("HOST IDENTIFICATION HAS CHANGED") {
        return untrusted(format!(
            "its key {key} is another than {file} holds: either it was set up anew, or somebody stands between; ask \
             whoever runs it, and only then take the old key out by `ssh-keygen -R` and run `{keyscan}`"
        ));
    }
    if said.has("host key is known for") || said.has("Host key verification failed") {
        return untrusted(format!(
            "{file} does not hold its key {key}; compare this with what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` \
             says on the server, and only if it is the same, run `{keyscan}`"
        ));
    }
    if said.has("Permission denied") || said.has("Too many authentication failures") {
        let what = match &options.login {
            Login::Key(key) => format!(
                "it does not take the key {}; put its public half into authorized_keys there",
                key.display()
            ),
            Login::Agent(socket) => format!(
                "it takes none of the keys of the agent at {}; see `ssh-add -l`, put the public half of one into \
                 authorized_keys there, or name a file by key=",
                socket.display()
            ),
        };
        return Failure::Refused { user: options.user.clone(), what };
    }
    if said.has("subsystem request failed") {
        return Failure::NoSftp { user: options.user.clone() };
    }
    let mut words = said.complaints.join("; ");
    if words.is_empty() {
        let _ = write!(words, "it ended the connection without a word");
    }
    Failure::Unreachable { at: options.at(), said: words }
}

/// The command that asks a server for its key. What it says is to be compared with what the server's own console says.
fn keyscan(options: &SftpOptions) -> String {
    let SftpOptions { host, port, known_hosts, .. } = options;
    let port = if *port == 22 { String::new() } else { format!("-p {port} ") };
    format!("ssh-keyscan -t ed25519 {port}{host} >> '{}'", known_hosts.display())
}
