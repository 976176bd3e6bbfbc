//! What a statement in a binary log is about: its kind, and which names it mentions. A scanner of words, not a parser
//! of SQL: it errs towards "mentions", and what follows from that is refused rather than guessed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a logged change did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChangeKind {
    /// `CREATE`.
    Create,
    /// `ALTER`, also the making and dropping of an index.
    Alter,
    /// `DROP`.
    Drop,
    /// `TRUNCATE`.
    Truncate,
    /// `RENAME TABLE`.
    Rename,
    /// Rows came.
    Insert,
    /// Rows changed.
    Update,
    /// Rows went.
    Delete,
    /// Accounts and grants.
    Account,
    /// Anything else.
    Other,
}

impl ChangeKind {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 10] = [
        Self::Create,
        Self::Alter,
        Self::Drop,
        Self::Truncate,
        Self::Rename,
        Self::Insert,
        Self::Update,
        Self::Delete,
        Self::Account,
        Self::Other,
    ];

    /// The word for it, as `find-event --kind` takes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Alter => "alter",
            Self::Drop => "drop",
            Self::Truncate => "truncate",
            Self::Rename => "rename",
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Account => "account",
            Self::Other => "other",
        }
    }

    /// Whether it changes the structure rather than rows. The text of such a statement may be shown.
    pub fn is_structural(self) -> bool {
        matches!(self, Self::Create | Self::Alter | Self::Drop | Self::Truncate | Self::Rename)
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

/// The word names no kind of change.
#[derive(Debug, thiserror::Error)]
#[error(
    "read {word:?} as a kind of change; choose one of create, alter, drop, truncate, rename, insert, update, delete, account, other"
)]
pub struct InvalidChangeKind {
    word: String,
}

impl FromStr for ChangeKind {
    type Err = InvalidChangeKind;

    fn from_str(word: &str) -> Result<Self, InvalidChangeKind> {
        let found = Self::ALL.into_iter().find(|kind| kind.word().eq_ignore_ascii_case(word));
        found.ok_or_else(|| InvalidChangeKind { word: word.chars().take(40).collect() })
    }
}

/// What the first words say. `None` for what only frames a transaction.
pub(crate) fn kind_of(text: &str) -> Option<ChangeKind> {
    let words: Vec<String> = Tokens::new(text)
        .take(16)
        .filter_map(|token| match token {
            Token::Word(word) => Some(word.to_ascii_uppercase()),
            _ => None,
        })
        .collect();
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(&word.as_str()));
    let first = words.first().map(String::as_str).unwrap_or_default();
    let second = words.get(1).map(String::as_str).unwrap_or_default();
    let accounts = matches!(second, "USER" | "ROLE")
        || (first == "CREATE"
            && second == "OR"
            && matches!(words.get(3).map(String::as_str), Some("USER" | "ROLE")));
    Some(match first {
        "BEGIN" | "COMMIT" | "SAVEPOINT" | "RELEASE" | "XA" => return None,
        "ROLLBACK" => return None,
        "START" if second == "TRANSACTION" => return None,
        "GRANT" | "REVOKE" => ChangeKind::Account,
        "SET" if has(&["PASSWORD", "ROLE"]) => ChangeKind::Account,
        "CREATE" | "ALTER" | "DROP" | "RENAME" if accounts => ChangeKind::Account,
        "CREATE" | "DROP" if has(&["INDEX"]) && !has(&["TABLE", "DATABASE", "PROCEDURE", "FUNCTION"]) => {
            ChangeKind::Alter
        }
        "CREATE" => ChangeKind::Create,
        "ALTER" => ChangeKind::Alter,
        "DROP" => ChangeKind::Drop,
        "TRUNCATE" => ChangeKind::Truncate,
        "RENAME" => ChangeKind::Rename,
        "INSERT" | "REPLACE" | "LOAD" => ChangeKind::Insert,
        "UPDATE" => ChangeKind::Update,
        "DELETE" => ChangeKind::Delete,
        _ => ChangeKind::Other,
    })
}

/// Whether a name stands in the text, as a word or in quotes.
pub(crate) fn mentions(text: &str, name: &str) -> bool {
    Tokens::new(text).any(|token| token.is_name(name))
}

/// Whether the text speaks of something in a database by the database's name, or of the database itself.
pub(crate) fn mentions_database(text: &str, database: &str) -> bool {
    let mut named = false;
    let mut of_database = false;
    for token in Tokens::new(text) {
        if named && token == Token::Sign(b'.') {
            return true;
        }
        named = token.is_name(database);
        if named && of_database {
            return true;
        }
        of_database = match &token {
            Token::Word(word) => {
                let word = word.to_ascii_uppercase();
                matches!(word.as_str(), "DATABASE" | "SCHEMA")
                    || (of_database && matches!(word.as_str(), "IF" | "NOT" | "EXISTS"))
            }
            _ => false,
        };
    }
    false
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    Quoted(String),
    Sign(u8),
}

impl Token {
    fn is_name(&self, name: &str) -> bool {
        match self {
            Self::Word(text) | Self::Quoted(text) => text.eq_ignore_ascii_case(name),
            Self::Sign(_) => false,
        }
    }
}

/// Words, quoted names and signs; comments and values in single quotes are passed over. What stands in an executable
/// comment counts.
pub(super) struct Tokens<'a> {
    rest: &'a [u8],
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text.as_bytes() }
    }

    /// Skips to behind `end`, or to the end.
    fn skip_past(&mut self, end: &[u8]) {
        let found = self.rest.windows(end.len()).position(|window| window == end);
        self.rest = found.map_or(&[], |at| &self.rest[at + end.len()..]);
    }

    /// Reads up to the closing quote; a doubled one stands for itself.
    fn quoted(&mut self, quote: u8) -> Vec<u8> {
        let mut text = Vec::new();
        let mut index = 1;
        while let Some(&byte) = self.rest.get(index) {
            if byte == b'\\' && quote != b'`' {
                index += 2;
                continue;
            }
            if byte == quote {
                if self.rest.get(index + 1) != Some(&quote) {
                    index += 1;
                    break;
                }
                index += 1;
            }
            text.push(byte);
            index += 1;
        }
        self.rest = self.rest.get(index..).unwrap_or(&[]);
        text
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        loop {
            match self.rest {
                [] => return None,
                [b'/', b'*', b'M', b'!', rest @ ..] | [b'/', b'*', b'!', rest @ ..] => {
                    let version = rest.iter().position(|byte| !byte.is_ascii_digit());
                    self.rest = &rest[version.unwrap_or(rest.len())..];
                }
                [b'/', b'*', ..] => self.skip_past(b"*/"),
                [b'*', b'/', ..] => self.rest = &self.rest[2..],
                [b'#', ..] | [b'-', b'-', b' ' | b'\t' | b'\n', ..] => self.skip_past(b"\n"),
                [b'\'', ..] => drop(self.quoted(b'\'')),
                [quote @ (b'`' | b'"'), ..] => {
                    let text = self.quoted(*quote);
                    return Some(Token::Quoted(String::from_utf8_lossy(&text).into_owned()));
                }
                [byte, ..] if is_word(*byte) => {
                    let end = self.rest.iter().position(|byte| !is_word(*byte)).unwrap_or(self.rest.len());
                    let word = String::from_utf8_lossy(&self.rest[..end]).into_owned();
                    self.rest = &self.rest[end..];
                    return Some(Token::Word(word));
                }
                [byte, rest @ ..] => {
                    self.rest = rest;
                    if !byte.is_ascii_whitespace() {
                        return Some(Token::Sign(*byte));
                    }
                }
            }
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'@') || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn kinds_are_told_by_their_first_words() {
        for (text, kind) in [
            ("DROP TABLE `ledger` /* generated by server */", Some(ChangeKind::Drop)),
            ("drop index a on b", Some(ChangeKind::Alter)),
            ("CREATE UNIQUE INDEX a ON b (c)", Some(ChangeKind::Alter)),
            ("CREATE TABLE a (b INT, INDEX (b))", Some(ChangeKind::Create)),
            (
                "/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`%`*/ /*!50003 TRIGGER a */",
                Some(ChangeKind::Create),
            ),
            ("CREATE OR REPLACE USER a", Some(ChangeKind::Account)),
            ("GRANT SELECT ON kpi.* TO a", Some(ChangeKind::Account)),
            ("SET PASSWORD FOR a = 'x'", Some(ChangeKind::Account)),
            ("RENAME TABLE a TO b", Some(ChangeKind::Rename)),
            ("truncate table a", Some(ChangeKind::Truncate)),
            ("-- note\nUPDATE a SET b = 1", Some(ChangeKind::Update)),
            ("COMMIT", None),
            ("FLUSH TABLES", Some(ChangeKind::Other)),
        ] {
            assert_eq!(kind_of(text), kind, "{text}");
        }
    }

    #[test]
    fn a_name_counts_where_it_is_a_name() {
        assert!(mentions("DROP TABLE IF EXISTS `kpi`.`ledger`, b", "LEDGER"));
        assert!(mentions("DROP TABLE \"ledger\"", "ledger"));
        assert!(!mentions("INSERT INTO a VALUES ('ledger', 'it''s \\' ledger')", "ledger"));
        assert!(!mentions("DROP TABLE a /* ledger */ -- ledger", "ledger"));
        assert!(!mentions("DROP TABLE ledger_2", "ledger"));
        assert!(mentions("/*!40000 DROP TABLE ledger */", "ledger"));
        assert!(mentions("DROP TABLE `a``b`", "a`b"));
        assert!(mentions_database("DROP TABLE kpi . ledger", "kpi"));
        assert!(mentions_database("CREATE DATABASE IF NOT EXISTS `kpi`", "kpi"));
        assert!(!mentions_database("CREATE TABLE kpi (a INT)", "kpi"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_to_its_end(text in "\\PC{0,200}") {
            let _ = (kind_of(&text), mentions(&text, "a"), mentions_database(&text, "a"));
        }
    }
}
