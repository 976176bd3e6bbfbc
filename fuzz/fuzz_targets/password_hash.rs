//! The reader of stored password hashes, whatever a table of users holds. What it takes for a hash is also computed, so
//! that one which asks for too much time or memory shows.
#![no_main]

use std::sync::LazyLock;

use golive_auth::{HashFormat, PasswordHasher, verify_password};
use libfuzzer_sys::fuzz_target;
use secrecy::SecretString;

static PASSWORD: LazyLock<SecretString> = LazyLock::new(|| "a password that nobody has".into());

fuzz_target!(|stored: &str| {
    let format = HashFormat::of(stored);
    let verified = verify_password(stored, &PASSWORD);
    if let Ok(verified) = verified
        && verified.ok
    {
        assert!(!format.is_slow(), "a slow hash of this password was not among the seeds");
    }
    let _read = PasswordHasher::new(1).like(stored);
});
