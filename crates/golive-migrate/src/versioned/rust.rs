//! Runs a Rust migration through sea-orm-migration's own `SchemaManager`, on the connection that holds the lock. What it
//! executes cannot be seen statement by statement from here, but the server counts what the session began, and the schema
//! shows what became of it.

use sea_orm::{DbErr, RuntimeErr, TransactionTrait, sqlx};
use sea_orm_migration::{MigrationTrait, SchemaManager};

use super::error::VersionedError;
use super::evidence::Effect;
use super::files::lock_wait;
use super::journal::{self, Direction};
use super::options::VersionedOptions;
use super::report::{OnVersionedEvent, Stopped, VersionedEvent};
use super::session::{Changes, Session, gave_up_waiting, number, said};
use super::snapshot::Snapshot;

/// Runs it one way; `None` when it went well.
pub(crate) async fn run(
    session: &Session,
    name: &str,
    migration: &dyn MigrationTrait,
    direction: Direction,
    books: &str,
    options: &VersionedOptions,
    on_event: OnVersionedEvent<'_>,
) -> Result<Option<Stopped>, VersionedError> {
    let mut tried = 0;
    loop {
        let before = session.changes().await?;
        let ended = tokio::time::timeout(options.statement_limit, once(session, migration, direction)).await;
        let error = match ended {
            Ok(Ok(())) => return Ok(None),
            Ok(Err(error)) => error,
            Err(_) => DbErr::Custom("it did not end within its limit".to_owned()),
        };
        if session.in_transaction().await? {
            session
                .run("ROLLBACK")
                .await
                .map_err(VersionedError::server("end the migration's transaction"))?;
        }
        let refused = server_error(&error);
        let code = refused.and_then(number);
        let (changed, nothing) = effect(session, name, books, before, refused).await?;
        tried += 1;
        tried += 1;
        if nothing && refused.is_some_and(gave_up_waiting) {
            let blockers = session.blockers().await;
            if tried >= options.tries {
                journal::fail(session, name, 0, code).await?;
                return Err(lock_wait(name, 1, options, &blockers));
            }
            on_event(VersionedEvent::Waiting {
                migration: name.to_owned(),
                tried,
                of: options.tries,
                blockers,
            });
            tokio::time::sleep(options.pause).await;
            continue;
        }
        let statement = if nothing { 0 } else { changed };
        journal::fail(session, name, u32::try_from(statement).unwrap_or(u32::MAX), code).await?;
        return Ok(Some(Stopped {
            migration: name.to_owned(),
            direction,
            statement,
            line: None,
            sql: None,
            reason: refused.map_or_else(|| error.to_string(), said),
            effect: if nothing { Effect::NotDone } else { Effect::Unknown },
        }));
    }
}

/// How many statements that change something were begun, and whether it is certain that none of them took effect.
async fn effect(
    session: &Session,
    name: &str,
    books: &str,
    before: Changes,
    refused: Option<&sqlx::Error>,
) -> Result<(usize, bool), VersionedError> {
    let now = session.changes().await?;
    let (definitions, others) = (now.definitions - before.definitions, now.others - before.others);
    let nothing = match (definitions, others) {
        (0, 0) => true,
        // Only a statement that was begun waits, so the one that was counted is the one that waited in vain.
        (0, 1) | (1, 0) if refused.is_some_and(gave_up_waiting) => true,
        // The one that was refused may not have been counted; but had the one that was counted succeeded, it would show.
        (1, 0) if refused.is_some() => {
            let entries = journal::entries(session).await?;
            let before =
                entries.into_iter().find(|entry| entry.name == name).and_then(|entry| entry.schema_before);
            before == Some(Snapshot::read(session, books).await?.digests())
        }
        _ => false,
    };
    Ok((usize::try_from(definitions + others).unwrap_or(usize::MAX), nothing))
}

async fn once(session: &Session, migration: &dyn MigrationTrait, direction: Direction) -> Result<(), DbErr> {
    let db = session.orm();
    // As sea-orm-migration itself has it on this kind of server: a transaction only where one is asked for.
    if migration.use_transaction() == Some(true) {
        let transaction = db.begin().await?;
        step(migration, &SchemaManager::new(&transaction), direction).await?;
        return transaction.commit().await;
    }
    step(migration, &SchemaManager::new(&db), direction).await
}

async fn step(
    migration: &dyn MigrationTrait,
    manager: &SchemaManager<'_>,
    direction: Direction,
) -> Result<(), DbErr> {
    match direction {
        Direction::Up => migration.up(manager).await,
        Direction::Down => migration.down(manager).await,
    }
}

/// The driver's error inside of sea-orm's.
fn server_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error))
        | DbErr::Conn(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}
