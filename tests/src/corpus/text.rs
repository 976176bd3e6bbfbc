//! Traps in texts, JSON documents and bytes.

use super::Found::{Blocks, Changes, Note};
use super::Then::{Altered, Equal, Missing, Refused};
use super::Way::{Mend, Policy, Type};
use super::{ASIDE, Look, Remedy, Trap};

pub(super) const TRAPS: &[Trap] = &[
    Trap::new(
        "longer-than-declared",
        "eleven characters in VARCHAR(10), which SQLite does not enforce",
        "CREATE TABLE person (id INTEGER PRIMARY KEY, name VARCHAR(10) NOT NULL); INSERT INTO person VALUES (1, 'hello world'), (2, 'äöüäöüäöüäö')",
    )
    .finds(&[Note("MIG-TEXT-LENGTH", "person.name", 2)])
    .or(&[Remedy(Policy("MIG-TEXT-LENGTH:person.name", "convert:truncate"), Altered(2, &[Look("SELECT name FROM person WHERE id = 1", "hello worl")]))]),
    Trap::new(
        "text-beyond-64k",
        "a text of 70,000 characters: MariaDB's TEXT ends at 65,535 bytes",
        "CREATE TABLE doc (id INTEGER PRIMARY KEY, body TEXT); INSERT INTO doc VALUES (1, printf('%.70000c', 'x'))",
    ),
    Trap::new(
        "value-beyond-packet",
        "a text of 17 MB, more than the server takes in one packet",
        "CREATE TABLE doc (id INTEGER PRIMARY KEY, body TEXT); INSERT INTO doc VALUES (1, printf('%.17000000c', 'x')), (2, 'short')",
    )
    .finds(&[Blocks("MIG-PACKET", "doc.body", 1)])
    .then(Refused)
    .or(&[Remedy(Mend("UPDATE doc SET body = substr(body, 1, 1000000) WHERE id = 1"), Equal(&[]))]),
    Trap::new(
        "emoji",
        "characters of four bytes, which MariaDB's old `utf8` does not take",
        "CREATE TABLE chat (id INTEGER PRIMARY KEY, said TEXT, tag VARCHAR(5)); INSERT INTO chat VALUES (1, '🚀 日本語 café', '😀😁😂🤣😃')",
    )
    .then(Equal(&[Look("SELECT CHAR_LENGTH(tag), HEX(LEFT(said, 1)) FROM chat", "5\tF09F9A80")])),
    Trap::new(
        "invalid-utf8",
        "bytes in a text that are no UTF-8",
        "CREATE TABLE chat (id INTEGER PRIMARY KEY, said TEXT); INSERT INTO chat VALUES (1, CAST(x'636166e9' AS TEXT)), (2, 'café')",
    )
    .finds(&[Blocks("MIG-TEXT-UTF8", "chat.said", 1)])
    .then(Refused)
    .or(&[Remedy(Policy("MIG-TEXT-UTF8:chat.said", "convert:lossy-utf8"), Altered(1, &[Look("SELECT HEX(said) FROM chat WHERE id = 1", "636166EFBFBD")])), Remedy(Policy("MIG-TEXT-UTF8:chat.said", "quarantine"), Missing(1, &[Look(ASIDE, "chat\tid=1\tsaid")])), 
        Remedy(Mend("UPDATE chat SET said = 'café' WHERE id = 1"), Equal(&[])),
        Remedy(Type("chat.said", "LONGBLOB"), Altered(2, &[Look("SELECT HEX(said) FROM chat ORDER BY id", "636166E9\n636166C3A9")])),
    ]),
    Trap::new(
        "nul-inside-text",
        "a NUL character inside a text",
        "CREATE TABLE chat (id INTEGER PRIMARY KEY, said TEXT); INSERT INTO chat VALUES (1, 'a' || char(0) || 'b')",
    )
    .finds(&[Note("MIG-TEXT-NUL", "chat.said", 1)])
    .then(Equal(&[Look("SELECT HEX(said) FROM chat", "610062")])),
    Trap::new(
        "what-loaders-escape",
        "tabs, line ends, backslashes, quotes and `\\N`, which a loader may take for its own",
        "CREATE TABLE chat (id INTEGER PRIMARY KEY, said TEXT, raw BLOB);
         INSERT INTO chat VALUES (1, '\\N', x'5c4e'), (2, 'a\\', x'0d0a09'), (3, 'tab' || char(9) || 'cr' || char(13) || 'lf' || char(10), x'00'),
          (4, '''\"`', x'27225c'), (5, 'NULL', x''), (6, char(26) || char(8), x'1a08'), (7, NULL, NULL)",
    ),
    Trap::new(
        "empty-is-not-null",
        "the empty text beside NULL, in plain and unique columns",
        "CREATE TABLE person (id INTEGER PRIMARY KEY, nick TEXT UNIQUE, note VARCHAR(9) NOT NULL DEFAULT '');
         INSERT INTO person VALUES (1, '', ''), (2, NULL, ''), (3, NULL, ' ')",
    )
    .finds(&[Note("MIG-TEXT-EMPTY", "person.nick", 1)])
    .then(Equal(&[Look(
        "SELECT COUNT(*), SUM(nick IS NULL), SUM(nick = ''), SUM(note = '') FROM person",
        "3\t2\t1\t2",
    )])),
    Trap::new(
        "trailing-spaces",
        "texts that end in spaces, in CHAR and VARCHAR: MariaDB's CHAR loses them",
        "CREATE TABLE code (c CHAR(4) NOT NULL UNIQUE, v VARCHAR(4)); INSERT INTO code VALUES ('a', 'x '), ('a ', 'x'), ('a  ', '  ')",
    )
    .finds(&[Note("MIG-KEY-NONE", "code", 1)]),
    Trap::new(
        "numbers-in-text",
        "numbers that SQLite turned into texts, with leading zeros kept",
        "CREATE TABLE zip (id INTEGER PRIMARY KEY, code TEXT); INSERT INTO zip VALUES (1, '01234'), (2, 1234), (3, 1.0)",
    ),
    Trap::new(
        "blob-in-text",
        "a blob among the texts of a TEXT column",
        "CREATE TABLE doc (id INTEGER PRIMARY KEY, body TEXT); INSERT INTO doc VALUES (1, 'text'), (2, x'89504e47')",
    )
    .finds(&[Blocks("MIG-TYPE-MIXED", "doc.body", 1)])
    .then(Refused)
    .or(&[Remedy(Policy("MIG-TYPE-MIXED:doc.body", "quarantine"), Missing(1, &[])), Remedy(
        Type("doc.body", "LONGBLOB"),
        Altered(1, &[Look("SELECT HEX(body) FROM doc ORDER BY id", "74657874\n89504E47")]),
    )]),
    Trap::new(
        "text-in-blob",
        "a text among the blobs of a BLOB column",
        "CREATE TABLE doc (id INTEGER PRIMARY KEY, body BLOB); INSERT INTO doc VALUES (1, 'text'), (2, x'89504e47')",
    )
    .finds(&[Changes("MIG-BLOB-TEXT", "doc.body", 1)])
    .then(Altered(1, &[Look("SELECT HEX(body) FROM doc ORDER BY id", "74657874\n89504E47")])),
    Trap::new(
        "all-blobs-in-text",
        "nothing but blobs in a TEXT column",
        "CREATE TABLE doc (id INTEGER PRIMARY KEY, body TEXT); INSERT INTO doc VALUES (1, x'00'), (2, x'89504e47')",
    )
    .finds(&[Note("MIG-TYPE-DIFFERS", "doc.body", 1)]),
    Trap::new(
        "number-in-blob",
        "a number among the blobs of a BLOB column",
        "CREATE TABLE doc (id INTEGER PRIMARY KEY, body BLOB); INSERT INTO doc VALUES (1, 5), (2, x'89504e47')",
    )
    .finds(&[Blocks("MIG-TYPE-MIXED", "doc.body", 1)])
    .then(Refused)
    .or(&[Remedy(Mend("UPDATE doc SET body = CAST('5' AS BLOB) WHERE id = 1"), Equal(&[]))]),
    Trap::new(
        "json-kept-byte-for-byte",
        "JSON whose spaces, key order, doubled keys and number spellings a parser would change",
        "CREATE TABLE doc (id INTEGER PRIMARY KEY, body JSON);
         INSERT INTO doc VALUES (1, '{\"b\": 1.10,  \"a\": [ ]}'), (2, '{\"a\":1,\"a\":2}'), (3, '\"1e5\"'), (4, 'null'), (5, ' [\"\\u00e9\"] '),
          (6, '\"\\\\/\"'), (7, NULL), (8, '[1E400, -0]')",
    ),
    Trap::new(
        "json-invalid",
        "texts that are no JSON in a JSON column: empty, single quotes, NaN, a comment",
        "CREATE TABLE doc (id INTEGER PRIMARY KEY, body JSON);
         INSERT INTO doc VALUES (1, ''), (2, '{''a'': 1}'), (3, 'NaN'), (4, '{\"a\": 1 /* x */}'), (5, '{\"a\": 1}')",
    )
    .finds(&[Changes("MIG-JSON-INVALID", "doc.body", 4)])
    .then(Equal(&[Look("SELECT SUM(JSON_VALID(body)) FROM doc", "1")])),
    Trap::new(
        "json-too-deep",
        "JSON nested 40 levels, which MariaDB calls invalid",
        "CREATE TABLE doc (id INTEGER PRIMARY KEY, body JSON);
         INSERT INTO doc VALUES (1, replace(printf('%.40c', 'x'), 'x', '[') || replace(printf('%.40c', 'x'), 'x', ']')), (2, '[]')",
    )
    .finds(&[Changes("MIG-JSON-INVALID", "doc.body", 1)]),
    Trap::new(
        "json-lone-surrogate",
        "JSON with half a surrogate pair, on which parsers disagree",
        "CREATE TABLE doc (id INTEGER PRIMARY KEY, body JSON); INSERT INTO doc VALUES (1, '\"\\ud800\"'), (2, '[]')",
    )
    .finds(&[Changes("MIG-JSON-INVALID", "doc.body", 1)]),
    Trap::new(
        "json-numbers",
        "a number in a JSON column, which SQLite keeps as a number and not as the document's text",
        "CREATE TABLE doc (id INTEGER PRIMARY KEY, body JSON); INSERT INTO doc VALUES (1, '1e5'), (2, '[1e5]')",
    )
    .finds(&[Changes("MIG-TEXT-NUMBER", "doc.body", 1)])
    .then(Altered(1, &[Look("SELECT body FROM doc ORDER BY id", "100000\n[1e5]")])),
    Trap::new(
        "uuid-as-bytes",
        "UUIDs of 16 bytes",
        "CREATE TABLE item (id uuid_text PRIMARY KEY NOT NULL, other uuid_text);
         INSERT INTO item VALUES (x'00112233445566778899aabbccddeeff', NULL), (x'ffffffffffffffffffffffffffffff00', x'00112233445566778899aabbccddeeff')",
    ),
    Trap::new(
        "uuid-as-text",
        "UUIDs as text, of which one has no hyphens",
        "CREATE TABLE item (id UUID PRIMARY KEY NOT NULL);
         INSERT INTO item VALUES ('00112233-4455-6677-8899-aabbccddeeff'), ('00112233445566778899aabbccddeeff')",
    ),
    Trap::new(
        "utf16-source",
        "a source that keeps its texts in UTF-16",
        "PRAGMA encoding = 'UTF-16le'; CREATE TABLE chat (id INTEGER PRIMARY KEY, said TEXT UNIQUE); INSERT INTO chat VALUES (1, 'café 🚀'), (2, '')",
    )
    .then(Equal(&[Look("SELECT HEX(said) FROM chat ORDER BY id", "636166C3A920F09F9A80\n")])),
];
