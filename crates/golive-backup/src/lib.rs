//! Backups proven by a restore.
