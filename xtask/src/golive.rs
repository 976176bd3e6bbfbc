//! `cargo xtask golive`: builds everything and hands the demo platform's own configuration to the `golive` command, as
//! a stranger would hand over theirs.

use std::ffi::OsString;

use crate::run::{Failure, Workspace, become_program, finish_on_stderr};

const DEMO: &str = "crates/golive-demo/golive.toml";

pub(crate) fn run(arguments: Vec<OsString>) -> Result<u8, Failure> {
    let workspace = Workspace::find()?;
    let built = finish_on_stderr(workspace.cargo(&["build", "--workspace", "--bins", "--locked"]))?;
    if built != 0 {
        return Ok(built);
    }
    let mut rehearsal = workspace.own_program("golive")?;
    let arguments = passed_on(arguments);
    rehearsal.args(["rehearse", "--config", DEMO]);
    if !arguments.iter().any(|argument| argument == "--directory") {
        // At the top of the checkout, where whoever typed the command looks first.
        rehearsal.args(["--directory", ".golive"]);
    }
    rehearsal.args(arguments);
    become_program(rehearsal)
}

/// Cargo hands over a first `--` as it stands.
fn passed_on(mut arguments: Vec<OsString>) -> Vec<OsString> {
    if arguments.first().is_some_and(|first| first == "--") {
        arguments.remove(0);
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(Into::into).collect()
    }

    #[test]
    fn one_leading_separator_is_dropped() {
        assert_eq!(passed_on(words(&["--", "--format", "json"])), words(&["--format", "json"]));
        assert_eq!(passed_on(words(&["--scale", "20", "--"])), words(&["--scale", "20", "--"]));
        assert_eq!(passed_on(words(&["--", "--"])), words(&["--"]));
    }
}
