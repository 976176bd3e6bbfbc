//! `cargo xtask bench`: lists the benchmarks, or runs one. Each measures golive beside what else does the same work, in
//! one run on one machine, since only such ratios mean something elsewhere.
//!
//! Not here: any of the product. The `golive` command is built as it ships and run as a program.

mod bounds;
mod cache;
mod meter;
mod migrate;
mod options;
mod rounds;
pub(crate) mod server;

use std::ffi::OsString;

use crate::run::{Failure, Workspace, say};

const LIST: &str = "\
cargo xtask bench NAME [OPTIONS]

  auth      processor time of verifying a token with every check, beside jsonwebtoken's plain decode; bound: half of it

  migrate   SQLite to MariaDB: survey, copy, constraints and proof of two million rows, beside the mariadb client's own
            LOAD DATA and sqlite3-to-mysql
              --rows N        rows of the fact table (2000000)
              --repeats N     rounds, both sides in each (3)
              --peer-rows N   rows for sqlite3-to-mysql, which is slow and linear (100000); 0 leaves it out, and its
                              bounds unknown
              --golive FILE   measures this program instead of building it
              --format json   the results as one JSON document; they are kept under target/bench either way

  cache     revocation check, rate limit and local hit of golive-cache, beside redis-benchmark and moka
              --format json   the results as one JSON document

  observe   a small route with the whole of golive-observe beside the bare route, scrubbing, and a flood of log lines
              --format json   the results as one JSON document
";

pub(crate) fn run(arguments: &[OsString]) -> Result<u8, Failure> {
    match arguments.split_first() {
        None => {
            say(LIST);
            Ok(0)
        }
        Some((name, [])) if name == "auth" => auth(),
        Some((name, rest)) if name == "migrate" => migrate::run(&options::Options::parse(rest)?),
        Some((name, rest)) if name == "cache" => cache::run(options::Options::json_alone(rest)?),
        Some((name, rest)) if name == "observe" => cache::run_observe(options::Options::json_alone(rest)?),
        Some((name, _)) if name == "--help" || name == "-h" => {
            say(LIST);
            Ok(0)
        }
        Some((name, _)) => {
            Err(Failure::usage(format!("there is no benchmark `{}`\n\n{LIST}", name.to_string_lossy())))
        }
    }
}

/// The measurement is an example of its crate, built as it ships.
fn auth() -> Result<u8, Failure> {
    let arguments =
        ["run", "--release", "--locked", "--quiet", "-p", "golive-auth", "--example", "token_cost"];
    let mut measure = Workspace::find()?.cargo(&arguments);
    let status =
        measure.status().map_err(|error| Failure::out_of_reach(format!("cargo does not run: {error}")))?;
    match status.code() {
        Some(0) => Ok(0),
        Some(10) => Err(Failure::not_ready("a bound was missed".to_owned())),
        _ => Err(Failure::out_of_reach("the measurement did not run".to_owned())),
    }
}
