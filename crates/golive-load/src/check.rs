//! What an answer must be. A fast answer of nothing is no answer.
//!
//! What must not be here: printing what was answered. Reasons name the place, never the value, which may be a person's.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What must come back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Expect {
    /// One of these HTTP statuses; another is an error.
    pub status: Vec<u16>,
    /// JSON pointers (RFC 6901) that must lead to something other than null.
    pub json_pointer_present: Vec<String>,
    /// Further tests on JSON values: where an application answers defaults when it is broken, say here what the true
    /// answer is.
    pub json: Vec<JsonCheck>,
    /// Texts that the answer must contain.
    pub contains: Vec<String>,
    /// An answer longer than this is cut off and fails.
    pub max_body_bytes: usize,
}

impl Default for Expect {
    fn default() -> Self {
        Self {
            status: vec![200],
            json_pointer_present: Vec::new(),
            json: Vec::new(),
            contains: Vec::new(),
            max_body_bytes: 16 * 1024 * 1024,
        }
    }
}

impl Expect {
    /// One status, nothing about the content.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self { status: vec![status], ..Self::default() }
    }

    /// Why the body is not what it must be; `None` when it is.
    pub(crate) fn complaint(&self, body: &[u8]) -> Option<String> {
        self.complaint_about_text(body).or_else(|| self.complaint_about_json(body))
    }

    /// Whether only the status matters.
    pub(crate) fn ignores_body(&self) -> bool {
        self.json_pointer_present.is_empty() && self.json.is_empty() && self.contains.is_empty()
    }

    fn complaint_about_text(&self, body: &[u8]) -> Option<String> {
        let text = String::from_utf8_lossy(body);
        let missing = self.contains.iter().find(|wanted| !text.contains(*wanted))?;
        Some(format!("the text `{missing}` is missing"))
    }

    fn complaint_about_json(&self, body: &[u8]) -> Option<String> {
        if self.json_pointer_present.is_empty() && self.json.is_empty() {
            return None;
        }
        let Ok(document) = serde_json::from_slice::<Value>(body) else {
            return Some("the answer is no JSON".to_owned());
        };
        let absent = self
            .json_pointer_present
            .iter()
            .find(|pointer| document.pointer(pointer).is_none_or(Value::is_null));
        if let Some(pointer) = absent {
            return Some(format!("{pointer} is missing"));
        }
        self.json.iter().find_map(|check| check.complaint(&document))
    }
}

/// A test on one place of a JSON answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct JsonCheck {
    /// JSON pointer (RFC 6901), e.g. `/kpis/oee`.
    pub pointer: String,
    /// What must be there.
    pub test: JsonTest,
}

/// What must be at a place of a JSON answer. Numbers may come as JSON numbers or as strings, as decimals often do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum JsonTest {
    /// Exactly this value; numbers are compared as numbers.
    Equals(Value),
    /// Anything but this value, and present.
    NotEquals(Value),
    /// A number not below this.
    AtLeast(f64),
    /// A number not above this.
    AtMost(f64),
    /// A list, object or string with something in it.
    NotEmpty,
}

impl JsonCheck {
    /// A test at `pointer`.
    #[must_use]
    pub fn new(pointer: impl Into<String>, test: JsonTest) -> Self {
        Self { pointer: pointer.into(), test }
    }

    fn complaint(&self, document: &Value) -> Option<String> {
        let place = &self.pointer;
        let Some(found) = document.pointer(place).filter(|value| !value.is_null()) else {
            return Some(format!("{place} is missing"));
        };
        let holds = match &self.test {
            JsonTest::Equals(wanted) => equal(found, wanted),
            JsonTest::NotEquals(unwanted) => !equal(found, unwanted),
            JsonTest::AtLeast(limit) => number(found).is_some_and(|n| n >= *limit),
            JsonTest::AtMost(limit) => number(found).is_some_and(|n| n <= *limit),
            JsonTest::NotEmpty => match found {
                Value::Array(items) => !items.is_empty(),
                Value::Object(fields) => !fields.is_empty(),
                Value::String(text) => !text.trim().is_empty(),
                _ => true,
            },
        };
        (!holds).then(|| format!("{place} is not {}", self.test.says()))
    }
}

impl JsonTest {
    /// The requirement in words. It comes from the plan, so it may be shown.
    fn says(&self) -> String {
        match self {
            Self::Equals(wanted) => wanted.to_string(),
            Self::NotEquals(unwanted) => format!("other than {unwanted}"),
            Self::AtLeast(limit) => format!("at least {limit}"),
            Self::AtMost(limit) => format!("at most {limit}"),
            Self::NotEmpty => "filled".to_owned(),
        }
    }
}

fn equal(left: &Value, right: &Value) -> bool {
    left == right
        || ((left.is_number() || right.is_number())
            && number(left)
                .zip(number(right))
                .is_some_and(|(l, r)| (l - r).abs() <= 1e-9 * l.abs().max(r.abs())))
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()).filter(|n: &f64| n.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn complaint(tests: Vec<JsonCheck>, answer: &Value) -> Option<String> {
        Expect { json: tests, ..Expect::default() }.complaint(answer.to_string().as_bytes())
    }

    #[test]
    fn a_dashboard_of_defaults_is_found_out() {
        let tests = || vec![JsonCheck::new("/availability", JsonTest::NotEquals(json!(100)))];
        assert_eq!(complaint(tests(), &json!({"availability": 87.5})), None);
        assert_eq!(complaint(tests(), &json!({"availability": "87.50"})), None);
        for default in [json!(100), json!(100.0), json!("100.00")] {
            let found = complaint(tests(), &json!({ "availability": default }));
            assert_eq!(found.as_deref(), Some("/availability is not other than 100"));
        }
        assert_eq!(complaint(tests(), &json!({})).as_deref(), Some("/availability is missing"));
    }

    #[test]
    fn each_test_holds_and_breaks() {
        let cases = [
            (JsonTest::Equals(json!("a")), json!("a"), json!("b")),
            (JsonTest::Equals(json!(2)), json!("2.0"), json!(3)),
            (JsonTest::AtLeast(1.0), json!(1), json!(0.5)),
            (JsonTest::AtMost(1.0), json!("0.5"), json!("x")),
            (JsonTest::NotEmpty, json!([0]), json!([])),
            (JsonTest::NotEmpty, json!("x"), json!(" ")),
        ];
        for (test, good, bad) in cases {
            assert_eq!(
                complaint(vec![JsonCheck::new("/v", test.clone())], &json!({ "v": good })),
                None,
                "{test:?}"
            );
            assert!(
                complaint(vec![JsonCheck::new("/v", test.clone())], &json!({ "v": bad })).is_some(),
                "{test:?}"
            );
        }
    }

    #[test]
    fn null_and_no_json_are_not_present() {
        let expect = Expect { json_pointer_present: vec!["/a/0".into()], ..Expect::default() };
        assert_eq!(expect.complaint(br#"{"a":[0]}"#), None);
        assert_eq!(expect.complaint(br#"{"a":[null]}"#).as_deref(), Some("/a/0 is missing"));
        assert_eq!(expect.complaint(b"<html>").as_deref(), Some("the answer is no JSON"));
    }

    #[test]
    fn a_text_must_be_contained() {
        let expect = Expect { contains: vec!["ready".into()], ..Expect::default() };
        assert_eq!(expect.complaint(b"all ready"), None);
        assert!(expect.complaint(b"all gone").is_some());
    }
}
