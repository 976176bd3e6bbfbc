//! Versioned migrations of a schema that lives on MariaDB: a lock, a checksum and a dirty mark for each, statements
//! that never stall the site, and a proof on a disposable server. sea-orm-migration runs Rust migrations as ever; files of
//! SQL are for everybody else.
//!
//! Not here: moving rows from SQLite (the rest of this crate), and starting servers.

mod capture;
mod disposable;
mod drift;
mod error;
mod evidence;
mod files;
mod finding;
mod journal;
mod lint;
mod migrations;
mod options;
mod plan;
mod prove;
mod reconcile;
mod report;
mod run;
mod rust;
mod scaffold;
mod session;
mod snapshot;
mod split;
mod statement;
mod status;

pub use self::disposable::DisposableServer;
pub use self::drift::{SchemaDrift, schema_drift};
pub use self::error::VersionedError;
pub use self::evidence::Effect;
pub use self::finding::{VersionedFinding, VersionedRule, Weight, versioned_rules};
pub use self::journal::Direction;
pub use self::lint::{ChangeClass, LintedChange, SchemaLint, schema_lint};
pub use self::migrations::{Migrations, ReadMigrationsError};
pub use self::options::{Resolution, VersionedOptions};
pub use self::plan::{PlannedMigration, VersionedPlan, schema_plan};
pub use self::prove::{MigrationProof, prove_migrations};
pub use self::reconcile::{HalfRun, MigrationStanding, Standing, VersionedStatus};
pub use self::report::{OnVersionedEvent, RanMigration, Stopped, VersionedEvent, VersionedRun};
pub use self::run::{schema_baseline, schema_down, schema_up};
pub use self::scaffold::{Scaffold, schema_scaffold};
pub use self::snapshot::SchemaDeviation;
pub use self::status::schema_status;
