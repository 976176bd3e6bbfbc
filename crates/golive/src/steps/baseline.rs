//! 0.1: before anything changes, the demo hands out a token that must be worthless afterwards.

use async_trait::async_trait;
use secrecy::SecretString;

use super::session::{self, Login};
use crate::application::{Instance, Launch};
use crate::context::Context;
use crate::http::Endpoint;
use crate::placeholder::Values;
use crate::step::{About, Doing, Plan, Proof, Step, StepError, Witness};

pub(crate) struct Baseline;

#[async_trait]
impl Step for Baseline {
    fn about(&self) -> About {
        About::new("baseline", 0, "Run the demo on SQLite and keep one of its tokens").checklist(&["0.1"])
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        let (username, _) = demo_login(context)?;
        Ok(Plan::line(format!(
            "start the application on a copy of the SQLite database, sign in as {username}"
        )))
    }

    async fn apply(&self, context: &Context, _plan: &Plan) -> Result<(), StepError> {
        let (username, passwords) = demo_login(context)?;
        let demo = start_demo(context).await?;
        let token = first_accepted(context, &demo.endpoint, &username, passwords).await;
        demo.stop().await;
        // It holds every password hash of the demo, and was only needed to run it.
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(context.directory.path(&format!("{COPY}{suffix}")));
        }
        context.keep_secret(OLD_TOKEN, &token?)
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let mut seen = Witness::new("the demo, running on SQLite", context.now());
        match context.secret(OLD_TOKEN)? {
            Some(_) => seen.saw("demo.token_issued", true),
            None => seen.could_not("no token of the demo was kept"),
        };
        Ok(seen.done())
    }
}

/// What the demo can be run with, if it can.
fn demo_login(context: &Context) -> Result<(String, Vec<SecretString>), StepError> {
    context.rehearsal()?;
    context.source()?;
    if context.config.demo_environment.is_empty() || context.config.application.commands.serve.is_none() {
        return Err(StepError::unknown(
            "the demo cannot be run: golive.toml needs [demo_environment] and [application.commands] serve",
        ));
    }
    demo_passwords(context)
}

/// A demo account and the passwords it may have.
pub(crate) fn demo_passwords(context: &Context) -> Result<(String, Vec<SecretString>), StepError> {
    let accounts = context.config.accounts.as_ref();
    let accounts = accounts.ok_or_else(|| StepError::unknown("golive.toml describes no [accounts]"))?;
    let username = accounts.demo_usernames.first();
    let username = username.ok_or_else(|| StepError::unknown("[accounts] names no demo user"))?;
    Ok((username.clone(), accounts.known_passwords.clone()))
}

/// The demo runs on a copy: it writes as it runs, and the source must stay as it was handed over.
async fn start_demo(context: &Context) -> Result<Instance, StepError> {
    let copy = context.directory.path(COPY);
    std::fs::copy(context.source()?, &copy).doing("copy the SQLite database for the demo to run on")?;
    let logs = context.directory.folder("logs").doing("make the folder of logs")?;
    let values: Values = context.common_values().set("source", copy.to_string_lossy());
    let launch = Launch {
        config: &context.config,
        serve: context.serving()?,
        environment: &context.config.demo_environment,
        values,
        logs: &logs,
        name: "demo",
    };
    let instance = Instance::start(launch).await.doing("run the demo on SQLite")?;
    let answer = instance.endpoint.probe(context.config.http.live.as_deref().unwrap_or("/")).await;
    answer.doing("reach the demo")?;
    Ok(instance)
}

async fn first_accepted(
    context: &Context,
    endpoint: &Endpoint,
    username: &str,
    passwords: Vec<SecretString>,
) -> Result<SecretString, StepError> {
    for password in passwords {
        if let Login::Accepted(token) = session::login(context, endpoint, username, &password).await? {
            let values = session::values(context);
            let probe = &context.config.journeys.authenticated;
            let answer = session::ask(context, endpoint, probe, &values, &token).await?;
            return match answer.check(&context.request(probe)?.respond) {
                Ok(()) => Ok(token),
                Err(why) => Err(StepError::Refused(format!("the demo's own token does not work: it {why}"))),
            };
        }
    }
    Err(StepError::unknown(format!("none of [accounts] known_passwords signs {username} in to the demo")))
}

/// The demo's token, among the run's secrets.
pub(crate) const OLD_TOKEN: &str = "demo_token";
const COPY: &str = "baseline.sqlite";
