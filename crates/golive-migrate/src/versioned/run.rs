//! Applies migrations and takes them back: under the lock, one connection, journalled. What is decided (`reconcile`,
//! `evidence`) and how one migration is executed (`files`, `rust`) is elsewhere.

use std::time::Instant;

use sea_orm::sea_query::Alias;
use sea_orm::{ConnectionTrait, DbBackend, Schema};
use sea_orm_migration::seaql_migrations;

use super::error::VersionedError;
use super::files::{self, Pieces, Resume};
use super::finding::{BOOKS, EDITED, HALF_DOWN, HALF_RUN, MISSING, NO_DOWN, VersionedFinding, Weight};
use super::journal::{self, Direction};
use super::migrations::{Item, Migrations, SourceKind, Work};
use super::options::{Resolution, VersionedOptions};
use super::reconcile::{MigrationStanding, Standing, VersionedStatus};
use super::report::{OnVersionedEvent, RanMigration, Stopped, VersionedEvent, VersionedRun};
use super::rust;
use super::session::Session;
use super::snapshot::Snapshot;
use super::status::{dialect, examine};

/// Applies what is pending, in order. One that was cut off is taken up where that is proven to be safe.
///
/// A second run waits for the first as long as [`VersionedOptions::lock_patience`] says, then finds nothing to do. What
/// plain sea-orm-migration applied is recognized; its own table is kept in step.
///
/// ```no_run
/// use golive_migrate::{Migrations, VersionedOptions, schema_up};
/// # async fn demo<Migrator: sea_orm_migration::MigratorTrait>() -> Result<(), Box<dyn std::error::Error>> {
/// let migrations = Migrations::of::<Migrator>().await;
/// let options = VersionedOptions::new("mysql://me:secret@db/prod".to_owned().into());
/// let run = schema_up(&migrations, &options, &|_| {}).await?;
/// assert!(run.is_done(), "{:?} {:?}", run.stopped, run.findings);
/// # Ok(()) }
/// ```
///
/// # Errors
/// When the database cannot be reached, another run holds the lock, or a statement never got its locks. A statement that
/// the server refuses is [`VersionedRun::stopped`]; what bars a run is in [`VersionedRun::findings`].
pub async fn schema_up(
    migrations: &Migrations,
    options: &VersionedOptions,
    on_event: OnVersionedEvent<'_>,
) -> Result<VersionedRun, VersionedError> {
    locked(migrations, options, async |session| up(session, migrations, options, on_event).await).await
}

/// Takes back the newest applied migration, and no other.
///
/// # Errors
/// As [`schema_up`].
pub async fn schema_down(
    migrations: &Migrations,
    options: &VersionedOptions,
    on_event: OnVersionedEvent<'_>,
) -> Result<VersionedRun, VersionedError> {
    locked(migrations, options, async |session| down(session, migrations, options, on_event).await).await
}

/// Counts every pending migration up to this one (its name or its number) as applied, and runs none: for a database that
/// was made in another way.
///
/// # Errors
/// As [`schema_up`].
pub async fn schema_baseline(
    migrations: &Migrations,
    options: &VersionedOptions,
    up_to: &str,
) -> Result<VersionedRun, VersionedError> {
    locked(migrations, options, async |session| baseline(session, migrations, up_to).await).await
}

/// One connection, its lock, the journal; then the work, by a status read under the lock.
async fn locked(
    migrations: &Migrations,
    options: &VersionedOptions,
    work: impl AsyncFnOnce(&Session) -> Result<VersionedRun, VersionedError>,
) -> Result<VersionedRun, VersionedError> {
    let mut session = Session::open(options, dialect(migrations)).await?;
    let done = match session.lock(options.lock_patience).await {
        Ok(()) => match prepare(&session, migrations, options).await {
            Ok(()) => work(&session).await,
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    session.close().await;
    done
}

async fn prepare(
    session: &Session,
    migrations: &Migrations,
    options: &VersionedOptions,
) -> Result<(), VersionedError> {
    journal::create(session).await?;
    if matches!(migrations.kind, SourceKind::Rust { .. }) {
        let mut table = Schema::new(DbBackend::MySql).create_table_from_entity(seaql_migrations::Entity);
        table.table(Alias::new(migrations.books())).if_not_exists();
        let made = session.orm().execute(&table).await;
        made.map_err(|error| VersionedError::Orm { doing: "make sea-orm-migration's table", source: error })?;
    }
    resolve(session, migrations, options.resolution).await
}

/// The operator's word on a whole migration: the first that was cut off, else the first on which the books differ.
async fn resolve(
    session: &Session,
    migrations: &Migrations,
    resolution: Option<Resolution>,
) -> Result<(), VersionedError> {
    if !matches!(resolution, Some(Resolution::Applied | Resolution::NotApplied)) {
        return Ok(());
    }
    let status = examine(session, migrations).await?;
    let differs =
        status.findings.iter().find(|finding| finding.id == BOOKS.id).map(|finding| finding.place.clone());
    let Some(name) = status.half().map(|half| half.name.clone()).or(differs) else { return Ok(()) };
    let books = books_for(session, migrations, &name).await?;
    match resolution {
        Some(Resolution::Applied) => {
            let checksum = migrations.item(&name).and_then(|item| item.checksum.as_deref());
            journal::baseline(session, &name, checksum, books).await
        }
        _ => journal::forget(session, &name, books).await,
    }
}

/// sea-orm-migration's table, where this migration belongs into it.
async fn books_for<'a>(
    session: &Session,
    migrations: &'a Migrations,
    name: &str,
) -> Result<Option<&'a str>, VersionedError> {
    let there = migrations.in_books(name) && journal::has_table(session, migrations.books()).await?;
    Ok(there.then(|| migrations.books()))
}

async fn up(
    session: &Session,
    migrations: &Migrations,
    options: &VersionedOptions,
    on_event: OnVersionedEvent<'_>,
) -> Result<VersionedRun, VersionedError> {
    let mut run = VersionedRun::new(&session.target);
    let status = examine(session, migrations).await?;
    let bars = |finding: &&VersionedFinding| {
        finding.weight == Weight::Error && finding.id != HALF_RUN.id && !finding.accepted_by(&options.accept)
    };
    let barred: Vec<VersionedFinding> = status.findings.iter().filter(bars).cloned().collect();
    if !barred.is_empty() {
        run.findings = barred;
        return Ok(run);
    }
    recognize(session, migrations, &status, &mut run).await?;
    for finding in status.findings.iter().filter(|finding| finding.id == EDITED.id) {
        let checksum = migrations.item(&finding.place).and_then(|item| item.checksum.as_deref());
        journal::take_checksum(session, &finding.place, checksum).await?;
    }
    let limit = options.steps.unwrap_or(usize::MAX);
    let asked = |name: &String| options.only.as_ref().is_none_or(|only| only.contains(name));
    let waits = |one: &&MigrationStanding| {
        matches!(one.standing, Standing::HalfRun | Standing::Pending) && asked(&one.name)
    };
    let mut todo: Vec<&MigrationStanding> = status.migrations.iter().filter(waits).collect();
    // What was begun comes first, whatever its place.
    todo.sort_by_key(|one| one.standing == Standing::Pending);
    for standing in todo.into_iter().take(limit) {
        let Some(item) = migrations.item(&standing.name) else { continue };
        let work = One { session, migrations, options, item, direction: Direction::Up };
        if !work.carry_out(standing, &mut run, on_event).await? {
            break;
        }
    }
    Ok(run)
}

/// Enters into the journal what something else applied.
async fn recognize(
    session: &Session,
    migrations: &Migrations,
    status: &VersionedStatus,
    run: &mut VersionedRun,
) -> Result<(), VersionedError> {
    for one in &status.migrations {
        if one.standing == Standing::Baseline && one.applied_at.is_none() {
            let checksum = migrations.item(&one.name).and_then(|item| item.checksum.as_deref());
            journal::baseline(session, &one.name, checksum, None).await?;
            run.recognized.push(one.name.clone());
        }
    }
    Ok(())
}

async fn down(
    session: &Session,
    migrations: &Migrations,
    options: &VersionedOptions,
    on_event: OnVersionedEvent<'_>,
) -> Result<VersionedRun, VersionedError> {
    let mut run = VersionedRun::new(&session.target);
    let status = examine(session, migrations).await?;
    // An edited text or another order does not change what is the newest.
    let bars = |finding: &&VersionedFinding| {
        [HALF_RUN.id, BOOKS.id, MISSING.id].contains(&finding.id) && !finding.accepted_by(&options.accept)
    };
    run.findings = status.findings.iter().filter(bars).cloned().collect();
    if !run.findings.is_empty() {
        return Ok(run);
    }
    let Some(standing) = status.half().or_else(|| status.newest()) else { return Ok(run) };
    let Some(item) = migrations.item(&standing.name) else { return Ok(run) };
    if !item.has_down {
        let mut finding = VersionedFinding::new(&NO_DOWN, &item.name, "it has no way back");
        finding.weight = Weight::Error;
        run.findings.push(finding);
        return Ok(run);
    }
    recognize(session, migrations, &status, &mut run).await?;
    let work = One { session, migrations, options, item, direction: Direction::Down };
    work.carry_out(standing, &mut run, on_event).await?;
    Ok(run)
}

async fn baseline(
    session: &Session,
    migrations: &Migrations,
    up_to: &str,
) -> Result<VersionedRun, VersionedError> {
    let mut run = VersionedRun::new(&session.target);
    let status = examine(session, migrations).await?;
    let number = up_to.parse::<u64>().ok();
    let is_it =
        |name: &str| name == up_to || (number.is_some() && super::migrations::version(name) == number);
    let Some(last) = status.migrations.iter().rposition(|one| is_it(&one.name)) else {
        return Err(VersionedError::NoSuchMigration { name: up_to.to_owned() });
    };
    let halves = [HALF_RUN.id, HALF_DOWN.id];
    run.findings = status.findings.iter().filter(|finding| halves.contains(&finding.id)).cloned().collect();
    if !run.findings.is_empty() {
        return Ok(run);
    }
    for one in status.migrations[..=last].iter().filter(|one| one.standing == Standing::Pending) {
        let checksum = migrations.item(&one.name).and_then(|item| item.checksum.as_deref());
        let books = books_for(session, migrations, &one.name).await?;
        journal::baseline(session, &one.name, checksum, books).await?;
        run.recognized.push(one.name.clone());
    }
    Ok(run)
}

/// One migration, one way.
struct One<'a> {
    session: &'a Session,
    migrations: &'a Migrations,
    options: &'a VersionedOptions,
    item: &'a Item,
    direction: Direction,
}

impl One<'_> {
    /// Whether the run may go on.
    async fn carry_out(
        &self,
        standing: &MigrationStanding,
        run: &mut VersionedRun,
        on_event: OnVersionedEvent<'_>,
    ) -> Result<bool, VersionedError> {
        let Self { session, item, direction, .. } = *self;
        let begun = standing.half.is_some();
        let from = match self.begin(begun).await? {
            Resume::At(from) => from,
            Resume::Barred(finding) => {
                run.findings.push(*finding);
                return Ok(false);
            }
        };
        on_event(VersionedEvent::Begins { migration: item.name.clone(), direction });
        let started = Instant::now();
        session.reset().await?;
        if let Some(stopped) = self.execute(from, on_event).await? {
            run.stopped = Some(stopped);
            return Ok(false);
        }
        session.reset().await?;
        session.still_locked().await?;
        let books = books_for(session, self.migrations, &item.name).await?;
        journal::finish(session, &item.name, direction, books).await?;
        run.ran.push(RanMigration {
            name: item.name.clone(),
            direction,
            milliseconds: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            resumed_after: from,
        });
        Ok(true)
    }

    /// Enters the beginning, or finds where an earlier one came to.
    async fn begin(&self, begun: bool) -> Result<Resume, VersionedError> {
        let Self { session, item, direction, options, .. } = *self;
        let checksum = item.checksum.as_deref();
        if begun {
            match &item.work {
                Work::Files { .. } => {
                    let resume = files::resume(session, &self.pieces(), options.resolution).await?;
                    if matches!(resume, Resume::At(_)) {
                        journal::go_on(session, &item.name, checksum).await?;
                    }
                    return Ok(resume);
                }
                Work::Rust(_) if !self.nothing_done().await? => {
                    let status = examine(session, self.migrations).await?;
                    let found = status.findings.into_iter().find(|finding| finding.place == item.name);
                    let unknown =
                        || VersionedFinding::new(&HALF_RUN, &item.name, "how far it came is not known");
                    return Ok(Resume::Barred(Box::new(found.unwrap_or_else(unknown))));
                }
                Work::Rust(_) => {}
            }
        }
        let before = Snapshot::read(session, self.migrations.books()).await?.digests();
        let statements = match &item.work {
            Work::Files { .. } => Some(self.pieces().pieces.len()),
            Work::Rust(_) => None,
        };
        journal::begin(session, &item.name, checksum, direction, statements, &before).await?;
        Ok(Resume::At(0))
    }

    async fn nothing_done(&self) -> Result<bool, VersionedError> {
        let entries = journal::entries(self.session).await?;
        let entry = entries.iter().find(|entry| entry.name == self.item.name);
        Ok(entry.is_some_and(|entry| entry.state == journal::State::Failed && entry.statement == 0))
    }

    async fn execute(
        &self,
        from: usize,
        on_event: OnVersionedEvent<'_>,
    ) -> Result<Option<Stopped>, VersionedError> {
        match &self.item.work {
            Work::Files { .. } => {
                files::run(self.session, &self.pieces(), from, self.options, on_event).await
            }
            Work::Rust(migration) => {
                rust::run(
                    self.session,
                    &self.item.name,
                    migration.as_ref(),
                    self.direction,
                    self.migrations.books(),
                    self.options,
                    on_event,
                )
                .await
            }
        }
    }

    fn pieces(&self) -> Pieces<'_> {
        let pieces = match (&self.item.work, self.direction) {
            (Work::Files { up, .. }, Direction::Up) => up.as_slice(),
            (Work::Files { down, .. }, Direction::Down) => down.as_deref().unwrap_or_default(),
            (Work::Rust(_), _) => &[],
        };
        Pieces { name: &self.item.name, direction: self.direction, pieces }
    }
}
