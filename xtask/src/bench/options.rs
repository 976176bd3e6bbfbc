//! What a benchmark is told on the command line.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::run::Failure;

/// How much, how often, and how it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) rows: u64,
    pub(crate) repeats: u64,
    pub(crate) peer_rows: u64,
    pub(crate) json: bool,
    /// What to measure, where it is not to be built.
    pub(crate) golive: Option<PathBuf>,
}

impl Options {
    pub(crate) fn parse(arguments: &[OsString]) -> Result<Self, Failure> {
        let mut options = Self { rows: 2_000_000, repeats: 3, peer_rows: 100_000, json: false, golive: None };
        let mut words = arguments.iter().map(|word| word.to_string_lossy());
        while let Some(word) = words.next() {
            let (name, given) = match word.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (word.into_owned(), words.next().map(std::borrow::Cow::into_owned)),
            };
            let value =
                given.ok_or_else(|| Failure::usage(format!("`{name}` is unknown or wants a value")))?;
            match name.as_str() {
                "--rows" => options.rows = number(&name, &value, 1000..=1_000_000_000)?,
                "--repeats" => options.repeats = number(&name, &value, 1..=100)?,
                "--peer-rows" => options.peer_rows = number(&name, &value, 0..=10_000_000)?,
                "--format" => options.json = is_json(&value)?,
                "--golive" => options.golive = Some(value.into()),
                _ => return Err(Failure::usage(format!("`{name}` is none of the options of a benchmark"))),
            }
        }
        Ok(options)
    }

    /// Whether JSON is wanted, of a benchmark that takes nothing else.
    pub(crate) fn json_alone(arguments: &[OsString]) -> Result<bool, Failure> {
        let json = Self::parse(arguments)?.json;
        if arguments.iter().any(|word| {
            word.to_string_lossy().starts_with("--") && !word.to_string_lossy().starts_with("--format")
        }) {
            return Err(Failure::usage("this benchmark takes `--format` and nothing else".to_owned()));
        }
        Ok(json)
    }
}

fn number(name: &str, value: &str, range: std::ops::RangeInclusive<u64>) -> Result<u64, Failure> {
    value.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
        Failure::usage(format!("`{name}` wants a number from {} to {}", range.start(), range.end()))
    })
}

fn is_json(value: &str) -> Result<bool, Failure> {
    match value {
        "json" => Ok(true),
        "text" => Ok(false),
        _ => Err(Failure::usage("`--format` wants text or json".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Options, Failure> {
        Options::parse(&words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn options_come_in_either_form() {
        let options =
            parsed(&["--rows", "5000", "--format=json", "--peer-rows=0", "--golive=a/golive"]).unwrap();
        assert_eq!(
            options,
            Options { rows: 5000, repeats: 3, peer_rows: 0, json: true, golive: Some("a/golive".into()) }
        );
    }

    #[test]
    fn a_benchmark_without_rows_refuses_them() {
        let json =
            |words: &[&str]| Options::json_alone(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert!(json(&["--format=json"]).unwrap() && json(&["--format", "json"]).unwrap());
        assert!(!json(&[]).unwrap());
        assert_eq!(json(&["--rows", "5000"]).unwrap_err().code, 2);
    }

    #[test]
    fn what_makes_no_sense_is_a_usage_error() {
        for words in
            [&["--rows"][..], &["--rows", "many"], &["--repeats=0"], &["--speed", "1"], &["--format=x"]]
        {
            assert_eq!(parsed(words).unwrap_err().code, 2, "{words:?}");
        }
    }
}
