//! Why versioned migrations could not be looked at or run. What is wrong with a migration is a finding, not an error.

use sea_orm::sqlx;

use crate::target::ConnectTargetError;

/// Why nothing could be looked at, or why a run ended. What was done stays done and is in the journal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VersionedError {
    /// The target cannot be used.
    #[error("use the target")]
    Connect(#[source] ConnectTargetError),
    /// Another run holds the lock.
    #[error(
        "work on the schema of {target}: another run holds its lock{holder}; wait for it to end, then try again"
    )]
    AnotherRun {
        /// The target.
        target: String,
        /// The connection that holds it, if it can be seen.
        holder: String,
    },
    /// A statement never got its lock. Nothing of it took effect.
    #[error(
        "run statement {statement} of {migration}: {tries} times it waited {seconds} s for its lock and let the others pass again; \
         {blockers}; end that transaction, or wait until it ends, then run the command again: it goes on with this statement"
    )]
    LockWait {
        /// The migration.
        migration: String,
        /// The statement, from 1.
        statement: usize,
        /// How often it was tried.
        tries: u32,
        /// How long each try waited.
        seconds: u32,
        /// Who holds it, as far as can be seen.
        blockers: String,
    },
    /// The lock went away during a run.
    #[error(
        "go on in {target}: the connection lost its lock, and another run may be at work; look at `golive schema status`"
    )]
    LostLock {
        /// The target.
        target: String,
    },
    /// The server went away or refused a question of ours.
    #[error(
        "{doing}; check that MariaDB is running, then run the command again: the journal knows how far it came"
    )]
    Server {
        /// What was being done.
        doing: &'static str,
        /// The driver's reason.
        #[source]
        source: sqlx::Error,
    },
    /// sea-orm refused something of ours.
    #[error("{doing}; check that the user may create tables, then run the command again")]
    Orm {
        /// What was being done.
        doing: &'static str,
        /// Its reason.
        #[source]
        source: sea_orm::DbErr,
    },
    /// No migration has this name or number.
    #[error("find migration {name}: `golive schema status` lists them all")]
    NoSuchMigration {
        /// As it was given.
        name: String,
    },
    /// A server said to be disposable holds something.
    #[error(
        "take {target} for a disposable server: {reason}; nothing was changed, start one with `golive sandbox`"
    )]
    NotDisposable {
        /// The server.
        target: String,
        /// What speaks against it.
        reason: String,
    },
}

impl VersionedError {
    /// For `map_err`.
    pub(crate) fn server(doing: &'static str) -> impl Fn(sqlx::Error) -> Self {
        move |source| Self::Server { doing, source }
    }
}
