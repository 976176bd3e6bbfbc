//! 1.1: the provider state says MariaDB from here on. It takes a verification that matched, and holds no secret.

use async_trait::async_trait;
use golive_migrate::{Provider, ProviderState, SwitchRequest, Verified, switch, verify};
use secrecy::ExposeSecret;

use super::migrating::{connect_target, is_this_target, open_source, show, verify_options};
use crate::context::{Context, STATE_FILE};
use crate::step::{About, Doing, Plan, Proof, Step, StepError, Witness};

pub(crate) struct Switch;

#[async_trait]
impl Step for Switch {
    fn about(&self) -> About {
        About::new(ID, 1, "Switch the provider state to MariaDB")
            .checklist(&["1.1"])
            .after(&["verify"])
            .supplies(&["migrate.switched"])
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        Ok(Plan::line(format!("write {}", context.directory.path(STATE_FILE).display())))
    }

    async fn apply(&self, context: &Context, _plan: &Plan) -> Result<(), StepError> {
        let path = context.directory.path(STATE_FILE);
        if ProviderState::read(&path).doing("read the provider state")?.is_some() {
            return Ok(());
        }
        let verified = verified(context).await?;
        let request =
            SwitchRequest::new(verified, context.now(), format!("golive run {}", context.directory.run()));
        switch(&path, &request).doing("switch the provider state").map(drop)
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let path = context.directory.path(STATE_FILE);
        let mut seen = Witness::new(path.display().to_string(), context.now());
        let state = ProviderState::read(&path).doing("read the provider state")?;
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let url = context.target()?;
        let password =
            url::Url::parse(url.expose_secret()).ok().and_then(|url| url.password().map(str::to_owned));
        if password.is_some_and(|password| text.contains(&password)) {
            seen.finds(format!("{} holds the database password", path.display()));
        }
        seen.saw(
            "migrate.switched",
            state.is_some_and(|state| state.provider == Provider::Mariadb && is_this_target(context, &state)),
        );
        Ok(seen.done())
    }
}

/// The verification of this process, or a new one where it was resumed.
async fn verified(context: &Context) -> Result<Verified, StepError> {
    if let Some(verified) = context.migration.lock().await.verified.clone() {
        return Ok(verified);
    }
    let (source, target) = (open_source(context).await?, connect_target(context).await?);
    let verification = verify(&source, &target, &verify_options(context).await?, &show(context, ID))
        .await
        .doing("compare source and target")?;
    let refused = || StepError::Refused("source and target differ: step `verify` says where".to_owned());
    verification.verified().ok_or_else(refused)
}

const ID: &str = "switch";
