//! `accounts`: who can get in, and who must not. The table is described in `[accounts]` of golive.toml.

mod handover;
mod onboard;
mod record;

use std::path::PathBuf;
use std::time::Duration;

use golive::Config;
use golive_auth::{
    Accounts, AccountsMapping, Argon2Cost, CreateAccountError, DeactivateError, Deactivated, MatchRule,
    NewAccount, PasswordHasher, ScanOptions, ScanReport, StorageKind, Tenants, generate_password,
};
use secrecy::SecretString;
use serde_json::json;

use crate::args::Global;
use crate::commands::support::{self, Meter, show};
use crate::exit::{End, Failure, Result};
use crate::{clock, commands};

/// What can be done with accounts.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Try every known password against every stored hash.
    Scan(ScanArgs),
    /// Switch the demo's users and tenants off, also the users that the scan finds.
    DeactivateDemo(DeactivateArgs),
    /// Create the production administrator with a generated password.
    CreateAdmin(CreateArgs),
    /// Whether every known credential and every demo tenant is off.
    Verify(ScanArgs),
    /// Create a whole team from a list, each with a generated password that must be changed: all or nobody.
    Onboard(onboard::OnboardArgs),
    /// The trail of who did what.
    #[command(subcommand)]
    Audit(record::Audit),
    /// Measure how much a password hash may cost on this machine.
    Calibrate(CalibrateArgs),
}

/// What `scan` and `verify` take.
#[derive(Debug, clap::Args)]
pub(crate) struct ScanArgs {
    #[command(flatten)]
    target: Target,
    /// Also try the literals of this file: SQL, Python, JSON, TOML, env; besides those of golive.toml.
    #[arg(long, value_name = "FILE")]
    seed_file: Vec<PathBuf>,
    /// Stop after so long; what was not tried then is no proof.
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    time_limit: u64,
}

/// What `calibrate` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct CalibrateArgs {
    /// How long one hash may take.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=2000))]
    target: u64,
    /// How much memory one hash may take; as many run at once as there are cores.
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(19..=1024))]
    memory: u32,
}

/// Which database.
#[derive(Debug, clap::Args)]
pub(crate) struct Target {
    /// The database: `env:NAME` or `file:PATH`, mysql:// or sqlite://; `[target] url` of golive.toml unless given.
    #[arg(long, value_name = "URL")]
    target: Option<String>,
}

/// What `deactivate-demo` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct DeactivateArgs {
    #[command(flatten)]
    target: Target,
    /// Do it; without this the command only says whom it would switch off.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    record: record::Record,
}

/// What `create-admin` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    target: Target,
    /// A name of the client's own; `[admin] username` unless given.
    #[arg(long)]
    username: Option<String>,
    /// A role that administers; `[admin] role` unless given.
    #[arg(long)]
    role: Option<String>,
    /// The tenant the account belongs to.
    #[arg(long)]
    tenant: Option<String>,
    #[command(flatten)]
    handover: handover::Handover,
    #[command(flatten)]
    record: record::Record,
}

pub(crate) async fn run(global: &Global, command: Command) -> Result {
    match command {
        Command::Scan(args) => run_scan(global, &args).await,
        Command::DeactivateDemo(args) => deactivate(global, &args).await,
        Command::CreateAdmin(args) => create(global, &args).await,
        Command::Verify(args) => verify(global, &args).await,
        Command::Onboard(args) => onboard::run(global, &args).await,
        Command::Audit(record::Audit::Verify(args)) => record::verify(global, &args).await,
        Command::Calibrate(args) => calibrate(global, &args),
    }
}

fn calibrate(global: &Global, args: &CalibrateArgs) -> Result {
    let meter = Meter::new(global, "hashing passwords to see how long it takes");
    let found = Argon2Cost::calibrate(Duration::from_millis(args.target), args.memory * 1024);
    meter.clear();
    let value = json!({ "memory_kib": found.cost.memory_kib, "passes": found.cost.passes, "milliseconds": found.took.as_millis() });
    show(global, &value, || {
        format!(
            "argon2id with {} KiB and {} passes takes {} ms of one core here",
            found.cost.memory_kib,
            found.cost.passes,
            found.took.as_millis()
        )
    });
    Ok(End::Ready)
}

async fn run_scan(global: &Global, args: &ScanArgs) -> Result {
    let accounts = open_with_seeds(global, args).await?.0;
    let report = scan(global, &accounts, args.time_limit).await?;
    show(global, &json!({ "clean": report.is_clean(), "scan": report }), || text(&report));
    Ok(end(&report))
}

async fn verify(global: &Global, args: &ScanArgs) -> Result {
    let (accounts, config) = open_with_seeds(global, args).await?;
    let report = scan(global, &accounts, args.time_limit).await?;
    let visible: Vec<String> = match tenants(global, &args.target, &config).await? {
        Some(tenants) => {
            let demo = tenants.list_demo().await.map_err(Failure::reach)?;
            demo.into_iter()
                .filter(|one| one.state == golive_auth::AccountState::Active)
                .map(|one| one.id)
                .collect()
        }
        None => Vec::new(),
    };
    let clean = report.is_clean() && visible.is_empty();
    show(global, &json!({ "clean": clean, "scan": report, "demo_tenants_active": visible }), || {
        let tenants = if visible.is_empty() { "none".to_owned() } else { visible.join(", ") };
        format!("{}\ndemo tenants still active: {tenants}", text(&report))
    });
    Ok(if visible.is_empty() { end(&report) } else { End::NotReady })
}

async fn deactivate(global: &Global, args: &DeactivateArgs) -> Result {
    let (accounts, config) = open(global, &args.target).await?;
    let report = scan(global, &accounts, SCAN_SECONDS).await?;
    let found: Vec<String> = report.known.iter().map(|known| known.username.clone()).collect();
    if !args.yes {
        let demo = &accounts.mapping().demo_usernames;
        show(global, &json!({ "changed": false, "named": demo, "found_by_password": found }), || {
            format!(
                "would switch off, as named in golive.toml: {}\nwould switch off, found by their passwords: {}\nnothing was changed: give --yes to do it",
                names(demo),
                names(&found)
            )
        });
        return Ok(End::Ready);
    }
    let tenants = tenants(global, &args.target, &config).await?;
    let (accounts, tenants) = args.record.open(accounts, tenants).await?;
    let users = accounts.deactivate_demo(&found).await.map_err(refusal)?;
    let tenants = match tenants {
        Some(tenants) => tenants.deactivate_demo().await.map_err(refusal)?,
        None => Deactivated::default(),
    };
    show(global, &json!({ "changed": true, "users": users, "tenants": tenants }), || {
        let one = |what: &str, done: &Deactivated| {
            format!(
                "{what} switched off: {}\n  off before: {}\n  not there: {}",
                names(&done.changed),
                names(&done.already),
                names(&done.missing)
            )
        };
        format!("{}\n{}", one("users", &users), one("tenants", &tenants))
    });
    Ok(End::Ready)
}

async fn create(global: &Global, args: &CreateArgs) -> Result {
    let (accounts, config) = open(global, &args.target).await?;
    let admin = config.admin.as_ref();
    let username = args.username.clone().or(admin.map(|admin| admin.username.clone()));
    let role = args.role.clone().or(admin.map(|admin| admin.role.clone()));
    let (Some(username), Some(role)) = (username, role) else {
        return Err(Failure::usage(
            "create the administrator: give --username and --role, or [admin] in golive.toml",
        ));
    };
    let password: SecretString = generate_password(PASSWORD_LENGTH).password;
    let mut account = NewAccount::new(&username, password.clone(), role);
    account.must_change_password = accounts.mapping().must_change_password.is_some();
    account.tenant = args.tenant.clone().or(admin.and_then(|admin| admin.tenant.clone()));
    account.email = admin.and_then(|admin| admin.email.clone());
    account.full_name = admin.and_then(|admin| admin.full_name.clone());
    accounts.check_new_account(&account).map_err(refused)?;
    if accounts.get(&username).await.map_err(Failure::reach)?.is_some() {
        return Err(refused(CreateAccountError::Exists { username }));
    }
    if let (Some(tenant), Some(tenants)) = (&account.tenant, tenants(global, &args.target, &config).await?) {
        let known = tenants.list().await.map_err(Failure::reach)?;
        if !known.iter().any(|one| one.id == *tenant) {
            let table = &tenants.mapping().table;
            return Err(Failure::usage(format!(
                "create {username} for tenant {tenant}: create that in `{table}` first"
            )));
        }
    }
    let (accounts, _) = args.record.open(accounts, None).await?;
    let place = args.handover.keep(&password)?;
    let made = accounts.create_admin(&account, &PasswordHasher::for_this_machine(), clock::now()).await;
    let made = made.map_err(|error| {
        place.forget();
        refused(error)
    })?;
    let told = place.tell(&password);
    show(global, &json!({ "account": made, "password_file": place.path() }), || {
        let change =
            if account.must_change_password { "; it must be changed at the first login" } else { "" };
        format!("{} is created, {told}{change}", made.username)
    });
    Ok(End::Ready)
}

async fn open_with_seeds(
    global: &Global,
    args: &ScanArgs,
) -> std::result::Result<(Accounts, Config), Failure> {
    connect(global, &args.target, &args.seed_file).await
}

async fn open(global: &Global, target: &Target) -> std::result::Result<(Accounts, Config), Failure> {
    connect(global, target, &[]).await
}

async fn connect(
    global: &Global,
    target: &Target,
    seed_files: &[PathBuf],
) -> std::result::Result<(Accounts, Config), Failure> {
    let config = commands::config(global)?;
    let mut mapping: AccountsMapping = config.accounts.clone().ok_or_else(|| {
        Failure::usage(
            "find the accounts: describe their table in [accounts] of golive.toml; `golive init` guesses it",
        )
    })?;
    for file in &mut mapping.seed_files {
        *file = config.path(file);
    }
    mapping.seed_files.extend(seed_files.iter().cloned());
    let url = support::target(global, target.target.as_deref())?;
    let accounts = Accounts::connect(&url, mapping).await.map_err(Failure::reach)?;
    Ok((accounts, config))
}

async fn tenants(
    global: &Global,
    target: &Target,
    config: &Config,
) -> std::result::Result<Option<Tenants>, Failure> {
    let Some(mapping) = config.tenants.clone() else { return Ok(None) };
    let url = support::target(global, target.target.as_deref())?;
    Tenants::connect(&url, mapping).await.map(Some).map_err(Failure::reach)
}

async fn scan(
    global: &Global,
    accounts: &Accounts,
    seconds: u64,
) -> std::result::Result<ScanReport, Failure> {
    let meter = Meter::new(global, "trying known passwords against stored hashes");
    let mut options = ScanOptions::default();
    options.time_limit = Duration::from_secs(seconds);
    let report = accounts.scan(&options).await;
    meter.clear();
    report.map_err(Failure::reach)
}

/// A scan that could not try everything is no proof.
fn end(report: &ScanReport) -> End {
    match (report.known.is_empty(), report.is_clean()) {
        (true, true) => End::Ready,
        (true, false) if !report.complete => End::OutOfReach,
        _ => End::NotReady,
    }
}

fn text(report: &ScanReport) -> String {
    let mut lines = vec![format!(
        "{} accounts, {} passwords tried in {:.1} s: {} can be entered with a known one",
        report.accounts,
        report.tried,
        report.seconds,
        report.known.len()
    )];
    for known in &report.known {
        let rule = match known.rule {
            MatchRule::KnownPassword => "a password of [accounts] known_passwords",
            MatchRule::SeedFile => "a password of a seed file",
            MatchRule::CommonDefault => "a common default",
            MatchRule::DerivedFromName => "made from the name",
            _ => "a known password",
        };
        let clear = if known.stored_in_clear { ", stored in clear" } else { "" };
        lines.push(format!("  {} ({rule}{clear})", known.username));
    }
    lines.extend(report.untried.iter().map(|open| format!("  not tried: {}: {}", open.subject, open.reason)));
    lines.extend(report.weak_storage.iter().map(|weak| {
        let how = match weak.kind {
            StorageKind::InClear => "in clear",
            StorageKind::UnsaltedDigest => "as a fast digest without salt",
            StorageKind::SaltedDigest => "as a fast digest",
            _ => "without a slow hash",
        };
        format!("  stored {how}: {}", weak.username)
    }));
    lines.extend(report.shared_hashes.iter().map(|group| format!("  the same hash: {}", group.join(", "))));
    if !report.complete {
        lines.push("  not every password was tried: the time was over".to_owned());
    }
    lines.join("\n")
}

fn names(all: &[String]) -> String {
    if all.is_empty() { "nobody".to_owned() } else { all.join(", ") }
}

fn refusal(error: DeactivateError) -> Failure {
    match error {
        DeactivateError::Audit(error) => record::failure(error),
        DeactivateError::Database { .. } => Failure::reach(error),
        _ => Failure::usage(error),
    }
}

fn refused(error: CreateAccountError) -> Failure {
    match error {
        CreateAccountError::Audit(error) => record::failure(error),
        CreateAccountError::Database(_) | CreateAccountError::Hash(_) => Failure::reach(error),
        _ => Failure::usage(error),
    }
}

const PASSWORD_LENGTH: usize = 24;
const SCAN_SECONDS: u64 = 120;
