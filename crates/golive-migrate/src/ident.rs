//! Quoting of identifiers and building of bounded constraint names. The only place that makes an identifier safe;
//! no statement text and no I/O belongs here.

/// MariaDB's longest identifier, in characters.
pub(crate) const MARIADB_NAME_CHARS: usize = 64;

/// What the name of a column begins with that only carries an index; applications do not see it.
pub(crate) const HELPER: &str = "_golive";

/// Quotes a name for MariaDB.
pub(crate) fn mariadb(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// Quotes a comma-separated list of names for MariaDB.
pub(crate) fn mariadb_list<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    names.into_iter().map(|name| mariadb(name)).collect::<Vec<_>>().join(", ")
}

/// Quotes a name for SQLite.
pub(crate) fn sqlite(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a comma-separated list of names for SQLite.
pub(crate) fn sqlite_list<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    names.into_iter().map(|name| sqlite(name)).collect::<Vec<_>>().join(", ")
}

/// A string literal for MariaDB in its default (backslash escaping) mode. For DDL only, where nothing can be bound.
pub(crate) fn mariadb_literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''").replace('\0', "\\0"))
}

/// Joins parts to a constraint name; what is too long ends in a digest of the whole, so that it stays unique.
pub(crate) fn bounded(parts: &[&str]) -> String {
    let name = parts.join("_");
    if name.chars().count() <= MARIADB_NAME_CHARS && !name.ends_with(' ') {
        return name;
    }
    let digest = blake3::hash(name.as_bytes()).to_hex();
    let head: String = name.chars().take(MARIADB_NAME_CHARS - 9).collect();
    format!("{head}_{}", &digest.as_str()[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(mariadb("a`b"), "`a``b`");
        assert_eq!(sqlite("a\"b"), "\"a\"\"b\"");
        assert_eq!(mariadb_literal("a'b\\"), "'a''b\\\\'");
    }

    #[test]
    fn long_names_stay_unique_and_short() {
        let long = "x".repeat(80);
        let one = bounded(&["fk", &long, "a"]);
        let two = bounded(&["fk", &long, "b"]);
        assert_eq!(one.chars().count(), MARIADB_NAME_CHARS);
        assert_ne!(one, two);
    }
}
