//! The project's own chores: `cargo xtask help` lists them.
//!
//! A door, not a room: this program runs cargo and the `golive` command, and links none of the product. What must not
//! be here: a dependency that makes the first build on a new machine wait.

mod api;
mod bench;
mod book;
mod compare;
mod fuzz;
mod golive;
mod run;
mod stages;
mod test;
mod tidy;
mod tools;

use std::ffi::OsString;
use std::process::ExitCode;

use run::{Failure, say, say_error};

const HELP: &str = "\
cargo xtask COMMAND [ARGUMENTS]

  golive [--] [ARGUMENTS]  rehearse the whole go-live of the demo platform on disposable servers;
                           the arguments go to `golive rehearse` (--scale N, --format json, --no-install …)
  test [ARGUMENTS]         install what is missing and run every test; with arguments, only the test runner, with them
  tidy                     the house rules over sources, manifests, documents and the dependency graph
  book                     makes the book out of docs/ and follows every link of it; installs mdBook below target/ once
  api [--bless]            compares what the crates offer with the lists in docs/api, which --bless writes anew, and looks for
                           what would break who embeds the last release, once there is one
  bench [NAME] [OPTIONS]   measures against what else does the same work, and exits with 10 where a bound is missed;
                           alone, it lists the benchmarks
  compare [DATABASE …] [--database NAME=FILE …]
                           databases in common use, or files of one's own, moved by golive and by a peer and compared
                           value by value; without arguments writes docs/comparison.md
  fuzz [--seconds N] [TARGET …]
                           feeds the parsers of tokens, stored password hashes and forwarded headers with whatever a
                           fuzzer comes up with, five minutes each; needs a nightly compiler and cargo-fuzz
  help                     this text
";

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let command = arguments.next();
    let rest: Vec<OsString> = arguments.collect();
    match dispatch(command.as_ref().and_then(|word| word.to_str()), rest) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            say_error(&failure.message);
            ExitCode::from(failure.code)
        }
    }
}

fn dispatch(command: Option<&str>, arguments: Vec<OsString>) -> Result<u8, Failure> {
    match command {
        Some("golive") => golive::run(arguments),
        Some("test") => test::run(arguments),
        Some("tidy") => tidy::run(&arguments),
        Some("book") => book::run(&arguments),
        Some("api") => api::run(&arguments),
        Some("bench") => bench::run(&arguments),
        Some("compare") => compare::run(&arguments),
        Some("fuzz") => fuzz::run(&arguments),
        Some("help" | "--help" | "-h") => {
            say(HELP);
            Ok(0)
        }
        Some(other) => Err(Failure::usage(format!("there is no command `{other}`\n\n{HELP}"))),
        None => Err(Failure::usage(HELP.to_owned())),
    }
}
