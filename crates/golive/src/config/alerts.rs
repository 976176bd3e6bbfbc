//! `[alerts]`: who is told by commands that run on a schedule. What a running application tells is its own business.

use std::path::PathBuf;

use serde::Deserialize;

use super::Setting;

/// `[alerts]`. Every channel that is given gets every alert.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Alerts {
    /// A webhook that understands `{"text": …}`, as Slack's do, by reference.
    pub slack: Option<Setting>,
    /// A webhook that gets the alert as a JSON document, by reference.
    pub webhook: Option<Setting>,
    /// A mailbox.
    pub mail: Option<AlertMail>,
    /// The environment that the alert names.
    #[serde(default = "production")]
    pub environment: String,
}

/// `[alerts.mail]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AlertMail {
    /// `smtps://USER:PASSWORD@HOST`, or `smtp://…` with STARTTLS, by reference.
    pub server: Setting,
    /// From whom.
    pub from: String,
    /// To whom.
    pub to: Vec<String>,
    /// A certificate authority in PEM that the mail server's certificate comes from and the system does not know.
    pub authority: Option<PathBuf>,
}

fn production() -> String {
    "production".to_owned()
}
