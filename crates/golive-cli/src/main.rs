//! The `golive` command: parses, calls, renders, exits. It holds no verb of its own.

mod args;
mod board;
mod clock;
mod commands;
mod complaint;
mod exit;
mod next;
mod output;
#[cfg(test)]
mod told;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgMatches, CommandFactory, FromArgMatches};

/// How long a thread that still works may hold up the end.
const LAST_WORK: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    // Both halves of the TLS stack must agree on one provider, before anything opens a connection.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let matches = args::Args::command().get_matches();
    let words = words(&matches);
    let args = args::Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let telling = exit::Telling {
        verbose: args.global.verbose,
        says_next: !args.global.quiet && args.global.format == args::Format::Text,
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            let error = format!("start its threads: {error}; raise the limits of open files and processes");
            return exit::code(Err(exit::Failure::reach(error)), &[], telling);
        }
    };
    // A panic has told its place by then; it has an exit code of its own.
    let work = AssertUnwindSafe(|| runtime.block_on(commands::dispatch(args)));
    let ended = std::panic::catch_unwind(work);
    // What still blocks a thread is of a command that was ended; nothing else would end it any more.
    runtime.shutdown_timeout(LAST_WORK);
    match ended {
        Ok(result) => exit::code(result, &words, telling),
        Err(_) => exit::bug(),
    }
}

/// The command's words: `migrate run`.
fn words(matches: &ArgMatches) -> Vec<&str> {
    let mut words = Vec::new();
    let mut below = matches.subcommand();
    while let Some((word, matches)) = below {
        words.push(word);
        below = matches.subcommand();
    }
    words
}
