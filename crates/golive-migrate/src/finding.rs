//! What a survey reports: findings with a stable id. Keys and counts enter a finding; a cell's
//! value only where the operator asked to see examples.

use serde::Serialize;

use crate::core::census::Tally;
use crate::policy::Policy;
use crate::rules;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Severity {
    /// A plan is refused until it is mended, overridden or accepted.
    Blocks,
    /// The plan goes ahead, and data or behavior in MariaDB differs in the way that is told.
    ChangesData,
    /// Worth knowing; nothing differs.
    Note,
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Blocks => "blocks",
            Self::ChangesData => "changes data",
            Self::Note => "note",
        })
    }
}

/// One thing that would go wrong, change or deserves to be known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The stable id, `MIG-...`.
    pub id: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// The table, when it concerns one.
    pub table: Option<String>,
    /// The column, or the columns of a key joined by `, `.
    pub column: Option<String>,
    /// How many rows or objects are concerned.
    pub count: u64,
    /// Up to three keys of such rows, as `column=value` of the primary key.
    pub keys: Vec<String>,
    /// The values of those rows; only where [`SurveyOptions::show_values`](crate::SurveyOptions::show_values) asked for them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// What was decided about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// What may be decided about it in a policy; whether that settles it shows a survey with it.
    #[serde(skip_serializing_if = "<[Policy]>::is_empty")]
    pub offers: &'static [Policy],
    /// What was found, as a sentence fragment.
    pub what: String,
    /// What to do next.
    pub remedy: String,
}

impl Finding {
    pub(crate) fn new(
        id: &'static str,
        severity: Severity,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            id,
            severity,
            table: None,
            column: None,
            count: 1,
            keys: Vec::new(),
            values: Vec::new(),
            policy: None,
            offers: rules::offers(id),
            what: what.into(),
            remedy: remedy.into(),
        }
    }

    pub(crate) fn table(mut self, table: &str) -> Self {
        self.table = Some(table.to_owned());
        self
    }

    pub(crate) fn column(mut self, column: impl Into<String>) -> Self {
        self.column = Some(column.into());
        self
    }

    pub(crate) fn rows(mut self, count: u64, keys: Vec<String>) -> Self {
        self.count = count;
        self.keys = keys;
        self
    }

    pub(crate) fn tally(mut self, tally: Tally) -> Self {
        self.values = tally.values;
        self.rows(tally.count, tally.keys)
    }

    /// The place it concerns: `table.column`, `table`, or `database`.
    pub fn place(&self) -> String {
        match (&self.table, &self.column) {
            (Some(table), Some(column)) => format!("{table}.{column}"),
            (Some(table), None) => table.clone(),
            _ => "database".to_owned(),
        }
    }

    /// The name by which one finding is accepted: `ID` alone accepts all of that id, `ID:table.column` this one.
    pub fn selector(&self) -> String {
        format!("{}:{}", self.id, self.place())
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}) {}: {}", self.id, self.severity, self.place(), self.what)?;
        if self.count > 1 {
            write!(f, ", {} times", self.count)?;
        }
        if !self.keys.is_empty() {
            let shown = self.keys.iter().enumerate().map(|(at, key)| match self.values.get(at) {
                Some(value) => format!("{key}: {value}"),
                None => key.clone(),
            });
            write!(f, " (for example {})", shown.collect::<Vec<_>>().join("; "))?;
        }
        write!(f, "; {}", self.remedy)?;
        match self.policy {
            Some(policy) => write!(f, " [policy: {policy}]"),
            None => Ok(()),
        }
    }
}
