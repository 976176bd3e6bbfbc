//! Rules about Rust files, and about every file: heads, lengths, what is unfinished, reasons, machine paths, words.

use super::scan::{TestParts, code_only, line_of, lines_with};
use super::{Finding, TextFile};

/// Longer files are two rooms.
const MAXIMUM_LINES: usize = 600;

/// Words that say that something is not done. Written in halves, so that this file may pass its own rule.
const UNFINISHED: [&str; 4] =
    [concat!("tod", "o!("), concat!("unimplement", "ed!("), concat!("db", "g!("), concat!("#[igno", "re")];

const MARKS: [&str; 3] = [concat!("FIX", "ME"), concat!("TO", "DO:"), concat!("XX", "X:")];

/// Paths that exist on one machine only.
const MACHINE_PATHS: [&str; 3] = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];

/// On the same line or the line above, with the reason why a path that looks like one machine's is none.
const PATH_REASON: &str = "not a path of this machine:";

const BRITISH: [(&str, &str); 9] = [
    (concat!("behav", "iour"), "behavior"),
    (concat!("col", "our"), "color"),
    (concat!("fav", "our"), "favor"),
    (concat!("lic", "ence"), "license"),
    (concat!("cent", "re"), "center"),
    (concat!("catal", "ogue"), "catalog"),
    (concat!("organ", "isation"), "organization"),
    (concat!("serial", "ise"), "serialize"),
    (concat!("initial", "ise"), "initialize"),
];

pub(super) fn check(files: &[TextFile]) -> Vec<Finding> {
    let rust: Vec<RustFile<'_>> =
        files.iter().filter(|file| file.path.ends_with(".rs")).map(RustFile::new).collect();
    let test_files: Vec<String> = rust.iter().flat_map(RustFile::test_files).collect();
    let mut findings = Vec::new();
    for file in &rust {
        findings.extend(head(file));
        findings.extend(length(file));
        findings.extend(unfinished(file));
        findings.extend(unwraps(file, &test_files));
        findings.extend(reasons(file));
    }
    for file in files.iter().filter(|file| file.path != "Cargo.lock") {
        findings.extend(machine_paths(file));
        findings.extend(words(file));
    }
    findings
}

struct RustFile<'a> {
    path: &'a str,
    text: &'a str,
    code: String,
    tests: TestParts,
}

impl<'a> RustFile<'a> {
    fn new(file: &'a TextFile) -> Self {
        let code = code_only(&file.text);
        let tests = TestParts::of(&code);
        Self { path: &file.path, text: &file.text, code, tests }
    }

    /// Where the modules lie that this file declares for tests only: the stem of the file, without `.rs`.
    fn test_files(&self) -> impl Iterator<Item = String> {
        let stem = self.path.strip_suffix(".rs").unwrap_or(self.path);
        let (parent, name) = stem.rsplit_once('/').unwrap_or(("", stem));
        let directory = if matches!(name, "lib" | "main" | "mod") { parent } else { stem };
        self.tests.modules.iter().map(move |module| format!("{directory}/{module}"))
    }
}

fn head(file: &RustFile<'_>) -> Option<Finding> {
    let first = file.text.lines().find(|line| !line.trim().is_empty())?;
    (!first.starts_with("//!")).then(|| {
        Finding::new(file.path, 1, "begin the file with `//!`: what it is for and what must not be in it")
    })
}

fn length(file: &RustFile<'_>) -> Option<Finding> {
    let lines = file.text.lines().count();
    (lines > MAXIMUM_LINES).then(|| {
        let text =
            format!("{lines} lines, and {MAXIMUM_LINES} are the limit: split it where its concerns part");
        Finding::new(file.path, MAXIMUM_LINES + 1, text)
    })
}

fn unfinished(file: &RustFile<'_>) -> Vec<Finding> {
    let finding = |line, needle: &str| {
        Finding::new(
            file.path,
            line,
            format!("`{needle}`: finish it, or leave it out; a skipped test is a failed one"),
        )
    };
    let found =
        UNFINISHED.iter().flat_map(|needle| lines_with(&file.code, needle).map(move |line| (line, *needle)));
    found.map(|(line, needle)| finding(line, needle)).collect()
}

/// Production code of the crates only; clippy holds the same rule, but not for code that a feature or target leaves out.
fn unwraps(file: &RustFile<'_>, test_files: &[String]) -> Vec<Finding> {
    let stem = file.path.strip_suffix(".rs").unwrap_or(file.path);
    let only_tests = test_files
        .iter()
        .any(|test| stem == test || stem.strip_prefix(test.as_str()).is_some_and(|r| r.starts_with('/')));
    if !(file.path.starts_with("crates/") && file.path.contains("/src/")) || only_tests {
        return Vec::new();
    }
    let lines = lines_with(&file.code, ".unwrap()").filter(|line| !file.tests.covers(*line));
    let text = "`.unwrap()` outside tests: return the error, or `.expect(\"why it cannot fail\")`";
    lines.map(|line| Finding::new(file.path, line, text)).collect()
}

fn reasons(file: &RustFile<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for opening in ["[expect(", "[allow("] {
        for (start, _) in file.code.match_indices(opening) {
            let is_attribute = file.code[..start].trim_end_matches('!').ends_with('#');
            let body = &file.code[start..];
            let body = body.split_once(']').map_or(body, |(body, _)| body);
            if is_attribute && !body.contains("reason =") {
                let line = line_of(&file.code, start);
                findings.push(Finding::new(file.path, line, "say why: `reason = \"…\"` in the attribute"));
            }
        }
    }
    findings
}

fn machine_paths(file: &TextFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut excused = false;
    for (index, line) in file.text.lines().enumerate() {
        let reason = line.contains(PATH_REASON);
        if let Some(path) = MACHINE_PATHS.iter().find(|path| names_path(line, path))
            && !(reason || excused)
        {
            let text = format!(
                "`{path}` is a path of one machine: make it relative, or say `{PATH_REASON} why` on this line or above"
            );
            findings.push(Finding::new(&file.path, index + 1, text));
        }
        excused = reason;
    }
    findings
}

/// Whether the line names an absolute path that begins so; `/srv/home/` and `https://host/home/` do not.
fn names_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !(c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '}' | '*' | '~')))
    })
}

fn words(file: &TextFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        if let Some(mark) = MARKS.iter().find(|mark| line.contains(**mark)) {
            findings.push(Finding::new(&file.path, index + 1, format!("`{mark}`: do it, or leave it out")));
        }
        let lower = line.to_ascii_lowercase();
        if let Some((british, american)) = BRITISH.iter().find(|(british, _)| has_word(&lower, british)) {
            let text = format!("`{british}`: American spelling is `{american}`");
            findings.push(Finding::new(&file.path, index + 1, text));
        }
        if has_word(&lower, concat!("iss", "ue #")) {
            let text = "a number in a tracker says nothing to a reader: give the reason itself";
            findings.push(Finding::new(&file.path, index + 1, text));
        }
    }
    findings
}

/// Whether a word of the line begins so. A literal that is nothing else, as the name of somebody's table, is no prose.
fn has_word(line: &str, word: &str) -> bool {
    let literal = |at: usize| line[..at].ends_with('"') && line[at + word.len()..].starts_with(['"', 's']);
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric()) && !literal(at))
}

#[cfg(test)]
mod tests;
