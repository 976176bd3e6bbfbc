//! Bounds a storm: so many of one kind in a window, so many together, the rest only counted. Pure.

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
    total: Option<(Instant, u32)>,
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

    /// Judges one occurrence of `kind`. A kind never seen is always let through: it is news.
    pub(crate) fn admit(&mut self, kind: &str, now: Instant) -> Verdict {
        let has_expired = |start: Instant, window| now.saturating_duration_since(start) >= window;
        let total = match self.total {
            Some((start, count)) if !has_expired(start, self.window) => (start, count),
            _ => (now, 0),
        };
        self.total = Some((total.0, total.1.saturating_add(1)));
        let Some(known) = self.kinds.get_mut(kind) else {
            self.forget_oldest();
            self.kinds.insert(
                kind.to_owned(),
                Kind { window_start: now, last_seen: now, admitted: 1, suppressed: 0 },
            );
            return Verdict::Admit { suppressed: 0 };
        };
        known.last_seen = now;
        if has_expired(known.window_start, self.window) {
            (known.window_start, known.admitted) = (now, 0);
        }
        if known.admitted >= self.per_kind || total.1 >= self.all_together {
            known.suppressed += 1;
            self.total = Some(total);
            return Verdict::Suppress;
        }
        known.admitted += 1;
        Verdict::Admit { suppressed: std::mem::take(&mut known.suppressed) }
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
    fn memory_is_bounded() {
        let start = Instant::now();
        let mut budget = Budget::new(1, u32::MAX, Duration::from_secs(60));
        for number in 0..5000 {
            budget.admit(&number.to_string(), start);
        }
        assert!(budget.kinds.len() <= MOST_KINDS);
    }
}
