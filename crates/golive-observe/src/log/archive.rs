//! What becomes of rotated log files: compressed, and deleted when there are too many, too old or too large ones. Runs in
//! a thread of its own; a crash at any point loses no line, because a file goes only after its compressed form is safe.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use chrono::{DateTime, NaiveDateTime, Utc};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::{LogFile, priority};
use crate::clock;

const COMPRESSED: &str = ".gz";
const PARTIAL: &str = ".gz.tmp";

/// How much of a file is read at once.
const READ_BYTES: usize = 128 * 1024;

/// The thread that looks after rotated files. Dropping it waits for the file that is being compressed.
pub(super) struct Archive {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Archive {
    /// Starts with what an earlier process left.
    pub(super) fn start(options: LogFile) -> io::Result<Self> {
        let (wake, woken) = sync_channel(1);
        let thread = thread::Builder::new()
            .name("golive-log-files".to_owned())
            .spawn(move || tidy_all(&options, &woken))?;
        let archive = Self { wake: Some(wake), thread: Some(thread) };
        archive.tidy();
        Ok(archive)
    }

    /// Asks for another look; one that is already asked for is enough.
    pub(super) fn tidy(&self) {
        if let Some(wake) = &self.wake {
            let _ = wake.try_send(());
        }
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn tidy_all(options: &LogFile, woken: &Receiver<()>) {
    // As long as requests leave no processor at all, files stay as they are; what is kept of them is bounded all the same.
    priority::only_when_idle();
    while woken.recv().is_ok() {
        let Ok(files) = rotated(&options.path) else { continue };
        for file in files.iter().filter(|file| options.compress && !file.is_compressed) {
            // What cannot be compressed, on a full disk, stays as it is.
            if compress(&file.path).is_err() {
                let _ = fs::remove_file(with_end(&file.path, PARTIAL));
            }
        }
        let Ok(files) = rotated(&options.path) else { continue };
        for file in doomed(&files, options, clock::now()) {
            let _ = fs::remove_file(&file.path);
        }
    }
}

/// A rotated file.
#[derive(Debug, Clone)]
pub(super) struct Rotated {
    pub(super) path: PathBuf,
    /// What orders it among the others.
    pub(super) stamp: String,
    pub(super) bytes: u64,
    pub(super) is_compressed: bool,
}

/// The rotated files beside `path`, oldest first.
pub(super) fn rotated(path: &Path) -> io::Result<Vec<Rotated>> {
    let directory = path.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let prefix = format!("{}.", path.file_name().unwrap_or_default().to_string_lossy());
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(rest) = name.strip_prefix(&prefix) else { continue };
        let stamp = rest.strip_suffix(COMPRESSED).unwrap_or(rest);
        // Only what this module named: an errors.jsonl or a file of somebody else's is not ours to delete.
        if moment(stamp).is_none() {
            continue;
        }
        found.push(Rotated {
            bytes: entry.metadata().map_or(0, |metadata| metadata.len()),
            stamp: stamp.to_owned(),
            is_compressed: rest.ends_with(COMPRESSED),
            path: entry.path(),
        });
    }
    found.sort_by(|one, other| one.stamp.cmp(&other.stamp));
    Ok(found)
}

/// The path of a rotated file.
pub(super) fn name(path: &Path, stamp: &str) -> PathBuf {
    with_end(path, &format!(".{stamp}"))
}

/// The files to delete, of those that are ordered oldest first.
fn doomed<'f>(files: &'f [Rotated], options: &LogFile, now: DateTime<Utc>) -> Vec<&'f Rotated> {
    let keep_for = chrono::Duration::from_std(options.keep_for).unwrap_or(chrono::Duration::MAX);
    let mut bytes = 0_u64;
    let newest_first = files.iter().rev().enumerate();
    let gone = newest_first.filter(|(index, file)| {
        bytes = bytes.saturating_add(file.bytes);
        // A stamp in the future is no age: only number and size count then.
        let is_old = moment(&file.stamp).is_some_and(|moment| now - moment > keep_for);
        *index >= options.keep_files || bytes > options.keep_bytes || is_old
    });
    gone.map(|(_, file)| file).collect()
}

fn moment(stamp: &str) -> Option<DateTime<Utc>> {
    let (time, number) = stamp.rsplit_once('-')?;
    number.parse::<u32>().ok()?;
    NaiveDateTime::parse_from_str(time, "%Y%m%dT%H%M%S%.f").ok().map(|time| time.and_utc())
}

/// The compressed form is on the disk, under its name, before the file goes.
fn compress(path: &Path) -> io::Result<()> {
    let partial = with_end(path, PARTIAL);
    let mut source = BufReader::with_capacity(READ_BYTES, File::open(path)?);
    let target = File::create(&partial)?;
    target.set_permissions(source.get_ref().metadata()?.permissions())?;
    let mut encoder = GzEncoder::new(target, Compression::fast());
    io::copy(&mut source, &mut encoder)?;
    encoder.finish()?.sync_all()?;
    fs::rename(&partial, with_end(path, COMPRESSED))?;
    fs::remove_file(path)
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn file(stamp: &str, bytes: u64) -> Rotated {
        Rotated { path: PathBuf::from(stamp), stamp: stamp.to_owned(), bytes, is_compressed: true }
    }

    #[test]
    fn number_age_and_size_are_bounded_each() {
        let now: DateTime<Utc> = "2026-03-31T00:00:00Z".parse().unwrap();
        let files = [
            file("20260101T000000.000000-000000", 10),
            file("20260320T000000.000000-000000", 10),
            file("20260330T000000.000000-000000", 10),
            file("20991231T000000.000000-000000", 10),
        ];
        let gone = |change: &dyn Fn(&mut LogFile)| {
            let mut options = LogFile::new("app.log");
            options.keep_for = Duration::from_secs(u32::MAX.into());
            change(&mut options);
            doomed(&files, &options, now).len()
        };
        assert_eq!(gone(&|_| {}), 0);
        assert_eq!(gone(&|options| options.keep_files = 1), 3);
        assert_eq!(gone(&|options| options.keep_bytes = 25), 2);
        assert_eq!(gone(&|options| options.keep_for = Duration::from_secs(30 * 86_400)), 1);
        assert_eq!(gone(&|options| options.keep_for = Duration::ZERO), 3, "a future stamp has no age");
    }

    #[test]
    fn only_own_files_are_touched_and_a_crash_while_compressing_loses_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.log");
        let left = name(&path, "20260101T000000.000000-000000");
        fs::write(&left, "a line\n").unwrap();
        fs::write(with_end(&left, PARTIAL), "half").unwrap();
        let others = ["app.log.2fa", "app.log.1", "errors.jsonl", "app.log.2026"];
        others.iter().for_each(|other| fs::write(directory.path().join(other), "x").unwrap());
        let mut options = LogFile::new(&path);
        options.keep_for = Duration::from_secs(u32::MAX.into());
        drop(Archive::start(options).unwrap());
        let found = rotated(&path).unwrap();
        assert_eq!((found.len(), found[0].is_compressed), (1, true));
        assert!(!left.exists() && !with_end(&left, PARTIAL).exists());
        assert!(others.iter().all(|other| directory.path().join(other).exists()));
    }
}
