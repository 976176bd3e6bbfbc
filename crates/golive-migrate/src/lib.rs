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
//! let verification = verify(&source, &target, &VerifyOptions::for_plan(&plan), &|_| {}).await?;
//! assert_eq!(verification.verdict, Verdict::Match);
//! # Ok(()) }
//! ```
//!
//! Strings keep SQLite's meaning in MariaDB: tables are made with the collation `utf8mb4_nopad_bin`, under which
//! `'a'`, `'A'` and `'a '` differ as they do in SQLite. [`SurveyOptions::collation`] chooses another.
//!
//! What does not fit is a [`Finding`] with a stable id ([`survey_rules`] explains each), and a [`Policy`] settles it: stop,
//! accept, set the rows aside ([`quarantined`]), or a named [`Conversion`]. Every options type has a [`CancellationToken`];
//! a cancelled run goes on with the next. [`ProgressEvents`] is the progress as a stream that holds nobody up. A source that
//! is being written to is frozen first ([`Frozen`]).
//!
//! Once there, the schema goes on by versioned migrations ([`Migrations`], [`schema_up`]): under a lock, journalled, taken up
//! after a crash, and proven on a disposable server ([`prove_migrations`], [`schema_drift`]).

mod constraints;
mod copy;
mod core;
mod finding;
mod freeze;
mod ident;
mod journal;
mod plan;
mod policy;
mod pool;
mod pool_probe;
mod progress;
mod quarantine;
mod rules;
mod schema;
mod set_aside;
mod source;
mod stall;
mod survey;
mod switch;
mod target;
mod verify;
mod versioned;

pub use self::constraints::{
    ConstraintError, ConstraintOptions, ConstraintReport, add_constraints, add_constraints_with,
};
pub use self::copy::{CopiedTable, CopyError, CopyOptions, CopyReport, copy};
pub use self::core::census::Census;
pub use self::core::conversion::{Conversion, UnknownConversion};
pub use self::core::types::TargetType;
pub use self::finding::{Finding, Severity};
pub use self::freeze::{FreezeError, FreezeOptions, Frozen};
pub use self::plan::{Plan, PlanError, PlanOptions, PlannedColumn, PlannedForeignKey, PlannedTable};
pub use self::policy::{Policies, Policy, PolicyError};
pub use self::pool::{PoolSettings, PoolSettingsError, ServerLimits};
pub use self::pool_probe::{PoolProbe, PoolProbeError, PoolRun, probe_pool};
pub use self::progress::{OnProgress, Phase, Progress, ProgressEvents, ProgressStream};
pub use self::quarantine::{QuarantinedRows, quarantined};
pub use self::rules::{SurveyRule, survey_rules};
pub use self::schema::{SchemaError, SchemaReport, begun_from, create_schema, require_unused};
pub use self::source::{Activity, OpenSourceError, Source};
pub use self::survey::{
    DEFAULT_COLLATION, SchemaOrigin, Survey, SurveyError, SurveyOptions, SurveyedCheck, SurveyedColumn,
    SurveyedForeignKey, SurveyedHelper, SurveyedIndex, SurveyedIndexColumn, SurveyedTable, SurveyedView,
    survey,
};
pub use self::switch::{
    AcceptedLoss, ApplicationQuestion, DatabaseInUse, PastState, Provider, ProviderFile, ProviderState,
    ProviderStore, SwitchBackRequest, SwitchError, SwitchProof, SwitchRequest, WritesSince, judge_answer,
    judge_observation, observe, switch, switch_back, switch_in,
};
pub use self::target::{ConnectTargetError, GaleraInfo, ServerInfo, Target, TargetOptions};
pub use self::verify::{
    Change, ChangeKind, CheckedForeignKey, Difference, Intended, Intentions, Method, Mismatch, MismatchKind,
    Recorded, RecordedTable, RecordedVerification, Sample, SampleSize, Sampled, SchemaDifference, Verdict,
    Verification, Verified, VerifiedTable, VerifyError, VerifyOptions, record, verify, verify_recorded,
};
pub use self::versioned::{
    ChangeClass, Direction, DisposableServer, Effect, HalfRun, LintedChange, MigrationProof,
    MigrationStanding, Migrations, OnVersionedEvent, PlannedMigration, RanMigration, ReadMigrationsError,
    Resolution, Scaffold, SchemaDeviation, SchemaDrift, SchemaLint, Standing, Stopped, VersionedError,
    VersionedEvent, VersionedFinding, VersionedOptions, VersionedPlan, VersionedRule, VersionedRun,
    VersionedStatus, Weight, prove_migrations, schema_baseline, schema_down, schema_drift, schema_lint,
    schema_plan, schema_scaffold, schema_status, schema_up, versioned_rules,
};
/// Ends a survey, copy or verification early; every options type has one.
pub use tokio_util::sync::CancellationToken;
