//! `init`: a first golive.toml, written by looking at the application's SQLite file.
//!
//! Not here: reading the file (golive-migrate), and what the sections mean (golive).

mod guess;

use std::path::PathBuf;

use golive::Config;
use golive_migrate::{Source, SurveyOptions, survey};
use serde_json::json;

use crate::args::Global;
use crate::commands::support::{Meter, blocking, show};
use crate::exit::{End, Failure, Result};

/// What `init` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The application's SQLite file.
    #[arg(long, value_name = "FILE")]
    source: PathBuf,
    /// What the application is called; guessed from the folder unless given.
    #[arg(long)]
    name: Option<String>,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result {
    let path = &global.config;
    if path.exists() {
        return Err(Failure::usage(format!(
            "write {}: it exists already; edit it, or move it away first",
            path.display()
        )));
    }
    let directory = std::path::absolute(path).map_err(Failure::reach)?;
    let directory = directory.parent().map(std::path::Path::to_owned).unwrap_or_default();
    let file = std::path::absolute(&args.source).map_err(Failure::reach)?;
    let opening = file.clone();
    let source = blocking(move || Source::open(&opening)).await.map_err(Failure::usage)?;
    let meter = Meter::new(global, "looking at the source");
    let found = survey(&source, None, &SurveyOptions::default()).await;
    meter.clear();
    let found = found.map_err(Failure::reach)?;
    let name =
        args.name.clone().or_else(|| directory.file_name().map(|name| name.to_string_lossy().into_owned()));
    let relative = file.strip_prefix(&directory).unwrap_or(&file);
    let guessed = guess::Guess::of(&found);
    let text = guess::render(&name.unwrap_or_else(|| "application".to_owned()), relative, &guessed);
    Config::parse(&text, &directory)
        .map_err(|error| Failure::usage(format!("write a golive.toml that can be read: {error}")))?;
    write_new(path, &text)?;
    let value = json!({ "file": path, "tables": found.tables.len(), "rows": found.rows(), "accounts": guessed.accounts(), "tenants": guessed.tenants() });
    show(global, &value, || {
        format!(
            "{} describes {} tables with {} rows{}\nlook through it, then: golive migrate survey, golive rehearse --source {}",
            path.display(),
            found.tables.len(),
            found.rows(),
            guessed.accounts().map(|table| format!("; accounts seem to be in `{table}`")).unwrap_or_default(),
            relative.display()
        )
    });
    Ok(End::Ready)
}

/// Refuses to replace a file even when it appeared a moment ago.
fn write_new(path: &std::path::Path, text: &str) -> std::result::Result<(), Failure> {
    use std::io::Write;
    let write = || {
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(path)?;
        file.write_all(text.as_bytes())
    };
    write().map_err(|error: std::io::Error| Failure::reach(format!("write {}: {error}", path.display())))
}
