//! A source whose application goes on writing: one state of it is frozen, in both journal modes, and migrated.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use golive_migrate::{
    CopyError, CopyOptions, FreezeError, FreezeOptions, Frozen, OpenSourceError, Source, Verdict, begun_from,
    copy, create_schema,
};
use rusqlite::Connection;

/// Two accounts between which money moves, so that a state torn in the middle of a transfer would not add up; and a
/// journal of transfers that grows by a row each.
const BANK: &str = "CREATE TABLE account (id INTEGER PRIMARY KEY, cents INTEGER NOT NULL);
    INSERT INTO account VALUES (1, 1000000), (2, 0);
    CREATE TABLE transfer (id INTEGER PRIMARY KEY, cents INTEGER NOT NULL, note TEXT NOT NULL);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
    INSERT INTO transfer SELECT i, 0, 'begun with ' || hex(randomblob(60)) FROM n;";

/// An application that commits transfers until it is dropped.
struct Application {
    stop: Arc<AtomicBool>,
    commits: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Application {
    fn start(path: &Path) -> Self {
        let connection = Connection::open(path).unwrap();
        connection.busy_timeout(Duration::from_secs(30)).unwrap();
        let (stop, commits) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&commits));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                connection
                    .execute_batch(
                        "BEGIN IMMEDIATE; UPDATE account SET cents = cents - 1 WHERE id = 1;
                         INSERT INTO transfer (cents, note) VALUES (1, hex(randomblob(50)));
                         UPDATE account SET cents = cents + 1 WHERE id = 2; COMMIT;",
                    )
                    .unwrap();
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        let application = Self { stop, commits, thread: Some(thread) };
        application.wait_for_commits(20);
        application
    }

    fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    fn wait_for_commits(&self, more: u64) {
        let wanted = self.commits() + more;
        while self.commits() < wanted {
            assert!(!self.thread.as_ref().unwrap().is_finished(), "the application could not go on writing");
            std::thread::yield_now();
        }
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking(), "the application failed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_state_of_a_busy_source_is_frozen_and_arrives_whole() {
    for mode in ["WAL", "DELETE"] {
        let folder = tempfile::tempdir().unwrap();
        let path = support::sqlite(folder.path(), &format!("PRAGMA journal_mode = {mode}; {BANK}"));
        let application = Application::start(&path);
        if mode == "WAL" {
            assert!(Source::activity(&path).unwrap().is_live());
        }
        let kept = folder.path().join("golive");
        let frozen = Frozen::take(&path, &kept, &FreezeOptions::default(), &|_| {}).unwrap();
        let size = frozen.bytes();
        application.wait_for_commits(50);
        assert_eq!(frozen.source().path().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(&kept).unwrap().count(), 1, "one file, nothing beside it");
        assert!(!frozen.source().is_wal());

        let db = support::server();
        let target = support::target(&db).await;
        assert_eq!(begun_from(&target).await.unwrap(), None);
        let before = application.commits();
        let (_, report, verification) =
            support::migrate(frozen.source(), &target, &CopyOptions::default()).await;
        application.wait_for_commits(20);
        assert!(application.commits() > before, "the application goes on meanwhile");
        assert_eq!(verification.verdict, Verdict::Match, "{verification:#?}");
        let sums = "SELECT (SELECT SUM(cents) FROM app.account) = 1000000 AND \
            (SELECT cents FROM app.account WHERE id = 2) = (SELECT SUM(cents) FROM app.transfer)";
        assert_eq!(support::number(&db, sums), 1, "{mode}: the state is that of one moment");
        assert!(report.rows > 60_000);

        // What a later run finds again, by what the target says it was begun from.
        let again = Frozen::find(&path, &kept).unwrap().unwrap();
        assert_eq!(begun_from(&target).await.unwrap(), Some(again.source().digest().unwrap()));
        assert_eq!(again.bytes(), size);
        if mode == "WAL" {
            let log = folder.path().join("app.db-wal").metadata().unwrap().len();
            assert!(log < 16 << 20, "the log did not grow without bound: {log}");
        }
        again.discard().unwrap();
        assert!(Frozen::find(&path, &kept).unwrap().is_none());
        assert_eq!(std::fs::read_dir(&kept).unwrap().count(), 0);
    }
}

#[test]
fn a_source_in_a_write_transaction_is_frozen_as_it_was_before() {
    for mode in ["WAL", "DELETE"] {
        let folder = tempfile::tempdir().unwrap();
        let path = support::sqlite(folder.path(), &format!("PRAGMA journal_mode = {mode}; {BANK}"));
        let writer = Connection::open(&path).unwrap();
        writer.execute_batch("BEGIN IMMEDIATE; DELETE FROM transfer").unwrap();
        let opened = Source::open(&path);
        if mode == "WAL" {
            assert!(opened.unwrap().is_wal(), "its readers go on beside the writer");
        } else {
            assert!(matches!(opened, Err(OpenSourceError::BeingWritten { .. })), "{opened:?}");
        }
        assert!(Source::activity(&path).unwrap().writing);
        let frozen =
            Frozen::take(&path, &folder.path().join("kept"), &FreezeOptions::default(), &|_| {}).unwrap();
        writer.execute_batch("COMMIT").unwrap();
        let copy = Connection::open(frozen.source().path()).unwrap();
        let rows: i64 = copy.query_row("SELECT count(*) FROM transfer", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 60_000);
    }
}

#[test]
fn freezing_that_is_cancelled_leaves_nothing_and_a_quiet_source_needs_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = support::sqlite(folder.path(), BANK);
    assert!(!Source::activity(&path).unwrap().is_live());
    let kept = folder.path().join("kept");
    let options = FreezeOptions::default();
    let cancel_at_once = |_| options.cancel.cancel();
    let ended = Frozen::take(&path, &kept, &options, &cancel_at_once);
    assert!(matches!(ended, Err(FreezeError::Cancelled { .. })), "{ended:?}");
    assert_eq!(std::fs::read_dir(&kept).unwrap().count(), 0);
    assert!(matches!(
        Frozen::take(&folder.path().join("none"), &kept, &FreezeOptions::default(), &|_| {}),
        Err(FreezeError::Source(OpenSourceError::Missing { .. }))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_replaced_or_written_to_mid_copy_is_no_success() {
    for replaced in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let path = support::sqlite(folder.path(), BANK);
        let source = Source::open(&path).unwrap();
        let db = support::server();
        let target = support::target(&db).await;
        let (_, plan) = support::plan(&source, &target).await;
        create_schema(&target, &plan).await.unwrap();
        let mut options = CopyOptions::default();
        options.chunk_rows = 5_000;
        let done = AtomicBool::new(false);
        let meddle = |_| {
            if done.swap(true, Ordering::Relaxed) {
                return;
            }
            let other = folder.path().join("other.db");
            std::fs::copy(&path, &other).unwrap();
            let writer = Connection::open(if replaced { &other } else { &path }).unwrap();
            // The copy's own reading holds a rollback-journal writer off.
            writer.busy_timeout(Duration::from_millis(50)).unwrap();
            let written = writer.execute("INSERT INTO transfer (cents, note) VALUES (1, 'late')", []);
            drop(writer);
            if replaced {
                written.unwrap();
                std::fs::rename(&other, &path).unwrap();
            }
        };
        let ended = copy(&source, &target, &plan, &options, &meddle).await;
        if replaced {
            assert!(matches!(ended, Err(CopyError::SourceChanged)), "{ended:?}");
        } else {
            ended.unwrap();
            assert_eq!(support::number(&db, "SELECT COUNT(*) FROM app.transfer WHERE note = 'late'"), 0);
        }
    }
}
