//! The stage of a disaster: a disposable server with a copy of the data and a binary log, its archiver, a writer, and
//! the commands that are run. No judgement here.

use std::error::Error;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use golive_backup::{ArchiveStatus, Key, Keys, Repository};
use golive_sandbox::{MariaDb, MariaDbOptions, Process, ProcessSpec, run_to_end};

use super::{Disaster, DisasterError, DisasterOptions, DisasterReport, Executed};

/// How long anything may take to come to pass.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long one command may take.
const COMMAND_WITHIN: Duration = Duration::from_secs(4 * 3600);
const PAUSE: Duration = Duration::from_millis(20);

pub(super) struct Stage {
    // Dropped in this order: the archiver before the server it reads.
    _archiver: Process,
    server: Arc<MariaDb>,
    options: DisasterOptions,
    repository: PathBuf,
    key_file: PathBuf,
    folder: tempfile::TempDir,
}

/// Names what was being done when something went wrong.
pub(super) fn doing<E: Error + Send + Sync + 'static>(doing: &'static str) -> impl Fn(E) -> DisasterError {
    move |source| DisasterError::Stage { doing, source: Box::new(source) }
}

impl Stage {
    /// A copy of the data on a server of its own, backed up, its binary log being archived.
    pub(super) fn set(options: &DisasterOptions) -> Result<Self, DisasterError> {
        let folder = tempfile::tempdir().map_err(doing("make a folder for the rehearsal"))?;
        let server = start(true)?;
        let url = server.url(&options.database);
        let run = |words: &[String]| {
            let mut ignored = Vec::new();
            run(options, folder.path(), &url, words, &mut ignored, |text| text).map(drop)
        };
        let words = |words: &[&str], repository: &std::path::Path, key: &std::path::Path| {
            let mut all: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            for (option, path) in [("--repository", repository), ("--key", key)] {
                all.extend([option.to_owned(), path.display().to_string()]);
            }
            all
        };
        let id = options.backup.as_str();
        run(&words(&["restore", id, "--target", "env:TARGET"], &options.repository, &options.key_file))?;
        let drill = format!(
            "USE `{}`; CREATE TABLE golive_drill (id BIGINT UNSIGNED PRIMARY KEY, filling VARCHAR(200) NOT NULL) ENGINE=InnoDB",
            options.database.replace('`', "``")
        );
        server.execute(&drill).map_err(doing("make a table to write to"))?;
        let (repository, key_file) = (folder.path().join("backups"), folder.path().join("backup.key"));
        run(&words(&["create", "--target", "env:TARGET"], &repository, &key_file))?;
        let archive = words(&["archive-binlog", "--target", "env:TARGET"], &repository, &key_file);
        let spec = spec(&options.program, folder.path(), &url, &archive);
        let archiver = Process::start(spec).map_err(doing("start the archiver"))?;
        Ok(Self {
            _archiver: archiver,
            server: Arc::new(server),
            options: options.clone(),
            repository,
            key_file,
            folder,
        })
    }

    /// The repository and its key file.
    pub(super) fn places(&self) -> (&std::path::Path, &std::path::Path) {
        (&self.repository, &self.key_file)
    }

    pub(super) fn server(&self) -> &MariaDb {
        &self.server
    }

    pub(super) fn url(&self) -> String {
        self.server.url(&self.options.database)
    }

    pub(super) fn execute(&self, statements: &str) -> Result<String, DisasterError> {
        execute(&self.server, &self.options.database, statements)
    }

    pub(super) fn turn_log(&self) -> Result<(), DisasterError> {
        self.execute("FLUSH BINARY LOGS").map(drop)
    }

    /// Waits until everything that is committed now is in the archive.
    pub(super) fn wait_archived(&self) -> Result<(), DisasterError> {
        let key = Key::read(&self.key_file).map_err(doing("read the key"))?;
        let repository = Repository::open_local(&self.repository, Keys::with_identity(key))
            .map_err(doing("open the repository"))?;
        let archive = repository.binlogs();
        let position = self.execute("SHOW MASTER STATUS")?;
        let mut words = position.split_whitespace();
        let file = words.next().unwrap_or_default().to_owned();
        let wanted: u64 = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        wait("the archive to be complete", || {
            let there = |status: &ArchiveStatus| status.file == file && status.position >= wanted;
            archive.status().ok().flatten().is_some_and(|status| there(&status))
        })
    }

    /// The machine is gone, with its disk.
    pub(super) fn lose_server(&self) -> Result<(), DisasterError> {
        self.server.kill().map_err(doing("kill the server"))?;
        std::fs::remove_dir_all(self.server.data_directory()).map_err(doing("remove its data"))
    }

    /// Overwrites pages in the file of the table that was written to, while the server is down.
    pub(super) fn overwrite_table(&self) -> Result<(), DisasterError> {
        self.wait_archived()?;
        self.server.stop().map_err(doing("stop the server"))?;
        let file = self.server.data_directory().join(&self.options.database).join("golive_drill.ibd");
        let mut bytes = std::fs::read(&file).map_err(doing("read the file of a table"))?;
        // The root page of the clustered index is the fourth; the three before it are of the file itself.
        let (page, start) = (16 * 1024, 3 * 16 * 1024);
        if let Some(root) = bytes.get_mut(start + 120..start + page) {
            root.fill(0x5a);
        }
        std::fs::write(&file, bytes).map_err(doing("overwrite the file of a table"))?;
        self.server.start_again().map_err(doing("start the server again"))
    }

    pub(super) fn empty_server(&self) -> Result<MariaDb, DisasterError> {
        start(false)
    }

    /// Runs a backup command as an operator would, and notes it.
    pub(super) fn golive(
        &self,
        words: &[&str],
        target: Option<&MariaDb>,
        commands: &mut Vec<Executed>,
    ) -> Result<String, DisasterError> {
        let url = target.map_or_else(|| self.url(), |server| server.url(&self.options.database));
        let mut all: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let places = [("--repository", &self.repository), ("--key", &self.key_file)];
        for (option, path) in places {
            all.extend([option.to_owned(), path.display().to_string()]);
        }
        let shown = |text: String| {
            let text = text.replace(&self.repository.display().to_string(), "\"$REPOSITORY\"");
            text.replace(&self.key_file.display().to_string(), "\"$KEY\"")
        };
        run(&self.options, self.folder.path(), &url, &all, commands, shown)
    }
}

fn start(binary_log: bool) -> Result<MariaDb, DisasterError> {
    let mut options = MariaDbOptions::new();
    options.binary_log = binary_log;
    // The default redo log of a disposable server is tiny; a restore writes a lot.
    options.settings =
        ["--innodb-buffer-pool-size=256M", "--innodb-log-file-size=128M"].map(str::to_owned).to_vec();
    MariaDb::start(&options).map_err(doing("start a disposable server"))
}

fn execute(server: &MariaDb, database: &str, statements: &str) -> Result<String, DisasterError> {
    let text = format!("USE `{}`; {statements}", database.replace('`', "``"));
    server.execute(&text).map_err(doing("speak to a disposable server"))
}

fn spec(program: &std::path::Path, folder: &std::path::Path, url: &str, words: &[String]) -> ProcessSpec {
    ProcessSpec::new(program)
        .argument("backup")
        .arguments(words.to_vec())
        .directory(folder)
        .environment([("TARGET", url.into()), ("TMPDIR", folder.as_os_str().to_owned())])
}

pub(super) fn run(
    options: &DisasterOptions,
    folder: &std::path::Path,
    url: &str,
    words: &[String],
    commands: &mut Vec<Executed>,
    shown: impl Fn(String) -> String,
) -> Result<String, DisasterError> {
    if options.cancel.is_cancelled() {
        return Err(DisasterError::Ended);
    }
    let began = Instant::now();
    let spec = spec(&options.program, folder, url, words);
    let ended = run_to_end(spec, COMMAND_WITHIN).map_err(doing("run golive"))?;
    let command = shown(format!("golive backup {}", words.join(" ")));
    if !ended.status.success() {
        let said = ended.errors.lines().last().unwrap_or_default().to_owned();
        return Err(DisasterError::Command { command, said });
    }
    commands.push(Executed { command, seconds: began.elapsed().as_secs_f64() });
    Ok(ended.output)
}

pub(super) fn wait(what: &'static str, mut holds: impl FnMut() -> bool) -> Result<(), DisasterError> {
    let began = Instant::now();
    while !holds() {
        if began.elapsed() > PATIENCE {
            return Err(DisasterError::Timeout { what, seconds: PATIENCE.as_secs() });
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// Writes rows until it is ended or the server refuses one; keeps when each was confirmed.
pub(super) struct Writer {
    stop: Arc<AtomicBool>,
    confirmed: Arc<Mutex<Vec<Instant>>>,
    thread: JoinHandle<()>,
}

/// What the writer was told is committed.
pub(super) struct Written {
    confirmed: Vec<Instant>,
}

impl Writer {
    pub(super) fn start(stage: &Stage) -> Result<Self, DisasterError> {
        let (stop, confirmed) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (server, database) = (stage.server.clone(), stage.options.database.clone());
        let (stopping, confirming) = (stop.clone(), confirmed.clone());
        let write = move || {
            let mut id = 0_u64;
            while !stopping.load(Ordering::SeqCst) {
                id += 1;
                let row = format!("INSERT INTO golive_drill VALUES ({id}, REPEAT('x', 200))");
                if execute(&server, &database, &row).is_err() {
                    return;
                }
                confirming.lock().expect("no panic holds the times").push(Instant::now());
            }
        };
        let thread = std::thread::Builder::new()
            .name("disaster-writer".to_owned())
            .spawn(write)
            .map_err(doing("start the writer"))?;
        Ok(Self { stop, confirmed, thread })
    }

    pub(super) fn wait_for(&self, rows: u64) -> Result<(), DisasterError> {
        wait("rows to be written", || {
            self.confirmed.lock().expect("no panic holds the times").len() as u64 >= rows
        })
    }

    pub(super) fn end(self) -> Written {
        self.stop.store(true, Ordering::SeqCst);
        // One that panicked has told what it was told before.
        drop(self.thread.join());
        Written { confirmed: self.confirmed.lock().expect("no panic holds the times").clone() }
    }
}

impl Written {
    /// Compares what came back with what was confirmed.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is one field of the report, and there is no other caller"
    )]
    pub(super) fn report(
        &self,
        stage: &Stage,
        copy: &MariaDb,
        disaster: Disaster,
        at: DateTime<Utc>,
        began: Instant,
        noticed: String,
        commands: Vec<Executed>,
    ) -> Result<DisasterReport, DisasterError> {
        let recovery_seconds = began.elapsed().as_secs_f64();
        let counted = execute(copy, &stage.options.database, "SELECT COUNT(*) FROM golive_drill")?;
        let recovered: u64 = counted.trim().parse().map_err(doing("count the rows that came back"))?;
        let committed = self.confirmed.len() as u64;
        let back = usize::try_from(recovered).unwrap_or(usize::MAX).min(self.confirmed.len());
        let last_back = back.checked_sub(1).and_then(|index| self.confirmed.get(index));
        let lost = self.confirmed.last().zip(last_back).map(|(last, back)| last.duration_since(*back));
        Ok(DisasterReport {
            disaster,
            at,
            recovery_seconds,
            lost_seconds: lost.unwrap_or_default().as_secs_f64(),
            committed,
            recovered,
            noticed,
            commands,
        })
    }
}
