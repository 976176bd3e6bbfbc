//! `tls`: the grade of an endpoint, by the strictest public guide.

mod scanner;

use std::path::{Path, PathBuf};

use golive_deploy::Severity;
use golive_deploy::tls::{
    CertificateCheck, CrossCheck, GradeError, GradeOptions, GradeTarget, KeyFile, Letter, TlsReport,
    check_certificate, grade,
};

use golive_observe::TestedChannel;

use crate::args::Global;
use crate::commands::obtain::{self, ObtainArgs};
use crate::commands::support::{Meter, server_names, show};
use crate::commands::{alerts, deploy};
use crate::exit::{End, Failure, Result};
use crate::{clock, commands, output};
use scanner::{Scanner, agreement, cross_check};

/// What can be asked of an endpoint.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Grade an endpoint; ready is A+.
    Grade(GradeArgs),
    /// Check certificate files before anything serves them: time left, names, chain, key.
    Check(CheckArgs),
    /// Obtain a certificate from an ACME authority such as Let's Encrypt; run daily, it renews when it is time.
    Obtain(ObtainArgs),
}

/// Which files.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// The certificate with its chain, as PEM.
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
    /// Its private key, as PEM.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// A name that it must be valid for; those of `[tls]` in golive.toml unless given.
    #[arg(long, value_name = "NAME")]
    server_name: Vec<String>,
    /// A certificate authority to trust besides the system's, as PEM.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Tell what is found, or that nothing could be looked at, through `[alerts]` of golive.toml; for a daily timer.
    #[arg(long)]
    alert: bool,
}

/// Which endpoint.
#[derive(Debug, clap::Args)]
pub(crate) struct GradeArgs {
    /// HOST or HOST:PORT; an IPv6 address in brackets.
    endpoint: String,
    /// The name the certificate must be valid for; the host unless given.
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,
    /// A certificate authority to trust besides the system's, as PEM.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The plain port that must redirect; 80 where the endpoint's port is 443.
    #[arg(long, value_name = "PORT")]
    http_port: Option<u16>,
    /// Hold what was seen against another scanner, which must be installed; differences are told, the grade stays.
    #[arg(long, value_enum, value_name = "SCANNER")]
    cross_check: Option<Scanner>,
}

pub(crate) async fn run(global: &Global, command: Command) -> Result {
    match command {
        Command::Grade(args) => graded(global, args).await,
        Command::Check(args) => check(global, &args).await,
        Command::Obtain(args) => obtain::run(global, args).await,
    }
}

async fn graded(global: &Global, args: GradeArgs) -> Result {
    let (host, port) = split(&args.endpoint)?;
    let mut target = GradeTarget::new(host, port);
    target.server_name = args.server_name;
    target.http_port = args.http_port.or(target.http_port);
    let mut options = GradeOptions::new(clock::now());
    options.extra_anchors_pem.extend(args.ca.as_deref().map(read).transpose()?);
    let meter = Meter::new(global, "grading");
    let report = grade(&target, &options).await;
    meter.clear();
    let report = report.map_err(|error| match error {
        GradeError::ServerName { .. } | GradeError::Pem { .. } => Failure::usage(error),
        _ => Failure::reach(error),
    })?;
    let meter = args.cross_check.map(|_| Meter::new(global, "asking the other scanner"));
    let check = args
        .cross_check
        .map(|scanner| cross_check(scanner, &target, &report, args.ca.as_deref()))
        .transpose();
    if let Some(meter) = meter {
        meter.clear();
    }
    let check = check?;
    show(global, &Shown { report: &report, cross_check: check.as_ref() }, || {
        let agreement = check.as_ref().map(agreement).unwrap_or_default();
        text(&report) + &agreement
    });
    Ok(if report.grade == Letter::APlus { End::Ready } else { End::NotReady })
}

fn read(path: &Path) -> std::result::Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::reach(format!("read {}: {error}", path.display())))
}

async fn check(global: &Global, args: &CheckArgs) -> Result {
    let config = commands::config_or_nothing(global)?;
    if args.alert {
        // A wrong configuration shows today, not on the day of the first finding.
        alerts::channels(&config)?;
    }
    let looked = look(&config, args);
    let text = match &looked {
        Ok(checked) => worth_an_alert(checked),
        Err(failure) => Some(format!("the certificate could not be checked: {}", failure.text())),
    };
    let told = match text.filter(|_| args.alert) {
        Some(text) => Some(alerts::tell(&config, "certificate", text).await),
        None => None,
    };
    let told = told.transpose();
    let checked = match (looked, &told) {
        (Ok(checked), _) => checked,
        (Err(failure), Ok(_)) => return Err(failure),
        (Err(failure), Err(untold)) => {
            output::complain(&untold.text());
            return Err(failure);
        }
    };
    let alerted = told.as_ref().ok().and_then(Option::as_deref);
    show(global, &ShownCheck { checked: &checked, alerted }, || check_text(&checked, alerted));
    told?;
    Ok(deploy::end(global, &checked.findings))
}

fn look(config: &golive::Config, args: &CheckArgs) -> std::result::Result<CertificateCheck, Failure> {
    let names = server_names(config, &args.server_name)?;
    let mut options = GradeOptions::new(clock::now());
    options.extra_anchors_pem.extend(args.ca.as_deref().map(read).transpose()?);
    let key = args.key.as_deref().map(read_key).transpose()?;
    check_certificate(&read(&args.certificate)?, key.as_ref(), &names, &options).map_err(Failure::usage)
}

/// One sentence a finding; a note wakes nobody.
fn worth_an_alert(checked: &CertificateCheck) -> Option<String> {
    let findings = checked.findings.iter().filter(|finding| finding.severity > Severity::Note);
    let told: Vec<String> =
        findings.map(|finding| format!("{} {}; {}", finding.id, finding.message, finding.remedy)).collect();
    let names = checked.certificate.names.join(", ");
    (!told.is_empty()).then(|| format!("the certificate for {names}: {}", told.join(". ")))
}

/// What was checked, and who was told.
#[derive(serde::Serialize)]
struct ShownCheck<'a> {
    #[serde(flatten)]
    checked: &'a CertificateCheck,
    #[serde(skip_serializing_if = "Option::is_none")]
    alerted: Option<&'a [TestedChannel]>,
}

fn check_text(checked: &CertificateCheck, alerted: Option<&[TestedChannel]>) -> String {
    let until = checked.certificate.not_after.format("%Y-%m-%d %H:%M UTC");
    let mut lines = vec![format!("{} days left, until {until}", checked.days_left)];
    lines.push(format!("  for {}", checked.certificate.names.join(", ")));
    for finding in &checked.findings {
        lines.push(format!("  {} {}: {}", finding.severity, finding.id, finding.message));
        lines.push(format!("      fix: {}", finding.remedy));
    }
    for channel in alerted.unwrap_or_default() {
        lines.push(format!("  told through {}", channel.channel));
    }
    lines.join("\n")
}

/// A key with the mode of its file.
fn read_key(path: &Path) -> std::result::Result<KeyFile, Failure> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut key = KeyFile::new(read(path)?.into());
    key.mode = std::fs::metadata(path).ok().map(|file| file.permissions().mode());
    Ok(key)
}

/// The report, and what another scanner said to it.
#[derive(serde::Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    report: &'a TlsReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    cross_check: Option<&'a CrossCheck>,
}

fn split(endpoint: &str) -> std::result::Result<(String, u16), Failure> {
    let wrong = || Failure::usage(format!("read the endpoint `{endpoint}`: give HOST or HOST:PORT"));
    let url = url::Url::parse(&format!("https://{endpoint}")).map_err(|_| wrong())?;
    if endpoint.is_empty() || endpoint.contains(['/', '@', '?', '#']) {
        return Err(wrong());
    }
    let host = url.host_str().ok_or_else(wrong)?.trim_matches(['[', ']']).to_owned();
    Ok((host, url.port().unwrap_or(443)))
}

fn text(report: &TlsReport) -> String {
    let mut lines = vec![format!(
        "{} {} for {} at {} (self-assessed by golive, by the {})",
        report.grade, report.target, report.server_name, report.address, report.guide
    )];
    if report.grade_ignoring_trust != report.grade {
        lines.push(format!("  {} if the certificate were trusted", report.grade_ignoring_trust));
    }
    lines.extend(report.distrust().into_iter().map(|reason| format!("  not trusted: {reason}")));
    let scores = report.scores;
    lines.push(format!(
        "  protocol {}, key exchange {}, cipher {}, in all {}",
        scores.protocol, scores.key_exchange, scores.cipher, scores.total
    ));
    lines.extend(report.caps.iter().map(|cap| format!("  at most {}: {}", cap.grade, cap.reason)));
    lines.extend(report.warnings.iter().map(|warning| format!("  warning: {warning}")));
    lines.extend(report.below_a_plus.iter().map(|reason| format!("  no A+: {reason}")));
    lines.extend(
        report.unverified.iter().map(|open| format!("  not verified: {}: {}", open.check, open.reason)),
    );
    lines.join("\n")
}
