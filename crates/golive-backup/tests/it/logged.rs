//! A server that writes a binary log, beside an archive of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use golive_backup::{
    ArchiveEvent, ArchiveOptions, BackupOptions, Gtid, Key, Keys, Manifest, Progress, RecoverOptions,
    RecoveryReport, Repository, Server, Target, archive_binlogs, create_backup, plan_recovery, recover,
};
use golive_sandbox::{MariaDb, MariaDbOptions};
use secrecy::SecretString;
use tempfile::TempDir;

/// A server that writes a binary log, a repository, and the events of its archiver.
pub(crate) struct Logged {
    pub(crate) server: Arc<MariaDb>,
    pub(crate) url: Server,
    pub(crate) repository: Repository,
    pub(crate) events: Arc<std::sync::Mutex<Vec<ArchiveEvent>>>,
    _directory: TempDir,
}

impl Logged {
    pub(crate) fn new(schema: &str) -> Self {
        Self::with(schema, &[])
    }

    pub(crate) fn with(schema: &str, settings: &[&str]) -> Self {
        let mut options = MariaDbOptions::new();
        options.binary_log = true;
        options.settings = vec!["gtid-strict-mode=1".to_owned()];
        options.settings.extend(settings.iter().map(|setting| (*setting).to_owned()));
        let server = Arc::new(MariaDb::start(&options).unwrap());
        server.execute(&format!("CREATE DATABASE kpi; USE kpi; {schema}")).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let keys = Keys::with_identity(Key::generate());
        Self {
            url: address(&server),
            server,
            repository: Repository::open_local(directory.path().join("repository"), keys).unwrap(),
            events: Arc::default(),
            _directory: directory,
        }
    }

    pub(crate) fn execute(&self, statements: &str) -> String {
        self.server.execute(&format!("USE kpi; {statements}")).unwrap()
    }

    pub(crate) async fn back_up(&self) -> Manifest {
        let options = BackupOptions::new("kpi");
        create_backup(&self.url, &self.repository, &options, now(), &Progress::silent()).await.unwrap()
    }

    /// Archives everything that is there.
    pub(crate) async fn catch_up(&self) {
        let mut options = ArchiveOptions::new(now);
        options.catch_up = true;
        let events = self.events.clone();
        let report = move |event: &ArchiveEvent| events.lock().unwrap().push(event.clone());
        archive_binlogs(&self.url, &self.repository, &options, std::future::pending(), &report)
            .await
            .unwrap();
    }

    /// Archives in the background until the sender is dropped.
    pub(crate) fn follow(&self) -> (tokio::sync::oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (url, repository, events) = (self.url.clone(), self.repository.clone(), self.events.clone());
        let task = tokio::spawn(async move {
            let mut options = ArchiveOptions::new(now);
            options.longest_pause = Duration::from_secs(1);
            let report = move |event: &ArchiveEvent| events.lock().unwrap().push(event.clone());
            let until = async move { drop(stopped.await) };
            archive_binlogs(&url, &repository, &options, until, &report).await.unwrap();
        });
        (stop, task)
    }

    pub(crate) fn gtid(&self) -> Gtid {
        self.server.execute("SELECT @@gtid_binlog_pos").unwrap().trim().parse().unwrap()
    }

    pub(crate) async fn recover_to(&self, target: Target) -> (MariaDb, RecoveryReport) {
        let plan = plan_recovery(&self.repository, "kpi", target, None, false).unwrap();
        let copy = MariaDb::start(&MariaDbOptions::new()).unwrap();
        let options = RecoverOptions::new();
        let report =
            recover(&self.repository, &plan, &address(&copy), &options, &Progress::silent()).await.unwrap();
        (copy, report)
    }
}

pub(crate) fn address(server: &MariaDb) -> Server {
    Server::parse(&SecretString::from(server.socket_url(""))).unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test's edge: the server under test stamps by the same clock"
)]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}

/// Polls until something holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(60), "waited for a minute: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until a transaction has arrived; says how old the archive was then, in seconds.
pub(crate) async fn until_archived(logged: &Logged, gtid: Gtid) -> f64 {
    let archive = logged.repository.binlogs();
    until("the archive to catch up", || {
        plan_recovery(&logged.repository, "kpi", Target::After(gtid), None, false).is_ok()
            && archive.status().unwrap().is_some_and(|status| {
                status.server_file == status.file && status.position == status.server_position
            })
    })
    .await;
    archive.status().unwrap().unwrap().lag_seconds(now()).unwrap()
}

/// A recovery to each place, and what the ledger then holds.
pub(crate) async fn rows_at(logged: &Logged, target: Target) -> String {
    let (copy, _) = logged.recover_to(target).await;
    copy.execute("SELECT COUNT(*) FROM kpi.ledger").unwrap().trim().to_owned()
}

/// Rows that say of themselves whether they are right.
pub(crate) const LEDGER: &str =
    "CREATE TABLE ledger (id INT PRIMARY KEY AUTO_INCREMENT, amount BIGINT NOT NULL);
 CREATE TABLE audit (id INT PRIMARY KEY AUTO_INCREMENT, what VARCHAR(80));
 INSERT INTO ledger (amount) SELECT seq * 7 FROM seq_1_to_500;";
