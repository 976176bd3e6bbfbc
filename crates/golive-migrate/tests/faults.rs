//! Whatever is killed, cut, full or doubled: running again ends with every row once, and no finished chunk copied twice.
//!
//! `GOLIVE_FAULT_KILLS` sets how often the random killer strikes (10), `GOLIVE_FAULT_SEED` repeats one of its runs.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use golive_migrate::{
    ConstraintError, ConstraintOptions, CopyError, CopyOptions, Plan, Source, Target, TargetOptions, Verdict,
    VerifyError, VerifyOptions, add_constraints, add_constraints_with, copy, create_schema, verify,
};
use golive_sandbox::{MariaDb, MariaDbOptions, Process, ProcessSpec, Proxy};
use mysql_async::prelude::Queryable as _;

const ROWS: usize = 20_000;
const WHOLE: Duration = Duration::from_secs(120);

/// Every way of going on: by row number, without a key, by a text key; and references.
fn tables() -> String {
    format!(
        "CREATE TABLE big (id INTEGER PRIMARY KEY, name TEXT, price REAL, other INTEGER REFERENCES big (id));
         CREATE TABLE bag (a INTEGER, b TEXT);
         CREATE TABLE tight (k TEXT, n INTEGER, v TEXT, PRIMARY KEY (k, n)) WITHOUT ROWID;
         CREATE INDEX by_name ON big (name); CREATE UNIQUE INDEX by_value ON tight (v, n);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
         INSERT INTO big SELECT i * 3, 'name ' || i, i * 1.25, i * 3 FROM n;
         INSERT INTO bag SELECT id % 7, name FROM big; INSERT INTO tight SELECT 'k' || (id % 11), id, name FROM big;"
    )
}

fn small_chunks() -> CopyOptions {
    let mut options = CopyOptions::default();
    options.chunk_rows = 700;
    options
}

/// Not a test by itself: a whole migration as a process, to be killed. It ends with what became of it.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let Some([file, url]) = support::child_arguments() else { return };
    let source = Source::open(Path::new(&file)).unwrap();
    let target = Target::connect(&TargetOptions::new(url.into())).await.unwrap();
    let (_, plan) = support::plan_of_source(&source).await;
    create_schema(&target, &plan).await.unwrap();
    match copy(&source, &target, &plan, &small_chunks(), &|_| {}).await {
        Err(CopyError::AnotherRun { .. }) => std::process::exit(75),
        ended => ended.unwrap(),
    };
    add_constraints(&target, &plan).await.unwrap();
}

struct Stage {
    _folder: tempfile::TempDir,
    file: PathBuf,
    source: Source,
    db: MariaDb,
}

impl Stage {
    fn new() -> Self {
        Self::on(support::server())
    }

    fn on(db: MariaDb) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = support::sqlite(folder.path(), &tables());
        let source = Source::open(&file).unwrap();
        Self { _folder: folder, file, source, db }
    }

    fn child(&self) -> ProcessSpec {
        support::child("child", &[self.file.to_str().unwrap(), &self.db.url("app")])
            .output(self.db.private_directory().join("child.log"))
    }

    fn child_log(&self) -> String {
        std::fs::read_to_string(self.db.private_directory().join("child.log")).unwrap_or_default()
    }

    /// The finished chunks and when each was finished.
    fn chunks(&self) -> BTreeMap<String, String> {
        let chunks = "SELECT CONCAT(table_name, ' ', chunk), CONCAT(row_count, ' ', finished_at) FROM app._golive_migrate_chunk";
        let Ok(text) = self.db.execute(chunks) else { return BTreeMap::new() };
        text.lines()
            .skip(1)
            .filter_map(|line| line.split_once('\t'))
            .map(|(a, b)| (a.into(), b.into()))
            .collect()
    }

    /// Checks that what was finished before was not done again.
    fn expect_kept(&self, before: &BTreeMap<String, String>) {
        let now = self.chunks();
        for (chunk, finished) in before {
            assert_eq!(now.get(chunk), Some(finished), "{chunk} was copied again");
        }
    }

    async fn expect_equal(&self) {
        let target = support::target(&self.db).await;
        let verification = support::check(&self.source, &target).await;
        assert_eq!(verification.verdict, Verdict::Match, "{verification:#?}");
        assert_eq!(verification.tables.iter().map(|table| table.rows_target).sum::<u64>(), 3 * ROWS as u64);
    }

    async fn begin(&self, url: String) -> (Target, Plan) {
        let target = Target::connect(&TargetOptions::new(url.into())).await.unwrap();
        let (_, plan) = support::plan(&self.source, &target).await;
        create_schema(&target, &plan).await.unwrap();
        (target, plan)
    }

    async fn finish(&self, plan: &Plan) {
        let target = support::target(&self.db).await;
        copy(&self.source, &target, plan, &small_chunks(), &|_| {}).await.unwrap();
        add_constraints(&target, plan).await.unwrap();
        self.expect_equal().await;
    }
}

/// A small generator whose run can be repeated by its seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_moments_on_either_side() {
    let seed = support::setting("GOLIVE_FAULT_SEED", 20_260_504);
    let kills = support::setting("GOLIVE_FAULT_KILLS", 10);
    let mut dice = Dice(seed);
    let stage = Stage::new();
    // How long an undisturbed run takes here, now: the moments are drawn from that.
    let begun = Instant::now();
    let whole = Process::start(stage.child()).unwrap();
    assert!(whole.wait(WHOLE).unwrap().success(), "{}", stage.child_log());
    let span = begun.elapsed().as_millis().max(100) as u64;
    stage.expect_equal().await;

    let (mut struck, mut cut_copies) = (0, 0);
    while struck < kills {
        stage.db.execute("DROP DATABASE app; CREATE DATABASE app CHARACTER SET utf8mb4").unwrap();
        let mut before = BTreeMap::new();
        // One migration, killed again and again until it is through.
        loop {
            let child = Process::start(stage.child()).unwrap();
            let moment = Duration::from_millis(dice.below(span));
            if struck >= kills {
                assert!(child.wait(WHOLE).unwrap().success(), "seed {seed}: {}", stage.child_log());
            } else if child.wait(moment).is_none() {
                struck += 1;
                let which = dice.below(3);
                if which != 0 {
                    stage.db.kill().unwrap();
                }
                if which != 1 {
                    child.kill();
                }
                // A run whose server is gone ends by itself.
                assert!(child.wait(WHOLE).is_some(), "seed {seed}: a run without a server goes on");
                stage.db.start_again().unwrap();
            }
            stage.expect_kept(&before);
            before = stage.chunks();
            cut_copies += usize::from(!before.is_empty());
            if child.exit_status().is_some_and(|status| status.success()) {
                break;
            }
        }
        stage.expect_equal().await;
    }
    println!("seed {seed}: {struck} kills, {cut_copies} times a finished chunk stood already");
    assert!(kills < 10 || cut_copies > 0, "the moments never met a copy at work");
    stage.db.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_wire_and_a_restarted_server() {
    let stage = Stage::new();
    let proxy = Proxy::start(stage.db.port()).unwrap();
    let through =
        stage.db.url("app").replace(&format!(":{}/", stage.db.port()), &format!(":{}/", proxy.port()));
    let (target, plan) = stage.begin(through).await;
    for bytes in [1_000, 90_000, 200_000, 350_000] {
        let before = stage.chunks();
        proxy.cut_after(bytes);
        let ended = copy(&stage.source, &target, &plan, &small_chunks(), &|_| {}).await;
        assert!(matches!(ended, Err(CopyError::Server { .. })), "{ended:?}");
        proxy.mend();
        stage.expect_kept(&before);
    }
    let before = stage.chunks();
    assert!(!before.is_empty());
    let restart = |_| {
        stage.db.stop().unwrap();
        stage.db.start_again().unwrap();
    };
    let ended = copy(&stage.source, &target, &plan, &small_chunks(), &restart).await;
    assert!(matches!(ended, Err(CopyError::Server { .. })), "{ended:?}");
    stage.expect_kept(&before);
    stage.finish(&plan).await;
    stage.expect_kept(&before);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_at_once_and_a_lock_that_dies_with_its_process() {
    let stage = Stage::new();
    let (target, plan) = stage.begin(stage.db.url("app")).await;
    let first = Process::start(stage.child()).unwrap();
    let locked = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = 'app'";
    let until = Instant::now() + WHOLE;
    while stage.chunks().is_empty() {
        assert!(Instant::now() < until && first.is_running(), "{}", stage.child_log());
        std::thread::yield_now();
    }
    rustix::process::kill_process(pid(&first), rustix::process::Signal::STOP).unwrap();
    let second = copy(&stage.source, &target, &plan, &small_chunks(), &|_| {}).await;
    assert!(matches!(second, Err(CopyError::AnotherRun { .. })), "{second:?}");
    let third = Process::start(stage.child()).unwrap();
    assert_eq!(
        third.wait(WHOLE).and_then(|status| status.code()),
        Some(101),
        "refused before anything is made"
    );
    // Killed while it holds the lock: the server frees it when the connection is gone, and the next run goes on.
    assert!(support::number(&stage.db, locked) > 0);
    first.kill();
    let before = stage.chunks();
    stage.finish(&plan).await;
    stage.expect_kept(&before);
}

/// Stops the server's process as a whole, and lets it go on.
fn signal(db: &MariaDb, signal: rustix::process::Signal) {
    let pid = db.pid().unwrap().try_into().unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal).unwrap();
}

fn is_stall(error: &(dyn std::error::Error + 'static)) -> bool {
    error.source().is_some_and(|source| source.to_string().contains("no sign of life"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_answering_ends_every_phase_and_the_next_run_goes_on() {
    use rustix::process::Signal;
    let limit = Duration::from_secs(4);
    for local_infile in [true, false] {
        let stage = Stage::new();
        let mut how = TargetOptions::new(stage.db.url("app").into());
        how.local_infile = local_infile;
        let target = Target::connect(&how).await.unwrap();
        let (_, plan) = support::plan(&stage.source, &target).await;
        create_schema(&target, &plan).await.unwrap();
        let told = AtomicUsize::new(0);
        let stop_at_the_third = |_| {
            if told.fetch_add(1, Ordering::Relaxed) == 2 {
                signal(&stage.db, Signal::STOP);
            }
        };
        let mut options = small_chunks();
        options.stall_timeout = limit;
        let ended = copy(&stage.source, &target, &plan, &options, &stop_at_the_third);
        let ended = tokio::time::timeout(WHOLE, ended).await.expect("the copy hangs").unwrap_err();
        assert!(matches!(ended, CopyError::Server { .. }) && is_stall(&ended), "{ended:?}");
        signal(&stage.db, Signal::CONT);
        let before = stage.chunks();
        assert!(!before.is_empty());
        copy(&stage.source, &target, &plan, &small_chunks(), &|_| {}).await.unwrap();
        stage.expect_kept(&before);

        let stop = |_| signal(&stage.db, Signal::STOP);
        let mut options = ConstraintOptions::default();
        options.stall_timeout = limit;
        let ended = add_constraints_with(&target, &plan, &options, &stop);
        let ended = tokio::time::timeout(WHOLE, ended).await.expect("adding keys hangs").unwrap_err();
        assert!(matches!(ended, ConstraintError::Server(_)) && is_stall(&ended), "{ended:?}");
        signal(&stage.db, Signal::CONT);
        add_constraints(&target, &plan).await.unwrap();

        let mut options = VerifyOptions::default();
        options.stall_timeout = limit;
        let ended = verify(&stage.source, &target, &options, &stop);
        let ended = tokio::time::timeout(WHOLE, ended).await.expect("the verification hangs").unwrap_err();
        assert!(matches!(ended, VerifyError::Target(_)) && is_stall(&ended), "{ended:?}");
        signal(&stage.db, Signal::CONT);
        stage.expect_equal().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_never_ends_is_given_up_and_a_long_statement_is_not() {
    let stage = Stage::new();
    let (target, plan) = stage.begin(stage.db.url("app")).await;
    let mut other = mysql_async::Conn::from_url(stage.db.url("app")).await.unwrap();
    other.query_drop("LOCK TABLES big WRITE").await.unwrap();
    let mut options = small_chunks();
    options.stall_timeout = Duration::from_secs(4);
    let ended = copy(&stage.source, &target, &plan, &options, &|_| {});
    let ended = tokio::time::timeout(WHOLE, ended).await.expect("the copy hangs").unwrap_err();
    assert!(is_stall(&ended), "the server answers, but the copy makes no step: {ended:?}");
    other.query_drop("UNLOCK TABLES").await.unwrap();
    copy(&stage.source, &target, &plan, &small_chunks(), &|_| {}).await.unwrap();

    other.query_drop("LOCK TABLES big READ").await.unwrap();
    let mut options = ConstraintOptions::default();
    options.stall_timeout = Duration::from_secs(5);
    let adding = add_constraints_with(&target, &plan, &options, &|_| {});
    let waiting_longer = async {
        let waits = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'ALTER TABLE%' AND TIME_MS > 7000";
        while tokio::task::block_in_place(|| support::number(&stage.db, waits)) == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::pin!(adding);
    tokio::select! {
        ended = &mut adding => panic!("a statement may take as long as it does: {ended:?}"),
        () = waiting_longer => {}
    }
    other.query_drop("UNLOCK TABLES").await.unwrap();
    adding.await.unwrap();
    stage.expect_equal().await;
}

fn pid(process: &Process) -> rustix::process::Pid {
    rustix::process::Pid::from_raw(process.pid().try_into().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_ends_the_run_and_room_lets_it_go_on() {
    // One file for all tables that may not grow: to the server the same as a disk without room, and it needs no mount.
    let data = tempfile::tempdir().unwrap();
    let start = |most: &str| {
        let mut options = MariaDbOptions::new();
        options.databases = vec!["app".to_owned()];
        options.directory = Some(data.path().join("data"));
        options.settings = vec![
            "innodb-file-per-table=0".to_owned(),
            format!("innodb-data-file-path=ibdata1:10M:autoextend{most}"),
        ];
        MariaDb::start(&options).unwrap()
    };
    let stage = Stage::on(start(":max:14M"));
    let (target, plan) = stage.begin(stage.db.url("app")).await;
    let ended = copy(&stage.source, &target, &plan, &small_chunks(), &|_| {}).await;
    let Err(CopyError::Server { source, .. }) = &ended else { panic!("{ended:?}") };
    assert!(source.to_string().contains("1114"), "{source}");
    let before = stage.chunks();
    assert!(!before.is_empty());
    let again = copy(&stage.source, &target, &plan, &small_chunks(), &|_| {}).await;
    assert!(matches!(again, Err(CopyError::Server { .. })), "{again:?}");
    stage.expect_kept(&before);
    drop(target);
    let Stage { _folder, file, source, db } = stage;
    drop(db);
    let stage = Stage { _folder, file, source, db: start("") };
    stage.finish(&plan).await;
    stage.expect_kept(&before);
}
