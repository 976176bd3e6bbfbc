//! Versioned migrations of an application's own sea-orm-migration `Migrator`, on a real server: run through its
//! `SchemaManager`, its books kept, its statements recorded without running them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(
    elided_lifetimes_in_paths,
    reason = "the migration trait hides the lifetime, and an impl must hide it alike"
)]

mod support;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use golive_migrate::{
    Effect, Migrations, Resolution, Standing, VersionedError, VersionedOptions, schema_down, schema_plan,
    schema_status, schema_up,
};
use golive_sandbox::MariaDb;
use sea_orm_migration::async_trait::async_trait;
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm;
use support::server;

fn options(db: &MariaDb) -> VersionedOptions {
    VersionedOptions::new(db.url("app").into())
}

fn count(db: &MariaDb, sql: &str) -> i64 {
    db.execute(sql).unwrap().trim().parse().unwrap()
}

/// A migration made of closures' worth of SQL, as applications write them.
macro_rules! migration {
    ($kind:ident, $name:literal, $up:expr, $down:expr) => {
        struct $kind;
        impl MigrationName for $kind {
            fn name(&self) -> &str {
                $name
            }
        }
        #[async_trait]
        impl MigrationTrait for $kind {
            async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
                $up(manager).await
            }
            async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
                $down(manager).await
            }
        }
    };
}

async fn sql(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    for statement in statements {
        manager.get_connection().execute_unprepared(statement).await?;
    }
    Ok(())
}

async fn make_users(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut id = ColumnDef::new(Alias::new("id"));
    id.integer().not_null().primary_key();
    let mut name = ColumnDef::new(Alias::new("name"));
    name.string_len(40);
    manager
        .create_table(Table::create().table(Alias::new("users")).col(&mut id).col(&mut name).to_owned())
        .await
}

async fn drop_users(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager.drop_table(Table::drop().table(Alias::new("users")).to_owned()).await
}

async fn fill(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    if !manager.has_column("users", "age").await? {
        sql(manager, &["ALTER TABLE users ADD COLUMN age INT"]).await?;
    }
    sql(
        manager,
        &["INSERT INTO users (id, name, age) SELECT COALESCE(MAX(id), 0) + 1, 'x', SLEEP(0.3) FROM users"],
    )
    .await
}

async fn unfill(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    sql(manager, &["ALTER TABLE users DROP COLUMN age", "DELETE FROM users"]).await
}

migration!(Users, "m20260101_000001_users", make_users, drop_users);
migration!(Fill, "m20260102_000001_fill", fill, unfill);

struct Migrator;
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Users), Box::new(Fill)]
    }
}

/// The first release of the same application.
struct First;
impl MigratorTrait for First {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Users)]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_applications_migrator_is_run_its_books_are_kept_and_its_past_is_recognized() {
    let db = server();
    let orm = sea_orm::Database::connect(db.url("app")).await.unwrap();
    First::up(&orm, None).await.unwrap();
    let migrations = Migrations::of::<Migrator>().await;
    let status = schema_status(&migrations, &options(&db)).await.unwrap();
    assert_eq!(status.migrations[0].standing, Standing::Baseline);
    assert!(status.findings.is_empty(), "{status:?}");

    let run = schema_up(&migrations, &options(&db), &|_| {}).await.unwrap();
    assert_eq!(run.recognized, ["m20260101_000001_users"]);
    assert_eq!(run.ran.iter().map(|ran| ran.name.as_str()).collect::<Vec<_>>(), ["m20260102_000001_fill"]);
    assert!(
        Migrator::get_pending_migrations(&orm).await.unwrap().is_empty(),
        "the application's own migrator agrees"
    );
    let again = schema_up(&migrations, &options(&db), &|_| {}).await.unwrap();
    assert!(again.ran.is_empty() && again.recognized.is_empty());

    let down = schema_down(&migrations, &options(&db), &|_| {}).await.unwrap();
    assert_eq!(down.ran[0].name, "m20260102_000001_fill");
    assert_eq!(Migrator::get_pending_migrations(&orm).await.unwrap().len(), 1);

    // Taken back behind our back: nobody guesses which of the books is right.
    Migrator::down(&orm, None).await.unwrap();
    let barred = schema_up(&migrations, &options(&db), &|_| {}).await.unwrap();
    assert_eq!(barred.findings[0].id, "SCH-BOOKS");
    let mut said = options(&db);
    said.resolution = Some(Resolution::NotApplied);
    let run = schema_up(&migrations, &said, &|_| {}).await.unwrap();
    assert_eq!(run.ran.len(), 2, "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_of_a_migrator_at_once_apply_its_data_once() {
    let db = server();
    let mut options = options(&db);
    options.lock_patience = Duration::from_secs(60);
    let (one, two) = (Migrations::of::<Migrator>().await, Migrations::of::<Migrator>().await);
    let (one, two) = tokio::join!(schema_up(&one, &options, &|_| {}), schema_up(&two, &options, &|_| {}));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert!(one.is_done() && two.is_done(), "{one:?} {two:?}");
    assert_eq!(one.ran.len() + two.ran.len(), 2);
    assert_eq!(count(&db, "SELECT COUNT(*) FROM app.users"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_prints_what_a_migrator_would_do_and_does_nothing() {
    let db = server();
    let migrations = Migrations::of::<Migrator>().await;
    let plan = schema_plan(&migrations, &options(&db)).await.unwrap();
    assert_eq!(plan.migrations.len(), 2);
    assert!(plan.migrations[0].statements[0].starts_with("CREATE TABLE `users`"), "{plan:?}");
    assert_eq!(plan.migrations[1].statements[0], "ALTER TABLE users ADD COLUMN age INT");
    assert_eq!(db.execute("SHOW TABLES IN app").unwrap(), "", "not even a journal was made");

    // What is there already is not asked of the recording but of the database.
    db.execute("CREATE TABLE app.users (id INT PRIMARY KEY, name VARCHAR(40), age INT)").unwrap();
    let plan = schema_plan(&migrations, &options(&db)).await.unwrap();
    assert_eq!(plan.migrations[1].statements.len(), 1, "{plan:?}");
}

static EDITED: AtomicBool = AtomicBool::new(false);
async fn changing(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let kind = if EDITED.load(Ordering::SeqCst) { "BIGINT" } else { "INT" };
    sql(manager, &[&format!("CREATE TABLE changing (a {kind})")]).await
}
static CALLS: AtomicU32 = AtomicU32::new(0);
async fn random(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    sql(manager, &[&format!("CREATE TABLE random_{} (a INT)", CALLS.fetch_add(1, Ordering::SeqCst))]).await
}
async fn nothing(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    sql(manager, &["SELECT 1"]).await
}
migration!(Changing, "m20260101_000001_changing", changing, nothing);
migration!(Random, "m20260102_000001_random", random, nothing);
struct Edited;
impl MigratorTrait for Edited {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Changing), Box::new(Random)]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_rust_migration_is_noticed_and_one_without_a_checksum_is_told() {
    let db = server();
    let migrations = Migrations::of::<Edited>().await;
    assert!(schema_up(&migrations, &options(&db), &|_| {}).await.unwrap().is_done());
    let ids = |status: golive_migrate::VersionedStatus| {
        status.findings.iter().map(|finding| finding.id).collect::<Vec<_>>()
    };
    let same = Migrations::of::<Edited>().await;
    assert_eq!(ids(schema_status(&same, &options(&db)).await.unwrap()), ["SCH-CHECKSUM"]);
    EDITED.store(true, Ordering::SeqCst);
    let edited = Migrations::of::<Edited>().await;
    assert_eq!(ids(schema_status(&edited, &options(&db)).await.unwrap()), ["SCH-EDITED", "SCH-CHECKSUM"]);
}

static MENDED: AtomicBool = AtomicBool::new(false);
async fn half(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    if !manager.has_table("one").await? {
        sql(manager, &["CREATE TABLE one (a INT)"]).await?;
    }
    let kind = if MENDED.load(Ordering::SeqCst) { "INT" } else { "NO_SUCH_TYPE" };
    sql(manager, &[&format!("CREATE TABLE two (a {kind})")]).await
}
migration!(Half, "m20260101_000001_half", half, nothing);
struct Halves;
impl MigratorTrait for Halves {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Half)]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_run_rust_migration_is_told_and_waits_for_the_operators_word() {
    let db = server();
    let migrations = Migrations::of::<Halves>().await;
    let run = schema_up(&migrations, &options(&db), &|_| {}).await.unwrap();
    assert_eq!(run.stopped.unwrap().effect, Effect::Unknown);
    let status = schema_status(&migrations, &options(&db)).await.unwrap();
    assert_eq!(status.half().unwrap().half.as_ref().unwrap().changed, ["table one"]);
    let barred = schema_up(&migrations, &options(&db), &|_| {}).await.unwrap();
    assert_eq!(barred.findings[0].id, "SCH-HALF-RUN");
    assert!(barred.findings[0].what.contains("table one"), "{barred:?}");

    // As `kill -9` leaves it: nothing is known but that it was begun.
    let killed =
        "UPDATE app._golive_schema_migration SET state = 'started', statement = 0, error_code = NULL";
    db.execute(killed).unwrap();
    let barred = schema_up(&migrations, &options(&db), &|_| {}).await.unwrap();
    assert!(barred.findings[0].what.contains("it was cut off"), "{barred:?}");
    assert!(barred.findings[0].what.contains("table one"), "{barred:?}");

    MENDED.store(true, Ordering::SeqCst);
    let mended = Migrations::of::<Halves>().await;
    let mut said = options(&db);
    said.resolution = Some(Resolution::NotApplied);
    assert!(schema_up(&mended, &said, &|_| {}).await.unwrap().is_done(), "it skips what it finds done");
}

async fn add_column(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    sql(manager, &["ALTER TABLE t ADD COLUMN b INT"]).await
}
migration!(Column, "m20260101_000001_column", add_column, nothing);
struct Columns;
impl MigratorTrait for Columns {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Column)]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rust_migration_waits_a_bounded_time_for_its_first_lock_and_is_not_half_run_then() {
    use sea_orm::sqlx::{Connection, MySqlConnection, raw_sql};
    let db = server();
    db.execute("CREATE TABLE app.t (a INT); INSERT INTO app.t VALUES (1);").unwrap();
    let mut holder = MySqlConnection::connect(&db.url("app")).await.unwrap();
    raw_sql("START TRANSACTION; SELECT * FROM t;").execute(&mut holder).await.unwrap();
    let mut options = options(&db);
    (options.tries, options.pause) = (2, Duration::from_millis(100));
    let migrations = Migrations::of::<Columns>().await;
    let began = std::time::Instant::now();
    let given_up = schema_up(&migrations, &options, &|_| {}).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    assert!(matches!(given_up, VersionedError::LockWait { .. }), "{given_up:?}");
    raw_sql("COMMIT").execute(&mut holder).await.unwrap();
    let run = schema_up(&migrations, &options, &|_| {}).await.unwrap();
    assert!(run.is_done(), "nothing had taken effect, so it is simply run: {run:?}");
}
