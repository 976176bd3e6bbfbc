//! Brings error reports, already scrubbed, to the endpoint: a bounded queue and a thread of its own. While the endpoint is
//! away, or asks to be left alone, reports wait in the spool. What may leave at all is decided in `transport`.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::blocking::{Client, Response};
use sentry::types::Dsn;

use super::spool::Spool;
use crate::metrics::metrics;

/// Reports that may wait in memory, and the largest of them: the protocol takes no larger ones.
const QUEUE: usize = 256;
const LARGEST_BYTES: usize = 1 << 20;

/// Longest that one report may take to be delivered.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an endpoint that failed is left alone: twice as long each time, and never longer than the last.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The longest that an endpoint may ask for.
const LONGEST_WISH: Duration = Duration::from_secs(3600);

/// Between two reports of the spool: an endpoint that comes back must not be flooded.
const DRAIN_PAUSE: Duration = Duration::from_millis(100);

enum Command {
    Send(Vec<u8>),
    Flush(SyncSender<()>),
}

/// The sending end.
pub(crate) struct Endpoint {
    sender: SyncSender<Command>,
}

impl Endpoint {
    /// Starts the thread; what an earlier process left in the spool is brought first of all.
    pub(crate) fn start(dsn: Dsn, spool: Option<Spool>) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(QUEUE);
        thread::Builder::new().name("golive-errors".to_owned()).spawn(move || {
            let Ok(client) = Client::builder().timeout(SEND_TIMEOUT).build() else { return };
            Courier { client, dsn, spool, pause: FIRST_PAUSE, not_before: Instant::now() }.run(&receiver);
        })?;
        Ok(Self { sender })
    }

    pub(crate) fn send(&self, envelope: Vec<u8>) {
        if envelope.len() > LARGEST_BYTES || self.sender.try_send(Command::Send(envelope)).is_err() {
            metrics().count_lost_error("queue");
        }
    }

    /// Waits, at most so long, until what was sent before is delivered or in the spool.
    pub(crate) fn flush(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let (done, is_done) = sync_channel(1);
        let mut command = Command::Flush(done);
        while let Err(TrySendError::Full(back)) = self.sender.try_send(command) {
            if Instant::now() >= deadline {
                return false;
            }
            command = back;
            thread::sleep(Duration::from_millis(5));
        }
        is_done.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_ok()
    }
}

/// How an attempt ended.
#[derive(Debug, PartialEq, Eq)]
enum Attempt {
    Delivered,
    Later(Option<Duration>),
    Refused,
}

struct Courier {
    client: Client,
    dsn: Dsn,
    spool: Option<Spool>,
    pause: Duration,
    not_before: Instant,
}

impl Courier {
    fn run(&mut self, receiver: &Receiver<Command>) {
        loop {
            let is_spooled = self.spool.as_ref().is_some_and(|spool| !spool.is_empty());
            let wait = if is_spooled {
                self.not_before.saturating_duration_since(Instant::now()).max(DRAIN_PAUSE)
            } else {
                LONGEST_WISH
            };
            match receiver.recv_timeout(wait) {
                Ok(Command::Send(envelope)) => self.bring(envelope),
                Ok(Command::Flush(done)) => {
                    let _ = done.send(());
                }
                Err(RecvTimeoutError::Timeout) => self.drain_one(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Delivers one report, or keeps it where the endpoint cannot take it now.
    fn bring(&mut self, envelope: Vec<u8>) {
        if Instant::now() < self.not_before {
            return self.keep(&envelope);
        }
        match self.attempt(envelope.clone()) {
            Attempt::Delivered => metrics().count_sent_error(),
            Attempt::Refused => metrics().count_lost_error("refused"),
            Attempt::Later(_) => self.keep(&envelope),
        }
    }

    fn drain_one(&mut self) {
        if Instant::now() < self.not_before {
            return;
        }
        let Some((path, envelope)) = self.spool.as_mut().and_then(Spool::oldest) else { return };
        let attempt = self.attempt(envelope);
        let Some(spool) = &mut self.spool else { return };
        match attempt {
            Attempt::Later(_) => {}
            Attempt::Delivered => {
                metrics().count_sent_error();
                spool.remove(&path);
            }
            Attempt::Refused => {
                metrics().count_lost_error("refused");
                spool.remove(&path);
            }
        }
    }

    fn keep(&mut self, envelope: &[u8]) {
        let kept = self.spool.as_mut().map(|spool| spool.put(envelope));
        match kept {
            Some(Ok(dropped)) => (0..dropped).for_each(|_| metrics().count_lost_error("spool")),
            Some(Err(_)) => metrics().count_lost_error("spool"),
            None => metrics().count_lost_error("endpoint"),
        }
    }

    /// One attempt; it also decides how long the endpoint is left alone after it.
    fn attempt(&mut self, envelope: Vec<u8>) -> Attempt {
        let (attempt, wish) = match post(&self.client, &self.dsn, envelope) {
            Ok(response) => (judge(response.status(), wish(&response)), wish(&response)),
            Err(_) => (Attempt::Later(None), None),
        };
        self.pause = match attempt {
            Attempt::Later(None) => (self.pause * 2).min(LONGEST_PAUSE),
            _ => FIRST_PAUSE,
        };
        let pause = match attempt {
            Attempt::Later(None) => Some(self.pause),
            _ => wish,
        };
        if let Some(pause) = pause {
            self.not_before = Instant::now() + pause.min(LONGEST_WISH);
        }
        attempt
    }
}

/// Sends one envelope. The address holds the project's key, so no error may show it.
pub(super) fn post(client: &Client, dsn: &Dsn, envelope: Vec<u8>) -> Result<Response, reqwest::Error> {
    let agent = concat!("golive-observe/", env!("CARGO_PKG_VERSION"));
    client
        .post(dsn.envelope_api_url())
        .header("x-sentry-auth", dsn.to_auth(Some(agent)).to_string())
        .header("content-type", "application/x-sentry-envelope")
        .body(envelope)
        .send()
        .map_err(reqwest::Error::without_url)
}

fn judge(status: StatusCode, wish: Option<Duration>) -> Attempt {
    match status {
        status if status.is_success() => Attempt::Delivered,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Attempt::Later(wish),
        status if status.is_server_error() => Attempt::Later(wish),
        _ => Attempt::Refused,
    }
}

/// How long the endpoint wants to be left alone, which it may say with any answer.
fn wish(response: &Response) -> Option<Duration> {
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    header("x-sentry-rate-limits").and_then(rate_limit).or_else(|| {
        let seconds = header("retry-after")?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds))
    })
}

/// The longest limit of `SECONDS:CATEGORIES:…, …` that is about errors, or about everything.
fn rate_limit(header: &str) -> Option<Duration> {
    let limits = header.split(',').filter_map(|limit| {
        let mut parts = limit.trim().split(':');
        let seconds: f64 = parts.next()?.parse().ok()?;
        let categories = parts.next().unwrap_or_default();
        let is_ours = categories.is_empty()
            || categories.split(';').any(|category| matches!(category, "error" | "default"));
        (is_ours && seconds.is_finite() && seconds >= 0.0).then(|| Duration::from_secs_f64(seconds.min(1e6)))
    });
    limits.max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_about_errors_count() {
        let seconds = |header| rate_limit(header).map(|limit| limit.as_secs());
        assert_eq!(seconds("60:transaction:key, 2700:default;error:organization"), Some(2700));
        assert_eq!(seconds("60::organization"), Some(60));
        assert_eq!(seconds("60:transaction;span:key"), None);
        assert_eq!(seconds("soon:error"), None);
        assert_eq!(seconds("-5:error, nan:error, inf:error"), None);
    }

    #[test]
    fn what_may_pass_waits_and_a_refusal_does_not() {
        let answered = |code: u16| judge(StatusCode::from_u16(code).unwrap(), None);
        assert_eq!(answered(200), Attempt::Delivered);
        assert!([429, 408, 500, 503].iter().all(|code| answered(*code) == Attempt::Later(None)));
        assert!([400, 401, 403, 413].iter().all(|code| answered(*code) == Attempt::Refused));
    }
}
