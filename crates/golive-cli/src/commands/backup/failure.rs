//! What each error of golive-backup means for the exit code.

use golive_backup::{
    ArchiveError, CreateBackupError, KeyError, PhysicalError, PlanError, RecoverError, RepositoryError,
    RestoreError, RestorePhysicalError, UndoError, VerifyError,
};

use crate::exit::Failure;

/// An error's meaning: was the command wrong, or something out of reach?
pub(super) trait ToFailure: std::error::Error + Send + Sync + Sized + 'static {
    /// As an exit code.
    fn failure(self) -> Failure;
}

impl ToFailure for KeyError {
    fn failure(self) -> Failure {
        match self {
            Self::File { .. } => Failure::reach(self),
            _ => Failure::usage(self),
        }
    }
}

impl ToFailure for RepositoryError {
    fn failure(self) -> Failure {
        match self {
            Self::Busy { .. } => Failure::Busy(Box::new(self)),
            Self::NotFound { .. } | Self::NoRecipients | Self::NoIdentity | Self::PruneRefused { .. } => {
                Failure::usage(self)
            }
            _ => Failure::reach(self),
        }
    }
}

impl ToFailure for CreateBackupError {
    fn failure(self) -> Failure {
        match self {
            Self::Repository(error) => error.failure(),
            Self::Empty { .. } | Self::MissingGrants { .. } | Self::StaleReplica { .. } => {
                Failure::usage(self)
            }
            _ => Failure::reach(self),
        }
    }
}

impl ToFailure for RestoreError {
    fn failure(self) -> Failure {
        match self {
            Self::Repository(error) => error.failure(),
            Self::NotADatabase { .. }
            | Self::NotEmpty { .. }
            | Self::OwnNameOnly { .. }
            | Self::NoAccounts { .. } => Failure::usage(self),
            _ => Failure::reach(self),
        }
    }
}

impl ToFailure for VerifyError {
    fn failure(self) -> Failure {
        Failure::reach(self)
    }
}

impl ToFailure for ArchiveError {
    fn failure(self) -> Failure {
        match self {
            Self::Repository(error) => error.failure(),
            Self::Unsuitable { .. } => Failure::usage(self),
            _ => Failure::reach(self),
        }
    }
}

impl ToFailure for PlanError {
    fn failure(self) -> Failure {
        match self {
            Self::Repository(error) => error.failure(),
            Self::Damaged { .. } => Failure::reach(self),
            _ => Failure::usage(self),
        }
    }
}

impl ToFailure for RecoverError {
    fn failure(self) -> Failure {
        match self {
            Self::Repository(error) => error.failure(),
            Self::Restore(error) => error.failure(),
            Self::EventsRun { .. } | Self::StrictTarget => Failure::usage(self),
            _ => Failure::reach(self),
        }
    }
}

impl ToFailure for UndoError {
    fn failure(self) -> Failure {
        match self {
            Self::Repository(error) => error.failure(),
            Self::Plan(error) => error.failure(),
            Self::Connect(_) | Self::Query(_) | Self::Tool { .. } | Self::Read(_) | Self::Timeout { .. } => {
                Failure::reach(self)
            }
            _ => Failure::usage(self),
        }
    }
}

impl ToFailure for PhysicalError {
    fn failure(self) -> Failure {
        match self {
            Self::Repository(error) => error.failure(),
            Self::Base { .. } | Self::Empty => Failure::usage(self),
            _ => Failure::reach(self),
        }
    }
}

impl ToFailure for RestorePhysicalError {
    fn failure(self) -> Failure {
        match self {
            Self::Repository(error) => error.failure(),
            Self::NotPhysical { .. } | Self::NotEmpty { .. } | Self::OtherSeries { .. } => {
                Failure::usage(self)
            }
            _ => Failure::reach(self),
        }
    }
}
