//! `doctor`: what is missing on this machine and behind these URLs, and how to get it.

use golive::Config;
use golive_migrate::{Target, TargetOptions};
use golive_sandbox::{Found, InstallError, InstallPlan, install, look, look_for_tests};
use serde::Serialize;
use serde_json::json;

use crate::args::Global;
use crate::commands::support::{self, Meter, blocking, show};
use crate::exit::{End, Failure, Result};
use crate::{commands, output};

/// What `doctor` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Install what is missing: with apt as root or by sudo at a terminal; elsewhere the commands are printed.
    #[arg(long)]
    install: bool,
    /// Never install, whatever else is given.
    #[arg(long, conflicts_with = "install")]
    no_install: bool,
    /// Also what only golive's own tests need.
    #[arg(long, hide = true)]
    tests: bool,
}

/// Something behind a URL of golive.toml.
#[derive(Debug, Serialize)]
struct Behind {
    what: &'static str,
    reachable: bool,
    says: String,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result {
    let config = commands::config_or_nothing(global)?;
    let look = if args.tests { look_for_tests } else { look };
    let mut found = blocking(look).await;
    let plan = InstallPlan::new(&found);
    if args.install && !plan.is_empty() {
        carry_out(global, plan).await?;
        found = blocking(look).await;
    }
    let plan = InstallPlan::new(&found);
    let behind = reach(&config).await;
    let ready = plan.is_empty() && behind.iter().all(|one| one.reachable);
    let value = json!({
        "ready": ready,
        "programs": found,
        "missing": plan.missing,
        "commands": plan.by_hand.iter().map(|(system, line)| json!({ "system": system, "command": line })).collect::<Vec<_>>(),
        "urls": behind,
    });
    show(global, &value, || text(&found, &plan, &behind));
    Ok(if ready { End::Ready } else { End::OutOfReach })
}

/// Makes sure that every server program is there: installs what is missing, or says how.
pub(crate) async fn ensure_servers(global: &Global, install: bool) -> std::result::Result<(), Failure> {
    let plan = InstallPlan::new(&blocking(look).await);
    if plan.is_empty() {
        return Ok(());
    }
    if install {
        return carry_out(global, plan).await;
    }
    let names: Vec<&str> = plan.missing.iter().map(|one| one.program()).collect();
    Err(Failure::reach(format!("find {}; install, then try again:{}", names.join(", "), by_hand(&plan))))
}

async fn carry_out(global: &Global, plan: InstallPlan) -> std::result::Result<(), Failure> {
    if !global.quiet {
        output::complain(&plan.to_string());
    }
    let meter = Meter::new(global, "installing what is missing");
    let done: std::result::Result<(), InstallError> = blocking(move || install(&plan)).await;
    meter.clear();
    done.map_err(Failure::reach)
}

fn by_hand(plan: &InstallPlan) -> String {
    plan.by_hand.iter().map(|(system, line)| format!("\n  {:<16} {line}", format!("{system}:"))).collect()
}

/// Asks every server that golive.toml names for a sign of life.
async fn reach(config: &Config) -> Vec<Behind> {
    let mut all = Vec::new();
    if let Some(setting) = &config.target.url {
        let looked = match support::resolve(setting, &config.directory) {
            Ok(url) => match Target::connect(&TargetOptions::new(url)).await {
                Ok(target) => {
                    Ok(format!("{} answers, MariaDB {}", target.display_name(), target.server().version))
                }
                Err(error) => Err(golive::error_chain(&error)),
            },
            Err(failure) => Err(reason(&failure)),
        };
        all.push(Behind::new("[target] url", looked));
    }
    if let Some(setting) = &config.redis.url {
        let looked = match support::resolve(setting, &config.directory) {
            Ok(url) => match golive_cache::check(&url).await {
                Ok(check) => Ok(format!("answers, Redis {}", check.version)),
                Err(error) => Err(golive::error_chain(&error)),
            },
            Err(failure) => Err(reason(&failure)),
        };
        all.push(Behind::new("[redis] url", looked));
    }
    if let Some(path) = config.source.sqlite.as_ref().map(|path| config.path(path)) {
        let looked = blocking(move || match golive_migrate::Source::open(&path) {
            Ok(source) => Ok(format!("{} can be read", source.path().display())),
            Err(error) => Err(golive::error_chain(&error)),
        });
        all.push(Behind::new("[source] sqlite", looked.await));
    }
    all
}

impl Behind {
    fn new(what: &'static str, looked: std::result::Result<String, String>) -> Self {
        match looked {
            Ok(says) => Self { what, reachable: true, says },
            Err(why) => Self { what, reachable: false, says: format!("cannot {why}") },
        }
    }
}

fn reason(failure: &Failure) -> String {
    match failure {
        Failure::Usage(error) | Failure::OutOfReach(error) | Failure::Busy(error) => {
            golive::error_chain(error.as_ref())
        }
    }
}

fn text(found: &[Found], plan: &InstallPlan, behind: &[Behind]) -> String {
    let mut lines = Vec::new();
    for one in found {
        lines.push(match &one.path {
            Some(path) => {
                let version = one.version.as_deref().unwrap_or("its version is unknown");
                format!("  ✓ {:<20} {}  {version}", one.requirement.program(), path.display())
            }
            None => format!("  ✗ {:<20} missing", one.requirement.program()),
        });
    }
    for one in behind {
        let mark = if one.reachable { "✓" } else { "✗" };
        lines.push(format!("  {mark} {:<20} {}", one.what, one.says));
    }
    if behind.is_empty() {
        lines.push("  - golive.toml names no server to look at".to_owned());
    }
    if plan.is_empty() {
        lines.push("every program that golive needs is here".to_owned());
    } else {
        lines.push(format!(
            "`golive doctor --install` installs what is missing, or by hand:{}",
            by_hand(plan)
        ));
    }
    lines.join("\n")
}
