//! Backups of a whole server's files: `mariadb-backup`, streamed as a dump is, full or continuing another, and brought
//! back as a prepared data directory. For databases whose dump would take too long to load.
//!
//! The parts: `take` makes one, `bring` brings one back, `choice` says when it is worth it, `check` reads every table
//! of a restored server. Starting a server on the result is the caller's.

mod bring;
mod check;
mod choice;
mod take;

pub use bring::{RestorePhysicalError, restore_physical};
pub use check::{TableProblem, check_tables};
pub use choice::{Engine, EngineAdvice, advise_engine};
pub use take::{PhysicalError, PhysicalOptions, create_physical};

/// The one stored file.
pub(crate) const PHYSICAL_PART: &str = "server.mbstream.zst.age";
/// What the tool writes last, when it got that far.
const COMPLETED: &str = "completed OK!";
