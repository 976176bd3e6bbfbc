//! `db`: the statements that cost most, and the settings that fit a server.

use golive_load::{
    QueryReview, ReviewError, ReviewOptions, ServerFacts, SizingAdvice, review_queries, size_server,
};

use crate::args::Global;
use crate::commands::support::{self, Meter, show};
use crate::exit::{End, Failure, Result};

/// What can be asked of the database.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// EXPLAIN the most costly queries the server has seen; reads only.
    Review(ReviewArgs),
    /// Compute the settings of a MariaDB server from its host; asks nobody.
    Size(SizeArgs),
}

/// What to review.
#[derive(Debug, clap::Args)]
pub(crate) struct ReviewArgs {
    /// The database: `env:NAME` or `file:PATH`; `[target] url` of golive.toml unless given.
    #[arg(long, value_name = "URL")]
    target: Option<String>,
    /// How many statements.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=200))]
    top: u16,
    /// A slow log file of this server.
    #[arg(long, value_name = "FILE")]
    slow_log: Option<std::path::PathBuf>,
}

/// What the server is.
#[derive(Debug, clap::Args)]
pub(crate) struct SizeArgs {
    /// Memory of the host in GiB, or the container's limit.
    #[arg(long, value_name = "GIB")]
    ram: f64,
    /// Processor cores.
    #[arg(long)]
    cores: u32,
    /// Data and indexes together in GiB.
    #[arg(long, value_name = "GIB")]
    data: f64,
    /// Connections that all instances of the application may open.
    #[arg(long, default_value_t = 100)]
    connections: u32,
    /// What else runs on the host, in GiB.
    #[arg(long, default_value_t = 0.0, value_name = "GIB")]
    other: f64,
}

pub(crate) async fn run(global: &Global, command: Command) -> Result {
    match command {
        Command::Review(args) => review(global, args).await,
        Command::Size(args) => size(global, &args),
    }
}

async fn review(global: &Global, args: ReviewArgs) -> Result {
    let url = support::target(global, args.target.as_deref())?;
    let mut options = ReviewOptions::default();
    options.top = usize::from(args.top);
    options.slow_log_file = args.slow_log;
    let meter = Meter::new(global, "explaining");
    let found = review_queries(&url, &options).await;
    meter.clear();
    let found = found.map_err(|error| match error {
        ReviewError::Url => Failure::usage(error),
        _ => Failure::reach(error),
    })?;
    show(global, &found, || text(&found));
    let finds = found.queries.iter().any(|query| !query.findings.is_empty());
    Ok(if finds && global.deny_warnings { End::Warnings } else { End::Ready })
}

fn text(review: &QueryReview) -> String {
    let source = format!("{:?}", review.source);
    let mut lines =
        vec![format!("{} statements from {source}, MariaDB {}", review.queries.len(), review.server_version)];
    for (number, query) in review.queries.iter().enumerate() {
        let ran = query.executions.map(|count| format!(" · {count} times")).unwrap_or_default();
        let took = query.total_seconds.map(|seconds| format!(" · {seconds:.3} s in all")).unwrap_or_default();
        lines.push(format!("{:>3}. {}{ran}{took}", number + 1, query.statement));
        lines.extend(query.not_explained.iter().map(|why| format!("     not explained: {why}")));
        lines.extend(query.findings.iter().map(|finding| format!("     {}", finding.says)));
    }
    let indexes = review.indexes();
    if !indexes.is_empty() {
        lines.push("advised indexes:".to_owned());
        lines.extend(indexes.into_iter().map(|index| format!("  {index}")));
    }
    lines.extend(review.notes.iter().map(|note| format!("note: {note}")));
    lines.join("\n")
}

fn size(global: &Global, args: &SizeArgs) -> Result {
    let mut facts = ServerFacts::new(bytes("--ram", args.ram)?, args.cores, bytes("--data", args.data)?);
    facts.application_connections = args.connections;
    facts.other_services_bytes = bytes("--other", args.other)?;
    let advice = size_server(&facts);
    show(global, &advice, || sizes(&advice));
    Ok(End::Ready)
}

fn bytes(option: &str, gibibytes: f64) -> std::result::Result<u64, Failure> {
    if !(0.0..=1_000_000.0).contains(&gibibytes) {
        return Err(Failure::usage(format!("use {option} {gibibytes}: give GiB between 0 and 1000000")));
    }
    Ok((gibibytes * f64::from(1 << 30)).round() as u64)
}

fn sizes(advice: &SizingAdvice) -> String {
    let mut lines = vec!["[mariadbd]".to_owned()];
    for setting in &advice.settings {
        lines.push(format!("# {}\n{} = {}", setting.reason, setting.name, setting.value));
    }
    for part in &advice.memory {
        lines.push(format!("# {:>8} MiB  {}", part.bytes / (1 << 20), part.what));
    }
    lines.extend(advice.warnings.iter().map(|warning| format!("# warning: {warning}")));
    lines.join("\n")
}
