//! `schema check` and the scaffold for a drift: what needs a disposable server.

use golive_migrate::{
    DisposableServer, Migrations, Scaffold, prove_migrations, schema_drift, schema_lint, schema_scaffold,
};
use golive_sandbox::{MariaDb, MariaDbOptions};
use serde_json::json;

use super::{Place, end, text};
use crate::args::Global;
use crate::commands::migrate::failure::ToFailure;
use crate::commands::support::{Meter, blocking, show};
use crate::exit::{Failure, Result};

pub(super) async fn run(global: &Global, place: &Place) -> Result {
    let migrations = place.read(global).await?;
    let options = if place.names_target(global)? { Some(place.options(global)?) } else { None };
    let meter = Meter::new(global, "starting a disposable server");
    let (mariadb, server) = start().await?;
    meter.say("running every migration up, down and up again");
    let proof = prove_migrations(&migrations, &server).await.map_err(ToFailure::failure)?;
    let (mut drift, mut lint) = (None, None);
    if let Some(options) = &options {
        meter.say("comparing the live schema with its migrations");
        let found = schema_drift(&migrations, options, &server).await.map_err(ToFailure::failure)?;
        meter.say("trying what is pending");
        lint = Some(schema_lint(&migrations, options, &found, &server).await.map_err(ToFailure::failure)?);
        drift = Some(found);
    }
    blocking(move || drop(mariadb)).await;
    meter.clear();
    let mut findings = proof.findings.clone();
    findings.extend(drift.iter().flat_map(|drift| drift.findings.iter().cloned()));
    findings.extend(lint.iter().flat_map(|lint| lint.findings.iter().cloned()));
    // One migration may fail in the proof and in the trial.
    findings.dedup();
    findings.sort_by_key(|finding| finding.weight);
    let accept = place.accept.iter().cloned().collect();
    let value = json!({ "proof": proof, "drift": drift, "lint": lint, "findings": findings });
    show(global, &value, || text::check(&proof, drift.as_ref(), lint.as_ref(), &findings));
    Ok(end(global, &findings, &accept))
}

/// The statements for the drift; none where there is no drift.
pub(super) async fn scaffold(
    global: &Global,
    place: &Place,
    migrations: &Migrations,
    name: &str,
) -> std::result::Result<Option<Scaffold>, Failure> {
    let options = place.options(global)?;
    let meter = Meter::new(global, "starting a disposable server");
    let (mariadb, server) = start().await?;
    meter.say("comparing the live schema with its migrations");
    let drift = schema_drift(migrations, &options, &server).await.map_err(ToFailure::failure)?;
    let scaffold = if drift.deviations.is_empty() {
        None
    } else {
        meter.say("trying the statements");
        Some(schema_scaffold(migrations, &drift, name, &server).await.map_err(ToFailure::failure)?)
    };
    blocking(move || drop(mariadb)).await;
    meter.clear();
    if scaffold.is_none()
        && let Some(finding) = drift.findings.first()
    {
        return Err(Failure::usage(format!("compare the live schema with its migrations: {finding}")));
    }
    Ok(scaffold)
}

async fn start() -> std::result::Result<(MariaDb, DisposableServer), Failure> {
    let mut options = MariaDbOptions::new();
    options.databases = vec![DATABASE.to_owned()];
    let mariadb = blocking(move || MariaDb::start(&options)).await.map_err(Failure::reach)?;
    let server =
        DisposableServer::dangerous_claim(mariadb.url(DATABASE).into()).await.map_err(ToFailure::failure)?;
    Ok((mariadb, server))
}

const DATABASE: &str = "golive_schema";
