//! A template of the production environment: every variable, and no secret.

use std::fmt::Write as _;

use super::RenderError;
use super::service::{RENDERED, Service};

/// Renders a template: what has a value in production with it, what must be given left empty, so that a check of the copy
/// names it.
///
/// # Errors
/// When an option would be misread in an environment file.
pub fn render_environment(service: &Service) -> Result<String, RenderError> {
    service.validate("environment template")?;
    let mut text = format!(
        "{RENDERED}# Copy it, fill what is empty, keep the copy at mode 0600 and out of version control, then:\n\
         #   golive deploy check-config FILE\n\n"
    );
    let (fixed, required): (Vec<_>, Vec<_>) =
        service.variables.iter().partition(|variable| variable.value.is_some());
    for variable in fixed {
        let _ = writeln!(text, "{}={}", variable.name, quoted(variable.value.as_deref().unwrap_or_default()));
    }
    text.push_str("\n# To be given:\n");
    for variable in required {
        let _ = writeln!(text, "{}=", variable.name);
    }
    Ok(text)
}

/// Quoted where a space or a sign would end the value.
fn quoted(value: &str) -> String {
    if value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.:,@+=%".contains(&byte)) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', "'\\''"))
}
