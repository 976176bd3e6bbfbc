//! Traps in dates, times and datetimes.

use super::Found::{Blocks, Changes, Note};
use super::Then::{Altered, Equal, Missing, Refused};
use super::Way::{Mend, Policy, Type};
use super::{Look, Remedy, Trap};

pub(super) const TRAPS: &[Trap] = &[
    Trap::new(
        "fractions-of-seconds",
        "milliseconds and microseconds, which MariaDB's plain DATETIME cuts",
        "CREATE TABLE event (id INTEGER PRIMARY KEY, at DATETIME);
         INSERT INTO event VALUES (1, '2024-02-18 01:59:31.999999'), (2, '2024-02-18 01:59:31.5'), (3, '2024-02-18 01:59:31')",
    )
    .then(Equal(&[Look("SELECT at FROM event WHERE id = 1", "2024-02-18 01:59:31.999999")])),
    Trap::new(
        "fractions-beyond-microseconds",
        "nanoseconds, of which MariaDB keeps microseconds",
        "CREATE TABLE event (id INTEGER PRIMARY KEY, at DATETIME);
         INSERT INTO event VALUES (1, '2024-02-18 01:59:31.123456789'), (2, '2024-02-18 01:59:31.123456000')",
    )
    .finds(&[Changes("MIG-DATETIME-FRACTION", "event.at", 1)])
    .then(Altered(1, &[Look("SELECT at FROM event WHERE id = 1", "2024-02-18 01:59:31.123456")]))
    .or(&[Remedy(Type("event.at", "LONGTEXT"), Equal(&[]))]),
    Trap::new(
        "separators-and-utc",
        "a `T` between date and time, `Z` and ` UTC` behind them, no seconds, no time at all",
        "CREATE TABLE event (id INTEGER PRIMARY KEY, at TIMESTAMP);
         INSERT INTO event VALUES (1, '2024-02-18T01:59:31'), (2, '2024-02-18T01:59:31Z'), (3, '2024-02-18 01:59:31 UTC'),
          (4, '2024-02-18 01:59'), (5, '2024-02-18'), (6, '2024-02-18T01:59:31.123Z'), (7, '2024-02-18 01:59:31+00:00')",
    )
    .then(Equal(&[Look("SELECT COUNT(DISTINCT at) FROM event", "4")])),
    Trap::new(
        "offsets",
        "an offset behind the time, which MariaDB drops with a warning",
        "CREATE TABLE event (id INTEGER PRIMARY KEY, at DATETIME);
         INSERT INTO event VALUES (1, '2024-02-18T01:59:31+02:00'), (2, '2024-02-18 01:59:31.5-0530'), (3, '2024-02-18 01:59:31')",
    )
    .finds(&[Changes("MIG-DATETIME-OFFSET", "event.at", 2)])
    .then(Altered(
        2,
        &[Look(
            "SELECT at FROM event ORDER BY id",
            "2024-02-17 23:59:31.000000\n2024-02-18 07:29:31.500000\n2024-02-18 01:59:31.000000",
        )],
    ))
    .or(&[Remedy(Type("event.at", "LONGTEXT"), Equal(&[]))]),
    Trap::new(
        "epoch-numbers",
        "seconds since 1970 as integers in a DATETIME column",
        "CREATE TABLE event (id INTEGER PRIMARY KEY, at DATETIME); INSERT INTO event VALUES (1, 1700000000), (2, 1700000000123)",
    )
    .finds(&[Changes("MIG-DATETIME-NUMBER", "event.at", 1)]),
    Trap::new(
        "julian-days",
        "Julian days as reals in a DATETIME column",
        "CREATE TABLE event (id INTEGER PRIMARY KEY, at DATETIME); INSERT INTO event VALUES (1, 2460358.5833449075), (2, 2440587.5)",
    )
    .finds(&[Changes("MIG-DATETIME-NUMBER", "event.at", 1)])
    .or(&[Remedy(Policy("MIG-DATETIME-NUMBER:event.at", "convert:julian-day"), Altered(2, &[Look("SELECT at FROM event WHERE id = 2", "1970-01-01 00:00:00.000000")]))]),
    Trap::new(
        "epoch-numbers-among-texts",
        "seconds since 1970 among datetimes",
        "CREATE TABLE event (id INTEGER PRIMARY KEY, at DATETIME); INSERT INTO event VALUES (1, 1700000000), (2, '2024-02-18 01:59:31')",
    )
    .finds(&[Blocks("MIG-TYPE-MIXED", "event.at", 1)])
    .then(Refused)
    .or(&[Remedy(Policy("MIG-TYPE-MIXED:event.at", "convert:epoch-seconds"), Altered(1, &[Look("SELECT at FROM event WHERE id = 1", "2023-11-14 22:13:20.000000")])), Remedy(Policy("MIG-TYPE-MIXED:event.at", "quarantine"), Missing(1, &[])), 
        Remedy(Mend("UPDATE event SET at = datetime(at, 'unixepoch') WHERE id = 1"), Equal(&[])),
        Remedy(Type("event.at", "LONGTEXT"), Altered(1, &[Look("SELECT at FROM event WHERE id = 1", "1700000000")])),
    ]),
    Trap::new(
        "month-first-and-day-first",
        "dates with the month or the day first: nobody can tell which",
        "CREATE TABLE event (id INTEGER PRIMARY KEY, day DATE); INSERT INTO event VALUES (1, '02/03/2024'), (2, '18.02.2024'), (3, '2024-02-18')",
    )
    .finds(&[Blocks("MIG-DATETIME-FORMAT", "event.day", 2)])
    .then(Refused)
    .or(&[Remedy(Policy("MIG-DATETIME-FORMAT:event.day", "convert:date-mdy"), Refused), Remedy(Policy("MIG-DATETIME-FORMAT:event.day", "convert:date-dmy"), Altered(2, &[Look("SELECT day FROM event ORDER BY id", "2024-03-02\n2024-02-18\n2024-02-18")])), Remedy(Policy("MIG-DATETIME-FORMAT", "quarantine"), Missing(2, &[])), 
        Remedy(Mend("UPDATE event SET day = '2024-02-03' WHERE id = 1; UPDATE event SET day = '2024-02-18' WHERE id = 2"), Equal(&[])),
        Remedy(Type("event.day", "VARCHAR(20)"), Equal(&[])),
    ]),
    Trap::new(
        "empty-datetime",
        "the empty text in a DATETIME column",
        "CREATE TABLE event (id INTEGER PRIMARY KEY, at DATETIME); INSERT INTO event VALUES (1, ''), (2, '2024-02-18 01:59:31'), (3, NULL)",
    )
    .finds(&[Blocks("MIG-DATETIME-FORMAT", "event.at", 1)])
    .then(Refused)
    .or(&[Remedy(Policy("MIG-DATETIME-FORMAT:event.at", "convert:empty-as-null"), Altered(1, &[Look("SELECT at FROM event WHERE id = 1", "NULL")])), Remedy(Mend("UPDATE event SET at = NULL WHERE at = ''"), Equal(&[]))]),
    Trap::new(
        "zero-dates",
        "0000-00-00 and a month of zero, which MariaDB takes silently",
        "CREATE TABLE event (id INTEGER PRIMARY KEY, day DATE); INSERT INTO event VALUES (1, '0000-00-00'), (2, '2024-00-10'), (3, '2024-01-10')",
    )
    .finds(&[Blocks("MIG-DATETIME-FORMAT", "event.day", 2)])
    .then(Refused)
    .or(&[Remedy(Policy("MIG-DATETIME-FORMAT:event.day", "convert:null"), Altered(2, &[Look("SELECT COUNT(day) FROM event", "1")])), Remedy(Policy("MIG-DATETIME-FORMAT:event.day", "quarantine"), Missing(2, &[])), Remedy(Mend("UPDATE event SET day = NULL WHERE id < 3"), Equal(&[]))]),
    Trap::new(
        "days-that-are-not",
        "February 30th, the year 10000, a year before the common era, hour 25",
        "CREATE TABLE event (id INTEGER PRIMARY KEY, at DATETIME);
         INSERT INTO event VALUES (1, '2024-02-30'), (2, '10000-01-01 00:00:00'), (3, '-0044-03-15'), (4, '2024-01-01 25:00:00'), (5, '9999-12-31 23:59:59.999999'), (6, '0001-01-01')",
    )
    .finds(&[Blocks("MIG-DATETIME-FORMAT", "event.at", 4)])
    .then(Refused)
    .or(&[Remedy(Mend("DELETE FROM event WHERE id < 5"), Equal(&[]))]),
    Trap::new(
        "time-in-date",
        "a time of day in a DATE column, which MariaDB cuts with a note",
        "CREATE TABLE event (id INTEGER PRIMARY KEY, day DATE); INSERT INTO event VALUES (1, '2024-02-18 01:59:31'), (2, '2024-02-18')",
    )
    .finds(&[Note("MIG-TYPE-DIFFERS", "event.day", 1)]),
    Trap::new(
        "midnight-in-date",
        "midnight in a DATE column",
        "CREATE TABLE event (id INTEGER PRIMARY KEY, day DATE); INSERT INTO event VALUES (1, '2024-02-18 00:00:00'), (2, '2024-02-19')",
    )
    .then(Equal(&[Look("SELECT day FROM event ORDER BY id", "2024-02-18\n2024-02-19")])),
    Trap::new(
        "beyond-2038",
        "moments before 1970 and after 2038 in a TIMESTAMP column, whose MariaDB namesake ends there",
        "CREATE TABLE event (id INTEGER PRIMARY KEY, at TIMESTAMP);
         INSERT INTO event VALUES (1, '1969-12-31 23:59:59'), (2, '2038-01-19 03:14:08'), (3, '2106-02-07 06:28:16'), (4, '1000-01-01 00:00:00')",
    ),
    Trap::new(
        "the-hour-that-is-skipped",
        "02:30 on the day of the change to summer time, which a session with a zone refuses",
        "CREATE TABLE event (id INTEGER PRIMARY KEY, at TIMESTAMP); INSERT INTO event VALUES (1, '2024-03-31 02:30:00'), (2, '2024-03-10 02:30:00')",
    ),
    Trap::new(
        "times",
        "times of day with fractions and without seconds",
        "CREATE TABLE shift (id INTEGER PRIMARY KEY, at TIME); INSERT INTO shift VALUES (1, '08:30'), (2, '08:30:00.250000'), (3, '23:59:59')",
    ),
    Trap::new(
        "times-beyond-a-day",
        "25 hours, a negative time and a day in a TIME column",
        "CREATE TABLE shift (id INTEGER PRIMARY KEY, at TIME); INSERT INTO shift VALUES (1, '25:00:00'), (2, '-01:00:00'), (3, '2024-01-01 08:00:00'), (4, '08:00:00')",
    )
    .finds(&[Blocks("MIG-TIME-FORMAT", "shift.at", 3)])
    .then(Refused)
    .or(&[Remedy(Policy("MIG-TIME-FORMAT:shift.at", "quarantine"), Missing(3, &[])), Remedy(Type("shift.at", "VARCHAR(30)"), Equal(&[]))]),
    Trap::new(
        "two-spellings-of-one-moment",
        "a unique column in which two texts mean one moment",
        "CREATE TABLE event (id INTEGER PRIMARY KEY, at DATETIME UNIQUE);
         INSERT INTO event VALUES (1, '2024-02-18 01:59:31'), (2, '2024-02-18T01:59:31Z'), (3, '2024-02-18 01:59:32')",
    )
    .finds(&[Blocks("MIG-UNIQUE-COLLISION", "event.uq_at", 1)])
    .then(Refused)
    .or(&[Remedy(Type("event.at", "VARCHAR(40)"), Equal(&[]))]),
    Trap::new(
        "moments-as-keys",
        "moments as primary key, whose texts sort in another order than the moments",
        "CREATE TABLE event (at DATETIME PRIMARY KEY NOT NULL, v INTEGER);
         INSERT INTO event VALUES ('2024-01-01T00:00:00+02:00', 1), ('2023-12-31 23:00:00', 2), ('2024-01-01T00:00:00Z', 3), ('2023-12-31T21:59:59.5Z', 4), ('2024-01-01 00:00:00.5', 5)",
    )
    .finds(&[Changes("MIG-DATETIME-OFFSET", "event.at", 1)])
    .then(Altered(1, &[Look("SELECT GROUP_CONCAT(v ORDER BY at) FROM event", "4,1,2,3,5")])),
];
