//! Takes values out of an answer.
//!
//! What must not be here: telling what was found; a value may be somebody's.

use hyper::HeaderMap;
use serde_json::Value;

use crate::journey::Extract;
use crate::template::Random;

/// The value, if it is there, is a scalar, and is no longer than a value may be.
pub(super) fn take(
    extract: &Extract,
    headers: &HeaderMap,
    body: &[u8],
    random: &mut Random,
) -> Option<String> {
    let found = match extract {
        Extract::Json(pointer) => json(&serde_json::from_slice(body).ok()?, pointer, random),
        Extract::Header(name) => headers.get(name)?.to_str().ok().map(str::to_owned),
        Extract::Between { after, before } => {
            let text = std::str::from_utf8(body).ok()?;
            let rest = &text[text.find(after)? + after.len()..];
            Some(rest[..rest.find(before)?].to_owned())
        }
    };
    found.filter(|value| !value.is_empty() && value.len() <= MAX_BYTES)
}

/// Where it was looked for, from the plan, so it may be shown.
pub(super) fn place(extract: &Extract) -> String {
    match extract {
        Extract::Json(pointer) => pointer.clone(),
        Extract::Header(name) => format!("the header {name}"),
        Extract::Between { after, .. } => format!("the text after `{after}`"),
    }
}

/// Whether the body is needed.
pub(super) fn reads_body(extract: &Extract) -> bool {
    !matches!(extract, Extract::Header(_))
}

fn json(document: &Value, pointer: &str, random: &mut Random) -> Option<String> {
    let mut here = document;
    for token in pointer.split('/').skip(1) {
        here = match here {
            Value::Array(items) if token == "*" => {
                let last = u64::try_from(items.len()).ok()?.checked_sub(1)?;
                items.get(usize::try_from(random.between(0, last)).ok()?)?
            }
            Value::Array(items) => items.get(token.parse::<usize>().ok()?)?,
            Value::Object(fields) => fields.get(&token.replace("~1", "/").replace("~0", "~"))?,
            _ => return None,
        };
    }
    match here {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        _ => None,
    }
}

/// More than that is no key, token or name.
const MAX_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(extract: &Extract, body: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert("location", "/entries/7".parse().unwrap());
        take(extract, &headers, body.as_bytes(), &mut Random::new(3))
    }

    #[test]
    fn values_are_taken_from_json_headers_and_pages() {
        let json = |pointer: &str| {
            taken(&Extract::Json(pointer.into()), r#"{"a/b":[{"id":7},{"id":7}],"ok":true,"s":"","n":null}"#)
        };
        assert_eq!(json("/a~1b/0/id").as_deref(), Some("7"));
        assert_eq!(json("/a~1b/*/id").as_deref(), Some("7"));
        assert_eq!(json("/ok").as_deref(), Some("true"));
        for none in ["/a~1b", "/a~1b/2/id", "/a~1b/x", "/s", "/n", "/none", ""] {
            assert_eq!(json(none), None, "{none}");
        }
        assert_eq!(taken(&Extract::Header("Location".into()), "").as_deref(), Some("/entries/7"));
        let csrf = Extract::Between { after: "value=\"".into(), before: "\"".into() };
        assert_eq!(taken(&csrf, r#"<input name="csrf" value="k3y">"#).as_deref(), Some("k3y"));
        assert_eq!(taken(&csrf, r#"<input value="k3y"#), None);
        assert_eq!(taken(&csrf, &format!("value=\"{}\"", "x".repeat(MAX_BYTES + 1))), None);
    }

    #[test]
    fn an_empty_list_has_no_item() {
        assert_eq!(taken(&Extract::Json("/*".into()), "[]"), None);
        assert_eq!(taken(&Extract::Json("/*".into()), "no json"), None);
    }
}
