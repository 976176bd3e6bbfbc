//! The keys that sign: what makes one acceptable, where it is kept, how it is replaced. Claims are not known here.

mod key_file;
mod ring;
mod ring_file;
mod secret_key;
mod signing_key;
mod token_keys;

pub use key_file::{KeyFile, WriteKeyFileError};
#[cfg(feature = "age")]
pub use key_file::{RecipientError, SecretRecipient};
pub use ring::{Cutover, InvalidRingError, KeyInfo, KeyRing, KeyState, RevokeKeyError, Rotated};
pub use ring_file::{KeyRingFile, RingFileError};
pub use secret_key::{SecretKey, WeakKeyError};
pub use signing_key::{KeyAlgorithm, SigningKeyError};
pub use token_keys::TokenKeys;

pub(crate) use token_keys::{HEADER_TYPES, PreparedKey};
