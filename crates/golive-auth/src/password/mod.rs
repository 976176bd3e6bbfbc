//! Passwords: hashing, verifying what others stored, making, judging. Accounts are not known here.

mod cost;
mod digest;
mod format;
mod generate;
mod hash;
mod policy;

pub use cost::{Argon2Cost, Calibration};
pub use format::HashFormat;
pub(crate) use format::{Attempt, try_password};
pub use generate::{GeneratedPassword, generate_password};
pub use hash::{HashPasswordError, PasswordHasher, Verified, hash_password, verify_password};
pub use policy::{Blocklist, BlocklistError, PasswordPolicy, PasswordRefusal};
