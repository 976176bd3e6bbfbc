//! The live board: time, rates, percentiles and a line of the last seconds' p95.
//!
//! Not here: figures of its own; it shows what golive-load tells.

use std::collections::VecDeque;
use std::sync::Mutex;

use golive_load::Progress;

use crate::commands::support::Meter;

/// Moves the meter with a run.
pub(super) fn moving(meter: &Meter) -> impl Fn(Progress, &str) + Send + Sync + 'static {
    let (meter, seen) = (meter.clone(), Mutex::new(VecDeque::new()));
    move |progress, before| {
        if meter.is_silent() {
            return;
        }
        let mut seen = seen.lock().expect("drawing does not panic");
        if let Some(latency) = progress.latency {
            if seen.len() == WIDTH {
                seen.pop_front();
            }
            seen.push_back(latency.p95_ms);
        }
        meter.say(format!("{before}{}", line(&progress, seen.make_contiguous())));
    }
}

fn line(progress: &Progress, p95s: &[f64]) -> String {
    let latency = progress.latency.map_or_else(String::new, |latency| {
        format!(
            " · p50 {:.1} p95 {:.1} p99 {:.1} ms {}",
            latency.p50_ms,
            latency.p95_ms,
            latency.p99_ms,
            sparkline(p95s)
        )
    });
    format!(
        "{} of {} s · {} requests, {:.0}/s · {} errors, {} wrong{latency}",
        progress.elapsed.as_secs(),
        progress.total.as_secs(),
        progress.requests,
        progress.per_second,
        progress.errors,
        progress.content_failures,
    )
}

/// Heights against the highest.
fn sparkline(values: &[f64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let highest = values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    values.iter().map(|value| BARS[((value / highest * 7.0).round() as usize).min(7)]).collect()
}

const WIDTH: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sparkline_stands_on_its_highest() {
        assert_eq!(sparkline(&[0.0, 50.0, 100.0]), "▁▅█");
        assert_eq!(sparkline(&[]), "");
        assert_eq!(sparkline(&[0.0, 0.0]), "▁▁");
    }
}
