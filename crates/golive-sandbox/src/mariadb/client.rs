//! Statements run through the `mariadb` client, with the password in a file that only we can read.

use std::time::Duration;

use crate::error::StartError;
use crate::mariadb::MariaDb;
use crate::process::{ProcessError, ProcessSpec, run_to_end};
use crate::requirements::{Missing, Requirement};

const ANSWERED_WITHIN: Duration = Duration::from_secs(120);

/// Why statements could not be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// The name cannot be used.
    #[error("make a database: {problem}")]
    Name {
        /// What is wrong with it.
        problem: String,
    },
    /// The client is not installed.
    #[error("{0}")]
    Missing(#[from] Missing),
    /// The file that tells the client where the server is could not be written.
    #[error("write the client's option file")]
    File(#[source] Box<StartError>),
    /// The client could not be run.
    #[error("run the mariadb client")]
    Run(#[from] ProcessError),
    /// The server refused, or cannot be reached.
    #[error("run statements; the server answers: {answer}")]
    Server {
        /// What it said.
        answer: String,
    },
}

pub(super) fn execute(server: &MariaDb, statements: &str) -> Result<String, DatabaseError> {
    let program = Requirement::Mariadb.find()?;
    let file = server.client_file().map_err(|error| DatabaseError::File(Box::new(error)))?;
    let spec = ProcessSpec::new(program)
        .argument(format!("--defaults-file={}", file.display()))
        .arguments(["--batch", "--skip-column-names"])
        .input(statements.as_bytes());
    let finished = run_to_end(spec, ANSWERED_WITHIN)?;
    if finished.status.success() {
        Ok(finished.output)
    } else {
        Err(DatabaseError::Server { answer: finished.errors.trim().to_owned() })
    }
}
