//! `tls obtain`: a certificate from an ACME authority, kept in files. Run daily, it orders only when it is time.

use std::path::{Path, PathBuf};

use golive::write_private;
use golive_deploy::tls::{GradeOptions, KeyFile, check_certificate};
use golive_deploy::{AcmeOrder, ObtainError, obtain_certificate};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use crate::args::Global;
use crate::commands::support::{Meter, read_if_there, server_names, show};
use crate::exit::{End, Failure, Result};
use crate::{clock, commands};

/// What to order, and where it goes.
#[derive(Debug, clap::Args)]
pub(crate) struct ObtainArgs {
    /// The authority: `letsencrypt`, `letsencrypt-staging`, or the URL of its directory.
    #[arg(long, default_value = "letsencrypt", value_name = "URL")]
    authority: String,
    /// A name that the certificate must be for, the main one first; those of `[tls]` in golive.toml unless given.
    #[arg(long, value_name = "NAME")]
    server_name: Vec<String>,
    /// The folder that is served at `/` of every name on port 80.
    #[arg(long, value_name = "DIR")]
    webroot: PathBuf,
    /// Where the certificate and its chain go.
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
    /// Where the private key goes, at mode 0600.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Where the account at the authority is kept, at mode 0600.
    #[arg(long, value_name = "FILE")]
    account: PathBuf,
    /// An e-mail address for the authority's warnings.
    #[arg(long, value_name = "ADDRESS")]
    contact: Vec<String>,
    /// You have read the terms of the authority and agree.
    #[arg(long)]
    agree_to_terms: bool,
    /// Who signs the certificate of the authority's own server, as PEM, where the system does not know it.
    #[arg(long, value_name = "FILE")]
    authority_ca: Option<PathBuf>,
    /// Order even if the certificate that is there has time left.
    #[arg(long)]
    force: bool,
}

pub(crate) async fn run(global: &Global, args: ObtainArgs) -> Result {
    let config = commands::config_or_nothing(global)?;
    let names = server_names(&config, &args.server_name)?;
    if !args.force
        && let Some(days) = days_of_one_that_serves(&args, &names)
    {
        show(global, &json!({ "ordered": false, "days_left": days }), || {
            format!("nothing to do: {} lasts {days} more days", args.certificate.display())
        });
        return Ok(End::Ready);
    }
    let mut order = AcmeOrder::new(directory(&args.authority), names, &args.webroot);
    order.agreed_to_terms = args.agree_to_terms;
    order.directory_authority.clone_from(&args.authority_ca);
    order.contact = args.contact.iter().map(|address| format!("mailto:{address}")).collect();
    order.account = read_if_there(&args.account)?.map(SecretString::from);
    let meter = Meter::new(global, "ordering");
    let obtained = obtain_certificate(&order).await;
    meter.clear();
    let obtained = obtained.map_err(|error| match error {
        ObtainError::Terms | ObtainError::Names => Failure::usage(error),
        _ => Failure::reach(error),
    })?;
    keep(&args.account, &obtained.account)?;
    // All that can run out of space is written before the old key is replaced: the pair in use is never torn.
    let failed =
        |error: std::io::Error| Failure::reach(format!("write {}: {error}", args.certificate.display()));
    let mut fresh = args.certificate.clone().into_os_string();
    fresh.push(".new");
    std::fs::write(&fresh, &obtained.chain_pem).map_err(failed)?;
    keep(&args.key, &obtained.key_pem)?;
    std::fs::rename(&fresh, &args.certificate).map_err(failed)?;
    show(global, &json!({ "ordered": true, "certificate": args.certificate, "key": args.key }), || {
        format!(
            "obtained: {} and {}; have the server read them again (nginx -s reload)",
            args.certificate.display(),
            args.key.display()
        )
    });
    Ok(End::Ready)
}

/// Days left, when what is there is for these names, belongs to its key, and need not be renewed yet. Whether it is
/// trusted is not asked: that is the authority's business, whichever it is.
fn days_of_one_that_serves(args: &ObtainArgs, names: &[String]) -> Option<i64> {
    let chain = std::fs::read_to_string(&args.certificate).ok()?;
    let key = KeyFile::new(std::fs::read_to_string(&args.key).ok()?.into());
    let check = check_certificate(&chain, Some(&key), names, &GradeOptions::new(clock::now())).ok()?;
    let is_wrong = check.findings.iter().any(|finding| finding.id != "DEP-404");
    (!is_wrong).then_some(check.days_left)
}

fn directory(name: &str) -> String {
    match name {
        "letsencrypt" => "https://acme-v02.api.letsencrypt.org/directory".to_owned(),
        "letsencrypt-staging" => "https://acme-staging-v02.api.letsencrypt.org/directory".to_owned(),
        url => url.to_owned(),
    }
}

fn keep(path: &Path, secret: &SecretString) -> std::result::Result<(), Failure> {
    write_private(path, secret.expose_secret().as_bytes()).map_err(Failure::reach)
}
