//! What the console does for an operator: the plan of a run, and the run itself, as `golive plan` and `golive run` would make them, in
//! this process. One at a time; the lock of the runs' folder keeps those of other processes apart.
//!
//! Not here: a verb of its own, and who may act (`access`).

mod deciding;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use golive::{Config, Mode, Outcome, ProductionOptions, ReadConfigError};
use golive_auth::{AccountsMapping, RolePolicy};
use golive_gate::{StepResult, StepStatus};
use secrecy::SecretString;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(crate) use deciding::{Choices, Found, Proposal};

use crate::clock;

/// How the environment is asked, for the addresses that golive.toml names as `env:NAME`.
type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What acting needs: the application's description, and the environment that it refers to.
#[derive(Clone)]
#[non_exhaustive]
pub struct Acts {
    /// What it said at the start: who the application is, and where its people are.
    config: Config,
    /// Read anew for each plan and run, and where decisions about findings are written.
    file: Option<PathBuf>,
    environment: Environment,
}

impl std::fmt::Debug for Acts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acts").field("application", &self.config.application.name).finish_non_exhaustive()
    }
}

impl Acts {
    /// Lets operators plan and run the go-live of this application. Decisions about findings cannot be written: there is no file.
    pub fn new(config: Config, environment: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self { config, file: None, environment: Arc::new(environment) }
    }

    /// Lets operators plan and run the go-live that this `golive.toml` describes, and write decisions about findings into it.
    ///
    /// # Errors
    /// When the file cannot be read or is none of golive's.
    pub fn of_file(
        file: &Path,
        environment: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Result<Self, ReadConfigError> {
        let config = Config::read(file)?;
        Ok(Self { config, file: Some(file.to_owned()), environment: Arc::new(environment) })
    }

    /// What the file says now.
    fn now(&self) -> Result<Config, String> {
        match &self.file {
            Some(file) => Config::read(file).map_err(|error| golive::error_chain(&error)),
            None => Ok(self.config.clone()),
        }
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

    /// Which role of the application may do what, or why that is not known; nothing where it is not described.
    fn roles(&self) -> Option<Result<RolePolicy, String>> {
        let roles = self.config.roles.as_ref()?;
        Some(roles.read(&self.config.directory).map_err(|error| golive::error_chain(&error)))
    }
}

/// How far a run goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The whole go-live.
    Whole,
    /// The migration up to its proof.
    Migration,
    /// The switch alone, which takes that proof.
    Switch,
}

impl Scope {
    /// The last step.
    fn until(self) -> Option<String> {
        match self {
            Self::Whole => None,
            Self::Migration => Some("verify".to_owned()),
            Self::Switch => Some("switch".to_owned()),
        }
    }
}

/// What goes on.
#[derive(Debug, Clone)]
pub(crate) enum Doing {
    Nothing,
    /// Reads the source, with the decisions that are proposed.
    Surveying {
        since: DateTime<Utc>,
    },
    Planning {
        since: DateTime<Utc>,
        scope: Scope,
    },
    /// Everything that a run would do, to be read and confirmed.
    Planned {
        plan: Arc<Planned>,
    },
    Running {
        since: DateTime<Utc>,
        by: String,
        scope: Scope,
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
    pub(crate) scope: Scope,
    pub(crate) steps: Vec<StepResult>,
}

impl Planned {
    /// Whether the run could begin: what is refused, or cannot be looked at now, would end it before it changed anything. What is
    /// not described is no hindrance; it stays unknown.
    pub(crate) fn is_ready(&self) -> bool {
        self.steps.iter().all(|step| step.status != StepStatus::Failed && step.error.is_none())
    }
}

/// Why it is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Something else goes on.
    Busy,
    /// The plan that was confirmed is not the one that would be followed, or is too old.
    OtherPlan,
    /// No such thing was found, or it may not be decided so.
    NoChoice,
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
    /// What the last survey found.
    found: Option<Arc<Found>>,
    cancel: CancellationToken,
    /// Counts plans and proposals, so that a confirmation is of one of them.
    made: u64,
}

impl Actor {
    pub(crate) fn new(acts: Acts, base: &Path) -> Arc<Self> {
        let cancel = CancellationToken::new();
        let state = State { doing: Doing::Nothing, failed: None, found: None, cancel, made: 0 };
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

    /// See [`Acts::roles`].
    pub(crate) fn roles(&self) -> Option<Result<RolePolicy, String>> {
        self.acts.roles()
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
    pub(crate) fn plan(self: &Arc<Self>, scope: Scope) -> Result<(), Refusal> {
        self.begin(Doing::Planning { since: clock::now(), scope }, is_idle)?;
        let actor = Arc::clone(self);
        tokio::spawn(async move {
            let work = Arc::clone(&actor);
            let outcome = guarded(async move { work.carry_out(Mode::Plan, scope, false, None).await }).await;
            actor.planned(scope, outcome);
        });
        Ok(())
    }

    /// Does what the plan of this number says.
    pub(crate) fn run(self: &Arc<Self>, scope: Scope, plan: u64, by: &str) -> Result<(), Refusal> {
        let now = clock::now();
        let mut state = self.lock();
        let is_it = |known: &Planned| {
            known.id == plan && known.scope == scope && known.is_ready() && now - known.at < PLAN_LIFE
        };
        match &state.doing {
            Doing::Planned { plan: known } if is_it(known) => {}
            Doing::Planned { .. } | Doing::Nothing => return Err(Refusal::OtherPlan),
            _ => return Err(Refusal::Busy),
        }
        state.begin(Doing::Running { since: now, by: by.to_owned(), scope, resumes: false, ending: false });
        drop(state);
        self.tell();
        self.go(scope, false, by);
        Ok(())
    }

    /// Takes the newest run up where it was cut off, or where its last part ended.
    pub(crate) fn resume(self: &Arc<Self>, scope: Scope, by: &str) -> Result<(), Refusal> {
        let by_whom = by.to_owned();
        let running =
            Doing::Running { since: clock::now(), by: by_whom, scope, resumes: true, ending: false };
        self.begin(running, is_idle)?;
        self.go(scope, true, by);
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
        state.begin(doing);
        drop(state);
        self.tell();
        Ok(())
    }

    fn go(self: &Arc<Self>, scope: Scope, resumes: bool, by: &str) {
        let (actor, by) = (Arc::clone(self), by.to_owned());
        tokio::spawn(async move {
            let work = Arc::clone(&actor);
            let run = guarded(async move { work.carry_out(Mode::Act, scope, resumes, Some(by)).await });
            let failed = run.await.err();
            actor.finished(failed);
        });
    }

    async fn carry_out(
        &self,
        mode: Mode,
        scope: Scope,
        resumes: bool,
        by: Option<String>,
    ) -> Result<Outcome, String> {
        let name = clock::now().format("%Y%m%dT%H%M%S%.3fZ").to_string();
        let mut options = ProductionOptions::new(self.acts.now()?, self.base.clone(), name, mode);
        options.flow.resume = resumes;
        options.flow.until = scope.until();
        options.by = by;
        options.cancel = self.lock().cancel.clone();
        let done = golive::run(options, &*self.acts.environment, golive::nobody()).await;
        done.map_err(|error| golive::error_chain(&error))
    }

    fn planned(&self, scope: Scope, outcome: Result<Outcome, String>) {
        let mut state = self.lock();
        match outcome {
            Ok(outcome) => {
                state.made += 1;
                let mut steps = outcome.report.steps;
                steps.retain(|step| step.status != StepStatus::Skipped);
                let plan = Planned { id: state.made, at: clock::now(), scope, steps };
                state.doing = Doing::Planned { plan: Arc::new(plan) };
            }
            Err(why) => {
                state.doing = Doing::Nothing;
                state.failed = Some(why);
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

impl State {
    fn begin(&mut self, doing: Doing) {
        self.doing = doing;
        self.failed = None;
        self.cancel = CancellationToken::new();
    }
}

/// In a task of its own, so that what panics leaves nothing that seems to go on for ever.
async fn guarded<T: Send + 'static>(
    work: impl Future<Output = Result<T, String>> + Send + 'static,
) -> Result<T, String> {
    tokio::spawn(work).await.unwrap_or_else(|panic| Err(format!("it broke off: {panic}")))
}

/// Whether something may begin.
fn is_idle(state: &State) -> Result<(), Refusal> {
    matches!(state.doing, Doing::Nothing | Doing::Planned { .. }).then_some(()).ok_or(Refusal::Busy)
}

/// A plan that was read a quarter of an hour ago may not be what would be done now.
const PLAN_LIFE: TimeDelta = TimeDelta::minutes(15);
/// How long steps may take to end in order.
const END_WITHIN: Duration = Duration::from_secs(60);
