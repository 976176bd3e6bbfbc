//! What Redis said of keys and would take back. It tells a connection that has read a key when the key changes, over
//! that connection and before any later answer, so an answer to anything proves that what was not taken back is still
//! so. Without such an answer nothing here is worth anything. What a key means is not known here.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use fred::types::client::Invalidation;
use fred::types::{ClusterHash, Value};
use tokio::sync::broadcast::{self, error::TryRecvError};

use crate::command::CommandError;
use crate::connection::Cache;
use crate::entry::{Held, Naming, OfToken, held};
use crate::revocation::{Inner, TokenFacts};

/// Keys at most, of some 150 bytes each; with more, all are forgotten and asked for anew. The server remembers as many for
/// each connection (its `tracking-table-max-keys`, a million by default, holds for all of them).
const MOST: usize = 100_000;

/// Goes up with each change of what was remembered.
pub(crate) type Version = u64;

#[derive(Debug)]
pub(crate) struct Tracked {
    memory: RwLock<Memory>,
    /// Locked before `memory`, and until what was taken from it is in there.
    changes: Mutex<broadcast::Receiver<Invalidation>>,
    askings: AtomicU64,
    /// Only one turns tracking on; the others ask for everything meanwhile.
    turning_on: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Memory {
    version: Version,
    /// The connection that it was said over; `None` is none that tells of changes.
    generation: Option<u64>,
    /// The connection whose server would not tell of changes.
    refused: Option<u64>,
    /// What the store was marked with.
    marker: Option<Value>,
    keys: HashMap<String, Remembered>,
    last: Option<Proof>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Remembered {
    /// It is asked for by this asking, and has not changed since.
    Asked(u64),
    Held(Held),
}

/// When everything of a version was last known to be so.
#[derive(Clone, Copy, Debug)]
struct Proof {
    sent: Instant,
    version: Version,
    everything: Held,
}

/// A question under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking {
    id: u64,
    generation: u64,
}

impl Tracked {
    pub(crate) fn new(cache: &Cache) -> Self {
        Self {
            memory: RwLock::default(),
            changes: Mutex::new(cache.changes()),
            askings: AtomicU64::new(0),
            turning_on: tokio::sync::Mutex::new(()),
        }
    }

    /// What was said of a token's keys and not taken back so far, and the version that has to be proven.
    pub(crate) fn recall(&self, names: &Naming, token: &TokenFacts) -> Option<(OfToken, Version)> {
        let memory = self.memory.read().unwrap_or_else(PoisonError::into_inner);
        let of_token = names.recall(token, |key| match memory.keys.get(key) {
            Some(Remembered::Held(held)) => Some(*held),
            Some(Remembered::Asked(_)) | None => None,
        })?;
        Some((of_token, memory.version))
    }

    /// Whether this version was proven by an answer to a question sent so lately, with the cutoff for everything.
    pub(crate) fn proven_lately(&self, inner: &Inner, version: Version, lately: Duration) -> Option<Held> {
        if lately.is_zero() {
            return None;
        }
        self.take_changes(&inner.names);
        let memory = self.memory.read().unwrap_or_else(PoisonError::into_inner);
        let is_so = memory.version == version && memory.generation == Some(inner.cache.generation());
        let proof = memory.last.filter(|proof| proof.version == version && proof.sent.elapsed() < lately)?;
        is_so.then_some(proof.everything)
    }

    /// Notes what is about to be asked for; `None` when nothing would be told of its changes.
    pub(crate) async fn begin(&self, cache: &Cache, keys: &[Value]) -> Option<Asking> {
        let generation = cache.generation();
        let (current, refused) = {
            let memory = self.memory.read().unwrap_or_else(PoisonError::into_inner);
            (memory.generation, memory.refused)
        };
        if refused == Some(generation)
            || (current != Some(generation) && !self.turn_on(cache, generation).await)
        {
            return None;
        }
        let asking = Asking { id: self.askings.fetch_add(1, Ordering::Relaxed), generation };
        if keys.is_empty() {
            return Some(asking);
        }
        self.memory.write().unwrap_or_else(PoisonError::into_inner).note(asking.id, keys);
        Some(asking)
    }

    async fn turn_on(&self, cache: &Cache, generation: u64) -> bool {
        let Ok(_only) = self.turning_on.try_lock() else { return false };
        *self.changes() = cache.changes();
        let arguments = vec![Value::from("TRACKING"), Value::from("ON")];
        let turned_on: Result<Value, CommandError> =
            cache.run("CLIENT", ClusterHash::Random, arguments).await;
        if cache.generation() != generation {
            return false;
        }
        let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
        memory.forget();
        match turned_on {
            Ok(_ok) => memory.generation = Some(generation),
            Err(error @ CommandError::Refused { .. }) => {
                memory.refused = Some(generation);
                tracing::warn!(%error, "redis does not tell of changes: each revocation check asks for everything");
            }
            Err(_) => {}
        }
        memory.generation == Some(generation)
    }

    /// Keeps what was answered and has not changed since. Returns the version that this answer proves.
    pub(crate) fn end(
        &self,
        inner: &Inner,
        asking: Asking,
        sent: Instant,
        marker: &Value,
        keys: &[Value],
        values: &[Value],
    ) -> Option<Version> {
        self.take_changes(&inner.names);
        let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
        // The connection is looked at last: it may have been made anew at any time until now.
        if memory.generation != Some(asking.generation) || inner.cache.generation() != asking.generation {
            return None;
        }
        if memory.marker.as_ref() != Some(marker) {
            // What this answer says is of the store as it is marked now.
            memory.keys.retain(|_, remembered| *remembered == Remembered::Asked(asking.id));
            memory.version += 1;
            memory.marker = Some(marker.clone());
        }
        let (everything, own) = values.split_first()?;
        memory.keep(asking.id, keys, own);
        let everything = held(everything).ok()?;
        memory.last = Some(Proof { sent, version: memory.version, everything });
        Some(memory.version)
    }

    fn changes(&self) -> MutexGuard<'_, broadcast::Receiver<Invalidation>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what Redis has said to have changed until now.
    fn take_changes(&self, names: &Naming) {
        let mut changes = self.changes();
        if changes.is_empty() && !changes.is_closed() {
            return;
        }
        let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
        loop {
            match changes.try_recv() {
                Ok(change) => memory.take_back(&change, names),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Lagged(_)) => memory.forget(),
                Err(TryRecvError::Closed) => {
                    memory.forget();
                    memory.generation = None;
                    return;
                }
            }
        }
    }
}

impl Memory {
    fn forget(&mut self) {
        self.version += 1;
        self.keys.clear();
    }

    /// Before it is asked for.
    fn note(&mut self, asking: u64, keys: &[Value]) {
        if self.keys.len() + keys.len() > MOST {
            self.forget();
        }
        for key in keys.iter().filter_map(Value::as_str) {
            match self.keys.get_mut(&*key) {
                Some(remembered @ Remembered::Asked(_)) => *remembered = Remembered::Asked(asking),
                Some(Remembered::Held(_)) => {} // whoever asks found another of its keys unknown
                None => drop(self.keys.insert(key.to_string(), Remembered::Asked(asking))),
            }
        }
    }

    /// Of an answer only what nobody asked for later: what changed in between is known to the later one alone.
    fn keep(&mut self, asking: u64, keys: &[Value], values: &[Value]) {
        for (key, value) in keys.iter().zip(values) {
            let Some(key) = key.as_str() else { continue };
            if let Some(remembered) = self.keys.get_mut(&*key)
                && *remembered == Remembered::Asked(asking)
            {
                match held(value) {
                    Ok(held) => *remembered = Remembered::Held(held),
                    Err(_) => drop(self.keys.remove(&*key)),
                }
            }
        }
    }

    fn take_back(&mut self, change: &Invalidation, names: &Naming) {
        for key in &change.keys {
            match key.as_str() {
                Some(key) if key == names.everything || key == names.marker => self.forget(),
                Some(key) if self.keys.remove(key).is_some() => self.version += 1,
                Some(_) | None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use fred::types::config::Server;

    use super::*;

    fn names() -> Naming {
        let nothing = Duration::ZERO;
        let settings =
            crate::entry::Settings { cutoff_lifetime: nothing, margin: nothing, max_staleness: nothing };
        Naming::new("test:".to_owned(), settings)
    }

    fn change(key: &'static str) -> Invalidation {
        Invalidation { keys: vec![key.into()], server: Server::new("localhost", 6379) }
    }

    #[test]
    fn an_answer_that_a_change_overtook_is_not_kept() {
        let (mut memory, names) = (Memory::default(), names());
        let (key, nothing, revoked) = ([Value::from("test:token:1")], [Value::Null], [Value::from("1")]);
        memory.note(1, &key);
        memory.take_back(&change("test:token:1"), &names);
        memory.keep(1, &key, &nothing);
        assert!(memory.keys.is_empty(), "it changed after it was asked for");
        memory.note(2, &key);
        memory.take_back(&change("test:token:1"), &names);
        memory.note(3, &key);
        memory.keep(2, &key, &nothing);
        assert_eq!(memory.keys["test:token:1"], Remembered::Asked(3), "an answer from before the change");
        memory.keep(3, &key, &revoked);
        assert_eq!(memory.keys["test:token:1"], Remembered::Held(Some(1)));
        let version = memory.version;
        memory.take_back(&change("test:token:2"), &names);
        assert_eq!(memory.version, version, "of which nothing was remembered");
        memory.take_back(&change("test:all"), &names);
        assert!(memory.keys.is_empty() && memory.version > version);
    }

    #[test]
    fn what_is_no_number_is_asked_for_each_time_and_too_much_is_forgotten() {
        let mut memory = Memory::default();
        memory.note(1, &[Value::from("test:user:1")]);
        memory.keep(1, &[Value::from("test:user:1")], &[Value::from("soon")]);
        assert!(memory.keys.is_empty());
        let many: Vec<Value> = (0..MOST).map(|n| Value::from(n.to_string())).collect();
        memory.note(2, &many);
        let version = memory.version;
        memory.note(3, &[Value::from("one more")]);
        assert_eq!((memory.keys.len(), memory.version > version), (1, true));
    }
}
