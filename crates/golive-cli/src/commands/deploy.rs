//! `deploy`: container files, proxy and production configuration.

use std::path::{Path, PathBuf};

use golive_deploy::{
    AuditInputs, AuditKind, ConfigRules, Finding, Settings, Severity, audit_files, check_config, to_sarif,
    worst,
};
use serde_json::json;

use crate::args::Global;
use crate::commands::render::{self, Render};
use crate::commands::support::show;
use crate::exit::{End, Failure, Result};
use crate::{clock, commands};

/// What can be done with deployment files.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Audit Dockerfiles, compose files and nginx configurations.
    Audit(AuditArgs),
    /// Render deployment files that pass the audit, from golive.toml.
    #[command(subcommand)]
    Render(Render),
    /// Check a production env file against the rules.
    CheckConfig {
        /// The env file.
        file: PathBuf,
        /// Fetch values that it keeps elsewhere, and judge them too: `file:/PATH`, `env:NAME`, `command:PROGRAM ARGUMENTS`,
        /// and `NAME_FILE=/PATH`. Without it they are told as not checked; `[deploy] fetch_secrets` does the same.
        #[arg(long)]
        fetch_secrets: bool,
    },
}

/// Which files.
#[derive(Debug, clap::Args)]
pub(crate) struct AuditArgs {
    /// The files, known by their names; those of `[deploy]` in golive.toml unless given.
    files: Vec<PathBuf>,
    /// Also write the findings as SARIF 2.1.0, for code scanning.
    #[arg(long, value_name = "FILE")]
    sarif: Option<PathBuf>,
}

pub(crate) fn run(global: &Global, command: Command) -> Result {
    match command {
        Command::Audit(args) => audit(global, &args),
        Command::Render(render) => render::run(global, &render),
        Command::CheckConfig { file, fetch_secrets } => check(global, &file, fetch_secrets),
    }
}

fn audit(global: &Global, args: &AuditArgs) -> Result {
    let files = if args.files.is_empty() { configured(global)? } else { named(&args.files)? };
    let inputs = AuditInputs::read(&files).map_err(Failure::reach)?;
    let mut findings = audit_files(&inputs);
    hold(global, &mut findings, false)?;
    if let Some(path) = &args.sarif {
        let log = format!("{:#}\n", to_sarif(&findings, "golive.toml"));
        std::fs::write(path, log)
            .map_err(|error| Failure::reach(format!("write {}: {error}", path.display())))?;
    }
    show(global, &json!({ "files": files.len(), "findings": findings }), || {
        text(&findings, files.len(), "files")
    });
    Ok(end(global, &findings))
}

/// Waivers and ruleset of golive.toml.
fn hold(
    global: &Global,
    findings: &mut Vec<Finding>,
    of_variables: bool,
) -> std::result::Result<(), Failure> {
    let deploy = commands::config_or_nothing(global)?.deploy;
    deploy.hold(findings, of_variables, clock::now().date_naive()).map_err(Failure::usage)
}

fn configured(global: &Global) -> std::result::Result<Vec<(AuditKind, PathBuf)>, Failure> {
    let config = commands::config_or_nothing(global)?;
    let files = config.deploy.files();
    if files.is_empty() {
        return Err(Failure::usage("find files to audit: name them, or add [deploy] to golive.toml"));
    }
    Ok(files.into_iter().map(|(kind, path)| (kind, config.path(path))).collect())
}

fn named(files: &[PathBuf]) -> std::result::Result<Vec<(AuditKind, PathBuf)>, Failure> {
    files.iter().map(|path| Ok((kind(path)?, path.clone()))).collect()
}

fn kind(path: &Path) -> std::result::Result<AuditKind, Failure> {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    if name.contains("dockerfile") || name.contains("containerfile") {
        Ok(AuditKind::Dockerfile)
    } else if name.contains("caddyfile") {
        Ok(AuditKind::Caddy)
    } else if name.contains("traefik") && (name.ends_with(".yml") || name.ends_with(".yaml")) {
        Ok(AuditKind::Traefik)
    } else if name.ends_with(".yml") || name.ends_with(".yaml") {
        Ok(AuditKind::Compose)
    } else if name.ends_with(".conf") || name.contains("nginx") {
        Ok(AuditKind::Nginx)
    } else {
        Err(Failure::usage(format!(
            "tell what {} is: names with Dockerfile, Caddyfile, traefik….yml, .yml and .conf are known; list it under [deploy] in golive.toml",
            path.display()
        )))
    }
}

fn check(global: &Global, file: &Path, fetches_secrets: bool) -> Result {
    let config = commands::config_or_nothing(global)?;
    let mut settings = Settings::parse_env_file(file).map_err(Failure::reach)?;
    let mut not_fetched = Vec::new();
    if fetches_secrets || config.deploy.fetch_secrets {
        not_fetched = golive::fetch_kept(&mut settings, &config.deploy.variables, Some(&clock::environment));
    }
    let mut rules = ConfigRules::production();
    rules.names = config.deploy.variables.clone();
    rules.known_names = config.environment.keys().chain(&config.deploy.known_variables).cloned().collect();
    for example in &config.deploy.example_environment {
        rules.examples.push(Settings::parse_env_file(&config.path(example)).map_err(Failure::reach)?);
    }
    let mut report = check_config(&settings, &rules);
    report.not_fetched(not_fetched);
    hold(global, &mut report.findings, true)?;
    show(global, &report, || {
        let mut text = text(&report.findings, report.variables, "variables");
        for open in &report.not_checked {
            text.push_str(&format!("\n  not checked: {open}"));
        }
        text
    });
    Ok(end(global, &report.findings))
}

/// How findings end a command.
pub(crate) fn end(global: &Global, findings: &[Finding]) -> End {
    match worst(findings) {
        Some(Severity::Error) => End::NotReady,
        Some(Severity::Warning) if global.deny_warnings => End::Warnings,
        _ => End::Ready,
    }
}

/// One verdict line, then each finding with its place underlined, then what does not count and why.
fn text(findings: &[Finding], looked: usize, at: &str) -> String {
    let counted = findings.iter().filter(|finding| finding.counts()).count();
    let mut lines = vec![match findings.len() - counted {
        0 => format!("{looked} {at}, {counted} findings"),
        others => format!("{looked} {at}, {counted} findings, {others} more that do not count"),
    }];
    for finding in findings {
        let place = match (&finding.file, finding.line) {
            (Some(file), Some(line)) => format!("{file}:{line}: "),
            (Some(file), None) => format!("{file}: "),
            _ => String::new(),
        };
        lines.push(format!("  {place}{} {}: {}", finding.severity, finding.id, finding.message));
        if let (Some(excerpt), Some(span)) = (&finding.excerpt, finding.span) {
            let shown = excerpt.replace('\t', " ");
            let indent = shown.chars().take_while(|c| *c == ' ').count().min(span.column as usize - 1);
            lines.push(format!("      | {}", shown.chars().skip(indent).collect::<String>()));
            let (before, width) = (span.column as usize - 1 - indent, span.length as usize);
            lines.push(format!("      | {}{}", " ".repeat(before), "~".repeat(width)));
        }
        lines.push(match &finding.suppression {
            None => format!("      fix: {}", finding.remedy),
            Some(suppression) => format!("      does not count: {}", suppression.text()),
        });
    }
    if let Some(first) = findings.iter().find(|finding| finding.counts()) {
        lines.push(format!("why: golive explain {}", first.id));
    }
    lines.join("\n")
}
