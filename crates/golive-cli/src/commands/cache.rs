//! `cache`: whether a Redis is fit to hold revocations and limits.

use golive_cache::{CacheCheck, FindingSeverity};

use crate::args::Global;
use crate::commands::support::{self, Meter, show};
use crate::exit::{End, Failure, Result};

/// What can be asked of Redis.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Look at the server and say whether it is fit for production; changes nothing.
    Check(CheckArgs),
}

/// Which Redis.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// redis://:PASSWORD@HOST:PORT/0, better `env:NAME` or `file:PATH`; `[redis] url` of golive.toml unless given. Over TLS
    /// rediss://, with ?ssl_ca_certs=FILE for an authority of one's own.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

pub(crate) async fn run(global: &Global, command: Command) -> Result {
    let Command::Check(args) = command;
    let url = support::redis(global, args.url.as_deref())?;
    let meter = Meter::new(global, "asking Redis");
    let check = golive_cache::check(&url).await;
    meter.clear();
    let check = check.map_err(Failure::reach)?;
    show(global, &check, || text(&check));
    let worst = check.findings.iter().map(|finding| finding.severity).min();
    Ok(match worst {
        Some(FindingSeverity::Error) => End::NotReady,
        Some(_) if global.deny_warnings => End::Warnings,
        _ => End::Ready,
    })
}

fn text(check: &CacheCheck) -> String {
    let unknown = || "not told".to_owned();
    let mut lines = vec![format!(
        "Redis {} ({}), {} µs a round trip, maxmemory-policy {}, append-only {}",
        check.version,
        check.role,
        check.latency_microseconds,
        check.maxmemory_policy.clone().unwrap_or_else(unknown),
        check.append_only.map_or_else(unknown, |on| if on { "on" } else { "off" }.to_owned()),
    )];
    for finding in &check.findings {
        let severity = format!("{:?}", finding.severity).to_lowercase();
        lines.push(format!("  {severity} {}: {}; {}", finding.id, finding.message, finding.remedy));
    }
    if check.findings.is_empty() {
        lines.push("  fit for production".to_owned());
    }
    lines.join("\n")
}
