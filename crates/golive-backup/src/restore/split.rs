//! Takes a dump apart while it streams: definitions for one session, rows for several, and what must wait for the rows.
//! Only knows the shape of what `mariadb-dump` writes: a comment before each section, and a row a line, in which a newline
//! inside a value is always escaped. Pure: bytes in, pieces out.

use std::collections::BTreeMap;
use std::io;

use super::keys;
use crate::identifier::quote;
use crate::manifest::TableFacts;

/// Below so many rows an `ALTER TABLE` costs more than the keys do.
const WORTH_DEFERRING_ROWS: u64 = 20_000;
/// A definition larger than this is passed on as it comes.
const DEFINITION_LIMIT_BYTES: usize = 16 * 1024 * 1024;

/// A piece of the dump and where it goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Out<'a> {
    /// For the session that makes things, in order.
    Main(&'a [u8]),
    /// Rows follow: what that session was given must be done before.
    Ready,
    /// For the session that has its turn.
    Rows(&'a [u8]),
    /// The statement is whole: it is the next one's turn.
    Next,
    /// A statement for when all rows are in, the largest table first; any session.
    Keys { rows: u64, statement: Vec<u8> },
    /// For the first session, after the keys.
    Foreign(Vec<u8>),
    /// For the first session, at the very end: views, triggers, routines, events.
    Tail(&'a [u8]),
}

/// Where in the dump the next line lies.
enum Place {
    /// Settings, sequences: in order.
    Main,
    /// The definition of a table, held until its rows begin.
    Table(Vec<u8>),
    /// Rows of a table that one session gets whole.
    Whole,
    /// Rows that go round; `true` inside a statement.
    Spread(bool),
    /// What waits for the rows.
    Tail,
}

/// The state between lines.
pub(super) struct Splitter {
    rows: BTreeMap<Vec<u8>, u64>,
    place: Place,
    /// Of the table whose definition was seen last.
    spread: bool,
    /// Inside the body of a trigger or routine, where a comment may look like a section's.
    delimited: bool,
    /// No table comes any more.
    over: bool,
}

impl Splitter {
    pub(super) fn new(tables: &[TableFacts]) -> Self {
        let rows = tables.iter().map(|table| (quote(&table.name).into_bytes(), table.rows)).collect();
        Self { rows, place: Place::Main, spread: false, delimited: false, over: false }
    }

    /// One line, or a piece of one that is too long to be held: `first` and `last` say which. The first piece is long
    /// enough to tell what the line is, the last to tell how it ends.
    pub(super) fn line(
        &mut self,
        line: &[u8],
        first: bool,
        last: bool,
        out: &mut impl FnMut(Out<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        if first {
            self.turn(line, out)?;
        }
        match &mut self.place {
            Place::Main => out(Out::Main(line)),
            Place::Tail => out(Out::Tail(line)),
            Place::Table(section) => {
                section.extend_from_slice(line);
                if section.len() > DEFINITION_LIMIT_BYTES {
                    let section = std::mem::take(section);
                    (self.place, self.spread) = (Place::Main, false);
                    return out(Out::Main(&section));
                }
                Ok(())
            }
            Place::Whole => {
                out(Out::Rows(line))?;
                if first && line.starts_with(b"UNLOCK TABLES;") {
                    self.place = Place::Tail;
                    return out(Out::Next);
                }
                Ok(())
            }
            Place::Spread(inside) => {
                if first && line.starts_with(b"UNLOCK TABLES;") {
                    self.place = Place::Tail;
                    return Ok(());
                }
                *inside |= first && (line.starts_with(b"INSERT ") || line.starts_with(b"REPLACE "));
                if !*inside {
                    // Locks and switches that are for one session alone.
                    return Ok(());
                }
                out(Out::Rows(line))?;
                if last && line.trim_ascii_end().ends_with(b");") {
                    *inside = false;
                    return out(Out::Next);
                }
                Ok(())
            }
        }
    }

    /// What is still held when the dump ends.
    pub(super) fn end(mut self, out: &mut impl FnMut(Out<'_>) -> io::Result<()>) -> io::Result<()> {
        self.define(out)
    }

    /// Changes the place where a line begins another section.
    fn turn(&mut self, line: &[u8], out: &mut impl FnMut(Out<'_>) -> io::Result<()>) -> io::Result<()> {
        if line.starts_with(b"DELIMITER ;;") {
            self.delimited = true;
        } else if line.starts_with(b"DELIMITER ;") {
            self.delimited = false;
        }
        if matches!(self.place, Place::Whole | Place::Spread(_)) || self.delimited || self.over {
            return Ok(());
        }
        if line.starts_with(b"LOCK TABLES ") && !matches!(self.place, Place::Tail) {
            self.define(out)?;
            self.place = if self.spread { Place::Spread(false) } else { Place::Whole };
            return out(Out::Ready);
        }
        if !line.starts_with(b"-- ") {
            return Ok(());
        }
        if line.starts_with(b"-- Table structure for table ") {
            self.define(out)?;
            self.place = Place::Table(Vec::new());
        } else if line.starts_with(b"-- Sequence structure for ") {
            self.define(out)?;
            self.place = Place::Main;
        } else if TAILS.iter().any(|mark| line.starts_with(mark)) {
            self.define(out)?;
            self.place = Place::Tail;
            self.over = !line.starts_with(TAILS[0]);
        }
        Ok(())
    }

    /// Gives out the definition that is held.
    fn define(&mut self, out: &mut impl FnMut(Out<'_>) -> io::Result<()>) -> io::Result<()> {
        let Place::Table(section) = &mut self.place else { return Ok(()) };
        let section = std::mem::take(section);
        self.place = Place::Main;
        self.spread = keys::shape(&section).spread;
        let table = section
            .split(|byte| *byte == b'\n')
            .find_map(|line| line.strip_prefix(b"CREATE TABLE ").and_then(|rest| rest.strip_suffix(b" (")));
        let rows = table.and_then(|table| self.rows.get(table)).copied().unwrap_or(0);
        match keys::defer(&section).filter(|_| rows >= WORTH_DEFERRING_ROWS) {
            None => out(Out::Main(&section)),
            Some(deferred) => {
                out(Out::Main(&deferred.create))?;
                out(Out::Keys { rows, statement: deferred.keys })?;
                if deferred.foreign.is_empty() {
                    return Ok(());
                }
                out(Out::Foreign(deferred.foreign))
            }
        }
    }
}

/// Sections that wait; after all but the first kind no table comes.
const TAILS: [&[u8]; 4] = [
    b"-- Temporary table structure for view ",
    b"-- Dumping events for database ",
    b"-- Dumping routines for database ",
    b"-- Final view structure for view ",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn split(dump: &str, rows: u64) -> (String, String, String, Vec<String>) {
        let facts = TableFacts {
            name: "o".to_owned(),
            rows,
            digest: String::new(),
            rounded_digest: None,
            sample: None,
            floats: None,
        };
        let mut splitter = Splitter::new(&[facts]);
        let (mut main, mut data, mut tail, mut later) =
            (String::new(), String::new(), String::new(), Vec::new());
        let mut out = |out: Out<'_>| {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            match out {
                Out::Main(bytes) => main.push_str(&text(bytes)),
                Out::Ready => main.push_str("<ready>\n"),
                Out::Rows(bytes) => data.push_str(&text(bytes)),
                Out::Next => data.push_str("<next>\n"),
                Out::Keys { statement, .. } | Out::Foreign(statement) => later.push(text(&statement)),
                Out::Tail(bytes) => tail.push_str(&text(bytes)),
            }
            Ok(())
        };
        for line in dump.split_inclusive('\n') {
            splitter.line(line.as_bytes(), true, true, &mut out).unwrap();
        }
        splitter.end(&mut out).unwrap();
        (main, data, tail, later)
    }

    const DUMP: &str = "SET NAMES utf8mb4;\n-- Table structure for table `o`\nCREATE TABLE `o` (\n  `id` int,\n  `c` text,\n  PRIMARY KEY (`id`),\n  KEY `k` (`c`)\n) ENGINE=InnoDB;\n\
        -- Dumping data for table `o`\nLOCK TABLES `o` WRITE;\n/*!40000 ALTER TABLE `o` DISABLE KEYS */;\nINSERT INTO `o` VALUES\n(1,'UNLOCK TABLES;'),\n(2,'x');\n\
        INSERT INTO `o` VALUES\n(3,');'),\n(4,'-- Final view structure for view ');\nUNLOCK TABLES;\n\
        DELIMITER ;;\nCREATE TRIGGER t BEGIN\n-- Table structure for table `fake`\nEND ;;\nDELIMITER ;\n\
        -- Table structure for table `m`\nCREATE TABLE `m` (\n  `x` int\n) ENGINE=Aria;\n-- Dumping data for table `m`\nLOCK TABLES `m` WRITE;\nINSERT INTO `m` VALUES\n(1);\nUNLOCK TABLES;\n\
        -- Temporary table structure for view `v`\nCREATE VIEW v;\n-- Sequence structure for `s`\nCREATE SEQUENCE s;\n\
        -- Dumping routines for database 'd'\n-- Table structure for table `in a comment`\nLOCK TABLES x;\n-- Dump completed\n";

    #[test]
    fn definitions_rows_and_what_waits_are_told_apart() {
        let (main, data, tail, later) = split(DUMP, 1_000_000);
        assert_eq!(
            main,
            "SET NAMES utf8mb4;\n-- Table structure for table `o`\nCREATE TABLE `o` (\n  `id` int,\n  `c` text,\n  PRIMARY KEY (`id`)\n) ENGINE=InnoDB;\n\
             -- Dumping data for table `o`\n<ready>\n-- Table structure for table `m`\nCREATE TABLE `m` (\n  `x` int\n) ENGINE=Aria;\n\
             -- Dumping data for table `m`\n<ready>\n-- Sequence structure for `s`\nCREATE SEQUENCE s;\n"
        );
        assert_eq!(
            data,
            "INSERT INTO `o` VALUES\n(1,'UNLOCK TABLES;'),\n(2,'x');\n<next>\n\
             INSERT INTO `o` VALUES\n(3,');'),\n(4,'-- Final view structure for view ');\n<next>\n\
             LOCK TABLES `m` WRITE;\nINSERT INTO `m` VALUES\n(1);\nUNLOCK TABLES;\n<next>\n"
        );
        assert_eq!(
            tail,
            "DELIMITER ;;\nCREATE TRIGGER t BEGIN\n-- Table structure for table `fake`\nEND ;;\nDELIMITER ;\n\
             -- Temporary table structure for view `v`\nCREATE VIEW v;\n\
             -- Dumping routines for database 'd'\n-- Table structure for table `in a comment`\nLOCK TABLES x;\n-- Dump completed\n"
        );
        assert_eq!(later, ["ALTER TABLE `o` ADD KEY `k` (`c`);\n"]);
    }

    #[test]
    fn a_small_table_gets_its_keys_at_once() {
        let (main, _, _, later) = split(DUMP, 10);
        assert!(main.contains("KEY `k` (`c`)") && later.is_empty());
    }
}
