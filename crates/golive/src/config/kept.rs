//! Fetches values that the production environment keeps elsewhere: in files, variables, or by a secret manager's command.
//! What they are worth is not decided here, and none is ever shown.

use std::path::Path;
use std::time::Duration;

use golive_deploy::{Reference, Settings, VariableNames};
use golive_sandbox::{ProcessSpec, run_to_end};
use secrecy::SecretString;

use super::setting::Setting;

/// A secret manager that takes longer is away.
const TIME_OUT: Duration = Duration::from_secs(30);
/// No secret is longer.
const MOST_BYTES: usize = 64 * 1024;

/// Looks a variable of the environment up.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Puts each value that is kept elsewhere in its place. Returns what could not be fetched and why, without any value:
/// these stay unknown to the rules. `environment` looks a variable up, where the environment may be looked at.
pub fn fetch_kept(
    settings: &mut Settings,
    names: &VariableNames,
    environment: Option<Lookup<'_>>,
) -> Vec<(String, String)> {
    let mut failed = Vec::new();
    for (name, reference) in settings.references(names) {
        match fetch(&reference, environment) {
            Ok(value) => settings.fill(&name, value),
            Err(reason) => failed.push((name, reason)),
        }
    }
    failed
}

fn fetch(reference: &Reference, environment: Option<Lookup<'_>>) -> Result<SecretString, String> {
    let setting = match reference {
        Reference::File(path) => Setting::File(path.clone()),
        Reference::Environment(name) => Setting::Environment(name.clone()),
        Reference::Command(words) => return ask(words),
        _ => return Err("this kind of reference is not known".to_owned()),
    };
    let lookup = match (environment, &setting) {
        (None, Setting::Environment(_)) => {
            return Err("only `golive deploy check-config` looks at the environment".to_owned());
        }
        (lookup, _) => lookup.unwrap_or(&|_| None),
    };
    setting.resolve(Path::new("/"), lookup).map_err(|error| error.to_string())
}

/// The first line that the command prints. Its complaints are not repeated: they may hold what it was told.
fn ask(words: &[String]) -> Result<SecretString, String> {
    let (program, arguments) = words.split_first().ok_or("the command is empty")?;
    let finished = run_to_end(ProcessSpec::new(program).arguments(arguments.to_vec()), TIME_OUT).map_err(
        |_may_hold_its_words| {
            format!("{program} could not be run to its end within {} s", TIME_OUT.as_secs())
        },
    )?;
    if !finished.status.success() {
        return Err(format!("{program} failed ({}): run the command by hand", finished.status));
    }
    match finished.output.lines().next().map(str::trim) {
        Some(line) if !line.is_empty() && line.len() <= MOST_BYTES => Ok(SecretString::from(line.to_owned())),
        _ => Err(format!("{program} printed no value")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn nothing(_name: &str) -> Option<String> {
        None
    }

    #[test]
    fn each_kind_is_fetched_and_nothing_is_run_by_a_shell() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "of the file\nand more").unwrap();
        let path = file.path().display().to_string();
        let mut settings = Settings::from_pairs([
            ("A".to_owned(), format!("file:{path}")),
            ("B".to_owned(), "env:OTHER".to_owned()),
            ("C".to_owned(), "command:printf '%s\\n' 'of the $HOME; command'".to_owned()),
            ("SECRET_KEY_FILE".to_owned(), path.clone()),
            ("LOG_FILE".to_owned(), path),
            ("E".to_owned(), "itself".to_owned()),
        ]);
        let environment = |name: &str| (name == "OTHER").then(|| "of the variable".to_owned());
        assert_eq!(fetch_kept(&mut settings, &VariableNames::default(), Some(&environment)), Vec::new());
        let values = ["A", "B", "C", "SECRET_KEY", "E"].map(|name| settings.get(name).unwrap_or_default());
        assert_eq!(
            values,
            ["of the file", "of the variable", "of the $HOME; command", "of the file", "itself"]
        );
    }

    #[test]
    fn what_cannot_be_fetched_is_told_without_a_word_of_it() {
        let mut settings = Settings::from_pairs([
            ("A", "file:/nowhere/key"),
            ("B", "env:OTHER"),
            ("C", "command:false PLANTED"),
            ("D", "command:/nowhere/program PLANTED"),
            ("E", "command:true"),
            ("F", "command:sh -c 'echo PLANTED >&2; exit 3'"),
        ]);
        let failed = fetch_kept(&mut settings, &VariableNames::default(), Some(&nothing));
        assert_eq!(
            failed.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["A", "B", "C", "D", "E", "F"]
        );
        assert!(!format!("{failed:?}").contains("PLANTED"), "{failed:?}");
        assert_eq!(settings.references(&VariableNames::default()).len(), 6, "they stay unknown");
    }
}
