//! Health: may this instance live, may it get traffic, and how is everything it rests on. Runs the checks it is given,
//! each with its own time-out and all at once, and keeps the result for a moment. Knows no database and no HTTP.

use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::metrics::metrics;
use crate::scrub;

/// How long a result is served before the checks run again.
const FRESH: Duration = Duration::from_secs(1);

/// Consecutive failed readiness results that are reported as an error.
const PAGE_AFTER: u32 = 3;

/// Longest detail of a check.
const LONGEST_DETAIL_CHARS: usize = 300;

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum HealthStatus {
    /// As it should be.
    Up,
    /// Works, with a part of it missing; still takes traffic.
    Degraded,
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
    /// The status; [`HealthStatus::Down`] counts by the importance of the check.
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
    /// 200 while traffic is welcome, 503 otherwise.
    #[must_use]
    pub fn http_status(&self) -> u16 {
        if self.status == HealthStatus::Down { 503 } else { 200 }
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

type CheckFuture = Pin<Box<dyn Future<Output = Result<CheckOutput, String>> + Send>>;

#[derive(Clone)]
struct Check {
    name: Arc<str>,
    importance: Importance,
    timeout: Duration,
    run: Arc<dyn Fn() -> CheckFuture + Send + Sync>,
}

/// The checks of a service. Build it once, clone it freely: clones share results.
#[derive(Clone, Default)]
pub struct HealthChecks {
    ready: Group,
    deep: Group,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    is_draining: AtomicBool,
    consecutive_failures: AtomicU32,
}

#[derive(Clone, Default)]
struct Group {
    checks: Vec<Check>,
    latest: Arc<Mutex<Option<(Instant, HealthReport)>>>,
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

    /// From here on not ready, so that no new traffic comes while requests in flight finish. Call it on SIGTERM.
    pub fn drain(&self) {
        self.shared.is_draining.store(true, Ordering::SeqCst);
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
            let detail = Some("shutting down: requests in flight finish, new ones go elsewhere".to_owned());
            let check = CheckReport {
                name: "draining".to_owned(),
                status: HealthStatus::Down,
                milliseconds: 0.0,
                detail,
            };
            return HealthReport { status: HealthStatus::Down, checks: vec![check] };
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
        if report.status != HealthStatus::Down {
            if self.consecutive_failures.swap(0, Ordering::Relaxed) >= PAGE_AFTER {
                tracing::info!(target: "golive_observe::health", "ready again");
            }
            return;
        }
        if self.consecutive_failures.fetch_add(1, Ordering::Relaxed) + 1 == PAGE_AFTER {
            let down = report.checks.iter().filter(|check| check.status == HealthStatus::Down);
            let names = down.map(|check| check.name.as_str()).collect::<Vec<_>>().join(", ");
            tracing::error!(target: "golive_observe::health", "not ready {PAGE_AFTER} times in a row: {names}");
        }
    }
}

impl Group {
    /// The latest result if it is fresh, or a new one. Runs in a task of its own, so that a caller who goes away
    /// neither stops it nor starts another.
    async fn report(&self, note: impl FnOnce(&HealthReport) + Send + 'static) -> HealthReport {
        let group = self.clone();
        let run = tokio::spawn(async move {
            let mut latest = group.latest.lock().await;
            if let Some((at, report)) = latest.as_ref()
                && at.elapsed() < FRESH
            {
                return report.clone();
            }
            let checks = futures_util::future::join_all(group.checks.iter().map(Check::report)).await;
            let status = checks.iter().map(|check| check.status).max().unwrap_or(HealthStatus::Up);
            let report = HealthReport { status, checks };
            note(&report);
            *latest = Some((Instant::now(), report.clone()));
            report
        });
        run.await.unwrap_or_else(|_| HealthReport { status: HealthStatus::Down, checks: Vec::new() })
    }
}

impl Check {
    fn new<F, O, E>(
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
        let run = move || -> CheckFuture {
            let checked = check();
            Box::pin(async move { checked.await.map(Into::into).map_err(|error| error.to_string()) })
        };
        Self { name: name.into(), importance, timeout, run: Arc::new(run) }
    }

    async fn report(&self) -> CheckReport {
        let started = Instant::now();
        let running = Arc::clone(&self.run);
        let mut task = tokio::spawn(async move { running().await });
        let output = match tokio::time::timeout(self.timeout, &mut task).await {
            Ok(Ok(Ok(output))) => output,
            Ok(Ok(Err(error))) => CheckOutput::down(error),
            Ok(Err(_)) => CheckOutput::down("the check panicked; see the error log"),
            Err(_) => {
                task.abort();
                CheckOutput::down(format!("no answer within {} ms", self.timeout.as_millis()))
            }
        };
        let status = match (output.status, self.importance) {
            (HealthStatus::Down, Importance::Degradable) => HealthStatus::Degraded,
            (status, _) => status,
        };
        let shorten = |detail: String| -> String {
            scrub::global().scrub(&detail).chars().take(LONGEST_DETAIL_CHARS).collect()
        };
        CheckReport {
            name: self.name.to_string(),
            status,
            milliseconds: (started.elapsed().as_secs_f64() * 1e6).round() / 1e3,
            detail: output.detail.map(shorten),
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
        let probes = (0..2000).map(|_| {
            let health = health.clone();
            tokio::spawn(async move { health.readiness().await })
        });
        for probe in futures_util::future::join_all(probes).await {
            assert_eq!(probe.unwrap().status, HealthStatus::Up);
        }
        let most = 1 + started.elapsed().as_secs() as usize;
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
