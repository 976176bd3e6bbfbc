//! Which events are logged, and changing that while the program runs. No route and no signal here: the service decides
//! who may turn it up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::{EnvFilter, Layer};

use crate::layer::CONTEXT_TARGET;

/// Libraries that would drown a log at its usual levels; a directive of the caller's goes before.
const QUIET: &str = "h2=warn,hyper=warn,hyper_util=warn,reqwest=warn,rustls=warn,opentelemetry=warn,\
                     opentelemetry_sdk=warn,opentelemetry_otlp=warn,tower=warn,sqlx=warn,lettre=warn";

static CURRENT: OnceLock<Current> = OnceLock::new();

struct Current {
    filter: Arc<Shared>,
    level: Mutex<String>,
}

/// A level that is not a filter.
#[derive(Debug, thiserror::Error)]
#[error(
    "read the log level {level:?}: use error, warn, info, debug or trace, or directives such as info,sqlx=warn"
)]
#[non_exhaustive]
pub struct InvalidLevel {
    /// What was given.
    pub level: String,
    /// What is wrong with it.
    pub source: tracing_subscriber::filter::ParseError,
}

/// Changes which events are logged, from now on and in the whole process: `debug`, or `info,my_crate::db=debug`.
///
/// Before [`init`](crate::init) there is nothing to change, and it does nothing.
///
/// # Errors
/// When `level` is not a filter; everything stays as it was then.
pub fn set_level(level: &str) -> Result<(), InvalidLevel> {
    let filter = filter(level)?;
    let Some(current) = CURRENT.get() else { return Ok(()) };
    let mut known = current.level.lock().unwrap_or_else(PoisonError::into_inner);
    current.filter.change(level, filter);
    #[cfg(feature = "axum")]
    crate::access::look_at_levels();
    let before = std::mem::replace(&mut *known, level.to_owned());
    tracing::warn!(target: "golive_observe::level", from = before, to = level, "the log level was changed");
    Ok(())
}

/// Which events are logged now; empty before [`init`](crate::init).
#[must_use]
pub fn level() -> String {
    let level =
        CURRENT.get().map(|current| current.level.lock().unwrap_or_else(PoisonError::into_inner).clone());
    level.unwrap_or_default()
}

/// Makes `filter` the one that [`set_level`] changes.
pub(crate) fn install(filter: LevelLayer, level: &str) {
    let _ = CURRENT.set(Current { filter: filter.0, level: Mutex::new(level.to_owned()) });
}

/// A filter that can be changed. tracing asks it once for each place that logs and keeps the answer, until the filter
/// changes; only a filter that goes by spans is asked again and again. `tracing_subscriber::reload` would take a lock
/// a dozen times for every request.
#[derive(Clone)]
pub(crate) struct LevelLayer(Arc<Shared>);

struct Shared {
    filter: RwLock<EnvFilter>,
    goes_by_spans: AtomicBool,
}

impl LevelLayer {
    /// # Errors
    /// When `level` is not a filter.
    pub(crate) fn new(level: &str) -> Result<Self, InvalidLevel> {
        let filter = RwLock::new(filter(level)?);
        Ok(Self(Arc::new(Shared { filter, goes_by_spans: AtomicBool::new(goes_by_spans(level)) })))
    }

    fn filter(&self) -> RwLockReadGuard<'_, EnvFilter> {
        self.0.filter.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The filter where it has to follow spans; nothing where it does not care.
    fn of_spans(&self) -> Option<RwLockReadGuard<'_, EnvFilter>> {
        self.0.goes_by_spans.load(Ordering::Acquire).then(|| self.filter())
    }
}

impl Shared {
    fn change(&self, level: &str, filter: EnvFilter) {
        *self.filter.write().unwrap_or_else(PoisonError::into_inner) = filter;
        self.goes_by_spans.store(goes_by_spans(level), Ordering::Release);
        tracing::callsite::rebuild_interest_cache();
    }
}

/// Does the filter of this process go by spans? Then it must be asked about each event where it is made.
#[cfg(feature = "axum")]
pub(crate) fn goes_by_spans_now() -> bool {
    CURRENT.get().is_none_or(|current| current.filter.goes_by_spans.load(Ordering::Acquire))
}

/// Directives that name a span or its fields are written with brackets: `[span{field=value}]=level`.
fn goes_by_spans(level: &str) -> bool {
    level.contains('[')
}

impl<S: Subscriber> Layer<S> for LevelLayer {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        Layer::<S>::register_callsite(&*self.filter(), metadata)
    }

    fn enabled(&self, metadata: &Metadata<'_>, context: Context<'_, S>) -> bool {
        self.filter().enabled(metadata, context)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.filter().max_level_hint()
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(filter) = self.of_spans() {
            filter.on_new_span(attributes, id, context);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(filter) = self.of_spans() {
            filter.on_record(id, values, context);
        }
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        if let Some(filter) = self.of_spans() {
            filter.on_enter(id, context);
        }
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        if let Some(filter) = self.of_spans() {
            filter.on_exit(id, context);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        if let Some(filter) = self.of_spans() {
            filter.on_close(id, context);
        }
    }
}

fn filter(level: &str) -> Result<EnvFilter, InvalidLevel> {
    let parse = |directives: &str| {
        let parsed = EnvFilter::builder().parse(directives);
        parsed.map_err(|source| InvalidLevel { level: level.to_owned(), source })
    };
    parse(level)?;
    parse(&format!("{QUIET},{level},{CONTEXT_TARGET}=info"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    use tracing::Event;
    use tracing_subscriber::layer::SubscriberExt;

    /// The messages' places that got through.
    #[derive(Clone, Default)]
    struct Seen(Arc<Mutex<Vec<u32>>>);

    impl<S: Subscriber> Layer<S> for Seen {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(event.metadata().line());
        }
    }

    fn log_everything() {
        tracing::debug!("outside");
        tracing::info!("outside");
        tracing::info_span!("orders", table = "x").in_scope(|| tracing::debug!("inside"));
        let other = tracing::info_span!("other");
        other.in_scope(|| tracing::debug!("inside another"));
        tracing::debug!(target: "elsewhere", "elsewhere");
    }

    #[test]
    fn it_lets_through_what_the_filter_alone_does_also_after_a_change() {
        let levels =
            ["info", "debug", "off", "info,[orders]=debug", "warn,elsewhere=trace", "info,[{table=x}]=debug"];
        let seen = Seen::default();
        let layer = LevelLayer::new("info").unwrap();
        let shared = Arc::clone(&layer.0);
        let changing = tracing::Dispatch::new(tracing_subscriber::registry().with(layer).with(seen.clone()));
        for level in levels {
            let alone = Seen::default();
            let expected = tracing_subscriber::registry().with(filter(level).unwrap()).with(alone.clone());
            tracing::subscriber::with_default(expected, log_everything);
            shared.change(level, filter(level).unwrap());
            tracing::dispatcher::with_default(&changing, log_everything);
            let taken = std::mem::take(&mut *seen.0.lock().unwrap());
            assert_eq!(taken, *alone.0.lock().unwrap(), "{level}");
        }
    }
}
