//! Where an RDB file begins and ends, and whether its checksum holds. What is in it is not read here.
//!
//! The format: `REDIS` and four digits, records, the byte 0xFF, and eight bytes of CRC-64 over all before; zero where the
//! server was told not to compute it. A server that streams without knowing the length sends forty bytes behind it that
//! only mark the end of the stream.

use std::io::{self, Write};

const MAGIC: &[u8] = b"REDIS";
const MARK_BYTES: usize = 40;
const CHECKSUM_BYTES: usize = 8;
/// The Jones polynomial, reflected.
const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;

/// Why something is no whole RDB file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RdbError {
    /// It does not begin as one.
    #[error("see REDIS at the beginning of what was sent: {bytes} bytes came")]
    Beginning {
        /// So many bytes came.
        bytes: u64,
    },
    /// It does not end as one.
    #[error("see the end of the file after {bytes} bytes: it is cut off")]
    Cut {
        /// So many bytes came.
        bytes: u64,
    },
    /// The checksum is another.
    #[error("find the checksum of the file right: at least one byte changed on its way")]
    Checksum,
    /// The server answered something else, or nothing.
    #[error("get an answer to INFO; check the account")]
    NoAnswer,
    /// It could not be passed on.
    #[error("pass the file on")]
    Write(#[from] io::Error),
}

/// Passes a file on as it comes, but for its last bytes, until it is known what they are.
pub(crate) struct RdbEnd {
    table: Box<[u64; 256]>,
    checksum: u64,
    bytes: u64,
    beginning: Vec<u8>,
    held: Vec<u8>,
}

impl Default for RdbEnd {
    fn default() -> Self {
        let mut table = Box::new([0_u64; 256]);
        for (index, entry) in table.iter_mut().enumerate() {
            *entry = (0..8).fold(index as u64, |value, _| {
                if value & 1 == 1 { (value >> 1) ^ POLYNOMIAL } else { value >> 1 }
            });
        }
        Self { table, checksum: 0, bytes: 0, beginning: Vec::new(), held: Vec::new() }
    }
}

impl RdbEnd {
    pub(crate) fn take(&mut self, bytes: &[u8], out: &mut impl Write) -> io::Result<()> {
        self.bytes += bytes.len() as u64;
        let missing = MAGIC.len().saturating_sub(self.beginning.len()).min(bytes.len());
        self.beginning.extend_from_slice(&bytes[..missing]);
        self.held.extend_from_slice(bytes);
        let sure = self.held.len().saturating_sub(MARK_BYTES + CHECKSUM_BYTES);
        let pass: Vec<u8> = self.held.drain(..sure).collect();
        self.pass(&pass, out)
    }

    fn pass(&mut self, bytes: &[u8], out: &mut impl Write) -> io::Result<()> {
        for byte in bytes {
            let index = (self.checksum ^ u64::from(*byte)) & 0xff;
            self.checksum = self.table[usize::try_from(index).unwrap_or(0)] ^ (self.checksum >> 8);
        }
        out.write_all(bytes)
    }

    /// Passes on the rest without a mark; says whether there was a checksum, which then holds.
    pub(crate) fn finish(mut self, out: &mut impl Write) -> Result<bool, RdbError> {
        if self.beginning != MAGIC {
            return Err(RdbError::Beginning { bytes: self.bytes });
        }
        let held = std::mem::take(&mut self.held);
        let whole = held.len().checked_sub(CHECKSUM_BYTES).ok_or(RdbError::Cut { bytes: self.bytes })?;
        let mark = whole.checked_sub(MARK_BYTES);
        // What ends right without its last forty bytes has a mark there; a chance byte would not fit the checksum too.
        let before = mark.filter(|_| held[held.len() - MARK_BYTES..].iter().all(u8::is_ascii_hexdigit));
        let (end, saved) = (before.unwrap_or(whole), (self.checksum, self.bytes));
        self.pass(&held[..end], out)?;
        let stored: [u8; CHECKSUM_BYTES] =
            held[end..end + CHECKSUM_BYTES].try_into().map_err(|_| RdbError::Cut { bytes: saved.1 })?;
        let last = if end == 0 { None } else { held.get(end - 1) };
        // With exactly a mark held back, the byte before is gone already; its place is in the checksum.
        if last.is_some_and(|byte| *byte != 0xff) {
            return Err(RdbError::Cut { bytes: saved.1 });
        }
        out.write_all(&stored)?;
        match u64::from_le_bytes(stored) {
            0 => Ok(false),
            sum if sum == self.checksum => Ok(true),
            _ => Err(RdbError::Checksum),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty data set with the checksum that Redis computes for it.
    fn file() -> Vec<u8> {
        let mut bytes = b"REDIS0010\xfa\x0aredis-bits\xc0\x40\xff".to_vec();
        let mut end = RdbEnd::default();
        end.pass(&bytes, &mut io::sink()).unwrap();
        bytes.extend(end.checksum.to_le_bytes());
        bytes
    }

    fn read(bytes: &[u8], piece: usize) -> (Result<bool, RdbError>, Vec<u8>) {
        let (mut end, mut out) = (RdbEnd::default(), Vec::new());
        for piece in bytes.chunks(piece) {
            end.take(piece, &mut out).unwrap();
        }
        (end.finish(&mut out), out)
    }

    #[test]
    fn the_checksum_is_that_of_redis() {
        let mut end = RdbEnd::default();
        end.pass(b"123456789", &mut io::sink()).unwrap();
        assert_eq!(end.checksum, 0xe9c6_d914_c4b8_d9ca, "the test vector of crc64.c");
    }

    #[test]
    fn a_whole_file_passes_with_and_without_a_mark_and_nothing_else_does() {
        let whole = file();
        let marked = [whole.as_slice(), &[b'7'; MARK_BYTES]].concat();
        for piece in [1, 7, 4096] {
            for bytes in [&whole, &marked] {
                let (checked, out) = read(bytes, piece);
                assert!(checked.unwrap() && out == whole, "{piece}");
            }
            for cut in 0..whole.len() {
                assert!(read(&whole[..cut], piece).0.is_err(), "{cut}");
            }
            for at in 0..whole.len() - 1 {
                let mut bad = whole.clone();
                bad[at] ^= 4;
                assert!(read(&bad, piece).0.is_err(), "{at}");
            }
        }
        let mut unsummed = whole.clone();
        let end = unsummed.len() - CHECKSUM_BYTES;
        unsummed[end..].fill(0);
        assert!(!read(&unsummed, 5).0.unwrap());
    }
}
