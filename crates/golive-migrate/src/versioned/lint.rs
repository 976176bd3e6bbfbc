//! What a pending change does to a site that goes on: tried on an empty database with the same schema, from the
//! cheapest algorithm up, so that the server itself says which it takes. The live database is only asked for its sizes.

use sea_orm::sqlx::Row;
use serde::Serialize;

use super::disposable::DisposableServer;
use super::drift::{SchemaDrift, rebuild};
use super::error::VersionedError;
use super::finding::{FAILS, LINT_BLOCKS, LINT_COPIES, LINT_LOSES, LINT_UNKNOWN, VersionedFinding};
use super::migrations::Migrations;
use super::options::VersionedOptions;
use super::plan;
use super::report::head;
use super::session::{Session, number, said};
use super::statement::{self, Parsed};
use super::status::dialect;

/// What a change does to those who use the table meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChangeClass {
    /// Only the definition changes; done at once.
    Instant,
    /// The table is worked through while everybody reads and writes.
    Online,
    /// The table is worked through and nobody writes.
    BlocksWrites,
    /// Every row is copied and nobody writes.
    Copies,
    /// Could not be tried.
    Unknown,
}

/// One change of a pending migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LintedChange {
    /// The migration.
    pub migration: String,
    /// Which statement, from 1.
    pub statement: usize,
    /// Its beginning.
    pub sql: String,
    /// The table.
    pub table: String,
    /// What it does to the site.
    pub class: ChangeClass,
    /// About how many rows the live table has; none where it is not there yet.
    pub rows: Option<u64>,
}

/// What pending migrations would do to the site.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SchemaLint {
    /// Every change of a table that is there, in order.
    pub changes: Vec<LintedChange>,
    /// Those worth knowing before.
    pub findings: Vec<VersionedFinding>,
}

/// Tries every pending statement on a disposable server that has the schema of the applied migrations, and tells what it
/// does to the live site.
///
/// # Errors
/// When one of the servers cannot be worked with.
pub async fn schema_lint(
    migrations: &Migrations,
    options: &VersionedOptions,
    drift: &SchemaDrift,
    server: &DisposableServer,
) -> Result<SchemaLint, VersionedError> {
    let mut lint = SchemaLint::default();
    let (scratch, built) = rebuild(migrations, &drift.status, server, &drift.likeness).await?;
    if built.is_err() {
        // The drift has told it.
        return Ok(lint);
    }
    let live = Session::open(options, dialect(migrations)).await?;
    let trial = Session::open(&scratch, dialect(migrations)).await?;
    let done = all(migrations, drift, &live, &trial, &mut lint).await;
    live.close().await;
    trial.close().await;
    done.map(|()| lint)
}

async fn all(
    migrations: &Migrations,
    drift: &SchemaDrift,
    live: &Session,
    trial: &Session,
    lint: &mut SchemaLint,
) -> Result<(), VersionedError> {
    for name in drift.status.pending() {
        let Some(item) = migrations.item(name) else { continue };
        trial.reset().await?;
        let planned = plan::of_item(trial, item, 0, 1).await?;
        if !planned.notes.is_empty() {
            lint.findings.push(VersionedFinding::new(&LINT_UNKNOWN, name, planned.notes.join("; ")));
        }
        for (index, sql) in planned.statements.iter().enumerate() {
            let parsed = statement::parse(sql);
            match class(trial, sql, &parsed).await? {
                Ok(Some(class)) => note(live, lint, name, index + 1, sql, &parsed, class).await?,
                Ok(None) => {}
                Err(reason) => {
                    let what = format!(
                        "statement {} fails on an empty database with the same schema: {reason}",
                        index + 1
                    );
                    lint.findings.push(VersionedFinding::new(&FAILS, name, what));
                    return Ok(());
                }
            }
            if parsed.loses_data {
                let what = format!("statement {}, `{}`, throws data away", index + 1, head(sql));
                lint.findings.push(VersionedFinding::new(&LINT_LOSES, name, what));
            }
        }
    }
    Ok(())
}

/// Runs the statement with the cheapest algorithm that the server takes. `None` where it changes no table that is there;
/// the inner error is the server's refusal of the statement itself.
async fn class(
    trial: &Session,
    sql: &str,
    parsed: &Parsed,
) -> Result<Result<Option<ChangeClass>, String>, VersionedError> {
    let named = sql.to_ascii_uppercase().contains("ALGORITHM");
    let mut class = parsed.alters.as_ref().map(|_| ChangeClass::Unknown);
    if parsed.alters.is_some() && !named {
        let alter = sql.trim_start().get(..5).is_some_and(|verb| verb.eq_ignore_ascii_case("ALTER"));
        let (join, before) = if alter { (", ", ", ") } else { (" ", " ") };
        let mut refused = 0;
        for (class, options) in ATTEMPTS {
            let attempt = format!("{sql}{before}{}", options.join(join));
            match trial.run(&attempt).await {
                Ok(_) => return Ok(Ok(Some(class))),
                Err(error) if number(&error).is_some_and(|number| NOT_SO.contains(&number)) => refused += 1,
                Err(error) if number(&error).is_some() => break,
                Err(error) => return Err(VersionedError::server("try a statement")(error)),
            }
        }
        // Refused with every algorithm but the last: the rows are copied. Refused for another reason: nothing is known.
        if refused == ATTEMPTS.len() {
            class = Some(ChangeClass::Copies);
        }
    }
    let plain = match trial.run(sql).await {
        Ok(_) => Ok(()),
        Err(error) if number(&error).is_some() => Err(said(&error)),
        Err(error) => return Err(VersionedError::server("try a statement")(error)),
    };
    Ok(plain.map(|()| class))
}

const ATTEMPTS: [(ChangeClass, &[&str]); 3] = [
    (ChangeClass::Instant, &["ALGORITHM=INSTANT"]),
    (ChangeClass::Online, &["ALGORITHM=INPLACE", "LOCK=NONE"]),
    (ChangeClass::BlocksWrites, &["ALGORITHM=INPLACE", "LOCK=SHARED"]),
];

/// This algorithm or this lock is not supported for the change.
const NOT_SO: [u16; 2] = [1845, 1846];

async fn note(
    live: &Session,
    lint: &mut SchemaLint,
    migration: &str,
    statement: usize,
    sql: &str,
    parsed: &Parsed,
    class: ChangeClass,
) -> Result<(), VersionedError> {
    let Some(table) = parsed.alters.clone() else { return Ok(()) };
    let rows = size(live, &table).await?;
    let rule = match class {
        ChangeClass::BlocksWrites => Some((&LINT_BLOCKS, "blocks writes to")),
        ChangeClass::Copies => Some((&LINT_COPIES, "copies")),
        ChangeClass::Unknown => Some((&LINT_UNKNOWN, "may block")),
        ChangeClass::Instant | ChangeClass::Online => None,
    };
    // A table that the migrations are only about to make has nobody on it.
    if let (Some((rule, does)), Some(rows)) = (rule, rows) {
        let what =
            format!("statement {statement}, `{}`, {does} table `{table}` with about {rows} rows", head(sql));
        lint.findings.push(VersionedFinding::new(rule, migration, what));
    }
    lint.changes.push(LintedChange {
        migration: migration.to_owned(),
        statement,
        sql: head(sql),
        table,
        class,
        rows,
    });
    Ok(())
}

async fn size(live: &Session, table: &str) -> Result<Option<u64>, VersionedError> {
    const DOING: &str = "look at the size of a table";
    let sql = "SELECT CAST(TABLE_ROWS AS CHAR) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?";
    let rows = live.rows(sql, &[table]).await.map_err(VersionedError::server(DOING))?;
    let Some(row) = rows.first() else { return Ok(None) };
    let count: Option<String> = row.try_get(0).map_err(VersionedError::server(DOING))?;
    Ok(Some(count.and_then(|count| count.parse().ok()).unwrap_or(0)))
}
