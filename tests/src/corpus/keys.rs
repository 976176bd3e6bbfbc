//! Traps in primary keys, unique keys, foreign keys and indexes.

use super::Found::{Blocks, Changes, Note};
use super::Then::{Altered, Equal, Missing, Refused};
use super::Way::{Accept, Collation, Mend, Policy, Type};
use super::{ASIDE, Look, Remedy, Trap};

pub(super) const TRAPS: &[Trap] = &[
    Trap::new(
        "unique-under-a-collation",
        "values that are unique to SQLite and equal to MariaDB's usual collations: case, accents, spaces, emoji",
        "CREATE TABLE person (id INTEGER PRIMARY KEY, nick VARCHAR(20) NOT NULL UNIQUE);
         INSERT INTO person VALUES (1, 'abc'), (2, 'ABC'), (3, 'abc '), (4, 'resume'), (5, 'résumé'), (6, '😀'), (7, '😁'), (8, 'straße'), (9, 'strasse')",
    )
    .then(Equal(&[Look("SELECT COUNT(*) FROM person WHERE nick = 'abc'", "1")]))
    .or(&[Remedy(Collation("utf8mb4_unicode_ci"), Refused)]),
    Trap::new(
        "unique-long-text",
        "a unique TEXT whose values differ only after 900 characters, more than an index takes",
        "CREATE TABLE page (id INTEGER PRIMARY KEY, url TEXT NOT NULL UNIQUE);
         INSERT INTO page VALUES (1, printf('%.900c', 'x') || 'a'), (2, printf('%.900c', 'x') || 'b')",
    )
    .then(Equal(&[Look("SELECT NON_UNIQUE FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND COLUMN_NAME = 'url'", "0")])),
    Trap::new(
        "index-beyond-3072-bytes",
        "an index over a TEXT of 900 characters: MariaDB indexes at most 3072 bytes",
        "CREATE TABLE page (id INTEGER PRIMARY KEY, url TEXT, kind VARCHAR(800)); CREATE INDEX page_url ON page (url); CREATE INDEX page_kind ON page (kind);
         INSERT INTO page VALUES (1, printf('%.900c', 'x'), 'a')",
    )
    .finds(&[Note("MIG-INDEX-PREFIX", "page.page_url", 1), Note("MIG-INDEX-PREFIX", "page.page_kind", 1)]),
    Trap::new(
        "primary-key-beyond-3072-bytes",
        "a TEXT of 900 characters as primary key",
        "CREATE TABLE page (url TEXT PRIMARY KEY NOT NULL); INSERT INTO page VALUES (printf('%.900c', 'x')), ('b')",
    )
    .finds(&[Blocks("MIG-KEY-LENGTH", "page.url", 1)])
    .then(Refused)
    .or(&[Remedy(Mend("UPDATE page SET url = substr(url, 1, 700)"), Equal(&[]))]),
    Trap::new(
        "key-declared-beyond-3072-bytes",
        "VARCHAR(8000) as primary key and as reference, over values of five characters: InnoDB's keys end at 768",
        "CREATE TABLE customer (id VARCHAR(8000) PRIMARY KEY NOT NULL, name VARCHAR(8000));
         CREATE TABLE \"Order Details\" (id INTEGER PRIMARY KEY, customer VARCHAR(8000) NOT NULL REFERENCES customer);
         INSERT INTO customer VALUES ('ALFKI', printf('%.7000c', 'x')), ('ANATR', NULL); INSERT INTO \"Order Details\" VALUES (1, 'ALFKI'), (2, 'ANATR')",
    )
    .finds(&[Note("MIG-KEY-NARROWED", "customer.id", 1), Note("MIG-KEY-NARROWED", "Order Details.customer", 1)])
    .then(Equal(&[Look(FOREIGN_KEYS, "1")]))
    .or(&[Remedy(Type("customer.id", "VARCHAR(5)"), Equal(&[Look(FOREIGN_KEYS, "1")]))]),
    Trap::new(
        "text-primary-key",
        "a TEXT as primary key, which MariaDB refuses without a length",
        "CREATE TABLE setting (name TEXT PRIMARY KEY NOT NULL, v TEXT); INSERT INTO setting VALUES ('a', 1), ('A', 2), ('a ', 3), ('', 4)",
    ),
    Trap::new(
        "null-in-primary-key",
        "NULL in a TEXT primary key, which SQLite allows",
        "CREATE TABLE setting (name TEXT PRIMARY KEY, v TEXT); INSERT INTO setting VALUES ('a', 'x'), (NULL, 'y')",
    )
    .finds(&[Blocks("MIG-KEY-NULL", "setting.name", 1)])
    .then(Refused)
    .or(&[Remedy(Policy("MIG-KEY-NULL:setting.name", "quarantine"), Missing(1, &[])),
        Remedy(Accept("MIG-KEY-NULL:setting.name"), Equal(&[Look("SELECT GROUP_CONCAT(INDEX_NAME, NON_UNIQUE) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'setting'", "pk_setting0")])),
        Remedy(Mend("UPDATE setting SET name = 'b' WHERE name IS NULL"), Equal(&[]))]),
    Trap::new(
        "no-primary-key",
        "a table without a key, with the same row twice",
        "CREATE TABLE log (at TEXT, line TEXT); INSERT INTO log VALUES ('x', 'y'), ('x', 'y'), (NULL, NULL)",
    )
    .finds(&[Note("MIG-KEY-NONE", "log", 1)]),
    Trap::new(
        "nothing-to-continue-by",
        "a table without a key whose columns take all three names of the row number",
        "CREATE TABLE log (rowid TEXT, _rowid_ TEXT, oid TEXT); INSERT INTO log VALUES ('x', 'y', 'z')",
    )
    .finds(&[Blocks("MIG-KEY-NONE", "log", 1)])
    .then(Refused),
    Trap::new(
        "zero-and-negative-ids",
        "ids of 0 and below: MariaDB turns 0 into the next number",
        "CREATE TABLE item (id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT); INSERT INTO item VALUES (0, 'zero'), (-5, 'below'), (7, 'above')",
    )
    .finds(&[Note("MIG-SEQUENCE", "item", 1)])
    .then(Equal(&[Look("INSERT INTO item (v) VALUES ('new'); SELECT MAX(id) FROM item; DELETE FROM item WHERE v = 'new'", "8")])),
    Trap::new(
        "sequence-beyond-highest-id",
        "a number given and deleted: AUTOINCREMENT never gives it again",
        "CREATE TABLE item (id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT); INSERT INTO item VALUES (1000, 'x'), (1, 'y'); DELETE FROM item WHERE id = 1000",
    )
    .finds(&[Note("MIG-SEQUENCE", "item", 1)])
    .then(Equal(&[Look("INSERT INTO item (v) VALUES ('new'); SELECT MAX(id) FROM item; DELETE FROM item WHERE v = 'new'", "1001")])),
    Trap::new(
        "the-last-id",
        "an INTEGER PRIMARY KEY of 2^63 - 1, after which there is no number",
        "CREATE TABLE item (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO item VALUES (9223372036854775807, 'last'), (1, 'first')",
    ),
    Trap::new(
        "orphans",
        "references whose parent is missing: SQLite checks them only when told to",
        "CREATE TABLE ord (id INTEGER PRIMARY KEY); CREATE TABLE line (id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL REFERENCES ord(id));
         INSERT INTO ord VALUES (1); INSERT INTO line VALUES (1, 1), (2, 99), (3, 98)",
    )
    .finds(&[Blocks("MIG-FK-ORPHAN", "line.order_id", 2)])
    .then(Refused)
    .or(&[Remedy(Policy("MIG-FK-ORPHAN:line.order_id", "quarantine"), Missing(2, &[Look(FOREIGN_KEYS, "1")])), Remedy(Policy("MIG-FK-ORPHAN", "accept"), Equal(&[Look(FOREIGN_KEYS, "0")])), 
        Remedy(Mend("DELETE FROM line WHERE order_id NOT IN (SELECT id FROM ord)"), Equal(&[Look(FOREIGN_KEYS, "1")])),
        Remedy(Accept("MIG-FK-ORPHAN:line.order_id"), Equal(&[Look(FOREIGN_KEYS, "0")])),
        Remedy(Accept("MIG-FK-ORPHAN"), Equal(&[Look(FOREIGN_KEYS, "0")])),
    ]),
    Trap::new(
        "circles-and-self-references",
        "tables that refer to each other and rows that refer to themselves: no order of inserts satisfies them",
        "CREATE TABLE hen (id INTEGER PRIMARY KEY, egg INTEGER NOT NULL REFERENCES egg(id)); CREATE TABLE egg (id INTEGER PRIMARY KEY, hen INTEGER NOT NULL REFERENCES hen(id));
         CREATE TABLE tree (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES tree(id));
         INSERT INTO hen VALUES (1, 1); INSERT INTO egg VALUES (1, 1); INSERT INTO tree VALUES (1, 2), (2, 1), (3, 3)",
    )
    .finds(&[Note("MIG-FK-CYCLE", "egg", 1)])
    .then(Equal(&[Look(FOREIGN_KEYS, "3")])),
    Trap::new(
        "key-and-reference-of-two-types",
        "a text that refers to a number: equal to SQLite, no reference to MariaDB",
        "CREATE TABLE ord (id INTEGER PRIMARY KEY); CREATE TABLE line (id INTEGER PRIMARY KEY, order_id VARCHAR(9) REFERENCES ord(id));
         INSERT INTO ord VALUES (1), (2); INSERT INTO line VALUES (1, '1'), (2, '2')",
    )
    .finds(&[Blocks("MIG-FK-TYPE", "line.order_id", 1)])
    .then(Refused)
    .or(&[Remedy(Accept("MIG-FK-TYPE:line.order_id"), Equal(&[Look(FOREIGN_KEYS, "0")]))]),
    Trap::new(
        "reference-without-regard-to-case",
        "references that only hold because the parent's key is compared without regard to case",
        "CREATE TABLE country (code TEXT PRIMARY KEY COLLATE NOCASE NOT NULL); CREATE TABLE city (id INTEGER PRIMARY KEY, code TEXT REFERENCES country(code));
         INSERT INTO country VALUES ('DE'); INSERT INTO city VALUES (1, 'DE'), (2, 'de')",
    )
    .finds(&[Blocks("MIG-FK-ORPHAN", "city.code", 1), Changes("MIG-COLLATION", "country", 1)])
    .then(Refused)
    .or(&[
        Remedy(Mend("UPDATE city SET code = upper(code)"), Equal(&[Look(FOREIGN_KEYS, "1")])),
        Remedy(Collation("utf8mb4_unicode_ci"), Equal(&[Look(FOREIGN_KEYS, "1")])),
        Remedy(Policy("MIG-FK-ORPHAN:city.code", "quarantine"), Missing(1, &[Look(FOREIGN_KEYS, "1"), Look(ASIDE, "city\tid=2\tMIG-FK-ORPHAN")])),
        Remedy(Accept("MIG-FK-ORPHAN:city.code"), Equal(&[Look(FOREIGN_KEYS, "0")])),
    ]),
    Trap::new(
        "reference-in-an-order-of-the-application",
        "references to a key whose collation only the application has: SQLite by itself finds no row of it",
        "CREATE TABLE word (w TEXT PRIMARY KEY COLLATE unicase NOT NULL) WITHOUT ROWID; CREATE TABLE line (id INTEGER PRIMARY KEY, w TEXT REFERENCES word(w));
         INSERT INTO word VALUES ('a'), ('B'), ('c'), ('D'), ('e'), ('F'); INSERT INTO line VALUES (1, 'a'), (2, 'F'), (3, 'c'), (4, NULL), (5, 'b')",
    )
    .finds(&[Blocks("MIG-FK-ORPHAN", "line.w", 1), Changes("MIG-COLLATION", "word", 1), Note("MIG-WITHOUT-ROWID", "word", 1)])
    .then(Refused)
    .or(&[Remedy(Policy("MIG-FK-ORPHAN:line.w", "quarantine"), Missing(1, &[Look(FOREIGN_KEYS, "1"), Look(ASIDE, "line\tid=5\tMIG-FK-ORPHAN")]))]),
    Trap::new(
        "reference-to-nothing",
        "references to a table that is not there and to a column that is no key",
        "CREATE TABLE ord (id INTEGER PRIMARY KEY, number INTEGER); CREATE TABLE line (id INTEGER PRIMARY KEY, a INTEGER REFERENCES gone(id), b INTEGER REFERENCES ord(number));
         INSERT INTO ord VALUES (1, 10); INSERT INTO line VALUES (1, 5, 10)",
    )
    .finds(&[Changes("MIG-FK-PARENT", "line.a", 1), Changes("MIG-FK-PARENT", "line.b", 1)])
    .then(Equal(&[Look(FOREIGN_KEYS, "0")])),
    Trap::new(
        "reference-actions",
        "ON DELETE SET DEFAULT, which MariaDB silently keeps as RESTRICT, and SET NULL on a column that refuses it",
        "CREATE TABLE ord (id INTEGER PRIMARY KEY); CREATE TABLE line (id INTEGER PRIMARY KEY, a INTEGER DEFAULT 1 REFERENCES ord(id) ON DELETE SET DEFAULT, b INTEGER NOT NULL REFERENCES ord(id) ON DELETE SET NULL, c INTEGER REFERENCES ord ON DELETE CASCADE ON UPDATE CASCADE);
         INSERT INTO ord VALUES (1); INSERT INTO line VALUES (1, 1, 1, 1)",
    )
    .finds(&[Changes("MIG-FK-ACTION", "line.a", 1), Changes("MIG-FK-ACTION", "line.b", 1)])
    .then(Equal(&[Look(
        "SELECT SUM(DELETE_RULE = 'CASCADE'), SUM(DELETE_RULE IN ('SET NULL', 'SET DEFAULT')) FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = DATABASE()",
        "1\t0",
    )])),
    Trap::new(
        "reference-to-a-composite-key",
        "references of two columns, in another order than the key's, partly NULL, under another spelling",
        "CREATE TABLE seat (hall TEXT NOT NULL, no INTEGER NOT NULL, PRIMARY KEY (hall, no)); CREATE TABLE ticket (id INTEGER PRIMARY KEY, no INTEGER, hall TEXT, FOREIGN KEY (NO, Hall) REFERENCES SEAT(no, HALL));
         INSERT INTO seat VALUES ('a', 1), ('a', 2); INSERT INTO ticket VALUES (1, 1, 'a'), (2, NULL, 'gone'), (3, 2, 'a')",
    )
    .then(Equal(&[Look(FOREIGN_KEYS, "1")])),
    Trap::new(
        "partial-unique-index",
        "a unique index with a condition: one live row a name",
        "CREATE TABLE person (id INTEGER PRIMARY KEY, nick VARCHAR(20), gone INTEGER NOT NULL); CREATE UNIQUE INDEX one_live ON person (nick) WHERE gone = 0;
         INSERT INTO person VALUES (1, 'a', 1), (2, 'a', 1), (3, 'a', 0)",
    )
    .finds(&[Note("MIG-INDEX-PARTIAL", "person.one_live", 1)])
    .then(Equal(&[Look("INSERT IGNORE INTO person VALUES (4, 'a', 0), (5, 'a', 1), (6, 'b', 0); SELECT GROUP_CONCAT(id ORDER BY id) FROM person; DELETE FROM person WHERE id > 3", "1,2,3,5,6")])),
    Trap::new(
        "partial-index-over-what-is-there",
        "a unique index over what is not NULL, and a plain index with a condition: neither needs one in MariaDB",
        "CREATE TABLE person (id INTEGER PRIMARY KEY, mail TEXT, gone INTEGER); CREATE UNIQUE INDEX one_mail ON person (mail) WHERE mail IS NOT NULL; CREATE INDEX living ON person (gone) WHERE gone = 0;
         INSERT INTO person VALUES (1, 'a', 1), (2, NULL, 1), (3, NULL, 0)",
    )
    .then(Equal(&[Look("SELECT NON_UNIQUE FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND INDEX_NAME = 'one_mail'", "0")])),
    Trap::new(
        "expression-index",
        "a unique index over lower(mail) and a plain one",
        "CREATE TABLE person (id INTEGER PRIMARY KEY, mail VARCHAR(50)); CREATE UNIQUE INDEX one_mail ON person (lower(mail)); CREATE INDEX by_length ON person (length(mail));
         INSERT INTO person VALUES (1, 'a@b'), (2, 'C@d')",
    )
    .finds(&[Note("MIG-INDEX-EXPRESSION", "person.by_length", 1), Changes("MIG-INDEX-EXPRESSION", "person.one_mail", 1)]),
    Trap::new(
        "number-and-text-in-a-unique-column",
        "5 and '5' in a unique column without a type: two values to SQLite, one as text",
        "CREATE TABLE k (id INTEGER PRIMARY KEY, v UNIQUE); INSERT INTO k VALUES (1, 5), (2, '5'), (3, 'a')",
    )
    .finds(&[Blocks("MIG-UNIQUE-COLLISION", "k.uq_v", 1), Changes("MIG-TEXT-NUMBER", "k.v", 1)])
    .then(Refused)
    .or(&[Remedy(Mend("DELETE FROM k WHERE id = 1"), Equal(&[]))]),
    Trap::new(
        "descending-and-doubled-indexes",
        "descending indexes, two indexes over the same columns, an index named as one of another table's keys",
        "CREATE TABLE a (id INTEGER PRIMARY KEY, x INTEGER UNIQUE, y INTEGER); CREATE INDEX a_down ON a (x DESC, y); CREATE INDEX a_same ON a (x DESC, y); CREATE INDEX uq_x ON a (y);
         INSERT INTO a VALUES (1, 1, 1), (2, 2, 1)",
    ),
    Trap::new(
        "long-reference",
        "a reference over texts of 800 characters, more than an index takes",
        "CREATE TABLE page (url VARCHAR(800) UNIQUE); CREATE TABLE visit (id INTEGER PRIMARY KEY, url VARCHAR(800) REFERENCES page(url));
         INSERT INTO page VALUES (printf('%.800c', 'a')); INSERT INTO visit VALUES (1, printf('%.800c', 'a'))",
    )
    .finds(&[Blocks("MIG-FK-LENGTH", "visit.url", 1), Note("MIG-KEY-NONE", "page", 1)])
    .then(Refused)
    .or(&[Remedy(Accept("MIG-FK-LENGTH:visit.url"), Equal(&[Look(FOREIGN_KEYS, "0")]))]),
    Trap::new(
        "long-reference-over-short-texts",
        "a reference over columns of 800 characters whose values are short",
        "CREATE TABLE page (url VARCHAR(800) UNIQUE); CREATE TABLE visit (id INTEGER PRIMARY KEY, url VARCHAR(800) REFERENCES page(url));
         INSERT INTO page VALUES ('a'); INSERT INTO visit VALUES (1, 'a')",
    )
    .finds(&[Note("MIG-KEY-NARROWED", "page.url", 1), Note("MIG-KEY-NARROWED", "visit.url", 1), Note("MIG-KEY-NONE", "page", 1)])
    .then(Equal(&[Look(FOREIGN_KEYS, "1")])),
    Trap::new(
        "text-reference",
        "references over TEXT columns without a length",
        "CREATE TABLE page (url TEXT PRIMARY KEY NOT NULL, short TEXT UNIQUE); CREATE TABLE visit (id INTEGER PRIMARY KEY, url TEXT REFERENCES page, short TEXT REFERENCES page(short));
         INSERT INTO page VALUES ('a', 'x'), ('A', 'X'); INSERT INTO visit VALUES (1, 'a', 'X'), (2, 'A', NULL)",
    )
    .then(Equal(&[Look(FOREIGN_KEYS, "2")])),
    Trap::new(
        "keys-of-two-classes",
        "numbers and texts in a primary key without a type: SQLite sorts all numbers before all texts",
        "CREATE TABLE k (v PRIMARY KEY NOT NULL, n INTEGER); INSERT INTO k VALUES (10, 1), (9, 2), ('a', 3), ('1b', 4), (2.5, 5), ('', 6)",
    )
    .finds(&[Changes("MIG-TEXT-NUMBER", "k.v", 2), Changes("MIG-TEXT-NUMBER", "k.v", 1)])
    .then(Altered(3, &[Look("SELECT GROUP_CONCAT(v ORDER BY n) FROM k", "10,9,a,1b,2.5,")])),
    Trap::new(
        "keys-without-regard-to-case",
        "a primary key that SQLite sorts and finds without regard to case",
        "CREATE TABLE k (v TEXT COLLATE NOCASE PRIMARY KEY NOT NULL); INSERT INTO k VALUES ('b'), ('A'), ('c'), ('B2'), ('_'), ('a2')",
    )
    .finds(&[Changes("MIG-COLLATION", "k", 1)]),
    Trap::new(
        "keys-of-decimal-texts",
        "decimals kept as texts in a primary key: '10' comes before '9'",
        "CREATE TABLE k (v decimal_text PRIMARY KEY NOT NULL, n INTEGER); INSERT INTO k VALUES ('10', 1), ('9', 2), ('-1', 3), ('100.5', 4), ('0.25', 5)",
    )
    .then(Equal(&[Look("SELECT GROUP_CONCAT(n ORDER BY v) FROM k", "3,5,2,1,4")])),
    Trap::new(
        "keys-of-bytes-and-reals",
        "blobs with zeros at their end, and doubles, as primary keys",
        "CREATE TABLE b (k BLOB PRIMARY KEY NOT NULL); INSERT INTO b VALUES (x''), (x'00'), (x'0000'), (x'ff'), (x'20'), (x'2000');
         CREATE TABLE r (k REAL PRIMARY KEY NOT NULL); INSERT INTO r VALUES (0.1), (-1e308), (1e-300), (0), (1.7976931348623157e308), (-0.1)",
    ),
    Trap::new(
        "index-over-a-generated-column",
        "a unique index over a generated column",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, twice INTEGER AS (a * 2) STORED); CREATE UNIQUE INDEX t_twice ON t (twice); INSERT INTO t (id, a) VALUES (1, 5), (2, 6), (3, NULL)",
    ),
];

const FOREIGN_KEYS: &str =
    "SELECT COUNT(*) FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = DATABASE()";
