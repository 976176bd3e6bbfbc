//! `deploy render`: deployment files from golive.toml. What they say is golive-deploy's business; here they are shown,
//! compared with what is there, or written, never over another file unless told so.

use std::path::{Path, PathBuf};

use golive::Config;
use golive_deploy::{
    Language, NginxOptions, Service, Variable, render_compose, render_dockerfile, render_environment,
    render_nginx, render_unit,
};
use serde_json::json;

use crate::args::{Format, Global};
use crate::commands::support::{read_if_there, show};
use crate::exit::{End, Failure, Result};
use crate::{commands, output};

/// What can be rendered.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Render {
    /// One site for nginx: TLS that is graded A+, security headers, a redirect from plain http.
    Nginx(NginxArgs),
    /// A Dockerfile: two stages, no root, no secret, a health check.
    Dockerfile(ServiceArgs),
    /// A composition of proxy, application, MariaDB and Redis, of which only the proxy can be reached.
    Compose(ServiceArgs),
    /// A systemd unit that may do what a web service needs and nothing else.
    Unit(ServiceArgs),
    /// A template of the production environment: every variable, and no secret.
    Env(ServiceArgs),
}

/// Where it goes.
#[derive(Debug, clap::Args)]
struct Destination {
    /// Write it to a file instead of stdout; a file that is there and differs is left alone.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Show what would change in the file of --output, and write nothing; ready is no difference.
    #[arg(long, requires = "output")]
    diff: bool,
    /// Write over what is there. Look at --diff first.
    #[arg(long, requires = "output", conflicts_with = "diff")]
    overwrite: bool,
}

/// What the site is made of.
#[derive(Debug, clap::Args)]
pub(crate) struct NginxArgs {
    /// A public name; the first is the main one. Those of `[tls]` in golive.toml unless given.
    #[arg(long, value_name = "NAME")]
    server_name: Vec<String>,
    /// The application.
    #[arg(long, value_name = "HOST:PORT")]
    upstream: String,
    /// Path of the certificate with its chain.
    #[arg(long, value_name = "FILE")]
    certificate: String,
    /// Path of the certificate's private key.
    #[arg(long, value_name = "FILE")]
    key: String,
    /// Where plain http is answered with a redirect.
    #[arg(long, default_value_t = 80, value_name = "PORT")]
    http_port: u16,
    /// Where https is answered.
    #[arg(long, default_value_t = 443, value_name = "PORT")]
    https_port: u16,
    /// Listen on this address only; on all of them unless given.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<std::net::IpAddr>,
    /// The folder of `golive tls obtain --webroot`, served for the authority over plain http.
    #[arg(long, value_name = "DIR")]
    acme_root: Option<String>,
    #[command(flatten)]
    destination: Destination,
}

/// What the service is, beyond golive.toml.
#[derive(Debug, clap::Args)]
pub(crate) struct ServiceArgs {
    /// Its name: lower-case letters, digits and dashes; the application's name unless given.
    #[arg(long)]
    name: Option<String>,
    /// What it is written in.
    #[arg(long, value_enum)]
    language: LanguageName,
    /// The port it listens on.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Most memory, in MiB.
    #[arg(long, default_value_t = 512, value_name = "MIB")]
    memory: u32,
    #[command(flatten)]
    destination: Destination,
    /// The program and its arguments, after `--`; `commands.serve` of golive.toml unless given.
    #[arg(last = true)]
    command: Vec<String>,
}

/// The languages.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum LanguageName {
    Rust,
    Python,
    Node,
}

pub(crate) fn run(global: &Global, render: &Render) -> Result {
    let config = commands::config_or_nothing(global)?;
    let (kind, destination, text) = match render {
        Render::Nginx(args) => ("nginx", &args.destination, nginx(&config, args)),
        Render::Dockerfile(args) => {
            ("dockerfile", &args.destination, render_dockerfile(&service(&config, args)))
        }
        Render::Compose(args) => ("compose", &args.destination, render_compose(&service(&config, args))),
        Render::Unit(args) => ("unit", &args.destination, render_unit(&service(&config, args))),
        Render::Env(args) => ("env", &args.destination, render_environment(&service(&config, args))),
    };
    deliver(global, kind, &text.map_err(Failure::usage)?, destination)
}

fn nginx(config: &Config, args: &NginxArgs) -> std::result::Result<String, golive_deploy::RenderError> {
    let tls = config.tls.as_ref();
    let names = match (args.server_name.is_empty(), tls) {
        (true, Some(tls)) => tls.server_names.clone(),
        _ => args.server_name.clone(),
    };
    let mut options = NginxOptions::new(names, &args.upstream, &args.certificate, &args.key);
    options.http_port = args.http_port;
    options.https_port = args.https_port;
    options.listen_address = args.listen.map(|address| address.to_string());
    options.acme_root.clone_from(&args.acme_root);
    if let Some(policy) = tls.and_then(|tls| tls.content_security_policy.clone()) {
        options.content_security_policy = policy;
    }
    options.hsts_seconds = tls.and_then(|tls| tls.hsts_seconds).unwrap_or(options.hsts_seconds);
    render_nginx(&options)
}

/// The service as golive.toml describes it. What golive fills in itself, whoever deploys must give.
fn service(config: &Config, args: &ServiceArgs) -> Service {
    let language = match args.language {
        LanguageName::Rust => Language::Rust,
        LanguageName::Python => Language::Python,
        LanguageName::Node => Language::Node,
    };
    let name = args.name.clone().unwrap_or_else(|| plain(&config.application.name));
    let mut command = args.command.clone();
    if command.is_empty() {
        command = config.application.commands.serve.clone().unwrap_or_default();
    }
    let mut service = Service::new(name, language, command, args.port);
    service.live_path = config.http.live.clone().unwrap_or(service.live_path);
    service.ready_path = config.http.ready.clone();
    service.memory_mebibytes = args.memory;
    let listens = format!("0.0.0.0:{}", args.port);
    let variable = |(name, value): (&String, &String)| {
        let value = value.replace("{bind}", &listens).replace("{port}", &args.port.to_string());
        if value.contains('{') { Variable::required(name) } else { Variable::fixed(name, value) }
    };
    service.variables = config.environment.iter().map(variable).collect();
    service
}

/// `Production tracking` as `production-tracking`.
fn plain(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
}

fn deliver(global: &Global, kind: &str, text: &str, to: &Destination) -> Result {
    let Some(path) = &to.output else {
        match global.format {
            Format::Json => show(global, &json!({ kind: text }), String::new),
            Format::Text => output::print(text),
        }
        return Ok(End::Ready);
    };
    let there = read_if_there(path)?;
    if to.diff {
        let before = there.unwrap_or_default();
        let shown = difference(&before, text, path);
        show(global, &json!({ "file": path, "differs": before != *text, "diff": shown }), || {
            if before == text { format!("{} is as rendered", path.display()) } else { shown.clone() }
        });
        return Ok(if before == text { End::Ready } else { End::NotReady });
    }
    match there {
        Some(there) if there == text => {}
        Some(_) if !to.overwrite => {
            return Err(Failure::usage(format!(
                "write {}: it is there and differs; look with --diff, then give --overwrite",
                path.display()
            )));
        }
        _ => std::fs::write(path, text)
            .map_err(|error| Failure::reach(format!("write {}: {error}", path.display())))?,
    }
    show(global, &json!({ "file": path }), || format!("written to {}", path.display()));
    Ok(End::Ready)
}

/// A unified difference, as `diff -u` writes it.
fn difference(before: &str, after: &str, path: &Path) -> String {
    let name = path.display().to_string();
    let changes = similar::TextDiff::from_lines(before, after);
    changes.unified_diff().header(&name, &format!("{name} (rendered)")).to_string().trim_end().to_owned()
}
