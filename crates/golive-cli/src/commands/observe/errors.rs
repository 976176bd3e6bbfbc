//! `observe errors`, `send-test-error` and `test-alert`: what went wrong, and whether somebody would hear of it.
//!
//! Not here: how errors and alerts travel (golive-observe).

use std::path::PathBuf;

use golive::Setting;
use golive_observe::{
    AlertChannel, DeliverTestError, ErrorEntry, MailOptions, deliver_test_error, read_error_journal,
    send_test_alert,
};
use secrecy::SecretString;
use serde_json::json;

use crate::args::Global;
use crate::commands::support::{Meter, blocking, resolve, show};
use crate::commands::{self, alerts};
use crate::exit::{End, Failure, Result};

/// Which journal.
#[derive(Debug, clap::Args)]
pub(crate) struct ErrorsArgs {
    /// The error journal: `errors.jsonl` beside the application's log unless it was told otherwise.
    #[arg(long, value_name = "FILE", env = "ERROR_JOURNAL")]
    journal: PathBuf,
    /// How many, the newest last.
    #[arg(long, value_name = "N", default_value_t = 20)]
    last: usize,
}

/// Where a test error goes.
#[derive(Debug, clap::Args)]
pub(crate) struct TestErrorArgs {
    /// The error tracking address, as env:NAME or file:PATH.
    #[arg(long, value_name = "SETTING", default_value = "env:SENTRY_DSN")]
    dsn: String,
    /// The release that the event names.
    #[arg(long, default_value = "golive")]
    release: String,
    /// The environment that the event names.
    #[arg(long, default_value = "production")]
    environment: String,
}

/// Through which channels a test alert goes.
#[derive(Debug, clap::Args)]
pub(crate) struct TestAlertArgs {
    /// A webhook that understands `{"text": …}`, as Slack's do; env:NAME or file:PATH.
    #[arg(long, value_name = "SETTING")]
    slack: Option<String>,
    /// A webhook that gets the alert as a JSON document; env:NAME or file:PATH.
    #[arg(long, value_name = "SETTING")]
    webhook: Option<String>,
    /// A mail server, `smtps://USER:PASSWORD@HOST` or `smtp://…` with STARTTLS; env:NAME or file:PATH.
    #[arg(long, value_name = "SETTING", requires = "from", requires = "to")]
    smtp: Option<String>,
    /// From whom the mail comes.
    #[arg(long, value_name = "MAILBOX")]
    from: Option<String>,
    /// To whom the mail goes; may be given more than once.
    #[arg(long, value_name = "MAILBOX")]
    to: Vec<String>,
    /// A certificate authority in PEM that the mail server's certificate comes from and the system does not know.
    #[arg(long, value_name = "FILE")]
    authority: Option<PathBuf>,
    /// The service that the alert names.
    #[arg(long, default_value = "golive")]
    service: String,
    /// The environment that the alert names.
    #[arg(long, default_value = "production")]
    environment: String,
}

pub(crate) async fn errors(global: &Global, args: ErrorsArgs) -> Result {
    // A journal that is not there yet reads as empty, and so would a mistyped path.
    if !args.journal.exists() {
        return Err(Failure::reach(format!(
            "find the error journal {}: has the application written one there? See its error_journal setting",
            args.journal.display()
        )));
    }
    let path = args.journal.clone();
    let all = blocking(move || read_error_journal(path)).await.map_err(Failure::reach)?;
    let shown = &all[all.len().saturating_sub(args.last)..];
    show(global, &json!({ "total": all.len(), "errors": shown }), || {
        let mut lines: Vec<String> = shown.iter().map(line).collect();
        lines.push(format!("{} of {} errors in {}", shown.len(), all.len(), args.journal.display()));
        lines.join("\n")
    });
    Ok(End::Ready)
}

/// Control characters would let an error's text rewrite the terminal.
fn line(entry: &ErrorEntry) -> String {
    let mut text = format!("{} {:<5} {}", entry.timestamp, entry.level, entry.title());
    for exception in entry.exceptions.iter().filter(|exception| *exception != entry.title()) {
        text.push_str(&format!("\n    {exception}"));
    }
    let place = entry.location.as_deref().unwrap_or(&entry.target);
    text.push_str(&format!("\n    at {place}"));
    for (name, value) in
        [("request", &entry.request_id), ("client", &entry.client_id), ("user", &entry.user_id)]
    {
        if let Some(value) = value {
            text.push_str(&format!(", {name} {value}"));
        }
    }
    if entry.suppressed > 0 {
        text.push_str(&format!(", {} more held back", entry.suppressed));
    }
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

pub(crate) async fn send_test_error(global: &Global, args: TestErrorArgs) -> Result {
    let dsn = secret(&args.dsn)?;
    let meter = Meter::new(global, "sending a test error");
    let sent = blocking(move || {
        deliver_test_error(&dsn, &args.release, &args.environment, "sent by golive observe send-test-error")
    })
    .await;
    meter.clear();
    let (id, refused) = match sent {
        Ok(id) => (Some(id), None),
        Err(error @ DeliverTestError::Refused { .. }) => (None, Some(error.to_string())),
        Err(error @ DeliverTestError::Dsn) => return Err(Failure::usage(error)),
        Err(error) => return Err(Failure::reach(error)),
    };
    let is_taken = id.is_some();
    show(global, &json!({ "taken": is_taken, "event_id": id, "problem": refused }), || {
        match (&id, &refused) {
            (Some(id), _) => format!("✓ the endpoint has taken event {id}; look it up there"),
            (None, problem) => format!("✗ failed to {}", problem.as_deref().unwrap_or_default()),
        }
    });
    Ok(if is_taken { End::Ready } else { End::NotReady })
}

pub(crate) async fn test_alert(global: &Global, args: TestAlertArgs) -> Result {
    let mut channels = Vec::new();
    channels.extend(args.slack.as_deref().map(secret).transpose()?.map(AlertChannel::Slack));
    channels.extend(args.webhook.as_deref().map(secret).transpose()?.map(AlertChannel::Webhook));
    if let (Some(server), Some(from)) = (&args.smtp, &args.from) {
        let mut mail = MailOptions::new(secret(server)?, from, args.to.clone());
        mail.authority.clone_from(&args.authority);
        channels.push(AlertChannel::Mail(mail));
    }
    if channels.is_empty() {
        let config = commands::config_or_nothing(global)?;
        if config.alerts.is_none() {
            return Err(Failure::usage(
                "send a test alert: give --slack, --webhook or --smtp, or [alerts] in golive.toml",
            ));
        }
        channels = alerts::channels(&config)?;
    }
    let meter = Meter::new(global, "sending a test alert");
    let tested = blocking(move || send_test_alert(&channels, &args.service, &args.environment)).await;
    meter.clear();
    let tested = tested.map_err(Failure::usage)?;
    let is_fine = tested.iter().all(|channel| channel.is_delivered);
    show(global, &json!({ "fine": is_fine, "channels": tested }), || {
        let lines = tested.iter().map(|channel| match &channel.problem {
            None => format!("✓ {:<8} delivered; see that it arrived", channel.channel),
            Some(problem) => format!("✗ {:<8} {problem}", channel.channel),
        });
        lines.collect::<Vec<_>>().join("\n")
    });
    Ok(if is_fine { End::Ready } else { End::NotReady })
}

/// A secret stands in no process list and no shell history.
pub(crate) fn secret(given: &str) -> std::result::Result<SecretString, Failure> {
    let setting = Setting::from(given.to_owned());
    if matches!(setting, Setting::Literal(_)) {
        return Err(Failure::usage(
            "take a secret from the command line: it would stand in process lists; give env:NAME or file:PATH",
        ));
    }
    let here = std::env::current_dir().map_err(Failure::reach)?;
    resolve(&setting, &here)
}
