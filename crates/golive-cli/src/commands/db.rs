//! `db`: the statements that cost most, the indexes that mend them, and the settings that fit a server.

mod prove;
mod size;

use golive_load::{QueryReview, ReviewError, ReviewOptions, review_queries};

use crate::args::Global;
use crate::commands::support::{self, Meter, show};
use crate::exit::{End, Failure, Result};

/// What can be asked of the database.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// EXPLAIN the most costly queries the server has seen; reads only.
    Review(ReviewArgs),
    /// Try the indexes that a review would advise on a disposable copy, and keep those that pay; writes nothing but there.
    Prove(prove::Args),
    /// Compute the settings of a MariaDB server from its host, with the arithmetic shown; changes nothing.
    Size(size::Args),
}

/// What to review.
#[derive(Debug, clap::Args)]
pub(crate) struct ReviewArgs {
    /// The database: `env:NAME` or `file:PATH`; `[target] url` of golive.toml unless given.
    #[arg(long, value_name = "URL")]
    target: Option<String>,
    #[command(flatten)]
    which: Which,
}

/// Which statements.
#[derive(Debug, clap::Args)]
struct Which {
    /// How many statements.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=200))]
    top: u16,
    /// A slow log file of this server.
    #[arg(long, value_name = "FILE")]
    slow_log: Option<std::path::PathBuf>,
    /// A file of SELECTs, each ended by `;` at the end of a line, for a server that has recorded none.
    #[arg(long, value_name = "FILE")]
    statements: Option<std::path::PathBuf>,
}

impl Which {
    fn options(&self) -> std::result::Result<ReviewOptions, Failure> {
        let mut options = ReviewOptions::default();
        options.top = usize::from(self.top);
        options.slow_log_file = self.slow_log.clone();
        if let Some(path) = &self.statements {
            let text = std::fs::read_to_string(path)
                .map_err(|error| Failure::reach(format!("read {}: {error}", path.display())))?;
            let statements = text.split(";\n").map(|part| part.trim().trim_end_matches(';'));
            options.statements = statements.filter(|part| !part.is_empty()).map(str::to_owned).collect();
        }
        Ok(options)
    }
}

pub(crate) async fn run(global: &Global, command: Command) -> Result {
    match command {
        Command::Review(args) => review(global, args).await,
        Command::Prove(args) => prove::run(global, args).await,
        Command::Size(args) => size::run(global, args).await,
    }
}

async fn review(global: &Global, args: ReviewArgs) -> Result {
    let url = support::target(global, args.target.as_deref())?;
    let options = args.which.options()?;
    let meter = Meter::new(global, "explaining");
    let found = review_queries(&url, &options).await;
    meter.clear();
    let found = found.map_err(|error| match error {
        ReviewError::Url => Failure::usage(error),
        _ => Failure::reach(error),
    })?;
    show(global, &found, || text(&found));
    let finds = found.queries.iter().any(|query| !query.findings.is_empty()) || !found.structure.is_empty();
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
    lines.extend(review.structure.iter().map(|finding| format!("  {}", finding.says)));
    let indexes = review.indexes();
    if !indexes.is_empty() {
        lines.push("advised indexes:".to_owned());
        lines.extend(indexes.into_iter().map(|index| format!("  {index}")));
    }
    lines.extend(review.notes.iter().map(|note| format!("note: {note}")));
    lines.join("\n")
}
