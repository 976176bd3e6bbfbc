//! `report bundle`, `report verify` and `report key`: the evidence of a run as one signed file, and holding such a file against a key.
//!
//! Not here: what a bundle is (golive).

use std::path::{Path, PathBuf};

use golive::{BundleProblem, BundleVerdict, EvidenceKey, Signer};
use serde_json::json;

use crate::args::Global;
use crate::commands::support::show;
use crate::exit::{End, Failure, Result};
use crate::{clock, commands};

/// What becomes of the evidence.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Write the evidence of a run as one signed file.
    #[command(after_help = BUNDLE_EXAMPLES)]
    Bundle(BundleArgs),
    /// Hold a bundle of evidence against the key of whoever signed it; offline.
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(VerifyArgs),
    /// Print the public key that bundles of this folder are held against; makes the key pair where there is none.
    Key(KeyArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct BundleArgs {
    /// The file to write; `golive-RUN.tar` unless given.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The run, by its name; the newest that ended unless given.
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    #[command(flatten)]
    key: KeyArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    /// The bundle.
    file: PathBuf,
    /// Whose signature it should bear: `ed25519:…` as `golive report key` prints it, or a file with a public key in PEM. The key of this
    /// folder unless given.
    #[arg(long, value_name = "KEY")]
    signer: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct KeyArgs {
    /// The Ed25519 key that signs, PEM; `evidence.key` in the folder of runs unless given, and made there the first time.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

const BUNDLE_EXAMPLES: &str = "\
Examples:
  golive report key                       what to give to whoever is to believe the evidence, once
  golive report bundle -o evidence.tar    report, journal, their digests, and the signature

Without golive: tar xf evidence.tar
  openssl pkeyutl -verify -pubin -inkey signer.pem -rawin -in manifest.json -sigfile manifest.sig";
const VERIFY_EXAMPLES: &str = "\
Examples:
  golive report verify evidence.tar --signer ed25519:…    exit code 0: byte for byte what was signed
  golive report verify evidence.tar --signer theirs.pem   exit code 10: what was changed, by name";

pub(crate) fn run(global: &Global, command: &Command) -> Result {
    match command {
        Command::Bundle(args) => bundle(global, args),
        Command::Verify(args) => verify(global, args),
        Command::Key(args) => {
            let signer = key(global, args)?.signer();
            let value = json!({ "signer": signer.to_string(), "pem": signer.to_pem() });
            show(global, &value, || signer.to_string());
            Ok(End::Ready)
        }
    }
}

fn bundle(global: &Global, args: &BundleArgs) -> Result {
    let folder = match &args.run {
        Some(run) => named(global, run)?,
        None => super::newest(global)?.1,
    };
    let key = key(global, &args.key)?;
    let bytes = golive::bundle(&folder, &key, clock::now()).map_err(failure)?;
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let path = args.output.clone().unwrap_or_else(|| format!("golive-{name}.tar").into());
    golive::write_private(&path, &bytes).map_err(Failure::reach)?;
    let signer = key.signer().to_string();
    let value = json!({ "file": path, "run": name, "bytes": bytes.len(), "signer": signer });
    show(global, &value, || {
        format!("{} holds the evidence of run {name}, signed by\n{signer}", path.display())
    });
    Ok(End::Ready)
}

/// A run by its name, which is one word and never a path.
fn named(global: &Global, run: &str) -> std::result::Result<PathBuf, Failure> {
    let config = commands::config_or_nothing(global)?;
    let base = commands::runs(global, &config);
    let is_name = !run.is_empty() && !run.starts_with('.') && !run.contains(['/', '\\']);
    let folders = ["runs", "rehearsals"].map(|kind| base.join(kind).join(run));
    folders.into_iter().find(|folder| is_name && folder.is_dir()).ok_or_else(|| {
        Failure::usage(format!("find the run `{}`; `golive status` names the newest", run.escape_debug()))
    })
}

fn key(global: &Global, args: &KeyArgs) -> std::result::Result<EvidenceKey, Failure> {
    match &args.key {
        Some(path) => EvidenceKey::read(path).map_err(key_failure),
        None => EvidenceKey::read_or_make(&own_key(global)?).map_err(key_failure),
    }
}

fn key_failure(error: golive::EvidenceKeyError) -> Failure {
    match error {
        golive::EvidenceKeyError::NoKey { .. } | golive::EvidenceKeyError::Permissions { .. } => {
            Failure::usage(error)
        }
        error => Failure::reach(error),
    }
}

fn own_key(global: &Global) -> std::result::Result<PathBuf, Failure> {
    let config = commands::config_or_nothing(global)?;
    let base = commands::runs(global, &config);
    std::fs::create_dir_all(&base).map_err(Failure::reach)?;
    Ok(base.join(golive::EVIDENCE_KEY))
}

fn verify(global: &Global, args: &VerifyArgs) -> Result {
    let about = std::fs::metadata(&args.file);
    let read = about.and_then(|about| match about.len() {
        0..=MOST_BYTES => std::fs::read(&args.file),
        _ => Err(std::io::Error::other("it is larger than any bundle")),
    });
    let bytes = read.map_err(|error| Failure::reach(format!("read {}: {error}", args.file.display())))?;
    let signer = signer(global, args.signer.as_deref())?;
    let verdict = golive::verify_bundle(&bytes, &signer);
    let mut value = serde_json::to_value(&verdict).expect("a verdict is plain data");
    value["whole"] = verdict.is_whole().into();
    value["held_against"] = signer.to_string().into();
    show(global, &value, || text(&args.file, &verdict, &signer));
    Ok(if verdict.is_whole() { End::Ready } else { End::NotReady })
}

/// Nobody is believed because the bundle names them.
fn signer(global: &Global, given: Option<&str>) -> std::result::Result<Signer, Failure> {
    let Some(given) = given else {
        let config = commands::config_or_nothing(global)?;
        let own = commands::runs(global, &config).join(golive::EVIDENCE_KEY);
        if !own.exists() {
            return Err(Failure::usage(
                "know whose signature to look for; give --signer with the key that they told you by another way than with the bundle",
            ));
        }
        return EvidenceKey::read(&own).map(|key| key.signer()).map_err(key_failure);
    };
    if given.starts_with("ed25519:") {
        return given.parse().map_err(Failure::usage);
    }
    let text = std::fs::read_to_string(given);
    let text = text.map_err(|error| Failure::reach(format!("read the signer's key {given}: {error}")))?;
    text.parse().map_err(Failure::usage)
}

fn text(path: &Path, verdict: &BundleVerdict, signer: &Signer) -> String {
    let mut lines = Vec::new();
    match (&verdict.manifest, verdict.is_whole()) {
        (Some(manifest), true) => {
            lines.push(format!("{} is whole: byte for byte what {signer} signed", path.display()));
            lines.push(format!(
                "{} · run {} · {} · judged {}",
                manifest.application.escape_debug(),
                manifest.run.escape_debug(),
                manifest.verdict.escape_debug(),
                manifest.judged_at.format("%F %T UTC")
            ));
            lines.extend(
                manifest.files.iter().map(|file| format!("  ✓ {:<14} {:>9} bytes", file.name, file.bytes)),
            );
        }
        _ => {
            lines.push(format!("{} is not to be believed", path.display()));
            let problem = |problem: &BundleProblem| format!("  ✗ {problem}");
            lines.extend(verdict.problems.iter().map(problem));
        }
    }
    lines.join("\n")
}

fn failure(error: golive::BundleError) -> Failure {
    match error {
        golive::BundleError::NotEnded { .. } => Failure::Busy(Box::new(error)),
        error => Failure::reach(error),
    }
}

/// Five files, none larger than golive bundles.
const MOST_BYTES: u64 = 512 * 1024 * 1024;
