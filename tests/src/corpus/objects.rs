//! Traps in what a schema holds beside plain tables: views, triggers, virtual tables, constraints, defaults, modes.

use super::Found::{Blocks, Changes, Note};
use super::Then::{Equal, Missing, Refused};
use super::Way::{Exclude, Mend, Policy};
use super::{Look, Remedy, Trap};

pub(super) const TRAPS: &[Trap] = &[
    Trap::new(
        "view",
        "a view whose every word means the same in MariaDB",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO t VALUES (1, 5), (2, 6); CREATE VIEW big AS SELECT id, n FROM t WHERE n > 5",
    )
    .then(Equal(&[Look("SELECT id, n FROM big", "2\t6")])),
    Trap::new(
        "view-of-its-own-words",
        "a view that uses what only SQLite has",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO t VALUES (1, 5), (2, 6); CREATE VIEW big AS SELECT id, printf('%05d', n) AS n FROM t WHERE n GLOB '[56]'",
    )
    .finds(&[Changes("MIG-VIEW", "big", 1)])
    .or(&[Remedy(Policy("MIG-VIEW", "stop"), Refused)]),
    Trap::new(
        "view-that-joins-texts",
        "a view that joins names by `||`, which is OR to MariaDB, and chooses by IIF",
        "CREATE TABLE staff (id INTEGER PRIMARY KEY, first VARCHAR(45) NOT NULL, last VARCHAR(45), active TINYINT);
         INSERT INTO staff VALUES (1, 'Mike', 'Hillyer', 1), (2, 'Jon', NULL, 0), (3, '0', '1', NULL);
         CREATE VIEW \"staff list\" AS SELECT s.id AS ID, s.first || ' ' || s.last || '#' || s.id AS \"the name\", iif(s.active, 'active', '') AS notes FROM staff AS s",
    )
    .then(Equal(&[Look("SELECT `the name`, notes FROM `staff list` ORDER BY ID", "Mike Hillyer#1\tactive\nNULL\t\n0 1#3\t")])),
    Trap::new(
        "view-that-joins-numbers",
        "a view that joins a price to a text: MariaDB writes the zeros of its scale, SQLite the number",
        "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price DECIMAL(9,2)); INSERT INTO item VALUES (1, 'a', 1.5);
         CREATE VIEW tag AS SELECT id, name || ' ' || price AS said FROM item",
    )
    .finds(&[Changes("MIG-VIEW", "tag", 1)]),
    Trap::new(
        "view-over-a-view-that-is-not-carried",
        "a view whose words are MariaDB's too, over one that is not carried",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO t VALUES (1, 5); CREATE VIEW low AS SELECT id, printf('%05d', n) AS n FROM t; CREATE VIEW high AS SELECT id FROM low",
    )
    .finds(&[Changes("MIG-VIEW", "high", 1), Changes("MIG-VIEW", "low", 1)]),
    Trap::new(
        "trigger",
        "a trigger",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); CREATE TRIGGER t_up AFTER INSERT ON t BEGIN UPDATE t SET n = n + 1 WHERE id = new.id; END; INSERT INTO t VALUES (1, 5)",
    )
    .finds(&[Changes("MIG-TRIGGER", "t", 1)])
    .or(&[Remedy(Policy("MIG-TRIGGER", "stop"), Refused)]),
    Trap::new(
        "full-text-search",
        "an FTS5 table with its five inner tables",
        "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1); CREATE VIRTUAL TABLE words USING fts5(body); INSERT INTO words VALUES ('hello')",
    )
    .finds(&[Changes("MIG-VIRTUAL", "words", 1)]),
    Trap::new(
        "r-tree",
        "an R-tree with its inner tables",
        "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1); CREATE VIRTUAL TABLE boxes USING rtree(id, a, b); INSERT INTO boxes VALUES (1, 0, 1)",
    )
    .finds(&[Changes("MIG-VIRTUAL", "boxes", 1)]),
    Trap::new(
        "without-rowid",
        "a WITHOUT ROWID table with a key of two columns",
        "CREATE TABLE pair (a TEXT, b INTEGER, v REAL, PRIMARY KEY (b, a)) WITHOUT ROWID; INSERT INTO pair VALUES ('x', 2, 0.1), ('x', 1, NULL)",
    )
    .finds(&[Note("MIG-WITHOUT-ROWID", "pair", 1)]),
    Trap::new(
        "strict",
        "a STRICT table, which refuses what does not fit",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INT, r REAL, s TEXT, b BLOB, a ANY) STRICT; INSERT INTO t VALUES (1, 5, 0.1, 'x', x'00', 7)",
    )
    .finds(&[Note("MIG-STRICT", "t", 1)]),
    Trap::new(
        "generated-columns",
        "generated columns, of which one is computed by a function that MariaDB does not know",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, twice INTEGER AS (a * 2) VIRTUAL, kind TEXT AS (typeof(a)) STORED, size INTEGER AS (length(b)), b TEXT);
         INSERT INTO t (id, a, b) VALUES (1, 5, 'äö'), (2, NULL, NULL)",
    )
    .finds(&[Changes("MIG-GENERATED", "t.kind", 1)])
    .then(Equal(&[Look("INSERT INTO t (id, a, b) VALUES (3, 4, 'xyz'); SELECT twice, size FROM t WHERE id = 3; DELETE FROM t WHERE id = 3", "8\t3")])),
    Trap::new(
        "checks",
        "CHECK constraints, of which two have no equal in MariaDB",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER CHECK (n > 0), kind TEXT CHECK (kind IN ('a', 'b')), CHECK (typeof(n) = 'integer'), CHECK (kind GLOB '[ab]'));
         INSERT INTO t VALUES (1, 5, 'a')",
    )
    .finds(&[Changes("MIG-CHECK", "t", 1), Changes("MIG-CHECK", "t", 1)])
    .then(Equal(&[Look("INSERT IGNORE INTO t VALUES (2, -1, 'a'), (3, 1, 'c'); SELECT COUNT(*) FROM t", "1")])),
    Trap::new(
        "check-broken",
        "a row that breaks a CHECK, written with checks ignored",
        "PRAGMA ignore_check_constraints = ON; CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER CHECK (n > 0)); INSERT INTO t VALUES (1, 5), (2, -1)",
    )
    .finds(&[Blocks("MIG-CHECK-BROKEN", "t", 1)])
    .then(Refused)
    .or(&[Remedy(Policy("MIG-CHECK-BROKEN:t", "quarantine"), Missing(1, &[])), Remedy(Policy("MIG-CHECK-BROKEN", "accept"), Equal(&[Look("INSERT INTO t VALUES (3, -7); SELECT COUNT(*) FROM t; DELETE FROM t WHERE id = 3", "3")])), Remedy(Mend("UPDATE t SET n = 1 WHERE id = 2"), Equal(&[]))]),
    Trap::new(
        "check-of-two-meanings",
        "a CHECK that compares a number with a text: SQLite tells them apart, MariaDB does not",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER CHECK (n <> '')); INSERT INTO t VALUES (1, 5), (2, 0)",
    )
    .finds(&[Changes("MIG-CHECK", "t", 1)]),
    Trap::new(
        "check-on-the-number-of-the-row",
        "a CHECK over the column that numbers rows, which MariaDB refuses",
        "CREATE TABLE t (id INTEGER PRIMARY KEY CHECK (id > 0), n INTEGER); INSERT INTO t VALUES (1, 5)",
    )
    .finds(&[Changes("MIG-CHECK", "t", 1)]),
    Trap::new(
        "defaults-of-every-type",
        "constant defaults of documents, decimals, dates and moments",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a JSON NOT NULL DEFAULT '{}', b DECIMAL(10,2) DEFAULT 0.10, c DATE DEFAULT CURRENT_DATE, d DATETIME DEFAULT '2024-01-01T00:00:00Z', e TEXT DEFAULT '', f BIGINT DEFAULT 0x10, g VARCHAR(5) DEFAULT NULL);
         INSERT INTO t (id) VALUES (1)",
    )
    .finds(&[Changes("MIG-DEFAULT", "t.f", 1)])
    .then(Equal(&[Look("INSERT INTO t (id) VALUES (2); SELECT a, b, c >= '2024-01-01', d, e, f, g FROM t WHERE id = 2; DELETE FROM t WHERE id = 2", "{}\t0.10\t1\t2024-01-01 00:00:00.000000\t\tNULL\tNULL")])),
    Trap::new(
        "check-on-a-datetime",
        "a CHECK that compares a datetime with a text that is none",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, at DATETIME CHECK (at > '2000' AND at < '2100-01-01')); INSERT INTO t VALUES (1, '2024-01-01 00:00:00')",
    )
    .finds(&[Changes("MIG-CHECK", "t", 1)]),
    Trap::new(
        "defaults",
        "defaults: constants, quoted names, now, and expressions of SQLite's own",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT DEFAULT 'it''s', b INTEGER DEFAULT '7', c TEXT DEFAULT \"open\", d DATETIME DEFAULT CURRENT_TIMESTAMP, e BOOLEAN DEFAULT TRUE,
          f BLOB DEFAULT (randomblob(16)), g TEXT DEFAULT (strftime('%Y', 'now')), h REAL DEFAULT -1.5);
         INSERT INTO t (id) VALUES (1)",
    )
    .finds(&[Changes("MIG-DEFAULT", "t.f", 1), Changes("MIG-DEFAULT", "t.g", 1)])
    .then(Equal(&[Look("INSERT INTO t (id) VALUES (2); SELECT a, b, c, d > '2024-01-01', e, f, g, h FROM t WHERE id = 2; DELETE FROM t WHERE id = 2", "it's\t7\topen\t1\t1\tNULL\tNULL\t-1.5")])),
    Trap::new(
        "check-of-a-number-in-quotes",
        "a CHECK that compares a decimal with a number in quotes, as Django writes it",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, total decimal NOT NULL, CONSTRAINT total_not_negative CHECK (\"total\" >= '0')); INSERT INTO t VALUES (1, 1.5), (2, 10)",
    )
    .then(Equal(&[Look("SELECT COUNT(*) FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = DATABASE() AND TABLE_NAME = 't' AND LEVEL = 'Table'", "1")])),
    Trap::new(
        "default-of-a-bare-word",
        "a default that is a word without quotes, which SQLite takes for a text",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, kind VARCHAR(16) DEFAULT Salaried); INSERT INTO t (id) VALUES (1)",
    )
    .then(Equal(&[Look("INSERT INTO t (id) VALUES (2); SELECT kind FROM t WHERE id = 2; DELETE FROM t WHERE id = 2", "Salaried")])),
    Trap::new(
        "without-regard-to-case",
        "columns that compare without regard to case",
        "CREATE TABLE person (id INTEGER PRIMARY KEY, nick TEXT COLLATE NOCASE UNIQUE, town TEXT COLLATE NOCASE); INSERT INTO person VALUES (1, 'Ann', 'Bonn')",
    )
    .finds(&[Changes("MIG-COLLATION", "person", 2), Changes("MIG-COLLATION", "person.sqlite_autoindex_person_1", 1)]),
    Trap::new(
        "without-regard-to-spaces",
        "a column that compares without regard to trailing spaces",
        "CREATE TABLE person (id INTEGER PRIMARY KEY, nick TEXT COLLATE RTRIM); INSERT INTO person VALUES (1, 'Ann'), (2, 'Ann ')",
    )
    .finds(&[Changes("MIG-COLLATION", "person", 1)]),
    Trap::new(
        "collation-of-the-application",
        "columns, an index and a key under a collation that only the application registers, as flash-card programs do",
        "CREATE TABLE deck (id INTEGER PRIMARY KEY, name TEXT NOT NULL COLLATE unicase); CREATE UNIQUE INDEX deck_name ON deck (name); INSERT INTO deck VALUES (1, 'b'), (2, 'Ä'), (3, 'C');
         CREATE TABLE tag (name TEXT NOT NULL PRIMARY KEY COLLATE unicase, n INTEGER) WITHOUT ROWID; INSERT INTO tag VALUES ('b', 1), ('Ä', 2), ('C', 3)",
    )
    .finds(&[
        Changes("MIG-COLLATION", "deck", 1),
        Changes("MIG-COLLATION", "deck.deck_name", 1),
        Changes("MIG-COLLATION", "tag", 1),
        Note("MIG-WITHOUT-ROWID", "tag", 1),
    ]),
    Trap::new(
        "on-conflict-replace",
        "a unique key that replaces the older row instead of refusing the newer",
        "CREATE TABLE setting (id INTEGER PRIMARY KEY, name TEXT UNIQUE ON CONFLICT REPLACE, v TEXT NOT NULL ON CONFLICT IGNORE); INSERT INTO setting VALUES (1, 'a', 'x'), (2, 'a', 'y')",
    )
    .finds(&[Changes("MIG-CONFLICT-CLAUSE", "setting", 2)]),
    Trap::new(
        "deferred-reference",
        "a foreign key that is checked at the end of the transaction; MariaDB checks at once",
        "CREATE TABLE ord (id INTEGER PRIMARY KEY); CREATE TABLE line (id INTEGER PRIMARY KEY, o INTEGER REFERENCES ord(id) DEFERRABLE INITIALLY DEFERRED); INSERT INTO ord VALUES (1); INSERT INTO line VALUES (1, 1)",
    )
    .finds(&[Changes("MIG-FK-DEFERRED", "line", 1)]),
    Trap::new(
        "numbers-of-the-file",
        "the application's own schema version in the file's header",
        "PRAGMA user_version = 42; PRAGMA application_id = 7; CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)",
    )
    .finds(&[Note("MIG-PRAGMA", "database", 2)]),
    Trap::new(
        "empty-tables",
        "tables without rows, one of them with foreign keys",
        "CREATE TABLE a (id INTEGER PRIMARY KEY, v TEXT); CREATE TABLE b (id INTEGER PRIMARY KEY, a INTEGER REFERENCES a(id), at DATETIME, d DECIMAL(10,2))",
    ),
    Trap::new(
        "table-left-behind",
        "a table that the operator leaves behind although others refer to it",
        "CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (id INTEGER PRIMARY KEY, a INTEGER REFERENCES a(id)); INSERT INTO a VALUES (1); INSERT INTO b VALUES (1, 1)",
    )
    .or(&[Remedy(Exclude("a"), Equal(&[]))]),
    Trap::new(
        "live-writer",
        "a source in WAL mode with a writer in the middle of a transaction",
        "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO t VALUES (1, 5), (2, 6)",
    )
    .beside("BEGIN IMMEDIATE; UPDATE t SET n = 99; INSERT INTO t VALUES (3, 7)")
    .finds(&[Note("MIG-SOURCE-WAL", "database", 1), Note("MIG-SOURCE-WRITER", "database", 1)])
    .then(Equal(&[Look("SELECT n FROM t ORDER BY id", "5\n6")])),
];
