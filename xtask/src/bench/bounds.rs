//! Judges the rounds of `bench migrate` and writes what they came to. Pure: no program runs here.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::meter::Usage;
use super::rounds::{Round, SIDES};

const MIB: f64 = 1024.0;

/// Something that must hold.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bound {
    name: &'static str,
    /// `<=` or `>=`.
    at_most: bool,
    limit: f64,
    /// `None`: it was not measured, which never passes.
    value: Option<f64>,
}

impl Bound {
    /// A ratio, or a size, that may be so large at the most.
    pub(crate) fn at_most(name: &'static str, limit: f64, value: Option<f64>) -> Self {
        Self { name, at_most: true, limit, value }
    }

    /// One that must be so large.
    pub(crate) fn at_least(name: &'static str, limit: f64, value: Option<f64>) -> Self {
        Self { name, at_most: false, limit, value }
    }

    /// A line for people.
    pub(crate) fn line(&self) -> String {
        let mark = self.is_kept().map_or('?', |kept| if kept { '✓' } else { '✗' });
        let value = self.value.map_or_else(|| "not measured".to_owned(), |value| format!("{value:.2}"));
        let sign = if self.at_most { '≤' } else { '≥' };
        format!("{mark} {:<44}{value:>14}  {sign} {}", self.name, self.limit)
    }

    /// The same for programs.
    pub(crate) fn json(&self) -> Value {
        let relation = if self.at_most { "at_most" } else { "at_least" };
        json!({
            "name": self.name, "relation": relation, "limit": self.limit, "value": self.value, "kept": self.is_kept(),
        })
    }

    pub(crate) fn is_kept(&self) -> Option<bool> {
        self.value.map(|value| if self.at_most { value <= self.limit } else { value >= self.limit })
    }
}

/// What was measured.
pub(crate) struct Results {
    pub(crate) rows: u64,
    pub(crate) peer_rows: u64,
    /// Bytes of the fact table as lines, which is what a MB/s is counted by.
    pub(crate) bytes: u64,
    pub(crate) rounds: Vec<Round>,
    pub(crate) server: String,
}

impl Results {
    /// All bounds, each by the median of its ratio in each round: both sides of a ratio ran minutes apart at the most.
    pub(crate) fn bounds(&self) -> Vec<Bound> {
        let (at_most, at_least) = (Bound::at_most, Bound::at_least);
        let seconds = |round: &Round, side: &str| round.get(side).map(|usage| usage.seconds);
        // Per row, since the peer gets fewer.
        let peer = |round: &Round, side: &str| {
            let theirs = seconds(round, "peer")? / self.peer_rows as f64;
            Some(theirs / (seconds(round, side)? / self.rows as f64))
        };
        let client = |round: &Round| Some(seconds(round, "load")? + seconds(round, "alter")?);
        let peak = self.rounds.iter().flat_map(|round| {
            ["whole", "verify", "survey"]
                .into_iter()
                .filter_map(|side| round.get(side))
                .map(|usage| usage.client_peak_kib)
        });
        vec![
            at_most(
                "copy / the client's LOAD DATA",
                0.95,
                self.ratio(|r| Some(seconds(r, "copy")? / seconds(r, "load")?)),
            ),
            at_most(
                "whole / the client's LOAD DATA and ALTER",
                1.25,
                self.ratio(|r| Some(seconds(r, "whole")? / client(r)?)),
            ),
            at_least("copy, times as fast as sqlite3-to-mysql", 20.0, self.ratio(|r| peer(r, "copy"))),
            at_least("whole, times as fast as sqlite3-to-mysql", 9.0, self.ratio(|r| peer(r, "whole"))),
            at_most(
                "verification alone / copy",
                0.5,
                self.ratio(|r| Some(seconds(r, "verify")? / seconds(r, "copy")?)),
            ),
            at_most(
                "survey alone / copy",
                0.5,
                self.ratio(|r| Some(seconds(r, "survey")? / seconds(r, "copy")?)),
            ),
            at_most("peak memory of golive, MiB", 128.0, peak.max().map(|kib| kib as f64 / MIB)),
        ]
    }

    fn ratio(&self, of: impl Fn(&Round) -> Option<f64>) -> Option<f64> {
        median(self.rounds.iter().map(of).collect::<Option<Vec<f64>>>()?)
    }

    /// A side's medians.
    fn usage(&self, side: &str) -> Option<Usage> {
        let usages: Vec<Usage> = self.rounds.iter().filter_map(|round| round.get(side)).copied().collect();
        let of = |part: fn(&Usage) -> f64| median(usages.iter().map(part).collect());
        Some(Usage {
            seconds: of(|usage| usage.seconds)?,
            client_cpu_seconds: of(|usage| usage.client_cpu_seconds)?,
            server_cpu_seconds: of(|usage| usage.server_cpu_seconds)?,
            client_peak_kib: usages.iter().map(|usage| usage.client_peak_kib).max()?,
            server_peak_kib: usages.iter().map(|usage| usage.server_peak_kib).max()?,
        })
    }

    fn rows_of(&self, side: &str) -> u64 {
        if side == "peer" { self.peer_rows } else { self.rows }
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "{} rows of 12 columns, {:.0} MB as lines; {} rounds: medians, and the highest peak of memory\n{}\n\n",
            self.rows,
            self.bytes as f64 / 1e6,
            self.rounds.len(),
            self.server,
        );
        let _ = writeln!(
            text,
            "{:<44}{:>9}{:>11}{:>8}{:>12}{:>12}{:>12}{:>12}",
            "", "seconds", "rows/s", "MB/s", "client CPU", "server CPU", "client MiB", "server MiB"
        );
        for (side, title) in SIDES {
            let Some(usage) = self.usage(side) else { continue };
            let rows = self.rows_of(side) as f64;
            let _ = writeln!(
                text,
                "{title:<44}{:>9.2}{:>11.0}{:>8.1}{:>12.2}{:>12.2}{:>12.0}{:>12.0}",
                usage.seconds,
                rows / usage.seconds,
                self.bytes as f64 / self.rows as f64 * rows / 1e6 / usage.seconds,
                usage.client_cpu_seconds,
                usage.server_cpu_seconds,
                usage.client_peak_kib as f64 / MIB,
                usage.server_peak_kib as f64 / MIB,
            );
        }
        if self.usage("peer").is_some() {
            let _ = writeln!(text, "sqlite3-to-mysql moved {} rows; its time is linear", self.peer_rows);
        }
        text.push('\n');
        for bound in self.bounds() {
            let _ = writeln!(text, "{}", bound.line());
        }
        text
    }

    /// For programs, and to be kept.
    pub(crate) fn json(&self) -> Value {
        let usage = |usage: &Usage, rows: u64| {
            json!({
                "seconds": usage.seconds, "rows": rows, "rows_per_second": rows as f64 / usage.seconds,
                "megabytes_per_second": self.bytes as f64 / self.rows as f64 * rows as f64 / 1e6 / usage.seconds,
                "client_cpu_seconds": usage.client_cpu_seconds, "server_cpu_seconds": usage.server_cpu_seconds,
                "client_peak_kib": usage.client_peak_kib, "server_peak_kib": usage.server_peak_kib,
            })
        };
        let round = |round: &Round| -> Value {
            round.iter().map(|(side, one)| ((*side).to_owned(), usage(one, self.rows_of(side)))).collect()
        };
        let medians: Value = SIDES
            .iter()
            .filter_map(|(side, _)| Some(((*side).to_owned(), usage(&self.usage(side)?, self.rows_of(side)))))
            .collect();
        let bounds = self.bounds();
        json!({
            "schema_version": 1, "rows": self.rows, "peer_rows": self.peer_rows, "bytes": self.bytes,
            "server": self.server, "medians": medians, "bounds": bounds.iter().map(Bound::json).collect::<Vec<_>>(),
            "rounds": self.rounds.iter().map(round).collect::<Vec<_>>(),
        })
    }
}

pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        count if count % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(rounds: &[&[(&'static str, f64)]]) -> Results {
        let usage = |seconds: f64| Usage { seconds, client_peak_kib: 64 << 10, ..Usage::default() };
        let rounds =
            rounds.iter().map(|round| round.iter().map(|(side, seconds)| (*side, usage(*seconds))).collect());
        Results {
            rows: 1000,
            peer_rows: 100,
            bytes: 200_000,
            rounds: rounds.collect(),
            server: "MariaDB".to_owned(),
        }
    }

    const ROUND: [(&str, f64); 8] = [
        ("load", 10.0),
        ("alter", 6.0),
        ("copy", 9.0),
        ("whole", 19.0),
        ("verify", 4.0),
        ("survey", 3.0),
        ("constraints", 7.0),
        ("peer", 18.0),
    ];

    #[test]
    fn every_bound_is_the_median_of_its_ratios() {
        let mut slow = ROUND;
        slow[2].1 = 90.0;
        let bounds = results(&[&ROUND, &slow, &ROUND]).bounds();
        let values: Vec<f64> =
            bounds.iter().map(|bound| (bound.value.unwrap() * 100.0).round() / 100.0).collect();
        assert_eq!(values, [0.9, 1.19, 20.0, 9.47, 0.44, 0.33, 64.0]);
        assert!(bounds.iter().all(|bound| bound.is_kept() == Some(true)), "{bounds:?}");
    }

    #[test]
    fn a_bound_that_is_missed_or_was_not_measured_is_not_kept() {
        let mut round = ROUND;
        round[2].1 = 9.6;
        let results = results(&[&round[..7]]);
        let kept: Vec<Option<bool>> = results.bounds().iter().map(Bound::is_kept).collect();
        assert_eq!(kept, [Some(false), Some(true), None, None, Some(true), Some(true), Some(true)]);
        let text = results.text();
        assert!(text.contains("✗ copy / the client's LOAD DATA") && text.contains("not measured"), "{text}");
    }

    #[test]
    fn the_results_say_how_often_and_how_much() {
        let told = results(&[&ROUND, &ROUND]).json();
        assert_eq!(told["rounds"].as_array().unwrap().len(), 2);
        assert_eq!(told["medians"]["peer"]["rows"], 100);
        assert_eq!(told["medians"]["load"]["rows_per_second"], 100.0);
    }
}
