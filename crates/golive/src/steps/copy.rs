//! 1.1: the rows, streamed from one read snapshot; a killed copy goes on at the chunk it was in.

use async_trait::async_trait;
use golive_migrate::{CopyOptions, copy, quarantined};
use secrecy::ExposeSecret;
use sqlx::{AssertSqlSafe, Connection, Row};

use super::migrating::{before_the_switch, connect_target, open_source, planned, show};
use crate::context::Context;
use crate::step::{About, Doing, Plan, Proof, Step, StepError, Witness};

pub(crate) struct Copy;

#[async_trait]
impl Step for Copy {
    fn about(&self) -> About {
        About::new(ID, 1, "Copy every row").checklist(&["1.1"]).after(&["schema"])
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        let plan = planned(context).await?;
        Ok(Plan::lines(plan.tables.iter().map(|table| plan_line(&table.name, table.rows)).collect()))
    }

    async fn apply(&self, context: &Context, _plan: &Plan) -> Result<(), StepError> {
        let plan = planned(context).await?;
        let (source, target) = (open_source(context).await?, connect_target(context).await?);
        let report = copy(&source, &target, &plan, &CopyOptions::default(), &show(context, ID))
            .await
            .doing("copy the rows")?;
        if !report.resumed {
            context.migration.lock().await.rows_per_second = Some(report.rows_per_second);
        }
        context.note(format!(
            "{} rows by {} in {:.2} s ({:.0} rows/s)",
            report.rows, report.method, report.seconds, report.rows_per_second
        ));
        Ok(())
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        if let Some(proof) = before_the_switch(context, &["copy.rows"])? {
            return Ok(proof);
        }
        let plan = planned(context).await?;
        let url = context.target()?;
        let mut connection =
            sqlx::MySqlConnection::connect(url.expose_secret()).await.doing("look at the target")?;
        let mut seen = Witness::new("row counts of the target", context.now());
        let target = connect_target(context).await?;
        let aside = quarantined(&target).await.doing("look at what was set aside")?;
        let mut rows = 0;
        for table in &plan.tables {
            let count = format!("SELECT COUNT(*) FROM `{}`", table.name.replace('`', "``"));
            let row =
                sqlx::query(AssertSqlSafe(count)).fetch_one(&mut connection).await.doing("count rows")?;
            let found: i64 = row.try_get(0).doing("count rows")?;
            rows += found;
            let set_aside: u64 =
                aside.iter().filter(|rows| rows.table == table.name).map(|rows| rows.count).sum();
            if u64::try_from(found).map(|found| found + set_aside) != Ok(table.rows) {
                seen.finds(format!(
                    "{} has {found} rows and {set_aside} set aside, the source {}",
                    table.name, table.rows
                ));
            }
        }
        seen.saw("copy.rows", rows).saw("copy.set_aside", aside.iter().map(|rows| rows.count).sum::<u64>());
        if let Some(rate) = context.migration.lock().await.rows_per_second {
            seen.source("the copy itself").saw("migrate.rows_per_second", rate.round());
        }
        Ok(seen.done())
    }
}

pub(crate) const ID: &str = "copy";

fn plan_line(table: &str, rows: u64) -> String {
    format!("{table}: {rows} rows")
}

/// The tables of a copy with their rows, as the step's plan lists them, in the order in which they are copied: so that what waits
/// can be shown beside what is done.
#[must_use]
pub fn tables_to_copy(plan: &[String]) -> Vec<(String, u64)> {
    let table = |line: &String| {
        let (name, rows) = line.strip_suffix(" rows")?.rsplit_once(": ")?;
        Some((name.to_owned(), rows.parse().ok()?))
    };
    plan.iter().filter_map(table).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_tells_its_tables() {
        let tables = [("orders", 12), ("a: 3 rows", 0), ("", u64::MAX)];
        let plan: Vec<String> = tables.iter().map(|(name, rows)| plan_line(name, *rows)).collect();
        let told = tables_to_copy(&plan);
        assert_eq!(told, tables.map(|(name, rows)| (name.to_owned(), rows)));
        assert_eq!(tables_to_copy(&["something else".to_owned()]), []);
    }
}
