//! The report as JUnit XML: a suite a criterion, a case a requirement, so that a CI shows them one by one.
//!
//! What must not be here: steps; they are no tests.

use quick_junit::{NonSuccessKind, Report as JunitReport, TestCase, TestCaseStatus, TestSuite};

use crate::Report;
use crate::report::{CriterionResult, Evidence, Status};

use super::format;

/// The report as JUnit XML. Fail is a failure, unknown an error, waived is skipped with its waiver as message.
#[must_use]
pub fn to_junit(report: &Report) -> String {
    let mut junit =
        JunitReport::new(if report.application.is_empty() { "golive" } else { &report.application });
    junit.set_timestamp(report.finished_at.fixed_offset());
    for criterion in &report.criteria {
        junit.add_test_suite(suite(criterion));
    }
    junit.to_string().expect("writing XML to memory cannot fail")
}

fn suite(criterion: &CriterionResult) -> TestSuite {
    let mut suite = TestSuite::new(format!("{:02} {}", criterion.number, criterion.title));
    for evidence in &criterion.evidence {
        let mut case = TestCase::new(evidence.says.clone(), status(criterion, evidence));
        case.set_classname(format!("golive.{}", criterion.key));
        suite.add_test_case(case);
    }
    suite
}

fn status(criterion: &CriterionResult, evidence: &Evidence) -> TestCaseStatus {
    let found = evidence.value.as_ref().map_or_else(|| "nothing".to_owned(), format::value);
    let mut message = format!("{}: expected {}, found {found}", evidence.fact, evidence.expected);
    if let Some(reason) = &evidence.reason {
        message = format!("{message}; {}", format::line(reason, 600));
    }
    let kind = match evidence.status {
        Status::Pass => return TestCaseStatus::success(),
        Status::Fail => NonSuccessKind::Failure,
        _ => NonSuccessKind::Error,
    };
    if let Some(waiver) = &criterion.waiver {
        let mut skipped = TestCaseStatus::skipped();
        skipped.set_message(format!(
            "waived by {} until {}: {}; {message}",
            waiver.owner, waiver.expires, waiver.reason
        ));
        return skipped;
    }
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(message);
    if let Some(source) = &evidence.source {
        status.set_description(format!("source: {}", format::line(source, 600)));
    }
    status
}
