//! What of a table can be made after its rows are in: secondary keys, sorted at once instead of row by row, and foreign
//! keys. Pure text; when a definition is not of the plain shape that `SHOW CREATE TABLE` prints, it stays as it is.

/// A definition without its secondary keys, and the statements that make them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Deferred {
    pub(super) create: Vec<u8>,
    pub(super) keys: Vec<u8>,
    pub(super) foreign: Vec<u8>,
}

/// What the shape of a table allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// Rows may come in any order, from several sessions: transactional, and with a primary key that orders them.
    pub(super) spread: bool,
}

/// Looks at a section of a dump that holds one `CREATE TABLE`.
pub(super) fn shape(section: &[u8]) -> Shape {
    let lines = || section.split(|byte| *byte == b'\n');
    let innodb = lines().any(|line| line.starts_with(b") ENGINE=InnoDB"));
    let primary = lines().any(|line| line.starts_with(b"  PRIMARY KEY ("));
    Shape { spread: innodb && primary }
}

/// Takes the secondary keys out of a section; `None` when there are none, or the table cannot be without.
pub(super) fn defer(section: &[u8]) -> Option<Deferred> {
    if !shape(section).spread {
        return None;
    }
    let mut lines: Vec<&[u8]> = section.split_inclusive(|byte| *byte == b'\n').collect();
    let begin = lines.iter().position(|line| line.starts_with(b"CREATE TABLE `"))?;
    let end = begin + lines[begin..].iter().position(|line| line.starts_with(b") ENGINE=InnoDB"))?;
    let table = lines[begin].strip_prefix(b"CREATE TABLE ")?.trim_ascii_end().strip_suffix(b" (")?;
    let body = lines[begin + 1..end].to_vec();
    // A counter needs its key while it counts.
    let counter = body.iter().find(|line| contains(line, b" AUTO_INCREMENT")).map(|line| name(line));
    let primary = body.iter().find_map(|line| line.strip_prefix(b"  PRIMARY KEY ("))?;
    if counter.is_some_and(|column| !column.is_some_and(|column| primary.starts_with(column))) {
        return None;
    }
    let is_key = |line: &&[u8]| line.starts_with(b"  KEY `") || line.starts_with(b"  UNIQUE KEY `");
    let is_foreign = |line: &&[u8]| line.starts_with(b"  CONSTRAINT `") && contains(line, b" FOREIGN KEY (");
    let (keys, foreign) = (alter(table, &body, is_key), alter(table, &body, is_foreign));
    if keys.is_empty() {
        return None;
    }
    let mut kept: Vec<&[u8]> = body.into_iter().filter(|line| !is_key(line) && !is_foreign(line)).collect();
    let last = plain(kept.pop()?).to_vec();
    let mut create: Vec<u8> = lines.drain(..=begin).flatten().copied().collect();
    create.extend(kept.into_iter().flatten());
    create.extend(last);
    create.push(b'\n');
    create.extend(lines[end - begin - 1..].iter().copied().flatten());
    Some(Deferred { create, keys, foreign })
}

/// `ALTER TABLE t ADD ..., ADD ...`, or nothing.
fn alter(table: &[u8], body: &[&[u8]], wanted: impl Fn(&&[u8]) -> bool) -> Vec<u8> {
    let added: Vec<Vec<u8>> = body
        .iter()
        .filter(|line| wanted(line))
        .map(|line| [b"ADD ", plain(line).trim_ascii()].concat())
        .collect();
    if added.is_empty() {
        return Vec::new();
    }
    [b"ALTER TABLE ", table, b" ", added.join(&b", "[..]).as_slice(), b";\n"].concat()
}

/// A line without its end and its comma.
fn plain(line: &[u8]) -> &[u8] {
    let line = line.trim_ascii_end();
    line.strip_suffix(b",").unwrap_or(line)
}

/// The quoted name with which a column's line begins.
fn name(line: &[u8]) -> Option<&[u8]> {
    let line = line.strip_prefix(b"  ")?;
    let end = line.get(1..)?.iter().position(|byte| *byte == b'`')? + 2;
    line.starts_with(b"`").then(|| &line[..end])
}

fn contains(line: &[u8], words: &[u8]) -> bool {
    line.windows(words.len()).any(|window| window == words)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECTION: &str = "DROP TABLE IF EXISTS `o`;\nCREATE TABLE `o` (\n  `id` int(11) NOT NULL AUTO_INCREMENT,\n  \
        `c` int(11) DEFAULT NULL COMMENT 'a,\\n  KEY `x` (`y`)',\n  PRIMARY KEY (`id`),\n  UNIQUE KEY `u` (`c`),\n  \
        KEY `k` (`c`,`id`),\n  FULLTEXT KEY `f` (`c`),\n  CONSTRAINT `fk` FOREIGN KEY (`c`) REFERENCES `p` (`id`),\n  \
        CONSTRAINT `ch` CHECK (`c` > 0)\n) ENGINE=InnoDB AUTO_INCREMENT=4;\nSET x;\n";

    #[test]
    fn keys_and_references_come_later_and_the_rest_stays() {
        let deferred = defer(SECTION.as_bytes()).unwrap();
        assert_eq!(
            String::from_utf8(deferred.create).unwrap(),
            "DROP TABLE IF EXISTS `o`;\nCREATE TABLE `o` (\n  `id` int(11) NOT NULL AUTO_INCREMENT,\n  \
             `c` int(11) DEFAULT NULL COMMENT 'a,\\n  KEY `x` (`y`)',\n  PRIMARY KEY (`id`),\n  FULLTEXT KEY `f` (`c`),\n  \
             CONSTRAINT `ch` CHECK (`c` > 0)\n) ENGINE=InnoDB AUTO_INCREMENT=4;\nSET x;\n"
        );
        assert_eq!(
            String::from_utf8(deferred.keys).unwrap(),
            "ALTER TABLE `o` ADD UNIQUE KEY `u` (`c`), ADD KEY `k` (`c`,`id`);\n"
        );
        assert_eq!(
            String::from_utf8(deferred.foreign).unwrap(),
            "ALTER TABLE `o` ADD CONSTRAINT `fk` FOREIGN KEY (`c`) REFERENCES `p` (`id`);\n"
        );
    }

    #[test]
    fn what_cannot_be_without_its_keys_keeps_them() {
        let other = |from: &str, to: &str| {
            assert!(SECTION.contains(from));
            SECTION.replace(from, to)
        };
        for section in [
            other("ENGINE=InnoDB", "ENGINE=Aria"),
            other("  PRIMARY KEY (`id`),\n", ""),
            // The counter hangs on a secondary key.
            other("PRIMARY KEY (`id`)", "PRIMARY KEY (`c`,`id`)"),
            other("  UNIQUE KEY `u` (`c`),\n  KEY `k` (`c`,`id`),\n", ""),
        ] {
            assert_eq!(defer(section.as_bytes()), None, "{section}");
        }
        assert!(!shape(other("  PRIMARY KEY (`id`),\n", "").as_bytes()).spread);
    }
}
