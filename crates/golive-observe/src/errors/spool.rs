//! Error reports that wait on disk while the endpoint is away: one private file each, bounded in bytes and age. They come
//! scrubbed. Which is sent when is decided in `delivery`.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::clock;

/// All reports together, and how old one may become: an error of last week is nobody's any more.
const MOST_BYTES: u64 = 64 << 20;
const LONGEST_AGE: Duration = Duration::from_secs(7 * 24 * 3600);

const ENDING: &str = ".envelope";

/// The directory with the reports, oldest first.
pub(crate) struct Spool {
    directory: PathBuf,
    most_bytes: u64,
    files: VecDeque<(PathBuf, u64)>,
    bytes: u64,
    written: u32,
}

impl Spool {
    /// Opens the directory, made when it is not there; what an earlier process left is part of it.
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let mut files = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let path = entry.path();
            if is_too_old(&path, clock::now()) {
                let _ = fs::remove_file(&path);
            } else if path.to_string_lossy().ends_with(ENDING) {
                files.push((path, entry.metadata()?.len()));
            }
        }
        files.sort();
        let bytes = files.iter().map(|(_, bytes)| bytes).sum();
        Ok(Self {
            directory: directory.to_owned(),
            most_bytes: MOST_BYTES,
            files: files.into(),
            bytes,
            written: 0,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Keeps one report, whole or not at all; says how many older ones had to go for it.
    pub(super) fn put(&mut self, envelope: &[u8]) -> io::Result<usize> {
        let mut dropped = 0;
        while self.bytes + envelope.len() as u64 > self.most_bytes {
            let Some((oldest, _)) = self.files.front().cloned() else { break };
            self.remove(&oldest);
            dropped += 1;
        }
        self.written += 1;
        let stamp = clock::now().timestamp_millis();
        let name = format!("{stamp:014}-{}-{:06}", std::process::id(), self.written);
        let (partial, path) =
            (self.directory.join(format!("{name}.tmp")), self.directory.join(format!("{name}{ENDING}")));
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&partial)?;
        let written = file.write_all(envelope).and_then(|()| fs::rename(&partial, &path));
        if let Err(error) = written {
            let _ = fs::remove_file(&partial);
            return Err(error);
        }
        self.bytes += envelope.len() as u64;
        self.files.push_back((path, envelope.len() as u64));
        Ok(dropped)
    }

    /// The oldest report that can be read and is not too old.
    pub(super) fn oldest(&mut self) -> Option<(PathBuf, Vec<u8>)> {
        loop {
            let (path, _) = self.files.front()?.clone();
            match fs::read(&path) {
                Ok(envelope) if !is_too_old(&path, clock::now()) => return Some((path, envelope)),
                _ => self.remove(&path),
            }
        }
    }

    pub(super) fn remove(&mut self, path: &Path) {
        let _ = fs::remove_file(path);
        if let Some(index) = self.files.iter().position(|(known, _)| known == path)
            && let Some((_, bytes)) = self.files.remove(index)
        {
            self.bytes -= bytes;
        }
    }
}

/// By the stamp in its name; a stamp in the future is no age.
fn is_too_old(path: &Path, now: DateTime<Utc>) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stamp = name.split('-').next().and_then(|stamp| stamp.parse::<i64>().ok());
    let age = stamp.map(|stamp| now.timestamp_millis().saturating_sub(stamp));
    age.is_some_and(|age| age > LONGEST_AGE.as_millis() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn it_is_private_bounded_in_order_and_outlives_the_process() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("spool");
        let mut spool = Spool::open(&path).unwrap();
        spool.most_bytes = 30;
        for number in 0..5 {
            let dropped = spool.put(format!("report {number}..").as_bytes()).unwrap();
            assert_eq!(dropped, usize::from(number > 2), "{number}");
        }
        let modes: Vec<u32> = fs::read_dir(&path)
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().permissions().mode() & 0o777)
            .collect();
        assert_eq!(modes, [0o600; 3]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);

        let mut again = Spool::open(&path).unwrap();
        for number in 2..5 {
            let (path, envelope) = again.oldest().unwrap();
            assert_eq!(envelope, format!("report {number}..").as_bytes());
            again.remove(&path);
        }
        assert!(again.is_empty() && again.bytes == 0 && again.oldest().is_none());
    }

    #[test]
    fn what_is_too_old_is_not_sent() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("00001760000000-1-000001.envelope"), "old").unwrap();
        fs::write(directory.path().join("99991760000000-1-000001.envelope"), "future").unwrap();
        let mut spool = Spool::open(directory.path()).unwrap();
        assert_eq!(spool.oldest().unwrap().1, b"future");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
