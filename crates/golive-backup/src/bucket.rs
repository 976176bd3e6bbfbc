//! A bucket that speaks S3: the one room that knows `object_store`. Small objects are read and written whole, parts
//! flow through [`Upload`] and [`Download`] in bounded memory, and one writer at a time holds the [`Lease`].
//!
//! Everything here waits: requests run on a thread of their own, so it makes no difference whether the caller is
//! asynchronous. Every wait ends. What is published, and in which order, is not decided here.

mod address;
mod download;
mod lease;
mod upload;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder, Checksum};
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, RetryConfig,
};
use secrecy::ExposeSecret;
use tokio::runtime::Runtime;

pub use self::address::{BucketError, BucketOptions};
pub(crate) use self::download::Download;
pub(crate) use self::lease::Lease;
pub(crate) use self::upload::{Journal, Upload};

/// A manifest with digests of thousands of tables is some megabytes; what is read whole is no larger.
const SMALL_BYTES: u64 = 256 * 1024 * 1024;
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// Small objects that are read at once.
const AT_ONCE: usize = 8;

/// A folder in a bucket. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Bucket {
    store: Arc<AmazonS3>,
    prefix: String,
    label: String,
    patience: Duration,
}

/// An object by its name below the prefix.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) bytes: u64,
}

/// What a store said, with what to do about it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error(
        "the store refuses the login; check the access key, its rights on the bucket, and this machine's clock"
    )]
    Refused(#[source] Error),
    #[error("no such bucket or object; check the address")]
    NotFound(#[source] Error),
    #[error("somebody else has written it meanwhile")]
    Overtaken(#[source] Error),
    #[error("the store is out of reach or answers with errors; check endpoint, region and network")]
    OutOfReach(#[source] Error),
    #[error("the store does not answer within {seconds} s; check the network, or give it longer")]
    Silent { seconds: u64 },
}

impl From<StoreError> for io::Error {
    fn from(error: StoreError) -> Self {
        let kind = match &error {
            StoreError::Refused(_) => io::ErrorKind::PermissionDenied,
            StoreError::NotFound(_) => io::ErrorKind::NotFound,
            StoreError::Overtaken(_) => io::ErrorKind::AlreadyExists,
            StoreError::OutOfReach(_) => io::ErrorKind::NotConnected,
            StoreError::Silent { .. } => io::ErrorKind::TimedOut,
        };
        Self::new(kind, error)
    }
}

/// Whether nothing was learnt about the object: the store could not be asked.
pub(crate) fn is_out_of_reach(error: &io::Error) -> bool {
    let kinds = [io::ErrorKind::PermissionDenied, io::ErrorKind::NotConnected, io::ErrorKind::TimedOut];
    kinds.contains(&error.kind()) && error.get_ref().is_some_and(|inner| inner.is::<StoreError>())
}

fn meant(error: Error) -> StoreError {
    match error {
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => StoreError::Refused(error),
        Error::NotFound { .. } => StoreError::NotFound(error),
        Error::AlreadyExists { .. } | Error::Precondition { .. } => StoreError::Overtaken(error),
        _ => StoreError::OutOfReach(error),
    }
}

/// The thread on which requests run. It is never ended: what is in flight at the end of the process is lost as by a kill.
fn requests() -> &'static Runtime {
    static REQUESTS: OnceLock<Runtime> = OnceLock::new();
    REQUESTS.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("golive-bucket")
            .enable_all()
            .build()
            .expect("a thread can be started")
    })
}

/// A request under way.
pub(crate) struct Pending<T>(mpsc::Receiver<io::Result<T>>);

impl<T> Pending<T> {
    /// Waits for its answer, which always comes.
    pub(crate) fn wait(self) -> io::Result<T> {
        self.0.recv().unwrap_or_else(|_| Err(io::Error::other("a request to the store was given up")))
    }
}

impl Bucket {
    /// Makes a client. Nothing is asked of the store yet.
    pub(crate) fn open(options: &BucketOptions) -> Result<Self, BucketError> {
        let client = ClientOptions::new()
            .with_timeout(options.patience)
            .with_connect_timeout(CONNECT_WITHIN.min(options.patience));
        let retry = RetryConfig {
            backoff: BackoffConfig::default(),
            max_retries: 10,
            retry_timeout: options.patience,
        };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&options.bucket)
            .with_region(&options.region)
            .with_access_key_id(&options.login.id)
            .with_secret_access_key(options.login.secret.expose_secret())
            // The store checks each request's body before it takes it.
            .with_checksum_algorithm(Checksum::SHA256)
            .with_client_options(client)
            .with_retry(retry);
        if let Some(token) = &options.login.token {
            builder = builder.with_token(token.expose_secret());
        }
        if let Some(endpoint) = &options.endpoint {
            builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
        }
        let store = builder.build().map_err(|error| BucketError::Client(Box::new(error)))?;
        Ok(Self {
            store: Arc::new(store),
            prefix: options.prefix.clone(),
            label: options.label(),
            patience: options.patience,
        })
    }

    /// A folder in this one.
    pub(crate) fn below(&self, name: &str) -> Self {
        let join =
            |before: &str| if before.is_empty() { name.to_owned() } else { format!("{before}/{name}") };
        Self { prefix: join(&self.prefix), label: join(&self.label), ..self.clone() }
    }

    /// What may be shown of a name.
    pub(crate) fn shown(&self, name: &str) -> PathBuf {
        PathBuf::from(if name.is_empty() { self.label.clone() } else { format!("{}/{name}", self.label) })
    }

    fn path(&self, name: &str) -> Path {
        match (self.prefix.is_empty(), name.is_empty()) {
            (true, _) => Path::from(name),
            (false, true) => Path::from(self.prefix.as_str()),
            (false, false) => Path::from(format!("{}/{name}", self.prefix)),
        }
    }

    /// Begins a request; each of its repetitions and all together are bounded.
    fn begin<T: Send + 'static>(
        &self,
        request: impl Future<Output = object_store::Result<T>> + Send + 'static,
    ) -> Pending<T> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let limit = 2 * self.patience + CONNECT_WITHIN;
        requests().spawn(async move {
            let answer = match tokio::time::timeout(limit, request).await {
                Ok(answer) => answer.map_err(meant),
                Err(_) => Err(StoreError::Silent { seconds: limit.as_secs() }),
            };
            // Nobody waits any more when a backup is given up.
            let _ = sender.send(answer.map_err(io::Error::from));
        });
        Pending(receiver)
    }

    /// Reads a small object.
    pub(crate) fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let (store, path) = (self.store.clone(), self.path(name));
        self.begin(async move { read(&store, &path).await }).wait()
    }

    /// Reads small objects, several at once, in the order given; those that went meanwhile are passed over.
    pub(crate) fn read_all(&self, names: Vec<String>) -> io::Result<Vec<(String, Vec<u8>)>> {
        let requests = names.into_iter().map(|name| {
            let (store, path) = (self.store.clone(), self.path(&name));
            async move {
                match read(&store, &path).await {
                    Ok(bytes) => Ok(Some((name, bytes))),
                    Err(Error::NotFound { .. }) => Ok(None),
                    Err(error) => Err(error),
                }
            }
        });
        let requests: Vec<_> = requests.collect();
        let all = futures_util::stream::iter(requests).buffered(AT_ONCE);
        Ok(self.begin(all.try_collect::<Vec<_>>()).wait()?.into_iter().flatten().collect())
    }

    /// Writes a small object, over what is there.
    pub(crate) fn write(&self, name: &str, bytes: Vec<u8>) -> io::Result<()> {
        self.put(name, bytes, PutMode::Overwrite).map(drop)
    }

    /// Writes a small object that nobody has written yet.
    pub(crate) fn create(&self, name: &str, bytes: Vec<u8>) -> io::Result<()> {
        self.put(name, bytes, PutMode::Create).map(drop)
    }

    fn put(&self, name: &str, bytes: Vec<u8>, mode: PutMode) -> io::Result<object_store::PutResult> {
        let (store, path) = (self.store.clone(), self.path(name));
        let options = PutOptions { mode, ..PutOptions::default() };
        self.begin(async move { store.put_opts(&path, Bytes::from(bytes).into(), options).await }).wait()
    }

    /// Removes an object; one that is gone is removed.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        let (store, path) = (self.store.clone(), self.path(name));
        match self.begin(async move { store.delete(&path).await }).wait() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    /// Size and time of change of an object, the latter by the store's clock.
    fn look(&self, name: &str) -> io::Result<object_store::ObjectMeta> {
        let (store, path) = (self.store.clone(), self.path(name));
        self.begin(async move { store.head(&path).await }).wait()
    }

    /// The size of an object.
    pub(crate) fn size(&self, name: &str) -> io::Result<u64> {
        Ok(self.look(name)?.size)
    }

    /// Every object below a folder, by its name below the prefix, in order.
    pub(crate) fn list(&self, folder: &str) -> io::Result<Vec<Listed>> {
        let (store, path) = (self.store.clone(), self.path(folder));
        let all = async move { store.list(Some(&path)).try_collect::<Vec<_>>().await };
        let skipped = if self.prefix.is_empty() { 0 } else { self.prefix.len() + 1 };
        let mut listed: Vec<Listed> = self
            .begin(all)
            .wait()?
            .into_iter()
            .filter_map(|meta| {
                let name = meta.location.as_ref().get(skipped..)?.to_owned();
                Some(Listed { name, bytes: meta.size })
            })
            .collect();
        listed.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(listed)
    }

    /// The folders below the prefix.
    pub(crate) fn folders(&self) -> io::Result<Vec<String>> {
        let (store, path) = (self.store.clone(), self.path(""));
        let found = self.begin(async move { store.list_with_delimiter(Some(&path)).await }).wait()?;
        let mut names: Vec<String> =
            found.common_prefixes.iter().filter_map(|path| path.filename().map(str::to_owned)).collect();
        names.sort();
        Ok(names)
    }
}

async fn read(store: &AmazonS3, path: &Path) -> object_store::Result<Vec<u8>> {
    let found = store.get(path).await?;
    if found.meta.size > SMALL_BYTES {
        return Err(Error::Generic {
            store: "S3",
            source: format!("{path} holds {} bytes, which no such object does", found.meta.size).into(),
        });
    }
    Ok(found.bytes().await?.into())
}

impl fmt::Debug for Bucket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Bucket").field(&self.label).finish()
    }
}
