//! What a journal of revocations has to do. It is the truth, and Redis the fast path: from it a Redis that lost its
//! memory is filled again. Where it is kept (SQL, as a rule) is not known here.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

/// One revocation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Revocation {
    /// One token, until it expires.
    Token {
        /// Its own identifier.
        token_id: String,
        /// When it expires by itself.
        expires_at: DateTime<Utc>,
    },
    /// A session with all its tokens, until the last of them expires.
    Session {
        /// The session's identifier.
        session: String,
        /// When the last of its tokens expires by itself.
        expires_at: DateTime<Utc>,
    },
    /// Everything of a user issued before some time.
    User {
        /// The user.
        user: String,
        /// Before when.
        not_before: DateTime<Utc>,
    },
    /// Everything of a tenant issued before some time.
    Tenant {
        /// The tenant.
        tenant: String,
        /// Before when.
        not_before: DateTime<Utc>,
    },
    /// Everything issued before some time.
    All {
        /// Before when.
        not_before: DateTime<Utc>,
    },
}

/// A revocation as the journal holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalEntry {
    /// Its place: later entries have a higher one.
    pub position: u64,
    /// What was revoked.
    pub revocation: Revocation,
}

impl JournalEntry {
    /// A revocation at its place.
    pub fn new(position: u64, revocation: Revocation) -> Self {
        Self { position, revocation }
    }
}

/// Why a journal could not write or read.
pub type JournalError = Box<dyn std::error::Error + Send + Sync>;

/// An append-only record of revocations that all instances share and that survives Redis.
///
/// ```
/// use chrono::{DateTime, Utc};
/// use golive_cache::{JournalEntry, JournalError, Revocation, RevocationJournal};
///
/// #[derive(Debug)]
/// struct InSql; // holds a connection pool
///
/// #[async_trait::async_trait]
/// impl RevocationJournal for InSql {
///     async fn append(&self, revocation: &Revocation, keep_until: DateTime<Utc>) -> Result<(), JournalError> {
///         // INSERT INTO revocation (kind, subject, instant, keep_until) VALUES (?, ?, ?, ?), committed
///         Ok(())
///     }
///
///     async fn unexpired(
///         &self,
///         now: DateTime<Utc>,
///         after: Option<u64>,
///         at_most: usize,
///     ) -> Result<Vec<JournalEntry>, JournalError> {
///         // SELECT ... WHERE keep_until > ? AND id > ? ORDER BY id LIMIT ?
///         Ok(Vec::new())
///     }
/// }
/// ```
#[async_trait]
pub trait RevocationJournal: std::fmt::Debug + Send + Sync {
    /// Records a revocation. Returns when it would survive a crash. After `keep_until` it may be removed.
    ///
    /// # Errors
    /// When it is not known to be recorded. Nothing is revoked then.
    async fn append(&self, revocation: &Revocation, keep_until: DateTime<Utc>) -> Result<(), JournalError>;

    /// What is to be kept at `now`, `at_most` so many, in order of position, beginning after `after`.
    ///
    /// # Errors
    /// When it cannot be read. The store stays closed then.
    async fn unexpired(
        &self,
        now: DateTime<Utc>,
        after: Option<u64>,
        at_most: usize,
    ) -> Result<Vec<JournalEntry>, JournalError>;
}
