//! 3.1: the application fails on purpose; the error tracker and the alert channel hear of it, and no secret goes along.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use golive_observe::Envelope;
use golive_sandbox::Received;

use super::session;
use crate::context::Context;
use crate::rehearsal::{ALERT_PATH, Rehearsal};
use crate::step::{About, Doing, Plan, Proof, Step, StepError, Witness};

pub(crate) struct ErrorTracking;

#[async_trait]
impl Step for ErrorTracking {
    fn about(&self) -> About {
        About::new("errors", 3, "Fail on purpose: see it captured, alerted and scrubbed")
            .checklist(&["3.1"])
            .after(&["admin-login"])
            .supplies(&["errors.captured", "errors.alerted", "errors.secrets_leaked"])
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        let request = request(context)?;
        Ok(Plan::line(format!(
            "send `{request}` with a secret in it; look at what reaches error tracker and alert channel"
        )))
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let request = request(context)?;
        let servers = Arc::clone(context.rehearsal()?);
        let endpoint = context.application().await?;
        let admin = session::sign_in_admin(context, &endpoint).await?;
        let secret = format!("planted-{}", uuid::Uuid::new_v4().simple());
        let values = session::values(context).set("secret", &secret);
        let template = context.request(request)?;
        // What arrived before this request proves nothing about it.
        let before = servers.sink.received().len();
        let answer =
            endpoint.send(template, &values, Some(&admin)).await.doing("make the application fail")?;
        let mut seen = Witness::new("the rehearsal's error tracker", context.now());
        if answer.status < 500 {
            seen.finds(format!("`{request}` was to fail, and the application answered {}", answer.status));
        }
        let (captured, alerts) = wait_for_both(&servers, before).await;
        let events: Vec<_> = captured
            .iter()
            .filter_map(|received| Envelope::parse(&received.body).ok())
            .flat_map(|found| found.events)
            .collect();
        let named =
            events.iter().filter(|event| event.release.is_some() && event.environment.is_some()).count();
        seen.saw("errors.captured", answer.status >= 500 && !events.is_empty())
            .saw("errors.events", events.len())
            .saw("errors.with_release_and_environment", named);
        seen.source("the rehearsal's alert channel").saw("errors.alerted", !alerts.is_empty());
        // Whatever is sent a little later counts as well.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let everything = servers.sink.received();
        if everything.iter().any(|received| received.headers.contains_key("content-encoding")) {
            seen.could_not("the application compresses what it reports, so a secret in it could not be seen");
            return Ok(seen.done());
        }
        let mut leaks = everything.iter().filter(|received| holds(received, &secret)).count();
        leaks += leaks_in_logs(context, &secret).doing("look for the secret in the logs")?;
        leaks += usize::from(holds_text(&answer.body, &secret));
        seen.source("everything that left the application").saw("errors.secrets_leaked", leaks);
        Ok(seen.done())
    }
}

fn request(context: &Context) -> Result<&str, StepError> {
    let errors = context.config.errors.as_ref();
    let errors = errors.ok_or_else(|| {
        StepError::unknown("golive.toml names no request that fails on purpose: add [errors]")
    })?;
    Ok(&errors.request)
}

/// What the error tracker and the alert channel have received, once both have something or patience ends.
async fn wait_for_both(servers: &Rehearsal, before: usize) -> (Vec<Received>, Vec<Received>) {
    for _ in 0..PATIENCE_STEPS {
        let (alerts, captured): (Vec<_>, Vec<_>) =
            arrived(servers, before).into_iter().partition(|received| received.path.starts_with(ALERT_PATH));
        if !alerts.is_empty() && !captured.is_empty() {
            return (captured, alerts);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let all = arrived(servers, before);
    let (alerts, captured) = all.into_iter().partition(|received| received.path.starts_with(ALERT_PATH));
    (captured, alerts)
}

fn arrived(servers: &Rehearsal, before: usize) -> Vec<Received> {
    servers.sink.received().into_iter().skip(before).collect()
}

fn holds(received: &Received, secret: &str) -> bool {
    holds_text(&received.body, secret)
        || received.path.contains(secret)
        || received.headers.values().any(|value| value.contains(secret))
}

fn holds_text(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
}

fn leaks_in_logs(context: &Context, secret: &str) -> std::io::Result<usize> {
    let mut leaks = 0;
    for entry in std::fs::read_dir(context.logs())? {
        let path = entry?.path();
        if path.is_file() && holds_text(&std::fs::read(path)?, secret) {
            leaks += 1;
        }
    }
    Ok(leaks)
}

/// Ten seconds: error trackers send in the background.
const PATIENCE_STEPS: u32 = 100;
