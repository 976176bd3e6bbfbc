//! Slows guessing down without letting anybody lock somebody else out. In memory of one process; passwords and requests
//! are not known here.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// Delays after failed logins, growing with each: for an account from one address, for an address whatever the account,
/// and, generously, for an account from wherever.
///
/// Only addresses that never logged in to the account wait for the last one, so that its owner gets in while somebody
/// far away guesses. An attempt that has to wait is not counted and costs no hash. Refreshing a session changes nothing
/// here: only a login with the right password does.
///
/// Each instance counts for itself: with N of them an attacker has N times as many guesses, within the same growth. Where
/// that is too many, a limit that all share says when to [`LoginGuard::refuse`].
#[derive(Debug)]
pub struct LoginGuard {
    settings: LoginGuardSettings,
    state: Mutex<State>,
}

/// How patient a [`LoginGuard`] is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LoginGuardSettings {
    /// Failures of an account from one address before the first delay. Default 4.
    pub free_failures: u32,
    /// Failures of an address, whatever the account, before the first delay: a shift behind one address mistypes more
    /// often. Default 40.
    pub free_failures_of_address: u32,
    /// Failures of an account from wherever before the first delay for strangers. Default 50; NIST SP 800-63B-4 3.2.2
    /// allows 100.
    pub free_failures_of_account: u32,
    /// The first delay; each further failure doubles it. Default 1 s.
    pub first_delay: Duration,
    /// The longest delay. Default 15 minutes.
    pub longest_delay: Duration,
    /// After so long without a failure all is forgotten. Default one day.
    pub forget_after: Duration,
    /// Most accounts and addresses remembered; the longest without a failure are forgotten first. Default 100,000.
    pub most_entries: usize,
}

impl Default for LoginGuardSettings {
    fn default() -> Self {
        Self {
            free_failures: 4,
            free_failures_of_address: 40,
            free_failures_of_account: 50,
            first_delay: Duration::from_secs(1),
            longest_delay: Duration::from_secs(15 * 60),
            forget_after: Duration::from_secs(24 * 3600),
            most_entries: 100_000,
        }
    }
}

/// The attempt must wait. Answer 429 with `Retry-After`, and the same whether the account exists or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("log in before {} s are over: try again then", retry_after.as_secs().max(1))]
#[non_exhaustive]
pub struct MustWait {
    /// How long.
    pub retry_after: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Pair(u64, IpAddr),
    Address(IpAddr),
    Account(u64),
}

#[derive(Debug, Default)]
struct State {
    failures: HashMap<Key, Failures>,
    /// Addresses from which an account was entered, with the last time.
    familiar: HashMap<(u64, IpAddr), DateTime<Utc>>,
    /// Account names as numbers: they are the attacker's to choose, and of any length.
    names: std::hash::RandomState,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: DateTime<Utc>,
    /// As somebody else says.
    until: DateTime<Utc>,
}

impl LoginGuard {
    /// A guard that has seen nothing.
    pub fn new(settings: LoginGuardSettings) -> Self {
        Self { settings, state: Mutex::default() }
    }

    /// Whether a login may be tried now. The address must be the client's own: of the connection, or of a header that a
    /// trusted proxy wrote.
    ///
    /// # Errors
    /// How long to wait.
    pub fn check(&self, account: &str, address: IpAddr, now: DateTime<Utc>) -> Result<(), MustWait> {
        let state = self.lock();
        let (name, address) = (state.number(account), prefix(address));
        let familiar = state.familiar.contains_key(&(name, address));
        let wait = [
            (Key::Pair(name, address), self.settings.free_failures),
            (Key::Address(address), self.settings.free_failures_of_address),
            (Key::Account(name), self.settings.free_failures_of_account),
        ]
        .into_iter()
        .filter(|(key, _)| !(familiar && matches!(key, Key::Account(_))))
        .filter_map(|(key, free)| self.wait(*state.failures.get(&key)?, free, now))
        .max();
        wait.map_or(Ok(()), |retry_after| Err(MustWait { retry_after }))
    }

    /// A login was tried and the password was wrong, or there is no such account.
    pub fn failed(&self, account: &str, address: IpAddr, now: DateTime<Utc>) {
        let mut state = self.lock();
        let (name, address) = (state.number(account), prefix(address));
        for key in [Key::Pair(name, address), Key::Address(address), Key::Account(name)] {
            let failures = state.failures.entry(key).or_insert(Failures { count: 0, last: now, until: now });
            if now - failures.last > self.forget_after() {
                failures.count = 0;
            }
            failures.count = failures.count.saturating_add(1);
            failures.last = now;
        }
        self.shrink(&mut state, now);
    }

    /// Somebody else says that this account is not to be tried from this address for so long: another instance, or a limit
    /// that all instances share.
    pub fn refuse(&self, account: &str, address: IpAddr, wait: Duration, now: DateTime<Utc>) {
        let until =
            now + TimeDelta::from_std(wait.min(self.settings.longest_delay)).unwrap_or(TimeDelta::MAX);
        let mut state = self.lock();
        let key = Key::Pair(state.number(account), prefix(address));
        let failures = state.failures.entry(key).or_insert(Failures { count: 0, last: now, until });
        failures.until = failures.until.max(until);
        self.shrink(&mut state, now);
    }

    /// A login succeeded: the address is familiar to the account, and its failures there are forgiven. The address's
    /// failures with other accounts are not: one known password would pay for guessing all others.
    pub fn succeeded(&self, account: &str, address: IpAddr, now: DateTime<Utc>) {
        let mut state = self.lock();
        let (name, address) = (state.number(account), prefix(address));
        state.failures.remove(&Key::Pair(name, address));
        state.familiar.insert((name, address), now);
        self.shrink(&mut state, now);
    }

    fn wait(&self, failures: Failures, free: u32, now: DateTime<Utc>) -> Option<Duration> {
        if now - failures.last > self.forget_after() {
            return None;
        }
        let delay = failures.count.checked_sub(free).map_or(Duration::ZERO, |doublings| {
            let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
            self.settings.first_delay.saturating_mul(factor).min(self.settings.longest_delay)
        });
        let own = failures.last + TimeDelta::from_std(delay).unwrap_or(TimeDelta::MAX);
        (own.max(failures.until) - now).to_std().ok().filter(|wait| !wait.is_zero())
    }

    fn forget_after(&self) -> TimeDelta {
        TimeDelta::from_std(self.settings.forget_after).unwrap_or(TimeDelta::MAX)
    }

    /// Names and addresses are the attacker's to choose: memory has an end.
    fn shrink(&self, state: &mut State, now: DateTime<Utc>) {
        let most = self.settings.most_entries.max(16);
        let (old, unfamiliar) = (self.forget_after(), TimeDelta::days(60));
        if state.failures.len() > most {
            state.failures.retain(|_, failures| now - failures.last <= old);
            forget_oldest(&mut state.failures, most, |failures| failures.last);
        }
        if state.familiar.len() > most {
            state.familiar.retain(|_, last| now - *last <= unfamiliar);
            forget_oldest(&mut state.familiar, most, |last| *last);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn number(&self, account: &str) -> u64 {
        use std::hash::BuildHasher as _;
        // Databases compare names without case; two spellings must not be two accounts here.
        self.names.hash_one(account.to_lowercase())
    }
}

/// Down to nine tenths, so that it is not done at each failure.
fn forget_oldest<K: Clone + Eq + std::hash::Hash, V>(
    map: &mut HashMap<K, V>,
    most: usize,
    last: impl Fn(&V) -> DateTime<Utc>,
) {
    if map.len() <= most {
        return;
    }
    let mut times: Vec<DateTime<Utc>> = map.values().map(&last).collect();
    let surplus = map.len() - most / 10 * 9;
    let (_, &mut oldest_kept, _) = times.select_nth_unstable(surplus);
    map.retain(|_, value| last(value) > oldest_kept);
}

/// An IPv6 subscriber has at least a /64, and would be a new client with each address of it.
fn prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn guard() -> LoginGuard {
        LoginGuard::new(LoginGuardSettings::default())
    }

    fn fail(guard: &LoginGuard, account: &str, address: &str, times: u32, now: DateTime<Utc>) {
        (0..times).for_each(|_| guard.failed(account, ip(address), now));
    }

    #[test]
    fn delays_double_up_to_the_longest_and_end() {
        let guard = guard();
        let wait = |now| guard.check("rosa", ip("192.0.2.1"), now).map_err(|wait| wait.retry_after.as_secs());
        fail(&guard, "rosa", "192.0.2.1", 3, at(0));
        assert_eq!(wait(at(0)), Ok(()));
        for seconds in [1, 2, 4, 8] {
            fail(&guard, "rosa", "192.0.2.1", 1, at(0));
            assert_eq!(wait(at(0)), Err(seconds));
            assert_eq!(wait(at(i64::try_from(seconds).unwrap())), Ok(()));
        }
        fail(&guard, "ROSA", "192.0.2.1", 100, at(0));
        assert_eq!(wait(at(0)), Err(900), "another spelling is the same account");
        assert_eq!(wait(at(899)), Err(1));
        assert_eq!(wait(at(900)), Ok(()));
        guard.succeeded("rosa", ip("192.0.2.1"), at(899));
        assert_eq!(wait(at(899)), Err(1), "the address has guessed too much");
        assert_eq!(wait(at(900 + 24 * 3600)), Ok(()));
    }

    #[test]
    fn what_another_instance_says_counts_as_long_as_it_says() {
        let guard = guard();
        guard.refuse("rosa", ip("192.0.2.1"), Duration::from_secs(30), at(0));
        guard.refuse("rosa", ip("192.0.2.1"), Duration::from_secs(3), at(0));
        let wait =
            |name: &str, now| guard.check(name, ip("192.0.2.1"), now).map_err(|w| w.retry_after.as_secs());
        assert_eq!(
            (wait("Rosa", at(0)), wait("rosa", at(29)), wait("rosa", at(30))),
            (Err(30), Err(1), Ok(()))
        );
        assert_eq!(wait("juan", at(0)), Ok(()));
        assert_eq!(guard.check("rosa", ip("198.51.100.7"), at(0)), Ok(()));
        fail(&guard, "rosa", "192.0.2.1", 4, at(30));
        assert_eq!(wait("rosa", at(30)), Err(1), "failures count as ever");
        guard.refuse("rosa", ip("192.0.2.1"), Duration::MAX, at(40));
        assert_eq!(wait("rosa", at(40)), Err(900), "never longer than the longest delay");
    }

    #[test]
    fn an_owner_gets_in_while_strangers_guess() {
        let guard = guard();
        guard.succeeded("rosa", ip("192.0.2.1"), at(0));
        for i in 0..200_u32 {
            guard.failed("rosa", IpAddr::from(0x0a00_0000_u32.wrapping_add(i).to_be_bytes()), at(10));
        }
        assert_eq!(
            guard.check("rosa", ip("192.0.2.1"), at(10)),
            Ok(()),
            "from the address known to the account"
        );
        assert!(guard.check("rosa", ip("198.51.100.7"), at(10)).is_err(), "a stranger waits");
        assert_eq!(guard.check("juan", ip("198.51.100.7"), at(10)), Ok(()));
    }

    #[test]
    fn an_address_that_sprays_waits_for_every_account() {
        let guard = guard();
        for i in 0..40 {
            guard.failed(&format!("user{i}"), ip("2001:db8:1:2::1"), at(0));
        }
        assert!(guard.check("rosa", ip("2001:db8:1:2:ffff::9"), at(0)).is_err(), "the same /64");
        assert_eq!(guard.check("rosa", ip("2001:db8:1:3::1"), at(0)), Ok(()));
        fail(&guard, "rosa", "::ffff:192.0.2.1", 4, at(0));
        assert!(guard.check("rosa", ip("192.0.2.1"), at(0)).is_err(), "one address in two spellings");
    }

    #[test]
    fn memory_has_an_end_and_what_failed_last_stays() {
        let settings = LoginGuardSettings { most_entries: 100, ..LoginGuardSettings::default() };
        let guard = LoginGuard::new(settings);
        for i in 0..2000_u32 {
            let address = IpAddr::from(i.to_be_bytes());
            guard.failed(&format!("user{i}"), address, at(i.into()));
            guard.succeeded(&format!("user{i}"), address, at(i.into()));
        }
        fail(&guard, "rosa", "192.0.2.1", 10, at(2000));
        let state = guard.lock();
        assert!(state.failures.len() <= 100 && state.familiar.len() <= 100);
        drop(state);
        assert!(guard.check("rosa", ip("192.0.2.1"), at(2000)).is_err());
    }
}
