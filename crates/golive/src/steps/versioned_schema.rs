//! 1.3: the application's own schema migrations go up, down and up again on a disposable server, before they ever have to.

use std::time::Duration;

use async_trait::async_trait;
use golive_sandbox::{MariaDb, MariaDbOptions, run_to_end};
use secrecy::SecretString;
use sqlx::{Connection, Row};

use crate::application::{command, render};
use crate::context::Context;
use crate::step::{About, Doing, Plan, Proof, Step, StepError, Witness};

pub(crate) struct VersionedSchema;

#[async_trait]
impl Step for VersionedSchema {
    fn about(&self) -> About {
        About::new("versioned-schema", 1, "Run the schema migrations up, down and up on a disposable server")
            .checklist(&["1.3"])
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        let (up, down) = commands(context)?;
        let lines = [up, down, up].map(|words| words.join(" "));
        Ok(Plan::lines(lines.to_vec()))
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let (up, down) = commands(context)?;
        let start = || {
            let mut options = MariaDbOptions::new();
            options.databases = vec![DATABASE.to_owned()];
            MariaDb::start(&options)
        };
        let server = tokio::task::spawn_blocking(start).await.expect("starting a server does not panic");
        let server = server.doing("start a disposable server for the migrations")?;
        let url = SecretString::from(server.url(DATABASE));
        let mut seen = Witness::new("a disposable MariaDB", context.now());
        let mut tables = Vec::new();
        for words in [up, down, up] {
            if let Err(why) = migrate(context, words, &url).await? {
                seen.finds(format!("`{}` {why}", words.join(" ")));
                break;
            }
            tables.push(count_tables(&url).await?);
        }
        tokio::task::spawn_blocking(move || drop(server)).await.expect("stopping a server does not panic");
        seen.saw("schema.tables_after_up", tables.first().copied())
            .saw("schema.tables_after_down", tables.get(1).copied())
            .saw("schema.tables_after_second_up", tables.get(2).copied());
        if let [first, between, second] = tables[..]
            && (first != second || between >= first)
        {
            seen.finds(format!("up made {first} tables, down left {between}, up again made {second}"));
        }
        Ok(seen.done())
    }
}

fn commands(context: &Context) -> Result<(&[String], &[String]), StepError> {
    let commands = &context.config.application.commands;
    match (&commands.schema_up, &commands.schema_down) {
        (Some(up), Some(down)) => Ok((up, down)),
        _ => Err(StepError::unknown(
            "golive.toml gives no `schema_up` and `schema_down` in [application.commands]: a schema that cannot be \
             changed under real data is not ready",
        )),
    }
}

/// Runs one command against the disposable server; what it said is the application's and may hold anything, so only its
/// status is told.
async fn migrate(
    context: &Context,
    words: &[String],
    url: &SecretString,
) -> Result<Result<(), String>, StepError> {
    use secrecy::ExposeSecret;
    let values = context.common_values().set("database_url", url.expose_secret());
    let environment: std::collections::BTreeMap<String, String> = context
        .config
        .environment
        .iter()
        .filter(|(_, template)| template.as_str() == "{database_url}")
        .map(|(name, template)| (name.clone(), template.clone()))
        .collect();
    let environment = render(&environment, &values).doing("prepare the migrations' environment")?;
    let spec = command(&context.config, words, &values).doing("prepare the migrations")?;
    let spec = spec.empty_environment().environment(environment);
    let run = move || run_to_end(spec, WITHIN);
    let ended = tokio::task::spawn_blocking(run).await.expect("running a program does not panic");
    let ended = ended.doing("run the migrations")?;
    Ok(if ended.status.success() { Ok(()) } else { Err(format!("ended with {}", ended.status)) })
}

async fn count_tables(url: &SecretString) -> Result<i64, StepError> {
    use secrecy::ExposeSecret;
    let doing = "count the disposable server's tables";
    let mut connection = sqlx::MySqlConnection::connect(url.expose_secret()).await.doing(doing)?;
    let row = sqlx::query("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()")
        .fetch_one(&mut connection)
        .await
        .doing(doing)?;
    row.try_get(0).doing(doing)
}

const DATABASE: &str = "golive_migrations";
const WITHIN: Duration = Duration::from_secs(600);
