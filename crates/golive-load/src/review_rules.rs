//! What each kind of finding of a review means, for whoever meets it without the query at hand. Data only: findings are made
//! in `review`.

use crate::review::FindingKind;

/// One kind of finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReviewRule {
    /// The name that the JSON of a review has.
    pub id: &'static str,
    /// What was seen, in a few words.
    pub title: &'static str,
    /// What it costs.
    pub why: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

/// All kinds of findings of a review.
///
/// ```
/// assert!(golive_load::review_rules().iter().any(|rule| rule.id == "full_scan"));
/// ```
#[must_use]
pub fn review_rules() -> Vec<ReviewRule> {
    KINDS.iter().map(|kind| kind.rule()).collect()
}

const KINDS: [FindingKind; 4] = [
    FindingKind::FullScan,
    FindingKind::JoinWithoutIndex,
    FindingKind::Filesort,
    FindingKind::TemporaryTable,
];

impl FindingKind {
    /// What it means. A kind that is added must be told here, or this does not compile.
    #[must_use]
    pub fn rule(self) -> ReviewRule {
        let (id, title, why, remedy) = match self {
            Self::FullScan => (
                "full_scan",
                "every row of a large table is read",
                "the query gets slower with every row that production adds, and pushes other tables out of memory",
                "add the index that the finding names, then review again",
            ),
            Self::JoinWithoutIndex => (
                "join_without_index",
                "a join compares every pair of rows",
                "its cost is the product of both tables",
                "add an index on the joined columns of the table that is named",
            ),
            Self::Filesort => (
                "filesort",
                "the result is sorted after it was read",
                "a page of ten rows costs as much as all of them",
                "add an index whose columns come in the order of WHERE, then ORDER BY",
            ),
            Self::TemporaryTable => (
                "temporary_table",
                "the result goes through a temporary table",
                "it is built anew for every request, on disk when it is large",
                "group or order by the columns of one index",
            ),
        };
        ReviewRule { id, title, why, remedy }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_listed_under_the_name_that_json_has() {
        for kind in KINDS {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.rule().id);
        }
        let source = include_str!("review.rs");
        let variants = source.split("pub enum FindingKind {").nth(1).and_then(|rest| rest.split('}').next());
        let variants = variants.unwrap().lines().filter(|line| line.trim_end().ends_with(',')).count();
        assert_eq!(variants, KINDS.len(), "a kind is missing in KINDS");
    }
}
