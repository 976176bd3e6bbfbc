//! Rules about `Cargo.toml` files: every dependency with its reason, every crate under the same lints.

use super::{Finding, TextFile};

pub(super) fn check(files: &[TextFile]) -> Vec<Finding> {
    let manifests =
        files.iter().filter(|file| file.path == "Cargo.toml" || file.path.ends_with("/Cargo.toml"));
    manifests.flat_map(|file| reasons(file).into_iter().chain(lints(file))).collect()
}

fn reasons(file: &TextFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut section = String::new();
    let mut lines = file.text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        if let Some(name) = line.trim().strip_prefix('[') {
            section = name.split(']').next().unwrap_or_default().to_owned();
            if section.contains("dependencies.") && !section.starts_with("workspace.dependencies.") {
                findings.push(Finding::new(
                    &file.path,
                    index + 1,
                    "write the dependency on one line, with its reason",
                ));
            }
            continue;
        }
        if !section.ends_with("dependencies") || !line.contains('=') || line.trim_start().starts_with('#') {
            continue;
        }
        let mut entry = line.to_owned();
        while !closed(&entry) {
            let Some((_, more)) = lines.next() else { break };
            entry.push('\n');
            entry.push_str(more);
        }
        if needs_reason(&entry) && !entry.lines().any(|line| reason_of(line).is_some()) {
            let name = line.split('=').next().unwrap_or_default().trim();
            let text = format!("say why `{name}` is here: `# …` at the end of its line");
            findings.push(Finding::new(&file.path, index + 1, text));
        }
    }
    findings
}

/// Whether every bracket that opens is closed.
fn closed(entry: &str) -> bool {
    let count = |c| entry.matches(c).count();
    count('[') <= count(']') && count('{') <= count('}')
}

/// Our own crates and what the workspace gives a reason for need none of their own.
fn needs_reason(entry: &str) -> bool {
    let inherits = entry.contains(".workspace = true") || entry.contains("workspace = true");
    !inherits && !entry.contains("path = ")
}

/// The comment at the end of a line, where it says something. A `#` inside of quotes is none.
fn reason_of(line: &str) -> Option<&str> {
    let hash = line.match_indices('#').find(|(at, _)| line[..*at].matches('"').count().is_multiple_of(2))?.0;
    let reason = line[hash + 1..].trim();
    (!reason.is_empty()).then_some(reason)
}

fn lints(file: &TextFile) -> Option<Finding> {
    let manifest: toml::Table = match file.text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return Some(Finding::new(&file.path, 1, format!("cannot be read: {error}"))),
    };
    // One that is a workspace of its own, as a fuzz crate must be, has nothing to inherit.
    if !manifest.contains_key("package") || manifest.contains_key("workspace") {
        return None;
    }
    let inherits =
        manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool);
    (inherits != Some(true)).then(|| {
        Finding::new(&file.path, 1, "add `[lints] workspace = true`: every crate keeps the same lints")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINTS: &str = "[package]\nname = \"x\"\n[lints]\nworkspace = true\n";

    fn found(text: &str) -> Vec<String> {
        let file = TextFile { path: "crates/x/Cargo.toml".to_owned(), text: text.to_owned() };
        check(&[file]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_dependency_without_a_reason_is_found() {
        for section in
            ["dependencies", "dev-dependencies", "workspace.dependencies", "target.'cfg(unix)'.dependencies"]
        {
            let findings =
                found(&format!("[{section}]\na = \"1\"\nb = \"1\" # why\nc = {{ version = \"1\" }} #\n"));
            assert_eq!(findings.len(), 2, "{section}: {findings:?}");
            assert!(findings[0].starts_with("crates/x/Cargo.toml:2: say why `a` is here"), "{findings:?}");
        }
    }

    #[test]
    fn our_own_and_inherited_ones_need_none() {
        let text = "[dependencies]\na.workspace = true\nb = { workspace = true, optional = true }\nc = { path = \"../c\" }\n";
        assert!(found(text).is_empty());
    }

    #[test]
    fn a_hash_in_quotes_is_no_reason_and_several_lines_are_one_entry() {
        assert_eq!(found("[dependencies]\na = { version = \"1\", features = [\"#x\"] }\n").len(), 1);
        assert!(
            found("[dependencies]\na = { version = \"1\", features = [\n  \"x\",\n] } # why\n").is_empty()
        );
        assert_eq!(found("[dependencies]\na = { version = \"1\", features = [\n  \"x\",\n] }\n").len(), 1);
    }

    #[test]
    fn a_table_of_its_own_is_found() {
        assert_eq!(found("[dependencies.a]\nversion = \"1\"\n").len(), 1);
    }

    #[test]
    fn other_sections_are_not_dependencies() {
        assert!(found("[features]\na = [\"dep:b\"]\n[profile.dev]\ndebug = false\n").is_empty());
    }

    #[test]
    fn a_crate_without_the_lints_is_found() {
        assert!(found(LINTS).is_empty());
        assert_eq!(found("[package]\nname = \"x\"\n").len(), 1);
        assert_eq!(found("[package]\nname = \"x\"\n[lints]\nworkspace = false\n").len(), 1);
        assert!(found("[package]\nname = \"x\"\n[workspace]\n").is_empty());
        assert!(found("[package\n")[0].contains("cannot be read"));
    }
}
