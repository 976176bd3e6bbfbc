//! 4.2: what the application needs besides its database is backed up encrypted, and comes back as it was.

use std::path::PathBuf;

use async_trait::async_trait;
use golive_backup::{back_up_state, restore_state};

use super::backup::{folder, repository};
use super::environment::environment_file;
use crate::context::{Context, STATE_FILE};
use crate::step::{About, Doing, Plan, Proof, Step, StepError, Witness};

pub(crate) struct StateBackup;

#[async_trait]
impl Step for StateBackup {
    fn about(&self) -> About {
        About::new("state-backup", 4, "Back up provider state, environment and deployment files, encrypted")
            .checklist(&["4.2"])
            .after(&["environment", "switch"])
            .supplies(&["backup.state_encrypted"])
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        Ok(Plan::lines(files(context).iter().map(|file| format!("take {}", file.display())).collect()))
    }

    async fn apply(&self, context: &Context, _plan: &Plan) -> Result<(), StepError> {
        let manifest = back_up_state(&repository(context)?, &files(context), context.now())
            .doing("back up the application's state")?;
        context.keep_note(NEWEST, manifest.id.as_str())
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let repository = repository(context)?;
        let newest =
            context.kept_note(NEWEST)?.ok_or_else(|| StepError::unknown("no state was backed up yet"))?;
        let all = repository.list().doing("list the backups")?;
        let manifest = all.into_iter().find(|manifest| manifest.id.as_str() == newest);
        let manifest =
            manifest.ok_or_else(|| StepError::unknown("the state's backup is not in the repository"))?;
        let mut seen = Witness::new(
            format!("backup {} in {}", manifest.id.as_str(), folder(context).display()),
            context.now(),
        );
        let scratch = tempfile::tempdir().doing("make a folder to restore into")?;
        let target = scratch.path().join("restored");
        let restored = restore_state(&repository, &manifest.id, &target).doing("restore the state")?;
        let mut equal = restored.len() == files(context).len();
        for original in files(context) {
            let bytes = std::fs::read(&original).doing(format!("read {}", original.display()))?;
            equal &= restored.iter().any(|path| std::fs::read(path).is_ok_and(|found| found == bytes));
        }
        let secret = std::fs::read(environment_file(context)).doing("read the production environment")?;
        let sealed = is_sealed(context, &manifest, &secret)?;
        seen.saw("backup.state_files", restored.len())
            .saw("backup.state_equal", equal)
            .saw("backup.state_encrypted", equal && sealed);
        Ok(seen.done())
    }
}

/// No line of the environment stands in any stored byte.
fn is_sealed(
    context: &Context,
    manifest: &golive_backup::Manifest,
    secret: &[u8],
) -> Result<bool, StepError> {
    let lines: Vec<&[u8]> = secret.split(|byte| *byte == b'\n').filter(|line| line.len() > 12).collect();
    let place = folder(context).join(manifest.id.as_str());
    for part in &manifest.parts {
        let stored = std::fs::read(place.join(&part.name)).doing(format!("read {}", part.name))?;
        if lines.iter().any(|line| stored.windows(line.len()).any(|window| window == *line)) {
            return Ok(false);
        }
    }
    Ok(!manifest.recipients.is_empty())
}

fn files(context: &Context) -> Vec<PathBuf> {
    let own = [context.directory.path(STATE_FILE), environment_file(context)];
    let theirs = context.config.application.state_files.iter().map(|file| context.config.path(file));
    own.into_iter().chain(theirs).collect()
}

/// Which backup holds the state.
const NEWEST: &str = "state-backup";
