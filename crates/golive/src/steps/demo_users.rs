//! 0.2: demo users are switched off, the named ones and those whose stored hash lets a known password in.

use async_trait::async_trait;
use golive_auth::{Account, AccountState, ScanOptions, ScanReport};

use super::production_admin::accounts;
use crate::context::Context;
use crate::step::{About, Doing, Plan, Proof, Step, StepError, Witness};

pub(crate) struct DemoUsers;

#[async_trait]
impl Step for DemoUsers {
    fn about(&self) -> About {
        About::new("demo-users", 0, "Switch off demo users and every known password")
            .checklist(&["0.2", "0.6"])
            .after(&["switch"])
            // The last administrator cannot be switched off: the real one comes first.
            .once_ended(&["production-admin", "old-token"])
            .supplies(&["accounts.demo_users_active", "accounts.known_credentials_active"])
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        let accounts = accounts(context).await?;
        let listed = accounts.list().await.doing("list the accounts")?;
        let named = &accounts.mapping().demo_usernames;
        let mut off: Vec<String> = listed
            .into_iter()
            .filter(|account| {
                account.state != AccountState::Inactive && named.iter().any(|name| is(account, name))
            })
            .map(|account| account.username)
            .collect();
        let by_name = off.len();
        let scan = scan(context).await?;
        off.extend(scan.known.into_iter().map(|known| known.username));
        off.sort();
        off.dedup();
        let mut lines = vec![format!(
            "switch off {} accounts ({by_name} by name, the rest by their password)",
            off.len()
        )];
        lines.extend(off.iter().map(|name| format!("  {name}")));
        Ok(Plan::lines(lines).with(off))
    }

    async fn apply(&self, context: &Context, plan: &Plan) -> Result<(), StepError> {
        let names: Vec<String> = plan
            .data
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect();
        accounts(context).await?.deactivate(&names).await.doing("switch demo users off").map(drop)
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let accounts = accounts(context).await?;
        let listed = accounts.list().await.doing("list the accounts")?;
        let named = &accounts.mapping().demo_usernames;
        let active = listed
            .iter()
            .filter(|account| {
                account.state != AccountState::Inactive && named.iter().any(|name| is(account, name))
            })
            .count();
        let mut seen = Witness::new("the accounts table", context.now());
        for name in named.iter().filter(|name| !listed.iter().any(|account| is(account, name))) {
            seen.could_not(format!("there is no account {name}: correct [accounts] demo_usernames"));
        }
        seen.saw("accounts.total", listed.len()).saw("accounts.demo_users_active", active);
        let scan = scan(context).await?;
        seen.source(format!(
            "{} passwords tried against the stored hashes of {} accounts",
            scan.tried, scan.accounts
        ))
        .saw("accounts.known_credentials_active", scan.known.len());
        for untried in &scan.untried {
            seen.could_not(format!("{}: {}", untried.subject, untried.reason));
        }
        if !scan.complete {
            seen.could_not("there was no time to try every password");
        }
        Ok(seen.done())
    }
}

/// Names are compared as a login form does: a name in other letters is still that name.
fn is(account: &Account, name: &str) -> bool {
    account.username.eq_ignore_ascii_case(name)
}

async fn scan(context: &Context) -> Result<ScanReport, StepError> {
    accounts(context)
        .await?
        .scan(&ScanOptions::default())
        .await
        .doing("try known passwords against the hashes")
}
