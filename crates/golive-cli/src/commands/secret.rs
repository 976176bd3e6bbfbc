//! `secret`: keys that an application signs with. A key is printed only when that was asked for.

mod ring;

use std::path::PathBuf;

use golive_auth::{KeyAlgorithm, KeyFile, SecretKey, WriteKeyFileError};
use golive_deploy::{Settings, SettingsError};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::args::Global;
use crate::commands::support::show;
use crate::exit::{End, Failure, Result};
use crate::{clock, commands, output};

/// What can be done with keys.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Make a new key, from the operating system's randomness.
    Generate(GenerateArgs),
    /// Judge a key; it is never printed.
    Check(CheckArgs),
    /// Replace the signing key: its old tokens end at once, or are let run out.
    Rotate(ring::RotateArgs),
}

/// Where the new key goes.
#[derive(Debug, clap::Args)]
pub(crate) struct GenerateArgs {
    #[command(flatten)]
    place: NewPlace,
    /// How the keys of the ring sign.
    #[arg(long, value_enum, default_value = "hs256", requires = "ring")]
    algorithm: ring::Algorithm,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct NewPlace {
    /// Write it to this new file, readable by its owner only.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write a key ring with it to this new file: several keys, which running instances follow when they are rotated.
    #[arg(long, value_name = "FILE")]
    ring: Option<PathBuf>,
    /// Print it to stdout; mind who looks, and the terminal's memory.
    #[arg(long)]
    show: bool,
}

/// Where the key is.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    place: Place,
    /// Example files of the application, in which the key must not stand; besides those of golive.toml.
    #[arg(long, value_name = "FILE")]
    example: Vec<PathBuf>,
    /// Name of the variable, where the file is an env file.
    #[arg(long, default_value = "SECRET_KEY", value_name = "NAME")]
    variable: String,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Place {
    /// A file with the key alone, or an env file.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// An environment variable.
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// A key ring; its public keys are in the JSON.
    #[arg(long, value_name = "FILE")]
    ring: Option<PathBuf>,
}

pub(crate) fn run(global: &Global, command: Command) -> Result {
    match command {
        Command::Generate(args) => generate(global, &args),
        Command::Check(args) => check(global, &args),
        Command::Rotate(args) => ring::rotate(global, &args),
    }
}

fn generate(global: &Global, args: &GenerateArgs) -> Result {
    if let Some(path) = &args.place.ring {
        return ring::generate(global, path, KeyAlgorithm::from(args.algorithm));
    }
    let key = SecretKey::generate();
    let length = key.dangerous_expose().chars().count();
    let Some(path) = &args.place.output else {
        show(
            global,
            &json!({ "key": key.dangerous_expose(), "length": length, "fingerprint": key.fingerprint() }),
            || key.dangerous_expose().to_owned(),
        );
        return Ok(End::Ready);
    };
    let file = KeyFile::create_key(path, &key).map_err(|error| match error {
        WriteKeyFileError::Io { .. } => Failure::reach(error),
        _ => Failure::usage(error),
    })?;
    show(global, &json!({ "file": file.path, "length": length, "fingerprint": key.fingerprint() }), || {
        format!(
            "a key of {length} characters is in {} (0600), fingerprint {}",
            file.path.display(),
            key.fingerprint()
        )
    });
    Ok(End::Ready)
}

fn check(global: &Global, args: &CheckArgs) -> Result {
    if let Some(path) = &args.place.ring {
        return ring::check(global, path);
    }
    let (place, secret) = find(args)?;
    let config = commands::config_or_nothing(global)?;
    let examples: Vec<PathBuf> = config
        .deploy
        .example_environment
        .iter()
        .map(|file| config.path(file))
        .chain(args.example.iter().cloned())
        .collect();
    let judged =
        SecretKey::parse(secret.expose_secret()).and_then(|key| key.refuse_if_in(&examples).map(|()| key));
    let value = json!({
        "place": place,
        "accepted": judged.is_ok(),
        "reason": judged.as_ref().err().map(|error| golive::error_chain(error)),
        "length": secret.expose_secret().chars().count(),
        "fingerprint": judged.as_ref().ok().map(SecretKey::fingerprint),
    });
    show(global, &value, || match &judged {
        Ok(key) => format!("the key in {place} is strong, fingerprint {}", key.fingerprint()),
        Err(error) => {
            format!("the key in {place} must not be used: golive does not {}", golive::error_chain(error))
        }
    });
    Ok(if judged.is_ok() { End::Ready } else { End::NotReady })
}

fn find(args: &CheckArgs) -> std::result::Result<(String, SecretString), Failure> {
    if let Some(name) = &args.place.env {
        let value = clock::environment(name);
        let value = value.ok_or_else(|| {
            Failure::usage(format!("find environment variable {name}: set it, then try again"))
        })?;
        return Ok((name.clone(), value.into()));
    }
    let path = args.place.file.as_ref().expect("the group demands one of them");
    let settings = Settings::parse_env_file(path).map_err(|error: SettingsError| Failure::reach(error))?;
    if let Some(value) = settings.get(&args.variable) {
        return Ok((format!("{} of {}", args.variable, path.display()), value.to_owned().into()));
    }
    let text = std::fs::read_to_string(path).map_err(Failure::reach)?;
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    match (lines.next(), lines.next()) {
        (Some(line), None) => Ok((path.display().to_string(), line.to_owned().into())),
        _ => {
            output::complain(&format!(
                "{} is neither a key alone nor an env file with {}",
                path.display(),
                args.variable
            ));
            Err(Failure::usage(format!(
                "find a key in {}: name its variable with --variable",
                path.display()
            )))
        }
    }
}
