//! Runs a plan: users as tasks, one clock, one budget of requests, one way to stop.
//!
//! What must not be here: what a single user does (`user`) or what is expected (`check`).

mod summary;
mod user;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::measure::Tally;
use crate::plan::{LoadPlan, Scenario};
use crate::report::{LoadReport, Sample, StopReason};
use crate::{target, template};

use user::User;

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
    /// The HTTP client could not be built.
    #[error("set up the HTTP client; check the certificate authority of the plan")]
    Client {
        /// From the client.
        #[source]
        source: reqwest::Error,
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
    check(plan)?;
    let shared = Arc::new(Shared::new(plan, cancel.child_token())?);
    // Whatever way this function ends, dropped included, the users end.
    let _stop = shared.cancel.clone().drop_guard();
    let mut users = spawn_users(plan, &shared);
    let samples = watch(plan, &shared, &mut users, progress, sampler).await?;
    Ok(summary::summarize(plan, &shared, users.tallies, samples, stop_reason(plan, &shared, cancel)))
}

/// What all users share.
pub(crate) struct Shared {
    pub(crate) client: reqwest::Client,
    pub(crate) base_url: Url,
    pub(crate) cancel: CancellationToken,
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
    fn new(plan: &LoadPlan, cancel: CancellationToken) -> Result<Self, LoadError> {
        let client = client(plan)?;
        let began = Instant::now();
        let counted_from = began + plan.warm_up;
        let ends = counted_from + plan.duration;
        Ok(Self {
            client,
            base_url: plan.base_url.clone(),
            cancel,
            began,
            counted_from,
            ends,
            gives_up: ends + plan.request_timeout,
            budget: AtomicU64::new(plan.max_requests),
            requests: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            content_failures: AtomicU64::new(0),
        })
    }

    /// Takes one request out of the budget.
    pub(crate) fn may_send(&self) -> bool {
        self.budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    pub(crate) fn note(&self, error: bool, content_failure: bool) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.errors.fetch_add(u64::from(error), Ordering::Relaxed);
        self.content_failures.fetch_add(u64::from(content_failure), Ordering::Relaxed);
    }

    fn progress(&self, plan: &LoadPlan) -> Progress {
        Progress {
            elapsed: self.began.elapsed(),
            total: plan.warm_up + plan.duration,
            requests: self.requests.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
            content_failures: self.content_failures.load(Ordering::Relaxed),
        }
    }
}

struct Users {
    tasks: JoinSet<(usize, Tally)>,
    tallies: Vec<Tally>,
}

fn spawn_users(plan: &LoadPlan, shared: &Arc<Shared>) -> Users {
    let mut tasks = JoinSet::new();
    for (index, scenario) in plan.scenarios.iter().enumerate() {
        let scenario = Arc::new(scenario.clone());
        let turn = Arc::new(AtomicU64::new(0));
        for number in 0..scenario.users {
            let seed = plan.seed ^ ((index as u64) << 32) ^ u64::from(number);
            let user = User::new(Arc::clone(shared), Arc::clone(&scenario), Arc::clone(&turn), number, seed);
            tasks.spawn(async move { (index, user.live().await) });
        }
    }
    let tallies = plan.scenarios.iter().map(|_| Tally::new()).collect();
    Users { tasks, tallies }
}

/// Collects the users as they finish, telling progress and asking the sampler meanwhile.
async fn watch(
    plan: &LoadPlan,
    shared: &Shared,
    users: &mut Users,
    progress: &(dyn Fn(Progress) + Send + Sync),
    sampler: Option<Sampler>,
) -> Result<Vec<Sample>, LoadError> {
    let mut samples = Vec::new();
    let mut ticks = tokio::time::interval(PROGRESS_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut tick = 0_u64;
    loop {
        tokio::select! {
            ended = users.tasks.join_next() => match ended {
                None => break,
                Some(Ok((index, tally))) => users.tallies[index].merge(tally),
                Some(Err(source)) => return Err(LoadError::Task { source }),
            },
            _ = ticks.tick() => {
                progress(shared.progress(plan));
                if let Some(sampler) = sampler.as_ref().filter(|_| tick.is_multiple_of(2) && samples.len() < MAX_SAMPLES) {
                    samples.extend(sample(shared, sampler).await);
                }
                tick += 1;
            }
        }
    }
    progress(shared.progress(plan));
    Ok(samples)
}

/// A sampler that hangs costs a second, not the run.
async fn sample(shared: &Shared, sampler: &Sampler) -> Option<Sample> {
    let value = tokio::time::timeout(SAMPLE_TIMEOUT, sampler()).await.ok().flatten()?;
    Some(Sample::new(shared.began.elapsed().as_secs_f64(), value))
}

fn stop_reason(plan: &LoadPlan, shared: &Shared, cancel: &CancellationToken) -> StopReason {
    if cancel.is_cancelled() {
        StopReason::Canceled
    } else if shared.budget.load(Ordering::Relaxed) == 0
        && shared.requests.load(Ordering::Relaxed) >= plan.max_requests
    {
        StopReason::RequestLimit
    } else if Instant::now() < shared.ends {
        StopReason::Iterations
    } else {
        StopReason::Duration
    }
}

fn client(plan: &LoadPlan) -> Result<reqwest::Client, LoadError> {
    let connections: u32 = plan.scenarios.iter().map(|s| s.users).sum();
    let mut builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(plan.request_timeout)
        .connect_timeout(plan.request_timeout.min(CONNECT_TIMEOUT))
        .pool_max_idle_per_host(usize::try_from(connections).unwrap_or(MAX_USERS as usize))
        .user_agent(concat!("golive-load/", env!("CARGO_PKG_VERSION")));
    if let Some(pem) = &plan.root_certificate_pem {
        let certificate =
            reqwest::Certificate::from_pem(pem.as_bytes()).map_err(|source| LoadError::Client { source })?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build().map_err(|source| LoadError::Client { source })
}

fn check(plan: &LoadPlan) -> Result<(), LoadError> {
    if !target::is_allowed(&plan.base_url, plan.dangerous_public_target.as_ref()) {
        let host = plan.base_url.host_str().unwrap_or("no host").to_owned();
        return Err(LoadError::TargetNotAllowed { host });
    }
    let refuse = |what: String| Err(LoadError::Plan { what });
    if plan.scenarios.is_empty() {
        return refuse("name at least one scenario".to_owned());
    }
    if plan.duration.is_zero() || plan.duration + plan.warm_up > MAX_DURATION {
        return refuse(format!(
            "choose a duration above zero and, with the warm-up, up to {} s",
            MAX_DURATION.as_secs()
        ));
    }
    if plan.request_timeout.is_zero() || plan.max_requests == 0 {
        return refuse("request_timeout and max_requests must be above zero".to_owned());
    }
    let users: u64 = plan.scenarios.iter().map(|s| u64::from(s.users)).sum();
    if users > u64::from(MAX_USERS) {
        return refuse(format!("{users} users are more than {MAX_USERS}"));
    }
    plan.scenarios.iter().try_for_each(check_scenario)
}

fn check_scenario(scenario: &Scenario) -> Result<(), LoadError> {
    let refuse = |what: &str| Err(LoadError::Plan { what: format!("scenario `{}`: {what}", scenario.name) });
    if scenario.users == 0 {
        return refuse("give it at least one user");
    }
    if scenario.arrivals_per_second.is_some_and(|rate| !(rate.is_finite() && rate > 0.0)) {
        return refuse("arrivals_per_second must be above zero");
    }
    if !scenario.request.path.starts_with('/') {
        return refuse("the path must begin with /");
    }
    if reqwest::Method::from_bytes(scenario.request.method.as_bytes()).is_err() {
        return refuse("the method is no HTTP method");
    }
    if scenario.expect.status.is_empty() {
        return refuse("expect at least one status");
    }
    match template::unknown_placeholder(scenario) {
        Some(placeholder) => {
            Err(LoadError::UnknownPlaceholder { scenario: scenario.name.clone(), placeholder })
        }
        None => Ok(()),
    }
}

const PROGRESS_EVERY: Duration = Duration::from_millis(500);
const SAMPLE_TIMEOUT: Duration = Duration::from_secs(1);
const MAX_SAMPLES: usize = 10_000;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_DURATION: Duration = Duration::from_secs(24 * 3600);
const MAX_USERS: u32 = 10_000;
