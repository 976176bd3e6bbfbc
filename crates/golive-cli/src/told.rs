//! Every command of golive's that a document shows, or a message names, is one that this program takes: its words, its options,
//! their values. Tests only: what the commands do, other tests see.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Parser;
use clap::error::ErrorKind;

use crate::args::Args;

/// A command line somewhere in a text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Told {
    line: String,
    /// Whether it stands there to be typed as it is. A mention may leave out what the command needs.
    is_whole: bool,
}

/// The lines of fenced blocks that begin with golive, and the code between backticks elsewhere.
fn of_document(text: &str) -> Vec<Told> {
    let mut told = Vec::new();
    for (at, part) in text.split("```").enumerate() {
        if at % 2 == 0 {
            told.extend(spans(part));
            continue;
        }
        let joined = part.replace("\\\n", " ");
        let lines = joined.lines().map(|line| line.strip_prefix("$ ").unwrap_or(line));
        let lines = lines.filter(|line| {
            // A dependency in a Cargo.toml begins so, too.
            line.starts_with("golive ") && !line.starts_with("golive = ")
        });
        told.extend(lines.map(|line| Told { line: without_rest(line).to_owned(), is_whole: true }));
    }
    told
}

/// What is said of a line, and what else the shell does with it.
fn without_rest(line: &str) -> &str {
    let end = [" #", " > ", " | ", " && ", "; "].iter().filter_map(|mark| line.find(mark)).min();
    &line[..end.unwrap_or(line.len())]
}

/// Code in the running text; it may be broken over two lines, in a comment too.
fn spans(text: &str) -> Vec<Told> {
    let starts = text.split("`golive ").skip(1).filter_map(|rest| rest.split_once('`'));
    let lines = starts.map(|(span, _)| {
        let words = span.split_whitespace().filter(|word| !["//", "///", "//!", "\\"].contains(word));
        words.collect::<Vec<_>>().join(" ")
    });
    lines.map(|line| Told { line: format!("golive {line}"), is_whole: false }).collect()
}

/// The command lines that one with alternatives stands for: `nginx | unit` and `viewer|operator` are one of each.
fn alternatives(line: &str) -> Vec<Vec<String>> {
    let line = line.replace(" | ", "|");
    let words = line.split_whitespace().filter_map(plain);
    let slots: Vec<Vec<String>> = words.map(|word| word.split('|').map(str::to_owned).collect()).collect();
    let most = slots.iter().map(Vec::len).max().unwrap_or_default();
    let pick = |at: usize| slots.iter().map(|slot| slot[at.min(slot.len() - 1)].clone()).collect();
    (0..most).map(pick).collect()
}

/// A word as one would type it: without what is optional, and with a number where a number is meant.
fn plain(word: &str) -> Option<String> {
    let word = match word.split_once('[') {
        Some(("", _)) => word.trim_matches(['[', ']']),
        Some((before, _)) => before,
        None => word.trim_end_matches([';', ',']),
    };
    match word {
        "…" | "..." | "" => None,
        "N" => Some("2".to_owned()),
        word => Some(word.trim_matches('"').to_owned()),
    }
}

/// What the parser says against it.
fn refused(told: &Told) -> Vec<String> {
    let mut refused = Vec::new();
    for words in alternatives(&told.line) {
        let Err(error) = Args::try_parse_from(&words) else { continue };
        let is_fine = match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => true,
            ErrorKind::MissingRequiredArgument
            | ErrorKind::MissingSubcommand
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => !told.is_whole,
            // `--metrics`: the option is there, and its value was not worth a word.
            ErrorKind::InvalidValue | ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => {
                !told.is_whole && words.last().is_some_and(|word| word.starts_with("--"))
            }
            _ => false,
        };
        if !is_fine {
            let first = error.to_string().lines().next().unwrap_or_default().to_owned();
            refused.push(format!("`{}`: {first}", words.join(" ")));
        }
    }
    refused
}

fn files(folder: &Path, end: &str, found: &mut Vec<PathBuf>) {
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() && !path.ends_with("target") {
            files(&path, end, found);
        } else if path.extension().is_some_and(|extension| extension == end) {
            found.push(path);
        }
    }
}

/// Everything told in these files is taken; how much that was.
fn all_taken(files: &[PathBuf], read: fn(&str) -> Vec<Told>) -> usize {
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for file in files {
        for told in read(&std::fs::read_to_string(file).unwrap()) {
            if seen.insert(told.clone()) {
                wrong.extend(refused(&told).into_iter().map(|what| format!("{}: {what}", file.display())));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    seen.len()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn every_command_in_the_documents_is_taken_with_its_options_and_values() {
    let mut pages: Vec<PathBuf> = ["README.md", "RELEASING.md"].map(|name| root().join(name)).to_vec();
    files(&root().join("docs"), "md", &mut pages);
    let seen = all_taken(&pages, of_document);
    assert!(seen > 80, "{seen} commands: the documents are not read any more");
}

#[test]
fn every_command_that_a_message_names_is_taken_with_its_options() {
    let mut sources = Vec::new();
    for end in ["rs", "ftl"] {
        for folder in std::fs::read_dir(root().join("crates")).unwrap() {
            files(&folder.unwrap().path().join("src"), end, &mut sources);
        }
    }
    // A place for a name is made a name; this file tells of commands that are none.
    sources.retain(|path| !path.ends_with("told.rs"));
    let seen = all_taken(&sources, |text| {
        let holds_place = |told: &Told| told.line.contains(['{', '\\', '<']);
        spans(text).into_iter().filter(|told| !holds_place(told)).collect()
    });
    assert!(seen > 50, "{seen} commands: the messages are not read any more");
}

#[test]
fn what_is_no_command_is_found_and_what_is_one_is_left_alone() {
    let document = "Say `golive run --untill copy` or `golive backup\ndrill` or `golive deploy render nginx | unit`.\n```\n\
                    golive deploy render nginx # more\n$ golive tls grade HOST[:PORT] --bogus\ngolive = { }\n\
                    golive serve --add-operator NAME --role viewer|owner\n```\n`golive gates`";
    let told = of_document(document);
    assert_eq!(told.len(), 7, "{told:?}");
    let wrong: Vec<String> = told.iter().flat_map(refused).collect();
    let named = ["--untill", "render nginx", "--bogus", "owner", "gates"];
    assert_eq!(wrong.len(), named.len(), "{wrong:#?}");
    assert!(named.iter().all(|name| wrong.iter().any(|what| what.contains(name))), "{wrong:#?}");
}
