//! The line that every answered request leaves. It says the same as an event of the request's span would, and is written
//! without the way through one: it is the one line of every request, and its fields are known. Levels are obeyed all the
//! same, under the target `golive_observe::access`. Which requests leave which line is decided in `request`.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use tracing::Level;

use crate::context::RequestContext;
use crate::line::{Answer, AnsweredForm, Form, Line};
use crate::log::LogQueue;
use crate::scrub::Scrubber;
use crate::{clock, layer, level};

/// The target of the line.
pub(crate) const ACCESS_TARGET: &str = "golive_observe::access";

/// What the line says.
pub(crate) const ANSWERED: &str = "request answered";
pub(crate) const FAILED: &str = "request failed";

static LOG: OnceLock<AccessLog> = OnceLock::new();

/// A bit for each level that is logged: asking the filter for every request would cost more than its line.
static ENABLED: AtomicU8 = AtomicU8::new(0);

/// Where the lines of answered requests go.
pub(crate) struct AccessLog {
    form: Arc<Form>,
    writer: LogQueue,
    /// Of the lines that hardly any request does without.
    answered: Option<AnsweredForm>,
}

impl AccessLog {
    /// Nothing where this scrubber might have anything to hide of the line: it has seen the ids of the request, and the
    /// rest are these names and texts and small numbers. Nothing either where spans are exported, which are to have the
    /// line as an event. An ordinary event then says it.
    pub(crate) fn new(
        form: Arc<Form>,
        writer: LogQueue,
        scrubber: &Scrubber,
        is_exporting: bool,
    ) -> Option<Self> {
        let names = [
            "message",
            "status",
            "duration_ms",
            "http.request.method",
            "http.route",
            "http.response.status_code",
        ];
        let is_plain = !is_exporting
            && !names.iter().any(|name| scrubber.is_sensitive(name))
            && [ANSWERED, FAILED].iter().all(|message| scrubber.scrub(message) == *message)
            && !scrubber.knows_numbers();
        let answered = AnsweredForm::new(&form, Level::INFO, ACCESS_TARGET, ANSWERED);
        is_plain.then_some(Self { form, writer, answered })
    }

    /// Writes the line.
    fn write(&self, level: Level, message: &str, context: &RequestContext, answer: Answer) {
        if level > Level::WARN && self.writer.drops() {
            return;
        }
        let identity = context.identity();
        let (moment, request) = (clock::moment(), (context, &*identity));
        let prepared = self.answered.as_ref().filter(|_| level == Level::INFO);
        layer::with_buffer(|bytes| {
            match prepared {
                Some(form) => form.write(moment, request, answer, bytes),
                None => self.form.write(&Line::of_answer(moment, level, message, request, answer), bytes),
            }
            self.writer.push(bytes, level <= Level::WARN);
        });
    }
}

/// Makes these the lines of the process.
pub(crate) fn install(log: Option<AccessLog>) {
    if let Some(log) = log
        && LOG.set(log).is_ok()
    {
        look_at_levels();
    }
}

/// Asks anew which levels are logged; to be called whenever the filter changes.
pub(crate) fn look_at_levels() {
    let levels = [
        (Level::WARN, tracing::enabled!(target: ACCESS_TARGET, Level::WARN)),
        (Level::INFO, tracing::enabled!(target: ACCESS_TARGET, Level::INFO)),
        (Level::DEBUG, tracing::enabled!(target: ACCESS_TARGET, Level::DEBUG)),
    ];
    let enabled = levels.into_iter().filter(|(_, is_enabled)| *is_enabled);
    ENABLED.store(enabled.fold(0, |bits, (level, _)| bits | bit(level)), Ordering::Relaxed);
}

/// Writes the line of an answered request; says no where an ordinary event has to.
pub(crate) fn write(level: Level, message: &str, context: &RequestContext, answer: Answer) -> bool {
    let Some(log) = LOG.get().filter(|_| !level::goes_by_spans_now()) else { return false };
    if ENABLED.load(Ordering::Relaxed) & bit(level) != 0 {
        log.write(level, message, context, answer);
    }
    true
}

fn bit(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 4,
        Level::DEBUG => 8,
        Level::TRACE => 16,
    }
}
