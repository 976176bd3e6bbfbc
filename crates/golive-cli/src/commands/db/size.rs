//! `db size`: what a server should be set to, and the account that leads there.

use golive_load::{ServerFacts, SizingAdvice, observe_host, observe_server, size_server};

use crate::args::Global;
use crate::commands::support::{self, show};
use crate::exit::{End, Failure, Result};

/// What the server is. What is given counts; what is not is looked up with `--here` and `--target`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Memory of the host in GiB, or the container's limit.
    #[arg(long, value_name = "GIB", required_unless_present = "here")]
    ram: Option<f64>,
    /// Processor cores.
    #[arg(long, required_unless_present = "here")]
    cores: Option<u32>,
    /// Data and indexes together in GiB.
    #[arg(long, value_name = "GIB", required_unless_present = "target")]
    data: Option<f64>,
    /// Connections that all instances of the application may open.
    #[arg(long, default_value_t = 100)]
    connections: u32,
    /// What else runs on the host, in GiB.
    #[arg(long, value_name = "GIB")]
    other: Option<f64>,
    /// The server runs on this machine: look at its memory, its control group and what else runs here.
    #[arg(long)]
    here: bool,
    /// Ask this server for its data and its settings now: `env:NAME` or `file:PATH`.
    #[arg(long, value_name = "URL")]
    target: Option<String>,
}

pub(super) async fn run(global: &Global, args: Args) -> Result {
    let host = if args.here {
        let unknown = || Failure::reach("look at this machine: /proc does not tell; give --ram and --cores");
        Some(observe_host().ok_or_else(unknown)?)
    } else {
        None
    };
    let seen = |pick: fn(&golive_load::HostFacts) -> u64| host.as_ref().map_or(0, pick);
    let ram = given("--ram", args.ram)?.unwrap_or_else(|| seen(golive_load::HostFacts::limit_bytes));
    let cores = args.cores.or(host.map(|host| host.cores)).unwrap_or(1);
    let data = given("--data", args.data)?;
    let mut facts = ServerFacts::new(ram, cores, data.unwrap_or(0));
    facts.application_connections = args.connections;
    facts.other_services_bytes =
        given("--other", args.other)?.unwrap_or_else(|| seen(|host| host.others_bytes));
    if let Some(target) = &args.target {
        let url = support::target(global, Some(target))?;
        facts = observe_server(&url, facts).await.map_err(Failure::reach)?;
        facts.data_bytes = data.unwrap_or(facts.data_bytes);
    }
    let advice = size_server(&facts);
    show(global, &advice, || text(&advice));
    Ok(if !advice.warnings.is_empty() && global.deny_warnings { End::Warnings } else { End::Ready })
}

fn given(option: &str, gibibytes: Option<f64>) -> std::result::Result<Option<u64>, Failure> {
    let Some(gibibytes) = gibibytes else { return Ok(None) };
    if !(0.0..=1_000_000.0).contains(&gibibytes) {
        return Err(Failure::usage(format!("use {option} {gibibytes}: give GiB between 0 and 1000000")));
    }
    Ok(Some((gibibytes * f64::from(1 << 30)).round() as u64))
}

fn text(advice: &SizingAdvice) -> String {
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
