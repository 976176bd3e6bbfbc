//! Reads the rows of all tables, side by side: a census per column, orphans per foreign key, the file's digest. What is
//! found is put together in one order, however the threads ran. Nothing is judged here.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rusqlite::Connection;

use super::SurveyError;
use super::catalog::CatalogTable;
use super::model::SurveyOptions;
use super::orphans;
use super::scan::{self, Look, RowRange};
use crate::core::census::{Census, Tally};
use crate::ident;
use crate::source::Source;

/// Threads at most: the source is one file, and its memory is bounded by each thread's page cache.
const THREADS: usize = 4;
/// Row numbers a piece of a table spans at least; below it a thread's start costs more than it saves.
const PIECE_ROWS: i128 = 100_000;
const PIECES: i128 = 32;

/// What was found in one table.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// One a column.
    pub(super) census: Vec<Census>,
    /// By foreign key number.
    pub(super) orphans: BTreeMap<i64, Tally>,
}

/// One thread's next piece of work.
enum Task {
    Digest,
    Orphans(usize),
    Census(usize, Option<RowRange>),
}

enum Found {
    Digest(String),
    Orphans(usize, BTreeMap<i64, Tally>),
    Census(usize, Vec<Census>),
}

/// Everything of all tables, in their order, and the digest of the file.
pub(super) fn gather(
    source: &Source,
    tables: &[CatalogTable],
    looks: &[Vec<Look>],
    options: &SurveyOptions,
) -> Result<(Vec<Gathered>, String), SurveyError> {
    let tasks = tasks(&source.connect()?, tables)?;
    let next = AtomicUsize::new(0);
    let found: Mutex<Vec<(usize, Found)>> = Mutex::new(Vec::with_capacity(tasks.len()));
    let work = || -> Result<(), SurveyError> {
        let connection = source.connect()?;
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(task) = tasks.get(at) else { return Ok(()) };
            if options.cancel.is_cancelled() {
                return Err(SurveyError::Cancelled);
            }
            let result = run(task, source, &connection, tables, looks, options.show_values);
            if result.is_err() {
                // The others end after what they are at.
                next.store(tasks.len(), Ordering::Relaxed);
            }
            found.lock().expect("no holder of this lock can panic").push((at, result?));
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS).min(tasks.len());
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let ours = work();
        let theirs = others
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        theirs.fold(ours, Result::and)
    })?;
    let mut found = found.into_inner().expect("no holder of this lock can panic");
    found.sort_by_key(|(at, _)| *at);
    Ok(put_together(found.into_iter().map(|(_, found)| found), tables.len()))
}

fn put_together(found: impl Iterator<Item = Found>, tables: usize) -> (Vec<Gathered>, String) {
    let mut gathered: Vec<Gathered> = (0..tables).map(|_| Gathered::default()).collect();
    let mut digest = String::new();
    for found in found {
        match found {
            Found::Digest(found) => digest = found,
            Found::Orphans(table, orphans) => gathered[table].orphans = orphans,
            Found::Census(table, census) if gathered[table].census.is_empty() => {
                gathered[table].census = census;
            }
            Found::Census(table, census) => {
                for (sum, piece) in gathered[table].census.iter_mut().zip(census) {
                    sum.append(piece);
                }
            }
        }
    }
    (gathered, digest)
}

/// What cannot be divided comes first, so that the pieces even it out.
fn tasks(connection: &Connection, tables: &[CatalogTable]) -> rusqlite::Result<Vec<Task>> {
    let references = tables.iter().enumerate().filter(|(_, table)| !table.foreign_keys.is_empty());
    let mut tasks: Vec<Task> = references.map(|(at, _)| Task::Orphans(at)).collect();
    tasks.push(Task::Digest);
    for (at, table) in tables.iter().enumerate() {
        match ranges(connection, table)? {
            ranges if ranges.is_empty() => tasks.push(Task::Census(at, None)),
            ranges => tasks.extend(ranges.into_iter().map(|range| Task::Census(at, Some(range)))),
        }
    }
    Ok(tasks)
}

/// Pieces of a table by row number, together all of it; none where it is not worth it. Rows may be spread unevenly over
/// them, which costs time at the worst.
fn ranges(connection: &Connection, table: &CatalogTable) -> rusqlite::Result<Vec<RowRange>> {
    let Some(rowid) = table.rowid_name() else { return Ok(Vec::new()) };
    let name = ident::sqlite(&table.name);
    let end = |which: &str| {
        let sql = format!("SELECT {which}({rowid}) FROM {name}");
        connection.query_row(&sql, [], |row| row.get::<_, Option<i64>>(0))
    };
    let (Some(least), Some(most)) = (end("min")?, end("max")?) else { return Ok(Vec::new()) };
    Ok(divide(least, most))
}

fn divide(least: i64, most: i64) -> Vec<RowRange> {
    let span = i128::from(most) - i128::from(least) + 1;
    let pieces = (span / PIECE_ROWS).min(PIECES);
    if pieces < 2 {
        return Vec::new();
    }
    let start = |piece: i128| i128::from(least) + span * piece / pieces;
    let bound = |row: i128| i64::try_from(row).unwrap_or(if row < 0 { i64::MIN } else { i64::MAX });
    let mut ranges: Vec<RowRange> = (0..pieces)
        .map(|piece| RowRange { first: bound(start(piece)), last: bound(start(piece + 1) - 1) })
        .collect();
    // Whatever is added meanwhile must be seen too; that it was is noticed at the end.
    ranges[0].first = i64::MIN;
    if let Some(last) = ranges.last_mut() {
        last.last = i64::MAX;
    }
    ranges
}

fn run(
    task: &Task,
    source: &Source,
    connection: &Connection,
    tables: &[CatalogTable],
    looks: &[Vec<Look>],
    show_values: bool,
) -> Result<Found, SurveyError> {
    Ok(match task {
        Task::Digest => Found::Digest(source.digest()?),
        Task::Orphans(at) => Found::Orphans(*at, orphans::exactly(connection, &tables[*at], tables)?),
        Task::Census(at, range) => {
            Found::Census(*at, scan::census(connection, &tables[*at], &looks[*at], *range, show_values)?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_follow_each_other_from_end_to_end() {
        for (least, most) in [(1, 2_000_000), (-5_000_000, 123_457), (i64::MIN, i64::MAX), (0, i64::MAX)] {
            let ranges = divide(least, most);
            assert!(ranges.len() >= 2, "{least} {most}");
            assert_eq!((ranges[0].first, ranges[ranges.len() - 1].last), (i64::MIN, i64::MAX));
            for pair in ranges.windows(2) {
                assert_eq!(pair[0].last + 1, pair[1].first);
                assert!(pair[0].first <= pair[0].last);
            }
        }
    }

    #[test]
    fn a_small_table_stays_whole() {
        assert!(divide(1, 1000).is_empty());
    }
}
