//! Exit codes, and the one place where an error chain is printed.

use std::error::Error;
use std::process::ExitCode;

use crate::output;

/// How a command ended, when it did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Done; ready.
    Ready,
    /// Looked, and it is not ready or does not match.
    NotReady,
    /// Ready but for warnings, which were not to be let pass.
    Warnings,
    /// Looked at nothing, because something was out of reach.
    OutOfReach,
    /// A run is at work: look again later.
    GoesOn,
}

/// Why a command could not do its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line or `golive.toml` is wrong.
    Usage(Box<dyn Error + Send + Sync>),
    /// A server, tool or file is out of reach.
    OutOfReach(Box<dyn Error + Send + Sync>),
    /// Another run holds the lock.
    Busy(Box<dyn Error + Send + Sync>),
}

impl Failure {
    pub(crate) fn usage(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Usage(error.into())
    }

    pub(crate) fn reach(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::OutOfReach(error.into())
    }
}

pub(crate) type Result = std::result::Result<End, Failure>;

/// The exit code of a command, its error printed.
pub(crate) fn code(result: Result) -> ExitCode {
    let (code, error) = match result {
        Ok(End::Ready) => return ExitCode::SUCCESS,
        Ok(End::NotReady) => return ExitCode::from(10),
        Ok(End::Warnings) => return ExitCode::from(11),
        Ok(End::OutOfReach) => return ExitCode::from(12),
        Ok(End::GoesOn) => return ExitCode::from(75),
        Err(Failure::Usage(error)) => (2, error),
        Err(Failure::OutOfReach(error)) => (12, error),
        Err(Failure::Busy(error)) => (75, error),
    };
    output::complain(&format!("golive failed to {}", golive::error_chain(error.as_ref())));
    ExitCode::from(code)
}

/// The exit code of a bug in golive.
pub(crate) fn bug(error: &(dyn Error + 'static)) -> ExitCode {
    output::complain(&format!("golive has a bug: {}", golive::error_chain(error)));
    ExitCode::from(1)
}
