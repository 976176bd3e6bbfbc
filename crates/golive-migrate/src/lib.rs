//! Moves an SQLite database to MariaDB and proves every cell.
//!
//! The way is always the same: look ([`survey`]), plan ([`Plan::new`]), act ([`create_schema`], [`copy`],
//! [`add_constraints`]), prove ([`verify`]), and only then [`switch`]. Looking only reads; a plan prints in full; acting
//! makes no choices, can be killed at any moment and run again; proof reads both sides anew and shares no conversion with
//! the copy. [`switch`] takes a proof by type.
//!
//! ```no_run
//! use golive_migrate::*;
//! # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
//! let source = Source::open("app.db".as_ref())?;
//! let target = Target::connect(&TargetOptions::new("mysql://me:secret@db/prod".to_owned().into())).await?;
//! let survey = survey(&source, Some(&target), &SurveyOptions::default()).await?;
//! let plan = Plan::new(&survey, &PlanOptions::default())?;
//! create_schema(&target, &plan).await?;
//! copy(&source, &target, &plan, &CopyOptions::default(), &|_| {}).await?;
//! add_constraints(&target, &plan).await?;
//! let verification = verify(&source, &target, &VerifyOptions::default(), &|_| {}).await?;
//! assert_eq!(verification.verdict, Verdict::Match);
//! # Ok(()) }
//! ```
//!
//! Strings keep SQLite's meaning in MariaDB: tables are made with the collation `utf8mb4_nopad_bin`, under which
//! `'a'`, `'A'` and `'a '` differ as they do in SQLite. [`SurveyOptions::collation`] chooses another.

mod constraints;
mod copy;
mod core;
mod finding;
mod freeze;
mod ident;
mod journal;
mod plan;
mod pool;
mod pool_probe;
mod progress;
mod schema;
mod source;
mod survey;
mod switch;
mod target;
mod verify;

pub use self::constraints::{
    ConstraintError, ConstraintOptions, ConstraintReport, add_constraints, add_constraints_with,
};
pub use self::copy::{CopiedTable, CopyError, CopyOptions, CopyReport, copy};
pub use self::core::census::Census;
pub use self::core::types::TargetType;
pub use self::finding::{Finding, Severity};
pub use self::freeze::{FreezeError, FreezeOptions, Frozen};
pub use self::plan::{Plan, PlanError, PlanOptions, PlannedColumn, PlannedForeignKey, PlannedTable};
pub use self::pool::{PoolSettings, PoolSettingsError, ServerLimits};
pub use self::pool_probe::{PoolProbe, PoolProbeError, PoolRun, probe_pool};
pub use self::progress::{OnProgress, Phase, Progress, ProgressEvents, ProgressStream};
pub use self::schema::{SchemaError, SchemaReport, begun_from, create_schema, require_unused};
pub use self::source::{Activity, OpenSourceError, Source};
pub use self::survey::{
    DEFAULT_COLLATION, Survey, SurveyError, SurveyOptions, SurveyedColumn, SurveyedForeignKey, SurveyedIndex,
    SurveyedIndexColumn, SurveyedTable, survey,
};
pub use self::switch::{PastState, Provider, ProviderState, SwitchError, SwitchRequest, switch};
pub use self::target::{ConnectTargetError, GaleraInfo, ServerInfo, Target, TargetOptions};
pub use self::verify::{
    Mismatch, MismatchKind, SchemaDifference, Verdict, Verification, Verified, VerifiedTable, VerifyError,
    VerifyOptions, verify,
};
/// Ends a survey, copy or verification early; every options type has one.
pub use tokio_util::sync::CancellationToken;
