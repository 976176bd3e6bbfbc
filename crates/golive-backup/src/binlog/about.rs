//! Which databases a logged statement changes, and which it cannot do without: told by the names that stand where a
//! statement of its kind has its targets, not by the database that happened to be chosen. `USE kpi; CREATE TABLE other.t`
//! is about `other`; replayed where only `kpi` is, it would stop a recovery half-way.
//!
//! What is not understood names nothing, and the caller falls back on the database that was chosen.

use std::collections::BTreeSet;
use std::iter::Peekable;

use super::statement::{Token, Tokens};

/// The databases of a statement.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct About {
    /// What it changes is in these.
    pub(super) changes: BTreeSet<String>,
    /// It fails where these are not.
    pub(super) needs: BTreeSet<String>,
}

/// Reads a statement that was run with `chosen` as its database.
pub(super) fn about(text: &str, chosen: &str) -> About {
    let mut about = About::default();
    let mut tokens = Tokens::new(text).peekable();
    let Some(verb) = word(tokens.next()) else { return about };
    let Some(object) = object(&verb, &mut tokens) else { return about };
    if object == "DATABASE" {
        about.changes.extend(name(&mut tokens).map(|(_, name)| name));
        return about;
    }
    while let Some((database, _)) = name(&mut tokens) {
        about.changes.insert(database.unwrap_or_else(|| chosen.to_owned()));
        // Only these take a list, and a rename names both ends.
        let goes_on = match tokens.peek() {
            Some(Token::Sign(b',')) => matches!(verb.as_str(), "DROP" | "RENAME"),
            Some(token) => verb == "RENAME" && is(token, "TO"),
            None => false,
        };
        if !goes_on {
            break;
        }
        tokens.next();
    }
    rest(&verb, &object, chosen, tokens, &mut about);
    about
}

/// Finds what kind of thing the statement is about, and stands before its name.
fn object(verb: &str, tokens: &mut Peekable<Tokens<'_>>) -> Option<String> {
    match verb {
        "TRUNCATE" | "RENAME" => {
            if tokens.peek().is_some_and(|token| is(token, "TABLE") || is(token, "TABLES")) {
                tokens.next();
            }
        }
        "CREATE" | "ALTER" | "DROP" => {}
        _ => return None,
    }
    let object = match verb {
        "TRUNCATE" | "RENAME" => "TABLE".to_owned(),
        _ => loop {
            let word = match tokens.next()? {
                Token::Word(word) => word.to_ascii_uppercase(),
                _ => continue,
            };
            match word.as_str() {
                "INDEX" => {
                    // The table stands behind its ON.
                    while !is(&tokens.next()?, "ON") {}
                    return Some("TABLE".to_owned());
                }
                "TABLE" | "TABLES" | "VIEW" | "SEQUENCE" | "PROCEDURE" | "FUNCTION" | "EVENT" | "TRIGGER" => {
                    break word.trim_end_matches('S').to_owned();
                }
                "DATABASE" | "SCHEMA" => break "DATABASE".to_owned(),
                "USER" | "ROLE" | "SERVER" => return None,
                _ => {}
            }
        },
    };
    while tokens.peek().is_some_and(|token| ["IF", "NOT", "EXISTS"].iter().any(|word| is(token, word))) {
        tokens.next();
    }
    Some(object)
}

/// `name` or `database.name`.
fn name(tokens: &mut Peekable<Tokens<'_>>) -> Option<(Option<String>, String)> {
    let text = |token| match token {
        Token::Word(text) | Token::Quoted(text) => Some(text),
        Token::Sign(_) => None,
    };
    let first = text(tokens.next()?)?;
    if tokens.next_if_eq(&Token::Sign(b'.')).is_none() {
        return Some((None, first));
    }
    let second = text(tokens.next()?)?;
    Some((Some(first), second))
}

/// What else a table or a view names behind its own name.
fn rest(verb: &str, object: &str, chosen: &str, mut tokens: Peekable<Tokens<'_>>, about: &mut About) {
    if !matches!(object, "TABLE" | "VIEW") || matches!(verb, "DROP" | "RENAME" | "TRUNCATE") {
        return;
    }
    let mut before = String::new();
    while let Some(token) = tokens.next() {
        let Token::Word(word) = token else {
            before.clear();
            continue;
        };
        let word = word.to_ascii_uppercase();
        let (changed, needed) = match (object, word.as_str()) {
            ("VIEW", "FROM" | "JOIN") | ("TABLE", "REFERENCES" | "LIKE" | "FROM" | "JOIN") => (false, true),
            ("TABLE", "TO" | "AS") if verb == "ALTER" && before == "RENAME" => (true, false),
            ("TABLE", "TABLE") if verb == "ALTER" && before == "WITH" => (true, false),
            _ => (false, false),
        };
        before = word;
        if !changed && !needed {
            continue;
        }
        let next_is_name = matches!(tokens.peek(), Some(Token::Word(_) | Token::Quoted(_)));
        let Some((Some(database), _)) = next_is_name.then(|| name(&mut tokens)).flatten() else { continue };
        if changed {
            about.changes.insert(database);
        } else if database != chosen || !about.changes.contains(chosen) {
            about.needs.insert(database);
        }
    }
}

fn word(token: Option<Token>) -> Option<String> {
    match token {
        Some(Token::Word(word)) => Some(word.to_ascii_uppercase()),
        _ => None,
    }
}

fn is(token: &Token, wanted: &str) -> bool {
    matches!(token, Token::Word(word) if word.eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_statement_is_about_where_its_targets_are() {
        let set = |words: &str| words.split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>();
        for (text, changes, needs) in [
            ("CREATE TABLE other.t (a INT)", "other", ""),
            ("CREATE TABLE IF NOT EXISTS `other` . `t` LIKE mine", "other", ""),
            ("CREATE TABLE t (a INT COMMENT 'FROM other.x')", "kpi", ""),
            ("CREATE OR REPLACE TEMPORARY TABLE t LIKE other.x", "kpi", "other"),
            ("CREATE TABLE t (a INT, FOREIGN KEY (a) REFERENCES other.p (id))", "kpi", "other"),
            ("DROP TABLE IF EXISTS `mine`,`other`.`t` /* generated by server */", "kpi other", ""),
            ("DROP INDEX i ON other.t", "other", ""),
            ("CREATE UNIQUE INDEX i ON t (a)", "kpi", ""),
            ("RENAME TABLE a TO other.a, other.b TO b", "kpi other", ""),
            ("ALTER TABLE a RENAME TO other.a", "kpi other", ""),
            ("ALTER TABLE a EXCHANGE PARTITION p WITH TABLE other.b", "kpi other", ""),
            ("ALTER TABLE a RENAME COLUMN b TO c", "kpi", ""),
            ("TRUNCATE other.t", "other", ""),
            ("TRUNCATE TABLE t", "kpi", ""),
            (
                "CREATE DEFINER=`root`@`%` VIEW v AS SELECT o.id FROM t o JOIN other.x y ON y.id = o.id",
                "kpi",
                "other",
            ),
            (
                "CREATE DEFINER=`root`@`%` TRIGGER g AFTER INSERT ON t FOR EACH ROW INSERT INTO other.x SELECT 1",
                "kpi",
                "",
            ),
            ("CREATE DATABASE IF NOT EXISTS other", "other", ""),
            (
                "/*!50003 CREATE*/ /*!50017 DEFINER=`r`@`%`*/ /*!50003 PROCEDURE other.p() SELECT 1 */",
                "other",
                "",
            ),
            ("INSERT INTO other.t VALUES (1)", "", ""),
            ("CREATE USER a", "", ""),
        ] {
            let found = about(text, "kpi");
            assert_eq!((found.changes, found.needs), (set(changes), set(needs)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_to_its_end(text in "\\PC{0,200}", verb in "(CREATE|DROP|ALTER|RENAME) (TABLE|VIEW|INDEX) ") {
            let _ = about(&format!("{verb}{text}"), "kpi");
        }
    }
}
