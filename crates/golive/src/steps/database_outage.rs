//! 3.3, 4.3: MariaDB is killed, and then frozen as a cut wire would make it look, under the running application.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::health::{ready_path, wait_for_ready};
use crate::context::Context;
use crate::http::Endpoint;
use crate::rehearsal::Rehearsal;
use crate::step::{About, Doing, Plan, Proof, Step, StepError, Witness};

pub(crate) struct DatabaseOutage;

#[async_trait]
impl Step for DatabaseOutage {
    fn about(&self) -> About {
        About::new("database-outage", 4, "Kill MariaDB, cut it off, crash the application")
            .checklist(&["3.3", "4.3"])
            .after(&["environment"])
            .once_ended(&["redis-outage", "backup", "restore-drill"])
            .supplies(&[
                "health.not_ready_without_database",
                "health.live_without_database",
                "health.recovers",
            ])
            .exclusive()
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        context.rehearsal()?;
        Ok(Plan::lines(vec![
            "kill MariaDB, look at readiness and liveness, start it again, wait for readiness".to_owned(),
            "freeze MariaDB as a network partition would, look, let it go on".to_owned(),
            "kill the application, start it again".to_owned(),
        ]))
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let servers = Arc::clone(context.rehearsal()?);
        ready_path(context)?;
        let endpoint = context.application().await?;
        let mut seen = Witness::new("the application while MariaDB was killed", context.now());
        let killed = outage(context, &endpoint, &servers, Fault::Killed).await?;
        seen.saw("health.not_ready_without_database", killed.not_ready)
            .saw("health.live_without_database", killed.live)
            .saw("outage.server_recovery_seconds", killed.recovery.as_secs_f64());
        let cut = outage(context, &endpoint, &servers, Fault::CutOff).await?;
        seen.source("the application while MariaDB was cut off")
            .saw("outage.partition_not_ready", cut.not_ready)
            .saw("outage.partition_live", cut.live)
            .saw("outage.partition_recovered", cut.recovered)
            .saw("outage.partition_recovery_seconds", cut.recovery.as_secs_f64());
        if !(cut.not_ready && cut.live && cut.recovered) {
            seen.finds("a network partition was not told by readiness, or not survived");
        }
        seen.source("the application after MariaDB was killed")
            .saw("outage.server_recovered", killed.recovered)
            .saw("health.recovers", killed.recovered && cut.recovered);
        let began = Instant::now();
        context.restart_application(true).await?;
        seen.source("the application after it was killed")
            .saw("outage.application_recovery_seconds", began.elapsed().as_secs_f64());
        Ok(seen.done())
    }
}

#[derive(Clone, Copy)]
enum Fault {
    Killed,
    CutOff,
}

struct Outage {
    not_ready: bool,
    live: bool,
    recovered: bool,
    recovery: Duration,
}

async fn outage(
    context: &Context,
    endpoint: &Endpoint,
    servers: &Arc<Rehearsal>,
    fault: Fault,
) -> Result<Outage, StepError> {
    let ready = ready_path(context)?;
    let live = context.config.http.live.as_deref().unwrap_or("/");
    act(servers, fault, false).await?;
    let not_ready = wait_for_ready(endpoint, ready, 503, NOTICED_WITHIN).await.is_some();
    let live = endpoint.probe(live).await.is_ok_and(|answer| answer.status == 200);
    let began = Instant::now();
    act(servers, fault, true).await?;
    let recovered = wait_for_ready(endpoint, ready, 200, BACK_WITHIN).await.is_some();
    Ok(Outage { not_ready, live, recovered, recovery: began.elapsed() })
}

async fn act(servers: &Arc<Rehearsal>, fault: Fault, mend: bool) -> Result<(), StepError> {
    let servers = Arc::clone(servers);
    let work = move || match (fault, mend) {
        (Fault::Killed, false) => servers.mariadb.kill().doing("kill MariaDB"),
        (Fault::Killed, true) => servers.mariadb.start_again().doing("start MariaDB again"),
        (Fault::CutOff, false) => {
            servers.mariadb.pause();
            Ok(())
        }
        (Fault::CutOff, true) => {
            servers.mariadb.resume();
            Ok(())
        }
    };
    tokio::task::spawn_blocking(work).await.expect("switching MariaDB does not panic")
}

const NOTICED_WITHIN: Duration = Duration::from_secs(20);
const BACK_WITHIN: Duration = Duration::from_secs(60);
