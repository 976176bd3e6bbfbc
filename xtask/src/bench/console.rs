//! `cargo xtask bench console`: what two hundred watchers of a run cost it, by the times of runs with and without them in turn, and a
//! page beside a static file of the same server. The example measures; the bounds are judged here as those of the others are.

use serde_json::Value;

use super::examples::judge;
use crate::run::{Failure, Workspace, capture, say};

pub(crate) fn run(is_json: bool) -> Result<u8, Failure> {
    let workspace = Workspace::find()?;
    let mut program = workspace.cargo(&["run", "--quiet", "--release", "--locked"]);
    program.args(["--package", "golive-server", "--example", "console_bench"]);
    let results: Value = serde_json::from_str(&capture(program)?)
        .map_err(|error| Failure::out_of_reach(format!("console_bench printed no JSON: {error}")))?;
    let (text, missed) = judge(&results);
    say(&if is_json { format!("{results:#}\n") } else { text });
    match missed {
        0 => Ok(0),
        _ => Err(Failure::not_ready(format!("bench console: {missed} bounds are not kept"))),
    }
}
