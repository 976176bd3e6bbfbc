//! `cargo xtask bench load`: golive-load beside wrk and ab. Its example measures; the bounds are judged here as those of the
//! other examples are. A generator that is not installed leaves its bounds unmeasured, and so missed.

use serde_json::Value;

use super::examples::judge;
use crate::run::{Failure, Workspace, capture, say};

pub(crate) fn run(is_json: bool) -> Result<u8, Failure> {
    let workspace = Workspace::find()?;
    let mut program = workspace.cargo(&["run", "--quiet", "--release", "--locked"]);
    program.args(["--package", "golive-load", "--example", "load_bench"]);
    let results: Value = serde_json::from_str(&capture(program)?)
        .map_err(|error| Failure::out_of_reach(format!("load_bench printed no JSON: {error}")))?;
    let (text, missed) = judge(&results);
    say(&if is_json { format!("{results:#}\n") } else { text });
    match missed {
        0 => Ok(0),
        _ => Err(Failure::not_ready(format!(
            "bench load: {missed} bounds are not kept; wrk and ab must be there (Debian: wrk, apache2-utils)"
        ))),
    }
}
