//! Health: may this instance live, may it get traffic, and how is everything it rests on. Decides by the checks it is
//! given; `check` runs them, `judge` knows the usual ones. Knows no database and no HTTP.

mod check;
mod judge;

use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::alerts;
use crate::metrics::metrics;
use check::{Check, Group};

/// Consecutive failed readiness results that are reported as an error.
pub(crate) const PAGE_AFTER: u32 = 3;

/// Where readiness is told of in the log.
pub(crate) const HEALTH_TARGET: &str = "golive_observe::health";

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum HealthStatus {
    /// As it should be.
    Up,
    /// Works, with a part of it missing; still takes traffic.
    Degraded,
    /// Could not be found out, and that is not healthy: no traffic.
    Unknown,
    /// Must not get traffic.
    Down,
}

/// What a failed check means for the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Importance {
    /// Without it the service is down.
    Critical,
    /// Without it the service is degraded.
    Degradable,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckOutput {
    /// The status; [`HealthStatus::Down`] and [`HealthStatus::Unknown`] count by the importance of the check.
    pub status: HealthStatus,
    /// What an operator should know: scrubbed and shortened before it is shown.
    pub detail: Option<String>,
}

impl CheckOutput {
    /// All is well.
    #[must_use]
    pub fn up() -> Self {
        Self { status: HealthStatus::Up, detail: None }
    }

    /// All is well, and this is worth saying.
    #[must_use]
    pub fn up_with(detail: impl Into<String>) -> Self {
        Self { status: HealthStatus::Up, detail: Some(detail.into()) }
    }

    /// It works, but not as it should.
    #[must_use]
    pub fn degraded(detail: impl Into<String>) -> Self {
        Self { status: HealthStatus::Degraded, detail: Some(detail.into()) }
    }

    /// It could not be found out.
    #[must_use]
    pub fn unknown(detail: impl Into<String>) -> Self {
        Self { status: HealthStatus::Unknown, detail: Some(detail.into()) }
    }

    /// It does not work.
    #[must_use]
    pub fn down(detail: impl Into<String>) -> Self {
        Self { status: HealthStatus::Down, detail: Some(detail.into()) }
    }
}

/// The answer of a health endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HealthReport {
    /// The worst that the checks allow.
    pub status: HealthStatus,
    /// Each check.
    pub checks: Vec<CheckReport>,
}

impl HealthReport {
    /// Not ready for a reason that no check has to find out.
    fn of(name: &str, detail: &str) -> Self {
        let (status, milliseconds) = (HealthStatus::Down, 0.0);
        let check =
            CheckReport { name: name.to_owned(), status, milliseconds, detail: Some(detail.to_owned()) };
        Self { status, checks: vec![check] }
    }

    /// 200 while traffic is welcome, 503 otherwise.
    #[must_use]
    pub fn http_status(&self) -> u16 {
        if self.status >= HealthStatus::Unknown { 503 } else { 200 }
    }
}

/// One check of a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CheckReport {
    /// The name it was registered under.
    pub name: String,
    /// How it is, by its importance.
    pub status: HealthStatus,
    /// How long the check took.
    pub milliseconds: f64,
    /// What an operator should know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// The checks of a service. Build it once, clone it freely: clones share results.
#[derive(Clone, Default)]
pub struct HealthChecks {
    ready: Group,
    deep: Group,
    pub(crate) deep_token: Option<SecretString>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    is_starting: AtomicBool,
    is_draining: AtomicBool,
    consecutive_failures: AtomicU32,
}

impl std::fmt::Debug for HealthChecks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names =
            |group: &Group| group.checks.iter().map(|check| check.name.to_string()).collect::<Vec<_>>();
        f.debug_struct("HealthChecks")
            .field("ready", &names(&self.ready))
            .field("deep", &names(&self.deep))
            .finish()
    }
}

impl HealthChecks {
    /// Without any check: alive, and ready.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check that decides whether this instance gets traffic. Deep health runs it too.
    ///
    /// The closure must not take a connection from a pool that requests use up: a full pool is not a dead database.
    #[must_use]
    pub fn ready<F, O, E>(
        mut self,
        name: &str,
        importance: Importance,
        timeout: Duration,
        check: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<O, E>> + Send + 'static,
        O: Into<CheckOutput>,
        E: Display,
    {
        let check = Check::new(name, importance, timeout, check);
        self.ready.checks.push(check.clone());
        self.deep.checks.push(check);
        self
    }

    /// Adds a check that only deep health runs: slower, or without a say in where traffic goes.
    #[must_use]
    pub fn deep<F, O, E>(
        mut self,
        name: &str,
        importance: Importance,
        timeout: Duration,
        check: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<O, E>> + Send + 'static,
        O: Into<CheckOutput>,
        E: Display,
    {
        self.deep.checks.push(Check::new(name, importance, timeout, check));
        self
    }

    /// Adds a deep check of the free space under `path`: degraded below 10 %, down below 2 %.
    #[must_use]
    pub fn deep_disk_space(self, name: &str, path: impl Into<std::path::PathBuf>) -> Self {
        let path = path.into();
        self.deep(name, Importance::Critical, Duration::from_secs(2), move || {
            let path = path.clone();
            async move { crate::disk::check(&path).await }
        })
    }

    /// Lets who knows this token read deep health, as `Authorization: Bearer …`. Without one, only a
    /// [`management_router`](Self::management_router) answers it: it names what the service rests on.
    #[must_use]
    pub fn deep_token(mut self, token: SecretString) -> Self {
        self.deep_token = Some(token);
        self
    }

    /// Not ready until [`started`](Self::started) is called: no traffic before migrations have run and caches are filled.
    #[must_use]
    pub fn starting(self) -> Self {
        self.shared.is_starting.store(true, Ordering::SeqCst);
        self
    }

    /// From here on the checks decide.
    pub fn started(&self) {
        self.shared.is_starting.store(false, Ordering::SeqCst);
    }

    /// Runs the readiness checks every `period` from a task of its own, so that somebody is told of a failure even where
    /// no probe asks. Needs a tokio runtime; ends with it, or once the service drains.
    pub fn watch(&self, period: Duration) {
        let health = self.clone();
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(period.max(Duration::from_millis(10)));
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            while !health.shared.is_draining.load(Ordering::SeqCst) {
                ticks.tick().await;
                health.readiness().await;
            }
        });
    }

    /// From here on not ready, so that no new traffic comes while requests in flight finish. Call it on SIGTERM.
    pub fn drain(&self) {
        self.shared.is_draining.store(true, Ordering::SeqCst);
    }

    /// Waits for SIGTERM or SIGINT and then drains: for `with_graceful_shutdown` of axum, which finishes requests in
    /// flight. Where the system takes no signal handler, it waits for ever.
    pub fn drain_on_signal(&self) -> impl Future<Output = ()> + Send + 'static {
        use tokio::signal::unix::{SignalKind, signal};
        let health = self.clone();
        async move {
            match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
                (Ok(mut terminate), Ok(mut interrupt)) => {
                    tokio::select! {
                        _ = terminate.recv() => {}
                        _ = interrupt.recv() => {}
                    }
                }
                _ => std::future::pending().await,
            }
            health.drain();
        }
    }

    /// Is the process alive: touches nothing, least of all a database, so that a restart is never asked for what a
    /// restart cannot mend.
    #[must_use]
    pub fn liveness(&self) -> HealthReport {
        HealthReport { status: HealthStatus::Up, checks: Vec::new() }
    }

    /// May this instance get traffic? At most one run a second, however many ask.
    pub async fn readiness(&self) -> HealthReport {
        if self.shared.is_draining.load(Ordering::SeqCst) {
            return HealthReport::of(
                "draining",
                "shutting down: requests in flight finish, new ones go elsewhere",
            );
        }
        if self.shared.is_starting.load(Ordering::SeqCst) {
            return HealthReport::of("starting", "not started yet: migrations and the like still run");
        }
        let shared = Arc::clone(&self.shared);
        self.ready.report(move |report| shared.note(report)).await
    }

    /// How is everything? At most one run a second, however many ask.
    pub async fn deep_report(&self) -> HealthReport {
        self.deep.report(|_| {}).await
    }

    /// Exposes `health_ready_consecutive_failures`, which the page of [`alert_rules`](crate::alert_rules) looks at.
    pub(crate) fn observe(&self) {
        let shared = Arc::clone(&self.shared);
        let help = "Readiness results in a row that were down.";
        metrics().gauge("health.ready.consecutive_failures", help, move || {
            f64::from(shared.consecutive_failures.load(Ordering::Relaxed))
        });
    }
}

impl Shared {
    /// Counts failures in a row; the third is an error event, and so an alert. One failed probe is no incident.
    fn note(&self, report: &HealthReport) {
        let bad = report.checks.iter().filter(|check| check.status >= HealthStatus::Unknown);
        let names = bad.map(|check| check.name.as_str()).collect::<Vec<_>>().join(", ");
        let is_ready = report.http_status() == 200;
        alerts::readiness(is_ready, &names);
        if is_ready {
            if self.consecutive_failures.swap(0, Ordering::Relaxed) >= PAGE_AFTER {
                tracing::info!(target: HEALTH_TARGET, "ready again");
            }
        } else if self.consecutive_failures.fetch_add(1, Ordering::Relaxed) + 1 == PAGE_AFTER {
            tracing::error!(target: HEALTH_TARGET, "not ready {PAGE_AFTER} times in a row: {names}");
        }
    }
}

impl From<()> for CheckOutput {
    fn from((): ()) -> Self {
        Self::up()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::time::Instant;

    const SHORT: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(30);

    async fn fine() -> Result<(), String> {
        Ok(())
    }

    #[tokio::test]
    async fn the_worst_check_decides_by_its_importance() {
        let failing = || async { Err::<(), _>("refused: mysql://app:PLANTED@db/app".to_owned()) };
        let health = HealthChecks::new().ready("database", Importance::Critical, LONG, fine).ready(
            "redis",
            Importance::Degradable,
            LONG,
            failing,
        );
        let report = health.readiness().await;
        assert_eq!((report.status, report.http_status()), (HealthStatus::Degraded, 200));
        assert!(!serde_json::to_string(&report).unwrap().contains("PLANTED"));

        let report =
            HealthChecks::new().ready("database", Importance::Critical, LONG, failing).readiness().await;
        assert_eq!((report.status, report.http_status()), (HealthStatus::Down, 503));
    }

    #[tokio::test]
    async fn a_check_that_hangs_or_panics_is_down_and_liveness_does_not_care() {
        let hanging = || async {
            std::future::pending::<()>().await;
            Ok::<_, String>(())
        };
        let panicking = || async {
            assert!(std::hint::black_box(false), "on purpose");
            Ok::<_, String>(())
        };
        let health = HealthChecks::new().ready("hanging", Importance::Critical, SHORT, hanging).deep(
            "panicking",
            Importance::Critical,
            LONG,
            panicking,
        );
        let report = health.readiness().await;
        assert_eq!(report.status, HealthStatus::Down);
        assert_eq!(report.checks[0].detail.as_deref(), Some("no answer within 50 ms"));
        assert!(report.checks[0].milliseconds >= 50.0);
        let deep = health.deep_report().await;
        assert_eq!(deep.checks.len(), 2);
        assert_eq!(deep.checks[1].status, HealthStatus::Down);
        assert_eq!(health.liveness().http_status(), 200);
    }

    #[tokio::test]
    async fn many_probes_run_a_check_once() {
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&runs);
        let health = HealthChecks::new().ready("counted", Importance::Critical, LONG, move || {
            counted.fetch_add(1, Ordering::SeqCst);
            fine()
        });
        let started = Instant::now();
        let probes = (0..10_000).map(|_| {
            let health = health.clone();
            tokio::spawn(async move { health.readiness().await })
        });
        for probe in futures_util::future::join_all(probes).await {
            assert_eq!(probe.unwrap().status, HealthStatus::Up);
        }
        // The stated number: once, and once more for every second that all of it took.
        let most = 1 + (started.elapsed().as_secs() / check::FRESH.as_secs()) as usize;
        assert!(runs.load(Ordering::SeqCst) <= most, "{} runs", runs.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn draining_is_not_ready_but_alive() {
        let health = HealthChecks::new();
        assert_eq!(health.readiness().await.http_status(), 200);
        health.clone().drain();
        assert_eq!(health.readiness().await.http_status(), 503);
        assert_eq!(health.liveness().http_status(), 200);
    }

    #[tokio::test]
    async fn it_is_not_ready_before_it_has_started() {
        let health = HealthChecks::new().ready("database", Importance::Critical, LONG, fine).starting();
        assert_eq!(health.readiness().await.checks[0].name, "starting");
        assert_eq!((health.readiness().await.http_status(), health.liveness().http_status()), (503, 200));
        health.clone().started();
        assert_eq!(health.readiness().await.http_status(), 200);
    }

    #[tokio::test]
    async fn what_is_unknown_is_not_healthy() {
        let unknown = || async { Ok::<_, String>(CheckOutput::unknown("nobody has looked")) };
        let critical = HealthChecks::new().ready("backup", Importance::Critical, LONG, unknown);
        let report = critical.readiness().await;
        assert_eq!((report.status, report.http_status()), (HealthStatus::Unknown, 503));
        let degradable = HealthChecks::new().ready("backup", Importance::Degradable, LONG, unknown);
        assert_eq!(degradable.readiness().await.status, HealthStatus::Degraded);
    }

    #[test]
    fn failures_in_a_row_are_counted_and_forgotten() {
        let shared = Shared::default();
        let down = HealthReport { status: HealthStatus::Down, checks: Vec::new() };
        let up = HealthReport { status: HealthStatus::Up, checks: Vec::new() };
        for _ in 0..4 {
            shared.note(&down);
        }
        assert_eq!(shared.consecutive_failures.load(Ordering::Relaxed), 4);
        shared.note(&up);
        assert_eq!(shared.consecutive_failures.load(Ordering::Relaxed), 0);
    }
}
