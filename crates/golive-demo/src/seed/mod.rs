//! Fills the platform with a demonstration: the same rows for the same seed, on either database. Generators are pure
//! and know nothing of a connection; this file writes what they yield.

mod accounts;
mod edges;
mod floor;
mod people;
mod plan;
mod planning;
mod quality;
mod random;
mod records;

use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseConnection, DbErr, EntityName, EntityTrait, IntoActiveModel,
    Iterable, ModelTrait, PaginatorTrait, QueryFilter, TransactionTrait,
};

pub(crate) use accounts::ACCOUNTS;
pub(crate) use plan::Plan;

use crate::entity::employee;

/// The demonstration could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SeedError {
    /// There is something in the database already.
    #[error(
        "the database holds {count} clients already; seeding needs an empty one: use another DATABASE_URL, or run \
         `golive-demo migrate down --all` if its data may go"
    )]
    NotEmpty { count: u64 },
    /// A demo password could not be hashed.
    #[error(transparent)]
    Hash(#[from] accounts::HashError),
    /// The database refused.
    #[error("the table `{table}` could not be filled; mend the cause, empty the database and seed again")]
    Write {
        table: String,
        #[source]
        source: DbErr,
    },
    /// The database could not be looked at.
    #[error("the database could not be read; is its schema up to date (`golive-demo migrate up`)?")]
    Read(#[source] DbErr),
}

/// What was written.
#[derive(Debug, Default)]
pub(crate) struct Seeded {
    /// Rows by table, in the order of writing.
    pub(crate) tables: Vec<(String, u64)>,
}

impl Seeded {
    /// Rows of all tables.
    pub(crate) fn rows(&self) -> u64 {
        self.tables.iter().map(|(_, rows)| rows).sum()
    }
}

/// Placeholders of one statement: SQLite takes 32,766, MariaDB 65,535.
const PLACEHOLDERS: usize = 30_000;
/// Rows of one statement, so that a table with long texts stays below the 16 MiB of a packet.
const STATEMENT_ROWS: usize = 1_000;
/// Rows of one transaction: what one commit costs is spread over many, what a crash undoes stays small.
const TRANSACTION_ROWS: usize = 50_000;

/// Fills every table of an empty, migrated database. `progress` hears of each table when it is done.
pub(crate) async fn seed(
    connection: &DatabaseConnection,
    plan: &Plan,
    progress: impl FnMut(&str, u64),
) -> Result<Seeded, SeedError> {
    let count = crate::entity::client::Entity::find().count(connection).await.map_err(SeedError::Read)?;
    if count > 0 {
        return Err(SeedError::NotEmpty { count });
    }
    let mut writer = Writer { connection, progress, seeded: Seeded::default() };
    master_data(&mut writer, plan).await?;
    orders_and_floor(&mut writer, plan).await?;
    capacity(&mut writer, plan).await?;
    Ok(writer.seeded)
}

async fn master_data<P: FnMut(&str, u64)>(writer: &mut Writer<'_, P>, plan: &Plan) -> Result<(), SeedError> {
    writer.write(accounts::clients(plan)).await?;
    writer.write(accounts::users(plan)?).await?;
    writer.write(people::client_configs(plan)).await?;
    writer.write(people::user_preferences(plan)).await?;
    writer.write(people::saved_filters(plan)).await?;
    writer.write(records::refresh_tokens(plan)).await?;
    writer.write(records::revoked_tokens(plan)).await?;
    writer.write(records::audit_logs(plan)).await?;
    writer.write(people::shifts(plan)).await?;
    writer.write(people::products(plan)).await?;
    writer.write(people::defect_types(plan)).await?;
    writer.write(people::hold_reasons(plan)).await?;
    writer.write(people::downtime_reasons(plan)).await?;
    writer.write(people::kpi_thresholds(plan)).await?;
    writer.write(people::employees(plan)).await?;
    promote(writer.connection).await?;
    writer.write(people::production_lines(plan)).await?;
    writer.write(people::machines(plan)).await?;
    writer.write(people::employee_skills(plan)).await?;
    writer.write(people::user_shifts(plan)).await
}

async fn orders_and_floor<P: FnMut(&str, u64)>(
    writer: &mut Writer<'_, P>,
    plan: &Plan,
) -> Result<(), SeedError> {
    writer.write(floor::orders(plan)).await?;
    writer.write(floor::work_orders(plan)).await?;
    writer.write(floor::work_order_notes(plan)).await?;
    writer.write(floor::jobs(plan)).await?;
    writer.write(floor::production_entries(plan)).await?;
    writer.write(floor::attendance_entries(plan)).await?;
    writer.write(floor::coverage_entries(plan)).await?;
    writer.write(floor::downtime_entries(plan)).await?;
    writer.write(quality::quality_entries(plan)).await?;
    writer.write(quality::defects(plan)).await?;
    writer.write(quality::hold_entries(plan)).await?;
    writer.write(quality::alerts(plan)).await?;
    writer.write(quality::alert_histories(plan)).await
}

async fn capacity<P: FnMut(&str, u64)>(writer: &mut Writer<'_, P>, plan: &Plan) -> Result<(), SeedError> {
    writer.write(planning::calendar(plan)).await?;
    writer.write(planning::lines(plan)).await?;
    writer.write(planning::standards(plan)).await?;
    writer.write(planning::bills(plan)).await?;
    writer.write(planning::components(plan)).await?;
    writer.write(planning::stock(plan)).await?;
    writer.write(planning::scenarios(plan)).await?;
    writer.write(planning::schedules(plan)).await?;
    writer.write(planning::items(plan)).await?;
    writer.write(planning::analyses(plan)).await?;
    writer.write(planning::commitments(plan)).await?;
    writer.write(records::events(plan)).await?;
    writer.write(records::import_logs(plan)).await
}

/// Puts the second employee of every tenant under the last one: a self reference that points forward, so that no
/// order of the rows lets a copy insert each after the one it names.
async fn promote(connection: &DatabaseConnection) -> Result<(), SeedError> {
    for client in 0..plan::CLIENTS {
        employee::Entity::update_many()
            .col_expr(
                employee::Column::SupervisorId,
                Expr::value(plan::id_of(client, plan::EMPLOYEES, plan::EMPLOYEES - 1)),
            )
            .filter(employee::Column::Id.eq(plan::id_of(client, plan::EMPLOYEES, 1)))
            .exec(connection)
            .await
            .map_err(|source| SeedError::Write { table: String::from("employee"), source })?;
    }
    Ok(())
}

struct Writer<'c, P> {
    connection: &'c DatabaseConnection,
    progress: P,
    seeded: Seeded,
}

impl<P: FnMut(&str, u64)> Writer<'_, P> {
    /// Inserts the rows, many a statement and many statements a transaction.
    async fn write<M>(&mut self, rows: impl IntoIterator<Item = M>) -> Result<(), SeedError>
    where
        M: ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
        <M::Entity as EntityTrait>::ActiveModel: ActiveModelTrait<Entity = M::Entity> + Send,
    {
        let table = M::Entity::default().table_name().to_owned();
        let mut rows = rows.into_iter();
        let mut written = 0;
        loop {
            let in_transaction = self.write_transaction(&mut rows).await;
            let count = in_transaction.map_err(|source| SeedError::Write { table: table.clone(), source })?;
            if count == 0 {
                break;
            }
            written += count;
        }
        (self.progress)(&table, written);
        self.seeded.tables.push((table, written));
        Ok(())
    }

    async fn write_transaction<M>(&self, rows: &mut impl Iterator<Item = M>) -> Result<u64, DbErr>
    where
        M: ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
        <M::Entity as EntityTrait>::ActiveModel: ActiveModelTrait<Entity = M::Entity> + Send,
    {
        let columns = <M::Entity as EntityTrait>::Column::iter().count();
        let rows_a_statement = (PLACEHOLDERS / columns).min(STATEMENT_ROWS);
        let transaction = self.connection.begin().await?;
        let mut written = 0;
        while written < TRANSACTION_ROWS {
            let batch: Vec<_> = rows.take(rows_a_statement).map(IntoActiveModel::into_active_model).collect();
            if batch.is_empty() {
                break;
            }
            written += batch.len();
            M::Entity::insert_many(batch).exec_without_returning(&transaction).await?;
        }
        transaction.commit().await?;
        Ok(written as u64)
    }
}
