//! The file being written, and when it makes room for the next. Single writer: the thread of the queue. What becomes of
//! a rotated file is in `archive`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, Utc};

use super::LogFile;
use super::archive::{self, Archive};
use super::queue::Output;
use crate::clock;

/// How often the file is looked for under its name: somebody else may have moved or deleted it.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// A file that renames itself away when it is full or the day has changed.
pub(super) struct RollingFile {
    options: LogFile,
    file: File,
    bytes: u64,
    day: NaiveDate,
    newest: Option<String>,
    looked: Instant,
    archive: Archive,
}

impl RollingFile {
    pub(super) fn open(options: LogFile) -> io::Result<Self> {
        if let Some(directory) = options.path.parent().filter(|path| !path.as_os_str().is_empty()) {
            fs::create_dir_all(directory)?;
        }
        let file = open_append(&options)?;
        let metadata = file.metadata()?;
        let today = clock::now().date_naive();
        let day = match metadata.modified() {
            Ok(modified) if metadata.len() > 0 => DateTime::<Utc>::from(modified).date_naive(),
            _ => today,
        };
        let newest = archive::rotated(&options.path)?.pop().map(|found| found.stamp);
        let archive = Archive::start(options.clone())?;
        let mut file =
            Self { options, file, bytes: metadata.len(), day, newest, looked: Instant::now(), archive };
        file.end_cut_line()?;
        Ok(file)
    }

    /// A process killed while it wrote leaves half a line; what follows must not be glued to it.
    fn end_cut_line(&mut self) -> io::Result<()> {
        use std::io::{Read, Seek, SeekFrom};
        if self.bytes == 0 {
            return Ok(());
        }
        let mut last = [0];
        let mut reader = File::open(&self.options.path)?;
        reader.seek(SeekFrom::End(-1))?;
        reader.read_exact(&mut last)?;
        if last != *b"\n" {
            self.file.write_all(b"\n")?;
            self.bytes += 1;
        }
        Ok(())
    }

    fn rotate(&mut self, now: DateTime<Utc>) -> io::Result<()> {
        // A device or a pipe is written to and otherwise left alone.
        if !self.file.metadata()?.is_file() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let stamp = next_stamp(now, self.newest.as_deref());
        fs::rename(&self.options.path, archive::name(&self.options.path, &stamp))?;
        self.newest = Some(stamp);
        self.file = open_append(&self.options)?;
        self.bytes = 0;
        self.archive.tidy();
        Ok(())
    }

    /// Opens the file anew where its name no longer leads to it.
    fn look(&mut self) -> io::Result<()> {
        if self.looked.elapsed() < LOOK_PAUSE {
            return Ok(());
        }
        self.looked = Instant::now();
        let is_same = match (fs::metadata(&self.options.path), self.file.metadata()) {
            (Ok(there), Ok(open)) => (there.ino(), there.dev()) == (open.ino(), open.dev()),
            _ => false,
        };
        if !is_same {
            self.file = open_append(&self.options)?;
            self.bytes = self.file.metadata()?.len();
        }
        Ok(())
    }

    /// Writes whole lines; a line that was cut by an error is taken back.
    fn append(&mut self, lines: &[u8]) -> (usize, io::Result<()>) {
        let mut written = 0;
        let outcome = loop {
            if written == lines.len() {
                break Ok(());
            }
            match self.file.write(&lines[written..]) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        let whole = match outcome {
            Ok(()) => written,
            Err(_) => lines[..written].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1),
        };
        if whole < written {
            let _ = self.file.set_len(self.bytes + whole as u64);
        }
        self.bytes += whole as u64;
        (whole, outcome)
    }
}

impl Output for RollingFile {
    fn write_lines(&mut self, lines: &[u8]) -> (usize, io::Result<()>) {
        // A name that cannot be looked up or a rotation that fails must not cost a line: it goes into the open file.
        let _ = self.look();
        let now = clock::now();
        if self.options.daily && self.bytes > 0 && now.date_naive() != self.day {
            let _ = self.rotate(now);
        }
        self.day = now.date_naive();
        let mut written = 0;
        while written < lines.len() {
            let fitting = fitting(&lines[written..], self.bytes, self.options.max_bytes);
            if fitting == 0 && self.rotate(now).is_ok() {
                continue;
            }
            let end = if fitting == 0 { lines.len() } else { written + fitting };
            let (count, outcome) = self.append(&lines[written..end]);
            written += count;
            if outcome.is_err() {
                return (written, outcome);
            }
        }
        (written, Ok(()))
    }
}

/// How many bytes of whole lines still go into a file of `bytes`; the first line always goes into an empty one.
fn fitting(lines: &[u8], bytes: u64, max_bytes: u64) -> usize {
    let room = usize::try_from(max_bytes.saturating_sub(bytes)).unwrap_or(usize::MAX);
    if lines.len() <= room {
        return lines.len();
    }
    if let Some(end) = lines[..room].iter().rposition(|byte| *byte == b'\n') {
        return end + 1;
    }
    match bytes {
        0 => lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |end| end + 1),
        _ => 0,
    }
}

/// A stamp after every earlier one, also when the clock was set back: order is what retention goes by.
fn next_stamp(now: DateTime<Utc>, newest: Option<&str>) -> String {
    let time = now.format("%Y%m%dT%H%M%S%.6f").to_string();
    match newest.and_then(|newest| newest.rsplit_once('-')) {
        Some((newest, number)) if newest >= time.as_str() => {
            format!("{newest}-{:06}", number.parse::<u32>().unwrap_or(0) + 1)
        }
        _ => format!("{time}-000000"),
    }
}

fn open_append(options: &LogFile) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o640).open(&options.path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::path::Path;

    fn options(path: &Path) -> LogFile {
        let mut options = LogFile::new(path);
        options.max_bytes = 100;
        options.keep_files = 100;
        options
    }

    fn whole(path: &Path) -> String {
        let mut text = String::new();
        for found in archive::rotated(path).unwrap() {
            let file = File::open(&found.path).unwrap();
            match found.is_compressed {
                true => flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap(),
                false => { file }.read_to_string(&mut text).unwrap(),
            };
        }
        text + &fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_full_file_rotates_without_losing_a_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.log");
        let mut file = RollingFile::open(options(&path)).unwrap();
        let expected: String = (0..100).map(|number| format!("line number {number}\n")).collect();
        for batch in expected.as_bytes().chunk_by(|byte, _| *byte != b'\n').collect::<Vec<_>>().chunks(7) {
            let batch = batch.concat();
            let (written, outcome) = file.write_lines(&batch);
            outcome.unwrap();
            assert_eq!(written, batch.len());
        }
        drop(file); // which waits for the archive
        assert_eq!(whole(&path), expected);
        let rotated = archive::rotated(&path).unwrap();
        assert!(rotated.len() > 10 && rotated.iter().all(|found| found.is_compressed), "{}", rotated.len());
        // The bytes that a file may have are kept to.
        assert!(fs::metadata(&path).unwrap().len() <= 100);
    }

    #[test]
    fn what_is_no_file_is_written_to_and_stays_where_it_is() {
        let directory = tempfile::tempdir().unwrap();
        // As images do that log to the output of their container.
        let path = directory.path().join("app.log");
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        let mut file = RollingFile::open(options(&path)).unwrap();
        let batch = "a line\n".repeat(100);
        for _ in 0..3 {
            let (written, outcome) = file.write_lines(batch.as_bytes());
            outcome.unwrap();
            assert_eq!(written, batch.len());
        }
        drop(file);
        assert_eq!(fs::read_link(&path).unwrap(), Path::new("/dev/null"));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_cut_line_stays_alone_and_a_moved_file_is_opened_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.log");
        fs::write(&path, "whole\n{\"cut").unwrap();
        let mut file = RollingFile::open(options(&path)).unwrap();
        file.write_lines(b"next\n").1.unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole\n{\"cut\nnext\n");
        fs::rename(&path, directory.path().join("moved")).unwrap();
        file.looked = Instant::now().checked_sub(LOOK_PAUSE).unwrap();
        file.write_lines(b"after\n").1.unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "after\n");
    }

    #[test]
    fn a_new_day_rotates_and_a_clock_set_back_keeps_the_order() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.log");
        let mut file = RollingFile::open(options(&path)).unwrap();
        file.write_lines(b"yesterday\n").1.unwrap();
        file.day = file.day.pred_opt().unwrap();
        file.write_lines(b"today\n").1.unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "today\n");

        let early: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
        let late = next_stamp(clock::now(), None);
        let after_jump = next_stamp(early, Some(&late));
        assert!(after_jump > late && next_stamp(early, Some(&after_jump)) > after_jump, "{after_jump}");
    }

    #[test]
    fn what_fits_is_whole_lines() {
        assert_eq!(fitting(b"ab\ncd\n", 0, 100), 6);
        assert_eq!(fitting(b"ab\ncd\n", 0, 5), 3);
        assert_eq!(fitting(b"ab\ncd\n", 3, 5), 0);
        assert_eq!(fitting(b"long line\ncd\n", 0, 5), 10, "a line longer than the file goes in alone");
        assert_eq!(fitting(b"x\n", 200, 100), 0);
    }
}
