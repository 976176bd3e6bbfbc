//! Databases made for the checks, in a folder that goes with them.

use chrono::NaiveDate;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter};
use secrecy::SecretString;
use tempfile::TempDir;

use super::digest::{all_tables, differences};
use super::{chain, shape};
use crate::database::{self, DatabaseError};
use crate::entity::user;
use crate::seed::{self, ACCOUNTS, Plan, SeedError};

/// Nowhere to look.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// No temporary folder.
    #[error("no temporary folder can be made; set TMPDIR to one with a few dozen megabytes free")]
    Folder(#[source] std::io::Error),
    /// No database in it.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// No rows in that.
    #[error(transparent)]
    Seed(#[from] SeedError),
}

/// A folder with one seeded database and room for more.
pub(super) struct Bench {
    folder: TempDir,
    seeded: DatabaseConnection,
}

const SEED: u64 = 42;

impl Bench {
    pub(super) async fn new() -> Result<Self, BenchError> {
        let folder = tempfile::tempdir().map_err(BenchError::Folder)?;
        let seeded = seeded_at(&url_in(&folder, "seeded"), SEED).await?;
        Ok(Self { folder, seeded })
    }

    pub(super) fn seeded(&self) -> &DatabaseConnection {
        &self.seeded
    }

    pub(super) async fn close(self) -> Result<(), BenchError> {
        Ok(database::close(self.seeded).await?)
    }

    /// Up, down and up again leaves what up alone leaves.
    pub(super) async fn cycle(&self) -> Result<String, String> {
        self.try_cycle().await.map_err(|error| chain(&error))?
    }

    async fn try_cycle(&self) -> Result<Result<String, String>, DatabaseError> {
        let url = url_in(&self.folder, "cycle");
        let applied = database::migrate_up(&url).await?;
        let first = tables_at(&url).await?;
        let undone = database::migrate_down(&url, None).await?;
        let left = tables_at(&url).await?;
        let again = database::migrate_up(&url).await?;
        let last = tables_at(&url).await?;
        if !left.is_empty() {
            return Ok(Err(format!("left behind by down: {}", left.join(", "))));
        }
        if first != last || applied != undone || applied != again {
            return Ok(Err(format!(
                "{} tables after the first up, {} after the second",
                first.len(),
                last.len()
            )));
        }
        Ok(Ok(format!("{applied} migrations, {} tables", last.len())))
    }

    /// A second database of the same seed is the same.
    pub(super) async fn same_seed(&self) -> Result<String, String> {
        let different = self.compare("same", SEED).await?;
        if different.is_empty() {
            return Ok("no table differs".to_owned());
        }
        Err(format!("different rows in {}", different.join(", ")))
    }

    /// A database of another seed is not.
    pub(super) async fn other_seed(&self) -> Result<String, String> {
        let different = self.compare("other", SEED + 1).await?;
        if different.iter().any(|table| table == "production_entry") {
            return Ok(format!("{} tables differ", different.len()));
        }
        Err("the fact table is the same for two seeds".to_owned())
    }

    async fn compare(&self, name: &str, seed: u64) -> Result<Vec<String>, String> {
        let other = seeded_at(&url_in(&self.folder, name), seed).await.map_err(|error| chain(&error))?;
        let left = all_tables(&self.seeded).await.map_err(|error| chain(&error))?;
        let right = all_tables(&other).await.map_err(|error| chain(&error))?;
        database::close(other).await.map_err(|error| chain(&error))?;
        Ok(differences(&left, &right))
    }

    /// Nothing is seeded over somebody's data.
    pub(super) async fn refuses_second_seed(&self) -> Result<String, String> {
        match seed::seed(&self.seeded, &plan(SEED), |_, _| {}).await {
            Err(SeedError::NotEmpty { count }) => Ok(format!("refused: {count} clients are there")),
            Err(error) => Err(chain(&error)),
            Ok(_) => Err("it was seeded twice".to_owned()),
        }
    }
}

/// Every account can log in with the password that is written down for it, and is active.
pub(super) async fn accounts_open(connection: &DatabaseConnection) -> Result<String, String> {
    for account in &ACCOUNTS {
        let query = user::Entity::find().filter(user::Column::Username.eq(account.username));
        let row = query.one(connection).await.map_err(|error| chain(&error))?;
        let row = row.ok_or_else(|| format!("{} is missing", account.username))?;
        let password = SecretString::from(account.password);
        let verified =
            golive_auth::verify_password(&row.password_hash, &password).map_err(|error| chain(&error))?;
        if !verified.ok || !row.is_active || row.role != account.role {
            return Err(format!("{} does not open", account.username));
        }
    }
    Ok(format!("{} accounts", ACCOUNTS.len()))
}

fn plan(seed: u64) -> Plan {
    Plan::new(seed, 1, NaiveDate::from_ymd_opt(2026, 1, 15).expect("a day of the calendar"))
}

fn url_in(folder: &TempDir, name: &str) -> SecretString {
    SecretString::from(format!("sqlite://{}/{name}.db?mode=rwc", folder.path().display()))
}

async fn seeded_at(url: &SecretString, seed: u64) -> Result<DatabaseConnection, BenchError> {
    database::migrate_up(url).await?;
    let connection = database::open(url, 1).await?;
    seed::seed(&connection, &plan(seed), |_, _| {}).await?;
    Ok(connection)
}

async fn tables_at(url: &SecretString) -> Result<Vec<String>, DatabaseError> {
    let connection = database::open(url, 1).await?;
    let tables = shape::tables(&connection).await.map_err(DatabaseError::Open)?;
    database::close(connection).await?;
    Ok(tables)
}
