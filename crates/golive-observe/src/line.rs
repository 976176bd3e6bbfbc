//! How a log line is written: JSON for machines, or one readable line for a terminal, straight into the buffer it leaves
//! from. What a line says is decided in `layer`, and everything in it is scrubbed there.

#[cfg(feature = "axum")]
mod answered;

use std::fmt;
use std::time::SystemTime;

use serde_json::Value;
use tracing::Level;

use crate::clock;
use crate::context::{Identity, RequestContext};
use crate::fields::Fields;
#[cfg(feature = "axum")]
pub(crate) use answered::AnsweredForm;

/// A line before it is written. Fields of the program stay under `fields`, so that they cannot forge the head.
pub(crate) struct Line<'a> {
    pub(crate) moment: SystemTime,
    pub(crate) level: Level,
    pub(crate) target: &'a str,
    pub(crate) message: &'a str,
    pub(crate) request: Option<(&'a RequestContext, &'a Identity)>,
    pub(crate) span: Option<&'a str>,
    /// Of the line of an answered request alone; it stands under `fields`, too.
    pub(crate) answer: Option<Answer>,
    pub(crate) fields: &'a Fields,
    pub(crate) span_fields: &'a Fields,
}

/// What a request was answered with, and how long it took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) microseconds: u64,
}

impl Answer {
    /// Appends the milliseconds as serde_json would write that number.
    pub(crate) fn write_milliseconds(self, out: &mut Vec<u8>) {
        let (whole, thousandths) = (self.microseconds / 1000, self.microseconds % 1000);
        let mut buffer = itoa::Buffer::new();
        out.extend_from_slice(buffer.format(whole).as_bytes());
        let digits =
            [thousandths / 100, thousandths / 10 % 10, thousandths % 10].map(|digit| b'0' + digit as u8);
        let shown = if thousandths % 10 != 0 { 3 } else { 1 + usize::from(thousandths % 100 != 0) };
        out.push(b'.');
        out.extend_from_slice(&digits[..shown]);
    }

    /// The fields of its line.
    fn fields<'a>(self) -> [(&'static str, Shown<'a>); 2] {
        [("status", Shown::Number(self.status.into())), ("duration_ms", Shown::Duration(self))]
    }
}

/// How lines of this process are written.
pub(crate) struct Form {
    is_human: bool,
    /// What is the same in every line, ready to be copied: `,"service":…,"environment":…`.
    origin: Vec<u8>,
}

/// One value of a line, wherever it is kept.
#[derive(Clone, Copy)]
enum Shown<'a> {
    Text(&'a str),
    Number(u64),
    Duration(Answer),
    Json(&'a Value),
}

impl Form {
    pub(crate) fn new(service: &str, environment: &str, is_human: bool) -> Self {
        let mut origin = Vec::new();
        member(&mut origin, "service", service);
        member(&mut origin, "environment", environment);
        Self { is_human, origin }
    }

    /// Appends the line and its end.
    pub(crate) fn write(&self, line: &Line<'_>, out: &mut Vec<u8>) {
        if self.is_human {
            out.extend_from_slice(human(line).as_bytes());
        } else {
            self.json(line, out);
        }
        out.push(b'\n');
    }

    fn json(&self, line: &Line<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"timestamp\":\"");
        clock::write_rfc3339(line.moment, out);
        out.push(b'"');
        member(out, "level", line.level.as_str());
        member(out, "target", line.target);
        member(out, "message", line.message);
        out.extend_from_slice(&self.origin);
        for (name, value) in line.ids().into_iter().chain([("span", line.span)]) {
            if let Some(value) = value {
                member(out, name, value);
            }
        }
        members(out, "fields", line.own_fields());
        members(out, "span_fields", line.span_fields());
        out.push(b'}');
    }
}

impl<'a> Line<'a> {
    /// The line that a request leaves once it is answered.
    #[cfg(feature = "axum")]
    pub(crate) fn of_answer(
        moment: SystemTime,
        level: Level,
        message: &'a str,
        request: (&'a RequestContext, &'a Identity),
        answer: Answer,
    ) -> Self {
        const NOTHING: &Fields = &Fields::none();
        Self {
            moment,
            level,
            target: crate::access::ACCESS_TARGET,
            message,
            request: Some(request),
            span: Some("request"),
            answer: Some(answer),
            fields: NOTHING,
            span_fields: NOTHING,
        }
    }

    fn own_fields(&self) -> impl Iterator<Item = (&'static str, Shown<'a>)> {
        let of_event = self.fields;
        let of_answer = self.answer.into_iter().flat_map(Answer::fields);
        of_answer.chain(of_event.iter().map(|(name, value)| (name, Shown::Json(value))))
    }

    fn ids(&self) -> [(&'static str, Option<&'a str>); 4] {
        let request = self.request.map(|(request, _)| request);
        let identity = self.request.map(|(_, identity)| identity);
        [
            ("request_id", request.map(|request| request.request_id.as_str())),
            ("trace_id", request.map(|request| request.trace.trace_id.as_str())),
            ("client_id", identity.and_then(|identity| identity.client_id.as_deref())),
            ("user_id", identity.and_then(|identity| identity.user_id.as_deref())),
        ]
    }

    /// The fields of all spans, those of the request first; a span's own go before those of the request.
    fn span_fields(&self) -> impl Iterator<Item = (&'static str, Shown<'a>)> {
        let of_request = self.request.into_iter().flat_map(|(request, _)| request_fields(request));
        let of_spans = self.span_fields;
        of_request
            .filter(|(name, _)| of_spans.get(name).is_none())
            .chain(of_spans.iter().map(|(name, value)| (name, Shown::Json(value))))
    }
}

/// What a request tells about itself, by the names of the semantic conventions.
fn request_fields(request: &RequestContext) -> impl Iterator<Item = (&'static str, Shown<'_>)> {
    let status = request.status().map(|status| ("http.response.status_code", Shown::Number(status.into())));
    let known =
        [("http.request.method", Shown::Text(request.method)), ("http.route", Shown::Text(&request.route))];
    known.into_iter().chain(status)
}

/// The same as JSON, for an error report.
pub(crate) fn request_values(request: &RequestContext) -> impl Iterator<Item = (&'static str, Value)> {
    request_fields(request).map(|(name, value)| match value {
        Shown::Text(text) => (name, Value::from(text)),
        Shown::Number(number) => (name, Value::from(number)),
        Shown::Duration(answer) => (name, Value::from(answer.microseconds)),
        Shown::Json(value) => (name, value.clone()),
    })
}

/// The line that tells of lines dropped before it.
pub(crate) fn dropped_notice(form: &Form, count: u64) -> Vec<u8> {
    let message = format!("{count} log lines were dropped: the queue was full; look for what logs so much");
    let nothing = Fields::default();
    let line = Line {
        moment: clock::moment(),
        level: Level::WARN,
        target: "golive_observe::log",
        message: &message,
        request: None,
        span: None,
        answer: None,
        fields: &nothing,
        span_fields: &nothing,
    };
    let mut bytes = Vec::new();
    form.write(&line, &mut bytes);
    bytes
}

/// `,"name":"value"`. Names of ours need no escape.
fn member(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    text(out, value);
}

/// `,"name":{…}`; nothing where there are none.
fn members<'a>(out: &mut Vec<u8>, name: &str, values: impl Iterator<Item = (&'static str, Shown<'a>)>) {
    let start = out.len();
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":{");
    let empty = out.len();
    for (name, value) in values {
        if out.len() > empty {
            out.push(b',');
        }
        text(out, name);
        out.push(b':');
        match value {
            Shown::Text(value) => text(out, value),
            Shown::Number(number) => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
            Shown::Duration(answer) => answer.write_milliseconds(out),
            Shown::Json(Value::String(value)) => text(out, value),
            Shown::Json(value) => serde_json::to_writer(&mut *out, value).expect("JSON always serializes"),
        }
    }
    if out.len() == empty {
        out.truncate(start);
    } else {
        out.push(b'}');
    }
}

/// A text as JSON. Most need no escape, and are then copied as they are.
fn text(out: &mut Vec<u8>, value: &str) {
    // Without an early end, so that many bytes are looked at together.
    let needs_escape =
        value.bytes().fold(false, |found, byte| found | (byte < b' ') | (byte == b'"') | (byte == b'\\'));
    if needs_escape {
        serde_json::to_writer(&mut *out, value).expect("a text always serializes");
        return;
    }
    out.push(b'"');
    out.extend_from_slice(value.as_bytes());
    out.push(b'"');
}

/// The readable form; control characters are escaped so that a value cannot forge a line.
fn human(line: &Line<'_>) -> String {
    let moment = clock::rfc3339(line.moment.into());
    let mut text = format!("{moment} {:>5} {}: {}", line.level.as_str(), line.target, line.message);
    for (name, value) in line.ids().into_iter().filter(|(name, _)| *name != "trace_id") {
        if let Some(value) = value {
            text.push_str(&format!(" {name}={value}"));
        }
    }
    for (name, value) in line.own_fields().chain(line.span_fields()) {
        text.push_str(&format!(" {name}={value}"));
    }
    text.chars().flat_map(escape).collect()
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Duration(answer) => {
                let mut text = Vec::new();
                answer.write_milliseconds(&mut text);
                f.write_str(&String::from_utf8_lossy(&text))
            }
            Self::Json(value) => write!(f, "{value}"),
        }
    }
}

fn escape(character: char) -> impl Iterator<Item = char> {
    let escaped = character.is_control().then(|| character.escape_default());
    let plain = escaped.is_none().then_some(character);
    escaped.into_iter().flatten().chain(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::context::{KeptId, RequestId, TraceParent};

    proptest! {
        #[test]
        fn a_line_is_the_json_that_a_serializer_writes(
            message in "\\PC{0,20}|[\\x00-\\x7f]{0,20}",
            own in "(?s:.){0,20}",
            route in "[ -~]{0,20}",
            number in any::<i64>(),
            status in proptest::option::of(100..600_u16),
            has_client in any::<bool>(),
        ) {
            let request = RequestContext::new(RequestId::from("r-1234567").unwrap(), TraceParent::start(), "GET", route.clone().into());
            status.into_iter().for_each(|status| request.set_status(status));
            let identity = Identity { client_id: has_client.then(|| KeptId::from(&own).unwrap()), user_id: None };
            let mut fields = Fields::default();
            fields.insert("own", own.clone().into());
            fields.insert("number", number.into());
            let mut span_fields = Fields::default();
            span_fields.insert("a.b", own.clone().into());
            let moment = clock::moment();
            let line = Line {
                moment,
                level: Level::INFO,
                target: "a::b",
                message: &message,
                request: Some((&request, &identity)),
                span: Some("inner"),
                answer: None,
                fields: &fields,
                span_fields: &span_fields,
            };
            let mut out = Vec::new();
            Form::new("de\"mo", "te\\st", false).write(&line, &mut out);
            prop_assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
            let mut expected = serde_json::json!({
                "timestamp": clock::rfc3339(moment.into()), "level": "INFO", "target": "a::b", "message": message,
                "service": "de\"mo", "environment": "te\\st", "request_id": "r-1234567",
                "trace_id": request.trace.trace_id.as_str(), "span": "inner", "fields": { "own": own, "number": number },
                "span_fields": { "a.b": own, "http.request.method": "GET", "http.route": route },
            });
            if let Some(status) = status {
                expected["span_fields"]["http.response.status_code"] = status.into();
            }
            if has_client {
                expected["client_id"] = own.into();
            }
            prop_assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), expected);
        }
    }

    #[test]
    fn milliseconds_are_written_as_the_number_they_are() {
        for microseconds in (0..3000).chain([9_999_999, 12_345_678_900]) {
            let mut out = Vec::new();
            Answer { status: 200, microseconds }.write_milliseconds(&mut out);
            let expected = serde_json::to_string(&(microseconds as f64 / 1e3)).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn a_field_of_a_span_goes_before_that_of_the_request_and_stands_once() {
        let request = RequestContext::new(
            RequestId::from("r-1234567").unwrap(),
            TraceParent::start(),
            "GET",
            "/x".into(),
        );
        let (identity, fields) = (Identity::default(), Fields::default());
        let mut span_fields = Fields::default();
        span_fields.insert("http.route", "/own".into());
        let line = Line {
            moment: clock::moment(),
            level: Level::INFO,
            target: "t",
            message: "m",
            request: Some((&request, &identity)),
            span: None,
            answer: None,
            fields: &fields,
            span_fields: &span_fields,
        };
        let mut out = Vec::new();
        Form::new("s", "e", false).write(&line, &mut out);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.matches("http.route").count(), 1, "{text}");
        assert!(text.contains("\"http.route\":\"/own\"") && !text.contains("\"fields\":"), "{text}");
    }
}
