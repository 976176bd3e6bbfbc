//! What one statement does, as far as its words tell: its kind, the objects it defines, whether it may stand in a
//! migration, and where `WAIT n` goes. No statement is executed here, and what is not understood is called opaque.

use super::split::{comment, quoted};

/// What a statement is, by what can be proven of it after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Changes definitions, all or nothing (MariaDB 10.6 and newer), and commits by itself.
    Definition,
    /// The same, and what it names may be gone afterwards.
    Removal,
    /// Changes rows; can be committed together with its mark in the journal.
    Data,
    /// Reads.
    Read,
    /// `START TRANSACTION`, `SAVEPOINT`, `ROLLBACK`.
    Transaction,
    /// `COMMIT`.
    Commit,
    /// Sets the session; lost with the connection, and set again when a run is taken up.
    Session,
    /// Sets a user variable, whose value is lost with the connection.
    Variable,
    /// Anything else, `CALL`, `TRUNCATE` and `EXCHANGE PARTITION` among them: only a person can say whether it took effect.
    Opaque,
}

impl Kind {
    const ALL: [(Self, &'static str); 9] = [
        (Self::Definition, "definition"),
        (Self::Removal, "removal"),
        (Self::Data, "data"),
        (Self::Read, "read"),
        (Self::Transaction, "transaction"),
        (Self::Commit, "commit"),
        (Self::Session, "session"),
        (Self::Variable, "variable"),
        (Self::Opaque, "opaque"),
    ];

    /// As the journal has it.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(kind, _)| *kind == self).map_or("opaque", |(_, name)| name)
    }

    /// What the journal has; what it does not know is opaque.
    pub(crate) fn from_name(name: &str) -> Self {
        Self::ALL.into_iter().find(|(_, known)| *known == name).map_or(Self::Opaque, |(kind, _)| kind)
    }

    /// Whether it commits by itself, whatever was open.
    pub(crate) fn is_definition(self) -> bool {
        matches!(self, Self::Definition | Self::Removal)
    }
}

/// A named object of the database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Object {
    /// `TABLE` (views and sequences too), `TRIGGER`, `PROCEDURE`, `FUNCTION`, `EVENT`.
    pub(crate) sort: &'static str,
    pub(crate) name: String,
}

impl Object {
    /// The object that a label such as `table orders` names.
    pub(crate) fn of(label: &str) -> Option<Self> {
        let (sort, name) = label.split_once(' ')?;
        let sort = SORTS.into_iter().find(|known| known.eq_ignore_ascii_case(sort))?;
        Some(Self { sort, name: name.to_owned() })
    }
}

/// What the words of a statement tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parsed {
    pub(crate) kind: Kind,
    /// The objects that it defines, changes or drops.
    pub(crate) objects: Vec<Object>,
    /// Where `WAIT n` goes; only `ALTER TABLE` that has none.
    wait_at: Option<usize>,
    /// An `ALTER TABLE` or an index statement: whether it blocks writes is worth knowing.
    pub(crate) alters: Option<String>,
    /// It throws rows or columns away, which no down file brings back.
    pub(crate) loses_data: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    text: String,
    /// In backticks or double quotes.
    quoted: bool,
    end: usize,
}

impl Token {
    fn is(&self, word: &str) -> bool {
        !self.quoted && self.text.eq_ignore_ascii_case(word)
    }
}

/// Reads a statement's words.
pub(crate) fn parse(sql: &str) -> Parsed {
    let tokens = tokens(sql);
    let words: Vec<String> =
        tokens.iter().map(|t| if t.quoted { String::new() } else { t.text.to_ascii_uppercase() }).collect();
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    let simple = |kind| Parsed { kind, objects: Vec::new(), wait_at: None, alters: None, loses_data: false };
    match word(0) {
        "CREATE" | "ALTER" | "DROP" | "RENAME" => definition(&tokens, &words),
        "TRUNCATE" => Parsed { loses_data: true, ..simple(Kind::Opaque) },
        "INSERT" | "UPDATE" | "DELETE" | "REPLACE" | "WITH" => simple(Kind::Data),
        "SELECT" if words.iter().any(|w| w == "INTO" || w == ":=") => simple(Kind::Variable),
        "SELECT" | "SHOW" | "EXPLAIN" | "DESCRIBE" | "DESC" | "VALUES" | "(" => simple(Kind::Read),
        "BEGIN" | "START" | "SAVEPOINT" | "ROLLBACK" | "RELEASE" => simple(Kind::Transaction),
        "COMMIT" => simple(Kind::Commit),
        "SET" if words.iter().any(|w| w == "@") => simple(Kind::Variable),
        "SET" if matches!(word(1), "STATEMENT" | "GLOBAL" | "PASSWORD") => simple(Kind::Opaque),
        "SET" => simple(Kind::Session),
        _ => simple(Kind::Opaque),
    }
}

/// Why a statement cannot stand in a migration; the run would no longer know where it is, or whether it is alone.
pub(crate) fn refusal(sql: &str) -> Option<&'static str> {
    let tokens = tokens(sql);
    let is = |at: usize, word: &str| tokens.get(at).is_some_and(|token| token.is(word));
    if is(0, "USE") {
        return Some("USE leaves the database that the run is about");
    }
    if is(0, "LOCK") || is(0, "UNLOCK") {
        return Some("LOCK TABLES would shut the journal out; each statement waits for its locks by itself");
    }
    if (is(0, "CREATE") || is(0, "DROP") || is(0, "ALTER")) && (is(1, "DATABASE") || is(1, "SCHEMA")) {
        return Some("databases are not made or dropped by a migration in one of them");
    }
    if is(0, "SOURCE") || is(0, "\\") {
        return Some("this is a command of the `mariadb` client, not a statement");
    }
    if is(0, "SET") && tokens.iter().any(|token| token.is("autocommit")) {
        return Some("write START TRANSACTION and COMMIT instead of setting autocommit");
    }
    if tokens.iter().any(|t| t.is("RELEASE_ALL_LOCKS") || t.is("RELEASE_LOCK") || t.is("KILL")) {
        return Some("it could release the lock that keeps a second run away");
    }
    let body = is(0, "CREATE") && tokens.iter().take(12).any(|t| BODIES.iter().any(|body| t.is(body)));
    let opens = tokens.iter().filter(|token| token.is("BEGIN")).count();
    if body && opens > 0 && !tokens.iter().rev().take(2).any(|token| token.is("END")) {
        return Some("its body ends too early: write DELIMITER // before it and END // at its end");
    }
    None
}

const BODIES: [&str; 5] = ["TRIGGER", "PROCEDURE", "FUNCTION", "EVENT", "PACKAGE"];

impl Parsed {
    /// The statement as it is sent: an `ALTER TABLE` waits for its metadata lock at most so long.
    pub(crate) fn with_wait(&self, sql: &str, seconds: u32) -> String {
        match self.wait_at {
            Some(at) => format!("{} WAIT {seconds}{}", &sql[..at], &sql[at..]),
            None => sql.to_owned(),
        }
    }
}

fn definition(tokens: &[Token], words: &[String]) -> Parsed {
    let sort_at = words.iter().take(8).position(|word| SORTS.contains(&word.as_str()));
    let opaque =
        Parsed { kind: Kind::Opaque, objects: Vec::new(), wait_at: None, alters: None, loses_data: false };
    let Some(sort_at) = sort_at else { return opaque };
    let verb = words[0].as_str();
    let mut at = sort_at + 1;
    while matches!(words.get(at).map(String::as_str), Some("IF" | "NOT" | "EXISTS")) {
        at += 1;
    }
    let table = |name: &str| Object { sort: "TABLE", name: name.to_owned() };
    let Some((name, next)) = name_at(tokens, at) else { return opaque };
    let kind = Kind::Definition;
    match (verb, words[sort_at].as_str()) {
        ("ALTER", "TABLE") => {
            let rest = &words[next..];
            let waits = matches!(words.get(next).map(String::as_str), Some("WAIT" | "NOWAIT"));
            let mut objects = vec![table(&name)];
            objects.extend(renamed_to(tokens, words, next).map(|new| table(&new)));
            let kind = match objects.len() {
                _ if moves_rows(rest) => Kind::Opaque,
                1 => kind,
                _ => Kind::Removal,
            };
            let wait_at = (!waits).then(|| tokens[next - 1].end);
            let loses_data =
                rest.windows(2).any(|pair| pair[0] == "DROP" && !KEPT.contains(&pair[1].as_str()))
                    || moves_rows(rest);
            Parsed { kind, objects, wait_at, alters: Some(name), loses_data }
        }
        (_, "INDEX") => {
            let on = words.iter().position(|word| word == "ON");
            let Some((name, _)) = on.and_then(|on| name_at(tokens, on + 1)) else { return opaque };
            Parsed { kind, objects: vec![table(&name)], alters: Some(name), ..opaque }
        }
        ("RENAME", "TABLE") => {
            let objects: Vec<Object> = names(tokens, words, at).iter().map(|name| table(name)).collect();
            // A swap of two equal definitions cannot be seen afterwards.
            let kind = if objects.len() == 2 { Kind::Removal } else { Kind::Opaque };
            Parsed { kind, objects, ..opaque }
        }
        ("DROP", "TABLE" | "VIEW" | "SEQUENCE") => {
            let objects = names(tokens, words, at).iter().map(|name| table(name)).collect();
            Parsed { kind: Kind::Removal, objects, loses_data: words[sort_at] == "TABLE", ..opaque }
        }
        (_, "TABLE" | "VIEW" | "SEQUENCE") => {
            let replaces = words[1] == "OR";
            Parsed {
                kind,
                objects: vec![table(&name)],
                loses_data: replaces && words[sort_at] == "TABLE",
                ..opaque
            }
        }
        (_, sort) => {
            let sort = SORTS.into_iter().find(|known| *known == sort).unwrap_or("TABLE");
            let kind = if verb == "DROP" { Kind::Removal } else { kind };
            Parsed { kind, objects: vec![Object { sort, name }], ..opaque }
        }
    }
}

const SORTS: [&str; 8] = ["TABLE", "INDEX", "VIEW", "SEQUENCE", "TRIGGER", "PROCEDURE", "FUNCTION", "EVENT"];
/// What may be dropped from a table without losing what was stored.
const KEPT: [&str; 7] = ["INDEX", "KEY", "FOREIGN", "PRIMARY", "CONSTRAINT", "DEFAULT", "SYSTEM"];

/// `ALTER TABLE` that moves or throws away rows without a trace in the definition.
fn moves_rows(words: &[String]) -> bool {
    let partition = |word: &str| matches!(word, "EXCHANGE" | "TRUNCATE" | "DISCARD" | "IMPORT" | "CONVERT");
    words.first().is_some_and(|word| partition(word) && words.get(1).is_some_and(|next| next != "TO"))
}

/// The new name in `ALTER TABLE a … RENAME [TO] b`; columns and indexes are renamed within the table.
fn renamed_to(tokens: &[Token], words: &[String], from: usize) -> Option<String> {
    let rename = from + words[from..].iter().position(|word| word == "RENAME")?;
    let next = words.get(rename + 1)?;
    if matches!(next.as_str(), "COLUMN" | "INDEX" | "KEY") {
        return None;
    }
    let at = if matches!(next.as_str(), "TO" | "AS" | "=") { rename + 2 } else { rename + 1 };
    name_at(tokens, at).map(|(name, _)| name)
}

/// Every name of a list such as `a, b` or `a TO b, c TO d`.
fn names(tokens: &[Token], words: &[String], mut at: usize) -> Vec<String> {
    let mut found = Vec::new();
    while at < tokens.len() {
        if matches!(words[at].as_str(), "," | "TO") {
            at += 1;
            continue;
        }
        if matches!(words[at].as_str(), "WAIT" | "NOWAIT" | "RESTRICT" | "CASCADE") {
            break;
        }
        let Some((name, next)) = name_at(tokens, at) else { break };
        found.push(name);
        at = next;
    }
    found
}

/// The name at a place, and where it ends; a name in another database is none that we can look at.
fn name_at(tokens: &[Token], at: usize) -> Option<(String, usize)> {
    let token = tokens.get(at)?;
    if tokens.get(at + 1).is_some_and(|dot| !dot.quoted && dot.text == ".") {
        return None;
    }
    let plain = token.quoted || token.text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '$'));
    plain.then(|| (token.text.clone(), at + 1))
}

/// The words, names and signs of a statement; strings are skipped, executable comments are read as code.
fn tokens(sql: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < sql.len() {
        let rest = &sql[at..];
        let first = rest.chars().next().unwrap_or(' ');
        if rest.starts_with("/*!") || rest.starts_with("/*M!") {
            let mark = rest.find('!').map_or(0, |bang| bang + 1);
            at += mark + rest[mark..].chars().take_while(char::is_ascii_digit).count();
        } else if let Ok(Some(length)) = comment(rest) {
            at += length;
        } else if rest.starts_with("*/") || rest.starts_with(":=") {
            if first == ':' {
                tokens.push(Token { text: ":=".to_owned(), quoted: false, end: at + 2 });
            }
            at += 2;
        } else if matches!(first, '`' | '"' | '\'') {
            let length = quoted(rest, first).unwrap_or(rest.len());
            let inside = rest[1..length.max(2) - 1].replace(&format!("{first}{first}"), &first.to_string());
            if first != '\'' {
                tokens.push(Token { text: inside, quoted: true, end: at + length });
            }
            at += length;
        } else if first.is_whitespace() {
            at += first.len_utf8();
        } else if first.is_alphanumeric() || matches!(first, '_' | '$') {
            let length =
                rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '$'))).unwrap_or(rest.len());
            tokens.push(Token { text: rest[..length].to_owned(), quoted: false, end: at + length });
            at += length;
        } else {
            // `@@name` is a setting, `@name` a variable.
            let length = if rest.starts_with("@@") { 2 } else { first.len_utf8() };
            tokens.push(Token { text: rest[..length].to_owned(), quoted: false, end: at + length });
            at += length;
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(sql: &str) -> (Kind, Vec<String>) {
        let parsed = parse(sql);
        (
            parsed.kind,
            parsed.objects.into_iter().map(|object| format!("{} {}", object.sort, object.name)).collect(),
        )
    }

    #[test]
    fn kinds_and_objects() {
        use Kind::*;
        for (sql, kind, objects) in [
            ("CREATE TABLE IF NOT EXISTS `a``b` (id INT)", Definition, vec!["TABLE a`b"]),
            ("create or replace algorithm=merge view v as select 1", Definition, vec!["TABLE v"]),
            ("ALTER TABLE t ADD COLUMN c INT", Definition, vec!["TABLE t"]),
            ("ALTER TABLE t RENAME TO u", Removal, vec!["TABLE t", "TABLE u"]),
            ("ALTER TABLE t RENAME COLUMN a TO b", Definition, vec!["TABLE t"]),
            ("ALTER TABLE t TRUNCATE PARTITION p", Opaque, vec!["TABLE t"]),
            ("CREATE UNIQUE INDEX i ON t (a)", Definition, vec!["TABLE t"]),
            ("DROP INDEX i ON t", Definition, vec!["TABLE t"]),
            ("DROP TABLE IF EXISTS a, `b`", Removal, vec!["TABLE a", "TABLE b"]),
            ("RENAME TABLE a TO b", Removal, vec!["TABLE a", "TABLE b"]),
            ("RENAME TABLE a TO c, b TO a", Opaque, vec!["TABLE a", "TABLE c", "TABLE b", "TABLE a"]),
            (
                "CREATE DEFINER=CURRENT_USER TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET @a = 1",
                Definition,
                vec!["TRIGGER g"],
            ),
            (
                "/*!50003 CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1 */",
                Definition,
                vec!["TRIGGER g"],
            ),
            ("CREATE TABLE other.t (id INT)", Opaque, vec![]),
            ("INSERT INTO t SELECT 1", Data, vec![]),
            ("TRUNCATE TABLE t", Opaque, vec![]),
            ("CALL p()", Opaque, vec![]),
            ("SET foreign_key_checks = 0", Session, vec![]),
            ("SET @@SESSION.sql_mode = ''", Session, vec![]),
            ("SET @a = (SELECT 1)", Variable, vec![]),
            ("SELECT @a := 1", Variable, vec![]),
            ("START TRANSACTION", Transaction, vec![]),
            ("COMMIT", Commit, vec![]),
        ] {
            assert_eq!(Kind::from_name(kind.name()), kind);
            assert_eq!(seen(sql), (kind, objects.into_iter().map(str::to_owned).collect()), "{sql}");
        }
    }

    #[test]
    fn alter_table_waits_where_its_grammar_takes_it() {
        for (sql, sent) in [
            ("ALTER TABLE `a b` ADD c INT", "ALTER TABLE `a b` WAIT 2 ADD c INT"),
            ("ALTER ONLINE TABLE IF EXISTS t ADD c INT", "ALTER ONLINE TABLE IF EXISTS t WAIT 2 ADD c INT"),
            ("ALTER TABLE t NOWAIT ADD c INT", "ALTER TABLE t NOWAIT ADD c INT"),
            ("CREATE INDEX i ON t (a)", "CREATE INDEX i ON t (a)"),
        ] {
            assert_eq!(parse(sql).with_wait(sql, 2), sent);
        }
    }

    #[test]
    fn what_loses_data_is_seen() {
        for sql in
            ["DROP TABLE t", "ALTER TABLE t ADD a INT, DROP COLUMN b", "ALTER TABLE t DROP b", "TRUNCATE t"]
        {
            assert!(parse(sql).loses_data, "{sql}");
        }
        for sql in [
            "DROP VIEW v",
            "ALTER TABLE t DROP INDEX i",
            "ALTER TABLE t DROP FOREIGN KEY f",
            "DROP INDEX i ON t",
        ] {
            assert!(!parse(sql).loses_data, "{sql}");
        }
    }

    #[test]
    fn what_would_confuse_a_run_is_refused() {
        for sql in [
            "USE other",
            "LOCK TABLES t WRITE",
            "DROP DATABASE app",
            "SET autocommit = 0",
            "SELECT RELEASE_ALL_LOCKS()",
            "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW BEGIN SET NEW.a = 1",
        ] {
            assert!(refusal(sql).is_some(), "{sql}");
        }
        for sql in [
            "CREATE TABLE `use` (a INT)",
            "INSERT INTO t VALUES ('RELEASE_LOCK')",
            "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW BEGIN SET NEW.a = 1; END",
        ] {
            assert_eq!(refusal(sql), None, "{sql}");
        }
    }
}
