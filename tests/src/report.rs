//! The JSON document that golive prints, as a stranger's program would read it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::program::Ended;

/// The report of `rehearse`, `run`, `gate` or `plan`.
#[non_exhaustive]
pub struct Document {
    /// The whole document.
    pub value: Value,
}

impl Document {
    /// The one document on stdout.
    ///
    /// # Panics
    /// When stdout is anything else than one JSON document with a `schema_version`.
    #[must_use]
    #[track_caller]
    pub fn of(ended: &Ended) -> Self {
        let value: Value =
            serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended}"));
        assert_eq!(value["schema_version"], 1, "{ended}");
        Self { value }
    }

    /// `go`, `no_go` or `inconclusive`.
    #[must_use]
    pub fn verdict(&self) -> &str {
        self.value["verdict"].as_str().unwrap_or_default()
    }

    /// The criteria by number, each with its status.
    ///
    /// # Panics
    /// When the document has no criteria.
    #[must_use]
    pub fn criteria(&self) -> BTreeMap<u64, String> {
        let criteria = self.value["criteria"].as_array().expect("a report has criteria");
        criteria
            .iter()
            .map(|criterion| {
                let number = criterion["number"].as_u64().expect("a criterion has a number");
                (number, criterion["status"].as_str().unwrap_or_default().to_owned())
            })
            .collect()
    }

    /// The steps, as they stand in the document.
    ///
    /// # Panics
    /// When the document has none.
    #[must_use]
    pub fn steps(&self) -> &[Value] {
        self.value["steps"].as_array().expect("a report has steps")
    }

    /// What is not well, in words: criteria that did not pass, steps that did not.
    #[must_use]
    pub fn trouble(&self) -> String {
        let mut text = String::new();
        for criterion in self.value["criteria"].as_array().into_iter().flatten() {
            if criterion["status"] != "pass" {
                text +=
                    &format!("{} {}: {}\n", criterion["number"], criterion["status"], criterion["actual"]);
            }
        }
        for step in self.value["steps"].as_array().into_iter().flatten() {
            if step["status"] != "passed" {
                text += &format!("{} {}: {} {}\n", step["id"], step["status"], step["reason"], step["error"]);
            }
        }
        text
    }
}
