//! A whole team at once: read its list, check all of it, then write all of it or nothing.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::Serialize;

use super::create::{CreateAccountError, NewAccount};
use super::directory::{Account, Accounts, AccountsError};
use super::mapping::Literal;
use super::recording::Recording;
use super::rows::{begin, insert};
use super::tenants::Tenants;
use crate::audit::AuditError;
use crate::password::{PasswordHasher, PasswordPolicy, generate_password};

/// Somebody on the list.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TeamMember {
    /// The line of the list, from 1; the first of blank ones before it.
    pub line: u64,
    /// The login name.
    pub username: String,
    /// The role.
    pub role: String,
    /// The tenant's key.
    pub tenant: Option<String>,
    /// The full name.
    pub full_name: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// Further columns by the names of the table: a shift, a site.
    pub columns: BTreeMap<String, String>,
}

/// Why a list is not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TeamListError {
    /// Not CSV with a heading.
    #[error("read the team's list: it must be CSV with a line of headings, comma between the columns")]
    Csv(#[source] csv::Error),
    /// A column is missing.
    #[error("read the team's list: it needs the columns `username` and `role`")]
    Columns,
    /// Somebody has put passwords into it.
    #[error(
        "read the team's list: it has a column `{column}`; passwords are generated and never stand in a list, delete it"
    )]
    Passwords {
        /// The column.
        column: String,
    },
    /// More than is sensible.
    #[error("read the team's list: it has more than {MOST_MEMBERS} people")]
    TooMany,
}

/// Reads a list with the columns `username` and `role`, and where there are any `tenant`, `full_name`, `email`; all others
/// are columns of the table.
///
/// # Errors
/// When it is not such a list, or holds passwords.
pub fn team_of_csv(list: impl std::io::Read) -> Result<Vec<TeamMember>, TeamListError> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(list);
    let headings = reader.headers().map_err(TeamListError::Csv)?.clone();
    if let Some(column) = headings.iter().find(|name| is_password(name)) {
        return Err(TeamListError::Passwords { column: column.to_owned() });
    }
    if ["username", "role"].iter().any(|needed| !headings.iter().any(|heading| heading == *needed)) {
        return Err(TeamListError::Columns);
    }
    let mut members = Vec::new();
    for row in reader.records() {
        let row = row.map_err(TeamListError::Csv)?;
        let mut columns: BTreeMap<String, String> =
            headings.iter().zip(&row).map(|(name, cell)| (name.to_owned(), cell.to_owned())).collect();
        columns.retain(|_, cell| !cell.is_empty());
        let mut take = |name: &str| columns.remove(name);
        let (username, role) = (take("username").unwrap_or_default(), take("role").unwrap_or_default());
        let (tenant, full_name, email) = (take("tenant"), take("full_name"), take("email"));
        let line = row.position().map_or(0, csv::Position::line);
        members.push(TeamMember { line, username, role, tenant, full_name, email, columns });
        if members.len() > MOST_MEMBERS {
            return Err(TeamListError::TooMany);
        }
    }
    Ok(members)
}

fn is_password(heading: &str) -> bool {
    let heading = heading.to_lowercase();
    ["pass", "pwd", "secret", "hash"].iter().any(|word| heading.contains(word))
}

/// What an onboarding would do. It can be applied only when nothing is refused.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct OnboardingPlan {
    /// Accounts to be made, in the order of the list.
    pub create: Vec<PlannedAccount>,
    /// Accounts that are there already, with the same role and tenant.
    pub already: Vec<String>,
    /// What cannot be, and why.
    pub refused: Vec<RefusedMember>,
    #[serde(skip)]
    accounts: Vec<NewAccount>,
}

/// An account to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PlannedAccount {
    /// The login name.
    pub username: String,
    /// The role.
    pub role: String,
    /// The tenant's key.
    pub tenant: Option<String>,
}

/// A line of the list that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RefusedMember {
    /// The line.
    pub line: u64,
    /// The login name.
    pub username: String,
    /// Why, and what to do.
    pub reason: String,
}

impl OnboardingPlan {
    /// The new accounts with the password of each, to be kept safe before [`Accounts::onboard`] makes them.
    pub fn passwords(&self) -> impl Iterator<Item = (&str, &SecretString)> {
        self.accounts.iter().map(|account| (account.username.as_str(), &account.password))
    }
}

impl Accounts {
    /// Checks a whole list against the rules and the database. Writes nothing.
    ///
    /// # Errors
    /// When the database cannot be read. What cannot be is in the plan.
    pub async fn plan_onboarding(
        &self,
        team: &[TeamMember],
        tenants: Option<&Tenants>,
    ) -> Result<OnboardingPlan, AccountsError> {
        let mut plan = OnboardingPlan {
            create: Vec::new(),
            already: Vec::new(),
            refused: Vec::new(),
            accounts: Vec::new(),
        };
        let known_tenants: Option<BTreeSet<String>> = match tenants {
            Some(tenants) => Some(tenants.list().await?.into_iter().map(|tenant| tenant.id).collect()),
            None => None,
        };
        let mut seen = BTreeSet::new();
        for member in team {
            let account = self.account_of(member);
            let refusal = if !seen.insert(member.username.to_lowercase()) {
                Some("it stands twice in the list".to_owned())
            } else if let Err(error) = self.check_new_account(&account) {
                Some(error.to_string())
            } else if let (Some(known), Some(tenant)) = (&known_tenants, &member.tenant)
                && !known.contains(tenant)
            {
                Some(format!("there is no tenant {tenant}: create it first"))
            } else {
                match self.get(&member.username).await? {
                    Some(there)
                        if there.role.as_ref() == Some(&member.role) && there.tenant == member.tenant =>
                    {
                        plan.already.push(there.username);
                        continue;
                    }
                    Some(_) => Some("there is such an account with another role or tenant".to_owned()),
                    None => None,
                }
            };
            match refusal {
                Some(reason) => {
                    let (line, username) = (member.line, member.username.clone());
                    plan.refused.push(RefusedMember { line, username, reason });
                }
                None => {
                    plan.create.push(PlannedAccount {
                        username: account.username.clone(),
                        role: account.role.clone(),
                        tenant: account.tenant.clone(),
                    });
                    plan.accounts.push(account);
                }
            }
        }
        Ok(plan)
    }

    /// Makes all accounts of a plan, or none.
    ///
    /// # Errors
    /// When something of the plan is refused, or the database does not take it; nothing is written then.
    pub async fn onboard(
        &self,
        plan: &OnboardingPlan,
        hasher: &PasswordHasher,
        now: DateTime<Utc>,
    ) -> Result<Vec<Account>, OnboardError> {
        if let Some(refused) = plan.refused.first() {
            return Err(OnboardError::Refused {
                username: refused.username.clone(),
                count: plan.refused.len(),
            });
        }
        let mut rows = Vec::with_capacity(plan.accounts.len());
        for account in &plan.accounts {
            let failed = |source| OnboardError::Account { username: account.username.clone(), source };
            self.check_password(account, &PasswordPolicy::default()).map_err(failed)?;
            let hash = hasher.hash(account.password.clone()).await;
            let hash = hash.map_err(|source| failed(CreateAccountError::Hash(source)))?;
            rows.push((account, self.new_row(account, hash.into(), now)));
        }
        let table = &self.mapping.table;
        let database = |source| OnboardError::Database(AccountsError::Read { table: table.clone(), source });
        let transaction = begin(&self.connection).await.map_err(database)?;
        let mut made = Vec::with_capacity(rows.len());
        for (account, row) in rows {
            insert(&transaction, table, row).await.map_err(|source| OnboardError::Account {
                username: account.username.clone(),
                source: CreateAccountError::of_insert(source, table, &account.username),
            })?;
            let found = self.find(&transaction, &account.username).await.map_err(OnboardError::Database)?;
            let lost = || sea_orm::DbErr::RecordNotFound("the new row under its login name".to_owned());
            made.push(found.ok_or_else(|| database(lost()))?.account);
        }
        let names = made.iter().map(|account| account.username.as_str());
        let recorded = Recording::add(self.recording.as_ref(), &transaction, "onboard", names).await;
        recorded.map_err(OnboardError::Audit)?;
        transaction.commit().await.map_err(database)?;
        Ok(made)
    }

    fn account_of(&self, member: &TeamMember) -> NewAccount {
        let password = generate_password(PASSWORD_LENGTH).password;
        let mut account = NewAccount::new(&member.username, password, &member.role);
        account.tenant.clone_from(&member.tenant);
        account.full_name.clone_from(&member.full_name);
        account.email.clone_from(&member.email);
        let columns = member.columns.iter();
        account.columns = columns.map(|(name, cell)| (name.clone(), Literal::Text(cell.clone()))).collect();
        account
    }
}

/// Why a team was not onboarded. Nobody of it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OnboardError {
    /// The plan has refusals.
    #[error("onboard a team of which {count} are refused, first `{username}`: mend the list and plan again")]
    Refused {
        /// The first one.
        username: String,
        /// How many.
        count: usize,
    },
    /// One of them cannot be made.
    #[error("create `{username}`")]
    Account {
        /// The login name.
        username: String,
        /// Why not.
        #[source]
        source: CreateAccountError,
    },
    /// It cannot be recorded.
    #[error("record the new accounts; nothing was written")]
    Audit(#[source] AuditError),
    /// The database cannot be read or written.
    #[error("write the accounts")]
    Database(#[source] AccountsError),
}

const MOST_MEMBERS: usize = 10_000;
const PASSWORD_LENGTH: usize = 20;

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn reads_a_list_and_refuses_one_with_passwords() {
        let list =
            "username,role,tenant,shift_name,email\n rosa , operator,NORTH,early,\njuan,lead,,,j@x.example\n";
        let team = team_of_csv(list.as_bytes()).unwrap();
        assert_eq!(team.len(), 2);
        assert_eq!(
            (team[0].username.as_str(), team[0].tenant.as_deref(), &team[0].email),
            ("rosa", Some("NORTH"), &None)
        );
        assert_eq!(team[0].columns, BTreeMap::from([("shift_name".to_owned(), "early".to_owned())]));
        assert_eq!((team[1].line, team[1].email.as_deref()), (3, Some("j@x.example")));
        let passwords = team_of_csv("username,role,Initial Password\n".as_bytes());
        assert!(matches!(passwords, Err(TeamListError::Passwords { .. })));
        assert!(matches!(team_of_csv("name;role\n".as_bytes()), Err(TeamListError::Columns)));
        assert!(matches!(team_of_csv("username,role\na\n".as_bytes()), Err(TeamListError::Csv(_))));
    }

    #[test]
    fn passwords_are_not_in_debug() {
        let account = NewAccount::new("rosa", generate_password(20).password, "operator");
        assert!(!format!("{account:?}").contains(account.password.expose_secret()));
    }
}
