//! Exit codes, and the one place where an error is printed.

use std::error::Error;
use std::process::ExitCode;

use crate::{complaint, output};

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
    /// Another run holds the lock, or this one was ended.
    Busy(Box<dyn Error + Send + Sync>),
}

impl Failure {
    pub(crate) fn usage(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Usage(error.into())
    }

    pub(crate) fn reach(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::OutOfReach(error.into())
    }

    /// The error in one line, for whoever does not sit at the terminal.
    pub(crate) fn text(&self) -> String {
        let (Self::Usage(error) | Self::OutOfReach(error) | Self::Busy(error)) = self;
        complaint::text(error.as_ref(), false).lines().map(str::trim).collect::<Vec<_>>().join(" ")
    }
}

pub(crate) type Result = std::result::Result<End, Failure>;

/// How an error and the last line are told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Telling {
    /// The whole chain of an error.
    pub(crate) verbose: bool,
    /// Whether the last line says what to do next.
    pub(crate) says_next: bool,
}

/// The exit code of a command, by its words: its error, or what to do next, is printed.
pub(crate) fn code(result: Result, command: &[&str], telling: Telling) -> ExitCode {
    let (code, error) = match result {
        Ok(end) => {
            if let Some(next) =
                crate::next::after(command, end).filter(|next| telling.says_next && !next.is_empty())
            {
                output::complain(&format!("next: {next}"));
            }
            return ExitCode::from(match end {
                End::Ready => 0,
                End::NotReady => 10,
                End::Warnings => 11,
                End::OutOfReach => 12,
                End::GoesOn => 75,
            });
        }
        Err(Failure::Usage(error)) => (2, error),
        Err(Failure::OutOfReach(error)) => (12, error),
        Err(Failure::Busy(error)) => (75, error),
    };
    output::complain(&complaint::text(error.as_ref(), telling.verbose));
    ExitCode::from(code)
}

/// The exit code of a bug in golive, whose place was told when it struck.
pub(crate) fn bug() -> ExitCode {
    output::complain(
        "golive has a bug\n  next: report it with the command and the lines above; `--resume` takes a run up again",
    );
    ExitCode::from(1)
}
