//! Bytes on their way into and out of a stored part: count, hash, compress, encrypt, in one pass and bounded memory.
//! What the bytes mean is not known here.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use age::stream::{StreamReader, StreamWriter};

use crate::manifest::Part;
use crate::sealing::{self, Key, Recipient};
use crate::shelf::{Reading, Shelf, Stored};

/// Level 1 costs least and was never worse than 3 on production rows.
const COMPRESSION_LEVEL: i32 = 1;
/// Buffer of every copy loop.
pub(crate) const BUFFER_BYTES: usize = 256 * 1024;
/// Largest window a stored part may ask for when it is opened: 128 MiB.
const WINDOW_LOG_MAX: u32 = 27;

/// Counts and hashes what passes.
pub(crate) struct Hashing<T> {
    inner: T,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl<T> Hashing<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self { inner, hasher: blake3::Hasher::new(), bytes: 0 }
    }

    pub(crate) fn count(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn digest(&self) -> String {
        self.hasher.finalize().to_hex().to_string()
    }

    fn take(&mut self, seen: &[u8]) {
        self.hasher.update(seen);
        self.bytes += seen.len() as u64;
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buffer)?;
        self.take(&buffer[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.take(&buffer[..read]);
        Ok(read)
    }
}

/// How much a program may have said that nobody has read yet: as much as an ordinary user may ask Linux for.
#[cfg(target_os = "linux")]
const PIPE_BYTES: usize = 1024 * 1024;
/// How long it is left to say more.
const GATHERING: Duration = Duration::from_millis(1);

/// What a program says, taken in large pieces. Programs write 4 KiB at a time, and a reader that waits for each costs both
/// a switch of processes every time; so it looks again after a moment, where the pipe has room for what is said meanwhile.
pub(crate) struct Gathering<R> {
    pipe: R,
    is_roomy: bool,
}

impl Gathering<File> {
    pub(crate) fn new(pipe: impl Into<File>) -> Self {
        let pipe = pipe.into();
        #[cfg(target_os = "linux")]
        let is_roomy =
            rustix::pipe::fcntl_setpipe_size(&pipe, PIPE_BYTES).is_ok_and(|room| room >= PIPE_BYTES);
        #[cfg(not(target_os = "linux"))]
        let is_roomy = false;
        Self { pipe, is_roomy }
    }
}

impl<R: Read> Gathering<R> {
    /// Fills the buffer; less only at the end.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.pipe.read(&mut buffer[filled..])? {
                0 => break,
                read => filled += read,
            }
            if self.is_roomy && filled < buffer.len() {
                std::thread::sleep(GATHERING);
            }
        }
        Ok(filled)
    }

    /// What is there, as soon as anything is.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.pipe.read(buffer)
    }
}

/// Holds back what would go faster than so many bytes a second.
pub(crate) struct Paced<T> {
    inner: T,
    bytes_a_second: Option<NonZeroU64>,
    began: Instant,
    bytes: u64,
}

impl<T> Paced<T> {
    fn new(inner: T, bytes_a_second: Option<NonZeroU64>) -> Self {
        Self { inner, bytes_a_second, began: Instant::now(), bytes: 0 }
    }
}

impl<W: Write> Write for Paced<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buffer)?;
        let Some(rate) = self.bytes_a_second else { return Ok(written) };
        self.bytes += written as u64;
        let due = Duration::from_secs_f64(self.bytes as f64 / rate.get() as f64);
        let ahead = due.saturating_sub(self.began.elapsed());
        if ahead.is_zero() {
            // What was not used before is not saved up for a burst.
            (self.began, self.bytes) = (Instant::now(), 0);
        } else {
            std::thread::sleep(ahead);
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Half of the processors, 1 to 4: the server and the tool that feeds us want the others.
fn compressing_threads() -> u32 {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(processors / 2).unwrap_or(1).clamp(1, 4)
}

type StoredFile = Hashing<BufWriter<Paced<Stored>>>;

/// A part being written. Dropped unfinished it leaves a file that no reader accepts: the encryption has no last block.
pub(crate) struct PartWriter {
    name: String,
    plain: Hashing<zstd::Encoder<'static, StreamWriter<StoredFile>>>,
}

impl PartWriter {
    pub(crate) fn create(shelf: &Shelf, name: &str, recipients: &[Recipient]) -> io::Result<Self> {
        Self::begin(shelf, name, recipients, None, 0)
    }

    /// One for a whole database: no more than so many stored bytes a second, compressed beside the thread that writes.
    pub(crate) fn create_paced(
        shelf: &Shelf,
        name: &str,
        recipients: &[Recipient],
        bytes_a_second: Option<NonZeroU64>,
    ) -> io::Result<Self> {
        Self::begin(shelf, name, recipients, bytes_a_second, compressing_threads())
    }

    fn begin(
        shelf: &Shelf,
        name: &str,
        recipients: &[Recipient],
        bytes_a_second: Option<NonZeroU64>,
        threads: u32,
    ) -> io::Result<Self> {
        let file = Paced::new(shelf.create(name)?, bytes_a_second);
        let stored = Hashing::new(BufWriter::with_capacity(BUFFER_BYTES, file));
        let mut encoder = zstd::Encoder::new(sealing::seal(recipients, stored)?, COMPRESSION_LEVEL)?;
        encoder.include_checksum(true)?;
        encoder.multithread(threads)?;
        Ok(Self { name: name.to_owned(), plain: Hashing::new(encoder) })
    }

    pub(crate) fn plain_bytes(&self) -> u64 {
        self.plain.count()
    }

    /// Closes every stage, each one checked, and makes the file durable.
    pub(crate) fn finish(self) -> io::Result<Part> {
        let (plain_bytes, plain_blake3) = (self.plain.count(), self.plain.digest());
        let sealed = self.plain.inner.finish()?;
        let stored = sealed.finish()?;
        let (bytes, blake3) = (stored.count(), stored.digest());
        let file = stored.inner.into_inner().map_err(io::IntoInnerError::into_error)?.inner;
        let length = file.finish()?;
        if length != bytes {
            return Err(io::Error::other(format!("{bytes} bytes written, {length} in the file")));
        }
        Ok(Part { name: self.name, bytes, blake3, plain_bytes, plain_blake3 })
    }
}

impl Write for PartWriter {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.plain.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.plain.flush()
    }
}

/// The plain bytes of a stored part.
pub(crate) type PartReader = Hashing<zstd::Decoder<'static, BufReader<StreamReader<BufReader<Reading>>>>>;

/// Opens a stored part with the key.
pub(crate) fn open_part(shelf: &Shelf, name: &str, key: &Key) -> io::Result<PartReader> {
    let file = BufReader::with_capacity(BUFFER_BYTES, shelf.open(name)?);
    let opened = sealing::open(key, file).map_err(|error| match error {
        // What the store said is told apart from what is wrong with the bytes.
        age::DecryptError::Io(error) => error,
        error => io::Error::other(error),
    })?;
    let mut decoder = zstd::Decoder::with_buffer(BufReader::with_capacity(BUFFER_BYTES, opened))?;
    decoder.window_log_max(WINDOW_LOG_MAX)?;
    Ok(Hashing::new(decoder))
}

/// Reads a file to its end and returns its size and digest.
pub(crate) fn hash_file(shelf: &Shelf, name: &str, mut seen: impl FnMut(u64)) -> io::Result<(u64, String)> {
    let mut reader = Hashing::new(shelf.open(name)?);
    let mut buffer = vec![0; BUFFER_BYTES];
    while reader.read(&mut buffer)? > 0 {
        seen(reader.count());
    }
    Ok((reader.count(), reader.digest()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_goes_faster_than_it_may() {
        let began = Instant::now();
        let mut paced = Paced::new(Vec::new(), NonZeroU64::new(1_000_000));
        for _ in 0..4 {
            paced.write_all(&[0; 50_000]).unwrap();
        }
        assert!(began.elapsed() >= Duration::from_millis(180), "{:?}", began.elapsed());
        assert_eq!(paced.inner.len(), 200_000);
    }

    #[test]
    fn what_is_said_a_little_at_a_time_is_taken_in_large_pieces() {
        let (reader, mut writer) = io::pipe().unwrap();
        let said: Vec<u8> = (0..700_000_u32).map(|number| (number / 251) as u8).collect();
        let expected = said.clone();
        let saying = std::thread::spawn(move || {
            // As a program does whose output is a pipe.
            said.chunks(4096).for_each(|piece| writer.write_all(piece).unwrap());
        });
        let mut gathering = Gathering::new(std::os::fd::OwnedFd::from(reader));
        assert_eq!(gathering.is_roomy, cfg!(target_os = "linux"));
        let (mut taken, mut buffer) = (Vec::new(), vec![0; BUFFER_BYTES]);
        loop {
            let filled = gathering.fill(&mut buffer).unwrap();
            taken.extend_from_slice(&buffer[..filled]);
            if filled < buffer.len() {
                break;
            }
        }
        saying.join().unwrap();
        assert_eq!(gathering.fill(&mut buffer).unwrap(), 0);
        assert!(taken == expected, "{} bytes of {}", taken.len(), expected.len());
    }

    #[test]
    fn a_reader_is_not_woken_for_every_piece() {
        struct Trickle(u32);
        impl Read for Trickle {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.0 += 1;
                Ok(buffer.len().min(60_000))
            }
        }
        let mut gathering = Gathering { pipe: Trickle(0), is_roomy: true };
        let (mut buffer, began) = (vec![0; BUFFER_BYTES], Instant::now());
        assert_eq!(gathering.fill(&mut buffer).unwrap(), BUFFER_BYTES);
        // A pause after each piece but the last.
        assert!(gathering.pipe.0 == 5 && began.elapsed() >= 4 * GATHERING, "{:?}", began.elapsed());
    }

    #[test]
    fn what_goes_in_comes_out_and_an_unfinished_part_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let (key, shelf) = (Key::generate(), Shelf::from(directory.path()));
        let text: Vec<u8> = (0..3_000_000_u32).flat_map(|number| (number / 7).to_le_bytes()).collect();
        let mut writer = PartWriter::create(&shelf, "whole", &[key.recipient()]).unwrap();
        writer.write_all(&text).unwrap();
        let part = writer.finish().unwrap();
        assert!(part.bytes < part.plain_bytes);
        assert_eq!(hash_file(&shelf, "whole", |_| {}).unwrap(), (part.bytes, part.blake3));

        let mut reader = open_part(&shelf, "whole", &key).unwrap();
        let mut back = Vec::new();
        reader.read_to_end(&mut back).unwrap();
        assert!(back == text);
        assert_eq!(reader.digest(), part.plain_blake3);

        let mut writer = PartWriter::create(&shelf, "half", &[key.recipient()]).unwrap();
        writer.write_all(&text).unwrap();
        drop(writer);
        let read =
            open_part(&shelf, "half", &key).and_then(|mut reader| io::copy(&mut reader, &mut io::sink()));
        assert!(read.is_err());
        assert!(open_part(&shelf, "whole", &Key::generate()).is_err());
    }
}
