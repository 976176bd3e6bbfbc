//! What the console does for an operator: the plan of a run, and the run itself, as `golive plan` and `golive run` would make them, in
//! this process. One at a time; the lock of the runs' folder keeps those of other processes apart.
//!
//! Not here: a verb of its own, and who may act (`access`).

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use golive::{Config, Mode, Outcome, ProductionOptions, RunError};
use golive_auth::AccountsMapping;
use golive_gate::StepResult;
use secrecy::SecretString;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock;

/// How the environment is asked, for the addresses that golive.toml names as `env:NAME`.
type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What acting needs: the application's description, and the environment that it refers to.
#[derive(Clone)]
#[non_exhaustive]
pub struct Acts {
    config: Config,
    environment: Environment,
}

impl std::fmt::Debug for Acts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acts").field("application", &self.config.application.name).finish_non_exhaustive()
    }
}

impl Acts {
    /// Lets operators plan and run the go-live of this application.
    pub fn new(config: Config, environment: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self { config, environment: Arc::new(environment) }
    }

    /// What the application is called, which confirms a run.
    pub(crate) fn application(&self) -> &str {
        &self.config.application.name
    }

    /// How the application's accounts are described, and where they are, or why that is not known; nothing where they are not described.
    fn accounts(&self) -> Option<(AccountsMapping, Result<SecretString, String>)> {
        let mapping = self.config.accounts.clone()?;
        let url = self.config.target.url.as_ref()?;
        let url = url.resolve(&self.config.directory, &*self.environment);
        Some((mapping, url.map_err(|error| golive::error_chain(&error))))
    }
}

/// What goes on.
#[derive(Debug, Clone)]
pub(crate) enum Doing {
    Nothing,
    Planning {
        since: DateTime<Utc>,
    },
    /// Everything that a run would do, to be read and confirmed.
    Planned {
        plan: Arc<Planned>,
    },
    Running {
        since: DateTime<Utc>,
        by: String,
        resumes: bool,
        ending: bool,
    },
}

/// A plan, as it was at a time.
#[derive(Debug)]
pub(crate) struct Planned {
    /// Confirms this plan and no other.
    pub(crate) id: u64,
    pub(crate) at: DateTime<Utc>,
    pub(crate) steps: Vec<StepResult>,
}

impl Planned {
    /// Whether the run could begin: what is refused, or cannot be looked at now, would end it before it changed anything. What is
    /// not described is no hindrance; it stays unknown.
    pub(crate) fn is_ready(&self) -> bool {
        self.steps.iter().all(|step| step.status != golive_gate::StepStatus::Failed && step.error.is_none())
    }
}

/// Why it is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Something else goes on.
    Busy,
    /// The plan that was confirmed is not the one that would be followed, or is too old.
    OtherPlan,
}

/// The one who acts.
pub(crate) struct Actor {
    acts: Acts,
    base: PathBuf,
    state: Mutex<State>,
    /// Counts what changed, for pages that are live.
    changed: watch::Sender<u64>,
}

struct State {
    doing: Doing,
    /// What the last one came to, when it could not be carried through.
    failed: Option<String>,
    cancel: CancellationToken,
    plans: u64,
}

impl Actor {
    pub(crate) fn new(acts: Acts, base: &Path) -> Arc<Self> {
        let cancel = CancellationToken::new();
        let state = State { doing: Doing::Nothing, failed: None, cancel, plans: 0 };
        let base = base.join(crate::look::Kind::Run.folder());
        Arc::new(Self { acts, base, state: Mutex::new(state), changed: watch::Sender::new(0) })
    }

    pub(crate) fn application(&self) -> &str {
        self.acts.application()
    }

    /// See [`Acts::accounts`].
    pub(crate) fn accounts(&self) -> Option<(AccountsMapping, Result<SecretString, String>)> {
        self.acts.accounts()
    }

    /// What goes on, and why the last one failed if it did.
    pub(crate) fn doing(&self) -> (Doing, Option<String>) {
        let state = self.lock();
        (state.doing.clone(), state.failed.clone())
    }

    pub(crate) fn version(&self) -> u64 {
        *self.changed.borrow()
    }

    /// Makes a plan; nothing is changed by it.
    pub(crate) fn plan(self: &Arc<Self>) -> Result<(), Refusal> {
        self.begin(Doing::Planning { since: clock::now() }, |state| {
            matches!(state.doing, Doing::Nothing | Doing::Planned { .. }).then_some(()).ok_or(Refusal::Busy)
        })?;
        let actor = Arc::clone(self);
        tokio::spawn(async move {
            let outcome = actor.carry_out(Mode::Plan, false, None).await;
            actor.planned(outcome);
        });
        Ok(())
    }

    /// Does what the plan of this number says.
    pub(crate) fn run(self: &Arc<Self>, plan: u64, by: &str) -> Result<(), Refusal> {
        let now = clock::now();
        let running = Doing::Running { since: now, by: by.to_owned(), resumes: false, ending: false };
        self.begin(running, |state| match &state.doing {
            Doing::Planned { plan: known }
                if known.id == plan && known.is_ready() && now - known.at < PLAN_LIFE =>
            {
                Ok(())
            }
            Doing::Planned { .. } | Doing::Nothing => Err(Refusal::OtherPlan),
            _ => Err(Refusal::Busy),
        })?;
        self.go(false, by);
        Ok(())
    }

    /// Takes the newest run up where it was cut off.
    pub(crate) fn resume(self: &Arc<Self>, by: &str) -> Result<(), Refusal> {
        let running = Doing::Running { since: clock::now(), by: by.to_owned(), resumes: true, ending: false };
        self.begin(running, |state| {
            matches!(state.doing, Doing::Nothing | Doing::Planned { .. }).then_some(()).ok_or(Refusal::Busy)
        })?;
        self.go(true, by);
        Ok(())
    }

    /// Ends the run in order; it can be taken up again.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        if let Doing::Running { ending, .. } = &mut state.doing {
            *ending = true;
            state.cancel.cancel();
        }
        drop(state);
        self.tell();
    }

    /// Ends the run, if there is one, and waits until it has ended: the process is about to.
    pub(crate) async fn end_and_wait(&self) {
        self.end();
        let mut changed = self.changed.subscribe();
        let ended = async {
            while matches!(self.doing().0, Doing::Running { .. }) && changed.changed().await.is_ok() {}
        };
        let _ = tokio::time::timeout(END_WITHIN, ended).await;
    }

    fn begin(&self, doing: Doing, check: impl FnOnce(&State) -> Result<(), Refusal>) -> Result<(), Refusal> {
        let mut state = self.lock();
        check(&state)?;
        state.doing = doing;
        state.failed = None;
        state.cancel = CancellationToken::new();
        drop(state);
        self.tell();
        Ok(())
    }

    fn go(self: &Arc<Self>, resumes: bool, by: &str) {
        let (actor, by) = (Arc::clone(self), by.to_owned());
        tokio::spawn(async move {
            // A task of its own, so that a step that panics leaves no run that seems to go on for ever.
            let work = Arc::clone(&actor);
            let run = tokio::spawn(async move { work.carry_out(Mode::Act, resumes, Some(by)).await });
            let failed = match run.await {
                Ok(Ok(_)) => None,
                Ok(Err(error)) => Some(golive::error_chain(&error)),
                Err(panic) => Some(format!("the run broke off: {panic}")),
            };
            actor.finished(failed);
        });
    }

    async fn carry_out(&self, mode: Mode, resumes: bool, by: Option<String>) -> Result<Outcome, RunError> {
        let name = clock::now().format("%Y%m%dT%H%M%S%.3fZ").to_string();
        let mut options = ProductionOptions::new(self.acts.config.clone(), self.base.clone(), name, mode);
        options.flow.resume = resumes;
        options.by = by;
        options.cancel = self.lock().cancel.clone();
        golive::run(options, &*self.acts.environment, golive::nobody()).await
    }

    fn planned(&self, outcome: Result<Outcome, RunError>) {
        let mut state = self.lock();
        match outcome {
            Ok(outcome) => {
                state.plans += 1;
                let plan = Planned { id: state.plans, at: clock::now(), steps: outcome.report.steps };
                state.doing = Doing::Planned { plan: Arc::new(plan) };
            }
            Err(error) => {
                state.doing = Doing::Nothing;
                state.failed = Some(golive::error_chain(&error));
            }
        }
        drop(state);
        self.tell();
    }

    fn finished(&self, failed: Option<String>) {
        let mut state = self.lock();
        (state.doing, state.failed) = (Doing::Nothing, failed);
        drop(state);
        self.tell();
    }

    fn tell(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A plan that was read a quarter of an hour ago may not be what would be done now.
const PLAN_LIFE: TimeDelta = TimeDelta::minutes(15);
/// How long steps may take to end in order.
const END_WITHIN: Duration = Duration::from_secs(60);
