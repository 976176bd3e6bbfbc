//! What can be wrong with versioned migrations: the findings, and the one text of every rule, so that a finding and
//! `explain` say the same. No decision is made here.

use serde::Serialize;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Weight {
    /// Not ready: a run refuses to go on.
    Error,
    /// Goes ahead, and somebody should know first.
    Warning,
    /// Worth knowing.
    Note,
}

impl std::fmt::Display for Weight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// One thing that is not as it should be, about a migration or an object of the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct VersionedFinding {
    /// The stable id, `SCH-...`.
    pub id: &'static str,
    /// How much it weighs.
    pub weight: Weight,
    /// The migration, or the object such as `table orders`; empty for the database as a whole.
    pub place: String,
    /// What was found, as a sentence fragment.
    pub what: String,
    /// What to do next.
    pub remedy: String,
}

impl VersionedFinding {
    pub(crate) fn new(
        rule: &'static VersionedRule,
        place: impl Into<String>,
        what: impl Into<String>,
    ) -> Self {
        Self {
            id: rule.id,
            weight: rule.weight,
            place: place.into(),
            what: what.into(),
            remedy: rule.remedy.to_owned(),
        }
    }

    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// Whether this finding was accepted, as `ID` or `ID:place`.
    pub(crate) fn accepted_by(&self, accept: &std::collections::BTreeSet<String>) -> bool {
        accept.contains(self.id) || accept.contains(&format!("{}:{}", self.id, self.place))
    }
}

impl std::fmt::Display for VersionedFinding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.id, self.weight)?;
        if !self.place.is_empty() {
            write!(f, " {}", self.place)?;
        }
        write!(f, ": {}; {}", self.what, self.remedy)
    }
}

/// What a rule asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct VersionedRule {
    /// The stable id, `SCH-...`.
    pub id: &'static str,
    /// How much a finding of it weighs.
    pub weight: Weight,
    /// What it asks for.
    pub title: &'static str,
    /// What happens otherwise.
    pub why: &'static str,
    /// How to mend it.
    pub remedy: &'static str,
}

/// All rules about versioned migrations, in the order of their ids.
pub fn versioned_rules() -> &'static [VersionedRule] {
    const ALL: &[VersionedRule] = &[
        BOOKS,
        CHECKSUM,
        DOWN_LEAVES,
        DRIFT,
        DUPLICATE,
        EDITED,
        FAILS,
        HALF_DOWN,
        HALF_EDITED,
        HALF_RUN,
        LINT_BLOCKS,
        LINT_COPIES,
        LINT_LOSES,
        LINT_UNKNOWN,
        MISSING,
        NO_DOWN,
        ORDER,
        UP_DIFFERS,
    ];
    ALL
}

const fn rule(
    id: &'static str,
    weight: Weight,
    title: &'static str,
    why: &'static str,
    remedy: &'static str,
) -> VersionedRule {
    VersionedRule { id, weight, title, why, remedy }
}

pub(crate) const BOOKS: VersionedRule = rule(
    "SCH-BOOKS",
    Weight::Error,
    "golive's journal and seaql_migrations agree",
    "one of them says that a migration is applied and the other that it is not: something else took it back or removed its row",
    "look which is true, then say so: `golive schema up --resolve applied` or `--resolve not-applied`",
);
pub(crate) const CHECKSUM: VersionedRule = rule(
    "SCH-CHECKSUM",
    Weight::Note,
    "a migration does the same whenever it is run",
    "one that asks the clock or draws random values has no checksum, so a later edit is not noticed",
    "write values into the migration, or let the database fill them in with a default",
);
pub(crate) const DOWN_LEAVES: VersionedRule = rule(
    "SCH-DOWN-LEAVES",
    Weight::Error,
    "down takes back what up did",
    "what a down file leaves makes the next up fail, on the day when a release has to be taken back",
    "complete the down file, then run `golive schema check` again",
);
pub(crate) const DRIFT: VersionedRule = rule(
    "SCH-DRIFT",
    Weight::Error,
    "the live schema is what the migrations make",
    "what was changed by hand is in no other environment, and the next migration meets a schema that nobody tested",
    "change it back, or write it into a migration: `golive schema new NAME --from-drift`",
);
pub(crate) const DUPLICATE: VersionedRule = rule(
    "SCH-DUPLICATE",
    Weight::Error,
    "every version exists once",
    "two migrations of one version come from two branches, and which of them runs first is chance",
    "give the newer one the next free version",
);
pub(crate) const EDITED: VersionedRule = rule(
    "SCH-EDITED",
    Weight::Error,
    "an applied migration is never edited",
    "databases that applied the old text and databases that apply the new one differ, and nobody can tell them apart",
    "restore the file from version control and write a new migration; if both texts do the same, accept it: `golive schema up --accept SCH-EDITED:MIGRATION`",
);
pub(crate) const FAILS: VersionedRule = rule(
    "SCH-FAILS",
    Weight::Error,
    "every migration runs on a disposable server",
    "what fails there fails in production, and half of it stays: MariaDB's DDL is not transactional",
    "mend the statement, then run `golive schema check` again",
);
pub(crate) const HALF_DOWN: VersionedRule = rule(
    "SCH-HALF-DOWN",
    Weight::Error,
    "no migration is half taken back",
    "a down that was cut off leaves a schema that no version describes",
    "finish it: `golive schema down`",
);
pub(crate) const HALF_EDITED: VersionedRule = rule(
    "SCH-HALF-EDITED",
    Weight::Error,
    "the part of a half-run migration that is done stays as it is",
    "statements that took effect cannot be told from those that are to come",
    "restore the text of the statements that are done (only later ones may change), or finish by hand and say `golive schema up --resolve applied`",
);
pub(crate) const HALF_RUN: VersionedRule = rule(
    "SCH-HALF-RUN",
    Weight::Error,
    "no migration is half run",
    "MariaDB's DDL is not transactional: what ran before the failure stays",
    "`golive schema up` goes on where that is proven to be safe",
);
pub(crate) const LINT_BLOCKS: VersionedRule = rule(
    "SCH-LINT-BLOCKS",
    Weight::Warning,
    "a change lets the site write",
    "the table is not copied, and still nobody can write to it while the change lasts",
    "run it when nobody writes, or split it so that each part runs with LOCK=NONE",
);
pub(crate) const LINT_COPIES: VersionedRule = rule(
    "SCH-LINT-COPIES",
    Weight::Warning,
    "a change does not copy the table",
    "MariaDB copies every row and blocks writes until it is done: about sixteen seconds for two million rows, measured",
    "run it when nobody writes, or add a new column beside the old one and move over in steps",
);
pub(crate) const LINT_LOSES: VersionedRule = rule(
    "SCH-LINT-LOSES",
    Weight::Warning,
    "a migration throws no data away",
    "a down file can make a table or a column again, but not what was in it",
    "release the application that no longer uses it first, and take a backup before this migration",
);
pub(crate) const LINT_UNKNOWN: VersionedRule = rule(
    "SCH-LINT-UNKNOWN",
    Weight::Warning,
    "it is known what a change does to the site",
    "the change could not be tried on an empty copy of the schema, so whether it blocks writes is unknown",
    "try it on a copy of production's size",
);
pub(crate) const MISSING: VersionedRule = rule(
    "SCH-MISSING",
    Weight::Error,
    "every applied migration is still there",
    "a new environment built from the files lacks what this one has",
    "restore the file from version control, or deploy the version that has it",
);
pub(crate) const NO_DOWN: VersionedRule = rule(
    "SCH-NO-DOWN",
    Weight::Warning,
    "every migration can be taken back",
    "a release whose schema cannot be taken back can only be followed, not undone",
    "write the down file beside it, or decide that the way back is a restore",
);
pub(crate) const ORDER: VersionedRule = rule(
    "SCH-ORDER",
    Weight::Error,
    "migrations are applied in the order of their versions",
    "one that is older than the newest applied ran in another order elsewhere",
    "give it the next free version; if order does not matter here, accept it: `golive schema up --accept SCH-ORDER:MIGRATION`",
);
pub(crate) const UP_DIFFERS: VersionedRule = rule(
    "SCH-UP-DIFFERS",
    Weight::Error,
    "up after down makes the same schema again",
    "a database that once went back is not what the migrations say",
    "compare the up and the down file of what is named, then run `golive schema check` again",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_sorted() {
        let ids: Vec<&str> = versioned_rules().iter().map(|rule| rule.id).collect();
        assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    }
}
