//! One virtual user: waits for its turn, sends, holds the answer against what is expected, records how long it took.
//!
//! What must not be here: totals over users.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, LOCATION, RETRY_AFTER, USER_AGENT};
use hyper::{Request, Response};
use secrecy::ExposeSecret;
use tokio::time::Instant;

use crate::measure::Tally;
use crate::plan::Scenario;
use crate::schedule::Schedule;
use crate::template::{self, Filled, Filling, Random};

use super::Shared;
use super::http::{Broken, Connection};

/// What the users of one scenario share.
pub(crate) struct Role {
    pub(crate) index: usize,
    pub(crate) scenario: Scenario,
    /// `None` in the closed model.
    pub(crate) schedule: Option<Schedule>,
    /// When it begins; the schedule counts from here.
    pub(crate) begins: Instant,
    /// The next iteration.
    pub(crate) turn: AtomicU64,
    pub(crate) tokens: Vec<HeaderValue>,
}

impl Role {
    pub(crate) fn new(index: usize, scenario: &Scenario, shared: &Shared) -> Self {
        let tokens = scenario.tokens.iter().filter_map(|token| {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        // Scenarios with a fixed number of iterations wait for the counted time.
        let warm = scenario.iterations.is_none() && scenario.start_after.is_zero();
        let begins = if warm { shared.began } else { shared.counted_from + scenario.start_after };
        let lead = shared.counted_from.saturating_duration_since(begins);
        let counted = shared.ends.saturating_duration_since(begins + lead);
        Self {
            index,
            schedule: Schedule::of(scenario, lead, counted),
            begins,
            turn: AtomicU64::new(0),
            tokens: tokens.collect(),
            scenario: scenario.clone(),
        }
    }
}

pub(crate) struct User {
    shared: Arc<Shared>,
    role: Arc<Role>,
    number: u32,
    random: Random,
    connection: Option<Connection>,
}

/// When a request should start, and which one it is.
struct Turn {
    sequence: u64,
    intended: Instant,
}

/// How a request ended.
struct Outcome {
    status: Option<u16>,
    bytes: u64,
    retry_after: Option<Duration>,
    end: Ended,
}

enum Ended {
    Good,
    WrongContent { complaint: String },
    Error { class: String, cause: Option<String>, timed_out: bool },
}

impl User {
    pub(crate) fn new(shared: Arc<Shared>, role: Arc<Role>, number: u32, seed: u64) -> Self {
        Self { shared, role, number, random: Random::new(seed), connection: None }
    }

    /// Lives until time, turns, budget or patience is over, or until the task is aborted.
    pub(crate) async fn live(mut self) {
        let mut free_at = self.role.begins;
        while let Some(turn) = self.next_turn(free_at) {
            let waited = wait_until(turn.intended).await;
            if Instant::now() >= self.shared.gives_up {
                self.remember(&turn, turn.intended, false, Outcome::error("not_sent", None));
                continue;
            }
            if !self.shared.may_send() {
                break;
            }
            let request = self.build(turn.sequence);
            let sent = Instant::now();
            let outcome = match request {
                Ok(request) => self.exchange(request).await,
                Err(broken) => broken.into(),
            };
            let asked = outcome.retry_after.unwrap_or(Duration::ZERO).min(MAX_RETRY_AFTER);
            self.remember(&turn, sent, waited, outcome);
            free_at = Instant::now() + self.think().max(asked);
        }
    }

    fn next_turn(&self, free_at: Instant) -> Option<Turn> {
        let role = &self.role;
        if role.schedule.is_none() && free_at >= self.shared.ends {
            return None;
        }
        let sequence = role.turn.fetch_add(1, Ordering::Relaxed);
        if role.scenario.iterations.is_some_and(|limit| sequence >= limit) {
            return None;
        }
        let intended = match &role.schedule {
            // The schedule does not care who is free: a late request counts from when it should have gone out.
            Some(schedule) => role.begins + schedule.intended(sequence)?,
            None => free_at,
        };
        (intended < self.shared.ends).then_some(Turn { sequence, intended })
    }

    fn build(&mut self, sequence: u64) -> Result<Request<Full<Bytes>>, Broken> {
        let scenario = &self.role.scenario;
        let mut filling = Filling::new(sequence, self.number, &scenario.values, &mut self.random);
        let Filled { path, headers, body } = template::fill(&scenario.request, &mut filling);
        let target = &self.shared.target;
        let mut request = Request::builder()
            .method(scenario.request.method.as_str())
            .uri(format!("{}{path}", target.prefix))
            .header(HOST, &target.authority)
            .header(USER_AGENT, concat!("golive-load/", env!("CARGO_PKG_VERSION")));
        let mut content = Bytes::new();
        if let Some((content_type, bytes)) = body {
            request = request.header(CONTENT_TYPE, content_type);
            content = bytes.into();
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let tokens = &self.role.tokens;
        if let Some(number) = (self.number as usize).checked_rem(tokens.len()) {
            request = request.header(AUTHORIZATION, &tokens[number]);
        }
        // The error may quote a header, so it is not told.
        request.body(Full::new(content)).map_err(|_| Broken {
            class: "request",
            cause: "its path or a header holds what HTTP does not allow".to_owned(),
            unsent: true,
        })
    }

    /// One request and its answer, within the time allowed. A connection that did not end well is not used again.
    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Outcome {
        let limit = self.shared.request_timeout;
        let connection = self.connection.take();
        let work = talk(&self.shared, &self.role.scenario, connection, request);
        match tokio::time::timeout(limit, work).await {
            Ok(Ok((outcome, connection))) => {
                self.connection = connection;
                outcome
            }
            Ok(Err(broken)) => broken.into(),
            Err(_) => {
                let cause = format!("not fully answered within {} ms", limit.as_millis());
                let mut outcome = Outcome::error("timeout", Some(cause));
                if let Ended::Error { timed_out, .. } = &mut outcome.end {
                    *timed_out = true;
                }
                outcome
            }
        }
    }

    fn remember(&self, turn: &Turn, sent: Instant, waited: bool, outcome: Outcome) {
        let (error, content) =
            (matches!(outcome.end, Ended::Error { .. }), matches!(outcome.end, Ended::WrongContent { .. }));
        self.shared.note(error, content);
        if turn.intended < self.shared.counted_from {
            return;
        }
        let (service, response) = (sent.elapsed(), turn.intended.elapsed());
        let lag = waited.then(|| sent.saturating_duration_since(turn.intended));
        let open = self.role.schedule.is_some();
        self.shared.recorder.record(self.role.index, self.number, |tally| {
            add(tally, outcome, service, response, lag, open);
        });
    }

    /// Around the planned pause, by half, so that users do not march in step.
    fn think(&mut self) -> Duration {
        if self.role.scenario.think_time.is_zero() {
            return Duration::ZERO;
        }
        let percent = u32::try_from(self.random.between(50, 150)).expect("at most 150");
        self.role.scenario.think_time * percent / 100
    }
}

impl Outcome {
    fn error(class: impl Into<String>, cause: Option<String>) -> Self {
        let end = Ended::Error { class: class.into(), cause, timed_out: false };
        Self { status: None, bytes: 0, retry_after: None, end }
    }
}

impl From<Broken> for Outcome {
    fn from(broken: Broken) -> Self {
        Self::error(broken.class, Some(broken.cause))
    }
}

fn add(
    tally: &mut Tally,
    outcome: Outcome,
    service: Duration,
    response: Duration,
    lag: Option<Duration>,
    open: bool,
) {
    tally.requests += 1;
    tally.bytes += outcome.bytes;
    if let Some(lag) = lag {
        tally.send_lag.record(lag);
    }
    if let Some(wait) = outcome.retry_after {
        tally.asked_to_wait += 1;
        tally.longest_wait = tally.longest_wait.max(wait);
    }
    if let Some(status) = outcome.status {
        let felt = if open { response } else { service };
        tally.by_status.entry(status).or_insert_with(crate::measure::Times::new).record(felt);
    }
    let timed = match outcome.end {
        Ended::Good => true,
        Ended::WrongContent { complaint } => {
            tally.complain(complaint);
            false
        }
        Ended::Error { class, cause, timed_out } => {
            tally.fail(class, cause);
            timed_out
        }
    };
    if timed {
        tally.service.record(service);
        tally.response.record(response);
    }
}

/// Whether there was something to wait for; if not, the user was busy when the request should have started.
async fn wait_until(intended: Instant) -> bool {
    if Instant::now() >= intended {
        return false;
    }
    tokio::time::sleep_until(intended).await;
    true
}

async fn talk(
    shared: &Shared,
    scenario: &Scenario,
    connection: Option<Connection>,
    request: Request<Full<Bytes>>,
) -> Result<(Outcome, Option<Connection>), Broken> {
    let mut usable = None;
    if let Some(mut kept) = connection {
        usable = kept.is_open().await.then_some(kept);
    }
    let mut connection = match usable {
        Some(connection) => connection,
        None => shared.target.connect().await?,
    };
    let response = match connection.send(request.clone()).await {
        // It was closed between the look and the sending.
        Err(broken) if broken.unsent => {
            connection = shared.target.connect().await?;
            connection.send(request).await?
        }
        answer => answer?,
    };
    let outcome = read(shared, scenario, &mut connection, response).await?;
    let whole = !matches!(&outcome.end, Ended::Error { class, .. } if class == "too_large");
    Ok((outcome, whole.then_some(connection)))
}

async fn read(
    shared: &Shared,
    scenario: &Scenario,
    connection: &mut Connection,
    response: Response<hyper::body::Incoming>,
) -> Result<Outcome, Broken> {
    let expect = &scenario.expect;
    let (head, mut content) = response.into_parts();
    let status = head.status.as_u16();
    let text = |name| head.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let retry_after = text(RETRY_AFTER).filter(|_| matches!(status, 429 | 503)).map(seconds);
    let keep = !expect.ignores_body();
    let (mut body, mut bytes) = (Vec::new(), 0_usize);
    let outcome = |bytes: usize, end| Outcome { status: Some(status), bytes: bytes as u64, retry_after, end };
    let error = |class: String, cause| Ended::Error { class, cause, timed_out: false };
    while let Some(chunk) = connection.chunk(&mut content).await {
        let chunk = chunk?;
        bytes += chunk.len();
        if bytes > expect.max_body_bytes {
            let cause = format!("more than {} bytes", expect.max_body_bytes);
            return Ok(outcome(bytes, error("too_large".to_owned(), Some(cause))));
        }
        if keep {
            body.extend_from_slice(&chunk);
        }
    }
    if !expect.status.contains(&status) {
        let elsewhere = text(LOCATION)
            .filter(|location| head.status.is_redirection() && shared.target.is_elsewhere(location));
        let class =
            if elsewhere.is_some() { "redirect_elsewhere".to_owned() } else { format!("status_{status}") };
        let cause = elsewhere.map(|_| "it points to another host, and was not followed".to_owned());
        return Ok(outcome(bytes, error(class, cause)));
    }
    let complaint = if keep { expect.complaint(&body) } else { None };
    Ok(outcome(bytes, complaint.map_or(Ended::Good, |complaint| Ended::WrongContent { complaint })))
}

/// Seconds of a `Retry-After`; a date there asks for a second.
fn seconds(text: &str) -> Duration {
    Duration::from_secs(text.trim().parse().unwrap_or(1))
}

/// A server may ask for any wait; a run has an end.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(30);
