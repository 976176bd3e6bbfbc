//! `cargo xtask bench migrate`: makes the source, starts the server, runs the rounds, keeps the results and judges them.

use std::fs;
use std::path::{Path, PathBuf};

use super::bounds::Results;
use super::options::Options;
use super::rounds::Bench;
use super::server::{PEER, SETTINGS, Server, python_environment};
use crate::run::{Failure, Workspace, capture, finish_on_stderr, say, say_error, tool};

/// Bytes a row takes on the disk at the most: the source, its lines, the tables with their indexes, their sorting.
const BYTES_A_ROW: u64 = 1600;

pub(crate) fn run(options: &Options) -> Result<u8, Failure> {
    let workspace = Workspace::find()?;
    let golive = match &options.golive {
        Some(file) => file.clone(),
        None => {
            say_error("==> building golive as it ships");
            let build = workspace.cargo(&["build", "--release", "--locked", "-p", "golive-cli"]);
            let built = finish_on_stderr(build)?;
            if built != 0 {
                return Ok(built);
            }
            workspace.target.join("release/golive")
        }
    };
    let golive = fs::canonicalize(&golive)
        .map_err(|error| Failure::out_of_reach(format!("{} is not there: {error}", golive.display())))?;
    let directory = workspace.target.join("bench");
    fs::create_dir_all(&directory)
        .map_err(|error| Failure::out_of_reach(format!("{} cannot be made: {error}", directory.display())))?;
    expect_room(&directory, options.rows)?;
    let (source, lines) = source(&workspace, &directory, options.rows, true)?;
    let server = Server::start(&golive)?;
    let bench = Bench { golive, directory: directory.clone(), source, lines, server: &server };
    let results = rounds(&workspace, &bench, options)?;
    let kept = directory.join(format!("migrate-{}.json", options.rows));
    let document = format!("{:#}\n", results.json());
    fs::write(&kept, &document)
        .map_err(|error| Failure::out_of_reach(format!("{} cannot be written: {error}", kept.display())))?;
    say(&if options.json { document } else { results.text() });
    say_error(&format!("kept in {}", kept.display()));
    let bounds: Vec<Option<bool>> = results.bounds().iter().map(|bound| bound.is_kept()).collect();
    if bounds.contains(&Some(false)) {
        return Err(Failure::not_ready("a bound was missed".to_owned()));
    }
    if bounds.contains(&None) {
        return Err(Failure::out_of_reach(
            "a bound was not measured, so it is not known to be kept".to_owned(),
        ));
    }
    Ok(0)
}

fn rounds(workspace: &Workspace, bench: &Bench<'_>, options: &Options) -> Result<Results, Failure> {
    let peer = match options.peer_rows {
        0 => None,
        rows => {
            say_error(&format!("==> installing {PEER}"));
            let venv = python_environment(&bench.directory.join("peer"), &[PEER])?;
            Some((venv, source(workspace, &bench.directory, rows, false)?.0))
        }
    };
    let tables = bench.tables()?;
    let mut rounds = Vec::new();
    for number in 0..options.repeats {
        say_error(&format!("==> round {} of {}", number + 1, options.repeats));
        let mut round = bench.round(number, &tables)?;
        if let Some((venv, source)) = &peer {
            round.insert("peer", bench.peer(venv, source)?);
        }
        rounds.push(round);
    }
    let bytes = fs::metadata(&bench.lines).map_or(0, |metadata| metadata.len());
    let server = format!("MariaDB {} with {}", bench.server.version, SETTINGS.join(", "));
    Ok(Results { rows: options.rows, peer_rows: options.peer_rows, bytes, rounds, server })
}

/// The source and its lines; made once, since they are the same each time.
fn source(
    workspace: &Workspace,
    directory: &Path,
    rows: u64,
    with_lines: bool,
) -> Result<(PathBuf, PathBuf), Failure> {
    say_error(&format!("==> a source of {rows} rows"));
    let script = workspace.root.join("xtask/src/bench/source.py");
    let (file, lines) = (directory.join(format!("{rows}.sqlite")), directory.join(format!("{rows}.tsv")));
    let mut make = tool("python3");
    make.arg(script).arg(rows.to_string()).arg(&file);
    if with_lines {
        make.arg(&lines);
    }
    capture(make)?;
    Ok((file, lines))
}

fn expect_room(directory: &Path, rows: u64) -> Result<(), Failure> {
    let mut ask = tool("df");
    ask.args(["--output=avail", "--block-size=1"]).arg(directory);
    let told = capture(ask)?;
    let free: Option<u64> = told.lines().nth(1).and_then(|line| line.trim().parse().ok());
    let needed = rows * BYTES_A_ROW + (2 << 30);
    match free {
        Some(free) if free < needed => Err(Failure::out_of_reach(format!(
            "{rows} rows want about {} GB in {}, and {} GB are free; give fewer --rows",
            needed / 1_000_000_000,
            directory.display(),
            free / 1_000_000_000
        ))),
        _ => Ok(()),
    }
}
