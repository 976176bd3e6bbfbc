//! Random schemas with random data arrive whole, and one changed cell, one lost row and one row too many are always found
//! and named.
//!
//! `GOLIVE_RANDOM_CASES=500 cargo test --workspace --test random` tries as many other databases; without it the same few
//! each time. Not here: how databases are made up (`schema`) and changed (`change`).

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod change;
mod schema;
#[path = "../support/mod.rs"]
mod support;

use golive_migrate::{
    CopyOptions, Method, MismatchKind, Plan, Source, SurveyOptions, Target, TargetOptions, Verdict,
    Verification, VerifyOptions, add_constraints, copy, create_schema, survey, verify,
};
use golive_sandbox::MariaDb;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use tokio::runtime::Runtime;

use self::change::Change;
use self::schema::Database;

/// How many databases, and whether they are others each time.
#[expect(clippy::disallowed_methods, reason = "only this test reads it, so that more can be tried by hand")]
fn runner() -> TestRunner {
    let cases: Option<u32> = std::env::var("GOLIVE_RANDOM_CASES").ok().and_then(|text| text.parse().ok());
    let config = Config {
        cases: cases.unwrap_or(16),
        failure_persistence: None,
        max_shrink_time: 60_000,
        ..Config::default()
    };
    match cases {
        Some(_) => TestRunner::new(config),
        None => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
    }
}

#[test]
fn random_databases_arrive_whole_and_a_changed_cell_is_found() {
    let server = support::server();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let databases = (schema::database(), change::change(), change::change(), 1..150_usize);
    runner()
        .run(&databases, |(database, first, second, chunk_rows)| {
            let mut options = CopyOptions::default();
            options.chunk_rows = chunk_rows;
            Case { server: &server, runtime: &runtime, database: &database }.run(&options, &first, &second)
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn names_that_mariadb_does_not_take_are_refused_before_anything_is_written() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut runner = runner();
    runner
        .run(&schema::refused_name(), |name| {
            let folder = tempfile::tempdir().unwrap();
            let quoted = name.replace('"', "\"\"");
            let sql = format!(
                "CREATE TABLE \"{quoted}\" (a INTEGER PRIMARY KEY); CREATE TABLE t (\"{quoted}\" TEXT)"
            );
            let source = Source::open(&support::sqlite(folder.path(), &sql)).unwrap();
            let found = runtime.block_on(survey(&source, None, &SurveyOptions::default())).unwrap();
            let refused = found.findings.iter().filter(|finding| finding.id == "MIG-NAME").count();
            check(refused == 2, || format!("{name:?}: {:#?}", found.findings))
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

/// One database on its way.
struct Case<'a> {
    server: &'a MariaDb,
    runtime: &'a Runtime,
    database: &'a Database,
}

const NAME: &str = "random";

impl Case<'_> {
    fn run(&self, options: &CopyOptions, first: &Change, second: &Change) -> Result<(), TestCaseError> {
        let folder = tempfile::tempdir().unwrap();
        let sql = format!("BEGIN; {} COMMIT;", self.database.sql());
        let source = Source::open(&support::sqlite(folder.path(), &sql)).unwrap();
        self.server
            .execute(&format!(
                "SET foreign_key_checks = 0; CREATE OR REPLACE DATABASE {NAME} CHARACTER SET utf8mb4"
            ))
            .unwrap();
        self.runtime.block_on(async {
            let target = Target::connect(&TargetOptions::new(self.server.url(NAME).into())).await.unwrap();
            let plan = self.migrated(&source, &target, options).await?;
            let proof = proof(&source, &target, &plan, options.chunk_rows as u64).await?;
            check(proof.verdict == Verdict::Match, || format!("after the copy: {proof:#?}"))?;
            self.changed(&source, &target, &plan, [first, second], options.chunk_rows as u64).await
        })
    }

    async fn migrated(
        &self,
        source: &Source,
        target: &Target,
        options: &CopyOptions,
    ) -> Result<Plan, TestCaseError> {
        let failed = |error: &dyn std::fmt::Display| TestCaseError::fail(error.to_string());
        let (_, plan) = support::plan(source, target).await;
        create_schema(target, &plan).await.map_err(|error| failed(&error))?;
        copy(source, target, &plan, options, &|_| {}).await.map_err(|error| failed(&error))?;
        add_constraints(target, &plan).await.map_err(|error| failed(&error))?;
        Ok(plan)
    }

    /// Two changes, in two tables where there are two with rows.
    async fn changed(
        &self,
        source: &Source,
        target: &Target,
        plan: &Plan,
        changes: [&Change; 2],
        rows: u64,
    ) -> Result<(), TestCaseError> {
        let mut filled: Vec<usize> = self.database.filled().collect();
        for (number, change) in changes.into_iter().enumerate() {
            let Some(at) = change.pick(&filled) else { return Ok(()) };
            filled.retain(|one| *one != at);
            let table = &self.database.tables[at];
            let (statement, expected) = change.statement(table, plan);
            self.server
                .execute(&format!("USE {NAME}; SET foreign_key_checks = 0; {statement}"))
                .map_err(|error| TestCaseError::fail(format!("{statement}: {error}")))?;
            let proof = proof(source, target, plan, rows).await?;
            let count = proof.mismatch_count();
            let wrong = || format!("{statement}: {count} mismatches, {proof:#?}");
            check(proof.verdict == Verdict::Mismatch && count == number as u64 + 1, wrong)?;
            let found = proof.tables.iter().find(|one| one.name == table.name).unwrap();
            let named = found.mismatches.iter().any(|one| {
                one.kind == expected.0 && (one.kind != MismatchKind::Differs || one.column == expected.1)
            });
            check(named && found.mismatch_count == 1, || format!("{statement}: {found:#?}"))?;
        }
        Ok(())
    }
}

/// By content and by digests, which must say the same.
async fn proof(
    source: &Source,
    target: &Target,
    plan: &Plan,
    rows: u64,
) -> Result<Verification, TestCaseError> {
    let mut options = VerifyOptions::for_plan(plan);
    let exact = verify(source, target, &options, &|_| {}).await.unwrap();
    options.method = Method::Digests { chunk_rows: rows };
    let digested = verify(source, target, &options, &|_| {}).await.unwrap();
    let named = |proof: &Verification| -> Vec<_> {
        proof.tables.iter().map(|table| (table.name.clone(), table.mismatches.clone())).collect()
    };
    check(exact.verdict == digested.verdict && named(&exact) == named(&digested), || {
        format!("by content {exact:#?}, by digests {digested:#?}")
    })?;
    Ok(exact)
}

fn check(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), TestCaseError> {
    if holds { Ok(()) } else { Err(TestCaseError::fail(otherwise())) }
}

/// The strategies make up what they are meant to: a generator that avoids the hard cases would prove nothing.
#[test]
fn the_hard_cases_do_come_up() {
    let mut runner =
        TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let trees = (0..200).map(|_| schema::database().new_tree(&mut runner).unwrap());
    let all: Vec<Database> = trees.map(|tree| proptest::strategy::ValueTree::current(&tree)).collect();
    let has = |what: &str| all.iter().any(|database| database.sql().contains(what));
    for what in [
        "WITHOUT ROWID",
        "AUTOINCREMENT",
        "COLLATE NOCASE",
        "blob NOT NULL PRIMARY KEY",
        "PRIMARY KEY (\"k2\", \"k\")",
    ] {
        assert!(has(what), "{what}");
    }
    assert!(all.iter().any(Database::refers_to_itself), "a table that refers to itself");
    assert!(all.iter().any(Database::has_circle), "two tables that refer to each other");
}
