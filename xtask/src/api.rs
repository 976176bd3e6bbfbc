//! `cargo xtask api`: what each published crate offers, beside the list of it in docs/api, so that nothing comes, goes or changes
//! unseen; and from the first release on, what in it would break who embeds the release before.
//!
//! Both read rustdoc's JSON, which this compiler writes only when told that it is a nightly one. Only rustdoc is told: a build
//! script that asks would build half of the tree another way.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use public_api::Builder;
use serde_json::Value;

use crate::run::{Failure, Workspace, capture, captured, finish_on_stderr, program, say, tool};
use crate::tools::Tool;

const LISTS: &str = "docs/api";
/// It reads the JSON of this compiler, as public-api in our manifest does.
const SEMVER_CHECKS: Tool = Tool {
    package: "cargo-semver-checks",
    version: "0.51.0",
    options: &[],
    probe: &["semver-checks", "--version"],
};
/// The command: nobody embeds it.
const COMMAND: &str = "golive-cli";
const WRAPPER: &str = "#!/bin/sh\n# Written by `cargo xtask api`.\nRUSTC_BOOTSTRAP=1 exec rustdoc \"$@\"\n";

pub(crate) fn run(arguments: &[OsString]) -> Result<u8, Failure> {
    let blesses = match arguments {
        [] => false,
        [one] if one == "--bless" => true,
        _ => return Err(Failure::usage("`cargo xtask api` takes nothing but `--bless`".to_owned())),
    };
    let workspace = Workspace::find()?;
    let crates = published(&workspace)?;
    let documents = document(&workspace, &workspace.root)?;
    let mut changed = String::new();
    for name in &crates {
        changed.push_str(&compare(&workspace.root, name, &offered(&documents, name)?, blesses)?);
    }
    changed.push_str(&gone(&workspace.root, &crates, blesses)?);
    say(&changed);
    if !changed.is_empty() && !blesses {
        return Err(Failure::not_ready(
            "api: what the crates offer has changed. Where that is meant, `cargo xtask api --bless` writes the lists anew; \
             the changelog says it too"
                .to_owned(),
        ));
    }
    match last_release(&workspace)? {
        None => say("api: nothing is released yet that could be broken\n"),
        Some(tag) => check_semver(&workspace, &documents, &crates, &tag)?,
    }
    Ok(0)
}

/// The crates that are published, the command aside.
fn published(workspace: &Workspace) -> Result<Vec<String>, Failure> {
    let metadata = capture(workspace.cargo(&["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_str(&metadata)
        .map_err(|error| Failure::out_of_reach(format!("cargo metadata printed no JSON: {error}")))?;
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    // Null: to any registry; an empty list: `publish = false`.
    let are_published = packages.iter().filter(|package| package["publish"].is_null());
    let names = are_published.filter_map(|package| package["name"].as_str());
    Ok(names.filter(|name| *name != COMMAND).map(str::to_owned).collect())
}

/// Makes the JSON of every crate of a tree, in the folder that is returned. What is built is shared with everything else.
fn document(workspace: &Workspace, tree: &Path) -> Result<PathBuf, Failure> {
    let folder = workspace.target.join("api");
    let wrapper = folder.join("rustdoc");
    write(&wrapper, WRAPPER)?;
    make_executable(&wrapper)?;
    // Chosen as for the documentation: another set of packages would resolve other features and build much anew.
    let mut program =
        workspace.cargo(&["doc", "--quiet", "--workspace", "--exclude", COMMAND, "--no-deps", "--locked"]);
    program.current_dir(tree).env("RUSTDOC", &wrapper).env("CARGO_TARGET_DIR", &workspace.target);
    program.env("RUSTDOCFLAGS", "-Z unstable-options --output-format json --cap-lints allow");
    match finish_on_stderr(program)? {
        0 => Ok(workspace.target.join("doc")),
        code => Err(Failure::out_of_reach(format!("rustdoc wrote no JSON (exit code {code})"))),
    }
}

/// A line for each public item, in order.
fn offered(documents: &Path, name: &str) -> Result<String, Failure> {
    let file = document_of(documents, name);
    let api = Builder::from_rustdoc_json(&file)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()
        .map_err(|error| {
            Failure::out_of_reach(format!(
                "{} cannot be read: {error}. Another compiler writes another format: public-api in xtask/Cargo.toml has \
                 to be the version that reads it",
                file.display()
            ))
        })?;
    let mut text = String::new();
    for item in api.items() {
        let _never_fails = writeln!(text, "{item}");
    }
    Ok(text)
}

fn document_of(documents: &Path, name: &str) -> PathBuf {
    documents.join(format!("{}.json", name.replace('-', "_")))
}

/// What differs from the list, a line each; the list is written anew where it shall be.
fn compare(root: &Path, name: &str, offered: &str, blesses: bool) -> Result<String, Failure> {
    let path = root.join(LISTS).join(format!("{name}.txt"));
    let listed = fs::read_to_string(&path).unwrap_or_default();
    let text = differences(name, &listed, offered);
    if blesses && !text.is_empty() {
        write(&path, offered)?;
    }
    Ok(text)
}

/// Lists of crates that are published no more: all that they offered went with them.
fn gone(root: &Path, crates: &[String], blesses: bool) -> Result<String, Failure> {
    let folder = root.join(LISTS);
    let mut text = String::new();
    for entry in fs::read_dir(&folder).map_err(|error| unwritable(&folder, &error))?.flatten() {
        let path = entry.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if !crates.contains(&name) {
            let _never_fails = writeln!(text, "{name}: - the whole crate");
            if blesses {
                fs::remove_file(&path).map_err(|error| unwritable(&path, &error))?;
            }
        }
    }
    Ok(text)
}

/// By count, as two implementations of the same trait may have the same line.
fn differences(name: &str, listed: &str, offered: &str) -> String {
    let mut counts: BTreeMap<&str, i32> = BTreeMap::new();
    for line in listed.lines() {
        *counts.entry(line).or_default() -= 1;
    }
    for line in offered.lines() {
        *counts.entry(line).or_default() += 1;
    }
    let mut text = String::new();
    for (line, count) in counts.into_iter().filter(|(_, count)| *count != 0) {
        let sign = if count > 0 { '+' } else { '-' };
        let _never_fails = writeln!(text, "{name}: {sign} {line}");
    }
    text
}

/// The tag of the newest release that this commit stands on.
fn last_release(workspace: &Workspace) -> Result<Option<String>, Failure> {
    let mut git = tool("git");
    git.current_dir(&workspace.root).args(["describe", "--tags", "--abbrev=0", "--match", "v[0-9]*"]);
    let ended = captured(git)?;
    Ok((ended.code == 0).then(|| ended.output.trim().to_owned()).filter(|tag| !tag.is_empty()))
}

/// The release before is documented by the same compiler, so that both are of one format.
fn check_semver(
    workspace: &Workspace,
    documents: &Path,
    crates: &[String],
    tag: &str,
) -> Result<(), Failure> {
    let checks = SEMVER_CHECKS.installed(workspace)?;
    let (now, before) = (workspace.target.join("api/now"), workspace.target.join("api/before"));
    keep(documents, crates, &now)?;
    let tree = workspace.target.join("api").join(tag);
    let git = |arguments: &[&str]| {
        let mut git = tool("git");
        git.current_dir(&workspace.root).args(arguments).arg(&tree);
        git
    };
    // One that an earlier run left is of no use.
    let _none_there = captured(git(&["worktree", "remove", "--force"]));
    let mut add = git(&["worktree", "add", "--quiet", "--detach"]);
    capture({
        add.arg(tag);
        add
    })?;
    let made = document(workspace, &tree).and_then(|documents| keep(&documents, crates, &before));
    capture(git(&["worktree", "remove", "--force"]))?;
    made?;
    let mut broken = Vec::new();
    for name in crates.iter().filter(|name| document_of(&before, name).is_file()) {
        let mut check = program(&checks);
        check.args(["semver-checks", "check-release", "--baseline-rustdoc"]).arg(document_of(&before, name));
        check.arg("--current-rustdoc").arg(document_of(&now, name));
        if finish_on_stderr(check)? != 0 {
            broken.push(name.as_str());
        }
    }
    if broken.is_empty() {
        say(&format!("api: nothing that {tag} offered is broken\n"));
        return Ok(());
    }
    Err(Failure::not_ready(format!("api: whoever embeds {tag} would break with {}", broken.join(", "))))
}

/// Copies the JSON out of the way of what is documented next.
fn keep(documents: &Path, crates: &[String], folder: &Path) -> Result<(), Failure> {
    for name in crates {
        let from = document_of(documents, name);
        if from.is_file() {
            let bytes = fs::read(&from).map_err(|error| unwritable(&from, &error))?;
            write(&document_of(folder, name), bytes)?;
        }
    }
    Ok(())
}

fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Result<(), Failure> {
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent).and_then(|()| fs::write(path, bytes)).map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::out_of_reach(format!("{}: {error}", path.display()))
}

#[cfg(unix)]
fn make_executable(path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(|error| unwritable(path, &error))
}

#[cfg(not(unix))]
fn make_executable(_path: &Path) -> Result<(), Failure> {
    Err(Failure::out_of_reach("`cargo xtask api` needs a system that runs shell scripts".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_and_what_went_is_said_and_order_is_nothing() {
        let listed = "pub fn a::one()\npub fn a::two()\nimpl a::T for a::S\nimpl a::T for a::S\n";
        let offered = "pub fn a::two()\nimpl a::T for a::S\npub fn a::three()\npub fn a::one()\n";
        assert_eq!(differences("a", listed, offered), "a: - impl a::T for a::S\na: + pub fn a::three()\n",);
        assert_eq!(differences("a", listed, listed), "");
    }

    #[test]
    fn a_list_is_written_only_where_it_shall_be() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(compare(root.path(), "a", "pub mod a\n", false).unwrap(), "a: + pub mod a\n");
        assert!(!root.path().join("docs").exists());
        compare(root.path(), "a", "pub mod a\n", true).unwrap();
        assert_eq!(compare(root.path(), "a", "pub mod a\n", false).unwrap(), "");
        assert_eq!(compare(root.path(), "a", "", false).unwrap(), "a: - pub mod a\n");
        assert_eq!(gone(root.path(), &["a".to_owned()], false).unwrap(), "");
        assert_eq!(gone(root.path(), &[], true).unwrap(), "a: - the whole crate\n");
        assert_eq!(gone(root.path(), &[], false).unwrap(), "");
    }
}
