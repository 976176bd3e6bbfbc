//! What a server said, or did not, with what to do about it.

use std::io;
use std::path::PathBuf;

use russh_sftp::client::error::Error as Refusal;
use russh_sftp::protocol::StatusCode;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a server did not do what it was asked. No secret is in it.
#[derive(Debug, thiserror::Error)]
pub(in crate::remote) enum Failure {
    #[error("start {}; install OpenSSH's client (Debian and Ubuntu: openssh-client)", program.display())]
    NoClient {
        program: PathBuf,
        #[source]
        source: Source,
    },
    #[error("no session with the SSH server at {at}: {said}; check the address, the port and the network")]
    Unreachable { at: String, said: String },
    #[error("the server at {at} is not the one to trust: {what}")]
    Untrusted { at: String, what: String },
    #[error("the server refuses the login of {user}: {what}")]
    Refused { user: String, what: String },
    #[error(
        "the server offers no {what}, without which nothing is written: either the login may only read, or it is not \
         OpenSSH's SFTP server; let it write, or use another"
    )]
    Lacks { what: &'static str },
    #[error(
        "the server gives {user} no SFTP; allow it there (`Subsystem sftp internal-sftp` in sshd_config)"
    )]
    NoSftp { user: String },
    #[error("no such file or folder: {path}; check the address")]
    NotFound { path: String },
    #[error("{path} is there already: somebody else has written it meanwhile")]
    Exists { path: String },
    #[error(
        "the server forbids it: {path}; check whom the folder belongs to, and whether the login may only read"
    )]
    Forbidden { path: String },
    #[error("no room is left on the server for {path}; make room there, or let go of old backups")]
    Full { path: String },
    #[error("the server could not do it: {path}: it says {said:?}; look at its disk, its quota and its log")]
    Failed { path: String, said: String },
    #[error("the connection to the server was lost; check the network and the server, then try again")]
    Lost(#[source] Source),
    #[error("the server does not answer within {seconds} s; check it and the network, or give it longer")]
    Silent { seconds: u64 },
}

impl Failure {
    pub(in crate::remote) fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Refused { .. }
            | Self::Untrusted { .. }
            | Self::Forbidden { .. }
            | Self::NoSftp { .. }
            | Self::Lacks { .. } => io::ErrorKind::PermissionDenied,
            Self::NotFound { .. } => io::ErrorKind::NotFound,
            Self::Exists { .. } => io::ErrorKind::AlreadyExists,
            Self::Full { .. } => io::ErrorKind::StorageFull,
            Self::NoClient { .. } | Self::Unreachable { .. } | Self::Lost(_) => io::ErrorKind::NotConnected,
            Self::Silent { .. } => io::ErrorKind::TimedOut,
            Self::Failed { .. } => io::ErrorKind::Other,
        }
    }

    /// Whether nothing more can be asked over the connection it happened on.
    pub(super) fn ends_connection(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::Silent { .. })
    }

    /// What a refusal means for a file. Version 3 knows few reasons: whether something is there already, or the disk is
    /// full, is to be asked.
    pub(super) fn of(refusal: Refusal, path: &str, seconds: u64) -> Self {
        let path = path.to_owned();
        match refusal {
            Refusal::Status(status) => match status.status_code {
                StatusCode::NoSuchFile => Self::NotFound { path },
                StatusCode::PermissionDenied => Self::Forbidden { path },
                StatusCode::NoConnection | StatusCode::ConnectionLost => {
                    Self::Lost(Box::new(Refusal::Status(status)))
                }
                code => Self::Failed { path, said: said(&status.error_message, code) },
            },
            Refusal::Timeout => Self::Silent { seconds },
            lost => Self::Lost(Box::new(lost)),
        }
    }
}

/// A server's own words go into a log and onto a terminal.
fn said(text: &str, code: StatusCode) -> String {
    let words: String = text.chars().filter(|character| !character.is_control()).take(200).collect();
    if words.is_empty() { code.to_string() } else { words }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::{StoreError, is_out_of_reach};

    #[test]
    fn a_server_that_could_not_be_asked_is_no_damage_and_a_file_that_cannot_be_read_is() {
        let text = String::new;
        let unasked = [
            Failure::Lost("cut".into()),
            Failure::Silent { seconds: 1 },
            Failure::Unreachable { at: text(), said: text() },
            Failure::NoClient { program: PathBuf::new(), source: "none".into() },
            Failure::Untrusted { at: text(), what: text() },
            Failure::Refused { user: text(), what: text() },
            Failure::NoSftp { user: text() },
            Failure::Forbidden { path: text() },
        ];
        for failure in unasked {
            let error = io::Error::from(StoreError::from(failure));
            assert!(is_out_of_reach(&error), "{error}");
        }
        for failure in [Failure::NotFound { path: text() }, Failure::Failed { path: text(), said: text() }] {
            let error = io::Error::from(StoreError::from(failure));
            assert!(!is_out_of_reach(&error), "{error}");
        }
    }

    #[test]
    fn what_a_server_says_is_short_and_moves_no_cursor() {
        let code = StatusCode::Failure;
        assert_eq!(said("\u{1b}[2Jgone\n", code), "[2Jgone");
        assert_eq!(said("", code), "Failure");
        assert_eq!(said(&"x".repeat(5000), code).len(), 200);
    }
}
