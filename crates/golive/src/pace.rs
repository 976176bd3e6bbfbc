//! How far a step was at which time, kept in the run's folder beside the progress, so that its pace can be drawn while it goes on and
//! afterwards. Bounded: where there are too many points every other one goes.
//!
//! Not here: how far each item is (`progress`), and outcomes (`journal`).

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::event::{Event, Observer};

/// How much of a step was done at a time, all its items together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PacePoint {
    /// When.
    pub at: DateTime<Utc>,
    /// Rows, requests: what the step counts.
    pub done: u64,
}

/// The pace of each step that counts, of the run in this folder; nothing where none has counted yet.
///
/// # Errors
/// When the file is there and cannot be read, or is not what a run writes.
pub fn read_pace(directory: &Path) -> std::io::Result<BTreeMap<String, Vec<PacePoint>>> {
    match std::fs::read(directory.join(FILE)) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(std::io::Error::other),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

/// An observer that keeps the pace in the folder too; as with progress, what cannot be written holds up no run.
pub(crate) fn kept(observer: Observer, directory: PathBuf, clock: fn() -> DateTime<Utc>) -> Observer {
    let points = read_pace(&directory).unwrap_or_default();
    let kept = Mutex::new(Kept { points, items: BTreeMap::new() });
    Arc::new(move |event: Event| {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.take(&event, clock()) {
            kept.write(&directory);
        }
        drop(kept);
        observer(event);
    })
}

struct Kept {
    points: BTreeMap<String, Vec<PacePoint>>,
    /// What is done, by step and item.
    items: BTreeMap<&'static str, BTreeMap<String, u64>>,
}

impl Kept {
    /// Whether there is something new to write.
    fn take(&mut self, event: &Event, now: DateTime<Utc>) -> bool {
        match event {
            Event::StepStarted { step, .. } => {
                self.items.remove(*step);
                self.points.remove(*step).is_some()
            }
            Event::Progress { step, item, done, .. } => {
                self.items.entry(*step).or_default().insert(item.clone(), *done);
                self.add(step, now, EVERY)
            }
            Event::StepEnded { result } => self.add(&result.id, now, TimeDelta::zero()),
            _ => false,
        }
    }

    fn add(&mut self, step: &str, now: DateTime<Utc>, apart: TimeDelta) -> bool {
        let Some(items) = self.items.get(step) else { return false };
        let done = items.values().sum();
        let points = self.points.entry(step.to_owned()).or_default();
        if points.last().is_some_and(|last| now - last.at < apart) {
            return false;
        }
        points.push(PacePoint { at: now, done });
        if points.len() > MOST_POINTS {
            let mut index = 0;
            points.retain(|_| {
                index += 1;
                index % 2 == 1
            });
        }
        true
    }

    /// Whole or not at all.
    fn write(&self, directory: &Path) {
        let (path, partial) = (directory.join(FILE), directory.join(PARTIAL));
        let bytes = serde_json::to_vec(&self.points).expect("points are plain data");
        let open =
            || std::fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&partial);
        let written = open().and_then(|mut file| file.write_all(&bytes));
        if let Err(error) = written.and_then(|()| std::fs::rename(&partial, &path)) {
            tracing::debug!(%error, "the pace could not be kept; it is drawn for no one");
        }
    }
}

const FILE: &str = "pace.json";
const PARTIAL: &str = "pace.json.partial";
const EVERY: TimeDelta = TimeDelta::milliseconds(500);
/// Two minutes at that pace; twice as far apart with each halving.
const MOST_POINTS: usize = 240;

#[cfg(test)]
mod tests {
    use golive_gate::{StepResult, StepStatus};

    use super::*;

    fn at(milliseconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::milliseconds(milliseconds)
    }

    fn progress(item: &str, done: u64) -> Event {
        Event::Progress { step: "copy", item: item.to_owned(), done, total: None, per_second: None }
    }

    #[test]
    fn the_items_of_a_step_are_one_pace_and_a_step_that_begins_again_has_a_new_one() {
        let mut kept = Kept { points: BTreeMap::new(), items: BTreeMap::new() };
        assert!(kept.take(&progress("a", 5), at(0)));
        assert!(!kept.take(&progress("b", 2), at(100)), "a few times a second at most");
        assert!(kept.take(&progress("a", 9), at(600)));
        let end = Event::StepEnded { result: Box::new(StepResult::new("copy", 1, "", StepStatus::Passed)) };
        assert!(kept.take(&end, at(700)), "the end always");
        let done: Vec<u64> = kept.points["copy"].iter().map(|point| point.done).collect();
        assert_eq!(done, [5, 11, 11]);
        let folder = tempfile::tempdir().unwrap();
        kept.write(folder.path());
        assert_eq!(read_pace(folder.path()).unwrap(), kept.points);
        assert!(kept.take(&Event::StepStarted { step: "copy", phase: 1, title: "" }, at(900)));
        assert!(kept.points.is_empty());
    }

    #[test]
    fn however_long_it_takes_there_are_few_points_from_the_first_to_the_last() {
        let mut kept = Kept { points: BTreeMap::new(), items: BTreeMap::new() };
        for second in 0..5000 {
            kept.take(&progress("a", second), at(i64::try_from(second).unwrap() * 1000));
        }
        let points = &kept.points["copy"];
        assert!(points.len() <= MOST_POINTS && points.len() >= MOST_POINTS / 2, "{}", points.len());
        assert_eq!((points[0].done, points.last().unwrap().done), (0, 4999));
        assert!(points.windows(2).all(|pair| pair[0].done < pair[1].done));
        assert_eq!(read_pace(Path::new("/nowhere")).unwrap(), BTreeMap::new());
    }
}
