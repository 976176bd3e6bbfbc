//! 0.5: demo tenants are switched off, and the tenant that goes live is there.

use async_trait::async_trait;
use golive_auth::{AccountState, NewTenant, Tenants};

use crate::context::Context;
use crate::step::{About, Doing, Plan, Proof, Step, StepError, Witness};

pub(crate) struct DemoTenants;

#[async_trait]
impl Step for DemoTenants {
    fn about(&self) -> About {
        About::new("demo-tenants", 0, "Switch off demo tenants, create the real one")
            .checklist(&["0.5", "0.6"])
            .after(&["switch"])
            .once_ended(&["old-token"])
            .supplies(&["tenants.demo_active"])
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        let demo = tenants(context).await?.list_demo().await.doing("list the demo tenants")?;
        let mut lines: Vec<String> = demo
            .into_iter()
            .filter(|tenant| tenant.state != AccountState::Inactive)
            .map(|tenant| format!("switch off {}", tenant.id))
            .collect();
        if let Some(tenant) = &context.config.tenant {
            lines.push(format!("have the tenant {} ({})", tenant.id, tenant.name));
        }
        Ok(Plan::lines(lines))
    }

    async fn apply(&self, context: &Context, _plan: &Plan) -> Result<(), StepError> {
        let tenants = tenants(context).await?;
        tenants.deactivate_demo().await.doing("switch demo tenants off")?;
        let Some(wanted) = &context.config.tenant else { return Ok(()) };
        let listed = tenants.list().await.doing("list the tenants")?;
        if listed.iter().any(|tenant| tenant.id == wanted.id) {
            return Ok(());
        }
        let mut new = NewTenant::new(&wanted.name);
        new.id = Some(wanted.id.clone());
        tenants.create(&new, context.now()).await.doing(format!("create the tenant {}", wanted.id)).map(drop)
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let tenants = tenants(context).await?;
        let demo = tenants.list_demo().await.doing("list the demo tenants")?;
        let active = demo.iter().filter(|tenant| tenant.state != AccountState::Inactive).count();
        let mut seen = Witness::new("the tenants table", context.now());
        seen.saw("tenants.demo", demo.len()).saw("tenants.demo_active", active);
        let names = &tenants.mapping().demo_ids;
        for id in names.iter().filter(|id| !demo.iter().any(|tenant| tenant.id == **id)) {
            seen.could_not(format!("there is no tenant {id}: correct [tenants] demo_ids"));
        }
        if demo.is_empty() {
            seen.could_not("no demo tenant is named or found: nothing was seen to be switched off");
        }
        if let Some(wanted) = &context.config.tenant {
            let listed = tenants.list().await.doing("list the tenants")?;
            let there =
                listed.iter().any(|tenant| tenant.id == wanted.id && tenant.state == AccountState::Active);
            seen.saw("tenants.production_active", there);
            if !there {
                seen.finds(format!("the tenant {} is not there or not active", wanted.id));
            }
        }
        Ok(seen.done())
    }
}

pub(crate) async fn tenants(context: &Context) -> Result<Tenants, StepError> {
    let mapping = context.config.tenants.clone();
    let mapping = mapping.ok_or_else(|| StepError::unknown("golive.toml describes no [tenants]"))?;
    Tenants::connect(&context.target()?, mapping).await.doing("open the tenants table")
}
