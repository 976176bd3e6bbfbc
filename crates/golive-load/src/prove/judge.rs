//! Whether an index paid, from figures alone.
//!
//! What must not be here: measuring. Rows and pages are exact and repeat; time is noisy, so it decides only where the ranges
//! of both states do not overlap.

use super::{IndexVerdict, QueryCost, TriedIndex, TriedQuery};

/// The verdict on one index, with its reason.
pub(super) fn judge(queries: &[TriedQuery], worthwhile_rows: u64) -> (IndexVerdict, String) {
    if let Some(query) = queries.iter().find(|query| is_dearer(query)) {
        return (IndexVerdict::Harmful, format!("makes `{}` dearer: {}", query.statement, figures(query)));
    }
    let cheaper: Vec<_> = queries.iter().filter(|query| is_cheaper(query, worthwhile_rows)).collect();
    match cheaper.iter().max_by_key(|query| saved_by(query)) {
        Some(best) => {
            let more = match cheaper.len() - 1 {
                0 => String::new(),
                more => format!("; {more} more"),
            };
            (IndexVerdict::Paid, format!("`{}`: {}{more}", best.statement, figures(best)))
        }
        None => match queries.iter().max_by_key(|query| saved_by(query)) {
            Some(best) => {
                (IndexVerdict::NotWorth, format!("nothing gets ten times cheaper; {}", figures(best)))
            }
            None => (IndexVerdict::Unknown, "no statement that reads its table could be measured".to_owned()),
        },
    }
}

/// What should be taken first: what saves most; of those that save almost as much, the narrowest.
pub(super) fn rank(tried: &mut [TriedIndex]) {
    let most = tried.iter().map(saved).max().unwrap_or(0);
    let nearly = |index: &TriedIndex| saved(index) >= most / 10 * 9;
    tried.sort_by_key(|index| {
        let width = if nearly(index) { index.columns.len() } else { usize::MAX };
        (index.verdict != IndexVerdict::Paid, width, std::cmp::Reverse(saved(index)))
    });
}

/// Rows and pages saved, over all executions that are known.
fn saved(index: &TriedIndex) -> u64 {
    index.queries.iter().map(saved_by).fold(0, u64::saturating_add)
}

fn saved_by(query: &TriedQuery) -> u64 {
    let times = query.executions.unwrap_or(1).max(1);
    let weight = |cost: QueryCost| cost.rows_examined.saturating_add(cost.pages_accessed.unwrap_or(0));
    match (query.before, query.after) {
        (Some(before), Some(after)) => weight(before).saturating_sub(weight(after)).saturating_mul(times),
        (None, Some(_)) => u64::MAX,
        _ => 0,
    }
}

fn is_cheaper(query: &TriedQuery, worthwhile_rows: u64) -> bool {
    let (before, after) = match (query.before, query.after) {
        (Some(before), Some(after)) => (before, after),
        // It ended at all.
        (before, after) => return before.is_none() && after.is_some(),
    };
    if before.rows_examined < worthwhile_rows {
        return false;
    }
    let pages = before.pages_accessed.zip(after.pages_accessed);
    if pages.is_some_and(|(before, after)| after > before) {
        // An index that jumps about in the table reads few rows and many pages.
        return false;
    }
    let tenth = |before: u64, after: u64| after.saturating_mul(10) <= before;
    let faster = after.median_ms <= 0.7 * before.median_ms && after.slowest_ms < before.fastest_ms;
    tenth(before.rows_examined, after.rows_examined)
        || pages.is_some_and(|(before, after)| tenth(before, after))
        || faster
}

/// Counts and time must agree: the optimizer may touch more pages and still be faster, and time alone is noise.
fn is_dearer(query: &TriedQuery) -> bool {
    let (before, after) = match (query.before, query.after) {
        (Some(before), Some(after)) => (before, after),
        (before, after) => return before.is_some() && after.is_none(),
    };
    let more = |before: u64, after: u64| after as f64 > before as f64 * 1.1 + 16.0;
    let counts = more(before.rows_examined, after.rows_examined)
        || before.pages_accessed.zip(after.pages_accessed).is_some_and(|(b, a)| more(b, a));
    counts && after.median_ms > 1.1 * before.median_ms && after.fastest_ms > before.slowest_ms
}

fn figures(query: &TriedQuery) -> String {
    let side = |cost: Option<QueryCost>| match cost {
        None => "longer than the limit".to_owned(),
        Some(cost) => {
            let pages = cost.pages_accessed.map(|pages| format!(", {pages} pages")).unwrap_or_default();
            format!("{} rows{pages}, {:.2} ms", cost.rows_examined, cost.median_ms)
        }
    };
    format!("{} → {}", side(query.before), side(query.after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(rows: u64, pages: u64, ms: f64) -> Option<QueryCost> {
        Some(QueryCost {
            rows_examined: rows,
            pages_accessed: Some(pages),
            median_ms: ms,
            fastest_ms: ms * 0.9,
            slowest_ms: ms * 1.1,
        })
    }

    fn verdict(pairs: &[(Option<QueryCost>, Option<QueryCost>)]) -> IndexVerdict {
        let queries: Vec<_> = pairs
            .iter()
            .map(|(before, after)| TriedQuery {
                statement: "SELECT ?".to_owned(),
                executions: None,
                before: *before,
                after: *after,
            })
            .collect();
        judge(&queries, 1000).0
    }

    #[test]
    fn rows_and_pages_come_before_time() {
        // The measured cases of a table of 500,000 rows: a dashboard, a list, a count, and the trap of a count that reads
        // few rows in many pages.
        assert_eq!(verdict(&[(cost(500_000, 4881, 551.0), cost(1097, 3295, 15.0))]), IndexVerdict::Paid);
        assert_eq!(verdict(&[(cost(500_000, 5033, 528.0), cost(50, 177, 0.33))]), IndexVerdict::Paid);
        assert_eq!(verdict(&[(cost(500_000, 4881, 619.0), cost(21_996, 37, 3.8))]), IndexVerdict::Paid);
        assert_eq!(
            verdict(&[(cost(500_000, 4881, 619.0), cost(21_996, 66_022, 398.0))]),
            IndexVerdict::NotWorth
        );
    }

    #[test]
    fn time_alone_pays_only_without_overlap_and_never_condemns() {
        assert_eq!(verdict(&[(cost(5000, 50, 10.0), cost(4000, 50, 6.0))]), IndexVerdict::Paid);
        assert_eq!(verdict(&[(cost(5000, 50, 10.0), cost(4000, 50, 8.5))]), IndexVerdict::NotWorth);
        assert_eq!(verdict(&[(cost(5000, 50, 10.0), cost(5000, 50, 30.0))]), IndexVerdict::NotWorth);
    }

    #[test]
    fn one_that_makes_another_statement_dearer_is_harmful_however_much_it_helps() {
        let helped = (cost(500_000, 5000, 500.0), cost(10, 3, 0.1));
        assert_eq!(verdict(&[helped, (cost(1000, 30, 1.0), cost(9000, 900, 9.0))]), IndexVerdict::Harmful);
        assert_eq!(verdict(&[helped, (cost(1000, 30, 1.0), None)]), IndexVerdict::Harmful);
        assert_eq!(verdict(&[(None, cost(10, 3, 0.1))]), IndexVerdict::Paid);
    }

    #[test]
    fn little_data_needs_no_index_and_nothing_measured_is_unknown() {
        assert_eq!(verdict(&[(cost(100, 4, 5.0), cost(1, 1, 0.1))]), IndexVerdict::NotWorth);
        assert_eq!(verdict(&[]), IndexVerdict::Unknown);
    }
}
