//! A repository in a bucket, on moto's S3 server: what is published, what is left behind and cleared, and what a store
//! does that is out of reach, refuses, or is cut off half-way.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use golive_backup::{
    BackupOptions, BucketOptions, ChangeKind, CreateBackupError, Depth, Key, Keys, PlanError, Progress,
    Repository, RepositoryError, Search, Target, VerifyError, back_up_state, create_backup, find_changes,
    plan_recovery, restore_state, verify_backup,
};
use golive_sandbox::{Process, ProcessSpec, Proxy, free_port, python_with};

use crate::logged::{LEDGER, Logged, rows_at};
use crate::world::{World, noon};

/// What pip brings, once.
const PACKAGE: &str = "moto[s3,server]==5.1.22";
const PATIENCE: Duration = Duration::from_secs(300);
/// Below the size at which an upload is made of pieces.
const PIECE_BYTES: usize = 32 * 1024 * 1024;

struct Moto {
    port: u16,
    _process: Process,
}

fn python() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers/moto");
    python_with(&folder, PACKAGE).unwrap()
}

/// A request without a library: what a test asks of the server besides.
fn ask(port: u16, method: &str, path: &str) -> String {
    send(port, method, path, b"")
}

fn send(port: u16, method: &str, path: &str, body: &[u8]) -> String {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // Who asks without one is anonymous, whatever it says; its signature is not looked at.
    let login = "Authorization: AWS4-HMAC-SHA256 Credential=TEST/20261122/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
    let head =
        format!("{login}\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {}\r\nConnection: close", body.len());
    let request = format!("{method} {path} HTTP/1.0\r\n{head}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// The server with a clock that goes wrong by as many seconds as a file says.
const WITH_A_CLOCK: &str = "import datetime, sys, moto.s3.models as models
right, (clock, *arguments) = models.utcnow, sys.argv[1:]
models.utcnow = lambda: right() + datetime.timedelta(seconds=int(open(clock).read()))
from moto.server import main
main(arguments)";

impl Moto {
    fn start() -> Self {
        Self::run(&["-m", "moto.server"])
    }

    fn with_clock(clock: &Path) -> Self {
        fs::write(clock, "0").unwrap();
        Self::run(&["-c", WITH_A_CLOCK, clock.to_str().unwrap()])
    }

    fn run(server: &[&str]) -> Self {
        let port = free_port().unwrap();
        let place = ["-H", "127.0.0.1", "-p", &port.to_string()].map(str::to_owned);
        let spec = ProcessSpec::new(python()).arguments(server.to_vec()).arguments(place);
        let process = Process::start(spec).unwrap();
        let began = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < PATIENCE, "moto does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { port, _process: process }
    }
}

/// One server a test process; a bucket for each test.
fn moto() -> &'static Moto {
    static MOTO: OnceLock<Moto> = OnceLock::new();
    MOTO.get_or_init(Moto::start)
}

fn new_bucket(name: &str) {
    new_bucket_of(moto(), name);
}

fn new_bucket_of(moto: &Moto, name: &str) {
    let made = ask(moto.port, "PUT", &format!("/{name}"));
    assert!(made.contains(" 200 "), "{made}");
}

fn options(bucket: &str, port: u16) -> BucketOptions {
    options_with_spool(bucket, port, &std::env::temp_dir().join("golive-no-spool"))
}

fn options_with_spool(bucket: &str, port: u16, spool: &Path) -> BucketOptions {
    let address = format!("s3://{bucket}/kpi/backups?endpoint=http://127.0.0.1:{port}&region=us-east-1");
    let variable =
        |name: &str| name.ends_with("KEY_ID").then(|| "GOLIVE".to_owned()).or(Some("hunter2".to_owned()));
    let variable = |name: &str| variable(name).filter(|_| !name.ends_with("TOKEN"));
    let mut options = BucketOptions::parse(&address, spool, &variable).unwrap();
    options.patience = Duration::from_secs(20);
    options
}

fn repository(bucket: &str, key: &Key) -> Repository {
    Repository::open_bucket(&options(bucket, moto().port), Keys::with_identity(key.clone())).unwrap()
}

/// Names of the objects, and uploads that were begun and not ended.
fn objects(bucket: &str) -> (Vec<String>, usize) {
    objects_of(moto(), bucket)
}

fn objects_of(moto: &Moto, bucket: &str) -> (Vec<String>, usize) {
    let listed = ask(moto.port, "GET", &format!("/{bucket}?list-type=2"));
    let names = listed.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next());
    let uploads = ask(moto.port, "GET", &format!("/{bucket}?uploads"));
    (names.map(str::to_owned).collect(), uploads.matches("<UploadId>").count())
}

/// Bytes that nothing makes smaller.
pub(crate) fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = Vec::with_capacity(bytes + 8);
    while noise.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend(state.to_le_bytes());
    }
    noise
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_in_a_bucket_is_taken_verified_restored_and_let_go() {
    let world = World::new("bucketed");
    new_bucket("whole");
    let repository = repository("whole", &world.key);
    let manifest = world.backed_up_and_restored(&repository).await;
    let (names, uploads) = objects("whole");
    assert!(!names.iter().any(|name| name.contains(".partial") || name.ends_with(".lock")), "{names:?}");
    assert_eq!(uploads, 0);

    world.let_go(&repository, &manifest).await;
    let (names, _) = objects("whole");
    assert!(!names.iter().any(|name| name.contains(manifest.id.as_str())), "{names:?}");
}

/// Files that make a part of several pieces.
pub(crate) fn large_files(folder: &Path) -> Vec<PathBuf> {
    let part = noise(PIECE_BYTES + 5_000_000);
    ["one", "two"]
        .map(|name| {
            let path = folder.join(name);
            fs::write(&path, &part).unwrap();
            path
        })
        .to_vec()
}

#[test]
fn what_is_larger_than_a_piece_comes_back_and_what_was_cut_off_is_never_listed_and_cleared() {
    new_bucket("cut");
    let folder = tempfile::tempdir().unwrap();
    let files = large_files(folder.path());
    let key = Key::generate();
    let whole = repository("cut", &key);
    let manifest = back_up_state(&whole, &files, noon(0)).unwrap();
    assert!(manifest.stored_bytes() > 2 * PIECE_BYTES as u64);
    let written = restore_state(&whole, &manifest.id, &folder.path().join("back")).unwrap();
    assert_eq!(fs::read(&written[1]).unwrap(), fs::read(&files[1]).unwrap());

    // The wire is cut while the second piece is on its way, and stays so.
    let proxy = Proxy::start(moto().port).unwrap();
    let mut through = options("cut", proxy.port());
    through.patience = Duration::from_secs(6);
    let cut = Repository::open_bucket(&through, Keys::with_identity(key.clone())).unwrap();
    proxy.cut_after(PIECE_BYTES as u64 + 3_000_000);
    let refused = back_up_state(&cut, &files, noon(1)).unwrap_err();
    assert!(format!("{refused:?}").contains("OutOfReach"), "{refused:?}");
    let (names, uploads) = objects("cut");
    assert_eq!(uploads, 1, "the upload that was begun is there still: {names:?}, {refused:?}");
    assert!(names.iter().any(|name| name.contains(".partial/000002-")), "{names:?}");
    assert_eq!(whole.list().unwrap().len(), 1, "nothing half-written is listed");
    assert!(whole.scan().unwrap().damaged.is_empty());
    assert!(cut.list().is_err(), "a store that is out of reach is no empty one");

    // Nothing was learnt of the good one either: that is no damage, and nothing is recorded.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let silent = Progress::silent();
    let unknown = runtime.block_on(verify_backup(&cut, &manifest.id, Depth::Bytes, noon(1), &silent));
    assert!(matches!(unknown, Err(VerifyError::Repository(RepositoryError::File { .. }))), "{unknown:?}");
    assert!(whole.proofs(&manifest.id).unwrap().is_empty());

    // The run that was cut off could not give its lock back; once it is stale the next one clears up.
    let busy = back_up_state(&whole, &files[..1], noon(1)).unwrap_err();
    assert!(format!("{busy:?}").contains("Busy"), "{busy:?}");
    assert!(ask(moto().port, "DELETE", "/cut/kpi/backups/.lock").contains(" 204 "));
    back_up_state(&whole, &files[..1], noon(1)).unwrap();
    let (names, uploads) = objects("cut");
    assert_eq!(uploads, 0);
    assert!(!names.iter().any(|name| name.contains(".partial")), "{names:?}");
}

#[test]
fn a_reader_that_loses_the_wire_half_way_says_so_and_finds_no_damage() {
    new_bucket("read");
    let folder = tempfile::tempdir().unwrap();
    let files = large_files(folder.path());
    let key = Key::generate();
    let manifest = back_up_state(&repository("read", &key), &files, noon(0)).unwrap();
    let proxy = Proxy::start(moto().port).unwrap();
    let mut through = options("read", proxy.port());
    through.patience = Duration::from_secs(6);
    let cut = Repository::open_bucket(&through, Keys::with_identity(key)).unwrap();
    let seen = std::sync::Arc::new(proxy);
    let cutting = seen.clone();
    let progress = Progress::new(move |event| {
        if event.bytes > 10_000_000 {
            cutting.cut_after(0);
            cutting.cut();
        }
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let unknown = runtime.block_on(verify_backup(&cut, &manifest.id, Depth::Bytes, noon(1), &progress));
    assert!(matches!(unknown, Err(VerifyError::Repository(RepositoryError::File { .. }))), "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_a_missing_part_and_a_missing_manifest_are_found_in_a_bucket() {
    let world = World::new("spoilt");
    new_bucket("spoilt");
    let repository = repository("spoilt", &world.key);
    let silent = Progress::silent();
    let options = BackupOptions::new("spoilt");
    let manifest = create_backup(&world.server, &repository, &options, noon(0), &silent).await.unwrap();
    let object = format!("/spoilt/kpi/backups/{}/{}", manifest.id, manifest.parts[0].name);
    // Another object of the same size in its place.
    let mut bytes = noise(usize::try_from(manifest.parts[0].bytes).unwrap());
    bytes.truncate(usize::try_from(manifest.parts[0].bytes).unwrap());
    assert!(send(moto().port, "PUT", &object, &bytes).contains(" 200 "));
    let found = verify_backup(&repository, &manifest.id, Depth::Bytes, noon(0), &silent).await.unwrap();
    assert!(found.damage[0].what.contains("BLAKE3"), "{found:?}");
    ask(moto().port, "DELETE", &object);
    let found = verify_backup(&repository, &manifest.id, Depth::Bytes, noon(0), &silent).await.unwrap();
    assert!(found.damage[0].what.contains("cannot be read"), "{found:?}");
    ask(moto().port, "DELETE", &format!("/spoilt/kpi/backups/{}/manifest.json", manifest.id));
    let scan = repository.scan().unwrap();
    assert_eq!((scan.backups.len(), scan.damaged.len()), (0, 1), "{scan:?}");
    assert!(scan.damaged[0].reason.contains("manifest"), "{scan:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_and_a_missing_bucket_are_said_and_no_secret_with_them() {
    let world = World::new("refused");
    // A server of its own: from now on it checks signatures.
    let strict = Moto::start();
    assert!(ask(strict.port, "PUT", "/locked").contains(" 200 "));
    let answer = send(strict.port, "POST", "/moto-api/reset-auth", b"0");
    assert!(answer.contains(" 200 "), "{answer}");
    let silent = Progress::silent();
    let refused =
        Repository::open_bucket(&options("locked", strict.port), Keys::with_identity(world.key.clone()));
    let refused = refused.unwrap();
    let error =
        create_backup(&world.server, &refused, &BackupOptions::new("refused"), noon(0), &silent).await;
    let error = error.unwrap_err();
    let text = format!("{error:?}");
    assert!(text.contains("Refused") && !text.contains("hunter2"), "{text}");
    let missing = repository("no-such-bucket", &world.key);
    let error =
        create_backup(&world.server, &missing, &BackupOptions::new("refused"), noon(0), &silent).await;
    let Err(CreateBackupError::Repository(RepositoryError::File { source, .. })) = error else {
        panic!("{error:?}")
    };
    assert_eq!(source.kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn two_writers_of_one_bucket_do_not_meet() {
    new_bucket("twice");
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
    names.dedup();
    assert!(!taken.is_empty() && names.len() == taken.len(), "{ended:?}");
    for refused in ended.iter().filter_map(|ended| ended.as_ref().err()) {
        assert!(format!("{refused:?}").contains("Busy"), "{refused:?}");
    }
    assert_eq!(repository("twice", &key).list().unwrap().len(), taken.len());
}

#[test]
fn a_lock_that_a_killed_writer_left_ends_by_the_stores_own_clock() {
    let folder = tempfile::tempdir().unwrap();
    let clock = folder.path().join("clock");
    let moto = Moto::with_clock(&clock);
    new_bucket_of(&moto, "killed");
    let file = folder.path().join("state");
    fs::write(&file, "state").unwrap();
    let opened = options("killed", moto.port);
    let repository = Repository::open_bucket(&opened, Keys::with_identity(Key::generate())).unwrap();
    assert!(send(moto.port, "PUT", "/killed/kpi/backups/.lock", b"left").contains(" 200 "));
    for age in ["0", "290"] {
        fs::write(&clock, age).unwrap();
        let busy = back_up_state(&repository, std::slice::from_ref(&file), noon(0)).unwrap_err();
        assert!(format!("{busy:?}").contains("Busy"), "{age}: {busy:?}");
    }
    fs::write(&clock, "310").unwrap();
    let taken = back_up_state(&repository, &[file], noon(0)).unwrap();
    assert_eq!(repository.list().unwrap(), [taken]);
    let (names, _) = objects_of(&moto, "killed");
    assert!(!names.iter().any(|name| name.ends_with(".lock")), "it was given back: {names:?}");
}

#[test]
fn a_writer_whose_lock_was_taken_over_publishes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let clock = folder.path().join("clock");
    let moto = Moto::with_clock(&clock);
    new_bucket_of(&moto, "slow");
    let large = large_files(folder.path());
    let key = Key::generate();
    let open =
        |port| Repository::open_bucket(&options("slow", port), Keys::with_identity(key.clone())).unwrap();
    let (proxy, fast) = (Proxy::start(moto.port).unwrap(), open(moto.port));
    proxy.delay(Duration::from_secs(1));
    let slow = open(proxy.port());
    let writer = std::thread::spawn(move || back_up_state(&slow, &large, noon(0)));
    let began = Instant::now();
    while !objects_of(&moto, "slow").0.iter().any(|name| name.ends_with(".lock")) {
        assert!(began.elapsed() < PATIENCE, "the slow writer takes no lock");
        std::thread::sleep(Duration::from_millis(20));
    }
    // To the store, the slow one was not heard of for ten minutes.
    fs::write(&clock, "600").unwrap();
    let small = folder.path().join("small");
    fs::write(&small, "state").unwrap();
    let taken = back_up_state(&fast, &[small], noon(1)).unwrap();
    proxy.mend();
    let refused = writer.join().unwrap();
    assert!(format!("{refused:?}").contains("taken over by another"), "{refused:?}");
    assert_eq!(fast.list().unwrap(), [taken]);
    assert!(fast.scan().unwrap().damaged.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn binary_logs_in_a_bucket_bring_back_a_dropped_table_on_another_machine() {
    let folder = tempfile::tempdir().unwrap();
    new_bucket("logs");
    let key = Key::generate();
    let on_machine = |name: &str| {
        let options = options_with_spool("logs", moto().port, &folder.path().join(name));
        Repository::open_bucket(&options, Keys::with_identity(key.clone())).unwrap()
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
    let open = logged.gtid();
    logged.catch_up().await;
    let (names, uploads) = objects("logs");
    let left = names.iter().filter(|name| name.contains("journal") || name.contains(".partial"));
    assert_eq!((left.count(), uploads), (0, 0), "{names:?}");
    // What is not closed lies where it is archived, and nowhere else is it taken for granted.
    let plan = |repository: &Repository, target| plan_recovery(repository, "kpi", target, None, false);
    plan(&logged.repository, Target::After(open)).unwrap();
    let elsewhere = plan(&on_machine("another"), Target::After(open));
    assert!(matches!(elsewhere, Err(PlanError::NoSuchTransaction { .. })), "{elsewhere:?}");

    logged.repository = on_machine("a third");
    let mut search = Search::new();
    search.kind = Some(ChangeKind::Drop);
    let found = find_changes(&logged.repository, &search).unwrap();
    let [drop] = found.as_slice() else { panic!("{found:?}") };
    let before = drop.gtid;
    assert_eq!(rows_at(&logged, Target::Before(before)).await, "502");

    // A log that is gone from the store is a gap, and one with another byte is not replayed.
    let archived = logged.repository.binlogs().logs().unwrap();
    let name = archived.iter().find(|log| log.transactions > 0).unwrap().part.name.clone();
    let name = names.iter().find(|object| object.ends_with(&name)).unwrap();
    assert!(send(moto().port, "PUT", &format!("/logs/{name}"), b"no log").contains(" 200 "));
    let names_the_log = |planned: &Result<_, PlanError>| match planned {
        Err(PlanError::Repository(RepositoryError::File { path, .. })) => path.ends_with(name),
        _ => false,
    };
    let spoilt = plan(&on_machine("a fourth"), Target::Before(before));
    assert!(names_the_log(&spoilt), "{spoilt:?}");
    assert!(ask(moto().port, "DELETE", &format!("/logs/{name}")).contains(" 204 "));
    let missing = plan(&on_machine("a fifth"), Target::Before(before));
    assert!(names_the_log(&missing), "{missing:?}");
}
