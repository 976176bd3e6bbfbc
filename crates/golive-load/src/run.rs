//! Runs a plan: users as tasks, one clock, one budget of requests, one way to stop.
//!
//! What must not be here: what a single user does (`user`), how it speaks to the application (`http`), or what is expected
//! (`check`).

pub(crate) mod check;
mod exchange;
mod extract;
mod files;
pub(crate) mod http;
mod jar;
mod judge;
mod prepare;
mod session;
pub(crate) mod spot;
pub(crate) mod summary;
mod user;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::measure::{Recorder, Tally};
use crate::plan::{LoadPlan, Part, Scenario};
use crate::report::{Latency, LoadReport, Moment, Sample, StopReason};
use crate::watch::Sampler;

use spot::Spot;
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

impl Progress {
    /// `counts` are requests, errors and content failures.
    pub(crate) fn new(elapsed: Duration, total: Duration, counts: [u64; 3], lately: Option<&Moment>) -> Self {
        let [requests, errors, content_failures] = counts;
        Self {
            elapsed,
            total,
            requests,
            errors,
            content_failures,
            per_second: lately.map_or(0.0, |moment| moment.requests as f64 / moment.lasted.max(0.001)),
            latency: lately.and_then(|moment| moment.latency),
        }
    }
}

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
    let shared = Arc::new(Shared::new(plan, target, Instant::now()));
    let before = processor_seconds();
    // Dropped with this function, whatever way it ends, and the users with it.
    let mut users = spawn_users(plan, &shared).map_err(|what| LoadError::Plan { what })?;
    let mut counted = Counted::new(shared.spots.clone(), shared.counted_from);
    let stopped = watch(plan, &shared, &mut users, &mut counted, progress, cancel, sampler).await?;
    let took = shared.began.elapsed().as_secs_f64();
    let cores = before.zip(processor_seconds()).map(|(before, after)| (after - before) / took.max(0.001));
    Ok(summary::summarize(plan, counted, stopped, cores))
}

/// What a part of a run tells while it goes on.
pub(crate) struct Lately {
    /// A tally a spot, of what was seen since the last time.
    pub(crate) tallies: Vec<Tally>,
    /// Requests, errors and wrong contents since it began, warm-up included.
    pub(crate) all: [u64; 3],
}

/// Runs this part of a plan from `begins` on and hands out what is seen, once a second and at the end. Nobody taking it ends
/// the part. Tells why it ended and how many cores it took.
///
/// # Errors
/// As [`run`].
pub(crate) async fn run_part(
    plan: &LoadPlan,
    begins: Instant,
    seen: mpsc::Sender<Lately>,
    cancel: &CancellationToken,
) -> Result<(StopReason, Option<f64>), LoadError> {
    check::check(plan)?;
    let target = http::Target::new(plan).map_err(|what| LoadError::Plan { what })?;
    let shared = Arc::new(Shared::new(plan, target, begins));
    let before = processor_seconds();
    let mut users = spawn_users(plan, &shared).map_err(|what| LoadError::Plan { what })?;
    let mut ticks = tokio::time::interval_at(begins + SAMPLE_EVERY, SAMPLE_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut stopped = None;
    let lately = || {
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        let all = [count(&shared.requests), count(&shared.errors), count(&shared.content_failures)];
        Lately { tallies: shared.recorder.drain(), all }
    };
    loop {
        let is_unheard = tokio::select! {
            ended = users.join_next() => match ended {
                None => break,
                Some(Err(source)) if !source.is_cancelled() => return Err(LoadError::Task { source }),
                Some(_) => false,
            },
            () = cancel.cancelled(), if stopped.is_none() => true,
            _ = ticks.tick() => seen.send(lately()).await.is_err() && stopped.is_none(),
        };
        if is_unheard {
            stopped = Some(StopReason::Canceled);
            users.abort_all();
        }
    }
    let _ = seen.send(lately()).await;
    let took = begins.elapsed().as_secs_f64();
    let cores = before.zip(processor_seconds()).map(|(before, after)| (after - before) / took.max(0.001));
    Ok((stopped.unwrap_or_else(|| stop_reason(plan, &shared)), cores))
}

/// What all users share.
pub(crate) struct Shared {
    pub(crate) target: http::Target,
    pub(crate) recorder: Recorder,
    pub(crate) spots: Vec<Spot>,
    pub(crate) part: Part,
    pub(crate) request_timeout: Duration,
    pub(crate) began: Instant,
    /// End of the warm-up: requests meant for earlier are not counted.
    pub(crate) counted_from: Instant,
    pub(crate) ends: Instant,
    /// Nothing is sent from here on, however much of an open schedule is left.
    pub(crate) gives_up: Instant,
    /// Whether somebody had more to do than there was time for.
    has_reached_end: AtomicBool,
    budget: AtomicU64,
    requests: AtomicU64,
    errors: AtomicU64,
    content_failures: AtomicU64,
}

impl Shared {
    /// Somebody's next request would come too late: whoever would only wait for the end goes a little before it.
    pub(crate) fn reach_end(&self) {
        self.has_reached_end.store(true, Ordering::Relaxed);
    }

    fn new(plan: &LoadPlan, target: http::Target, began: Instant) -> Self {
        let shards = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(MAX_SHARDS);
        let counted_from = began + plan.warm_up;
        let ends = counted_from + plan.duration;
        let spots = spot::spots(&plan.scenarios);
        Self {
            target,
            recorder: Recorder::new(spots.len(), shards),
            spots,
            part: plan.part,
            request_timeout: plan.request_timeout,
            began,
            counted_from,
            ends,
            gives_up: ends + plan.request_timeout,
            has_reached_end: AtomicBool::new(false),
            budget: AtomicU64::new(plan.part.share(plan.max_requests)),
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
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        let counts = [count(&self.requests), count(&self.errors), count(&self.content_failures)];
        Progress::new(self.began.elapsed(), plan.warm_up + plan.duration, counts, counted.lately())
    }
}

/// `Err` says what is wrong with the plan; nothing was sent then.
fn spawn_users(plan: &LoadPlan, shared: &Arc<Shared>) -> Result<JoinSet<()>, String> {
    let users = |scenario: &Scenario| plan.part.numbers(scenario.users).count() as u64;
    files::allow(plan.scenarios.iter().map(users).sum())?;
    let mut roles = Vec::new();
    for (index, scenario) in plan.scenarios.iter().enumerate() {
        let first = shared.spots.iter().position(|spot| spot.scenario == index);
        let role = Role::new(first.expect("each scenario has a spot"), scenario, shared);
        roles.push(Arc::new(role.map_err(|what| format!("scenario `{}`: {what}", scenario.name))?));
    }
    let mut tasks = JoinSet::new();
    for (index, (scenario, role)) in plan.scenarios.iter().zip(roles).enumerate() {
        for number in plan.part.numbers(scenario.users) {
            let seed = plan.seed ^ ((index as u64) << 32) ^ u64::from(number);
            tasks.spawn(User::new(Arc::clone(shared), Arc::clone(&role), number, seed).live());
        }
    }
    Ok(tasks)
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
    let (to, mut samples) = mpsc::channel(WAITING_SAMPLES);
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
                    counted.samples.take(&mut samples);
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
    counted.samples.take(&mut samples);
    Ok(stopped.unwrap_or_else(|| stop_reason(plan, shared)))
}

/// Asks once a second; a sampler that hangs leaves a gap.
pub(crate) async fn sample(began: Instant, sampler: Sampler, to: mpsc::Sender<Sample>) {
    let mut ticks = tokio::time::interval(SAMPLE_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Ok(mut values) = tokio::time::timeout(SAMPLE_EVERY, sampler()).await else { continue };
        values.retain(|_, value| value.is_finite());
        while values.len() > MAX_VALUES {
            values.pop_last();
        }
        let sample = Sample::new(began.elapsed().as_secs_f64(), values);
        if !sample.values.is_empty() && to.try_send(sample).is_err() {
            return;
        }
    }
}

fn stop_reason(plan: &LoadPlan, shared: &Shared) -> StopReason {
    if shared.budget.load(Ordering::Relaxed) == 0
        && shared.requests.load(Ordering::Relaxed) >= plan.part.share(plan.max_requests)
    {
        StopReason::RequestLimit
    } else if Instant::now() < shared.ends && !shared.has_reached_end.load(Ordering::Relaxed) {
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
/// They are taken once a second.
const WAITING_SAMPLES: usize = 64;
/// Values of one sample.
const MAX_VALUES: usize = 64;
const MAX_SHARDS: usize = 16;
