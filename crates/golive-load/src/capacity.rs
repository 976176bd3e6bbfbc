//! The highest rate at which every threshold is kept: doubled until one breaks, then narrowed down.
//!
//! What must not be here: sending. The search is a value that says what to try next.

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::plan::LoadPlan;
use crate::report::LoadReport;
use crate::run::{LoadError, Progress, run};
use crate::threshold::Verdict;

/// What a search found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Capacity {
    /// The highest multiple of the plan at which every threshold was kept; `None` when not even the first was.
    pub held: Option<f64>,
    /// The lowest at which one was broken; `None` when none was.
    pub broke: Option<f64>,
    /// Why the search ended before it had both, if it did.
    pub why: Option<String>,
    /// Each try in order.
    pub tries: Vec<Try>,
}

/// One try.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Try {
    /// The multiple of the plan's rates, or of its users in the closed model.
    pub factor: f64,
    /// What came of it.
    pub verdict: Verdict,
    /// Requests a second that were made.
    pub per_second: f64,
    /// The first threshold that was not kept, with what was measured, or why the try does not tell.
    pub says: Option<String>,
}

/// Where a search stands.
#[derive(Debug, Clone, Default)]
struct Search {
    held: Option<f64>,
    broke: Option<f64>,
    again: bool,
}

enum Next {
    Try(f64),
    Done(Option<String>),
}

impl Search {
    fn next(&self, factor: f64, verdict: Verdict, highest: f64) -> (Self, Next) {
        let mut search = self.clone();
        match verdict {
            Verdict::Kept => search.held = Some(factor),
            Verdict::Broken => search.broke = Some(factor),
            // Once more; twice is a generator at its end, not an application.
            Verdict::Unknown if !self.again => {
                search.again = true;
                return (search, Next::Try(factor));
            }
            Verdict::Unknown => {
                return (search, Next::Done(Some("a try did not tell, twice: see what it says".to_owned())));
            }
        }
        search.again = false;
        let next = match (search.held, search.broke) {
            (Some(held), Some(broke)) if broke / held <= NARROW => Next::Done(None),
            (Some(held), Some(broke)) => Next::Try((held * broke).sqrt()),
            (Some(held), None) if held >= highest => {
                Next::Done(Some("the highest multiple allowed was held".to_owned()))
            }
            (Some(held), None) => Next::Try((held * 2.0).min(highest)),
            (None, Some(broke)) if broke <= LOWEST => {
                Next::Done(Some("not even a hundredth of the plan was held".to_owned()))
            }
            (None, Some(broke)) => Next::Try((broke / 4.0).max(LOWEST)),
            (None, None) => Next::Done(None),
        };
        (search, next)
    }
}

/// Searches the highest multiple of `plan`, up to `highest`, that keeps its thresholds. Each try lasts as long as the plan.
///
/// # Errors
/// When the plan cannot be run, or has no threshold.
pub async fn find_capacity(
    plan: &LoadPlan,
    highest: f64,
    progress: &(dyn Fn(f64, Progress) + Send + Sync),
    cancel: &CancellationToken,
) -> Result<Capacity, LoadError> {
    if plan.thresholds.is_empty() || !(highest.is_finite() && highest >= 1.0) {
        let what = "a search needs a threshold to hold and a highest multiple of at least 1".to_owned();
        return Err(LoadError::Plan { what });
    }
    let (mut search, mut tries, mut factor) = (Search::default(), Vec::new(), 1.0);
    let why = loop {
        if cancel.is_cancelled() || tries.len() >= MAX_TRIES {
            break Some("it was stopped".to_owned());
        }
        let report = run(&scaled(plan, factor), &|now| progress(factor, now), cancel).await?;
        let verdict = report.verdict();
        tries.push(attempt(factor, verdict, &report));
        let (now, next) = search.next(factor, verdict, highest);
        search = now;
        match next {
            Next::Try(next) => factor = next,
            Next::Done(why) => break why,
        }
    };
    Ok(Capacity { held: search.held, broke: search.broke, why, tries })
}

fn attempt(factor: f64, verdict: Verdict, report: &LoadReport) -> Try {
    let broken =
        report.thresholds.iter().find(|judged| judged.verdict == verdict && verdict != Verdict::Kept);
    let says = broken.map(|judged| {
        let measured = judged.actual.map(|actual| format!("{actual:.1} {}", judged.unit));
        let found = [measured, judged.why.clone()].into_iter().flatten().collect::<Vec<_>>().join("; ");
        format!("{}: {found}", judged.threshold)
    });
    let doubt = report.inconclusive.first().filter(|_| verdict == Verdict::Unknown).cloned();
    Try {
        factor,
        verdict,
        per_second: report.requests as f64 / report.seconds.max(0.001),
        says: says.or(doubt),
    }
}

/// All rates, and in the closed model all users, multiplied. What happens a fixed number of times stays.
fn scaled(plan: &LoadPlan, factor: f64) -> LoadPlan {
    let mut plan = plan.clone();
    for scenario in plan.scenarios.iter_mut().filter(|scenario| scenario.iterations.is_none()) {
        if !scenario.is_open() || factor > 1.0 {
            scenario.users = (f64::from(scenario.users) * factor).ceil().max(1.0) as u32;
        }
        scenario.arrivals_per_second = scenario.arrivals_per_second.map(|rate| rate * factor);
        scenario.arrivals = scenario.arrivals.as_ref().map(|arrivals| arrivals.scaled(factor));
    }
    plan
}

/// Held and broken so close together are one figure.
const NARROW: f64 = 1.05;
const LOWEST: f64 = 0.01;
const MAX_TRIES: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the search makes of an application that holds exactly so much.
    fn search(truth: f64, highest: f64) -> (Search, usize, Option<String>) {
        let (mut search, mut factor) = (Search::default(), 1.0);
        for tries in 1..100 {
            let verdict = if factor <= truth { Verdict::Kept } else { Verdict::Broken };
            let (now, next) = search.next(factor, verdict, highest);
            search = now;
            match next {
                Next::Try(next) => factor = next,
                Next::Done(why) => return (search, tries, why),
            }
        }
        panic!("it never ends at {truth}");
    }

    proptest! {
        #[test]
        fn the_truth_lies_between_what_held_and_what_broke(truth in 0.011..900.0_f64) {
            let (search, tries, _) = search(truth, 1000.0);
            let (held, broke) = (search.held.unwrap(), search.broke.unwrap());
            prop_assert!(held <= truth && truth < broke && broke / held <= NARROW, "{held} {truth} {broke}");
            prop_assert!(tries <= MAX_TRIES);
        }
    }

    #[test]
    fn a_search_that_cannot_end_well_says_why() {
        assert!(search(5000.0, 64.0).2.unwrap().contains("highest"));
        assert!(search(0.0, 64.0).2.unwrap().contains("hundredth"));
        let (once, next) = Search::default().next(1.0, Verdict::Unknown, 64.0);
        assert!(matches!(next, Next::Try(factor) if factor == 1.0));
        assert!(matches!(once.next(1.0, Verdict::Unknown, 64.0).1, Next::Done(Some(_))));
    }
}
