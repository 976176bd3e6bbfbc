//! `cargo xtask compare`: databases in common use, moved by golive and by sqlite3-to-mysql to one disposable server, and
//! both results held against the source by a reader that belongs to neither (`xtask/compare/read.py`).
//!
//! Everything third-party comes from package registries into `target/compare` and is not kept. Not here: how the
//! databases are made (`xtask/compare/make.py`), what is told of a result (`row`) and how the page reads (`page`).

mod page;
mod row;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::Value;

use self::page::{Page, Section};
use self::row::{Outcome, Row};
use crate::bench::server::Server;
use crate::run::{
    Ended, Failure, Workspace, capture, captured, finish_on_stderr, program, say, say_error, tool,
};

/// One database: how it is called by `make.py`, what people call it, and what golive is told when it asks.
struct Database {
    name: &'static str,
    title: &'static str,
    decisions: &'static str,
}

const DATABASES: [Database; 13] = [
    Database { name: "music_shop", title: "music shop (Chinook)", decisions: "" },
    Database { name: "music_shop_django", title: "music shop by Django (Chinook)", decisions: "" },
    Database { name: "film_rental", title: "film rental (Sakila)", decisions: "" },
    Database {
        name: "trading_company",
        title: "trading company (Northwind)",
        decisions: include_str!("../compare/trading_company.toml"),
    },
    Database { name: "model_trader", title: "model trader (Classic Models)", decisions: "" },
    Database {
        name: "geodesy",
        title: "geodesy registry (PROJ)",
        decisions: include_str!("../compare/geodesy.toml"),
    },
    Database {
        name: "flash_cards",
        title: "flash cards (Anki)",
        decisions: include_str!("../compare/flash_cards.toml"),
    },
    Database { name: "web_framework", title: "web framework (Django)", decisions: "" },
    Database { name: "node_framework", title: "web framework in JavaScript (MOST)", decisions: "" },
    Database { name: "browser_history", title: "browser history (Chromium)", decisions: "" },
    Database { name: "browser_forms", title: "browser forms (Chromium)", decisions: "" },
    Database { name: "browser_places", title: "browser places (Firefox)", decisions: "" },
    Database { name: "browser_cookies", title: "browser cookies (Firefox)", decisions: "" },
];

/// What pip brings; `anki` and `pyproj` carry or make their databases themselves. What else a database needs, `make.py` gets.
const PACKAGES: [&str; 6] = [
    "sqlite3-to-mysql==2.6.1",
    "mysql-to-sqlite3==2.6.1",
    "anki==26.9.3",
    "Django==5.2.19",
    "pyproj==3.7.2",
    "PyMySQL==1.2.4",
];

/// What to compare: databases of ours by name, and files of the caller's.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    names: Vec<String>,
    files: Vec<(String, PathBuf)>,
}

impl Wanted {
    fn parse(arguments: &[OsString]) -> Result<Self, Failure> {
        let mut wanted = Self::default();
        let mut arguments = arguments.iter().map(|one| one.to_string_lossy());
        while let Some(argument) = arguments.next() {
            if argument == "--database" {
                wanted.files.push(own_file(arguments.next().as_deref())?);
            } else if DATABASES.iter().any(|known| known.name == argument) {
                wanted.names.push(argument.into_owned());
            } else {
                let known: Vec<&str> = DATABASES.iter().map(|database| database.name).collect();
                return Err(Failure::usage(format!(
                    "there is no database `{argument}`; there are {}, and --database NAME=FILE",
                    known.join(", ")
                )));
            }
        }
        Ok(wanted)
    }

    fn everything(&self) -> bool {
        self.names.is_empty() && self.files.is_empty()
    }
}

fn own_file(argument: Option<&str>) -> Result<(String, PathBuf), Failure> {
    let usage = || Failure::usage("give --database as NAME=FILE, the name in small letters".to_owned());
    let (name, file) = argument.and_then(|text| text.split_once('=')).ok_or_else(usage)?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if name.is_empty() || name.len() > 40 || !name.bytes().all(plain) {
        return Err(usage());
    }
    let file = fs::canonicalize(file)
        .map_err(|error| Failure::usage(format!("{file} is not there to be compared: {error}")))?;
    Ok((name.to_owned(), file))
}

pub(crate) fn run(arguments: &[OsString]) -> Result<u8, Failure> {
    let wanted = Wanted::parse(arguments)?;
    let workspace = Workspace::find()?;
    let built = finish_on_stderr(workspace.cargo(&["build", "--workspace", "--bin", "golive", "--locked"]))?;
    if built != 0 {
        return Ok(built);
    }
    let work = Comparison::prepare(&workspace)?;
    let mut page = Page::new(work.versions()?);
    let ours = |one: &&Database| wanted.everything() || wanted.names.iter().any(|name| name == one.name);
    for database in DATABASES.iter().filter(ours) {
        say_error(&format!("==> {}", database.title));
        match work.make(database)? {
            Made::Here(origin) => page.add(work.section(database, origin)?),
            Made::Not(why) => page.left_out(database.title, &why),
        }
    }
    for (name, file) in &wanted.files {
        say_error(&format!("==> {name}"));
        page.add(work.own(name, file)?);
    }
    let text = page.text();
    say(&text);
    if wanted.everything() {
        let path = workspace.root.join("docs/comparison.md");
        fs::write(&path, text).map_err(|error| {
            Failure::out_of_reach(format!("{} cannot be written: {error}", path.display()))
        })?;
    }
    Ok(if page.golive_lost_silently() { 10 } else { 0 })
}

/// Whether a source could be made: where it comes from, or what stands in the way.
enum Made {
    Here(String),
    Not(String),
}

/// One database to be moved.
struct Case<'a> {
    name: &'a str,
    source: PathBuf,
    decisions: &'a str,
}

/// A folder for all of it, and a server.
struct Comparison<'a> {
    workspace: &'a Workspace,
    folder: PathBuf,
    server: Server,
}

impl<'a> Comparison<'a> {
    fn prepare(workspace: &'a Workspace) -> Result<Self, Failure> {
        let folder = workspace.root.join("target/compare");
        fs::create_dir_all(&folder).map_err(|error| {
            Failure::out_of_reach(format!("{} cannot be made: {error}", folder.display()))
        })?;
        let python = folder.join("venv/bin/python");
        if !python.is_file() {
            let mut venv = tool("python3");
            venv.args(["-m", "venv"]).arg(folder.join("venv"));
            succeed(venv, "python3 with its module venv is needed")?;
        }
        let mut pip = program(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(PACKAGES);
        succeed(pip, "pip must reach its registry")?;
        let golive = workspace.own_program("golive")?;
        let server = Server::start(Path::new(golive.get_program()))?;
        Ok(Self { workspace, folder, server })
    }

    fn python(&self, script: &str) -> Command {
        let mut python = program(&self.folder.join("venv/bin/python"));
        python.arg(self.workspace.root.join("xtask/compare").join(script));
        python
    }

    /// What ran, for whoever wants to run it again.
    fn versions(&self) -> Result<Vec<String>, Failure> {
        let mut date = tool("date");
        date.args(["-u", "+%F"]);
        let mut golive = self.workspace.own_program("golive")?;
        golive.arg("--version");
        let mut versions = vec![capture(date)?, capture(golive)?, format!("MariaDB {}", self.server.version)];
        versions.extend(PACKAGES[..1].iter().chain(&PACKAGES[5..]).map(|package| package.replace("==", " ")));
        Ok(versions.iter().map(|version| version.trim().to_owned()).collect())
    }

    /// Makes the source; what stands in the way, where it cannot be made here.
    fn make(&self, database: &Database) -> Result<Made, Failure> {
        let mut make = self.python("make.py");
        make.arg(database.name).arg(self.source(database.name)).env("SERVER", self.server.url("mysql"));
        let ended = captured(make)?;
        if ended.code == 0 {
            return Ok(Made::Here(ended.output.trim().to_owned()));
        }
        Ok(Made::Not(ended.errors.trim().lines().last().unwrap_or("it said nothing").to_owned()))
    }

    fn source(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.db"))
    }

    fn section(&self, database: &Database, origin: String) -> Result<Section, Failure> {
        let Database { name, title, decisions } = database;
        let case = Case { name, source: self.source(name), decisions };
        let (rows, _) = self.rows(&case)?;
        Ok(Section { title: (*title).to_owned(), name: (*name).to_owned(), origin, rows })
    }

    /// A file of the caller's.
    fn own(&self, name: &str, file: &Path) -> Result<Section, Failure> {
        let (rows, digest) = self.rows(&Case { name, source: file.to_owned(), decisions: "" })?;
        let file = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let origin = format!("a file of your own, SHA-256 {digest}");
        Ok(Section { title: name.to_owned(), name: format!("--database {name}={file}"), origin, rows })
    }

    /// Every tool on it, and the SHA-256 of the source.
    fn rows(&self, case: &Case<'_>) -> Result<(Vec<Row>, String), Failure> {
        let (row, digest) = self.golive(case, "")?;
        let mut rows = vec![row];
        if !case.decisions.is_empty() {
            rows.push(self.golive(case, case.decisions)?.0);
        }
        rows.push(self.peer(case)?);
        Ok((rows, digest))
    }

    /// `survey`, `run` and `verify`, as an operator would.
    fn golive(&self, case: &Case<'_>, decisions: &str) -> Result<(Row, String), Failure> {
        let suffix = if decisions.is_empty() { "golive" } else { "decided" };
        let name = self.empty(case, suffix)?;
        let folder = self.folder.join(suffix);
        let written = fs::create_dir_all(&folder).and_then(|()| {
            fs::write(
                folder.join("golive.toml"),
                format!("[application]\nname = \"comparison\"\n{decisions}"),
            )
        });
        written.map_err(|error| {
            Failure::out_of_reach(format!("{} cannot be written: {error}", folder.display()))
        })?;
        let verb = |verb: &str| -> Result<Ended, Failure> {
            let mut golive = self.workspace.own_program("golive")?;
            golive.current_dir(&folder).env("TARGET", self.server.url(&name));
            golive.args(["migrate", verb, "--format", "json", "--target", "env:TARGET", "--source"]);
            golive.arg(&case.source);
            captured(golive)
        };
        let start = Instant::now();
        let survey = verb("survey")?;
        let run = verb("run")?;
        let verify = if run.code == 0 { Some(verb("verify")?) } else { None };
        let seconds = start.elapsed().as_secs_f64();
        let findings =
            serde_json::from_str::<Value>(&survey.output).unwrap_or(Value::Null)["findings"].clone();
        let code = verify.as_ref().map_or(run.code, |verify| verify.code);
        let complaint = if run.errors.trim().is_empty() { survey.errors } else { run.errors };
        // A path of this machine says nothing to whoever reads the page.
        let complaint = complaint.replace(&format!("{}/", self.folder.display()), "");
        let tool = if decisions.is_empty() { "golive" } else { "golive, decided" };
        let outcome = Outcome::golive(&findings, &complaint);
        let read = self.read(case, &name)?;
        let digest = read["sha256"].as_str().unwrap_or("unknown").to_owned();
        Ok((Row::new(tool, code, seconds, &read, outcome), digest))
    }

    fn peer(&self, case: &Case<'_>) -> Result<Row, Failure> {
        let name = self.empty(case, "peer")?;
        let peer = self.server.peer(&self.folder.join("venv"), &case.source, &name);
        let start = Instant::now();
        let ended = captured(peer)?;
        let seconds = start.elapsed().as_secs_f64();
        let outcome = Outcome::peer(ended.code, &format!("{}\n{}", ended.output, ended.errors));
        Ok(Row::new("sqlite3-to-mysql", ended.code, seconds, &self.read(case, &name)?, outcome))
    }

    /// A new database on the server.
    fn empty(&self, case: &Case<'_>, suffix: &str) -> Result<String, Failure> {
        let name = format!("{}_{suffix}", case.name);
        self.server.fresh(&name)?;
        Ok(name)
    }

    /// What the independent reader sees.
    fn read(&self, case: &Case<'_>, name: &str) -> Result<Value, Failure> {
        let mut read = self.python("read.py");
        read.arg(&case.source).env("TARGET", self.server.url(name));
        serde_json::from_str(&capture(read)?)
            .map_err(|error| Failure::out_of_reach(format!("read.py printed no JSON: {error}")))
    }
}

fn succeed(program: Command, advice: &str) -> Result<(), Failure> {
    let name = Path::new(program.get_program()).display().to_string();
    match finish_on_stderr(program)? {
        0 => Ok(()),
        code => Err(Failure::out_of_reach(format!("{name} ended with {code}: {advice}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Wanted, Failure> {
        Wanted::parse(&arguments.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn a_wrong_call_is_told_before_anything_runs() {
        let failure = run(&["no_such".into()]).unwrap_err();
        assert_eq!(failure.code, 2);
        assert!(failure.message.contains("music_shop"), "{}", failure.message);
        for wrong in [&["--database"][..], &["--database", "x"], &["--database", "X y=Cargo.toml"]] {
            assert_eq!(parsed(wrong).unwrap_err().code, 2, "{wrong:?}");
        }
        let missing = parsed(&["--database", "mine=no/such.db"]).unwrap_err();
        assert!(missing.message.starts_with("no/such.db is not there"), "{}", missing.message);
    }

    #[test]
    fn databases_are_named_or_brought() {
        assert!(parsed(&[]).unwrap().everything());
        let wanted = parsed(&["geodesy", "--database", "mine=Cargo.toml"]).unwrap();
        assert_eq!(wanted.names, ["geodesy"]);
        assert_eq!(wanted.files[0].0, "mine");
        assert!(wanted.files[0].1.is_absolute());
        assert!(!wanted.everything());
    }
}
