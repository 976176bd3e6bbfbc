//! What the tests on real servers share: a clock, a journal, and waiting for a condition.
#![allow(dead_code, reason = "each test target uses its part")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use golive_cache::{
    Cache, CacheOptions, JournalEntry, JournalError, Revocation, RevocationJournal, RevocationStore,
    TokenFacts,
};
use golive_sandbox::{Redis, RedisOptions};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// The time-out of a command in the tests of faults.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(400);
/// The latest that any answer may come: the time-out, and what a machine that does other things too may add.
pub(crate) const BOUND: Duration = Duration::from_millis(2_400);

pub(crate) fn server(append_only: bool) -> Redis {
    let mut options = RedisOptions::new();
    options.append_only = append_only;
    // A disk that stands still holds up what is written each second: a kill would lose it.
    options.settings = vec!["appendfsync always".to_owned()];
    Redis::start(&options).unwrap()
}

pub(crate) fn at(milliseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_800_000_000_000 + milliseconds).unwrap()
}

/// The clock of the stores: it stands still.
pub(crate) fn clock() -> DateTime<Utc> {
    at(2_000)
}

pub(crate) fn token(id: &str) -> TokenFacts {
    let mut token = TokenFacts::new(id, "user-1", at(1_000));
    token.session = Some("session-1".to_owned());
    token.tenant = Some("tenant-1".to_owned());
    token
}

pub(crate) fn options(url: &str) -> CacheOptions {
    let mut options = CacheOptions::new(url.into());
    options.command_timeout = TIMEOUT;
    options.watchdog_interval = Duration::from_millis(100);
    options
}

/// With the time-out of a service.
pub(crate) async fn connect(url: &str) -> Cache {
    Cache::connect(&options(url)).await.unwrap()
}

/// For tests of a server that nothing happens to, on a machine that may be busy.
pub(crate) async fn connect_patiently(url: &str) -> Cache {
    let mut options = options(url);
    options.command_timeout = Duration::from_secs(10);
    Cache::connect(&options).await.unwrap()
}

/// Waits until the condition holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A journal in memory, shared by the instances of a test as a database would be.
#[derive(Debug, Default)]
pub(crate) struct MemoryJournal {
    entries: Mutex<Vec<(Revocation, DateTime<Utc>)>>,
    is_away: Mutex<bool>,
}

impl MemoryJournal {
    pub(crate) fn set_away(&self, is_away: bool) {
        *self.is_away.lock().unwrap() = is_away;
    }

    fn look(&self) -> Result<(), JournalError> {
        if *self.is_away.lock().unwrap() { Err("the database is away".into()) } else { Ok(()) }
    }
}

#[async_trait::async_trait]
impl RevocationJournal for MemoryJournal {
    async fn append(&self, revocation: &Revocation, keep_until: DateTime<Utc>) -> Result<(), JournalError> {
        self.look()?;
        self.entries.lock().unwrap().push((revocation.clone(), keep_until));
        Ok(())
    }

    async fn unexpired(
        &self,
        now: DateTime<Utc>,
        after: Option<u64>,
        at_most: usize,
    ) -> Result<Vec<JournalEntry>, JournalError> {
        self.look()?;
        let entries = self.entries.lock().unwrap();
        let entries = (0_u64..).zip(entries.iter()).filter(|(_, (_, keep_until))| *keep_until > now);
        let entries = entries.filter(|(position, _)| after.is_none_or(|after| *position > after));
        Ok(entries
            .take(at_most)
            .map(|(at, (revocation, _))| JournalEntry::new(at, revocation.clone()))
            .collect())
    }
}

pub(crate) fn of_token(id: &str) -> Revocation {
    Revocation::Token { token_id: id.to_owned(), expires_at: at(900_000) }
}

/// An instance of a service: its own connection and store.
pub(crate) struct Instance {
    pub(crate) cache: Cache,
    pub(crate) store: RevocationStore,
    /// The same with client tracking, over a connection of its own: whatever happens, it keeps the same promises.
    pub(crate) tracking: RevocationStore,
}

impl Instance {
    pub(crate) async fn start(url: &str, journal: &Arc<MemoryJournal>) -> Self {
        let cache = connect(url).await;
        let journal: Arc<dyn RevocationJournal> = journal.clone();
        let store = RevocationStore::new(cache.clone()).with_journal(journal.clone(), clock);
        store.prepare(clock()).await.unwrap();
        let mut options = options(url);
        options.client_tracking = true;
        let tracking = RevocationStore::new(Cache::connect(&options).await.unwrap());
        let tracking = tracking.with_journal(journal, clock);
        tracking.prepare(clock()).await.unwrap();
        Self { cache, store, tracking }
    }

    /// Asks about a revoked token and a good one until the good one is served, and returns how long that took. The
    /// revoked one must never be, and no answer may come late.
    pub(crate) async fn until_served(&self, revoked: &str, good: &str) -> Duration {
        let (served, _) = tokio::join!(
            until_served(&self.store, revoked, good),
            until_served(&self.tracking, revoked, good),
        );
        served
    }

    /// The same, for so long, whatever the good one's answer.
    pub(crate) async fn never_accepts(&self, revoked: &str, during: impl Future<Output = ()>) -> u64 {
        let mut refused = 0;
        tokio::pin!(during);
        loop {
            tokio::select! {
                biased;
                () = &mut during => return refused,
                () = tokio::time::sleep(Duration::from_millis(1)) => {}
            }
            for store in [&self.tracking, &self.store] {
                let answer = store.is_revoked(&token(revoked), clock()).await;
                assert_ne!(answer.as_ref().ok(), Some(&false), "a revoked token was accepted");
                refused += u64::from(answer.is_err());
            }
        }
    }
}

async fn until_served(store: &RevocationStore, revoked: &str, good: &str) -> Duration {
    let begun = Instant::now();
    loop {
        let asked = Instant::now();
        let answer = store.is_revoked(&token(revoked), clock()).await;
        assert!(asked.elapsed() < BOUND, "an answer took {:?}: {answer:?}", asked.elapsed());
        assert_ne!(answer.as_ref().ok(), Some(&false), "a revoked token was accepted");
        if let Err(error) = &answer {
            assert_eq!(error.http_status(), 503, "{error}");
        }
        let asked = Instant::now();
        let answer = store.is_revoked(&token(good), clock()).await;
        assert!(asked.elapsed() < BOUND, "an answer took {:?}: {answer:?}", asked.elapsed());
        assert_ne!(answer.as_ref().ok(), Some(&true), "a good token was called revoked");
        if answer.is_ok() {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < PATIENCE, "never served again: {answer:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
