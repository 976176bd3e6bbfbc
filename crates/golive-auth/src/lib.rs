//! Secret keys, tokens, revocation, passwords and accounts.
