//! Translates SQLite expressions (CHECK, generated columns, defaults) to MariaDB where both mean the same. Everything
//! that is not known to mean the same is refused, and becomes a finding.

use super::convert::write_value;
use super::sqltext::{Token, tokenize};
use super::types::TargetType;
use crate::ident;
use rusqlite::types::ValueRef;

const KEYWORDS: [&str; 11] =
    ["and", "or", "not", "in", "is", "null", "between", "case", "when", "then", "else"];
/// Words that stand for the moment at which a row is written.
const NOW: [&str; 3] = ["current_timestamp", "current_date", "current_time"];
/// Functions of the same meaning, with their MariaDB name.
const FUNCTIONS: [(&str, &str); 7] = [
    ("length", "CHAR_LENGTH"),
    ("abs", "ABS"),
    ("coalesce", "COALESCE"),
    ("ifnull", "IFNULL"),
    ("nullif", "NULLIF"),
    ("json_valid", "JSON_VALID"),
    ("trim", "TRIM"),
];

/// Translates an expression over the columns named; `Err` says which part has no equal.
pub(crate) fn expression(tokens: &[Token], columns: &[String]) -> Result<String, String> {
    let mut sql = String::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let calls = tokens.get(at + 1).is_some_and(|next| next.is_symbol("("));
        if token.is_word("is") && !is_null_follows(&tokens[at + 1..]) {
            return Err("`IS` with anything but NULL".to_owned());
        }
        let piece = match token {
            Token::Word(word) if calls && function(word).is_some() => {
                function(word).unwrap_or_default().to_owned()
            }
            Token::Word(word)
                if KEYWORDS.iter().chain(&["end"]).any(|keyword| word.eq_ignore_ascii_case(keyword)) =>
            {
                word.to_ascii_uppercase()
            }
            Token::Word(word) if word.eq_ignore_ascii_case("true") => "1".to_owned(),
            Token::Word(word) if word.eq_ignore_ascii_case("false") => "0".to_owned(),
            Token::Word(word) | Token::Name(word) => match column(word, columns) {
                Some(column) if !calls => ident::mariadb(column),
                _ => return Err(format!("`{word}`")),
            },
            Token::Text(text) => ident::mariadb_literal(text),
            Token::Number(number) => number.clone(),
            Token::Blob(hex) => format!("x'{hex}'"),
            Token::Symbol(symbol) => operator(symbol)?.to_owned(),
        };
        let calls_now = piece == "(" && follows_function(tokens, at);
        if !(sql.is_empty() || sql.ends_with('(') || piece.starts_with([')', ',']) || calls_now) {
            sql.push(' ');
        }
        sql.push_str(&piece);
        at += 1;
    }
    if sql.is_empty() { Err("an empty expression".to_owned()) } else { Ok(sql) }
}

/// `IS` compares any two values in SQLite, and only with NULL, TRUE and FALSE in MariaDB.
pub(super) fn is_null_follows(rest: &[Token]) -> bool {
    let rest = if rest.first().is_some_and(|token| token.is_word("not")) { &rest[1..] } else { rest };
    rest.first().is_some_and(|token| token.is_word("null"))
}

/// Whether an expression means the same over columns of these types: SQLite compares by what a value is, MariaDB by what a
/// column is, and refuses even `at > '2000'` where `at` is a DATETIME.
pub(crate) fn suits(tokens: &[Token], type_of: &dyn Fn(&str) -> Option<TargetType>) -> Result<(), String> {
    let is_text = |token: &Token| matches!(token, Token::Text(_));
    let (mut texts, mut others, mut exact) = (false, None, None);
    for token in tokens {
        let (Token::Word(name) | Token::Name(name)) = token else { continue };
        match type_of(name) {
            Some(target) if target.is_text() => texts = true,
            Some(target) => {
                if matches!(target, TargetType::Decimal { .. }) {
                    exact = Some(name);
                }
                others = Some((name, target));
            }
            None => {}
        }
    }
    let measured = tokens.iter().any(|token| token.is_word("length") || token.is_word("json_valid"));
    let arithmetic = tokens.iter().any(|token| ["+", "-", "*"].iter().any(|sign| token.is_symbol(sign)));
    let numbers = tokens.iter().any(|token| matches!(token, Token::Number(_)));
    match (others, exact) {
        (Some((name, target)), _) if tokens.iter().any(is_text) => {
            Err(format!("a text compared with `{name}`, which becomes {target},"))
        }
        (Some((name, target)), _) if texts && !measured => {
            Err(format!("a text beside `{name}`, which becomes {target},"))
        }
        (_, Some(name)) if arithmetic => {
            Err(format!("arithmetic of doubles with `{name}`, which becomes exact,"))
        }
        _ if texts && numbers && !measured => Err("a number compared with a text".to_owned()),
        _ => Ok(()),
    }
}

/// The tokens with texts that spell a number as numbers, where they can only meet columns of numbers: in `total >= '0'`
/// SQLite gives the text the column's affinity. A function's value has none, so nothing is done beside one.
pub(crate) fn numbers(tokens: &[Token], type_of: &dyn Fn(&str) -> Option<TargetType>) -> Vec<Token> {
    let plain = |token: &Token| match token {
        Token::Word(word)
            if ["and", "or", "not", "between"].iter().any(|one| word.eq_ignore_ascii_case(one)) =>
        {
            true
        }
        Token::Word(name) | Token::Name(name) => matches!(
            type_of(name),
            Some(TargetType::BigInt | TargetType::Double | TargetType::Decimal { .. })
        ),
        Token::Symbol(symbol) => {
            ["(", ")", "=", "==", "<", ">", "<=", ">=", "<>", "!="].contains(&symbol.as_str())
        }
        Token::Text(text) => spells_a_number(text),
        Token::Number(_) => true,
        Token::Blob(_) => false,
    };
    if !tokens.iter().all(plain) {
        return tokens.to_vec();
    }
    let mut written = Vec::with_capacity(tokens.len());
    for token in tokens {
        let Token::Text(text) = token else {
            written.push(token.clone());
            continue;
        };
        if text.starts_with('-') {
            written.push(Token::Symbol("-".to_owned()));
        }
        written.push(Token::Number(text.trim_start_matches('-').to_owned()));
    }
    written
}

/// Digits with a point between them at the most; all that both databases read alike.
fn spells_a_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let mut parts = digits.split('.');
    let whole = |part: Option<&str>| {
        part.is_some_and(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    whole(parts.next()) && parts.next().is_none_or(|part| whole(Some(part))) && parts.next().is_none()
}

fn follows_function(tokens: &[Token], at: usize) -> bool {
    at > 0 && matches!(&tokens[at - 1], Token::Word(word) if function(word).is_some())
}

fn function(word: &str) -> Option<&'static str> {
    FUNCTIONS.iter().find(|(name, _)| word.eq_ignore_ascii_case(name)).map(|(_, target)| *target)
}

fn column<'a>(word: &str, columns: &'a [String]) -> Option<&'a String> {
    columns.iter().find(|column| column.eq_ignore_ascii_case(word))
}

fn operator(symbol: &str) -> Result<&str, String> {
    match symbol {
        "==" => Ok("="),
        // `/` is integer division between integers in SQLite, `||` is OR in MariaDB's default mode.
        "(" | ")" | "," | "=" | "<" | ">" | "<=" | ">=" | "<>" | "!=" | "+" | "-" | "*" => Ok(symbol),
        other => Err(format!("the operator `{other}`")),
    }
}

/// A column default, as MariaDB's text after `DEFAULT`. `Ok(None)` is the default NULL.
pub(crate) fn default(text: &str, target: TargetType) -> Result<Option<String>, String> {
    let refused = || "its expression".to_owned();
    let mut tokens = tokenize(text).ok_or_else(refused)?;
    while tokens.len() > 2 && tokens[0].is_symbol("(") && tokens[tokens.len() - 1].is_symbol(")") {
        tokens = tokens[1..tokens.len() - 1].to_vec();
    }
    let literal = match tokens.as_slice() {
        [one] if one.is_word("null") => return Ok(None),
        [one] if one.is_word("true") => Literal::Integer(1),
        [one] if one.is_word("false") => Literal::Integer(0),
        [Token::Text(text) | Token::Name(text)] => Literal::Text(text.clone()),
        // A word that is none of the language's is a text: `DEFAULT open`.
        [Token::Word(word)] if !NOW.iter().any(|now| word.eq_ignore_ascii_case(now)) => {
            Literal::Text(word.clone())
        }
        [Token::Number(number)] => number_literal(number, false).ok_or_else(refused)?,
        [sign, Token::Number(number)] if sign.is_symbol("-") => {
            number_literal(number, true).ok_or_else(refused)?
        }
        [sign, Token::Number(number)] if sign.is_symbol("+") => {
            number_literal(number, false).ok_or_else(refused)?
        }
        other => return now(other, target).map(Some).ok_or_else(refused),
    };
    let mut written = Vec::new();
    let value = literal.value();
    match write_value(value, target, &mut written) {
        Ok(true) => {}
        // SQLite applies the column's affinity to a default: '0' in an INTEGER column is 0.
        _ => {
            written.clear();
            let Literal::Text(text) = &literal else {
                return Err("its value, which the column's type cannot hold".to_owned());
            };
            let number =
                number_literal(text, false).ok_or("its value, which the column's type cannot hold")?;
            write_value(number.value(), target, &mut written)
                .map_err(|_| "its value, which the column's type cannot hold".to_owned())?;
        }
    }
    let written = String::from_utf8(written).map_err(|_| refused())?;
    Ok(Some(match target {
        TargetType::BigInt
        | TargetType::Int { .. }
        | TargetType::Boolean
        | TargetType::Double
        | TargetType::Float
        | TargetType::Decimal { .. } => written,
        _ => ident::mariadb_literal(&written),
    }))
}

enum Literal {
    Integer(i64),
    Real(f64),
    Text(String),
}

impl Literal {
    fn value(&self) -> ValueRef<'_> {
        match self {
            Self::Integer(integer) => ValueRef::Integer(*integer),
            Self::Real(real) => ValueRef::Real(*real),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }
    }
}

fn number_literal(number: &str, negative: bool) -> Option<Literal> {
    let signed = format!("{}{number}", if negative { "-" } else { "" });
    signed.parse().map(Literal::Integer).or_else(|_| signed.parse().map(Literal::Real)).ok()
}

/// `CURRENT_TIMESTAMP` and alike: UTC in SQLite, the session's zone in MariaDB, so UTC is asked for by name.
fn now(tokens: &[Token], target: TargetType) -> Option<String> {
    let stamp = match tokens {
        [Token::Word(word)] => word.to_ascii_lowercase(),
        [Token::Word(function), open, Token::Text(argument), close]
            if open.is_symbol("(") && close.is_symbol(")") && argument.eq_ignore_ascii_case("now") =>
        {
            function.to_ascii_lowercase()
        }
        _ => return None,
    };
    let called = tokens.len() > 1;
    match (stamp.as_str(), called, target) {
        ("current_timestamp", false, TargetType::DateTime { .. })
        | ("datetime", true, TargetType::DateTime { .. }) => {
            // Whole seconds, as SQLite's.
            Some("(UTC_TIMESTAMP())".to_owned())
        }
        ("current_date", false, TargetType::Date) | ("date", true, TargetType::Date) => {
            Some("(UTC_DATE())".to_owned())
        }
        ("current_time", false, TargetType::Time { .. }) | ("time", true, TargetType::Time { .. }) => {
            Some("(UTC_TIME())".to_owned())
        }
        ("current_timestamp", false, TargetType::Varchar { .. } | TargetType::LongText)
        | ("datetime", true, TargetType::Varchar { .. } | TargetType::LongText) => {
            Some("(DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%d %H:%i:%s'))".to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &str) -> Result<String, String> {
        expression(&tokenize(sql).unwrap(), &["a".to_owned(), "end".to_owned(), "b c".to_owned()])
    }

    #[test]
    fn expressions_of_one_meaning_are_carried_and_others_refused() {
        assert_eq!(check("a IN ('x', 'y\\z')").unwrap(), "`a` IN ('x', 'y\\\\z')");
        assert_eq!(check("length(a) >= 3 AND [b c] == 1").unwrap(), "CHAR_LENGTH(`a`) >= 3 AND `b c` = 1");
        assert_eq!(check("(a > 0 OR a IS NULL)").unwrap(), "(`a` > 0 OR `a` IS NULL)");
        for sql in [
            "a GLOB 'x*'",
            "a LIKE 'x%'",
            "typeof(a) = 'text'",
            "a || 'x' = 'y'",
            "a / 2 = 1",
            "unknown > 1",
            "a IS 1",
        ] {
            assert!(check(sql).is_err(), "{sql}");
        }
    }

    #[test]
    fn a_comparison_of_two_kinds_is_refused() {
        let type_of = |name: &str| match name {
            "at" => Some(TargetType::DATETIME),
            "n" => Some(TargetType::BigInt),
            "price" => Some(TargetType::Decimal { precision: 9, scale: 2 }),
            "name" => Some(TargetType::LongText),
            _ => None,
        };
        let of = |sql: &str| suits(&tokenize(sql).unwrap(), &type_of).is_ok();
        for sql in ["n > 0", "name <> ''", "length(name) > 3", "price >= 0", "n * 2 = 4", "at IS NOT NULL"] {
            assert!(of(sql), "{sql}");
        }
        for sql in ["at > '2000'", "n <> ''", "name > 5", "price * 2 > 1", "name = n"] {
            assert!(!of(sql), "{sql}");
        }
    }

    #[test]
    fn a_text_that_spells_a_number_is_one_beside_columns_of_numbers() {
        let type_of = |name: &str| match name {
            "total" => Some(TargetType::Decimal { precision: 12, scale: 2 }),
            "n" => Some(TargetType::BigInt),
            "name" => Some(TargetType::LongText),
            _ => None,
        };
        let of = |sql: &str| {
            let tokens = tokenize(sql).unwrap();
            let meant = numbers(&tokens, &type_of);
            (meant != tokens).then(|| expression(&meant, &["total".to_owned(), "n".to_owned()]).unwrap())
        };
        assert_eq!(of("\"total\" >= '0'").as_deref(), Some("`total` >= 0"));
        assert_eq!(
            of("total BETWEEN '-1.50' AND '7' OR n = 3").as_deref(),
            Some("`total` BETWEEN - 1.50 AND 7 OR `n` = 3")
        );
        for sql in [
            "name >= '0'",
            "coalesce(total, '0') >= 1",
            "total >= 'x'",
            "total >= '1e5'",
            "total >= '1.'",
            "total = n",
        ] {
            assert_eq!(of(sql), None, "{sql}");
        }
    }

    #[test]
    fn defaults_keep_their_meaning() {
        let of = |text: &str, target: &str| default(text, TargetType::parse(target).unwrap());
        assert_eq!(of("'x''y'", "VARCHAR(9)"), Ok(Some("'x''y'".to_owned())));
        assert_eq!(of("\"open\"", "VARCHAR(9)"), Ok(Some("'open'".to_owned())));
        assert_eq!(of("'0'", "BIGINT"), Ok(Some("0".to_owned())));
        assert_eq!(of("TRUE", "TINYINT(1)"), Ok(Some("1".to_owned())));
        assert_eq!(of("-1.50", "DECIMAL(9,2)"), Ok(Some("-1.5".to_owned())));
        assert_eq!(of("NULL", "BIGINT"), Ok(None));
        assert_eq!(of("Salaried", "VARCHAR(16)"), Ok(Some("'Salaried'".to_owned())));
        assert!(of("current_time", "VARCHAR(16)").is_err());
        assert_eq!(of("CURRENT_TIMESTAMP", "DATETIME(6)"), Ok(Some("(UTC_TIMESTAMP())".to_owned())));
        assert_eq!(of("(datetime('now'))", "DATETIME(6)"), Ok(Some("(UTC_TIMESTAMP())".to_owned())));
        assert!(of("(randomblob(16))", "LONGBLOB").is_err());
        assert!(of("'abc'", "BIGINT").is_err());
    }
}
