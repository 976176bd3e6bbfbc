//! What the console shows: where the newest run stands, read from its folder and only from there, so that a run of another
//! process, one of yesterday and one that was cut off are shown alike. Read again when a file changed.
//!
//! Not here: changing anything, and how it is shown (`pages`).

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, Utc};
use golive::{ItemProgress, PacePoint, PastRun, RunStanding, RunState, StepStanding};
use golive_gate::{Fact, Policy, Report, StepResult, StepStatus, Verdict};
use tokio::sync::Mutex;

use crate::clock;

/// A production run or a rehearsal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Run,
    Rehearsal,
}

impl Kind {
    /// Its folder among the runs.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Run => "runs",
            Self::Rehearsal => "rehearsals",
        }
    }

    /// The command that makes one.
    pub(crate) fn verb(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Rehearsal => "rehearse",
        }
    }
}

/// How a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum StepState {
    Waiting,
    Running,
    /// It was under way when its run was cut off.
    CutOff,
    Passed,
    Failed,
    Unknown,
    Skipped,
}

impl StepState {
    pub(crate) fn of(step: &StepStanding, run: RunState) -> Self {
        match (&step.ended, step.under_way_since) {
            (Some(result), _) => Self::of_result(result.status),
            (None, Some(_)) if run == RunState::GoesOn => Self::Running,
            (None, Some(_)) => Self::CutOff,
            (None, None) => Self::Waiting,
        }
    }

    fn of_result(status: StepStatus) -> Self {
        match status {
            StepStatus::Passed => Self::Passed,
            StepStatus::Failed => Self::Failed,
            StepStatus::Skipped => Self::Skipped,
            StepStatus::Planned => Self::Waiting,
            // A status of a later version is not known here, and what is not known is not passed.
            _ => Self::Unknown,
        }
    }

    /// The word of the JSON interface and of the style sheet.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::CutOff => "cut_off",
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Skipped => "skipped",
        }
    }
}

/// One look at a run.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) kind: Kind,
    pub(crate) standing: RunStanding,
    /// What the run came to; while it goes on, or was cut off, what its journal shows so far.
    pub(crate) report: Report,
    /// Whether `report` is the run's own end, and not a judgement of what is there so far.
    pub(crate) is_final: bool,
    pub(crate) progress: Vec<ItemProgress>,
    /// How far each step was at which time.
    pub(crate) pace: BTreeMap<String, Vec<PacePoint>>,
    /// Why progress could not be read.
    pub(crate) progress_problem: Option<String>,
}

impl Look {
    pub(crate) fn steps(&self) -> impl Iterator<Item = (&StepStanding, StepState)> {
        self.standing.steps.iter().map(|step| (step, StepState::of(step, self.standing.state)))
    }

    pub(crate) fn step(&self, id: &str) -> Option<(&StepStanding, StepState)> {
        self.steps().find(|(step, _)| step.id == id)
    }

    pub(crate) fn count(&self, state: StepState) -> usize {
        self.steps().filter(|(_, found)| *found == state).count()
    }

    /// The newest fact of this name that a step recorded and that still stands.
    pub(crate) fn fact(&self, key: &str) -> Option<&Fact> {
        let results = self.standing.steps.iter().filter_map(|step| step.ended.as_ref());
        let facts = results.flat_map(|result: &StepResult| &result.proof).filter(|fact| fact.key == key);
        facts.max_by_key(|fact| fact.collected_at)
    }

    /// What the evidence of an ended run would be worth if it were judged now: evidence grows old.
    pub(crate) fn verdict_now(&self, policy: &Policy, now: DateTime<Utc>) -> Verdict {
        judge_standing(&self.standing, policy, now).verdict
    }
}

/// What a look came to.
#[derive(Debug)]
pub(crate) enum Seen {
    /// There is no run yet.
    Nothing,
    /// There is one, and its files cannot be read: nothing is known, and nothing is shown as if it were.
    Unreadable(String),
    /// Where it stands.
    Run(Box<Look>),
}

/// A look with its time and its identity: as long as the identity is the same, nothing that is shown has changed.
#[derive(Debug)]
pub(crate) struct Seeing {
    pub(crate) seen: Arc<Seen>,
    /// When the files were last found to be as they are shown.
    pub(crate) at: DateTime<Utc>,
    pub(crate) version: String,
    stamp: String,
}

impl Seeing {
    pub(crate) fn run(&self) -> Option<&Look> {
        match &*self.seen {
            Seen::Run(look) => Some(look),
            _ => None,
        }
    }
}

/// The runs that came to a report, the newest first.
pub(crate) type Past = Arc<Vec<(Kind, PastRun)>>;

/// Looks at most so often, whoever asks, and shares what it saw.
pub(crate) struct Looker {
    base: PathBuf,
    policy: Policy,
    last: Mutex<Option<(Instant, Arc<Seeing>)>>,
    past: Mutex<Option<(Instant, Past)>>,
}

impl Looker {
    pub(crate) fn new(base: PathBuf, policy: Policy) -> Self {
        Self { base, policy, last: Mutex::default(), past: Mutex::default() }
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Where the newest run stands now.
    pub(crate) async fn look(&self) -> Arc<Seeing> {
        // Held while looking: of many who ask at once one looks.
        let mut last = self.last.lock().await;
        if let Some((when, seeing)) = &*last
            && when.elapsed() < FRESH
        {
            return Arc::clone(seeing);
        }
        let (base, policy) = (self.base.clone(), self.policy.clone());
        let known = last.as_ref().map(|(_, seeing)| Arc::clone(seeing));
        let looking = tokio::task::spawn_blocking(move || look_again(&base, &policy, known, clock::now()));
        let seeing = Arc::new(looking.await.unwrap_or_else(|error| Seeing {
            seen: Arc::new(Seen::Unreadable(format!("looking at the run broke off: {error}"))),
            at: clock::now(),
            version: "broken".to_owned(),
            stamp: String::new(),
        }));
        *last = Some((Instant::now(), Arc::clone(&seeing)));
        seeing
    }

    /// The runs that came to a report, runs and rehearsals, the newest first.
    pub(crate) async fn past(&self) -> Result<Past, String> {
        let mut past = self.past.lock().await;
        if let Some((when, runs)) = &*past
            && when.elapsed() < PAST_FRESH
        {
            return Ok(Arc::clone(runs));
        }
        let base = self.base.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let mut all = Vec::new();
            for kind in [Kind::Run, Kind::Rehearsal] {
                let runs = golive::past_runs(&base.join(kind.folder()), MOST_PAST_RUNS)?;
                all.extend(runs.into_iter().map(|run| (kind, run)));
            }
            all.sort_by_key(|(_, run)| std::cmp::Reverse(run.report.finished_at));
            Ok::<_, std::io::Error>(all)
        });
        let runs = match reading.await {
            Ok(Ok(runs)) => Arc::new(runs),
            Ok(Err(error)) => return Err(error.to_string()),
            Err(error) => return Err(error.to_string()),
        };
        *past = Some((Instant::now(), Arc::clone(&runs)));
        Ok(runs)
    }
}

/// A run that is at work, else the newest production run, else the newest rehearsal.
fn look_again(base: &Path, policy: &Policy, known: Option<Arc<Seeing>>, now: DateTime<Utc>) -> Seeing {
    let stamp = stamp(base);
    let ended =
        |seeing: &Arc<Seeing>| seeing.run().is_some_and(|look| look.standing.state == RunState::Ended);
    // A run that goes on is read again each time: who holds its lock, and so whether it still goes on, is in no file. One
    // that has ended begins again with a line in its journal.
    if let Some(known) = known.filter(|known| known.stamp == stamp && ended(known)) {
        return Seeing { seen: Arc::clone(&known.seen), at: now, stamp, version: known.version.clone() };
    }
    let seen = read_newest(base, policy, now);
    let state = match &seen {
        Seen::Nothing => "nothing",
        Seen::Unreadable(_) => "unreadable",
        Seen::Run(look) => state_word(look.standing.state),
    };
    Seeing { seen: Arc::new(seen), at: now, version: format!("{stamp}-{state}"), stamp }
}

/// The word of the JSON interface.
pub(crate) fn state_word(state: RunState) -> &'static str {
    match state {
        RunState::GoesOn => "goes_on",
        RunState::Ended => "ended",
        // A state of a later version is not known here; what is not known has not ended well.
        _ => "cut_off",
    }
}

fn read_newest(base: &Path, policy: &Policy, now: DateTime<Utc>) -> Seen {
    let mut newest = None;
    for kind in [Kind::Run, Kind::Rehearsal] {
        match golive::run_standing(&base.join(kind.folder())) {
            Err(error) => return Seen::Unreadable(golive::error_chain(&error)),
            Ok(Some(standing)) if standing.state == RunState::GoesOn => {
                newest = Some((kind, standing));
                break;
            }
            Ok(Some(standing)) => {
                newest.get_or_insert((kind, standing));
            }
            Ok(None) => {}
        }
    }
    match newest {
        Some((kind, standing)) => Seen::Run(Box::new(read(base, kind, standing, policy, now))),
        None => Seen::Nothing,
    }
}

fn read(base: &Path, kind: Kind, standing: RunStanding, policy: &Policy, now: DateTime<Utc>) -> Look {
    let written = (standing.state == RunState::Ended)
        .then(|| golive::read_latest(&base.join(kind.folder())).ok())
        .flatten()
        .map(|(report, _)| report)
        .filter(|report| report.run_id == standing.run || report.run_id.is_empty());
    let is_final = written.is_some();
    let report = written.unwrap_or_else(|| judge_standing(&standing, policy, now));
    let (progress, progress_problem) = match golive::read_progress(&standing.directory) {
        Ok(progress) => (progress, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    // A pace that cannot be read is not drawn: the numbers stand beside it.
    let pace = golive::read_pace(&standing.directory).unwrap_or_default();
    Look { kind, standing, report, is_final, progress, pace, progress_problem }
}

/// What the journal shows so far, judged as the end will be.
fn judge_standing(standing: &RunStanding, policy: &Policy, now: DateTime<Utc>) -> Report {
    let results: Vec<StepResult> = standing.steps.iter().filter_map(|step| step.ended.clone()).collect();
    let facts: Vec<Fact> = results.iter().flat_map(|result| result.proof.clone()).collect();
    let started = standing.opened_at.unwrap_or(now);
    golive_gate::judge(&facts, &results, policy, now).of_run("", standing.run.clone(), started)
}

/// Changes whenever a file does that anything shown comes from.
fn stamp(base: &Path) -> String {
    let mut hasher = DefaultHasher::new();
    for kind in [Kind::Run, Kind::Rehearsal] {
        let folder = base.join(kind.folder());
        let latest = std::fs::read_link(folder.join("latest")).ok();
        latest.hash(&mut hasher);
        let Some(latest) = latest.map(|latest| folder.join(latest)) else { continue };
        for file in ["journal.jsonl", "progress.json", "report.json"] {
            let about = std::fs::metadata(latest.join(file)).ok();
            about
                .map(|about| (about.len(), about.modified().unwrap_or(SystemTime::UNIX_EPOCH)))
                .hash(&mut hasher);
        }
    }
    format!("{:016x}", hasher.finish())
}

const FRESH: Duration = Duration::from_millis(300);
const PAST_FRESH: Duration = Duration::from_secs(2);
const MOST_PAST_RUNS: usize = 50;
