//! `cargo xtask tidy`: the house rules, each with the file, the line and what to do.
//!
//! The rules are functions of text and of plain data, in the modules below; reading files and asking cargo happens
//! here. What must not be here: a rule that clippy or rustdoc already holds.

mod book;
mod documents;
mod graph;
mod licenses;
mod manifests;
mod metadata;
mod policy;
mod scan;
mod sources;

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::run::{Failure, Workspace, say};

/// Something that is not as the house has it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    file: String,
    line: usize,
    text: String,
}

impl Finding {
    fn new(file: &str, line: usize, text: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.text)
    }
}

/// A file of the repository: its path from the root, with `/`, and its text.
pub(crate) struct TextFile {
    path: String,
    text: String,
}

pub(crate) fn run(arguments: &[OsString]) -> Result<u8, Failure> {
    if let Some(argument) = arguments.first() {
        let argument = argument.to_string_lossy();
        return Err(Failure::usage(format!("`cargo xtask tidy` takes no arguments, and got `{argument}`")));
    }
    let workspace = Workspace::find()?;
    let (files, mut findings) = read_files(&workspace)?;
    findings.extend(sources::check(&files));
    findings.extend(manifests::check(&files));
    findings.extend(documents::check(&files, &|path| workspace.root.join(path).exists()));
    findings.extend(book::check(&files));
    findings.extend(check_graph(&workspace, &files)?);
    findings.sort();
    findings.dedup();
    if findings.is_empty() {
        say(&format!("tidy: {} files and the dependency graph keep the house rules\n", files.len()));
        return Ok(0);
    }
    let lines: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
    say(&lines);
    Err(Failure::not_ready(format!("tidy: {} findings", findings.len())))
}

fn check_graph(workspace: &Workspace, files: &[TextFile]) -> Result<Vec<Finding>, Failure> {
    let deny = files.iter().find(|file| file.path == policy::FILE);
    let deny =
        deny.ok_or_else(|| Failure::out_of_reach(format!("{} is missing at the root", policy::FILE)))?;
    let policy = policy::Policy::parse(&deny.text).map_err(Failure::out_of_reach)?;
    let graph = metadata::resolve(workspace)?;
    let mut findings = graph::check(&graph, &policy);
    findings.extend(licenses::check(&graph, &policy));
    Ok(findings)
}

/// Every text file below the root but for what is made, and a finding for each that is not text and has no place here;
/// what nobody has added yet counts too.
fn read_files(workspace: &Workspace) -> Result<(Vec<TextFile>, Vec<Finding>), Failure> {
    let mut files = Vec::new();
    collect(&workspace.root, &workspace.root, &mut files)?;
    files.sort();
    let (mut read, mut strangers) = (Vec::with_capacity(files.len()), Vec::new());
    for path in files {
        let bytes = fs::read(workspace.root.join(&path))
            .map_err(|error| Failure::out_of_reach(format!("{path} cannot be read: {error}")))?;
        match String::from_utf8(bytes) {
            Ok(text) => read.push(TextFile { path, text }),
            Err(_) if may_be_binary(&path) => {}
            Err(_) => strangers.push(Finding::new(
                &path,
                1,
                "is not text: what is fetched or made is not kept here",
            )),
        }
    }
    Ok((read, strangers))
}

/// Pictures, and inputs of tests, may be anything.
fn may_be_binary(path: &str) -> bool {
    path.ends_with(".png") || path.starts_with("fuzz/seeds/") || path.contains("/fixtures/")
}

/// What holds what is made, not what is written; `.git` is a file where a second tree is worked in.
const NOT_OURS: [&str; 4] = [".git", "target", ".golive", "node_modules"];

fn collect(root: &Path, directory: &Path, files: &mut Vec<String>) -> Result<(), Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::out_of_reach(format!("{} cannot be read: {error}", directory.display()))
    };
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let kind = entry.file_type().map_err(unreadable)?;
        if NOT_OURS.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        if kind.is_dir() {
            collect(root, &entry.path(), files)?;
        } else if kind.is_file() && !entry.file_name().to_string_lossy().ends_with(".snap.new") {
            files.push(from_root(root, &entry.path()));
        }
    }
    Ok(())
}

fn from_root(root: &Path, path: &Path) -> String {
    let relative: PathBuf = path.strip_prefix(root).unwrap_or(path).components().collect();
    relative.to_string_lossy().replace('\\', "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_directories_are_left_out() {
        let root = tempfile::tempdir().unwrap();
        for directory in ["src", "target/debug", ".git"] {
            fs::create_dir_all(root.path().join(directory)).unwrap();
            fs::write(root.path().join(directory).join("a.rs"), "").unwrap();
        }
        let mut files = Vec::new();
        collect(root.path(), root.path(), &mut files).unwrap();
        assert_eq!(files, ["src/a.rs"]);
    }

    #[test]
    fn only_pictures_and_inputs_of_tests_may_be_binary() {
        for path in ["docs/report.png", "fuzz/seeds/token/none", "crates/a/tests/fixtures/x.der"] {
            assert!(may_be_binary(path), "{path}");
        }
        assert!(!may_be_binary("library-1.0.whl") && !may_be_binary("crates/a/src/fixture"));
    }

    #[test]
    fn a_finding_reads_as_a_place_and_an_advice() {
        assert_eq!(Finding::new("src/a.rs", 7, "mend it").to_string(), "src/a.rs:7: mend it");
    }
}
