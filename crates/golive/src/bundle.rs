//! The evidence of a run as one file that anybody can hold against a public key, offline: the report in every form and the
//! journal, each with its digest, the list of them signed.
//!
//! Not here: what the evidence is worth (golive-gate). The key vouches for who made the bundle and that nothing in it changed since,
//! not for what was seen.
//!
//! A bundle is a tar archive: `manifest.json` with the SHA-256 of every file, `manifest.sig`, its Ed25519 signature, `signer.pem`, the
//! public key, and the files. Whoever does not have golive checks it with tar, sha256sum and
//! `openssl pkeyutl -verify -pubin -inkey signer.pem -rawin -in manifest.json -sigfile manifest.sig`.

mod archive;
mod key;
mod verify;

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use golive_gate::Report;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

pub use key::{EvidenceKey, EvidenceKeyError, Signer, SignerError};
pub use verify::{BundleProblem, BundleVerdict, verify_bundle};

use crate::journal::{Entry, Journal, JournalError};
use crate::rehearse::JOURNAL;

/// What a bundle holds, as it was signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct BundleManifest {
    /// The version of this list.
    pub schema_version: u32,
    /// The application that went live.
    pub application: String,
    /// The name of the run.
    pub run: String,
    /// What it came to: `go`, `no_go` or `inconclusive`.
    pub verdict: String,
    /// When it was judged.
    pub judged_at: DateTime<Utc>,
    /// When the bundle was made.
    pub made_at: DateTime<Utc>,
    /// The version of golive that made it.
    pub golive: String,
    /// Every file but the list itself, its signature and the signer's key, in the order of their names.
    pub files: Vec<BundledFile>,
}

/// One file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct BundledFile {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal digits.
    pub sha256: String,
}

/// Why there is no bundle of a run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BundleError {
    /// It has not come to its report, or went on after it.
    #[error(
        "bundle the run {run}: it goes on or was cut off; wait for its end, or take it up with `--resume`"
    )]
    NotEnded {
        /// The run.
        run: String,
    },
    /// A file could not be read.
    #[error("read {path}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file is larger than any that golive writes.
    #[error("bundle {path}: it is larger than {MOST_BYTES} bytes; keep it by other means", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The report is not one.
    #[error("understand the report {path}; it is damaged or of another version", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// The evidence of the run in this folder, signed.
///
/// # Errors
/// When the run has not come to its report, or one of its files cannot be read.
pub fn bundle(folder: &Path, key: &EvidenceKey, now: DateTime<Utc>) -> Result<Vec<u8>, BundleError> {
    let run = folder.file_name().and_then(|name| name.to_str()).unwrap_or("run").to_owned();
    let mut files = Vec::new();
    for name in FILES {
        if let Some(bytes) = read(&folder.join(name))? {
            files.push((name.to_owned(), bytes));
        }
    }
    let Some((_, text)) = files.iter().find(|(name, _)| name == REPORT) else {
        return Err(BundleError::NotEnded { run });
    };
    let report: Report = serde_json::from_slice(text)
        .map_err(|source| BundleError::Damaged { path: folder.join(REPORT), source })?;
    let heard = Journal::read(&folder.join(JOURNAL))?.iter().filter_map(Entry::at).max();
    if heard.is_some_and(|heard| heard > report.finished_at) {
        return Err(BundleError::NotEnded { run });
    }
    let manifest = BundleManifest {
        schema_version: 1,
        application: report.application.clone(),
        run,
        verdict: report.verdict.as_str().to_owned(),
        judged_at: report.finished_at,
        made_at: now,
        golive: env!("CARGO_PKG_VERSION").to_owned(),
        files: files.iter().map(|(name, bytes)| BundledFile::of(name, bytes)).collect(),
    };
    Ok(pack(&manifest, files, key))
}

fn pack(manifest: &BundleManifest, files: Vec<(String, Vec<u8>)>, key: &EvidenceKey) -> Vec<u8> {
    let mut manifest = serde_json::to_vec_pretty(manifest).expect("a manifest is plain data");
    manifest.push(b'\n');
    let signature = key.sign(&manifest);
    let head = [
        (MANIFEST.to_owned(), manifest),
        (SIGNATURE.to_owned(), signature),
        (SIGNER.to_owned(), key.signer().to_pem().into_bytes()),
    ];
    archive::write(head.iter().chain(&files))
}

impl BundledFile {
    fn of(name: &str, bytes: &[u8]) -> Self {
        Self { name: name.to_owned(), bytes: bytes.len() as u64, sha256: digest(bytes) }
    }
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, BundleError> {
    let file = |source| BundleError::File { path: path.to_owned(), source };
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file(error)),
        Ok(about) if about.len() > MOST_BYTES => Err(BundleError::TooLarge { path: path.to_owned() }),
        Ok(_) => std::fs::read(path).map(Some).map_err(file),
    }
}

/// What the key that signs is called in the folder that holds the runs, unless the operator names another.
pub const EVIDENCE_KEY: &str = "evidence.key";

const REPORT: &str = "report.json";
/// What is evidence, in the order of names. Nothing else of a run's folder leaves it: there are secrets beside it.
const FILES: [&str; 5] = [JOURNAL, "report.html", REPORT, "report.md", "report.xml"];
const MANIFEST: &str = "manifest.json";
const SIGNATURE: &str = "manifest.sig";
const SIGNER: &str = "signer.pem";
/// A journal of a go-live has some hundred lines.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

#[cfg(test)]
mod tests;
