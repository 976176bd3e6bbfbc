//! Outcomes as JUnit XML, the form build servers read.

use std::io::{Error, Write};
use std::path::Path;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::Outcome;

/// Writes the file, whole or not at all visible: a build server must not read half a report.
pub(super) fn write_junit(path: &Path, outcomes: &[Outcome]) -> Result<(), Error> {
    let mut suite = TestSuite::new("golive-demo check");
    suite.add_test_cases(outcomes.iter().map(case));
    let mut report = Report::new("golive-demo");
    report.add_test_suite(suite);
    let xml = report.to_string().map_err(Error::other)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(xml.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn case(outcome: &Outcome) -> TestCase {
    let status = match &outcome.result {
        Ok(_) => TestCaseStatus::success(),
        Err(wrong) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(wrong.clone());
            status
        }
    };
    let mut case = TestCase::new(outcome.name, status);
    case.set_classname("golive-demo").set_time(outcome.took);
    if let Ok(seen) = &outcome.result {
        case.set_system_out(seen.clone());
    }
    case
}
