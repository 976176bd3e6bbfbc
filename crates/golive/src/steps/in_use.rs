//! 1.1: the running application is asked which database it uses, or seen using it. A provider state is a word; this is
//! whether the application follows it.
//!
//! Not here: what an answer or an observation proves (golive-migrate).

use async_trait::async_trait;
use golive_migrate::{ApplicationQuestion, DatabaseInUse, SwitchProof, Target, judge_answer, observe};
use secrecy::ExposeSecret;
use sqlx::{Connection, Row};

use super::environment::environment_file;
use super::migrating::connect_target;
use super::switch::is_switched;
use crate::config::DatabaseQuestion;
use crate::context::Context;
use crate::http::Answer;
use crate::step::{About, Doing, Plan, Proof, Step, StepError, Witness, error_chain};

pub(crate) struct InUse;

#[async_trait]
impl Step for InUse {
    fn about(&self) -> About {
        About::new("in-use", 1, "Ask the running application which database it uses")
            .checklist(&["1.1"])
            // It was told so there.
            .after(&["environment"])
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        let (question, user) = ways(context)?;
        let asked = question.map(|question| format!("GET {}: it must name MariaDB", question.path));
        let observed = user.map(|user| {
            format!("look for connections of `{user}` on the target, and for who holds the SQLite file open")
        });
        Ok(Plan::lines(asked.into_iter().chain(observed).collect()))
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let (question, user) = ways(context)?;
        let target = connect_target(context).await?;
        let asked = match question {
            Some(question) => Some(ask(context, question, &target).await?),
            None => None,
        };
        let observed = match user {
            Some(user) => {
                let seen = observe(&target, Some(user), context.source()?).await;
                Some(seen.doing("look at the connections on the target")?)
            }
            None => None,
        };
        let proof = match (asked, observed) {
            (Some(asked), Some(observed)) => asked.and(observed),
            (asked, observed) => asked.or(observed).expect("one of the ways is there"),
        };
        tell(context, &proof)
    }
}

/// How it can be known: by asking, by looking, or both.
fn ways(context: &Context) -> Result<(Option<&DatabaseQuestion>, Option<&str>), StepError> {
    // Connections of the user that golive itself logs in as tell nothing.
    let url = url::Url::parse(context.target()?.expose_secret()).ok();
    let own = |user: &&str| url.as_ref().is_some_and(|url| url.username() == *user);
    let user = context.config.target.application_user.as_deref().filter(|user| !own(user));
    match (context.config.http.database.as_ref(), user) {
        (None, None) => Err(StepError::unknown(
            "golive.toml does not say how to know which database the application uses: give the `path` that tells it in \
             [http.database], or in [target] an `application_user` that golive does not log in as itself",
        )),
        ways => Ok(ways),
    }
}

async fn ask(context: &Context, asked: &DatabaseQuestion, target: &Target) -> Result<SwitchProof, StepError> {
    let mut question = ApplicationQuestion::new(target.database());
    question.pointer.clone_from(&asked.take);
    if !asked.expect.is_empty() {
        let server = if asked.expect.iter().any(|text| text.contains(SERVER)) {
            name_of_server(context).await?
        } else {
            String::new()
        };
        let fill = |text: &String| text.replace("{database}", target.database()).replace(SERVER, &server);
        question.expected = asked.expect.iter().map(fill).collect();
    }
    let endpoint = context.application().await?;
    let answer = match endpoint.probe(&asked.path).await {
        Ok(Answer { status: 200..300, body, .. }) => Ok(String::from_utf8_lossy(&body).into_owned()),
        Ok(Answer { status, .. }) => Err(format!("{} answers {status}", asked.path)),
        Err(error) => Err(error_chain(&error)),
    };
    Ok(judge_answer(&question, answer.as_deref().map_err(String::as_str)))
}

/// What the server calls itself: the same whoever asks, and whatever address was dialed.
async fn name_of_server(context: &Context) -> Result<String, StepError> {
    let doing = "ask the target for its name";
    let url = context.target()?;
    let mut connection = sqlx::MySqlConnection::connect(url.expose_secret()).await.doing(doing)?;
    let name = "SELECT CONCAT(@@hostname, ':', @@port)";
    let row = sqlx::query(name).fetch_one(&mut connection).await.doing(doing)?;
    row.try_get(0).doing(doing)
}

/// What the application uses outweighs what the provider state says; both together are the switch.
fn tell(context: &Context, proof: &SwitchProof) -> Result<Proof, StepError> {
    let said = proof.seen.join("; ");
    let mut seen = Witness::new(said.clone(), context.now());
    let next = if context.runs_application() {
        "look at [environment] in golive.toml".to_owned()
    } else {
        format!("restart it with {}", environment_file(context).display())
    };
    match proof.uses {
        DatabaseInUse::Mariadb => {
            seen.saw("application.database", "mariadb").saw("migrate.switched", is_switched(context)?);
        }
        DatabaseInUse::Other => {
            seen.saw("application.database", "other").saw("migrate.switched", false);
            seen.finds(format!(
                "the application does not use the MariaDB that was switched to ({said}); what it writes is lost: {next}, \
                 then go on with `--resume`"
            ));
        }
        _ => {
            seen.could_not(format!("which database the application uses is not known ({said})"));
        }
    }
    Ok(seen.done())
}

const SERVER: &str = "{server}";
