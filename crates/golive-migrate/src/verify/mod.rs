//! Proves the target: every row and every column by content, both sides streamed in key order, and the schema too. It
//! reads source and target anew and shares no conversion with the copy, so that one fault cannot hide itself.

mod canonical;
mod compare;
mod content;
mod layout;
mod report;
mod rows;
mod schema_check;

use std::time::Instant;

use self::layout::Layout;
pub use self::report::{
    Mismatch, MismatchKind, SchemaDifference, Verdict, Verification, Verified, VerifiedTable, VerifyError,
    VerifyOptions,
};
use crate::journal;
use crate::progress::OnProgress;
use crate::source::Source;
use crate::target::Target;

/// Compares every row of every table of the source with the target.
///
/// # Errors
/// When source or target cannot be read to the end. What differs is in the verification, not an error.
pub async fn verify(
    source: &Source,
    target: &Target,
    options: &VerifyOptions,
    progress: OnProgress<'_>,
) -> Result<Verification, VerifyError> {
    let start = Instant::now();
    let digest = digest(source).await?;
    let mut conn = target.open().await?;
    let run = journal::run(&mut conn).await?;
    let reading = source.clone();
    let (catalog, snapshot) = tokio::task::spawn_blocking(move || layout::source_side(&reading)).await??;
    let target_side = layout::target_side(&mut conn).await?;
    let mut schema = schema_check::check(&mut conn, &catalog, &target_side, options).await?;

    let mut snapshot = snapshot;
    let mut tables = Vec::with_capacity(catalog.tables.len());
    for table in catalog.tables.iter().filter(|table| !options.exclude.contains(&table.name)) {
        let Some(columns) = target_side.tables.get(&table.name) else {
            let (rows, back) = rows::count(snapshot, &table.name).await?;
            snapshot = back;
            tables.push(VerifiedTable::absent(&table.name, rows));
            continue;
        };
        let layout = Layout::new(table, columns, &mut schema);
        let (verified, back) = compare::table(snapshot, target, &layout, options, progress).await?;
        snapshot = back;
        tables.push(verified);
    }
    drop(snapshot);
    let _ = conn.disconnect().await;
    if self::digest(source).await? != digest {
        return Err(VerifyError::SourceChanged);
    }
    let equal = schema.is_empty() && tables.iter().all(VerifiedTable::is_equal);
    Ok(Verification {
        verdict: if equal { Verdict::Match } else { Verdict::Mismatch },
        target: target.display_name(),
        source_changed_since_copy: run.as_ref().is_some_and(|run| run.source_digest != digest),
        source_digest: digest,
        plan_digest: run.map(|run| run.plan_digest),
        rows: tables.iter().map(|table| table.rows_source).sum(),
        cells: tables.iter().map(|table| table.rows_source * table.columns as u64).sum(),
        tables,
        schema,
        seconds: start.elapsed().as_secs_f64(),
    })
}

async fn digest(source: &Source) -> Result<String, VerifyError> {
    let reading = source.clone();
    tokio::task::spawn_blocking(move || reading.digest()).await?.map_err(VerifyError::Fingerprint)
}
