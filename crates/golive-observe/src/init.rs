//! One call that sets everything up, and the guard that flushes it. Decisions are in the parts; this wires them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use secrecy::SecretString;
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use url::Url;

#[cfg(feature = "axum")]
use crate::access::{self, AccessLog};
use crate::alerts::{AlertChannel, AlertOptions, AlertSetupError, Alerter};
use crate::errors::{self, Destinations, ErrorTracker, Journal, Spool, StartTracker};
use crate::layer::ObserveLayer;
use crate::level;
use crate::line::{Form, dropped_notice};
use crate::log::{self, LogGuard, LogQueue, LogTarget};
use crate::sampling::TraceSampling;
use crate::scrub::{self, Scrubber};
use crate::{metrics, otlp};

/// How long the end of the program waits for traces on their way; an orchestrator kills after ten seconds.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// What a service wants observed, and where it is to be told.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ObserveOptions {
    /// The name of the service, in every log line and event.
    pub service: String,
    /// `production`, `staging` and the like. `development` by default.
    pub environment: String,
    /// The version that runs, as `name@version`; the service's name alone by default.
    pub release: String,
    /// Where log lines go. By default readable on a terminal, JSON on standard output elsewhere.
    pub log: LogTarget,
    /// Which events are logged, as `info` or `info,my_crate::db=debug`. `info` by default;
    /// [`set_level`](crate::set_level) changes it later.
    pub level: String,
    /// Base address of an OpenTelemetry collector (OTLP over HTTP); `/v1/traces` and `/v1/metrics` are appended.
    pub otlp_endpoint: Option<Url>,
    /// Which traces are exported there: all by default, but for those that a caller leaves out. Logs and errors do not go
    /// by it.
    pub trace_sampling: TraceSampling,
    /// The address of the error tracking project (Sentry protocol).
    pub sentry_dsn: Option<SecretString>,
    /// Where error reports wait while the endpoint is away, private to the user. With a log file it is `errors.spool`
    /// beside it by default; without one they wait nowhere, and only the journal keeps them.
    pub error_spool: Option<PathBuf>,
    /// Who is told of new errors and of bad conditions, and when.
    pub alerts: AlertOptions,
    /// Where errors are kept as JSON lines, private to the user. With a log file it is `errors.jsonl` beside it by
    /// default, so that nothing is lost while no error tracking endpoint is there.
    pub error_journal: Option<PathBuf>,
    /// What is removed from everything that leaves; register the service's own secrets here.
    pub scrubber: Scrubber,
}

impl ObserveOptions {
    /// The default options for a service of this name.
    #[must_use]
    pub fn new(service: impl Into<String>) -> Self {
        let service = service.into();
        Self {
            environment: "development".to_owned(),
            release: service.clone(),
            service,
            log: LogTarget::default(),
            level: "info".to_owned(),
            otlp_endpoint: None,
            trace_sampling: TraceSampling::default(),
            sentry_dsn: None,
            error_spool: None,
            alerts: AlertOptions::default(),
            error_journal: None,
            scrubber: Scrubber::new(),
        }
    }
}

/// Why nothing is observed yet.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// The level is not a filter.
    #[error(transparent)]
    Level(#[from] level::InvalidLevel),
    /// The log file cannot be written.
    #[error("open the log {}: create its directory and let this user write there", path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The error journal cannot be written.
    #[error("open the error journal {}: create its directory and let this user write there", path.display())]
    Journal {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The error tracking address is not one; it is a secret, so it is not repeated.
    #[error("read the error tracking address (sentry_dsn): it must look like https://KEY@host/PROJECT")]
    SentryDsn,
    /// The directory for error reports that wait cannot be used.
    #[error("open the error spool {}: let this user make and write that directory", path.display())]
    Spool {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Nobody can be told.
    #[error(transparent)]
    Alerts(#[from] AlertSetupError),
    /// The exporter of traces and metrics cannot be built.
    #[error("export to {endpoint}: {reason}; check otlp_endpoint")]
    Otlp {
        /// The collector.
        endpoint: String,
        /// What is wrong.
        reason: String,
    },
    /// A thread cannot be started.
    #[error("start a thread: the system refuses another one; check the limits of this process")]
    Thread(#[source] std::io::Error),
    /// Somebody else has set up logging in this process.
    #[error("install the log: another logger is installed in this process; call init once, and first")]
    AlreadyInstalled,
}

/// Keeps observation running; dropping it flushes logs, errors, alerts, traces and metrics, within bounds.
#[must_use = "dropping the guard ends logging, so keep it until the end of main"]
pub struct Guard {
    errors: Arc<ErrorTracker>,
    alerter: Option<Arc<Alerter>>,
    tracer: Option<SdkTracerProvider>,
    // Last, so that the others can still log while they flush.
    _log: LogGuard,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.errors.close();
        if let Some(alerter) = &self.alerter {
            alerter.flush();
        }
        if let Some(tracer) = &self.tracer {
            // A collector that is away must not hold up the end; the exporter has its own time-out.
            let _ = tracer.shutdown_with_timeout(CLOSE_TIMEOUT);
            metrics::metrics().flush();
        }
    }
}

/// Sets up logs, error tracking, traces, metrics and alerts for the whole process; call it once, first thing in `main`.
///
/// Panics are from then on logged and reported instead of printed.
///
/// # Errors
/// When an option makes no sense, a file cannot be opened, or logging is already set up; see [`InitError`].
pub fn init(mut options: ObserveOptions) -> Result<Guard, InitError> {
    options.log = options.log.decided();
    let filter = level::LevelLayer::new(&options.level)?;
    let scrubber = complete_scrubber(&options);
    let journal = open_journal(&options)?;
    let spool = open_spool(&options)?;
    let alerter = start_alerter(&options, &scrubber)?;
    let destinations =
        Destinations { scrubber: scrubber.clone(), journal, alerter: alerter.clone(), endpoint: None };
    let dsn = options.sentry_dsn.as_ref();
    let errors = ErrorTracker::start(dsn, spool, &options.release, &options.environment, destinations)
        .map_err(|error| match error {
            StartTracker::Dsn => InitError::SentryDsn,
            StartTracker::Thread(source) => InitError::Thread(source),
        })?;
    let errors = Arc::new(errors);
    let (tracer, meter) = match &options.otlp_endpoint {
        Some(endpoint) => {
            let resource = metrics::resource(&options.service, &options.release, &options.environment);
            let (tracer, meter) = otlp::providers(endpoint, options.trace_sampling, &resource, &scrubber)
                .map_err(|error| InitError::Otlp {
                    endpoint: scrubber.scrub(endpoint.as_str()).into_owned(),
                    reason: error.to_string(),
                })?;
            (Some(tracer), meter)
        }
        None => (None, SdkMeterProvider::builder()),
    };
    let is_human = matches!(options.log, LogTarget::Human);
    let form = Arc::new(Form::new(&options.service, &options.environment, is_human));
    let (writer, log_guard) = open_log(&options, Arc::clone(&form))?;
    let layer = ObserveLayer {
        form: Arc::clone(&form),
        writer: writer.clone(),
        scrubber: scrubber.clone(),
        errors: Arc::clone(&errors),
    };
    let subscriber = Registry::default().with(filter.clone());
    // Two kinds of subscribers: a layer that does nothing would still be asked at every turn of a span.
    let installed = match &tracer {
        Some(tracer) => {
            let traces = tracing_opentelemetry::layer().with_tracer(tracer.tracer("golive-observe"));
            subscriber.with(traces).with(layer).try_init()
        }
        None => subscriber.with(layer).try_init(),
    };
    installed.map_err(|_| InitError::AlreadyInstalled)?;
    level::install(filter, &options.level);
    otlp::say_whether_exporting(tracer.is_some());
    #[cfg(feature = "axum")]
    access::install(AccessLog::new(form, writer.clone(), &scrubber, tracer.is_some()));
    scrub::install(scrubber);
    count_lines(metrics::install(meter), &writer);
    errors::report_panics(writer);
    Ok(Guard { errors, alerter, tracer, _log: log_guard })
}

fn open_log(options: &ObserveOptions, form: Arc<Form>) -> Result<(LogQueue, LogGuard), InitError> {
    let notice = move |count| dropped_notice(&form, count);
    log::open(&options.log, notice).map_err(|source| {
        let path = match &options.log {
            LogTarget::File(file) => file.path.clone(),
            LogTarget::Auto | LogTarget::Json | LogTarget::Human => PathBuf::from("standard output"),
        };
        InitError::Log { path, source }
    })
}

fn count_lines(metrics: &metrics::Metrics, writer: &LogQueue) {
    let (dropped, failures) = (writer.clone(), writer.clone());
    let help = "Log lines dropped because the queue was full.";
    metrics.total("log.lines.dropped", help, move || dropped.dropped());
    let help =
        "Times that the log's output refused lines, as a full disk does; they wait and are tried again.";
    metrics.total("log.write.failures", help, move || failures.failures());
}

/// The caller's scrubber, which also knows the secrets that observation itself was given.
fn complete_scrubber(options: &ObserveOptions) -> Scrubber {
    use secrecy::ExposeSecret;
    let mut own: Vec<SecretString> = options.sentry_dsn.iter().cloned().collect();
    for channel in &options.alerts.channels {
        let address = match channel {
            AlertChannel::Slack(address) | AlertChannel::Webhook(address) => address,
            AlertChannel::Mail(mail) => &mail.server,
        };
        let url = Url::parse(address.expose_secret()).ok();
        own.extend(url.as_ref().and_then(Url::password).map(SecretString::from));
        own.push(address.clone());
    }
    let own = own.iter();
    own.fold(options.scrubber.clone(), Scrubber::with_secret)
}

fn journal_path(options: &ObserveOptions) -> Option<PathBuf> {
    match (&options.error_journal, &options.log) {
        (Some(path), _) => Some(path.clone()),
        (None, LogTarget::File(file)) => Some(file.path.with_file_name("errors.jsonl")),
        (None, LogTarget::Auto | LogTarget::Json | LogTarget::Human) => None,
    }
}

fn open_journal(options: &ObserveOptions) -> Result<Option<Arc<Journal>>, InitError> {
    let Some(path) = journal_path(options) else { return Ok(None) };
    let opened = Journal::open(&path);
    opened.map(|journal| Some(Arc::new(journal))).map_err(|source| InitError::Journal { path, source })
}

/// Nothing waits on disk where nothing is sent.
fn open_spool(options: &ObserveOptions) -> Result<Option<Spool>, InitError> {
    let path = match (&options.error_spool, &options.log) {
        (Some(path), _) => path.clone(),
        (None, LogTarget::File(file)) => file.path.with_file_name("errors.spool"),
        (None, LogTarget::Auto | LogTarget::Json | LogTarget::Human) => return Ok(None),
    };
    if options.sentry_dsn.is_none() {
        return Ok(None);
    }
    Spool::open(&path).map(Some).map_err(|source| InitError::Spool { path, source })
}

fn start_alerter(options: &ObserveOptions, scrubber: &Scrubber) -> Result<Option<Arc<Alerter>>, InitError> {
    if options.alerts.channels.is_empty() {
        return Ok(None);
    }
    let (service, environment) = (&options.service, &options.environment);
    Ok(Some(Alerter::start(&options.alerts, service, environment, scrubber.clone())?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error;

    #[test]
    fn what_makes_no_sense_is_refused_without_repeating_a_secret() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        let refused = |change: &dyn Fn(&mut ObserveOptions)| {
            let mut options = ObserveOptions::new("demo");
            change(&mut options);
            let error = init(options).unwrap_err();
            format!("{error} / {:?} / {error:?}", error.source().map(ToString::to_string))
        };
        let level = refused(&|options| options.level = "demo=loud".to_owned());
        assert!(level.starts_with("read the log level \"demo=loud\": use error, warn"), "{level}");
        let journal = refused(&|options| options.error_journal = Some(file.join("errors.jsonl")));
        assert!(
            journal.starts_with("open the error journal ") && journal.contains("create its directory"),
            "{journal}"
        );
        let log = refused(&|options| options.log = LogTarget::File(log::LogFile::new(directory.path())));
        assert!(log.starts_with("open the "), "{log}");
        let dsn = refused(&|options| options.sentry_dsn = Some("PLANTED".into()));
        assert!(dsn.contains("https://KEY@host/PROJECT") && !dsn.contains("PLANTED"), "{dsn}");
        let webhook =
            refused(&|options| options.alerts.channels = vec![AlertChannel::Slack("file:///PLANTED".into())]);
        assert!(webhook.contains("http:// or https://") && !webhook.contains("PLANTED"), "{webhook}");
    }

    #[test]
    fn options_never_show_a_secret() {
        let mut options = ObserveOptions::new("demo");
        options.sentry_dsn = Some("PLANTED".into());
        options.alerts.channels = vec![AlertChannel::Webhook("PLANTED".into())];
        options.scrubber = options.scrubber.with_secret(&"PLANTED".into());
        assert!(!format!("{options:?}").contains("PLANTED"));
    }
}
