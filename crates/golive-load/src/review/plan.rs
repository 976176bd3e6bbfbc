//! Reads MariaDB's `EXPLAIN FORMAT=JSON`.
//!
//! What must not be here: the conditions as the server prints them; they hold literals and leave only as columns.

use serde_json::Value;

use super::fingerprint::{Token, tokens};

/// One table access of a plan.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// Alias of the table in the statement.
    pub(crate) table: String,
    pub(crate) access_type: String,
    pub(crate) rows: u64,
    /// Sorted above this access.
    pub(crate) filesort: bool,
    pub(crate) temporary: bool,
    pub(crate) join_buffer: bool,
    /// Columns that are compared for equality, in the order of the condition.
    pub(crate) equal: Vec<String>,
    /// Columns that are compared otherwise in a way that an index serves.
    pub(crate) range: Vec<String>,
    /// Function and column, where a column stands inside a function.
    pub(crate) wrapped: Vec<(String, String)>,
}

impl Node {
    /// Whether every row, or every entry of an index, is read.
    pub(crate) fn reads_everything(&self) -> bool {
        matches!(self.access_type.as_str(), "ALL" | "index")
    }
}

/// All table accesses of a plan.
pub(crate) fn nodes(plan: &Value) -> Vec<Node> {
    let mut out = Vec::new();
    walk(plan, Above::default(), &mut out);
    out
}

#[derive(Clone, Copy, Default)]
struct Above {
    filesort: bool,
    temporary: bool,
    join_buffer: bool,
}

fn walk(value: &Value, above: Above, out: &mut Vec<Node>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, above, out)),
        Value::Object(fields) => {
            for (key, field) in fields {
                let mut below = above;
                match key.as_str() {
                    "filesort" | "read_sorted_file" => below.filesort = true,
                    "temporary_table" => below.temporary = true,
                    "block-nl-join" => below.join_buffer = true,
                    "table" => out.extend(node(field, above)),
                    // A derived table sorts and groups for itself.
                    "query_block" | "materialized" => below = Above::default(),
                    _ => {}
                }
                walk(field, below, out);
            }
        }
        _ => {}
    }
}

fn node(table: &Value, above: Above) -> Option<Node> {
    let name = table.get("table_name")?.as_str()?.to_owned();
    let text = |key: &str| table.get(key).and_then(Value::as_str).unwrap_or_default();
    let (mut equal, mut range, mut wrapped) = (Vec::new(), Vec::new(), Vec::new());
    for key in ["attached_condition", "index_condition"] {
        conditions(text(key), &name, &mut equal, &mut range);
        functions(text(key), &name, &mut wrapped);
    }
    Some(Node {
        access_type: text("access_type").to_owned(),
        rows: table.get("rows").and_then(Value::as_f64).unwrap_or(0.0) as u64,
        filesort: above.filesort,
        temporary: above.temporary,
        join_buffer: above.join_buffer,
        table: name,
        equal,
        range,
        wrapped,
    })
}

/// Columns of `table` that are the first argument of a function at the start of a conjunct: `year(t.day) = 2026`.
fn functions(condition: &str, table: &str, wrapped: &mut Vec<(String, String)>) {
    for part in conjuncts(&tokens(condition)) {
        let [Token::Word(function), open, rest @ ..] = part.as_slice() else { continue };
        if !open.is("(") || ["in", "not", "exists"].iter().any(|word| function.eq_ignore_ascii_case(word)) {
            continue;
        }
        if let Some((column, _)) = column_of(rest, table) {
            wrapped.push((function.to_lowercase(), column));
        }
    }
}

/// What a statement really cost: rows read and pages touched, over all tables of an `ANALYZE FORMAT=JSON`; pages are `None`
/// when the server does not count them.
pub(crate) fn analyzed(plan: &Value) -> (u64, Option<u64>) {
    let (mut rows, mut pages) = (0.0, None);
    sum(plan, &mut rows, &mut pages);
    (rows as u64, pages)
}

fn sum(value: &Value, rows: &mut f64, pages: &mut Option<u64>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| sum(item, rows, pages)),
        Value::Object(fields) => {
            if fields.contains_key("table_name") {
                let number = |key: &str| fields.get(key).and_then(Value::as_f64).unwrap_or(0.0);
                *rows += number("r_loops") * number("r_rows");
                if let Some(stats) = fields.get("r_engine_stats") {
                    let accessed = stats.get("pages_accessed").and_then(Value::as_u64).unwrap_or(0);
                    *pages = Some(pages.unwrap_or(0) + accessed);
                }
            }
            fields.values().for_each(|field| sum(field, rows, pages));
        }
        _ => {}
    }
}

/// Columns of `table` in a conjunction; whatever is joined by OR, negated or computed gives none.
fn conditions(condition: &str, table: &str, equal: &mut Vec<String>, range: &mut Vec<String>) {
    for part in conjuncts(&tokens(condition)) {
        let Some((column, rest)) = column_of(&part, table) else { continue };
        let operator = rest.first();
        let is = |word: &str| operator.is_some_and(|token| token.is(word));
        let null_safe = is("<=") && rest.get(1).is_some_and(|token| token.is(">"));
        let list = if is("=") || is("in") || null_safe {
            &mut *equal
        } else if [">", "<", ">=", "<=", "between"].iter().any(|word| is(word)) {
            &mut *range
        } else {
            continue;
        };
        if !list.contains(&column) {
            list.push(column);
        }
    }
    range.retain(|column| !equal.contains(column));
}

/// Splits at AND outside of parentheses, except the AND of BETWEEN; a condition with OR on top gives nothing.
fn conjuncts(tokens: &[Token]) -> Vec<Vec<Token>> {
    let (mut depth, mut between) = (0_i32, false);
    let mut parts = vec![Vec::new()];
    for token in tokens {
        match token {
            t if t.is("(") => depth += 1,
            t if t.is(")") => depth -= 1,
            t if depth == 0 && t.is("or") => return Vec::new(),
            t if depth == 0 && t.is("between") => between = true,
            t if depth == 0 && t.is("and") && between => between = false,
            t if depth == 0 && t.is("and") => {
                parts.push(Vec::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().expect("there is always a last part").push(token.clone());
    }
    parts
}

/// `table.column …`, with the database before it if need be.
fn column_of<'p>(part: &'p [Token], table: &str) -> Option<(String, &'p [Token])> {
    let names: &[&Token] = &part.iter().take(5).collect::<Vec<_>>();
    let (owner, column, length) = match names {
        [_, dot, owner, second, column, ..] if dot.is(".") && second.is(".") => (owner, column, 5),
        [owner, dot, column, ..] if dot.is(".") => (owner, column, 3),
        _ => return None,
    };
    let ours = owner.name()?.eq_ignore_ascii_case(table);
    ours.then(|| column.name().map(|name| (name.to_owned(), &part[length..])))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn columns(condition: &str) -> (Vec<String>, Vec<String>) {
        let (mut equal, mut range) = (Vec::new(), Vec::new());
        conditions(condition, "e", &mut equal, &mut range);
        (equal, range)
    }

    #[test]
    fn columns_are_taken_from_conjunctions() {
        let (equal, range) = columns(
            "e.client_id = 'x and e.z = 1' and e.`day` between '2026-01-01' and '2026-02-01' and e.n in (1,2)",
        );
        assert_eq!((equal, range), (vec!["client_id".to_owned(), "n".to_owned()], vec!["day".to_owned()]));
    }

    #[test]
    fn what_an_index_cannot_serve_gives_nothing() {
        for condition in [
            "e.a = 1 or e.b = 2",
            "year(e.a) = 1",
            "(e.a = 1 or e.b = 2)",
            "o.a = 1",
            "e.a <> 1",
            "e.a like '%x'",
        ] {
            assert_eq!(columns(condition), (vec![], vec![]), "{condition}");
        }
    }

    #[test]
    fn sorting_and_temporary_tables_are_seen_above_a_table() {
        let plan = json!({"query_block": {"filesort": {"temporary_table": {"nested_loop": [
            {"table": {"table_name": "e", "access_type": "ALL", "rows": 500, "attached_condition": "e.a = 1"}},
            {"block-nl-join": {"table": {"table_name": "c", "access_type": "ALL", "rows": 7}}},
        ]}}}});
        let nodes = nodes(&plan);
        assert_eq!(nodes.len(), 2);
        assert!(
            nodes[0].filesort && nodes[0].temporary && !nodes[0].join_buffer && nodes[0].reads_everything()
        );
        assert_eq!((nodes[0].rows, nodes[0].equal.as_slice()), (500, ["a".to_owned()].as_slice()));
        assert!(nodes[1].join_buffer);
    }
}
