//! Writes migrations: an empty pair of files, or the statements that lead from one schema to another, for somebody to
//! review. Writing statements is pure; what they really lead to is tried on a disposable server.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::disposable::DisposableServer;
use super::drift::{SchemaDrift, rebuild};
use super::error::VersionedError;
use super::migrations::Migrations;
use super::prove::snapshot;
use super::session::{Session, said};
use super::snapshot::{SchemaDeviation, Snapshot, Table};
use super::split;
use super::status::dialect;
use crate::ident::mariadb;

/// The text of a new migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Scaffold {
    /// The up file.
    pub up: String,
    /// The down file.
    pub down: String,
    /// What the statements do not bring about, with the server's words where it refused one.
    pub left: Vec<String>,
}

impl Scaffold {
    /// An empty pair, to be filled in.
    pub fn empty(name: &str) -> Self {
        Self {
            up: format!(
                "-- {name}: up\n-- One statement at a time takes effect as a whole; what comes after a failure is taken up again.\n\n"
            ),
            down: format!(
                "-- {name}: down\n-- What takes the up file back; `golive schema check` proves it.\n\n"
            ),
            left: Vec::new(),
        }
    }

    /// Writes both files, which must not be there.
    ///
    /// # Errors
    /// When one is there already, or the folder cannot be written to.
    pub fn write(&self, directory: &Path, name: &str) -> std::io::Result<[PathBuf; 2]> {
        use std::io::Write;
        std::fs::create_dir_all(directory)?;
        let paths = ["up", "down"].map(|way| directory.join(format!("{name}.{way}.sql")));
        for (path, text) in paths.iter().zip([&self.up, &self.down]) {
            let mut file = std::fs::File::options().write(true).create_new(true).open(path)?;
            file.write_all(text.as_bytes())?;
        }
        Ok(paths)
    }
}

/// The migration that brings the schema of the applied migrations to the live one, tried on a disposable server: what
/// it does not bring about is listed. In the live database it is in effect already, so it is entered there with
/// [`schema_baseline`](crate::schema_baseline).
///
/// # Errors
/// When the disposable server cannot be worked with.
pub async fn schema_scaffold(
    migrations: &Migrations,
    drift: &SchemaDrift,
    name: &str,
    server: &DisposableServer,
) -> Result<Scaffold, VersionedError> {
    let (up, down) = (lead(&drift.expected, &drift.live), lead(&drift.live, &drift.expected));
    let mut left = Vec::new();
    let (scratch, built) = rebuild(migrations, &drift.status, server, &drift.likeness).await?;
    left.extend(built.err().map(|finding| finding.to_string()));
    for (statements, goal, way) in [(&up, &drift.live, "up"), (&down, &drift.expected, "down")] {
        let session = Session::open(&scratch, dialect(migrations)).await?;
        for sql in statements.iter().flat_map(|text| split::split(text).unwrap_or_default()) {
            if let Err(error) = session.run(&sql.sql).await {
                left.push(format!("{way}: `{}`: {}", super::report::head(&sql.sql), said(&error)));
            }
        }
        session.close().await;
        let rest = goal.compare(&snapshot(migrations, &scratch).await?);
        let told = |one: &SchemaDeviation| {
            format!("{way}: {}: {}", one.place(), one.what("the goal", "what it comes to"))
        };
        left.extend(rest.iter().map(told));
    }
    let title = |way: &str| {
        format!("-- {name}: {way}\n-- Written from the drift of {}: review before use.\n\n", drift.target)
    };
    let text = |way: &str, statements: &[String]| format!("{}{}\n", title(way), statements.join("\n\n"));
    Ok(Scaffold { up: text("up", &up), down: text("down", &down), left })
}

/// The statements that make `to` of `from`, each with its delimiter.
fn lead(from: &Snapshot, to: &Snapshot) -> Vec<String> {
    let mut out = Vec::new();
    let differs = |key: &(&'static str, String)| from.others.get(key) != to.others.get(key);
    for (sort, name) in from.others.keys().filter(|key| differs(key)) {
        out.push(format!("DROP {sort} {};", mariadb(name)));
    }
    let both: Vec<(&String, &Table, &Table)> =
        from.tables.iter().filter_map(|(name, table)| Some((name, table, to.tables.get(name)?))).collect();
    for (name, was, is) in &both {
        out.extend(alter(name, &gone("FOREIGN KEY", &was.foreign_keys, &is.foreign_keys)));
    }
    let dropped: Vec<(&String, &Table)> =
        from.tables.iter().filter(|(name, _)| !to.tables.contains_key(*name)).collect();
    for (name, table) in &dropped {
        out.extend(alter(name, &gone("FOREIGN KEY", &table.foreign_keys, &BTreeMap::new())));
    }
    out.extend(dropped.iter().map(|(name, _)| format!("DROP TABLE {};", mariadb(name))));
    let made: Vec<(&String, &Table)> =
        to.tables.iter().filter(|(name, _)| !from.tables.contains_key(*name)).collect();
    out.extend(made.iter().map(|(_, table)| format!("{};", without_foreign_keys(table))));
    for (name, was, is) in &both {
        if was.options != is.options && !is.options.contains('\n') && !was.options.contains('\n') {
            out.push(format!("ALTER TABLE {} {};", mariadb(name), is.options));
        }
        out.extend(alter(name, &parts(was, is)));
    }
    for (name, was, is) in &both {
        out.extend(alter(name, &come(&was.foreign_keys, &is.foreign_keys)));
    }
    for (name, table) in &made {
        out.extend(alter(name, &come(&BTreeMap::new(), &table.foreign_keys)));
    }
    // Views may stand on views, and what is made first is not known from their names.
    let mut others: Vec<_> = to.others.iter().filter(|(key, _)| differs(key)).collect();
    others.sort_by_key(|((sort, _), text)| (*sort == "VIEW", text.len()));
    out.extend(others.into_iter().map(|((sort, _), text)| match *sort {
        "VIEW" | "SEQUENCE" => format!("{text};"),
        _ => format!("DELIMITER //\n{text}//\nDELIMITER ;"),
    }));
    out
}

fn alter(table: &str, parts: &[String]) -> Option<String> {
    (!parts.is_empty()).then(|| format!("ALTER TABLE {}\n  {};", mariadb(table), parts.join(",\n  ")))
}

/// Columns, indexes and checks of one table, in one statement: an index goes before the column that it stands on.
fn parts(was: &Table, is: &Table) -> Vec<String> {
    let mut parts = gone("CONSTRAINT", &was.checks, &is.checks);
    parts.extend(gone("INDEX", &was.indexes, &is.indexes));
    let old: BTreeMap<&String, &String> = was.columns.iter().map(|(name, text)| (name, text)).collect();
    let new: BTreeSet<&String> = is.columns.iter().map(|(name, _)| name).collect();
    parts.extend(
        old.keys().filter(|name| !new.contains(*name)).map(|name| format!("DROP COLUMN {}", mariadb(name))),
    );
    let stays = |columns: &[(String, String)]| {
        columns
            .iter()
            .map(|(name, _)| name.clone())
            .filter(|name| old.contains_key(name) && new.contains(name))
            .collect::<Vec<_>>()
    };
    let moved = stays(&was.columns) != stays(&is.columns);
    let recoded = was.options != is.options;
    let mut before: Option<&String> = None;
    for (name, text) in &is.columns {
        let place = before.map_or("FIRST".to_owned(), |before| format!("AFTER {}", mariadb(before)));
        match old.get(name) {
            None => parts.push(format!("ADD COLUMN {text} {place}")),
            Some(_) if moved => parts.push(format!("MODIFY COLUMN {text} {place}")),
            // The definition says no character set where it is the table's own, which is another now.
            Some(was) if *was != text || (recoded && is_text(text)) => {
                parts.push(format!("MODIFY COLUMN {text}"));
            }
            Some(_) => {}
        }
        before = Some(name);
    }
    parts.extend(come(&was.indexes, &is.indexes));
    parts.extend(come(&was.checks, &is.checks));
    parts
}

fn is_text(definition: &str) -> bool {
    let lower = definition.to_ascii_lowercase();
    let texts = ["char(", "text", "enum(", "set("].iter().any(|kind| lower.contains(kind));
    texts && !lower.contains("character set")
}

/// What is no longer, or no longer so.
fn gone(sort: &str, was: &BTreeMap<String, String>, is: &BTreeMap<String, String>) -> Vec<String> {
    let differs = |(name, text): &(&String, &String)| is.get(*name) != Some(*text);
    was.iter().filter(differs).map(|(name, _)| format!("DROP {sort} {}", mariadb(name))).collect()
}

/// What is new, or new so.
fn come(was: &BTreeMap<String, String>, is: &BTreeMap<String, String>) -> Vec<String> {
    let differs = |(name, text): &(&String, &String)| was.get(*name) != Some(*text);
    is.iter().filter(differs).map(|(_, text)| format!("ADD {text}")).collect()
}

/// `CREATE TABLE` without what it may refer to before that is made.
fn without_foreign_keys(table: &Table) -> String {
    let mut lines: Vec<&str> = table
        .create
        .lines()
        .filter(|line| !table.foreign_keys.values().any(|key| line.trim().trim_end_matches(',') == key))
        .collect();
    let end = lines.iter().position(|line| line.starts_with(')'));
    if let Some(last) = end.and_then(|end| end.checked_sub(1)) {
        lines[last] = lines[last].trim_end_matches(',');
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_loses_its_foreign_keys_and_stays_a_statement() {
        let key = "CONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `p` (`a`)".to_owned();
        let table = Table {
            create: format!("CREATE TABLE `t` (\n  `a` int(11),\n  {key}\n) ENGINE=InnoDB"),
            foreign_keys: [("f".to_owned(), key)].into(),
            ..Table::default()
        };
        assert_eq!(without_foreign_keys(&table), "CREATE TABLE `t` (\n  `a` int(11)\n) ENGINE=InnoDB");
    }

    #[test]
    fn nothing_differs_nothing_is_written() {
        assert!(lead(&Snapshot::default(), &Snapshot::default()).is_empty());
    }

    #[test]
    fn files_are_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let empty = Scaffold::empty("0001_a");
        assert!(empty.write(folder.path(), "0001_a").unwrap()[1].ends_with("0001_a.down.sql"));
        assert!(empty.write(folder.path(), "0001_a").is_err());
        assert_eq!(Migrations::read(folder.path()).unwrap().len(), 1);
    }
}
