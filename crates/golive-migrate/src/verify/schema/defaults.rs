//! Defaults: the value that both sides would give, read from the text of either by its own rules.

use rusqlite::types::ValueRef;

use crate::core::sqltext::{self, Token};
use crate::survey::{CatalogColumn, CatalogTable};
use crate::verify::canonical::{self, Form, Kind};
use crate::verify::layout::TargetColumn;
use crate::verify::report::{Difference, SchemaDifference};

/// What a column gets that no value is given for.
#[derive(Debug, PartialEq)]
enum Given {
    Null,
    /// Its canonical form.
    Value(Vec<u8>),
    /// The time of the insert.
    Now,
    /// Something computed otherwise.
    Computed,
}

pub(super) fn compare(
    table: &CatalogTable,
    column: &CatalogColumn,
    present: &TargetColumn,
    found: &mut Vec<SchemaDifference>,
) {
    if column.generated || present.generated || present.auto_increment {
        return;
    }
    let ours = column.default.as_deref().map_or(Given::Null, |text| read(text, present.kind, false));
    let theirs = present.default.as_deref().map_or(Given::Null, |text| read(text, present.kind, true));
    let what = match (&ours, &theirs) {
        (ours, theirs) if ours == theirs => return,
        (Given::Null, _) => format!("column `{}` has a default", column.name),
        (_, Given::Null) => format!("column `{}` has no default", column.name),
        // In whichever words each side computes it.
        (Given::Now | Given::Computed, Given::Now | Given::Computed) => return,
        _ => format!("column `{}` has another default", column.name),
    };
    let difference = SchemaDifference::new(&table.name, Difference::Default, what);
    // Only that it is missing is ever declared.
    found.push(if theirs == Given::Null {
        difference.declared(&["MIG-DEFAULT"], Some(&column.name))
    } else {
        difference
    });
}

fn read(text: &str, kind: Kind, of_mariadb: bool) -> Given {
    let text = if of_mariadb { unescaped(text) } else { text.to_owned() };
    let Some(mut tokens) = sqltext::tokenize(&text) else { return Given::Computed };
    while tokens.len() > 2 && tokens[0].is_symbol("(") && tokens[tokens.len() - 1].is_symbol(")") {
        tokens = tokens[1..tokens.len() - 1].to_vec();
    }
    match tokens.as_slice() {
        [one] if one.is_word("null") => Given::Null,
        [one] if one.is_word("true") => number("1", kind),
        [one] if one.is_word("false") => number("0", kind),
        [Token::Text(text) | Token::Name(text)] => literal(text, kind),
        // SQLite's grammar takes any other word for a text: `DEFAULT open`.
        [Token::Word(word)] if !of_mariadb && !word.to_ascii_lowercase().starts_with("current_") => {
            literal(word, kind)
        }
        [Token::Number(text)] => number(text, kind),
        [sign, Token::Number(text)] if sign.is_symbol("-") => number(&format!("-{text}"), kind),
        [sign, Token::Number(text)] if sign.is_symbol("+") => number(text, kind),
        other if other.iter().any(is_now) => Given::Now,
        _ => Given::Computed,
    }
}

/// The server shows a literal with its backslashes doubled, and a quote as `\'` or `''`.
pub(super) fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(one) = rest.next() {
        match one {
            '\\' => match rest.next() {
                Some('\'') => plain.push_str("''"),
                Some('0') => plain.push('\0'),
                Some('n') => plain.push('\n'),
                Some('r') => plain.push('\r'),
                Some(other) => plain.push(other),
                None => plain.push('\\'),
            },
            other => plain.push(other),
        }
    }
    plain
}

fn is_now(token: &Token) -> bool {
    [
        "current_timestamp",
        "current_date",
        "current_time",
        "datetime",
        "date",
        "time",
        "strftime",
        "utc_timestamp",
    ]
    .iter()
    .chain(&["utc_date", "utc_time", "now", "curdate", "curtime"])
    .any(|word| token.is_word(word))
}

/// SQLite applies the column's affinity to a default: '0' in an INTEGER column is 0.
fn literal(text: &str, kind: Kind) -> Given {
    match kind {
        Kind::Integer | Kind::Boolean | Kind::Real if text.trim().parse::<f64>().is_ok() => {
            number(text.trim(), kind)
        }
        _ => value(ValueRef::Text(text.as_bytes()), kind),
    }
}

fn number(text: &str, kind: Kind) -> Given {
    match (text.parse::<i64>(), text.parse::<f64>()) {
        (Ok(integer), _) => value(ValueRef::Integer(integer), kind),
        (_, Ok(real)) => value(ValueRef::Real(real), kind),
        _ => Given::Computed,
    }
}

fn value(value: ValueRef<'_>, kind: Kind) -> Given {
    let mut cell = Vec::new();
    canonical::source(value, Form { kind, brief: false }, &mut cell);
    Given::Value(cell)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(ours: &str, theirs: &str, kind: Kind) -> bool {
        read(ours, kind, false) == read(theirs, kind, true)
    }

    #[test]
    fn one_default_in_the_words_of_both() {
        assert!(same("'0'", "0", Kind::Integer));
        assert!(same("TRUE", "1", Kind::Boolean));
        assert!(same("-1.5", "-1.50", Kind::Decimal));
        assert!(same("'it''s \\ so'", "'it\\'s \\\\ so'", Kind::Text));
        assert!(same("\"none\"", "'none'", Kind::Text));
        assert!(same("none", "'none'", Kind::Text));
        assert!(!same("none", "'other'", Kind::Text));
        assert!(!same("CURRENT_TIMESTAMP", "'CURRENT_TIMESTAMP'", Kind::Text));
        assert!(same("NULL", "NULL", Kind::Text));
        assert!(same("CURRENT_TIMESTAMP", "utc_timestamp()", Kind::DateTime));
        assert!(same("(datetime('now'))", "utc_timestamp()", Kind::DateTime));
        assert!(!same("0", "1", Kind::Integer));
        assert!(!same("'a'", "'A'", Kind::Text));
        assert!(!same("'a'", "NULL", Kind::Text));
    }
}
