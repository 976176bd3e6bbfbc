//! Ranges of keys, so that one table can be read by several connections, digested chunk by chunk, or sampled. A range's
//! bounds are keys of the source, as either side understands them.

use std::sync::Arc;

use mysql_async::Value;
use rusqlite::types::{Value as SourceValue, ValueRef};
use rusqlite::{Connection, params_from_iter};

use super::canonical;
use super::layout::Layout;
use super::rows::Block;
use crate::ident;

/// A key at which one range ends and the next begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bound {
    source: Vec<SourceValue>,
    target: Vec<Value>,
    /// In canonical form, part by part.
    pub(super) canonical: Vec<Vec<u8>>,
}

/// The rows after one key, up to and including another.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Range {
    pub(super) after: Option<Arc<Bound>>,
    pub(super) upto: Option<Arc<Bound>>,
}

impl Bound {
    /// `None` where a part of the key means nothing to the target.
    pub(super) fn new(layout: &Layout, parts: &[ValueRef<'_>]) -> Option<Self> {
        let mut bound = Self { source: Vec::new(), target: Vec::new(), canonical: Vec::new() };
        for (value, at) in parts.iter().zip(&layout.key) {
            let column = &layout.columns[*at];
            let mut cell = Vec::new();
            column.source(*value, &mut cell);
            bound.target.push(canonical::as_parameter(&cell, column.form.kind)?);
            bound.canonical.push(cell);
            bound.source.push((*value).try_into().ok()?);
        }
        Some(bound)
    }

    /// A key that was kept in canonical form. SQLite cannot be asked by it.
    pub(super) fn of_canonical(layout: &Layout, key: &[Vec<u8>]) -> Option<Self> {
        let part =
            |(cell, at): (&Vec<u8>, &usize)| canonical::as_parameter(cell, layout.columns[*at].form.kind);
        let target: Option<Vec<Value>> = key.iter().zip(&layout.key).map(part).collect();
        let target = target.filter(|parts| parts.len() == layout.key.len())?;
        Some(Self { source: Vec::new(), target, canonical: key.to_vec() })
    }

    /// As it names a row.
    pub(super) fn for_people(&self, layout: &Layout) -> String {
        let part = |(cell, at): (&Vec<u8>, &usize)| {
            let column = &layout.columns[*at];
            format!("{}={}", column.name, canonical::for_people(cell, column.form.kind))
        };
        self.canonical.iter().zip(&layout.key).map(part).collect::<Vec<_>>().join(", ")
    }
}

impl Range {
    /// ` WHERE` and its parameters for SQLite.
    pub(super) fn source_condition(&self, key: &[String]) -> (String, Vec<SourceValue>) {
        let (mut sql, mut parameters) = (Vec::new(), Vec::new());
        let marks = vec!["?"; key.len()].join(", ");
        for (bound, sign) in [(&self.after, ">"), (&self.upto, "<=")] {
            if let Some(bound) = bound {
                sql.push(format!("({}) {sign} ({marks})", key.join(", ")));
                parameters.extend(bound.source.iter().cloned());
            }
        }
        (condition(&sql), parameters)
    }

    /// Likewise for MariaDB, which uses an index for the first part of a key only where it stands by itself.
    pub(super) fn target_condition(&self, key: &[String]) -> (String, Vec<Value>) {
        let (mut sql, mut parameters) = (Vec::new(), Vec::new());
        for (bound, sign) in [(&self.after, ">"), (&self.upto, "<")] {
            if let Some(bound) = bound {
                let last_sign = if sign == "<" { "<=" } else { ">" };
                lexical(key, &bound.target, sign, last_sign, &mut sql, &mut parameters);
            }
        }
        (condition(&sql), parameters)
    }

    /// Whether rows lie in it by their canonical form too, and not only by SQLite's order.
    pub(super) fn holds(&self, block: &Block, layout: &Layout) -> bool {
        let Some(last) = block.rows().checked_sub(1) else { return true };
        let (first, last) = (block.row(0), block.row(last));
        let above = |bound| first.cmp_bound(bound, &layout.key).is_gt();
        let below = |bound| last.cmp_bound(bound, &layout.key).is_le();
        self.after.as_deref().is_none_or(above) && self.upto.as_deref().is_none_or(below)
    }

    /// As it is told to people.
    pub(super) fn for_people(&self, layout: &Layout) -> String {
        let told = |bound: &Option<Arc<Bound>>| bound.as_ref().map(|bound| bound.for_people(layout));
        match (told(&self.after), told(&self.upto)) {
            (None, None) => "all keys".to_owned(),
            (None, Some(upto)) => format!("up to {upto}"),
            (Some(after), None) => format!("after {after}"),
            (Some(after), Some(upto)) => format!("after {after} up to {upto}"),
        }
    }
}

fn condition(parts: &[String]) -> String {
    if parts.is_empty() { String::new() } else { format!(" WHERE {}", parts.join(" AND ")) }
}

/// `a >= ? AND (a > ? OR (a = ? AND (b > ? OR ...)))`.
fn lexical(
    key: &[String],
    bound: &[Value],
    sign: &str,
    last_sign: &str,
    sql: &mut Vec<String>,
    parameters: &mut Vec<Value>,
) {
    let [first, .., last] = key else {
        if let ([only], [value]) = (key, bound) {
            sql.push(format!("{only} {last_sign} ?"));
            parameters.push(value.clone());
        }
        return;
    };
    sql.push(format!("{first} {sign}= ?"));
    parameters.push(bound[0].clone());
    let mut text = String::new();
    for (part, value) in key.iter().zip(bound).take(key.len() - 1) {
        text.push_str(&format!("({part} {sign} ? OR ({part} = ? AND "));
        parameters.extend([value.clone(), value.clone()]);
    }
    text.push_str(&format!("{last} {last_sign} ?{}", "))".repeat(key.len() - 1)));
    parameters.extend(bound.last().cloned());
    sql.push(text);
}

/// Cuts a range into ranges of about so many rows, together without a gap. Only one where a key means nothing to the
/// target.
pub(super) fn cut(
    connection: &Connection,
    layout: &Layout,
    range: &Range,
    rows: u64,
) -> rusqlite::Result<Vec<Range>> {
    let mut ranges = Vec::new();
    let mut rest = range.clone();
    loop {
        let (first, left) = split(connection, layout, rest, rows)?;
        ranges.push(first);
        match left {
            Some(left) => rest = left,
            None => return Ok(ranges),
        }
    }
}

/// Takes the first rows off a range; nothing is left when it has no more, or a key means nothing to the target.
pub(super) fn split(
    connection: &Connection,
    layout: &Layout,
    range: Range,
    rows: u64,
) -> rusqlite::Result<(Range, Option<Range>)> {
    let key: Vec<String> = layout.key.iter().map(|at| layout.source_key(*at)).collect();
    let names: Vec<String> = layout.key.iter().map(|at| layout.columns[*at].name.clone()).collect();
    let (condition, parameters) = range.source_condition(&key);
    let sql = format!(
        "SELECT {} FROM {}{condition} ORDER BY {} LIMIT 1 OFFSET {}",
        ident::sqlite_list(&names),
        ident::sqlite(&layout.table),
        key.join(", "),
        rows.saturating_sub(1)
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut found = statement.query(params_from_iter(parameters))?;
    let Some(row) = found.next()? else { return Ok((range, None)) };
    let parts = (0..names.len()).map(|at| row.get_ref(at)).collect::<Result<Vec<_>, _>>()?;
    let Some(bound) = Bound::new(layout, &parts).map(Arc::new) else { return Ok((range, None)) };
    let first = Range { after: range.after, upto: Some(Arc::clone(&bound)) };
    Ok((first, Some(Range { after: Some(bound), upto: range.upto })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_composite_key_is_compared_part_by_part() {
        let key = ["a", "b", "c"].map(str::to_owned);
        let bound = [Value::Int(1), Value::Int(2), Value::Int(3)];
        let (mut sql, mut parameters) = (Vec::new(), Vec::new());
        lexical(&key, &bound, ">", ">", &mut sql, &mut parameters);
        assert_eq!(sql, ["a >= ?", "(a > ? OR (a = ? AND (b > ? OR (b = ? AND c > ?))))"]);
        assert_eq!(parameters, [1, 1, 1, 2, 2, 3].map(Value::Int));
        sql.clear();
        lexical(&key[..1], &bound[..1], "<", "<=", &mut sql, &mut parameters);
        assert_eq!(sql, ["a <= ?"]);
    }
}
