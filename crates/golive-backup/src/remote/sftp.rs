//! A folder that a server shows by SFTP: the one room that knows `russh-sftp`, and what OpenSSH's client is
//! told.
//!
//! Version 3 of the protocol, which is what OpenSSH speaks, with two extensions of OpenSSH that a store cannot do
//! without: `fsync@openssh.com`, or nothing would be durable, and `posix-rename@openssh.com`, or nothing could be
//! replaced at one moment. Nothing is written under a name that a listing believes before it is whole: small files are
//! written in [`TEMPORARY`] and renamed, and parts are believed by what names them.

mod address;
mod connection;
mod failure;
mod files;
mod lease;
mod upload;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::Mutex;

pub use self::address::{SftpError, SftpOptions};
use self::connection::Connection;
pub(super) use self::failure::Failure;
pub(super) use self::lease::Held;
pub(super) use self::upload::{PIECE_BYTES, Upload};
use super::Result;

/// Where small files are written before they get their names.
const TEMPORARY: &str = ".tmp";
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// A folder on a server. Cheap to clone. Names are below it.
#[derive(Clone)]
pub(super) struct Sftp {
    shared: Arc<Shared>,
}

struct Shared {
    options: SftpOptions,
    connection: Mutex<Option<Arc<Connection>>>,
}

impl Sftp {
    pub(super) fn new(options: &SftpOptions) -> Self {
        Self { shared: Arc::new(Shared { options: options.clone(), connection: Mutex::new(None) }) }
    }

    /// A name as the server knows it.
    fn path(&self, name: &str) -> String {
        match (self.shared.options.folder.as_str(), name) {
            (folder, "") => folder.to_owned(),
            ("/", name) => format!("/{name}"),
            (folder, name) => format!("{folder}/{name}"),
        }
    }

    /// The connection, made anew when it was lost.
    async fn connection(&self) -> Result<Arc<Connection>, Failure> {
        let mut current = self.shared.connection.lock().await;
        if let Some(connection) = current.as_ref().filter(|connection| connection.is_usable()) {
            return Ok(connection.clone());
        }
        let fresh = Arc::new(Connection::open(&self.shared.options).await?);
        *current = Some(fresh.clone());
        Ok(fresh)
    }

    /// Asks what may be asked twice: when the connection is lost on the way, once more on a fresh one.
    async fn ask<'a, T>(
        &self,
        question: impl Fn(Arc<Connection>) -> BoxFuture<'a, Result<T, Failure>> + Send + Sync,
    ) -> Result<T, Failure> {
        match question(self.connection().await?).await {
            Err(Failure::Lost(_)) => question(self.connection().await?).await,
            answer => answer,
        }
    }
}
