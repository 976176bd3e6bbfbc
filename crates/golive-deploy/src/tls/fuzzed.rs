//! What the fuzz targets reach, and nobody else: the readers of what a server sends.

use std::sync::Arc;

use chrono::DateTime;
use rustls::RootCertStore;

use super::answer::{Progress, Reader};
use super::chain::Judge;

/// Reads an answer whole and in pieces, which must come to the same, and the certificates in it.
///
/// # Panics
/// When it does not.
pub fn read_answer(bytes: &[u8], piece: usize) {
    let whole = Reader::default().feed(bytes);
    let mut reader = Reader::default();
    let mut pieces = Progress::More;
    for piece in bytes.chunks(piece.max(1)) {
        pieces = reader.feed(piece);
        if !matches!(pieces, Progress::More) {
            break;
        }
    }
    assert_eq!(format!("{whole:?}"), format!("{pieces:?}"), "in pieces it reads otherwise");
    let Progress::Flight(flight) = whole else { return };
    let _strengths = (flight.prime_bits(), flight.named_group());
    let judge = Judge {
        anchors: Arc::new(RootCertStore::empty()),
        intermediates: Vec::new(),
        revocation_lists: Vec::new(),
        provider: Arc::new(rustls::crypto::aws_lc_rs::default_provider()),
        name: "localhost".try_into().expect("a name"),
        now: DateTime::UNIX_EPOCH,
    };
    if let Some(facts) = judge.facts(&flight.chain) {
        assert!(!facts.trust_problems.is_empty(), "trusted by nobody");
    }
}
