//! Records what a Rust migration hands to its connection, on a connection that runs nothing: for checksums, and for
//! the dry run. `SchemaManager`'s questions are answered from a book of answers; no server is talked to here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use sea_orm::{
    DatabaseConnection, DatabaseConnectionType, DbBackend, DbErr, ExecResult, MockDatabase,
    MockDatabaseConnection, MockDatabaseTrait, MockExecResult, QueryResult, Statement, Transaction, Value,
};
use sea_orm_migration::{MigrationTrait, SchemaManager};

use super::statement::{self, Kind};

/// What `SchemaManager` is told when it asks whether a table, column or index exists.
#[derive(Debug, Clone)]
pub(crate) enum Answers {
    /// Always the same.
    Always(bool),
    /// By question; one that is not in here ends the recording.
    Known(BTreeMap<String, bool>),
}

/// Which way a migration is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Up,
    Down,
}

/// What was recorded.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Recording {
    /// The statements, their values in place.
    pub(crate) statements: Vec<String>,
    /// Whether rows were read; a recording answers with none.
    pub(crate) reads_rows: bool,
    /// The first question that has no answer.
    pub(crate) question: Option<String>,
    /// How the migration ended, if not well.
    pub(crate) error: Option<String>,
}

/// Records a migration without running it.
pub(crate) async fn record(migration: &dyn MigrationTrait, way: Way, answers: Answers) -> Recording {
    let seen = Arc::new(Mutex::new(Recording::default()));
    let recorder = Recorder { answers, seen: Arc::clone(&seen) };
    let mock = Arc::new(MockDatabaseConnection::new(recorder));
    let db: DatabaseConnection = DatabaseConnectionType::MockDatabaseConnection(mock).into();
    let manager = SchemaManager::new(&db);
    let ended = match way {
        Way::Up => migration.up(&manager).await,
        Way::Down => migration.down(&manager).await,
    };
    let mut seen = seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    seen.error = ended.err().map(|error| error.to_string());
    std::mem::take(&mut seen)
}

/// A digest of everything that the migration does where nothing exists and where everything does, so that an edit in
/// either branch is seen. None when two recordings differ.
pub(crate) async fn checksum(migration: &dyn MigrationTrait) -> Option<String> {
    let (first, second) = (digest(migration).await, digest(migration).await);
    (first == second).then_some(first)
}

async fn digest(migration: &dyn MigrationTrait) -> String {
    let mut hasher = blake3::Hasher::new();
    for exists in [false, true] {
        let recording = record(migration, Way::Up, Answers::Always(exists)).await;
        for statement in &recording.statements {
            hasher.update(&(statement.len() as u64).to_le_bytes());
            hasher.update(statement.as_bytes());
        }
        // Its words may be the driver's and change with it.
        hasher.update(&[u8::from(recording.error.is_some()), 0xff]);
    }
    hasher.finalize().to_hex().to_string()
}

/// Whether `down` does anything: the trait's own refuses at once.
pub(crate) async fn has_down(migration: &dyn MigrationTrait) -> bool {
    let recording = record(migration, Way::Down, Answers::Always(true)).await;
    !(recording.statements.is_empty() && recording.error.is_some())
}

#[derive(Debug)]
struct Recorder {
    answers: Answers,
    seen: Arc<Mutex<Recording>>,
}

impl Recorder {
    fn note(&self, change: impl FnOnce(&mut Recording)) {
        change(&mut self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }

    fn statement(&self, sql: String) {
        self.note(|seen| seen.statements.push(sql));
    }
}

/// How the questions of `SchemaManager` name their answer.
const PROBES: [&str; 3] = ["has_table", "has_column", "has_index"];

impl MockDatabaseTrait for Recorder {
    fn execute(&mut self, _counter: usize, statement: Statement) -> Result<ExecResult, DbErr> {
        self.statement(statement.to_string());
        let one = MockExecResult { last_insert_id: 1, rows_affected: 1 };
        MockDatabase::new(DbBackend::MySql).append_exec_results([one]).execute(0, statement)
    }

    fn query(&mut self, _counter: usize, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let sql = statement.to_string();
        // `INSERT … RETURNING` is asked for as a question and changes rows all the same.
        if statement::parse(&sql).kind != Kind::Read {
            self.statement(sql);
            return Ok(Vec::new());
        }
        let Some(probe) = PROBES.into_iter().find(|probe| sql.contains(&format!("AS `{probe}`"))) else {
            self.note(|seen| seen.reads_rows = true);
            return Ok(Vec::new());
        };
        let yes = match &self.answers {
            Answers::Always(yes) => *yes,
            Answers::Known(known) => *known.get(&sql).ok_or_else(|| {
                self.note(|seen| seen.question = seen.question.take().or(Some(sql)));
                DbErr::Custom("the recording does not know the answer yet".to_owned())
            })?,
        };
        let row = BTreeMap::from([(probe, Value::Bool(Some(yes)))]);
        MockDatabase::new(DbBackend::MySql).append_query_results([[row]]).query(0, statement)
    }

    fn begin(&mut self) {
        self.statement("START TRANSACTION".to_owned());
    }

    fn commit(&mut self) {
        self.statement("COMMIT".to_owned());
    }

    fn rollback(&mut self) {
        self.statement("ROLLBACK".to_owned());
    }

    fn drain_transaction_log(&mut self) -> Vec<Transaction> {
        Vec::new()
    }

    fn get_database_backend(&self) -> DbBackend {
        DbBackend::MySql
    }

    fn ping(&self) -> Result<(), DbErr> {
        Ok(())
    }
}
