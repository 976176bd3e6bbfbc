//! What this instance revoked itself, so that it refuses that whatever Redis forgets. Bounded; pure but for the clock
//! of the process.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Instant;

use crate::entry::{Entry, Naming};
use crate::revocation::{RevocationStatus, TokenFacts};

/// Some 200 bytes each. Redis holds the rest as well as these.
const MOST: usize = 50_000;

#[derive(Debug, Default)]
pub(crate) struct Known {
    entries: RwLock<HashMap<String, Remembered>>,
    /// Of most instances it is nought most of the time: then no lock is taken.
    count: AtomicUsize,
}

#[derive(Debug)]
struct Remembered {
    until: Instant,
    cutoff: Option<i64>,
    status: RevocationStatus,
}

impl Known {
    pub(crate) fn add(&self, entry: &Entry) {
        let now = Instant::now();
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MOST {
            entries.retain(|_, remembered| remembered.until > now);
        }
        if entries.len() >= MOST && !entries.contains_key(&entry.key) {
            return;
        }
        // A far future is forever.
        let until = now.checked_add(entry.ttl).unwrap_or(now + std::time::Duration::from_secs(86_400 * 365));
        let remembered = entries.entry(entry.key.clone()).or_insert(Remembered {
            until,
            cutoff: None,
            status: entry.status,
        });
        remembered.until = remembered.until.max(until);
        remembered.cutoff = remembered.cutoff.max(entry.cutoff);
        self.count.store(entries.len(), Ordering::Release);
    }

    /// Of the token's own keys, or of everything.
    pub(crate) fn status(
        &self,
        names: &Naming,
        token: &TokenFacts,
        issued_milliseconds: i64,
    ) -> Option<RevocationStatus> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let (now, keys) = (Instant::now(), names.keys(token));
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        std::iter::once(names.everything.as_str())
            .chain(keys.iter())
            .filter_map(|key| entries.get(key))
            .find_map(|remembered| {
                let is_hit = remembered.cutoff.is_none_or(|cutoff| issued_milliseconds < cutoff);
                (is_hit && remembered.until > now).then_some(remembered.status)
            })
    }
}
