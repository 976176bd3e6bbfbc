//! One load of a key at a time in this process: the others wait for its result. Knows nothing of Redis.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Empty while the first caller loads; the others wait at the lock and find its result.
type Slot<T> = Arc<tokio::sync::Mutex<Option<T>>>;

#[derive(Debug)]
pub(crate) struct Flights<T> {
    loads: Mutex<HashMap<String, Slot<T>>>,
}

impl<T> Flights<T> {
    pub(crate) fn new() -> Self {
        Self { loads: Mutex::new(HashMap::new()) }
    }

    pub(crate) fn join(&self, key: &str) -> Flight<'_, T> {
        let mut map = self.loads.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = Arc::clone(map.entry(key.to_owned()).or_default());
        Flight { flights: self, key: key.to_owned(), slot }
    }

    /// Later callers must not join a load that began before.
    pub(crate) fn forget(&self, key: &str) {
        self.loads.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

/// A place in a load, given back when the last one leaves, also when a caller is cancelled.
pub(crate) struct Flight<'a, T> {
    flights: &'a Flights<T>,
    key: String,
    pub(crate) slot: Slot<T>,
}

impl<T> Drop for Flight<'_, T> {
    fn drop(&mut self) {
        let mut map = self.flights.loads.lock().unwrap_or_else(PoisonError::into_inner);
        // After the load nobody may join: the next caller asks Redis again. Two references: the map's and ours.
        let ours = map.get(&self.key).is_some_and(|slot| Arc::ptr_eq(slot, &self.slot));
        let done = self.slot.try_lock().is_ok_and(|slot| slot.is_some());
        if ours && (done || Arc::strong_count(&self.slot) <= 2) {
            map.remove(&self.key);
        }
    }
}
