//! Backups proven by a restore.
//!
//! A backup here is a directory that appears in one rename: the dump, compressed and encrypted while it streams, and
//! a manifest that says what the database held *in the very snapshot that was dumped*: every object with the digest
//! of its definition, every table with its row count and the digest of its content. Proof is therefore equality, not
//! plausibility: [`restore_backup`] into an empty database, [`compare_restored`] against the manifest.
//!
//! | to | call |
//! |---|---|
//! | take a backup | [`create_backup`] |
//! | read every byte again | [`verify_backup`] |
//! | restore, and compare | [`restore_backup`], [`compare_restored`] |
//! | delete old ones safely | [`plan_prune`], [`Repository::prune`] |
//! | keep environment and state files | [`back_up_state`], [`restore_state`] |
//! | run it daily | [`render_systemd`], [`render_cron`] |
//! | write down the recovery | [`render_runbook`] |
//!
//! The dump tools of MariaDB are started in this crate and nowhere else. Starting database *servers* is not its
//! business: a restore target comes in as a [`Server`].

mod compare;
mod create;
mod digest;
mod exec;
mod grants;
mod identifier;
mod inventory;
mod manifest;
mod pipeline;
mod progress;
mod repository;
mod restore;
mod retention;
mod runbook;
mod schedule;
mod sealing;
mod server;
mod snapshot;
mod state;
mod verify;

pub use compare::{CompareError, Comparison, Difference, compare_restored};
pub use create::{BackupOptions, CreateBackupError, create_backup};
pub use exec::{ToolError, Tools};
pub use inventory::{InspectError, Inventory, Object, ObjectKind};
pub use manifest::{
    BackupId, BinlogPosition, Content, DatabaseFacts, InvalidBackupId, Manifest, Part, SnapshotMethod,
    StateFacts, StateFile, TableFacts,
};
pub use progress::{Progress, ProgressEvent, Stage};
pub use repository::{DamagedEntry, Proof, ProofLevel, Repository, RepositoryError, Scan};
pub use restore::{RestoreError, RestoreOptions, RestoreReport, restore_backup};
pub use retention::{Candidate, Kept, PrunePlan, Pruned, Retention, plan_prune};
pub use runbook::{MeasuredRecovery, RunbookInputs, Scenario, render_runbook};
pub use schedule::{ScheduleOptions, SystemdUnits, render_cron, render_systemd};
pub use sealing::{Key, KeyError, Keys, Recipient};
pub use server::{ConnectError, InvalidServer, Server};
pub use state::{StateError, back_up_state, restore_state};
pub use verify::{Damage, Depth, Verification, VerifyError, verify_backup};
