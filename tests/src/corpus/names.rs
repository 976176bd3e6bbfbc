//! Traps in names, and in how much a row, a table or a name may hold.

use super::Found::{Blocks, Note};
use super::Then::{Equal, Refused};
use super::Way::{Exclude, Mend};
use super::{Look, Remedy, Trap};

pub(super) const TRAPS: &[Trap] = &[
    Trap::new(
        "reserved-and-odd-names",
        "names that are words of the language, hold spaces, quotes, backquotes, dots, slashes and letters of other alphabets",
        "CREATE TABLE \"order\" (\"select\" INTEGER PRIMARY KEY, \"group by\" TEXT, \"a`b\" TEXT, \"Größe\" TEXT, \"per%cent\" TEXT);
         CREATE TABLE \"a.b/c\" (id INTEGER PRIMARY KEY, \"1\" TEXT, \"it's\" TEXT, \"back\\slash\" TEXT); CREATE TABLE \"2024\" (\"\"\"\" INTEGER PRIMARY KEY, 表 TEXT);
         INSERT INTO \"order\" VALUES (1, 'a', 'b', 'c', 'd'); INSERT INTO \"a.b/c\" VALUES (1, 'a', 'b', 'c'); INSERT INTO \"2024\" VALUES (1, 'x')",
    )
    .finds(&[Note("MIG-NAME-RESERVED", "order", 2)])
    .then(Equal(&[Look("SELECT `group by`, `a``b` FROM `order`", "a\tb")])),
    Trap::new(
        "name-too-long",
        "a table and a column whose names have 65 characters; MariaDB's have 64",
        "CREATE TABLE t2345678901234567890123456789012345678901234567890123456789012345 (id INTEGER PRIMARY KEY);
         CREATE TABLE t (id INTEGER PRIMARY KEY, c2345678901234567890123456789012345678901234567890123456789012345 TEXT)",
    )
    .finds(&[
        Blocks("MIG-NAME", "t.c2345678901234567890123456789012345678901234567890123456789012345", 1),
        Blocks("MIG-NAME", "t2345678901234567890123456789012345678901234567890123456789012345", 1),
    ])
    .then(Refused),
    Trap::new(
        "name-with-emoji",
        "a name with a character of four bytes, and one that ends in a space",
        "CREATE TABLE \"t🚀\" (id INTEGER PRIMARY KEY); CREATE TABLE t (id INTEGER PRIMARY KEY, \"c \" TEXT)",
    )
    .finds(&[Blocks("MIG-NAME", "t.c ", 1), Blocks("MIG-NAME", "t🚀", 1)])
    .then(Refused)
    .or(&[Remedy(Mend("ALTER TABLE \"t🚀\" RENAME TO rocket; ALTER TABLE t RENAME COLUMN \"c \" TO c"), Equal(&[]))]),
    Trap::new(
        "names-of-many-bytes",
        "a name of 60 letters that MariaDB writes into a file's name with five bytes each",
        "CREATE TABLE 表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表 (id INTEGER PRIMARY KEY)",
    )
    .finds(&[Blocks("MIG-NAME", "表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表表", 1)])
    .then(Refused),
    Trap::new(
        "columns-differing-in-case",
        "two columns whose names differ only in the case of an umlaut: two to SQLite, one to MariaDB",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, \"ä\" TEXT, \"Ä\" TEXT); INSERT INTO t VALUES (1, 'a', 'b')",
    )
    .finds(&[Blocks("MIG-NAME", "t.Ä", 1)])
    .then(Refused)
    .or(&[Remedy(Mend("ALTER TABLE t RENAME COLUMN \"Ä\" TO ae"), Equal(&[]))]),
    Trap::new(
        "tables-differing-in-case",
        "two tables whose names differ only in the case of an umlaut",
        "CREATE TABLE \"ä\" (id INTEGER PRIMARY KEY); CREATE TABLE \"Ä\" (id INTEGER PRIMARY KEY); INSERT INTO \"ä\" VALUES (1); INSERT INTO \"Ä\" VALUES (2)",
    ),
    Trap::new(
        "names-of-golive",
        "a table whose name begins as those that golive keeps its journal in",
        "CREATE TABLE _golive_migrate_notes (id INTEGER PRIMARY KEY); CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)",
    )
    .finds(&[Blocks("MIG-NAME", "_golive_migrate_notes", 1)])
    .then(Refused)
    .or(&[Remedy(Exclude("_golive_migrate_notes"), Equal(&[]))]),
    Trap::new(
        "row-beyond-64k",
        "VARCHAR columns that together are longer than MariaDB's row of 65,535 bytes",
        "CREATE TABLE wide (id INTEGER PRIMARY KEY, a VARCHAR(4000), b VARCHAR(4000), c VARCHAR(4000), d VARCHAR(4000), e VARCHAR(4000), f VARCHAR(100));
         INSERT INTO wide VALUES (1, 'a', 'b', 'c', 'd', 'e', 'f')",
    )
    .finds(&[Note("MIG-ROW-SIZE", "wide.e", 1)]),
    Trap::new(
        "hundreds-of-texts",
        "450 TEXT columns, all filled: more than InnoDB can point to from one page of 16 KiB",
        include_str!("hundreds_of_texts.sql"),
    )
    .finds(&[Blocks("MIG-ROW-SIZE", "wide", 1)])
    .then(Refused),
    Trap::new(
        "dozens-of-short-texts",
        "40 VARCHAR(63) columns, which InnoDB keeps in the page as no longer ones: together more than it takes",
        include_str!("dozens_of_short_texts.sql"),
    )
    .finds(&[Note("MIG-ROW-SIZE", "wide.c39, c38, c37, c36, c35, c34, c33, c32, c31", 1)]),
    Trap::new(
        "decades-of-indexes",
        "70 indexes on one table; InnoDB has 64",
        include_str!("decades_of_indexes.sql"),
    )
    .finds(&[Blocks("MIG-INDEX-COUNT", "busy", 1)])
    .then(Refused)
    .or(&[Remedy(Mend("DROP INDEX i0; DROP INDEX i1; DROP INDEX i2; DROP INDEX i3; DROP INDEX i4; DROP INDEX i5; DROP INDEX i6"), Equal(&[]))]),
];
