//! A schema as the server itself writes it: every table taken apart into columns, indexes and constraints, every view,
//! trigger, routine, event and sequence; and how two of them differ. No statement that changes anything is here.

use std::collections::BTreeMap;

use sea_orm::sqlx::Row;
use serde::Serialize;

use super::error::VersionedError;
use super::evidence::{definition_of, label, without_counter};
use super::journal::{Definitions, PREFIX};
use super::session::Session;

/// A table, taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Table {
    /// `CREATE TABLE` as the server writes it, without the counter.
    pub(crate) create: String,
    /// Name and definition, in order.
    pub(crate) columns: Vec<(String, String)>,
    /// Definitions by name; the primary key is `PRIMARY`.
    pub(crate) indexes: BTreeMap<String, String>,
    pub(crate) foreign_keys: BTreeMap<String, String>,
    pub(crate) checks: BTreeMap<String, String>,
    /// Engine, character set, collation, comment, partitions.
    pub(crate) options: String,
}

/// Everything that migrations make, but for rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Snapshot {
    pub(crate) tables: BTreeMap<String, Table>,
    /// Views, triggers, routines, events and sequences: `CREATE` statements by sort and name.
    pub(crate) others: BTreeMap<(&'static str, String), String>,
}

/// One difference between what the migrations make and what is there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct SchemaDeviation {
    /// `table`, `column`, `column order`, `index`, `foreign key`, `check`, `table options`, `view`, `trigger`, …
    pub sort: &'static str,
    /// The table that it belongs to, where it belongs to one.
    pub table: Option<String>,
    /// Its name.
    pub name: String,
    /// Its definition by the migrations; none where they do not make it.
    pub expected: Option<String>,
    /// Its definition in the database; none where it is not there.
    pub found: Option<String>,
}

impl SchemaDeviation {
    /// Such as `column orders.total`.
    pub fn place(&self) -> String {
        match &self.table {
            Some(table) if *table != self.name => format!("{} {table}.{}", self.sort, self.name),
            _ => format!("{} {}", self.sort, self.name),
        }
    }

    /// What differs, as a sentence fragment.
    pub fn what(&self, expected_by: &str, found_in: &str) -> String {
        match (&self.expected, &self.found) {
            (Some(expected), Some(found)) => {
                format!("{expected_by} has `{}`, {found_in} has `{}`", short(expected), short(found))
            }
            (Some(expected), None) => format!("{found_in} lacks it; {expected_by} has `{}`", short(expected)),
            (None, Some(found)) => {
                format!("{found_in} has `{}`, and {expected_by} has no such thing", short(found))
            }
            (None, None) => "it differs".to_owned(),
        }
    }
}

/// A definition as one line that can be read.
fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= 160 {
        line
    } else {
        format!("{}…", line.chars().take(159).collect::<String>())
    }
}

impl Snapshot {
    /// Reads the schema of the session's database; what is golive's or sea-orm-migration's is left out.
    pub(crate) async fn read(session: &Session, books: &str) -> Result<Self, VersionedError> {
        let mut snapshot = Self::default();
        for (sort, name) in names(session).await? {
            if name.starts_with(PREFIX) || name == books {
                continue;
            }
            // Dropped in between by somebody else: then it is not there.
            let Some(text) = definition_of(session, sort, &name).await? else { continue };
            let mut text = plain(&text, &session.database);
            if sort == "EVENT" {
                text = without_start(&text);
            }
            match sort {
                "TABLE" => {
                    snapshot.tables.insert(name, take_apart(&text));
                }
                sort => {
                    snapshot.others.insert((sort, name), text);
                }
            }
        }
        Ok(snapshot)
    }

    /// A digest for each object, to see later which of them changed.
    pub(crate) fn digests(&self) -> Definitions {
        let digest = |text: &str| Some(blake3::hash(text.as_bytes()).to_hex().to_string());
        let tables = self.tables.iter().map(|(name, table)| (label("TABLE", name), digest(&table.create)));
        let others = self.others.iter().map(|((sort, name), text)| (label(sort, name), digest(text)));
        tables.chain(others).collect()
    }

    /// How `found` differs from this one.
    pub(crate) fn compare(&self, found: &Self) -> Vec<SchemaDeviation> {
        let mut deviations = Vec::new();
        let mut push =
            |sort, table: Option<&String>, name: &str, expected: Option<&String>, found: Option<&String>| {
                if expected != found {
                    deviations.push(SchemaDeviation {
                        sort,
                        table: table.cloned(),
                        name: name.to_owned(),
                        expected: expected.cloned(),
                        found: found.cloned(),
                    });
                }
            };
        for name in keys(&self.tables, &found.tables) {
            match (self.tables.get(name), found.tables.get(name)) {
                (Some(ours), Some(theirs)) => compare_tables(name, ours, theirs, &mut push),
                (ours, theirs) => {
                    push(
                        "table",
                        None,
                        name,
                        ours.map(|table| &table.create),
                        theirs.map(|table| &table.create),
                    );
                }
            }
        }
        for key in keys(&self.others, &found.others) {
            let sort =
                SORTS.into_iter().find(|(upper, _)| *upper == key.0).map_or("object", |(_, lower)| lower);
            push(sort, None, &key.1, self.others.get(key), found.others.get(key));
        }
        deviations
    }
}

const SORTS: [(&str, &str); 6] = [
    ("VIEW", "view"),
    ("SEQUENCE", "sequence"),
    ("TRIGGER", "trigger"),
    ("PROCEDURE", "procedure"),
    ("FUNCTION", "function"),
    ("EVENT", "event"),
];

fn compare_tables(
    name: &str,
    ours: &Table,
    theirs: &Table,
    push: &mut impl FnMut(&'static str, Option<&String>, &str, Option<&String>, Option<&String>),
) {
    let table = name.to_owned();
    let of = |columns: &[(String, String)]| columns.iter().cloned().collect::<BTreeMap<_, _>>();
    let (our_columns, their_columns) = (of(&ours.columns), of(&theirs.columns));
    let parts = [
        ("column", &our_columns, &their_columns),
        ("index", &ours.indexes, &theirs.indexes),
        ("foreign key", &ours.foreign_keys, &theirs.foreign_keys),
        ("check", &ours.checks, &theirs.checks),
    ];
    for (sort, ours, theirs) in parts {
        for part in keys(ours, theirs) {
            push(sort, Some(&table), part, ours.get(part), theirs.get(part));
        }
    }
    let order = |columns: &[(String, String)], other: &BTreeMap<String, String>| {
        columns
            .iter()
            .map(|(name, _)| name.clone())
            .filter(|name| other.contains_key(name))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let (our_order, their_order) =
        (order(&ours.columns, &their_columns), order(&theirs.columns, &our_columns));
    push("column order", Some(&table), name, Some(&our_order), Some(&their_order));
    push("table options", Some(&table), name, Some(&ours.options), Some(&theirs.options));
}

/// The keys of both, each once, in order.
fn keys<'a, K: Ord, V>(one: &'a BTreeMap<K, V>, other: &'a BTreeMap<K, V>) -> Vec<&'a K> {
    let mut all: Vec<&K> = one.keys().chain(other.keys()).collect();
    all.sort();
    all.dedup();
    all
}

/// Sort and name of every object of the database.
async fn names(session: &Session) -> Result<Vec<(&'static str, String)>, VersionedError> {
    const DOING: &str = "list the database's objects";
    const SQL: &str = "SELECT CASE TABLE_TYPE WHEN 'VIEW' THEN 'VIEW' WHEN 'SEQUENCE' THEN 'SEQUENCE' ELSE 'TABLE' END, \
        CAST(TABLE_NAME AS CHAR) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() \
        UNION ALL SELECT 'TRIGGER', CAST(TRIGGER_NAME AS CHAR) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() \
        UNION ALL SELECT ROUTINE_TYPE, CAST(ROUTINE_NAME AS CHAR) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE() \
        UNION ALL SELECT 'EVENT', CAST(EVENT_NAME AS CHAR) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE()";
    let rows = session.rows(SQL, &[]).await.map_err(VersionedError::server(DOING))?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let sort: String = row.try_get(0).map_err(VersionedError::server(DOING))?;
        let name: String = row.try_get(1).map_err(VersionedError::server(DOING))?;
        let known = SORTS.into_iter().map(|(upper, _)| upper).chain(["TABLE"]).find(|known| *known == sort);
        found.extend(known.map(|sort| (sort, name)));
    }
    Ok(found)
}

/// Without what differs from server to server though it means the same: the counter, who made it, the database's name.
fn plain(text: &str, database: &str) -> String {
    let mut text = without_counter(text);
    if let Some(start) = text.find("DEFINER=`")
        && let Some(at) = text[start..].find("`@`").map(|at| start + at)
        && let Some(end) = text[at + 3..].find('`').map(|end| at + 3 + end + 1)
    {
        text.replace_range(start..end, "");
        text = text.replacen("  ", " ", 1);
    }
    text.replace(&format!("{}.", crate::ident::mariadb(database)), "")
}

/// An event that names no start gets the moment at which it was made.
fn without_start(text: &str) -> String {
    let Some(start) = text.find(" STARTS '") else { return text.to_owned() };
    let after = start + " STARTS ".len();
    let end = super::split::quoted(&text[after..], '\'').map_or(text.len(), |length| after + length);
    format!("{}{}", &text[..start], &text[end..])
}

/// `SHOW CREATE TABLE` has a line for each part.
fn take_apart(text: &str) -> Table {
    let mut table = Table { create: text.to_owned(), ..Table::default() };
    let mut lines = text.lines().skip(1);
    for line in lines.by_ref() {
        if let Some(options) = line.strip_prefix(") ") {
            table.options = options.to_owned();
            break;
        }
        let part = line.trim().trim_end_matches(',').to_owned();
        let name = quoted_name(&part);
        match (part.split_whitespace().next().unwrap_or_default(), name) {
            ("PRIMARY", _) => {
                table.indexes.insert("PRIMARY".to_owned(), part);
            }
            ("CONSTRAINT", Some(name)) if part.contains("` FOREIGN KEY (") => {
                table.foreign_keys.insert(name, part);
            }
            ("CONSTRAINT", Some(name)) => {
                table.checks.insert(name, part);
            }
            ("UNIQUE" | "KEY" | "FULLTEXT" | "SPATIAL", Some(name)) => {
                table.indexes.insert(name, part);
            }
            (_, Some(name)) if part.starts_with('`') => table.columns.push((name, part)),
            // `PERIOD FOR SYSTEM_TIME` and what later versions bring: part of the table all the same.
            _ => table.options.push_str(&part),
        }
    }
    for line in lines {
        table.options.push('\n');
        table.options.push_str(line);
    }
    table
}

/// The first name in backticks.
fn quoted_name(part: &str) -> Option<String> {
    let start = part.find('`')?;
    let length = super::split::quoted(&part[start..], '`')?;
    Some(part[start + 1..start + length - 1].replace("``", "`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "CREATE TABLE `t` (\n  `id` int(11) NOT NULL AUTO_INCREMENT,\n  `a``b` varchar(9) DEFAULT 'x,y',\n  \
        PRIMARY KEY (`id`),\n  UNIQUE KEY `u` (`a``b`),\n  CONSTRAINT `f` FOREIGN KEY (`id`) REFERENCES `p` (`id`),\n  \
        CONSTRAINT `c` CHECK (`id` > 0)\n) ENGINE=InnoDB AUTO_INCREMENT=5 DEFAULT CHARSET=utf8mb4\n PARTITION BY HASH (`id`)";

    #[test]
    fn a_table_is_taken_apart() {
        let table = take_apart(&plain(TABLE, "app"));
        assert_eq!(table.columns[1].0, "a`b");
        assert_eq!(table.indexes.keys().collect::<Vec<_>>(), ["PRIMARY", "u"]);
        assert_eq!((table.foreign_keys.len(), table.checks.len()), (1, 1));
        assert_eq!(table.options, "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4\n PARTITION BY HASH (`id`)");
    }

    #[test]
    fn when_an_event_was_made_does_not_matter() {
        let text = "CREATE EVENT `e` ON SCHEDULE EVERY 1 DAY STARTS '2026-01-01 00:00:00' ON COMPLETION NOT PRESERVE ENABLE DO SELECT 1";
        assert_eq!(
            without_start(text),
            "CREATE EVENT `e` ON SCHEDULE EVERY 1 DAY ON COMPLETION NOT PRESERVE ENABLE DO SELECT 1"
        );
    }

    #[test]
    fn differences_are_told_by_part() {
        let of = |text: &str| Snapshot {
            tables: [("t".to_owned(), take_apart(text))].into(),
            others: BTreeMap::new(),
        };
        let changed = TABLE.replace("varchar(9)", "varchar(10)").replace("  UNIQUE KEY `u` (`a``b`),\n", "");
        let found = of(TABLE).compare(&of(&changed));
        assert_eq!(
            found.iter().map(SchemaDeviation::place).collect::<Vec<_>>(),
            ["column t.a`b", "index t.u"]
        );
        assert!(found[1].found.is_none());
        assert!(of(TABLE).compare(&of(TABLE)).is_empty());
        assert_eq!(of(TABLE).compare(&Snapshot::default())[0].place(), "table t");
    }

    #[test]
    fn who_made_a_view_and_where_does_not_matter() {
        let text = "CREATE ALGORITHM=UNDEFINED DEFINER=`a`@`%` SQL SECURITY DEFINER VIEW `v` AS select `app`.`t`.`id` from `app`.`t`";
        assert_eq!(
            plain(text, "app"),
            "CREATE ALGORITHM=UNDEFINED SQL SECURITY DEFINER VIEW `v` AS select `t`.`id` from `t`"
        );
    }
}
