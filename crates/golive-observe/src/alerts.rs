//! Tells people. Errors are told at first sight and then only now and then; conditions (readiness, failed requests, the
//! backup) are told when they are bad for long enough and again when they are over. When to tell is decided in `incident`
//! and `rules`, how it gets there in `channel` and `mail`.

mod channel;
mod incident;
mod mail;
mod rules;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use secrecy::SecretString;
use serde::Serialize;

use crate::clock;
use crate::errors::{Budget, ErrorEntry, Verdict};
use crate::health::{HEALTH_TARGET, PAGE_AFTER};
use crate::scrub::Scrubber;
use channel::Channel;
use incident::{Incident, Patience, Transition};
pub use mail::MailOptions;

/// Alerts in one repeat interval, all errors together; a new error is always told.
const ALL_TOGETHER: u32 = 30;

/// How long the end of the program waits for alerts on their way, over all channels.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// Longest text of an alert.
const LONGEST_TEXT_CHARS: usize = 1000;

/// Readiness is told after as many bad results in a row as make a page, and is over after two good ones.
const READINESS: Patience = Patience { raise_after: PAGE_AFTER, recover_after: 2 };

static ALERTER: OnceLock<Arc<Alerter>> = OnceLock::new();

/// Where alerts go. Addresses are secrets: whoever knows them can write there.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum AlertChannel {
    /// A webhook that understands `{"text": …}`, as Slack's, Mattermost's and their like do.
    Slack(SecretString),
    /// Any webhook: gets an alert as one JSON document, with an `Idempotency-Key` that stays the same over retries.
    Webhook(SecretString),
    /// A mailbox, over SMTP with TLS.
    Mail(MailOptions),
}

/// Who is told, and of what.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AlertOptions {
    /// Where alerts go; all of them get every alert. None by default.
    pub channels: Vec<AlertChannel>,
    /// Least time between two alerts of the same error or condition. 30 minutes by default.
    pub repeat: Duration,
    /// The share of requests, over five minutes, that may fail with a 5xx status. 0.05 by default.
    pub most_failed_share: f64,
    /// How old the last good backup may be, where [`observe_backup_age`](crate::Metrics::observe_backup_age) tells. 26
    /// hours by default.
    pub most_backup_age: Duration,
    /// How often the shares and ages are looked at. 10 seconds by default.
    pub look_every: Duration,
}

impl Default for AlertOptions {
    fn default() -> Self {
        Self {
            channels: Vec::new(),
            repeat: Duration::from_secs(30 * 60),
            most_failed_share: 0.05,
            most_backup_age: Duration::from_secs(26 * 3600),
            look_every: Duration::from_secs(10),
        }
    }
}

/// What an alert tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Raised,
    Repeated,
    Flapping,
    Recovered,
    Test,
}

/// One alert as a generic webhook gets it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Alert {
    /// Stays the same over retries.
    pub(crate) id: String,
    /// What it is about: the same over raised, repeated and recovered.
    pub(crate) key: String,
    pub(crate) state: State,
    pub(crate) service: String,
    pub(crate) environment: String,
    pub(crate) timestamp: String,
    pub(crate) text: String,
}

/// Hands alerts to the channels.
pub(crate) struct Alerter {
    channels: Vec<Channel>,
    repeat: Duration,
    errors: Mutex<Budget>,
    incidents: Mutex<HashMap<&'static str, Incident>>,
    service: String,
    environment: String,
    scrubber: Scrubber,
}

/// Why nobody can be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AlertSetupError {
    /// A webhook is not an http(s) address; it is a secret, so it is not repeated.
    #[error("read an alert webhook: it must be an http:// or https:// address")]
    Webhook,
    /// The mail server, sender, recipient or certificate makes no sense.
    #[error("set up alerts by mail: {reason}")]
    Mail {
        /// What is wrong, without any secret.
        reason: String,
    },
    /// A thread or client cannot be started.
    #[error("start an alert channel: {reason}; check the limits of this process")]
    System {
        /// What the system said.
        reason: String,
    },
}

impl Alerter {
    /// Starts the channels, and the thread that looks at shares and ages.
    pub(crate) fn start(
        options: &AlertOptions,
        service: &str,
        environment: &str,
        scrubber: Scrubber,
    ) -> Result<Arc<Self>, AlertSetupError> {
        let channels = options.channels.iter().map(Channel::start).collect::<Result<_, _>>()?;
        let alerter = Arc::new(Self {
            channels,
            repeat: options.repeat,
            errors: Mutex::new(Budget::new(1, ALL_TOGETHER, options.repeat)),
            incidents: Mutex::default(),
            service: service.to_owned(),
            environment: environment.to_owned(),
            scrubber,
        });
        rules::start(&alerter, options)?;
        let _ = ALERTER.set(Arc::clone(&alerter));
        Ok(alerter)
    }

    /// Tells of an error at first sight, and again only after the repeat interval.
    pub(crate) fn error(&self, entry: &ErrorEntry) {
        if entry.target == HEALTH_TARGET {
            return; // told as a condition, with its end
        }
        let key = entry.fingerprint.join(" ");
        let verdict = {
            let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
            errors.admit(&key, Instant::now())
        };
        let Verdict::Admit { suppressed } = verdict else { return };
        let suppressed = suppressed + entry.suppressed;
        let state = if suppressed > 0 { State::Repeated } else { State::Raised };
        self.tell(&key, state, &text_of(entry, suppressed));
    }

    /// Notes how a condition is, and tells what follows from it. `text` says what is wrong.
    fn condition(&self, key: &'static str, is_bad: bool, text: &str, patience: Patience, now: Instant) {
        let transition = {
            let mut incidents = self.incidents.lock().unwrap_or_else(PoisonError::into_inner);
            incidents.entry(key).or_default().observe(is_bad, patience, self.repeat, now)
        };
        let (state, text) = match transition {
            Transition::None => return,
            Transition::Raise => (State::Raised, text.to_owned()),
            Transition::Repeat { lasts } => {
                (State::Repeated, format!("still, for {}: {text}", minutes(lasts)))
            }
            Transition::Flap => (
                State::Flapping,
                format!("{text}; it comes and goes, so more is told only once it is steady"),
            ),
            Transition::Recover { lasted } => {
                (State::Recovered, format!("{key} is well again after {}", minutes(lasted)))
            }
        };
        self.tell(key, state, &text);
    }

    fn tell(&self, key: &str, state: State, text: &str) {
        let text = format!("[{}] {}: {text}", self.environment, self.service);
        let alert = Alert {
            id: uuid::Uuid::new_v4().to_string(),
            key: self.scrubber.scrub(key).into_owned(),
            state,
            service: self.service.clone(),
            environment: self.environment.clone(),
            timestamp: clock::rfc3339(clock::now()),
            text: self.scrubber.scrub(&text).chars().take(LONGEST_TEXT_CHARS).collect(),
        };
        self.channels.iter().for_each(|channel| channel.send(alert.clone()));
    }

    /// Waits, within bounds, until everything is told.
    pub(crate) fn flush(&self) {
        let deadline = Instant::now() + CLOSE_TIMEOUT;
        self.channels.iter().for_each(|channel| channel.flush(deadline));
    }
}

/// Notes a readiness result; without an alerter nobody is told.
pub(crate) fn readiness(is_ready: bool, names: &str) {
    if let Some(alerter) = ALERTER.get() {
        let text = format!("not ready {PAGE_AFTER} times in a row: {names}");
        alerter.condition("readiness", !is_ready, &text, READINESS, Instant::now());
    }
}

/// What became of an alert that was waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TestedChannel {
    /// `slack`, `webhook` or `mail`.
    pub channel: &'static str,
    /// Was it taken over there?
    pub is_delivered: bool,
    /// What stood in the way, without any secret.
    pub problem: Option<String>,
}

/// What a program that ends by itself, such as a daily check, has to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notice {
    /// What it is about, the same each time: receivers put alerts together by it.
    pub key: String,
    /// The service that is concerned.
    pub service: String,
    /// Its environment.
    pub environment: String,
    /// One or a few sentences, without any secret; longer ones are cut at 1000 characters.
    pub text: String,
}

impl Notice {
    /// A notice about a service in an environment.
    pub fn new(
        key: impl Into<String>,
        service: impl Into<String>,
        environment: impl Into<String>,
        text: impl Into<String>,
    ) -> Self {
        Self { key: key.into(), service: service.into(), environment: environment.into(), text: text.into() }
    }
}

/// Sends a notice through each channel, as the alerts of a running service go, and waits for the answers: at most ten
/// seconds a channel. Blocks, so call it outside of a runtime or where blocking is allowed.
///
/// # Errors
/// When a channel makes no sense; what was refused or out of reach stands in the result.
pub fn send_notice(
    channels: &[AlertChannel],
    notice: &Notice,
) -> Result<Vec<TestedChannel>, AlertSetupError> {
    let Notice { key, service, environment, text } = notice;
    let text: String = text.chars().take(LONGEST_TEXT_CHARS).collect();
    let alert = Alert {
        id: uuid::Uuid::new_v4().to_string(),
        key: key.clone(),
        state: State::Raised,
        service: service.clone(),
        environment: environment.clone(),
        timestamp: clock::rfc3339(clock::now()),
        text: format!("[{environment}] {service}: {text}"),
    };
    channels.iter().map(|options| channel::test(options, &alert)).collect()
}

/// Sends one test alert through each channel and waits for the answers: at most ten seconds a channel. Blocks, so call it
/// outside of a runtime or where blocking is allowed.
///
/// # Errors
/// When a channel makes no sense; what was refused or out of reach stands in the result.
pub fn send_test_alert(
    channels: &[AlertChannel],
    service: &str,
    environment: &str,
) -> Result<Vec<TestedChannel>, AlertSetupError> {
    let alert = Alert {
        id: uuid::Uuid::new_v4().to_string(),
        key: "test".to_owned(),
        state: State::Test,
        service: service.to_owned(),
        environment: environment.to_owned(),
        timestamp: clock::rfc3339(clock::now()),
        text: format!("[{environment}] {service}: a test alert; nothing is wrong"),
    };
    channels.iter().map(|options| channel::test(options, &alert)).collect()
}

/// One line that tells what, where and how often.
fn text_of(entry: &ErrorEntry, suppressed: u64) -> String {
    let mut text = entry.title().to_owned();
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

fn minutes(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    }
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
            request_id: Some("r-1234567".to_owned()),
            ..ErrorEntry::default()
        };
        assert_eq!(
            text_of(&entry, 3),
            "entry lost (Io: gone) in demo::entries, request r-1234567; 3 more since the last alert"
        );
    }

    #[test]
    fn what_cannot_be_reached_by_its_look_is_refused_without_repeating_it() {
        for channel in
            [AlertChannel::Slack("file:///PLANTED".into()), AlertChannel::Webhook("PLANTED".into())]
        {
            assert!(!format!("{channel:?}").contains("PLANTED"));
            let error = send_test_alert(&[channel], "demo", "test").unwrap_err();
            assert!(matches!(error, AlertSetupError::Webhook), "{error}");
            assert!(!format!("{error} {error:?}").contains("PLANTED"));
        }
    }
}
