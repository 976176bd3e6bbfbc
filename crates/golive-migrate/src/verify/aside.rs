//! The rows of a table that a policy set aside: each must be in the source, and not in the target.

use std::collections::HashMap;
use std::sync::Mutex;

use rusqlite::types::ValueRef;

use super::layout::Layout;
use super::rows::Row;
use crate::quarantine::{KeptCell, KeptRow};

/// What was set aside, by the digest of the columns that were kept.
#[derive(Debug, Default)]
pub(super) struct Aside {
    /// Places of the columns that were kept; what the server computes was not.
    columns: Vec<usize>,
    all: HashMap<u128, u64>,
    left: Mutex<HashMap<u128, u64>>,
}

impl Aside {
    pub(super) fn new(layout: &Layout, rows: &[KeptRow]) -> Self {
        let kept = |name: &String| rows.iter().all(|row| row.contains_key(name));
        let columns: Vec<usize> =
            (0..layout.columns.len()).filter(|at| kept(&layout.columns[*at].name)).collect();
        let mut all: HashMap<u128, u64> = HashMap::new();
        let mut cell = Vec::new();
        for row in rows {
            let mut hasher = blake3::Hasher::new();
            for at in &columns {
                let column = &layout.columns[*at];
                let value = row.get(&column.name).map_or(ValueRef::Null, KeptCell::as_value);
                cell.clear();
                column.source(value, &mut cell);
                enter(&mut hasher, &cell);
            }
            *all.entry(half(&hasher)).or_default() += 1;
        }
        let left = Mutex::new(all.clone());
        Self { columns, all, left }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn rows(&self) -> u64 {
        self.all.values().sum()
    }

    /// Begins anew, for a table that is compared a second time.
    pub(super) fn begin(&self) {
        self.left.lock().expect("no holder of this lock can panic").clone_from(&self.all);
    }

    /// Whether this row of the source was set aside; each that was is found once.
    pub(super) fn take(&self, row: &Row<'_>) -> bool {
        if self.all.is_empty() {
            return false;
        }
        let mut hasher = blake3::Hasher::new();
        self.columns.iter().for_each(|at| enter(&mut hasher, row.cell(*at)));
        let mut left = self.left.lock().expect("no holder of this lock can panic");
        match left.get_mut(&half(&hasher)) {
            Some(count) if *count > 0 => {
                *count -= 1;
                true
            }
            _ => false,
        }
    }

    /// Rows that are set aside and were not found in the source.
    pub(super) fn left(&self) -> u64 {
        self.left.lock().expect("no holder of this lock can panic").values().sum()
    }
}

fn enter(hasher: &mut blake3::Hasher, cell: &[u8]) {
    hasher.update(&(cell.len() as u64).to_le_bytes());
    hasher.update(cell);
}

fn half(hasher: &blake3::Hasher) -> u128 {
    let mut half = [0; 16];
    half.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    u128::from_le_bytes(half)
}
