//! What the commands share: addresses, one JSON document, the honest "not yet", and a moving line on stderr.
//!
//! Not here: any verb. Those are in the crates.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use golive::{Config, Setting, SettingError};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use secrecy::SecretString;
use serde::Serialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::args::{Format, Global};
use crate::exit::{Failure, Result};
use crate::{clock, commands, output};

/// Cancelled by Ctrl-C or by SIGTERM, which is how systemd and containers end a program: that is answered in order, with
/// exit code 75 where nothing came of it. A second Ctrl-C ends at once.
pub(crate) fn cancel_when_ended(said: &'static str) -> CancellationToken {
    let cancel = CancellationToken::new();
    // From now on: a task may begin later.
    let terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
    let trigger = cancel.clone();
    tokio::spawn(async move {
        let terminated = async {
            match terminated {
                Ok(mut terminated) => terminated.recv().await.is_some(),
                Err(_) => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            pressed = tokio::signal::ctrl_c() => pressed.is_ok(),
            terminated = terminated => terminated,
        };
        if ended {
            output::complain(said);
            trigger.cancel();
        }
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(130);
        }
    });
    cancel
}

/// Does what cleans up behind itself when it is dropped, until it is done or ended by Ctrl-C or SIGTERM: then `left` says
/// what is left of it, and the exit code is 75.
pub(crate) async fn unless_ended(left: &'static str, work: impl Future<Output = Result>) -> Result {
    let cancel = cancel_when_ended("ending; a second Ctrl-C ends at once");
    tokio::select! {
        biased;
        done = work => done,
        () = cancel.cancelled() => Err(Failure::Busy(left.into())),
    }
}

/// The SQLite file: as given, else `[source] sqlite`.
pub(crate) fn source(global: &Global, given: Option<&Path>) -> std::result::Result<PathBuf, Failure> {
    if let Some(path) = given {
        return std::path::absolute(path).map_err(Failure::reach);
    }
    let config = commands::config_or_nothing(global)?;
    let named = config.source.sqlite.as_ref().map(|path| config.path(path));
    named.ok_or_else(|| {
        Failure::usage("find the SQLite source: give --source FILE, or `sqlite` in [source] of golive.toml")
    })
}

/// The MariaDB address: as given, else `[target] url`.
pub(crate) fn target(global: &Global, given: Option<&str>) -> std::result::Result<SecretString, Failure> {
    let missing = "find the MariaDB target: give --target env:NAME or --target file:PATH, or `url` in [target] of golive.toml";
    address(global, given, |config| config.target.url.as_ref(), missing)
}

/// The Redis address: as given, else `[redis] url`.
pub(crate) fn redis(global: &Global, given: Option<&str>) -> std::result::Result<SecretString, Failure> {
    let missing = "find Redis: give --url env:NAME or --url file:PATH, or `url` in [redis] of golive.toml";
    address(global, given, |config| config.redis.url.as_ref(), missing)
}

fn address(
    global: &Global,
    given: Option<&str>,
    configured: impl Fn(&Config) -> Option<&Setting>,
    missing: &'static str,
) -> std::result::Result<SecretString, Failure> {
    if let Some(given) = given {
        let here = std::env::current_dir().map_err(Failure::reach)?;
        let setting = Setting::from(given.to_owned());
        if matches!(setting, Setting::Literal(_)) && has_password(given) && !global.quiet {
            output::complain(
                "a password on the command line stands in process lists and shell history: give env:NAME or file:PATH",
            );
        }
        return resolve(&setting, &here);
    }
    let config = commands::config_or_nothing(global)?;
    let setting = configured(&config).ok_or_else(|| Failure::usage(missing))?;
    resolve(setting, &config.directory)
}

fn has_password(address: &str) -> bool {
    // An address of several hosts is no URL to a parser, and holds a password all the same.
    let login = address.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@'));
    login.is_some_and(|(login, _)| login.split_once(':').is_some_and(|(_, password)| !password.is_empty()))
}

/// The public names: those given, else those of `[tls]` in golive.toml; at least one.
pub(crate) fn server_names(config: &Config, given: &[String]) -> std::result::Result<Vec<String>, Failure> {
    let names = match (&config.tls, given) {
        (Some(tls), []) => tls.server_names.clone(),
        _ => given.to_vec(),
    };
    match names.is_empty() {
        true => Err(Failure::usage(
            "know the public names: give --server-name, or [tls] server_names in golive.toml",
        )),
        false => Ok(names),
    }
}

/// The text of a file; nothing when there is none.
pub(crate) fn read_if_there(path: &Path) -> std::result::Result<Option<String>, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::reach(format!("read {}: {error}", path.display()))),
    }
}

/// What a setting stands for.
pub(crate) fn resolve(setting: &Setting, directory: &Path) -> std::result::Result<SecretString, Failure> {
    setting.resolve(directory, &clock::environment).map_err(|error| match error {
        SettingError::Unreadable { .. } => Failure::reach(error),
        _ => Failure::usage(error),
    })
}

/// Prints the text, or the value as one JSON document with its `schema_version`.
pub(crate) fn show(global: &Global, value: &impl Serialize, text: impl FnOnce() -> String) {
    match global.format {
        Format::Json => output::print_json(&document(value)),
        Format::Text => output::print(&text()),
    }
}

fn document(value: &impl Serialize) -> Value {
    let mut value = serde_json::to_value(value).expect("reports are plain data");
    match &mut value {
        Value::Object(fields) => {
            fields.insert("schema_version".to_owned(), json!(1));
            value
        }
        _ => json!({ "schema_version": 1, "items": value }),
    }
}

/// Runs what blocks where blocking is allowed.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("blocking work does not panic")
}

/// A line on stderr that moves while something lasts; it goes with the value.
#[derive(Clone)]
pub(crate) struct Meter(Option<ProgressBar>);

impl Meter {
    /// A meter, if somebody looks.
    pub(crate) fn new(global: &Global, doing: &str) -> Self {
        if global.quiet || !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let style = ProgressStyle::with_template("  {spinner} {wide_msg} {elapsed:.dim}")
            .expect("a constant template");
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10))
            .with_style(style)
            .with_finish(ProgressFinish::AndClear);
        bar.set_message(doing.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(Some(bar))
    }

    /// Whether nobody looks.
    pub(crate) fn is_silent(&self) -> bool {
        self.0.is_none()
    }

    /// Says what goes on now.
    pub(crate) fn say(&self, text: impl Into<String>) {
        if let Some(bar) = &self.0 {
            bar.set_message(text.into());
        }
    }

    /// Takes the line away.
    pub(crate) fn clear(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
