//! Alerts by mail, over SMTP that is always encrypted. Only lettre's words are here; when mail is sent is decided above.

use std::path::PathBuf;

use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{Message, SmtpTransport, Transport};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::channel::{ATTEMPT_TIMEOUT, Attempt};
use super::{Alert, AlertSetupError, State};

const SUBMISSIONS_PORT: u16 = 465;
const SUBMISSION_PORT: u16 = 587;

/// Longest subject.
const LONGEST_SUBJECT_CHARS: usize = 150;

/// A mail server, and between whom mail goes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MailOptions {
    /// `smtps://USER:PASSWORD@HOST[:PORT]` (TLS from the start, port 465) or `smtp://…` (STARTTLS, which is demanded, port
    /// 587). User and password may be left out; both are percent-encoded.
    pub server: SecretString,
    /// From whom, as `Name <mailbox@host>` or the address alone.
    pub from: String,
    /// To whom.
    pub to: Vec<String>,
    /// A certificate authority, in PEM, that the system does not know.
    pub authority: Option<PathBuf>,
}

impl MailOptions {
    /// Mail through this server.
    #[must_use]
    pub fn new(server: SecretString, from: impl Into<String>, to: Vec<String>) -> Self {
        Self { server, from: from.into(), to, authority: None }
    }
}

/// A mail server that is set up; it is connected to for every mail.
pub(super) struct Mailer {
    transport: SmtpTransport,
    from: Mailbox,
    to: Vec<Mailbox>,
}

impl Mailer {
    pub(super) fn open(options: &MailOptions) -> Result<Self, AlertSetupError> {
        let invalid = |reason: &str| AlertSetupError::Mail { reason: reason.to_owned() };
        let server = Url::parse(options.server.expose_secret())
            .ok()
            .filter(|url| matches!(url.scheme(), "smtp" | "smtps"))
            .ok_or_else(|| invalid("the server must look like smtps://USER:PASSWORD@HOST"))?;
        let host = server.host_str().ok_or_else(|| invalid("the server's address names no host"))?;
        let mailbox = |text: &String| {
            text.parse::<Mailbox>()
                .map_err(|error| AlertSetupError::Mail { reason: format!("{text:?} is no mailbox: {error}") })
        };
        let to = options.to.iter().map(mailbox).collect::<Result<Vec<_>, _>>()?;
        if to.is_empty() {
            return Err(invalid("there is nobody to send to"));
        }
        let mut tls = TlsParameters::builder(host.to_owned());
        if let Some(path) = &options.authority {
            let unusable = |reason: String| AlertSetupError::Mail {
                reason: format!("the certificate authority {} is unusable: {reason}", path.display()),
            };
            let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
            tls = tls.add_root_certificate(
                Certificate::from_pem(&pem).map_err(|error| unusable(error.to_string()))?,
            );
        }
        let tls = tls.build().map_err(|error| AlertSetupError::Mail { reason: error.to_string() })?;
        let (tls, port) = match server.scheme() {
            "smtps" => (Tls::Wrapper(tls), SUBMISSIONS_PORT),
            _ => (Tls::Required(tls), SUBMISSION_PORT),
        };
        let mut transport = SmtpTransport::builder_dangerous(host)
            .port(server.port().unwrap_or(port))
            .tls(tls)
            .timeout(Some(ATTEMPT_TIMEOUT));
        if let Some(password) = server.password() {
            let plain =
                |text: &str| percent_decoded(text).ok_or_else(|| invalid("user or password is no UTF-8"));
            transport = transport.credentials(Credentials::new(plain(server.username())?, plain(password)?));
        }
        Ok(Self { transport: transport.build(), from: mailbox(&options.from)?, to })
    }

    pub(super) fn attempt(&self, alert: &Alert) -> Attempt {
        let mut message = Message::builder()
            .from(self.from.clone())
            .subject(subject(alert))
            .message_id(Some(format!("<{}@golive>", alert.id)))
            .header(ContentType::TEXT_PLAIN);
        for mailbox in &self.to {
            message = message.to(mailbox.clone());
        }
        let body =
            format!("{}\n\n{}, {}\nabout: {}\n", alert.text, alert.timestamp, alert.environment, alert.key);
        let message = match message.body(body) {
            Ok(message) => message,
            Err(error) => return Attempt::Refused(format!("the mail cannot be written: {error}")),
        };
        match self.transport.send(&message) {
            Ok(_) => Attempt::Delivered,
            Err(error) if error.is_permanent() => Attempt::Refused(crate::errors::chain(&error)),
            Err(error) => Attempt::Later(None, crate::errors::chain(&error)),
        }
    }
}

/// One line: whatever stands in a text, it must not begin another header.
fn subject(alert: &Alert) -> String {
    let word = match alert.state {
        State::Raised | State::Repeated | State::Flapping => "ALERT",
        State::Recovered => "RECOVERED",
        State::Test => "TEST",
    };
    let line = alert.text.chars().map(|character| if character.is_control() { ' ' } else { character });
    std::iter::once(word.to_owned() + " ").chain(line.map(String::from)).take(LONGEST_SUBJECT_CHARS).collect()
}

fn percent_decoded(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                plain.push(byte);
                at += 3;
            }
            None => {
                plain.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused_without_repeating_a_secret() {
        let open = |server: &str, from: &str, to: &[&str]| {
            let to = to.iter().map(|&to| to.to_owned()).collect();
            Mailer::open(&MailOptions::new(server.into(), from, to)).map(|_| ())
        };
        assert!(
            open("smtps://u:p%40ss@mail.example", "ops@acme.example", &["Ann <ann@acme.example>"]).is_ok()
        );
        for (server, from, to) in [
            ("https://u:PLANTED@mail.example", "ops@acme.example", &["ann@acme.example"][..]),
            ("smtps://u:PLANTED@mail.example", "nobody", &["ann@acme.example"]),
            ("smtps://u:PLANTED@mail.example", "ops@acme.example", &["a@b.example\nBcc: x@y.example"]),
            ("smtps://u:PLANTED@mail.example", "ops@acme.example", &[]),
        ] {
            let error = open(server, from, to).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("PLANTED"), "{error}");
        }
        assert_eq!(percent_decoded("p%40s%zz%"), Some("p@s%zz%".to_owned()));
    }

    #[test]
    fn a_subject_is_one_line() {
        let alert = Alert {
            id: "1".to_owned(),
            key: "k".to_owned(),
            state: State::Raised,
            service: "demo".to_owned(),
            environment: "test".to_owned(),
            timestamp: String::new(),
            text: format!("lost\r\nBcc: x@y.example {}", "x".repeat(500)),
        };
        let subject = subject(&alert);
        assert!(subject.starts_with("ALERT lost  Bcc") && !subject.contains(['\r', '\n']), "{subject}");
        assert!(subject.chars().count() < 200);
    }
}
