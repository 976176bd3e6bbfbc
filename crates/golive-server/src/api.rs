//! The console's answers for programs: where the run stands and how far its tables are, to be asked again and again; described by an
//! OpenAPI document.
//!
//! Not here: pages.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use chrono::{DateTime, Utc};
use golive_gate::Status;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::access::Visitor;
use crate::look::{Kind, Look, Seeing, Seen, StepState, state_word};
use crate::pages::{problem, tables_of};
use crate::router::Site;

/// Where the newest run stands.
#[derive(Serialize, ToSchema)]
pub(crate) struct RunStatus {
    schema_version: u32,
    /// `run` or `rehearse`.
    kind: &'static str,
    run: String,
    /// `goes_on`, `cut_off` or `ended`.
    state: &'static str,
    /// `go`, `no_go` or `inconclusive`; of a run that has not ended, as its evidence stands so far.
    verdict: &'static str,
    /// Whether the verdict is that of the run's end.
    verdict_is_final: bool,
    began_at: Option<DateTime<Utc>>,
    last_heard_at: Option<DateTime<Utc>>,
    looked_at: DateTime<Utc>,
    steps: Vec<StepStatusOf>,
    criteria: Vec<CriterionStatus>,
}

/// How a step stands.
#[derive(Serialize, ToSchema)]
pub(crate) struct StepStatusOf {
    id: &'static str,
    phase: u8,
    title: &'static str,
    /// `waiting`, `running`, `cut_off`, `passed`, `failed`, `unknown` or `skipped`.
    state: &'static str,
    running_since: Option<DateTime<Utc>>,
    seconds: Option<f64>,
    /// Why it did not pass.
    reason: Option<String>,
}

/// How a criterion stands.
#[derive(Serialize, ToSchema)]
pub(crate) struct CriterionStatus {
    number: u8,
    key: String,
    /// `pass`, `fail`, `unknown` or `waived`.
    status: &'static str,
    /// How many of its requirements hold.
    holds: usize,
    requirements: usize,
}

/// How far the migration is.
#[derive(Serialize, ToSchema)]
pub(crate) struct MigrationStatus {
    schema_version: u32,
    run: String,
    /// `waiting`, `copying`, `copied`, `verifying`, `verified`, `failed` or `cut_off`.
    state: &'static str,
    tables_total: usize,
    /// Tables whose rows are all copied.
    tables_copied: usize,
    tables_verified: usize,
    rows_total: u64,
    rows_copied: u64,
    rows_verified: u64,
    /// Whether the application is switched to MariaDB; `null` while nobody has looked.
    switched: Option<bool>,
    looked_at: DateTime<Utc>,
    tables: Vec<TableStatus>,
}

/// How far one table is.
#[derive(Serialize, ToSchema)]
pub(crate) struct TableStatus {
    name: String,
    /// Rows of the source; `null` before they were counted.
    rows: Option<u64>,
    rows_copied: u64,
    rows_verified: u64,
    rows_per_second: Option<f64>,
    /// `waiting`, `copying`, `copied`, `verifying` or `verified`.
    state: &'static str,
}

/// What went wrong.
#[derive(Serialize, ToSchema)]
pub(crate) struct Problem {
    /// A name that stays.
    pub(crate) error: &'static str,
    /// The same for a reader, in their language.
    pub(crate) says: String,
}

#[utoipa::path(get, path = "/api/v1/status", responses(
    (status = 200, description = "where the newest run stands", body = RunStatus),
    (status = 401, description = "no session", body = Problem),
    (status = 404, description = "there is no run yet", body = Problem),
    (status = 500, description = "the run's files cannot be read", body = Problem),
))]
pub(crate) async fn status(State(site): State<Site>, Extension(visitor): Extension<Visitor>) -> Response {
    let seeing = site.looker.look().await;
    answer(&site, &visitor, &seeing, |look| Json(run_status(look, seeing.at)).into_response())
}

#[utoipa::path(get, path = "/api/v1/migration/status", responses(
    (status = 200, description = "how far the migration of the newest run is", body = MigrationStatus),
    (status = 401, description = "no session", body = Problem),
    (status = 404, description = "there is no run yet", body = Problem),
    (status = 500, description = "the run's files cannot be read", body = Problem),
))]
pub(crate) async fn migration_status(
    State(site): State<Site>,
    Extension(visitor): Extension<Visitor>,
) -> Response {
    let seeing = site.looker.look().await;
    answer(&site, &visitor, &seeing, |look| Json(migration_of(look, seeing.at)).into_response())
}

/// The interface, described.
pub(crate) async fn document() -> Response {
    Json(Document::openapi()).into_response()
}

#[derive(OpenApi)]
#[openapi(
    paths(status, migration_status),
    components(schemas(RunStatus, StepStatusOf, CriterionStatus, MigrationStatus, TableStatus, Problem)),
    info(title = "golive console", description = "Where a go-live stands. A session's cookie lets in.")
)]
struct Document;

fn answer(site: &Site, visitor: &Visitor, seeing: &Seeing, make: impl FnOnce(&Look) -> Response) -> Response {
    match &*seeing.seen {
        Seen::Run(look) => make(look),
        Seen::Nothing => problem(site, visitor, StatusCode::NOT_FOUND, "problem-no-run"),
        Seen::Unreadable(_) => {
            problem(site, visitor, StatusCode::INTERNAL_SERVER_ERROR, "problem-unreadable")
        }
    }
}

fn run_status(look: &Look, looked_at: DateTime<Utc>) -> RunStatus {
    let steps = look.steps().map(|(step, state)| StepStatusOf {
        id: step.id,
        phase: step.phase,
        title: step.title,
        state: state.as_str(),
        running_since: step.under_way_since,
        seconds: step.ended.as_ref().map(|result| result.seconds),
        reason: step.ended.as_ref().and_then(|result| result.error.clone().or(result.reason.clone())),
    });
    let criteria = look.report.criteria.iter().map(|criterion| CriterionStatus {
        number: criterion.number,
        key: criterion.key.clone(),
        status: criterion.status.as_str(),
        holds: criterion.evidence.iter().filter(|evidence| evidence.status == Status::Pass).count(),
        requirements: criterion.evidence.len(),
    });
    RunStatus {
        schema_version: 1,
        kind: if look.kind == Kind::Run { "run" } else { "rehearse" },
        run: look.standing.run.clone(),
        state: state_word(look.standing.state),
        verdict: look.report.verdict.as_str(),
        verdict_is_final: look.is_final,
        began_at: look.standing.opened_at,
        last_heard_at: look.standing.last_at,
        looked_at,
        steps: steps.collect(),
        criteria: criteria.collect(),
    }
}

fn migration_of(look: &Look, looked_at: DateTime<Utc>) -> MigrationStatus {
    use crate::pages::TableState;
    let tables = tables_of(look);
    let state = |id: &str| look.step(id).map_or(StepState::Waiting, |(_, state)| state);
    let done =
        |table: &&crate::pages::Table| !matches!(table.state, TableState::Waiting | TableState::Copying);
    MigrationStatus {
        schema_version: 1,
        run: look.standing.run.clone(),
        state: migration_word(state("copy"), state("verify")),
        tables_total: tables.len(),
        tables_copied: tables.iter().filter(done).count(),
        tables_verified: tables.iter().filter(|table| table.state == TableState::Verified).count(),
        rows_total: tables.iter().filter_map(|table| table.rows).sum(),
        rows_copied: tables.iter().map(|table| table.copied).sum(),
        rows_verified: tables.iter().map(|table| table.compared).sum(),
        switched: look.fact("migrate.switched").and_then(|fact| fact.value.as_bool()),
        looked_at,
        tables: tables
            .into_iter()
            .map(|table| TableStatus {
                name: table.name,
                rows: table.rows,
                rows_copied: table.copied,
                rows_verified: table.compared,
                rows_per_second: table.per_second,
                state: table.state.as_str(),
            })
            .collect(),
    }
}

fn migration_word(copy: StepState, verify: StepState) -> &'static str {
    match (copy, verify) {
        (StepState::Failed | StepState::Unknown, _) | (_, StepState::Failed | StepState::Unknown) => "failed",
        (StepState::CutOff, _) | (_, StepState::CutOff) => "cut_off",
        (_, StepState::Passed) => "verified",
        (_, StepState::Running) => "verifying",
        (StepState::Passed, _) => "copied",
        (StepState::Running, _) => "copying",
        _ => "waiting",
    }
}
