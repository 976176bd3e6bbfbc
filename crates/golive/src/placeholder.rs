//! Fills `{names}` in what `golive.toml` describes: environments, commands, requests.

use std::collections::BTreeMap;

use serde_json::Value;
use thiserror::Error;

/// What the names stand for. Values may be secrets: this type has no `Debug`.
#[derive(Clone, Default)]
pub(crate) struct Values(BTreeMap<String, String>);

/// A name that stands for nothing here.
#[derive(Debug, Error)]
#[error("fill {{{name}}} in golive.toml: it stands for nothing here; known are {known}")]
pub struct UnknownPlaceholder {
    /// The name.
    pub name: String,
    known: String,
}

impl Values {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn extend(mut self, others: impl IntoIterator<Item = (String, String)>) -> Self {
        self.0.extend(others);
        self
    }

    pub(crate) fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// Fills a text. Braces that hold no plain name (JSON, say) stay as they are.
    pub(crate) fn fill(&self, text: &str) -> Result<String, UnknownPlaceholder> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            filled.push_str(&rest[..open]);
            rest = &rest[open..];
            match name_at(rest) {
                Some(name) => {
                    filled.push_str(self.0.get(name).ok_or_else(|| self.unknown(name))?);
                    rest = &rest[name.len() + 2..];
                }
                None => {
                    filled.push('{');
                    rest = &rest[1..];
                }
            }
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// Fills every text inside a JSON value.
    pub(crate) fn fill_json(&self, value: &Value) -> Result<Value, UnknownPlaceholder> {
        Ok(match value {
            Value::String(text) => Value::String(self.fill(text)?),
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.fill_json(item)).collect::<Result<_, _>>()?)
            }
            Value::Object(fields) => Value::Object(
                fields
                    .iter()
                    .map(|(name, value)| Ok((name.clone(), self.fill_json(value)?)))
                    .collect::<Result<_, _>>()?,
            ),
            other => other.clone(),
        })
    }

    fn unknown(&self, name: &str) -> UnknownPlaceholder {
        let known: Vec<&str> = self.0.keys().map(String::as_str).collect();
        UnknownPlaceholder { name: name.to_owned(), known: known.join(", ") }
    }
}

fn name_at(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('{')?;
    let name = &inside[..inside.find('}')?];
    let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    plain.then_some(name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_filled_and_other_braces_stay() {
        let values = Values::new().set("scale", "3").set("user", "ann");
        assert_eq!(values.fill("--scale {scale}").unwrap(), "--scale 3");
        assert_eq!(values.fill(r#"{"a": {}, "b": "{user}"}"#).unwrap(), r#"{"a": {}, "b": "ann"}"#);
        assert_eq!(values.fill_json(&json!({"u": ["{user}", 1]})).unwrap(), json!({"u": ["ann", 1]}));
        let unknown = values.fill("{scael}").unwrap_err().to_string();
        assert!(unknown.contains("{scael}") && unknown.contains("scale"), "{unknown}");
    }
}
