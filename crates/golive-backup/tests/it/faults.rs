//! How backups lie, injected: each lie must be caught, and nothing may be published.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use golive_backup::{
    BackupOptions, CreateBackupError, Depth, Key, Keys, Progress, Repository, RepositoryError, RestoreError,
    RestoreOptions, VerifyError, create_backup, restore_backup, verify_backup,
};

use crate::world::{World, execute, noon, server};

/// A program in place of `mariadb-dump`.
fn fake_dump(directory: &Path, body: &str) -> PathBuf {
    let path = directory.join("fake-dump");
    let text =
        format!("#!/bin/sh\nif [ \"$1\" = --version ]; then exec mariadb-dump --version; fi\n{body}\n");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn with_dump(world: &World, body: &str) -> BackupOptions {
    let mut options = BackupOptions::new(&world.database);
    options.tools.dump = fake_dump(world.directory.path(), body);
    options
}

fn entries(world: &World) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(world.repository.directory())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name != ".lock" && name != "attempts.jsonl")
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_dump_that_is_cut_off_or_fails_is_never_published() {
    let world = World::new("cut");
    let silent = Progress::silent();
    // Success and half a dump: what a lost connection inside a pipe looks like.
    let options = with_dump(&world, "mariadb-dump \"$@\" | head -c 20000; exit 0");
    let error =
        create_backup(&world.server, &world.repository, &options, noon(0), &silent).await.unwrap_err();
    assert!(matches!(error, CreateBackupError::Truncated { bytes: 20000, .. }), "{error:?}");
    // Nothing at all, with success.
    let error =
        create_backup(&world.server, &world.repository, &with_dump(&world, "exit 0"), noon(0), &silent).await;
    assert!(matches!(error, Err(CreateBackupError::Truncated { bytes: 0, .. })), "{error:?}");
    // Everything, and then a failure.
    let options = with_dump(&world, "mariadb-dump \"$@\"; echo broken view >&2; exit 2");
    let error =
        create_backup(&world.server, &world.repository, &options, noon(0), &silent).await.unwrap_err();
    assert!(format!("{error:?}").contains("broken view"), "{error:?}");
    // Killed in the middle.
    let options = with_dump(&world, "mariadb-dump \"$@\" | head -c 9000; kill -9 $$");
    let error =
        create_backup(&world.server, &world.repository, &options, noon(0), &silent).await.unwrap_err();
    assert!(matches!(error, CreateBackupError::Tool(_)), "{error:?}");
    // Hanging.
    let mut options = with_dump(&world, "exec sleep 600");
    options.deadline = Duration::from_millis(700);
    let error =
        create_backup(&world.server, &world.repository, &options, noon(0), &silent).await.unwrap_err();
    assert!(matches!(error, CreateBackupError::Timeout { .. }), "{error:?}");
    assert_eq!(entries(&world), Vec::<String>::new());
    // Whoever looks later finds each of them.
    assert_eq!(world.repository.attempts().unwrap().len(), 5);
    // After all that the server takes writes, and the real thing works.
    execute("INSERT INTO cut.audit (what) VALUES ('still here')");
    let options = BackupOptions::new("cut");
    create_backup(&world.server, &world.repository, &options, noon(0), &silent).await.unwrap();
    assert_eq!(entries(&world).len(), 1);
}

#[tokio::test]
async fn a_schema_that_changes_under_the_dump_is_noticed() {
    let world = World::new("moving");
    let client = server().client_file().unwrap();
    let body = format!(
        "mariadb-dump \"$@\"\nmariadb --defaults-file={} moving -e 'CREATE TABLE newcomer (id INT)' &\nwait",
        client.display()
    );
    let mut options = with_dump(&world, &body);
    options.exact = true;
    let result =
        create_backup(&world.server, &world.repository, &options, noon(0), &Progress::silent()).await;
    assert!(matches!(result, Err(CreateBackupError::SchemaChanged { .. })), "{result:?}");
    assert_eq!(entries(&world), Vec::<String>::new());
}

#[tokio::test]
async fn one_flipped_byte_is_found_and_a_damaged_backup_changes_nothing() {
    let world = World::new("flipped");
    let silent = Progress::silent();
    let options = BackupOptions::new("flipped");
    let manifest = create_backup(&world.server, &world.repository, &options, noon(0), &silent).await.unwrap();
    let directory = world.repository.directory().join(manifest.id.as_str());
    let part = directory.join(&manifest.parts[0].name);
    let good = fs::read(&part).unwrap();
    for position in [0, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[position] ^= 1;
        fs::write(&part, &bad).unwrap();
        let found =
            verify_backup(&world.repository, &manifest.id, Depth::Bytes, noon(1), &silent).await.unwrap();
        assert_eq!(found.damage.len(), 1, "byte {position}");
        assert_eq!(found.damage[0].part, manifest.parts[0].name);
    }
    let copy = world.copy();
    let restored = restore_backup(
        &world.repository,
        &manifest.id,
        &world.server,
        &copy,
        &RestoreOptions::new(),
        &silent,
    )
    .await;
    assert!(matches!(restored, Err(RestoreError::Damaged { .. })), "{restored:?}");
    assert_eq!(execute(&format!("SHOW DATABASES LIKE '{copy}'")), "");
    fs::write(&part, &good[..good.len() - 1]).unwrap();
    let short = verify_backup(&world.repository, &manifest.id, Depth::Bytes, noon(1), &silent).await.unwrap();
    assert!(short.damage[0].what.contains("bytes"), "{:?}", short.damage);
    fs::write(&part, &good).unwrap();
    assert!(
        verify_backup(&world.repository, &manifest.id, Depth::Contents, noon(1), &silent)
            .await
            .unwrap()
            .passed()
    );

    // The manifest too, and the damaged entry is reported rather than passed over.
    let path = directory.join("manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("2002", "2003", 1)).unwrap();
    assert!(matches!(world.repository.find(&manifest.id), Err(RepositoryError::Manifest { .. })));
    let scan = world.repository.scan().unwrap();
    assert_eq!((scan.backups.len(), scan.damaged.len()), (0, 1));
}

#[tokio::test]
async fn the_wrong_key_or_none_opens_nothing() {
    let world = World::new("locked");
    let silent = Progress::silent();
    let options = BackupOptions::new("locked");
    let writer =
        Repository::open_local(world.repository.directory(), Keys::new(world.key.recipient())).unwrap();
    let manifest = create_backup(&world.server, &writer, &options, noon(0), &silent).await.unwrap();
    let none = verify_backup(&writer, &manifest.id, Depth::Contents, noon(0), &silent).await;
    assert!(matches!(none, Err(VerifyError::Repository(RepositoryError::NoIdentity))), "{none:?}");
    let stranger =
        Repository::open_local(world.repository.directory(), Keys::with_identity(Key::generate())).unwrap();
    let found = verify_backup(&stranger, &manifest.id, Depth::Contents, noon(0), &silent).await.unwrap();
    assert!(found.damage[0].what.contains("cannot be opened"), "{:?}", found.damage);
    assert!(
        verify_backup(&world.repository, &manifest.id, Depth::Contents, noon(0), &silent)
            .await
            .unwrap()
            .passed()
    );
    let bytes =
        fs::read(world.repository.directory().join(manifest.id.as_str()).join(&manifest.parts[0].name))
            .unwrap();
    assert!(!bytes.windows(8).any(|window| window == b"ACME-MFG"));
}

#[tokio::test]
async fn the_password_is_in_no_argument_and_no_file_is_left() {
    let world = World::new("secret");
    let log = world.directory.path().join("arguments");
    let body = format!(
        "file=${{1#--defaults-file=}}; {{ tr '\\0' ' ' < /proc/$$/cmdline; env; stat -c %a \"$file\"; echo \"$file\"; }} > {}\nexec mariadb-dump \"$@\"",
        log.display()
    );
    let manifest = create_backup(
        &world.server,
        &world.repository,
        &with_dump(&world, &body),
        noon(0),
        &Progress::silent(),
    )
    .await
    .unwrap();
    let password = {
        use secrecy::ExposeSecret;
        server().password().expose_secret().to_owned()
    };
    let seen = fs::read_to_string(&log).unwrap();
    assert!(!seen.contains(&password), "the password is in arguments or environment");
    let mut lines = seen.lines().rev();
    let file = lines.next().unwrap();
    assert_eq!(lines.next(), Some("600"));
    assert!(
        !Path::new(file).exists() && !Path::new(file).parent().unwrap().exists(),
        "{file} is left behind"
    );
    assert!(!format!("{manifest:?}").contains(&password));
}

#[tokio::test]
async fn two_at_once_and_what_a_killed_run_left() {
    let world = World::new("twice");
    let silent = Progress::silent();
    let flag = world.directory.path().join("go");
    let slow = with_dump(
        &world,
        &format!("while [ ! -e {} ]; do sleep 0.05; done; exec mariadb-dump \"$@\"", flag.display()),
    );
    let first = create_backup(&world.server, &world.repository, &slow, noon(0), &silent);
    let second = async {
        // The lock file is taken before the first await of the first backup, which join! polls first.
        let options = BackupOptions::new("twice");
        let result = create_backup(&world.server, &world.repository, &options, noon(0), &silent).await;
        fs::write(&flag, "").unwrap();
        result
    };
    let (first, second) = tokio::join!(first, second);
    assert!(matches!(second, Err(CreateBackupError::Repository(RepositoryError::Busy { .. }))), "{second:?}");
    let first = first.unwrap();

    let leftover = world.repository.directory().join(".partial-000099-20261122T000000Z");
    fs::create_dir(&leftover).unwrap();
    fs::write(leftover.join("dump.sql.zst.age"), "half").unwrap();
    assert_eq!(world.repository.list().unwrap().len(), 1, "nothing half-written is listed");
    // The clock is set back a day; the sequence still grows.
    let options = BackupOptions::new("twice");
    let third = create_backup(&world.server, &world.repository, &options, noon(-1), &silent).await.unwrap();
    assert!(!leftover.exists());
    assert!(third.id > first.id && third.created_at < first.created_at);
}

#[tokio::test]
async fn an_empty_or_missing_database_is_refused() {
    let world = World::new("void");
    let silent = Progress::silent();
    execute("CREATE DATABASE void_empty");
    for name in ["void_empty", "void_missing"] {
        let result =
            create_backup(&world.server, &world.repository, &BackupOptions::new(name), noon(0), &silent)
                .await;
        assert!(matches!(result, Err(CreateBackupError::Empty { .. })), "{name}: {result:?}");
    }
}
