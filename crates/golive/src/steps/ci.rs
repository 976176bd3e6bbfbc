//! Gate: the application's own checks, run now. A check that was skipped proves nothing.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use golive_sandbox::run_to_end;

use crate::application::command;
use crate::config::CiCheck;
use crate::context::Context;
use crate::placeholder::Values;
use crate::step::{About, Doing, Plan, Proof, Step, StepError, Witness};

pub(crate) struct CiChecks;

#[async_trait]
impl Step for CiChecks {
    fn about(&self) -> About {
        About::new("ci", 7, "Run the application's own checks").checklist(&["gate"]).supplies(&[
            "ci.checks",
            "ci.failed",
            "ci.skipped",
        ])
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        let checks = checks(context)?;
        Ok(Plan::lines(
            checks.iter().map(|check| format!("{}: {}", check.name, check.command.join(" "))).collect(),
        ))
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let mut seen = Witness::new("the application's own checks", context.now());
        let mut total = Count::default();
        for check in checks(context)? {
            let count = run(context, check).await?;
            seen.source(check.name.clone())
                .saw(&format!("ci.{}.tests", check.name), count.tests)
                .saw(&format!("ci.{}.failed", check.name), count.failed);
            total.tests += count.tests;
            total.failed += count.failed;
            total.skipped += count.skipped;
        }
        seen.source("the application's own checks")
            .saw("ci.checks", total.tests)
            .saw("ci.failed", total.failed)
            .saw("ci.skipped", total.skipped);
        Ok(seen.done())
    }
}

#[derive(Default)]
struct Count {
    tests: u64,
    failed: u64,
    skipped: u64,
}

fn checks(context: &Context) -> Result<&[CiCheck], StepError> {
    match context.config.ci.as_slice() {
        [] => Err(StepError::unknown("golive.toml names no check of the application: add [[ci]]")),
        checks => Ok(checks),
    }
}

async fn run(context: &Context, check: &CiCheck) -> Result<Count, StepError> {
    let folder = context.directory.folder("ci").doing("make the folder of check results")?;
    let junit = folder.join(format!("{}.xml", check.name.replace(['/', '.'], "-")));
    let _ = std::fs::remove_file(&junit);
    let values = Values::new().set("junit", junit.to_string_lossy());
    let spec = command(&context.config, &check.command, &values)
        .doing(format!("prepare the check {}", check.name))?;
    let limit = Duration::from_secs(check.timeout_seconds);
    let ended = tokio::task::spawn_blocking(move || run_to_end(spec, limit)).await;
    let ended =
        ended.expect("running a check does not panic").doing(format!("run the check {}", check.name))?;
    if !check.junit {
        return Ok(Count { tests: 1, failed: u64::from(!ended.status.success()), skipped: 0 });
    }
    let mut count = read_junit(&junit, check)?;
    if !ended.status.success() && count.failed == 0 {
        // The program says it failed, whatever its file says.
        count.failed = 1;
    }
    Ok(count)
}

fn read_junit(path: &Path, check: &CiCheck) -> Result<Count, StepError> {
    let text = std::fs::read_to_string(path).doing(format!("read the result of the check {}", check.name))?;
    let report = quick_junit::Report::deserialize_from_str(&text)
        .doing(format!("understand the result of the check {}", check.name))?;
    let sum =
        |of: fn(&quick_junit::TestSuite) -> usize| report.test_suites.iter().map(of).sum::<usize>() as u64;
    Ok(Count {
        tests: sum(|suite| suite.tests),
        failed: sum(|suite| suite.failures + suite.errors),
        skipped: sum(|suite| suite.skipped + suite.disabled.unwrap_or(0)),
    })
}
