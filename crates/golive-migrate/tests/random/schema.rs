//! Makes up databases: tables of all declared types, keys of all kinds, references in any direction, odd names. A database
//! is small numbers, so that a failing one shrinks; its statements follow from them.

use std::fmt::Write as _;

use proptest::collection::vec;
use proptest::prelude::*;

/// A made-up database.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    pub(crate) tables: Vec<Table>,
}

/// A made-up table.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) key: Key,
    /// Names and declared types.
    pub(crate) columns: Vec<(String, &'static str)>,
    /// A number for each column of each row, from which its value follows.
    rows: Vec<Vec<u64>>,
    /// The table that it refers to, by its place.
    parent: Option<usize>,
}

/// Kinds of primary keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    RowNumber,
    AutoIncrement,
    BigInteger,
    Text,
    TextWithoutCase,
    Bytes,
    Real,
    Moment,
    Pair,
    PairWithoutRowid,
    None,
}

const KEYS: [Key; 11] = [
    Key::RowNumber,
    Key::AutoIncrement,
    Key::BigInteger,
    Key::Text,
    Key::TextWithoutCase,
    Key::Bytes,
    Key::Real,
    Key::Moment,
    Key::Pair,
    Key::PairWithoutRowid,
    Key::None,
];

const TYPES: [&str; 20] = [
    "integer",
    "tinyint",
    "bigint",
    "boolean",
    "real(12, 4)",
    "real_decimal",
    "numeric(20, 5)",
    "float",
    "double",
    "varchar(30)",
    "char(12)",
    "text",
    "datetime_text",
    "timestamp_with_timezone_text",
    "date_text",
    "time_text",
    "json_text",
    "blob",
    "uuid_text",
    "",
];

const WORDS: [&str; 14] = [
    "select",
    "Group",
    "tab le",
    "quo\"te",
    "back`tick",
    "ünïcode",
    "semi;colon",
    "per%cent",
    "表",
    "it's",
    "a.b",
    "#x",
    "--",
    "\\n",
];

pub(crate) fn database() -> impl Strategy<Value = Database> {
    vec(table(), 1..6).prop_map(|mut tables| {
        let all = tables.len();
        for (at, table) in tables.iter_mut().enumerate() {
            table.name = format!("t{at} {}", table.name);
            table.parent = table.parent.map(|parent| parent % all);
        }
        for at in 0..all {
            // Nothing to refer to.
            if tables[at]
                .parent
                .is_some_and(|parent| tables[parent].key == Key::None || tables[parent].rows.is_empty())
            {
                tables[at].parent = None;
            }
        }
        Database { tables }
    })
}

fn table() -> impl Strategy<Value = Table> {
    let word = || proptest::sample::select(WORDS.as_slice());
    let columns = vec((word(), proptest::sample::select(TYPES.as_slice())), 1..7);
    let few = vec(vec(any::<u64>(), 8), 0..12);
    let rows = prop_oneof![few, vec(vec(any::<u64>(), 8), 100..300)];
    (word(), proptest::sample::select(KEYS.as_slice()), columns, rows, proptest::option::of(0..6_usize))
        .prop_map(|(name, key, columns, rows, parent)| {
            let columns = columns
                .into_iter()
                .enumerate()
                .map(|(at, (name, declared))| (format!("c{at}{name}"), declared));
            Table { name: name.to_owned(), key, columns: columns.collect(), rows, parent }
        })
}

/// Names that MariaDB takes in no quotes.
pub(crate) fn refused_name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,3}[🚀😀𝄞][a-z]{0,3}", "[a-z]{1,5} ", "[a-zé]{65,80}",]
}

impl Database {
    /// The statements that make it.
    pub(crate) fn sql(&self) -> String {
        let mut sql = String::new();
        for table in &self.tables {
            let parent = table.parent.map(|parent| &self.tables[parent]);
            table.create(parent, &mut sql);
        }
        for table in &self.tables {
            let parent = table.parent.map(|parent| &self.tables[parent]);
            (0..table.rows.len()).for_each(|row| table.insert(row, parent, &mut sql));
        }
        sql
    }

    /// The places of tables with rows.
    pub(crate) fn filled(&self) -> impl Iterator<Item = usize> {
        self.tables.iter().enumerate().filter(|(_, table)| !table.rows.is_empty()).map(|(at, _)| at)
    }

    pub(crate) fn refers_to_itself(&self) -> bool {
        self.tables.iter().enumerate().any(|(at, table)| table.parent == Some(at))
    }

    pub(crate) fn has_circle(&self) -> bool {
        self.tables.iter().enumerate().any(|(at, table)| {
            table.parent.is_some_and(|parent| parent != at && self.tables[parent].parent == Some(at))
        })
    }
}

impl Table {
    fn create(&self, parent: Option<&Self>, sql: &mut String) {
        let mut parts: Vec<String> = self.key.columns();
        parts.extend(self.columns.iter().map(|(name, declared)| format!("{} {declared}", quoted(name))));
        if let Some(parent) = parent {
            let types = parent.key.types();
            let own: Vec<String> = (0..types.len()).map(|at| format!("\"r{at}\"")).collect();
            parts.extend(own.iter().zip(types).map(|(name, declared)| format!("{name} {declared}")));
            let other = if types.len() == 1 { "\"k\"" } else { "\"k2\", \"k\"" };
            parts.push(format!(
                "FOREIGN KEY ({}) REFERENCES {} ({other})",
                own.join(", "),
                quoted(&parent.name)
            ));
        }
        if matches!(self.key, Key::Pair | Key::PairWithoutRowid) {
            let key = "PRIMARY KEY (\"k2\", \"k\")";
            // Constraints come last.
            let at = parts.iter().position(|part| part.starts_with("FOREIGN")).unwrap_or(parts.len());
            parts.insert(at, key.to_owned());
        }
        let tail = if self.key == Key::PairWithoutRowid { " WITHOUT ROWID" } else { "" };
        writeln!(sql, "CREATE TABLE {} ({}){tail};", quoted(&self.name), parts.join(", ")).unwrap();
    }

    fn insert(&self, row: usize, parent: Option<&Self>, sql: &mut String) {
        let seeds = &self.rows[row];
        let mut values = self.key.values(row);
        values.extend(self.columns.iter().zip(seeds).map(|((_, declared), seed)| value(*seed, declared)));
        if let Some(parent) = parent {
            let seed = seeds[7];
            let mut referred = parent.key.values(usize::try_from(seed >> 8).unwrap() % parent.rows.len());
            // In the order of the parent's key.
            referred.reverse();
            if seed.is_multiple_of(4) {
                referred.iter_mut().for_each(|value| "NULL".clone_into(value));
            }
            values.extend(referred);
        }
        writeln!(sql, "INSERT INTO {} VALUES ({});", quoted(&self.name), values.join(", ")).unwrap();
    }

    /// A row that is not there, as MariaDB's statement.
    pub(crate) fn another_row(&self) -> String {
        let key = self.key.values(9_000);
        let names = if key.len() == 1 { "`k`" } else { "`k`, `k2`" };
        format!("INSERT INTO {} ({names}) VALUES ({})", backquoted(&self.name), key.join(", "))
    }
}

impl Key {
    /// Types of its columns, in the order of the key.
    fn types(self) -> &'static [&'static str] {
        match self {
            Self::RowNumber | Self::AutoIncrement => &["integer"],
            Self::BigInteger => &["bigint"],
            Self::Text => &["varchar(40)"],
            Self::TextWithoutCase => &["text COLLATE NOCASE"],
            Self::Bytes => &["blob"],
            Self::Real => &["double"],
            Self::Moment => &["datetime_text"],
            Self::Pair | Self::PairWithoutRowid => &["integer", "varchar(20)"],
            Self::None => &["integer"],
        }
    }

    fn columns(self) -> Vec<String> {
        let [first, ..] = self.types() else { unreachable!("every kind has a column") };
        let own = match self {
            Self::RowNumber => "\"k\" integer PRIMARY KEY".to_owned(),
            Self::AutoIncrement => "\"k\" integer PRIMARY KEY AUTOINCREMENT".to_owned(),
            Self::None => "\"k\" integer".to_owned(),
            Self::Pair | Self::PairWithoutRowid => {
                return vec!["\"k\" varchar(20) NOT NULL".to_owned(), "\"k2\" integer NOT NULL".to_owned()];
            }
            _ => format!("\"k\" {first} NOT NULL PRIMARY KEY"),
        };
        vec![own]
    }

    /// The key of a row, different for each; text that both databases read alike.
    fn values(self, row: usize) -> Vec<String> {
        let number = row as i64;
        let text = ["a", "A", "é", "", "z ", "_", "B", "%"][row % 8];
        match self {
            Self::RowNumber | Self::AutoIncrement | Self::None => vec![(number * 7 - 21).to_string()],
            Self::BigInteger => vec![((number - 5) * 102_481_911_520_608).to_string()],
            Self::Text => vec![format!("'{text}{row}{}'", " ".repeat(row % 3))],
            Self::TextWithoutCase => vec![format!("'{text}{row}'")],
            Self::Bytes => vec![format!("x'{:04x}{}'", row, "00".repeat(row % 3))],
            Self::Real => vec![format!("{:e}", (number as f64 - 3.0) * 0.1)],
            Self::Moment => vec![format!(
                "'2024-02-{:02} {:02}:{:02}:07.{:06}'",
                row % 28 + 1,
                row / 28 % 24,
                row / 672,
                row
            )],
            Self::Pair | Self::PairWithoutRowid => {
                vec![format!("'{text}{}'", row % 5), (row / 5 * 10 + row % 8).to_string()]
            }
        }
    }
}

fn value(seed: u64, declared: &str) -> String {
    if seed.is_multiple_of(8) {
        return "NULL".to_owned();
    }
    let number = seed >> 3;
    match declared {
        "integer" | "bigint" | "" => (seed as i64 >> (number % 50)).to_string(),
        "tinyint" => ((number % 256) as i64 - 128).to_string(),
        "boolean" => (number % 2).to_string(),
        "real(12, 4)" => format!("{}.{:04}", (number % 100_000_000) as i64 - 50_000_000, number % 10_000),
        "real_decimal" => format!("{}.{}", number % 1_000, number % 1_000_000),
        "numeric(20, 5)" => format!("{}.{:05}", (number % 20_000_000) as i64 - 10_000_000, number % 100_000),
        "float" | "double" => format!("{:e}", f64::from_bits(seed & 0xbfef_ffff_ffff_ffff)),
        "datetime_text" => {
            format!("datetime({}, 'unixepoch') || '.{:06}'", number % 4_000_000_000, number % 1_000_000)
        }
        "timestamp_with_timezone_text" => {
            let zone = ["Z", "+00:00", "-05:30"][(number % 3) as usize];
            format!("strftime('%Y-%m-%dT%H:%M:%S', {}, 'unixepoch') || '{zone}'", number % 4_000_000_000)
        }
        "date_text" => format!("date({}, 'unixepoch')", number % 4_000_000_000),
        "time_text" => format!("time({}, 'unixepoch')", number % 4_000_000_000),
        "json_text" => format!("'{{\"a\": [{}, \"\\n\\\\\", null, 1.50]}}'", number % 99),
        "blob" => {
            format!("x'{}00ff0a09'", &format!("{number:016x}")[..(number % 9 * 2) as usize % 17 / 2 * 2])
        }
        "uuid_text" => format!("x'{number:032x}'"),
        _ => text(number, declared != "char(12)"),
    }
}

/// Up to eight pieces, of which each is hard in its own way.
fn text(number: u64, ends_in_spaces: bool) -> String {
    const PIECES: [&str; 13] = ["a", "A", " ", "é", "😀", "''", "\\", "\t", "\n", "\r", "\u{1}", "\\N", "%"];
    let mut text = String::new();
    let mut rest = number;
    for _ in 0..number % 6 {
        rest = rest.rotate_right(7) ^ 0x9e37;
        text.push_str(PIECES[(rest % 13) as usize]);
    }
    if !ends_in_spaces && text.ends_with(' ') {
        text.push('.');
    }
    format!("'{text}'")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(crate) fn backquoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}
