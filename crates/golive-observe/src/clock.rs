//! The one place of this crate that reads the wall clock: a log line, an error event and an alert carry the
//! moment at which they happen. Nothing that decides anything belongs here.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat, Utc};

/// The moment at which something is being recorded.
#[expect(
    clippy::disallowed_methods,
    reason = "a log line is stamped where it is written; nothing is decided by it"
)]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}

/// The same, not yet taken apart into a date.
#[expect(
    clippy::disallowed_methods,
    reason = "a log line is stamped where it is written; nothing is decided by it"
)]
pub(crate) fn moment() -> SystemTime {
    SystemTime::now()
}

/// RFC 3339 in UTC with microseconds, the form of every timestamp this crate writes.
pub(crate) fn rfc3339(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Appends what [`rfc3339`] makes. The calendar is asked once a second: within it only the fraction changes.
pub(crate) fn write_rfc3339(moment: SystemTime, out: &mut Vec<u8>) {
    thread_local! {
        static SECOND: RefCell<Second> = RefCell::new(Second::default());
    }
    if SECOND.try_with(|second| second.borrow_mut().write(moment, out)).is_err() {
        // The thread is ending, and its memory is gone already.
        Second::default().write(moment, out);
    }
}

/// A second that has been written before.
#[derive(Default)]
struct Second {
    number: Option<u64>,
    /// Up to and with the dot.
    text: String,
}

impl Second {
    fn write(&mut self, moment: SystemTime, out: &mut Vec<u8>) {
        let Ok(since) = moment.duration_since(UNIX_EPOCH) else {
            out.extend_from_slice(rfc3339(moment.into()).as_bytes()); // a clock that was never set
            return;
        };
        if self.number != Some(since.as_secs()) {
            let whole: DateTime<Utc> =
                (moment - std::time::Duration::from_nanos(since.subsec_nanos().into())).into();
            self.text = whole.to_rfc3339_opts(SecondsFormat::Secs, true).replace('Z', ".");
            self.number = Some(since.as_secs());
        }
        out.extend_from_slice(self.text.as_bytes());
        let mut digits = *b"000000Z";
        let mut rest = since.subsec_micros();
        for digit in digits[..6].iter_mut().rev() {
            *digit += (rest % 10) as u8;
            rest /= 10;
        }
        out.extend_from_slice(&digits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_remembered_of_a_second_changes_nothing(
            moments in prop::collection::vec((-5_000_000_000_i64..200_000_000_000, 0_u32..1_000_000_000), 1..8),
            steps in prop::collection::vec(0_u32..1_000_000_000, 0..4),
        ) {
            let mut second = Second::default();
            for (seconds, nanoseconds) in moments {
                let same = steps.iter().map(|step| (seconds, *step));
                for (seconds, nanoseconds) in same.chain([(seconds, nanoseconds)]) {
                    let moment = DateTime::from_timestamp(seconds, nanoseconds).unwrap();
                    let mut out = Vec::new();
                    second.write(moment.into(), &mut out);
                    prop_assert_eq!(String::from_utf8(out).unwrap(), rfc3339(moment));
                }
            }
        }
    }
}
