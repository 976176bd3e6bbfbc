//! Every trap between SQLite and MariaDB, by the `golive` command as a user runs it: the survey finds exactly what is
//! written down for it, each decision leads to what is written down, and an independent reader finds the data equal.
//!
//! Not here: the traps themselves (`golive_tests::corpus`).
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use golive_sandbox::{MariaDb, MariaDbOptions};
use golive_tests::corpus::{self, Found, Then, Trap, Way};
use golive_tests::{Beside, Document, Ended, Platform, independent, sqlite_raw};
use serde_json::Value;

/// One server for all, one database each; two traps at a time.
#[test]
fn heavy_every_trap_is_found_and_every_decision_leads_to_equal_data() {
    let server = MariaDb::start(&MariaDbOptions::new()).unwrap();
    let traps: Vec<&Trap> = corpus::traps().collect();
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(trap) = traps.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = Trial::new(&server, trap).wrong();
                    wrong.lock().unwrap().extend(found);
                }
            });
        }
    });
    let mut wrong = wrong.into_inner().unwrap();
    wrong.sort();
    assert!(wrong.is_empty(), "{} of {} traps:\n{}", wrong.len(), traps.len(), wrong.join("\n"));
}

#[test]
fn the_page_of_traps_is_the_one_in_the_docs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/traps.md");
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        written,
        corpus::page(),
        "write it anew: cargo run -p golive-tests --example traps > docs/traps.md"
    );
}

#[test]
fn every_trap_has_a_name_of_its_own() {
    let mut names: Vec<&str> = corpus::traps().map(|trap| trap.name).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
    assert!(all >= 48, "the list of known traps has 48, this one {all}");
}

/// One trap on the server.
struct Trial<'a> {
    server: &'a MariaDb,
    trap: &'a Trap,
    platform: Platform,
}

type Verdict = Result<(), String>;

impl<'a> Trial<'a> {
    fn new(server: &'a MariaDb, trap: &'a Trap) -> Self {
        Self { server, trap, platform: Platform::empty() }
    }

    /// What is not as it is written down; all of it, so that one run shows everything.
    fn wrong(mut self) -> Vec<String> {
        let name = self.trap.name;
        let mut wrong = Vec::new();
        let mut note = |part: &str, verdict: Verdict| {
            wrong.extend(verdict.err().map(|what| format!("{name}, {part}: {what}")));
        };
        note("survey", self.survey());
        note("without a decision", self.decide(0, None, self.trap.outcome));
        for (number, remedy) in self.trap.remedies.iter().enumerate() {
            let (way, then) = (remedy.0, remedy.1);
            note(&format!("{way:?}"), self.decide(number + 1, Some(way), then));
        }
        match self.trap.open {
            None => wrong,
            Some(_) if !wrong.is_empty() => Vec::new(),
            Some(lacks) => vec![format!("{name}: is right now, take the mark away: {lacks}")],
        }
    }

    fn source(&self, number: usize) -> std::path::PathBuf {
        self.platform.path(&format!("source{number}.db"))
    }

    fn survey(&mut self) -> Verdict {
        let path = self.platform.path("survey.db");
        sqlite_raw(&path, self.trap.sql);
        let beside = self.trap.beside.map(|statements| Beside::open(&path, statements));
        let database = self.database("survey");
        self.platform.variable("TARGET", &self.server.url(&database));
        let ended = self.golive("survey", &path, &[]);
        drop(beside);
        let document = document(&ended)?;
        let mut found = findings(&document.value);
        let mut expected: Vec<_> = self.trap.findings.iter().map(|found| described(*found)).collect();
        found.sort();
        expected.sort();
        check(found == expected, || format!("found {found:#?}, expected {expected:#?}"))?;
        let blocks = self.trap.findings.iter().any(|found| matches!(found, Found::Blocks(..)));
        check(ended.code == Some(if blocks { 10 } else { 0 }), || ended.to_string())
    }

    /// Runs the whole migration under one decision.
    fn decide(&mut self, number: usize, way: Option<Way>, then: Then) -> Verdict {
        let path = self.source(number);
        sqlite_raw(&path, self.trap.sql);
        let mut left_out = Vec::new();
        let mut arguments = Vec::new();
        let configuration =
            format!("[application]\nname = \"corpus\"\n{}", way.map(configured).unwrap_or_default());
        std::fs::write(self.platform.path("golive.toml"), configuration).unwrap();
        match way {
            Some(Way::Mend(statements)) => sqlite_raw(&path, statements),
            Some(Way::Accept(selector)) => arguments.extend(["--accept", selector]),
            Some(Way::Exclude(table)) => left_out.push(table),
            _ => {}
        }
        let beside = self.trap.beside.map(|statements| Beside::open(&path, statements));
        let database = self.database(&number.to_string());
        self.platform.variable("TARGET", &self.server.url(&database));
        let ended = self.golive("run", &path, &arguments);
        if let Then::Refused = then {
            check(matches!(ended.code, Some(10 | 2)), || format!("expected a refusal: {ended}"))?;
            let tables = self.ask(&database, "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME NOT LIKE '\\\\_golive%'");
            return check(tables == "0", || format!("the target was touched: {tables} tables"));
        }
        check(ended.code == Some(0), || ended.to_string())?;
        let document = document(&ended)?;
        check(document.value["verdict"] == "match", || ended.to_string())?;
        let verified = self.golive("verify", &path, &arguments);
        // With a writer beside it a run copies one frozen state: that every cell of the file is equal now is a match, and that
        // the file may go on is told.
        check(verified.code == Some(0), || verified.to_string())?;
        let verification = self::document(&verified)?.value;
        let told = &verification["source_changed_since_copy"];
        check(verification["verdict"] == "match" && *told == beside.is_some(), || verified.to_string())?;
        drop(beside);
        self.equal(&path, &database, &left_out, then, &document)
    }

    /// What the independent reader sees.
    fn equal(&self, path: &Path, database: &str, left_out: &[&str], then: Then, run: &Document) -> Verdict {
        let (altered, missing, looks) = match then {
            Then::Altered(rows, looks) => (rows, 0, looks),
            Then::Missing(rows, looks) => (0, rows, looks),
            Then::Equal(looks) => (0, 0, looks),
            _ => (0, 0, [].as_slice()),
        };
        let compared = independent::compare(path, &self.server.url(database), left_out);
        let (mut source, mut target) = (Vec::new(), Vec::new());
        for table in &compared {
            source.extend(table.only_source.iter().map(|row| format!("{}: {row}", table.table)));
            target.extend(table.only_target.iter().map(|row| format!("{}: {row}", table.table)));
        }
        let expected = (altered + missing, altered);
        check((source.len() as u64, target.len() as u64) == expected, || {
            format!(
                "{expected:?} rows were to differ; only in the source: {source:#?}, only in the target: {target:#?}"
            )
        })?;
        // The rule that matters most: nothing changes without a finding that says so.
        let told = findings(&run.value).iter().any(|found| !found.starts_with("note"));
        check(expected == (0, 0) || told, || "something changed and no finding said so".to_owned())?;
        for look in looks {
            let (query, answer) = (look.0, look.1);
            let seen = self.ask(database, query);
            check(seen == answer.trim_end(), || format!("{query} answers {seen:?}, expected {answer:?}"))?;
        }
        Ok(())
    }

    fn golive(&self, verb: &str, source: &Path, more: &[&str]) -> Ended {
        let source = source.to_str().unwrap();
        let fixed = ["migrate", verb, "--format", "json", "--source", source, "--target", "env:TARGET"];
        self.platform.golive(&[fixed.as_slice(), more].concat())
    }

    fn database(&self, suffix: &str) -> String {
        let name = format!("{}_{suffix}", self.trap.name.replace('-', "_"));
        self.server.create_database(&name).unwrap();
        name
    }

    fn ask(&self, database: &str, query: &str) -> String {
        match self.server.execute(&format!("USE `{database}`; {query}")) {
            Ok(answer) => answer.trim_end().to_owned(),
            Err(error) => error.to_string(),
        }
    }
}

fn check(holds: bool, otherwise: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(otherwise()) }
}

fn document(ended: &Ended) -> Result<Document, String> {
    check(ended.stdout.trim_start().starts_with('{'), || ended.to_string())?;
    Ok(Document::of(ended))
}

fn findings(document: &Value) -> Vec<String> {
    let found = document["findings"].as_array().cloned().unwrap_or_default();
    let text = |finding: &Value, key: &str| finding[key].as_str().map(str::to_owned);
    let line = |finding: &Value| {
        let place = match (text(finding, "table"), text(finding, "column")) {
            (Some(table), Some(column)) => format!("{table}.{column}"),
            (Some(table), None) => table,
            _ => "database".to_owned(),
        };
        format!(
            "{} {} {place} {}",
            text(finding, "severity").unwrap_or_default(),
            text(finding, "id").unwrap_or_default(),
            finding["count"]
        )
    };
    found.iter().map(line).collect()
}

fn described(found: Found) -> String {
    let (id, place, count) = found.parts();
    format!("{} {id} {place} {count}", found.severity())
}

fn configured(way: Way) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    match way {
        Way::Type(column, target) => format!("[migrate.types]\n{} = {}\n", quoted(column), quoted(target)),
        Way::Exclude(table) => format!("[migrate]\nexclude = [{}]\n", quoted(table)),
        Way::Collation(name) => format!("[migrate]\ncollation = {}\n", quoted(name)),
        Way::Policy(selector, decision) => {
            format!("[migrate.policy]\n{} = {}\n", quoted(selector), quoted(decision))
        }
        _ => String::new(),
    }
}
