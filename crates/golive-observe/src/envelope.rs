//! The envelope of the Sentry protocol: a header line, then items of a header line and a payload. Reads what was
//! received (for proofs) and cuts up what is about to be sent (for scrubbing). No network here.

use serde_json::Value;

/// An envelope as it was received by an error tracking endpoint.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Envelope {
    /// The error events in it; other items (sessions, client reports) are passed over.
    pub events: Vec<EnvelopeEvent>,
}

/// One error event of an envelope.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct EnvelopeEvent {
    /// The event's message; empty when it has only exceptions.
    pub message: String,
    /// Types of the exceptions, root cause first, as they stand in the event.
    pub exception_types: Vec<String>,
    /// Texts of the exceptions, in the same order.
    pub exception_values: Vec<String>,
    /// The release that it happened in.
    pub release: Option<String>,
    /// The environment that it happened in.
    pub environment: Option<String>,
    /// The whole event.
    pub document: Value,
}

/// Why bytes are not an envelope.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParseEnvelopeError {
    /// A header line is missing or no JSON object.
    #[error(
        "read the envelope: line {line} is not a JSON header; is the body compressed or not an envelope?"
    )]
    Header {
        /// Counted from 1 over headers, payloads left out.
        line: usize,
    },
    /// An item is shorter than its header says.
    #[error("read the envelope: item {item} ends before its stated length; was the request cut off?")]
    Truncated {
        /// Counted from 1.
        item: usize,
    },
    /// An event's payload is not JSON.
    #[error("read the envelope: event in item {item} is not a JSON document")]
    Event {
        /// Counted from 1.
        item: usize,
    },
}

impl Envelope {
    /// Reads an uncompressed envelope.
    ///
    /// # Errors
    /// When the bytes are no envelope; see [`ParseEnvelopeError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseEnvelopeError> {
        let mut events = Vec::new();
        for (index, item) in split(bytes)?.items.into_iter().enumerate() {
            if item.header["type"] != "event" {
                continue;
            }
            let document: Value = serde_json::from_slice(item.payload)
                .ok()
                .filter(Value::is_object)
                .ok_or(ParseEnvelopeError::Event { item: index + 1 })?;
            events.push(EnvelopeEvent::from_document(document));
        }
        Ok(Self { events })
    }
}

impl EnvelopeEvent {
    pub(crate) fn from_document(document: Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let logged = &document["logentry"];
        let message = text(&document["message"])
            .or_else(|| text(&logged["formatted"]))
            .or_else(|| text(&logged["message"]))
            .unwrap_or_default();
        let exceptions = match &document["exception"] {
            Value::Object(values) => values.get("values").and_then(Value::as_array),
            Value::Array(values) => Some(values),
            _ => None,
        };
        let part = |name: &str| {
            let parts = exceptions.into_iter().flatten();
            parts.map(|exception| text(&exception[name]).unwrap_or_default()).collect()
        };
        Self {
            message,
            exception_types: part("type"),
            exception_values: part("value"),
            release: text(&document["release"]),
            environment: text(&document["environment"]),
            document,
        }
    }
}

/// An envelope cut up.
pub(crate) struct Parts<'b> {
    pub(crate) header: Value,
    pub(crate) items: Vec<Item<'b>>,
}

/// One item: its header and its payload as it stands.
pub(crate) struct Item<'b> {
    pub(crate) header: Value,
    pub(crate) payload: &'b [u8],
}

/// Cuts an envelope into its header and items.
pub(crate) fn split(bytes: &[u8]) -> Result<Parts<'_>, ParseEnvelopeError> {
    let (header, mut rest) = take_header(bytes).ok_or(ParseEnvelopeError::Header { line: 1 })?;
    let mut items = Vec::new();
    while !rest.iter().all(u8::is_ascii_whitespace) {
        let (header, after) =
            take_header(rest).ok_or(ParseEnvelopeError::Header { line: items.len() + 2 })?;
        let length = match header["length"].as_u64() {
            Some(length) => usize::try_from(length).unwrap_or(usize::MAX),
            None => after.iter().position(|byte| *byte == b'\n').unwrap_or(after.len()),
        };
        let payload = after.get(..length).ok_or(ParseEnvelopeError::Truncated { item: items.len() + 1 })?;
        rest = &after[length..];
        rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        items.push(Item { header, payload });
    }
    Ok(Parts { header, items })
}

fn take_header(bytes: &[u8]) -> Option<(Value, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let header: Value = serde_json::from_slice(&bytes[..end]).ok()?;
    header.is_object().then(|| (header, bytes.get(end + 1..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_with_and_without_a_length() {
        let event = r#"{"message":"lost","release":"app@1","environment":"test","exception":{"values":[{"type":"Io","value":"gone"}]}}"#;
        let with = format!("{{}}\n{{\"type\":\"event\",\"length\":{}}}\n{event}\n", event.len());
        let without = format!("{{}}\n{{\"type\":\"session\"}}\n{{}}\n{{\"type\":\"event\"}}\n{event}");
        for bytes in [with, without] {
            let envelope = Envelope::parse(bytes.as_bytes()).unwrap();
            assert_eq!(envelope.events.len(), 1);
            let event = &envelope.events[0];
            assert_eq!((event.message.as_str(), event.release.as_deref()), ("lost", Some("app@1")));
            assert_eq!(event.environment.as_deref(), Some("test"));
            assert_eq!(
                (event.exception_types[0].as_str(), event.exception_values[0].as_str()),
                ("Io", "gone")
            );
        }
    }

    #[test]
    fn what_is_no_envelope_is_refused() {
        assert!(matches!(Envelope::parse(b""), Err(ParseEnvelopeError::Header { line: 1 })));
        assert!(matches!(Envelope::parse(b"\x1f\x8b\x08"), Err(ParseEnvelopeError::Header { line: 1 })));
        let cut = b"{}\n{\"type\":\"event\",\"length\":99}\n{}";
        assert!(matches!(Envelope::parse(cut), Err(ParseEnvelopeError::Truncated { item: 1 })));
        assert!(matches!(
            Envelope::parse(b"{}\n{\"type\":\"event\"}\nx"),
            Err(ParseEnvelopeError::Event { item: 1 })
        ));
    }
}
