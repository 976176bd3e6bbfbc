//! When requests should start in the open model: a rate over time, and its inverse.
//!
//! What must not be here: a clock. Everything is counted from the begin of the run.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::plan::Scenario;

/// How the rate of arrivals changes over the counted time. A constant rate is
/// [`Scenario::arrivals_per_second`]; a soak is a constant rate for long. The warm-up goes at the rate that the shape begins
/// with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Arrivals {
    /// Evenly from one rate to another, over the whole time.
    Ramp {
        /// Arrivals a second at the start.
        from: f64,
        /// Arrivals a second at the end.
        to: f64,
    },
    /// One rate after the other, each for the same time.
    Steps {
        /// Arrivals a second of each step.
        rates: Vec<f64>,
    },
    /// A rate with a burst in it.
    Spike {
        /// Arrivals a second outside of the burst.
        base: f64,
        /// Arrivals a second within it.
        peak: f64,
        /// When it begins, in seconds of the counted time.
        at_seconds: f64,
        /// How long it lasts, in seconds.
        for_seconds: f64,
    },
}

/// A stretch of time in which the rate goes evenly from one value to another.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Stretch {
    seconds: f64,
    from: f64,
    to: f64,
}

impl Stretch {
    fn arrivals(self) -> f64 {
        (self.from + self.to) / 2.0 * self.seconds
    }

    /// The time at which so many arrivals have happened: `from·t + (to − from)/(2·seconds)·t² = n`.
    fn time_of(self, n: f64) -> f64 {
        let slope = (self.to - self.from) / self.seconds;
        if slope.abs() < 1e-12 {
            return n / self.from;
        }
        // The form of the root that does not cancel: for falling rates too.
        2.0 * n / (self.from + (self.from * self.from + 2.0 * slope * n).max(0.0).sqrt())
    }
}

/// The schedule of one open scenario.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Schedule {
    stretches: Vec<Stretch>,
}

impl Schedule {
    /// `None` for a closed scenario. `lead` is the warm-up that it takes part in; `counted` the time after it.
    pub(crate) fn of(scenario: &Scenario, lead: Duration, counted: Duration) -> Option<Self> {
        let (lead, counted) = (lead.as_secs_f64(), counted.as_secs_f64());
        let mut stretches = match (&scenario.arrivals, scenario.arrivals_per_second) {
            (Some(arrivals), _) => arrivals.stretches(counted),
            (None, Some(rate)) => vec![Stretch { seconds: counted, from: rate, to: rate }],
            (None, None) => return None,
        };
        let first = stretches.first().map_or(0.0, |stretch| stretch.from);
        stretches.insert(0, Stretch { seconds: lead, from: first, to: first });
        stretches.retain(|stretch| stretch.seconds > 0.0);
        Some(Self { stretches })
    }

    /// When arrival `n`, counted from zero, should start; `None` after the last.
    pub(crate) fn intended(&self, n: u64) -> Option<Duration> {
        let (mut began, mut arrived) = (0.0, 0.0);
        let n = n as f64;
        for stretch in &self.stretches {
            let here = stretch.arrivals();
            // A billionth of an arrival is rounding, not an arrival.
            if n < arrived + here - 1e-9 {
                let seconds = began + stretch.time_of(n - arrived).clamp(0.0, stretch.seconds);
                return Some(Duration::from_nanos((seconds * 1e9).round() as u64));
            }
            began += stretch.seconds;
            arrived += here;
        }
        None
    }
}

impl Arrivals {
    fn stretches(&self, total: f64) -> Vec<Stretch> {
        let flat = |seconds: f64, rate: f64| Stretch { seconds, from: rate, to: rate };
        match self {
            Self::Ramp { from, to } => vec![Stretch { seconds: total, from: *from, to: *to }],
            Self::Steps { rates } => {
                let each = total / rates.len().max(1) as f64;
                rates.iter().map(|rate| flat(each, *rate)).collect()
            }
            Self::Spike { base, peak, at_seconds, for_seconds } => {
                let at = at_seconds.clamp(0.0, total);
                let until = (at + for_seconds).clamp(at, total);
                vec![flat(at, *base), flat(until - at, *peak), flat(total - until, *base)]
            }
        }
    }

    /// Where the rate changes, in seconds of the counted time, for people.
    pub(crate) fn marks(&self, total: Duration) -> Vec<(f64, String)> {
        let mut at = 0.0;
        let mut marks = Vec::new();
        for stretch in self.stretches(total.as_secs_f64()).into_iter().filter(|stretch| stretch.seconds > 0.0)
        {
            let says = if (stretch.from - stretch.to).abs() < f64::EPSILON {
                format!("{}/s", stretch.from)
            } else {
                format!("{} to {}/s", stretch.from, stretch.to)
            };
            marks.push((at, says));
            at += stretch.seconds;
        }
        marks
    }

    /// All rates multiplied.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        match self {
            Self::Ramp { from, to } => Self::Ramp { from: from * factor, to: to * factor },
            Self::Steps { rates } => Self::Steps { rates: rates.iter().map(|rate| rate * factor).collect() },
            Self::Spike { base, peak, at_seconds, for_seconds } => Self::Spike {
                base: base * factor,
                peak: peak * factor,
                at_seconds: *at_seconds,
                for_seconds: *for_seconds,
            },
        }
    }

    /// What is wrong with it.
    pub(crate) fn complaint(&self) -> Option<&'static str> {
        let (rates, times): (Vec<f64>, Vec<f64>) = match self {
            Self::Ramp { from, to } => (vec![*from, *to], vec![]),
            Self::Steps { rates } => (rates.clone(), vec![]),
            Self::Spike { base, peak, at_seconds, for_seconds } => {
                (vec![*base, *peak], vec![*at_seconds, *for_seconds])
            }
        };
        let sound = |value: &f64| value.is_finite() && *value >= 0.0;
        if !(rates.iter().all(sound) && times.iter().all(sound)) {
            return Some("rates and times of `arrivals` must be numbers, not negative");
        }
        rates.iter().all(|rate| *rate <= 0.0).then_some("some rate of `arrivals` must be above zero")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{RequestTemplate, ScenarioKind};
    use proptest::prelude::*;

    fn schedule(arrivals: Arrivals, seconds: u64) -> Schedule {
        let mut scenario = Scenario::new("s", ScenarioKind::Other, RequestTemplate::get("/"));
        scenario.arrivals = Some(arrivals);
        Schedule::of(&scenario, Duration::ZERO, Duration::from_secs(seconds)).unwrap()
    }

    fn times(schedule: &Schedule) -> Vec<f64> {
        (0..).map_while(|n| schedule.intended(n)).map(|time| time.as_secs_f64()).collect()
    }

    #[test]
    fn each_shape_has_as_many_arrivals_as_its_area() {
        assert_eq!(times(&schedule(Arrivals::Ramp { from: 0.0, to: 100.0 }, 10)).len(), 500);
        assert_eq!(times(&schedule(Arrivals::Ramp { from: 100.0, to: 0.0 }, 10)).len(), 500);
        assert_eq!(times(&schedule(Arrivals::Steps { rates: vec![10.0, 0.0, 50.0] }, 30)).len(), 600);
        let spike = Arrivals::Spike { base: 10.0, peak: 100.0, at_seconds: 5.0, for_seconds: 2.0 };
        let times = times(&schedule(spike, 10));
        assert_eq!(times.len(), 80 + 200);
        assert_eq!(times.iter().filter(|time| (5.0..7.0).contains(*time)).count(), 200);
    }

    #[test]
    fn a_ramp_is_half_done_at_the_root_of_a_half() {
        let times = times(&schedule(Arrivals::Ramp { from: 0.0, to: 100.0 }, 10));
        assert!((times[250] - 50.0_f64.sqrt()).abs() < 1e-6, "{}", times[250]);
    }

    #[test]
    fn the_warm_up_goes_at_the_first_rate() {
        let mut scenario = Scenario::new("s", ScenarioKind::Other, RequestTemplate::get("/"));
        scenario.arrivals_per_second = Some(200.0);
        let schedule = Schedule::of(&scenario, Duration::from_millis(50), Duration::from_secs(2)).unwrap();
        assert_eq!(schedule.intended(10), Some(Duration::from_millis(50)));
        assert_eq!((schedule.intended(409).is_some(), schedule.intended(410)), (true, None));
    }

    proptest! {
        #[test]
        fn time_never_runs_backwards_and_the_rate_is_kept(from in 0.0..500.0_f64, to in 0.5..500.0_f64, seconds in 1_u64..30) {
            let times = times(&schedule(Arrivals::Ramp { from, to }, seconds));
            let area = (from + to) / 2.0 * seconds as f64;
            prop_assert!((times.len() as f64 - area).abs() <= 1.0, "{} of {area}", times.len());
            prop_assert!(times.windows(2).all(|pair| pair[0] <= pair[1]));
            prop_assert!(times.iter().all(|time| *time <= seconds as f64));
        }
    }
}
