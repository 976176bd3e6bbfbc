//! Why a server could not be started or stopped: one enum for all of them, for their lives are the same.

use std::path::PathBuf;
use std::time::Duration;

use crate::requirements::Missing;

/// Why a disposable server did not start. The log in it is the server's own, its end only.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A program is not installed.
    #[error("{0}")]
    Missing(#[from] Missing),
    /// A directory or file could not be made, read or written.
    #[error("prepare {}; check that it is writable and has room", path.display())]
    Files {
        /// What was touched.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The system refused to start the program.
    #[error("run {}; check that it is executable", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The server ended before it was ready.
    #[error("start {server}: it ended with {status} before it was ready; its log ends:\n{log}")]
    Ended {
        /// Which server.
        server: &'static str,
        /// Its exit status.
        status: String,
        /// The end of its log.
        log: String,
    },
    /// The server runs but did not become ready.
    #[error("start {server}: not ready after {waited:?}; its log ends:\n{log}")]
    NotReady {
        /// Which server.
        server: &'static str,
        /// How long it was waited for.
        waited: Duration,
        /// The end of its log.
        log: String,
    },
    /// Something given by the caller cannot work.
    #[error("start {server}: {problem}")]
    Refused {
        /// Which server.
        server: &'static str,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// A living server uses the directory.
    #[error("use {}: {holder} works on it; stop that first, or take another directory", directory.display())]
    InUse {
        /// The directory asked for.
        directory: PathBuf,
        /// Who has it.
        holder: String,
    },
    /// No port was free on 127.0.0.1 in many attempts.
    #[error("find a free port on 127.0.0.1; close some of the programs that listen there")]
    NoPort,
}

/// Why a server did not stop in order.
#[derive(Debug, thiserror::Error)]
#[error("stop {server} within {waited:?}: it was killed instead; its log ends:\n{log}")]
#[non_exhaustive]
pub struct StopError {
    /// Which server.
    pub server: &'static str,
    /// How long it was waited for.
    pub waited: Duration,
    /// The end of its log.
    pub log: String,
}
