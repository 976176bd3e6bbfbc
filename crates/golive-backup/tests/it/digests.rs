//! What a manifest's digests rest on: a dump that says less, or something else, than the server holds is told, whoever
//! made it say so.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use golive_backup::{
    BackupOptions, CreateBackupError, Difference, Digests, Manifest, Progress, RestoreOptions, SampleOf,
    compare_restored, create_backup, restore_backup,
};

use crate::world::{World, execute, noon};

/// The real tool, with something done to its arguments or to what it says.
fn with_tool(world: &World, body: &str) -> BackupOptions {
    let path = world.directory.path().join("other-dump");
    let text =
        format!("#!/bin/sh\nif [ \"$1\" = --version ]; then exec mariadb-dump --version; fi\n{body}\n");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let mut options = BackupOptions::new(&world.database);
    options.tools.dump = path;
    options
}

async fn create(world: &World, options: &BackupOptions) -> Result<Manifest, CreateBackupError> {
    create_backup(&world.server, &world.repository, options, noon(0), &Progress::silent()).await
}

/// Restores and says what differs.
async fn restored(world: &World, manifest: &Manifest) -> Vec<Difference> {
    let (copy, silent) = (world.copy(), Progress::silent());
    execute(&format!("DROP DATABASE IF EXISTS {copy}"));
    let restore = RestoreOptions::new();
    restore_backup(&world.repository, &manifest.id, &world.server, &copy, &restore, &silent).await.unwrap();
    compare_restored(manifest, &world.server, &copy, &silent).await.unwrap().differences
}

#[tokio::test]
async fn a_dump_without_a_row_or_a_table_is_refused() {
    let world = World::new("fewer");
    let lost = "mariadb-dump \"$@\" | sed \"/^(5,'order 5'),\\$/d\"";
    let error = create(&world, &with_tool(&world, lost)).await.unwrap_err();
    assert!(
        matches!(&error, CreateBackupError::RowsDiffer { table, counted: 2002, dumped: 2001 } if table == "audit"),
        "{error:?}"
    );
    let without = "file=$1; shift; mariadb-dump \"$file\" --ignore-table=fewer.empty_table \"$@\"";
    let error = create(&world, &with_tool(&world, without)).await.unwrap_err();
    assert!(
        matches!(&error, CreateBackupError::RowsDiffer { table, .. } if table == "empty_table"),
        "{error:?}"
    );
    // A table that is merely not in the same shape any more is no backup either.
    let one_line = "mariadb-dump \"$@\" | sed -z 's/ VALUES\\n(/ VALUES (/g'";
    let error = create(&world, &with_tool(&world, one_line)).await.unwrap_err();
    assert!(
        matches!(&error, CreateBackupError::Shape(said) if said.to_string().contains("--digest sql")),
        "{error:?}"
    );
    assert_eq!(world.repository.list().unwrap(), []);
}

#[tokio::test]
async fn a_dump_that_says_something_else_is_told_by_the_servers_own_sample() {
    let world = World::new("other");
    let differs = |table: &str| Difference::Content { table: table.to_owned() };
    // Characters that its character set cannot carry: dump and restored rows agree, and both are wrong.
    let latin = with_tool(&world, "file=$1; shift; mariadb-dump \"$file\" \"$@\" | sed 's/😀/?/'");
    let manifest = create(&world, &latin).await.unwrap();
    assert_eq!(restored(&world, &manifest).await, [differs("clients")]);
    // Another value in one row.
    let other = with_tool(&world, "mariadb-dump \"$@\" | sed \"s/^(5,'order 5'),\\$/(5,'order 6'),/\"");
    let manifest = create(&world, &other).await.unwrap();
    assert_eq!(restored(&world, &manifest).await, [differs("audit")]);
}

#[tokio::test]
async fn large_tables_are_sampled_by_their_key_and_every_changed_cell_is_still_found() {
    let world = World::new("large");
    execute(
        "USE large; CREATE TABLE numbered (id BIGINT PRIMARY KEY AUTO_INCREMENT, x VARCHAR(40), f FLOAT);
         INSERT INTO numbered SELECT seq, CONCAT('row ', seq), seq FROM seq_1_to_20000;
         CREATE TABLE named (name VARCHAR(40) PRIMARY KEY, x INT); INSERT INTO named SELECT CONCAT('n', seq), seq FROM seq_1_to_20000;
         CREATE TABLE keyless (x INT, y VARCHAR(20)); INSERT INTO keyless SELECT seq, 'equal' FROM seq_1_to_20000;
         CREATE TABLE huge (id INT PRIMARY KEY, x LONGBLOB); INSERT INTO huge VALUES (1, REPEAT('ab', 900000)), (2, '');",
    );
    let manifest = create(&world, &BackupOptions::new("large")).await.unwrap();
    let facts = manifest.database().unwrap();
    let table = |name: &str| facts.tables.iter().find(|table| table.name == name).unwrap();
    assert!(
        matches!(&table("numbered").sample.as_ref().unwrap().of, SampleOf::From { keys, .. } if keys.len() == 16)
    );
    assert!(matches!(&table("named").sample.as_ref().unwrap().of, SampleOf::Ends { .. }));
    assert_eq!(table("keyless").sample, None);
    assert!(table("numbered").floats.is_some() && table("named").floats.is_none());
    assert_eq!(restored(&world, &manifest).await, []);
    let copy = world.copy();
    let SampleOf::From { keys, .. } = &table("numbered").sample.as_ref().unwrap().of else { panic!() };
    // One that is in no sample, one that is, and where there is none.
    for (change, back, name) in [
        (
            format!("UPDATE numbered SET x = 'other' WHERE id = {}", keys[3] - 1),
            format!("UPDATE numbered SET x = CONCAT('row ', id) WHERE id = {}", keys[3] - 1),
            "numbered",
        ),
        (
            format!("UPDATE numbered SET x = 'other' WHERE id = {}", keys[3]),
            format!("UPDATE numbered SET x = CONCAT('row ', id) WHERE id = {}", keys[3]),
            "numbered",
        ),
        (
            "UPDATE named SET x = -1 WHERE name = 'n5000'".to_owned(),
            "UPDATE named SET x = 5000 WHERE name = 'n5000'".to_owned(),
            "named",
        ),
        (
            "UPDATE keyless SET y = 'Equal' WHERE x = 9".to_owned(),
            "UPDATE keyless SET y = 'equal' WHERE x = 9".to_owned(),
            "keyless",
        ),
        (
            "UPDATE huge SET x = CONCAT(LEFT(x, 1799999), 'c') WHERE id = 1".to_owned(),
            "UPDATE huge SET x = REPEAT('ab', 900000) WHERE id = 1".to_owned(),
            "huge",
        ),
    ] {
        execute(&format!("USE {copy}; {change}"));
        let found = compare_restored(&manifest, &world.server, &copy, &Progress::silent()).await.unwrap();
        assert_eq!(found.differences, [Difference::Content { table: name.to_owned() }], "{change}");
        execute(&format!("USE {copy}; {back}"));
    }
    // A key that is gone is told as that, and no sample is asked for by it.
    execute(&format!("ALTER TABLE {copy}.numbered CHANGE id other BIGINT"));
    let found = compare_restored(&manifest, &world.server, &copy, &Progress::silent()).await.unwrap();
    assert_eq!(found.differences.len(), 1, "{:?}", found.differences);
    assert!(matches!(&found.differences[0], Difference::Definition { name, .. } if name == "numbered"));
}

#[tokio::test]
async fn the_server_digests_every_row_where_it_is_asked_to_or_a_name_reads_like_two_lines() {
    let world = World::new("whole");
    let mut options = BackupOptions::new("whole");
    options.digests = Digests::Sql;
    let manifest = create(&world, &options).await.unwrap();
    assert_eq!(manifest.database().unwrap().digest_method, "md5-halves-sum-1");
    assert_eq!(restored(&world, &manifest).await, []);
    execute(&format!("UPDATE {}.audit SET what = 'other' WHERE id = 1000", world.copy()));
    let found = compare_restored(&manifest, &world.server, &world.copy(), &Progress::silent()).await.unwrap();
    assert_eq!(found.differences, [Difference::Content { table: "audit".to_owned() }]);
    execute(
        "CREATE TABLE whole.`two\nlines` (id INT PRIMARY KEY); INSERT INTO whole.`two\nlines` VALUES (1)",
    );
    let manifest = create(&world, &BackupOptions::new("whole")).await.unwrap();
    assert_eq!(manifest.database().unwrap().digest_method, "md5-halves-sum-1");
    assert_eq!(restored(&world, &manifest).await, []);
}
