//! What each error of versioned migrations means for the exit code.

use golive_migrate::{ReadMigrationsError, VersionedError};

use crate::commands::migrate::failure::ToFailure;
use crate::exit::Failure;

impl ToFailure for VersionedError {
    fn failure(self) -> Failure {
        match self {
            Self::Connect(error) => error.failure(),
            Self::AnotherRun { .. } | Self::LockWait { .. } => Failure::Busy(Box::new(self)),
            Self::NoSuchMigration { .. } | Self::NotDisposable { .. } => Failure::usage(self),
            _ => Failure::reach(self),
        }
    }
}

impl ToFailure for ReadMigrationsError {
    fn failure(self) -> Failure {
        match self {
            Self::Unreadable { .. } => Failure::reach(self),
            _ => Failure::usage(self),
        }
    }
}
