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

const KINDS: [FindingKind; 11] = [
    FindingKind::FullScan,
    FindingKind::JoinWithoutIndex,
    FindingKind::Filesort,
    FindingKind::TemporaryTable,
    FindingKind::ImplicitConversion,
    FindingKind::FunctionOverIndex,
    FindingKind::QueryInLoop,
    FindingKind::DuplicateIndex,
    FindingKind::RedundantIndex,
    FindingKind::UnusedIndex,
    FindingKind::MissingReferenceIndex,
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
            Self::ImplicitConversion => (
                "implicit_conversion",
                "a comparison of two types or collations keeps an index from use",
                "each row's value is converted before it is compared, so every row is read although the index is there",
                "bind the value with the column's own type, or give both columns one type and collation",
            ),
            Self::FunctionOverIndex => (
                "function_over_index",
                "a function around a column keeps its index from use",
                "the index is sorted by the column, not by what the function makes of it",
                "compare the bare column with a range, or index a generated column that holds the function's value",
            ),
            Self::QueryInLoop => (
                "query_in_loop",
                "the same SELECT runs again and again in one session",
                "each takes a way over the network, so a page gets slower with every row that it shows",
                "read all rows with one IN or one join, as an ORM's eager loading does",
            ),
            Self::DuplicateIndex => (
                "duplicate_index",
                "two indexes have the same columns",
                "every write keeps both, no read needs the second",
                "drop the one that is named",
            ),
            Self::RedundantIndex => (
                "redundant_index",
                "an index is the beginning of another",
                "every write keeps both, and the longer one serves the same queries",
                "drop the shorter one, unless it is much smaller and a hot query reads it alone",
            ),
            Self::UnusedIndex => (
                "unused_index",
                "nothing has read an index since the server counts",
                "every write keeps it for nobody",
                "set it IGNORED for a usual period, then drop it; month-end reports count as usual",
            ),
            Self::MissingReferenceIndex => (
                "missing_reference_index",
                "a column that looks like a reference to another table has no index",
                "a join over it, and a deletion of what it refers to, read the whole table",
                "declare the foreign key, which brings its index, or create the index alone",
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
