//! The copy while indexes are tried on it: made, shown, hidden, weighed, dropped.
//!
//! Everything that is made begins with [`PREFIX`], so that a trial that was cut off leaves nothing that the next does not
//! find. What must not be here: deciding.

use std::time::{Duration, Instant};

use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Row};

use crate::compare::median;
use crate::review::{self, Candidate, ReviewError, Wanted, quote};

use super::{IndexVerdict, ProveError, ProveOptions, QueryCost, TriedIndex, TriedQuery, judge};

pub(super) struct Trial<'o> {
    pub(super) connection: MySqlConnection,
    pub(super) database: String,
    pub(super) options: &'o ProveOptions,
    pub(super) swept: Vec<String>,
    /// Number of the next index.
    next: usize,
}

impl<'o> Trial<'o> {
    /// Takes the database for itself and drops what a predecessor left.
    pub(super) async fn begin(
        mut connection: MySqlConnection,
        database: String,
        options: &'o ProveOptions,
    ) -> Result<Self, ProveError> {
        // Released by the server when the connection ends, however that comes.
        let lock = review::ask(
            &mut connection,
            "the lock",
            "SELECT CAST(GET_LOCK(CONCAT('golive_trial.', DATABASE()), 0) AS CHAR)",
        );
        if lock.await? != "1" {
            return Err(ProveError::Busy { database });
        }
        let mut trial = Self { connection, database, options, swept: Vec::new(), next: 0 };
        trial.swept = trial.sweep().await?;
        Ok(trial)
    }

    /// Drops every index and table of a trial, and says which.
    pub(super) async fn sweep(&mut self) -> Result<Vec<String>, ProveError> {
        let mut swept = Vec::new();
        let tables = "SELECT CAST(table_name AS CHAR), '' FROM information_schema.tables WHERE table_schema = DATABASE() \
                      AND table_name LIKE 'golive\\_tmp\\_%'";
        let indexes = "SELECT DISTINCT CAST(table_name AS CHAR), CAST(index_name AS CHAR) FROM \
                       information_schema.statistics WHERE table_schema = DATABASE() \
                       AND index_name LIKE 'golive\\_tmp\\_%' AND table_name NOT LIKE 'golive\\_tmp\\_%'";
        for question in [tables, indexes] {
            let failed = |source| ReviewError::Query { what: "what a trial left", source };
            let rows = sqlx::raw_sql(question).fetch_all(&mut self.connection).await.map_err(failed)?;
            for row in rows {
                let text = |at: usize| row.try_get_unchecked::<String, _>(at).map_err(failed);
                let (table, index) = (text(0)?, text(1)?);
                let (name, drop) = if index.is_empty() {
                    (table.clone(), format!("DROP TABLE {}", quote(&table)))
                } else {
                    (index.clone(), format!("DROP INDEX {} ON {}", quote(&index), quote(&table)))
                };
                self.execute(&drop)
                    .await
                    .map_err(|source| ProveError::Sweep { name: name.clone(), source })?;
                swept.push(name);
            }
        }
        Ok(swept)
    }

    /// Tries one index beside whatever is kept so far, and drops it.
    pub(super) async fn alone(
        &mut self,
        wanted: &Wanted,
        statements: &[Candidate],
    ) -> Result<TriedIndex, ProveError> {
        let name = wanted.name();
        let mut tried = TriedIndex {
            table: wanted.table.clone(),
            columns: wanted.columns.clone(),
            create: wanted.create(&name),
            name,
            verdict: IndexVerdict::Unknown,
            reason: String::new(),
            size_bytes: None,
            write_factor: None,
            queries: Vec::new(),
        };
        let temporary = format!("{PREFIX}{}", self.next);
        if let Err(error) = self.execute(&format!("{} IGNORED", wanted.create(&temporary))).await {
            tried.reason = format!("it could not be created: {}", number(&error));
            return Ok(tried);
        }
        match self.measure(&temporary, wanted, statements).await {
            Ok(queries) => {
                tried.queries = queries;
                (tried.verdict, tried.reason) = judge::judge(&tried.queries, self.options.worthwhile_rows);
            }
            Err(error) => tried.reason = format!("it could not be hidden and shown: {}", number(&error)),
        }
        tried.size_bytes = self.size(&wanted.table, &temporary).await;
        if tried.verdict == IndexVerdict::Paid {
            tried.write_factor = self.write_factor(wanted).await;
        }
        self.drop_index(&wanted.table, &temporary).await?;
        Ok(tried)
    }

    /// Creates an index that paid, for the rest of the trial.
    pub(super) async fn keep(&mut self, index: &TriedIndex) -> Result<String, ProveError> {
        let wanted = Wanted { table: index.table.clone(), columns: index.columns.clone() };
        let name = format!("{PREFIX}{}", self.next);
        self.next += 1;
        let failed = |source| ReviewError::Query { what: "whether an index can be made again", source };
        self.execute(&wanted.create(&name)).await.map_err(failed)?;
        Ok(name)
    }

    pub(super) async fn drop_index(&mut self, table: &str, name: &str) -> Result<(), ProveError> {
        let drop = format!("DROP INDEX {} ON {}", quote(name), quote(table));
        self.execute(&drop).await.map_err(|source| ProveError::Sweep { name: name.to_owned(), source })
    }

    /// Hidden and shown in turn, so that whatever else goes on on the machine hits both alike.
    async fn measure(
        &mut self,
        index: &str,
        wanted: &Wanted,
        statements: &[Candidate],
    ) -> Result<Vec<TriedQuery>, sqlx::Error> {
        let reads = |statement: &&Candidate| {
            let tables = review::tables(&statement.fingerprint);
            tables.values().any(|table| table.eq_ignore_ascii_case(&wanted.table))
        };
        let statements: Vec<_> = statements.iter().filter(reads).collect();
        let mut states = [Series::new(statements.len()), Series::new(statements.len())];
        // The first round of each state fills the caches and counts nothing.
        for round in 0..=self.options.rounds {
            for (state, shown) in [(0, "IGNORED"), (1, "NOT IGNORED")] {
                let (table, index) = (quote(&wanted.table), quote(index));
                self.execute(&format!("ALTER TABLE {table} ALTER INDEX {index} {shown}")).await?;
                for (at, statement) in statements.iter().enumerate() {
                    if !states[state].failed[at] {
                        let cost = self.once(&statement.sample).await;
                        states[state].add(at, cost, round > 0);
                    }
                }
            }
        }
        let [before, after] = states;
        let measured = (0..statements.len()).filter(|at| !(before.failed[*at] && after.failed[*at]));
        Ok(measured
            .map(|at| TriedQuery {
                statement: statements[at].fingerprint.clone(),
                executions: statements[at].executions,
                before: before.cost(at),
                after: after.cost(at),
            })
            .collect())
    }

    /// One execution in a read-only transaction: rows, pages, time.
    async fn once(&mut self, sample: &str) -> Option<(u64, Option<u64>, Duration)> {
        self.execute("START TRANSACTION READ ONLY").await.ok()?;
        let began = Instant::now();
        let plan =
            review::plan_of(&mut self.connection, "ANALYZE", sample, self.options.statement_timeout).await;
        let took = began.elapsed();
        self.execute("ROLLBACK").await.ok()?;
        let (rows, pages) = review::analyzed(&plan.ok()?);
        Some((rows, pages, took))
    }

    async fn size(&mut self, table: &str, index: &str) -> Option<u64> {
        let row = sqlx::query(
            "SELECT CAST(stat_value * @@innodb_page_size AS CHAR) FROM mysql.innodb_index_stats WHERE \
             database_name = ? AND table_name = ? AND index_name = ? AND stat_name = 'size'",
        )
        .bind(&self.database)
        .bind(table)
        .bind(index)
        .fetch_optional(&mut self.connection)
        .await
        .ok()??;
        row.try_get_unchecked::<String, _>(0).ok()?.parse().ok()
    }

    /// The same rows into an empty table without and with the index, in turn.
    async fn write_factor(&mut self, wanted: &Wanted) -> Option<f64> {
        let plain = format!("{PREFIX}w0");
        let indexed = format!("{PREFIX}w1");
        let source = quote(&wanted.table);
        let mut times = [Vec::new(), Vec::new()];
        for table in [&plain, &indexed] {
            self.execute(&format!("CREATE TABLE {} LIKE {source}", quote(table))).await.ok()?;
            // The copy has the index under trial too.
            let shown = format!("{PREFIX}{}", self.next);
            self.execute(&format!("DROP INDEX {} ON {}", quote(&shown), quote(table))).await.ok()?;
        }
        let create =
            Wanted { table: indexed.clone(), columns: wanted.columns.clone() }.create("golive_tmp_x");
        self.execute(&create).await.ok()?;
        for round in 0..=WRITE_ROUNDS {
            for (at, table) in [&plain, &indexed].into_iter().enumerate() {
                self.execute(&format!("TRUNCATE TABLE {}", quote(table))).await.ok()?;
                let began = Instant::now();
                let rows = self.options.write_rows;
                self.execute(&format!("INSERT INTO {} SELECT * FROM {source} LIMIT {rows}", quote(table)))
                    .await
                    .ok()?;
                if round > 0 {
                    times[at].push(began.elapsed().as_secs_f64());
                }
            }
        }
        for table in [&plain, &indexed] {
            self.execute(&format!("DROP TABLE {}", quote(table))).await.ok()?;
        }
        let [without, with] = times.map(|times| median(&times));
        (without > 0.0).then(|| with / without)
    }

    async fn execute(&mut self, statement: &str) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut self.connection).await.map(drop)
    }
}

/// What each statement cost in one state.
struct Series {
    times: Vec<Vec<f64>>,
    counts: Vec<(u64, Option<u64>)>,
    failed: Vec<bool>,
}

impl Series {
    fn new(statements: usize) -> Self {
        Self {
            times: vec![Vec::new(); statements],
            counts: vec![(0, None); statements],
            failed: vec![false; statements],
        }
    }

    fn add(&mut self, at: usize, cost: Option<(u64, Option<u64>, Duration)>, counts: bool) {
        match cost {
            None => self.failed[at] = true,
            Some((rows, pages, took)) if counts => {
                self.counts[at] = (rows, pages);
                self.times[at].push(took.as_secs_f64() * 1000.0);
            }
            Some(_) => {}
        }
    }

    fn cost(&self, at: usize) -> Option<QueryCost> {
        let times = &self.times[at];
        if self.failed[at] || times.is_empty() {
            return None;
        }
        let (rows_examined, pages_accessed) = self.counts[at];
        Some(QueryCost {
            rows_examined,
            pages_accessed,
            median_ms: median(times),
            fastest_ms: times.iter().copied().fold(f64::INFINITY, f64::min),
            slowest_ms: times.iter().copied().fold(0.0, f64::max),
        })
    }
}

/// The server's message may quote values, so only its number is passed on.
fn number(error: &sqlx::Error) -> String {
    match error.as_database_error().map(|e| e.downcast_ref::<sqlx::mysql::MySqlDatabaseError>().number()) {
        Some(number) => format!("error {number}"),
        None => "the connection was lost".to_owned(),
    }
}

/// What everything that a trial makes begins with.
const PREFIX: &str = "golive_tmp_";
const WRITE_ROUNDS: u32 = 3;
