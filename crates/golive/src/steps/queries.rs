//! 6.2: the statements that cost most, explained; indexes and server settings advised.

use async_trait::async_trait;
use golive_load::{ReviewOptions, review_queries};

use crate::context::Context;
use crate::step::{About, Doing, Plan, Proof, Step, StepError, Witness};

pub(crate) struct Queries;

#[async_trait]
impl Step for Queries {
    fn about(&self) -> About {
        About::new("queries", 6, "Explain the ten most costly queries")
            .checklist(&["6.2"])
            .once_ended(&["load"])
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        context.target()?;
        Ok(Plan::line("EXPLAIN the ten most costly SELECTs the server has seen, read-only"))
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let review = review_queries(&context.target()?, &ReviewOptions::default())
            .await
            .doing("review the queries")?;
        let mut seen = Witness::new(format!("MariaDB {}", review.server_version), context.now());
        let explained = review.queries.iter().filter(|query| query.not_explained.is_none()).count();
        let advice: Vec<String> = review.indexes().into_iter().map(str::to_owned).collect();
        let findings: Vec<String> = review
            .queries
            .iter()
            .flat_map(|query| &query.findings)
            .map(|finding| finding.says.clone())
            .collect();
        seen.saw("queries.reviewed", review.queries.len())
            .saw("queries.explained", explained)
            .saw("queries.advice", advice)
            .saw("queries.findings", findings);
        Ok(seen.done())
    }
}
