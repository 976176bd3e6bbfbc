//! 1.1: the provider state says MariaDB from here on, and who made it say so, when, why and from which proof. It takes a
//! verification that matched, and holds no secret; what was verified is recorded in the target itself.
//!
//! Not here: whether the application follows (`in_use`). It can only once it was given the production environment.

use async_trait::async_trait;
use golive_migrate::{Provider, ProviderState, SwitchRequest, Verified, record, switch, verify};
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
        Ok(Plan::lines(vec![
            "record in the target what was verified: a digest of every row".to_owned(),
            format!("write {}", context.directory.path(STATE_FILE).display()),
        ]))
    }

    async fn apply(&self, context: &Context, _plan: &Plan) -> Result<(), StepError> {
        if is_switched(context)? {
            return Ok(());
        }
        let (now, run) = (context.now(), context.directory.run());
        let by = context.by.clone().unwrap_or_else(|| format!("golive run {run}"));
        let mut request = SwitchRequest::new(verified(context).await?, now, by);
        request.reason = Some(format!("golive run {run}: every cell was compared and none differed"));
        let (source, target) = (open_source(context).await?, connect_target(context).await?);
        let options = verify_options(context).await?;
        let recorded = record(&source, &target, &request.verified, &options, now, &show(context, ID))
            .await
            .doing("record in the target what was verified")?;
        request.record_digest = Some(recorded.digest);
        let path = context.directory.path(STATE_FILE);
        switch(&path, &request).doing("switch the provider state").map(drop)
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let path = context.directory.path(STATE_FILE);
        let mut seen = Witness::new(path.display().to_string(), context.now());
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let url = context.target()?;
        let password =
            url::Url::parse(url.expose_secret()).ok().and_then(|url| url.password().map(str::to_owned));
        if password.is_some_and(|password| text.contains(&password)) {
            seen.finds(format!("{} holds the database password", path.display()));
        }
        seen.saw("migrate.switched", is_switched(context)?);
        if let Some(state) = ProviderState::read(&path).doing("read the provider state")? {
            seen.saw("switch.by", state.switched_by)
                .saw("switch.at", state.switched_at.to_rfc3339())
                .saw("switch.source_digest", state.source_digest)
                .saw("switch.plan_digest", state.plan_digest)
                .saw("switch.record_digest", state.record_digest);
        }
        Ok(seen.done())
    }
}

/// Whether the provider state says MariaDB, and this one.
pub(crate) fn is_switched(context: &Context) -> Result<bool, StepError> {
    let state = ProviderState::read(&context.directory.path(STATE_FILE)).doing("read the provider state")?;
    Ok(state.is_some_and(|state| state.provider == Provider::Mariadb && is_this_target(context, &state)))
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
