//! The flow as a graph: a lane for each phase, steps in the order in which they may run, a line from each to what waits for it.
//!
//! Not here: choosing a color or a word (`parts`). The lists beside it say the same to who cannot see it.

use std::collections::{BTreeMap, BTreeSet};

use golive::About;
use maud::{Markup, html};

use super::parts::{self, Tone};
use crate::i18n::Words;
use crate::look::Look;

/// The phases in the order of the critical path; what runs beside it comes last, before the gate.
pub(crate) const PHASES: [u8; 8] = [1, 0, 2, 5, 6, 3, 4, 7];

/// The lane of a phase, from the top.
pub(crate) fn lane(phase: u8) -> usize {
    PHASES.iter().position(|known| *known == phase).unwrap_or(PHASES.len() - 1)
}

/// Where a step is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    column: usize,
    row: usize,
}

pub(crate) fn graph(words: Words, look: &Look) -> Markup {
    let steps = golive::list();
    let (places, lanes) = place(&steps);
    let columns = places.values().map(|place| place.column).max().unwrap_or(0) + 1;
    let rows: usize = lanes.iter().map(|(_, height)| height).sum();
    let (width, height) = (LABEL + columns * COLUMN + MARGIN, rows * ROW + 2 * MARGIN);
    html! {
        figure.graph {
            svg viewBox=(format!("0 0 {width} {height}")) role="img" aria-label=(words.t("graph-label")) {
                (bands(words, &lanes, width))
                g.edges {
                    @for (from, to) in edges(&steps) {
                        path d=(curve(places[from], places[to])) {}
                    }
                }
                @for (step, state) in look.steps() {
                    @if let Some(place) = places.get(step.id) {
                        @let (x, y) = center(*place);
                        @let tone = Tone::of_step(state);
                        g.node.(tone.class()) transform=(format!("translate({} {})", x - 10, y - 10)) {
                            title { (words.step(step.id, step.title)) ": " (parts::state_word(words, state)) }
                            rect.back x="-3" y="-3" width="26" height="26" rx="13" {}
                            (tone.icon())
                        }
                    }
                }
            }
            figcaption { (legend(words)) }
        }
    }
}

fn bands(words: Words, lanes: &[(u8, usize)], width: usize) -> Markup {
    let mut top = MARGIN;
    let mut drawn = Vec::new();
    for (index, (phase, height)) in lanes.iter().enumerate() {
        drawn.push((*phase, top, height * ROW, index % 2 == 0));
        top += height * ROW;
    }
    html! {
        @for (phase, top, height, even) in drawn {
            rect.band.even[even] x="0" y=(top) width=(width) height=(height) rx="6" {}
            text.lane x="12" y=(top + height / 2 + 5) { (words.phase(phase)) }
        }
    }
}

fn legend(words: Words) -> Markup {
    let all = [
        (Tone::Idle, "state-waiting"),
        (Tone::Running, "state-running"),
        (Tone::Pass, "state-passed"),
        (Tone::Fail, "state-failed"),
        (Tone::Unknown, "state-unknown"),
    ];
    html! { ul.legend { @for (tone, word) in all { li { (parts::badge(tone, &words.t(word))) } } } }
}

/// A step stands one column to the right of the last one that it waits for; two of one lane and column stand below each other.
fn place(steps: &[About]) -> (BTreeMap<&'static str, Place>, Vec<(u8, usize)>) {
    let mut columns: BTreeMap<&'static str, usize> = BTreeMap::new();
    for step in steps {
        let before = waits_for(step).filter_map(|id| columns.get(id)).max();
        columns.insert(step.id, before.map_or(0, |column| column + 1));
    }
    let (mut places, mut lanes, mut top) = (BTreeMap::new(), Vec::new(), 0);
    for phase in PHASES {
        let mut taken: BTreeMap<usize, usize> = BTreeMap::new();
        for step in steps.iter().filter(|step| lane(step.phase) == lane(phase)) {
            let column = columns[step.id];
            let row = taken.entry(column).or_insert(0);
            places.insert(step.id, Place { column, row: top + *row });
            *row += 1;
        }
        let height = taken.values().copied().max().unwrap_or(0);
        if height > 0 {
            lanes.push((phase, height));
            top += height;
        }
    }
    (places, lanes)
}

fn waits_for(step: &About) -> impl Iterator<Item = &'static str> + use<> {
    step.after.iter().chain(step.once_ended).copied()
}

/// What waits for what, without what follows from the rest: of a → b → c the line from a to c is left out.
fn edges(steps: &[About]) -> Vec<(&'static str, &'static str)> {
    let mut before: BTreeMap<&'static str, BTreeSet<&'static str>> = BTreeMap::new();
    let mut edges = Vec::new();
    for step in steps {
        let direct: BTreeSet<&'static str> = waits_for(step).filter(|id| before.contains_key(id)).collect();
        let farther: BTreeSet<&'static str> =
            direct.iter().flat_map(|id| before[id].iter().copied()).collect();
        edges.extend(direct.difference(&farther).map(|from| (*from, step.id)));
        before.insert(step.id, direct.union(&farther).copied().collect());
    }
    edges
}

fn center(place: Place) -> (usize, usize) {
    (LABEL + place.column * COLUMN + COLUMN / 2, MARGIN + place.row * ROW + ROW / 2)
}

fn curve(from: Place, to: Place) -> String {
    let ((x1, y1), (x2, y2)) = (center(from), center(to));
    if y1 == y2 && x2 - x1 == COLUMN {
        return format!("M{x1} {y1}H{x2}");
    }
    let bend = x2 - COLUMN / 2;
    format!("M{x1} {y1}C{bend} {y1} {bend} {y2} {x2} {y2}")
}

const LABEL: usize = 178;
const COLUMN: usize = 46;
const ROW: usize = 34;
const MARGIN: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_a_place_of_its_own_right_of_what_it_waits_for() {
        let steps = golive::list();
        let (places, lanes) = place(&steps);
        assert_eq!(places.len(), steps.len());
        let taken: BTreeSet<(usize, usize)> =
            places.values().map(|place| (place.column, place.row)).collect();
        assert_eq!(taken.len(), steps.len());
        assert_eq!(lanes.len(), PHASES.len());
        for step in &steps {
            for id in waits_for(step) {
                assert!(places[id].column < places[step.id].column, "{id} is left of {}", step.id);
            }
        }
    }

    #[test]
    fn a_line_that_follows_from_others_is_not_drawn_and_none_is_lost() {
        let steps = golive::list();
        let drawn = edges(&steps);
        assert!(drawn.contains(&("survey", "schema")) && drawn.contains(&("verify", "switch")));
        assert!(!drawn.contains(&("survey", "copy")));
        let reaches = |from: &str, to: &str| {
            let mut seen = vec![from];
            let mut at = 0;
            while at < seen.len() {
                let next = drawn.iter().filter(|(a, _)| *a == seen[at]).map(|(_, b)| *b);
                let fresh: Vec<&str> = next.filter(|id| !seen.contains(id)).collect();
                seen.extend(fresh);
                at += 1;
            }
            seen.contains(&to)
        };
        for step in &steps {
            assert!(waits_for(step).all(|id| reaches(id, step.id)), "{}", step.id);
        }
    }
}
