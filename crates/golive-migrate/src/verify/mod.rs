//! Proves the target: every row and every column by content, both sides streamed in key order, and the schema too. It
//! reads source and target anew and shares no conversion with the copy, so that one fault cannot hide itself.
//!
//! What the cells of either side become, so that they can be compared, stands in `canonical`.

mod aside;
mod canonical;
mod compare;
mod content;
mod converted;
mod digest;
mod layout;
mod options;
mod progress;
mod ranges;
mod recorded;
mod report;
mod rows;
mod sample;
mod schema;
mod views;
mod work;

use std::sync::Arc;
use std::time::Instant;

use mysql_async::prelude::Queryable;
use rusqlite::Connection;

use self::aside::Aside;
use self::layout::{Layout, TargetSide};
pub use self::options::{Intentions, Method, Sample, SampleSize, VerifyOptions};
use self::progress::Counter;
pub(crate) use self::recorded::keep_intentions;
pub use self::recorded::{
    Change, ChangeKind, Recorded, RecordedTable, RecordedVerification, record, verify_recorded,
};
pub use self::report::{
    CheckedForeignKey, Difference, Intended, Mismatch, MismatchKind, Sampled, SchemaDifference, Verdict,
    Verification, Verified, VerifiedTable, VerifyError,
};
use self::work::{Shop, Subject};
use crate::ident;
use crate::journal;
use crate::progress::OnProgress;
use crate::quarantine;
use crate::source::{Source, data_version};
use crate::stall;
use crate::survey::{Catalog, read_catalog};
use crate::target::Target;

/// Compares every row of every table of the source with the target.
///
/// # Errors
/// When source or target cannot be read to the end, or it was cancelled. What differs is in the verification, not an
/// error.
pub async fn verify(
    source: &Source,
    target: &Target,
    options: &VerifyOptions,
    progress: OnProgress<'_>,
) -> Result<Verification, VerifyError> {
    let work = compared(source, target, options, progress);
    stall::guarded(target, options.stall_timeout, VerifyError::Target, work).await
}

async fn compared(
    source: &Source,
    target: &Target,
    options: &VerifyOptions,
    progress: OnProgress<'_>,
) -> Result<Verification, VerifyError> {
    let start = Instant::now();
    let watch = Watch::begin(source).await?;
    let mut conn = target.open().await?;
    let run = journal::run(&mut conn).await?;
    let options = &with_recorded(&mut conn, options).await?;
    let (catalog, snapshots, counts) = open(source, options.connections.clamp(1, 8)).await?;
    let side = layout::target_side(&mut conn).await?;
    let (mut differences, facts) = schema::check(&mut conn, &catalog, &side, options).await?;

    let (mut subjects, mut absent) = subjects(&catalog, &counts, &side, options, &mut differences);
    lay_aside(&mut conn, &mut subjects).await?;
    // A view over rows that were converted or set aside rightly shows something else.
    let as_it_was =
        options.intentions.conversions.is_empty() && subjects.iter().all(|subject| subject.aside.is_empty());
    let (snapshots, mut shown) = views::subjects(snapshots, &catalog, &side, &mut differences).await?;
    shown.retain(|_| as_it_was);
    let shop = Shop { target, options, progress, subjects: &subjects };
    let (mut done, foreign_keys) = futures_util::try_join!(shop.run(snapshots), async {
        schema::orphans(&mut conn, &facts).await.map_err(VerifyError::from)
    })?;
    without_parents(&foreign_keys, &mut differences);
    let sample = match options.method {
        Method::Sample(sample) => {
            Some(count_sampled(&mut conn, &mut done.tables, &subjects, sample.seed).await?)
        }
        _ => None,
    };
    let views = Shop { subjects: &shown, ..shop }.run(done.snapshots).await?;
    let bytes = done.bytes_from_target + views.bytes_from_target + work::bytes_sent(&mut conn).await?;
    let _ = conn.disconnect().await;
    drop(views.snapshots);
    let digest = watch.end(source).await?;

    done.tables.append(&mut absent);
    done.tables.sort_by(|one, other| one.name.cmp(&other.name));
    let (schema, intended) = schema::settle(differences, &options.intentions);
    let mut verification = Verification {
        verdict: Verdict::Mismatch,
        method: options.method.name(),
        sample,
        target: target.display_name(),
        source_changed_since_copy: run.as_ref().is_some_and(|run| run.source_digest != digest),
        source_digest: digest,
        plan_digest: run.map(|run| run.plan_digest),
        rows: done.tables.iter().map(|table| table.rows_compared).sum(),
        cells: done.tables.iter().map(|table| table.rows_compared * table.columns as u64).sum(),
        tables: done.tables,
        views: views.tables,
        schema,
        intended,
        foreign_keys,
        bytes_from_target: bytes,
        seconds: start.elapsed().as_secs_f64(),
    };
    verification.verdict = verification.judge(options.method);
    Ok(verification)
}

/// Keys that hold in name only, since they are added without the server's checks.
fn without_parents(foreign_keys: &[CheckedForeignKey], differences: &mut Vec<SchemaDifference>) {
    for key in foreign_keys.iter().filter(|key| key.orphans > 0) {
        let (columns, orphans, parent) = (key.columns.join(", "), key.orphans, &key.parent);
        let what = format!("{orphans} rows of the foreign key {columns} have no row of `{parent}`");
        differences.push(SchemaDifference::new(&key.table, Difference::ForeignKey, what));
    }
}

/// What a plan intended, where the caller does not know it but the target keeps it.
async fn with_recorded(
    conn: &mut mysql_async::Conn,
    options: &VerifyOptions,
) -> Result<VerifyOptions, VerifyError> {
    let mut options = options.clone();
    if options.intentions.is_empty() {
        options.intentions = recorded::intentions(conn).await?.unwrap_or_default();
        options.exclude.extend(options.intentions.excluded());
    }
    Ok(options)
}

/// The source's schema, so many connections that hold one state of it, and the number of rows of each table.
async fn open(
    source: &Source,
    connections: usize,
) -> Result<(Catalog, Vec<Connection>, Vec<u64>), VerifyError> {
    let reading = source.clone();
    let opening = tokio::task::spawn_blocking(move || {
        let snapshots = reading.snapshots(connections)?;
        let first = snapshots.first().ok_or(rusqlite::Error::QueryReturnedNoRows)?;
        let catalog = read_catalog(first)?;
        let counts = catalog.tables.iter().map(|table| rows::count(first, &table.name));
        let counts = counts.collect::<rusqlite::Result<Vec<u64>>>()?;
        Ok::<_, rusqlite::Error>((catalog, snapshots, counts))
    });
    Ok(opening.await??)
}

/// Tables that both sides have, and those that the target lacks.
fn subjects(
    catalog: &Catalog,
    counts: &[u64],
    side: &TargetSide,
    options: &VerifyOptions,
    schema: &mut Vec<SchemaDifference>,
) -> (Vec<Subject>, Vec<VerifiedTable>) {
    let (mut subjects, mut absent) = (Vec::new(), Vec::new());
    let wanted =
        catalog.tables.iter().zip(counts).filter(|(table, _)| !options.exclude.contains(&table.name));
    for (table, rows) in wanted {
        match side.tables.get(&table.name) {
            Some(columns) => {
                let layout = Arc::new(Layout::new(table, side, columns, options, schema));
                let counter = Counter::new(&table.name, *rows);
                subjects.push(Subject { layout, counter, aside: Arc::default() });
            }
            None => absent.push(VerifiedTable::absent(&table.name, *rows)),
        }
    }
    (subjects, absent)
}

/// Reads what policies set aside of each table.
async fn lay_aside(conn: &mut mysql_async::Conn, subjects: &mut [Subject]) -> Result<(), VerifyError> {
    for subject in subjects {
        let rows = quarantine::rows(conn, &subject.layout.table).await?;
        subject.aside = Arc::new(Aside::new(&subject.layout, &rows));
    }
    Ok(())
}

/// A sample counts all rows of both sides, and says how many of them it compared.
async fn count_sampled(
    conn: &mut mysql_async::Conn,
    tables: &mut [VerifiedTable],
    subjects: &[Subject],
    seed: u64,
) -> Result<Sampled, VerifyError> {
    let mut sampled = Sampled { seed, rows: 0, of_rows: 0 };
    for (table, subject) in tables.iter_mut().zip(subjects) {
        table.rows_source = subject.counter.total();
        let count = format!("SELECT COUNT(*) FROM {}", ident::mariadb(&table.name));
        table.rows_target = conn.query_first(count).await?.unwrap_or(0);
        sampled.rows += table.rows_compared;
        sampled.of_rows += table.rows_source;
    }
    Ok(sampled)
}

/// Notices a writer between begin and end, and takes the fingerprint in between.
struct Watch {
    connection: Connection,
    before: (i64, Option<std::time::SystemTime>, u64),
    digest: tokio::task::JoinHandle<std::io::Result<String>>,
}

impl Watch {
    async fn begin(source: &Source) -> Result<Self, VerifyError> {
        let reading = source.clone();
        let (connection, before) = tokio::task::spawn_blocking(move || {
            let connection = reading.connect()?;
            let before = stamp(&connection, &reading)?;
            Ok::<_, VerifyError>((connection, before))
        })
        .await??;
        let reading = source.clone();
        let digest = tokio::task::spawn_blocking(move || reading.digest());
        Ok(Self { connection, before, digest })
    }

    async fn end(self, source: &Source) -> Result<String, VerifyError> {
        let digest = self.digest.await?.map_err(VerifyError::Fingerprint)?;
        if stamp(&self.connection, source)? != self.before {
            return Err(VerifyError::SourceChanged);
        }
        Ok(digest)
    }
}

/// Changes whenever somebody commits, or puts another file in this one's place.
fn stamp(
    connection: &Connection,
    source: &Source,
) -> Result<(i64, Option<std::time::SystemTime>, u64), VerifyError> {
    let metadata = source.path().metadata().map_err(VerifyError::Fingerprint)?;
    Ok((data_version(connection)?, metadata.modified().ok(), metadata.len()))
}
