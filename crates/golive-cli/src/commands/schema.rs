//! `schema`: versioned migrations of an application that lives on MariaDB already.

use crate::commands::support::not_yet;
use crate::exit::Result;

/// What can be asked of the schema.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Which migrations are applied.
    Status,
    /// Apply what is pending.
    Up,
    /// Take back the newest.
    Down,
    /// Whether every migration goes up, down and up again.
    Check,
    /// Begin a new migration.
    New {
        /// What it does, in a few words.
        name: String,
    },
}

pub(crate) fn run(command: &Command) -> Result {
    let what = match command {
        Command::Status => "tell which migrations are applied".to_owned(),
        Command::Up => "apply migrations".to_owned(),
        Command::Down => "take a migration back".to_owned(),
        Command::Check => "check migrations".to_owned(),
        Command::New { name } => format!("begin migration `{name}`"),
    };
    not_yet(
        &what,
        "run your application's own migrations; `golive migrate run` builds the whole schema from the SQLite file",
    )
}
