//! A dump that goes in by several sessions: every object as it was, whatever its shape; and what breaks is said.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use golive_backup::{
    BackupOptions, Progress, RestoreError, RestoreOptions, compare_restored, create_backup, restore_backup,
};

use crate::world::{World, execute, noon};

/// What makes loading by several sessions hard: references in a circle and to itself, a counter on a secondary key, no
/// primary key, full text, generated columns, checks that look like keys, another engine, rows longer than a buffer.
const LARGE: &str = "
CREATE TABLE big (id INT PRIMARY KEY AUTO_INCREMENT, parent INT, code VARCHAR(40) NOT NULL, words TEXT, doubled INT AS (parent * 2) VIRTUAL,
  note VARCHAR(80) COMMENT 'x,\n  KEY `no` (`note`)', UNIQUE KEY by_code (code), KEY by_parent (parent, code), KEY by_doubled (doubled), FULLTEXT KEY by_words (words),
  KEY descending (code DESC), CONSTRAINT to_self FOREIGN KEY (parent) REFERENCES big (id), CONSTRAINT looks CHECK (code <> 'KEY `a` (`b`)'));
CREATE TABLE left_one (id INT PRIMARY KEY, other INT, KEY (other)); CREATE TABLE right_one (id INT PRIMARY KEY, other INT, KEY (other));
INSERT INTO left_one SELECT seq, seq FROM seq_1_to_25000; INSERT INTO right_one SELECT seq, seq FROM seq_1_to_25000;
ALTER TABLE left_one ADD CONSTRAINT to_right FOREIGN KEY (other) REFERENCES right_one (id);
ALTER TABLE right_one ADD CONSTRAINT to_left FOREIGN KEY (other) REFERENCES left_one (id) ON DELETE CASCADE;
CREATE TABLE counted (kind INT NOT NULL, n INT NOT NULL AUTO_INCREMENT, PRIMARY KEY (kind, n), KEY (n));
INSERT INTO counted (kind) SELECT seq % 7 FROM seq_1_to_25000;
CREATE TABLE keyless (a INT, b VARCHAR(30), KEY (a)); INSERT INTO keyless SELECT seq % 100, 'UNLOCK TABLES;' FROM seq_1_to_25000;
CREATE TABLE aria_one (id INT PRIMARY KEY, b VARCHAR(30), KEY (b)) ENGINE=Aria; INSERT INTO aria_one SELECT seq, seq FROM seq_1_to_25000;
CREATE TABLE parted (id INT, d DATE, KEY (d), PRIMARY KEY (id, d)) PARTITION BY HASH (id) PARTITIONS 4;
INSERT INTO parted SELECT seq, '2026-01-01' + INTERVAL seq DAY FROM seq_1_to_25000;
CREATE TABLE wide (id INT PRIMARY KEY, text_value LONGTEXT, bytes LONGBLOB);
INSERT INTO wide VALUES (1, REPEAT('a;\n-- Table structure for table `x`\n', 90000), REPEAT(UNHEX('000A5C27'), 700000)), (2, ');', NULL);
INSERT INTO big (code, words, note) SELECT CONCAT('c', seq), 'some words -- Table structure', ');' FROM seq_1_to_30000;
UPDATE big SET parent = 1 + id % 100;
CREATE TRIGGER big_after AFTER INSERT ON big FOR EACH ROW BEGIN
-- Table structure for table `comment`
  INSERT INTO audit (what) VALUES ('never while it is restored');
END;
";

#[tokio::test]
async fn what_is_loaded_by_several_sessions_is_what_was_dumped() {
    let world = World::new("lanes");
    // The client of the tests ends a statement at each semicolon, so the trigger's body goes in with a delimiter.
    let (tables, trigger) = LARGE.split_once("CREATE TRIGGER").unwrap();
    execute(&format!("USE lanes; {tables} DELIMITER //\nCREATE TRIGGER{trigger} //\nDELIMITER ;"));
    let silent = Progress::silent();
    let options = BackupOptions::new("lanes");
    let manifest = create_backup(&world.server, &world.repository, &options, noon(0), &silent).await.unwrap();
    for sessions in [1, 2, 5] {
        let mut restore = RestoreOptions::new();
        restore.sessions = sessions;
        let copy = format!("lanes_{sessions}");
        restore_backup(&world.repository, &manifest.id, &world.server, &copy, &restore, &silent)
            .await
            .unwrap();
        let compared = compare_restored(&manifest, &world.server, &copy, &silent).await.unwrap();
        assert!(compared.equal(), "{sessions}: {:?}", compared.differences);
        execute(&format!("DROP DATABASE {copy}"));
    }
}

#[tokio::test]
async fn a_session_that_breaks_is_the_one_that_is_told_of() {
    let world = World::new("breaks");
    execute("USE breaks; INSERT INTO audit (what) SELECT REPEAT('planted', 100) FROM seq_1_to_20000");
    let silent = Progress::silent();
    let options = BackupOptions::new("breaks");
    let manifest = create_backup(&world.server, &world.repository, &options, noon(0), &silent).await.unwrap();
    let mut restore = RestoreOptions::new();
    restore.sessions = 3;
    restore.deadline = Duration::from_secs(60);
    let client = world.directory.path().join("fake-client");
    for (body, told) in [
        // The server refuses a row.
        (
            "first=$1; shift; exec mariadb \"$first\" --init-command='SET SESSION max_statement_time = 0.0001' \"$@\"",
            "1969",
        ),
        ("kill -9 $$", "signal: 9"),
        // Gone at once.
        ("echo no such luck >&2; exit 3", "no such luck"),
    ] {
        fs::write(&client, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&client, fs::Permissions::from_mode(0o755)).unwrap();
        restore.tools.client.clone_from(&client);
        let copy = world.copy();
        let broken =
            restore_backup(&world.repository, &manifest.id, &world.server, &copy, &restore, &silent).await;
        let Err(RestoreError::Tool { source, .. }) = &broken else { panic!("{told}: {broken:?}") };
        assert!(source.to_string().contains(told), "{told}: {source}");
        assert!(!source.to_string().contains("planted"), "{source}");
        execute(&format!("DROP DATABASE {copy}"));
    }
}
