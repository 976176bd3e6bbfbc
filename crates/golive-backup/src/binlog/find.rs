//! Searches the archive for a change: who dropped that table, and just before which transaction must a recovery stop?
//! Values never leave the log: a statement's text is shown only where it is structural.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::archive::time;
use super::gtid::Gtid;
use super::plan::{PlanError, damaged};
use super::reader::{Change, Group, Looking};
use super::source::Source;
use super::statement::{ChangeKind, mentions_database};
use crate::repository::Repository;

/// What to look for; everything that is given must fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Search {
    /// The database.
    pub database: Option<String>,
    /// The table.
    pub table: Option<String>,
    /// The kind of change.
    pub kind: Option<ChangeKind>,
    /// Not stamped before this.
    pub since: Option<DateTime<Utc>>,
    /// Not stamped after this.
    pub until: Option<DateTime<Utc>>,
    /// At most so many, the newest; 0 is all of them.
    pub limit: usize,
}

impl Search {
    /// The newest hundred changes of any kind.
    pub fn new() -> Self {
        Self { limit: 100, ..Self::default() }
    }
}

/// A change that fits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FoundChange {
    /// The transaction.
    pub gtid: Gtid,
    /// Its time stamp.
    pub at: DateTime<Utc>,
    /// What it did.
    pub kind: ChangeKind,
    /// The database: of the rows, or the default of the statement.
    pub database: String,
    /// The table, for changed rows.
    pub table: Option<String>,
    /// The statement, when it is structural.
    pub text: Option<String>,
    /// Row events, or statements, of this kind in the transaction.
    pub events: u64,
    /// The log it stands in.
    pub log: String,
}

impl fmt::Display for FoundChange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at.format("%Y-%m-%dT%H:%M:%SZ");
        write!(formatter, "{at}  {:<14} {:<8} ", self.gtid.to_string(), self.kind)?;
        match (&self.text, &self.table) {
            (Some(text), _) => formatter.write_str(&text.split_whitespace().collect::<Vec<_>>().join(" ")),
            (None, Some(table)) => {
                write!(formatter, "{}.{table}, {} row events", self.database, self.events)
            }
            (None, None) => write!(formatter, "a statement in {:?}", self.database),
        }
    }
}

/// Why nothing could be searched.
pub type FindError = PlanError;

/// Searches every log of the archive, in order. Blocks while it does.
///
/// # Errors
/// When a log cannot be read.
pub fn find_changes(repository: &Repository, search: &Search) -> Result<Vec<FoundChange>, FindError> {
    let archive = repository.binlogs();
    let looking = Looking { database: search.database.clone(), table: search.table.clone() };
    let mut found = std::collections::VecDeque::new();
    for source in Source::all(&archive)? {
        let log = source.name().to_owned();
        source
            .read(&archive, &looking, &mut |group| {
                for change in group.changes.iter().filter(|change| fits(search, &group, change)) {
                    if search.limit > 0 && found.len() == search.limit {
                        found.pop_front();
                    }
                    found.push_back(found_change(&group, change, &log));
                }
            })
            .map_err(|error| damaged(&source, error))?;
    }
    Ok(found.into())
}

fn found_change(group: &Group, change: &Change, log: &str) -> FoundChange {
    FoundChange {
        gtid: group.gtid,
        at: time(group.time),
        kind: change.kind,
        database: change.database.clone(),
        table: change.table.clone(),
        text: change.text.clone(),
        events: change.events,
        log: log.to_owned(),
    }
}

fn fits(search: &Search, group: &Group, change: &Change) -> bool {
    let at = time(group.time);
    let table = search.table.as_ref().is_none_or(|wanted| match &change.table {
        Some(table) => table.eq_ignore_ascii_case(wanted),
        None => change.names_table,
    });
    let database = search.database.as_ref().is_none_or(|wanted| {
        change.database == *wanted || change.text.as_ref().is_some_and(|text| mentions_database(text, wanted))
    });
    table
        && database
        && search.kind.is_none_or(|kind| kind == change.kind)
        && search.since.is_none_or(|since| at >= since)
        && search.until.is_none_or(|until| at <= until)
}
