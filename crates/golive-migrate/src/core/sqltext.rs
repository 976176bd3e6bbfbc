//! Reads the SQL text that SQLite keeps of its schema, as far as its catalog does not tell: CHECK constraints,
//! generated columns, the WHERE of an index. It tokenizes and finds parentheses; it is no parser and executes nothing.

/// One token of SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// A bare word: keyword, name or function.
    Word(String),
    /// A quoted name, without quotes.
    Name(String),
    /// A string literal, without quotes.
    Text(String),
    /// A number, as written.
    Number(String),
    /// A blob literal's hexadecimal digits.
    Blob(String),
    /// An operator or punctuation.
    Symbol(String),
}

impl Token {
    pub(crate) fn is_word(&self, word: &str) -> bool {
        matches!(self, Self::Word(text) if text.eq_ignore_ascii_case(word))
    }

    /// A word or a quoted name, without regard to case.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        matches!(self, Self::Word(text) | Self::Name(text) if text.eq_ignore_ascii_case(name))
    }

    pub(crate) fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self, Self::Symbol(text) if text == symbol)
    }
}

/// Splits SQL into tokens; comments and blanks vanish. `None` when a quote never ends.
pub(crate) fn tokenize(sql: &str) -> Option<Vec<Token>> {
    let chars: Vec<char> = sql.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&first) = chars.get(at) {
        let next = chars.get(at + 1).copied();
        match first {
            _ if first.is_whitespace() => at += 1,
            '-' if next == Some('-') => at = skip_until(&chars, at, &['\n']),
            '/' if next == Some('*') => at = skip_until(&chars, at + 2, &['*', '/']),
            '\'' => tokens.push(Token::Text(quoted(&chars, &mut at, '\'')?)),
            '"' | '`' => tokens.push(Token::Name(quoted(&chars, &mut at, first)?)),
            '[' => tokens.push(Token::Name(quoted(&chars, &mut at, ']')?)),
            'x' | 'X' if next == Some('\'') => {
                at += 1;
                tokens.push(Token::Blob(quoted(&chars, &mut at, '\'')?));
            }
            _ if first.is_ascii_digit() || (first == '.' && next.is_some_and(|c| c.is_ascii_digit())) => {
                tokens.push(Token::Number(number(&chars, &mut at)));
            }
            _ if first.is_alphabetic() || first == '_' => {
                let start = at;
                while chars.get(at).is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '$')) {
                    at += 1;
                }
                tokens.push(Token::Word(chars[start..at].iter().collect()));
            }
            _ => tokens.push(Token::Symbol(symbol(&chars, &mut at))),
        }
    }
    Some(tokens)
}

/// The CHECK expressions of a `CREATE TABLE`, in order, each as its tokens without the outer parentheses.
pub(crate) fn checks(tokens: &[Token]) -> Vec<Vec<Token>> {
    let mut found = Vec::new();
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if token.is_symbol("(") {
            depth += 1;
        } else if token.is_symbol(")") {
            depth = depth.saturating_sub(1);
        } else if depth == 1 && token.is_word("check") && tokens.get(at + 1).is_some_and(|t| t.is_symbol("("))
        {
            let inside = parenthesized(&tokens[at + 1..]);
            at += inside.len() + 2;
            found.push(inside.to_vec());
        }
        at += 1;
    }
    found
}

/// The expression of a generated column, without the outer parentheses.
pub(crate) fn generated(tokens: &[Token], column: &str) -> Option<Vec<Token>> {
    let mut depth = 0_usize;
    let mut item_start = true;
    let mut in_column = false;
    for (at, token) in tokens.iter().enumerate() {
        if token.is_symbol("(") {
            depth += 1;
            item_start = depth == 1;
            continue;
        }
        if token.is_symbol(")") {
            depth = depth.saturating_sub(1);
        }
        if depth == 1 && token.is_symbol(",") {
            item_start = true;
            continue;
        }
        if depth == 1 && item_start {
            in_column =
                matches!(token, Token::Word(name) | Token::Name(name) if name.eq_ignore_ascii_case(column));
        }
        item_start = false;
        let opens = tokens.get(at + 1).is_some_and(|t| t.is_symbol("("));
        if depth == 1 && in_column && token.is_word("as") && opens {
            return Some(parenthesized(&tokens[at + 1..]).to_vec());
        }
    }
    None
}

/// The tokens after the `WHERE` of a `CREATE INDEX`.
pub(crate) fn index_condition(tokens: &[Token]) -> Option<&[Token]> {
    let at = tokens.iter().position(|token| token.is_word("where"))?;
    Some(&tokens[at + 1..])
}

/// The names after the word `COLLATE`, in order.
pub(crate) fn collations(tokens: &[Token]) -> impl Iterator<Item = &str> {
    tokens.windows(2).filter(|pair| pair[0].is_word("collate")).filter_map(|pair| match &pair[1] {
        Token::Word(name) | Token::Name(name) | Token::Text(name) => Some(name.as_str()),
        _ => None,
    })
}

/// How many constraints of a `CREATE TABLE` do something else than refuse the statement.
pub(crate) fn conflict_clauses(tokens: &[Token]) -> usize {
    let clauses = tokens.windows(3).filter(|words| words[0].is_word("on") && words[1].is_word("conflict"));
    clauses.filter(|words| !words[2].is_word("abort")).count()
}

/// How many foreign keys of a `CREATE TABLE` are checked only when the transaction ends.
pub(crate) fn deferred_keys(tokens: &[Token]) -> usize {
    let says = |at: usize, words: [&str; 3]| {
        words
            .iter()
            .enumerate()
            .all(|(next, word)| tokens.get(at + next).is_some_and(|token| token.is_word(word)))
    };
    let negated = |at: usize| at > 0 && tokens[at - 1].is_word("not");
    let found = (0..tokens.len()).filter(|at| says(*at, ["deferrable", "initially", "deferred"]));
    found.filter(|at| !negated(*at)).count()
}

/// The tokens as SQLite SQL again.
pub(crate) fn render(tokens: &[Token]) -> String {
    let piece = |token: &Token| match token {
        Token::Word(text) | Token::Number(text) | Token::Symbol(text) => text.clone(),
        Token::Name(name) => crate::ident::sqlite(name),
        Token::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Token::Blob(hex) => format!("x'{hex}'"),
    };
    tokens.iter().map(piece).collect::<Vec<_>>().join(" ")
}

/// What stands between the parenthesis that `tokens` begin with and its partner.
fn parenthesized(tokens: &[Token]) -> &[Token] {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        if token.is_symbol("(") {
            depth += 1;
        } else if token.is_symbol(")") {
            depth -= 1;
            if depth == 0 {
                return &tokens[1..at];
            }
        }
    }
    tokens.get(1..).unwrap_or_default()
}

fn skip_until(chars: &[char], from: usize, end: &[char]) -> usize {
    (from..chars.len()).find(|at| chars[*at..].starts_with(end)).map_or(chars.len(), |at| at + end.len())
}

fn quoted(chars: &[char], at: &mut usize, close: char) -> Option<String> {
    let mut text = String::new();
    *at += 1;
    loop {
        let c = *chars.get(*at)?;
        *at += 1;
        if c != close {
            text.push(c);
        } else if close != ']' && chars.get(*at) == Some(&close) {
            text.push(c);
            *at += 1;
        } else {
            return Some(text);
        }
    }
}

fn number(chars: &[char], at: &mut usize) -> String {
    let start = *at;
    while let Some(&c) = chars.get(*at) {
        let signed = matches!(c, '+' | '-') && matches!(chars[*at - 1], 'e' | 'E') && *at > start;
        if !(c.is_ascii_alphanumeric() || c == '.' || signed) {
            break;
        }
        *at += 1;
    }
    chars[start..*at].iter().collect()
}

fn symbol(chars: &[char], at: &mut usize) -> String {
    let two: String = chars[*at..].iter().take(2).collect();
    let length = if matches!(two.as_str(), "||" | "<=" | ">=" | "<>" | "!=" | "==" | "<<" | ">>" | "->") {
        2
    } else {
        1
    };
    let text = chars[*at..*at + length].iter().collect();
    *at += length;
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_found_and_names_that_look_like_them_are_not() {
        let sql = "CREATE TABLE \"check\" (a INT CHECK (a > (1+1)), -- check (no)\n 'b' TEXT DEFAULT 'check (x)', \
                   CONSTRAINT c CHECK(b IN ('x','y''z')))";
        let found = checks(&tokenize(sql).unwrap());
        assert_eq!(found.len(), 2);
        assert!(found[1].contains(&Token::Text("y'z".to_owned())));
    }

    #[test]
    fn collations_conflict_clauses_and_deferred_keys() {
        let sql = "CREATE TABLE t (\"collate\" TEXT COLLATE RTRIM, b TEXT COLLATE \"no case\" UNIQUE ON CONFLICT Replace, \
                   c INT NOT NULL ON CONFLICT ABORT REFERENCES p ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED, \
                   d INT REFERENCES p NOT DEFERRABLE INITIALLY DEFERRED, \
                   e INT DEFAULT 'on conflict ignore' REFERENCES p DEFERRABLE INITIALLY IMMEDIATE)";
        let tokens = tokenize(sql).unwrap();
        assert_eq!(collations(&tokens).collect::<Vec<_>>(), ["RTRIM", "no case"]);
        assert_eq!((conflict_clauses(&tokens), deferred_keys(&tokens)), (1, 1));
    }

    #[test]
    fn generated_columns_and_index_conditions() {
        let tokens = tokenize("CREATE TABLE t (a INT, [b c] INT GENERATED ALWAYS AS (a*2) STORED)").unwrap();
        assert_eq!(generated(&tokens, "B C").unwrap().len(), 3);
        assert!(generated(&tokens, "a").is_none());
        let tokens = tokenize("CREATE UNIQUE INDEX i ON t(a) WHERE a IS NOT NULL").unwrap();
        assert_eq!(index_condition(&tokens).unwrap().len(), 4);
        assert!(tokenize("SELECT 'open").is_none());
    }
}
