//! Reads a stored backup again, every byte, and says what is damaged. Whether it can be *restored* only a restore
//! shows; see [`crate::compare`].

use std::io::{self, Read};
use std::time::Instant;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::create::{DUMP_PART, ends_with_marker};
use crate::manifest::{BackupId, Manifest, Part};
use crate::pipeline::{BUFFER_BYTES, hash_file, open_part};
use crate::progress::{Progress, Stage};
use crate::remote::is_out_of_reach;
use crate::repository::{Proof, ProofLevel, Repository, RepositoryError};
use crate::sealing::Key;
use crate::shelf::Shelf;

/// How deep to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Depth {
    /// Read every stored byte and compare digests; needs no key.
    Bytes,
    /// Also decrypt, decompress and compare the plain bytes; needs the key.
    Contents,
}

/// What is wrong with one part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Damage {
    /// The file.
    pub part: String,
    /// What is wrong with it.
    pub what: String,
}

/// The result of a verification.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Verification {
    /// Which backup.
    pub id: BackupId,
    /// When.
    pub at: DateTime<Utc>,
    /// How deep.
    pub depth: Depth,
    /// Stored bytes read.
    pub bytes: u64,
    /// How long it took.
    pub seconds: f64,
    /// What is damaged; empty when all is well.
    pub damage: Vec<Damage>,
}

impl Verification {
    /// Whether nothing is damaged.
    pub fn passed(&self) -> bool {
        self.damage.is_empty()
    }
}

/// Why a backup could not be looked at. A damaged backup is no error but a [`Verification`] that did not pass.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The repository, the manifest or the key.
    #[error("verify the backup")]
    Repository(#[from] RepositoryError),
}

/// Verifies a backup and records the outcome beside it.
///
/// # Errors
/// When there is no such backup, or the key for [`Depth::Contents`] is not here.
pub async fn verify_backup(
    repository: &Repository,
    id: &BackupId,
    depth: Depth,
    now: DateTime<Utc>,
    progress: &Progress,
) -> Result<Verification, VerifyError> {
    let (repository, id, progress) = (repository.clone(), id.clone(), progress.clone());
    tokio::task::spawn_blocking(move || verify(&repository, &id, depth, now, &progress))
        .await
        .expect("verifying does not panic")
}

fn verify(
    repository: &Repository,
    id: &BackupId,
    depth: Depth,
    now: DateTime<Utc>,
    progress: &Progress,
) -> Result<Verification, VerifyError> {
    let began = Instant::now();
    let manifest = repository.find(id)?;
    let key = match depth {
        Depth::Bytes => None,
        Depth::Contents => Some(repository.keys().identity.as_ref().ok_or(RepositoryError::NoIdentity)?),
    };
    let mut damage = Vec::new();
    for part in &manifest.parts {
        match look_at(&repository.shelf(id), part, key, &manifest, progress) {
            Ok(()) => {}
            Err(Trouble::Damaged(what)) => damage.push(Damage { part: part.name.clone(), what }),
            // Nothing was learnt about the backup, so nothing is recorded of it.
            Err(Trouble::OutOfReach(source)) => {
                let path = repository.shelf(id).shown(&part.name);
                return Err(RepositoryError::File { doing: "read", path, source }.into());
            }
        }
    }
    let verification = Verification {
        id: id.clone(),
        at: now,
        depth,
        bytes: manifest.stored_bytes(),
        seconds: began.elapsed().as_secs_f64(),
        damage,
    };
    let level = if depth == Depth::Bytes { ProofLevel::Bytes } else { ProofLevel::Contents };
    let detail = match verification.damage.first() {
        None => format!("{} bytes read and equal", verification.bytes),
        Some(damage) => format!("{}: {}", damage.part, damage.what),
    };
    repository.record(id, &Proof::new(now, level, verification.passed(), detail))?;
    Ok(verification)
}

/// Why a part is not known to be good.
enum Trouble {
    Damaged(String),
    OutOfReach(io::Error),
}

impl Trouble {
    fn of(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |error| match is_out_of_reach(&error) {
            true => Self::OutOfReach(error),
            false => Self::Damaged(format!("{what}: {error}")),
        }
    }
}

/// Reads one part; the error is a sentence about what keeps it from being used.
pub(crate) fn check_part(
    shelf: &Shelf,
    part: &Part,
    key: Option<&Key>,
    manifest: &Manifest,
    progress: &Progress,
) -> Result<(), String> {
    look_at(shelf, part, key, manifest, progress).map_err(|trouble| match trouble {
        Trouble::Damaged(what) => what,
        Trouble::OutOfReach(error) => format!("cannot be read: {error}"),
    })
}

fn look_at(
    shelf: &Shelf,
    part: &Part,
    key: Option<&Key>,
    manifest: &Manifest,
    progress: &Progress,
) -> Result<(), Trouble> {
    let total = Some(manifest.stored_bytes());
    let (bytes, digest) =
        hash_file(shelf, &part.name, |bytes| progress.bytes(Stage::Verifying, bytes, total))
            .map_err(Trouble::of("cannot be read"))?;
    let damaged = |what: &str| Err(Trouble::Damaged(what.to_owned()));
    if bytes != part.bytes {
        return damaged(&format!("holds {bytes} bytes, {} were written", part.bytes));
    }
    if digest != part.blake3 {
        return damaged("its BLAKE3 differs: at least one byte changed since it was written");
    }
    let Some(key) = key else { return Ok(()) };
    let (plain_bytes, plain_digest, tail) =
        read_plain(shelf, &part.name, key).map_err(Trouble::of("cannot be opened"))?;
    if (plain_bytes, &plain_digest) != (part.plain_bytes, &part.plain_blake3) {
        return damaged(&format!("unpacks to {plain_bytes} bytes that differ from what was packed"));
    }
    if part.name == DUMP_PART && !ends_with_marker(&tail) {
        return damaged("the dump in it is cut off: its end marker is missing");
    }
    Ok(())
}

fn read_plain(shelf: &Shelf, name: &str, key: &Key) -> io::Result<(u64, String, Vec<u8>)> {
    let mut reader = open_part(shelf, name, key)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut tail = Vec::new();
    loop {
        let read = reader.read(&mut buffer)?;
        if read == 0 {
            return Ok((reader.count(), reader.digest(), tail));
        }
        tail.extend_from_slice(&buffer[..read]);
        let surplus = tail.len().saturating_sub(256);
        tail.drain(..surplus);
    }
}
