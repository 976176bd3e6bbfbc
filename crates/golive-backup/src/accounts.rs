//! Accounts, roles and their grants: read beside a dump, kept sealed, and made again only when asked for.
//!
//! Ours, since `mariadb-dump --system=users` fails as soon as `collation_server` is not the default of its character set,
//! and then leaves no account in its file. How an account logs in is sealed; who there is and what each may do stands in
//! the manifest. An account that is there already is never changed here: what differs is said.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};

use serde::{Deserialize, Serialize};
use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Row};

use crate::identifier::quote;
use crate::manifest::{AccountFacts, Part};
use crate::pipeline::{PartWriter, open_part};
use crate::sealing::{Key, Recipient};
use crate::server::error_number;
use crate::shelf::Shelf;

/// The stored file beside the dump.
pub(crate) const ACCOUNTS_PART: &str = "accounts.jsonl.zst.age";
/// More than any server has; a longer list is a damaged one.
const LIMIT_BYTES: u64 = 256 * 1024 * 1024;
/// The server makes this one for itself, and PUBLIC for everybody.
const OF_THE_SERVER: &str = "mariadb.sys";
const PUBLIC: &str = "PUBLIC";

/// What became of the accounts of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct AccountsReport {
    /// Made anew, with all their grants.
    pub created: Vec<String>,
    /// There already, and equal.
    pub equal: Vec<String>,
    /// There already and different, so left as they are.
    pub kept: Vec<String>,
    /// What could not be done, each a sentence without a secret.
    pub failed: Vec<String>,
}

impl AccountsReport {
    /// Whether every account of the backup is now as it was.
    pub fn complete(&self) -> bool {
        self.kept.is_empty() && self.failed.is_empty()
    }
}

impl fmt::Display for AccountsReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (created, equal) = (self.created.len(), self.equal.len());
        write!(formatter, "{created} accounts made, {equal} there already and equal")?;
        for name in &self.kept {
            write!(formatter, "\n  {name} is there already and differs; it was left as it is")?;
        }
        for sentence in &self.failed {
            write!(formatter, "\n  {sentence}")?;
        }
        Ok(())
    }
}

/// One account with what opens it: never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Account {
    user: String,
    host: String,
    role: bool,
    /// `SHOW CREATE USER`; nothing for a role.
    create: Vec<String>,
    grants: Vec<String>,
}

/// The first line of the sealed list. Without something random in it, the digest of its plain bytes in the manifest
/// would let somebody confirm a guessed password.
#[derive(Serialize, Deserialize)]
struct Head {
    salt: String,
}

impl Account {
    fn quoted(&self) -> String {
        match (self.role, self.user.as_str()) {
            (true, PUBLIC) => PUBLIC.to_owned(),
            (true, name) => quote(name),
            _ => format!("{}@{}", quote(&self.user), quote(&self.host)),
        }
    }

    fn name(&self) -> String {
        if self.role { format!("role {}", self.user) } else { format!("{}@{}", self.user, self.host) }
    }

    pub(crate) fn facts(&self) -> AccountFacts {
        AccountFacts { name: self.name(), role: self.role, grants: self.grants.clone() }
    }

    fn is(&self, other: &Self) -> bool {
        (&self.user, &self.host, self.role) == (&other.user, &other.host, other.role)
    }
}

/// Every account of a server but its own, and the names of those that stand in its table and that it does not know:
/// accounts by host name where names are not resolved, or a table that was written by hand.
pub(crate) struct Found {
    pub(crate) accounts: Vec<Account>,
    pub(crate) dead: Vec<String>,
}

/// Reads the accounts of a server.
pub(crate) async fn read_accounts(connection: &mut MySqlConnection) -> Result<Found, sqlx::Error> {
    let names: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT CAST(User AS CHAR), CAST(Host AS CHAR), CAST(is_role AS CHAR) FROM mysql.user ORDER BY is_role DESC, User, Host",
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut found = Found { accounts: Vec::new(), dead: Vec::new() };
    for (user, host, role) in names {
        if user == OF_THE_SERVER {
            continue;
        }
        let mut account = Account { user, host, role: role == "Y", create: Vec::new(), grants: Vec::new() };
        match look(connection, &mut account).await {
            Ok(()) => found.accounts.push(account),
            Err(error) if is_unknown(&error) => found.dead.push(account.name()),
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

async fn look(connection: &mut MySqlConnection, account: &mut Account) -> Result<(), sqlx::Error> {
    let quoted = account.quoted();
    if !account.role {
        account.create = lines(connection, &format!("SHOW CREATE USER {quoted}")).await?;
    }
    let shown = lines(connection, &format!("SHOW GRANTS FOR {quoted}")).await?;
    account.grants = shown.iter().filter_map(|line| grant_to(line, &quoted)).collect();
    account.grants.sort();
    Ok(())
}

/// ER_PASSWORD_NO_MATCH and ER_NONEXISTING_GRANT: no such account in the memory of the server.
fn is_unknown(error: &sqlx::Error) -> bool {
    matches!(error_number(error), Some(1133 | 1141))
}

async fn lines(connection: &mut MySqlConnection, statement: &str) -> Result<Vec<String>, sqlx::Error> {
    let rows = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).fetch_all(connection).await?;
    rows.iter().map(|row| row.try_get_unchecked(0)).collect()
}

/// A line of `SHOW GRANTS` when it is about this grantee, for the list of a role shows those of the roles in it too;
/// without how the account logs in, which `SHOW CREATE USER` says whole.
fn grant_to(line: &str, quoted: &str) -> Option<String> {
    if line.starts_with("SET DEFAULT ROLE ") {
        return line.ends_with(&format!(" FOR {quoted}")).then(|| line.to_owned());
    }
    let mark = format!(" TO {quoted}");
    let end = line.match_indices(&mark).map(|(at, _)| at + mark.len()).find(|end| {
        let rest = &line[*end..];
        rest.is_empty() || rest.starts_with(' ')
    })?;
    let (grant, rest) = line.split_at(end);
    let option = ["WITH GRANT OPTION", "WITH ADMIN OPTION"].into_iter().find(|option| {
        // After the password, in which nothing but the hash stands between quotes.
        rest.rsplit('\'').next().is_some_and(|tail| tail.contains(option))
    });
    Some(match option {
        Some(option) => format!("{grant} {option}"),
        None => grant.to_owned(),
    })
}

/// Seals the list into a part beside the dump.
pub(crate) fn store(accounts: &[Account], shelf: &Shelf, recipients: &[Recipient]) -> io::Result<Part> {
    let mut writer = PartWriter::create(shelf, ACCOUNTS_PART, recipients)?;
    // A key is 32 random bytes of the operating system, and its public half tells nothing about anything.
    let salt = format!("{}{}", Key::generate().recipient(), Key::generate().recipient());
    serde_json::to_writer(&mut writer, &Head { salt })?;
    for account in accounts {
        writer.write_all(b"\n")?;
        serde_json::to_writer(&mut writer, account)?;
    }
    writer.finish()
}

/// Opens the list again; the part was checked before.
pub(crate) fn load(shelf: &Shelf, key: &Key, part: &Part) -> io::Result<Vec<Account>> {
    let unreadable = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut reader = BufReader::new(open_part(shelf, ACCOUNTS_PART, key)?.take(LIMIT_BYTES));
    let mut head = String::new();
    reader.read_line(&mut head)?;
    serde_json::from_str::<Head>(&head).map_err(|_| unreadable("the list of accounts has no head"))?;
    let mut accounts = Vec::new();
    let mut bytes = head.len() as u64;
    for line in reader.lines() {
        let line = line?;
        bytes += line.len() as u64 + 1;
        // The parser's own words may quote the line.
        accounts.push(serde_json::from_str(&line).map_err(|_| unreadable("an account cannot be read"))?);
    }
    if bytes < part.plain_bytes {
        return Err(unreadable("the list of accounts is cut off"));
    }
    Ok(accounts)
}

/// Makes the accounts that are not there, and looks again whether they are what they were. The tables that grants name
/// must be there already.
pub(crate) async fn restore(
    wanted: &[Account],
    connection: &mut MySqlConnection,
) -> Result<AccountsReport, sqlx::Error> {
    let before = read_accounts(connection).await?.accounts;
    let mut report = AccountsReport::default();
    let mut fresh: Vec<&Account> = Vec::new();
    for account in wanted {
        match before.iter().find(|other| other.is(account)) {
            Some(there) if there == account => report.equal.push(account.name()),
            Some(_) => report.kept.push(account.name()),
            None => fresh.push(account),
        }
    }
    // All of them before the first grant, for a grant may name a role.
    for account in &fresh {
        let role = format!("CREATE ROLE {}", account.quoted());
        let create = if account.role { std::slice::from_ref(&role) } else { account.create.as_slice() };
        for statement in create {
            attempt(connection, statement, "make", account, &mut report.failed).await;
        }
    }
    // Memberships and default roles last: `GRANT role TO` has no ON.
    for memberships in [false, true] {
        for account in &fresh {
            for grant in account.grants.iter().filter(|grant| grant.contains(" ON ") != memberships) {
                attempt(connection, grant, "grant what it had to", account, &mut report.failed).await;
            }
        }
    }
    for role in fresh.iter().filter(|account| account.role) {
        // Whoever makes a role becomes a member and its administrator; nobody asked for that.
        let revoke = format!("REVOKE {} FROM CURRENT_USER", role.quoted());
        attempt(connection, &revoke, "leave", role, &mut report.failed).await;
    }
    let after = read_accounts(connection).await?.accounts;
    for account in fresh {
        if after.contains(account) {
            report.created.push(account.name());
        } else if !report.failed.iter().any(|sentence| sentence.contains(&account.name())) {
            report.failed.push(format!("{} was made, and is not what it was", account.name()));
        }
    }
    Ok(report)
}

/// Runs a statement; what the server says is told without what it quotes, which may be the hash of a password.
async fn attempt(
    connection: &mut MySqlConnection,
    statement: &str,
    what: &str,
    account: &Account,
    failed: &mut Vec<String>,
) {
    if let Err(error) = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(connection).await {
        let said = crate::exec::hide_quoted(&error.to_string());
        let about = if statement.contains('\'') { String::new() } else { format!(" ({statement})") };
        failed.push(format!("could not {what} {}: {said}{about}", account.name()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_kept_without_the_way_to_log_in() {
        let app = "`app`@`%`";
        let kept = |line: &str| grant_to(line, app);
        assert_eq!(
            kept(
                "GRANT USAGE ON *.* TO `app`@`%` IDENTIFIED BY PASSWORD '*B6' REQUIRE SSL WITH MAX_USER_CONNECTIONS 5"
            ),
            Some("GRANT USAGE ON *.* TO `app`@`%`".to_owned())
        );
        assert_eq!(
            kept("GRANT RELOAD ON *.* TO `app`@`%` IDENTIFIED BY PASSWORD '*B6' WITH GRANT OPTION"),
            Some("GRANT RELOAD ON *.* TO `app`@`%` WITH GRANT OPTION".to_owned())
        );
        assert_eq!(
            kept("GRANT `nested` TO `app`@`%` WITH ADMIN OPTION").unwrap(),
            "GRANT `nested` TO `app`@`%` WITH ADMIN OPTION"
        );
        assert_eq!(
            kept("SET DEFAULT ROLE `nested` FOR `app`@`%`").unwrap(),
            "SET DEFAULT ROLE `nested` FOR `app`@`%`"
        );
        // Of a role that is in this one, or of an account whose name begins so.
        assert_eq!(kept("GRANT SELECT ON `k`.* TO `reader`"), None);
        assert_eq!(grant_to("GRANT SELECT ON `k`.* TO `app`@`%`", "`app`"), None);
    }
}
