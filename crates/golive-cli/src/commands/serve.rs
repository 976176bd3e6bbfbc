//! `serve`: the console in a browser.

use crate::args::Global;
use crate::commands::support::not_yet;
use crate::exit::Result;

/// What `serve` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8330", value_name = "ADDRESS")]
    bind: std::net::SocketAddr,
}

#[expect(clippy::unused_async, reason = "the console will listen")]
pub(crate) async fn run(_global: &Global, args: &Args) -> Result {
    not_yet(
        &format!("serve the console on {}", args.bind),
        "`golive status` and `golive report --as html --output report.html` show the newest run",
    )
}
