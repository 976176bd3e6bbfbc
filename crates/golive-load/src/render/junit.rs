//! The thresholds as JUnit XML: a case each, so that a CI shows them one by one.
//!
//! What must not be here: passing what is unknown; it is an error.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::growth::Growth;
use crate::report::LoadReport;
use crate::threshold::{Judged, Verdict};

/// The report as JUnit XML: a broken threshold is a failure, an unknown one an error, and so is each doubt about the run.
///
/// # Panics
/// Never: writing to memory does not fail.
#[must_use]
pub fn to_junit(report: &LoadReport) -> String {
    let mut junit = Report::new("load");
    let mut thresholds = TestSuite::new("thresholds");
    thresholds.add_test_cases(report.thresholds.iter().map(case));
    junit.add_test_suite(thresholds);
    if !report.growth.is_empty() {
        let mut steady = TestSuite::new("what must not grow");
        steady.add_test_cases(report.growth.iter().map(grown));
        junit.add_test_suite(steady);
    }
    let mut trust = TestSuite::new("whether the figures tell about the application");
    if report.inconclusive.is_empty() {
        trust.add_test_case(TestCase::new("the run is conclusive", TestCaseStatus::success()));
    }
    for doubt in &report.inconclusive {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message(doubt.clone());
        trust.add_test_case(TestCase::new(doubt.clone(), status));
    }
    junit.add_test_suite(trust);
    junit.to_string().expect("writing XML to memory cannot fail")
}

fn grown(growth: &Growth) -> TestCase {
    let mut status = match growth.verdict() {
        Verdict::Kept => TestCaseStatus::success(),
        Verdict::Broken => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Verdict::Unknown => TestCaseStatus::non_success(NonSuccessKind::Error),
    };
    status.set_message(growth.says());
    TestCase::new(growth.name.clone(), status)
}

fn case(judged: &Judged) -> TestCase {
    let kind = match judged.verdict {
        Verdict::Kept => return TestCase::new(judged.threshold.clone(), TestCaseStatus::success()),
        Verdict::Broken => NonSuccessKind::Failure,
        Verdict::Unknown => NonSuccessKind::Error,
    };
    let mut status = TestCaseStatus::non_success(kind);
    let measured =
        judged.actual.map_or_else(|| "nothing".to_owned(), |actual| format!("{actual:.3} {}", judged.unit));
    let why = judged.why.as_deref().map(|why| format!("; {why}")).unwrap_or_default();
    status.set_message(format!("measured {}{why}", measured.trim_end()));
    TestCase::new(judged.threshold.clone(), status)
}
