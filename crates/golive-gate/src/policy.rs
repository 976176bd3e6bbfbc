//! What a client may set about the judgement: ages, the load limit, waivers. The `[gate]` table of `golive.toml`.
//!
//! What must not be here: a switch that turns a criterion off. Only a waiver, with owner, reason and expiry, lets a
//! criterion pass by, and what lies under it stays visible.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::criteria::{Criterion, criteria};

/// The settings of the judgement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Policy {
    /// Hours after which evidence is too old, for criteria not named in `max_age_hours`.
    pub default_max_age_hours: u32,
    /// Hours after which the evidence of one criterion (by key) is too old.
    pub max_age_hours: BTreeMap<String, u32>,
    /// Seconds that a fact may lie in the future, for clocks that differ a little.
    pub clock_skew_seconds: u32,
    /// The dashboards' 95th percentile must stay below this many milliseconds.
    pub dashboard_p95_ms: f64,
    /// Criteria that are let pass for a time, by somebody, for a reason.
    pub waivers: Vec<Waiver>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            default_max_age_hours: DEFAULT_MAX_AGE_HOURS,
            max_age_hours: BTreeMap::new(),
            clock_skew_seconds: 60,
            dashboard_p95_ms: CHECKLIST_DASHBOARD_P95_MS,
            waivers: Vec::new(),
        }
    }
}

impl Policy {
    /// How old the evidence of a criterion may be.
    #[must_use]
    pub fn max_age(&self, criterion: &Criterion) -> Duration {
        let own = self.max_age_hours.get(criterion.key).copied().or(criterion.max_age_hours);
        let hours = own.unwrap_or(self.default_max_age_hours);
        Duration::hours(i64::from(hours))
    }

    /// Refuses settings that cannot mean what they say.
    ///
    /// # Errors
    /// When a criterion's key is unknown, a waiver lacks owner or reason, or a limit is not a positive number.
    pub fn validate(&self) -> Result<(), PolicyError> {
        let known = |key: &str| criteria().iter().any(|c| c.key == key);
        let named = self.max_age_hours.keys().chain(self.waivers.iter().map(|w| &w.criterion));
        for key in named {
            if !known(key) {
                return Err(PolicyError::UnknownCriterion { key: key.clone() });
            }
        }
        if let Some(waiver) = self.waivers.iter().find(|w| !w.is_signed()) {
            return Err(PolicyError::UnsignedWaiver { criterion: waiver.criterion.clone() });
        }
        if !(self.dashboard_p95_ms.is_finite() && self.dashboard_p95_ms > 0.0) {
            return Err(PolicyError::BadLimit { setting: "dashboard_p95_ms" });
        }
        if self.default_max_age_hours == 0 || self.max_age_hours.values().any(|hours| *hours == 0) {
            return Err(PolicyError::BadLimit { setting: "max_age_hours" });
        }
        if self.clock_skew_seconds > MOST_CLOCK_SKEW_SECONDS {
            return Err(PolicyError::BadLimit { setting: "clock_skew_seconds" });
        }
        Ok(())
    }

    /// Where this policy asks less than the checklist: shown in every report.
    pub(crate) fn leniencies(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.dashboard_p95_ms > CHECKLIST_DASHBOARD_P95_MS {
            found.push(format!(
                "the policy allows dashboards a p95 of {} ms; the checklist asks for {CHECKLIST_DASHBOARD_P95_MS} ms",
                self.dashboard_p95_ms
            ));
        }
        let standard = Self::default();
        for criterion in criteria() {
            let (ours, usual) = (self.max_age(criterion), standard.max_age(criterion));
            if ours > usual {
                found.push(format!(
                    "the policy accepts evidence for `{}` up to {} h old; {} h is usual",
                    criterion.key,
                    ours.num_hours(),
                    usual.num_hours()
                ));
            }
        }
        found
    }
}

/// Lets one criterion pass by for a time. The result under it stays in the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Waiver {
    /// Key of the criterion, e.g. `tls`.
    pub criterion: String,
    /// Who answers for it.
    pub owner: String,
    /// Why it may wait.
    pub reason: String,
    /// The last day (UTC) on which it counts, `"2026-12-31"`.
    pub expires: NaiveDate,
}

impl Waiver {
    /// A waiver; all four parts are needed.
    pub fn new(
        criterion: impl Into<String>,
        owner: impl Into<String>,
        reason: impl Into<String>,
        expires: NaiveDate,
    ) -> Self {
        Self { criterion: criterion.into(), owner: owner.into(), reason: reason.into(), expires }
    }

    /// Whether its last day is over.
    #[must_use]
    pub fn is_expired(&self, now: DateTime<Utc>) -> bool {
        now.date_naive() > self.expires
    }

    pub(crate) fn is_signed(&self) -> bool {
        !self.owner.trim().is_empty() && !self.reason.trim().is_empty()
    }
}

/// Why a policy cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyError {
    /// A key that is none of the thirteen.
    #[error("find a criterion called `{key}` in [gate]: use one of {}", keys())]
    UnknownCriterion {
        /// The key as written.
        key: String,
    },
    /// A waiver that nobody answers for.
    #[error("accept the waiver of `{criterion}` in [gate]: give it an owner and a reason")]
    UnsignedWaiver {
        /// The waived criterion.
        criterion: String,
    },
    /// A limit of zero or none.
    #[error("use `{setting}` in [gate]: give it a number above zero and below what would let anything pass")]
    BadLimit {
        /// The setting's name.
        setting: &'static str,
    },
}

fn keys() -> String {
    let keys: Vec<_> = criteria().iter().map(|c| c.key).collect();
    keys.join(", ")
}

/// Evidence of a go-live is collected on the day; a day is its life.
pub(crate) const DEFAULT_MAX_AGE_HOURS: u32 = 24;
const CHECKLIST_DASHBOARD_P95_MS: f64 = 500.0;
/// Evidence from further in the future than clocks of one site differ is no evidence.
const MOST_CLOCK_SKEW_SECONDS: u32 = 300;
