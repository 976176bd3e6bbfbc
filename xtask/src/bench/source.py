"""Makes what `cargo xtask bench migrate` moves: an SQLite file, and its fact table as prepared tab-separated lines.

Usage: source.py ROWS FILE.sqlite [FILE.tsv]

Every value is computed from the row's number, so that each run on each machine gets the same bytes. It knows nothing
of golive: the lines are written from SQLite's own values, by this program alone.
"""

import os
import sqlite3
import sys

SCHEMA = """
CREATE TABLE line (id INTEGER PRIMARY KEY AUTOINCREMENT, name VARCHAR(40) NOT NULL UNIQUE);
CREATE TABLE product (id INTEGER PRIMARY KEY AUTOINCREMENT, code VARCHAR(20) NOT NULL UNIQUE,
                      price DECIMAL(12,2) NOT NULL);
CREATE TABLE operator (id INTEGER PRIMARY KEY AUTOINCREMENT, name VARCHAR(60) NOT NULL);
CREATE TABLE fact (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    line_id INTEGER NOT NULL REFERENCES line (id),
    product_id INTEGER NOT NULL REFERENCES product (id),
    operator_id INTEGER REFERENCES operator (id),
    produced_at DATETIME NOT NULL,
    recorded_at DATETIME NOT NULL,
    weight DECIMAL(10,3) NOT NULL,
    price DECIMAL(12,2),
    efficiency REAL NOT NULL,
    is_ok BOOLEAN NOT NULL,
    note VARCHAR(120),
    measures JSON NOT NULL
);
INSERT INTO line (id, name) SELECT value, 'Line ' || value FROM generate_series_40;
INSERT INTO product (id, code, price)
    SELECT value, printf('P-%05d', value), (value * 7919 % 100000) / 100.0 FROM generate_series_500;
INSERT INTO operator (id, name) SELECT value, 'Operator ' || value || ' Müller' FROM generate_series_200;
"""

FACTS = """
INSERT INTO fact
WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1)
SELECT n,
       1 + n * 31 % 40,
       1 + n * 7919 % 500,
       CASE WHEN n % 17 = 0 THEN NULL ELSE 1 + n * 104729 % 200 END,
       strftime('%Y-%m-%d %H:%M:%S', 1600000000 + n * 37 % 94608000, 'unixepoch') || printf('.%06d', n * 7907 % 1000000),
       strftime('%Y-%m-%d %H:%M:%S', 1600000600 + n * 37 % 94608000, 'unixepoch') || printf('.%06d', n * 6007 % 1000000),
       (n * 48271 % 9999999) / 1000.0,
       CASE WHEN n % 11 = 0 THEN NULL ELSE (n * 16807 % 99999999) / 100.0 END,
       (n * 69621 % 2147483647) / 2147483647.0,
       n % 23 <> 0,
       CASE n % 5 WHEN 0 THEN NULL WHEN 1 THEN 'Batch ' || n || ' ran as planned'
                  WHEN 2 THEN 'Stopped at ' || (n % 1440) || ' min: sensor 7 said "too hot"; Kühlung geprüft'
                  WHEN 3 THEN 'C:\\logs\\' || n || char(9) || 'ok' ELSE '' END,
       '{"temp": ' || (n % 900 / 10.0) || ', "rpm": ' || (n * 13 % 4000) || ', "tags": ["a", "b' || (n % 9) || '"]}'
FROM numbers;
"""

INDEXES = """
CREATE INDEX fact_line_produced ON fact (line_id, produced_at);
CREATE INDEX fact_product ON fact (product_id);
CREATE INDEX fact_operator ON fact (operator_id);
CREATE INDEX fact_produced ON fact (produced_at);
CREATE INDEX fact_recorded ON fact (recorded_at);
"""

ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0"})


def make(rows: int, path: str) -> None:
    connection = sqlite3.connect(path)
    connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -200000;")
    for count in (40, 500, 200):
        connection.execute(
            f"CREATE TEMP VIEW generate_series_{count} AS WITH RECURSIVE s (value) AS "
            f"(SELECT 1 UNION ALL SELECT value + 1 FROM s WHERE value < {count}) SELECT value FROM s"
        )
    connection.executescript(SCHEMA)
    connection.execute(FACTS, (rows,))
    connection.commit()
    connection.executescript(INDEXES)
    connection.executescript("PRAGMA journal_mode = DELETE;")
    connection.close()


def field(value: object) -> str:
    if value is None:
        return "\\N"
    return value.translate(ESCAPES) if isinstance(value, str) else repr(value)


def export(path: str, lines: str) -> None:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    with open(lines, "w", encoding="utf-8", newline="", buffering=1 << 20) as out:
        for row in connection.execute("SELECT * FROM fact ORDER BY id"):
            out.write("\t".join(map(field, row)) + "\n")
    connection.close()


def whole(path: str, make_it) -> None:
    """Writes beside the final name, so that what was cut off is never taken for whole."""
    if os.path.exists(path):
        return
    part = path + ".part"
    if os.path.exists(part):
        os.remove(part)
    make_it(part)
    os.replace(part, path)


def main() -> None:
    rows, path = int(sys.argv[1]), sys.argv[2]
    whole(path, lambda part: make(rows, part))
    if len(sys.argv) > 3:
        whole(sys.argv[3], lambda part: export(path, part))


main()
