//! `serve` at the command line: who may log in, where it refuses to listen, what it prints where nobody sits.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use support::{golive, run};

#[test]
fn operators_are_added_and_removed_and_a_password_is_shown_once() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let added = run(here, "", &["serve", "--add-operator", "rosa", "--role", "operator"]).with(0);
    let password = added.stdout.lines().nth(1).unwrap().to_owned();
    assert!(password.len() >= 20, "{}", added.stdout);
    let file = here.join(".golive/operators.json");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("\"operator\"") && text.contains("$argon2id$") && !text.contains(&password));
    let again = run(here, "", &["serve", "--add-operator", "juan", "--format", "json"]).with(0).json();
    assert_eq!(again["added"], "juan");
    run(here, "", &["serve", "--add-operator", "a b"]).with(2).says(&["letters, digits"]);
    run(here, "", &["serve", "--remove-operator", "rosa"]).with(0);
    run(here, "", &["serve", "--remove-operator", "rosa"]).with(2).says(&["there is none"]);
    assert!(!std::fs::read_to_string(&file).unwrap().contains("rosa"));
}

#[test]
fn an_address_that_others_reach_is_refused_without_tls_and_operators() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    run(here, "", &["serve", "--listen", "0.0.0.0:0"]).with(2).says(&["without TLS", "certificate"]);
    run(here, "", &["serve", "--certificate", "c.pem"]).with(2).says(&["--key"]);
    let tls = ["serve", "--listen", "0.0.0.0:0", "--certificate", "c.pem", "--key", "k.pem"];
    run(here, "", &tls).with(2).says(&["--add-operator"]);
    run(here, "", &["serve", "--certificate", "c.pem", "--key", "k.pem", "--listen", "127.0.0.1:0"])
        .with(12)
        .says(&["c.pem"]);
}

#[test]
fn nothing_that_lets_in_is_printed_where_it_would_be_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = golive(folder.path())
        .args(["serve", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success(), "it ends in order");
    assert!(line.contains("http://127.0.0.1:") && line.contains("--add-operator"), "{line}");
    assert!(!line.contains("token"), "{line}");
}

/// The console names commands to type: each is one.
#[test]
fn every_command_that_the_console_names_is_there() {
    let pages = concat!(env!("CARGO_MANIFEST_DIR"), "/../golive-server/src/pages");
    let mut named = BTreeSet::new();
    let mut paths = vec![std::path::PathBuf::from(pages)];
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            paths.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap();
        for rest in text.split("\"golive ").skip(1) {
            let command = rest.split('"').next().unwrap();
            let is_word = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
            let words: Vec<String> = command.split(' ').take_while(is_word).map(str::to_owned).collect();
            named.insert(words);
        }
    }
    assert!(named.len() > 15, "{named:?}");
    let folder = tempfile::tempdir().unwrap();
    for words in named {
        let arguments: Vec<&str> = words.iter().map(String::as_str).chain(["--help"]).collect();
        // What takes a value is given none: a word that is no option would be refused before the help is shown.
        let arguments: Vec<&str> =
            arguments.into_iter().filter(|word| *word == "--help" || !word.starts_with("--")).collect();
        run(folder.path(), "", &arguments).with(0);
    }
}
