//! Traps in numbers and truth values.

use super::Found::{Blocks, Changes, Note};
use super::Then::{Altered, Equal, Missing, Refused};
use super::Way::{Mend, Policy, Type};
use super::{ASIDE, Look, Remedy, Trap};

pub(super) const TRAPS: &[Trap] = &[
    Trap::new(
        "text-in-integer",
        "a word in a column declared INTEGER",
        "CREATE TABLE item (id INTEGER PRIMARY KEY, qty INTEGER);
         INSERT INTO item VALUES (1, 5), (2, 'abc'), (3, NULL)",
    )
    .finds(&[Blocks("MIG-TYPE-MIXED", "item.qty", 1)])
    .then(Refused)
    .or(&[Remedy(Policy("MIG-TYPE-MIXED:item.qty", "quarantine"), Missing(1, &[Look(ASIDE, "item\tid=2\tqty")])), Remedy(Policy("MIG-TYPE-MIXED", "convert:null"), Altered(1, &[Look("SELECT qty FROM item WHERE id = 2", "NULL")])), 
        Remedy(Mend("UPDATE item SET qty = 0 WHERE id = 2"), Equal(&[])),
        Remedy(
            Type("item.qty", "LONGTEXT"),
            Altered(1, &[Look("SELECT id, qty FROM item ORDER BY id", "1\t5\n2\tabc\n3\tNULL")]),
        ),
    ]),
    Trap::new(
        "digits-then-letters",
        "`12abc` and the empty text in a column declared INTEGER",
        "CREATE TABLE item (id INTEGER PRIMARY KEY, qty INTEGER NOT NULL);
         INSERT INTO item VALUES (1, 5), (2, '12abc'), (3, '')",
    )
    .finds(&[Blocks("MIG-TYPE-MIXED", "item.qty", 2)])
    .then(Refused)
    .or(&[Remedy(Policy("MIG-TYPE-MIXED:item", "quarantine"), Missing(2, &[])), Remedy(Mend("UPDATE item SET qty = 12 WHERE id = 2; DELETE FROM item WHERE id = 3"), Equal(&[]))]),
    Trap::new(
        "null-into-not-null",
        "a word in an INTEGER column that refuses NULL, to be converted to NULL",
        "CREATE TABLE item (id INTEGER PRIMARY KEY, qty INTEGER NOT NULL); INSERT INTO item VALUES (1, 5), (2, 'abc')",
    )
    .finds(&[Blocks("MIG-TYPE-MIXED", "item.qty", 1)])
    .then(Refused)
    .or(&[Remedy(Policy("MIG-TYPE-MIXED", "convert:null"), Refused)]),
    Trap::new(
        "all-text-in-integer",
        "nothing but words in a column declared INTEGER",
        "CREATE TABLE item (id INTEGER PRIMARY KEY, code INTEGER); INSERT INTO item VALUES (1, 'A-1'), (2, 'B-2')",
    )
    .finds(&[Note("MIG-TYPE-DIFFERS", "item.code", 1)]),
    Trap::new(
        "boolean-words",
        "true and false in eight spellings beside 0 and 1",
        "CREATE TABLE flag (id INTEGER PRIMARY KEY, is_on BOOLEAN NOT NULL);
         INSERT INTO flag VALUES (1, 1), (2, 0), (3, 'true'), (4, 'FALSE'), (5, 't'), (6, 'f'), (7, 'Yes'), (8, 'no'), (9, 'on'), (10, 'off')",
    )
    .finds(&[Changes("MIG-BOOL-WORD", "flag.is_on", 8)])
    .then(Altered(
        8,
        &[Look("SELECT group_concat(is_on ORDER BY id SEPARATOR '') FROM flag", "1010101010")],
    )),
    Trap::new(
        "boolean-neither",
        "`maybe` in a column declared BOOLEAN",
        "CREATE TABLE flag (id INTEGER PRIMARY KEY, is_on BOOLEAN);
         INSERT INTO flag VALUES (1, 1), (2, 'maybe'), (3, 2)",
    )
    .finds(&[Blocks("MIG-BOOL-VALUE", "flag.is_on", 2)])
    .then(Refused)
    .or(&[Remedy(Policy("MIG-BOOL-VALUE:flag.is_on", "quarantine"), Missing(2, &[])), Remedy(Policy("MIG-BOOL-VALUE", "convert:null"), Altered(2, &[Look("SELECT COUNT(is_on) FROM flag", "1")])), Remedy(Mend("UPDATE flag SET is_on = NULL WHERE id > 1"), Equal(&[]))]),
    Trap::new(
        "boolean-numbers",
        "numbers other than 0 and 1 in a column declared BOOLEAN",
        "CREATE TABLE flag (id INTEGER PRIMARY KEY, is_on BOOLEAN); INSERT INTO flag VALUES (1, 1), (2, 2), (3, -1)",
    )
    .finds(&[Note("MIG-TYPE-DIFFERS", "flag.is_on", 1)]),
    Trap::new(
        "integer-beyond-32-bits",
        "numbers beyond 2^31 as keys and values: a narrow column would make them one",
        "CREATE TABLE note (id INTEGER PRIMARY KEY, made TINYINT);
         INSERT INTO note VALUES (1700000000001, 1700000000001), (1700000000002, 2147483648)",
    ),
    Trap::new(
        "integer-extremes",
        "the largest and the smallest 64-bit integer, also as unsigned column",
        "CREATE TABLE n (id INT PRIMARY KEY, v BIGINT UNSIGNED);
         INSERT INTO n VALUES (9223372036854775807, -9223372036854775808), (-9223372036854775808, 9223372036854775807)",
    ),
    Trap::new(
        "fractions-in-integer",
        "1.5 in a column declared INTEGER",
        "CREATE TABLE n (id INTEGER PRIMARY KEY, v INTEGER); INSERT INTO n VALUES (1, 1), (2, 1.5)",
    )
    .finds(&[Note("MIG-TYPE-DIFFERS", "n.v", 1)]),
    Trap::new(
        "fractions-beside-large-integers",
        "1.5 beside an integer that no double holds",
        "CREATE TABLE n (id INTEGER PRIMARY KEY, v INTEGER);
         INSERT INTO n VALUES (1, 9007199254740993), (2, 1.5)",
    )
    .finds(&[Note("MIG-TYPE-DIFFERS", "n.v", 1), Blocks("MIG-REAL-INTEGER", "n.v", 1)])
    .then(Refused)
    .or(&[Remedy(Type("n.v", "DECIMAL(30,10)"), Equal(&[]))]),
    Trap::new(
        "decimal-stored-as-integer",
        "8.00 that SQLite keeps as the integer 8",
        "CREATE TABLE price (id INTEGER PRIMARY KEY, v DECIMAL(10,2)); INSERT INTO price VALUES (1, 8.00), (2, 8.25), (3, -0.01)",
    )
    .then(Equal(&[Look("SELECT v FROM price ORDER BY id", "8.00\n8.25\n-0.01")])),
    Trap::new(
        "decimal-bare",
        "cents in a column declared DECIMAL without precision, which MariaDB reads as whole numbers",
        "CREATE TABLE price (id INTEGER PRIMARY KEY, v DECIMAL, w NUMERIC); INSERT INTO price VALUES (1, 19.99, 0.000001)",
    ),
    Trap::new(
        "decimal-scale",
        "14 digits after the point in NUMERIC(6,2)",
        "CREATE TABLE kpi (id INTEGER PRIMARY KEY, v NUMERIC(6,2)); INSERT INTO kpi VALUES (1, 55.85891812865498), (2, 8)",
    )
    .finds(&[Note("MIG-DECIMAL-SCALE", "kpi.v", 1)])
    .or(&[Remedy(Policy("MIG-DECIMAL-SCALE:kpi.v", "convert:round"), Altered(1, &[Look("SELECT v FROM kpi WHERE id = 1", "55.86")]))]),
    Trap::new(
        "decimal-overflow",
        "more digits before the point than DECIMAL(10,2) has",
        "CREATE TABLE kpi (id INTEGER PRIMARY KEY, v DECIMAL(10,2)); INSERT INTO kpi VALUES (1, 1e20), (2, 123456789012.5)",
    )
    .finds(&[Note("MIG-DECIMAL-SCALE", "kpi.v", 2)]),
    Trap::new(
        "decimal-beyond-all",
        "a number that no DECIMAL holds in a column declared DECIMAL",
        "CREATE TABLE kpi (id INTEGER PRIMARY KEY, v DECIMAL(10,2)); INSERT INTO kpi VALUES (1, 1e300), (2, 0.5)",
    )
    .finds(&[Blocks("MIG-DECIMAL-SCALE", "kpi.v", 1), Blocks("MIG-TYPE-NARROW", "kpi.v", 1)])
    .then(Refused)
    .or(&[Remedy(Type("kpi.v", "DOUBLE"), Equal(&[]))]),
    Trap::new(
        "decimal-word",
        "`n/a` in a column declared DECIMAL",
        "CREATE TABLE kpi (id INTEGER PRIMARY KEY, v DECIMAL(10,2)); INSERT INTO kpi VALUES (1, 'n/a'), (2, 0.5)",
    )
    .finds(&[Blocks("MIG-DECIMAL-VALUE", "kpi.v", 1)])
    .then(Refused)
    .or(&[Remedy(Policy("MIG-DECIMAL-VALUE:kpi.v", "quarantine"), Missing(1, &[])), Remedy(Policy("MIG-DECIMAL-VALUE:kpi.v", "convert:null"), Altered(1, &[Look("SELECT v FROM kpi WHERE id = 1", "NULL")])), Remedy(Mend("UPDATE kpi SET v = NULL WHERE id = 1"), Equal(&[]))]),
    Trap::new(
        "float-is-eight-bytes",
        "a FLOAT that MariaDB's 4-byte FLOAT would cut",
        "CREATE TABLE m (id INTEGER PRIMARY KEY, v FLOAT); INSERT INTO m VALUES (1, 87.042918), (2, 16777217), (3, 0.1)",
    ),
    Trap::new(
        "double-extremes",
        "doubles of 17 digits, the smallest and the largest",
        "CREATE TABLE m (id INTEGER PRIMARY KEY, v DOUBLE);
         INSERT INTO m VALUES (1, 5e-324), (2, 1.7976931348623157e308), (3, 0.30000000000000004), (4, -2.2250738585072014e-308), (5, 123456789012345680.0)",
    ),
    Trap::new(
        "infinity",
        "plus and minus infinity; NaN is NULL in SQLite already",
        "CREATE TABLE m (id INTEGER PRIMARY KEY, v REAL); INSERT INTO m VALUES (1, 9e999), (2, -9e999), (3, 9e999 - 9e999), (4, 1.5)",
    )
    .finds(&[Blocks("MIG-REAL-INFINITE", "m.v", 2)])
    .then(Refused)
    .or(&[Remedy(Policy("MIG-REAL-INFINITE:m.v", "quarantine"), Missing(2, &[])), Remedy(Mend("UPDATE m SET v = NULL WHERE abs(v) = 9e999"), Equal(&[]))]),
    Trap::new(
        "infinity-to-null",
        "infinity that is to be converted to NULL",
        "CREATE TABLE m (id INTEGER PRIMARY KEY, v REAL); INSERT INTO m VALUES (1, 9e999), (2, 1.5)",
    )
    .finds(&[Blocks("MIG-REAL-INFINITE", "m.v", 1)])
    .then(Refused)
    .or(&[Remedy(
        Policy("MIG-REAL-INFINITE:m.v", "convert:null"),
        Altered(1, &[Look("SELECT COUNT(v) FROM m", "1")]),
    )]),
    Trap::new(
        "negative-zero",
        "a negative zero, which MariaDB does not keep",
        "CREATE TABLE m (id INTEGER PRIMARY KEY, v); INSERT INTO m VALUES (1, -0.0), (2, 1.5)",
    )
    .finds(&[Changes("MIG-REAL-ZERO", "m.v", 1)])
    .then(Altered(1, &[Look("SELECT v FROM m WHERE id = 1", "0")])),
    Trap::new(
        "typeless-numbers",
        "a column without a type that holds integers and reals",
        "CREATE TABLE m (id INTEGER PRIMARY KEY, v); INSERT INTO m VALUES (1, 7), (2, 7.5), (3, NULL)",
    ),
    Trap::new(
        "typeless-everything",
        "a column without a type that holds integers, reals and texts",
        "CREATE TABLE m (id INTEGER PRIMARY KEY, v); INSERT INTO m VALUES (1, 7), (2, 7.5), (3, '7'), (4, NULL)",
    )
    .finds(&[Changes("MIG-TEXT-NUMBER", "m.v", 1), Changes("MIG-TEXT-NUMBER", "m.v", 1)])
    .then(Altered(2, &[Look("SELECT v FROM m ORDER BY id", "7\n7.5\n7\nNULL")])),
    Trap::new(
        "typeless-with-blobs",
        "a column without a type that holds texts and blobs",
        "CREATE TABLE m (id INTEGER PRIMARY KEY, v); INSERT INTO m VALUES (1, 'a'), (2, x'00ff'), (3, 5)",
    )
    .finds(&[Changes("MIG-TEXT-NUMBER", "m.v", 1), Blocks("MIG-TYPE-MIXED", "m.v", 1)])
    .then(Refused)
    .or(&[
        Remedy(Mend("UPDATE m SET v = hex(v) WHERE id = 2"), Altered(1, &[Look("SELECT v FROM m WHERE id = 3", "5")])),
        Remedy(Mend("DELETE FROM m WHERE id = 3"), Refused),
    ]),
    Trap::new(
        "generated-decimal",
        "a generated column that multiplies decimals, which SQLite computes in doubles",
        "CREATE TABLE line (id INTEGER PRIMARY KEY, price DECIMAL(10,2), qty INTEGER, total DECIMAL(12,2) AS (price * qty) STORED, twice INTEGER AS (qty * 2) VIRTUAL);
         INSERT INTO line (id, price, qty) VALUES (1, 19.99, 3), (2, 0.1, 3)",
    )
    .finds(&[Changes("MIG-GENERATED", "line.total", 1), Note("MIG-DECIMAL-SCALE", "line.total", 1)]),
];
