//! The agent: proves who asks, runs one part at a time, and ends it when nobody listens any more.
//!
//! What must not be here: a way to load a host that the agent's own operator did not name.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::plan::LoadPlan;
use crate::run::{check, run_part};
use crate::target::PublicTargetConfirmation;

use super::link::{Reader, Stream, Writer, split};
use super::wire::{Ask, MAX_HELLO, MAX_MESSAGE, Tell, Totals, VERSION};
use super::{AgentError, MIN_TOKEN, is_loopback};

/// An agent.
#[derive(Debug)]
#[non_exhaustive]
pub struct Agent {
    /// Where it listens; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// What a coordinator must know.
    pub token: SecretString,
    /// Required unless it listens on the loopback.
    pub tls: Option<AgentTls>,
    /// Which host besides the loopback may be loaded from here; what a coordinator says about it does not count.
    pub dangerous_public_target: Option<PublicTargetConfirmation>,
}

impl Agent {
    /// Without TLS, for hosts on the loopback.
    #[must_use]
    pub fn new(listen: SocketAddr, token: SecretString) -> Self {
        Self { listen, token, tls: None, dangerous_public_target: None }
    }
}

/// What an agent proves itself with, as PEM.
#[derive(Debug)]
#[non_exhaustive]
pub struct AgentTls {
    certificates: String,
    key: SecretString,
}

impl AgentTls {
    /// The certificate with what leads to its authority, and its key.
    #[must_use]
    pub fn new(certificates: String, key: SecretString) -> Self {
        Self { certificates, key }
    }

    fn acceptor(&self) -> Result<TlsAcceptor, AgentError> {
        let refuse = |what: &str| AgentError::Certificate { what: what.to_owned() };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(self.certificates.as_bytes()).collect();
        let chain = chain.map_err(|_| refuse("it is no PEM"))?;
        let key = PrivateKeyDer::from_pem_slice(self.key.expose_secret().as_bytes());
        let key = key.map_err(|_| refuse("the key is no PEM of a private key"))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
        // The error is about certificate and key, and quotes neither.
        config.map(|config| TlsAcceptor::from(Arc::new(config))).map_err(|error| refuse(&error.to_string()))
    }
}

/// What happens at an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AgentEvent {
    /// It can be reached here.
    Listening(SocketAddr),
    /// Somebody was turned away.
    TurnedAway {
        /// Who.
        peer: SocketAddr,
        /// Why.
        why: String,
    },
    /// A part begins.
    Begins {
        /// For whom.
        peer: SocketAddr,
    },
    /// A part has ended.
    Ended {
        /// For whom.
        peer: SocketAddr,
        /// What came of it.
        says: String,
    },
}

/// Told what happens.
type Observer = Arc<dyn Fn(AgentEvent) + Send + Sync>;

/// Serves until `cancel` is canceled; a part that is under way is ended then.
///
/// # Errors
/// When the token is weak, TLS is missing or cannot be used, or the address is not to be had.
pub async fn serve_agent(
    agent: Agent,
    observer: Observer,
    cancel: &CancellationToken,
) -> Result<(), AgentError> {
    if agent.token.expose_secret().len() < MIN_TOKEN {
        return Err(AgentError::WeakToken);
    }
    if agent.tls.is_none() && !is_loopback(agent.listen.ip()) {
        return Err(AgentError::NeedsTls { address: agent.listen });
    }
    let tls = agent.tls.as_ref().map(AgentTls::acceptor).transpose()?;
    let listen = |source| AgentError::Listen { address: agent.listen, source };
    let listener = TcpListener::bind(agent.listen).await.map_err(listen)?;
    observer(AgentEvent::Listening(listener.local_addr().map_err(listen)?));
    let door = Arc::new(Door {
        digest: Sha256::digest(agent.token.expose_secret()).into(),
        tls,
        confirmed: agent.dangerous_public_target,
        strangers: Semaphore::new(MAX_STRANGERS),
        work: Semaphore::new(1),
        observer,
    });
    let mut guests = JoinSet::new();
    loop {
        tokio::select! {
            () = cancel.cancelled() => return Ok(()),
            Some(_) = guests.join_next() => {}
            // An error is one of that connection, or of too many open files; either passes.
            accepted = listener.accept(), if guests.len() < MAX_GUESTS => match accepted {
                Ok((stream, peer)) => { guests.spawn(Arc::clone(&door).receive(stream, peer)); }
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            },
        }
    }
}

struct Door {
    digest: [u8; 32],
    tls: Option<TlsAcceptor>,
    confirmed: Option<PublicTargetConfirmation>,
    /// Who has not shown a token yet.
    strangers: Semaphore,
    /// One part at a time.
    work: Semaphore,
    observer: Observer,
}

impl Door {
    async fn receive(self: Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        let told = match self.admit(stream).await {
            Ok((reader, writer)) => self.work_for(reader, writer, peer).await,
            Err(why) => Err(why),
        };
        if let Err(why) = told {
            (self.observer)(AgentEvent::TurnedAway { peer, why: why.to_string() });
        }
    }

    /// Nothing but a hello of a few bytes is heard of somebody without the token, and not for long.
    async fn admit(&self, stream: TcpStream) -> io::Result<(Reader, Writer)> {
        let _place = self.strangers.try_acquire().map_err(|_| io::Error::other("too many ask at once"))?;
        let _ = stream.set_nodelay(true);
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(stream),
            Some(acceptor) => {
                let shaken = tokio::time::timeout(HELLO_PATIENCE, acceptor.accept(stream)).await;
                Box::new(shaken.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?)
            }
        };
        let (mut reader, mut writer) = split(stream);
        let why = match reader.hear(MAX_HELLO, HELLO_PATIENCE).await? {
            Ask::Hello { version, token } => {
                let digest: [u8; 32] = Sha256::digest(token).into();
                if !bool::from(digest.ct_eq(&self.digest)) {
                    // While it waits it keeps its place: few guesses a second, however many ask.
                    tokio::time::sleep(AFTER_WRONG_TOKEN).await;
                    "the token is not the one of this agent"
                } else if version != VERSION {
                    "coordinator and agent are of different versions of golive"
                } else {
                    writer.say(&Tell::Welcome, HELLO_PATIENCE).await?;
                    return Ok((reader, writer));
                }
            }
            _ => "the first word must be a hello",
        };
        writer.say(&Tell::Refused { why: why.to_owned() }, HELLO_PATIENCE).await?;
        Err(io::Error::other(why))
    }

    async fn work_for(&self, mut reader: Reader, mut writer: Writer, peer: SocketAddr) -> io::Result<()> {
        let mut refuse = async |why: String| {
            writer.say(&Tell::Refused { why: why.clone() }, PATIENCE).await?;
            Err(io::Error::other(why))
        };
        let only = self.work.try_acquire();
        // Heard out even when it is busy: who is cut off while speaking does not hear why.
        let Ask::Prepare(task) = reader.hear(MAX_MESSAGE, PATIENCE).await? else {
            return refuse("a plan must come first".to_owned()).await;
        };
        let Ok(only) = only else { return refuse("it is busy with another run".to_owned()).await };
        let Some(mut plan) = task.plan() else { return refuse("the plan makes no sense".to_owned()).await };
        plan.dangerous_public_target.clone_from(&self.confirmed);
        if let Err(error) = check::check(&plan) {
            return refuse(format!("the agent cannot {error}")).await;
        }
        writer.say(&Tell::Ready, PATIENCE).await?;
        let begins = loop {
            match reader.hear(MAX_HELLO, PATIENCE).await? {
                Ask::Ping => writer.say(&Tell::Pong, PATIENCE).await?,
                Ask::Begin { in_micros } => {
                    break Instant::now() + Duration::from_micros(in_micros).min(PATIENCE);
                }
                Ask::Stop => return Ok(()),
                Ask::Hello { .. } | Ask::Prepare(_) => return Err(io::Error::other("it asked for too much")),
            }
        };
        (self.observer)(AgentEvent::Begins { peer });
        let says = match work(&plan, begins, reader, writer).await {
            Ok(requests) => format!("{requests} requests"),
            Err(error) => format!("ended early: {error}"),
        };
        drop(only);
        (self.observer)(AgentEvent::Ended { peer, says });
        Ok(())
    }
}

/// Runs the part and tells what it sees, until it is over, told to stop, or nobody listens.
async fn work(plan: &LoadPlan, begins: Instant, mut reader: Reader, mut writer: Writer) -> io::Result<u64> {
    let cancel = CancellationToken::new();
    let (seen, mut lately) = mpsc::channel(2);
    let running = async {
        let ended = run_part(plan, begins, seen, &cancel).await;
        ended.map_err(io::Error::other)
    };
    let (end, mut requests) = (&cancel, 0);
    // It owns the receiver: where nobody can be told any more, nobody must wait to tell.
    let telling = async move {
        while let Some(now) = lately.recv().await {
            let [all, errors, content_failures] = now.all;
            requests = all;
            let all = Totals { requests: all, errors, content_failures };
            if let Err(error) = writer.say(&Tell::Seen { tallies: now.tallies, all }, PATIENCE).await {
                end.cancel();
                return Err(error);
            }
        }
        Ok((writer, requests))
    };
    let listening = async {
        // Anything but silence ends it: the word to stop, or the end of the coordinator.
        let _ = reader.hear::<Ask>(MAX_HELLO, A_RUN).await;
        cancel.cancel();
        std::future::pending::<()>().await;
    };
    let (ended, told) = tokio::select! {
        both = async { tokio::join!(running, telling) } => both,
        () = listening => unreachable!("listening does not end"),
    };
    let (mut writer, requests) = told?;
    let (stopped, cores) = ended?;
    let of = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as f64;
    writer.say(&Tell::Done { stopped, cores: cores.map(|cores| (cores, of)) }, PATIENCE).await?;
    Ok(requests)
}

const MAX_STRANGERS: usize = 8;
const MAX_GUESTS: usize = 32;
const HELLO_PATIENCE: Duration = Duration::from_secs(5);
const AFTER_WRONG_TOKEN: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(30);
/// No run lasts longer than a day.
const A_RUN: Duration = Duration::from_secs(2 * 24 * 3600);
