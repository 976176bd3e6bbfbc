//! How far the countable parts of a step are, kept in the run's folder while it goes on, so that another process can
//! show it. One small file, written whole a few times a second at most.
//!
//! Not here: outcomes. What a step came to stands in the journal, synced; this file may be a moment old, and is of no
//! more use once the step has ended.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::event::{Event, Observer};
use crate::steps;

/// How far one item of a step is: a table that is copied, a scenario of a load test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ItemProgress {
    /// Which step.
    pub step: String,
    /// Which item.
    pub item: String,
    /// How many are done.
    pub done: u64,
    /// Of how many, if known.
    pub total: Option<u64>,
    /// How many a second, since this run took it up.
    pub per_second: Option<f64>,
    /// When this was so.
    pub at: DateTime<Utc>,
}

/// How far the countable parts of the run in this folder are, the items of a step in the order in which they were taken
/// up; nothing where no step has counted anything yet.
///
/// # Errors
/// When the file is there and cannot be read, or is not what a run writes.
pub fn read_progress(directory: &Path) -> std::io::Result<Vec<ItemProgress>> {
    match std::fs::read(directory.join(FILE)) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(std::io::Error::other),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// An observer that keeps progress in the folder too. A folder that is not there, as when a run is only planned, is left
/// alone, and a file that cannot be written holds up no run: it is there to be looked at.
pub(crate) fn kept(observer: Observer, directory: PathBuf, clock: fn() -> DateTime<Utc>) -> Observer {
    let kept = Mutex::new(Kept { items: read_progress(&directory).unwrap_or_default(), written: None });
    Arc::new(move |event: Event| {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.take(&event, clock) {
            kept.write(&directory);
        }
        drop(kept);
        observer(event);
    })
}

struct Kept {
    items: Vec<ItemProgress>,
    written: Option<Instant>,
}

impl Kept {
    /// Whether it is to be written now: the end of a step always, what moves a few times a second.
    fn take(&mut self, event: &Event, clock: fn() -> DateTime<Utc>) -> bool {
        match event {
            Event::StepStarted { step, .. } => {
                let before = self.items.len();
                self.items.retain(|item| item.step != *step);
                before != self.items.len()
            }
            // All of them from the first moment, so that what waits can be seen.
            Event::StepPlanned { step: step @ steps::COPY, plan } => {
                for (table, rows) in steps::tables_to_copy(plan) {
                    self.set(step, &table, (0, Some(rows), None), clock());
                }
                true
            }
            Event::StepEnded { result } => self.items.iter().any(|item| item.step == result.id),
            Event::Progress { step, item, done, total, per_second } => {
                self.set(step, item, (*done, *total, *per_second), clock());
                self.written.is_none_or(|written| written.elapsed() >= EVERY)
            }
            _ => false,
        }
    }

    fn set(
        &mut self,
        step: &str,
        item: &str,
        (done, total, per_second): (u64, Option<u64>, Option<f64>),
        at: DateTime<Utc>,
    ) {
        let is_room = self.items.len() < MOST_ITEMS;
        match self.items.iter_mut().find(|known| known.step == step && known.item == item) {
            Some(known) => {
                (known.done, known.total, known.per_second, known.at) = (done, total, per_second, at);
            }
            None if is_room => self.items.push(ItemProgress {
                step: step.to_owned(),
                item: item.to_owned(),
                done,
                total,
                per_second,
                at,
            }),
            None => {}
        }
    }

    /// Whole or not at all. Not synced: after a crash of the machine nobody asks how far a table was.
    fn write(&mut self, directory: &Path) {
        self.written = Some(Instant::now());
        let (path, partial) = (directory.join(FILE), directory.join(PARTIAL));
        let bytes = serde_json::to_vec(&self.items).expect("progress is plain data");
        let open =
            || std::fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&partial);
        let written = open().and_then(|mut file| file.write_all(&bytes));
        if let Err(error) = written.and_then(|()| std::fs::rename(&partial, &path)) {
            tracing::debug!(%error, "progress could not be kept; it is shown by other means only");
        }
    }
}

const FILE: &str = "progress.json";
const PARTIAL: &str = "progress.json.partial";
const EVERY: Duration = Duration::from_millis(250);
/// More tables than this are not shown one by one.
const MOST_ITEMS: usize = 5000;

#[cfg(test)]
mod tests {
    use golive_gate::{StepResult, StepStatus};

    use super::*;

    fn progress(item: &str, done: u64) -> Event {
        Event::Progress { step: "copy", item: item.to_owned(), done, total: Some(9), per_second: None }
    }

    fn told(directory: &Path, events: Vec<Event>) {
        let observer = kept(crate::event::nobody(), directory.to_owned(), || DateTime::UNIX_EPOCH);
        events.into_iter().for_each(|event| observer(event));
    }

    #[test]
    fn the_last_numbers_of_a_step_are_kept_and_a_step_that_begins_again_counts_anew() {
        let folder = tempfile::tempdir().unwrap();
        let end =
            || Event::StepEnded { result: Box::new(StepResult::new("copy", 1, "", StepStatus::Passed)) };
        told(folder.path(), vec![progress("a", 1), progress("b", 2), progress("a", 9), end()]);
        let done = || -> Vec<(String, u64)> {
            read_progress(folder.path()).unwrap().into_iter().map(|item| (item.item, item.done)).collect()
        };
        assert_eq!(done(), [("a".to_owned(), 9), ("b".to_owned(), 2)]);
        // Taken up by another process: what it does not do again stands.
        let begins = |step| Event::StepStarted { step, phase: 1, title: "" };
        told(folder.path(), vec![begins("verify")]);
        assert_eq!(done().len(), 2);
        let plan = vec!["b: 2 rows".to_owned(), "a: 9 rows".to_owned()];
        told(
            folder.path(),
            vec![begins("copy"), Event::StepPlanned { step: "copy", plan }, progress("a", 3), end()],
        );
        assert_eq!(done(), [("b".to_owned(), 0), ("a".to_owned(), 3)]);
    }

    #[test]
    fn a_folder_that_is_not_there_is_not_made_and_a_damaged_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let imagined = folder.path().join("imagined");
        told(&imagined, vec![progress("a", 1)]);
        assert!(!imagined.exists());
        assert_eq!(read_progress(&imagined).unwrap(), []);
        std::fs::write(folder.path().join(FILE), "{").unwrap();
        assert!(read_progress(folder.path()).is_err());
    }
}
