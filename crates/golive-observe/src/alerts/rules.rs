//! Looks now and then at what no single request or check shows: the share of requests that fail, and the age of the last
//! good backup. The arithmetic is pure; the thread only reads the numbers.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::incident::Patience;
use super::{AlertOptions, AlertSetupError, Alerter};
use crate::metrics::metrics;

/// The time over which failed requests are counted, and how many requests it takes to say anything.
const SPAN: Duration = Duration::from_secs(300);
const FEWEST_REQUESTS: u64 = 20;

const FAILURES: Patience = Patience { raise_after: 2, recover_after: 3 };
const BACKUP: Patience = Patience { raise_after: 2, recover_after: 1 };

/// Starts the thread that looks; it ends with the alerter.
pub(super) fn start(alerter: &Arc<Alerter>, options: &AlertOptions) -> Result<(), AlertSetupError> {
    let (weak, options) = (Arc::downgrade(alerter), options.clone());
    thread::Builder::new()
        .name("golive-alert-rules".to_owned())
        .spawn(move || look(&weak, &options))
        .map_err(|error| AlertSetupError::System { reason: error.to_string() })?;
    Ok(())
}

fn look(alerter: &Weak<Alerter>, options: &AlertOptions) {
    let mut shares = Shares::default();
    loop {
        thread::sleep(options.look_every);
        let Some(alerter) = alerter.upgrade() else { return };
        let now = Instant::now();
        let (requests, failures) = metrics().request_totals();
        if let Some(share) = shares.note(now, requests, failures) {
            let text = format!(
                "{:.1} % of the requests of the last minutes failed; read the newest errors",
                share * 100.0
            );
            alerter.condition("failed requests", share > options.most_failed_share, &text, FAILURES, now);
        }
        if let Some(age) = metrics().backup_age() {
            let (is_bad, text) = judge_backup(age, options.most_backup_age);
            alerter.condition("backup", is_bad, &text, BACKUP, now);
        }
    }
}

/// An age that nobody knows is no good one.
fn judge_backup(age_seconds: Option<f64>, at_most: Duration) -> (bool, String) {
    match age_seconds {
        Some(age) if age <= at_most.as_secs_f64() => (false, String::new()),
        Some(age) => (true, format!("the last good backup is {:.0} h old; run one by hand", age / 3600.0)),
        None => {
            (true, "no good backup is known; run one by hand and see where its record is read".to_owned())
        }
    }
}

/// Totals over the last minutes.
#[derive(Default)]
struct Shares(VecDeque<(Instant, u64, u64)>);

impl Shares {
    /// The share of failed requests since the oldest total that is kept; nothing while there were too few.
    fn note(&mut self, now: Instant, requests: u64, failures: u64) -> Option<f64> {
        while self.0.len() > 1 && self.0.front().is_some_and(|(at, ..)| now.duration_since(*at) > SPAN) {
            self.0.pop_front();
        }
        if self.0.is_empty() {
            self.0.push_back((now, 0, 0)); // the process has just started
        }
        let (_, first_requests, first_failures) = self.0[0];
        self.0.push_back((now, requests, failures));
        let requests = requests.saturating_sub(first_requests);
        let failures = failures.saturating_sub(first_failures);
        // Silence after failures is an answer, too: nothing fails any more.
        if requests == 0 {
            return Some(0.0);
        }
        (requests >= FEWEST_REQUESTS).then(|| failures as f64 / requests as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_of_the_last_minutes_and_of_enough_requests() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut shares = Shares::default();
        assert_eq!(shares.note(at(0), 19, 19), None, "too few to say");
        assert_eq!(shares.note(at(10), 100, 20), Some(0.2));
        assert_eq!(shares.note(at(10), 100, 20), Some(0.2), "it stays so for as long as it counts");
        assert_eq!(shares.note(at(200), 200, 20), Some(0.1));
        // What was long ago no longer counts.
        assert_eq!(shares.note(at(311), 319, 20), Some(0.0));
        assert_eq!(shares.note(at(900), 319, 29), Some(0.0));
    }

    #[test]
    fn a_backup_that_nobody_knows_is_not_well() {
        let day = Duration::from_secs(86_400);
        assert!(judge_backup(None, day).0 && judge_backup(Some(86_401.0), day).0);
        assert!(!judge_backup(Some(86_400.0), day).0);
        assert!(judge_backup(Some(f64::NAN), day).0);
    }
}
