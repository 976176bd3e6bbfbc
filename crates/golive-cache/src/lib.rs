//! Redis-backed revocation, rate limits and read-through cache that fail closed.
