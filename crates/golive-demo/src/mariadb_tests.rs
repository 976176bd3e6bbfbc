//! The schema, the demonstration and the entities on a real MariaDB server.

use chrono::NaiveDate;
use golive_sandbox::{MariaDb, MariaDbOptions};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait, PaginatorTrait, Statement};
use secrecy::SecretString;

use crate::database;
use crate::entity::{employee, event_store, for_every_entity, machine, product, production_entry, user};
use crate::seed::{self, Plan};

fn started(name: &str) -> (MariaDb, SecretString) {
    let server = MariaDb::start(&MariaDbOptions::new()).unwrap();
    server.create_database(name).unwrap();
    let url = SecretString::from(server.url(name));
    (server, url)
}

async fn number(connection: &DatabaseConnection, query: &str) -> i64 {
    let statement = Statement::from_string(DbBackend::MySql, query);
    connection.query_one_raw(statement).await.unwrap().unwrap().try_get("", "n").unwrap()
}

const TABLES: &str = "SELECT COUNT(*) AS n FROM information_schema.tables WHERE table_schema = DATABASE() \
                      AND table_name <> 'seaql_migrations'";

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_goes_up_and_down_and_holds_the_demonstration() {
    let (_server, url) = started("demo");
    assert_eq!(database::migrate_up(&url).await.unwrap(), 11);
    assert_eq!(database::migrate_down(&url, None).await.unwrap(), 11);
    let connection = database::open(&url, 1).await.unwrap();
    assert_eq!(number(&connection, TABLES).await, 0);
    assert_eq!(database::migrate_up(&url).await.unwrap(), 11);
    assert_eq!(number(&connection, TABLES).await, 45);
    let odd = format!("{TABLES} AND (engine <> 'InnoDB' OR table_collation <> 'utf8mb4_nopad_bin')");
    assert_eq!(number(&connection, &odd).await, 0);

    let plan = Plan::new(42, 1, NaiveDate::from_ymd_opt(2026, 1, 15).unwrap());
    let seeded = seed::seed(&connection, &plan, |_, _| {}).await.unwrap();
    assert_eq!(seeded.tables.len(), 45);
    every_row_is_read_back(&connection, seeded.rows()).await;
    the_difficult_values_survive(&connection, &plan).await;
    assert!(database::migration_status(&connection).await.unwrap().iter().all(|(_, applied)| *applied));
}

async fn every_row_is_read_back(connection: &DatabaseConnection, rows: u64) {
    let mut read = 0;
    macro_rules! read {
        ($($module:ident),* $(,)?) => {
            $(
                let count = crate::entity::$module::Entity::find().all(connection).await.unwrap().len();
                assert!(count > 0, "no rows in {}", stringify!($module));
                read += count as u64;
            )*
        };
    }
    for_every_entity!(read);
    assert_eq!(read, rows);
}

/// What is read from MariaDB is what was read from SQLite: the same instants, digits and letters.
async fn the_difficult_values_survive(connection: &DatabaseConnection, plan: &Plan) {
    let folder = tempfile::tempdir().unwrap();
    let url = SecretString::from(format!("sqlite://{}/demo.db", folder.path().display()));
    database::migrate_up(&url).await.unwrap();
    let sqlite = database::open(&url, 1).await.unwrap();
    seed::seed(&sqlite, plan, |_, _| {}).await.unwrap();
    macro_rules! equal {
        ($($module:ident),* $(,)?) => {
            $(
                let here = $module::Entity::find().all(connection).await.unwrap();
                assert_eq!(here, $module::Entity::find().all(&sqlite).await.unwrap());
            )*
        };
    }
    equal!(user, product, machine, employee, production_entry, event_store);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_migrations_at_once_do_not_disturb_each_other() {
    let (_server, url) = started("together");
    let (left, right) = tokio::join!(database::migrate_up(&url), database::migrate_up(&url));
    assert_eq!(left.unwrap() + right.unwrap(), 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_migration_is_taken_up_again() {
    let (_server, url) = started("interrupted");
    database::migrate_up(&url).await.unwrap();
    let connection = database::open(&url, 1).await.unwrap();
    // As if the server had gone between the tables of the last migration and its bookkeeping.
    connection.execute_unprepared("DROP TABLE import_log").await.unwrap();
    connection.execute_unprepared("DELETE FROM seaql_migrations WHERE version LIKE '%events'").await.unwrap();
    assert_eq!(database::migrate_up(&url).await.unwrap(), 1);
    assert_eq!(crate::entity::import_log::Entity::find().count(&connection).await.unwrap(), 0);
}
