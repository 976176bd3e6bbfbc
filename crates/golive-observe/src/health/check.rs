//! Runs checks: each in a task of its own with its own time-out, all at once, and keeps the result for a moment. What a
//! result means for traffic is decided in the parent module.

use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::{CheckOutput, CheckReport, HealthReport, HealthStatus, Importance};
use crate::scrub;

/// How long a result is served before the checks run again: so often a second is the most that a check can be made to
/// run, however many ask.
pub(super) const FRESH: Duration = Duration::from_secs(1);

/// Longest detail of a check.
const LONGEST_DETAIL_CHARS: usize = 300;

type CheckFuture = Pin<Box<dyn Future<Output = Result<CheckOutput, String>> + Send>>;

#[derive(Clone)]
pub(super) struct Check {
    pub(super) name: Arc<str>,
    importance: Importance,
    timeout: Duration,
    run: Arc<dyn Fn() -> CheckFuture + Send + Sync>,
}

#[derive(Clone, Default)]
pub(super) struct Group {
    pub(super) checks: Vec<Check>,
    latest: Arc<Mutex<Option<(Instant, HealthReport)>>>,
}

impl Group {
    /// The latest result if it is fresh, or a new one. Runs in a task of its own, so that a caller who goes away
    /// neither stops it nor starts another.
    pub(super) async fn report(&self, note: impl FnOnce(&HealthReport) + Send + 'static) -> HealthReport {
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
        // A run that did not end has told nothing, and that is not healthy.
        run.await.unwrap_or_else(|_| HealthReport { status: HealthStatus::Unknown, checks: Vec::new() })
    }
}

impl Check {
    pub(super) fn new<F, O, E>(
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
            (HealthStatus::Down | HealthStatus::Unknown, Importance::Degradable) => HealthStatus::Degraded,
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
