//! What the steps of phase 1 share: opening both sides, and the plan, which is computed once a run.

use std::sync::Arc;

use golive_migrate::{
    Plan, PlanError, PlanOptions, Provider, ProviderState, Source, Survey, Target, TargetOptions,
    VerifyOptions, survey,
};

use crate::context::{Context, STATE_FILE};
use crate::event::Event;
use crate::step::{Doing, Proof, StepError};

/// What was computed already in this process. All of it follows from source and target, so a resumed run
/// computes it again to the same end.
#[derive(Default)]
pub(crate) struct Migration {
    survey: Option<Arc<Survey>>,
    plan: Option<Arc<Plan>>,
    pub(crate) verified: Option<golive_migrate::Verified>,
    /// How fast the copy of this process was.
    pub(crate) rows_per_second: Option<f64>,
}

pub(crate) async fn open_source(context: &Context) -> Result<Source, StepError> {
    let path = context.source()?.clone();
    let open = move || Source::open(&path);
    tokio::task::spawn_blocking(open).await.expect("opening a source does not panic").doing("open the source")
}

pub(crate) async fn connect_target(context: &Context) -> Result<Target, StepError> {
    Target::connect(&TargetOptions::new(context.target()?)).await.doing("connect to the target")
}

/// The source, surveyed.
pub(crate) async fn surveyed(context: &Context) -> Result<Arc<Survey>, StepError> {
    let mut known = context.migration.lock().await;
    if let Some(survey) = &known.survey {
        return Ok(Arc::clone(survey));
    }
    let (source, target) = (open_source(context).await?, connect_target(context).await?);
    let options = context.config.migrate.survey_options();
    let found = Arc::new(survey(&source, Some(&target), &options).await.doing("survey the source")?);
    known.survey = Some(Arc::clone(&found));
    Ok(found)
}

/// The plan that schema, copy and constraints follow.
pub(crate) async fn planned(context: &Context) -> Result<Arc<Plan>, StepError> {
    let survey = surveyed(context).await?;
    let mut known = context.migration.lock().await;
    if let Some(plan) = &known.plan {
        return Ok(Arc::clone(plan));
    }
    let plan = match Plan::new(&survey, &PlanOptions::default()) {
        Ok(plan) => Arc::new(plan),
        Err(PlanError::Blocked(findings)) => {
            let first: Vec<String> = findings.iter().take(5).map(ToString::to_string).collect();
            return Err(StepError::Refused(format!(
                "{} findings block: {}",
                findings.len(),
                first.join("; ")
            )));
        }
        Err(error) => return Err(error).doing("plan the migration"),
    };
    known.plan = Some(Arc::clone(&plan));
    Ok(plan)
}

/// What the plan left out on purpose is no difference.
pub(crate) async fn verify_options(context: &Context) -> Result<VerifyOptions, StepError> {
    Ok(VerifyOptions::for_plan(planned(context).await?.as_ref()))
}

/// Shows rows as they move.
pub(crate) fn show<'a>(
    context: &'a Context,
    step: &'static str,
) -> impl Fn(golive_migrate::Progress) + Send + Sync + 'a {
    move |progress| {
        (context.observer)(Event::Progress {
            step,
            item: progress.table,
            done: progress.rows,
            total: Some(progress.total),
            per_second: Some(progress.rows_per_second),
        });
    }
}

/// After the switch the target moves on with the business, and comparing it with the source proves nothing any more: what
/// was seen before the switch stands, with the time it was seen.
pub(crate) fn before_the_switch(context: &Context, keys: &[&str]) -> Result<Option<Proof>, StepError> {
    let state = ProviderState::read(&context.directory.path(STATE_FILE)).doing("read the provider state")?;
    // Switched back, the file is the truth again.
    let Some(state) = state.filter(|state| state.provider == Provider::Mariadb) else { return Ok(None) };
    if !is_this_target(context, &state) {
        return Err(StepError::unknown(format!(
            "the provider state names another database, {}",
            state.target
        )));
    }
    context.note("the target is in use: what was compared before the switch stands, with its time");
    let mut proof = Proof::default();
    for key in keys {
        match context.journal.fact(key) {
            Some(fact) => proof.facts.push(fact),
            None => proof
                .unknown
                .push(format!("the target is in use, and `{key}` was not recorded before the switch")),
        }
    }
    Ok(Some(proof))
}

/// Whether the provider state names the target of this run.
pub(crate) fn is_this_target(context: &Context, state: &ProviderState) -> bool {
    names_target(&context.target_names, &state.target, context.rehearsal.is_some())
}

/// A state names `host:port/database`, or `socket/database`; any node of a cluster is the cluster. A rehearsal's server is on
/// another port at every start.
fn names_target(nodes: &[String], named: &str, rehearsal: bool) -> bool {
    fn database(name: &str) -> Option<&str> {
        name.rsplit_once('/').map(|(_, database)| database)
    }
    let same = |node: &String| node == named || (rehearsal && database(node) == database(named));
    nodes.iter().any(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_the_same_only_where_host_port_and_database_are() {
        let names = |url: &str| TargetOptions::new(url.to_owned().into()).display_names().unwrap();
        let same = |url: &str, named| names_target(&names(url), named, false);
        assert!(same("mysql://u:p@10.0.0.1/app", "10.0.0.1:3306/app"));
        assert!(!same("mysql://u:p@10.0.0.1/app", "10.0.0.12:3306/app"));
        assert!(!same("mysql://u:p@10.0.0.1:3307/app", "10.0.0.1:3306/app"));
        assert!(!same("mysql://u:p@10.0.0.1/app", "10.0.0.1:3306/other"));
        assert!(same("mysql://u@localhost/app?socket=/run/s", "/run/s/app"));
        assert!(same("mysql://u:p@10.0.0.1,10.0.0.2:3307/app", "10.0.0.2:3307/app"));
        assert!(!same("mysql://u:p@10.0.0.1,10.0.0.2:3307/app", "10.0.0.3:3306/app"));
        assert!(names_target(&names("mysql://u:p@127.0.0.1:4/golive"), "127.0.0.1:9/golive", true));
        assert!(!names_target(&names("mysql://u:p@127.0.0.1:4/golive"), "127.0.0.1:9/other", true));
    }
}
