//! Collects the fields of a span or an event, scrubbed as they come in. No formatting here.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::Debug;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};

use crate::scrub::{MASK, Scrubber};

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

/// Named values in the order in which they came; of one name the last value stays. There are few, so that looking
/// through them is cheaper than keeping them sorted.
#[derive(Debug, Default, Clone)]
pub(crate) struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    pub(crate) const fn none() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn insert(&mut self, name: &'static str, value: Value) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name, value)),
        }
    }

    /// Adds those whose names are not here yet.
    pub(crate) fn inherit(&mut self, outer: &Self) {
        for (name, value) in &outer.0 {
            if self.get(name).is_none() {
                self.0.push((name, value.clone()));
            }
        }
    }

    pub(crate) fn extend(&mut self, later: Self) {
        later.0.into_iter().for_each(|(name, value)| self.insert(name, value));
    }

    pub(crate) fn remove(&mut self, name: &str) -> Option<Value> {
        let index = self.0.iter().position(|(known, _)| *known == name)?;
        Some(self.0.remove(index).1)
    }

    pub(crate) fn retain(&mut self, keeps: impl Fn(&str) -> bool) {
        self.0.retain(|(name, _)| keeps(name));
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }

    pub(crate) fn into_map(self) -> Map<String, Value> {
        self.0.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// The scrubbed fields of one event or span.
#[derive(Debug)]
pub(crate) struct Collected<'s> {
    scrubber: &'s Scrubber,
    pub(crate) message: String,
    pub(crate) fields: Fields,
    /// The chain of the error recorded as such (`error = &e as &dyn Error`), outermost first.
    pub(crate) causes: Vec<Cause>,
}

impl<'s> Collected<'s> {
    pub(crate) fn new(scrubber: &'s Scrubber) -> Self {
        Self { scrubber, message: String::new(), fields: Fields::default(), causes: Vec::new() }
    }

    /// The text scrubbed and cut.
    fn clean(&self, name: &str, text: &str) -> String {
        self.clean_owned(name, Cow::Borrowed(text))
    }

    fn clean_owned(&self, name: &str, text: Cow<'_, str>) -> String {
        if text.len() > LONGEST_TEXT_BYTES {
            return self.clean_long(name, &text);
        }
        match self.scrubber.scrub_field(name, &text) {
            Cow::Owned(clean) => truncate(clean, LONGEST_TEXT_BYTES),
            Cow::Borrowed(MASK) => MASK.to_owned(),
            // A text without a secret stays where it is.
            Cow::Borrowed(_) => text.into_owned(),
        }
    }

    /// What is far too long is cut before it is scrubbed, for time, and its end goes after that, because the first cut may
    /// have gone through a secret and left a piece that nothing recognizes.
    fn clean_long(&self, name: &str, text: &str) -> String {
        let head = head(text, LONGEST_SCRUBBED_BYTES);
        let clean = self.scrubber.scrub_field(name, head).into_owned();
        if head.len() == text.len() {
            return truncate(clean, LONGEST_TEXT_BYTES);
        }
        let most = LONGEST_TEXT_BYTES.min(clean.len().saturating_sub(LONGEST_SECRET_BYTES));
        truncate(clean, most)
    }

    fn text(&mut self, name: &'static str, text: Cow<'_, str>) {
        let clean = self.clean_owned(name, text);
        if name == "message" {
            self.message = clean;
        } else {
            self.fields.insert(name, Value::String(clean));
        }
    }

    /// Numbers go through the scrubber too: a card number may come as one.
    fn number(&mut self, name: &'static str, mut value: Value) {
        if self.scrubber.is_sensitive(name) {
            value = MASK.into();
        } else {
            self.scrubber.scrub_json(&mut value);
        }
        self.fields.insert(name, value);
    }
}

impl Visit for Collected<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field.name(), Cow::Borrowed(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.text(field.name(), Cow::Owned(format!("{value:?}")));
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
        self.fields.insert(field.name(), Value::String(chain));
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

fn truncate(text: String, most_bytes: usize) -> String {
    let kept = head(&text, most_bytes);
    if kept.len() == text.len() { text } else { format!("{kept}… [cut]") }
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
