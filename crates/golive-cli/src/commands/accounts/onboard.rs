//! `accounts onboard`: a whole team from a list, all or nobody.

use std::path::PathBuf;

use golive_auth::{OnboardError, OnboardingPlan, PasswordHasher, TeamListError, team_of_csv};
use serde_json::json;

use super::{Target, handover, names, open, record, tenants};
use crate::args::Global;
use crate::clock;
use crate::commands::support::show;
use crate::exit::{End, Failure, Result};

/// What `onboard` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct OnboardArgs {
    #[command(flatten)]
    target: Target,
    /// The list: CSV with `username` and `role`, and `tenant`, `full_name`, `email` or columns of the table.
    #[arg(long, value_name = "FILE")]
    csv: PathBuf,
    /// Each first password goes into a new file of this folder, readable by its owner only.
    #[arg(long, short, value_name = "FOLDER")]
    output: PathBuf,
    /// Seal the files for this public key of age.
    #[arg(long, value_name = "AGE_KEY")]
    seal_for: Option<String>,
    /// Do it; without this the command only says what it would do.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    record: record::Record,
}

pub(super) async fn run(global: &Global, args: &OnboardArgs) -> Result {
    let list = std::fs::File::open(&args.csv).map_err(Failure::reach)?;
    let team = team_of_csv(list).map_err(|error| match error {
        TeamListError::Csv(source) if source.is_io_error() => Failure::reach(source),
        error => Failure::usage(error),
    })?;
    let (accounts, config) = open(global, &args.target).await?;
    let tenants = tenants(global, &args.target, &config).await?;
    let plan = accounts.plan_onboarding(&team, tenants.as_ref()).await.map_err(Failure::reach)?;
    if !plan.refused.is_empty() || !args.yes {
        show(global, &json!({ "changed": false, "plan": plan }), || {
            let end = if plan.refused.is_empty() {
                "nothing was changed: give --yes to do it"
            } else {
                "nothing was changed: mend the list first"
            };
            format!("{}\n{end}", text(&plan))
        });
        return Ok(if plan.refused.is_empty() { End::Ready } else { End::NotReady });
    }
    let (accounts, _) = args.record.open(accounts, tenants).await?;
    let files = keep_passwords(args, &plan)?;
    let made = accounts.onboard(&plan, &PasswordHasher::for_this_machine(), clock::now()).await;
    let made = made.map_err(|error| {
        for file in &files {
            let _ = std::fs::remove_file(file);
        }
        match error {
            OnboardError::Audit(error) => record::failure(error),
            OnboardError::Database(_) => Failure::reach(error),
            error => Failure::usage(error),
        }
    })?;
    show(global, &json!({ "changed": true, "accounts": made, "password_files": files }), || {
        let created: Vec<String> = made.iter().map(|account| account.username.clone()).collect();
        format!(
            "created: {}\nthere before: {}\neach first password is in a file of {} (0600) and must be changed at the first login",
            names(&created),
            names(&plan.already),
            args.output.display()
        )
    });
    Ok(End::Ready)
}

/// All files before the first account; none is left when one cannot be written.
fn keep_passwords(args: &OnboardArgs, plan: &OnboardingPlan) -> std::result::Result<Vec<PathBuf>, Failure> {
    std::fs::create_dir_all(&args.output).map_err(Failure::reach)?;
    let end = if args.seal_for.is_some() { "age" } else { "password" };
    let mut files = Vec::new();
    for (username, password) in plan.passwords() {
        // A name may hold what is a path to the system.
        let plain = username.chars().all(|c| c.is_alphanumeric() || "._-@+".contains(c))
            && !username.starts_with('.');
        let kept = if plain {
            let path = args.output.join(format!("{username}.{end}"));
            handover::keep_in(&path, args.seal_for.as_deref(), password).map(|file| file.path)
        } else {
            Err(Failure::usage(format!(
                "keep the password of `{username}` in a file of that name: choose another name"
            )))
        };
        match kept {
            Ok(path) => files.push(path),
            Err(failure) => {
                for file in &files {
                    let _ = std::fs::remove_file(file);
                }
                return Err(failure);
            }
        }
    }
    Ok(files)
}

fn text(plan: &OnboardingPlan) -> String {
    let mut lines = Vec::new();
    for one in &plan.create {
        let tenant = one.tenant.as_ref().map(|tenant| format!(" of tenant {tenant}")).unwrap_or_default();
        lines.push(format!("would create {} with role {}{tenant}", one.username, one.role));
    }
    lines.extend(plan.already.iter().map(|name| format!("is there already: {name}")));
    lines.extend(plan.refused.iter().map(|one| {
        format!("line {}: cannot create `{}`: golive does not {}", one.line, one.username, one.reason)
    }));
    lines.join("\n")
}
