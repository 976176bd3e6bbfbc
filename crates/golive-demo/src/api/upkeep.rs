//! What deep health looks at besides the servers: whether the schema is this program's, how old the last backup is and how
//! long the certificate is valid. None of it steers traffic. What the numbers mean is golive-observe's business.

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use golive_observe::{CheckOutput, HealthChecks, Importance, metrics, parse_metrics_text};
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use sea_orm_migration::MigratorTrait;

use super::config::ServeConfig;
use crate::schema::Migrator;

const PATIENCE: Duration = Duration::from_secs(3);

/// A daily backup may take its time, as `golive backup status` has it.
const OLDEST_BACKUP: Duration = Duration::from_secs(26 * 3600);

/// When the newest good backup was made, as `golive backup status --metrics` tells it.
const LAST_BACKUP: &str = "golive_backup_last_success_timestamp_seconds";

/// Files larger than this are not what they should be.
const LARGEST_FILE: u64 = 1 << 20;

/// Adds the checks, and the age of the backup to /metrics. What is not configured is not checked.
pub(crate) fn checks(health: HealthChecks, db: &DatabaseConnection, config: &ServeConfig) -> HealthChecks {
    let db = db.clone();
    let mut health = health.deep("schema", Importance::Critical, PATIENCE, move || schema(db.clone()));
    if let Some(file) = config.backup_metrics_file.clone() {
        let told = file.clone();
        metrics()
            .observe_backup_age(move || backup_age(&told, crate::serve::now()).map(|age| age.as_secs_f64()));
        health = health.deep("backup", Importance::Degradable, PATIENCE, move || {
            let file = file.clone();
            off_thread(move || CheckOutput::backup_age(backup_age(&file, crate::serve::now()), OLDEST_BACKUP))
        });
    }
    if let Some(file) = config.certificate_file.clone() {
        health = health.deep("certificate", Importance::Degradable, PATIENCE, move || {
            let file = file.clone();
            off_thread(move || {
                CheckOutput::certificate_days_left(certificate_days_left(&file, crate::serve::now()))
            })
        });
    }
    match config.deep_token.clone() {
        Some(token) => health.deep_token(token),
        None => health,
    }
}

/// A disk that hangs holds up a thread of its own, not those that answer requests.
async fn off_thread(
    look: impl FnOnce() -> CheckOutput + Send + 'static,
) -> Result<CheckOutput, tokio::task::JoinError> {
    tokio::task::spawn_blocking(look).await
}

/// The newest migration that was applied must be the newest that this program knows.
async fn schema(db: DatabaseConnection) -> Result<CheckOutput, std::convert::Infallible> {
    let expected =
        Migrator::migrations().last().map(|migration| migration.name().to_owned()).unwrap_or_default();
    let sql = "SELECT MAX(version) AS version FROM seaql_migrations";
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await;
    let found: Option<String> = row.ok().flatten().and_then(|row| row.try_get("", "version").ok());
    Ok(CheckOutput::schema_version(found.as_deref(), &expected))
}

fn read(file: &Path) -> Option<String> {
    let is_small = std::fs::metadata(file).is_ok_and(|metadata| metadata.len() <= LARGEST_FILE);
    is_small.then(|| std::fs::read_to_string(file).ok()).flatten()
}

/// Nothing when the file is missing, unreadable or of the future: then nothing is known, and that is not well.
fn backup_age(file: &Path, now: DateTime<Utc>) -> Option<Duration> {
    let samples = parse_metrics_text(&read(file)?).ok()?;
    let mut told = samples.iter().filter(|sample| sample.name == LAST_BACKUP).map(|sample| sample.value);
    // Of several databases the one whose backup is oldest.
    let oldest = told.next().map(|first| told.fold(first, f64::min)).filter(|seconds| seconds.is_finite())?;
    let age = now.timestamp_millis() as f64 / 1e3 - oldest;
    Duration::try_from_secs_f64(age).ok()
}

/// Whole days until the certificate, or the first of a chain, is no longer valid.
fn certificate_days_left(file: &Path, now: DateTime<Utc>) -> Option<i64> {
    let text = read(file)?;
    let (_, pem) = x509_parser::pem::parse_x509_pem(text.as_bytes()).ok()?;
    let certificate = pem.parse_x509().ok()?;
    Some((certificate.validity().not_after.timestamp() - now.timestamp()).div_euclid(24 * 3600))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use golive_observe::HealthStatus;
    use std::time::UNIX_EPOCH;

    #[test]
    fn the_age_of_a_backup_is_what_the_status_says() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("backup.prom");
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        assert_eq!(backup_age(&file, now), None);
        let write = |text: &str| std::fs::write(&file, text).unwrap();
        write(&format!(
            "# TYPE {LAST_BACKUP} gauge\n{LAST_BACKUP}{{database=\"a\"}} 1799999000\n{LAST_BACKUP}{{database=\"b\"}} 1799990000\n"
        ));
        assert_eq!(backup_age(&file, now), Some(Duration::from_secs(10_000)));
        assert_eq!(backup_age(&file, now - TimeDelta::seconds(20_000)), None, "made in the future");
        for text in ["", "no metrics {", "golive_backup_good 1\n", &format!("{LAST_BACKUP} NaN\n")] {
            write(text);
            assert_eq!(backup_age(&file, now), None, "{text}");
        }
        assert_eq!(CheckOutput::backup_age(None, OLDEST_BACKUP).status, HealthStatus::Unknown);
    }

    /// A certificate that ends at this second.
    fn certificate(file: &Path, until: u64) {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let authority = golive_sandbox::CertificateAuthority::new("test").unwrap();
        let issued = authority.issue_between(&["localhost"], at(1_700_000_000), at(until)).unwrap();
        std::fs::write(file, issued.certificate_pem).unwrap();
    }

    #[test]
    fn the_days_of_a_certificate_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("server.pem");
        assert_eq!(certificate_days_left(&file, crate::serve::now()), None);
        certificate(&file, 1_800_000_000);
        let left = |before: i64| {
            certificate_days_left(&file, DateTime::from_timestamp(1_800_000_000 - before, 0).unwrap())
        };
        assert_eq!(
            [left(10 * 86_400), left(86_399), left(0), left(-1)],
            [Some(10), Some(0), Some(0), Some(-1)]
        );
        std::fs::write(&file, "no certificate").unwrap();
        assert_eq!(left(0), None);
    }

    #[tokio::test]
    async fn what_is_configured_is_told_by_deep_health_and_does_not_steer_traffic() {
        let folder = tempfile::tempdir().unwrap();
        let (backup, pem) = (folder.path().join("backup.prom"), folder.path().join("server.pem"));
        let now = crate::serve::now().timestamp();
        std::fs::write(&backup, format!("{LAST_BACKUP} {}\n", now - 3600)).unwrap();
        certificate(&pem, u64::try_from(now).unwrap() + 10 * 86_400 + 600);
        let text = |path: &Path| path.display().to_string();
        let pairs = [
            ("APP_ENV", "demo".to_owned()),
            ("DATABASE_URL", "sqlite:///unused".to_owned()),
            ("BACKUP_METRICS_FILE", text(&backup)),
            ("CERTIFICATE_FILE", text(&pem)),
        ];
        let pairs = pairs.into_iter().map(|(name, value)| (name.to_owned(), value));
        let config = ServeConfig::read(&pairs.collect()).unwrap();
        let db = sea_orm::Database::connect("sqlite::memory:").await.unwrap();
        Migrator::up(&db, None).await.unwrap();
        let health = checks(HealthChecks::new(), &db, &config);
        let found = |report: golive_observe::HealthReport| -> Vec<(String, HealthStatus)> {
            report.checks.into_iter().map(|check| (check.name, check.status)).collect()
        };
        let named = |name: &str, status| (name.to_owned(), status);
        use HealthStatus::{Degraded, Up};
        assert_eq!(
            found(health.deep_report().await),
            [named("schema", Up), named("backup", Up), named("certificate", Degraded)]
        );
        // Another one, since results are kept for a moment.
        std::fs::remove_file(&backup).unwrap();
        let report = checks(HealthChecks::new(), &db, &config).deep_report().await;
        assert_eq!(report.http_status(), 200);
        assert_eq!(found(report)[1], named("backup", Degraded));
        assert!(found(health.readiness().await).is_empty());
    }

    #[tokio::test]
    async fn only_the_schema_of_this_program_will_do() {
        let db = sea_orm::Database::connect("sqlite::memory:").await.unwrap();
        assert_eq!(schema(db.clone()).await.unwrap().status, HealthStatus::Unknown, "there is none");
        Migrator::up(&db, None).await.unwrap();
        assert_eq!(schema(db.clone()).await.unwrap().status, HealthStatus::Up);
        Migrator::down(&db, Some(1)).await.unwrap();
        assert_eq!(schema(db).await.unwrap().status, HealthStatus::Down);
    }
}
