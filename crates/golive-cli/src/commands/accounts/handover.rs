//! How a first password reaches its owner: once on a terminal, in a private file, or sealed for a recipient. Never in a
//! log, a pipe or an e-mail.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use golive_auth::{KeyFile, SecretRecipient, WriteKeyFileError};
use secrecy::{ExposeSecret, SecretString};

use crate::exit::Failure;
use crate::output;

/// Where a first password goes.
#[derive(Debug, clap::Args)]
pub(super) struct Handover {
    /// The generated password goes into this new file, readable by its owner only.
    #[arg(long, short, value_name = "FILE", required_unless_present = "show", conflicts_with = "show")]
    output: Option<PathBuf>,
    /// Seal the file for this public key of age; only its owner can open it, with `age --decrypt`.
    #[arg(long, value_name = "AGE_KEY", requires = "output")]
    seal_for: Option<String>,
    /// Show the password once on this terminal instead.
    #[arg(long)]
    show: bool,
}

/// The place of a password, checked before the password opens anything.
pub(super) enum Place {
    Terminal,
    File(KeyFile),
}

impl Handover {
    /// Keeps the password, before its account exists: no kill in between leaves an account nobody can enter.
    pub(super) fn keep(&self, password: &SecretString) -> Result<Place, Failure> {
        let Some(path) = &self.output else {
            if !std::io::stdout().is_terminal() {
                return Err(Failure::usage(
                    "show the password where it would be recorded: stdout is no terminal; give --output FILE",
                ));
            }
            return Ok(Place::Terminal);
        };
        keep_in(path, self.seal_for.as_deref(), password).map(Place::File)
    }
}

impl Place {
    /// The password of an account that was not made opens nothing.
    pub(super) fn forget(&self) {
        if let Self::File(file) = self {
            let _ = std::fs::remove_file(&file.path);
        }
    }

    /// Shows it, where that is its place; says where it is otherwise.
    pub(super) fn tell(&self, password: &SecretString) -> String {
        match self {
            Self::Terminal => {
                output::print(&format!("the first password, shown once: {}", password.expose_secret()));
                "its password was shown on this terminal".to_owned()
            }
            Self::File(file) => format!("its password is in {} (0600)", file.path.display()),
        }
    }

    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::Terminal => None,
            Self::File(file) => Some(&file.path),
        }
    }
}

/// A private file, sealed where there is a recipient.
pub(super) fn keep_in(
    path: &Path,
    seal_for: Option<&str>,
    password: &SecretString,
) -> Result<KeyFile, Failure> {
    let written = match seal_for {
        Some(recipient) => {
            let recipient = SecretRecipient::parse(recipient).map_err(Failure::usage)?;
            KeyFile::create_sealed(path, password, &recipient)
        }
        None => KeyFile::create(path, password),
    };
    written.map_err(|error| match error {
        WriteKeyFileError::Io { .. } => Failure::reach(error),
        _ => Failure::usage(error),
    })
}
