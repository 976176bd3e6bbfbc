//! 6.2: the statements that cost most, explained; indexes and server settings advised.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use golive_load::{ReviewError, ReviewOptions, review_queries};

use crate::context::Context;
use crate::step::{About, Doing, Plan, Proof, Step, StepError, Witness};

pub(crate) struct Queries;

#[async_trait]
impl Step for Queries {
    fn about(&self) -> About {
        About::new("queries", 6, "Explain the ten most costly queries")
            .checklist(&["6.2"])
            // An application that is not switched refuses to run as production does.
            .after(&["switch"])
            .once_ended(&["load"])
            .exclusive()
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        context.target()?;
        Ok(Plan::line("EXPLAIN the ten most costly SELECTs the server has seen, read-only"))
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        if context.rehearsal.is_some() && context.config.load.is_some() {
            record_a_window(context).await?;
        }
        let review = match review_queries(&context.target()?, &ReviewOptions::default()).await {
            Err(ReviewError::NothingToReview { notes }) => {
                let why = format!("the server knows of no statement to review: {}", notes.join("; "));
                return Err(StepError::unknown(why));
            }
            review => review.doing("review the queries")?,
        };
        let mut seen = Witness::new(format!("MariaDB {}", review.server_version), context.now());
        let explained = review.queries.iter().filter(|query| query.not_explained.is_none()).count();
        let advice: Vec<String> = review.indexes().into_iter().map(str::to_owned).collect();
        let findings: Vec<String> = review
            .queries
            .iter()
            .flat_map(|query| &query.findings)
            .chain(&review.structure)
            .map(|finding| finding.says.clone())
            .collect();
        seen.saw("queries.reviewed", review.queries.len())
            .saw("queries.explained", explained)
            .saw("queries.advice", advice)
            .saw("queries.findings", findings);
        Ok(seen.done())
    }
}

/// Lets the rehearsal's server record every statement of a few seconds of load. Only new sessions are recorded, so the
/// application is restarted first.
async fn record_a_window(context: &Context) -> Result<(), StepError> {
    record(context, true).await?;
    let load = async {
        context.restart_application(false).await?;
        super::load::run(context, WINDOW).await
    };
    let ended = load.await;
    record(context, false).await?;
    ended.map(drop)
}

async fn record(context: &Context, on: bool) -> Result<(), StepError> {
    let servers = Arc::clone(context.rehearsal()?);
    let statements = if on { RECORD } else { STOP_RECORDING };
    let execute = move || servers.mariadb.execute(statements);
    let done = tokio::task::spawn_blocking(execute).await.expect("asking MariaDB does not panic");
    done.doing("record the statements of a few seconds").map(drop)
}

const RECORD: &str =
    "SET GLOBAL log_output = 'TABLE', GLOBAL long_query_time = 0, GLOBAL slow_query_log = ON";
const STOP_RECORDING: &str = "SET GLOBAL slow_query_log = OFF, GLOBAL long_query_time = 10";
const WINDOW: Duration = Duration::from_secs(3);
