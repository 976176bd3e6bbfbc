//! How much is allowed. Plain data.

use std::num::NonZeroU32;
use std::time::Duration;

/// So many in each period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Window {
    /// How many in each period.
    pub limit: NonZeroU32,
    /// The period.
    pub period: Duration,
    /// How many at once. As many as `limit` unless said otherwise.
    pub burst: NonZeroU32,
}

impl Window {
    /// The time in which one more is allowed.
    pub(crate) fn interval(&self) -> Duration {
        (self.period / self.limit.get()).max(Duration::from_micros(1))
    }
}

/// What decides while Redis is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnOutage {
    /// Each instance by itself, at one in this many of the limit.
    Share(NonZeroU32),
    /// Nothing passes.
    Deny,
}

/// How much is allowed, under a name that is part of the key. Several windows hold together: ten a minute and a hundred
/// a day.
///
/// ```
/// use golive_cache::Quota;
///
/// let login = Quota::per_minute("login", 10).and_per_hour(60).with_local_share(4);
/// assert_eq!(login.windows().len(), 2);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    name: &'static str,
    windows: Vec<Window>,
    on_outage: OnOutage,
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

impl Quota {
    /// `limit` in each `period`, all at once if they come so. `name`, for example `login`, is what keeps the counts of
    /// different quotas apart. While Redis is away each instance allows half; see [`Quota::with_local_share`].
    pub fn new(name: &'static str, limit: NonZeroU32, period: Duration) -> Self {
        let two = NonZeroU32::MIN.saturating_add(1);
        let windows = vec![Window { limit, period, burst: limit }];
        Self { name, windows, on_outage: OnOutage::Share(two) }
    }

    /// `limit` in each second. A limit of 0 counts as 1.
    pub fn per_second(name: &'static str, limit: u32) -> Self {
        Self::new(name, at_least_one(limit), SECOND)
    }

    /// `limit` in each minute. A limit of 0 counts as 1.
    pub fn per_minute(name: &'static str, limit: u32) -> Self {
        Self::new(name, at_least_one(limit), MINUTE)
    }

    /// The same, and no more than `limit` in each `period` besides.
    #[must_use]
    pub fn and(mut self, limit: NonZeroU32, period: Duration) -> Self {
        self.windows.push(Window { limit, period, burst: limit });
        self
    }

    /// The same, and no more than `limit` in each hour. A limit of 0 counts as 1.
    #[must_use]
    pub fn and_per_hour(self, limit: u32) -> Self {
        self.and(at_least_one(limit), HOUR)
    }

    /// The same, and no more than `limit` in each day. A limit of 0 counts as 1.
    #[must_use]
    pub fn and_per_day(self, limit: u32) -> Self {
        self.and(at_least_one(limit), DAY)
    }

    /// The same with another burst for the window added last: how many may come at once.
    #[must_use]
    pub fn with_burst(mut self, burst: NonZeroU32) -> Self {
        if let Some(window) = self.windows.last_mut() {
            window.burst = burst;
        }
        self
    }

    /// The share of the limit that each instance allows by itself while Redis is away: one in this many, and never less
    /// than one. The number of instances keeps the limit; a higher one is stricter, as for a login. 0 counts as 1.
    #[must_use]
    pub fn with_local_share(mut self, one_in: u32) -> Self {
        self.on_outage = OnOutage::Share(at_least_one(one_in));
        self
    }

    /// Lets nothing pass while Redis is away.
    #[must_use]
    pub fn deny_on_outage(mut self) -> Self {
        self.on_outage = OnOutage::Deny;
        self
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its windows, at least one.
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// What decides while Redis is away.
    pub fn on_outage(&self) -> OnOutage {
        self.on_outage
    }
}

fn at_least_one(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}
