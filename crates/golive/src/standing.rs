//! Where the newest run stands, told from its journal: also while it goes on, and after it was cut off.
//!
//! Not here: what an ended run came to (`report`), and changing anything. No lock is kept and no line is written.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use golive_gate::StepResult;
use serde::Serialize;

use crate::journal::{Entry, Journal, JournalError};
use crate::rehearse::JOURNAL;
use crate::report::read_latest;
use crate::steps;

/// Whether a run is at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunState {
    /// A process is at work on it.
    GoesOn,
    /// It ended before its report was written; `--resume` takes it up.
    CutOff,
    /// It came to its report.
    Ended,
}

/// Where a run stands.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct RunStanding {
    /// Its name.
    pub run: String,
    /// Whether it is at work.
    pub state: RunState,
    /// Its folder.
    pub directory: PathBuf,
    /// When it first began; nothing when it did not come to its first step.
    pub opened_at: Option<DateTime<Utc>>,
    /// When its journal was last written to.
    pub last_at: Option<DateTime<Utc>>,
    /// Every step of the flow, in its order.
    pub steps: Vec<StepStanding>,
}

/// Where one step stands.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct StepStanding {
    /// Its name.
    pub id: &'static str,
    /// Its phase.
    pub phase: u8,
    /// What it does.
    pub title: &'static str,
    /// Since when it is under way; of a run that was cut off, the step it was cut off in.
    pub under_way_since: Option<DateTime<Utc>>,
    /// How it ended, if it did.
    pub ended: Option<StepResult>,
}

/// Where the newest run under `base` stands; nothing when there is none.
///
/// # Errors
/// When its journal cannot be read, or was changed by hand.
pub fn run_standing(base: &Path) -> Result<Option<RunStanding>, JournalError> {
    let Ok(directory) = std::fs::canonicalize(base.join("latest")) else { return Ok(None) };
    // Looked at before the journal: a run that ends in between has then written its last line.
    let is_held = is_held(&base.join("lock"));
    let entries = Journal::read(&directory.join(JOURNAL))?;
    let last_at = entries.iter().rev().find_map(Entry::at);
    let judged_at = read_latest(base).ok().map(|(report, _)| report.finished_at);
    let state = match (is_held, judged_at) {
        (true, _) => RunState::GoesOn,
        (false, Some(judged)) if last_at.is_none_or(|last| judged >= last) => RunState::Ended,
        (false, _) => RunState::CutOff,
    };
    let run = directory.file_name().and_then(|name| name.to_str()).unwrap_or("run").to_owned();
    let opened_at = entries.iter().find(|entry| matches!(entry, Entry::Opened { .. })).and_then(Entry::at);
    Ok(Some(RunStanding { run, state, directory, opened_at, last_at, steps: steps_of(&entries) }))
}

fn steps_of(entries: &[Entry]) -> Vec<StepStanding> {
    let (mut begun, mut ended) = (BTreeMap::new(), BTreeMap::new());
    for entry in entries {
        match entry {
            Entry::Started { at, step } => {
                begun.insert(step.as_str(), *at);
            }
            Entry::Ended { result, .. } => {
                begun.remove(result.id.as_str());
                ended.insert(result.id.as_str(), result);
            }
            _ => {}
        }
    }
    let standing = |about: crate::step::About| {
        let under_way_since = begun.get(about.id).copied();
        // What it came to before it began again stands no more.
        let ended = ended.get(about.id).filter(|_| under_way_since.is_none());
        let ended = ended.map(|result| result.as_ref().clone());
        StepStanding { id: about.id, phase: about.phase, title: about.title, under_way_since, ended }
    };
    steps::list().into_iter().map(standing).collect()
}

/// A shared lock for a moment: it is refused while a run holds its own.
fn is_held(lock: &Path) -> bool {
    let file = File::open(lock);
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

#[cfg(test)]
mod tests {
    use golive_gate::{Policy, StepStatus};

    use super::*;
    use crate::run_dir::RunDirectory;

    fn time(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
    }

    fn ended(step: &str, seconds: i64) -> Entry {
        let result = Box::new(StepResult::new(step, 1, "", StepStatus::Passed));
        Entry::Ended { at: time(seconds), result, config: BTreeMap::new() }
    }

    #[test]
    fn a_run_goes_on_while_its_lock_is_held_is_cut_off_after_that_and_ended_with_its_report() {
        let base = tempfile::tempdir().unwrap();
        assert!(run_standing(base.path()).unwrap().is_none());
        let directory = RunDirectory::create(base.path(), "one").unwrap();
        let standing = || run_standing(base.path()).unwrap().unwrap();
        assert_eq!((standing().state, standing().opened_at), (RunState::GoesOn, None));
        let journal = Journal::open(&directory.path(JOURNAL)).unwrap();
        for entry in
            [ended("survey", 1), ended("copy", 2), Entry::Started { at: time(3), step: "copy".to_owned() }]
        {
            journal.append(entry).unwrap();
        }
        assert_eq!(standing().state, RunState::GoesOn);
        drop(directory);
        let found = standing();
        assert_eq!((found.state, found.last_at), (RunState::CutOff, Some(time(3))));
        let step = |id: &str| found.steps.iter().find(|step| step.id == id).unwrap();
        assert!(step("survey").ended.is_some() && step("survey").under_way_since.is_none());
        assert!(step("copy").ended.is_none(), "it began again");
        assert_eq!(step("copy").under_way_since, Some(time(3)));
        assert!(step("verify").ended.is_none() && step("verify").under_way_since.is_none());
        let report = golive_gate::judge(&[], &[], &Policy::default(), time(2));
        crate::report::write(&report, &base.path().join("one")).unwrap();
        assert_eq!(standing().state, RunState::CutOff, "the report is older than the journal");
        let report = golive_gate::judge(&[], &[], &Policy::default(), time(4));
        crate::report::write(&report, &base.path().join("one")).unwrap();
        assert_eq!(standing().state, RunState::Ended);
    }
}
