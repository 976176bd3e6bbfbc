//! 0.4: the client's real people, created by the administrator through the application; each changes the first password.

use std::fs::File;

use async_trait::async_trait;
use golive_auth::{Accounts, TeamMember, generate_password, team_of_csv};
use secrecy::{ExposeSecret, SecretString};

use super::session::{self, PASSWORD_LENGTH, password_name};
use crate::config::Team;
use crate::context::Context;
use crate::http::Endpoint;
use crate::step::{About, Doing, Plan, Proof, Step, StepError, Witness};

pub(crate) struct OnboardTeam;

#[async_trait]
impl Step for OnboardTeam {
    fn about(&self) -> About {
        About::new("team", 0, "Onboard the client's team").checklist(&["0.4", "0.5"]).after(&["admin-login"])
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        let members = read(context)?;
        let mut lines: Vec<String> = setup(context)
            .iter()
            .map(|request| format!("send `{request}` as the administrator, to set the client up"))
            .collect();
        lines.extend(members.iter().map(|member| {
            format!(
                "create {} with role {}; first password to be changed at login",
                member.username, member.role
            )
        }));
        Ok(Plan::lines(lines))
    }

    async fn apply(&self, context: &Context, _plan: &Plan) -> Result<(), StepError> {
        let members = read(context)?;
        let endpoint = context.application().await?;
        let admin = session::sign_in_admin(context, &endpoint).await?;
        for request in setup(context) {
            let answer =
                session::ask(context, &endpoint, &request, &session::values(context), &admin).await?;
            answer.check(&context.request(&request)?.respond).map_err(|why| {
                StepError::Refused(format!("setting the client up with `{request}`: it {why}"))
            })?;
        }
        for member in &members {
            create(context, &endpoint, member, &admin).await?;
            // Its owner's first login, which makes the generated password worthless.
            session::sign_in(context, &endpoint, &member.username).await?;
        }
        Ok(())
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let members = read(context)?;
        let endpoint = context.application().await?;
        let mut seen = Witness::new(format!("the application at {}", endpoint.base()), context.now());
        let probe = &context.config.journeys.authenticated;
        let mut working = 0;
        for member in &members {
            let token = session::sign_in(context, &endpoint, &member.username).await?;
            let answer = session::ask(context, &endpoint, probe, &session::values(context), &token).await?;
            match answer.check(&context.request(probe)?.respond) {
                Ok(()) => working += 1,
                Err(why) => {
                    seen.finds(format!("{} signs in, but the application {why}", member.username));
                }
            }
        }
        seen.saw("team.members", members.len()).saw("team.signed_in", working);
        look_in_target(context, &members, &mut seen).await?;
        Ok(seen.done())
    }
}

/// These rows were written by nobody but the application: where they are is where it writes.
async fn look_in_target(
    context: &Context,
    members: &[TeamMember],
    seen: &mut Witness,
) -> Result<(), StepError> {
    let Some(mapping) = context.config.accounts.clone() else { return Ok(()) };
    let doing = "look for the team in the target";
    let directory = Accounts::connect(&context.target()?, mapping).await.doing(doing)?;
    let mut missing = Vec::new();
    for member in members {
        if directory.get(&member.username).await.doing(doing)?.is_none() {
            missing.push(member.username.as_str());
        }
    }
    seen.source("accounts in the target, read by SQL").saw("team.in_target", members.len() - missing.len());
    if let Some(first) = missing.first() {
        seen.finds(format!(
            "{} people that the application created are not in the target, {first} among them: it writes elsewhere",
            missing.len()
        ));
    }
    Ok(())
}

/// The team as its CSV lists it.
pub(crate) fn read(context: &Context) -> Result<Vec<TeamMember>, StepError> {
    let team = team(context)?;
    let path = context.config.path(&team.csv);
    let doing = || format!("read the team from {}", path.display());
    let members = team_of_csv(File::open(&path).doing(doing())?).doing(doing())?;
    let nobody = members.iter().find(|member| member.username.is_empty() || member.role.is_empty());
    match nobody {
        None => Ok(members),
        Some(member) => Err(StepError::unknown(format!(
            "line {} of {} has no `username` or no `role`; write it or delete the line",
            member.line,
            path.display()
        ))),
    }
}

/// The `[team]` section.
pub(crate) fn team(context: &Context) -> Result<&Team, StepError> {
    context
        .config
        .team
        .as_ref()
        .ok_or_else(|| StepError::unknown("golive.toml names no team: add [team] csv"))
}

/// The first member with a role.
pub(crate) fn member_with_role(context: &Context, role: &str) -> Result<TeamMember, StepError> {
    let found = read(context)?.into_iter().find(|member| member.role == role);
    found.ok_or_else(|| StepError::unknown(format!("the team's CSV lists nobody with role {role}")))
}

fn setup(context: &Context) -> Vec<String> {
    context.config.tenant.as_ref().map(|tenant| tenant.setup.clone()).unwrap_or_default()
}

async fn create(
    context: &Context,
    endpoint: &Endpoint,
    member: &TeamMember,
    admin: &SecretString,
) -> Result<(), StepError> {
    let name = password_name(&member.username);
    let password = match context.secret(&name)? {
        Some(password) => password,
        None => generate_password(PASSWORD_LENGTH).password,
    };
    context.keep_secret(&name, &password)?;
    let request = &context.config.journeys.create_user;
    let optional = |value: &Option<String>| value.clone().unwrap_or_default();
    let values = session::values(context)
        .extend(member.columns.clone())
        .set("username", &member.username)
        .set("role", &member.role)
        .set("tenant", optional(&member.tenant))
        .set("full_name", optional(&member.full_name))
        .set("email", optional(&member.email))
        .set("password", password.expose_secret());
    let answer = session::ask(context, endpoint, request, &values, admin).await?;
    let template = context.request(request)?;
    answer
        .check(&template.respond)
        .map_err(|why| StepError::Refused(format!("creating {}: the application {why}", member.username)))
}
