//! 0.3: the production administrator, with a generated password that is handed over safely and changed at once.

use std::os::unix::fs::PermissionsExt;

use async_trait::async_trait;
use golive_auth::{AccountState, Accounts, NewAccount, PasswordHasher, generate_password};
use secrecy::{ExposeSecret, SecretString};

use super::session::{self, Login, PASSWORD_LENGTH, password_name};
use crate::config::Admin;
use crate::context::Context;
use crate::step::{About, Doing, Plan, Proof, Step, StepError, Witness};

pub(crate) struct ProductionAdmin;

#[async_trait]
impl Step for ProductionAdmin {
    fn about(&self) -> About {
        About::new("production-admin", 0, "Create the production administrator")
            .checklist(&["0.3"])
            .once_ended(&["switch", "demo-tenants"])
            .supplies(&["admin.password_length", "admin.hash_algorithm", "admin.handover_file_private"])
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        let admin = session::admin(context)?;
        let path = context.directory.secret_path(&password_name(&admin.username));
        Ok(Plan::lines(vec![
            format!(
                "create {} with role {}, a generated password, to be changed at first login",
                admin.username, admin.role
            ),
            format!("leave the password in {} (0600) for a safe hand-over", path.display()),
        ]))
    }

    async fn apply(&self, context: &Context, _plan: &Plan) -> Result<(), StepError> {
        let admin = session::admin(context)?;
        let accounts = accounts(context).await?;
        if accounts.get(&admin.username).await.doing("look for the administrator")?.is_some() {
            return adopt(context, admin);
        }
        let password = match context.secret(&password_name(&admin.username))? {
            Some(password) => password,
            None => generate_password(PASSWORD_LENGTH).password,
        };
        // Kept before the account exists: no kill in between leaves an account nobody can enter.
        context.keep_secret(&password_name(&admin.username), &password)?;
        context.keep_secret(FIRST_PASSWORD, &password)?;
        let account = new_account(admin, password);
        let hasher = PasswordHasher::for_this_machine();
        accounts
            .create_admin(&account, &hasher, context.now())
            .await
            .doing("create the administrator")
            .map(drop)
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let admin = session::admin(context)?;
        let accounts = accounts(context).await?;
        let mut seen = Witness::new("the accounts table", context.now());
        let Some(found) = accounts.get(&admin.username).await.doing("look for the administrator")? else {
            seen.finds(format!("there is no account {}", admin.username));
            return Ok(seen.done());
        };
        if found.state != AccountState::Active {
            seen.finds(format!("{} is not active", admin.username));
        }
        seen.saw(
            "admin.hash_algorithm",
            found.hash_format.map(|format| format.to_string()).unwrap_or_default(),
        );
        let name = password_name(&admin.username);
        let path = context.directory.secret_path(&name);
        seen.source(path.display().to_string());
        let Some(password) = context.secret(&name)? else {
            seen.could_not("the password was handed over already: its length cannot be seen any more");
            return Ok(seen.done());
        };
        let mode = std::fs::metadata(&path).doing("look at the hand-over file")?.permissions().mode() & 0o777;
        seen.saw("admin.password_length", password.expose_secret().chars().count())
            .saw("admin.handover_file_private", mode == 0o600);
        Ok(seen.done())
    }
}

fn new_account(admin: &Admin, password: SecretString) -> NewAccount {
    let mut account = NewAccount::new(&admin.username, password, &admin.role);
    account.must_change_password = true;
    account.tenant.clone_from(&admin.tenant);
    account.email.clone_from(&admin.email);
    account.full_name.clone_from(&admin.full_name);
    account
}

/// An account of that name is ours only if this run kept its password.
fn adopt(context: &Context, admin: &Admin) -> Result<(), StepError> {
    match context.secret(&password_name(&admin.username))? {
        Some(_) => Ok(()),
        None => Err(StepError::Refused(format!(
            "an account {} exists, and not from this run: choose another name in [admin]",
            admin.username
        ))),
    }
}

/// The accounts of the target.
pub(crate) async fn accounts(context: &Context) -> Result<Accounts, StepError> {
    let mapping = context.config.accounts.clone();
    let mapping = mapping.ok_or_else(|| StepError::unknown("golive.toml describes no [accounts]"))?;
    Accounts::connect(&context.target()?, mapping).await.doing("open the accounts table")
}

/// Whether the first password of the administrator still opens the door.
pub(crate) async fn first_password_login(
    context: &Context,
    endpoint: &crate::http::Endpoint,
) -> Result<Option<SecretString>, StepError> {
    let Some(first) = context.secret(FIRST_PASSWORD)? else { return Ok(None) };
    let username = &session::admin(context)?.username;
    match session::login(context, endpoint, username, &first).await? {
        Login::Accepted(token) => Ok(Some(token)),
        Login::Refused => Ok(None),
    }
}

/// The administrator's first password, among the run's secrets.
const FIRST_PASSWORD: &str = "first-admin-password";
