//! Tells people: posts a short scrubbed text to a webhook that understands `{"text": …}` (Slack and its like), from a
//! thread of its own behind a bounded queue. What is worth an alert is decided by fingerprint and time, here too.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::errors::{Budget, ErrorEntry, Verdict};
use crate::metrics::metrics;
use crate::scrub::Scrubber;

/// Alerts that may wait; further ones are dropped and counted.
const QUEUE: usize = 64;

/// Longest that one post may take, and how often it is tried, with pauses between.
const POST_TIMEOUT: Duration = Duration::from_secs(5);
const RETRY_PAUSES: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(1)];

/// Alerts in one repeat interval, all errors together; a new error is always told.
const ALL_TOGETHER: u32 = 30;

/// How long the end of the program waits for alerts on their way.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// Longest text of an alert.
const LONGEST_TEXT_CHARS: usize = 1000;

enum Command {
    Send(String),
    Flush(SyncSender<()>),
}

/// Queues alerts for the thread that posts them.
pub(crate) struct Alerter {
    sender: SyncSender<Command>,
    repeats: Mutex<Budget>,
    service: String,
    scrubber: Scrubber,
}

impl Alerter {
    pub(crate) fn start(
        webhook: &SecretString,
        service: &str,
        repeat: Duration,
        scrubber: Scrubber,
    ) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(QUEUE);
        let webhook = webhook.clone();
        thread::Builder::new()
            .name("golive-alerts".to_owned())
            .spawn(move || post_all(&receiver, &webhook))?;
        let repeats = Mutex::new(Budget::new(1, ALL_TOGETHER, repeat));
        Ok(Self { sender, repeats, service: service.to_owned(), scrubber })
    }

    /// Tells of an error at first sight, and again only after the repeat interval.
    pub(crate) fn error(&self, entry: &ErrorEntry) {
        let verdict = {
            let mut repeats = self.repeats.lock().unwrap_or_else(PoisonError::into_inner);
            repeats.admit(&entry.fingerprint.join(" "), Instant::now())
        };
        let Verdict::Admit { suppressed } = verdict else { return };
        let text = text_of(&self.service, entry, suppressed + entry.suppressed);
        let text = self.scrubber.scrub(&text).chars().take(LONGEST_TEXT_CHARS).collect();
        match self.sender.try_send(Command::Send(text)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => metrics().count_alert("dropped"),
        }
    }

    /// Waits, within bounds, until the queue is empty.
    pub(crate) fn flush(&self) {
        let (done, is_done) = sync_channel(1);
        let started = Instant::now();
        let mut command = Command::Flush(done);
        while let Err(TrySendError::Full(back)) = self.sender.try_send(command) {
            if started.elapsed() >= CLOSE_TIMEOUT {
                return;
            }
            command = back;
            thread::sleep(Duration::from_millis(10));
        }
        let _ = is_done.recv_timeout(CLOSE_TIMEOUT.saturating_sub(started.elapsed()));
    }
}

/// One line that tells what, where and how often.
fn text_of(service: &str, entry: &ErrorEntry, suppressed: u64) -> String {
    let environment = entry.environment.as_deref().unwrap_or("unknown");
    let mut text = format!("[{environment}] {service}: {}", entry.title());
    if let Some(exception) = entry.exceptions.first().filter(|exception| *exception != entry.title()) {
        text.push_str(&format!(" ({exception})"));
    }
    text.push_str(&format!(" in {}", entry.target));
    if let Some(release) = &entry.release {
        text.push_str(&format!(", release {release}"));
    }
    if let Some(request_id) = &entry.request_id {
        text.push_str(&format!(", request {request_id}"));
    }
    if suppressed > 0 {
        text.push_str(&format!("; {suppressed} more since the last alert"));
    }
    text
}

/// The thread: posts what arrives until the last sender is gone.
fn post_all(receiver: &Receiver<Command>, webhook: &SecretString) {
    let client = reqwest::blocking::Client::builder()
        .timeout(POST_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build();
    for command in receiver {
        match (command, &client) {
            (Command::Send(text), Ok(client)) => {
                let outcome = if post(client, webhook, &text) { "sent" } else { "failed" };
                metrics().count_alert(outcome);
                if outcome == "failed" {
                    tracing::warn!("an alert could not be delivered; check the alert webhook");
                }
            }
            (Command::Send(_), Err(_)) => metrics().count_alert("failed"),
            (Command::Flush(done), _) => {
                let _ = done.send(());
            }
        }
    }
}

fn post(client: &reqwest::blocking::Client, webhook: &SecretString, text: &str) -> bool {
    let attempt = || {
        let request = client.post(webhook.expose_secret()).json(&json!({ "text": text }));
        request.send().is_ok_and(|response| response.status().is_success())
    };
    attempt()
        || RETRY_PAUSES.iter().any(|pause| {
            thread::sleep(*pause);
            attempt()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_tells_what_where_and_how_often() {
        let entry = ErrorEntry {
            message: "entry lost".to_owned(),
            exceptions: vec!["Io: gone".to_owned()],
            target: "demo::entries".to_owned(),
            environment: Some("production".to_owned()),
            request_id: Some("r-1234567".to_owned()),
            ..ErrorEntry::default()
        };
        let text = text_of("demo", &entry, 3);
        assert_eq!(
            text,
            "[production] demo: entry lost (Io: gone) in demo::entries, request r-1234567; 3 more since the last alert"
        );
    }
}
