//! 4.3: the recovery procedure, written with what the drills measured. What was not drilled is not claimed.

use async_trait::async_trait;
use chrono::TimeDelta;
use golive_backup::{LossBasis, MeasuredRecovery, PossibleLoss, RunbookInputs, Scenario, render_runbook};
use golive_gate::Fact;

use super::archive_binlog::keep_archiving;
use super::backup::{database, folder, key_file, repository, server};
use crate::context::Context;
use crate::step::{About, Doing, Plan, Proof, Step, StepError, Witness};

pub(crate) struct Recovery;

#[async_trait]
impl Step for Recovery {
    fn about(&self) -> About {
        About::new("recovery", 4, "Write the recovery runbook from what the drills measured")
            .checklist(&["4.1", "4.2", "4.3"])
            .after(&["restore-drill"])
            .once_ended(&["archive-binlog", "redis-outage", "database-outage", "rollback"])
            .supplies(&[
                "recovery.documented",
                "recovery.scenarios_tested",
                "recovery.scenarios_failed",
                "recovery.rpo_seconds",
            ])
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        Ok(Plan::line(format!("write {}", runbook(context).display())))
    }

    async fn apply(&self, context: &Context, _plan: &Plan) -> Result<(), StepError> {
        let server = server(context)?;
        let config = context.config.path("golive.toml".as_ref());
        let mut inputs = RunbookInputs::new(
            &context.config.application.name,
            database(&server)?,
            folder(context),
            key_file(context),
            config,
            context.now(),
        );
        inputs.backup_every_hours = DAILY_HOURS as f64;
        inputs.readiness_url.clone_from(&context.config.http.ready);
        if let Some(words) = &context.config.application.commands.serve_previous {
            inputs.roll_back_application = vec![words.join(" ")];
        }
        inputs.measured = drills(context).iter().filter_map(|drill| drill.measured(context)).collect();
        inputs.measured.extend(rollback(context).measured(context));
        if let Some(PossibleLoss { seconds, basis: LossBasis::Archive { .. }, .. }) =
            possible_loss(context).await?
        {
            // Backups alone are what the page tells of by itself.
            let of_data = [Scenario::DatabaseCorruption, Scenario::ServerFailure];
            for measured in inputs.measured.iter_mut().filter(|measured| of_data.contains(&measured.scenario))
            {
                measured.lost_seconds = Some(seconds);
            }
        }
        std::fs::write(runbook(context), render_runbook(&inputs)).doing("write the recovery runbook")
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let path = runbook(context);
        let text = std::fs::read_to_string(&path).doing("read the recovery runbook")?;
        let mut seen = Witness::new(path.display().to_string(), context.now());
        let chapters = ["corruption", "server", "redis", "partition", "golive backup"];
        let lower = text.to_lowercase();
        let missing: Vec<_> = chapters.iter().filter(|word| !lower.contains(*word)).collect();
        seen.saw("recovery.documented", missing.is_empty());
        seen.source("the drills of this run");
        // What rests on drills is as old as the oldest of them.
        if let Some(oldest) =
            drills(context).iter().filter_map(|drill| drill.seconds.as_ref()).map(|f| f.collected_at).min()
        {
            seen.at(oldest);
        }
        let drills = drills(context);
        let tested = drills.iter().filter(|drill| drill.outcome.is_some()).count();
        let failed: Vec<_> = drills.iter().filter(|drill| drill.outcome == Some(false)).collect();
        if tested < drills.len() {
            // A disaster that nobody could rehearse is not one that was survived badly.
            let untested = drills.iter().filter(|drill| drill.outcome.is_none());
            let untested: Vec<String> = untested.map(|drill| name(drill.scenario).to_owned()).collect();
            seen.could_not(format!("not drilled in this run: {}", untested.join(", ")));
        } else {
            seen.saw("recovery.scenarios_tested", tested);
        }
        seen.saw("recovery.scenarios_failed", failed.len());
        for drill in failed {
            seen.finds(format!(
                "{} was drilled, and the application did not come back as it must",
                name(drill.scenario)
            ));
        }
        match possible_loss(context).await? {
            Some(loss) => seen
                .at(context.now())
                .source(loss.basis.to_string())
                .saw("recovery.rpo_seconds", loss.seconds),
            None => seen.could_not("there is no backup, so what would be lost cannot be said"),
        };
        Ok(seen.done())
    }
}

/// What would be lost if the server vanished now; in a rehearsal beside an archiver, as production has one.
async fn possible_loss(context: &Context) -> Result<Option<PossibleLoss>, StepError> {
    keep_archiving(context).await?;
    let (repository, database) = (repository(context)?, database(&server(context)?)?);
    let (every, now) = (TimeDelta::hours(DAILY_HOURS), context.now());
    let measure = move || repository.possible_loss(&database, every, now);
    let loss = tokio::task::spawn_blocking(measure).await.expect("reading an archive does not panic");
    loss.doing("measure what would be lost now")
}

/// One scenario, and what a step of this run saw of it.
struct Drill {
    scenario: Scenario,
    outcome: Option<bool>,
    seconds: Option<Fact>,
}

impl Drill {
    fn seen(context: &Context, scenario: Scenario, outcomes: &[&str], seconds: &str) -> Self {
        let seen: Vec<Option<bool>> = outcomes
            .iter()
            .map(|key| context.journal.fact(key).and_then(|fact| fact.value.as_bool()))
            .collect();
        let outcome =
            seen.iter().copied().collect::<Option<Vec<bool>>>().map(|all| all.into_iter().all(|fine| fine));
        Self { scenario, outcome, seconds: context.journal.fact(seconds) }
    }

    fn measured(&self, context: &Context) -> Option<MeasuredRecovery> {
        let seconds = self.seconds.as_ref()?;
        if self.outcome != Some(true) {
            return None;
        }
        let evidence = format!("{}, in run {}", seconds.source, context.directory.run());
        Some(MeasuredRecovery::new(self.scenario, seconds.collected_at, seconds.value.as_f64()?, evidence))
    }
}

/// The disasters that have to be survived.
fn drills(context: &Context) -> Vec<Drill> {
    let drill =
        |scenario, outcomes: &[&str], seconds: &str| Drill::seen(context, scenario, outcomes, seconds);
    vec![
        drill(Scenario::DatabaseCorruption, &["backup.restored_equal"], "recovery.rto_seconds"),
        drill(Scenario::ServerFailure, &["outage.server_recovered"], "outage.server_recovery_seconds"),
        drill(
            Scenario::RedisFailure,
            &["outage.redis_recovered", "health.live_without_redis"],
            "outage.redis_recovery_seconds",
        ),
        drill(
            Scenario::NetworkPartition,
            &["outage.partition_recovered", "outage.partition_live"],
            "outage.partition_recovery_seconds",
        ),
    ]
}

/// The way back to the version before is rehearsed by a step of its own, which says what is wrong with it.
fn rollback(context: &Context) -> Drill {
    let outcomes = ["rollback.previous_ready", "rollback.token_accepted", "rollback.forward_again"];
    Drill::seen(context, Scenario::Rollback, &outcomes, "rollback.seconds")
}

fn name(scenario: Scenario) -> &'static str {
    match scenario {
        Scenario::DatabaseCorruption => "database corruption",
        Scenario::ServerFailure => "server failure",
        Scenario::RedisFailure => "Redis failure",
        Scenario::NetworkPartition => "a network partition",
        Scenario::Rollback => "a rollback",
        _ => "another disaster",
    }
}

fn runbook(context: &Context) -> std::path::PathBuf {
    context.directory.path("recovery.md")
}

const DAILY_HOURS: i64 = 24;
