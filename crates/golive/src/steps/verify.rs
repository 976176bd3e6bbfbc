//! 1.1: every cell of every row, read on both sides and compared. Counts alone prove nothing.

use async_trait::async_trait;
use golive_migrate::verify;

use super::migrating::{before_the_switch, connect_target, open_source, show, verify_options};
use crate::context::Context;
use crate::step::{About, Doing, Plan, Proof, Step, StepError, Witness};

pub(crate) struct Verify;

#[async_trait]
impl Step for Verify {
    fn about(&self) -> About {
        About::new(ID, 1, "Compare every cell").checklist(&["1.1"]).after(&["constraints"]).supplies(&FACTS)
    }

    async fn plan(&self, _context: &Context) -> Result<Plan, StepError> {
        Ok(Plan::line("read both sides in key order and compare every cell in its canonical form"))
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        if let Some(proof) = before_the_switch(context, &FACTS)? {
            return Ok(proof);
        }
        let (source, target) = (open_source(context).await?, connect_target(context).await?);
        let verification = verify(&source, &target, &verify_options(context).await?, &show(context, ID))
            .await
            .doing("compare source and target")?;
        let mut seen = Witness::new(
            format!(
                "{} cells of {} rows compared in {:.2} s",
                verification.cells, verification.rows, verification.seconds
            ),
            context.now(),
        );
        let counts = verification
            .tables
            .iter()
            .filter(|table| table.rows_source != table.rows_target + table.set_aside)
            .count();
        let unverified = verification.tables.iter().filter(|table| table.columns == 0).count();
        seen.saw("migrate.rows_verified", verification.rows)
            .saw("migrate.cells_verified", verification.cells)
            .saw("migrate.tables_verified", verification.tables.len() - unverified)
            .saw("migrate.tables_unverified", unverified + context.config.migrate.exclude.len())
            .saw("migrate.row_count_mismatches", counts)
            .saw("migrate.value_mismatches", verification.mismatch_count())
            .saw("migrate.schema_mismatches", verification.schema.len());
        let excluded: Vec<&String> = context.config.migrate.exclude.iter().collect();
        // What was decided stands in the report beside the counts that it made match.
        let policies = context.config.migrate.survey_options().policies;
        let set_aside: u64 = verification.tables.iter().map(|table| table.set_aside).sum();
        seen.saw("migrate.tables_excluded", serde_json::json!(excluded))
            .saw("migrate.policies", serde_json::json!(policies))
            .saw("migrate.rows_set_aside", set_aside);
        for table in verification.tables.iter().filter(|table| !table.is_equal()).take(5) {
            let first = table.mismatches.first();
            let place = first.map(|first| {
                format!(", first at key {} column {}", first.key, first.column.as_deref().unwrap_or("-"))
            });
            seen.finds(format!(
                "{}: {} mismatches{}",
                table.name,
                table.mismatch_count,
                place.unwrap_or_default()
            ));
        }
        for difference in verification.schema.iter().take(5) {
            seen.finds(format!("{}: {}", difference.table, difference.what));
        }
        if verification.source_changed_since_copy {
            seen.finds("the source was written to since it was copied: stop the application and copy again");
        }
        context.migration.lock().await.verified = verification.verified();
        Ok(seen.done())
    }
}

const ID: &str = "verify";

/// What the gate asks of this step.
const FACTS: [&str; 5] = [
    "migrate.tables_verified",
    "migrate.tables_unverified",
    "migrate.row_count_mismatches",
    "migrate.value_mismatches",
    "migrate.schema_mismatches",
];
