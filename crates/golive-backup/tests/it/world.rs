//! The server, a database with everything that goes wrong in it, and a repository with its key.

use std::sync::OnceLock;

use chrono::{DateTime, Utc};
use golive_backup::{
    BackupOptions, Depth, Key, Keys, Manifest, Progress, Repository, RestoreOptions, Retention, Server,
    compare_restored, create_backup, plan_prune, restore_backup, verify_backup,
};
use golive_sandbox::{MariaDb, MariaDbOptions};
use secrecy::SecretString;
use tempfile::TempDir;

/// Every kind of object and of column that a dump can lose.
const SCHEMA: &str = "
CREATE TABLE clients (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(80) NOT NULL, note MEDIUMTEXT, UNIQUE (name));
CREATE TABLE `order` (
  id BIGINT UNSIGNED PRIMARY KEY AUTO_INCREMENT, client_id INT NOT NULL, amount DECIMAL(14,4), ratio DOUBLE,
  taken DATETIME(6), stamp TIMESTAMP(3) NULL, day DATE, shift TIME(2), active TINYINT(1) NOT NULL DEFAULT 1,
  state ENUM('new','done') NOT NULL, tags SET('a','b','c'), flags BIT(9), payload JSON, picture BLOB, uuid UUID NULL,
  place POINT NULL, total DECIMAL(16,4) AS (amount * 2) STORED,
  CONSTRAINT fk_client FOREIGN KEY (client_id) REFERENCES clients (id));
CREATE TABLE audit (id INT PRIMARY KEY AUTO_INCREMENT, what VARCHAR(2000));
CREATE TABLE empty_table (id INT PRIMARY KEY);
CREATE SEQUENCE numbers START WITH 100;
CREATE VIEW open_orders AS SELECT o.id, c.name FROM `order` o JOIN clients c ON c.id = o.client_id WHERE o.state = 'new';
INSERT INTO clients (name, note) VALUES ('ACME-MFG', NULL), ('TEXTILE', 'NULL'), ('Ünï 😀', ''), ('quote''s \"x\" \\\\', REPEAT('long ', 30000));
INSERT INTO `order` (client_id, amount, ratio, taken, stamp, day, shift, state, tags, flags, payload, picture, uuid, place)
  SELECT 1 + seq % 4, seq / 7, SQRT(seq) * 1e-7, '2026-03-29 02:30:00.123456' + INTERVAL seq HOUR,
    '2026-10-25 01:30:00.5', '2026-02-28', '-12:34:56.78', IF(seq % 2, 'new', 'done'), 'a,c', seq % 512,
    JSON_OBJECT('n', seq, 'text', 'ä\\n'), UNHEX(SHA2(seq, 256)), UUID(), POINT(seq, 1.5)
  FROM seq_1_to_2000;
INSERT INTO `order` (client_id, amount, ratio, state) VALUES (1, NULL, 0.1e0 + 0.2e0, 'new'), (1, -0.0001, 1.7976931348623157e308, 'done');
INSERT INTO audit (what) SELECT CONCAT('order ', id) FROM `order` ORDER BY id;
";
const PROGRAMS: &str = "
CREATE TRIGGER order_audit AFTER INSERT ON `order` FOR EACH ROW INSERT INTO audit (what) VALUES (CONCAT('order ', NEW.id));
CREATE PROCEDURE touch_all() UPDATE clients SET note = CONCAT(note, '!') WHERE id > 0;
CREATE FUNCTION twice(x INT) RETURNS INT DETERMINISTIC RETURN x * 2;
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DO DELETE FROM audit WHERE id < 0;
";

/// One server a test process; without a binary log, which some tests turn on for themselves.
pub(crate) fn server() -> &'static MariaDb {
    static SERVER: OnceLock<MariaDb> = OnceLock::new();
    SERVER.get_or_init(|| MariaDb::start(&MariaDbOptions::new()).expect("a private MariaDB starts"))
}

pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) database: String,
    pub(crate) repository: Repository,
    pub(crate) key: Key,
    pub(crate) directory: TempDir,
}

impl World {
    /// A filled database of this name and an empty repository.
    pub(crate) fn new(database: &str) -> Self {
        execute(&format!(
            "CREATE DATABASE {database} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci; USE {database}; {SCHEMA} {PROGRAMS}"
        ));
        let directory = tempfile::tempdir().unwrap();
        let key = Key::generate();
        let repository =
            Repository::open_local(directory.path().join("repository"), Keys::with_identity(key.clone()))
                .unwrap();
        Self { server: connection(server()), database: database.to_owned(), repository, key, directory }
    }

    pub(crate) fn copy(&self) -> String {
        format!("{}_copy", self.database)
    }

    /// The first backup of a repository: taken, read again, restored and compared.
    pub(crate) async fn backed_up_and_restored(&self, repository: &Repository) -> Manifest {
        let silent = Progress::silent();
        let options = BackupOptions::new(&self.database);
        assert!(repository.list().unwrap().is_empty());
        let manifest = create_backup(&self.server, repository, &options, noon(0), &silent).await.unwrap();
        let verified =
            verify_backup(repository, &manifest.id, Depth::Contents, noon(0), &silent).await.unwrap();
        assert!(verified.passed() && verified.bytes == manifest.stored_bytes(), "{verified:?}");
        let copy = self.copy();
        restore_backup(repository, &manifest.id, &self.server, &copy, &RestoreOptions::new(), &silent)
            .await
            .unwrap();
        let compared = compare_restored(&manifest, &self.server, &copy, &silent).await.unwrap();
        assert!(compared.equal() && compared.rows > 4000, "{compared:?}");
        let scan = repository.scan().unwrap();
        assert_eq!((scan.backups.len(), scan.damaged.len()), (1, 0));
        assert_eq!(scan.backups[0].1.len(), 1, "the proof is beside it");
        execute(&format!("DROP DATABASE {copy}"));
        manifest
    }

    /// A month later three more are taken, and the old one goes.
    pub(crate) async fn let_go(&self, repository: &Repository, manifest: &Manifest) {
        let (silent, options) = (Progress::silent(), BackupOptions::new(&self.database));
        for day in [31, 32, 33] {
            let later = create_backup(&self.server, repository, &options, noon(day), &silent).await.unwrap();
            assert!(
                verify_backup(repository, &later.id, Depth::Bytes, noon(day), &silent)
                    .await
                    .unwrap()
                    .passed()
            );
        }
        let plan = plan_prune(&repository.scan().unwrap().candidates(), &Retention::new(), noon(33));
        assert_eq!(plan.delete, std::slice::from_ref(&manifest.id));
        repository.prune(&plan, &Retention::new(), noon(33)).unwrap();
        assert_eq!(repository.list().unwrap().len(), 3);
    }
}

fn connection(server: &MariaDb) -> Server {
    Server::parse(&SecretString::from(server.socket_url(""))).unwrap()
}

pub(crate) fn execute(statements: &str) -> String {
    server().execute(statements).expect("the statements are right")
}

pub(crate) fn noon(day: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_348_800 + day * 86_400, 0).unwrap()
}
