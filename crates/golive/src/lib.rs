//! The go-live flow: steps, their order, the journal that survives a kill, and the verbs that run them.
//!
//! A go-live is a reconciler: each step looks, plans, acts, and proves by looking again. No step reads another
//! step's memory; a later step reads the system or the journal, so a resumed run and a fresh run are the same.
//!
//! What must not be here: the work itself. Each phase has its crate, and a step maps that crate's report to the
//! facts that golive-gate judges.
//!
//! ```no_run
//! use golive::{Config, RehearseOptions};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config::read("golive.toml".as_ref())?;
//! let options = RehearseOptions::new(config, ".golive".into(), "2026-05-04".to_owned());
//! let outcome = golive::rehearse(options, golive::nobody()).await?;
//! println!("{:?}", outcome.report.verdict);
//! # Ok(())
//! # }
//! ```
//!
//! A service that wants one part leaves the flow out: each crate is a feature and a module of its name, and `axum` adds the
//! layers of those that are chosen. `golive = { version = "…", default-features = false, features = ["auth", "cache"] }`
//! brings `golive::auth`, `golive::cache`, and revocations kept in Redis. `golive-server`, the console, stands on the flow and
//! is a dependency of its own.

#[cfg(feature = "flow")]
mod application;
#[cfg(feature = "flow")]
mod bundle;
#[cfg(feature = "flow")]
mod config;
#[cfg(feature = "flow")]
mod context;
#[cfg(feature = "flow")]
mod decisions;
#[cfg(feature = "flow")]
mod disaster;
#[cfg(feature = "flow")]
mod event;
#[cfg(feature = "flow")]
mod flow;
#[cfg(feature = "flow")]
mod http;
#[cfg(feature = "flow")]
mod journal;
#[cfg(feature = "flow")]
mod pace;
#[cfg(feature = "flow")]
mod placeholder;
#[cfg(feature = "flow")]
mod production;
#[cfg(feature = "flow")]
mod progress;
#[cfg(feature = "flow")]
mod rehearsal;
#[cfg(feature = "flow")]
mod rehearse;
#[cfg(feature = "flow")]
mod report;
#[cfg(feature = "flow")]
mod restore_proof;
#[cfg(feature = "flow")]
mod run_dir;
#[cfg(feature = "flow")]
mod standing;
#[cfg(feature = "flow")]
mod step;
#[cfg(feature = "flow")]
mod steps;
#[cfg(feature = "flow")]
mod table;

#[cfg(feature = "auth")]
pub use golive_auth as auth;
#[cfg(feature = "backup")]
pub use golive_backup as backup;
#[cfg(feature = "cache")]
pub use golive_cache as cache;
#[cfg(feature = "deploy")]
pub use golive_deploy as deploy;
#[cfg(feature = "gate")]
pub use golive_gate as gate;
#[cfg(feature = "load")]
pub use golive_load as load;
#[cfg(feature = "migrate")]
pub use golive_migrate as migrate;
#[cfg(feature = "observe")]
pub use golive_observe as observe;
#[cfg(feature = "sandbox")]
pub use golive_sandbox as sandbox;

#[cfg(feature = "flow")]
pub use self::{
    bundle::{
        BundleError, BundleManifest, BundleProblem, BundleVerdict, BundledFile, EVIDENCE_KEY, EvidenceKey,
        EvidenceKeyError, Signer, SignerError, bundle, verify_bundle,
    },
    config::{
        Admin, AlertMail, Alerts, Application, Backup, CiCheck, Commands, Config, DatabaseQuestion, Deploy,
        ErrorProof, Http, Journeys, Load, LoadScenario, Lookup, MigrateConfig, RateLimitProof,
        ReadConfigError, ReadRolesError, RedisConfig, RequestTemplate, Requests, Respond, Roles,
        SchemaConfig, Setting, SettingError, SourceConfig, TargetConfig, Team, Tenant, Tls, fetch_kept,
    },
    context::{Addresses, Context},
    decisions::{
        DecideError, Decision, DiffLine, SurveySourceError, Surveyed, SurveyedFinding, decide, survey_source,
    },
    disaster::{
        Disaster, DisasterError, DisasterFailure, DisasterOptions, DisasterReport, Executed,
        rehearse_disaster, render_disasters,
    },
    event::{Event, Observer, nobody},
    flow::{AbortAt, FlowOptions, Mode},
    journal::{Entry, Journal, JournalError},
    pace::{PacePoint, read_pace},
    production::{ProductionOptions, run},
    progress::{ItemProgress, read_progress},
    rehearsal::{Rehearsal, RehearsalError},
    rehearse::{Outcome, RehearseOptions, RunError, SeedError, rehearse},
    report::{PastRun, WriteReportError, past_runs, read_latest},
    restore_proof::{RedisComparison, RestoreProof, RestoreProofError, prove_backup},
    run_dir::{RunDirectory, RunDirectoryError, write_private},
    standing::{RunStanding, RunState, StepStanding, run_standing},
    step::{About, Plan, Proof, Step, StepError, error_chain},
    steps::{list, tables_to_copy},
    table::go_live_table,
};
