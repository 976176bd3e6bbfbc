//! `cargo xtask fuzz`: runs the fuzz targets, each for some minutes. They need a nightly compiler and cargo-fuzz, so no
//! other chore runs them.

use std::ffi::OsString;

use crate::run::{Failure, Workspace, finish_on_stderr, say_error, tool};

const TARGETS: [&str; 6] =
    ["token", "password_hash", "forwarded", "deployment_file", "environment_file", "tls_answer"];
/// An input that takes longer than this is a finding.
const LONGEST_SECONDS: u32 = 20;
const DEFAULT_SECONDS: u32 = 300;

pub(crate) fn run(arguments: &[OsString]) -> Result<u8, Failure> {
    let usage = || {
        Failure::usage(format!(
            "cargo xtask fuzz [--seconds N] [TARGET]...; the targets are {}",
            TARGETS.join(", ")
        ))
    };
    let mut words = arguments.iter().map(|word| word.to_string_lossy());
    let (mut seconds, mut targets) = (DEFAULT_SECONDS, Vec::new());
    while let Some(word) = words.next() {
        if word == "--seconds" {
            seconds = words.next().and_then(|value| value.parse().ok()).ok_or_else(usage)?;
        } else {
            targets.push(TARGETS.into_iter().find(|target| word == *target).ok_or_else(usage)?);
        }
    }
    if targets.is_empty() {
        targets.extend(TARGETS);
    }
    let workspace = Workspace::find()?;
    for target in targets {
        say_error(&format!("==> {target}, {seconds} seconds"));
        let mut fuzz = tool("cargo");
        let corpus = workspace.root.join("target/fuzz").join(target);
        let artifacts = corpus.join("artifacts/");
        std::fs::create_dir_all(&artifacts).map_err(|error| {
            Failure::out_of_reach(format!("{} cannot be made: {error}", artifacts.display()))
        })?;
        fuzz.current_dir(&workspace.root);
        fuzz.args(["+nightly", "fuzz", "run", target]);
        // What it comes up with goes into the first folder; the second is only read.
        fuzz.arg(&corpus).arg(workspace.root.join("fuzz/seeds").join(target));
        fuzz.arg("--").arg(format!("-max_total_time={seconds}"));
        fuzz.arg(format!("-timeout={LONGEST_SECONDS}"));
        fuzz.arg(format!("-artifact_prefix={}", artifacts.display()));
        if finish_on_stderr(fuzz)? != 0 {
            return Err(Failure::not_ready(format!(
                "{target} did not end well: what it found is in target/fuzz/{target}/artifacts. To run at all it needs \
                 `rustup toolchain install nightly` and `cargo install cargo-fuzz`"
            )));
        }
    }
    Ok(0)
}
