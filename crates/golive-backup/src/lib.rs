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
//! | take a whole server's files, and bring them back | [`create_physical`], [`restore_physical`], [`check_tables`] |
//! | archive the binary log | [`archive_binlogs`] |
//! | recover to a moment | [`plan_recovery`], [`recover`] |
//! | find who dropped that table | [`find_changes`] |
//! | take one transaction back | [`undo_transaction`] |
//! | delete old ones safely | [`plan_prune`], [`Repository::prune`] |
//! | know whether to rely on them | [`judge_health`], [`Repository::health`] |
//! | know how much would be lost now | [`Repository::possible_loss`] |
//! | keep environment and state files | [`back_up_state`], [`restore_state`] |
//! | keep what Redis holds | [`create_redis`], [`restore_redis`] |
//! | run it daily, in this process or from outside | [`keep_schedule`], [`render_systemd`], [`render_cron`] |
//! | write down the recovery | [`render_runbook`] |
//!
//! ```no_run
//! use golive_backup::{BackupOptions, Key, Keys, Progress, Proof, ProofLevel, Repository, RestoreOptions, Server};
//! use golive_backup::{compare_restored, create_backup, restore_backup};
//!
//! # async fn daily(url: secrecy::SecretString, scratch: Server, now: chrono::DateTime<chrono::Utc>)
//! # -> Result<(), Box<dyn std::error::Error>> {
//! let key = Key::read("/etc/kpi/backup.key".as_ref())?;
//! let repository = Repository::open_local("/var/backups/kpi", Keys::with_identity(key))?;
//! let progress = Progress::silent();
//! let backup = create_backup(&Server::parse(&url)?, &repository, &BackupOptions::new("kpi"), now, &progress).await?;
//! restore_backup(&repository, &backup.id, &scratch, "kpi", &RestoreOptions::new(), &progress).await?;
//! let comparison = compare_restored(&backup, &scratch, "kpi", &progress).await?;
//! let detail = format!("{} rows of {} tables equal", comparison.rows, comparison.tables);
//! repository.record(&backup.id, &Proof::new(now, ProofLevel::Restored, comparison.equal(), detail))?;
//! # Ok(())
//! # }
//! ```
//!
//! The dump tools of MariaDB are started in this crate and nowhere else. Starting database *servers* is not its
//! business: a restore target comes in as a [`Server`].

mod accounts;
mod binlog;
mod compare;
mod create;
mod digest;
mod exec;
mod grants;
mod health;
mod identifier;
mod inventory;
mod loss;
mod manifest;
mod physical;
mod pipeline;
mod progress;
mod rdb;
mod redis;
mod remote;
mod repository;
mod restore;
mod retention;
mod rows;
mod runbook;
mod schedule;
mod sealing;
mod server;
mod shelf;
mod snapshot;
mod state;
mod verify;
mod witness;

pub use accounts::AccountsReport;
pub use binlog::{
    ArchiveError, ArchiveEvent, ArchiveOptions, ArchiveStatus, ArchivedLog, BinlogArchive, BinlogFinding,
    ChangeKind, FindError, FoundChange, Gap, Gtid, InvalidChangeKind, InvalidGtid, PlanError, RecoverError,
    RecoverOptions, RecoveryPlan, RecoveryReport, Search, Target, UndoError, UndoReport, archive_binlogs,
    find_changes, plan_log_prune, plan_recovery, recover, undo_transaction,
};
pub use compare::{CompareError, Comparison, Difference, compare_restored};
pub use create::{BackupOptions, CreateBackupError, Digests, create_backup};
pub use exec::{ToolError, Tools};
pub use health::{Expectations, Health, HealthFinding, judge_health};
pub use inventory::{InspectError, Inventory, Object, ObjectKind};
pub use loss::{LossBasis, PossibleLoss};
pub use manifest::{
    AccountFacts, BackupId, BinlogPosition, Content, DatabaseFacts, InvalidBackupId, Manifest, Part,
    PhysicalFacts, RedisFacts, Sample, SampleOf, SnapshotMethod, StateFacts, StateFile, TableFacts,
};
pub use physical::{
    Engine, EngineAdvice, PhysicalError, PhysicalOptions, RestorePhysicalError, TableProblem, advise_engine,
    check_tables, create_physical, restore_physical,
};
pub use progress::{Progress, ProgressEvent, Stage};
pub use rdb::RdbError;
pub use redis::{RedisError, RedisServer, create_redis, restore_redis};
pub use remote::{BucketError, BucketOptions, RemoteError, RemoteOptions, SftpError, SftpOptions};
pub use repository::{Attempt, DamagedEntry, Proof, ProofLevel, Repository, RepositoryError, Scan};
pub use restore::{RestoreError, RestoreOptions, RestoreReport, restore_backup};
pub use retention::{Candidate, Kept, PrunePlan, Pruned, Retention, plan_prune};
pub use runbook::{MeasuredRecovery, RunbookInputs, Scenario, render_runbook};
pub use schedule::{
    Due, ScheduleOptions, SystemdUnits, keep_schedule, next_due, proof_is_due, render_archiver, render_cron,
    render_systemd,
};
pub use sealing::{Key, KeyError, Keys, Recipient};
pub use server::{ConnectError, InvalidServer, Server};
pub use state::{StateError, back_up_state, restore_state};
pub use verify::{Damage, Depth, Verification, VerifyError, verify_backup};
