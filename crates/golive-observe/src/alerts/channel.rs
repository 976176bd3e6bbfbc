//! One way to tell people: a bounded queue and a thread that delivers, so that a channel that hangs holds up neither a
//! request nor another channel. Retries are here; what is told is decided above.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::blocking::{Client, Response};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use url::Url;

use super::mail::Mailer;
use super::{Alert, AlertChannel, AlertSetupError, TestedChannel};
use crate::metrics::metrics;

/// Alerts that may wait; further ones are dropped and counted.
const QUEUE: usize = 64;

/// Longest that one attempt may take, and the pauses between attempts.
pub(super) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
const RETRY_PAUSES: [Duration; 4] =
    [Duration::from_millis(250), Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(30)];

/// The longest that a receiver may ask to be left alone.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How an attempt ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    Delivered,
    /// Worth another try, at the earliest after the given pause.
    Later(Option<Duration>, String),
    /// Trying again would not help.
    Refused(String),
}

enum Command {
    Send(Alert),
    Flush(SyncSender<()>),
}

/// The sending end of a channel.
pub(super) struct Channel {
    name: &'static str,
    sender: SyncSender<Command>,
    closing: Arc<Closing>,
}

/// Wakes a thread from its pause between attempts when the program ends.
#[derive(Default)]
struct Closing {
    is_closing: Mutex<bool>,
    changed: Condvar,
}

impl Closing {
    /// Waits; says whether the program goes on.
    fn pause(&self, pause: Duration) -> bool {
        let guard = self.is_closing.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(guard, pause, |is_closing| !*is_closing);
        !*waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Channel {
    pub(super) fn start(options: &AlertChannel) -> Result<Self, AlertSetupError> {
        let route = Route::open(options)?;
        let name = route.name();
        let (sender, receiver) = sync_channel(QUEUE);
        let closing = Arc::new(Closing::default());
        let pauses = Arc::clone(&closing);
        thread::Builder::new()
            .name(format!("golive-{name}"))
            .spawn(move || deliver_all(&receiver, &route, &pauses))
            .map_err(|error| AlertSetupError::System { reason: error.to_string() })?;
        Ok(Self { name, sender, closing })
    }

    pub(super) fn send(&self, alert: Alert) {
        match self.sender.try_send(Command::Send(alert)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                metrics().count_alert(self.name, "dropped");
            }
        }
    }

    /// Waits until the queue is empty, or the deadline. What fails from here on is not tried again.
    pub(super) fn flush(&self, deadline: Instant) {
        *self.closing.is_closing.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.closing.changed.notify_all();
        let (done, is_done) = sync_channel(1);
        let mut command = Command::Flush(done);
        while let Err(TrySendError::Full(back)) = self.sender.try_send(command) {
            if Instant::now() >= deadline {
                return;
            }
            command = back;
            thread::sleep(Duration::from_millis(5));
        }
        let _ = is_done.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}

/// The thread: delivers what arrives until the last sender is gone.
fn deliver_all(receiver: &Receiver<Command>, route: &Route, closing: &Closing) {
    for command in receiver {
        match command {
            Command::Send(alert) => {
                let outcome = deliver(route, &alert, closing);
                metrics().count_alert(route.name(), if outcome.is_ok() { "sent" } else { "failed" });
                if let Err(problem) = outcome {
                    let channel = route.name();
                    tracing::warn!(target: "golive_observe::alerts", channel, problem, "an alert could not be delivered");
                }
            }
            Command::Flush(done) => {
                let _ = done.send(());
            }
        }
    }
}

/// Tries, and tries again while that may help and the program goes on.
fn deliver(route: &Route, alert: &Alert, closing: &Closing) -> Result<(), String> {
    let mut pauses = RETRY_PAUSES.iter();
    loop {
        let (wish, problem) = match route.attempt(alert) {
            Attempt::Delivered => return Ok(()),
            Attempt::Refused(problem) => return Err(problem),
            Attempt::Later(wish, problem) => (wish, problem),
        };
        let Some(pause) = pauses.next() else { return Err(problem) };
        metrics().count_alert(route.name(), "retried");
        if !closing.pause(wish.unwrap_or(*pause).max(*pause).min(LONGEST_PAUSE)) {
            // One more try, and then the program may end.
            return match route.attempt(alert) {
                Attempt::Delivered => Ok(()),
                Attempt::Later(_, problem) | Attempt::Refused(problem) => Err(problem),
            };
        }
    }
}

/// One attempt through one channel, for a test of it.
pub(super) fn test(options: &AlertChannel, alert: &Alert) -> Result<TestedChannel, AlertSetupError> {
    let route = Route::open(options)?;
    let problem = match route.attempt(alert) {
        Attempt::Delivered => None,
        Attempt::Later(_, problem) | Attempt::Refused(problem) => Some(problem),
    };
    Ok(TestedChannel { channel: route.name(), is_delivered: problem.is_none(), problem })
}

/// A way that is set up.
enum Route {
    Slack(Client, SecretString),
    Webhook(Client, SecretString),
    Mail(Box<Mailer>),
}

impl Route {
    fn open(options: &AlertChannel) -> Result<Self, AlertSetupError> {
        Ok(match options {
            AlertChannel::Slack(address) => Self::Slack(client(address)?, address.clone()),
            AlertChannel::Webhook(address) => Self::Webhook(client(address)?, address.clone()),
            AlertChannel::Mail(options) => Self::Mail(Box::new(Mailer::open(options)?)),
        })
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Slack(..) => "slack",
            Self::Webhook(..) => "webhook",
            Self::Mail(_) => "mail",
        }
    }

    fn attempt(&self, alert: &Alert) -> Attempt {
        let answered = match self {
            Self::Slack(client, address) => {
                client.post(address.expose_secret()).json(&json!({ "text": alert.text })).send()
            }
            Self::Webhook(client, address) => {
                client.post(address.expose_secret()).header("idempotency-key", &alert.id).json(alert).send()
            }
            Self::Mail(mailer) => return mailer.attempt(alert),
        };
        match answered {
            Ok(response) => judge(response.status(), retry_after(&response)),
            // The address is a secret.
            Err(error) => Attempt::Later(None, crate::errors::chain(&error.without_url())),
        }
    }
}

/// A client of a thread of its own: a blocking one must not be built, used or dropped inside an asynchronous runtime.
fn client(address: &SecretString) -> Result<Client, AlertSetupError> {
    let is_address =
        Url::parse(address.expose_secret()).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if !is_address {
        return Err(AlertSetupError::Webhook);
    }
    // A redirect could lead to a private address.
    let build =
        || Client::builder().timeout(ATTEMPT_TIMEOUT).redirect(reqwest::redirect::Policy::none()).build();
    let failed = |reason: String| AlertSetupError::System { reason };
    let built = thread::spawn(build).join().map_err(|_| failed("no HTTP client".to_owned()))?;
    built.map_err(|error| failed(error.to_string()))
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get("retry-after")?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn judge(status: StatusCode, retry_after: Option<Duration>) -> Attempt {
    match status {
        status if status.is_success() => Attempt::Delivered,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
            Attempt::Later(retry_after, format!("answered {status}"))
        }
        status if status.is_server_error() => Attempt::Later(retry_after, format!("answered {status}")),
        status => Attempt::Refused(format!("answered {status}; check the address")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_tried_again_and_a_refusal_is_not() {
        let wish = Some(Duration::from_secs(7));
        let answered = |code: u16| judge(StatusCode::from_u16(code).unwrap(), wish);
        assert_eq!(answered(204), Attempt::Delivered);
        for code in [429, 503, 500, 408] {
            assert!(matches!(answered(code), Attempt::Later(pause, _) if pause == wish), "{code}");
        }
        for code in [400, 404, 301] {
            assert!(matches!(answered(code), Attempt::Refused(_)), "{code}");
        }
    }
}
