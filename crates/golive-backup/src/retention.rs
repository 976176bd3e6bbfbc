//! What may be deleted: a pure decision that prints in full, and the act that follows it and nothing else.
//!
//! A backup counts as good when somebody looked at it and no later look failed. However old, the newest good ones of
//! every stream (a database, or the state files) stay, and so does the newest backup. A backup from the future is
//! kept and counts for nothing: the clock was wrong then, or is wrong now.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use serde::Serialize;

use crate::manifest::{BackupId, Content, Manifest};
use crate::repository::{Proof, ProofLevel, Repository, RepositoryError, Scan};

/// How far a backup may be ahead of the clock before it counts as from the future.
const CLOCK_SLACK: TimeDelta = TimeDelta::minutes(5);
/// A plan that deletes more than this many backups *and* more than half of them needs its own call.
const MANY: usize = 3;

/// How long backups are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retention {
    /// Backups younger than this many days stay.
    pub days: u32,
    /// The newest good backups that stay however old they are; 0 means 1.
    pub keep_last_good: usize,
    /// Of the newest so many days that have a good backup, the last good one of each stays.
    pub daily: usize,
    /// The same for weeks, which begin on Monday.
    pub weekly: usize,
    /// The same for months.
    pub monthly: usize,
    /// The same for years.
    pub yearly: usize,
}

impl Retention {
    /// 30 days, and always the last two good ones; nothing by weeks, months or years.
    pub fn new() -> Self {
        Self { days: 30, keep_last_good: 2, daily: 0, weekly: 0, monthly: 0, yearly: 0 }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self::new()
    }
}

/// What retention needs to know of one backup.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Candidate {
    /// The backup.
    pub id: BackupId,
    /// Which stream it belongs to.
    pub stream: String,
    /// When it was taken.
    pub created_at: DateTime<Utc>,
    /// The deepest proof that holds; `None` when never looked at, or found damaged.
    pub proven: Option<ProofLevel>,
    /// The backup without which this one cannot be restored, for an incremental one.
    pub needs: Option<BackupId>,
}

impl Candidate {
    /// A backup with what is known of it.
    pub fn new(
        id: BackupId,
        stream: impl Into<String>,
        created_at: DateTime<Utc>,
        proven: Option<ProofLevel>,
    ) -> Self {
        Self { id, stream: stream.into(), created_at, proven, needs: None }
    }

    fn of(manifest: &Manifest, proofs: &[Proof]) -> Self {
        let stream = match &manifest.content {
            Content::Database(facts) => format!("database {}", facts.name),
            Content::Physical(_) => "server".to_owned(),
            Content::State(_) => "state".to_owned(),
            Content::Redis(_) => "redis".to_owned(),
        };
        let needs = manifest.physical().and_then(|facts| facts.base.clone());
        let new = Self::new(manifest.id.clone(), stream, manifest.created_at, proven(proofs));
        Self { needs, ..new }
    }
}

/// The deepest proof that passed, unless the last look of any kind failed.
fn proven(proofs: &[Proof]) -> Option<ProofLevel> {
    match proofs.last() {
        Some(last) if last.passed => {
            proofs.iter().filter(|proof| proof.passed).map(|proof| proof.level).max()
        }
        _ => None,
    }
}

/// Why a backup stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kept {
    /// Young enough.
    InWindow,
    /// One of the newest good ones.
    LastGood,
    /// The last good one of a day, week, month or year that is kept.
    OfItsPeriod,
    /// Another that is kept cannot be restored without it.
    NeededByAnother,
    /// The newest of its stream, proven or not.
    Newest,
    /// No other backup of its stream is proven, so none is deleted.
    NothingProven,
    /// Its time is ahead of the clock.
    FromTheFuture,
}

impl fmt::Display for Kept {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::InWindow => "within the kept days",
            Self::LastGood => "one of the last good ones",
            Self::OfItsPeriod => "the last good one of its day, week, month or year",
            Self::NeededByAnother => "another that is kept needs it",
            Self::Newest => "the newest",
            Self::NothingProven => "no backup of this kind is proven yet: verify one first",
            Self::FromTheFuture => "dated in the future: check the clock",
        })
    }
}

/// What would be deleted and why the rest stays.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct PrunePlan {
    /// To be deleted, oldest first.
    pub delete: Vec<BackupId>,
    /// To be kept, with the reason.
    pub keep: Vec<(BackupId, Kept)>,
}

impl PrunePlan {
    /// Whether the plan deletes so much that a wrong clock is likelier than a long pause.
    pub fn deletes_suspiciously_much(&self) -> bool {
        self.delete.len() > MANY && self.delete.len() > self.keep.len()
    }
}

impl fmt::Display for PrunePlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (id, reason) in &self.keep {
            writeln!(formatter, "keep    {id}  {reason}")?;
        }
        for id in &self.delete {
            writeln!(formatter, "delete  {id}  older than the kept days")?;
        }
        write!(formatter, "{} to delete, {} kept", self.delete.len(), self.keep.len())
    }
}

/// What a prune did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Pruned {
    /// Deleted.
    pub deleted: Vec<BackupId>,
}

/// Decides what may be deleted. Touches nothing.
pub fn plan_prune(candidates: &[Candidate], retention: &Retention, now: DateTime<Utc>) -> PrunePlan {
    let mut streams: BTreeMap<&str, Vec<&Candidate>> = BTreeMap::new();
    for candidate in candidates {
        streams.entry(&candidate.stream).or_default().push(candidate);
    }
    let mut plan = PrunePlan::default();
    for mut stream in streams.into_values() {
        stream.sort_by_key(|candidate| std::cmp::Reverse(candidate.id.sequence()));
        plan_stream(&stream, retention, now, &mut plan);
    }
    plan.delete.sort();
    plan.keep.sort_by(|one, other| one.0.cmp(&other.0));
    plan
}

/// One stream, newest first by sequence, which a clock cannot turn back.
fn plan_stream(stream: &[&Candidate], retention: &Retention, now: DateTime<Utc>, plan: &mut PrunePlan) {
    let oldest_kept = now.checked_sub_signed(TimeDelta::days(i64::from(retention.days)));
    let future = |candidate: &Candidate| candidate.created_at > now + CLOCK_SLACK;
    let good = || stream.iter().filter(|candidate| candidate.proven.is_some() && !future(candidate));
    let wanted = retention.keep_last_good.max(1);
    // The newest that were looked at in any depth, and the newest that were really restored.
    let last_good: Vec<&BackupId> = good()
        .take(wanted)
        .chain(good().filter(|candidate| candidate.proven == Some(ProofLevel::Restored)).take(wanted))
        .map(|candidate| &candidate.id)
        .collect();
    let good_ones: Vec<&Candidate> = good().copied().collect();
    let periodic = last_of_periods(&good_ones, retention);
    let mut needed: Vec<&BackupId> = Vec::new();
    // Newest first, so whoever needs another comes before it.
    for (index, candidate) in stream.iter().enumerate() {
        let reason = if future(candidate) {
            Some(Kept::FromTheFuture)
        } else if oldest_kept.is_none_or(|oldest| candidate.created_at >= oldest) {
            Some(Kept::InWindow)
        } else if last_good.contains(&&candidate.id) {
            Some(Kept::LastGood)
        } else if periodic.contains(&&candidate.id) {
            Some(Kept::OfItsPeriod)
        } else if needed.contains(&&candidate.id) {
            Some(Kept::NeededByAnother)
        } else if index == 0 {
            Some(Kept::Newest)
        } else if last_good.is_empty() {
            Some(Kept::NothingProven)
        } else {
            None
        };
        match reason {
            Some(reason) => {
                needed.extend(&candidate.needs);
                plan.keep.push((candidate.id.clone(), reason));
            }
            None => plan.delete.push(candidate.id.clone()),
        }
    }
}

/// Names the period that a day lies in.
type Period<'a> = &'a dyn Fn(NaiveDate) -> (i32, u32);

/// The last good one of each of the newest periods; `good` is newest first.
fn last_of_periods<'a>(good: &[&'a Candidate], retention: &Retention) -> Vec<&'a BackupId> {
    let counts: [(usize, Period<'_>); 4] = [
        (retention.daily, &|day| (day.year(), day.ordinal())),
        (retention.weekly, &|day| (day.iso_week().year(), day.iso_week().week())),
        (retention.monthly, &|day| (day.year(), day.month())),
        (retention.yearly, &|day| (day.year(), 0)),
    ];
    let mut kept = Vec::new();
    for (count, period) in counts {
        let mut seen = BTreeSet::new();
        for candidate in good {
            if seen.len() == count {
                break;
            }
            if seen.insert(period(candidate.created_at.date_naive())) {
                kept.push(&candidate.id);
            }
        }
    }
    kept
}

impl Scan {
    /// What retention needs to know of everything readable. Damaged entries are not touched by retention.
    pub fn candidates(&self) -> Vec<Candidate> {
        self.backups.iter().map(|(manifest, proofs)| Candidate::of(manifest, proofs)).collect()
    }
}

impl Repository {
    /// Carries out a plan, after deciding again under the lock that every deletion is still right.
    ///
    /// # Errors
    /// When a backup or prune is running, when the repository changed so that the plan is stale, or when the plan
    /// [deletes suspiciously much](PrunePlan::deletes_suspiciously_much).
    pub fn prune(
        &self,
        plan: &PrunePlan,
        retention: &Retention,
        now: DateTime<Utc>,
    ) -> Result<Pruned, RepositoryError> {
        if plan.deletes_suspiciously_much() {
            return Err(RepositoryError::PruneRefused {
                reason: format!(
                    "the plan deletes {} and keeps {}; check the clock, then confirm the deletion of many",
                    plan.delete.len(),
                    plan.keep.len()
                ),
            });
        }
        self.dangerous_prune_many(plan, retention, now)
    }

    /// [`Repository::prune`] without the guard against a wrong clock.
    ///
    /// # Errors
    /// When a backup or prune is running, or the plan is stale.
    pub fn dangerous_prune_many(
        &self,
        plan: &PrunePlan,
        retention: &Retention,
        now: DateTime<Utc>,
    ) -> Result<Pruned, RepositoryError> {
        let lock = self.lock()?;
        let fresh = plan_prune(&self.scan()?.candidates(), retention, now);
        if let Some(stale) = plan.delete.iter().find(|id| !fresh.delete.contains(id)) {
            return Err(RepositoryError::PruneRefused {
                reason: format!("{stale} may not be deleted any more; make a new plan"),
            });
        }
        let mut pruned = Pruned::default();
        for id in &plan.delete {
            self.remove(id, &lock)?;
            pruned.deleted.push(id.clone());
        }
        Ok(pruned)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidates() -> impl Strategy<Value = Vec<Candidate>> {
        let level = prop_oneof![
            Just(None),
            Just(Some(ProofLevel::Bytes)),
            Just(Some(ProofLevel::Contents)),
            Just(Some(ProofLevel::Restored))
        ];
        prop::collection::vec((0..500_i64, level, prop::bool::ANY), 0..40).prop_map(|rows| {
            rows.into_iter()
                .enumerate()
                .map(|(index, (day, proven, state))| {
                    let at = day_number(day);
                    let sequence = u32::try_from(index).unwrap() + 1;
                    Candidate::new(
                        BackupId::new(sequence, at),
                        if state { "state" } else { "database kpi" },
                        at,
                        proven,
                    )
                })
                .collect()
        })
    }

    fn day_number(day: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + day * 86_400, 0).unwrap()
    }

    proptest! {
        /// Whatever the clock says now, said then, or was proven: the invariants of retention.
        #[test]
        fn the_last_good_ones_survive_any_clock(
            candidates in candidates(), now in -1000..3000_i64, days in 0..60_u32, keep in 0..5_usize,
            (daily, weekly, monthly) in (0..9_usize, 0..5_usize, 0..5_usize),
        ) {
            let now = day_number(now);
            let retention = Retention { days, keep_last_good: keep, daily, weekly, monthly, yearly: 1 };
            let plan = plan_prune(&candidates, &retention, now);
            prop_assert_eq!(plan.delete.len() + plan.keep.len(), candidates.len());
            let deleted = |candidate: &Candidate| plan.delete.contains(&candidate.id);
            for stream in ["state", "database kpi"] {
                let of_stream: Vec<_> = candidates.iter().filter(|candidate| candidate.stream == stream).collect();
                let good = |candidate: &&&Candidate| candidate.proven.is_some() && candidate.created_at <= now;
                let newest_good: Vec<_> = of_stream.iter().rev().filter(good).take(keep.max(1)).collect();
                prop_assert!(newest_good.iter().all(|candidate| !deleted(candidate)));
                let restored = |candidate: &&&Candidate| good(candidate) && candidate.proven == Some(ProofLevel::Restored);
                prop_assert!(of_stream.iter().rev().find(restored).is_none_or(|candidate| !deleted(candidate)));
                prop_assert!(of_stream.last().is_none_or(|newest| !deleted(newest)));
                if newest_good.is_empty() {
                    prop_assert!(of_stream.iter().all(|candidate| !deleted(candidate)));
                }
            }
            for candidate in candidates.iter().filter(|candidate| deleted(candidate)) {
                prop_assert!(candidate.created_at < now - TimeDelta::days(i64::from(days)));
            }
            // Deciding again after the deletions deletes nothing more.
            let left: Vec<_> = candidates.iter().filter(|candidate| !deleted(candidate)).cloned().collect();
            prop_assert!(plan_prune(&left, &retention, now).delete.is_empty());
        }
    }

    #[test]
    fn a_month_of_daily_backups_prints_and_a_leap_of_the_clock_is_held_up() {
        let daily: Vec<Candidate> = (0..34_u32)
            .map(|day| {
                let at = day_number(i64::from(day));
                Candidate::new(BackupId::new(day + 1, at), "database kpi", at, Some(ProofLevel::Contents))
            })
            .collect();
        let plan = plan_prune(&daily, &Retention::new(), day_number(33));
        assert_eq!(plan.delete.len(), 3);
        assert!(!plan.deletes_suspiciously_much());
        let text = plan.to_string();
        assert!(text.starts_with("keep    000004-") && text.ends_with("3 to delete, 31 kept"), "{text}");
        let leap = plan_prune(&daily, &Retention::new(), day_number(400));
        assert_eq!(leap.keep.len(), 2);
        assert!(leap.deletes_suspiciously_much());
    }

    #[test]
    fn weeks_months_and_years_keep_their_last_good_one_and_what_it_needs() {
        let mut daily: Vec<Candidate> = (0..800_u32)
            .map(|day| {
                let at = day_number(i64::from(day));
                Candidate::new(BackupId::new(day + 1, at), "database kpi", at, Some(ProofLevel::Restored))
            })
            .collect();
        let mut retention = Retention::new();
        (retention.days, retention.daily, retention.weekly, retention.monthly, retention.yearly) =
            (3, 7, 4, 12, 3);
        let kept = |candidates: &[Candidate]| {
            let plan = plan_prune(candidates, &retention, day_number(799));
            plan.keep.iter().map(|(id, _)| id.sequence()).collect::<Vec<_>>()
        };
        // 2023-11-14 and 799 days on: 2026-01-21. Ends of years, of a year's months, of weeks, and seven days.
        let dates = |sequences: &[u32]| {
            let date = |sequence: &u32| day_number(i64::from(*sequence) - 1).format("%m-%d").to_string();
            sequences.iter().map(date).collect::<Vec<_>>()
        };
        assert_eq!(
            dates(&kept(&daily)),
            [
                "12-31", "02-28", "03-31", "04-30", "05-31", "06-30", "07-31", "08-31", "09-30", "10-31",
                "11-30", "12-31", "01-04", "01-11", "01-15", "01-16", "01-17", "01-18", "01-19", "01-20",
                "01-21"
            ]
        );
        // An incremental that is kept keeps its base, and the base of that.
        let (of_march, before, earlier) = (503, 502, 501);
        assert!(kept(&daily).contains(&(of_march + 1)), "2025-03-31");
        daily[of_march as usize].needs = Some(daily[before as usize].id.clone());
        daily[before as usize].needs = Some(daily[earlier as usize].id.clone());
        let with_bases = kept(&daily);
        assert!(with_bases.contains(&(before + 1)) && with_bases.contains(&(earlier + 1)));
    }

    #[test]
    fn a_backup_found_damaged_is_not_good_whatever_was_proven_before() {
        let at = day_number(0);
        let mut proofs =
            vec![Proof::new(at, ProofLevel::Restored, true, ""), Proof::new(at, ProofLevel::Bytes, true, "")];
        assert_eq!(proven(&proofs), Some(ProofLevel::Restored));
        proofs.push(Proof::new(at, ProofLevel::Bytes, false, ""));
        assert_eq!(proven(&proofs), None);
    }
}
