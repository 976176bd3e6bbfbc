//! The one tracing layer: turns every event into one scrubbed log line, and every error-level event into an error
//! report. How a line is written is in `line`, where lines go in `log`, what becomes of errors in `errors`.

use std::cell::RefCell;
use std::sync::Arc;

use serde_json::Value;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::clock;
use crate::context::{Identity, RequestContext};
use crate::errors::{ErrorReport, ErrorTracker, PANIC_TARGET};
use crate::fields::{Collected, Fields};
use crate::line::{Form, Line, request_values};
use crate::log::LogQueue;
use crate::scrub::Scrubber;

/// The target of the span that holds a request's context; it is enabled whatever level is configured.
pub(crate) const CONTEXT_TARGET: &str = "golive_observe::context";

/// Targets whose errors are logged but never reported: reporting uses them, and would feed on itself.
const UNREPORTED_TARGETS: &[&str] = &["opentelemetry", "sentry", "reqwest", "hyper"];

/// The fields that a span was created with or recorded later.
struct SpanFields(Fields);

/// Writes log lines and hands errors on.
pub(crate) struct ObserveLayer {
    pub(crate) form: Arc<Form>,
    pub(crate) writer: LogQueue,
    pub(crate) scrubber: Scrubber,
    pub(crate) errors: Arc<ErrorTracker>,
}

/// Memory that a thread keeps for the next line; a longer line's is given back.
const KEPT_LINE_BYTES: usize = 16 * 1024;

thread_local! {
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Calls with an empty buffer that this thread keeps.
pub(crate) fn with_buffer(mut use_it: impl FnMut(&mut Vec<u8>)) {
    let used = LINE.try_with(|kept| {
        let mut bytes = kept.borrow_mut();
        use_it(&mut bytes);
        bytes.clear();
        bytes.shrink_to(KEPT_LINE_BYTES);
    });
    if used.is_err() {
        use_it(&mut Vec::new()); // the thread is ending, and its memory is gone already
    }
}

/// What the spans around an event say about it.
#[derive(Default)]
struct Surroundings {
    fields: Fields,
    span: Option<&'static str>,
    request: Option<Arc<RequestContext>>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for ObserveLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        // The request's own span is told by its context.
        if attributes.metadata().target() == CONTEXT_TARGET {
            if let Some(opening) = RequestContext::opening() {
                span.extensions_mut().insert(opening);
            }
            return;
        }
        let mut collected = Collected::new(&self.scrubber);
        attributes.record(&mut collected);
        // Instructions to the exporter of traces, of no use to a reader.
        collected.fields.retain(|name| !name.starts_with("otel."));
        let inherited =
            span.parent().and_then(|parent| parent.extensions().get::<Arc<RequestContext>>().cloned());
        let mut extensions = span.extensions_mut();
        if !collected.fields.is_empty() {
            extensions.replace(SpanFields(collected.fields));
        }
        if let Some(inherited) = inherited {
            extensions.replace(inherited);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut collected = Collected::new(&self.scrubber);
        values.record(&mut collected);
        let mut extensions = span.extensions_mut();
        match extensions.get_mut::<SpanFields>() {
            Some(fields) => fields.0.extend(collected.fields),
            None => extensions.insert(SpanFields(collected.fields)),
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        // Warnings and errors have a reserve of their own.
        if *event.metadata().level() > Level::WARN && self.writer.drops() {
            return;
        }
        let mut collected = Collected::new(&self.scrubber);
        event.record(&mut collected);
        let around = surroundings(event, &context);
        let own_target = log_target(event, &mut collected);
        let target = own_target.as_deref().unwrap_or(event.metadata().target());
        self.write_line(event, target, &collected, &around);
        if *event.metadata().level() == Level::ERROR
            && !UNREPORTED_TARGETS.iter().any(|unreported| target.starts_with(unreported))
        {
            self.report(event, target, collected, around);
        }
    }
}

/// The innermost span goes before those around it.
fn surroundings<S: Subscriber + for<'a> LookupSpan<'a>>(
    event: &Event<'_>,
    context: &Context<'_, S>,
) -> Surroundings {
    let mut around = Surroundings::default();
    for span in context.event_scope(event).into_iter().flatten() {
        let extensions = span.extensions();
        if let Some(fields) = extensions.get::<SpanFields>() {
            around.fields.inherit(&fields.0);
        }
        if around.request.is_none() {
            around.request = extensions.get::<Arc<RequestContext>>().cloned();
        }
        around.span = around.span.or(Some(span.name()));
    }
    around
}

impl ObserveLayer {
    fn write_line(&self, event: &Event<'_>, target: &str, collected: &Collected<'_>, around: &Surroundings) {
        let level = *event.metadata().level();
        let request = around.request.as_deref().map(|request| (request, request.identity()));
        let line = Line {
            moment: clock::moment(),
            level,
            target,
            message: &collected.message,
            request: request.as_ref().map(|(request, identity)| (*request, &**identity)),
            span: around.span,
            answer: None,
            fields: &collected.fields,
            span_fields: &around.fields,
        };
        // The queue counts what it must drop; a log line never makes a request wait or fail.
        with_buffer(|bytes| {
            self.form.write(&line, bytes);
            self.writer.push(bytes, level <= Level::WARN);
        });
    }

    fn report(&self, event: &Event<'_>, target: &str, collected: Collected<'_>, around: Surroundings) {
        let location = location(event, target, &collected);
        let request = around.request.as_deref();
        let mut span_fields: serde_json::Map<String, Value> = serde_json::Map::new();
        if let Some(request) = request {
            request.note_error();
            span_fields.extend(request_values(request).map(|(name, value)| (name.to_owned(), value)));
        }
        span_fields.extend(around.fields.into_map());
        self.errors.report(ErrorReport {
            message: collected.message,
            target,
            fields: collected.fields.into_map(),
            span_fields,
            causes: collected.causes,
            location,
            request,
            identity: request.map(|request| Identity::clone(&request.identity())).unwrap_or_default(),
        });
    }
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

/// The target that a record of the `log` crate carries in a field; nothing for any other event.
fn log_target(event: &Event<'_>, collected: &mut Collected<'_>) -> Option<String> {
    if event.metadata().target() != "log" {
        return None;
    }
    for name in ["log.module_path", "log.file", "log.line"] {
        collected.fields.remove(name);
    }
    match collected.fields.remove("log.target") {
        Some(Value::String(own)) => Some(own),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Mutex, PoisonError};

    use tracing_subscriber::layer::SubscriberExt;

    use crate::context::{RequestId, TraceParent, identify};
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
        let (form, scrubber) = (Arc::new(Form::new("demo", "test", is_human)), Scrubber::new());
        let layer = ObserveLayer { form, writer, scrubber, errors };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), act);
        drop(guard);
        let bytes = buffer.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        String::from_utf8(bytes).unwrap()
    }

    fn request_span() -> tracing::Span {
        let span = tracing::info_span!(target: CONTEXT_TARGET, "request", late = tracing::field::Empty);
        let (id, trace) = (RequestId::from("r-1234567").unwrap(), TraceParent::start());
        Arc::new(RequestContext::new(id, trace, "GET", "/x".into())).attach(&span);
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

    #[cfg(feature = "axum")]
    #[test]
    fn the_line_of_an_answered_request_is_that_of_an_event_of_its_span() {
        use crate::access::{ACCESS_TARGET, ANSWERED};
        use crate::line::{Answer, AnsweredForm};

        for (microseconds, is_human) in [(0, false), (12_340, false), (7_000_000, false), (1_500, true)] {
            let trace = TraceParent::start();
            let context = RequestContext::new(
                RequestId::from("r-1234567").unwrap(),
                trace,
                "GET",
                "/orders/{id}".into(),
            );
            context.set_status(200);
            let context = Arc::new(context);
            let by_event = written(is_human, || {
                context.open_span().in_scope(|| {
                    identify("ACME-MFG", "operator\"1");
                    let (status, duration_ms) = (200_u16, microseconds as f64 / 1e3);
                    tracing::info!(target: ACCESS_TARGET, status, duration_ms, "{ANSWERED}");
                });
            });
            let identity = context.identity();
            let answer = Answer { status: 200, microseconds };
            let line = Line::of_answer(clock::moment(), Level::INFO, ANSWERED, (&context, &identity), answer);
            let mut straight = Vec::new();
            Form::new("demo", "test", is_human).write(&line, &mut straight);
            let straight = String::from_utf8(straight).unwrap();
            let after_timestamp = |line: &str| line[line.find("INFO").unwrap()..].to_owned();
            assert_eq!(after_timestamp(&straight), after_timestamp(&by_event));
            let form = Form::new("demo", "test", is_human);
            let prepared = AnsweredForm::new(&form, Level::INFO, ACCESS_TARGET, ANSWERED);
            assert_eq!(prepared.is_none(), is_human);
            if let Some(prepared) = prepared {
                let mut bytes = Vec::new();
                prepared.write(line.moment, (&context, &identity), answer, &mut bytes);
                assert_eq!(String::from_utf8(bytes).unwrap(), straight);
            }
        }
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
