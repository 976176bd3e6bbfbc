//! Backups by the built binary: taken, listed, read again, drilled, restored, damaged.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use support::{Ended, run, server};

#[test]
fn a_backup_is_taken_proven_restored_and_its_damage_seen() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let mariadb = server();
    mariadb.execute("CREATE TABLE app.t (id INT PRIMARY KEY, v VARCHAR(20)); INSERT INTO app.t VALUES (1, 'planted-row')").unwrap();
    let url = mariadb.url("app");
    let backup = |arguments: &[&str]| -> Ended { run(here, &url, &[&["backup"], arguments].concat()) };

    let made = backup(&["create", "--target", "env:TARGET"]).with(0);
    made.says(&["backup.key", "0600", "1 rows"]);
    let key = here.join(".golive/backup.key");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    backup(&["list"]).with(0).says(&["1 backups", "not proven yet"]);
    backup(&["verify", "--format", "json"]).with(0).says(&["\"passed\": true"]);
    backup(&["drill"]).with(0).says(&["every table equal"]);
    backup(&["list"]).with(0).says(&["restored and compared"]);
    backup(&["prune"]).with(0).says(&["keep", "0 to delete"]);

    backup(&["restore", "--target", "env:TARGET"]).with(2).says(&["not empty"]);
    mariadb.create_database("again").unwrap();
    run(here, &mariadb.url("again"), &["backup", "restore", "--target", "env:TARGET"]).with(0);
    assert_eq!(mariadb.execute("SELECT v FROM again.t").unwrap().trim(), "planted-row");

    flip_a_byte(&here.join(".golive/backups"));
    backup(&["verify"]).with(10).says(&["DAMAGED"]);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    backup(&["verify"]).with(2).says(&["chmod 600"]);
    assert!(!made.all().contains("planted-row"));
}

/// In the middle of the largest stored part.
fn flip_a_byte(repository: &Path) {
    let parts = std::fs::read_dir(repository).unwrap().flatten().filter(|entry| entry.path().is_dir());
    let files =
        parts.flat_map(|part| std::fs::read_dir(part.path()).unwrap().flatten().map(|file| file.path()));
    let sealed = files.filter(|path| path.extension().is_some_and(|kind| kind != "json" && kind != "b3"));
    let largest = sealed.max_by_key(|path| std::fs::metadata(path).unwrap().len()).expect("a stored part");
    let mut bytes = std::fs::read(&largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(largest, bytes).unwrap();
}
