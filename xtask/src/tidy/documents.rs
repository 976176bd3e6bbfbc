//! The rules about documents: the files they point at are there, and so are the tests that they name.

use std::collections::BTreeSet;

use super::{Finding, TextFile};

/// Where a path in a document begins that means a file of this repository.
const ROOTS: [&str; 8] = ["crates/", "docs/", "xtask/", "tests/", ".ci/", ".config/", ".cargo/", ".github/"];

/// `exists` answers for a path from the root.
pub(super) fn check(files: &[TextFile], exists: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let functions: BTreeSet<&str> = files
        .iter()
        .filter(|file| file.path.ends_with(".rs"))
        .flat_map(|file| functions(&file.text))
        .collect();
    let documents = files.iter().filter(|file| file.path.ends_with(".md"));
    documents
        .flat_map(|file| check_document(file, exists).into_iter().chain(tests(file, &functions)))
        .collect()
}

/// An invariant whose test is gone is no longer held.
fn tests(file: &TextFile, functions: &BTreeSet<&str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        for name in code_spans(line).filter(|span| is_test_name(span) && !functions.contains(span)) {
            findings.push(Finding::new(
                &file.path,
                index + 1,
                format!("there is no test `{name}`: name what holds this"),
            ));
        }
    }
    findings
}

/// A sentence in snake case: shorter names may be settings, columns or lints.
fn is_test_name(span: &str) -> bool {
    span.matches('_').count() >= 4
        && span.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn functions(text: &str) -> impl Iterator<Item = &str> {
    text.split("fn ")
        .skip(1)
        .filter_map(|rest| rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next())
}

fn check_document(file: &TextFile, exists: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let links = link_targets(line).filter_map(|target| from_root(&file.path, target));
        let named = code_spans(line).filter_map(repository_path).map(ToOwned::to_owned);
        for path in links.chain(named).filter(|path| !exists(path)) {
            let text = format!("`{path}` does not exist: name what does, or leave it out");
            findings.push(Finding::new(&file.path, index + 1, text));
        }
    }
    findings
}

/// The targets of `[text](target)`.
pub(super) fn link_targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next())
}

/// A link's target from the root; None for another site, a place on the page, or nothing.
pub(super) fn from_root(document: &str, target: &str) -> Option<String> {
    let target = target.split('#').next().unwrap_or_default();
    if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let directory = document.rsplit_once('/').map_or("", |(directory, _)| directory);
    let mut parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn code_spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The path that a code span names, without a line number; None where it is a pattern or no path of ours.
fn repository_path(span: &str) -> Option<&str> {
    let path = span.split([':', '#']).next().unwrap_or(span);
    let plain = !path.contains(['*', '<', '{', '$', ' ', '…']);
    (plain && ROOTS.iter().any(|root| path.starts_with(root))).then_some(path.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let file = TextFile { path: "docs/a.md".to_owned(), text: text.to_owned() };
        let exists = |path: &str| ["docs/b.md", "crates/golive", "README.md", ".ci/run"].contains(&path);
        check(&[file], &exists).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_there_is_fine() {
        let text = "[b](b.md#part) [r](../README.md) `crates/golive/` `.ci/run:7` `crates/*/src` `crates/NAME here` \
                    [w](https://example.org/x) [p](#part) `src/lib.rs` `application/json`";
        assert!(found(text).is_empty(), "{:?}", found(text));
    }

    #[test]
    fn a_test_that_is_gone_is_found() {
        let file = |path: &str, text: &str| TextFile { path: path.to_owned(), text: text.to_owned() };
        let document =
            file("docs/a.md", "`a_test_that_is_here` `a_test_that_is_gone` `max_allowed_packet_x`\n");
        let code = file("tests/a.rs", "#[test]\nfn a_test_that_is_here() {}\n");
        let findings = check(&[document, code], &|_| true);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].text.contains("a_test_that_is_gone"), "{findings:?}");
    }

    #[test]
    fn what_is_not_there_is_found() {
        for text in
            ["[c](c.md)", "[c](../docs/c.md \"title\")", "`crates/gone`", "`docs/gone.md:3`", "![p](p.png)"]
        {
            let findings = found(&format!("first\nsee {text}\n"));
            assert_eq!(findings.len(), 1, "{text}");
            assert!(findings[0].starts_with("docs/a.md:2: "), "{findings:?}");
        }
    }
}
