//! Where the statements come from: digests, slow log table, slow log file, or a list.
//!
//! What must not be here: changing the server's settings to see more.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use secrecy::SecretString;
use sqlx::mysql::MySqlConnection;
use sqlx::{Connection, Row};

use super::fingerprint::{fingerprint, is_single_select};
use super::{QuerySource, ReviewError, ReviewOptions, ask};

/// A statement to review.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Candidate {
    /// Without literals: to be shown.
    pub(crate) fingerprint: String,
    /// With literals: to be explained, never shown.
    pub(crate) sample: String,
    /// The literals of `sample` were made up.
    pub(crate) stand_ins: bool,
    pub(crate) executions: Option<u64>,
    pub(crate) total_seconds: Option<f64>,
    /// How often it ran in a row in one session, where the source tells sessions apart.
    pub(crate) longest_run: Option<u64>,
}

/// Statements with their literals, to be tried on a copy. They are never shown: `Debug` and [`Workload::statements`] have `?`
/// in their place.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Workload {
    /// Where they came from.
    pub source: QuerySource,
    /// What limits them.
    pub notes: Vec<String>,
    pub(crate) candidates: Vec<Candidate>,
}

impl Workload {
    /// The statements, most costly first, with `?` for their literals.
    pub fn statements(&self) -> impl Iterator<Item = &str> {
        self.candidates.iter().map(|candidate| candidate.fingerprint.as_str())
    }
}

impl std::fmt::Debug for Workload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let statements: Vec<&str> = self.statements().collect();
        f.debug_struct("Workload")
            .field("source", &self.source)
            .field("statements", &statements)
            .finish_non_exhaustive()
    }
}

/// The most costly SELECTs of the database in `url`, as [`review_queries`](super::review_queries) takes them.
///
/// # Errors
/// When the server cannot be reached or asked, or no source has a statement.
pub async fn collect_workload(url: &SecretString, options: &ReviewOptions) -> Result<Workload, ReviewError> {
    let (connect, database) = super::address(url)?;
    let work = async {
        let mut connection = MySqlConnection::connect_with(&connect)
            .await
            .map_err(|source| ReviewError::Connect { source })?;
        let (source, candidates, notes) = collect(&mut connection, &database, options).await?;
        Ok(Workload { source, notes, candidates })
    };
    let seconds = options.timeout.as_secs();
    tokio::time::timeout(options.timeout, work).await.map_err(|_| ReviewError::Timeout { seconds })?
}

type Collected = (QuerySource, Vec<Candidate>, Vec<String>);

/// The most costly SELECTs of the first source that has any, and what kept the others from it.
pub(crate) async fn collect(
    connection: &mut MySqlConnection,
    database: &str,
    options: &ReviewOptions,
) -> Result<Collected, ReviewError> {
    let mut notes = Vec::new();
    let digests = from_digests(connection, database, options.top, &mut notes).await?;
    if !digests.is_empty() {
        return Ok((QuerySource::PerformanceSchema, digests, notes));
    }
    let logged = from_slow_log_table(connection, database, options.top, &mut notes).await?;
    if !logged.is_empty() {
        return Ok((QuerySource::SlowLogTable, logged, notes));
    }
    if let Some(path) = &options.slow_log_file {
        let entries = parse_slow_log(&read_tail(path)?, database);
        let logged = most_costly(entries, options.top);
        if !logged.is_empty() {
            return Ok((QuerySource::SlowLogFile, logged, notes));
        }
        notes.push("the slow log file holds no SELECT of this database".to_owned());
    }
    let given = given(&options.statements, options.top);
    if given.is_empty() {
        Err(ReviewError::NothingToReview { notes })
    } else {
        Ok((QuerySource::Given, given, notes))
    }
}

async fn from_digests(
    connection: &mut MySqlConnection,
    database: &str,
    top: usize,
    notes: &mut Vec<String>,
) -> Result<Vec<Candidate>, ReviewError> {
    let on = ask(connection, "whether performance_schema is on", "SELECT CAST(@@performance_schema AS CHAR)")
        .await?;
    if !matches!(on.as_str(), "1" | "ON") {
        notes.push("performance_schema is off".to_owned());
        return Ok(Vec::new());
    }
    let rows = sqlx::query(
        "SELECT CAST(digest_text AS CHAR), CAST(count_star AS CHAR), CAST(sum_timer_wait AS CHAR) \
         FROM performance_schema.events_statements_summary_by_digest \
         WHERE schema_name = ? AND digest_text LIKE 'SELECT%' ORDER BY sum_timer_wait DESC LIMIT 1000",
    )
    .bind(database)
    .fetch_all(connection)
    .await;
    let Ok(rows) = rows else {
        notes.push("performance_schema may not be read by this account".to_owned());
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for row in rows {
        let text = |index| row.try_get_unchecked::<String, _>(index).unwrap_or_default();
        let digest = text(0);
        let sample = with_stand_ins(&digest);
        if !is_single_select(&sample) || found.len() == top {
            continue;
        }
        found.push(Candidate {
            fingerprint: fingerprint(&digest.replace("...", "?")),
            sample,
            stand_ins: true,
            executions: text(1).parse().ok(),
            total_seconds: text(2).parse::<f64>().ok().map(|picoseconds| picoseconds / 1e12),
            longest_run: None,
        });
    }
    if found.is_empty() {
        notes.push(
            "performance_schema saw no SELECT of this database (it does not see prepared ones)".to_owned(),
        );
    }
    Ok(found)
}

async fn from_slow_log_table(
    connection: &mut MySqlConnection,
    database: &str,
    top: usize,
    notes: &mut Vec<String>,
) -> Result<Vec<Candidate>, ReviewError> {
    let rows = sqlx::query(
        "SELECT CAST(sql_text AS CHAR), CAST(TIME_TO_SEC(query_time) + MICROSECOND(query_time) / 1e6 AS CHAR), \
         CAST(thread_id AS CHAR) FROM mysql.slow_log WHERE db = ? ORDER BY start_time DESC LIMIT 100000",
    )
    .bind(database)
    .fetch_all(connection)
    .await;
    let Ok(rows) = rows else {
        notes.push("mysql.slow_log may not be read by this account".to_owned());
        return Ok(Vec::new());
    };
    let entries = rows.iter().map(|row| {
        let text = |index| row.try_get_unchecked::<String, _>(index).unwrap_or_default();
        Entry { statement: text(0), seconds: text(1).parse().unwrap_or(0.0), session: text(2).parse().ok() }
    });
    let found = most_costly(entries.collect(), top);
    if found.is_empty() {
        notes.push("the slow log table holds no SELECT of this database".to_owned());
    }
    Ok(found)
}

/// Executions that differ in literals only are one; the most time in all comes first.
fn most_costly(entries: Vec<Entry>, top: usize) -> Vec<Candidate> {
    let mut by_fingerprint: BTreeMap<String, Candidate> = BTreeMap::new();
    let mut runs: BTreeMap<u64, (String, u64)> = BTreeMap::new();
    for Entry { statement, seconds, session } in entries {
        let key = fingerprint(&statement);
        let run = session.map(|session| run_of(&mut runs, session, &key));
        if !is_single_select(&statement) {
            continue;
        }
        let candidate = by_fingerprint.entry(key.clone()).or_insert_with(|| Candidate {
            fingerprint: key,
            sample: statement.trim().trim_end_matches(';').to_owned(),
            stand_ins: false,
            executions: Some(0),
            total_seconds: Some(0.0),
            longest_run: None,
        });
        candidate.longest_run = candidate.longest_run.max(run);
        candidate.executions = candidate.executions.map(|count| count + 1);
        candidate.total_seconds = candidate.total_seconds.map(|total| total + seconds);
    }
    let mut found: Vec<_> = by_fingerprint.into_values().collect();
    found.sort_by(|a, b| b.total_seconds.unwrap_or(0.0).total_cmp(&a.total_seconds.unwrap_or(0.0)));
    found.truncate(top);
    found
}

/// How often this session has now asked the same in a row. What drivers send around a statement is no interruption.
fn run_of(runs: &mut BTreeMap<u64, (String, u64)>, session: u64, key: &str) -> u64 {
    let chatter = ["PREPARE", "CLOSE", "RESET", "SET ", "BEGIN", "COMMIT"];
    let (last, count) = runs.entry(session).or_default();
    if chatter.iter().any(|word| key.to_ascii_uppercase().starts_with(word)) {
        return *count;
    }
    if last == key {
        *count += 1;
    } else {
        (*last, *count) = (key.to_owned(), 1);
    }
    *count
}

fn given(statements: &[String], top: usize) -> Vec<Candidate> {
    let candidates = statements.iter().map(|statement| {
        let stand_ins = statement.contains('?');
        let sample = if stand_ins { with_stand_ins(statement) } else { statement.clone() };
        Candidate {
            fingerprint: fingerprint(statement),
            sample: sample.trim().trim_end_matches(';').to_owned(),
            stand_ins,
            executions: None,
            total_seconds: None,
            longest_run: None,
        }
    });
    candidates.take(top).collect()
}

/// A digest or a prepared statement with a value in each gap, so that it can be explained.
fn with_stand_ins(statement: &str) -> String {
    statement.replace("...", "1").replace('?', "1")
}

/// One execution out of a log.
struct Entry {
    statement: String,
    seconds: f64,
    session: Option<u64>,
}

/// Statements of `database` and their seconds from a slow log. An entry of which the database is not known is left out
/// only when another database was named before it.
fn parse_slow_log(log: &str, database: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    let (mut seconds, mut ours, mut session, mut statement) = (0.0, true, None, String::new());
    for line in log.lines().chain(["# end"]) {
        if line.starts_with('#') || line.starts_with("SET timestamp=") {
            if !statement.is_empty() && ours {
                entries.push(Entry { statement: std::mem::take(&mut statement), seconds, session });
            }
            statement.clear();
        }
        if let Some(fields) = line.strip_prefix("# ") {
            seconds = field(fields, "Query_time:").and_then(|text| text.parse().ok()).unwrap_or(seconds);
            session = field(fields, "Thread_id:").and_then(|text| text.parse().ok()).or(session);
            ours = field(fields, "Schema:").map_or(ours, |schema| schema == database);
        } else if let Some(name) = line.strip_prefix("use ") {
            ours = name.trim_end_matches(';').trim_matches('`') == database;
        } else if !line.starts_with("SET timestamp=") && !line.starts_with('#') {
            statement.push_str(line);
            statement.push('\n');
        }
    }
    entries
}

fn field<'l>(fields: &'l str, name: &str) -> Option<&'l str> {
    let mut words = fields.split_whitespace();
    words.find(|word| *word == name)?;
    words.next()
}

fn read_tail(path: &Path) -> Result<String, ReviewError> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(MAX_LOG_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(MAX_LOG_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|source| ReviewError::SlowLog { path: path.display().to_string(), source })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

const MAX_LOG_BYTES: u64 = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_log_is_read_by_database_and_grouped() {
        let log = "\
/usr/sbin/mariadbd, Version: 10.11\n\
# User@Host: app[app] @ localhost []\n# Thread_id: 5  Schema: shop  QC_hit: No\n# Query_time: 0.500000  Lock_time: 0.1\n\
SET timestamp=1;\nSELECT a\nFROM t WHERE b = 'x';\n\
# Thread_id: 6  Schema: other  QC_hit: No\n# Query_time: 9.0  Lock_time: 0\nSET timestamp=2;\nSELECT 1;\n\
# Thread_id: 5  Schema: shop  QC_hit: No\n# Query_time: 0.25  Lock_time: 0.1\nSET timestamp=3;\nSELECT a FROM t WHERE b = 'y';\n\
# Thread_id: 5  Schema: shop  QC_hit: No\n# Query_time: 7.0  Lock_time: 0\nSET timestamp=3;\nUPDATE t SET a = 1;\n";
        let found = most_costly(parse_slow_log(log, "shop"), 10);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].fingerprint, "SELECT a FROM t WHERE b = ?");
        assert_eq!((found[0].executions, found[0].total_seconds), (Some(2), Some(0.75)));
    }

    #[test]
    fn a_digest_gets_stand_ins() {
        assert_eq!(
            with_stand_ins("SELECT a FROM t WHERE b IN (...) LIMIT ?"),
            "SELECT a FROM t WHERE b IN (1) LIMIT 1"
        );
    }
}
