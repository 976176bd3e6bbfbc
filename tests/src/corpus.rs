//! A database for every trap between SQLite and MariaDB, as data: the statements that make it, every finding of its
//! survey, how its data must look afterwards, and which remedies there are and what each leads to.
//!
//! Not here: running golive (`tests/corpus.rs`), and reading what came of it (`independent`).

mod keys;
mod moments;
mod names;
mod numbers;
mod objects;
mod page;
mod text;

pub use self::page::page;

/// A trap.
#[derive(Debug)]
#[non_exhaustive]
pub struct Trap {
    /// Its name: small letters and `-`.
    pub name: &'static str,
    /// What is in the source, as a sentence fragment.
    pub what: &'static str,
    /// The statements that make the source.
    pub sql: &'static str,
    /// What a second connection does and leaves uncommitted while golive works.
    pub beside: Option<&'static str>,
    /// Every finding of its survey, and none more.
    pub findings: &'static [Found],
    /// What a run without any decision leads to.
    pub outcome: Then,
    /// What may be decided, and what it leads to.
    pub remedies: &'static [Remedy],
    /// What golive does not do yet as it is written here. The test insists that it is still so.
    pub open: Option<&'static str>,
}

/// A finding that the survey must make: its id, its place, its count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Found {
    /// A run without a decision is refused.
    Blocks(&'static str, &'static str, u64),
    /// The run goes ahead, and something differs as told.
    Changes(&'static str, &'static str, u64),
    /// Nothing differs.
    Note(&'static str, &'static str, u64),
}

/// What a run leads to. `Look`s hold in all cases in which rows arrive.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Then {
    /// Every row arrives and means the same.
    Equal(&'static [Look]),
    /// Every row arrives; in this many a value means something else, as a finding told.
    Altered(u64, &'static [Look]),
    /// This many rows do not arrive in their table, as a finding told; the others mean the same.
    Missing(u64, &'static [Look]),
    /// The run is refused and the target is untouched.
    Refused,
}

/// A query and what the `mariadb` client prints for it, without column names.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Look(pub &'static str, pub &'static str);

/// A decision and what it leads to.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Remedy(pub Way, pub Then);

/// A decision.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Way {
    /// Statements that mend the source.
    Mend(&'static str),
    /// A finding accepted, on the command line.
    Accept(&'static str),
    /// `[migrate.types]`: a column and its type.
    Type(&'static str, &'static str),
    /// `[migrate] exclude`: a table that stays behind.
    Exclude(&'static str),
    /// `[migrate] collation`.
    Collation(&'static str),
    /// `[migrate.policy]`: a selector and a decision.
    Policy(&'static str, &'static str),
}

/// All traps, by family: its title and its traps.
pub const FAMILIES: &[(&str, &[Trap])] = &[
    ("Numbers and truth", numbers::TRAPS),
    ("Text, documents and bytes", text::TRAPS),
    ("Dates and times", moments::TRAPS),
    ("Keys and indexes", keys::TRAPS),
    ("Names and sizes", names::TRAPS),
    ("Tables, views and everything else", objects::TRAPS),
];

/// The rows set aside: table, key, and what the reason begins with.
const ASIDE: &str =
    "SELECT table_name, row_key, SUBSTRING_INDEX(reason, ':', 1) FROM _golive_migrate_quarantine ORDER BY id";

/// All traps.
pub fn traps() -> impl Iterator<Item = &'static Trap> {
    FAMILIES.iter().flat_map(|(_, traps)| *traps)
}

impl Trap {
    /// A source that nothing is found in and that arrives whole.
    const fn new(name: &'static str, what: &'static str, sql: &'static str) -> Self {
        let (findings, outcome, remedies): (_, _, &[Remedy]) = (&[], Then::Equal(&[]), &[]);
        Self { name, what, sql, beside: None, findings, outcome, remedies, open: None }
    }

    const fn finds(mut self, findings: &'static [Found]) -> Self {
        self.findings = findings;
        self
    }

    const fn then(mut self, outcome: Then) -> Self {
        self.outcome = outcome;
        self
    }

    const fn or(mut self, remedies: &'static [Remedy]) -> Self {
        self.remedies = remedies;
        self
    }

    /// What is written down is right, and golive is not there yet.
    #[allow(dead_code, reason = "no entry is open at present, and the next one that is has its mark ready")]
    const fn open(mut self, lacks: &'static str) -> Self {
        self.open = Some(lacks);
        self
    }

    const fn beside(mut self, statements: &'static str) -> Self {
        self.beside = Some(statements);
        self
    }
}

impl Found {
    /// Id, place and count.
    #[must_use]
    pub fn parts(self) -> (&'static str, &'static str, u64) {
        match self {
            Self::Blocks(id, place, count)
            | Self::Changes(id, place, count)
            | Self::Note(id, place, count) => (id, place, count),
        }
    }

    /// As the survey's JSON words it.
    #[must_use]
    pub fn severity(self) -> &'static str {
        match self {
            Self::Blocks(..) => "blocks",
            Self::Changes(..) => "changes_data",
            Self::Note(..) => "note",
        }
    }
}
