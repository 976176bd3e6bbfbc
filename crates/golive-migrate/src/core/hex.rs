//! Bytes as hexadecimal digits, for what must be kept as text. No other encoding belongs here.

/// Two digits a byte.
pub(crate) fn encode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Back again; what is no pair of digits is passed over, since only what [`encode`] wrote is read.
pub(crate) fn decode(text: &str) -> Vec<u8> {
    (0..text.len() / 2).filter_map(|at| u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()).collect()
}
