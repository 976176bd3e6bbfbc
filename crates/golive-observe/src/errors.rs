//! Error tracking: turns error-level events and panics into reports in the Sentry protocol, groups them and bounds
//! storms. Reports are scrubbed a second time, whole, in `transport`: the one point where they leave.

mod budget;
mod delivery;
mod fingerprint;
mod journal;
mod spool;
mod test_error;
mod transport;

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use sentry::integrations::backtrace::{ProcessStacktraceIntegration, current_stacktrace};
use sentry::integrations::contexts::ContextIntegration;
use sentry::protocol::{Event, Exception, Level, User, Values};
use sentry::types::Dsn;
use sentry::{Client, ClientOptions};
use serde_json::{Map, Value};

pub(crate) use budget::{Budget, Verdict};
pub(crate) use delivery::Endpoint;
pub(crate) use journal::Journal;
pub use journal::{ErrorEntry, ReadJournalError, read_error_journal};
pub(crate) use spool::Spool;
pub use test_error::{DeliverTestError, deliver_test_error, send_test_error};
pub(crate) use transport::Destinations;

use crate::context::{Identity, RequestContext};
use crate::fields::Cause;
use crate::log::LogQueue;
use crate::metrics::metrics;

/// The target under which panics are logged and reported.
pub(crate) const PANIC_TARGET: &str = "golive_observe::panic";

/// Reports of one fingerprint, and of all together, in one window.
const PER_FINGERPRINT: u32 = 5;
const ALL_TOGETHER: u32 = 60;
const WINDOW: Duration = Duration::from_secs(60);

/// Names the transport when there is no endpoint: events then end in the journal and the alerts.
const NO_ENDPOINT: &str = "https://local@errors.invalid/1";

/// How long the end of the program waits for reports on their way.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// An error-level event, already scrubbed field by field.
pub(crate) struct ErrorReport<'a> {
    pub(crate) message: String,
    pub(crate) target: &'a str,
    pub(crate) fields: Map<String, Value>,
    pub(crate) span_fields: Map<String, Value>,
    pub(crate) causes: Vec<Cause>,
    pub(crate) location: Option<String>,
    pub(crate) request: Option<&'a RequestContext>,
    pub(crate) identity: Identity,
}

/// Sends error reports to where they are configured to go.
pub(crate) struct ErrorTracker {
    client: Option<Client>,
    budget: Mutex<Budget>,
}

/// Why a tracker cannot be built.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartTracker {
    #[error("read the error tracking address (sentry dsn): it must look like https://KEY@host/PROJECT")]
    Dsn,
    #[error("start the thread that delivers errors")]
    Thread(#[source] std::io::Error),
}

impl ErrorTracker {
    pub(crate) fn start(
        dsn: Option<&SecretString>,
        spool: Option<Spool>,
        release: &str,
        environment: &str,
        mut destinations: Destinations,
    ) -> Result<Self, StartTracker> {
        let address = dsn.map_or(NO_ENDPOINT, |dsn| dsn.expose_secret());
        let address: Dsn = address.parse().map_err(|_| StartTracker::Dsn)?;
        if dsn.is_some() {
            let endpoint = Endpoint::start(address.clone(), spool).map_err(StartTracker::Thread)?;
            destinations.endpoint = Some(Arc::new(endpoint));
        }
        let mut options = ClientOptions::default();
        options.dsn = Some(address);
        options.release = Some(Cow::Owned(release.to_owned()));
        options.environment = Some(Cow::Owned(environment.to_owned()));
        options.default_integrations = false;
        options.integrations =
            vec![Arc::new(ProcessStacktraceIntegration::new()), Arc::new(ContextIntegration::new())];
        options.shutdown_timeout = CLOSE_TIMEOUT;
        options.auto_session_tracking = false;
        options.send_default_pii = false;
        let is_used = destinations.any();
        options.transport = Some(Arc::new(destinations));
        let client = is_used.then(|| Client::with_options(options));
        Ok(Self { client, budget: Mutex::new(Budget::new(PER_FINGERPRINT, ALL_TOGETHER, WINDOW)) })
    }

    /// Counts the error and, unless its storm is being held back, sends it on.
    pub(crate) fn report(&self, report: ErrorReport<'_>) {
        metrics().count_error_event();
        let Some(client) = &self.client else { return };
        let kind = report.kind();
        let fingerprint = fingerprint::of(&kind, report.target, report.location.as_deref(), &report.text());
        let verdict = {
            let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
            budget.admit(&fingerprint.join(" "), Instant::now())
        };
        match verdict {
            Verdict::Admit { suppressed } => {
                client.capture_event(report.into_event(kind, fingerprint, suppressed), None);
            }
            Verdict::Suppress => metrics().count_suppressed_error(),
        }
    }

    /// Waits, within bounds, until what was reported has left.
    pub(crate) fn close(&self) {
        if let Some(client) = &self.client {
            client.close(Some(CLOSE_TIMEOUT));
        }
    }
}

impl ErrorReport<'_> {
    fn is_panic(&self) -> bool {
        self.target == PANIC_TARGET
    }

    fn kind(&self) -> String {
        if self.is_panic() {
            return "panic".to_owned();
        }
        self.causes.first().map_or_else(|| "error".to_owned(), |cause| cause.kind.clone())
    }

    fn text(&self) -> String {
        let chain = self.causes.iter().map(|cause| cause.text.as_str());
        std::iter::once(self.message.as_str()).chain(chain).collect::<Vec<_>>().join(": ")
    }

    fn into_event(self, kind: String, fingerprint: Vec<String>, suppressed: u64) -> Event<'static> {
        let is_panic = self.is_panic();
        let mut exceptions: Vec<Exception> = if is_panic {
            let stacktrace = current_stacktrace();
            vec![Exception {
                ty: kind,
                value: Some(self.message.clone()),
                stacktrace,
                ..Exception::default()
            }]
        } else {
            let exception = |cause: &Cause| Exception {
                ty: cause.kind.clone(),
                value: Some(cause.text.clone()),
                ..Exception::default()
            };
            self.causes.iter().map(exception).collect()
        };
        exceptions.reverse(); // the protocol wants the root cause first
        let mut tags: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
        if let Some(request) = self.request {
            tags.insert("request_id".to_owned(), request.request_id.to_string());
            tags.insert("trace_id".to_owned(), request.trace.trace_id.as_str().to_owned());
            tags.insert("http.request.method".to_owned(), request.method.to_owned());
            tags.insert("http.route".to_owned(), request.route.to_string());
        }
        if let Some(client_id) = self.identity.client_id {
            tags.insert("client_id".to_owned(), client_id.to_string());
        }
        let mut extra = self.span_fields;
        extra.extend(self.fields);
        if suppressed > 0 {
            extra.insert("suppressed_since_last".to_owned(), suppressed.into());
        }
        Event {
            level: if is_panic { Level::Fatal } else { Level::Error },
            fingerprint: fingerprint.into_iter().map(Cow::Owned).collect::<Vec<_>>().into(),
            culprit: self.location,
            message: Some(self.message).filter(|message| !message.is_empty()),
            logger: Some(self.target.to_owned()),
            user: self.identity.user_id.map(|id| User { id: Some(id.to_string()), ..User::default() }),
            exception: Values { values: exceptions },
            tags: tags.into_iter().collect(),
            extra: extra.into_iter().collect(),
            ..Event::default()
        }
    }
}

/// Reports panics as error events instead of printing their raw text, which may hold secrets, to standard error.
pub(crate) fn report_panics(log: LogQueue) {
    std::panic::set_hook(Box::new(move |info| {
        let text = info.payload_as_str().unwrap_or("panic with a payload that is no text");
        let location = info.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current();
        tracing::error!(
            target: PANIC_TARGET,
            location,
            thread = thread.name().unwrap_or("unnamed"),
            "{text}"
        );
        // Unwinding drops the guard, which flushes. Where a panic aborts, this is the last chance.
        if cfg!(panic = "abort") {
            log.flush(CLOSE_TIMEOUT);
        }
    }));
}

/// An error and what caused it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
