//! `observe`: what a running application says of itself.
//!
//! Not here: what a good health document or metrics text is (golive-observe).

mod errors;

use std::time::Duration;

use golive_observe::{HealthStatus, check_health_document, parse_metrics_text};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::json;

use crate::args::Global;
use crate::commands;
use crate::commands::support::{Meter, resolve, show};
use crate::exit::{End, Failure, Result};

/// What can be asked of a running application.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Ask the health endpoints and the metrics, and judge what they answer.
    Check(CheckArgs),
    /// The newest errors of an application's error journal.
    Errors(errors::ErrorsArgs),
    /// Send an error event to the error tracking endpoint and see whether it is taken.
    SendTestError(errors::TestErrorArgs),
    /// Send a test alert through Slack, a webhook or by mail and see whether it is taken.
    TestAlert(errors::TestAlertArgs),
}

/// Which application.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// Where health and metrics answer; `[http] management_url` or `base_url` of golive.toml unless given.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The token that deep health asks for, as env:NAME or file:PATH; `[http] deep_token` of golive.toml unless given.
    #[arg(long, value_name = "SETTING")]
    deep_token: Option<String>,
}

/// What one endpoint answered.
#[derive(Debug, Serialize)]
struct Looked {
    what: &'static str,
    path: String,
    status: u16,
    milliseconds: f64,
    fine: bool,
    says: String,
}

pub(crate) async fn run(global: &Global, command: Command) -> Result {
    match command {
        Command::Check(args) => check(global, &args).await,
        Command::Errors(args) => errors::errors(global, args).await,
        Command::SendTestError(args) => errors::send_test_error(global, args).await,
        Command::TestAlert(args) => errors::test_alert(global, args).await,
    }
}

async fn check(global: &Global, args: &CheckArgs) -> Result {
    let config = commands::config_or_nothing(global)?;
    let http = &config.http;
    let base = args.url.as_ref().or(http.management_url.as_ref()).or(http.base_url.as_ref());
    let base = base.ok_or_else(|| {
        Failure::usage("find the application: give --url, or `base_url` in [http] of golive.toml")
    })?;
    let base = url::Url::parse(base)
        .map_err(|_| Failure::usage("read the application's address: it must look like http://HOST:PORT"))?;
    let or = |path: &Option<String>, usual: &str| path.clone().unwrap_or_else(|| usual.to_owned());
    let endpoints = [
        (Kind::Live, or(&http.live, "/health/live")),
        (Kind::Ready, or(&http.ready, "/health/ready")),
        (Kind::Deep, or(&http.deep, "/health/deep")),
        (Kind::Metrics, or(&http.metrics, "/metrics")),
    ];
    let token = match (&args.deep_token, &http.deep_token) {
        (Some(given), _) => Some(errors::secret(given)?),
        (None, Some(setting)) => Some(resolve(setting, &config.directory)?),
        (None, None) => None,
    };
    let client = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build().map_err(Failure::reach)?;
    let meter = Meter::new(global, "asking the application");
    let mut all = Vec::new();
    for (kind, path) in endpoints {
        let token = token.as_ref().filter(|_| kind == Kind::Deep);
        all.push(ask(&client, &base, kind, path, token).await?);
    }
    meter.clear();
    let fine = all.iter().all(|one| one.fine);
    show(global, &json!({ "fine": fine, "endpoints": all }), || {
        let line = |one: &Looked| {
            let mark = if one.fine { "✓" } else { "✗" };
            format!(
                "  {mark} {:<8} {:<20} {} in {:.0} ms  {}",
                one.what, one.path, one.status, one.milliseconds, one.says
            )
        };
        all.iter().map(line).collect::<Vec<_>>().join("\n")
    });
    Ok(if fine { End::Ready } else { End::NotReady })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Live,
    Ready,
    Deep,
    Metrics,
}

async fn ask(
    client: &reqwest::Client,
    base: &url::Url,
    kind: Kind,
    path: String,
    token: Option<&SecretString>,
) -> std::result::Result<Looked, Failure> {
    let url = base.join(&path).map_err(|_| Failure::usage(format!("use the path {path}: it is none")))?;
    let began = std::time::Instant::now();
    let unreachable = |error: reqwest::Error| {
        Failure::reach(format!("reach {base}: is the application running there? {}", error.without_url()))
    };
    let mut request = client.get(url);
    if let Some(token) = token {
        request = request.bearer_auth(token.expose_secret());
    }
    let response = request.send().await.map_err(unreachable)?;
    let status = response.status().as_u16();
    let body = response.text().await.map_err(unreachable)?;
    let milliseconds = began.elapsed().as_secs_f64() * 1000.0;
    let judged = judge(kind, status, &body);
    let what = match kind {
        Kind::Live => "live",
        Kind::Ready => "ready",
        Kind::Deep => "deep",
        Kind::Metrics => "metrics",
    };
    let fine = judged.is_ok();
    let says = judged.unwrap_or_else(|why| why);
    Ok(Looked { what, path, status, milliseconds, fine, says })
}

fn judge(kind: Kind, status: u16, body: &str) -> std::result::Result<String, String> {
    if kind == Kind::Metrics {
        let samples = parse_metrics_text(body).map_err(|error| format!("no Prometheus text: {error}"))?;
        return if status == 200 {
            Ok(format!("{} samples", samples.len()))
        } else {
            Err(format!("answered {status}"))
        };
    }
    if kind == Kind::Deep && status == 401 {
        return Err(
            "answered 401: give its token with --deep-token env:NAME, or `deep_token` in [http]".to_owned()
        );
    }
    if kind == Kind::Deep {
        let document = serde_json::from_str(body).map_err(|_| "the answer is no JSON".to_owned())?;
        let report = check_health_document(&document).map_err(|error| golive::error_chain(&error))?;
        let parts: Vec<String> = report
            .checks
            .iter()
            .map(|check| {
                let detail = check.detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default();
                let status = match check.status {
                    HealthStatus::Up => String::new(),
                    status => format!(" {}", format!("{status:?}").to_uppercase()),
                };
                format!("{}{status} {:.0} ms{detail}", check.name, check.milliseconds)
            })
            .collect();
        return if status == 200 {
            Ok(parts.join(", "))
        } else {
            Err(format!("not healthy: {}", parts.join(", ")))
        };
    }
    if status == 200 { Ok("answers".to_owned()) } else { Err(format!("answered {status}")) }
}

const TIMEOUT: Duration = Duration::from_secs(10);
