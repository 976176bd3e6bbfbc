//! A repository behind SFTP, on OpenSSH's own server: what is published, what is left behind and cleared, and what a
//! server does that is out of reach, refuses, stands still, or is cut off half-way.

mod trust;

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use golive_backup::{
    BackupOptions, ChangeKind, Depth, Key, Keys, PlanError, Progress, RemoteOptions, Repository,
    RepositoryError, Search, SftpOptions, Target, VerifyError, back_up_state, create_backup, find_changes,
    plan_recovery, restore_state, verify_backup,
};
use golive_sandbox::{Proxy, Sshd, SshdOptions};

use crate::bucket::{large_files, noise};
use crate::logged::{LEDGER, Logged, rows_at};
use crate::world::{World, noon};

const PATIENCE: Duration = Duration::from_secs(60);

/// One server a test process; a folder for each test.
fn sshd() -> &'static Sshd {
    static SSHD: OnceLock<Sshd> = OnceLock::new();
    SSHD.get_or_init(|| Sshd::start(&SshdOptions::new()).expect("a private sshd starts"))
}

/// The folder of a test on the server, as the machine itself sees it.
fn on_disk(sshd: &Sshd, name: &str) -> PathBuf {
    sshd.home().join(name)
}

fn address(sshd: &Sshd, port: u16, name: &str, known_hosts: &Path) -> String {
    let (user, key) = (sshd.user(), sshd.login_key());
    format!(
        "sftp://{user}@127.0.0.1:{port}/~/{name}?key={}&known_hosts={}",
        key.display(),
        known_hosts.display()
    )
}

fn parsed(address: &str) -> SftpOptions {
    let nothing = |_: &str| None;
    let mut options =
        SftpOptions::parse(address, std::env::temp_dir().join("golive-no-spool"), &nothing).unwrap();
    options.patience = Duration::from_secs(20);
    options
}

fn options(sshd: &Sshd, name: &str) -> SftpOptions {
    parsed(&address(sshd, sshd.port(), name, &sshd.known_hosts()))
}

fn open(options: SftpOptions, key: &Key) -> Repository {
    Repository::open_remote(&RemoteOptions::Sftp(options), Keys::with_identity(key.clone())).unwrap()
}

fn repository(name: &str, key: &Key) -> Repository {
    open(options(sshd(), name), key)
}

/// A way to a server that can be cut, and the options to go by it. The folder keeps what is known of it.
fn through(sshd: &Sshd, name: &str, folder: &Path) -> (Proxy, SftpOptions) {
    let proxy = Proxy::start(sshd.port()).unwrap();
    let known = folder.join("known_hosts");
    fs::write(&known, sshd.known_as(proxy.port()).unwrap()).unwrap();
    let mut options = parsed(&address(sshd, proxy.port(), name, &known));
    options.patience = Duration::from_secs(6);
    (proxy, options)
}

/// Every file below a folder, by its name in it; folders with a slash behind.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                found.push(format!("{name}/"));
                folders.push(path);
            } else {
                found.push(name);
            }
        }
    }
    found.sort();
    found
}

/// Nothing of a run is left but what it published.
fn assert_clean(folder: &Path) {
    let left: Vec<_> = files(folder)
        .into_iter()
        .filter(|name| {
            name == ".lock"
                || (name.starts_with(".tmp/") || name.starts_with(".partial/")) && !name.ends_with('/')
        })
        .collect();
    assert_eq!(left, [""; 0]);
}

/// The lease is as old as that.
fn age(folder: &Path, seconds: u64) {
    let lock = File::options().write(true).open(folder.join(".lock")).unwrap();
    #[expect(clippy::disallowed_methods, reason = "the server's clock is this machine's")]
    let now = SystemTime::now();
    lock.set_modified(now - Duration::from_secs(seconds)).unwrap();
}

/// An error with its causes.
fn text(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_behind_sftp_is_taken_verified_restored_and_let_go() {
    let world = World::new("sftped");
    let name = "tägliche Sicherung/kpi";
    let folder = on_disk(sshd(), name);
    let repository = repository("t%C3%A4gliche%20Sicherung/kpi/", &world.key);
    let manifest = world.backed_up_and_restored(&repository).await;
    assert_clean(&folder);
    for name in files(&folder) {
        let mode = fs::metadata(folder.join(&name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if name.ends_with('/') { 0o700 } else { 0o600 }, "{name}");
    }

    world.let_go(&repository, &manifest).await;
    let left = files(&folder);
    assert!(!left.iter().any(|name| name.contains(manifest.id.as_str())), "{left:?}");
    assert_clean(&folder);
}

#[test]
fn what_was_cut_off_behind_sftp_is_never_listed_and_cleared_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let (files_of_a_part, key) = (large_files(folder.path()), Key::generate());
    let (whole, disk) = (repository("cut", &key), on_disk(sshd(), "cut"));
    let manifest = back_up_state(&whole, &files_of_a_part, noon(0)).unwrap();
    let written = restore_state(&whole, &manifest.id, &folder.path().join("back")).unwrap();
    assert_eq!(fs::read(&written[1]).unwrap(), fs::read(&files_of_a_part[1]).unwrap());

    // The wire is cut while a part is on its way, and stays so.
    let (proxy, options) = through(sshd(), "cut", folder.path());
    let cut = open(options, &key);
    proxy.cut_after(20_000_000);
    let refused = back_up_state(&cut, &files_of_a_part, noon(1)).unwrap_err();
    let refused = format!("{refused:?}");
    assert!(refused.contains("Lost") || refused.contains("Unreachable"), "{refused}");
    let names = files(&disk);
    assert!(names.iter().any(|name| name.starts_with(".partial/000002-")), "{names:?}");
    assert!(names.iter().any(|name| name.starts_with("000002-")), "a part was begun: {names:?}");
    assert_eq!(whole.list().unwrap().len(), 1, "nothing half-written is listed");
    assert!(whole.scan().unwrap().damaged.is_empty());
    assert!(cut.list().is_err(), "a server that is out of reach is no empty one");

    // Nothing was learnt of the good one either: that is no damage, and nothing is recorded.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let silent = Progress::silent();
    let unknown = runtime.block_on(verify_backup(&cut, &manifest.id, Depth::Bytes, noon(1), &silent));
    assert!(matches!(unknown, Err(VerifyError::Repository(RepositoryError::File { .. }))), "{unknown:?}");
    assert!(whole.proofs(&manifest.id).unwrap().is_empty());

    // The run that was cut off could not give its lock back; once it is stale the next one clears up.
    fs::write(disk.join(".tmp/half"), "of a note").unwrap();
    let busy = back_up_state(&whole, &files_of_a_part[..1], noon(1)).unwrap_err();
    assert!(format!("{busy:?}").contains("Busy"), "{busy:?}");
    age(&disk, 310);
    let next = back_up_state(&whole, &files_of_a_part[..1], noon(1)).unwrap();
    assert_eq!(whole.list().unwrap(), [manifest, next]);
    assert_clean(&disk);
}

#[test]
fn a_server_that_is_killed_half_way_leaves_nothing_that_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let sshd = Sshd::start(&SshdOptions::new()).unwrap();
    let (large, key) = (large_files(folder.path()), Key::generate());
    let (repository, disk) = (open(options(&sshd, "killed"), &key), on_disk(&sshd, "killed"));
    let writer = {
        let (repository, large) = (repository.clone(), large.clone());
        std::thread::spawn(move || back_up_state(&repository, &large, noon(0)))
    };
    let began = Instant::now();
    let has_begun = || {
        disk.is_dir() && files(&disk).iter().any(|name| name.starts_with("000001-") && !name.ends_with('/'))
    };
    while !has_begun() {
        assert!(began.elapsed() < PATIENCE, "the writer writes nothing");
        std::thread::sleep(Duration::from_millis(2));
    }
    sshd.kill();
    let refused = format!("{:?}", writer.join().unwrap().unwrap_err());
    assert!(refused.contains("Lost") || refused.contains("Unreachable"), "{refused}");
    assert!(repository.list().is_err());
    sshd.start_again().unwrap();
    assert!(repository.list().unwrap().is_empty());
    assert!(repository.scan().unwrap().damaged.is_empty());
    age(&disk, 310);
    let taken = back_up_state(&repository, &large[..1], noon(1)).unwrap();
    assert_eq!(repository.list().unwrap(), [taken]);
    assert_clean(&disk);
}

#[test]
fn a_removal_that_was_killed_is_neither_listed_nor_damage_and_is_ended_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state");
    fs::write(&file, "state").unwrap();
    let key = Key::generate();
    let (repository, disk) = (repository("removed", &key), on_disk(sshd(), "removed"));
    let old = back_up_state(&repository, std::slice::from_ref(&file), noon(0)).unwrap();
    // As a kill leaves it after what makes it a backup has gone.
    fs::write(disk.join(format!(".partial/removed-{}.json", old.id)), "[]\n").unwrap();
    fs::remove_file(disk.join(old.id.as_str()).join("manifest.json")).unwrap();
    let scan = repository.scan().unwrap();
    assert_eq!((scan.backups.len(), scan.damaged.len()), (0, 0), "{scan:?}");
    let new = back_up_state(&repository, &[file], noon(1)).unwrap();
    assert_eq!(repository.list().unwrap(), [new]);
    assert!(!disk.join(old.id.as_str()).exists());
    assert_clean(&disk);
}

#[test]
fn a_reader_that_loses_the_wire_to_sftp_once_goes_on_and_for_good_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (large, key) = (large_files(folder.path()), Key::generate());
    let manifest = back_up_state(&repository("read", &key), &large, noon(0)).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for for_good in [false, true] {
        let (proxy, options) = through(sshd(), "read", folder.path());
        let read = open(options, &key);
        let was_cut = std::sync::atomic::AtomicBool::new(false);
        let progress = Progress::new(move |event| {
            if event.bytes > 10_000_000 && !was_cut.swap(true, std::sync::atomic::Ordering::Relaxed) {
                if for_good {
                    proxy.cut_after(0);
                }
                proxy.cut();
            }
        });
        let verified = runtime.block_on(verify_backup(&read, &manifest.id, Depth::Bytes, noon(1), &progress));
        if for_good {
            assert!(
                matches!(verified, Err(VerifyError::Repository(RepositoryError::File { .. }))),
                "{verified:?}"
            );
        } else {
            assert!(verified.as_ref().is_ok_and(|verified| verified.passed()), "{verified:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_a_missing_part_and_a_missing_manifest_are_found_behind_sftp() {
    let world = World::new("sftp_spoilt");
    let (repository, disk) = (repository("spoilt", &world.key), on_disk(sshd(), "spoilt"));
    let silent = Progress::silent();
    let options = BackupOptions::new("sftp_spoilt");
    let manifest = create_backup(&world.server, &repository, &options, noon(0), &silent).await.unwrap();
    let backup = disk.join(manifest.id.as_str());
    let part = backup.join(&manifest.parts[0].name);
    let mut bytes = fs::read(&part).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&part, &bytes).unwrap();
    let found = verify_backup(&repository, &manifest.id, Depth::Bytes, noon(0), &silent).await.unwrap();
    assert!(found.damage[0].what.contains("BLAKE3"), "{found:?}");
    assert_eq!(found.damage[0].part, manifest.parts[0].name);
    fs::write(&part, &bytes[..middle]).unwrap();
    let found = verify_backup(&repository, &manifest.id, Depth::Bytes, noon(0), &silent).await.unwrap();
    assert!(!found.passed(), "{found:?}");
    fs::remove_file(&part).unwrap();
    let found = verify_backup(&repository, &manifest.id, Depth::Bytes, noon(0), &silent).await.unwrap();
    assert!(found.damage[0].what.contains("cannot be read"), "{found:?}");
    fs::remove_file(backup.join("manifest.json")).unwrap();
    let scan = repository.scan().unwrap();
    assert_eq!((scan.backups.len(), scan.damaged.len()), (0, 1), "{scan:?}");
    assert!(scan.damaged[0].reason.contains("manifest"), "{scan:?}");
}

#[test]
fn two_writers_behind_sftp_do_not_meet() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state");
    fs::write(&file, "state").unwrap();
    let key = Key::generate();
    let writers: Vec<_> = (0..6)
        .map(|_| {
            let (repository, file) = (repository("twice", &key), file.clone());
            std::thread::spawn(move || back_up_state(&repository, &[file], noon(0)))
        })
        .collect();
    let ended: Vec<_> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
    let taken: Vec<_> = ended.iter().filter_map(|ended| Some(&ended.as_ref().ok()?.id)).collect();
    let mut names: Vec<_> = taken.iter().map(ToString::to_string).collect();
    names.sort();
    names.dedup();
    assert!(!taken.is_empty() && names.len() == taken.len(), "{ended:?}");
    for refused in ended.iter().filter_map(|ended| ended.as_ref().err()) {
        assert!(format!("{refused:?}").contains("Busy"), "{refused:?}");
    }
    assert_eq!(repository("twice", &key).list().unwrap().len(), taken.len());
    assert_clean(&on_disk(sshd(), "twice"));
}

#[test]
fn a_stale_lock_behind_sftp_is_taken_over_by_one_alone_and_a_live_one_by_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state");
    fs::write(&file, "state").unwrap();
    let key = Key::generate();
    let disk = on_disk(sshd(), "stale");
    fs::create_dir_all(&disk).unwrap();
    for seconds in [0, 290] {
        fs::write(disk.join(".lock"), "somebody's\n").unwrap();
        age(&disk, seconds);
        let busy =
            back_up_state(&repository("stale", &key), std::slice::from_ref(&file), noon(0)).unwrap_err();
        assert!(format!("{busy:?}").contains("Busy"), "{seconds}: {busy:?}");
        assert_eq!(fs::read_to_string(disk.join(".lock")).unwrap(), "somebody's\n");
    }
    age(&disk, 310);
    let writers: Vec<_> = (0..6)
        .map(|_| {
            let (repository, file) = (repository("stale", &key), file.clone());
            std::thread::spawn(move || back_up_state(&repository, &[file], noon(0)))
        })
        .collect();
    let ended: Vec<_> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
    let taken = ended.iter().filter(|ended| ended.is_ok()).count();
    assert!(taken >= 1, "{ended:?}");
    assert_eq!(repository("stale", &key).list().unwrap().len(), taken);
    assert!(repository("stale", &key).scan().unwrap().damaged.is_empty());
    assert!(!disk.join(".lock").exists(), "it was given back");
}

#[test]
fn a_writer_whose_lock_behind_sftp_was_taken_over_publishes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (large, key) = (large_files(folder.path()), Key::generate());
    let (fast, disk) = (repository("slow", &key), on_disk(sshd(), "slow"));
    let (proxy, mut options) = through(sshd(), "slow", folder.path());
    options.patience = Duration::from_secs(60);
    proxy.delay(Duration::from_millis(300));
    let slow = open(options, &key);
    let writer = {
        let large = large.clone();
        std::thread::spawn(move || back_up_state(&slow, &large, noon(0)))
    };
    let began = Instant::now();
    while !(disk.is_dir()
        && files(&disk).iter().any(|name| name.starts_with("000001-") && !name.ends_with('/')))
    {
        assert!(began.elapsed() < PATIENCE, "the slow writer writes nothing");
        std::thread::sleep(Duration::from_millis(5));
    }
    // To the server, the slow one was not heard of for ten minutes.
    age(&disk, 600);
    let small = folder.path().join("small");
    fs::write(&small, "state").unwrap();
    let taken = back_up_state(&fast, &[small], noon(1)).unwrap();
    proxy.mend();
    let refused = writer.join().unwrap();
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(fast.list().unwrap(), [taken]);
    assert!(fast.scan().unwrap().damaged.is_empty());
    assert!(!disk.join(".lock").exists(), "a lost lock is never brought back");
}

#[test]
fn a_server_that_stands_still_is_given_up_in_time() {
    let sshd = Sshd::start(&SshdOptions::new()).unwrap();
    let mut options = options(&sshd, "still");
    options.patience = Duration::from_secs(2);
    let (connected, fresh) = (open(options.clone(), &Key::generate()), open(options, &Key::generate()));
    assert!(connected.list().unwrap().is_empty());
    sshd.pause();
    for (repository, seconds) in [(&connected, 8), (&fresh, 20)] {
        let began = Instant::now();
        let error = repository.list().unwrap_err();
        let told = text(&error);
        assert!(told.contains("does not answer within") || told.contains("imed out"), "{told}");
        assert!(began.elapsed() < Duration::from_secs(seconds), "{told}");
    }
    sshd.resume();
    assert!(connected.list().unwrap().is_empty(), "and it is asked again afterwards");
}

#[test]
fn a_server_that_only_reads_has_no_room_or_makes_nothing_durable_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state");
    fs::write(&file, noise(3_000_000)).unwrap();
    let key = Key::generate();
    let mut limited = SshdOptions::new();
    limited.largest_file = Some(1024);
    let full = Sshd::start(&limited).unwrap();
    let repository = open(options(&full, "full"), &key);
    let told = back_up_state(&repository, std::slice::from_ref(&file), noon(0)).unwrap_err();
    let told = text(&told);
    assert!(told.contains("the server could not do it") && told.contains("quota"), "{told}");
    assert!(repository.list().unwrap().is_empty() && repository.scan().unwrap().damaged.is_empty());
    assert_clean(&on_disk(&full, "full"));

    // A login that may only read lists and restores, and is told that it writes nothing.
    let taken =
        back_up_state(&self::repository("readable", &key), std::slice::from_ref(&file), noon(0)).unwrap();
    let mut reading = SshdOptions::new();
    reading.sftp = vec!["-R".to_owned()];
    let reading = Sshd::start(&reading).unwrap();
    std::os::unix::fs::symlink(on_disk(sshd(), "readable"), on_disk(&reading, "readable")).unwrap();
    let readable = open(options(&reading, "readable"), &key);
    assert_eq!(readable.list().unwrap(), std::slice::from_ref(&taken));
    let back = restore_state(&readable, &taken.id, &folder.path().join("back")).unwrap();
    assert_eq!(fs::read(&back[0]).unwrap(), fs::read(&file).unwrap());
    let told = text(&back_up_state(&readable, std::slice::from_ref(&file), noon(1)).unwrap_err());
    assert!(told.contains("the login may only read"), "{told}");

    // What makes files durable is not done without.
    let mut unsynced = SshdOptions::new();
    unsynced.sftp = vec!["-P".to_owned(), "fsync".to_owned()];
    let unsynced = Sshd::start(&unsynced).unwrap();
    let told = back_up_state(&open(options(&unsynced, "unsynced"), &key), &[file], noon(0)).unwrap_err();
    assert!(text(&told).contains("no fsync@openssh.com"), "{told:?}");
    assert!(!on_disk(&unsynced, "unsynced").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn binary_logs_behind_sftp_bring_back_a_dropped_table_on_another_machine() {
    let folder = tempfile::tempdir().unwrap();
    let (key, disk) = (Key::generate(), on_disk(sshd(), "logs"));
    let on_machine = |name: &str| {
        let mut options = options(sshd(), "logs");
        options.spool = folder.path().join(name);
        open(options, &key)
    };
    let mut logged = Logged::new(LEDGER);
    logged.repository = on_machine("archiver");
    logged.back_up().await;
    for number in [501, 502] {
        logged.execute(&format!("INSERT INTO ledger (amount) VALUES ({number} * 7); FLUSH BINARY LOGS"));
        logged.catch_up().await;
    }
    logged.execute("DROP TABLE ledger; FLUSH BINARY LOGS");
    logged.catch_up().await;
    logged.execute("INSERT INTO audit (what) VALUES ('not closed yet')");
    let open_one = logged.gtid();
    logged.catch_up().await;
    assert_clean(&disk);
    let names = files(&disk);
    assert!(
        !names.iter().any(|name| name.starts_with("binlog/.partial/") && !name.ends_with('/')),
        "{names:?}"
    );
    // What is not closed lies where it is archived, and nowhere else is it taken for granted.
    let plan = |repository: &Repository, target| plan_recovery(repository, "kpi", target, None, false);
    plan(&logged.repository, Target::After(open_one)).unwrap();
    let elsewhere = plan(&on_machine("another"), Target::After(open_one));
    assert!(matches!(elsewhere, Err(PlanError::NoSuchTransaction { .. })), "{elsewhere:?}");

    logged.repository = on_machine("a third");
    let mut search = Search::new();
    search.kind = Some(ChangeKind::Drop);
    let found = find_changes(&logged.repository, &search).unwrap();
    let [drop] = found.as_slice() else { panic!("{found:?}") };
    let before = drop.gtid;
    assert_eq!(rows_at(&logged, Target::Before(before)).await, "502");

    // A log that is gone from the server is a gap, and one with another byte is not replayed.
    let archived = logged.repository.binlogs().logs().unwrap();
    let name = archived.iter().find(|log| log.transactions > 0).unwrap().part.name.clone();
    let log = disk.join("binlog/logs").join(&name);
    fs::write(&log, "no log").unwrap();
    let names_the_log = |planned: &Result<_, PlanError>| match planned {
        Err(PlanError::Repository(RepositoryError::File { path, .. })) => path.ends_with(&name),
        _ => false,
    };
    let spoilt = plan(&on_machine("a fourth"), Target::Before(before));
    assert!(names_the_log(&spoilt), "{spoilt:?}");
    fs::remove_file(&log).unwrap();
    let missing = plan(&on_machine("a fifth"), Target::Before(before));
    assert!(names_the_log(&missing), "{missing:?}");
}
