//! The binary log: archived as it is written, and used to recover to a moment.
//!
//! The parts: `event`, `reader`, `gtid`, `statement`, `about` understand the bytes and touch nothing; `settings` judges the
//! server; `archive` is where logs lie, `archiver` with `arrival` and `questions` how they come there, `source` how they
//! are read again; `plan` and `walk` decide what a recovery replays, and `replay` does it; `find` searches; `undo` takes
//! one transaction back; `retain` says which logs may go.

mod about;
pub(crate) mod archive;
mod archiver;
mod arrival;
mod event;
mod find;
mod gtid;
mod plan;
mod questions;
mod reader;
mod replay;
mod retain;
mod settings;
mod source;
mod statement;
mod undo;
mod walk;

pub use archive::{ArchiveStatus, ArchivedLog, BinlogArchive};
pub use archiver::{ArchiveError, ArchiveEvent, ArchiveOptions, archive_binlogs};
pub use find::{FindError, FoundChange, Search, find_changes};
pub use gtid::{Gtid, InvalidGtid};
pub use plan::{Gap, PlanError, RecoveryPlan, Target, plan_recovery};
pub use replay::{RecoverError, RecoverOptions, RecoveryReport, recover};
pub use retain::plan_log_prune;
pub use settings::BinlogFinding;
pub use statement::{ChangeKind, InvalidChangeKind};
pub use undo::{UndoError, UndoReport, undo_transaction};
