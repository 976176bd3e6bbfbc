//! Events of a MariaDB binary log, version 4: headers, checksums, and the few bodies that matter for a recovery.
//!
//! Fed with bytes as they come, in pieces of any size, so that the open end of a log can be followed without reading
//! it again, and a row event of a gigabyte passes without being kept. Layout: "Binary Log Format" and "Replication
//! Protocol" in the MariaDB knowledge base. What the events mean together is decided in [`super::reader`].

use super::gtid::Gtid;

/// What every binary log begins with.
pub(crate) const MAGIC: [u8; 4] = *b"\xfebin";
const HEADER_BYTES: usize = 19;
const CHECKSUM_BYTES: usize = 4;
/// No event is larger than the largest packet.
const EVENT_LIMIT_BYTES: u32 = 1 << 30;
/// A statement longer than this is not looked into, and a recovery that needs to is refused.
const TEXT_LIMIT_BYTES: usize = 64 << 20;
/// The bodies that are read in full are small; of the others this much is kept.
const HEAD_BYTES: usize = 4 << 10;

pub(crate) const QUERY: u8 = 2;
pub(crate) const STOP: u8 = 3;
pub(crate) const ROTATE: u8 = 4;
pub(crate) const FORMAT_DESCRIPTION: u8 = 15;
pub(crate) const XID: u8 = 16;
pub(crate) const TABLE_MAP: u8 = 19;
pub(crate) const XA_PREPARE: u8 = 38;
pub(crate) const CHECKPOINT: u8 = 161;
pub(crate) const GTID: u8 = 162;
pub(crate) const GTID_LIST: u8 = 163;
pub(crate) const START_ENCRYPTION: u8 = 164;
pub(crate) const QUERY_COMPRESSED: u8 = 165;

/// A complete event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// Where it begins in its file.
    pub(crate) offset: u64,
    /// Where the next one begins.
    pub(crate) end: u64,
    /// Seconds since 1970, as the session had it.
    pub(crate) time: u32,
    pub(crate) kind: u8,
    pub(crate) server: u32,
    /// The body without checksum, or its beginning.
    pub(crate) body: Vec<u8>,
}

/// Why bytes are no binary log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EventError {
    #[error("it does not begin as a binary log")]
    Magic,
    #[error("the event at {offset} says it is {length} bytes long")]
    Length { offset: u64, length: u32 },
    #[error("the checksum of the event at {offset} does not hold: at least one byte changed")]
    Checksum { offset: u64 },
    #[error("the event at {offset} is not laid out as its kind {kind} should be")]
    Layout { offset: u64, kind: u8 },
    #[error("the statement at {offset} is longer than 64 MiB")]
    TooLong { offset: u64 },
}

/// An event of which more bytes are to come.
struct Pending {
    header: [u8; HEADER_BYTES],
    length: usize,
    keep: usize,
    taken: usize,
    body: Vec<u8>,
    last: [u8; CHECKSUM_BYTES],
    hasher: crc32fast::Hasher,
}

/// Cuts a stream of bytes into events.
#[derive(Default)]
pub(crate) struct Parser {
    offset: u64,
    buffer: Vec<u8>,
    pending: Option<Pending>,
    checksums: bool,
}

impl Parser {
    /// Where the last complete event ends.
    pub(crate) fn complete_to(&self) -> u64 {
        self.offset
    }

    /// Whether an event has begun and not ended.
    pub(crate) fn is_torn(&self) -> bool {
        self.pending.is_some() || !self.buffer.is_empty()
    }

    /// Takes the next bytes and reports each event that they complete.
    pub(crate) fn feed<E: From<EventError>>(
        &mut self,
        mut bytes: &[u8],
        seen: &mut dyn FnMut(Event) -> Result<(), E>,
    ) -> Result<(), E> {
        while !bytes.is_empty() {
            if self.offset == 0 {
                bytes = self.fill(bytes, MAGIC.len());
                if self.buffer.len() == MAGIC.len() {
                    if self.buffer != MAGIC {
                        return Err(EventError::Magic.into());
                    }
                    self.offset = MAGIC.len() as u64;
                    self.buffer.clear();
                }
            } else if let Some(mut pending) = self.pending.take() {
                let taken = pending.take(bytes);
                bytes = &bytes[taken..];
                if pending.taken < pending.length {
                    self.pending = Some(pending);
                } else {
                    seen(self.complete(pending)?)?;
                }
            } else {
                bytes = self.fill(bytes, HEADER_BYTES);
                if self.buffer.len() == HEADER_BYTES {
                    self.pending = Some(self.begin()?);
                    self.buffer.clear();
                }
            }
        }
        Ok(())
    }

    fn fill<'a>(&mut self, bytes: &'a [u8], wanted: usize) -> &'a [u8] {
        let taken = bytes.len().min(wanted - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        &bytes[taken..]
    }

    fn begin(&self) -> Result<Pending, EventError> {
        let header: [u8; HEADER_BYTES] = self.buffer.as_slice().try_into().expect("as many were filled in");
        let length = u32_at(&header, 9).expect("a header holds a length");
        if length > EVENT_LIMIT_BYTES || (length as usize) <= HEADER_BYTES {
            return Err(EventError::Length { offset: self.offset, length });
        }
        let kind = header[4];
        if kind == FORMAT_DESCRIPTION && length < 100 {
            return Err(EventError::Length { offset: self.offset, length });
        }
        let keep = match kind {
            QUERY if length as usize > TEXT_LIMIT_BYTES => {
                return Err(EventError::TooLong { offset: self.offset });
            }
            QUERY | GTID_LIST | FORMAT_DESCRIPTION => length as usize,
            _ => HEAD_BYTES,
        };
        let mut hasher = crc32fast::Hasher::new();
        let mut hashed = header;
        if kind == FORMAT_DESCRIPTION {
            // The mark of a log in use is not part of the checksum.
            hashed[17] &= !1;
        }
        hasher.update(&hashed);
        Ok(Pending {
            header,
            length: length as usize - HEADER_BYTES,
            keep,
            taken: 0,
            body: Vec::new(),
            last: [0; CHECKSUM_BYTES],
            hasher,
        })
    }

    fn complete(&mut self, mut pending: Pending) -> Result<Event, EventError> {
        let (offset, kind) = (self.offset, pending.header[4]);
        let layout = EventError::Layout { offset, kind };
        if kind == FORMAT_DESCRIPTION {
            // Its last five bytes are the kind of checksum and a checksum, whatever the kind is.
            let algorithm = pending.body.len().checked_sub(CHECKSUM_BYTES + 1);
            self.checksums = match algorithm.and_then(|at| pending.body.get(at)) {
                Some(0) => false,
                Some(1) => true,
                _ => return Err(layout),
            };
        }
        if self.checksums {
            if pending.length < CHECKSUM_BYTES {
                return Err(layout);
            }
            if pending.hasher.finalize() != u32::from_le_bytes(pending.last) {
                return Err(EventError::Checksum { offset });
            }
            let whole = pending.length - CHECKSUM_BYTES;
            pending.body.truncate(whole);
        }
        self.offset += (pending.length + HEADER_BYTES) as u64;
        Ok(Event {
            offset,
            end: self.offset,
            time: u32_at(&pending.header, 0).expect("a header holds a time"),
            kind,
            server: u32_at(&pending.header, 5).expect("a header holds a server"),
            body: pending.body,
        })
    }
}

impl Pending {
    /// Takes what belongs to this event; everything but the last four bytes goes into the checksum.
    fn take(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.length - self.taken);
        let bytes = &bytes[..taken];
        let kept = bytes.len().min(self.keep.saturating_sub(self.body.len()));
        self.body.extend_from_slice(&bytes[..kept]);
        let border = self.length.saturating_sub(CHECKSUM_BYTES);
        let hashed = border.saturating_sub(self.taken).min(bytes.len());
        self.hasher.update(&bytes[..hashed]);
        for (index, byte) in bytes[hashed..].iter().enumerate() {
            if let Some(place) = self.last.get_mut((self.taken + hashed + index).saturating_sub(border)) {
                *place = *byte;
            }
        }
        self.taken += taken;
        taken
    }
}

/// What a `Gtid` event says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GtidEvent {
    pub(crate) gtid: Gtid,
    /// One statement that commits itself, as DDL does.
    pub(crate) standalone: bool,
}

/// What a `Query` event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueryEvent<'a> {
    pub(crate) database: &'a str,
    pub(crate) text: std::borrow::Cow<'a, str>,
}

impl Event {
    fn layout(&self) -> EventError {
        EventError::Layout { offset: self.offset, kind: self.kind }
    }

    pub(crate) fn gtid(&self) -> Result<GtidEvent, EventError> {
        let read = || {
            let gtid = Gtid::new(u32_at(&self.body, 8)?, self.server, u64_at(&self.body, 0)?);
            Some(GtidEvent { gtid, standalone: self.body.get(12)? & 1 == 1 })
        };
        read().ok_or_else(|| self.layout())
    }

    pub(crate) fn gtid_list(&self) -> Result<Vec<Gtid>, EventError> {
        let read = || {
            let count = (u32_at(&self.body, 0)? & 0x0fff_ffff) as usize;
            let entries = self.body.get(4..4 + count.checked_mul(16)?)?;
            entries
                .chunks_exact(16)
                .map(|entry| Some(Gtid::new(u32_at(entry, 0)?, u32_at(entry, 4)?, u64_at(entry, 8)?)))
                .collect::<Option<Vec<_>>>()
        };
        read().ok_or_else(|| self.layout())
    }

    /// The name of the log that follows.
    pub(crate) fn rotate(&self) -> Result<String, EventError> {
        let name = self.body.get(8..).filter(|name| !name.is_empty());
        name.and_then(|name| String::from_utf8(name.to_vec()).ok()).ok_or_else(|| self.layout())
    }

    /// The version of the server that wrote the log.
    pub(crate) fn server_version(&self) -> Result<String, EventError> {
        let version = self.body.get(2..52).ok_or_else(|| self.layout())?;
        let end = version.iter().position(|byte| *byte == 0).unwrap_or(version.len());
        Ok(String::from_utf8_lossy(&version[..end]).into_owned())
    }

    pub(crate) fn query(&self) -> Result<QueryEvent<'_>, EventError> {
        let read = || {
            let database_length = usize::from(*self.body.get(8)?);
            let variables = usize::from(u16::from_le_bytes(self.body.get(11..13)?.try_into().ok()?));
            let start = 13 + variables;
            let database = std::str::from_utf8(self.body.get(start..start + database_length)?).ok()?;
            let text = self.body.get(start + database_length + 1..)?;
            Some(QueryEvent { database, text: String::from_utf8_lossy(text) })
        };
        read().ok_or_else(|| self.layout())
    }

    /// Id, database and table of a `Table_map` event.
    pub(crate) fn table_map(&self) -> Result<(u64, String, String), EventError> {
        let read = || {
            let id = self.table_id()?;
            let (database, rest) = counted(self.body.get(8..)?)?;
            let (table, _) = counted(rest)?;
            Some((id, database, table))
        };
        read().ok_or_else(|| self.layout())
    }

    /// The table id that a row event begins with.
    pub(crate) fn table_id(&self) -> Option<u64> {
        let mut bytes = [0; 8];
        bytes[..6].copy_from_slice(self.body.get(..6)?);
        Some(u64::from_le_bytes(bytes))
    }
}

/// A length byte, the text, a zero.
fn counted(bytes: &[u8]) -> Option<(String, &[u8])> {
    let length = usize::from(*bytes.first()?);
    let text = std::str::from_utf8(bytes.get(1..=length)?).ok()?.to_owned();
    Some((text, bytes.get(length + 2..)?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An event as a server writes it.
    pub(crate) fn event(kind: u8, time: u32, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(HEADER_BYTES + body.len() + CHECKSUM_BYTES).unwrap();
        let mut bytes = time.to_le_bytes().to_vec();
        bytes.push(kind);
        bytes.extend(1_u32.to_le_bytes());
        bytes.extend(length.to_le_bytes());
        bytes.extend([0; 6]);
        bytes.extend(body);
        let checksum = crc32fast::hash(&bytes);
        bytes.extend(checksum.to_le_bytes());
        bytes
    }

    /// The beginning of a log: magic and format description, checksums on.
    pub(crate) fn beginning(time: u32) -> Vec<u8> {
        let mut body = 4_u16.to_le_bytes().to_vec();
        body.extend(b"10.11.19-MariaDB-log");
        body.resize(2 + 50 + 4, 0);
        body.push(19);
        body.resize(120, 8);
        body.push(1);
        let mut bytes = MAGIC.to_vec();
        bytes.extend(event(FORMAT_DESCRIPTION, time, &body));
        bytes
    }

    fn events(bytes: &[u8], piece: usize) -> Result<Vec<Event>, EventError> {
        let mut parser = Parser::default();
        let mut found = Vec::new();
        for chunk in bytes.chunks(piece.max(1)) {
            parser.feed(chunk, &mut |event| {
                found.push(event);
                Ok::<(), EventError>(())
            })?;
        }
        Ok(found)
    }

    fn log() -> Vec<u8> {
        let mut bytes = beginning(100);
        let mut gtid = 7_u64.to_le_bytes().to_vec();
        gtid.extend([0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        bytes.extend(event(GTID, 101, &gtid));
        bytes.extend(event(30, 101, &vec![5; 9000]));
        bytes.extend(event(STOP, 102, &[]));
        bytes
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_are_the_same_events(piece in 1..12_000_usize) {
            let whole = events(&log(), usize::MAX).unwrap();
            prop_assert_eq!(whole.len(), 4);
            prop_assert_eq!(events(&log(), piece).unwrap(), whole);
        }

        #[test]
        fn any_bytes_are_an_error_or_events_but_never_a_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..600), real in any::<bool>()) {
            if real {
                let mut log = beginning(1);
                log.append(&mut bytes);
                bytes = log;
            }
            for event in events(&bytes, 64).unwrap_or_default() {
                let _ = (event.gtid(), event.gtid_list(), event.rotate(), event.server_version());
                let _ = (event.query().map(|query| query.database.len()), event.table_map(), event.table_id());
            }
        }

        #[test]
        fn one_changed_byte_of_an_event_is_noticed(position in 4..9000_usize, bit in 0..8_u32) {
            let mut bytes = log();
            bytes[position] ^= 1 << bit;
            // Byte 21 holds the mark of a log in use, which a server changes itself.
            prop_assume!(!(position == 21 && bit == 0));
            let changed = events(&bytes, 4096);
            prop_assert!(changed.is_err() || changed.unwrap().len() < 4, "byte {}", position);
        }
    }

    #[test]
    fn a_log_cut_anywhere_is_torn_or_ends_at_an_event() {
        let bytes = log();
        for cut in 0..bytes.len() {
            let mut parser = Parser::default();
            parser.feed(&bytes[..cut], &mut |_| Ok::<(), EventError>(())).unwrap();
            assert_eq!(parser.is_torn(), parser.complete_to() != cut as u64, "{cut}");
        }
    }
}
