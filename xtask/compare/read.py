"""Compares an SQLite database with a MariaDB one, value by value, by other code than either tool's.

read.py SOURCE, with mysql://USER:PASSWORD@HOST:PORT/DATABASE in the environment variable TARGET; prints one JSON document.
A value is unchanged when it means the same in its new type: the same number, the same text, the same bytes, the same instant.
"""

import datetime
import decimal
import hashlib
import json
import os
import re
import sqlite3
import sys
import urllib.parse

import pymysql

WORDS = {"true": 1, "t": 1, "yes": 1, "y": 1, "on": 1, "false": 0, "f": 0, "no": 0, "n": 0, "off": 0}
MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d)(:\d\d)?(\.\d+)?\s*(Z|UTC|[+-]\d\d:?(?:\d\d)?)?)?$")


def instant(text):
    """Microseconds since 1970 in UTC, and whether more exact digits stand behind."""
    match = MOMENT.match(text)
    if not match:
        return None
    day, minutes, seconds, fraction, zone = match.groups()
    fraction = (fraction or ".")[1:]
    moment = datetime.datetime.fromisoformat(f"{day} {minutes or '00:00'}{seconds or ':00'}")
    moment = moment.replace(tzinfo=datetime.timezone.utc)
    micros = (moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) // datetime.timedelta(microseconds=1)
    micros += int(fraction[:6].ljust(6, "0"))
    if zone and zone not in ("Z", "UTC"):
        digits = zone[1:].replace(":", "").ljust(4, "0")
        offset = (int(digits[:2]) * 60 + int(digits[2:])) * 60_000_000
        micros -= offset if zone[0] == "+" else -offset
    return micros, fraction[6:].strip("0")


def number(value):
    try:
        return decimal.Decimal(repr(value) if isinstance(value, float) else value)
    except (decimal.InvalidOperation, ValueError, TypeError):
        return None


def same(source, target):
    if source is None or target is None:
        return source is None and target is None
    if isinstance(source, bytes):
        return source == (target.encode() if isinstance(target, str) else target)
    if isinstance(target, bytes):
        return str(source).encode() == target
    if isinstance(target, (datetime.datetime, datetime.date)):
        if not isinstance(source, str):
            return False
        try:
            return instant(source) == instant(str(target))
        except ValueError:
            return False
    if isinstance(target, datetime.timedelta):
        match = re.match(r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6})0*)?)?$", str(source))
        if not match:
            return False
        hours, minutes, seconds, micros = match.groups()
        wanted = datetime.timedelta(hours=int(hours), minutes=int(minutes), seconds=int(seconds or 0), microseconds=int((micros or "0").ljust(6, "0")))
        return wanted == target
    if isinstance(source, str):
        if isinstance(target, str):
            return source == target
        return WORDS.get(source.strip().lower(), number(source.strip())) == number(target)
    if isinstance(source, float) and isinstance(target, float):
        return source == target
    return number(source) is not None and number(source) == number(target)


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def backquoted(name):
    return "`" + name.replace("`", "``") + "`"


def key_of(row, places):
    def plain(value):
        if isinstance(value, (bytes, bytearray)):
            return bytes(value)
        if isinstance(value, str):
            return value.encode(errors="surrogateescape")
        if isinstance(value, (int, float, decimal.Decimal)):
            return format(number(value).normalize(), "f").encode()
        return str(value).encode()

    return tuple(plain(row[place]) for place in places)


def compare_table(source, target, table, keys):
    columns = [row[1] for row in source.execute(f"PRAGMA table_xinfo({quoted(table)})") if row[6] != 1]
    primary = [row[1] for row in sorted(source.execute(f"PRAGMA table_xinfo({quoted(table)})"), key=lambda row: row[5]) if row[5] > 0]
    rows = source.execute(f"SELECT {', '.join(map(quoted, columns))} FROM {quoted(table)}").fetchall()
    found = {"rows_in": len(rows), "rows_out": 0, "lost": 0, "changed": {}, "added": 0}
    known = keys.get(table.lower())
    if known is None:
        return {**found, "lost": len(rows), "missing": True}
    cursor = target.cursor()
    shared = [column for column in columns if column.lower() in known]
    found["columns_missing"] = [column for column in columns if column.lower() not in known]
    cursor.execute(f"SELECT {', '.join(map(backquoted, shared))} FROM {backquoted(known[''])}")
    arrived = cursor.fetchall()
    found["rows_out"] = len(arrived)
    if not primary:
        # Without a key rows are told apart by their content alone.
        left = list(arrived)
        for row in rows:
            row = [value for column, value in zip(columns, row) if column in shared]
            hit = next((at for at, other in enumerate(left) if all(map(same, row, other))), None)
            if hit is None:
                found["changed"]["(row)"] = found["changed"].get("(row)", 0) + 1
            else:
                del left[hit]
        found["lost"] = max(0, len(rows) - len(arrived))
        return found
    places = [shared.index(column) for column in primary]
    by_key = {key_of(row, places): row for row in arrived}
    places = [columns.index(column) for column in primary]
    for row in rows:
        other = by_key.pop(key_of(row, places), None)
        if other is None:
            found["lost"] += 1
            continue
        values = dict(zip(columns, row))
        for column, value in zip(shared, other):
            if not same(values[column], value):
                found["changed"][column] = found["changed"].get(column, 0) + 1
    found["added"] = len(by_key)
    return found


def promises_of(source, tables):
    """What the source promises beside its rows: how many of each kind."""
    found = dict.fromkeys(("primary keys", "unique keys", "foreign keys", "checks", "defaults"), 0)
    for table in tables:
        columns = source.execute(f"PRAGMA table_xinfo({quoted(table)})").fetchall()
        found["primary keys"] += any(column[5] for column in columns)
        found["defaults"] += sum(column[4] is not None and column[4].upper() != "NULL" for column in columns)
        found["unique keys"] += sum(row[2] == 1 and row[3] != "pk" for row in source.execute(f"PRAGMA index_list({quoted(table)})"))
        found["foreign keys"] += len({row[0] for row in source.execute(f"PRAGMA foreign_key_list({quoted(table)})")})
        [(sql,)] = source.execute("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?", (table,)).fetchall()
        found["checks"] += len(re.findall(r"(?i)\bCHECK\s*\(", without_literals(sql)))
    for kind in ("view", "trigger"):
        [(found[kind + "s"],)] = source.execute("SELECT count(*) FROM sqlite_schema WHERE type = ?", (kind,)).fetchall()
    return found


def without_literals(sql):
    return re.sub(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|\[[^\]]*\]", " ", sql, flags=re.DOTALL)


KEPT = {
    "primary keys": "SELECT count(*) FROM information_schema.TABLE_CONSTRAINTS WHERE TABLE_SCHEMA = DATABASE() AND CONSTRAINT_TYPE = 'PRIMARY KEY' AND {tables}",
    "unique keys": "SELECT count(*) FROM information_schema.TABLE_CONSTRAINTS WHERE TABLE_SCHEMA = DATABASE() AND CONSTRAINT_TYPE = 'UNIQUE' AND {tables}",
    "foreign keys": "SELECT count(*) FROM information_schema.TABLE_CONSTRAINTS WHERE TABLE_SCHEMA = DATABASE() AND CONSTRAINT_TYPE = 'FOREIGN KEY' AND {tables}",
    # A JSON column brings a CHECK of its own, which no source asked for; it bears the column's name.
    "checks": "SELECT count(*) FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = DATABASE() AND LEVEL = 'Table' AND {tables}",
    # A server gives a TIMESTAMP one that nobody asked for, and writes the lack of one as NULL.
    "defaults": "SELECT count(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND COLUMN_DEFAULT <> 'NULL' AND {tables}",
    "views": "SELECT count(*) FROM information_schema.VIEWS WHERE TABLE_SCHEMA = DATABASE()",
    "triggers": "SELECT count(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()",
}


def promises_kept(target, tables):
    """How many of each kind the target has for these tables."""
    found = {}
    with target.cursor() as cursor:
        for kind, sql in KEPT.items():
            named = f"TABLE_NAME IN ({', '.join(['%s'] * len(tables))})" if tables else "FALSE"
            cursor.execute(sql.replace("{tables}", named), tables if "{tables}" in sql else ())
            [(found[kind],)] = cursor.fetchall()
    return found


def main():
    [file] = sys.argv[1:]
    address = urllib.parse.urlsplit(os.environ["TARGET"])
    source = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    # Bytes that are no UTF-8 stay bytes.
    source.text_factory = lambda raw: raw.decode() if is_utf8(raw) else bytes(raw)
    # An application's own collations are not known here; no order is asked for, so any will do.
    for (sql,) in source.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL").fetchall():
        for name in set(re.findall(r"(?i)\bCOLLATE\s+[\"'`\[]?(\w+)", sql)) - {"BINARY", "NOCASE", "RTRIM"}:
            source.create_collation(name, lambda one, other: (one > other) - (one < other))
    target = pymysql.connect(
        host=address.hostname, port=address.port, user=address.username, password=address.password, database=address.path[1:], charset="utf8mb4"
    )
    keys = {}
    with target.cursor() as cursor:
        cursor.execute("SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()")
        for table, column in cursor.fetchall():
            keys.setdefault(table.lower(), {"": table})[column.lower()] = column
    listed = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY 1"
    tables = {name: compare_table(source, target, name, keys) for (name,) in source.execute(listed).fetchall()}
    promised, kept = promises_of(source, tables), promises_kept(target, [keys[name.lower()][""] for name in tables if name.lower() in keys])
    promises = {"tables": [len(tables), sum("missing" not in found for found in tables.values())]}
    promises |= {kind: [count, min(count, kept[kind])] for kind, count in promised.items()}
    with open(file, "rb") as bytes_of:
        digest = hashlib.file_digest(bytes_of, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else hashlib.sha256(bytes_of.read()).hexdigest()
    print(json.dumps({"tables": tables, "promises": promises, "sha256": digest}))


def is_utf8(raw):
    try:
        raw.decode()
        return True
    except UnicodeDecodeError:
        return False


main()
