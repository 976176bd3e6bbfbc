//! `serve`: the console in a browser, and who may log in to it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::ValueEnum;
use golive_server::{Acts, OperatorsFile, ServeError, ServerOptions, TlsFiles};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::args::{Format, Global};
use crate::commands::support;
use crate::exit::{End, Failure, Result};
use crate::{clock, commands, output};

/// What `serve` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Where to listen. On an address that others reach it takes --certificate, --key and an operator.
    #[arg(long, default_value = "127.0.0.1:8330", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// The certificate chain to serve with, PEM.
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// Its private key, PEM.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// A name by which browsers reach the console, with its port: `golive.example:8330`. Requests to other names are refused.
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
    /// A proxy in front speaks TLS to browsers: cookies are for TLS only.
    #[arg(long)]
    behind_tls: bool,
    /// The file of operators; `operators.json` in the folder of runs unless given.
    #[arg(long, value_name = "FILE")]
    operators: Option<PathBuf>,
    /// Let somebody log in, print the password that is made for them, once, and end.
    #[arg(long, value_name = "NAME", conflicts_with = "remove_operator")]
    add_operator: Option<String>,
    /// What the added operator may do.
    #[arg(long, value_enum, default_value_t = Role::Viewer, requires = "add_operator")]
    role: Role,
    /// Let somebody log in no more, and end; running sessions of theirs end too.
    #[arg(long, value_name = "NAME")]
    remove_operator: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  golive serve                                       on this machine; the link that it prints lets in once
  golive serve --add-operator rosa --role operator   somebody who logs in by name and password
  golive serve --listen 192.0.2.7:8330 --certificate chain.pem --key key.pem --host golive.example:8330";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    /// Looks.
    Viewer,
    /// Looks and acts.
    Operator,
}

impl From<Role> for golive_server::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Viewer => Self::Viewer,
            Role::Operator => Self::Operator,
        }
    }
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result {
    let config = commands::config_or_nothing(global)?;
    let mut options = ServerOptions::new(commands::runs(global, &config));
    let operators = args.operators.clone().unwrap_or_else(|| options.base.join("operators.json"));
    let file = OperatorsFile::new(operators.clone());
    if let Some(name) = &args.add_operator {
        return add(global, &file, name, args.role);
    }
    if let Some(name) = &args.remove_operator {
        file.remove(name).map_err(Failure::usage)?;
        support::show(global, &json!({ "removed": name }), || format!("{name} may not log in any more"));
        return Ok(End::Ready);
    }
    options.listen = args.listen;
    options.operators = Some(operators);
    options.hosts.clone_from(&args.hosts);
    options.behind_tls = args.behind_tls;
    options.policy = config.gate.clone();
    // Without a golive.toml there is nothing to run.
    let acts = global.config.exists().then(|| Acts::of_file(&global.config, clock::environment));
    options.acts = acts.transpose().map_err(Failure::usage)?;
    // The link is for whoever sits here: a pipe or a log would keep it.
    options.entry_link = output::is_terminal();
    if let (Some(certificate), Some(key)) = (&args.certificate, &args.key) {
        options.tls = Some(TlsFiles::new(certificate.clone(), key.clone()));
    }
    let server = golive_server::bind(&options).await.map_err(failure)?;
    // Before anybody is told that it is there: whoever is told may end it.
    let cancel = support::cancel_when_ended("ending the console");
    match (global.format, server.entry_url()) {
        (Format::Json, _) => output::print_json(&json!({ "schema_version": 1, "url": server.url() })),
        (Format::Text, Some(link)) => output::print(&format!(
            "the console: {}\nopen this once to get in: {}\n(Ctrl-C ends)",
            server.url(),
            link.expose_secret()
        )),
        (Format::Text, None) => output::print(&format!(
            "the console: {} (operators log in; `golive serve --add-operator NAME` adds one; Ctrl-C ends)",
            server.url()
        )),
    }
    server.serve(async move { cancel.cancelled().await }).await;
    Ok(End::Ready)
}

fn add(global: &Global, file: &OperatorsFile, name: &str, role: Role) -> Result {
    let made = file.add(name, role.into(), clock::now()).map_err(Failure::usage)?;
    let password = made.password.expose_secret();
    let path = file.path().display().to_string();
    let value = json!({ "added": name, "password": password, "file": path });
    support::show(global, &value, || {
        format!(
            "{name} may log in with this password, which is shown once and stands nowhere:\n{password}\nwritten to {path}"
        )
    });
    Ok(End::Ready)
}

fn failure(error: ServeError) -> Failure {
    match error {
        ServeError::NeedsTls { .. } | ServeError::NeedsOperators { .. } | ServeError::NeedsHost { .. } => {
            Failure::usage(error)
        }
        error => Failure::reach(error),
    }
}
