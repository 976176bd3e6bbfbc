//! `cargo xtask test`: sets up what is missing, then runs every test on real servers.

use std::ffi::OsString;

use crate::run::{Failure, Workspace, finish, has_c_compiler, runs, say_error};
use crate::stages::Stages;

pub(crate) fn run(arguments: Vec<OsString>) -> Result<u8, Failure> {
    if !has_c_compiler() {
        return Err(Failure::out_of_reach(
            "no C compiler answers, and the cryptography, SQLite and compression are built from C. Debian/Ubuntu: \
             apt-get install gcc libc6-dev; Fedora: dnf install gcc; macOS: xcode-select --install"
                .to_owned(),
        ));
    }
    let workspace = Workspace::find()?;
    let mut stages = Stages::default();
    let outcome = run_stages(&workspace, &mut stages, &arguments);
    say_error(&stages.table());
    outcome?;
    Ok(stages.code())
}

/// Stops where the next stage could only repeat the failure of the one before.
fn run_stages(workspace: &Workspace, stages: &mut Stages, arguments: &[OsString]) -> Result<(), Failure> {
    let built =
        stages.run("build", || finish(workspace.cargo(&["build", "--workspace", "--bins", "--locked"])))?;
    if built != 0 {
        return Ok(());
    }
    let equipped = stages.run("servers", || {
        let mut doctor = workspace.own_program("golive")?;
        doctor.args(["doctor", "--install", "--tests"]);
        finish(doctor)
    })?;
    if equipped != 0 {
        return Ok(());
    }
    let nextest = runs(workspace.cargo(&["nextest", "--version"]));
    let runner: &[&str] = if nextest {
        &["nextest", "run", "--workspace", "--locked"]
    } else {
        &["test", "--workspace", "--locked", "--all-targets", "--no-fail-fast"]
    };
    let compiled = stages.run("build of the tests", || {
        let mut compile = workspace.cargo(runner);
        compile.arg("--no-run");
        finish(compile)
    })?;
    if compiled != 0 {
        return Ok(());
    }
    stages.run("tests", || {
        let mut tests = workspace.cargo(runner);
        tests.args(arguments);
        finish(tests)
    })?;
    if arguments.is_empty() {
        stages.run("examples in the docs", || {
            finish(workspace.cargo(&["test", "--workspace", "--locked", "--doc"]))
        })?;
    } else {
        say_error(
            "arguments were given: they went to the test runner, and the examples in the docs did not run",
        );
    }
    Ok(())
}
