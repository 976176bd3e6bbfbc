//! `secret … --ring`: a key ring in a file that all instances follow. Secrets stay in the file.

use std::path::Path;
use std::time::Duration;

use golive_auth::{
    Cutover, KeyAlgorithm, KeyFile, KeyInfo, KeyRing, KeyRingFile, KeyState, RingFileError, SecretKey,
    WriteKeyFileError,
};
use serde_json::json;

use crate::args::Global;
use crate::clock;
use crate::commands::support::show;
use crate::exit::{End, Failure, Result};

/// How the keys of a ring sign.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum Algorithm {
    /// A shared secret: the fastest, for tokens that only this service reads.
    Hs256,
    /// Ed25519: others verify with the public key.
    Eddsa,
    /// ECDSA over P-256, for those who cannot verify Ed25519.
    Es256,
}

impl From<Algorithm> for KeyAlgorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Hs256 => Self::Hs256,
            Algorithm::Eddsa => Self::EdDsa,
            Algorithm::Es256 => Self::Es256,
        }
    }
}

/// What `rotate` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct RotateArgs {
    #[command(flatten)]
    place: RotatePlace,
    #[command(flatten)]
    how: How,
    /// How the staged key signs; as the active one unless given.
    #[arg(long, requires = "stage")]
    algorithm: Option<Algorithm>,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct RotatePlace {
    /// A key ring; running instances follow its file within two seconds.
    #[arg(long, value_name = "FILE")]
    ring: Option<std::path::PathBuf>,
    /// A file with one key alone; the application must be restarted with the new one.
    #[arg(long, value_name = "FILE")]
    file: Option<std::path::PathBuf>,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct How {
    /// Refuse every token signed so far: at a go-live, and after a leak. Everybody logs in again.
    #[arg(long)]
    immediate: bool,
    /// Go on accepting the old key's tokens for so long: at least the life of a refresh token.
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u32).range(1..=527_040))]
    overlap: Option<u32>,
    /// Only make and publish the key that the next rotation uses, for those who fetch public keys beforehand.
    #[arg(long, conflicts_with = "file")]
    stage: bool,
    /// Refuse the tokens of one key that does not sign any more.
    #[arg(long, value_name = "KEY", conflicts_with = "file", allow_hyphen_values = true)]
    revoke: Option<String>,
}

pub(super) fn generate(global: &Global, path: &Path, algorithm: KeyAlgorithm) -> Result {
    let ring = KeyRing::generate(algorithm, clock::now());
    KeyRingFile::at(path).create(&ring).map_err(refused)?;
    show(global, &json!({ "ring": path, "keys": ring.keys() }), || {
        format!("a key ring is in {} (0600)\n{}", path.display(), lines(&ring.keys()))
    });
    Ok(End::Ready)
}

pub(super) fn rotate(global: &Global, args: &RotateArgs) -> Result {
    match (&args.place.ring, &args.place.file) {
        (Some(path), _) => change(global, path, args),
        (None, Some(path)) => replace(global, path, args),
        (None, None) => unreachable!("the group demands one of the two"),
    }
}

fn change(global: &Global, path: &Path, args: &RotateArgs) -> Result {
    let file = KeyRingFile::at(path);
    let now = clock::now();
    let changed = file.change(|ring| {
        let done = if args.how.stage {
            let active = ring.keys().into_iter().find(|key| key.state == KeyState::Active);
            let algorithm = args.algorithm.map(KeyAlgorithm::from).or(active.map(|key| key.algorithm));
            let staged = ring.stage(algorithm.unwrap_or(KeyAlgorithm::Hs256), now);
            Ok(format!("{} signs after the next rotation", staged.id))
        } else if let Some(id) = &args.how.revoke {
            ring.revoke(id).map(|()| format!("{id} is refused"))
        } else {
            let cutover = match args.how.overlap {
                Some(minutes) => Cutover::Overlap(Duration::from_secs(u64::from(minutes) * 60)),
                None => Cutover::Immediate,
            };
            let rotated = ring.rotate(cutover, now);
            Ok(match rotated.previous_until {
                Some(until) => {
                    format!("{} signs; {} is accepted until {until}", rotated.active, rotated.previous)
                }
                None => format!("{} signs; every token signed before is refused", rotated.active),
            })
        };
        done.map(|said| (said, ring.keys()))
    });
    let (said, keys) = changed.map_err(refused)?.map_err(Failure::usage)?;
    show(global, &json!({ "ring": path, "done": said, "keys": keys }), || {
        format!("{said}\n{}\nrunning instances follow within two seconds", lines(&keys))
    });
    Ok(End::Ready)
}

/// A file with one key holds no second one, so that its tokens cannot overlap.
fn replace(global: &Global, path: &Path, args: &RotateArgs) -> Result {
    if !args.how.immediate {
        return Err(Failure::usage(format!(
            "rotate {} with an overlap: it holds one key; give --immediate, or move to a key ring with `golive secret generate --ring FILE`",
            path.display()
        )));
    }
    let old = std::fs::read_to_string(path).map_err(Failure::reach)?;
    // Whatever else the file is, it is not overwritten.
    SecretKey::parse(old.trim_end()).map_err(|error| {
        Failure::usage(format!(
            "replace {}: it holds no key alone (golive does not {})",
            path.display(),
            golive::error_chain(&error)
        ))
    })?;
    let key = SecretKey::generate();
    KeyFile::replace_key(path, &key).map_err(Failure::reach)?;
    show(global, &json!({ "file": path, "fingerprint": key.fingerprint() }), || {
        format!(
            "a new key is in {} (0600), fingerprint {}; restart every instance with it, and all old tokens end",
            path.display(),
            key.fingerprint()
        )
    });
    Ok(End::Ready)
}

pub(super) fn check(global: &Global, path: &Path) -> Result {
    let ring = match KeyRingFile::at(path).load() {
        Ok(ring) => ring,
        Err(error @ RingFileError::Read { .. }) => return Err(Failure::reach(error)),
        Err(error) => {
            let reason = golive::error_chain(&error);
            show(global, &json!({ "ring": path, "accepted": false, "reason": reason }), || {
                format!("the key ring must not be used: golive does not {reason}")
            });
            return Ok(End::NotReady);
        }
    };
    let now = clock::now();
    let value = json!({ "ring": path, "accepted": true, "keys": ring.keys(), "jwks": ring.jwks(now) });
    show(global, &value, || format!("the key ring in {} is good\n{}", path.display(), lines(&ring.keys())));
    Ok(End::Ready)
}

fn lines(keys: &[KeyInfo]) -> String {
    let line = |key: &KeyInfo| {
        let state = match key.state {
            KeyState::Next => "next".to_owned(),
            KeyState::Active => "active".to_owned(),
            KeyState::Retiring { until } => format!("retiring until {until}"),
            KeyState::Revoked => "revoked".to_owned(),
            _ => "in a state not known here".to_owned(),
        };
        format!("  {} {} {state}", key.id, key.algorithm.name())
    };
    keys.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn refused(error: RingFileError) -> Failure {
    match error {
        RingFileError::Write { source: WriteKeyFileError::Exists { .. }, .. }
        | RingFileError::NotPrivate { .. }
        | RingFileError::Invalid { .. } => Failure::usage(error),
        _ => Failure::reach(error),
    }
}
