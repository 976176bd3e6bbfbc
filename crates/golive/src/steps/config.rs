//! 5.2, 1.2: the production environment against the rules: keys, modes, origins, addresses, pools, file modes.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use golive_deploy::{ConfigRules, PoolLimits, Settings, Severity, check_config};
use golive_sandbox::{ProcessSpec, run_to_end};
use sqlx::{Connection, Row};

use super::environment::environment_file;
use super::settled::{set_aside, tell, waived};
use crate::config::fetch_kept;
use crate::context::Context;
use crate::step::{About, Doing, Plan, Proof, Step, StepError, Witness};

pub(crate) struct ProductionConfig;

#[async_trait]
impl Step for ProductionConfig {
    fn about(&self) -> About {
        About::new("config", 5, "Check the production configuration")
            .checklist(&["0.1", "1.2", "5.2", "gate"])
            .after(&["environment"])
            .supplies(&["config.errors", "config.warnings"])
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        Ok(Plan::line(format!("check every variable of {}", environment_file(context).display())))
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let path = environment_file(context);
        if !path.exists() {
            return Err(StepError::unknown(
                "there is no production environment yet: step `environment` writes it",
            ));
        }
        let mut settings = Settings::parse_env_file(&path).doing("read the production environment")?;
        let mut not_fetched = Vec::new();
        if context.config.deploy.fetch_secrets {
            not_fetched = fetch_kept(&mut settings, &context.config.deploy.variables, None);
        }
        let mut report = check_config(&settings, &rules(context).await?);
        report.not_fetched(not_fetched);
        let today = context.now().date_naive();
        context.config.deploy.hold(&mut report.findings, true, today).doing("apply waivers and ruleset")?;
        let mut seen = Witness::new(path.display().to_string(), context.now());
        seen.saw("config.variables", report.variables)
            .saw("config.errors", report.count(Severity::Error))
            .saw("config.warnings", report.count(Severity::Warning))
            .saw("config.waived", waived(&report.findings, Severity::Warning))
            .saw("config.set_aside", set_aside(&report.findings, Severity::Warning))
            .saw("config.not_checked", report.not_checked.clone());
        for open in &report.not_checked {
            seen.could_not(open.clone());
        }
        for finding in report.findings.iter().filter(|finding| finding.severity != Severity::Note) {
            tell(&mut seen, finding);
        }
        Ok(seen.done())
    }
}

async fn rules(context: &Context) -> Result<ConfigRules, StepError> {
    let mut rules = ConfigRules::production();
    let config = &context.config;
    rules.names = config.deploy.variables.clone();
    for file in &config.deploy.example_environment {
        let path = config.path(file);
        let text = std::fs::read_to_string(&path).doing(format!("read {}", path.display()))?;
        rules.examples.push(Settings::parse_env_text(&path.display().to_string(), &text));
    }
    rules.known_names = config.environment.keys().chain(&config.deploy.known_variables).cloned().collect();
    rules.tracked = Some(std::sync::Arc::new(is_tracked));
    rules.pool = Some(PoolLimits::new(config.target.instances.unwrap_or(1), max_connections(context).await?));
    Ok(rules)
}

/// Whether git holds the file; nothing when git cannot say.
fn is_tracked(file: &Path) -> Option<bool> {
    let folder = file.parent()?;
    let ask = |words: &[&str]| {
        let git = ProcessSpec::new("git").argument("-C").argument(folder).arguments(words.to_vec());
        run_to_end(git, Duration::from_secs(10)).ok().and_then(|ended| ended.status.code())
    };
    match ask(&["rev-parse", "--is-inside-work-tree"])? {
        0 => Some(ask(&["ls-files", "--error-unmatch", "--", file.to_str()?])? == 0),
        // 128: no repository there, so nothing holds it.
        128 => Some(false),
        _ => None,
    }
}

async fn max_connections(context: &Context) -> Result<u32, StepError> {
    use secrecy::ExposeSecret;
    let url = context.target()?;
    let mut connection =
        sqlx::MySqlConnection::connect(url.expose_secret()).await.doing("ask MariaDB for max_connections")?;
    let row = sqlx::query("SELECT CAST(@@max_connections AS UNSIGNED)")
        .fetch_one(&mut connection)
        .await
        .doing("ask MariaDB for max_connections")?;
    let limit: u64 = row.try_get(0).doing("read max_connections")?;
    Ok(u32::try_from(limit).unwrap_or(u32::MAX))
}
