//! Holds a bundle against the key of whom it is said to be of. Needs nothing but the two.
//!
//! Not here: making one.

use std::fmt;

use golive_gate::Report;
use serde::Serialize;

use super::key::Signer;
use super::{BundleManifest, MANIFEST, REPORT, SIGNATURE, SIGNER, archive, digest};

/// What was found.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct BundleVerdict {
    /// What the bundle says it holds; to be believed only where there is no problem.
    pub manifest: Option<BundleManifest>,
    /// Whose key the bundle names.
    pub signer: Option<String>,
    /// What is wrong; nothing where the bundle is as it was signed.
    pub problems: Vec<BundleProblem>,
}

impl BundleVerdict {
    /// Whether it is, byte for byte, what the holder of the key signed.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.problems.is_empty()
    }
}

/// What is wrong with a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "problem", rename_all = "snake_case")]
#[non_exhaustive]
pub enum BundleProblem {
    /// It is no archive of plain files.
    Unreadable {
        /// Why.
        why: String,
    },
    /// Somebody else signed it.
    ForeignSigner {
        /// Whose key it is signed with.
        signer: String,
    },
    /// The list of files is not what was signed.
    ListChanged,
    /// The signer's key, as it lies in the bundle, is not the key.
    SignerChanged,
    /// A file is not what was signed.
    Changed {
        /// Which.
        file: String,
    },
    /// A file that was signed is not there.
    Missing {
        /// Which.
        file: String,
    },
    /// A file is there that was not signed.
    Added {
        /// Which.
        file: String,
    },
    /// The files are whole, and the archive around them is not as it was made.
    FrameChanged,
    /// The list says something else than the report that it lists.
    ReportDiffers,
}

impl fmt::Display for BundleProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { why } => write!(f, "it is no bundle, or was damaged: {why}"),
            Self::ForeignSigner { signer } => {
                write!(f, "it is signed by {signer}, which is not the key it was held against")
            }
            Self::ListChanged => write!(f, "{MANIFEST} is not what was signed"),
            Self::SignerChanged => write!(f, "{SIGNER} is not the key that signed"),
            Self::Changed { file } => write!(f, "{file} was changed"),
            Self::Missing { file } => write!(f, "{file} was taken out"),
            Self::Added { file } => write!(f, "{file} was put in"),
            Self::FrameChanged => f.write_str("the archive around the files was changed"),
            Self::ReportDiffers => write!(f, "{MANIFEST} says something else than {REPORT}"),
        }
    }
}

/// Holds a bundle against the key that it should be signed with.
#[must_use]
pub fn verify_bundle(bytes: &[u8], expected: &Signer) -> BundleVerdict {
    let mut verdict = BundleVerdict { manifest: None, signer: None, problems: Vec::new() };
    let files = match archive::read(bytes) {
        Ok(files) => files,
        Err(why) => {
            verdict.problems.push(BundleProblem::Unreadable { why });
            return verdict;
        }
    };
    let file = |name: &str| files.iter().find(|(known, _)| known == name).map(|(_, bytes)| bytes.as_slice());
    signed_by(&file, expected, &mut verdict);
    if let Some(manifest) = &verdict.manifest {
        verdict.problems.extend(differences(manifest, &files));
        if !says_what_the_report_does(manifest, file(REPORT)) {
            verdict.problems.push(BundleProblem::ReportDiffers);
        }
    }
    let is_in_order = verdict.manifest.as_ref().is_some_and(|manifest| {
        let listed = manifest.files.iter().map(|listed| listed.name.as_str());
        files
            .iter()
            .map(|(name, _)| name.as_str())
            .eq([MANIFEST, SIGNATURE, SIGNER].into_iter().chain(listed))
    });
    if verdict.problems.is_empty() && !(is_in_order && archive::write(&files) == bytes) {
        verdict.problems.push(BundleProblem::FrameChanged);
    }
    verdict
}

/// Is the list signed, and by whom.
fn signed_by<'f>(file: &impl Fn(&str) -> Option<&'f [u8]>, expected: &Signer, verdict: &mut BundleVerdict) {
    let named = file(SIGNER).and_then(|pem| std::str::from_utf8(pem).ok()?.parse::<Signer>().ok());
    verdict.signer = named.map(|signer| signer.to_string());
    let list = file(MANIFEST);
    verdict.manifest = list.and_then(|list| serde_json::from_slice(list).ok());
    let (Some(list), Some(signature)) = (list, file(SIGNATURE)) else {
        let gone = if list.is_none() { MANIFEST } else { SIGNATURE };
        verdict.problems.push(BundleProblem::Missing { file: gone.to_owned() });
        return;
    };
    let is_theirs = expected.signed(list, signature);
    match named {
        Some(named) if !is_theirs && named != *expected && named.signed(list, signature) => {
            verdict.problems.push(BundleProblem::ForeignSigner { signer: named.to_string() });
        }
        _ if !is_theirs => verdict.problems.push(BundleProblem::ListChanged),
        _ if verdict.manifest.is_none() => verdict.problems.push(BundleProblem::ListChanged),
        _ => {}
    }
    match file(SIGNER) {
        None => verdict.problems.push(BundleProblem::Missing { file: SIGNER.to_owned() }),
        Some(pem) if is_theirs && pem != expected.to_pem().as_bytes() => {
            verdict.problems.push(BundleProblem::SignerChanged);
        }
        Some(_) => {}
    }
}

fn differences(manifest: &BundleManifest, files: &[(String, Vec<u8>)]) -> Vec<BundleProblem> {
    let mut problems = Vec::new();
    for listed in &manifest.files {
        let file = listed.name.clone();
        match files.iter().find(|(name, _)| *name == file) {
            None => problems.push(BundleProblem::Missing { file }),
            Some((_, bytes)) if bytes.len() as u64 != listed.bytes || digest(bytes) != listed.sha256 => {
                problems.push(BundleProblem::Changed { file });
            }
            Some(_) => {}
        }
    }
    let own = [MANIFEST, SIGNATURE, SIGNER];
    let unlisted = files
        .iter()
        .filter(|(name, _)| !own.contains(&name.as_str()))
        .filter(|(name, _)| manifest.files.iter().all(|listed| listed.name != *name));
    problems.extend(unlisted.map(|(name, _)| BundleProblem::Added { file: name.escape_debug().to_string() }));
    problems
}

/// A file that is gone or changed is named by itself.
fn says_what_the_report_does(manifest: &BundleManifest, report: Option<&[u8]>) -> bool {
    let listed = manifest.files.iter().find(|listed| listed.name == REPORT);
    let Some(listed) = listed else { return false };
    let Some(bytes) = report.filter(|bytes| digest(bytes) == listed.sha256) else { return true };
    let Ok(report) = serde_json::from_slice::<Report>(bytes) else { return false };
    report.verdict.as_str() == manifest.verdict
        && report.finished_at == manifest.judged_at
        && report.application == manifest.application
}
