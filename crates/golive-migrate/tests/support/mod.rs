//! What the tests of this crate share: a database a test, a whole migration in one call.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::path::{Path, PathBuf};

use golive_migrate::{
    CopyOptions, CopyReport, Plan, PlanOptions, Source, Survey, SurveyOptions, Target, TargetOptions,
    Verification, VerifyOptions, add_constraints, copy, create_schema, survey, verify,
};
use golive_sandbox::{MariaDb, MariaDbOptions, ProcessSpec};
use rusqlite::Connection;

/// A private server with one database named `app`.
pub(crate) fn server() -> MariaDb {
    server_with(&[])
}

pub(crate) fn server_with(settings: &[&str]) -> MariaDb {
    let mut options = MariaDbOptions::new();
    options.databases = vec!["app".to_owned()];
    options.settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
    MariaDb::start(&options).unwrap()
}

/// An SQLite file made by these statements.
pub(crate) fn sqlite(folder: &Path, sql: &str) -> PathBuf {
    let path = folder.join("app.db");
    let connection = Connection::open(&path).unwrap();
    // As applications have it: SQLite enforces no foreign key unless told to.
    connection.pragma_update(None, "foreign_keys", false).unwrap();
    connection.execute_batch(sql).unwrap();
    path
}

pub(crate) async fn target(db: &MariaDb) -> Target {
    Target::connect(&TargetOptions::new(db.url("app").into())).await.unwrap()
}

pub(crate) async fn plan(source: &Source, target: &Target) -> (Survey, Plan) {
    let survey = survey(source, Some(target), &SurveyOptions::default()).await.unwrap();
    let plan = Plan::new(&survey, &PlanOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    (survey, plan)
}

/// Survey, plan, tables, rows, constraints, proof.
pub(crate) async fn migrate(
    source: &Source,
    target: &Target,
    options: &CopyOptions,
) -> (Survey, CopyReport, Verification) {
    let (survey, plan) = plan(source, target).await;
    create_schema(target, &plan).await.unwrap();
    let report = copy(source, target, &plan, options, &|_| {}).await.unwrap();
    add_constraints(target, &plan).await.unwrap();
    (survey, report, check(source, target).await)
}

pub(crate) async fn check(source: &Source, target: &Target) -> Verification {
    verify(source, target, &VerifyOptions::default(), &|_| {}).await.unwrap()
}

/// The one number that a statement yields.
pub(crate) fn number(db: &MariaDb, sql: &str) -> usize {
    db.execute(sql).unwrap().lines().last().unwrap().trim().parse().unwrap()
}

const CHILD: &str = "GOLIVE_TEST_CHILD";

/// This test program again, as a process that runs only the test of this name, with arguments.
pub(crate) fn child(test: &str, arguments: &[&str]) -> ProcessSpec {
    ProcessSpec::new(std::env::current_exe().unwrap())
        .arguments([test, "--exact", "--nocapture"])
        .environment([(CHILD, arguments.join("\n"))])
}

/// The arguments of a [`child`]; `None` where the test is run as one among others.
#[expect(
    clippy::disallowed_methods,
    reason = "a child process of a test is told by its environment what to do"
)]
pub(crate) fn child_arguments<const N: usize>() -> Option<[String; N]> {
    let text = std::env::var(CHILD).ok()?;
    Some(text.split('\n').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap())
}

/// A number that a longer run sets in the environment.
#[expect(clippy::disallowed_methods, reason = "the nightly run asks for more than the one for every change")]
pub(crate) fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// A plan that needs no look at the target, which may hold a part of it already.
pub(crate) async fn plan_of_source(source: &Source) -> (Survey, Plan) {
    let survey = survey(source, None, &SurveyOptions::default()).await.unwrap();
    let plan = Plan::new(&survey, &PlanOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    (survey, plan)
}
