//! Reads SQL as far as a review needs it: literals away, tables and ORDER BY columns out.
//!
//! What must not be here: a real SQL parser. What is not understood yields no advice, never a wrong one.

use std::collections::BTreeMap;

/// One word of a statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    /// A keyword or bare name, as written.
    Word(String),
    /// A name in backticks, without them.
    Quoted(String),
    /// A string, number or placeholder.
    Literal,
    /// Anything else, one or two characters.
    Sign(String),
}

impl Token {
    pub(crate) fn is(&self, word: &str) -> bool {
        match self {
            Self::Word(text) | Self::Sign(text) => text.eq_ignore_ascii_case(word),
            _ => false,
        }
    }

    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Word(text) | Self::Quoted(text) => Some(text),
            _ => None,
        }
    }
}

/// The statement with `?` for literals and single spaces, so that executions that differ in values only are the same.
pub(crate) fn fingerprint(statement: &str) -> String {
    let mut out = String::new();
    let mut tokens = tokens(statement);
    while tokens.last().is_some_and(|token| token.is(";")) {
        tokens.pop();
    }
    let mut index = 0;
    while let Some(token) = tokens.get(index) {
        // `(?, ?, ?)` is `(?)`: the length of a list is a value too.
        if *token == Token::Literal && out.ends_with('?') {
            index += 1;
            continue;
        }
        let list_goes_on =
            token.is(",") && out.ends_with('?') && tokens.get(index + 1) == Some(&Token::Literal);
        if !list_goes_on {
            push(&mut out, token);
        }
        index += 1;
    }
    out
}

/// Whether it is one SELECT that neither writes a file nor hides a second statement.
pub(crate) fn is_single_select(statement: &str) -> bool {
    let mut tokens = tokens(statement);
    while tokens.last().is_some_and(|token| token.is(";")) {
        tokens.pop();
    }
    let starts = tokens.iter().find(|token| !token.is("(")).is_some_and(|t| t.is("SELECT") || t.is("WITH"));
    let harmless = !tokens.iter().any(|token| WRITES.iter().any(|word| token.is(word)));
    starts && harmless && !statement.contains("/*!") && !statement.contains("/*M!")
}

/// Alias (in lower case) to table, for every table after FROM and JOIN.
pub(crate) fn tables(statement: &str) -> BTreeMap<String, String> {
    let tokens = tokens(statement);
    let mut found = BTreeMap::new();
    for (index, token) in tokens.iter().enumerate() {
        if token.is("FROM") || token.is("JOIN") {
            table_list(&tokens[index + 1..], &mut found);
        }
    }
    found
}

/// The plain columns of the last ORDER BY; empty when it has expressions or mixes directions.
pub(crate) fn order_by(statement: &str) -> Vec<String> {
    let tokens = tokens(statement);
    let Some(start) = tokens.windows(2).rposition(|pair| pair[0].is("ORDER") && pair[1].is("BY")) else {
        return Vec::new();
    };
    let rest: Vec<_> =
        tokens[start + 2..].iter().take_while(|token| !token.is("LIMIT") && !token.is(";")).collect();
    let mut columns = Vec::new();
    let mut directions = Vec::new();
    for part in rest.split(|token| token.is(",")) {
        let (direction, name) = match part {
            [name @ .., last] if last.is("DESC") => (true, name),
            [name @ .., last] if last.is("ASC") => (false, name),
            name => (false, name),
        };
        let column = match name {
            [column] => column.name(),
            [_, dot, column] if dot.is(".") => column.name(),
            _ => None,
        };
        let Some(column) = column else { return Vec::new() };
        columns.push(column.to_owned());
        directions.push(direction);
    }
    if directions.windows(2).all(|pair| pair[0] == pair[1]) { columns } else { Vec::new() }
}

/// Words of a statement; comments are left out.
pub(crate) fn tokens(statement: &str) -> Vec<Token> {
    let chars: Vec<char> = statement.chars().collect();
    let mut out = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let next = chars.get(at + 1).copied();
        match chars[at] {
            c if c.is_whitespace() => at += 1,
            '\'' | '"' => {
                at = after_quoted(&chars, at, true);
                out.push(Token::Literal);
            }
            '`' => {
                let end = after_quoted(&chars, at, false);
                let inner: String = chars[at + 1..end.saturating_sub(1).max(at + 1)].iter().collect();
                out.push(Token::Quoted(inner.replace("``", "`")));
                at = end;
            }
            '#' => at = after_line(&chars, at),
            '-' if next == Some('-') && chars.get(at + 2).is_none_or(|c| c.is_whitespace()) => {
                at = after_line(&chars, at);
            }
            '/' if next == Some('*') => at = after_comment(&chars, at),
            '?' => {
                at += 1;
                out.push(Token::Literal);
            }
            c if c.is_ascii_digit() => {
                at = after(&chars, at, |c| c.is_alphanumeric() || c == '.' || c == '_');
                out.push(Token::Literal);
            }
            // x'4D', b'01', n'text', _utf8mb4'text'
            c if is_name(c) && starts_prefixed_string(&chars, at) => {
                at = after(&chars, at, is_name);
            }
            c if is_name(c) => {
                let end = after(&chars, at, is_name);
                out.push(Token::Word(chars[at..end].iter().collect()));
                at = end;
            }
            c => {
                let two: String = [Some(c), next].iter().flatten().collect();
                let sign = if matches!(two.as_str(), "<=" | ">=" | "<>" | "!=" | ":=" | "||" | "&&") {
                    two
                } else {
                    c.to_string()
                };
                at += sign.chars().count();
                out.push(Token::Sign(sign));
            }
        }
    }
    out
}

fn starts_prefixed_string(chars: &[char], at: usize) -> bool {
    let end = after(chars, at, is_name);
    let word: String = chars[at..end].iter().collect::<String>().to_lowercase();
    chars.get(end) == Some(&'\'') && (matches!(word.as_str(), "x" | "b" | "n") || word.starts_with('_'))
}

fn after(chars: &[char], start: usize, belongs: impl Fn(char) -> bool) -> usize {
    start + chars[start..].iter().take_while(|c| belongs(**c)).count()
}

fn after_line(chars: &[char], start: usize) -> usize {
    after(chars, start, |c| c != '\n')
}

fn after_comment(chars: &[char], start: usize) -> usize {
    let end = chars[start + 2..].windows(2).position(|pair| pair == ['*', '/']);
    end.map_or(chars.len(), |offset| start + 2 + offset + 2)
}

/// Past the closing quote; a doubled quote, and a backslash in strings, do not close.
fn after_quoted(chars: &[char], start: usize, backslash: bool) -> usize {
    let quote = chars[start];
    let mut at = start + 1;
    while at < chars.len() {
        match chars[at] {
            '\\' if backslash => at += 2,
            c if c == quote && chars.get(at + 1) == Some(&quote) => at += 2,
            c if c == quote => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$' | '@')
}

fn push(out: &mut String, token: &Token) {
    let text = match token {
        Token::Word(text) | Token::Sign(text) => text.clone(),
        Token::Quoted(text) => format!("`{}`", text.replace('`', "``")),
        Token::Literal => "?".to_owned(),
    };
    let tight = matches!(text.as_str(), "." | "," | ")" | ";") || out.ends_with(['.', '(']);
    let call = text == "(" && out.ends_with(|c: char| is_name(c) || c == '`');
    if !out.is_empty() && !tight && !call {
        out.push(' ');
    }
    out.push_str(&text);
}

/// `a`, `a x`, `a AS x`, `db.a x`, separated by commas, up to whatever is none of these.
fn table_list(tokens: &[Token], found: &mut BTreeMap<String, String>) {
    let mut at = 0;
    while let Some(mut table) = tokens.get(at).and_then(Token::name) {
        at += 1;
        if tokens.get(at).is_some_and(|token| token.is(".")) {
            let Some(name) = tokens.get(at + 1).and_then(Token::name) else { return };
            table = name;
            at += 2;
        }
        if tokens.get(at).is_some_and(|token| token.is("AS")) {
            at += 1;
        }
        let alias = tokens.get(at).filter(|token| !is_clause(token)).and_then(Token::name);
        at += usize::from(alias.is_some());
        found.insert(alias.unwrap_or(table).to_lowercase(), table.to_owned());
        if !tokens.get(at).is_some_and(|token| token.is(",")) {
            return;
        }
        at += 1;
    }
}

fn is_clause(token: &Token) -> bool {
    CLAUSES.iter().any(|word| token.is(word))
}

/// Words that make a SELECT write, lock or end; `REPLACE` is not among them, as it is a function too.
const WRITES: &[&str] = &[";", "INTO", "INSERT", "UPDATE", "DELETE"];
const CLAUSES: &[&str] = &[
    "WHERE",
    "JOIN",
    "INNER",
    "LEFT",
    "RIGHT",
    "CROSS",
    "STRAIGHT_JOIN",
    "NATURAL",
    "ON",
    "USING",
    "GROUP",
    "ORDER",
    "HAVING",
    "LIMIT",
    "UNION",
    "FOR",
    "USE",
    "FORCE",
    "IGNORE",
    "PARTITION",
    "WINDOW",
    "EXCEPT",
    "INTERSECT",
    "SET",
    "LOCK",
    "PROCEDURE",
    "INTO",
    "OFFSET",
    "FETCH",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_leave_no_trace() {
        let cases = [
            (
                "SELECT  a FROM t WHERE b = 'it''s \\' secret' AND c=-12.5e3",
                "SELECT a FROM t WHERE b = ? AND c = - ?",
            ),
            ("select `a``b` from `t` where x in (1,2 , 3)", "select `a``b` from `t` where x in(?)"),
            ("SELECT x'4D', _utf8mb4'geheim', 0xFF -- comment\n, \"str\"", "SELECT ?"),
            ("SELECT a.b /* c */ FROM t # tail", "SELECT a.b FROM t"),
            (
                "SELECT * FROM t WHERE d BETWEEN '2026-01-01' AND '2026-02-01'",
                "SELECT * FROM t WHERE d BETWEEN ? AND ?",
            ),
            ("SELECT 'unclosed secret", "SELECT ?"),
        ];
        for (statement, expected) in cases {
            assert_eq!(fingerprint(statement), expected);
        }
    }

    #[test]
    fn a_fingerprint_is_its_own_fingerprint() {
        for statement in ["SELECT a FROM t WHERE b IN (1,2) AND c = 'x'", "SELECT f(1, 2) FROM `a b`.`c`"] {
            let once = fingerprint(statement);
            assert_eq!(fingerprint(&once), once);
        }
    }

    #[test]
    fn only_one_harmless_select_is_explained() {
        for good in ["SELECT 1", " (SELECT 1) UNION (SELECT 2);", "WITH x AS (SELECT 1) SELECT * FROM x"] {
            assert!(is_single_select(good), "{good}");
        }
        for bad in [
            "UPDATE t SET a=1",
            "SELECT 1; DROP TABLE t",
            "SELECT 1 INTO OUTFILE '/tmp/x'",
            "",
            "WITH x AS (SELECT 1) DELETE FROM t",
            "SELECT 1 /*! INTO OUTFILE '/x' */",
            "-- SELECT\nDROP TABLE t",
        ] {
            assert!(!is_single_select(bad), "{bad}");
        }
    }

    #[test]
    fn tables_are_found_by_alias() {
        let found = tables(
            "SELECT * FROM db.entries e JOIN `clients` AS c ON c.id = e.client_id LEFT JOIN lines WHERE 1",
        );
        let pairs: Vec<_> = found.iter().map(|(alias, table)| (alias.as_str(), table.as_str())).collect();
        assert_eq!(pairs, [("c", "clients"), ("e", "entries"), ("lines", "lines")]);
        assert_eq!(tables("SELECT 1 FROM a, b x").len(), 2);
    }

    #[test]
    fn order_by_gives_plain_columns_only() {
        assert_eq!(order_by("SELECT 1 FROM t ORDER BY t.`d` DESC, n DESC LIMIT ?"), ["d", "n"]);
        assert!(order_by("SELECT 1 FROM t ORDER BY a DESC, b").is_empty());
        assert!(order_by("SELECT 1 FROM t ORDER BY DATE(d)").is_empty());
        assert!(order_by("SELECT 1 FROM t").is_empty());
    }
}
