//! The platform's self-test: every check looks at a real database that it made itself and says what it saw. It never
//! touches the database at DATABASE_URL. How the outcome is written for a build server is in `junit`.

mod bench;
mod digest;
mod junit;
mod shape;

use std::future::Future;
use std::path::Path;
use std::time::{Duration, Instant};

use bench::{Bench, BenchError};
use junit::write_junit;

/// What one check found.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What is claimed.
    pub(crate) name: &'static str,
    /// What was seen, or what is wrong.
    pub(crate) result: Result<String, String>,
    /// How long it took.
    pub(crate) took: Duration,
}

/// The report could not be written, or there was nowhere to look.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckError {
    /// No database to look at.
    #[error(transparent)]
    Bench(#[from] BenchError),
    /// The report file could not be written.
    #[error("the report {path} cannot be written; check that its folder exists and may be written to")]
    Report {
        path: String,
        #[source]
        source: std::io::Error,
    },
}

/// Runs every check on databases of its own.
pub(crate) async fn run() -> Result<Vec<Outcome>, CheckError> {
    let bench = Bench::new().await?;
    let seeded = bench.seeded();
    let outcomes = vec![
        timed("migrations go up, down and up again", bench.cycle()).await,
        timed("there are 45 tables", shape::count_tables(seeded)).await,
        timed("the foreign keys are 11 tiers deep", shape::count_tiers(seeded)).await,
        timed("every entity has the columns of its table", shape::compare_columns(seeded)).await,
        timed("every kind of difficult column is there", shape::difficult_columns(seeded)).await,
        timed("the database enforces foreign keys", shape::refuses_orphans(seeded)).await,
        timed("seeding fills every table", digest::every_table_filled(seeded)).await,
        timed("the same seed makes the same rows", bench.same_seed()).await,
        timed("another seed makes other rows", bench.other_seed()).await,
        timed("no row refers to a missing one", shape::no_orphans(seeded)).await,
        timed("no row mixes two tenants", shape::no_mixed_tenants(seeded)).await,
        timed("the database file is sound", shape::is_sound(seeded)).await,
        timed("every demo account opens with its password", bench::accounts_open(seeded)).await,
        timed("seeding refuses a database with data", bench.refuses_second_seed()).await,
    ];
    bench.close().await?;
    Ok(outcomes)
}

/// Writes the outcomes as JUnit XML.
pub(crate) fn write_report(path: &Path, outcomes: &[Outcome]) -> Result<(), CheckError> {
    write_junit(path, outcomes)
        .map_err(|source| CheckError::Report { path: path.display().to_string(), source })
}

async fn timed(name: &'static str, check: impl Future<Output = Result<String, String>>) -> Outcome {
    let started = Instant::now();
    let result = check.await;
    Outcome { name, result, took: started.elapsed() }
}

/// An error with its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_check_passes_and_is_reported() {
        let outcomes = run().await.unwrap();
        for outcome in &outcomes {
            assert!(outcome.result.is_ok(), "{}: {:?}", outcome.name, outcome.result);
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("report.xml");
        write_report(&path, &outcomes).unwrap();
        let xml = std::fs::read_to_string(&path).unwrap();
        assert!(xml.contains("tests=\"14\"") && xml.contains("failures=\"0\""), "{xml}");
    }

    #[test]
    fn a_failed_check_is_a_failure_in_the_report() {
        let outcome =
            Outcome { name: "claim", result: Err("seen <otherwise>".into()), took: Duration::from_millis(3) };
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("report.xml");
        write_report(&path, &[outcome]).unwrap();
        let xml = std::fs::read_to_string(&path).unwrap();
        assert!(xml.contains("failures=\"1\"") && xml.contains("seen &lt;otherwise&gt;"), "{xml}");
    }
}
