//! The audit of deployment files: which files, of which kind, and all findings in order.
//!
//! Each kind has its own file; nothing is decided here.

mod caddy;
mod caddy_syntax;
mod compose;
mod dockerfile;
mod headers;
mod nginx;
mod nginx_facts;
mod nginx_syntax;
mod place;
mod traefik;
mod yaml;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::finding::{Finding, sort};
use crate::suppress;

/// Files that one nginx configuration may include.
const MOST_INCLUDED: usize = 256;
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
    /// A Caddyfile.
    Caddy,
    /// A YAML file of Traefik, static or dynamic.
    Traefik,
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
    /// What each `include` of an nginx file brings, as far as it was found.
    pub includes: Vec<Include>,
}

/// An `include` of an nginx file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Include {
    /// As it is written.
    pub pattern: String,
    /// The files it brings, in the order of their names.
    pub files: Vec<AuditFile>,
}

impl Include {
    /// An include that brings these files.
    pub fn new(pattern: impl Into<String>, files: impl IntoIterator<Item = AuditFile>) -> Self {
        Self { pattern: pattern.into(), files: files.into_iter().collect() }
    }
}

impl AuditFile {
    /// Text that is at hand.
    pub fn new(kind: AuditKind, name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { kind, name: name.into(), text: text.into(), includes: Vec::new() }
    }

    /// Reads a file. Of an nginx file the includes below its folder are read as well: what lies elsewhere on this machine
    /// is not what the file will find where it is deployed.
    pub fn read(kind: AuditKind, path: &Path) -> Result<Self, AuditError> {
        let mut file = Self::read_one(kind, path)?;
        if kind == AuditKind::Nginx {
            let folder = path.parent().unwrap_or(Path::new("")).to_owned();
            let mut left = MOST_INCLUDED;
            file.read_includes(&folder, &mut left);
        }
        Ok(file)
    }

    /// nginx resolves a pattern from the folder of its main file. What cannot be read stays unseen, which the audit says.
    fn read_includes(&mut self, folder: &Path, left: &mut usize) {
        for pattern in nginx_syntax::includes(&self.text) {
            let wanted = folder.join(&pattern);
            let is_inside = wanted.starts_with(folder) && !pattern.contains("..");
            let found = wanted.to_str().filter(|_| is_inside).and_then(|wanted| glob::glob(wanted).ok());
            let mut files = Vec::new();
            for path in found.into_iter().flatten().flatten() {
                let Some(rest) = left.checked_sub(1) else { return };
                *left = rest;
                if let Ok(mut file) = Self::read_one(AuditKind::Nginx, &path) {
                    file.read_includes(folder, left);
                    files.push(file);
                }
            }
            if !files.is_empty() {
                self.includes.push(Include { pattern, files });
            }
        }
    }

    fn read_one(kind: AuditKind, path: &Path) -> Result<Self, AuditError> {
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

    /// Reads files of any kind.
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
        .filter(|file| !is_included(inputs, file))
        .flat_map(|file| match file.kind {
            AuditKind::Dockerfile => audit_dockerfile(&file.name, &file.text),
            AuditKind::Compose => audit_compose(&file.name, &file.text),
            AuditKind::Caddy => audit_caddy(&file.name, &file.text),
            AuditKind::Traefik => audit_traefik(&file.name, &file.text),
            AuditKind::Nginx => whole(nginx::audit(file), &with_included(file)),
        })
        .collect();
    sort(&mut findings);
    findings
}

/// Audits the text of a Dockerfile; `name` stands for the file in findings.
pub fn audit_dockerfile(name: &str, text: &str) -> Vec<Finding> {
    whole(dockerfile::audit(name, text), &[&AuditFile::new(AuditKind::Dockerfile, name, text)])
}

/// Audits the text of a compose file; `name` stands for the file in findings.
pub fn audit_compose(name: &str, text: &str) -> Vec<Finding> {
    whole(compose::audit(name, text), &[&AuditFile::new(AuditKind::Compose, name, text)])
}

/// Audits the text of an nginx configuration; `name` stands for the file in findings.
pub fn audit_nginx(name: &str, text: &str) -> Vec<Finding> {
    let file = AuditFile::new(AuditKind::Nginx, name, text);
    whole(nginx::audit(&file), &[&file])
}

/// Audits the text of a Caddyfile; `name` stands for the file in findings.
///
/// ```
/// let findings = golive_deploy::audit_caddy("Caddyfile", "{\n\tauto_https off\n}\n");
/// assert_eq!((findings[0].id.as_str(), findings[0].line), ("DEP-501", Some(2)));
/// ```
pub fn audit_caddy(name: &str, text: &str) -> Vec<Finding> {
    whole(caddy::audit(name, text), &[&AuditFile::new(AuditKind::Caddy, name, text)])
}

/// Audits the text of one of Traefik's YAML files; `name` stands for the file in findings.
///
/// ```
/// let findings = golive_deploy::audit_traefik("traefik.yml", "api:\n  insecure: true\n");
/// assert_eq!((findings[0].id.as_str(), findings[0].line), ("DEP-507", Some(2)));
/// ```
pub fn audit_traefik(name: &str, text: &str) -> Vec<Finding> {
    whole(traefik::audit(name, text), &[&AuditFile::new(AuditKind::Traefik, name, text)])
}

/// A file and all that it includes.
fn with_included(file: &AuditFile) -> Vec<&AuditFile> {
    let included = file.includes.iter().flat_map(|include| &include.files).flat_map(with_included);
    std::iter::once(file).chain(included).collect()
}

/// A part of another of the files is judged there; files that include each other are judged each.
fn is_included(inputs: &AuditInputs, file: &AuditFile) -> bool {
    let includes = |one: &AuditFile, other: &AuditFile| {
        with_included(one).into_iter().skip(1).any(|included| included.name == other.name)
    };
    inputs
        .files
        .iter()
        .any(|other| other.name != file.name && includes(other, file) && !includes(file, other))
}

/// With what comments in the files say, with places in the lines, in order, each once: a part may be included twice.
fn whole(mut findings: Vec<Finding>, files: &[&AuditFile]) -> Vec<Finding> {
    for (index, file) in files.iter().enumerate() {
        if files[..index].iter().any(|earlier| earlier.name == file.name) {
            continue;
        }
        suppress::ignore(&mut findings, &file.name, &file.text);
        place::place(&mut findings, &file.name, &file.text);
    }
    sort(&mut findings);
    findings.dedup();
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
