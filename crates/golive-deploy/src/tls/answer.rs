//! Reads what a server sends after a hello. Bytes are parsed, never trusted; nothing is decrypted.

use super::facts::TlsVersion;

/// The fixed random value by which a retry request is told from a ServerHello (RFC 8446, 4.1.3).
const RETRY_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2,
    0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

const MAX_RECORD: usize = 16 * 1024 + 2048;
const MAX_HANDSHAKE: usize = 256 * 1024;

/// The first flight of a server, as far as it was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Flight {
    pub(super) version: u16,
    pub(super) suite: u16,
    pub(super) compression: u8,
    pub(super) retry: bool,
    pub(super) group: Option<u16>,
    pub(super) extensions: Vec<u16>,
    pub(super) chain: Vec<Vec<u8>>,
    key_exchange: Vec<u8>,
}

/// Where reading stands.
#[derive(Clone, Debug)]
pub(super) enum Progress {
    More,
    Flight(Box<Flight>),
    Alert(u8),
    /// Not TLS, or TLS that breaks its own rules.
    Garbage,
}

/// Collects bytes until there is an answer.
#[derive(Default)]
pub(super) struct Reader {
    records: Vec<u8>,
    messages: Vec<u8>,
    flight: Option<Flight>,
}

impl Reader {
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Progress {
        self.records.extend_from_slice(bytes);
        loop {
            let Some(&kind) = self.records.first() else { return Progress::More };
            if !(20..=23).contains(&kind) || self.records.get(1).is_some_and(|&major| major != 3) {
                return Progress::Garbage;
            }
            let Some(header) = self.records.get(..5) else { return Progress::More };
            let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
            if length > MAX_RECORD {
                return Progress::Garbage;
            }
            if self.records.len() < 5 + length {
                return Progress::More;
            }
            let record: Vec<u8> = self.records.drain(..5 + length).skip(5).collect();
            match kind {
                // A warning that the name is not known; the handshake goes on.
                21 if record == [1, 112] => continue,
                21 => {
                    return record.get(1).map_or(Progress::Garbage, |&alert| Progress::Alert(alert));
                }
                22 => self.messages.extend(record),
                // A server may send a ChangeCipherSpec for the sake of middleboxes.
                20 => continue,
                _ => return Progress::Garbage,
            }
            if self.messages.len() > MAX_HANDSHAKE {
                return Progress::Garbage;
            }
            match self.messages() {
                Progress::More => {}
                done => return done,
            }
        }
    }

    fn messages(&mut self) -> Progress {
        while let Some(header) = self.messages.get(..4) {
            let kind = header[0];
            let length = usize::from(header[1]) << 16 | usize::from(header[2]) << 8 | usize::from(header[3]);
            if length > MAX_HANDSHAKE {
                return Progress::Garbage;
            }
            if self.messages.len() < 4 + length {
                return Progress::More;
            }
            let message: Vec<u8> = self.messages.drain(..4 + length).skip(4).collect();
            match (kind, &mut self.flight) {
                (2, None) => match server_hello(&message) {
                    // After a ServerHello of TLS 1.3 everything is encrypted.
                    Some(flight) if flight.retry || flight.version == TlsVersion::Tls13.wire() => {
                        return Progress::Flight(Box::new(flight));
                    }
                    Some(flight) => self.flight = Some(flight),
                    None => return Progress::Garbage,
                },
                (11, Some(flight)) => match certificates(&message) {
                    Some(chain) => flight.chain = chain,
                    None => return Progress::Garbage,
                },
                (12, Some(flight)) => flight.key_exchange = message,
                (14, Some(flight)) => return Progress::Flight(Box::new(std::mem::take(flight))),
                (13 | 22, Some(_)) => {}
                _ => return Progress::Garbage,
            }
        }
        Progress::More
    }
}

impl Flight {
    /// The named group of an elliptic key exchange.
    pub(super) fn named_group(&self) -> Option<u16> {
        match self.key_exchange.get(..3)? {
            [3, high, low] => Some(u16::from_be_bytes([*high, *low])),
            _ => None,
        }
    }

    /// Bits of the prime of a finite-field key exchange.
    pub(super) fn prime_bits(&self) -> Option<u32> {
        let prime = Cursor(&self.key_exchange).vector16()?;
        let first = prime.iter().position(|&byte| byte != 0)?;
        let bytes = u32::try_from(prime.len() - first).ok()?;
        Some(bytes * 8 - prime[first].leading_zeros())
    }
}

fn server_hello(message: &[u8]) -> Option<Flight> {
    let mut cursor = Cursor(message);
    let mut flight = Flight { version: cursor.u16()?, ..Flight::default() };
    flight.retry = cursor.take(32)? == RETRY_RANDOM;
    let session = usize::from(cursor.u8()?);
    cursor.take(session)?;
    flight.suite = cursor.u16()?;
    flight.compression = cursor.u8()?;
    // SSL 3.0 has no extensions, and a server may leave them out.
    let Some(extensions) = cursor.vector16() else { return Some(flight) };
    let mut cursor = Cursor(extensions);
    while let Some(kind) = cursor.u16() {
        let data = cursor.vector16()?;
        flight.extensions.push(kind);
        match (kind, data) {
            (43, [high, low]) => flight.version = u16::from_be_bytes([*high, *low]),
            (51, [high, low, ..]) => flight.group = Some(u16::from_be_bytes([*high, *low])),
            _ => {}
        }
    }
    Some(flight)
}

fn certificates(message: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut cursor = Cursor(message);
    let length = cursor.u24()?;
    let mut cursor = Cursor(cursor.take(length)?);
    let mut chain = Vec::new();
    while let Some(length) = cursor.u24() {
        chain.push(cursor.take(length)?.to_vec());
    }
    Some(chain)
}

/// Does this look like the ServerHello of SSL 2.0? A version 2 record with message type 4.
pub(super) fn is_ssl2_hello(bytes: &[u8]) -> bool {
    matches!(bytes, [first, _, 4, _, _, 0, 2, ..] if first & 0x80 != 0)
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count)?;
        self.0 = tail;
        Some(head)
    }
    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }
    fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }
    fn u24(&mut self) -> Option<usize> {
        self.take(3).map(|bytes| bytes.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte)))
    }
    fn vector16(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_not_tls() {
        assert!(matches!(Reader::default().feed(b"HTTP/1.1 400 Bad Request\r\n"), Progress::Garbage));
        assert!(matches!(Reader::default().feed(&[22, 3, 3, 0xff, 0xff]), Progress::Garbage));
        assert!(matches!(Reader::default().feed(&[21, 3, 1, 0, 2, 2, 40]), Progress::Alert(40)));
        assert!(matches!(Reader::default().feed(&[22, 3]), Progress::More));
    }

    #[test]
    fn no_input_panics() {
        // Every cut and every single changed byte of a plausible flight.
        let mut flight = vec![22, 3, 3, 0, 42, 2, 0, 0, 38, 3, 3];
        flight.extend([7; 32]);
        flight.extend([0, 0xc0, 0x2f, 0]);
        flight.extend([22, 3, 3, 0, 12, 11, 0, 0, 8, 0, 0, 5, 0, 0, 2, 1, 2, 22, 3, 3, 0, 4, 14, 0, 0, 0]);
        assert!(matches!(Reader::default().feed(&flight), Progress::Flight(_)));
        for cut in 0..flight.len() {
            let _ = Reader::default().feed(&flight[..cut]);
            for value in [0, 1, 127, 255] {
                let mut changed = flight.clone();
                changed[cut] = value;
                let _ = Reader::default().feed(&changed);
            }
        }
    }

    #[test]
    fn prime_bits_ignore_leading_zeros() {
        let flight = Flight { key_exchange: vec![0, 3, 0, 0x80, 0xff, 9], ..Flight::default() };
        assert_eq!(flight.prime_bits(), Some(16));
    }
}
