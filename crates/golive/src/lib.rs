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

mod application;
mod bundle;
mod config;
mod context;
mod decisions;
mod disaster;
mod event;
mod flow;
mod http;
mod journal;
mod pace;
mod placeholder;
mod production;
mod progress;
mod rehearsal;
mod rehearse;
mod report;
mod restore_proof;
mod run_dir;
mod standing;
mod step;
mod steps;
mod table;

pub use bundle::{
    BundleError, BundleManifest, BundleProblem, BundleVerdict, BundledFile, EVIDENCE_KEY, EvidenceKey,
    EvidenceKeyError, Signer, SignerError, bundle, verify_bundle,
};
pub use config::{
    Admin, AlertMail, Alerts, Application, Backup, CiCheck, Commands, Config, DatabaseQuestion, Deploy,
    ErrorProof, Http, Journeys, Load, LoadScenario, Lookup, MigrateConfig, RateLimitProof, ReadConfigError,
    ReadRolesError, RedisConfig, RequestTemplate, Requests, Respond, Roles, SchemaConfig, Setting,
    SettingError, SourceConfig, TargetConfig, Team, Tenant, Tls, fetch_kept,
};
pub use context::{Addresses, Context};
pub use decisions::{
    DecideError, Decision, DiffLine, SurveySourceError, Surveyed, SurveyedFinding, decide, survey_source,
};
pub use disaster::{
    Disaster, DisasterError, DisasterFailure, DisasterOptions, DisasterReport, Executed, rehearse_disaster,
    render_disasters,
};
pub use event::{Event, Observer, nobody};
pub use flow::{AbortAt, FlowOptions, Mode};
pub use journal::{Entry, Journal, JournalError};
pub use pace::{PacePoint, read_pace};
pub use production::{ProductionOptions, run};
pub use progress::{ItemProgress, read_progress};
pub use rehearsal::{Rehearsal, RehearsalError};
pub use rehearse::{Outcome, RehearseOptions, RunError, SeedError, rehearse};
pub use report::{PastRun, WriteReportError, past_runs, read_latest};
pub use restore_proof::{RedisComparison, RestoreProof, RestoreProofError, prove_backup};
pub use run_dir::{RunDirectory, RunDirectoryError, write_private};
pub use standing::{RunStanding, RunState, StepStanding, run_standing};
pub use step::{About, Plan, Proof, Step, StepError, error_chain};
pub use steps::{list, tables_to_copy};
pub use table::go_live_table;
