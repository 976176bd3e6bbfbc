//! What is so: migrations as they are written, held against both journals. Pure: it decides what is applied, pending or
//! half run, and what bars a run.

use serde::Serialize;

use super::evidence::Effect;
use super::finding::{BOOKS, EDITED, HALF_DOWN, HALF_RUN, MISSING, ORDER, VersionedFinding};
use super::journal::{Direction, Entry, State};
use super::migrations::Migrations;

/// Where a migration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Standing {
    /// Applied.
    Applied,
    /// Applied by something else than golive, or before golive kept a journal.
    Baseline,
    /// Not applied.
    Pending,
    /// Begun and not ended.
    HalfRun,
    /// Its taking back was begun and not ended.
    HalfTakenBack,
    /// Applied, and no longer among the migrations.
    Missing,
}

impl Standing {
    /// Whether it is in effect as a whole.
    pub fn is_applied(self) -> bool {
        matches!(self, Self::Applied | Self::Baseline)
    }
}

/// One migration, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MigrationStanding {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub standing: Standing,
    /// When it was applied, in UTC.
    pub applied_at: Option<String>,
    /// Whether it can be taken back.
    pub has_down: bool,
    /// What is known of the half that was run.
    pub half: Option<HalfRun>,
}

/// A half-run migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HalfRun {
    /// The way it went.
    pub direction: Direction,
    /// The statement at which it stopped, from 1; 0 when nothing took effect.
    pub statement: u32,
    /// How many it has.
    pub statements: Option<usize>,
    /// The line of that statement in its file.
    pub line: Option<usize>,
    /// That statement, shortened; from the file, never from the database.
    pub sql: Option<String>,
    /// What became of that statement.
    pub effect: Effect,
    /// The server's error number, when it refused the statement.
    pub error_code: Option<u16>,
    /// Objects that are not what they were when the migration began, as `table orders`.
    pub changed: Vec<String>,
}

/// All migrations, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct VersionedStatus {
    /// `host:port/database`.
    pub target: String,
    /// In order; those that are missing stand at the end.
    pub migrations: Vec<MigrationStanding>,
    /// What is wrong, heaviest first.
    pub findings: Vec<VersionedFinding>,
}

impl VersionedStatus {
    /// Names of those not applied, in order.
    pub fn pending(&self) -> impl Iterator<Item = &str> {
        let waits = |one: &&MigrationStanding| one.standing == Standing::Pending;
        self.migrations.iter().filter(waits).map(|one| one.name.as_str())
    }

    /// The applied one that would be taken back first.
    pub fn newest(&self) -> Option<&MigrationStanding> {
        self.migrations.iter().rev().find(|one| one.standing.is_applied())
    }

    /// The first one that was cut off.
    pub fn half(&self) -> Option<&MigrationStanding> {
        self.migrations.iter().find(|one| matches!(one.standing, Standing::HalfRun | Standing::HalfTakenBack))
    }
}

/// Holds the migrations against the journal and against sea-orm-migration's own table.
pub(crate) fn reconcile(
    target: &str,
    migrations: &Migrations,
    entries: &[Entry],
    books: Option<&[String]>,
) -> VersionedStatus {
    let mut findings = migrations.findings.clone();
    let mut standings: Vec<MigrationStanding> = migrations
        .items
        .iter()
        .map(|item| {
            let entry = entries.iter().find(|entry| entry.name == item.name);
            let in_books = migrations.in_books(&item.name).then_some(books).flatten();
            let noted = in_books.map(|books| books.contains(&item.name));
            let standing = standing(entry, noted);
            findings.extend(wrong(item.name.as_str(), item.checksum.as_deref(), entry, noted, standing));
            MigrationStanding {
                name: item.name.clone(),
                standing,
                applied_at: entry
                    .filter(|_| standing.is_applied())
                    .and_then(|entry| entry.finished_at.clone()),
                has_down: item.has_down,
                half: None,
            }
        })
        .collect();
    findings.extend(out_of_order(&standings));
    for name in missing(migrations, entries, books) {
        findings.push(VersionedFinding::new(
            &MISSING,
            &name,
            "it is applied, and no longer among the migrations",
        ));
        standings.push(MigrationStanding {
            name,
            standing: Standing::Missing,
            applied_at: None,
            has_down: false,
            half: None,
        });
    }
    findings.sort_by_key(|finding| finding.weight);
    VersionedStatus { target: target.to_owned(), migrations: standings, findings }
}

fn standing(entry: Option<&Entry>, in_books: Option<bool>) -> Standing {
    match entry.map(|entry| (entry.state, entry.direction, entry.baseline)) {
        Some((State::Applied, _, false)) => Standing::Applied,
        Some((State::Applied, _, true)) => Standing::Baseline,
        Some((State::Started | State::Failed, Direction::Up, _)) => Standing::HalfRun,
        Some((State::Started | State::Failed, Direction::Down, _)) => Standing::HalfTakenBack,
        None | Some((State::Reverted, ..)) if in_books == Some(true) => Standing::Baseline,
        None | Some((State::Reverted, ..)) => Standing::Pending,
    }
}

fn wrong(
    name: &str,
    checksum: Option<&str>,
    entry: Option<&Entry>,
    in_books: Option<bool>,
    standing: Standing,
) -> Option<VersionedFinding> {
    match standing {
        Standing::HalfRun => Some(VersionedFinding::new(&HALF_RUN, name, "it was begun and did not end")),
        Standing::HalfTakenBack => {
            Some(VersionedFinding::new(&HALF_DOWN, name, "taking it back was begun and did not end"))
        }
        Standing::Applied | Standing::Baseline if entry.is_some() && in_books == Some(false) => {
            let what = "golive's journal has it as applied, seaql_migrations does not: another tool took it back, or its row was removed";
            Some(VersionedFinding::new(&BOOKS, name, what))
        }
        Standing::Applied | Standing::Baseline => {
            let was = entry.and_then(|entry| entry.checksum.as_deref());
            let edited = matches!((was, checksum), (Some(was), Some(is)) if was != is);
            edited.then(|| VersionedFinding::new(&EDITED, name, "its text is not the one that was applied"))
        }
        _ => None,
    }
}

fn out_of_order(standings: &[MigrationStanding]) -> Vec<VersionedFinding> {
    let Some(newest) = standings.iter().rposition(|one| one.standing != Standing::Pending) else {
        return Vec::new();
    };
    standings[..newest]
        .iter()
        .filter(|one| one.standing == Standing::Pending)
        .map(|one| {
            let what =
                format!("it is not applied, and `{}`, which comes after it, is", standings[newest].name);
            VersionedFinding::new(&ORDER, &one.name, what)
        })
        .collect()
}

fn missing(migrations: &Migrations, entries: &[Entry], books: Option<&[String]>) -> Vec<String> {
    let journalled =
        entries.iter().filter(|entry| entry.state != State::Reverted).map(|entry| entry.name.clone());
    // Files may stand beside an application's own migrations; then those are none of theirs.
    let rust = matches!(migrations.kind, super::migrations::SourceKind::Rust { .. });
    let noted = books.filter(|_| rust).into_iter().flatten().cloned();
    let mut names: Vec<String> =
        journalled.chain(noted).filter(|name| migrations.item(name).is_none()).collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::super::migrations::{Item, SourceKind, Work};
    use super::*;

    fn migrations(names: &[&str]) -> Migrations {
        let item = |name: &&str| Item {
            name: (*name).to_owned(),
            checksum: Some("now".to_owned()),
            has_down: true,
            work: Work::Files { up: Vec::new(), down: None },
        };
        Migrations {
            items: names.iter().map(item).collect(),
            kind: SourceKind::Rust { books: "seaql_migrations".to_owned() },
            findings: Vec::new(),
        }
    }

    fn entry(name: &str, state: State, checksum: &str) -> Entry {
        Entry {
            name: name.to_owned(),
            checksum: Some(checksum.to_owned()),
            state,
            direction: Direction::Up,
            statement: 1,
            baseline: false,
            finished_at: None,
            error_code: None,
            schema_before: None,
        }
    }

    fn ids(status: &VersionedStatus) -> Vec<(&str, &str)> {
        status.findings.iter().map(|finding| (finding.id, finding.place.as_str())).collect()
    }

    #[test]
    fn what_sea_orm_applied_is_applied() {
        let books = vec!["a".to_owned()];
        let status = reconcile("t", &migrations(&["a", "b"]), &[], Some(&books));
        assert_eq!(status.migrations[0].standing, Standing::Baseline);
        assert_eq!(status.pending().collect::<Vec<_>>(), ["b"]);
        assert!(status.findings.is_empty());
    }

    #[test]
    fn an_edit_a_gap_and_what_is_gone_are_findings() {
        let entries = [
            entry("a", State::Applied, "then"),
            entry("c", State::Applied, "now"),
            entry("z", State::Applied, "now"),
        ];
        let status = reconcile("t", &migrations(&["a", "b", "c"]), &entries, None);
        assert_eq!(ids(&status), [("SCH-EDITED", "a"), ("SCH-ORDER", "b"), ("SCH-MISSING", "z")]);
    }

    #[test]
    fn books_that_differ_are_a_finding_and_a_half_run_is_not_applied() {
        let entries = [entry("a", State::Applied, "now"), entry("b", State::Failed, "now")];
        let status = reconcile("t", &migrations(&["a", "b"]), &entries, Some(&[]));
        assert_eq!(ids(&status), [("SCH-BOOKS", "a"), ("SCH-HALF-RUN", "b")]);
        assert_eq!(status.half().unwrap().name, "b");
    }

    #[test]
    fn one_taken_back_is_pending_again() {
        let status = reconcile("t", &migrations(&["a"]), &[entry("a", State::Reverted, "then")], Some(&[]));
        assert_eq!(status.pending().collect::<Vec<_>>(), ["a"]);
        assert!(status.findings.is_empty());
    }
}
