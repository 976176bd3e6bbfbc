//! `serve`: the newest report in a browser.

use serde_json::json;

use crate::args::{Format, Global};
use crate::exit::{End, Failure, Result};
use crate::{commands, output};

/// What `serve` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to listen; loopback only, for there is no login.
    #[arg(long, default_value = "127.0.0.1:8330", value_name = "ADDRESS")]
    listen: std::net::SocketAddr,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result {
    let config = commands::config_or_nothing(global)?;
    let mut options = golive_server::ServerOptions::new(commands::runs(global, &config));
    options.listen = args.listen;
    let server = golive_server::bind(&options).await.map_err(|error| match error {
        golive_server::ServeError::NotLoopback { .. } => Failure::usage(error),
        error => Failure::reach(error),
    })?;
    let url = format!("http://{}", server.address());
    match global.format {
        Format::Json => output::print_json(&json!({ "schema_version": 1, "url": url })),
        Format::Text => output::print(&format!("the newest report: {url} (Ctrl-C ends)")),
    }
    let end = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    server.serve(end).await.map_err(Failure::reach)?;
    Ok(End::Ready)
}
