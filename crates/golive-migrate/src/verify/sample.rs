//! Chooses which ranges of keys a sample compares. The choice follows from the seed alone, so that it can be repeated.

use rusqlite::Connection;

use super::layout::Layout;
use super::options::{Sample, SampleSize};
use super::ranges::{self, Range};

/// Rows of one range that may be chosen.
const RANGE_ROWS: u64 = 1000;
/// A table that cannot be cut is compared whole up to so many rows, and not at all beyond.
const WHOLE_ROWS: u64 = 10_000;

/// The ranges of a table that are compared; `None` is the table without an order.
pub(super) fn ranges(
    connection: &Connection,
    layout: &Layout,
    rows: u64,
    all_rows: u64,
    sample: Sample,
) -> rusqlite::Result<Vec<Option<Range>>> {
    if !layout.splittable {
        return Ok(if rows <= WHOLE_ROWS { vec![None] } else { Vec::new() });
    }
    let ranges = ranges::cut(connection, layout, &Range::default(), RANGE_ROWS)?;
    let chosen = choose(ranges.len(), share(sample.size, all_rows), &layout.table, sample.seed);
    Ok(ranges
        .into_iter()
        .enumerate()
        .filter(|(at, _)| chosen.contains(at))
        .map(|(_, one)| Some(one))
        .collect())
}

fn share(size: SampleSize, all_rows: u64) -> f64 {
    let share = match size {
        SampleSize::Rows(rows) => rows as f64 / (all_rows as f64).max(1.0),
        SampleSize::Percent(percent) => percent / 100.0,
    };
    if share.is_finite() { share.clamp(0.0, 1.0) } else { 1.0 }
}

/// So many of all places, at least one; those of the least scores.
fn choose(places: usize, share: f64, table: &str, seed: u64) -> Vec<usize> {
    let count = ((places as f64 * share).ceil() as usize).clamp(1, places.max(1));
    let score = |place: usize| {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_le_bytes());
        hasher.update(table.as_bytes());
        hasher.update(&(place as u64).to_le_bytes());
        *hasher.finalize().as_bytes()
    };
    let mut scored: Vec<usize> = (0..places).collect();
    scored.sort_by_cached_key(|place| score(*place));
    scored.truncate(count);
    scored
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_alone_chooses() {
        let first = choose(100, 0.1, "t", 7);
        assert_eq!(first.len(), 10);
        assert_eq!(first, choose(100, 0.1, "t", 7));
        assert_ne!(first, choose(100, 0.1, "t", 8));
        assert_eq!(choose(100, 0.0, "t", 7).len(), 1);
        assert_eq!(choose(3, 1.0, "t", 7).len(), 3);
    }

    #[test]
    fn a_share_is_never_more_than_all() {
        assert!((share(SampleSize::Rows(50), 100) - 0.5).abs() < 1e-9);
        assert!((share(SampleSize::Rows(500), 100) - 1.0).abs() < 1e-9);
        assert!((share(SampleSize::Percent(f64::NAN), 100) - 1.0).abs() < 1e-9);
    }
}
