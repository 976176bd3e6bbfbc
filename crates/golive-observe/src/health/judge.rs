//! What the usual numbers mean for health: pure, with every bound in sight. Where a number comes from is the caller's
//! business; a number that is not there is unknown, and unknown is not healthy.

use std::time::Duration;

use super::CheckOutput;

/// A share of the pool that is worth a warning.
const BUSY_POOL_PERCENT: u64 = 80;

/// Differences between two clocks that are a worry, and that break tokens and the order of rows.
const DEGRADED_SKEW: Duration = Duration::from_secs(2);
const DOWN_SKEW: Duration = Duration::from_secs(30);

/// Days before the end of a certificate at which it is a worry, and at which it is nearly too late.
const DEGRADED_DAYS: i64 = 21;
const DOWN_DAYS: i64 = 3;

impl CheckOutput {
    /// Judges a connection pool: degraded from 80 % in use, down when all are in use and callers wait.
    #[must_use]
    pub fn pool_utilisation(busy: u64, most: u64, waiting: u64) -> Self {
        let detail = format!("{busy} of {most} connections in use, {waiting} waiting");
        if busy >= most && waiting > 0 {
            return Self::down(format!("{detail}; look for slow queries, then enlarge the pool"));
        }
        if busy.saturating_mul(100) >= most.saturating_mul(BUSY_POOL_PERCENT) {
            return Self::degraded(format!("{detail}; look for slow queries, then enlarge the pool"));
        }
        Self::up_with(detail)
    }

    /// Judges how far two clocks are apart: degraded from 2 seconds, down from 30.
    #[must_use]
    pub fn clock_skew(skew: Option<Duration>) -> Self {
        let Some(skew) = skew else { return Self::unknown("the other clock could not be read") };
        let detail = format!("clocks are {} ms apart", skew.as_millis());
        match skew {
            skew if skew >= DOWN_SKEW => {
                Self::down(format!("{detail}; start time synchronisation on both hosts"))
            }
            skew if skew >= DEGRADED_SKEW => Self::degraded(format!("{detail}; check time synchronisation")),
            _ => Self::up_with(detail),
        }
    }

    /// Judges the days that a certificate is still valid: degraded below 21, down below 3.
    #[must_use]
    pub fn certificate_days_left(days: Option<i64>) -> Self {
        let Some(days) = days else { return Self::unknown("the certificate could not be read") };
        let detail = format!("the certificate is valid for {days} more days");
        match days {
            ..DOWN_DAYS => Self::down(format!("{detail}; renew it now")),
            DOWN_DAYS..DEGRADED_DAYS => Self::degraded(format!("{detail}; see why it was not renewed")),
            _ => Self::up_with(detail),
        }
    }

    /// Judges the age of the last good backup: down when it is older than `at_most`.
    #[must_use]
    pub fn backup_age(age: Option<Duration>, at_most: Duration) -> Self {
        let Some(age) = age else { return Self::unknown("no good backup is known") };
        let detail = format!("the last good backup is {} h old", age.as_secs() / 3600);
        if age > at_most {
            return Self::down(format!(
                "{detail}; run one by hand and read the log of the one that is missing"
            ));
        }
        Self::up_with(detail)
    }

    /// Judges the version of the schema: down unless it is the one that the program was built for.
    #[must_use]
    pub fn schema_version(found: Option<&str>, expected: &str) -> Self {
        match found {
            None => Self::unknown("the version of the schema could not be read"),
            Some(found) if found == expected => Self::up_with(format!("schema {found}")),
            Some(found) => Self::down(format!("schema {found} instead of {expected}; run the migrations")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::HealthStatus::{Degraded, Down, Unknown, Up};

    #[test]
    fn every_bound_is_where_it_says() {
        let pool = |busy, waiting| CheckOutput::pool_utilisation(busy, 10, waiting).status;
        assert_eq!([pool(7, 0), pool(8, 0), pool(10, 0), pool(10, 1)], [Up, Degraded, Degraded, Down]);
        let skew = |millis| CheckOutput::clock_skew(Some(Duration::from_millis(millis))).status;
        assert_eq!([skew(0), skew(1999), skew(2000), skew(30_000)], [Up, Up, Degraded, Down]);
        let days = |days| CheckOutput::certificate_days_left(Some(days)).status;
        assert_eq!([days(21), days(20), days(3), days(2), days(-1)], [Up, Degraded, Degraded, Down, Down]);
        let day = Duration::from_secs(86_400);
        let age = |age| CheckOutput::backup_age(Some(age), day).status;
        assert_eq!([age(day), age(day + Duration::from_secs(1))], [Up, Down]);
        let schema = |found| CheckOutput::schema_version(Some(found), "7").status;
        assert_eq!([schema("7"), schema("6"), schema("8")], [Up, Down, Down]);
    }

    #[test]
    fn what_could_not_be_read_is_unknown() {
        assert_eq!(CheckOutput::clock_skew(None).status, Unknown);
        assert_eq!(CheckOutput::certificate_days_left(None).status, Unknown);
        assert_eq!(CheckOutput::backup_age(None, Duration::from_secs(1)).status, Unknown);
        assert_eq!(CheckOutput::schema_version(None, "7").status, Unknown);
    }
}
