//! Whether a watched value grew over a run, as memory does that nobody gives back. Pure; of a soak it is the question.
//!
//! What must not be here: sampling, and any knowledge of what a value means.

use serde::{Deserialize, Serialize};

use crate::compare::median;
use crate::report::Sample;
use crate::threshold::Verdict;

/// The first part of a run, where caches and pools fill, does not count.
const SETTLING: f64 = 1.0 / 3.0;
/// Fewer say nothing.
const LEAST_SAMPLES: usize = 12;
/// More are averaged into so many: neighbors in time depend on each other, and pairs are counted.
const MOST_POINTS: usize = 60;
/// A growth by chance is told less than once in a thousand times (Mann-Kendall, normal approximation).
const SURE: f64 = 3.3;
/// A growth of more than [`LEAST_SHARE`] is called steady less than once in a hundred times.
const SURE_ENOUGH: f64 = 2.33;
/// Less than this share of the value over the time looked at is no growth that anybody would notice.
const LEAST_SHARE: f64 = 0.02;
/// Out of sight for longer than this share of the time looked at, a value may have done anything.
const LONGEST_GAP: f64 = 0.1;
const LEAST_GAP_SECONDS: f64 = 5.0;

/// What a value did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Trend {
    /// It stayed, fell, or went up and down; a growth of more than 2 % would have been seen.
    Steady,
    /// It went up, steadily and by more than 2 %.
    Grows,
    /// It was seen too seldom, or went up and down too much, to say.
    Unknown,
}

/// How a watched value went after the first third of a run: its median slope (Theil-Sen) with the bounds of Sen (1968), and
/// whether that is chance (Mann-Kendall).
///
/// What is called steady is so for the time looked at: a leak that needs longer to make 2 % needs a longer run to be seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Growth {
    /// Its name.
    pub name: String,
    /// The answer.
    pub trend: Trend,
    /// Samples that counted.
    pub samples: usize,
    /// From the first of them to the end of the run.
    pub seconds: f64,
    /// Median slope, in the value's unit an hour; none when it was seen too seldom.
    pub per_hour: Option<f64>,
    /// That slope over the time looked at, as a share of the median value; none when unknown or the median is zero.
    pub share: Option<f64>,
    /// What that share is at most.
    pub share_at_most: Option<f64>,
    /// Why it cannot be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Growth {
    /// Growing is a broken promise, and what could not be told is unknown.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self.trend {
            Trend::Steady => Verdict::Kept,
            Trend::Grows => Verdict::Broken,
            Trend::Unknown => Verdict::Unknown,
        }
    }

    /// One line for an operator.
    #[must_use]
    pub fn says(&self) -> String {
        let Self { name, samples, seconds, .. } = self;
        let rate = match (self.share, self.share_at_most, self.per_hour) {
            (Some(share), Some(most), Some(per_hour)) => format!(
                ": {:+.1} % in {seconds:.0} s, at most {:+.1} % ({per_hour:+.0} an hour)",
                share * 100.0,
                most * 100.0
            ),
            (_, _, Some(per_hour)) => format!(": {per_hour:+.1} an hour in {seconds:.0} s"),
            _ => String::new(),
        };
        let why = self.why.as_deref().map(|why| format!("; {why}")).unwrap_or_default();
        match self.trend {
            Trend::Steady => format!("{name} is steady{rate}"),
            Trend::Grows => format!("{name} grows{rate}"),
            Trend::Unknown => format!("{name} is unknown after {samples} samples{rate}{why}"),
        }
    }
}

/// Judges one watched value of a run that took so many seconds, warm-up included. The first third is left out.
pub(crate) fn growth(samples: &[Sample], name: &str, end: f64) -> Growth {
    let begin = end * SETTLING;
    let points: Vec<(f64, f64)> = samples
        .iter()
        .filter(|sample| sample.seconds >= begin)
        .filter_map(|sample| Some((sample.seconds, *sample.values.get(name)?)))
        .filter(|(_, value)| value.is_finite())
        .collect();
    let mut found = Growth {
        name: name.to_owned(),
        trend: Trend::Unknown,
        samples: points.len(),
        seconds: (end - begin).max(0.0),
        per_hour: None,
        share: None,
        share_at_most: None,
        why: unseen(&points, begin, end),
    };
    if found.why.is_some() {
        return found;
    }
    let points = thinned(&points);
    let line = Line::through(&points);
    let middle = median(&points.iter().map(|(_, value)| *value).collect::<Vec<_>>());
    let share = |slope: f64| slope * found.seconds / middle.abs();
    // Where the median is zero, from nothing to something is growth, whatever it is.
    found.trend = line.trend(LEAST_SHARE * middle.abs() / found.seconds);
    if middle != 0.0 {
        (found.share, found.share_at_most) = (Some(share(line.slope)), Some(share(line.most)));
    }
    found.per_hour = Some(line.slope * 3600.0);
    if found.trend == Trend::Unknown {
        found.why = Some("it went up and down too much to tell from growth: run longer".to_owned());
    }
    found
}

/// Why these were seen too seldom to say anything, if they were.
fn unseen(points: &[(f64, f64)], begin: f64, end: f64) -> Option<String> {
    if points.len() < LEAST_SAMPLES {
        return Some(format!(
            "after the first third of the run {LEAST_SAMPLES} are needed, about one a second: run longer"
        ));
    }
    let mut sights = vec![begin];
    sights.extend(points.iter().map(|(seconds, _)| *seconds));
    sights.push(end);
    let longest = sights.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
    (longest > ((end - begin) * LONGEST_GAP).max(LEAST_GAP_SECONDS))
        .then(|| format!("it was out of sight for {longest:.0} s"))
}

/// The mean of each of so many equal stretches of time that hold a point.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= MOST_POINTS {
        return points.to_vec();
    }
    let first = points[0].0;
    let stretch = ((points[points.len() - 1].0 - first) / MOST_POINTS as f64).max(f64::MIN_POSITIVE);
    let number = |point: &(f64, f64)| (((point.0 - first) / stretch) as usize).min(MOST_POINTS - 1);
    let mean = |bucket: &[(f64, f64)]| {
        let count = bucket.len() as f64;
        let (seconds, values) =
            bucket.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
        (seconds / count, values / count)
    };
    points.chunk_by(|a, b| number(a) == number(b)).map(mean).collect()
}

/// A line through points that outliers do not move.
struct Line {
    slope: f64,
    /// Surely it is no less, and surely enough no more.
    least: f64,
    most: f64,
}

impl Line {
    fn through(points: &[(f64, f64)]) -> Self {
        let mut slopes = Vec::with_capacity(points.len() * points.len() / 2);
        for (at, (seconds, value)) in points.iter().enumerate() {
            let later = points[at + 1..].iter().filter(|(later, _)| later > seconds);
            slopes.extend(later.map(|(later, other)| (other - value) / (later - seconds)));
        }
        slopes.sort_by(f64::total_cmp);
        let (pairs, deviation) = (slopes.len() as f64, deviation(points));
        let rank = |rank: f64| (rank >= 0.0).then(|| slopes.get(rank as usize).copied()).flatten();
        Self {
            slope: slopes.get(slopes.len() / 2).copied().unwrap_or_default(),
            least: rank(((pairs - SURE * deviation) / 2.0).floor() - 1.0).unwrap_or(f64::NEG_INFINITY),
            most: rank(((pairs + SURE_ENOUGH * deviation) / 2.0).ceil()).unwrap_or(f64::INFINITY),
        }
    }

    /// Held against the slope from which on a growth counts.
    fn trend(&self, limit: f64) -> Trend {
        if self.most <= limit {
            Trend::Steady
        } else if self.least > 0.0 && self.slope >= limit {
            Trend::Grows
        } else {
            Trend::Unknown
        }
    }
}

/// The standard deviation of the Mann-Kendall statistic where nothing grows, with the correction for ties.
fn deviation(points: &[(f64, f64)]) -> f64 {
    let spread = |count: f64| count * (count - 1.0) * (2.0 * count + 5.0);
    let mut values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
    values.sort_by(f64::total_cmp);
    let ties: f64 = values.chunk_by(|a, b| a == b).map(|equal| spread(equal.len() as f64)).sum();
    ((spread(points.len() as f64) - ties).max(0.0) / 18.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(seconds: impl Iterator<Item = u32>, value: impl Fn(f64) -> f64) -> Vec<Sample> {
        let sample = |second: u32| {
            let second = f64::from(second);
            Sample::new(second, [("memory".to_owned(), value(second))].into())
        };
        seconds.map(sample).collect()
    }

    fn judged(count: u32, value: impl Fn(f64) -> f64) -> Growth {
        growth(&seen(0..count, value), "memory", f64::from(count))
    }

    /// Noise between -1 and 1 that is the same each time.
    fn noise(second: f64) -> f64 {
        (second * 12.9898).sin() * 43_758.545_3 % 1.0
    }

    #[test]
    fn a_leak_is_found_under_noise_and_its_rate_told() {
        let found = judged(1800, |second| 1e8 + 10_000.0 * second + 1e6 * noise(second));
        assert_eq!(found.trend, Trend::Grows, "{found:?}");
        assert!((found.per_hour.unwrap() / 3.6e7 - 1.0).abs() < 0.05, "{found:?}");
        assert!(found.share_at_most > found.share, "{found:?}");
        assert!(found.says().contains("memory grows: +1"), "{}", found.says());
        assert_eq!(found.verdict(), Verdict::Broken);
    }

    #[test]
    fn noise_a_saw_a_fall_and_what_only_filled_up_first_are_steady() {
        let shapes: [fn(f64) -> f64; 6] = [
            |second| 1e8 + 1e7 * noise(second),
            |second| 1e8 + 1e7 * (second % 40.0) / 40.0,
            |second| 1e8 - 10_000.0 * second,
            |second| 1e8 + 5e7 * (second / 300.0).min(1.0),
            |_second| 0.0,
            // Sure, and too small for anybody to mind.
            |second| 1e8 + 100.0 * second,
        ];
        for (number, shape) in shapes.into_iter().enumerate() {
            let found = judged(1800, shape);
            assert_eq!(found.trend, Trend::Steady, "{number}: {found:?}");
        }
    }

    #[test]
    fn waiters_where_there_were_none_are_growth() {
        assert_eq!(judged(60, |second| (second - 55.0).max(0.0)).trend, Trend::Steady, "the median is zero");
        assert_eq!(judged(60, |second| (second - 30.0).max(0.0)).trend, Trend::Grows);
    }

    /// Any look of so few noisy values could be anything: not seeing a growth is no proof that there is none.
    #[test]
    fn what_goes_up_and_down_too_much_is_unknown_until_it_was_watched_for_longer() {
        let wild = |second: f64| 1e8 + 2e7 * noise(second);
        let short = judged(30, wild);
        assert_eq!((short.trend, short.verdict()), (Trend::Unknown, Verdict::Unknown), "{short:?}");
        assert!(short.says().contains("run longer"), "{}", short.says());
        assert_eq!(judged(36_000, wild).trend, Trend::Steady);
    }

    #[test]
    fn too_few_or_none_is_unknown() {
        assert_eq!(judged(15, |_second| 1.0).trend, Trend::Unknown);
        assert_eq!(judged(18, |_second| 1.0).trend, Trend::Steady);
        let none = growth(&[], "memory", 1800.0);
        assert_eq!((none.trend, none.samples), (Trend::Unknown, 0));
        assert!(none.says().contains("12 are needed"), "{}", none.says());
        let other = growth(&seen(0..1800, |_second| 1.0), "another", 1800.0);
        assert_eq!(other.trend, Trend::Unknown, "what nobody told of is not steady");
    }

    /// A database that is gone holds no connection, and says nothing of those it will hold.
    #[test]
    fn what_was_out_of_sight_is_unknown() {
        let flat = |_second: f64| 7.0;
        let gone = growth(&seen(0..1000, flat), "memory", 1800.0);
        assert_eq!(gone.trend, Trend::Unknown, "{gone:?}");
        assert!(gone.says().contains("out of sight for 801 s"), "{}", gone.says());
        let away = growth(&seen((0..900).chain(1100..1800), flat), "memory", 1800.0);
        assert_eq!(away.trend, Trend::Unknown, "{away:?}");
        let briefly = growth(&seen((0..900).chain(960..1800), flat), "memory", 1800.0);
        assert_eq!(briefly.trend, Trend::Steady, "{briefly:?}");
    }
}
