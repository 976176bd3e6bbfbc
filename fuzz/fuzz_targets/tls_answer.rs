//! The reader of what a TLS server sends, in pieces of a size that the first byte says, and of its certificates.
#![no_main]

use golive_deploy::tls::read_answer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((first, rest)) = input.split_first() else { return };
    read_answer(rest, usize::from(*first));
});
