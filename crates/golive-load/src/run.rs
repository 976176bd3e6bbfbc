//! Runs a plan: users as tasks, one clock, one budget of requests, one way to stop.
//!
//! What must not be here: what a single user does (`user`), how it speaks to the application (`http`), or what is expected
//! (`check`).

mod check;
mod http;
mod judge;
mod summary;
mod user;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::measure::Recorder;
use crate::plan::LoadPlan;
use crate::report::{Latency, LoadReport, Sample, StopReason};

use summary::Counted;
use user::{Role, User};

/// Where a run stands, twice a second.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// Since the warm-up began.
    pub elapsed: Duration,
    /// Warm-up and duration together.
    pub total: Duration,
    /// Requests answered or failed so far, warm-up included.
    pub requests: u64,
    /// Of these, errors.
    pub errors: u64,
    /// Of these, wrong content.
    pub content_failures: u64,
    /// Requests a second, lately.
    pub per_second: f64,
    /// What users felt lately.
    pub latency: Option<Latency>,
}

/// Asked once a second during a run, e.g. for the number of open database connections; `None` leaves a gap.
pub type Sampler = Box<dyn Fn() -> BoxFuture<'static, Option<f64>> + Send + Sync>;

/// Why a load test could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A host that nobody confirmed.
    #[error("load `{host}`: it is not this machine; confirm that host by name, or test on the loopback")]
    TargetNotAllowed {
        /// The host of the base URL.
        host: String,
    },
    /// A plan that cannot be run.
    #[error("use the load plan: {what}")]
    Plan {
        /// What to change.
        what: String,
    },
    /// A placeholder without a value.
    #[error(
        "fill `{{{placeholder}}}` in scenario `{scenario}`: give it values, or use sequence, user or random"
    )]
    UnknownPlaceholder {
        /// Scenario's name.
        scenario: String,
        /// The placeholder's name.
        placeholder: String,
    },
    /// A user's task ended abnormally.
    #[error("keep user tasks running; this is a bug in golive-load")]
    Task {
        /// From the runtime.
        #[source]
        source: tokio::task::JoinError,
    },
}

/// Runs `plan`, calls `progress` twice a second, and stops early when `cancel` is canceled; what was measured until then
/// is reported.
///
/// # Errors
/// When the target is not allowed or the plan cannot be run. An application that fails is a report, not an error.
pub async fn run(
    plan: &LoadPlan,
    progress: &(dyn Fn(Progress) + Send + Sync),
    cancel: &CancellationToken,
) -> Result<LoadReport, LoadError> {
    run_sampled(plan, progress, cancel, None).await
}

/// Like [`run`], and asks `sampler` once a second.
///
/// # Errors
/// As [`run`].
pub async fn run_sampled(
    plan: &LoadPlan,
    progress: &(dyn Fn(Progress) + Send + Sync),
    cancel: &CancellationToken,
    sampler: Option<Sampler>,
) -> Result<LoadReport, LoadError> {
    check::check(plan)?;
    let target = http::Target::new(plan).map_err(|what| LoadError::Plan { what })?;
    let shared = Arc::new(Shared::new(plan, target));
    let before = processor_seconds();
    // Dropped with this function, whatever way it ends, and the users with it.
    let mut users = spawn_users(plan, &shared);
    let mut counted = Counted::new(plan, &shared);
    let stopped = watch(plan, &shared, &mut users, &mut counted, progress, cancel, sampler).await?;
    let took = shared.began.elapsed().as_secs_f64();
    let cores = before.zip(processor_seconds()).map(|(before, after)| (after - before) / took.max(0.001));
    Ok(summary::summarize(plan, &shared, counted, stopped, cores))
}

/// What all users share.
pub(crate) struct Shared {
    pub(crate) target: http::Target,
    pub(crate) recorder: Recorder,
    pub(crate) request_timeout: Duration,
    pub(crate) began: Instant,
    /// End of the warm-up: requests meant for earlier are not counted.
    pub(crate) counted_from: Instant,
    pub(crate) ends: Instant,
    /// Nothing is sent from here on, however much of an open schedule is left.
    pub(crate) gives_up: Instant,
    budget: AtomicU64,
    requests: AtomicU64,
    errors: AtomicU64,
    content_failures: AtomicU64,
}

impl Shared {
    fn new(plan: &LoadPlan, target: http::Target) -> Self {
        let shards = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(MAX_SHARDS);
        let began = Instant::now();
        let counted_from = began + plan.warm_up;
        let ends = counted_from + plan.duration;
        Self {
            target,
            recorder: Recorder::new(plan.scenarios.len(), shards),
            request_timeout: plan.request_timeout,
            began,
            counted_from,
            ends,
            gives_up: ends + plan.request_timeout,
            budget: AtomicU64::new(plan.max_requests),
            requests: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            content_failures: AtomicU64::new(0),
        }
    }

    /// Takes one request out of the budget.
    pub(crate) fn may_send(&self) -> bool {
        self.budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    pub(crate) fn note(&self, error: bool, content_failure: bool) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if error {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
        if content_failure {
            self.content_failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn progress(&self, plan: &LoadPlan, counted: &Counted) -> Progress {
        let lately = counted.lately();
        Progress {
            elapsed: self.began.elapsed(),
            total: plan.warm_up + plan.duration,
            requests: self.requests.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
            content_failures: self.content_failures.load(Ordering::Relaxed),
            per_second: lately.map_or(0.0, |moment| moment.requests as f64 / moment.lasted.max(0.001)),
            latency: lately.and_then(|moment| moment.latency),
        }
    }
}

fn spawn_users(plan: &LoadPlan, shared: &Arc<Shared>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for (index, scenario) in plan.scenarios.iter().enumerate() {
        let role = Arc::new(Role::new(index, scenario, shared));
        for number in 0..scenario.users {
            let seed = plan.seed ^ ((index as u64) << 32) ^ u64::from(number);
            tasks.spawn(User::new(Arc::clone(shared), Arc::clone(&role), number, seed).live());
        }
    }
    tasks
}

/// Waits for the users, counting, telling progress, judging and asking the sampler meanwhile.
async fn watch(
    plan: &LoadPlan,
    shared: &Arc<Shared>,
    users: &mut JoinSet<()>,
    counted: &mut Counted,
    progress: &(dyn Fn(Progress) + Send + Sync),
    cancel: &CancellationToken,
    sampler: Option<Sampler>,
) -> Result<StopReason, LoadError> {
    let mut ticks = tokio::time::interval(PROGRESS_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (to, mut samples) = mpsc::channel(MAX_SAMPLES);
    // Beside the ticks: a sampler that hangs must hold up neither the board nor the end.
    let mut sampling = JoinSet::new();
    if let Some(sampler) = sampler {
        sampling.spawn(sample(shared.began, sampler, to));
    }
    let mut broken_since = None;
    let mut tick = 0_u64;
    let mut stopped = None;
    loop {
        tokio::select! {
            ended = users.join_next() => match ended {
                None => break,
                Some(Err(source)) if !source.is_cancelled() => return Err(LoadError::Task { source }),
                Some(_) => {}
            },
            () = cancel.cancelled(), if stopped.is_none() => {
                stopped = Some(StopReason::Canceled);
                users.abort_all();
            }
            _ = ticks.tick() => {
                tick += 1;
                if tick.is_multiple_of(2) {
                    counted.take(shared);
                    broken_since = counted.broken_since(plan, broken_since);
                }
                progress(shared.progress(plan, counted));
                let borne = plan.abort_after.zip(broken_since).is_some_and(|(bear, since): (Duration, Instant)| since.elapsed() >= bear);
                if borne && stopped.is_none() {
                    stopped = Some(StopReason::Breached);
                    users.abort_all();
                }
            }
        }
    }
    counted.take(shared);
    progress(shared.progress(plan, counted));
    while let Ok(sample) = samples.try_recv() {
        counted.samples.push(sample);
    }
    Ok(stopped.unwrap_or_else(|| stop_reason(plan, shared)))
}

/// Asks once a second; a sampler that hangs leaves a gap.
async fn sample(began: Instant, sampler: Sampler, to: mpsc::Sender<Sample>) {
    let mut ticks = tokio::time::interval(SAMPLE_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Ok(Some(value)) = tokio::time::timeout(SAMPLE_EVERY, sampler()).await else { continue };
        if to.try_send(Sample::new(began.elapsed().as_secs_f64(), value)).is_err() {
            return;
        }
    }
}

fn stop_reason(plan: &LoadPlan, shared: &Shared) -> StopReason {
    if shared.budget.load(Ordering::Relaxed) == 0
        && shared.requests.load(Ordering::Relaxed) >= plan.max_requests
    {
        StopReason::RequestLimit
    } else if Instant::now() < shared.ends {
        StopReason::Iterations
    } else {
        StopReason::Duration
    }
}

/// Processor time that this process has taken, as Linux counts it: fields 14 and 15, in hundredths of a second.
fn processor_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is a name in parentheses and may hold spaces.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks = |text: Option<&str>| text?.parse::<f64>().ok();
    Some((ticks(fields.next())? + ticks(fields.next())?) / 100.0)
}

const PROGRESS_EVERY: Duration = Duration::from_millis(500);
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
const MAX_SAMPLES: usize = 10_000;
const MAX_SHARDS: usize = 16;
