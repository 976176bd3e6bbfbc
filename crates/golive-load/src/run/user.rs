//! One virtual user: waits for its turn, sends, holds the answer against what is expected, remembers how long it took.
//!
//! What must not be here: totals over users.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use crate::measure::Tally;
use crate::plan::Scenario;
use crate::template::{self, Filled, Filling, Random};

use super::Shared;

pub(crate) struct User {
    shared: Arc<Shared>,
    scenario: Arc<Scenario>,
    /// The scenario's next iteration, shared by its users.
    turn: Arc<AtomicU64>,
    number: u32,
    random: Random,
    tally: Tally,
}

/// When a request should start, and which one it is.
struct Turn {
    sequence: u64,
    intended: Instant,
}

/// How a request ended.
enum Outcome {
    Good { bytes: u64 },
    WrongContent { bytes: u64, complaint: String },
    Error { class: String, timed_out: bool },
}

impl User {
    pub(crate) fn new(
        shared: Arc<Shared>,
        scenario: Arc<Scenario>,
        turn: Arc<AtomicU64>,
        number: u32,
        seed: u64,
    ) -> Self {
        Self { shared, scenario, turn, number, random: Random::new(seed), tally: Tally::new() }
    }

    /// Lives until time, turns, budget or patience is over.
    pub(crate) async fn live(mut self) -> Tally {
        let cancel = self.shared.cancel.clone();
        let mut free_at = self.begins();
        while let Some(turn) = self.next_turn(free_at) {
            let waited = tokio::select! {
                () = cancel.cancelled() => break,
                waited = wait_until(turn.intended) => waited,
            };
            if Instant::now() >= self.shared.gives_up {
                self.remember(&turn, turn.intended, false, not_sent());
                continue;
            }
            if !self.shared.may_send() {
                break;
            }
            let request = self.build(turn.sequence);
            let sent = Instant::now();
            let outcome = tokio::select! {
                () = cancel.cancelled() => break,
                outcome = exchange(request, &self.scenario) => outcome,
            };
            self.remember(&turn, sent, waited, outcome);
            free_at = Instant::now() + self.think();
        }
        self.tally
    }

    /// Scenarios with a fixed number of iterations wait for the counted time.
    fn begins(&self) -> Instant {
        let warm = self.scenario.iterations.is_none() && self.scenario.start_after.is_zero();
        if warm { self.shared.began } else { self.shared.counted_from + self.scenario.start_after }
    }

    fn next_turn(&self, free_at: Instant) -> Option<Turn> {
        if self.scenario.arrivals_per_second.is_none() && free_at >= self.shared.ends {
            return None;
        }
        let sequence = self.turn.fetch_add(1, Ordering::Relaxed);
        if self.scenario.iterations.is_some_and(|limit| sequence >= limit) {
            return None;
        }
        let intended = match self.scenario.arrivals_per_second {
            // The schedule does not care who is free: a late request counts from when it should have gone out.
            Some(rate) => self.begins() + Duration::from_secs_f64(sequence as f64 / rate),
            None => free_at,
        };
        (intended < self.shared.ends).then_some(Turn { sequence, intended })
    }

    fn build(&mut self, sequence: u64) -> reqwest::RequestBuilder {
        let mut filling = Filling::new(sequence, self.number, &self.scenario.values, &mut self.random);
        let filled = template::fill(&self.scenario.request, &mut filling);
        let method = reqwest::Method::from_bytes(self.scenario.request.method.as_bytes())
            .expect("the method was checked before the run");
        let base = self.shared.base_url.as_str().trim_end_matches('/');
        let Filled { path, headers, body } = filled;
        let mut request = self.shared.client.request(method, format!("{base}{path}"));
        if let Some((content_type, bytes)) = body {
            request = request.header(CONTENT_TYPE, content_type).body(bytes);
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        match self.token() {
            Some(value) => request.header(AUTHORIZATION, value),
            None => request,
        }
    }

    fn token(&self) -> Option<HeaderValue> {
        let tokens = &self.scenario.tokens;
        let token: &SecretString = tokens.get((self.number as usize).checked_rem(tokens.len())?)?;
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    fn remember(&mut self, turn: &Turn, sent: Instant, waited: bool, outcome: Outcome) {
        let (error, content) =
            (matches!(outcome, Outcome::Error { .. }), matches!(outcome, Outcome::WrongContent { .. }));
        self.shared.note(error, content);
        if turn.intended < self.shared.counted_from {
            return;
        }
        let (service, response) = (sent.elapsed(), turn.intended.elapsed());
        let tally = &mut self.tally;
        tally.requests += 1;
        if waited {
            tally.send_lag.record(sent.saturating_duration_since(turn.intended));
        }
        let timed = match outcome {
            Outcome::Good { bytes } => {
                tally.bytes += bytes;
                true
            }
            Outcome::WrongContent { bytes, complaint } => {
                tally.bytes += bytes;
                tally.complain(complaint);
                false
            }
            Outcome::Error { class, timed_out } => {
                *tally.errors.entry(class).or_default() += 1;
                timed_out
            }
        };
        if timed {
            tally.service.record(service);
            tally.response.record(response);
        }
    }

    /// Around the planned pause, by half, so that users do not march in step.
    fn think(&mut self) -> Duration {
        let percent = u32::try_from(self.random.between(50, 150)).expect("at most 150");
        self.scenario.think_time * percent / 100
    }
}

/// A server that cannot keep up must not make the run endless: what is left of the schedule was never answered.
fn not_sent() -> Outcome {
    Outcome::Error { class: "not_sent".to_owned(), timed_out: false }
}

/// Whether there was something to wait for; if not, the user was busy when the request should have started.
async fn wait_until(intended: Instant) -> bool {
    if Instant::now() >= intended {
        return false;
    }
    tokio::time::sleep_until(intended).await;
    true
}

async fn exchange(request: reqwest::RequestBuilder, scenario: &Scenario) -> Outcome {
    match answer(request, scenario).await {
        Ok(outcome) => outcome,
        Err(error) => {
            let class = match &error {
                e if e.is_timeout() => "timeout",
                e if e.is_connect() => "connect",
                e if e.is_builder() => "request",
                _ => "transport",
            };
            Outcome::Error { class: class.to_owned(), timed_out: error.is_timeout() }
        }
    }
}

async fn answer(request: reqwest::RequestBuilder, scenario: &Scenario) -> Result<Outcome, reqwest::Error> {
    let expect = &scenario.expect;
    let mut response = request.send().await?;
    let status = response.status().as_u16();
    let keep = !expect.ignores_body();
    let (mut body, mut bytes) = (Vec::new(), 0_usize);
    while let Some(chunk) = response.chunk().await? {
        bytes += chunk.len();
        if bytes > expect.max_body_bytes {
            return Ok(Outcome::Error { class: "too_large".to_owned(), timed_out: false });
        }
        if keep {
            body.extend_from_slice(&chunk);
        }
    }
    if !expect.status.contains(&status) {
        return Ok(Outcome::Error { class: format!("status_{status}"), timed_out: false });
    }
    let bytes = bytes as u64;
    let complaint = if keep { expect.complaint(&body) } else { None };
    Ok(match complaint {
        Some(complaint) => Outcome::WrongContent { bytes, complaint },
        None => Outcome::Good { bytes },
    })
}
