//! 5.1: Dockerfiles, compose files and nginx configurations, as they lie beside the application.

use std::path::PathBuf;

use async_trait::async_trait;
use golive_deploy::{AuditInputs, AuditKind, Severity, audit_files};

use super::settled::{set_aside, tell, waived};
use crate::context::Context;
use crate::step::{About, Doing, Plan, Proof, Step, StepError, Witness};

pub(crate) struct Containers;

#[async_trait]
impl Step for Containers {
    fn about(&self) -> About {
        About::new("containers", 5, "Audit container and proxy files")
            .checklist(&["5.1"])
            .supplies(&["deploy.errors"])
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        let files = files(context)?;
        Ok(Plan::lines(files.iter().map(|(_, path)| format!("audit {}", path.display())).collect()))
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let files = files(context)?;
        let inputs = AuditInputs::read(&files).doing("read the files to audit")?;
        let mut findings = audit_files(&inputs);
        let today = context.now().date_naive();
        context.config.deploy.hold(&mut findings, false, today).doing("apply waivers and ruleset")?;
        let counted = |severity| findings.iter().filter(move |f| f.counts() && f.severity == severity);
        let count = |severity| counted(severity).count();
        let mut seen = Witness::new(format!("{} files of the deployment", files.len()), context.now());
        seen.saw("deploy.files", files.len())
            .saw("deploy.errors", count(Severity::Error))
            .saw("deploy.warnings", count(Severity::Warning))
            .saw("deploy.waived", waived(&findings, Severity::Error))
            .saw("deploy.set_aside", set_aside(&findings, Severity::Error));
        for finding in
            findings.iter().filter(|finding| finding.severity == Severity::Error || !finding.counts())
        {
            tell(&mut seen, finding);
        }
        Ok(seen.done())
    }
}

fn files(context: &Context) -> Result<Vec<(AuditKind, PathBuf)>, StepError> {
    let config = &context.config;
    let files: Vec<_> =
        config.deploy.files().into_iter().map(|(kind, path)| (kind, config.path(path))).collect();
    if files.is_empty() {
        return Err(StepError::unknown("golive.toml names no file to audit: add [deploy]"));
    }
    Ok(files)
}
