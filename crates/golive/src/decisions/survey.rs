//! The survey of the source outside of any run, with what may be decided about each finding.
//!
//! Not here: writing a decision down (`edit`).

use std::collections::BTreeSet;

use golive_migrate::{
    ConnectTargetError, Finding, OpenSourceError, Plan, PlanError, PlanOptions, Policy, Severity, Source,
    SurveyError, Target, TargetOptions, survey, survey_rules,
};
use serde::Serialize;
use thiserror::Error;

use crate::config::{Config, SettingError};

/// What a survey found.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Surveyed {
    /// The file that was read.
    pub source: String,
    /// `host:port/database` of the target that it was held against.
    pub target: String,
    /// Tables that will move.
    pub tables: usize,
    /// Rows of them all.
    pub rows: u64,
    /// What was found, the gravest first.
    pub findings: Vec<SurveyedFinding>,
    /// Why there can be no plan although nothing that was found blocks one.
    pub refused: Option<String>,
}

/// One finding, and what may be decided about it.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct SurveyedFinding {
    /// Its kind, `MIG-…`.
    pub id: &'static str,
    /// What kind of thing it is, in a few words.
    pub title: &'static str,
    /// What happens if nothing is decided.
    pub why: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// Whether it keeps the plan from being made, with what is decided so far.
    pub blocks: bool,
    /// `table.column`, `table`, or `database`.
    pub place: String,
    /// How a policy names it: `ID:table.column`.
    pub selector: String,
    /// How many rows or objects.
    pub count: u64,
    /// Keys of such rows, a few.
    pub keys: Vec<String>,
    /// What was found.
    pub what: String,
    /// What to do next.
    pub remedy: String,
    /// What is decided about it.
    pub policy: Option<Policy>,
    /// What may be decided about it; whether it settles the finding shows a survey with it.
    pub offers: &'static [Policy],
}

impl Surveyed {
    /// How many findings keep the plan from being made.
    #[must_use]
    pub fn blocking(&self) -> usize {
        self.findings.iter().filter(|finding| finding.blocks).count()
    }

    /// The finding that a policy of this selector speaks of.
    #[must_use]
    pub fn finding(&self, selector: &str) -> Option<&SurveyedFinding> {
        self.findings.iter().find(|finding| finding.selector == selector)
    }
}

/// Why the source could not be surveyed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SurveySourceError {
    /// golive.toml does not say which file.
    #[error("find the source: name it as [source] sqlite in golive.toml")]
    NoSource,
    /// golive.toml does not say which database.
    #[error("find the target: name it as [target] url in golive.toml")]
    NoTarget,
    /// The target's address is not to be found.
    #[error("find the target's address")]
    Address(#[source] SettingError),
    /// The source cannot be opened.
    #[error("open the source")]
    Open(#[source] OpenSourceError),
    /// The target cannot be reached.
    #[error("connect to the target")]
    Connect(#[source] ConnectTargetError),
    /// The survey did not come to its end.
    #[error("survey the source")]
    Survey(#[source] SurveyError),
}

/// Reads the source once, and the target's settings, and changes neither.
///
/// # Errors
/// When one of them cannot be looked at; what was found is no error.
pub async fn survey_source(
    config: &Config,
    environment: &(dyn Fn(&str) -> Option<String> + Sync),
) -> Result<Surveyed, SurveySourceError> {
    let path = config.source.sqlite.as_deref().ok_or(SurveySourceError::NoSource)?;
    let path = config.path(path);
    let url = config.target.url.as_ref().ok_or(SurveySourceError::NoTarget)?;
    let url = url.resolve(&config.directory, environment).map_err(SurveySourceError::Address)?;
    let opened = path.clone();
    let open = tokio::task::spawn_blocking(move || Source::open(&opened)).await;
    let source = open.expect("opening a source does not panic").map_err(SurveySourceError::Open)?;
    let target = Target::connect(&TargetOptions::new(url)).await.map_err(SurveySourceError::Connect)?;
    let options = config.migrate.survey_options();
    let survey = survey(&source, Some(&target), &options).await.map_err(SurveySourceError::Survey)?;
    let (blocking, refused) = match Plan::new(&survey, &PlanOptions::default()) {
        Ok(_) => (BTreeSet::new(), None),
        Err(PlanError::Blocked(findings)) => (findings.iter().map(Finding::selector).collect(), None),
        Err(error) => (BTreeSet::new(), Some(crate::error_chain(&error))),
    };
    Ok(Surveyed {
        source: path.display().to_string(),
        target: target.display_name(),
        tables: survey.tables.len(),
        rows: survey.rows(),
        findings: survey.findings.iter().map(|finding| of(finding, &blocking)).collect(),
        refused,
    })
}

fn of(finding: &Finding, blocking: &BTreeSet<String>) -> SurveyedFinding {
    let rule = survey_rules().iter().find(|rule| rule.id == finding.id);
    let selector = finding.selector();
    SurveyedFinding {
        id: finding.id,
        title: rule.map_or("", |rule| rule.title),
        why: rule.map_or("", |rule| rule.why),
        severity: finding.severity,
        blocks: blocking.contains(&selector),
        place: finding.place(),
        count: finding.count,
        keys: finding.keys.clone(),
        what: finding.what.clone(),
        remedy: finding.remedy.clone(),
        policy: finding.policy,
        offers: finding.offers,
        selector,
    }
}
