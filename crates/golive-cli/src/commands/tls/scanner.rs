//! Other scanners, beside which a grade may be checked: how each is started, and where its report comes out.
//!
//! Not here: what their reports mean. That is in golive-deploy.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use golive_deploy::tls::{CrossCheck, GradeTarget, TlsReport, cross_check_sslscan, cross_check_testssl};
use golive_sandbox::{ProcessSpec, Requirement, run_to_end};

use crate::exit::Failure;

/// Other scanners.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum Scanner {
    /// sslscan 2: a few seconds.
    Sslscan,
    /// testssl.sh 3: minutes. It opens hundreds of connections.
    Testssl,
}

/// sslscan makes a connection for each suite, testssl.sh many for each.
const WITHIN: Duration = Duration::from_secs(300);
const TESTSSL_WITHIN: Duration = Duration::from_secs(1800);
/// Facts only: protocols, suites, curves, order, certificate, headers, renegotiation and compression; no attack, no name
/// looked up, nobody else asked.
const TESTSSL: [&str; 15] = [
    "--quiet",
    "--warnings",
    "off",
    "--color",
    "0",
    "--nodns",
    "none",
    "-p",
    "-E",
    "-f",
    "-P",
    "-S",
    "-h",
    "-R",
    "-C",
];

/// Asks a scanner and holds what it says against the report.
pub(super) fn cross_check(
    scanner: Scanner,
    target: &GradeTarget,
    report: &TlsReport,
    authority: Option<&Path>,
) -> Result<CrossCheck, Failure> {
    match scanner {
        Scanner::Sslscan => sslscan(target, report),
        Scanner::Testssl => testssl(target, report, authority),
    }
}

fn sslscan(target: &GradeTarget, report: &TlsReport) -> Result<CrossCheck, Failure> {
    let program = Requirement::Sslscan.find().map_err(Failure::reach)?;
    let host = if target.host.contains(':') { format!("[{}]", target.host) } else { target.host.clone() };
    let spec = ProcessSpec::new(program)
        .arguments(["--xml=-", "--timeout=5"])
        .argument(format!("--sni-name={}", report.server_name))
        .argument(format!("{host}:{}", target.port));
    let finished = run_to_end(spec, WITHIN).map_err(Failure::reach)?;
    cross_check_sslscan(&report.facts, &finished.output).map_err(Failure::reach)
}

fn testssl(
    target: &GradeTarget,
    report: &TlsReport,
    authority: Option<&Path>,
) -> Result<CrossCheck, Failure> {
    let program = Requirement::Testssl.find().map_err(Failure::reach)?;
    let folder = tempfile::tempdir().map_err(Failure::reach)?;
    let file = folder.path().join("report.json");
    let mut arguments: Vec<OsString> = TESTSSL.map(OsString::from).into();
    // The same address, so that two servers behind one name are not taken for one that changes.
    let address = report.address.rsplit_once(':').map_or(report.address.as_str(), |(address, _)| address);
    arguments.extend(["--ip".into(), address.into(), "--jsonfile".into(), file.clone().into()]);
    if let Some(authority) = authority {
        arguments.extend(["--add-ca".into(), authority.into()]);
    }
    if address.starts_with('[') {
        arguments.push("-6".into());
    }
    arguments.push(format!("{}:{}", report.server_name, target.port).into());
    let finished =
        run_to_end(ProcessSpec::new(program).arguments(arguments), TESTSSL_WITHIN).map_err(Failure::reach)?;
    let json = std::fs::read_to_string(&file).map_err(|error| {
        let said =
            finished.output.lines().chain(finished.errors.lines()).rfind(|line| !line.trim().is_empty());
        Failure::reach(format!(
            "read the report of testssl.sh: {error}; it said: {}",
            said.unwrap_or("nothing")
        ))
    })?;
    cross_check_testssl(&report.facts, &json).map_err(Failure::reach)
}

/// Both numbers, and each difference.
pub(super) fn agreement(check: &CrossCheck) -> String {
    let mut lines = vec![format!(
        "\n  {} agrees on {} facts, and differs on {}",
        check.scanner,
        check.agreed,
        check.differences.len()
    )];
    for difference in &check.differences {
        lines.push(format!("    {}: {} here, {} there", difference.fact, difference.ours, difference.theirs));
    }
    lines.join("\n")
}
