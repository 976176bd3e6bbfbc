//! Where the time went: stages with their seconds, as a table.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::run::{Failure, say_error};

/// Runs stages one after the other and remembers how long each took.
#[derive(Debug, Default)]
pub(crate) struct Stages {
    done: Vec<Stage>,
}

#[derive(Debug)]
struct Stage {
    name: &'static str,
    took: Duration,
    code: u8,
}

impl Stages {
    /// Runs one; its exit code.
    pub(crate) fn run(
        &mut self,
        name: &'static str,
        work: impl FnOnce() -> Result<u8, Failure>,
    ) -> Result<u8, Failure> {
        say_error(&format!("==> {name}"));
        let start = Instant::now();
        let code = work()?;
        self.done.push(Stage { name, took: start.elapsed(), code });
        Ok(code)
    }

    /// The first exit code that is not 0, else 0.
    pub(crate) fn code(&self) -> u8 {
        self.done.iter().map(|stage| stage.code).find(|code| *code != 0).unwrap_or(0)
    }

    /// A line a stage, and the sum.
    pub(crate) fn table(&self) -> String {
        let mut text = String::from("where the time went\n");
        for stage in &self.done {
            let mark = if stage.code == 0 { "" } else { "  failed" };
            let _ = writeln!(text, "  {:<24}{:>8.1} s{mark}", stage.name, stage.took.as_secs_f64());
        }
        let sum: Duration = self.done.iter().map(|stage| stage.took).sum();
        let _ = writeln!(text, "  {:<24}{:>8.1} s", "together", sum.as_secs_f64());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_what_failed_and_the_code_is_the_first_failure() {
        let stages = Stages {
            done: vec![
                Stage { name: "build", took: Duration::from_millis(61_240), code: 0 },
                Stage { name: "tests", took: Duration::from_millis(8_060), code: 100 },
                Stage { name: "examples", took: Duration::from_millis(700), code: 1 },
            ],
        };
        assert_eq!(stages.code(), 100);
        let expected = "where the time went\n  build                       61.2 s\n  tests                        8.1 s  \
                        failed\n  examples                     0.7 s  failed\n  together                    70.0 s\n";
        assert_eq!(stages.table(), expected);
    }

    #[test]
    fn nothing_failed_is_zero() {
        assert_eq!(Stages::default().code(), 0);
    }
}
