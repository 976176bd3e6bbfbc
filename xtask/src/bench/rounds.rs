//! The rounds of `bench migrate`: in each, every side does its work once on the same server, one after the other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::meter::{Measured, Usage, measure};
use super::server::Server;
use crate::run::{Failure, program};

/// What is measured, in the order of the table; the key is the results' own.
pub(crate) const SIDES: [(&str, &str); 9] = [
    ("load", "mariadb client: LOAD DATA LOCAL INFILE"),
    ("alter", "mariadb client: ALTER TABLE, all indexes"),
    ("copy", "golive: copy"),
    ("constraints", "golive: indexes, references, foreign keys"),
    ("proof", "golive: proof of every cell"),
    ("whole", "golive: tables to proof"),
    ("verify", "golive migrate verify, alone"),
    ("survey", "golive migrate survey, alone"),
    ("peer", "sqlite3-to-mysql, which proves nothing"),
];

/// One round's figures by side.
pub(crate) type Round = BTreeMap<&'static str, Usage>;

/// What all rounds share.
pub(crate) struct Bench<'a> {
    pub(crate) golive: PathBuf,
    pub(crate) directory: PathBuf,
    pub(crate) source: PathBuf,
    pub(crate) lines: PathBuf,
    pub(crate) server: &'a Server,
}

/// The tables as golive would make them.
pub(crate) struct Tables {
    /// All of them, with primary keys only.
    create: String,
    /// The indexes of the fact table.
    index: String,
}

impl Bench<'_> {
    /// What golive plans, so that the client fills the same table.
    pub(crate) fn tables(&self) -> Result<Tables, Failure> {
        let planned = document(&self.measured(&["migrate", "plan"], None)?)?;
        let unclear = || Failure::out_of_reach("`golive migrate plan` printed no plan".to_owned());
        let tables = planned["plan"]["tables"].as_array().ok_or_else(unclear)?;
        let create: Option<Vec<&str>> = tables.iter().map(|table| table["create"].as_str()).collect();
        let fact = tables.iter().find(|table| table["name"] == "fact").ok_or_else(unclear)?;
        let clauses = fact["indexes"].as_array().ok_or_else(unclear)?;
        let clauses: Option<Vec<&str>> = clauses.iter().map(|index| index[1].as_str()).collect();
        Ok(Tables {
            create: create.ok_or_else(unclear)?.join("; "),
            index: format!("ALTER TABLE `fact` {}", clauses.ok_or_else(unclear)?.join(", ")),
        })
    }

    /// Both sides once; which of them begins changes from round to round.
    pub(crate) fn round(&self, number: u64, tables: &Tables) -> Result<Round, Failure> {
        let mut round = Round::new();
        let (ours, theirs);
        if number.is_multiple_of(2) {
            theirs = self.client_side(tables, &mut round)?;
            ours = self.our_side(&mut round)?;
        } else {
            ours = self.our_side(&mut round)?;
            theirs = self.client_side(tables, &mut round)?;
        }
        if ours != theirs {
            let message =
                "the server's CHECKSUM TABLE differs between what golive copied and what the client loaded";
            return Err(Failure::not_ready(message.to_owned()));
        }
        let survey = self.measured(&["migrate", "survey"], None)?;
        round.insert("survey", survey.whole());
        Ok(round)
    }

    /// The client's LOAD DATA and one ALTER; the table's checksum.
    fn client_side(&self, tables: &Tables, round: &mut Round) -> Result<String, Failure> {
        const DATABASE: &str = "bench_client";
        self.server.fresh(DATABASE)?;
        finished(&measure(self.server.client(DATABASE, &tables.create), self.server.pid)?)?;
        let load = format!(
            "LOAD DATA LOCAL INFILE '{}' INTO TABLE `fact` CHARACTER SET utf8mb4",
            self.lines.display()
        );
        for (side, statement) in [("load", &load), ("alter", &tables.index)] {
            let measured = measure(self.server.client(DATABASE, statement), self.server.pid)?;
            finished(&measured)?;
            round.insert(side, measured.whole());
        }
        self.checksum_and_drop(DATABASE)
    }

    /// `golive migrate run`, then verification again by itself; the table's checksum.
    fn our_side(&self, round: &mut Round) -> Result<String, Failure> {
        const DATABASE: &str = "bench_golive";
        self.server.fresh(DATABASE)?;
        let run = self.measured(&["migrate", "run"], Some(DATABASE))?;
        let report = document(&run)?;
        let seconds = |part: &str| report[part]["seconds"].as_f64().unwrap_or(0.0);
        let mut left = ["schema", "copy", "constraints", "verification"].map(seconds).iter().sum::<f64>();
        round.insert("whole", run.before_end(left, 0.0));
        left -= seconds("schema");
        for (side, part) in [("copy", "copy"), ("constraints", "constraints"), ("proof", "verification")] {
            round.insert(side, run.before_end(left, left - seconds(part)));
            left -= seconds(part);
        }
        let verify = self.measured(&["migrate", "verify"], Some(DATABASE))?;
        round.insert("verify", verify.whole());
        self.checksum_and_drop(DATABASE)
    }

    /// The peer once, on a source of its own; its figures.
    pub(crate) fn peer(&self, venv: &Path, source: &Path) -> Result<Usage, Failure> {
        const DATABASE: &str = "bench_peer";
        self.server.fresh(DATABASE)?;
        let measured = measure(self.server.peer(venv, source, DATABASE), self.server.pid)?;
        finished(&measured)?;
        self.server.ask(&format!("DROP DATABASE `{DATABASE}`"))?;
        Ok(measured.whole())
    }

    fn checksum_and_drop(&self, database: &str) -> Result<String, Failure> {
        let answer =
            self.server.ask(&format!("CHECKSUM TABLE `{database}`.`fact`; DROP DATABASE `{database}`"))?;
        // `database.table`, then the sum.
        Ok(answer.split_whitespace().last().unwrap_or_default().to_owned())
    }

    fn measured(&self, words: &[&str], database: Option<&str>) -> Result<Measured, Failure> {
        let measured = measure(self.command(words, database), self.server.pid)?;
        finished(&measured)?;
        Ok(measured)
    }

    fn command(&self, words: &[&str], database: Option<&str>) -> Command {
        let mut golive = program(&self.golive);
        golive.current_dir(&self.directory).args(words).args(["--format", "json", "--quiet", "--source"]);
        golive.arg(&self.source);
        if let Some(database) = database {
            golive.args(["--target", "env:GOLIVE_BENCH_TARGET"]);
            golive.env("GOLIVE_BENCH_TARGET", self.server.url(database));
        }
        golive
    }
}

fn finished(measured: &Measured) -> Result<(), Failure> {
    match measured.code {
        Some(0) => Ok(()),
        code => {
            let code = code.map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"));
            let told: String = measured.stdout.chars().take(2000).collect();
            Err(Failure::out_of_reach(format!("what was to be measured ended with {code}: {told}")))
        }
    }
}

fn document(measured: &Measured) -> Result<Value, Failure> {
    serde_json::from_str(&measured.stdout)
        .map_err(|error| Failure::out_of_reach(format!("golive printed no JSON: {error}")))
}
