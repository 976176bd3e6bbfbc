//! Randomness from the operating system, and nothing else.

use rand::TryRng;
use rand::rngs::SysRng;
use zeroize::Zeroizing;

/// `length` characters, each equally likely. The alphabet has 2 to 256 characters of ASCII.
pub(crate) fn text(length: usize, alphabet: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(length));
    let mut buffer = Zeroizing::new([0u8; 64]);
    // Bytes beyond the largest multiple would favor the first characters.
    let limit = 256 - 256 % alphabet.len();
    while text.len() < length {
        fill(&mut buffer[..]);
        for &byte in buffer.iter() {
            if usize::from(byte) < limit && text.len() < length {
                text.push(char::from(alphabet[usize::from(byte) % alphabet.len()]));
            }
        }
    }
    text
}

pub(crate) fn fill(bytes: &mut [u8]) {
    SysRng
        .try_fill_bytes(bytes)
        .expect("the operating system has randomness; without it nothing here is safe");
}
