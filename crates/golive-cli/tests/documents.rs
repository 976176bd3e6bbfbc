//! Every command that a document shows is one, with options that it has.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use support::run;

/// Lines of fenced blocks that begin with `golive `, without what is said about them.
fn commands(text: &str) -> Vec<&str> {
    let fenced = text.split("```").skip(1).step_by(2);
    let lines = fenced.flat_map(str::lines).filter(|line| line.starts_with("golive "));
    lines.map(|line| line.split(" # ").next().unwrap().split("  ").next().unwrap().trim()).collect()
}

fn documents(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            documents(&path, found);
        } else if path.extension().is_some_and(|end| end == "md") {
            found.push(path);
        }
    }
}

#[test]
fn every_command_in_the_documents_is_there_with_its_options() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = vec![root.join("README.md"), root.join("RELEASING.md")];
    documents(&root.join("docs"), &mut files);
    let mut asked: BTreeMap<Vec<String>, BTreeSet<String>> = BTreeMap::new();
    for file in files {
        for command in commands(&std::fs::read_to_string(&file).unwrap()) {
            let words = command.split_whitespace().skip(1);
            let is_word = |word: &&str| {
                word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.starts_with('-')
            };
            let named: Vec<String> = words.clone().take_while(is_word).map(str::to_owned).collect();
            let options = words.filter(|word| word.starts_with("--") && word.len() > 2);
            let options =
                options.map(|word| word.split('=').next().unwrap().trim_end_matches([';', ',']).to_owned());
            asked.entry(named).or_default().extend(options);
        }
    }
    assert!(asked.len() > 15, "{asked:?}");
    let folder = tempfile::tempdir().unwrap();
    for (words, options) in asked {
        // `golive completions bash`: a value may look like a word, and a command that has none below it takes it as one.
        let arguments: Vec<&str> = words.iter().map(String::as_str).chain(["--help"]).collect();
        let help = run(folder.path(), "", &arguments).with(0);
        for option in options {
            assert!(help.stdout.contains(&option), "`golive {}` has no {option}", words.join(" "));
        }
    }
}
