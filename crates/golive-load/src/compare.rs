//! Whether a run was slower or faster than a stored one, when that can be told at all.
//!
//! Samples of one run are not independent: a second's requests share its fate. So the seconds are compared, not the requests,
//! by ranks (Mann and Whitney, 1947), and the difference of the percentile over the whole run must be worth telling as well.
//! What must not be here: reading files.

use serde::{Deserialize, Serialize};

use crate::report::{LoadReport, Moment};

/// What came of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Comparison {
    /// What can be said.
    pub difference: Difference,
    /// 95th percentile then: the median of the seconds.
    pub baseline_p95_ms: Option<f64>,
    /// The same now.
    pub now_p95_ms: Option<f64>,
    /// How likely so large a difference is when there is none.
    pub chance: Option<f64>,
    /// In words.
    pub says: String,
}

/// What can be said of two runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Difference {
    /// It got slower.
    Slower,
    /// It got faster.
    Faster,
    /// No difference that chance would not make, or too small a one to matter.
    None,
    /// The runs do not tell.
    Unknown,
}

/// Compares two runs of the same plan.
#[must_use]
pub fn compare(baseline: &LoadReport, now: &LoadReport) -> Comparison {
    let doubtful = [("the baseline", baseline), ("this run", now)]
        .into_iter()
        .find(|(_, run)| !run.inconclusive.is_empty());
    if let Some((which, _)) = doubtful {
        return unknown(format!("{which} was inconclusive itself"));
    }
    let names =
        |report: &LoadReport| report.scenarios.iter().map(|s| (s.name.clone(), s.users)).collect::<Vec<_>>();
    if names(baseline) != names(now) {
        return unknown("the runs had other scenarios or numbers of users".to_owned());
    }
    compare_seconds(&seconds(&baseline.timeline), &seconds(&now.timeline))
}

/// p95 of each second that has enough requests to have one.
fn seconds(timeline: &[Moment]) -> Vec<f64> {
    let full = |moment: &&Moment| moment.lasted >= 0.5;
    let latencies = timeline.iter().filter(full).filter_map(|moment| moment.latency);
    latencies
        .filter(|latency| latency.samples >= MIN_REQUESTS_A_SECOND)
        .map(|latency| latency.p95_ms)
        .collect()
}

fn compare_seconds(before: &[f64], after: &[f64]) -> Comparison {
    if before.len().min(after.len()) < MIN_SECONDS {
        return unknown(format!(
            "{} and {} seconds with at least {MIN_REQUESTS_A_SECOND} requests are too few; {MIN_SECONDS} are needed in each",
            before.len(),
            after.len()
        ));
    }
    let (then, now) = (median(before), median(after));
    let chance = chance(before, after);
    let change = now / then.max(1e-9) - 1.0;
    let real = chance < MAX_CHANCE && change.abs() >= MIN_CHANGE;
    let difference = match (real, change > 0.0) {
        (false, _) => Difference::None,
        (true, true) => Difference::Slower,
        (true, false) => Difference::Faster,
    };
    let says = match difference {
        Difference::None => format!("no difference that can be told: p95 {then:.1} ms then, {now:.1} ms now"),
        _ => format!(
            "p95 {then:.1} ms then, {now:.1} ms now: {:.0} % {}",
            change.abs() * 100.0,
            if change > 0.0 { "slower" } else { "faster" }
        ),
    };
    Comparison { difference, baseline_p95_ms: Some(then), now_p95_ms: Some(now), chance: Some(chance), says }
}

fn unknown(says: String) -> Comparison {
    Comparison {
        difference: Difference::Unknown,
        baseline_p95_ms: None,
        now_p95_ms: None,
        chance: None,
        says,
    }
}

/// Correlation of each value's rank with the next one's, corrected for the bias that it has in short series. Neighboring
/// seconds resemble each other, and a test that takes them for strangers finds differences everywhere; ranks, as one slow
/// second would hide the resemblance of all others.
fn resemblance(values: &[f64]) -> f64 {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    order.iter().enumerate().for_each(|(rank, at)| ranks[*at] = rank as f64);
    let count = values.len() as f64;
    let mean = (count - 1.0) / 2.0;
    let all: f64 = ranks.iter().map(|rank| (rank - mean).powi(2)).sum();
    let next: f64 = ranks.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum();
    let raw = if all > 0.0 { next / all } else { 0.0 };
    (raw + (1.0 + 3.0 * raw) / count).clamp(0.0, 0.95)
}

/// The two-sided probability of ranks as uneven as these by chance: normal approximation with ties, continuity corrected, and
/// as many fewer seconds as their resemblance makes of them.
fn chance(before: &[f64], after: &[f64]) -> f64 {
    let (n, m) = (before.len() as f64, after.len() as f64);
    let mut all: Vec<(f64, bool)> =
        before.iter().map(|value| (*value, true)).chain(after.iter().map(|value| (*value, false))).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut ranks, mut ties, mut at) = (0.0, 0.0, 0);
    while at < all.len() {
        let same = all[at..].iter().take_while(|(value, _)| *value == all[at].0).count();
        let rank = at as f64 + (same as f64 + 1.0) / 2.0;
        ranks += rank * all[at..at + same].iter().filter(|(_, first)| *first).count() as f64;
        ties += (same as f64).powi(3) - same as f64;
        at += same;
    }
    let total = n + m;
    let u = ranks - n * (n + 1.0) / 2.0;
    let resemblance = resemblance(before).max(resemblance(after));
    let fewer = (1.0 + resemblance) / (1.0 - resemblance);
    let variance = fewer * n * m / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    let z = ((u - n * m / 2.0).abs() - 0.5).max(0.0) / variance.sqrt();
    (2.0 * upper_tail(z)).min(1.0)
}

/// The normal distribution beyond `z ≥ 0` (Abramowitz and Stegun 26.2.17, error below 7.5e-8).
fn upper_tail(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z);
    let series = t
        * (0.319_381_530
            + t * (-0.356_563_782 + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    series * (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

/// The upper one of two; zero of nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

const MIN_SECONDS: usize = 20;
/// A 95th percentile of fewer is their maximum.
const MIN_REQUESTS_A_SECOND: u64 = 20;
const MAX_CHANCE: f64 = 0.01;
/// Less is nothing that somebody would act upon.
const MIN_CHANGE: f64 = 0.05;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Random;

    /// Seconds of a noisy machine: each resembles the one before, and one in twenty is three times as slow.
    fn noisy(random: &mut Random, count: usize, p95: f64) -> Vec<f64> {
        let mut drift = 0.0;
        (0..count)
            .map(|_| {
                let noise = random.between(0, 1000) as f64 / 1000.0 - 0.5;
                drift = 0.6 * drift + noise;
                let outlier = if random.between(1, 20) == 1 { 3.0 } else { 1.0 };
                p95 * (1.0 + 0.15 * drift) * outlier
            })
            .collect()
    }

    fn told(change: f64) -> (u32, u32) {
        let mut random = Random::new(7);
        let (mut slower, mut faster) = (0, 0);
        for _ in 0..400 {
            let (before, after) = (noisy(&mut random, 60, 40.0), noisy(&mut random, 60, 40.0 * change));
            match compare_seconds(&before, &after).difference {
                Difference::Slower => slower += 1,
                Difference::Faster => faster += 1,
                _ => {}
            }
        }
        (slower, faster)
    }

    #[test]
    fn a_difference_is_told_when_it_is_one_and_else_hardly_ever() {
        let (slower, faster) = told(1.0);
        assert!(slower + faster <= 8, "{slower} and {faster} false alarms in 400");
        let (slower, faster) = told(1.3);
        assert!(slower >= 380 && faster == 0, "{slower} of 400 found");
        let (slower, faster) = told(0.75);
        assert!(faster >= 380 && slower == 0, "{faster} of 400 found");
    }

    #[test]
    fn few_seconds_do_not_tell() {
        assert_eq!(compare_seconds(&[1.0; 19], &[9.0; 60]).difference, Difference::Unknown);
    }

    #[test]
    fn the_tail_of_the_normal_distribution_is_the_known_one() {
        for (z, tail) in [(0.0, 0.5), (1.0, 0.158_655), (1.959_964, 0.025), (2.575_829, 0.005)] {
            assert!((upper_tail(z) - tail).abs() < 1e-5, "{z}");
        }
    }

    #[test]
    fn ranks_are_tested_as_tables_tell() {
        // Of values without order in time. U = 0 of 8 and 8: exact two-sided 0.000155, in the approximation 0.0009.
        let low = [3.0, 7.0, 1.0, 6.0, 2.0, 8.0, 4.0, 5.0];
        let high = low.map(|value| value + 10.0);
        assert!((0.0002..0.003).contains(&chance(&low, &high)), "{}", chance(&low, &high));
        assert!(chance(&low, &low) > 0.9);
    }
}
