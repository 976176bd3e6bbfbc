//! The audit of deployment files: which files, of which kind, and all findings in order.
//!
//! Each kind has its own file; nothing is decided here.

mod compose;
mod dockerfile;
mod nginx;
mod nginx_syntax;
mod place;
mod yaml;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::finding::{Finding, sort};
use crate::suppress;

/// A deployment file larger than this is something else.
const MAX_FILE_BYTES: u64 = 2 * 1024 * 1024;

/// Why a file could not be audited.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The file cannot be opened or read.
    #[error("read {path}; check that it exists and that this user may read it")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is too large.
    #[error("read {path}: larger than 2 MiB; name the deployment file itself")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file is not text.
    #[error("read {path}: not UTF-8; save it as UTF-8 text")]
    NotText {
        /// The file.
        path: PathBuf,
    },
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuditKind {
    /// A Dockerfile or Containerfile.
    Dockerfile,
    /// A compose file.
    Compose,
    /// A configuration of nginx, whole or a part.
    Nginx,
}

/// A file, read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AuditFile {
    /// What it is.
    pub kind: AuditKind,
    /// Its name, for findings.
    pub name: String,
    /// Its text.
    pub text: String,
}

impl AuditFile {
    /// Text that is at hand.
    pub fn new(kind: AuditKind, name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { kind, name: name.into(), text: text.into() }
    }

    /// Reads a file.
    pub fn read(kind: AuditKind, path: &Path) -> Result<Self, AuditError> {
        let read = |source| AuditError::Read { path: path.to_owned(), source };
        let file = std::fs::File::open(path).map_err(read)?;
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(read)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(AuditError::TooLarge { path: path.to_owned() });
        }
        let text =
            String::from_utf8(bytes).map_err(|_not_text| AuditError::NotText { path: path.to_owned() })?;
        Ok(Self::new(kind, path.display().to_string(), text))
    }
}

/// Everything to audit.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct AuditInputs {
    /// The files.
    pub files: Vec<AuditFile>,
}

impl AuditInputs {
    /// These files.
    pub fn new(files: impl IntoIterator<Item = AuditFile>) -> Self {
        Self { files: files.into_iter().collect() }
    }

    /// Reads files: Dockerfiles, compose files, nginx files.
    pub fn read(files: &[(AuditKind, PathBuf)]) -> Result<Self, AuditError> {
        let files = files.iter().map(|(kind, path)| AuditFile::read(*kind, path));
        Ok(Self { files: files.collect::<Result<_, _>>()? })
    }
}

/// Audits all files; findings come in the order of file and line.
pub fn audit_files(inputs: &AuditInputs) -> Vec<Finding> {
    let mut findings: Vec<Finding> = inputs
        .files
        .iter()
        .flat_map(|file| match file.kind {
            AuditKind::Dockerfile => audit_dockerfile(&file.name, &file.text),
            AuditKind::Compose => audit_compose(&file.name, &file.text),
            AuditKind::Nginx => audit_nginx(&file.name, &file.text),
        })
        .collect();
    sort(&mut findings);
    findings
}

/// Audits the text of a Dockerfile; `name` stands for the file in findings.
pub fn audit_dockerfile(name: &str, text: &str) -> Vec<Finding> {
    whole(dockerfile::audit(name, text), name, text)
}

/// Audits the text of a compose file; `name` stands for the file in findings.
pub fn audit_compose(name: &str, text: &str) -> Vec<Finding> {
    whole(compose::audit(name, text), name, text)
}

/// Audits the text of an nginx configuration; `name` stands for the file in findings.
pub fn audit_nginx(name: &str, text: &str) -> Vec<Finding> {
    whole(nginx::audit(name, text), name, text)
}

/// With what comments in the file say, with places in the lines, in order.
fn whole(mut findings: Vec<Finding>, name: &str, text: &str) -> Vec<Finding> {
    suppress::ignore(&mut findings, name, text);
    place::place(&mut findings, text);
    sort(&mut findings);
    findings
}

/// Does the name of a variable promise a secret, and not only where one is kept?
fn is_secret_name(name: &str) -> bool {
    crate::config::is_secret_name(name)
}

/// Is this the name of an image without a version? The digest, when there is one, is version enough.
fn image_pin(image: &str) -> ImagePin {
    if image.contains('@') {
        return ImagePin::Digest;
    }
    // A colon before the last slash belongs to the registry's port.
    let last = image.rsplit('/').next().unwrap_or(image);
    match last.split_once(':') {
        None | Some((_, "" | "latest")) => ImagePin::None,
        Some(_) => ImagePin::Tag,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ImagePin {
    None,
    Tag,
    Digest,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins() {
        assert_eq!(image_pin("debian"), ImagePin::None);
        assert_eq!(image_pin("host:5000/debian"), ImagePin::None);
        assert_eq!(image_pin("debian:latest"), ImagePin::None);
        assert_eq!(image_pin("debian:12.7-slim"), ImagePin::Tag);
        assert_eq!(image_pin("debian@sha256:00"), ImagePin::Digest);
    }
}
