//! Benchmarks that are examples of their crates, built as they ship: they measure beside `redis-benchmark`, moka,
//! jsonwebtoken and the Python libraries of the trade, or a bare service, all in one run. Here their ratios are judged and shown.

use std::fmt::Write as _;

use serde_json::Value;

use super::server::python_environment;
use crate::run::{Failure, Workspace, capture, say};

/// What the examples measure themselves beside.
const PEERS: [&str; 4] = ["PyJWT==2.10.1", "redis==5.2.1", "hiredis==3.1.0", "limits==5.8.0"];

/// One of them: `name` for people, the crate and its example. Each is told where the peers are.
pub(crate) fn run(name: &str, package: &str, example: &str, is_json: bool) -> Result<u8, Failure> {
    let workspace = Workspace::find()?;
    let peers = python_environment(&workspace.root.join("target/bench/peers"), &PEERS)?;
    let mut program = workspace.cargo(&["run", "--quiet", "--release", "--locked", "--all-features"]);
    program.args(["--package", package, "--example", example, "--"]);
    program.arg(peers.join("bin/python")).arg(workspace.root.join("xtask/src/bench/peers.py"));
    let results: Value = serde_json::from_str(&capture(program)?)
        .map_err(|error| Failure::out_of_reach(format!("{example} printed no JSON: {error}")))?;
    let (text, missed) = judge(&results);
    say(&if is_json { format!("{results:#}\n") } else { text });
    match missed {
        0 => Ok(0),
        _ => Err(Failure::not_ready(format!("bench {name}: {missed} bounds are not kept"))),
    }
}

/// A line for each ratio, and how many are not as they must be; what was not measured is not kept. Below them stands
/// what an example tells besides, which nothing is judged by.
pub(super) fn judge(results: &Value) -> (String, usize) {
    let (mut text, mut missed) = (String::new(), 0);
    let ratios = results["ratios"].as_array().map(Vec::as_slice).unwrap_or_default();
    for ratio in ratios {
        let value = ratio["ratio"].as_f64();
        let (sign, limit) = match ratio["at_least"].as_f64() {
            Some(limit) => (">=", limit),
            None => ("<=", ratio["at_most"].as_f64().unwrap_or(f64::NAN)),
        };
        let is_kept = value.is_some_and(|value| if sign == ">=" { value >= limit } else { value <= limit });
        missed += usize::from(!is_kept);
        let mark = if is_kept { "kept  " } else { "MISSED" };
        let shown = value.map_or("not measured".to_owned(), |value| format!("{value:.2}"));
        let name = ratio["name"].as_str().unwrap_or("?");
        let _never_fails = writeln!(text, "{mark}  {shown:>6} {sign} {limit}  {name}");
    }
    if ratios.is_empty() {
        missed = 1;
    }
    for told in results["told"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let (name, value) = (told["name"].as_str().unwrap_or("?"), told["value"].as_f64());
        let shown = value.map_or("not measured".to_owned(), |value| format!("{value:.1}"));
        let _never_fails = writeln!(text, "        {shown:>8}  {name}");
    }
    (text, missed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missed_or_not_measured_is_counted() {
        let results = serde_json::json!({ "ratios": [
            { "name": "a", "ratio": 3.1, "at_least": 3.0 },
            { "name": "b", "ratio": 1.2, "at_most": 1.0 },
            { "name": "c", "at_least": 1.0 },
        ], "told": [{ "name": "requests a second", "value": 19_123.46 }]});
        let (text, missed) = judge(&results);
        assert_eq!(missed, 2);
        assert_eq!(text.lines().filter(|line| line.starts_with("MISSED")).count(), 2);
        assert!(text.ends_with(" 19123.5  requests a second\n"), "{text}");
        assert_eq!(judge(&Value::Null).1, 1);
    }
}
