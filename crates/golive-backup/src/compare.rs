//! Compares a restored database with the manifest of its backup: objects, definitions, rows, content. It reads the
//! database itself and trusts nothing that the restore reported.

use std::fmt;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::create::{DigestRowsError, digest_rows};
use crate::digest;
use crate::exec::Tools;
use crate::inventory::{self, InspectError, Inventory, ObjectKind};
use crate::manifest::{BackupId, DatabaseFacts, Manifest, SnapshotMethod, TableFacts};
use crate::progress::{Progress, Stage};
use crate::repository::{Proof, ProofLevel};
use crate::rows;
use crate::server::{ConnectError, Server, Session};
use crate::witness::{self, Beside};

/// Reading every row once must be done within this time.
const DEADLINE: Duration = Duration::from_secs(4 * 60 * 60);
/// So many differences a proof tells; all of them are in the comparison.
const TOLD: usize = 3;

/// One way in which the restored database differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "difference", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Difference {
    /// An object of the backup is not there.
    Missing {
        /// What it is.
        kind: ObjectKind,
        /// Its name.
        name: String,
    },
    /// An object is there that the backup does not have.
    Unexpected {
        /// What it is.
        kind: ObjectKind,
        /// Its name.
        name: String,
    },
    /// An object is defined otherwise.
    Definition {
        /// What it is.
        kind: ObjectKind,
        /// Its name.
        name: String,
    },
    /// A table has another number of rows.
    Rows {
        /// The table.
        table: String,
        /// Rows in the backup.
        expected: u64,
        /// Rows found.
        actual: u64,
    },
    /// A table differs in digits of FLOAT columns that no dump carries, and in nothing else.
    FloatDigits {
        /// The table.
        table: String,
        /// The columns.
        columns: Vec<String>,
    },
    /// A table has as many rows, with other content.
    Content {
        /// The table.
        table: String,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { kind, name } => write!(formatter, "{kind} {name} is missing"),
            Self::Unexpected { kind, name } => write!(formatter, "{kind} {name} is not in the backup"),
            Self::Definition { kind, name } => write!(formatter, "{kind} {name} is defined otherwise"),
            Self::Rows { table, expected, actual } => {
                write!(formatter, "table {table} has {actual} rows, the backup {expected}")
            }
            Self::FloatDigits { table, columns } => {
                let columns = columns.join(", ");
                write!(
                    formatter,
                    "table {table} lost digits that no dump carries, in FLOAT columns only: {columns}; make them DOUBLE or \
                     DECIMAL, or take physical backups, which lose none"
                )
            }
            Self::Content { table } => write!(formatter, "table {table} has other content"),
        }
    }
}

/// The result of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// Which backup.
    pub id: BackupId,
    /// The restored database.
    pub database: String,
    /// Whether the manifest describes exactly the dumped snapshot; otherwise a difference may be a write meanwhile.
    pub exact: bool,
    /// Tables whose content was compared.
    pub tables: usize,
    /// Rows in them.
    pub rows: u64,
    /// How long it took.
    pub seconds: f64,
    /// What differs; empty when all is equal.
    pub differences: Vec<Difference>,
}

impl Comparison {
    /// Whether nothing differs.
    pub fn equal(&self) -> bool {
        self.differences.is_empty()
    }

    /// The proof to record for the backup: what was compared, and what differs.
    pub fn proof(&self, at: DateTime<Utc>, restore_seconds: f64) -> Proof {
        let mut detail =
            format!("{} tables, {} rows restored in {restore_seconds:.1} s", self.tables, self.rows);
        for difference in self.differences.iter().take(TOLD) {
            detail.push_str(&format!("; {difference}"));
        }
        if self.differences.len() > TOLD {
            detail.push_str(&format!("; and {} more differences", self.differences.len() - TOLD));
        }
        Proof::new(at, ProofLevel::Restored, self.equal(), detail)
    }

    /// Whether nothing differs but digits of FLOAT columns beyond the sixth.
    pub fn equal_but_for_float_digits(&self) -> bool {
        self.differences.iter().all(|difference| matches!(difference, Difference::FloatDigits { .. }))
    }
}

/// Why nothing could be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError {
    /// The server is out of reach.
    #[error("compare the restored database")]
    Connect(#[from] ConnectError),
    /// The database could not be looked at.
    #[error("look at the restored database")]
    Inspect(#[from] InspectError),
    /// It is a backup of something else.
    #[error("compare {id} with this database: it does not hold it; choose another backup")]
    NotADatabase {
        /// The backup.
        id: BackupId,
    },
    /// It took too long.
    #[error("read the restored database within {seconds} s; look for what blocks it")]
    Timeout {
        /// The limit.
        seconds: u64,
    },
    /// The digests of the manifest are of another method.
    #[error("compare digests of method {found}: use the version of golive that took the backup")]
    Method {
        /// The method of the manifest.
        found: String,
    },
    /// The restored rows could not be dumped for comparison.
    #[error("dump the restored rows of {database} to compare them; the account needs SELECT on them")]
    Dump {
        /// The database.
        database: String,
        /// What happened.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Compares a database with the manifest it should equal.
///
/// # Errors
/// When either could not be read. A difference is no error.
pub async fn compare_restored(
    manifest: &Manifest,
    server: &Server,
    database: &str,
    progress: &Progress,
) -> Result<Comparison, CompareError> {
    tokio::time::timeout(DEADLINE, compare(manifest, server, database, progress))
        .await
        .unwrap_or(Err(CompareError::Timeout { seconds: DEADLINE.as_secs() }))
}

async fn compare(
    manifest: &Manifest,
    server: &Server,
    database: &str,
    progress: &Progress,
) -> Result<Comparison, CompareError> {
    let began = Instant::now();
    // A database that was backed up alone may be restored under another name; one of a whole server keeps its own.
    let facts = manifest.database().or_else(|| manifest.database_named(database));
    let facts = facts.ok_or_else(|| CompareError::NotADatabase { id: manifest.id.clone() })?;
    let mut session = server.connect().await?;
    let found = inventory::read_inventory(&mut session.connection, database).await?;
    let mut differences = compare_inventories(&facts.inventory, &found);
    let common = comparable(facts, &differences);
    let place = Place { server, database };
    let tables = match facts.digest_method.as_str() {
        digest::METHOD => by_server(&mut session, &place, &common, progress).await?,
        rows::METHOD => by_dump(&mut session, &place, &common, progress).await?,
        witness::METHOD => by_samples(&mut session, &place, &common, progress).await?,
        found => return Err(CompareError::Method { found: found.to_owned() }),
    };
    for (expected, table) in common.iter().zip(&tables) {
        let columns = match differs_in_float_digits_alone(expected, table) {
            true => inventory::float_columns(&mut session.connection, database, &table.name).await?,
            false => Vec::new(),
        };
        differences.extend(compare_table(expected, table, columns));
    }
    Ok(Comparison {
        id: manifest.id.clone(),
        database: database.to_owned(),
        exact: is_exact(facts),
        tables: tables.len(),
        rows: tables.iter().map(|table| table.rows).sum(),
        seconds: began.elapsed().as_secs_f64(),
        differences,
    })
}

/// The tables that are there. Of one that is defined otherwise no sample is asked for: its key may be gone.
fn comparable(facts: &DatabaseFacts, differences: &[Difference]) -> Vec<TableFacts> {
    let mut tables = facts.tables.clone();
    for difference in differences {
        match difference {
            Difference::Missing { kind: ObjectKind::Table, name } => {
                tables.retain(|table| table.name != *name);
            }
            Difference::Definition { kind: ObjectKind::Table, name } => {
                for table in tables.iter_mut().filter(|table| table.name == *name) {
                    (table.sample, table.floats) = (None, None);
                }
            }
            _ => {}
        }
    }
    tables
}

/// Where the restored database is.
struct Place<'a> {
    server: &'a Server,
    database: &'a str,
}

/// The server digests every row.
async fn by_server(
    session: &mut Session,
    place: &Place<'_>,
    tables: &[TableFacts],
    progress: &Progress,
) -> Result<Vec<TableFacts>, CompareError> {
    let names: Vec<String> = tables.iter().map(|table| table.name.clone()).collect();
    let stage = Stage::Comparing;
    Ok(inventory::read_tables(&mut session.connection, place.database, &names, progress, stage).await?)
}

/// Number of rows and samples, by the server.
async fn by_samples(
    session: &mut Session,
    place: &Place<'_>,
    tables: &[TableFacts],
    progress: &Progress,
) -> Result<Vec<TableFacts>, CompareError> {
    let mut found = Vec::with_capacity(tables.len());
    for table in tables {
        progress.table(Stage::Comparing, &table.name);
        let connection = &mut session.connection;
        found.push(witness::read_again(connection, place.database, table, Beside::Files).await?);
    }
    Ok(found)
}

/// A second dump, of which only the digests are kept, and beside it what the server says.
async fn by_dump(
    session: &mut Session,
    place: &Place<'_>,
    tables: &[TableFacts],
    progress: &Progress,
) -> Result<Vec<TableFacts>, CompareError> {
    let sums = digest_rows(place.server, place.database, &Tools::new(), progress).await;
    let sums = sums.map_err(|error: DigestRowsError| CompareError::Dump {
        database: place.database.to_owned(),
        source: Box::new(error),
    })?;
    let mut found = Vec::with_capacity(tables.len());
    for expected in tables {
        let sum = sums.get(&expected.name).copied().unwrap_or_default();
        let connection = &mut session.connection;
        let mut table = witness::read_again(connection, place.database, expected, Beside::Dump).await?;
        // Server and dump must both find as many.
        if table.rows == expected.rows {
            table.rows = sum.rows;
        }
        table.digest = sum.digest();
        found.push(table);
    }
    Ok(found)
}

fn differs_in_float_digits_alone(expected: &TableFacts, found: &TableFacts) -> bool {
    if expected.rows != found.rows {
        return false;
    }
    if expected.digest == found.digest {
        return expected.sample == found.sample && expected.floats != found.floats;
    }
    expected.rounded_digest.is_some() && expected.rounded_digest == found.rounded_digest
}

/// `floats` are the columns that are to blame, when digits of them are all that differs.
fn compare_table(expected: &TableFacts, found: &TableFacts, floats: Vec<String>) -> Option<Difference> {
    let table = expected.name.clone();
    if expected.rows != found.rows {
        return Some(Difference::Rows { table, expected: expected.rows, actual: found.rows });
    }
    if differs_in_float_digits_alone(expected, found) {
        return Some(Difference::FloatDigits { table, columns: floats });
    }
    let differs = expected.digest != found.digest || expected.sample != found.sample;
    differs.then_some(Difference::Content { table })
}

fn is_exact(facts: &DatabaseFacts) -> bool {
    facts.snapshot == SnapshotMethod::Locked
}

fn compare_inventories(expected: &Inventory, found: &Inventory) -> Vec<Difference> {
    let mut differences = Vec::new();
    for object in &expected.objects {
        let (kind, name) = (object.kind, object.name.clone());
        match found.objects.iter().find(|other| other.kind == kind && other.name == name) {
            None => differences.push(Difference::Missing { kind, name }),
            Some(other) if other.definition != object.definition => {
                differences.push(Difference::Definition { kind, name });
            }
            Some(_) => {}
        }
    }
    for object in &found.objects {
        if !expected.objects.iter().any(|other| other.kind == object.kind && other.name == object.name) {
            differences.push(Difference::Unexpected { kind: object.kind, name: object.name.clone() });
        }
    }
    differences
}
