//! 1.1: the MariaDB schema, made in foreign-key order computed from the source.

use async_trait::async_trait;
use golive_migrate::create_schema;
use secrecy::ExposeSecret;
use sqlx::{Connection, Row};

use super::migrating::{connect_target, planned};
use crate::context::Context;
use crate::step::{About, Doing, Plan, Proof, Step, StepError, Witness};

pub(crate) struct Schema;

#[async_trait]
impl Step for Schema {
    fn about(&self) -> About {
        About::new("schema", 1, "Create the MariaDB tables").checklist(&["1.1"]).after(&["survey"])
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        let plan = planned(context).await?;
        let mut lines = vec![format!("{} tables in {} tiers", plan.tables.len(), plan.tiers.len())];
        lines.extend(
            plan.tiers
                .iter()
                .enumerate()
                .map(|(tier, tables)| format!("tier {}: {}", tier + 1, tables.join(", "))),
        );
        lines.extend(plan.tables.iter().filter_map(|table| table.create.clone()));
        Ok(Plan::lines(lines))
    }

    async fn apply(&self, context: &Context, _plan: &Plan) -> Result<(), StepError> {
        let plan = planned(context).await?;
        create_schema(&connect_target(context).await?, &plan).await.doing("create the tables").map(drop)
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let plan = planned(context).await?;
        let url = context.target()?;
        let mut connection =
            sqlx::MySqlConnection::connect(url.expose_secret()).await.doing("look at the target")?;
        let rows = sqlx::query(TABLES).fetch_all(&mut connection).await.doing("list the target's tables")?;
        let mut seen = Witness::new("information_schema of the target", context.now());
        let mut fit = 0;
        for row in rows {
            let column = |index: usize| row.try_get::<String, _>(index).doing("read information_schema");
            let (name, engine, collation) = (column(0)?, column(1)?, column(2)?);
            if !plan.tables.iter().any(|table| table.name == name) {
                continue;
            }
            if engine == "InnoDB" && collation == plan.collation {
                fit += 1;
            } else {
                seen.finds(format!("{name} is {engine} with {collation}"));
            }
        }
        seen.saw("schema.tables", fit).saw("schema.tiers", plan.tiers.len());
        if fit != plan.tables.len() {
            seen.finds(format!("{fit} of {} tables are InnoDB with {}", plan.tables.len(), plan.collation));
        }
        Ok(seen.done())
    }
}

const TABLES: &str = "SELECT CAST(table_name AS CHAR), CAST(COALESCE(engine, '') AS CHAR), \
                      CAST(COALESCE(table_collation, '') AS CHAR) \
                      FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'";
