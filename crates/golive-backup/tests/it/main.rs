//! Backups on a real MariaDB. One server for all tests, its own databases for each.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which the lint does not see as tests")]

mod accounts;
mod bucket;
mod digests;
mod faults;
mod files;
mod lies;
mod logged;
mod loss;
mod moment;
mod physical;
mod proof;
mod redis;
mod restore;
mod sftp;
mod undo;
mod world;
