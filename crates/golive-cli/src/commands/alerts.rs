//! Alerts of commands that run on a schedule: through `[alerts]` of golive.toml, as a running service sends its own.
//!
//! Not here: how an alert travels (golive-observe), and what is worth one.

use golive::Config;
use golive_observe::{AlertChannel, MailOptions, Notice, TestedChannel, send_notice};

use crate::commands::support::{blocking, resolve};
use crate::exit::Failure;

/// The channels of `[alerts]`, with their addresses looked up.
///
/// # Errors
/// When there are none, or an address is not to be had.
pub(crate) fn channels(config: &Config) -> Result<Vec<AlertChannel>, Failure> {
    let missing = || {
        Failure::usage("find where alerts go: give `slack`, `webhook` or `mail` in [alerts] of golive.toml")
    };
    let alerts = config.alerts.as_ref().ok_or_else(missing)?;
    let here = &config.directory;
    let mut channels = Vec::new();
    if let Some(slack) = &alerts.slack {
        channels.push(AlertChannel::Slack(resolve(slack, here)?));
    }
    if let Some(webhook) = &alerts.webhook {
        channels.push(AlertChannel::Webhook(resolve(webhook, here)?));
    }
    if let Some(mail) = &alerts.mail {
        let mut options = MailOptions::new(resolve(&mail.server, here)?, &mail.from, mail.to.clone());
        options.authority = mail.authority.as_ref().map(|path| config.path(path));
        channels.push(AlertChannel::Mail(options));
    }
    if channels.is_empty() { Err(missing()) } else { Ok(channels) }
}

/// Tells it through every channel and waits for the answers.
///
/// # Errors
/// When one of them did not take it: whoever relies on being told has to know.
pub(crate) async fn tell(config: &Config, key: &str, text: String) -> Result<Vec<TestedChannel>, Failure> {
    let channels = channels(config)?;
    let environment = config.alerts.as_ref().map(|alerts| alerts.environment.clone()).unwrap_or_default();
    let notice = Notice::new(key, &config.application.name, environment, text);
    let told = blocking(move || send_notice(&channels, &notice)).await.map_err(Failure::usage)?;
    let problems = told.iter().filter_map(|channel| {
        channel.problem.as_ref().map(|problem| format!("{}: {problem}", channel.channel))
    });
    let problems: Vec<String> = problems.collect();
    if problems.is_empty() {
        return Ok(told);
    }
    Err(Failure::reach(format!("send the alert \"{key}\": {}", problems.join("; "))))
}
