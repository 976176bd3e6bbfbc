//! Reads both databases by sqlx and compares them row by row, with rules of its own: what stands here was written from the
//! manuals of SQLite and MariaDB, and shares no line with golive, so that one mistake cannot cancel itself.
//!
//! A cell's meaning is a text. Two cells mean the same when the texts are the same; whatever is lost on the way (an offset, a
//! nanosecond, a storage class, a sign) makes them differ. Not here: which differences were to be expected.

mod meaning;
mod sides;

use std::collections::BTreeMap;
use std::path::Path;

use sqlx::mysql::MySqlConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::sqlite::application_s_own;

/// What was found of one table.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Compared {
    /// Its name.
    pub table: String,
    /// Rows in the source.
    pub source_rows: usize,
    /// Rows in the target.
    pub target_rows: usize,
    /// The meanings of rows that only the source has.
    pub only_source: Vec<String>,
    /// The meanings of rows that only the target has.
    pub only_target: Vec<String>,
}

/// Compares every plain table of the source but those left out.
///
/// # Panics
/// When a side cannot be read, or a table or column of the source is missing in the target.
#[must_use]
pub fn compare(source: &Path, target: &str, left_out: &[&str]) -> Vec<Compared> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let work = async {
        let options = SqliteConnectOptions::new().filename(source).collation("unicase", application_s_own);
        let mut sqlite = options.connect().await?;
        let mut maria = MySqlConnection::connect(target).await?;
        let mut all = Vec::new();
        for table in sides::tables(&mut sqlite).await? {
            if !left_out.contains(&table.as_str()) {
                all.push(compare_table(&mut sqlite, &mut maria, table).await?);
            }
        }
        Ok::<_, sqlx::Error>(all)
    };
    let done = runtime.expect("a runtime can be made").block_on(work);
    done.unwrap_or_else(|error| panic!("{}: {error}", source.display()))
}

async fn compare_table(
    sqlite: &mut SqliteConnection,
    maria: &mut MySqlConnection,
    table: String,
) -> Result<Compared, sqlx::Error> {
    let columns = sides::columns(sqlite, &table).await?;
    let kinds = sides::kinds(maria, &table).await?;
    let kinds: Vec<String> = columns
        .iter()
        .map(|column| {
            let kind =
                kinds.get(column).unwrap_or_else(|| panic!("{table}.{column} is missing in the target"));
            kind.clone()
        })
        .collect();
    let source = sides::source_rows(sqlite, &table, &columns, &kinds).await?;
    let target = sides::target_rows(maria, &table, &columns, &kinds).await?;
    let mut compared =
        Compared { table, source_rows: source.len(), target_rows: target.len(), ..Compared::default() };
    let mut count: BTreeMap<String, i64> = BTreeMap::new();
    source.into_iter().for_each(|row| *count.entry(row).or_default() += 1);
    target.into_iter().for_each(|row| *count.entry(row).or_default() -= 1);
    for (row, surplus) in count {
        let side = if surplus > 0 { &mut compared.only_source } else { &mut compared.only_target };
        side.extend((0..surplus.unsigned_abs()).map(|_| row.clone()));
    }
    Ok(compared)
}
