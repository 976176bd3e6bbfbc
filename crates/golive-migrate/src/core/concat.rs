//! Writes SQLite's `a || b` as MariaDB's `CONCAT(a, b)`: there `||` is OR. Only where texts and whole numbers are joined,
//! which both databases spell alike; a decimal, a double or a moment would read otherwise.

use super::sqltext::Token;

const OPERATOR: &str = "the operator `||`";
/// Functions whose value is one of their arguments, or a whole number.
const TRANSPARENT: [&str; 6] = ["concat", "coalesce", "ifnull", "nullif", "length", "count"];

/// Words after which a parenthesis is no call.
const BEFORE: [&str; 13] = [
    "select", "distinct", "and", "or", "not", "when", "then", "else", "on", "where", "by", "having",
    "between",
];

/// The tokens with every `||` rewritten; `Err` says what has no equal. `alike` tells whether a column's values are spelled
/// alike in both databases.
pub(super) fn rewrite(tokens: &[Token], alike: &dyn Fn(&str) -> bool) -> Result<Vec<Token>, String> {
    // SQLite's own takes NULL for an empty text, MariaDB's answers NULL.
    if tokens.windows(2).any(|pair| pair[0].is_word("concat") && pair[1].is_symbol("(")) {
        return Err("the function `concat`".to_owned());
    }
    if !tokens.iter().any(|token| token.is_symbol("||")) {
        return Ok(tokens.to_vec());
    }
    // The columns of a SELECT inside, or of another view, are not known here.
    if tokens.iter().skip(1).any(|token| token.is_word("select")) {
        return Err(format!("{OPERATOR} beside a second SELECT"));
    }
    joined(tokens, alike)
}

fn joined(tokens: &[Token], alike: &dyn Fn(&str) -> bool) -> Result<Vec<Token>, String> {
    let mut written: Vec<Token> = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if !token.is_symbol("||") {
            written.push(token.clone());
            at += 1;
            continue;
        }
        let start = operand_before(&written).ok_or(OPERATOR)?;
        let length = operand_after(&tokens[at + 1..]).ok_or(OPERATOR)?;
        let left = written.split_off(start);
        let right = joined(&tokens[at + 1..at + 1 + length], alike)?;
        // A sign binds tighter: `-a || b` is `(-a) || b`.
        let signed =
            written.last().is_some_and(|last| ["-", "+", "~"].iter().any(|sign| last.is_symbol(sign)));
        if signed || !is_alike(&left, alike) || !is_alike(&right, alike) {
            return Err(format!("{OPERATOR} over anything but texts and whole numbers"));
        }
        written.push(Token::Word("concat".to_owned()));
        written.push(Token::Symbol("(".to_owned()));
        written.extend(left);
        written.push(Token::Symbol(",".to_owned()));
        written.extend(right);
        written.push(Token::Symbol(")".to_owned()));
        at += 1 + length;
    }
    Ok(written)
}

/// Where the operand begins that ends here: a literal, a column with its table, a call or a parenthesis.
fn operand_before(tokens: &[Token]) -> Option<usize> {
    let last = tokens.len().checked_sub(1)?;
    if tokens[last].is_symbol(")") {
        let mut depth = 0_usize;
        let open = (0..=last).rev().find(|at| {
            if tokens[*at].is_symbol(")") {
                depth += 1;
            } else if tokens[*at].is_symbol("(") {
                depth -= 1;
            }
            depth == 0
        })?;
        return match open.checked_sub(1).map(|before| &tokens[before]) {
            Some(Token::Word(word)) if is_transparent(word) => Some(open - 1),
            Some(Token::Word(word)) if !BEFORE.iter().any(|one| word.eq_ignore_ascii_case(one)) => None,
            _ => Some(open),
        };
    }
    if matches!(tokens[last], Token::Symbol(_)) || tokens[last].is_word("end") {
        return None;
    }
    let mut start = last;
    while start >= 2 && tokens[start - 1].is_symbol(".") {
        start -= 2;
    }
    Some(start)
}

/// How many tokens the operand has that begins here.
fn operand_after(tokens: &[Token]) -> Option<usize> {
    let open = match tokens.first()? {
        Token::Symbol(symbol) if symbol == "(" => 0,
        Token::Word(word)
            if is_transparent(word) && tokens.get(1).is_some_and(|next| next.is_symbol("(")) =>
        {
            1
        }
        Token::Symbol(_) => return None,
        Token::Word(word) if word.eq_ignore_ascii_case("case") => return None,
        _ => {
            let mut length = 1;
            while tokens.get(length).is_some_and(|token| token.is_symbol(".")) {
                length += 2;
            }
            return (length <= tokens.len()).then_some(length);
        }
    };
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        if token.is_symbol("(") {
            depth += 1;
        } else if token.is_symbol(")") {
            depth -= 1;
        }
        if depth == 0 {
            return Some(at + 1);
        }
    }
    None
}

/// Whether every value in an operand is a text or a whole number.
fn is_alike(operand: &[Token], alike: &dyn Fn(&str) -> bool) -> bool {
    operand.iter().enumerate().all(|(at, token)| {
        let table = operand.get(at + 1).is_some_and(|next| next.is_symbol("."));
        match token {
            Token::Text(_) => true,
            Token::Number(number) => number.bytes().all(|byte| byte.is_ascii_digit()),
            Token::Blob(_) => false,
            Token::Word(word) if is_transparent(word) => true,
            Token::Word(name) | Token::Name(name) => table || alike(name),
            Token::Symbol(symbol) => ["(", ")", ",", ".", "+", "-"].contains(&symbol.as_str()),
        }
    })
}

fn is_transparent(word: &str) -> bool {
    TRANSPARENT.iter().any(|one| word.eq_ignore_ascii_case(one))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::sqltext::tokenize;

    fn of(sql: &str) -> Result<String, String> {
        let rewritten = rewrite(&tokenize(sql).unwrap(), &|name| ["a", "b", "c"].contains(&name))?;
        let words = rewritten.iter().map(|token| match token {
            Token::Text(text) => format!("'{text}'"),
            Token::Word(text) | Token::Name(text) | Token::Number(text) | Token::Symbol(text) => text.clone(),
            Token::Blob(hex) => format!("x'{hex}'"),
        });
        Ok(words.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn texts_are_joined_as_sqlite_joins_them() {
        assert_eq!(of("SELECT a || b").unwrap(), "SELECT concat ( a , b )");
        assert_eq!(
            of("SELECT t.a || ' ' || t.[b] AS x").unwrap(),
            "SELECT concat ( concat ( t . a , ' ' ) , t . b ) AS x"
        );
        assert_eq!(of("SELECT 2 * a || 1").unwrap(), "SELECT 2 * concat ( a , 1 )");
        assert_eq!(of("SELECT (a || b) || c").unwrap(), "SELECT concat ( ( concat ( a , b ) ) , c )");
        assert_eq!(
            of("SELECT a || coalesce(b || c, '')").unwrap(),
            "SELECT concat ( a , coalesce ( concat ( b , c ) , '' ) )"
        );
        for sql in [
            "SELECT concat(a, b)",
            "SELECT price || a",
            "SELECT a || 1.5",
            "SELECT a || x'00'",
            "SELECT a || -b",
            "SELECT -a || b",
            "SELECT a || round(b)",
            "SELECT round(b) || a",
            "SELECT CASE WHEN a THEN b END || c",
            "SELECT a || (SELECT b FROM t)",
            "SELECT a || b FROM (SELECT 1.5 AS a)",
        ] {
            assert!(of(sql).is_err(), "{sql}");
        }
    }
}
