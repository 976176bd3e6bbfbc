//! The recovery runbook as markdown, for a person under stress: what to look at, what to type, how long it took when
//! it was last rehearsed. Every figure comes in as a measurement; what was not measured is said to be so.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scenario {
    /// Tables damaged, dropped or wrongly changed.
    DatabaseCorruption,
    /// The database server and its disks are gone.
    ServerFailure,
    /// Redis is gone.
    RedisFailure,
    /// Application and database do not reach each other.
    NetworkPartition,
    /// A new version of the application has to give way to the one before.
    Rollback,
}

/// What a rehearsal measured.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MeasuredRecovery {
    /// What was rehearsed.
    pub scenario: Scenario,
    /// When.
    pub at: DateTime<Utc>,
    /// Seconds until the service worked again (RTO).
    pub recovery_seconds: f64,
    /// Seconds of committed data that were lost (RPO); `None` when the rehearsal did not measure it.
    pub lost_seconds: Option<f64>,
    /// What was done, a sentence.
    pub evidence: String,
}

impl MeasuredRecovery {
    /// A measurement that says nothing about lost data.
    pub fn new(
        scenario: Scenario,
        at: DateTime<Utc>,
        recovery_seconds: f64,
        evidence: impl Into<String>,
    ) -> Self {
        Self { scenario, at, recovery_seconds, lost_seconds: None, evidence: evidence.into() }
    }
}

/// What the runbook is about.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RunbookInputs {
    /// Name of the application.
    pub application: String,
    /// Name of the database.
    pub database: String,
    /// The backup repository.
    pub repository: PathBuf,
    /// The key file that opens backups.
    pub key_file: PathBuf,
    /// The configuration file of golive.
    pub config: PathBuf,
    /// Time between backups, in hours: the most that a restore alone can lose.
    pub backup_every_hours: f64,
    /// Commands that stop the application.
    pub stop_application: Vec<String>,
    /// Commands that start the application.
    pub start_application: Vec<String>,
    /// Commands that bring back the previous version of the application.
    pub roll_back_application: Vec<String>,
    /// Where the readiness of the application is asked.
    pub readiness_url: Option<String>,
    /// What rehearsals measured.
    pub measured: Vec<MeasuredRecovery>,
    /// When this is written.
    pub written_at: DateTime<Utc>,
}

impl RunbookInputs {
    /// A daily backup; how the application is stopped, started and rolled back is yet to be filled in.
    pub fn new(
        application: impl Into<String>,
        database: impl Into<String>,
        repository: impl Into<PathBuf>,
        key_file: impl Into<PathBuf>,
        config: impl Into<PathBuf>,
        written_at: DateTime<Utc>,
    ) -> Self {
        Self {
            application: application.into(),
            database: database.into(),
            repository: repository.into(),
            key_file: key_file.into(),
            config: config.into(),
            backup_every_hours: 24.0,
            stop_application: Vec::new(),
            start_application: Vec::new(),
            roll_back_application: Vec::new(),
            readiness_url: None,
            measured: Vec::new(),
            written_at,
        }
    }
}

/// Renders the runbook.
pub fn render_runbook(inputs: &RunbookInputs) -> String {
    let mut text = String::new();
    head(&mut text, inputs);
    figures(&mut text, inputs);
    database_corruption(&mut text, inputs);
    server_failure(&mut text, inputs);
    redis_failure(&mut text, inputs);
    network_partition(&mut text, inputs);
    rollback(&mut text, inputs);
    text
}

fn head(text: &mut String, inputs: &RunbookInputs) {
    line(text, &format!("# Recovery of {}\n", inputs.application));
    line(
        text,
        &format!("Written {} from the rehearsals below.\n", inputs.written_at.format("%Y-%m-%d %H:%M UTC")),
    );
    line(text, "| what | where |\n|---|---|");
    line(text, &format!("| database | `{}` |", inputs.database));
    line(text, &format!("| backups | `{}` |", inputs.repository.display()));
    line(
        text,
        &format!("| key that opens them | `{}`, and its copy kept elsewhere |", inputs.key_file.display()),
    );
    line(text, &format!("| configuration | `{}` |\n", inputs.config.display()));
    line(text, "Without golive a backup opens with the public tools alone:\n");
    commands(
        text,
        &[format!(
            "age -d -i {} dump.sql.zst.age | zstd -dc | mariadb --binary-mode --default-character-set=utf8mb4 EMPTY_DATABASE",
            shell_word(&inputs.key_file.display().to_string())
        )],
    );
}

fn figures(text: &mut String, inputs: &RunbookInputs) {
    line(text, "## How long it takes, how much is lost\n");
    line(text, "| case | back after (RTO) | lost (RPO) | rehearsed |\n|---|---|---|---|");
    for (scenario, title) in [
        (Scenario::DatabaseCorruption, "database corruption"),
        (Scenario::ServerFailure, "server failure"),
        (Scenario::RedisFailure, "Redis failure"),
        (Scenario::NetworkPartition, "network partition"),
        (Scenario::Rollback, "rollback of the application"),
    ] {
        let Some(measured) = inputs.measured.iter().rev().find(|measured| measured.scenario == scenario)
        else {
            line(text, &format!("| {title} | not measured | not measured | never: rehearse it |"));
            continue;
        };
        let lost = match (measured.lost_seconds, scenario) {
            (Some(seconds), _) => duration(seconds),
            (None, Scenario::DatabaseCorruption | Scenario::ServerFailure) => {
                format!("at most {} (time between backups)", duration(inputs.backup_every_hours * 3600.0))
            }
            (None, Scenario::Rollback) => "nothing: the data stays".to_owned(),
            (None, _) => "not measured".to_owned(),
        };
        line(
            text,
            &format!(
                "| {title} | {} | {lost} | {}: {} |",
                duration(measured.recovery_seconds),
                measured.at.format("%Y-%m-%d"),
                measured.evidence.replace('|', "\\|")
            ),
        );
    }
    line(text, "");
}

fn database_corruption(text: &mut String, inputs: &RunbookInputs) {
    line(text, "## Database corruption\n");
    line(
        text,
        "Signs: errors 126, 145, 194 or 1712, `CHECK TABLE` reports corruption, or data was deleted by mistake.\n",
    );
    line(text, "1. Stop the application, so that nothing is written on top.\n");
    commands(text, &or_placeholder(&inputs.stop_application, "stop the application"));
    line(text, "2. Choose the newest backup that is proven, and prove it again.\n");
    commands(text, &[backup(inputs, "list"), backup(inputs, "verify BACKUP_ID")]);
    line(
        text,
        "3. Restore it beside the damaged database, never over it. golive refuses a database that is not empty and compares the result with the manifest.\n",
    );
    let restored = format!("{}_restored", inputs.database);
    commands(
        text,
        &[
            create(&restored),
            address(&restored),
            backup(inputs, "restore BACKUP_ID --target env:RESTORE_URL"),
        ],
    );
    line(text, &format!("4. Point the application's database URL at `{restored}`, then start it.\n"));
    commands(text, &or_placeholder(&inputs.start_application, "start the application"));
    readiness(text, inputs, 5);
    line(
        text,
        "6. Keep the damaged database until what was written after the backup has been recovered from it by hand.\n",
    );
}

fn server_failure(text: &mut String, inputs: &RunbookInputs) {
    line(text, "## Server failure\n");
    line(text, "Signs: the host does not answer, or its disks are lost.\n");
    line(
        text,
        "1. On a new host install MariaDB of the same version (`golive backup list` shows it), the MariaDB client programs and golive.",
    );
    line(text, "2. Bring the backup repository and the key to it, and see that both are whole.\n");
    commands(text, &[backup(inputs, "list"), backup(inputs, "verify BACKUP_ID")]);
    line(
        text,
        "3. Create the accounts of the application, with new passwords if the old host may have been taken over.",
    );
    line(
        text,
        "4. Restore the state files (environment, provider state, deployment configuration) and the database.\n",
    );
    commands(
        text,
        &[
            backup(inputs, "restore STATE_BACKUP_ID --into /var/lib/recovered-state"),
            create(&inputs.database),
            address(&inputs.database),
            backup(inputs, "restore BACKUP_ID --target env:RESTORE_URL"),
        ],
    );
    line(
        text,
        "5. Put the state files in place, change the database address in them, start the application.\n",
    );
    commands(text, &or_placeholder(&inputs.start_application, "start the application"));
    readiness(text, inputs, 6);
    line(text, "7. Take a backup of the new server at once, and set up its schedule.\n");
    commands(text, &[backup(inputs, "create")]);
}

fn redis_failure(text: &mut String, inputs: &RunbookInputs) {
    line(text, "## Redis failure\n");
    line(
        text,
        "Signs: readiness says `degraded`; sign-in may be refused, because revoked tokens cannot be told from valid ones.\n",
    );
    line(text, "1. Look whether Redis runs and has memory and disk left.\n");
    commands(text, &["redis-cli ping".to_owned(), "redis-cli info persistence".to_owned()]);
    line(text, "2. Start it again. `LOADING` means: wait, it reads its data.");
    line(
        text,
        "3. If its data is lost, start it empty: caches fill themselves, rate limits begin anew, and revoked tokens would be valid again until they expire. So give the application a new secret key, which ends every session.\n",
    );
    commands(text, &[golive(inputs, "secret generate --output NEW_KEY_FILE")]);
    line(
        text,
        "4. Never start Redis with `appendonly yes` on a directory that holds only an RDB file: it begins with an empty log and ignores the file. Start with `appendonly no`, then `CONFIG SET appendonly yes`. It is durable once `INFO persistence` says `aof_rewrite_in_progress:0`; stop it no earlier.",
    );
    readiness(text, inputs, 5);
}

fn network_partition(text: &mut String, inputs: &RunbookInputs) {
    line(text, "## Network partition\n");
    line(text, "Signs: readiness fails on `db` on some hosts while the database answers on its own.\n");
    line(text, "1. From an application host, see what is reachable.\n");
    commands(text, &[golive(inputs, "doctor")]);
    line(text, "2. Do not restore anything: the data is whole. Do not start a second database.");
    line(
        text,
        "3. Mend the network (security groups, DNS, certificates, full connection tables). The application reconnects by itself; live processes need no restart.",
    );
    readiness(text, inputs, 4);
}

fn rollback(text: &mut String, inputs: &RunbookInputs) {
    line(text, "## Rolling back the application\n");
    line(text, "1. Back up first: a newer version may have written what the older one cannot read.\n");
    commands(text, &[backup(inputs, "create")]);
    line(text, "2. Bring back the previous version.\n");
    commands(text, &or_placeholder(&inputs.roll_back_application, "deploy the previous version"));
    line(
        text,
        "3. If the newer version changed the schema, the older one needs the older schema. MariaDB does not roll back DDL: restore the backup taken before the release, as under database corruption. Never edit the table of schema versions by hand.",
    );
    readiness(text, inputs, 4);
}

fn readiness(text: &mut String, inputs: &RunbookInputs, number: u32) {
    line(text, &format!("{number}. See that it is ready.\n"));
    let ask = match &inputs.readiness_url {
        Some(url) => format!("curl --fail --silent --show-error {}", shell_word(url)),
        None => "# ask the readiness endpoint of the application".to_owned(),
    };
    commands(text, &[ask]);
}

fn golive(inputs: &RunbookInputs, command: &str) -> String {
    format!("golive --config {} {command}", shell_word(&inputs.config.display().to_string()))
}

/// A backup command, on this repository and with this key.
fn backup(inputs: &RunbookInputs, command: &str) -> String {
    let place = |path: &Path| shell_word(&path.display().to_string());
    let (repository, key) = (place(&inputs.repository), place(&inputs.key_file));
    golive(inputs, &format!("backup {command} --repository {repository} --key {key}"))
}

fn create(database: &str) -> String {
    format!("mariadb -e {}", shell_word(&format!("CREATE DATABASE `{}`", database.replace('`', "``"))))
}

/// The password is typed, not left in the history of the shell.
fn address(database: &str) -> String {
    format!(
        "read -rs PASSWORD; export RESTORE_URL=\"mysql://ACCOUNT:$PASSWORD@HOST:3306/{}\"",
        database.replace(['"', '$', '`', '\\'], "_")
    )
}

fn or_placeholder(given: &[String], what: &str) -> Vec<String> {
    if given.is_empty() { vec![format!("# {what}")] } else { given.to_vec() }
}

fn commands(text: &mut String, commands: &[String]) {
    line(text, &format!("```sh\n{}\n```\n", commands.join("\n")));
}

fn line(text: &mut String, content: &str) {
    writeln!(text, "{content}").expect("writing into a String cannot fail");
}

fn shell_word(word: &str) -> String {
    let plain = !word.is_empty()
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./:=,@+".contains(&byte));
    if plain { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

fn duration(seconds: f64) -> String {
    if seconds < 120.0 {
        format!("{seconds:.1} s")
    } else if seconds < 7200.0 {
        format!("{:.0} min", seconds / 60.0)
    } else {
        format!("{:.0} h", seconds / 3600.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runbook_reads_well() {
        let at = DateTime::from_timestamp(1_795_312_800, 0).unwrap();
        let mut inputs = RunbookInputs::new(
            "kpi",
            "kpi",
            "/var/backups/kpi",
            "/etc/golive/backup key",
            "/etc/golive/golive.toml",
            at,
        );
        inputs.readiness_url = Some("http://127.0.0.1:8080/health/ready".to_owned());
        inputs.stop_application = vec!["systemctl stop kpi".to_owned()];
        inputs.measured = vec![MeasuredRecovery::new(
            Scenario::DatabaseCorruption,
            at,
            68.4,
            "45 tables restored and equal",
        )];
        insta::assert_snapshot!(render_runbook(&inputs));
    }
}
