//! Curves over time, as SVG without a style of their own: how many rows a second were copied and compared.
//!
//! Not here: where the numbers come from (`look`).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use golive::PacePoint;
use maud::{Markup, html};

use super::show;
use crate::i18n::Words;

/// A curve for each step that moves rows; nothing where there are too few points to draw one.
pub(super) fn pace(words: Words, pace: &BTreeMap<String, Vec<PacePoint>>) -> Markup {
    let known = [("copy", "plot-copy"), ("verify", "plot-verify")];
    let curves: Vec<(&str, Curve)> =
        known.iter().filter_map(|(step, title)| Some((*title, Curve::of(pace.get(*step)?)?))).collect();
    html! {
        @if !curves.is_empty() {
            div.plots { @for (title, curve) in &curves { (figure(words, title, curve)) } }
        }
    }
}

fn figure(words: Words, title: &str, curve: &Curve) -> Markup {
    let rate = |value: f64| show::number(words, value.round());
    let summary = words.with(
        "plot-summary",
        &[
            ("mean", rate(curve.mean).into()),
            ("most", rate(curve.most).into()),
            ("time", show::duration(words, curve.seconds).into()),
        ],
    );
    html! {
        figure.plot {
            figcaption { strong { (words.t(title)) } span.quiet { (summary) } }
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" aria-hidden="true" focusable="false" {
                path.grid d={ "M0 0.5H" (WIDTH) "M0 " (HEIGHT / 2.0) "H" (WIDTH) "M0 " (HEIGHT - 0.5) "H" (WIDTH) } {}
                path.area d={ (curve.path) "V" (HEIGHT) "H0Z" } {}
                path.curve d=(curve.path) {}
            }
        }
    }
}

/// Rates between points of time.
struct Curve {
    /// As the `d` of a path, from left to right.
    path: String,
    seconds: f64,
    mean: f64,
    most: f64,
}

impl Curve {
    /// Rates need time between points, and a curve two of them.
    fn of(points: &[PacePoint]) -> Option<Self> {
        let (first, last) = (points.first()?, points.last()?);
        let since = |point: &PacePoint| (point.at - first.at).num_milliseconds() as f64 / 1000.0;
        let seconds = since(last);
        let mut rates: Vec<(f64, f64)> = Vec::new();
        let mut before = first;
        for point in &points[1..] {
            let apart = since(point) - since(before);
            if apart >= LEAST_SECONDS {
                // A count that went back is a step that began again: no rate is below nothing.
                let rows = point.done.saturating_sub(before.done);
                rates.push((since(point), rows as f64 / apart));
                before = point;
            }
        }
        if rates.len() < 2 {
            return None;
        }
        let most = rates.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
        let mut path = String::new();
        let mut place = |at: f64, rate: f64| {
            let (x, y) = (at / seconds * WIDTH, HEIGHT - rate / most.max(1.0) * HEIGHT);
            let command = if path.is_empty() { 'M' } else { 'L' };
            let _never_fails = write!(path, "{command}{x:.1} {y:.1}");
        };
        place(0.0, rates[0].1);
        rates.iter().for_each(|(at, rate)| place(*at, *rate));
        let mean = last.done.saturating_sub(first.done) as f64 / seconds;
        Some(Self { path, seconds, mean, most })
    }
}

const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 120.0;
const LEAST_SECONDS: f64 = 0.2;

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::*;

    fn point(milliseconds: i64, done: u64) -> PacePoint {
        let at = DateTime::UNIX_EPOCH + TimeDelta::milliseconds(milliseconds);
        serde_json::from_value(serde_json::json!({ "at": at, "done": done })).unwrap()
    }

    #[test]
    fn a_curve_is_the_rate_between_points_and_keeps_within_its_frame() {
        let curve = Curve::of(&[point(0, 0), point(1000, 100), point(2000, 400), point(4000, 400)]).unwrap();
        assert_eq!((curve.seconds, curve.mean, curve.most), (4.0, 100.0, 300.0));
        assert_eq!(curve.path, "M0.0 80.0L150.0 80.0L300.0 0.0L600.0 120.0");
    }

    #[test]
    fn what_cannot_be_drawn_is_not_and_nothing_divides_by_nothing() {
        assert!(Curve::of(&[]).is_none() && Curve::of(&[point(0, 5)]).is_none());
        assert!(Curve::of(&[point(0, 5), point(0, 9), point(0, 11)]).is_none(), "no time has passed");
        let still = Curve::of(&[point(0, 7), point(500, 7), point(1000, 3)]).unwrap();
        assert!(still.most == 0.0 && !still.path.contains("NaN"), "{}", still.path);
    }
}
