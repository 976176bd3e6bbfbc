//! What each error of golive-migrate means for the exit code.

use golive_migrate::{
    ConnectTargetError, ConstraintError, CopyError, OpenSourceError, SchemaError, SurveyError, SwitchError,
    VerifyError,
};

use crate::exit::Failure;

/// An error's meaning: was the command wrong, or something out of reach?
pub(in crate::commands) trait ToFailure:
    std::error::Error + Send + Sync + Sized + 'static
{
    /// As an exit code.
    fn failure(self) -> Failure;
}

impl ToFailure for OpenSourceError {
    fn failure(self) -> Failure {
        match self {
            Self::Missing { .. }
            | Self::NotAFile { .. }
            | Self::NotSqlite { .. }
            | Self::Encrypted { .. }
            | Self::Corrupt { .. } => Failure::usage(self),
            _ => Failure::reach(self),
        }
    }
}

impl ToFailure for ConnectTargetError {
    fn failure(self) -> Failure {
        match self {
            Self::InvalidUrl { .. }
            | Self::NoDatabaseNamed { .. }
            | Self::NotMariaDb { .. }
            | Self::TooOld { .. }
            | Self::MissingGrants { .. } => Failure::usage(self),
            _ => Failure::reach(self),
        }
    }
}

impl ToFailure for SurveyError {
    fn failure(self) -> Failure {
        match self {
            Self::UnknownType { .. } | Self::UnknownName { .. } | Self::Collation { .. } | Self::NoTarget => {
                Failure::usage(self)
            }
            Self::Cancelled => Failure::Busy(Box::new(self)),
            _ => Failure::reach(self),
        }
    }
}

impl ToFailure for SchemaError {
    fn failure(self) -> Failure {
        match self {
            Self::NotEmpty { .. } | Self::OtherRun { .. } => Failure::usage(self),
            Self::AnotherRun { .. } => Failure::Busy(Box::new(self)),
            _ => Failure::reach(self),
        }
    }
}

impl ToFailure for CopyError {
    fn failure(self) -> Failure {
        match self {
            Self::OtherRun { .. }
            | Self::SourceChanged
            | Self::Misfit { .. }
            | Self::RowRefused { .. }
            | Self::PacketTooSmall { .. } => Failure::usage(self),
            Self::AnotherRun { .. } | Self::Cancelled { .. } => Failure::Busy(Box::new(self)),
            _ => Failure::reach(self),
        }
    }
}

impl ToFailure for ConstraintError {
    fn failure(self) -> Failure {
        match self {
            Self::NotCopied { .. }
            | Self::OtherRun { .. }
            | Self::Collision { .. }
            | Self::Orphans { .. } => Failure::usage(self),
            Self::AnotherRun { .. } | Self::Cancelled { .. } => Failure::Busy(Box::new(self)),
            _ => Failure::reach(self),
        }
    }
}

impl ToFailure for VerifyError {
    fn failure(self) -> Failure {
        match self {
            Self::Cancelled => Failure::Busy(Box::new(self)),
            _ => Failure::reach(self),
        }
    }
}

impl ToFailure for SwitchError {
    fn failure(self) -> Failure {
        match self {
            Self::Malformed { .. } | Self::NotSwitched => Failure::usage(self),
            Self::Changed { .. } => Failure::Busy(Box::new(self)),
            _ => Failure::reach(self),
        }
    }
}
