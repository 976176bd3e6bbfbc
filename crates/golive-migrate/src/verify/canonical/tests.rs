//! The canonical forms of both sides meet, and sort as their values do.

use mysql_async::Value;
use rusqlite::types::ValueRef;

use super::source::{plain, read_datetime};
use super::*;
use crate::core::convert::write_value;
use crate::core::types::TargetType;
use proptest::prelude::*;

fn of_source(value: ValueRef<'_>, kind: Kind) -> Vec<u8> {
    let mut out = Vec::new();
    source(value, Form { kind, brief: true }, &mut out);
    out
}

fn of_target(value: Value, kind: Kind) -> Vec<u8> {
    let mut out = Vec::new();
    target(&value, Form { kind, brief: true }, &mut out);
    out
}

#[test]
fn both_sides_meet_and_a_changed_cell_does_not() {
    let cases: Vec<(ValueRef<'_>, Value, Kind)> = vec![
        (ValueRef::Integer(7), Value::Int(7), Kind::Integer),
        (ValueRef::Text(b"true"), Value::Int(1), Kind::Boolean),
        (ValueRef::Real(8.5), Value::Bytes(b"8.5000".to_vec()), Kind::Decimal),
        (ValueRef::Integer(8), Value::Bytes(b"8.00".to_vec()), Kind::Decimal),
        (
            ValueRef::Text(b"2024-02-18T01:59:31.5+02:00"),
            Value::Date(2024, 2, 17, 23, 59, 31, 500_000),
            Kind::DateTime,
        ),
        (
            ValueRef::Text(b"2024-02-18 01:59:31 +00:00"),
            Value::Date(2024, 2, 18, 1, 59, 31, 0),
            Kind::DateTime,
        ),
        (
            ValueRef::Text(b"2024-02-18 01:59:31.123456789"),
            Value::Date(2024, 2, 18, 1, 59, 31, 123_456),
            Kind::DateTime,
        ),
        (ValueRef::Text(b"08:30"), Value::Time(false, 0, 8, 30, 0, 0), Kind::Time),
        (ValueRef::Real(-0.0), Value::Double(0.0), Kind::Real),
        (ValueRef::Null, Value::NULL, Kind::Text),
    ];
    for (left, right, kind) in cases {
        assert_eq!(of_source(left, kind), of_target(right.clone(), kind), "{left:?} {right:?}");
    }
    assert_ne!(of_source(ValueRef::Text(b""), Kind::Text), of_target(Value::NULL, Kind::Text));
    assert_ne!(of_source(ValueRef::Text(b"abc"), Kind::Integer), of_target(Value::Int(0), Kind::Integer));
    assert_ne!(of_source(ValueRef::Real(0.1), Kind::Real), of_target(Value::Float(0.1), Kind::Real));
    let shifted = Value::Date(2024, 2, 18, 1, 59, 31, 0);
    assert_ne!(
        of_source(ValueRef::Text(b"2024-02-18 03:59:31"), Kind::DateTime),
        of_target(shifted, Kind::DateTime)
    );
}

proptest! {
    #[test]
    fn integers_sort_as_numbers(a: i64, b: i64) {
        let (x, y) = (of_source(ValueRef::Integer(a), Kind::Integer), of_source(ValueRef::Integer(b), Kind::Integer));
        prop_assert_eq!(a.cmp(&b), x.cmp(&y));
    }

    #[test]
    fn decimals_sort_as_numbers(a in -1_000_000_i64..1_000_000, b in -1_000_000_i64..1_000_000) {
        let text = |n: i64| format!("{}{}.{:03}", if n < 0 { "-" } else { "" }, n.abs() / 1000, n.abs() % 1000);
        let of = |n: i64| of_source(ValueRef::Text(text(n).as_bytes()), Kind::Decimal);
        prop_assert_eq!(a.cmp(&b), of(a).cmp(&of(b)));
    }

    #[test]
    fn texts_sort_as_bytes(a in proptest::collection::vec(any::<u8>(), 0..8), b in proptest::collection::vec(any::<u8>(), 0..8)) {
        let of = |bytes: &[u8]| of_source(ValueRef::Blob(bytes), Kind::Bytes);
        prop_assert_eq!(a.cmp(&b), of(&a).cmp(&of(&b)));
    }

    #[test]
    fn what_the_copy_writes_verification_reads_alike(real in -1e12_f64..1e12) {
        let mut written = Vec::new();
        write_value(ValueRef::Real(real), TargetType::Decimal { precision: 65, scale: 38 }, &mut written).unwrap();
        prop_assert_eq!(of_source(ValueRef::Real(real), Kind::Decimal), of_target(Value::Bytes(written), Kind::Decimal));
    }

    #[test]
    fn datetimes_read_digit_by_digit_are_those_of_chrono(
        seconds in -62_000_000_000_i64..250_000_000_000,
        fraction in proptest::option::of("[0-9]{1,9}"),
        zone in prop_oneof![Just(""), Just("Z"), Just("+00:00"), Just("-05:30"), Just(" +02:00")],
        t in any::<bool>(),
    ) {
        let moment = chrono::DateTime::from_timestamp(seconds, 0).unwrap();
        let day = moment.format(if t { "%FT%T" } else { "%F %T" });
        let text = format!("{day}{}{zone}", fraction.map(|digits| format!(".{digits}")).unwrap_or_default());
        let slowly = read_datetime(&text).map(|read| read.and_utc().timestamp_micros());
        if let Some(fast) = plain(text.as_bytes()) {
            prop_assert_eq!(Some(fast), slowly, "{}", text);
        }
    }

    #[test]
    fn what_is_no_day_is_none(year in 0_i32..10_000, month in 0_u32..14, day in 0_u32..33) {
        let text = format!("{year:04}-{month:02}-{day:02}");
        let slowly = read_datetime(&text).map(|read| read.and_utc().timestamp_micros());
        prop_assert_eq!(plain(text.as_bytes()), slowly);
    }

    #[test]
    fn a_cell_reads_back(number: i64, real in proptest::num::f64::NORMAL, text in ".{0,40}") {
        let integer = of_source(ValueRef::Integer(number), Kind::Integer);
        prop_assert_eq!(as_parameter(&integer, Kind::Integer), Some(Value::Int(number)));
        let double = of_source(ValueRef::Real(real), Kind::Real);
        prop_assert_eq!(as_parameter(&double, Kind::Real), Some(Value::Double(real)));
        let bytes = of_source(ValueRef::Text(text.as_bytes()), Kind::Text);
        prop_assert_eq!(as_parameter(&bytes, Kind::Text), Some(Value::Bytes(text.into_bytes())));
    }
}

#[test]
fn a_double_midway_between_two_decimals_ends_even() {
    // Exactly 957983140412.90625, which nothing shorter than sixteen digits reads back as.
    let of = |text: &str| of_target(Value::Bytes(text.as_bytes().to_vec()), Kind::Decimal);
    assert_eq!(of_source(ValueRef::Real(-957_983_140_412.906_2), Kind::Decimal), of("-957983140412.9062"));
    assert_eq!(of_source(ValueRef::Real(12.34), Kind::Decimal), of("12.34"));
}

#[test]
fn long_content_outside_of_keys_is_short_and_still_exact() {
    let (long, other) = (vec![b'x'; LONG_BYTES + 1], vec![b'y'; LONG_BYTES + 1]);
    let form = of_source(ValueRef::Text(&long), Kind::Text);
    assert!(form.len() < 64);
    assert_eq!(form, of_target(Value::Bytes(long.clone()), Kind::Text));
    assert_ne!(form, of_target(Value::Bytes(other), Kind::Text));
    assert_ne!(form, of_target(Value::Bytes(vec![b'x'; LONG_BYTES + 2]), Kind::Text));
    let mut in_a_key = Vec::new();
    source(ValueRef::Text(&long), Form { kind: Kind::Text, brief: false }, &mut in_a_key);
    assert_eq!(in_a_key.len(), long.len() + 1);
}

#[test]
fn the_text_for_digests_is_the_servers() {
    let of = |value: ValueRef<'_>, kind, scale| {
        let mut text = Vec::new();
        as_sql_text(&of_source(value, kind), kind, scale, &mut text);
        String::from_utf8_lossy(&text).into_owned()
    };
    assert_eq!(of(ValueRef::Null, Kind::Integer, 0), "N");
    assert_eq!(of(ValueRef::Real(-8.5), Kind::Decimal, 4), "-8.5000,");
    assert_eq!(of(ValueRef::Integer(0), Kind::Decimal, 2), "0.00,");
    assert_eq!(of(ValueRef::Integer(7), Kind::Decimal, 0), "7,");
    assert_eq!(
        of(ValueRef::Text(b"1969-12-31T23:59:59.5Z"), Kind::DateTime, 0),
        "1969-12-31 23:59:59.500000"
    );
    assert_eq!(of(ValueRef::Text(b"08:30"), Kind::Time, 0), "08:30:00.000000");
    assert_eq!(of(ValueRef::Text("é,".as_bytes()), Kind::Text, 0), "3:é,");
    assert_eq!(of(ValueRef::Text(b"abc"), Kind::Integer, 0), "?");
}
