//! What the tests share: the built binary, run as an operator runs it, and a small SQLite database.

#![allow(dead_code, reason = "each test target uses its own part")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use golive_sandbox::{MariaDb, MariaDbOptions};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor};

/// How `golive` ended.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Ended with this exit code, else everything is shown.
    #[track_caller]
    pub(crate) fn with(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        let value: serde_json::Value =
            serde_json::from_str(&self.stdout).expect("stdout is one JSON document");
        assert_eq!(value["schema_version"], 1);
        value
    }

    /// Stdout and stderr, for what must be in neither.
    pub(crate) fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    #[track_caller]
    pub(crate) fn says(&self, words: &[&str]) {
        for word in words {
            assert!(self.all().contains(word), "`{word}` is missing in:\n{}", self.all());
        }
    }
}

/// The built binary, ready to be given arguments; no terminal, nothing of this environment but what it needs.
#[expect(clippy::disallowed_methods, reason = "the one room of these tests that starts programs")]
pub(crate) fn golive(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_golive"));
    command.current_dir(directory).stdin(Stdio::null()).env_remove("COLUMNS");
    command
}

/// Runs `golive` in a folder, with one variable that holds the target.
pub(crate) fn run(directory: &Path, target: &str, arguments: &[&str]) -> Ended {
    let output = golive(directory).args(arguments).env("TARGET", target).output().expect("the binary starts");
    ended(output)
}

pub(crate) fn ended(output: Output) -> Ended {
    Ended {
        code: output.status.code().expect("it was not killed"),
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}

/// A server with one empty database `app`.
pub(crate) fn server() -> MariaDb {
    let mut options = MariaDbOptions::new();
    options.databases = vec!["app".to_owned()];
    MariaDb::start(&options).expect("a disposable MariaDB starts")
}

/// A database with parents, children and a planted value that no output may show.
pub(crate) fn sqlite(path: &Path) {
    while_open(path, SCHEMA, || {});
}

/// Executes statements on an SQLite file, and does something before that connection is closed.
pub(crate) fn while_open<T>(path: &Path, statements: &'static str, then: impl FnOnce() -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
        let mut connection = options.connect().await.unwrap();
        connection.execute(statements).await.unwrap();
        let done = then();
        connection.close().await.unwrap();
        done
    })
}

/// A cell's value: findings name the place, never this.
pub(crate) const PLANTED: &str = "planted-cell-value";

const SCHEMA: &str = "
    CREATE TABLE company (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, is_active BOOLEAN NOT NULL DEFAULT 1);
    CREATE TABLE users (id INTEGER PRIMARY KEY, username TEXT NOT NULL UNIQUE, password_hash TEXT NOT NULL,
        is_active BOOLEAN NOT NULL DEFAULT 1, role TEXT, company_id INTEGER REFERENCES company(id));
    CREATE TABLE piece (id INTEGER PRIMARY KEY, company_id INTEGER NOT NULL REFERENCES company(id),
        label TEXT, weight DECIMAL(10,2), made_at DATETIME);
    INSERT INTO company (id, name) VALUES (1, 'one'), (2, 'two');
    INSERT INTO users (id, username, password_hash, role, company_id) VALUES
        (1, 'admin', 'admin123', 'admin', NULL), (2, 'rosa', '$2b$04$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01232', 'operator', 1);
    INSERT INTO piece (id, company_id, label, weight, made_at) VALUES
        (7, 1, 'planted-cell-value', 1.25, '2026-01-02 03:04:05'), (8, 2, NULL, NULL, NULL);";
