//! The one tracing layer: turns every event into one scrubbed log line, and every error-level event into an error
//! report. Where lines go is in `log`, what becomes of errors in `errors`.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::clock;
use crate::context::{Identity, RequestContext};
use crate::errors::{ErrorReport, ErrorTracker, PANIC_TARGET};
use crate::fields::Collected;
use crate::log::LogQueue;
use crate::scrub::Scrubber;

/// The target of the span that holds a request's context; it is enabled whatever level is configured.
pub(crate) const CONTEXT_TARGET: &str = "golive_observe::context";

/// Targets whose errors are logged but never reported: reporting uses them, and would feed on itself.
const UNREPORTED_TARGETS: &[&str] = &["opentelemetry", "sentry", "reqwest", "hyper"];

/// The fields that a span was created with or recorded later.
struct SpanFields(Map<String, Value>);

/// Writes log lines and hands errors on.
pub(crate) struct ObserveLayer {
    pub(crate) service: String,
    pub(crate) environment: String,
    pub(crate) is_human: bool,
    pub(crate) writer: LogQueue,
    pub(crate) scrubber: Scrubber,
    pub(crate) errors: Arc<ErrorTracker>,
}

/// A line as it is written. Fields of the program stay under `fields`, so that they cannot forge the head.
#[derive(Serialize)]
struct Line<'a> {
    timestamp: &'a str,
    level: &'a str,
    target: &'a str,
    message: &'a str,
    service: &'a str,
    environment: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span: Option<&'a str>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    fields: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    span_fields: &'a Map<String, Value>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for ObserveLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut collected = Collected::new(&self.scrubber);
        attributes.record(&mut collected);
        // Instructions to the exporter of traces, of no use to a reader.
        collected.fields.retain(|name, _| !name.starts_with("otel."));
        let inherited =
            span.parent().and_then(|parent| parent.extensions().get::<Arc<RequestContext>>().cloned());
        let mut extensions = span.extensions_mut();
        extensions.replace(SpanFields(collected.fields));
        if let Some(inherited) = inherited {
            extensions.replace(inherited);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut collected = Collected::new(&self.scrubber);
        values.record(&mut collected);
        if let Some(fields) = span.extensions_mut().get_mut::<SpanFields>() {
            fields.0.extend(collected.fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        // Warnings and errors have a reserve of their own.
        if *event.metadata().level() > Level::WARN && self.writer.drops() {
            return;
        }
        let mut collected = Collected::new(&self.scrubber);
        event.record(&mut collected);
        let (mut span_fields, mut span_name, mut request) = (Map::new(), None, None);
        if let Some(scope) = context.event_scope(event) {
            for span in scope.from_root() {
                let extensions = span.extensions();
                if let Some(fields) = extensions.get::<SpanFields>() {
                    span_fields.extend(fields.0.clone());
                }
                if let Some(found) = extensions.get::<Arc<RequestContext>>() {
                    request = Some(Arc::clone(found));
                }
                span_name = Some(span.name());
            }
        }
        let target = log_target(event, &mut collected);
        let level = *event.metadata().level();
        let identity = request.as_ref().map(|request| request.identity()).unwrap_or_default();
        self.write_line(level, &target, &collected, &span_fields, span_name, request.as_deref(), &identity);
        if level == Level::ERROR
            && !UNREPORTED_TARGETS.iter().any(|unreported| target.starts_with(unreported))
        {
            if let Some(request) = &request {
                request.note_error();
            }
            let location = location(event, &target, &collected);
            self.errors.report(ErrorReport {
                message: collected.message,
                target: &target,
                fields: collected.fields,
                span_fields,
                causes: collected.causes,
                location,
                request: request.as_deref(),
                identity,
            });
        }
    }
}

impl ObserveLayer {
    #[expect(clippy::too_many_arguments, reason = "the parts of one line, passed on once")]
    fn write_line(
        &self,
        level: Level,
        target: &str,
        collected: &Collected<'_>,
        span_fields: &Map<String, Value>,
        span: Option<&str>,
        request: Option<&RequestContext>,
        identity: &Identity,
    ) {
        let timestamp = clock::rfc3339(clock::now());
        let line = Line {
            timestamp: &timestamp,
            level: level.as_str(),
            target,
            message: &collected.message,
            service: &self.service,
            environment: &self.environment,
            request_id: request.map(|request| request.request_id.as_str()),
            trace_id: request.map(|request| request.trace.trace_id.as_str()),
            client_id: identity.client_id.as_deref(),
            user_id: identity.user_id.as_deref(),
            span,
            fields: &collected.fields,
            span_fields,
        };
        let mut bytes = if self.is_human { human(&line).into_bytes() } else { json(&line) };
        bytes.push(b'\n');
        // The queue counts what it must drop; a log line never makes a request wait or fail.
        self.writer.push(&bytes, level <= Level::WARN);
    }
}

/// The line that tells of lines dropped before it.
pub(crate) fn dropped_notice(service: &str, environment: &str, is_human: bool, count: u64) -> Vec<u8> {
    let timestamp = clock::rfc3339(clock::now());
    let message = format!("{count} log lines were dropped: the queue was full; look for what logs so much");
    let nothing = Map::new();
    let line = Line {
        timestamp: &timestamp,
        level: Level::WARN.as_str(),
        target: "golive_observe::log",
        message: &message,
        service,
        environment,
        request_id: None,
        trace_id: None,
        client_id: None,
        user_id: None,
        span: None,
        fields: &nothing,
        span_fields: &nothing,
    };
    let mut bytes = if is_human { human(&line).into_bytes() } else { json(&line) };
    bytes.push(b'\n');
    bytes
}

fn json(line: &Line<'_>) -> Vec<u8> {
    serde_json::to_vec(line).expect("texts and JSON values always serialize")
}

/// The readable form; control characters are escaped so that a value cannot forge a line.
fn human(line: &Line<'_>) -> String {
    let mut text = format!("{} {:>5} {}: {}", line.timestamp, line.level, line.target, line.message);
    let ids = [("request_id", line.request_id), ("client_id", line.client_id), ("user_id", line.user_id)];
    for (name, value) in ids {
        if let Some(value) = value {
            text.push_str(&format!(" {name}={value}"));
        }
    }
    for (name, value) in line.fields.iter().chain(line.span_fields) {
        text.push_str(&format!(" {name}={value}"));
    }
    text.chars().flat_map(escape).collect()
}

fn escape(character: char) -> impl Iterator<Item = char> {
    let escaped = character.is_control().then(|| character.escape_default());
    let plain = escaped.is_none().then_some(character);
    escaped.into_iter().flatten().chain(plain)
}

/// Where the event was made. A panic is logged by its hook, and carries its own place in a field: without that, all panics
/// with one message would be one error.
fn location(event: &Event<'_>, target: &str, collected: &Collected<'_>) -> Option<String> {
    let own = collected.fields.get("location").and_then(Value::as_str).filter(|_| target == PANIC_TARGET);
    own.map(str::to_owned).or_else(|| {
        let place = event.metadata().file().zip(event.metadata().line());
        place.map(|(file, line)| format!("{file}:{line}"))
    })
}

/// The target of the event; a record that came through the `log` crate carries its own in a field.
fn log_target(event: &Event<'_>, collected: &mut Collected<'_>) -> String {
    let target = event.metadata().target();
    if target != "log" {
        return target.to_owned();
    }
    collected.fields.remove("log.module_path");
    collected.fields.remove("log.file");
    collected.fields.remove("log.line");
    match collected.fields.remove("log.target") {
        Some(Value::String(own)) => own,
        _ => target.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Mutex, PoisonError};

    use tracing_subscriber::layer::SubscriberExt;

    use crate::context::{TraceParent, identify};
    use crate::errors::Destinations;
    use crate::proof::check_log_line;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What is written while `act` runs.
    fn written(is_human: bool, act: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let (writer, guard) = crate::log::start_stream(buffer.clone()).unwrap();
        let destinations =
            Destinations { scrubber: Scrubber::new(), journal: None, alerter: None, endpoint: None };
        let errors = Arc::new(ErrorTracker::start(None, None, "r", "e", destinations).unwrap());
        let (service, environment, scrubber) = ("demo".to_owned(), "test".to_owned(), Scrubber::new());
        let layer = ObserveLayer { service, environment, is_human, writer, scrubber, errors };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), act);
        drop(guard);
        let bytes = buffer.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        String::from_utf8(bytes).unwrap()
    }

    fn request_span() -> tracing::Span {
        let span = tracing::info_span!(target: CONTEXT_TARGET, "request", late = tracing::field::Empty);
        let (id, trace) = ("r-1234567".to_owned(), TraceParent::start());
        Arc::new(RequestContext::new(id, trace, "GET".to_owned(), "/x".to_owned())).attach(&span);
        span
    }

    #[test]
    fn fields_cannot_forge_the_head_of_a_line() {
        let text = written(false, || {
            tracing::warn!(
                level = "INFO",
                timestamp = "never",
                request_id = "forged",
                "two\nlines \u{1b}[31m"
            );
        });
        assert_eq!(text.lines().count(), 1);
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&line["level"], &line["fields"]["level"]), (&"WARN".into(), &"INFO".into()));
        assert_eq!((&line["request_id"], &line["fields"]["request_id"]), (&Value::Null, &"forged".into()));
        assert_eq!(text.matches("\"timestamp\"").count(), 2);
    }

    #[test]
    fn nested_spans_inherit_the_request_and_its_identity() {
        let text = written(false, || {
            request_span().in_scope(|| {
                let inner = tracing::info_span!("inner", table = "orders", token = "PLANTED");
                inner.in_scope(|| {
                    identify("ACME-MFG", "operator1");
                    tracing::info!(rows = 3, "saved");
                });
                tracing::Span::current().record("late", 7);
                identify("", "operator2");
                tracing::info!("done");
            });
            tracing::info!("outside");
        });
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        check_log_line(&lines[0].to_string()).unwrap();
        check_log_line(&lines[1].to_string()).unwrap();
        assert_eq!((&lines[0]["user_id"], &lines[1]["user_id"]), (&"operator1".into(), &"operator2".into()));
        assert_eq!(
            (&lines[0]["span"], &lines[0]["span_fields"]["table"]),
            (&"inner".into(), &"orders".into())
        );
        assert_eq!(
            (&lines[1]["client_id"], &lines[1]["span_fields"]["late"]),
            (&"ACME-MFG".into(), &7.into())
        );
        assert!(lines[2].get("request_id").is_none() && !text.contains("PLANTED"), "{text}");
    }

    #[test]
    fn a_readable_line_stays_one_line() {
        let text = written(true, || {
            request_span().in_scope(|| tracing::info!(path = "a\nb", "password=PLANTED\n2026 ERROR forged"));
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(
            text.contains(" INFO golive_observe::layer::tests: password=[redacted]\\n2026 ERROR forged"),
            "{text}"
        );
        assert!(text.contains("request_id=r-1234567") && !text.contains("PLANTED"), "{text}");
    }
}
