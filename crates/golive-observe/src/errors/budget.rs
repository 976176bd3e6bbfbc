//! Bounds a storm: so many of one kind in a window, so many together, so many that are new; the rest only counted. Pure.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Kinds remembered at once; beyond that the one not seen for longest is forgotten.
const MOST_KINDS: usize = 1024;

/// What to do with one occurrence.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Let it through, and tell how many of its kind were held back before.
    Admit { suppressed: u64 },
    /// Hold it back.
    Suppress,
}

/// Counts occurrences by kind.
#[derive(Debug)]
pub(crate) struct Budget {
    per_kind: u32,
    all_together: u32,
    window: Duration,
    kinds: HashMap<String, Kind>,
    total: Option<Total>,
}

/// What was let through in the present window: in all, and of that the kinds never seen before.
#[derive(Debug, Clone, Copy)]
struct Total {
    window_start: Instant,
    admitted: u32,
    news: u32,
}

#[derive(Debug)]
struct Kind {
    window_start: Instant,
    last_seen: Instant,
    admitted: u32,
    suppressed: u64,
}

impl Budget {
    pub(crate) fn new(per_kind: u32, all_together: u32, window: Duration) -> Self {
        Self { per_kind, all_together, window, kinds: HashMap::new(), total: None }
    }

    /// Judges one occurrence of `kind`. A kind never seen is let through even when the common budget is spent: it is
    /// news. But of news, too, no more than that budget comes through in one window: an error that is another one each
    /// time must not get out without end.
    pub(crate) fn admit(&mut self, kind: &str, now: Instant) -> Verdict {
        let has_expired = |start: Instant, window| now.saturating_duration_since(start) >= window;
        let fresh = Total { window_start: now, admitted: 0, news: 0 };
        let mut total =
            self.total.filter(|total| !has_expired(total.window_start, self.window)).unwrap_or(fresh);
        let is_news = !self.kinds.contains_key(kind);
        if is_news {
            self.forget_oldest();
        }
        let unseen = Kind { window_start: now, last_seen: now, admitted: 0, suppressed: 0 };
        let known = self.kinds.entry(kind.to_owned()).or_insert(unseen);
        known.last_seen = now;
        if has_expired(known.window_start, self.window) {
            (known.window_start, known.admitted) = (now, 0);
        }
        let is_spent = if is_news {
            total.news >= self.all_together
        } else {
            known.admitted >= self.per_kind || total.admitted >= self.all_together
        };
        let verdict = if is_spent {
            known.suppressed += 1;
            Verdict::Suppress
        } else {
            known.admitted += 1;
            total.admitted = total.admitted.saturating_add(1);
            total.news += u32::from(is_news);
            Verdict::Admit { suppressed: std::mem::take(&mut known.suppressed) }
        };
        self.total = Some(total);
        verdict
    }

    fn forget_oldest(&mut self) {
        if self.kinds.len() < MOST_KINDS {
            return;
        }
        let oldest = self.kinds.iter().min_by_key(|(_, kind)| kind.last_seen).map(|(name, _)| name.clone());
        if let Some(oldest) = oldest {
            self.kinds.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_held_back_counted_and_told_later() {
        let start = Instant::now();
        let mut budget = Budget::new(2, 100, Duration::from_secs(60));
        assert_eq!(budget.admit("a", start), Verdict::Admit { suppressed: 0 });
        assert_eq!(budget.admit("a", start), Verdict::Admit { suppressed: 0 });
        for _ in 0..7 {
            assert_eq!(budget.admit("a", start), Verdict::Suppress);
        }
        assert_eq!(budget.admit("b", start), Verdict::Admit { suppressed: 0 });
        let later = start + Duration::from_secs(60);
        assert_eq!(budget.admit("a", later), Verdict::Admit { suppressed: 7 });
    }

    #[test]
    fn news_passes_even_when_the_common_budget_is_spent() {
        let start = Instant::now();
        let mut budget = Budget::new(10, 3, Duration::from_secs(60));
        for _ in 0..3 {
            assert_eq!(budget.admit("a", start), Verdict::Admit { suppressed: 0 });
        }
        assert_eq!(budget.admit("a", start), Verdict::Suppress);
        assert_eq!(budget.admit("news", start), Verdict::Admit { suppressed: 0 });
    }

    #[test]
    fn an_error_that_is_another_each_time_does_not_get_out_without_end() {
        let start = Instant::now();
        let mut budget = Budget::new(5, 60, Duration::from_secs(60));
        let mut storm = |at: Instant, from: u32| {
            let kinds = (from..from + 5000).map(|number| number.to_string());
            kinds.filter(|kind| matches!(budget.admit(kind, at), Verdict::Admit { .. })).count()
        };
        assert_eq!(storm(start, 0), 60);
        assert_eq!(storm(start + Duration::from_secs(59), 10_000), 0);
        assert_eq!(storm(start + Duration::from_secs(60), 20_000), 60);
    }

    #[test]
    fn what_was_held_back_as_news_is_told_when_it_comes_through() {
        let start = Instant::now();
        let mut budget = Budget::new(5, 1, Duration::from_secs(60));
        assert_eq!(budget.admit("a", start), Verdict::Admit { suppressed: 0 });
        assert_eq!(budget.admit("b", start), Verdict::Suppress);
        let later = start + Duration::from_secs(60);
        assert_eq!(budget.admit("b", later), Verdict::Admit { suppressed: 1 });
    }

    #[test]
    fn memory_is_bounded() {
        let start = Instant::now();
        let mut budget = Budget::new(1, u32::MAX, Duration::from_secs(60));
        for number in 0..5000 {
            budget.admit(&number.to_string(), start);
        }
        assert!(budget.kinds.len() <= MOST_KINDS);
    }
}
