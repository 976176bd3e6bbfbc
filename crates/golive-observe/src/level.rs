//! Which events are logged, and changing that while the program runs. No route and no signal here: the service decides
//! who may turn it up.

use std::sync::{Mutex, OnceLock, PoisonError};

use tracing_subscriber::{EnvFilter, Registry, reload};

use crate::layer::CONTEXT_TARGET;

/// Libraries that would drown a log at its usual levels; a directive of the caller's goes before.
const QUIET: &str = "h2=warn,hyper=warn,hyper_util=warn,reqwest=warn,rustls=warn,opentelemetry=warn,\
                     opentelemetry_sdk=warn,opentelemetry_otlp=warn,tower=warn,sqlx=warn,lettre=warn";

static CURRENT: OnceLock<Current> = OnceLock::new();

struct Current {
    handle: reload::Handle<EnvFilter, Registry>,
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
    if current.handle.reload(filter).is_ok() {
        let before = std::mem::replace(&mut *known, level.to_owned());
        tracing::warn!(target: "golive_observe::level", from = before, to = level, "the log level was changed");
    }
    Ok(())
}

/// Which events are logged now; empty before [`init`](crate::init).
#[must_use]
pub fn level() -> String {
    let level =
        CURRENT.get().map(|current| current.level.lock().unwrap_or_else(PoisonError::into_inner).clone());
    level.unwrap_or_default()
}

pub(crate) fn install(handle: reload::Handle<EnvFilter, Registry>, level: &str) {
    let _ = CURRENT.set(Current { handle, level: Mutex::new(level.to_owned()) });
}

pub(crate) fn filter(level: &str) -> Result<EnvFilter, InvalidLevel> {
    let parse = |directives: &str| {
        let parsed = EnvFilter::builder().parse(directives);
        parsed.map_err(|source| InvalidLevel { level: level.to_owned(), source })
    };
    parse(level)?;
    parse(&format!("{QUIET},{level},{CONTEXT_TARGET}=info"))
}
