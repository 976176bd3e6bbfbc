//! A bucket that speaks S3: the one room that knows `object_store`.

mod address;
mod lease;
mod upload;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder, Checksum};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, Error, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions,
    PutResult, RetryConfig,
};
use secrecy::ExposeSecret;

pub use self::address::{BucketError, BucketOptions};
pub(super) use self::lease::Held;
pub(super) use self::upload::{PIECE_BYTES, Upload};
use super::{CONNECT_WITHIN, Listed, Mode, Result, SMALL_BYTES, StoreError};

/// A bucket. Cheap to clone. Names are whole keys.
#[derive(Clone)]
pub(super) struct S3 {
    client: Arc<AmazonS3>,
    patience: Duration,
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        match error {
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => Self::Refused(error),
            Error::NotFound { .. } => Self::NotFound(error),
            Error::AlreadyExists { .. } | Error::Precondition { .. } => Self::Overtaken(error),
            _ => Self::OutOfReach(error),
        }
    }
}

impl S3 {
    pub(super) fn new(options: &BucketOptions) -> Result<Self, BucketError> {
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
        let client = builder.build().map_err(|error| BucketError::Client(Box::new(error)))?;
        Ok(Self { client: Arc::new(client), patience: options.patience })
    }

    /// How long a request may take with its repetitions.
    fn limit(&self) -> Duration {
        2 * self.patience + CONNECT_WITHIN
    }

    pub(super) async fn read(&self, name: &str) -> Result<Vec<u8>> {
        let path = Path::from(name);
        let found = self.client.get(&path).await?;
        if found.meta.size > SMALL_BYTES {
            let source = format!("{path} holds {} bytes, which no such object does", found.meta.size).into();
            return Err(Error::Generic { store: "S3", source }.into());
        }
        Ok(found.bytes().await?.into())
    }

    pub(super) async fn put(&self, name: &str, bytes: Bytes, mode: Mode) -> Result<PutResult> {
        let mode = match mode {
            Mode::Overwrite => PutMode::Overwrite,
            Mode::Create => PutMode::Create,
        };
        self.put_as(name, bytes, mode).await
    }

    async fn put_as(&self, name: &str, bytes: Bytes, mode: PutMode) -> Result<PutResult> {
        let options = PutOptions { mode, ..PutOptions::default() };
        Ok(self.client.put_opts(&Path::from(name), bytes.into(), options).await?)
    }

    pub(super) async fn remove(&self, name: &str) -> Result<()> {
        Ok(self.client.delete(&Path::from(name)).await?)
    }

    /// Size and time of change of an object, the latter by the store's clock.
    async fn look(&self, name: &str) -> Result<ObjectMeta> {
        Ok(self.client.head(&Path::from(name)).await?)
    }

    pub(super) async fn size(&self, name: &str) -> Result<u64> {
        Ok(self.look(name).await?.size)
    }

    pub(super) async fn range(&self, name: &str, range: Range<u64>) -> Result<Bytes> {
        Ok(self.client.get_range(&Path::from(name), range).await?)
    }

    pub(super) async fn list(&self, folder: &str) -> Result<Vec<Listed>> {
        let all: Vec<_> = self.client.list(Some(&Path::from(folder))).try_collect().await?;
        let listed = all.into_iter().map(|meta| Listed { name: meta.location.into(), bytes: meta.size });
        Ok(listed.collect())
    }

    pub(super) async fn folders(&self, folder: &str) -> Result<Vec<String>> {
        let found = self.client.list_with_delimiter(Some(&Path::from(folder))).await?;
        Ok(found.common_prefixes.iter().filter_map(|path| path.filename().map(str::to_owned)).collect())
    }

    async fn begin_upload(&self, name: &str) -> Result<String> {
        Ok(self.client.create_multipart(&Path::from(name)).await?)
    }

    async fn put_piece(&self, name: &str, upload: &str, index: usize, piece: Bytes) -> Result<PartId> {
        Ok(self.client.put_part(&Path::from(name), &upload.to_owned(), index, piece.into()).await?)
    }

    async fn end_upload(&self, name: &str, upload: &str, pieces: Vec<PartId>) -> Result<()> {
        let ended = self.client.complete_multipart(&Path::from(name), &upload.to_owned(), pieces).await;
        Ok(ended.map(drop)?)
    }

    /// Takes back an upload that was begun.
    pub(super) async fn abort(&self, name: &str, upload: &str) -> Result<()> {
        Ok(self.client.abort_multipart(&Path::from(name), &upload.to_owned()).await?)
    }
}
