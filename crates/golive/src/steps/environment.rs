//! 0.1, 5.2: the production environment, rendered from `golive.toml` into a private file.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use async_trait::async_trait;

use crate::application::render;
use crate::context::Context;
use crate::placeholder::Values;
use crate::run_dir::write_private;
use crate::step::{About, Doing, Plan, Proof, Step, StepError, Witness};

pub(crate) struct Environment;

#[async_trait]
impl Step for Environment {
    fn about(&self) -> About {
        About::new("environment", 5, "Write the production environment")
            .checklist(&["0.1", "2.1", "5.2"])
            // An application that is not switched refuses to run as production does.
            .after(&["secret-key", "switch"])
    }

    async fn plan(&self, context: &Context) -> Result<Plan, StepError> {
        let templates = &context.config.environment;
        if templates.is_empty() {
            return Err(StepError::unknown("golive.toml describes no [environment]"));
        }
        let path = environment_file(context);
        let mut lines = vec![format!("write {} (0600) with", path.display())];
        lines.extend(templates.iter().map(|(name, template)| match template.starts_with('{') {
            true => format!("  {name}={template}"),
            // What stands there as it is may be a secret, whatever it is called.
            false => format!("  {name}=(as in golive.toml)"),
        }));
        Ok(Plan::lines(lines))
    }

    async fn apply(&self, context: &Context, _plan: &Plan) -> Result<(), StepError> {
        let values = file_values(context)?;
        let mut text = String::new();
        for (name, value) in render(&context.config.environment, &values).doing("fill [environment]")? {
            if value.contains(['\n', '\'']) {
                return Err(StepError::Refused(format!(
                    "{name} holds a line break or a quote: no environment file can"
                )));
            }
            text.push_str(&format!("{name}='{value}'\n"));
        }
        write_private(&environment_file(context), text.as_bytes()).doing("write the production environment")
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        if context.config.environment.is_empty() {
            return Err(StepError::unknown("golive.toml describes no [environment]"));
        }
        let path = environment_file(context);
        let mut seen = Witness::new(path.display().to_string(), context.now());
        let about = std::fs::metadata(&path).doing("look at the production environment")?;
        let mode = about.permissions().mode() & 0o777;
        seen.saw("environment.mode", format!("{mode:04o}"));
        if mode != 0o600 {
            seen.finds(format!("{} can be read by others (mode {mode:04o})", path.display()));
        }
        let text = std::fs::read_to_string(&path).doing("read the production environment")?;
        for name in context.config.environment.keys() {
            if !text.lines().any(|line| line.starts_with(&format!("{name}="))) {
                seen.finds(format!("{name} is missing in {}", path.display()));
            }
        }
        Ok(seen.done())
    }
}

/// What the file says of itself: an instance that golive starts gets its own ports and log.
fn file_values(context: &Context) -> Result<Values, StepError> {
    let logs = context.logs().join("application.json.log");
    Ok(context
        .production_values()?
        .set("bind", "127.0.0.1:8000")
        .set("port", "8000")
        .set("management_bind", "127.0.0.1:8001")
        .set("management_port", "8001")
        .set("log_file", logs.to_string_lossy()))
}

/// The production environment's file.
pub(crate) fn environment_file(context: &Context) -> PathBuf {
    context.directory.path("production.env")
}
