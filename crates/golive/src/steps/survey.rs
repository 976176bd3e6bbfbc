//! 1.1: everything that would go wrong, found before anything is touched.

use async_trait::async_trait;
use golive_migrate::{Policy, Severity};

use super::migrating::{connect_target, open_source, surveyed};
use crate::context::Context;
use crate::step::{About, Plan, Proof, Step, StepError, Witness};

pub(crate) struct Survey;

#[async_trait]
impl Step for Survey {
    fn about(&self) -> About {
        About::new("survey", 1, "Survey the SQLite source").checklist(&["1.1"]).once_ended(&["baseline"])
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        // A wrong file or an unreachable server is told before anything starts.
        open_source(context).await?;
        let target = connect_target(context).await?;
        Ok(Plan::line(format!(
            "read {} once, against {}",
            context.source()?.display(),
            target.display_name()
        )))
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let survey = surveyed(context).await?;
        let mut seen = Witness::new(context.source()?.display().to_string(), context.now());
        let count = |severity| survey.findings.iter().filter(|finding| finding.severity == severity).count();
        seen.saw("survey.tables", survey.tables.len())
            .saw("survey.rows", survey.rows())
            .saw("survey.blocking", count(Severity::Blocks))
            .saw("survey.changing", count(Severity::ChangesData))
            .saw("survey.notes", count(Severity::Note));
        for finding in survey.findings.iter().filter(|finding| finding.severity == Severity::Blocks) {
            if finding.policy != Some(Policy::Accept) {
                seen.finds(finding.to_string());
            }
        }
        Ok(seen.done())
    }
}
