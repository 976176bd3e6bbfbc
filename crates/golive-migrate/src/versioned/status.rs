//! Looks where the migrations of a database stand. Reads only.

use super::error::VersionedError;
use super::evidence::Effect;
use super::files;
use super::finding::{HALF_RUN, VersionedFinding};
use super::journal::{self, Direction, Entry, State};
use super::migrations::{Item, Migrations, SourceKind, Work};
use super::options::VersionedOptions;
use super::reconcile::{HalfRun, Standing, VersionedStatus, reconcile};
use super::report::head;
use super::session::{Dialect, Session};
use super::snapshot::Snapshot;

/// Where the migrations of a database stand: applied, pending, half run; and what is wrong. Reads only, and needs no lock.
///
/// # Errors
/// When the database cannot be looked at.
pub async fn schema_status(
    migrations: &Migrations,
    options: &VersionedOptions,
) -> Result<VersionedStatus, VersionedError> {
    let session = Session::open(options, dialect(migrations)).await?;
    let status = examine(&session, migrations).await;
    session.close().await;
    status
}

/// The client that these migrations were written for.
pub(crate) fn dialect(migrations: &Migrations) -> Dialect {
    match migrations.kind {
        SourceKind::Files(_) => Dialect::Client,
        SourceKind::Rust { .. } => Dialect::Sqlx,
    }
}

/// Reads both journals, and looks closer at what is half run.
pub(crate) async fn examine(
    session: &Session,
    migrations: &Migrations,
) -> Result<VersionedStatus, VersionedError> {
    let entries = journal::entries(session).await?;
    let books = journal::books(session, migrations.books()).await?;
    let mut status = reconcile(&session.target, migrations, &entries, books.as_deref());
    for standing in &mut status.migrations {
        if !matches!(standing.standing, Standing::HalfRun | Standing::HalfTakenBack) {
            continue;
        }
        let (Some(item), Some(entry)) =
            (migrations.item(&standing.name), entries.iter().find(|entry| entry.name == standing.name))
        else {
            continue;
        };
        let half = look_closer(session, migrations, item, entry).await?;
        for finding in &mut status.findings {
            if finding.place == standing.name && finding.id.starts_with("SCH-HALF") {
                tell(finding, &half, item);
            }
        }
        standing.half = Some(half);
    }
    Ok(status)
}

async fn look_closer(
    session: &Session,
    migrations: &Migrations,
    item: &Item,
    entry: &Entry,
) -> Result<HalfRun, VersionedError> {
    let pieces = match (&item.work, entry.direction) {
        (Work::Files { up, .. }, Direction::Up) => up.as_slice(),
        (Work::Files { down, .. }, Direction::Down) => down.as_deref().unwrap_or_default(),
        (Work::Rust(_), _) => &[],
    };
    let is_rust = matches!(item.work, Work::Rust(_));
    let doubt = if is_rust { None } else { files::in_doubt(session, &item.name).await? };
    let (number, effect) = match doubt {
        Some(doubt) => doubt,
        None if entry.state == State::Failed && entry.statement == 0 => (0, Effect::NotDone),
        None if is_rust => (entry.statement as usize, Effect::Unknown),
        // Every statement begun is done.
        None => (entry.statement as usize, Effect::Done),
    };
    let piece = number.checked_sub(1).and_then(|index| pieces.get(index));
    let now = Snapshot::read(session, migrations.books()).await?.digests();
    let mut changed = Vec::new();
    if let Some(before) = &entry.schema_before {
        let labels = before.keys().chain(now.keys());
        changed = labels.filter(|label| before.get(*label) != now.get(*label)).cloned().collect();
        changed.sort();
        changed.dedup();
    }
    Ok(HalfRun {
        direction: entry.direction,
        statement: u32::try_from(number).unwrap_or(u32::MAX),
        statements: (!is_rust).then_some(pieces.len()),
        line: piece.map(|piece| piece.line),
        sql: piece.map(|piece| head(&piece.sql)),
        effect,
        error_code: entry.error_code,
        changed,
    })
}

/// Says in the finding what was found out.
fn tell(finding: &mut VersionedFinding, half: &HalfRun, item: &Item) {
    let refused = half.error_code.map(|code| format!(", refused with error {code}")).unwrap_or_default();
    let of = half.statements.map(|count| format!(" of {count}")).unwrap_or_default();
    let line = half.line.map(|line| format!(" (line {line})")).unwrap_or_default();
    let effect = match half.effect {
        Effect::Done => "took effect",
        Effect::NotDone => "did not take effect",
        Effect::Unknown => "may or may not have taken effect",
    };
    finding.what = match (&item.work, half.statement) {
        (Work::Rust(_), 0) if half.effect == Effect::NotDone => {
            format!("it was begun{refused}, and nothing of it took effect")
        }
        (Work::Rust(_), count) if half.error_code.is_some() => {
            format!("it stopped after {count} statements that change something{refused}")
        }
        (Work::Rust(_), _) => "it was cut off, and how far it came is not known".to_owned(),
        (Work::Files { .. }, 0) => "it was begun, and no statement of it".to_owned(),
        (Work::Files { .. }, number) => {
            format!("it stopped at statement {number}{of}{line}{refused}; that statement {effect}")
        }
    };
    if !half.changed.is_empty() {
        finding.what.push_str(&format!("; since it began, these are different: {}", half.changed.join(", ")));
    }
    let rust_in_doubt = matches!(item.work, Work::Rust(_)) && half.effect == Effect::Unknown;
    if finding.id == HALF_RUN.id && (rust_in_doubt || half.effect == Effect::Unknown) {
        finding.remedy = match rust_in_doubt {
            true => "finish or undo it by hand, then say so: `--resolve applied` or `--resolve not-applied`; a migration that \
                     skips what it finds done is simply run again after `--resolve not-applied`"
                .to_owned(),
            false => "look at the database, then say so: `golive schema up --resolve done` or `--resolve not-done`".to_owned(),
        };
    }
}
