//! Keeps Redis filled from the journal. A marker in Redis names the filling it holds and the server's own history (its
//! replication id, which changes with a restart and with a failover). It is trusted only if both are as this instance
//! last saw them, over the connection it saw them on. What a revocation means is not known here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use chrono::{DateTime, Utc};
use fred::types::{ClusterHash, Value};
use fred::util::redis_keyslot;
use rand::RngExt;
use tokio::sync::{Mutex, Notify, watch};

use crate::command::CommandError;
use crate::entry::milliseconds;
use crate::journal::{JournalEntry, RevocationJournal};
use crate::revocation::Inner;
use crate::script::Script;
use crate::watchdog::Standing;

/// Revocations in one command. Some 50 KB, and about a millisecond of the server.
const PAGE: usize = 500;
/// Between two attempts to fill.
const PAUSE: Duration = Duration::from_millis(250);
/// A filling that takes longer than this is begun again.
const LONGEST_FILLING_MILLISECONDS: i64 = 600_000;

#[derive(Debug)]
pub(crate) struct Filling {
    journal: Arc<dyn RevocationJournal>,
    clock: fn() -> DateTime<Utc>,
    trusted: RwLock<Option<Trusted>>,
    /// The journal has what Redis has not: adopting what is there is not enough.
    is_behind: AtomicBool,
    wanted: Notify,
    one_at_a_time: Mutex<()>,
    fill: Script,
    finish: Script,
}

#[derive(Debug)]
struct Trusted {
    marker: String,
    generation: u64,
}

impl Filling {
    pub(crate) fn new(journal: Arc<dyn RevocationJournal>, clock: fn() -> DateTime<Utc>) -> Self {
        Self {
            journal,
            clock,
            trusted: RwLock::new(None),
            is_behind: AtomicBool::new(false),
            wanted: Notify::new(),
            one_at_a_time: Mutex::new(()),
            fill: Script::new(FILL),
            finish: Script::new(FINISH),
        }
    }

    pub(crate) fn journal(&self) -> Arc<dyn RevocationJournal> {
        Arc::clone(&self.journal)
    }

    pub(crate) fn clock(&self) -> fn() -> DateTime<Utc> {
        self.clock
    }

    /// Whether an answer that came with this marker over this connection can be trusted.
    pub(crate) fn trusts(&self, marker: Option<&str>, generation: u64) -> Result<(), CommandError> {
        let trusted = self.trusted.read().unwrap_or_else(PoisonError::into_inner);
        let is_trusted = trusted.as_ref().is_some_and(|trusted| {
            Some(trusted.marker.as_str()) == marker && trusted.generation == generation
        });
        drop(trusted);
        if is_trusted {
            return Ok(());
        }
        *self.trusted.write().unwrap_or_else(PoisonError::into_inner) = None;
        self.wanted.notify_one();
        Err(CommandError::Cold)
    }

    /// A revocation is in the journal and not in Redis.
    pub(crate) fn fall_behind(&self) {
        self.is_behind.store(true, Ordering::Release);
        self.wanted.notify_one();
    }

    /// Makes the store one to be trusted. Returns whether it had to be filled.
    pub(crate) async fn ensure(&self, inner: &Inner) -> Result<bool, CommandError> {
        let _only = self.one_at_a_time.lock().await;
        let generation = inner.cache.generation();
        let history = history(inner).await;
        let key = Value::from(inner.names.marker.as_str());
        let found: Option<String> = inner.cache.run("GET", ClusterHash::FirstKey, vec![key]).await?;
        // Before the journal is read: what falls behind while it is read is behind afterwards.
        let was_behind = self.is_behind.swap(false, Ordering::AcqRel);
        let is_of_history = |marker: &String| {
            history.as_ref().is_some_and(|history| marker.split_once('@').is_some_and(|(_, h)| h == history))
        };
        let adopted = found.filter(is_of_history);
        let is_lost = adopted.is_none();
        let filled = match adopted {
            Some(marker) if !was_behind => Ok(marker),
            Some(marker) => self.write_all(inner).await.map(|()| marker),
            None => self.fill(inner, history.as_deref().unwrap_or("unknown")).await,
        };
        match filled {
            Ok(marker) => self.trust(inner, marker, generation).map(|()| is_lost),
            Err(error) => {
                self.is_behind.fetch_or(was_behind, Ordering::AcqRel);
                Err(error)
            }
        }
    }

    /// The same, while instances that fill at once get into each other's way.
    pub(crate) async fn ensure_patiently(&self, inner: &Inner) -> Result<bool, CommandError> {
        const ATTEMPTS: u32 = 20;
        for _ in 0..ATTEMPTS {
            match self.ensure(inner).await {
                Err(CommandError::Cold) => tokio::time::sleep(PAUSE / 5).await,
                ended => return ended,
            }
        }
        Err(CommandError::Cold)
    }

    fn trust(&self, inner: &Inner, marker: String, generation: u64) -> Result<(), CommandError> {
        // Over a connection made meanwhile something may have been lost between the first page and the last.
        if inner.cache.generation() != generation {
            return Err(CommandError::Cold);
        }
        let trusted = Trusted { marker, generation };
        *self.trusted.write().unwrap_or_else(PoisonError::into_inner) = Some(trusted);
        Ok(())
    }

    async fn fill(&self, inner: &Inner, history: &str) -> Result<String, CommandError> {
        let marker = format!("{:032x}@{history}", rand::rng().random::<u128>());
        let filling = inner.names.key("filling");
        let begin = vec![
            Value::from(filling.as_str()),
            Value::from(marker.as_str()),
            Value::from("PX"),
            Value::from(LONGEST_FILLING_MILLISECONDS),
        ];
        let _ok: Value = inner.cache.run("SET", ClusterHash::FirstKey, begin).await?;
        self.write_all(inner).await?;
        let keys = [filling.as_str(), &inner.names.marker];
        let finished: i64 = self.finish.run(&inner.cache, &keys, &[Value::from(marker.as_str())]).await?;
        if finished != 1 {
            return Err(CommandError::Cold); // it was emptied meanwhile, or another instance fills it too
        }
        Ok(marker)
    }

    async fn write_all(&self, inner: &Inner) -> Result<(), CommandError> {
        let (mut after, mut written) = (None, 0_usize);
        loop {
            let now = (self.clock)();
            let page = self.journal.unexpired(now, after, PAGE).await.map_err(CommandError::journal)?;
            let Some(last) = page.last() else { break };
            after = Some(last.position);
            written += page.len();
            self.write(inner, &page, now).await?;
        }
        tracing::info!(revocations = written, "revocations were written to Redis from their journal");
        Ok(())
    }

    async fn write(
        &self,
        inner: &Inner,
        page: &[JournalEntry],
        now: DateTime<Utc>,
    ) -> Result<(), CommandError> {
        let (mut keys, mut arguments) = (Vec::with_capacity(page.len()), Vec::with_capacity(2 * page.len()));
        for recorded in page {
            let entry = inner.names.entry(&recorded.revocation, now)?;
            arguments.push(Value::from(milliseconds(entry.ttl)));
            arguments.push(Value::from(entry.cutoff.map_or_else(String::new, |cutoff| cutoff.to_string())));
            keys.push(entry.key);
        }
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let _count: i64 = self.fill.run(&inner.cache, &keys, &arguments).await?;
        Ok(())
    }
}

/// Fills whenever the connection is new, a check found the store cold, or a write did not reach Redis.
pub(crate) fn keep_filled(inner: &Arc<Inner>) {
    // Ends by itself with the last clone of the store.
    drop(tokio::spawn(keep(Arc::downgrade(inner), inner.cache.shared.standing.subscribe())));
}

async fn keep(inner: Weak<Inner>, mut standing: watch::Receiver<Standing>) {
    let mut is_failing = false;
    loop {
        let Some(store) = inner.upgrade() else { return };
        let Some(filling) = &store.filling else { return };
        if filling.is_wanted(&store) && store.cache.is_connected() {
            match filling.ensure(&store).await {
                Ok(_) => is_failing = false,
                Err(error) if !std::mem::replace(&mut is_failing, true) => {
                    tracing::warn!(%error, "the revocation store cannot be filled: requests get 503 until it is");
                }
                Err(_) => {}
            }
        }
        if filling.is_wanted(&store) && store.cache.is_connected() {
            tokio::time::sleep(PAUSE).await; // it failed just now
            continue;
        }
        let waiting = tokio::time::timeout(PAUSE, async {
            tokio::select! {
                () = filling.wanted.notified() => true,
                changed = standing.changed() => changed.is_ok(),
            }
        });
        if waiting.await == Ok(false) {
            return;
        }
    }
}

impl Filling {
    fn is_wanted(&self, inner: &Inner) -> bool {
        let generation = inner.cache.generation();
        let trusted = self.trusted.read().unwrap_or_else(PoisonError::into_inner);
        self.is_behind.load(Ordering::Acquire)
            || trusted.as_ref().is_none_or(|trusted| trusted.generation != generation)
    }
}

/// The replication id of the server that holds the store; `None` where it may not be asked: then each new connection
/// means filling again.
async fn history(inner: &Inner) -> Option<String> {
    let slot = redis_keyslot(inner.names.marker.as_bytes());
    let arguments = vec![Value::from("replication")];
    let info: String = inner.cache.run("INFO", ClusterHash::Custom(slot), arguments).await.ok()?;
    let id = info.lines().find_map(|line| line.trim_end().strip_prefix("master_replid:"))?;
    Some(id.to_owned())
}

/// KEYS: revocations. ARGV, two for each: time to live, cutoff or nothing.
const FILL: &str = "
for i, key in ipairs(KEYS) do
  local ttl, cutoff = ARGV[2 * i - 1], ARGV[2 * i]
  if cutoff == '' then
    if redis.call('PTTL', key) < tonumber(ttl) then redis.call('SET', key, '1', 'PX', ttl) end
  elseif tonumber(cutoff) > tonumber(redis.call('GET', key) or '0') then
    redis.call('SET', key, cutoff, 'PX', ttl)
  end
end
return #KEYS";

/// KEYS: filling, marker. ARGV: marker. Only if the store was not emptied since the filling began.
const FINISH: &str = "
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[1])
redis.call('DEL', KEYS[1])
return 1";
