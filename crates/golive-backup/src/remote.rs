//! A place on another machine: a bucket that speaks S3, or a folder that a server shows by SFTP. What they differ in is
//! in [`s3`] and [`sftp`], the one rooms that know their clients. Small objects are read and written whole, parts flow
//! through [`Upload`] and [`Download`] in bounded memory, and one writer at a time holds the [`Lease`].
//!
//! Everything here waits: requests run on a thread of their own, so it makes no difference whether the caller is
//! asynchronous. Every wait ends. What is published, and in which order, is not decided here.

mod address;
mod download;
mod journal;
mod lease;
mod s3;
mod sftp;
mod upload;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Runtime;

pub use self::address::{RemoteError, RemoteOptions};
pub(crate) use self::download::Download;
pub(crate) use self::journal::Journal;
pub(crate) use self::lease::Lease;
use self::s3::S3;
pub use self::s3::{BucketError, BucketOptions};
use self::sftp::Sftp;
pub use self::sftp::{SftpError, SftpOptions};
pub(crate) use self::upload::Upload;

/// A manifest with digests of thousands of tables is some megabytes; what is read whole is no larger.
const SMALL_BYTES: u64 = 256 * 1024 * 1024;
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// Small objects that are read, and folders that are listed, at once.
const AT_ONCE: usize = 8;

/// A folder on another machine. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Remote {
    store: Store,
    /// Before every name; empty, or without a slash at its end.
    prefix: Arc<str>,
    label: Arc<str>,
    patience: Duration,
}

#[derive(Clone)]
enum Store {
    S3(S3),
    Sftp(Sftp),
}

/// An object by its name below the prefix.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) bytes: u64,
}

/// Whether an object may be there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Over what is there, at one moment.
    Overwrite,
    /// Only where nothing is.
    Create,
}

/// What a store said, with what to do about it.
#[derive(Debug, thiserror::Error)]
enum StoreError {
    #[error(
        "the store refuses the login; check the access key, its rights on the bucket, and this machine's clock"
    )]
    Refused(#[source] object_store::Error),
    #[error("no such bucket or object; check the address")]
    NotFound(#[source] object_store::Error),
    #[error("somebody else has written it meanwhile")]
    Overtaken(#[source] object_store::Error),
    #[error("the store is out of reach or answers with errors; check endpoint, region and network")]
    OutOfReach(#[source] object_store::Error),
    #[error("the store does not answer within {seconds} s; check the network, or give it longer")]
    Silent { seconds: u64 },
    #[error(transparent)]
    Sftp(#[from] sftp::Failure),
}

impl StoreError {
    fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Refused(_) => io::ErrorKind::PermissionDenied,
            Self::NotFound(_) => io::ErrorKind::NotFound,
            Self::Overtaken(_) => io::ErrorKind::AlreadyExists,
            Self::OutOfReach(_) => io::ErrorKind::NotConnected,
            Self::Silent { .. } => io::ErrorKind::TimedOut,
            Self::Sftp(failure) => failure.kind(),
        }
    }
}

impl From<StoreError> for io::Error {
    fn from(error: StoreError) -> Self {
        Self::new(error.kind(), error)
    }
}

type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Whether nothing was learnt about the object: the store could not be asked.
pub(crate) fn is_out_of_reach(error: &io::Error) -> bool {
    let kinds = [io::ErrorKind::PermissionDenied, io::ErrorKind::NotConnected, io::ErrorKind::TimedOut];
    kinds.contains(&error.kind()) && error.get_ref().is_some_and(|inner| inner.is::<StoreError>())
}

/// The thread on which requests run. It is never ended: what is in flight at the end of the process is lost as by a kill.
fn requests() -> &'static Runtime {
    static REQUESTS: OnceLock<Runtime> = OnceLock::new();
    REQUESTS.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("golive-remote")
            .enable_all()
            .build()
            .expect("a thread can be started")
    })
}

/// A request under way.
struct Pending<T>(mpsc::Receiver<io::Result<T>>);

impl<T> Pending<T> {
    /// Waits for its answer, which always comes.
    fn wait(self) -> io::Result<T> {
        self.0.recv().unwrap_or_else(|_| Err(io::Error::other("a request to the store was given up")))
    }
}

/// Answers in the order of their requests, of which a few are under way at a time.
fn in_order<T>(mut requests: impl Iterator<Item = Pending<T>>) -> impl Iterator<Item = io::Result<T>> {
    let mut coming = VecDeque::new();
    std::iter::from_fn(move || {
        coming.extend(requests.by_ref().take(AT_ONCE - coming.len()));
        coming.pop_front().map(Pending::wait)
    })
}

/// Begins a request that ends within `limit`.
fn begin_within<T: Send + 'static>(
    limit: Duration,
    request: impl Future<Output = Result<T>> + Send + 'static,
) -> Pending<T> {
    let (sender, receiver) = mpsc::sync_channel(1);
    requests().spawn(async move {
        let answer = match tokio::time::timeout(limit, request).await {
            Ok(answer) => answer,
            Err(_) => Err(StoreError::Silent { seconds: limit.as_secs() }),
        };
        // Nobody waits any more when a backup is given up.
        let _ = sender.send(answer.map_err(io::Error::from));
    });
    Pending(receiver)
}

/// Does the same for either kind of store; both have it under this name.
macro_rules! of_store {
    ($store:expr, $one:ident => $call:expr) => {
        match $store {
            Store::S3($one) => $call,
            Store::Sftp($one) => $call,
        }
    };
}
use of_store;

impl Remote {
    /// Makes a client for a bucket. Nothing is asked of the store yet.
    pub(crate) fn bucket(options: &BucketOptions) -> Result<Self, BucketError> {
        Ok(Self {
            store: Store::S3(S3::new(options)?),
            prefix: options.prefix().into(),
            label: options.label().into(),
            patience: options.patience,
        })
    }

    /// Makes a client for a folder behind SFTP. Nothing is asked of the server yet.
    pub(crate) fn sftp(options: &SftpOptions) -> Self {
        Self {
            store: Store::Sftp(Sftp::new(options)),
            prefix: "".into(),
            label: options.label().into(),
            patience: options.patience,
        }
    }

    /// A folder in this one.
    pub(crate) fn below(&self, name: &str) -> Self {
        let join =
            |before: &str| if before.is_empty() { name.to_owned() } else { format!("{before}/{name}") };
        Self { prefix: join(&self.prefix).into(), label: join(&self.label).into(), ..self.clone() }
    }

    /// What may be shown of a name.
    pub(crate) fn shown(&self, name: &str) -> PathBuf {
        PathBuf::from(if name.is_empty() { self.label.to_string() } else { format!("{}/{name}", self.label) })
    }

    fn path(&self, name: &str) -> String {
        match (self.prefix.is_empty(), name.is_empty()) {
            (true, _) => name.to_owned(),
            (false, true) => self.prefix.to_string(),
            (false, false) => format!("{}/{name}", self.prefix),
        }
    }

    /// Each of a request's repetitions and all together are bounded.
    fn limit(&self) -> Duration {
        2 * self.patience + CONNECT_WITHIN
    }

    fn begin<T: Send + 'static>(
        &self,
        request: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Pending<T> {
        begin_within(self.limit(), request)
    }

    fn reading(&self, name: &str) -> Pending<Vec<u8>> {
        let (store, path) = (self.store.clone(), self.path(name));
        self.begin(async move { of_store!(&store, one => one.read(&path).await) })
    }

    /// Reads a small object.
    pub(crate) fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.reading(name).wait()
    }

    /// Reads small objects, several at once, in the order given; those that went meanwhile are passed over.
    pub(crate) fn read_all(&self, names: Vec<String>) -> io::Result<Vec<(String, Vec<u8>)>> {
        let answers: Vec<_> = in_order(names.iter().map(|name| self.reading(name))).collect();
        let read = names.into_iter().zip(answers).filter_map(|(name, answer)| match answer {
            Ok(bytes) => Some(Ok((name, bytes))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => Some(Err(error)),
        });
        read.collect()
    }

    /// Writes a small object, over what is there.
    pub(crate) fn write(&self, name: &str, bytes: Vec<u8>) -> io::Result<()> {
        self.put(name, bytes, Mode::Overwrite)
    }

    /// Writes a small object that nobody has written yet.
    pub(crate) fn create(&self, name: &str, bytes: Vec<u8>) -> io::Result<()> {
        self.put(name, bytes, Mode::Create)
    }

    fn put(&self, name: &str, bytes: Vec<u8>, mode: Mode) -> io::Result<()> {
        let (store, path, bytes) = (self.store.clone(), self.path(name), Bytes::from(bytes));
        self.begin(async move { of_store!(&store, one => one.put(&path, bytes, mode).await.map(drop)) })
            .wait()
    }

    /// Removes an object; one that is gone is removed.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        let (store, path) = (self.store.clone(), self.path(name));
        match self.begin(async move { of_store!(&store, one => one.remove(&path).await) }).wait() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    /// Removes a folder that holds no object any more, where folders are something of their own.
    pub(crate) fn remove_folder(&self, name: &str) -> io::Result<()> {
        let Store::Sftp(sftp) = &self.store else { return Ok(()) };
        let (sftp, path) = (sftp.clone(), self.path(name));
        self.begin(async move { sftp.remove_folder(&path).await }).wait()
    }

    /// Removes what killed runs left under names that are never listed. Only for the holder of the lease.
    pub(crate) fn clear_temporary(&self) -> io::Result<()> {
        let Store::Sftp(sftp) = &self.store else { return Ok(()) };
        let sftp = sftp.clone();
        self.begin(async move { sftp.clear_temporary().await }).wait()
    }

    /// The size of an object.
    pub(crate) fn size(&self, name: &str) -> io::Result<u64> {
        let (store, path) = (self.store.clone(), self.path(name));
        self.begin(async move { of_store!(&store, one => one.size(&path).await) }).wait()
    }

    fn range(&self, name: &str, range: Range<u64>) -> Pending<Bytes> {
        let (store, path) = (self.store.clone(), self.path(name));
        self.begin(async move { of_store!(&store, one => one.range(&path, range).await) })
    }

    /// Every object below a folder, by its name below the prefix, in order.
    pub(crate) fn list(&self, folder: &str) -> io::Result<Vec<Listed>> {
        self.list_all(&[folder.to_owned()])
    }

    /// The same of several folders, one after the other; several are asked for at once.
    pub(crate) fn list_all(&self, folders: &[String]) -> io::Result<Vec<Listed>> {
        let skipped = if self.prefix.is_empty() { 0 } else { self.prefix.len() + 1 };
        let requests = folders.iter().map(|folder| {
            let (store, path) = (self.store.clone(), self.path(folder));
            self.begin(async move { of_store!(&store, one => one.list(&path).await) })
        });
        let mut all = Vec::new();
        for listed in in_order(requests) {
            let below = |one: Listed| Some(Listed { name: one.name.get(skipped..)?.to_owned(), ..one });
            let mut listed: Vec<Listed> = listed?.into_iter().filter_map(below).collect();
            listed.sort_by(|one, other| one.name.cmp(&other.name));
            all.append(&mut listed);
        }
        Ok(all)
    }

    /// The folders below the prefix.
    pub(crate) fn folders(&self) -> io::Result<Vec<String>> {
        let (store, path) = (self.store.clone(), self.path(""));
        let mut names =
            self.begin(async move { of_store!(&store, one => one.folders(&path).await) }).wait()?;
        names.sort();
        Ok(names)
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Remote").field(&self.label).finish()
    }
}
