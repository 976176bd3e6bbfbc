//! `cargo xtask bench backup`: what a backup, a restore and the archive of the binary log cost, beside MariaDB's own
//! programs in a pipe with zstd at the same level with as many threads. The other side neither encrypts nor digests nor proves anything.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::bounds::{Bound, median};
use super::meter::{Measured, Usage, measure};
use super::options::Options;
use super::server::Server;
use crate::run::{
    Failure, Workspace, cannot_start, capture, finish_on_stderr, program, say, say_error, tool,
};

const SOURCE: &str = "bench_backup";
const COPY: &str = "bench_backup_copy";
/// The level of golive's own stream, and as many threads: half of the processors, 1 to 4.
fn zstd() -> String {
    let processors = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!("zstd -1 -T{} -q -f", (processors / 2).clamp(1, 4))
}

const SIDES: [(&str, &str); 8] = [
    ("dump_pipe", "mariadb-dump | zstd"),
    ("dump", "golive backup create"),
    ("files_pipe", "mariadb-backup --stream | zstd"),
    ("files", "golive backup create --physical"),
    ("load_pipe", "zstd -d | mariadb"),
    ("load", "golive backup restore"),
    ("writes", "writes without an archiver"),
    ("writes_archived", "writes with golive backup archive-binlog"),
];
/// How long the archiver may take to connect, and how many statements are written beside it.
const CONNECT: Duration = Duration::from_secs(3);
const STATEMENTS: u64 = 8000;

type Round = BTreeMap<&'static str, Usage>;

struct Bench<'a> {
    golive: PathBuf,
    folder: PathBuf,
    server: &'a Server,
}

pub(crate) fn run(options: &Options) -> Result<u8, Failure> {
    let workspace = Workspace::find()?;
    let golive = match &options.golive {
        Some(file) => file.clone(),
        None => {
            say_error("==> building golive as it ships");
            let built =
                finish_on_stderr(workspace.cargo(&["build", "--release", "--locked", "-p", "golive-cli"]))?;
            if built != 0 {
                return Ok(built);
            }
            workspace.target.join("release/golive")
        }
    };
    let golive = fs::canonicalize(&golive).map_err(reach(&golive))?;
    let folder = workspace.target.join("bench/backup");
    fs::create_dir_all(&folder).map_err(reach(&folder))?;
    let server = Server::start_with(&golive, &["log-bin=bench", "server-id=1", "sync-binlog=1"])?;
    let bench = Bench { golive, folder: folder.clone(), server: &server };
    let bytes = bench.prepare(options.rows)?;
    let mut rounds = Vec::new();
    for number in 0..options.repeats {
        say_error(&format!("==> round {} of {}", number + 1, options.repeats));
        rounds.push(bench.round(number)?);
    }
    let results = Results { rows: options.rows, bytes, server: server.version.clone(), rounds };
    let kept = folder.join(format!("backup-{}.json", options.rows));
    let document = format!("{:#}\n", results.json());
    fs::write(&kept, &document).map_err(reach(&kept))?;
    say(&if options.json { document } else { results.text() });
    say_error(&format!("kept in {}", kept.display()));
    let bounds: Vec<Option<bool>> = results.bounds().iter().map(Bound::is_kept).collect();
    if bounds.contains(&Some(false)) {
        return Err(Failure::not_ready("a bound was missed".to_owned()));
    }
    if bounds.contains(&None) {
        return Err(Failure::out_of_reach("a bound was not measured".to_owned()));
    }
    Ok(0)
}

fn reach(path: &Path) -> impl Fn(std::io::Error) -> Failure {
    let path = path.display().to_string();
    move |error| Failure::out_of_reach(format!("{path} cannot be used: {error}"))
}

impl Bench<'_> {
    /// The data; says how many bytes of InnoDB it takes.
    fn prepare(&self, rows: u64) -> Result<u64, Failure> {
        say_error(&format!("==> {rows} rows, and half as many in two other tables"));
        let options = self.options();
        let _ = fs::remove_file(&options);
        let mut file =
            fs::File::options().write(true).create_new(true).open(&options).map_err(reach(&options))?;
        file.set_permissions(Permissions::from_mode(0o600)).map_err(reach(&options))?;
        file.write_all(self.server.option_file().as_bytes()).map_err(reach(&options))?;
        self.server.fresh(SOURCE)?;
        let fill = DATA.replace("{all}", &rows.to_string()).replace("{half}", &(rows / 2).to_string());
        capture(self.server.client(SOURCE, &fill))?;
        let size = format!(
            "SELECT SUM(DATA_LENGTH + INDEX_LENGTH) FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{SOURCE}'"
        );
        let size = self
            .server
            .ask(&format!("ANALYZE TABLE {SOURCE}.fact, {SOURCE}.part, {SOURCE}.audit; {size}"))?;
        Ok(size.split_whitespace().last().and_then(|text| text.parse().ok()).unwrap_or(0))
    }

    fn options(&self) -> PathBuf {
        self.folder.join("client.cnf")
    }

    fn round(&self, number: u64) -> Result<Round, Failure> {
        let mut round = Round::new();
        let repository = self.folder.join("repository");
        let _ = fs::remove_dir_all(&repository);
        let dump = self.folder.join("dump.sql.zst");
        let defaults = format!("--defaults-file={}", self.options().display());
        let ours = |words: &[&str], database: &str| self.golive(&repository, words, database);
        let dump_pipe = format!(
            "mariadb-dump {defaults} --single-transaction --quick --skip-lock-tables --routines --triggers --events --hex-blob {SOURCE} | {zstd} -o {}",
            dump.display(),
            zstd = zstd()
        );
        let create = ours(&["create", "--target", "env:GOLIVE_BENCH_TARGET"], SOURCE);
        self.pair(number, &mut round, [("dump_pipe", shell(&dump_pipe)), ("dump", create)])?;

        let files = self.folder.join("files.zst");
        let scratch = self.folder.join("mariadb-backup.tmp");
        let files_pipe = format!(
            "mariadb-backup {defaults} --backup --stream=mbstream --target-dir={} 2>/dev/null | {zstd} -o {}",
            scratch.display(),
            files.display(),
            zstd = zstd()
        );
        let physical = ours(&["create", "--physical", "--target", "env:GOLIVE_BENCH_TARGET"], SOURCE);
        self.pair(number, &mut round, [("files_pipe", shell(&files_pipe)), ("files", physical)])?;
        fs::remove_file(&files).map_err(reach(&files))?;

        // Each into a database that is empty when it begins.
        let load_pipe = format!(
            "zstd -dcq {} | mariadb {defaults} --default-character-set=utf8mb4 --binary-mode {COPY}",
            dump.display()
        );
        let dumped = self.newest_dump(&repository)?;
        let load = ours(&["restore", &dumped, "--target", "env:GOLIVE_BENCH_TARGET"], COPY);
        let mut sides = [("load_pipe", shell(&load_pipe)), ("load", load)];
        if number % 2 == 1 {
            sides.reverse();
        }
        for (side, command) in sides {
            self.server.fresh(COPY)?;
            round.insert(side, self.measured(command)?);
        }
        self.server.ask(&format!("DROP DATABASE {COPY}"))?;
        self.writes(number, &repository, &mut round)?;
        Ok(round)
    }

    /// Both sides once; which of them begins changes from round to round.
    fn pair(
        &self,
        number: u64,
        round: &mut Round,
        mut sides: [(&'static str, Command); 2],
    ) -> Result<(), Failure> {
        if number % 2 == 1 {
            sides.reverse();
        }
        for (side, command) in sides {
            round.insert(side, self.measured(command)?);
        }
        Ok(())
    }

    /// The same statements with and without an archiver beside them, two times each and in turn.
    fn writes(&self, number: u64, repository: &Path, round: &mut Round) -> Result<(), Failure> {
        self.server.ask(&format!(
            "CREATE OR REPLACE TABLE {SOURCE}.written (id INT PRIMARY KEY AUTO_INCREMENT, what VARCHAR(200))"
        ))?;
        let mut taken: BTreeMap<&'static str, Vec<Usage>> = BTreeMap::new();
        for turn in 0..4 {
            let archived = (turn + number) % 2 == 1;
            let mut archiver = match archived {
                true => Some(self.archiver(repository)?),
                false => None,
            };
            let usage = self.measured(self.slap());
            if let Some(archiver) = &mut archiver {
                end(archiver)?;
            }
            taken.entry(if archived { "writes_archived" } else { "writes" }).or_default().push(usage?);
        }
        for (side, usages) in taken {
            let seconds = usages.iter().map(|usage| usage.seconds).sum::<f64>();
            round.insert(side, Usage { seconds, ..Usage::default() });
        }
        Ok(())
    }

    fn slap(&self) -> Command {
        let mut slap = tool("mariadb-slap");
        slap.arg(format!("--defaults-file={}", self.options().display()));
        slap.args(["--concurrency=4", "--silent", &format!("--create-schema={SOURCE}")]);
        slap.arg(format!("--number-of-queries={STATEMENTS}"));
        slap.arg("--query=INSERT INTO written (what) VALUES (REPEAT('x', 150))");
        slap
    }

    fn archiver(&self, repository: &Path) -> Result<Child, Failure> {
        let mut archiver =
            self.golive(repository, &["archive-binlog", "--target", "env:GOLIVE_BENCH_TARGET"], SOURCE);
        archiver.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = archiver.spawn().map_err(|error| cannot_start(&archiver, &error))?;
        thread::sleep(CONNECT);
        Ok(child)
    }

    fn golive(&self, repository: &Path, words: &[&str], database: &str) -> Command {
        let mut golive = program(&self.golive);
        golive.current_dir(&self.folder).arg("backup").args(words).args(["--format", "json", "--quiet"]);
        golive.arg("--repository").arg(repository).arg("--key").arg(self.folder.join("backup.key"));
        golive.env("GOLIVE_BENCH_TARGET", self.server.url(database));
        golive
    }

    /// The dump, not the files, which came later.
    fn newest_dump(&self, repository: &Path) -> Result<String, Failure> {
        let told = capture(self.golive(repository, &["list"], SOURCE))?;
        let unclear = || Failure::out_of_reach("`golive backup list` showed no dump".to_owned());
        let list: Value = serde_json::from_str(&told).map_err(|_| unclear())?;
        let backups = list["backups"].as_array().ok_or_else(unclear)?;
        let dump = backups.iter().rev().find(|backup| backup["holds"] == format!("database {SOURCE}"));
        Ok(dump.and_then(|backup| backup["id"].as_str()).ok_or_else(unclear)?.to_owned())
    }

    fn measured(&self, command: Command) -> Result<Usage, Failure> {
        let measured: Measured = measure(command, self.server.pid)?;
        match measured.code {
            Some(0) => Ok(measured.whole()),
            code => {
                let told: String = measured.stdout.chars().take(2000).collect();
                Err(Failure::out_of_reach(format!("what was to be measured ended with {code:?}: {told}")))
            }
        }
    }
}

fn shell(pipe: &str) -> Command {
    let mut shell = tool("bash");
    shell.args(["-o", "pipefail", "-c", pipe]);
    shell
}

fn end(child: &mut Child) -> Result<(), Failure> {
    let mut kill = tool("kill");
    kill.arg("-TERM").arg(child.id().to_string());
    finish_on_stderr(kill)?;
    child
        .wait()
        .map(drop)
        .map_err(|error| Failure::out_of_reach(format!("the archiver did not end: {error}")))
}

struct Results {
    rows: u64,
    bytes: u64,
    server: String,
    rounds: Vec<Round>,
}

impl Results {
    fn ratio(&self, over: &str, under: &str) -> Option<f64> {
        let ratio = |round: &Round| Some(round.get(over)?.seconds / round.get(under)?.seconds);
        median(self.rounds.iter().map(ratio).collect::<Option<Vec<f64>>>()?)
    }

    fn bounds(&self) -> Vec<Bound> {
        let ours = ["dump", "files", "load"];
        let peaks = self.rounds.iter().flat_map(|round| ours.iter().filter_map(|side| round.get(side)));
        let peak = peaks.map(|usage| usage.client_peak_kib).max();
        vec![
            // With all of it: encryption, hashing, counts and digests.
            Bound::at_most("dump / mariadb-dump | zstd", 1.05, self.ratio("dump", "dump_pipe")),
            Bound::at_most("files / mariadb-backup | zstd", 1.05, self.ratio("files", "files_pipe")),
            Bound::at_least("restore, times as fast as the pipe", 1.5, self.ratio("load_pipe", "load")),
            Bound::at_most(
                "writes beside the archiver / alone",
                1.03,
                self.ratio("writes_archived", "writes"),
            ),
            Bound::at_most("peak memory of golive, MiB", 256.0, peak.map(|kib| kib as f64 / 1024.0)),
        ]
    }

    fn text(&self) -> String {
        let mut text = format!(
            "{:.2} GB of InnoDB, {} rows in the largest table; MariaDB {}; {} rounds, medians; `{}` on both sides\n\n",
            self.bytes as f64 / 1e9,
            self.rows,
            self.server,
            self.rounds.len(),
            zstd(),
        );
        text.push_str(&format!(
            "{:<44}{:>11}{:>19}{:>19}\n",
            "", "seconds", "CPU of the server", "CPU of the rest"
        ));
        for (side, title) in SIDES {
            let usages: Vec<&Usage> = self.rounds.iter().filter_map(|round| round.get(side)).collect();
            let of = |part: fn(&Usage) -> f64| median(usages.iter().map(|usage| part(usage)).collect());
            if let (Some(seconds), Some(server), Some(rest)) = (
                of(|usage| usage.seconds),
                of(|usage| usage.server_cpu_seconds),
                of(|usage| usage.client_cpu_seconds),
            ) {
                text.push_str(&format!("{title:<44}{seconds:>11.2}{server:>19.2}{rest:>19.2}\n"));
            }
        }
        text.push('\n');
        for bound in self.bounds() {
            text.push_str(&format!("{}\n", bound.line()));
        }
        text
    }

    fn json(&self) -> Value {
        let usage = |usage: &Usage| {
            json!({
                "seconds": usage.seconds, "server_cpu_seconds": usage.server_cpu_seconds,
                "client_cpu_seconds": usage.client_cpu_seconds, "client_peak_kib": usage.client_peak_kib,
            })
        };
        let round = |round: &Round| -> Value {
            round.iter().map(|(side, one)| ((*side).to_owned(), usage(one))).collect()
        };
        json!({
            "schema_version": 1, "rows": self.rows, "bytes": self.bytes, "server": self.server,
            "rounds": self.rounds.iter().map(round).collect::<Vec<_>>(),
            "bounds": self.bounds().iter().map(Bound::json).collect::<Vec<_>>(),
        })
    }
}

/// Rows as a production database has them: numbers, words, texts, JSON, and keys on half of the columns.
const DATA: &str = "
CREATE TABLE machine (id INT PRIMARY KEY, name VARCHAR(60) NOT NULL, UNIQUE (name));
CREATE TABLE fact (id BIGINT PRIMARY KEY AUTO_INCREMENT, machine_id INT NOT NULL, taken DATETIME NOT NULL, product VARCHAR(40) NOT NULL,
  quantity DECIMAL(12,3) NOT NULL, note VARCHAR(200), operator CHAR(8) NOT NULL, KEY (machine_id, taken), KEY (product), KEY (taken),
  KEY (operator), CONSTRAINT fact_machine FOREIGN KEY (machine_id) REFERENCES machine (id));
CREATE TABLE part (id BIGINT PRIMARY KEY AUTO_INCREMENT, fact_id BIGINT NOT NULL, defect VARCHAR(60), measured DOUBLE, day DATE,
  KEY (fact_id), KEY (defect, day));
CREATE TABLE audit (id BIGINT PRIMARY KEY AUTO_INCREMENT, at DATETIME(3), who VARCHAR(40), what JSON, KEY (at), KEY (who, at));
INSERT INTO machine SELECT seq, CONCAT('machine ', seq) FROM seq_1_to_500;
INSERT INTO fact SELECT NULL, 1 + seq * 7919 % 500, '2024-01-01' + INTERVAL seq * 37 % 60000000 SECOND, CONCAT('part-', MD5(seq % 4000)),
  seq % 9973 / 7, IF(seq % 3, CONCAT('shift note ', SHA1(seq)), NULL), LEFT(MD5(seq % 300), 8) FROM seq_1_to_{all};
INSERT INTO part SELECT NULL, 1 + seq * 104729 % {all}, CONCAT('defect ', seq % 90), SQRT(seq), '2024-01-01' + INTERVAL seq % 900 DAY FROM seq_1_to_{half};
INSERT INTO audit SELECT NULL, '2024-01-01' + INTERVAL seq * 41 SECOND, CONCAT('user', seq % 800), JSON_OBJECT('action', ELT(1 + seq % 4, 'create', 'update', 'delete', 'login'),
  'entity', MD5(seq), 'n', seq, 'text', CONCAT('some words about ', SHA1(seq))) FROM seq_1_to_{half};
";

#[cfg(test)]
mod tests {
    use super::*;

    fn round(figures: &[(&'static str, f64)]) -> Round {
        let usage = |seconds: f64| Usage { seconds, client_peak_kib: 64 << 10, ..Usage::default() };
        figures.iter().map(|(side, seconds)| (*side, usage(*seconds))).collect()
    }

    #[test]
    fn each_bound_is_a_ratio_of_one_round_and_what_was_not_measured_is_not_kept() {
        let figures = [
            ("dump_pipe", 10.0),
            ("dump", 10.4),
            ("files_pipe", 4.0),
            ("files", 5.0),
            ("load_pipe", 60.0),
            ("load", 30.0),
        ];
        let results = Results {
            rows: 1,
            bytes: 1,
            server: String::new(),
            rounds: vec![round(&figures), round(&figures)],
        };
        let kept: Vec<Option<bool>> = results.bounds().iter().map(Bound::is_kept).collect();
        assert_eq!(kept, [Some(true), Some(false), Some(true), None, Some(true)]);
        assert!(results.text().contains("✗ files / mariadb-backup | zstd"), "{}", results.text());
    }
}
