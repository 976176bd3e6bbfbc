//! Where in a text something to hide may begin, found by looking at two bytes at a time: nearly all of a text is passed
//! over by this alone. It may point at too many places, never at too few; what stands there is judged in `scan`.

/// Bytes that something to hide may begin with, and the bytes that may then come next. The last byte of a text begins
/// nothing: everything that is hidden is longer than one.
const BEGINNINGS: &[(&[u8], &[u8])] = &[
    // A name ends here and its value begins, or the credentials of a URL.
    (b":=", ANY),
    // The same, percent-encoded: `%3D`, `%3a`; and `%40`, the `@` of an address.
    (b"%", b"34"),
    (b"@", b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-"),
    // `-----BEGIN `, and the prefixes of password hashes.
    (b"-", b"-"),
    (b"$", b"a2sp"),
    // The shapes that `scan` knows: eyJ, Bearer and Basic in any case, and prefixes of keys.
    (b"e", b"y"),
    (b"bB", b"eEaA"),
    (b"A", b"KSI"),
    (b"g", b"hil"),
    (b"sr", b"k"),
    (b"x", b"o"),
    // Payment cards: the digits, perhaps in groups.
    (b"23456", b"0123456789 -"),
];

/// Stands for all 256 bytes.
const ANY: &[u8] = &[];

/// For each byte, which of the beginnings it can be the first or the second byte of, a bit each.
const FIRST: [u16; 256] = table(true);
const SECOND: [u16; 256] = table(false);

const fn table(is_first: bool) -> [u16; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < BEGINNINGS.len() {
        let (first, second) = BEGINNINGS[index];
        let bytes = if is_first { first } else { second };
        let mut at = 0;
        while at < if bytes.is_empty() { 256 } else { bytes.len() } {
            let byte = if bytes.is_empty() { at } else { bytes[at] as usize };
            table[byte] |= 1 << index;
            at += 1;
        }
        index += 1;
    }
    table
}

/// Pairs that are judged together, by one branch.
const BLOCK: usize = 8;

/// The next place, not before `from`, where something to hide may begin.
pub(super) fn next(bytes: &[u8], from: usize) -> Option<usize> {
    let begins = |first: u8, second: u8| FIRST[usize::from(first)] & SECOND[usize::from(second)];
    let mut at = from;
    // One byte more than pairs: each pair shares one with the next.
    while let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk::<{ BLOCK + 1 }>()) {
        let mut found = 0;
        for index in 0..BLOCK {
            found |= begins(block[index], block[index + 1]);
        }
        if found != 0 {
            break;
        }
        at += BLOCK;
    }
    let rest = bytes.get(at..)?;
    rest.windows(2).position(|pair| begins(pair[0], pair[1]) != 0).map(|offset| at + offset)
}
