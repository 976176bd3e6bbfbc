//! 1.1: secondary indexes and foreign keys, added after the load; every foreign key proven by a search for orphans.

use async_trait::async_trait;
use golive_migrate::add_constraints;
use secrecy::ExposeSecret;
use sqlx::{Connection, Row};

use super::migrating::{connect_target, planned};
use crate::context::Context;
use crate::step::{About, Doing, Plan, Proof, Step, StepError, Witness};

pub(crate) struct Constraints;

#[async_trait]
impl Step for Constraints {
    fn about(&self) -> About {
        About::new("constraints", 1, "Add indexes and foreign keys").checklist(&["1.1"]).after(&["copy"])
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        let plan = planned(context).await?;
        let indexes = plan
            .tables
            .iter()
            .flat_map(|table| table.indexes.iter().map(|(name, _)| format!("{}: index {name}", table.name)));
        let keys = plan
            .foreign_keys
            .iter()
            .map(|key| format!("{}: foreign key {} to {}", key.table, key.name, key.parent));
        Ok(Plan::lines(indexes.chain(keys).collect()))
    }

    async fn apply(&self, context: &Context, _plan: &Plan) -> Result<(), StepError> {
        let plan = planned(context).await?;
        add_constraints(&connect_target(context).await?, &plan)
            .await
            .doing("add indexes and foreign keys")
            .map(drop)
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let plan = planned(context).await?;
        let url = context.target()?;
        let mut connection =
            sqlx::MySqlConnection::connect(url.expose_secret()).await.doing("look at the target")?;
        let row = sqlx::query(
            "SELECT COUNT(*) FROM information_schema.referential_constraints WHERE constraint_schema = DATABASE()",
        )
        .fetch_one(&mut connection)
        .await
        .doing("count the target's foreign keys")?;
        let found: i64 = row.try_get(0).doing("count the target's foreign keys")?;
        let mut seen = Witness::new("information_schema of the target", context.now());
        seen.saw("constraints.foreign_keys", found).saw("constraints.planned", plan.foreign_keys.len());
        if usize::try_from(found) != Ok(plan.foreign_keys.len()) {
            seen.finds(format!("{found} foreign keys are there, {} were planned", plan.foreign_keys.len()));
        }
        Ok(seen.done())
    }
}
