//! The coordinator: deals a plan out, starts all agents at one moment, adds up what they tell.
//!
//! What must not be here: requests of its own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use rustls::pki_types::ServerName;
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::measure::Tally;
use crate::plan::{LoadPlan, Part};
use crate::report::{LoadReport, StopReason};
use crate::run::http::client_config;
use crate::run::summary::{self, Counted};
use crate::run::{LoadError, Progress, check, sample, spot};
use crate::watch::Sampler;

use super::link::{Reader, Stream, Writer, split};
use super::wire::{Ask, MAX_HELLO, MAX_MESSAGE, Task, Tell, Totals, VERSION};
use super::{AgentError, MIN_TOKEN, is_loopback};

/// Which agents share a load.
#[derive(Debug)]
#[non_exhaustive]
pub struct Agents {
    /// `host:port` each.
    pub addresses: Vec<String>,
    /// What they know too.
    pub token: SecretString,
    /// The authority of their certificates, as PEM, besides the usual ones. An agent on the loopback is spoken to without TLS
    /// unless this is given.
    pub authority_pem: Option<String>,
}

impl Agents {
    /// At these addresses, with this token.
    #[must_use]
    pub fn new(addresses: Vec<String>, token: SecretString) -> Self {
        Self { addresses, token, authority_pem: None }
    }
}

/// Runs `plan` on all agents together, as [`run_sampled`](crate::run_sampled) does on this machine. Which hosts may be loaded
/// is said here and at each agent.
///
/// # Errors
/// When the plan cannot be run, or an agent cannot be reached or will not take part. An agent that dies later is told in the
/// report, which is inconclusive then.
pub async fn run_with_agents(
    plan: &LoadPlan,
    agents: &Agents,
    progress: &(dyn Fn(Progress) + Send + Sync),
    cancel: &CancellationToken,
    sampler: Option<Sampler>,
) -> Result<LoadReport, AgentError> {
    if agents.token.expose_secret().len() < MIN_TOKEN {
        return Err(AgentError::WeakToken);
    }
    check::check(plan).map_err(AgentError::Plan)?;
    let of = u32::try_from(agents.addresses.len()).unwrap_or(u32::MAX);
    if of == 0 || of > MAX_AGENTS {
        let what = format!("name from 1 to {MAX_AGENTS} agents");
        return Err(AgentError::Plan(LoadError::Plan { what }));
    }
    let mut plan = plan.clone();
    for feeder in plan.scenarios.iter_mut().flat_map(|scenario| &mut scenario.data) {
        feeder.embed().map_err(|what| AgentError::Plan(LoadError::Plan { what }))?;
    }
    let ready = agents
        .addresses
        .iter()
        .zip(0..)
        .map(|(address, index)| prepare(agents, address, &plan, Part { index, of }));
    let ready = try_join_all(ready).await?;
    let (began, links) = begin(ready).await?;
    let mut run = Run::new(&plan, began, links);
    if let Some(sampler) = sampler {
        let to = run.samples.0.clone();
        run.tasks.spawn(async move { sample(began, sampler, to).await });
    }
    run.watch(progress, cancel).await;
    Ok(run.report())
}

/// An agent that waits for the word to begin.
struct Ready {
    address: String,
    reader: Reader,
    writer: Writer,
    /// There and back.
    round_trip: Duration,
}

async fn prepare(agents: &Agents, address: &str, plan: &LoadPlan, part: Part) -> Result<Ready, AgentError> {
    let failed = |why: String| AgentError::Agent { agent: address.to_owned(), why };
    let lost = |error: io::Error| {
        failed(format!("{error}: is it running, and with the same certificate authority?"))
    };
    let stream = connect(agents, address).await.map_err(&lost)?;
    let (mut reader, mut writer) = split(stream);
    let token = agents.token.expose_secret().to_owned();
    let asks = [Ask::Hello { version: VERSION, token }, Ask::Prepare(Box::new(Task::new(plan, part)))];
    for ask in asks {
        writer.say(&ask, PATIENCE).await.map_err(&lost)?;
        match reader.hear(MAX_HELLO, PATIENCE).await.map_err(&lost)? {
            Tell::Welcome | Tell::Ready => {}
            Tell::Refused { why } => return Err(failed(why)),
            _ => return Err(failed("it is no agent, or one of another version".to_owned())),
        }
    }
    let mut round_trip = PATIENCE;
    for _ in 0..PINGS {
        let sent = Instant::now();
        writer.say(&Ask::Ping, PATIENCE).await.map_err(&lost)?;
        let _: Tell = reader.hear(MAX_HELLO, PATIENCE).await.map_err(&lost)?;
        round_trip = round_trip.min(sent.elapsed());
    }
    Ok(Ready { address: address.to_owned(), reader, writer, round_trip })
}

async fn connect(agents: &Agents, address: &str) -> io::Result<Box<dyn Stream>> {
    let connecting = async {
        let tcp = TcpStream::connect(address).await?;
        let _ = tcp.set_nodelay(true);
        // By the address that it came to: the token leaves this machine inside TLS only.
        let peer: SocketAddr = tcp.peer_addr()?;
        if agents.authority_pem.is_none() && is_loopback(peer.ip()) {
            return Ok(Box::new(tcp) as Box<dyn Stream>);
        }
        let config = client_config(agents.authority_pem.as_deref()).map_err(io::Error::other)?;
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']']);
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let tls = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
        Ok(Box::new(tls) as Box<dyn Stream>)
    };
    tokio::time::timeout(PATIENCE, connecting).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Gives all the word at one moment: each is told how long to wait, less the time that the word is under way.
async fn begin(ready: Vec<Ready>) -> Result<(Instant, Vec<Ready>), AgentError> {
    let longest = ready.iter().map(|agent| agent.round_trip).max().unwrap_or_default();
    let began = Instant::now() + LEAD + longest;
    let words = ready.into_iter().map(|mut agent| async move {
        let wait = began.saturating_duration_since(Instant::now()).saturating_sub(agent.round_trip / 2);
        let word = Ask::Begin { in_micros: u64::try_from(wait.as_micros()).unwrap_or(0) };
        match agent.writer.say(&word, PATIENCE).await {
            Ok(()) => Ok(agent),
            Err(error) => Err(AgentError::Agent { agent: agent.address, why: error.to_string() }),
        }
    });
    Ok((began, try_join_all(words).await?))
}

/// What an agent told, or that it is gone.
struct Told {
    agent: usize,
    what: io::Result<Tell>,
}

/// How it stands with an agent.
struct Link {
    address: String,
    writer: Writer,
    totals: Totals,
    ended: Option<StopReason>,
    lost: Option<String>,
    cores: Option<(f64, f64)>,
}

impl Link {
    fn is_over(&self) -> bool {
        self.ended.is_some() || self.lost.is_some()
    }
}

struct Run<'p> {
    plan: &'p LoadPlan,
    began: Instant,
    links: Vec<Link>,
    counted: Counted,
    /// Told since the last second was closed.
    pending: Vec<Tally>,
    heard: mpsc::Receiver<Told>,
    samples: (mpsc::Sender<crate::report::Sample>, mpsc::Receiver<crate::report::Sample>),
    stopped: Option<StopReason>,
    tasks: JoinSet<()>,
}

impl<'p> Run<'p> {
    fn new(plan: &'p LoadPlan, began: Instant, ready: Vec<Ready>) -> Self {
        let (say, heard) = mpsc::channel(64);
        let (mut links, mut tasks) = (Vec::new(), JoinSet::new());
        for (agent, ready) in ready.into_iter().enumerate() {
            tasks.spawn(listen(agent, ready.reader, say.clone()));
            links.push(Link {
                address: ready.address,
                writer: ready.writer,
                totals: Totals::default(),
                ended: None,
                lost: None,
                cores: None,
            });
        }
        let spots = spot::spots(&plan.scenarios);
        Self {
            plan,
            began,
            links,
            pending: spots.iter().map(|_| Tally::new()).collect(),
            counted: Counted::new(spots, began + plan.warm_up),
            heard,
            samples: mpsc::channel(WAITING_SAMPLES),
            stopped: None,
            tasks,
        }
    }

    async fn watch(&mut self, progress: &(dyn Fn(Progress) + Send + Sync), cancel: &CancellationToken) {
        let mut ticks = tokio::time::interval_at(self.began + TICK, TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let over = self.began + self.plan.warm_up + self.plan.duration + self.plan.request_timeout + PATIENCE;
        let mut broken_since = None;
        while !self.links.iter().all(Link::is_over) {
            tokio::select! {
                Some(told) = self.heard.recv() => self.take(told),
                () = cancel.cancelled(), if self.stopped.is_none() => self.stop(StopReason::Canceled).await,
                () = tokio::time::sleep_until(over) => {
                    for link in self.links.iter_mut().filter(|link| !link.is_over()) {
                        link.lost = Some("it did not end in time".to_owned());
                    }
                }
                _ = ticks.tick() => {
                    self.close_second();
                    broken_since = self.counted.broken_since(self.plan, broken_since);
                    progress(self.progress());
                    let borne = self.plan.abort_after.zip(broken_since).is_some_and(|(bear, since): (Duration, Instant)| since.elapsed() >= bear);
                    if borne && self.stopped.is_none() {
                        self.stop(StopReason::Breached).await;
                    }
                }
            }
        }
        self.close_second();
        progress(self.progress());
    }

    fn take(&mut self, told: Told) {
        let link = &mut self.links[told.agent];
        match told.what {
            Ok(Tell::Seen { tallies, all }) if tallies.len() == self.pending.len() => {
                for (pending, own) in self.pending.iter_mut().zip(&tallies) {
                    pending.merge(own);
                }
                link.totals = all;
            }
            Ok(Tell::Done { stopped, cores }) => (link.ended, link.cores) = (Some(stopped), cores),
            Ok(_) => link.lost = Some("it said what makes no sense".to_owned()),
            Err(error) => link.lost = Some(error.to_string()),
        }
    }

    fn close_second(&mut self) {
        self.counted.add(&self.pending);
        self.counted.samples.take(&mut self.samples.1);
        self.pending.fill_with(Tally::new);
    }

    async fn stop(&mut self, reason: StopReason) {
        self.stopped = Some(reason);
        let words = self.links.iter_mut().filter(|link| !link.is_over());
        // One that does not hear it is lost anyway, and told as such.
        join_all(words.map(|link| link.writer.say(&Ask::Stop, STOP_PATIENCE))).await;
    }

    fn progress(&self) -> Progress {
        let sum = |of: fn(&Totals) -> u64| self.links.iter().map(|link| of(&link.totals)).sum();
        let total = self.plan.warm_up + self.plan.duration;
        let counts = [sum(|t| t.requests), sum(|t| t.errors), sum(|t| t.content_failures)];
        Progress::new(self.began.elapsed(), total, counts, self.counted.lately())
    }

    fn report(self) -> LoadReport {
        let ended = |reason| self.links.iter().any(|link| link.ended == Some(reason));
        let stopped = self.stopped.unwrap_or_else(|| match () {
            () if ended(StopReason::RequestLimit) => StopReason::RequestLimit,
            () if ended(StopReason::Duration) => StopReason::Duration,
            () => StopReason::Iterations,
        });
        let mut report = summary::summarize(self.plan, self.counted, stopped, None);
        let took = self.links.iter().map(|link| link.cores.map(|(cores, _)| cores));
        report.generator_cores = took.sum();
        for link in &self.links {
            if let Some(why) = &link.lost {
                report.inconclusive.push(format!(
                    "agent {} was lost ({why}): what it had told counts, the rest is missing",
                    link.address
                ));
            }
            if let Some((cores, of)) = link.cores
                && let Some(doubt) = summary::full(cores, of)
            {
                report.inconclusive.push(format!("agent {}: {doubt}", link.address));
            }
        }
        report
    }
}

async fn listen(agent: usize, mut reader: Reader, say: mpsc::Sender<Told>) {
    loop {
        let what = reader.hear(MAX_MESSAGE, SILENCE).await;
        let is_last = !matches!(what, Ok(Tell::Seen { .. }));
        if say.send(Told { agent, what }).await.is_err() || is_last {
            return;
        }
    }
}

const MAX_AGENTS: u32 = 100;
/// They are taken once a second.
const WAITING_SAMPLES: usize = 64;
const PINGS: usize = 5;
/// From the last preparation to the first request.
const LEAD: Duration = Duration::from_millis(300);
const TICK: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(30);
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// An agent tells something each second.
const SILENCE: Duration = Duration::from_secs(10);
