//! The address of a place on another machine, of whatever kind. What stands in one is read by its own room.

use std::path::{Path, PathBuf};

use super::{BucketError, BucketOptions, SftpError, SftpOptions};

/// A repository on another machine.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RemoteOptions {
    /// A bucket that speaks S3.
    Bucket(BucketOptions),
    /// A folder that a server shows by SFTP.
    Sftp(SftpOptions),
}

/// Why an address cannot be used. None of them repeats what might be a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// One of a bucket.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// One of a folder behind SFTP.
    #[error(transparent)]
    Sftp(#[from] SftpError),
}

impl RemoteOptions {
    /// Whether a text is meant as the address of a place on another machine, and not as a folder of this one.
    pub fn is_address(text: &str) -> bool {
        BucketOptions::is_address(text) || SftpOptions::is_address(text)
    }

    /// Reads an address of either kind; see [`BucketOptions::parse`] and [`SftpOptions::parse`].
    ///
    /// # Errors
    /// When it is no address, a secret stands in it, or there is no login.
    pub fn parse(
        address: &str,
        spool: impl Into<PathBuf>,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, RemoteError> {
        if SftpOptions::is_address(address) {
            return Ok(Self::Sftp(SftpOptions::parse(address, spool, variable)?));
        }
        Ok(Self::Bucket(BucketOptions::parse(address, spool, variable)?))
    }

    pub(crate) fn label(&self) -> String {
        match self {
            Self::Bucket(options) => options.label(),
            Self::Sftp(options) => options.label(),
        }
    }

    pub(crate) fn spool(&self) -> &Path {
        match self {
            Self::Bucket(options) => &options.spool,
            Self::Sftp(options) => &options.spool,
        }
    }
}
