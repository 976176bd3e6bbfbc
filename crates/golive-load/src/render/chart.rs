//! Line charts as SVG.
//!
//! What must not be here: what the lines mean.

use std::fmt::Write as _;

use super::escape;

/// One line of a chart.
pub(super) struct Line<'l> {
    pub(super) name: &'l str,
    pub(super) color: &'l str,
    pub(super) points: Vec<(f64, f64)>,
}

/// A chart.
pub(super) struct Chart<'c> {
    pub(super) title: &'c str,
    pub(super) unit: &'c str,
    pub(super) lines: Vec<Line<'c>>,
    /// Vertical marks.
    pub(super) marks: Vec<(f64, String)>,
    /// Labels of the horizontal axis.
    pub(super) ticks: Vec<(f64, String)>,
}

impl Chart<'_> {
    pub(super) fn svg(&self) -> String {
        let all = || self.lines.iter().flat_map(|line| &line.points);
        let last = all().map(|point| point.0).fold(0.0, f64::max).max(1e-9);
        let top = round_up(all().map(|point| point.1).filter(|y| y.is_finite()).fold(0.0, f64::max));
        let x = |value: f64| LEFT + value / last * (WIDTH - LEFT - RIGHT);
        let y = |value: f64| HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM);
        let title = escape(self.title);
        let mut out = format!(
            "<figure><figcaption>{title}</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">"
        );
        for step in 0..=4 {
            let value = top * f64::from(step) / 4.0;
            let _ = write!(
                out,
                "<line class=\"g\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{:.1}\" y2=\"{:.1}\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                y(value),
                y(value),
                LEFT - 6.0,
                y(value) + 4.0,
                figure(value)
            );
        }
        let _ = write!(out, "<text x=\"4\" y=\"12\">{}</text>", escape(self.unit));
        for (at, says) in &self.ticks {
            let _ = write!(
                out,
                "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                x(*at),
                HEIGHT - 6.0,
                escape(says)
            );
        }
        for (at, says) in self.marks.iter().filter(|(at, _)| *at <= last) {
            let _ = write!(
                out,
                "<line class=\"m\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{TOP}\" y2=\"{1}\"><title>{2}</title></line>",
                x(*at),
                HEIGHT - BOTTOM,
                escape(says)
            );
        }
        for (number, line) in self.lines.iter().enumerate() {
            let points: Vec<String> =
                line.points.iter().map(|(at, value)| format!("{:.1},{:.1}", x(*at), y(*value))).collect();
            let _ = write!(
                out,
                "<polyline fill=\"none\" stroke=\"{0}\" stroke-width=\"1.5\" points=\"{1}\"><title>{2}</title></polyline><text x=\"{3}\" y=\"12\" fill=\"{0}\">{2}</text>",
                line.color,
                points.join(" "),
                escape(line.name),
                LEFT + 60.0 + 110.0 * number as f64
            );
        }
        out.push_str("</svg></figure>");
        out
    }
}

/// The next of 1, 2, 5 times a power of ten.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|top| *top >= value).unwrap_or(value)
}

fn figure(value: f64) -> String {
    if value >= 10.0 || value == 0.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

const WIDTH: f64 = 880.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 26.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_of_nothing_and_of_hostile_names_is_well_formed() {
        let chart = |lines| Chart { title: "a<b", unit: "ms", lines, marks: vec![], ticks: vec![] }.svg();
        assert!(chart(vec![]).contains("a&lt;b"));
        let svg =
            chart(vec![Line { name: "\"><script>", color: "red", points: vec![(0.0, 1.0), (1.0, 3.0)] }]);
        assert!(!svg.contains("<script>") && !svg.contains("NaN"), "{svg}");
    }

    #[test]
    fn axes_end_at_round_figures() {
        for (value, top) in [(0.0, 1.0), (3.0, 5.0), (70.0, 100.0), (0.012, 0.02), (500.0, 500.0)] {
            assert!((round_up(value) - top).abs() < 1e-12, "{value}");
        }
    }
}
