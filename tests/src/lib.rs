//! Harness of the cross-crate tests: runs the built programs on real servers, as a user would, and looks at what they
//! leave behind.
//!
//! Not here: assertions about golive (`tests/`), and any of the crates under test but the sandbox: what is tested is
//! what was built, through its command line.

mod binaries;
pub mod corpus;
pub mod independent;
mod platform;
mod processes;
mod program;
mod report;
mod run;
mod sqlite;
mod wait;

pub use binaries::program;
pub use platform::Platform;
pub use processes::{CommandLineWatch, leftovers};
pub use program::{Ended, Running};
pub use report::Document;
pub use run::Run;
pub use sqlite::{Beside, sqlite, sqlite_raw};
pub use wait::{seconds, wait_until};
