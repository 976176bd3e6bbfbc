//! `cargo xtask bench`: lists the benchmarks, or runs one. Each measures golive beside what else does the same work, in
//! one run on one machine, since only such ratios mean something elsewhere.
//!
//! Not here: any of the product. The `golive` command is built as it ships and run as a program.

mod backup;
mod bounds;
mod console;
mod examples;
mod load;
mod meter;
mod migrate;
mod options;
mod rounds;
pub(crate) mod server;

use std::ffi::OsString;

use crate::run::{Failure, say};

const LIST: &str = "\
cargo xtask bench NAME [OPTIONS]

  auth      processor time of verifying a token with every check, beside jsonwebtoken's plain decode; and with its
            revocation looked up, beside PyJWT and redis-py
              --format json   the results as one JSON document

  migrate   SQLite to MariaDB: survey, copy, constraints and proof of two million rows, beside the mariadb client's own
            LOAD DATA and sqlite3-to-mysql
              --rows N        rows of the fact table (2000000)
              --repeats N     rounds, both sides in each (3)
              --peer-rows N   rows for sqlite3-to-mysql, which is slow and linear (100000); 0 leaves it out, and its
                              bounds unknown
              --golive FILE   measures this program instead of building it
              --format json   the results as one JSON document; they are kept under target/bench either way

  cache     revocation check, rate limit and local hit of golive-cache, beside redis-benchmark, moka and the Python
            library `limits`
              --format json   the results as one JSON document

  backup    a dump, the files, a restore and the archive of the binary log of about a gigabyte, beside mariadb-dump,
            mariadb-backup and the client in a pipe with zstd at the same level
              --rows N        rows of the largest table (2000000, which is about 1 GB of InnoDB)
              --repeats N     rounds, both sides in each (3)
              --golive FILE   measures this program instead of building it
              --format json   the results as one JSON document; they are kept under target/bench either way

  console   what 200 watchers of a run cost it, and a page of the console beside a static file
              --format json   the results as one JSON document

  deploy    the grade of a good nginx, beside sslscan and testssl.sh, which must be installed
              --format json   the results as one JSON document

  load      requests a processor second and agreement on rate and median beside wrk and ab; memory of ten thousand users
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
        Some((name, rest)) if name == "auth" => {
            examples::run("auth", "golive-auth", "token_cost", options::Options::json_alone(rest)?)
        }
        Some((name, rest)) if name == "migrate" => migrate::run(&options::Options::parse(rest)?),
        Some((name, rest)) if name == "backup" => backup::run(&options::Options::parse(rest)?),
        Some((name, rest)) if name == "cache" => {
            examples::run("cache", "golive-cache", "cache_bench", options::Options::json_alone(rest)?)
        }
        Some((name, rest)) if name == "console" => console::run(options::Options::json_alone(rest)?),
        Some((name, rest)) if name == "deploy" => {
            examples::run("deploy", "golive-deploy", "grade_bench", options::Options::json_alone(rest)?)
        }
        Some((name, rest)) if name == "load" => load::run(options::Options::json_alone(rest)?),
        Some((name, rest)) if name == "observe" => {
            examples::run("observe", "golive-observe", "observe_bench", options::Options::json_alone(rest)?)
        }
        Some((name, _)) if name == "--help" || name == "-h" => {
            say(LIST);
            Ok(0)
        }
        Some((name, _)) => {
            Err(Failure::usage(format!("there is no benchmark `{}`\n\n{LIST}", name.to_string_lossy())))
        }
    }
}
