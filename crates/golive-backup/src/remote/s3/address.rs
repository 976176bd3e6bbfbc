//! Where a bucket is and how to log in: an address without a secret in it, and credentials from the environment or a
//! private file. Nothing is asked of the network here.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

/// Two minutes suit a slow uplink: the largest request carries 32 MiB.
const PATIENCE: Duration = Duration::from_secs(120);
const REGION: &str = "us-east-1";

/// A repository in a bucket that speaks S3.
#[derive(Clone)]
#[non_exhaustive]
pub struct BucketOptions {
    /// How long one request may take, its repetitions together.
    pub patience: Duration,
    /// The local folder in which binary logs lie until they are closed.
    pub spool: PathBuf,
    pub(super) bucket: String,
    pub(super) prefix: String,
    pub(super) endpoint: Option<String>,
    pub(super) region: String,
    pub(super) login: Login,
}

#[derive(Clone)]
pub(super) struct Login {
    pub(super) id: String,
    pub(super) secret: SecretString,
    pub(super) token: Option<SecretString>,
}

/// Why an address of a bucket cannot be used. None of them repeats what might be a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BucketError {
    /// It is no such address.
    #[error(
        "read the address of the bucket; write s3://BUCKET/PREFIX, for a store of your own with ?endpoint=https://HOST"
    )]
    Address,
    /// A login stands in the address, where every user of the machine can read it.
    #[error(
        "take a login out of the address of a bucket; give it in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name \
         a private file by ?credentials=FILE"
    )]
    Login,
    /// An unknown setting in the address.
    #[error("know {name:?} in the address of the bucket; endpoint, region and credentials can be given")]
    Unknown {
        /// Its name.
        name: String,
    },
    /// No login anywhere.
    #[error(
        "log in to the bucket; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or append ?credentials=FILE with lines \
         aws_access_key_id = and aws_secret_access_key ="
    )]
    NoLogin,
    /// The file of credentials cannot be read.
    #[error("read the credentials {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Others can read the file of credentials.
    #[error("use the credentials {path}: other users can read it (mode {mode:04o}); run `chmod 600 {path}`")]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The client could not be made of it.
    #[error("make a client for the bucket")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl BucketOptions {
    /// Whether a text is meant as the address of a bucket.
    pub fn is_address(text: &str) -> bool {
        text.starts_with("s3:")
    }

    /// Reads `s3://BUCKET/PREFIX?endpoint=URL&region=NAME&credentials=FILE`, of which all behind the bucket may be
    /// absent. Without `credentials`, `variable` is asked for `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and
    /// `AWS_SESSION_TOKEN`; without the others for `AWS_ENDPOINT_URL` and `AWS_REGION`.
    ///
    /// ```
    /// # use golive_backup::BucketOptions;
    /// let variable = |name: &str| {
    ///     matches!(name, "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY").then(|| "planted".to_owned())
    /// };
    /// let options = BucketOptions::parse("s3://backups/kpi?region=eu-central-1", "/var/spool/kpi", &variable)?;
    /// assert_eq!(options.label(), "s3://backups/kpi");
    /// # Ok::<(), golive_backup::BucketError>(())
    /// ```
    ///
    /// # Errors
    /// When it is no address, a login stands in it, or there is none anywhere.
    pub fn parse(
        address: &str,
        spool: impl Into<PathBuf>,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, BucketError> {
        let url = Url::parse(address).map_err(|_| BucketError::Address)?;
        let bucket = url.host_str().filter(|_| url.scheme() == "s3").ok_or(BucketError::Address)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BucketError::Login);
        }
        let prefix = url.path().trim_matches('/').to_owned();
        let is_plain = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        // Names that need no encoding are the same in every tool that may be needed on the day.
        if !is_plain(bucket) || !(prefix.is_empty() || prefix.split('/').all(is_plain)) {
            return Err(BucketError::Address);
        }
        let (mut endpoint, mut region, mut file) = (None, None, None);
        for (name, value) in url.query_pairs() {
            match name.as_ref() {
                "endpoint" => endpoint = Some(value.into_owned()),
                "region" => region = Some(value.into_owned()),
                "credentials" => file = Some(PathBuf::from(value.as_ref())),
                _ => return Err(BucketError::Unknown { name: name.into_owned() }),
            }
        }
        let given = |name: &str| variable(name).filter(|value| !value.is_empty());
        let endpoint = endpoint.or_else(|| given("AWS_ENDPOINT_URL"));
        if endpoint.as_deref().is_some_and(|endpoint| !is_endpoint(endpoint)) {
            return Err(BucketError::Address);
        }
        let login = match file {
            Some(file) => read_login(&file)?,
            None => Login::of(given).ok_or(BucketError::NoLogin)?,
        };
        Ok(Self {
            patience: PATIENCE,
            spool: spool.into(),
            bucket: bucket.to_owned(),
            prefix,
            endpoint,
            region: region.or_else(|| given("AWS_REGION")).unwrap_or_else(|| REGION.to_owned()),
            login,
        })
    }

    /// The folder in the bucket.
    pub(in crate::remote) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What may be shown: `s3://BUCKET/PREFIX`.
    pub fn label(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.prefix).trim_end_matches('/').to_owned()
    }
}

fn is_endpoint(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none()
    })
}

impl Login {
    fn of(value: impl Fn(&str) -> Option<String>) -> Option<Self> {
        Some(Self {
            id: value("AWS_ACCESS_KEY_ID")?,
            secret: value("AWS_SECRET_ACCESS_KEY")?.into(),
            token: value("AWS_SESSION_TOKEN").map(SecretString::from),
        })
    }
}

/// The first section of a file as other tools for S3 keep it.
fn read_login(path: &Path) -> Result<Login, BucketError> {
    let reading = |source| BucketError::File { path: path.to_owned(), source };
    let mode = fs::metadata(path).map_err(reading)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(BucketError::Permissions { path: path.to_owned(), mode });
    }
    let text = fs::read_to_string(path).map_err(reading)?;
    Login::of(|name| {
        let mut values = text.lines().filter_map(|line| line.split_once('='));
        let found = values.find(|(key, _)| key.trim().eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim().to_owned())
    })
    .ok_or(BucketError::NoLogin)
}

impl fmt::Debug for BucketOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("BucketOptions").field("at", &self.label()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn an_address_holds_no_login_and_a_file_of_credentials_is_private() {
        let nothing = |_: &str| None;
        let read = |address: &str| BucketOptions::parse(address, "/spool", &nothing);
        assert!(matches!(read("s3://id:hunter2@bucket/kpi"), Err(BucketError::Login)));
        assert!(matches!(read("s3://bucket/kpi"), Err(BucketError::NoLogin)));
        assert!(matches!(read("s3://bucket/kpi?hunter2=1"), Err(BucketError::Unknown { .. })));
        for bad in
            ["/var/backups", "s3:bucket", "s3://bucket/a%20b", "s3://b/c?endpoint=ftp://x", "http://b/c"]
        {
            assert!(matches!(read(bad), Err(BucketError::Address)), "{bad}");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("credentials");
        fs::write(&file, "[default]\naws_access_key_id = GOLIVE\naws_secret_access_key = hunter2=\n")
            .unwrap();
        let address = format!("s3://bucket/a/b/?region=eu-1&credentials={}", file.display());
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(read(&address), Err(BucketError::Permissions { mode: 0o644, .. })));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let options = read(&address).unwrap();
        assert_eq!((options.login.id.as_str(), options.login.secret.expose_secret()), ("GOLIVE", "hunter2="));
        assert_eq!((options.label().as_str(), options.region.as_str()), ("s3://bucket/a/b", "eu-1"));
        assert!(!format!("{options:?}").contains("hunter2"));
    }
}
