//! Collects the fields of a span or an event, scrubbed as they come in. No formatting here.

use std::error::Error;
use std::fmt::Debug;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};

use crate::scrub::Scrubber;

/// Longest text kept of one field; a log line must stay a line.
const LONGEST_TEXT_BYTES: usize = 16 * 1024;

/// Longest text that is scrubbed at all; the rest of it is dropped unseen.
const LONGEST_SCRUBBED_BYTES: usize = 4 * LONGEST_TEXT_BYTES;

/// Longest secret that a cut may go through without a piece of it staying.
const LONGEST_SECRET_BYTES: usize = 4 * 1024;

/// Deepest error chain that is followed.
const DEEPEST_CHAIN: usize = 16;

/// One link of an error chain.
#[derive(Debug, Clone)]
pub(crate) struct Cause {
    /// The name of the error's type, as far as its `Debug` form tells it.
    pub(crate) kind: String,
    pub(crate) text: String,
}

/// The scrubbed fields of one event or span.
#[derive(Debug)]
pub(crate) struct Collected<'s> {
    scrubber: &'s Scrubber,
    pub(crate) message: String,
    pub(crate) fields: Map<String, Value>,
    /// The chain of the error recorded as such (`error = &e as &dyn Error`), outermost first.
    pub(crate) causes: Vec<Cause>,
}

impl<'s> Collected<'s> {
    pub(crate) fn new(scrubber: &'s Scrubber) -> Self {
        Self { scrubber, message: String::new(), fields: Map::new(), causes: Vec::new() }
    }

    /// The text scrubbed and cut. What is far too long is cut before it is scrubbed, for time, and its end goes after
    /// that, because the first cut may have gone through a secret and left a piece that nothing recognizes.
    fn clean(&self, name: &str, text: &str) -> String {
        let head = head(text, LONGEST_SCRUBBED_BYTES);
        let clean = self.scrubber.scrub_field(name, head);
        if head.len() == text.len() {
            return truncate(&clean, LONGEST_TEXT_BYTES);
        }
        truncate(&clean, LONGEST_TEXT_BYTES.min(clean.len().saturating_sub(LONGEST_SECRET_BYTES)))
    }

    fn text(&mut self, name: &str, text: &str) {
        let clean = self.clean(name, text);
        if name == "message" {
            self.message = clean;
        } else {
            self.fields.insert(name.to_owned(), Value::String(clean));
        }
    }

    /// Numbers go through the scrubber too: a card number may come as one.
    fn number(&mut self, name: &str, value: Value) {
        let mut value =
            if self.scrubber.is_sensitive(name) { Value::String(value.to_string()) } else { value };
        if let Value::String(text) = &value {
            value = Value::String(self.scrubber.scrub_field(name, text).into_owned());
        }
        self.scrubber.scrub_json(&mut value);
        self.fields.insert(name.to_owned(), value);
    }
}

impl Visit for Collected<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.text(field.name(), &format!("{value:?}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.number(field.name(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.number(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(field.name(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.number(field.name(), value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut next = Some(value);
        let mut causes = Vec::new();
        while let Some(error) = next.filter(|_| causes.len() < DEEPEST_CHAIN) {
            let kind = kind_of(&format!("{error:?}"));
            causes.push(Cause { kind, text: self.clean("", &error.to_string()) });
            next = error.source();
        }
        let chain = causes.iter().map(|cause| cause.text.as_str()).collect::<Vec<_>>().join(": ");
        self.fields.insert(field.name().to_owned(), Value::String(chain));
        if self.causes.is_empty() {
            self.causes = causes;
        }
    }
}

/// The leading identifier of a `Debug` text: the type or variant.
fn kind_of(debug: &str) -> String {
    let name: String = debug.chars().take_while(|c| c.is_alphanumeric() || *c == '_').take(80).collect();
    if name.is_empty() { "Error".to_owned() } else { name }
}

fn truncate(text: &str, most_bytes: usize) -> String {
    let kept = head(text, most_bytes);
    if kept.len() == text.len() { text.to_owned() } else { format!("{kept}… [cut]") }
}

/// The beginning of a text, at most so many bytes, whole characters.
fn head(text: &str, most_bytes: usize) -> &str {
    let end = (0..=most_bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_and_no_piece_of_a_secret_stays() {
        let secret = "planted-secret-value";
        let scrubber = Scrubber::new().with_secret(&secret.into());
        let collected = Collected::new(&scrubber);
        for padding in LONGEST_SCRUBBED_BYTES - 30..LONGEST_SCRUBBED_BYTES + 5 {
            // Secrets before it shrink the text, so that its end comes within what is kept.
            let text = format!("{}{secret} {}", "é".repeat(padding / 2), "x".repeat(100));
            let cleaned = collected.clean("note", &text);
            assert!(!cleaned.contains("plant") && cleaned.len() <= LONGEST_TEXT_BYTES + 20);
            let shrunk = format!("{}{}", format!("{secret} ").repeat(padding / (secret.len() + 1)), secret);
            assert!(!collected.clean("note", &format!("{shrunk}{shrunk}")).contains("plant"));
        }
        assert_eq!(collected.clean("note", "short"), "short");
    }

    #[test]
    fn a_hostile_text_takes_no_quadratic_time() {
        let scrubber = Scrubber::new();
        let started = std::time::Instant::now();
        for part in ["eyJ-", "://", "-----BEGIN ", "a:b@://", "key:", "4111 ", "token=[", "password=\"\\"] {
            let text = part.repeat((1 << 20) / part.len());
            let _ = Collected::new(&scrubber).clean("note", &text);
        }
        // Quadratic would be minutes; the bound leaves room for a busy machine.
        assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
    }
}
