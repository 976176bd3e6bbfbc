//! The content digests of a dump's tables, worked out from its text while it passes.
//!
//! `mariadb-dump` writes a row a line, in which a newline inside a value is always escaped, so the line is the row. The
//! BLAKE3 of each line, without what separates it from the next, is cut in four 64-bit numbers, and each is summed over
//! the rows of the table. Sums do not depend on the order of rows, and two equal rows do not cancel out. A dump of the
//! restored database gives the same digests if, and only if, it says the same: what a *dump* does not say (digits of a
//! FLOAT, characters it cannot carry) is the business of [`crate::witness`].
//!
//! Text in another shape is an error and never a digest of less than there is. Pure: bytes in, digests out.

use std::collections::BTreeMap;
use std::io;

use memchr::memchr;

use crate::identifier::unquote;

/// Names the method in the manifest.
pub(crate) const METHOD: &str = "dump-rows-blake3-sum-1";

/// A line is held so far until its end is seen; a longer row is digested in pieces.
const HELD_BYTES: usize = 1024 * 1024;
/// What separates rows, `,` or `;`, and the newline: not part of the row.
const SEPARATOR_BYTES: usize = 2;

/// Rows and digest of one table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) rows: u64,
    halves: [u64; 4],
}

impl Sum {
    fn add(&mut self, row: &blake3::Hash) {
        self.rows += 1;
        for (sum, bytes) in self.halves.iter_mut().zip(row.as_bytes().chunks_exact(8)) {
            let number = u64::from_le_bytes(bytes.try_into().expect("a chunk has eight bytes"));
            *sum = sum.wrapping_add(number);
        }
    }

    /// For the manifest.
    pub(crate) fn digest(&self) -> String {
        self.halves.iter().map(|half| format!("{half:016x}")).collect()
    }
}

/// Where in the dump the next line lies.
enum Place {
    /// Between the rows of tables.
    Outside,
    /// In the body of a trigger, routine or event, which may say anything.
    Program,
    /// Among the rows of this table.
    Table(String, Sum),
}

/// Digests a dump that is fed to it in pieces.
pub(crate) struct RowDigester {
    place: Place,
    tables: BTreeMap<String, Sum>,
    /// The beginning of a line whose end is still to come; of a long row, its last bytes so far.
    held: Vec<u8>,
    /// A row too long to be held.
    long: Option<Box<blake3::Hasher>>,
    /// A line that is no row was too long to be held.
    cut: bool,
}

impl RowDigester {
    pub(crate) fn new() -> Self {
        Self { place: Place::Outside, tables: BTreeMap::new(), held: Vec::new(), long: None, cut: false }
    }

    /// The next bytes of the dump.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while let Some(end) = memchr(b'\n', bytes) {
            let (line, rest) = bytes.split_at(end + 1);
            bytes = rest;
            if self.held.is_empty() && !self.cut {
                self.line(line)?;
                continue;
            }
            self.hold(line);
            let mut whole = std::mem::take(&mut self.held);
            match self.long.take() {
                Some(hasher) => self.end_long(*hasher, &whole)?,
                None => self.line(&whole)?,
            }
            self.cut = false;
            whole.clear();
            self.held = whole;
        }
        if !bytes.is_empty() {
            self.hold(bytes);
        }
        Ok(())
    }

    /// The tables that were seen, when the dump is over.
    pub(crate) fn finish(self) -> io::Result<BTreeMap<String, Sum>> {
        match self.place {
            Place::Table(table, _) => Err(shape(&format!("the rows of table {table} do not end"))),
            _ => Ok(self.tables),
        }
    }

    /// Keeps what may be needed of an unfinished line.
    fn hold(&mut self, bytes: &[u8]) {
        if self.cut {
            return;
        }
        self.held.extend_from_slice(bytes);
        if self.held.len() <= HELD_BYTES && self.long.is_none() {
            return;
        }
        if matches!(self.place, Place::Table(..)) && (self.long.is_some() || self.held.starts_with(b"(")) {
            let hasher = self.long.get_or_insert_with(|| Box::new(blake3::Hasher::new()));
            let certain = self.held.len().saturating_sub(SEPARATOR_BYTES + 1);
            hasher.update(&self.held[..certain]);
            self.held.drain(..certain);
        } else {
            self.held.truncate(HELD_BYTES);
            self.cut = true;
        }
    }

    fn end_long(&mut self, mut hasher: blake3::Hasher, end: &[u8]) -> io::Result<()> {
        let Place::Table(table, sum) = &mut self.place else { return Ok(()) };
        let row = without_separator(end).ok_or_else(|| strange_row(table))?;
        hasher.update(row);
        sum.add(&hasher.finalize());
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> io::Result<()> {
        match &mut self.place {
            Place::Table(table, sum) => {
                if line.first() == Some(&b'(') {
                    let row = without_separator(line).ok_or_else(|| strange_row(table))?;
                    sum.add(&blake3::hash(row));
                    return Ok(());
                }
                if line.starts_with(b"UNLOCK TABLES;") {
                    let (table, sum) = (std::mem::take(table), *sum);
                    self.place = Place::Outside;
                    return match self.tables.insert(table.clone(), sum) {
                        None => Ok(()),
                        Some(_) => Err(shape(&format!("table {table} comes twice"))),
                    };
                }
                let is_head = line.starts_with(b"INSERT ") && line.ends_with(b" VALUES\n") && !self.cut;
                let is_setting = [b"/*".as_slice(), b"set ", b"commit;", b"--", b"\n"]
                    .iter()
                    .any(|beginning| line.starts_with(beginning));
                if is_head || is_setting { Ok(()) } else { Err(strange_row(table)) }
            }
            Place::Program => {
                if line == b"DELIMITER ;\n" {
                    self.place = Place::Outside;
                }
                Ok(())
            }
            Place::Outside => {
                if line.starts_with(b"DELIMITER ") {
                    self.place = Place::Program;
                } else if let Some(table) = locked_table(line) {
                    self.place = Place::Table(table, Sum::default());
                }
                Ok(())
            }
        }
    }
}

/// ``LOCK TABLES `name` WRITE;``
fn locked_table(line: &[u8]) -> Option<String> {
    let name = line.strip_prefix(b"LOCK TABLES ")?.strip_suffix(b" WRITE;\n")?;
    unquote(std::str::from_utf8(name).ok()?)
}

/// The row alone, where the line is one.
fn without_separator(line: &[u8]) -> Option<&[u8]> {
    let (row, separator) = line.split_at_checked(line.len().checked_sub(SEPARATOR_BYTES)?)?;
    (row.last() == Some(&b')') && matches!(separator, b",\n" | b";\n")).then_some(row)
}

fn strange_row(table: &str) -> io::Error {
    shape(&format!("among the rows of table {table} is a line that is none"))
}

fn shape(what: &str) -> io::Error {
    let advice =
        "use mariadb-dump of the server's own version, or have the server digest the tables (--digest sql)";
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the dump has a shape that is not known: {what}; {advice}"),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn digests(dump: &[u8], piece: usize) -> io::Result<BTreeMap<String, Sum>> {
        let mut digester = RowDigester::new();
        for piece in dump.chunks(piece) {
            digester.feed(piece)?;
        }
        digester.finish()
    }

    fn dump(rows: &[&str]) -> Vec<u8> {
        let mut text = String::from(
            "-- head\nCREATE TABLE `a``b` (\n  `x` int\n);\nLOCK TABLES `a``b` WRITE;\n/*!40000 ALTER TABLE `a``b` DISABLE KEYS */;\n",
        );
        for (at, row) in rows.iter().enumerate() {
            // A statement ends after every third row.
            if at % 3 == 0 {
                text.push_str("INSERT INTO `a``b` VALUES\n");
            }
            let last = at % 3 == 2 || at + 1 == rows.len();
            text.push_str(&format!("({row}){}\n", if last { ';' } else { ',' }));
        }
        text.push_str("UNLOCK TABLES;\nDELIMITER ;;\nLOCK TABLES `fake` WRITE;\n(1),\nEND ;;\nDELIMITER ;\n-- Dump completed\n");
        text.into_bytes()
    }

    fn digest(rows: &[&str]) -> (u64, String) {
        let found = digests(&dump(rows), 1 << 20).unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), ["a`b"]);
        (found["a`b"].rows, found["a`b"].digest())
    }

    #[test]
    fn order_and_place_of_a_row_do_not_matter_and_its_content_does() {
        let rows = ["1,'a'", "2,'b'", "3,'c'", "4,'c'"];
        let (count, all) = digest(&rows);
        assert_eq!(count, 4);
        assert_eq!(digest(&["4,'c'", "3,'c'", "1,'a'", "2,'b'"]), (4, all.clone()));
        for other in [
            ["1,'a'", "2,'b'", "3,'c'", "4,'d'"],
            // Two values trade places; a row twice instead of another; a border moves.
            ["1,'b'", "2,'a'", "3,'c'", "4,'c'"],
            ["1,'a'", "2,'b'", "3,'c'", "3,'c'"],
            ["1,'a'", "2,'b'", "3,'c'", "4,'c),('"],
        ] {
            assert_ne!(digest(&other).1, all, "{other:?}");
        }
        // What an exclusive or would not see.
        assert_ne!(digest(&["1", "1", "2", "2"]).1, digest(&["3", "3", "4", "4"]).1);
        assert_eq!(digest(&[]), (0, "0".repeat(64)));
    }

    #[test]
    fn another_shape_is_an_error_and_never_a_digest_of_less() {
        let good = String::from_utf8(dump(&["1", "2"])).unwrap();
        for (from, to) in [
            ("VALUES\n(1)", "VALUES (1)"),
            ("(2);\n", "2);\n"),
            ("(1),\n", "(1)\n"),
            ("UNLOCK TABLES;\n", ""),
            ("-- Dump completed\n", "LOCK TABLES `a``b` WRITE;\nUNLOCK TABLES;\n"),
        ] {
            assert!(good.contains(from), "{from}");
            assert!(digests(good.replace(from, to).as_bytes(), 7).is_err(), "{from}");
        }
        assert!(digests(good.as_bytes(), 7).is_ok());
    }

    #[test]
    fn a_row_too_long_to_be_held_has_the_digest_of_the_whole() {
        let long = format!("1,'{}'", "x".repeat(3 * HELD_BYTES));
        let text = dump(&[&long, "2"]);
        let mut expected = Sum::default();
        expected.add(&blake3::hash(format!("({long})").as_bytes()));
        expected.add(&blake3::hash(b"(2)"));
        for piece in [1000, 65_536, HELD_BYTES, 10 * HELD_BYTES] {
            assert_eq!(digests(&text, piece).unwrap()["a`b"], expected, "{piece}");
        }
    }

    proptest! {
        #[test]
        fn how_the_text_is_cut_does_not_matter(
            rows in prop::collection::vec("[0-9a-z,';()\\\\]{0,40}", 0..12),
            piece in 1usize..200,
        ) {
            let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
            let text = dump(&rows);
            prop_assert_eq!(digests(&text, piece).unwrap(), digests(&text, text.len()).unwrap());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000), piece in 1usize..64) {
            let mut text = b"LOCK TABLES `t` WRITE;\n".to_vec();
            text.extend_from_slice(&bytes);
            let _ = digests(&text, piece);
        }
    }
}
