//! One condition over time: bad for long enough, well again for long enough, still bad, or going to and fro. Pure; the
//! moment comes in.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// So many times bad within this time is flapping, and it ends after so long without a bad result.
const FLAPS: usize = 3;
const FLAP_WINDOW: Duration = Duration::from_secs(30 * 60);
const CALM: Duration = Duration::from_secs(10 * 60);

/// How many results in a row it takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) raise_after: u32,
    pub(super) recover_after: u32,
}

/// What is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transition {
    None,
    Raise,
    Repeat { lasts: Duration },
    Flap,
    Recover { lasted: Duration },
}

/// A condition and what was told of it.
#[derive(Debug, Default)]
pub(super) struct Incident {
    bad: u32,
    good: u32,
    last_bad: Option<Instant>,
    /// Since when it is bad, and when that was told last.
    open: Option<(Instant, Instant)>,
    raised: VecDeque<Instant>,
    is_flapping: bool,
}

impl Incident {
    /// Notes one result and says what follows from it.
    pub(super) fn observe(
        &mut self,
        is_bad: bool,
        patience: Patience,
        repeat: Duration,
        now: Instant,
    ) -> Transition {
        if is_bad { self.bad(patience, repeat, now) } else { self.good(patience, now) }
    }

    fn bad(&mut self, patience: Patience, repeat: Duration, now: Instant) -> Transition {
        self.good = 0;
        self.bad = self.bad.saturating_add(1);
        self.last_bad = Some(now);
        if let Some((since, told)) = &mut self.open {
            if now.saturating_duration_since(*told) < repeat {
                return Transition::None;
            }
            *told = now;
            return Transition::Repeat { lasts: now.saturating_duration_since(*since) };
        }
        if self.bad < patience.raise_after {
            return Transition::None;
        }
        self.open = Some((now, now));
        self.raised.push_back(now);
        while self.raised.front().is_some_and(|first| now.saturating_duration_since(*first) > FLAP_WINDOW) {
            self.raised.pop_front();
        }
        if self.raised.len() < FLAPS {
            return Transition::Raise;
        }
        self.is_flapping = true;
        Transition::Flap
    }

    fn good(&mut self, patience: Patience, now: Instant) -> Transition {
        self.bad = 0;
        self.good = self.good.saturating_add(1);
        let Some((since, _)) = self.open else { return Transition::None };
        let calm_for = self.last_bad.map_or(Duration::MAX, |last| now.saturating_duration_since(last));
        if self.good < patience.recover_after || (self.is_flapping && calm_for < CALM) {
            return Transition::None;
        }
        self.open = None;
        if std::mem::take(&mut self.is_flapping) {
            self.raised.clear();
        }
        Transition::Recover { lasted: now.saturating_duration_since(since) }
    }
}

#[cfg(test)]
mod tests {
    use super::Transition::{Flap, None, Raise, Recover, Repeat};
    use super::*;

    const PATIENCE: Patience = Patience { raise_after: 3, recover_after: 2 };
    const REPEAT: Duration = Duration::from_secs(3600);

    /// What follows from one result a second; `x` is bad.
    fn told(incident: &mut Incident, start: Instant, results: &str) -> Vec<Transition> {
        let moments = (0..).map(|second| start + Duration::from_secs(second));
        let observed = results.chars().zip(moments);
        observed.map(|(result, now)| incident.observe(result == 'x', PATIENCE, REPEAT, now)).collect()
    }

    #[test]
    fn three_in_a_row_are_told_and_two_good_ones_end_it() {
        let start = Instant::now();
        assert_eq!(told(&mut Incident::default(), start, "xx.xx."), [None; 6], "never three in a row");
        let all = told(&mut Incident::default(), start, "xxxx.x..");
        let lasted = Duration::from_secs(5);
        assert_eq!(all, [None, None, Raise, None, None, None, None, Recover { lasted }]);
    }

    #[test]
    fn what_lasts_is_told_again_only_after_the_interval() {
        let start = Instant::now();
        let mut incident = Incident::default();
        told(&mut incident, start, "xxx");
        let opened = start + Duration::from_secs(2);
        let (nearly, after) = (opened + REPEAT - Duration::from_secs(1), opened + REPEAT);
        assert_eq!(incident.observe(true, PATIENCE, REPEAT, nearly), None);
        assert_eq!(incident.observe(true, PATIENCE, REPEAT, after), Repeat { lasts: REPEAT });
        assert_eq!(incident.observe(true, PATIENCE, REPEAT, after), None);
    }

    #[test]
    fn going_to_and_fro_is_told_once_and_ends_when_it_is_calm() {
        let start = Instant::now();
        let mut incident = Incident::default();
        let all = told(&mut incident, start, &"xxx..".repeat(20));
        let count = |wanted: fn(&Transition) -> bool| all.iter().filter(|one| wanted(one)).count();
        assert_eq!((count(|one| *one == Raise), count(|one| *one == Flap)), (2, 1));
        assert_eq!(count(|one| matches!(one, Recover { .. })), 2);
        let last_bad = start + Duration::from_secs(97);
        let nearly = last_bad + CALM - Duration::from_secs(1);
        assert_eq!(incident.observe(false, PATIENCE, REPEAT, nearly), None);
        let calm = incident.observe(false, PATIENCE, REPEAT, last_bad + CALM);
        assert!(matches!(calm, Recover { .. }), "{calm:?}");
        // From there on it is a condition like any other.
        assert_eq!(told(&mut incident, last_bad + CALM, "xxx")[2], Raise);
    }
}
