//! Nothing outlives its parent, whatever becomes of that.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use golive_sandbox::{
    MariaDb, MariaDbOptions, Nginx, NginxOptions, Process, ProcessSpec, Redis, RedisOptions,
};

struct Held {
    program: Child,
    pids: Vec<u32>,
    private: PathBuf,
}

/// Marks the run of this very program that is to be the parent.
const HOLD: &str = "GOLIVE_TEST_HOLD";

/// Not a test of its own: what the others start as a program of its own, and kill.
#[test]
#[expect(clippy::disallowed_methods, reason = "it must do nothing when it is run as a test")]
fn hold_servers_until_the_input_ends() {
    let Some(directory) = std::env::var_os(HOLD) else { return };
    let mut options = MariaDbOptions::new();
    options.directory = (!directory.is_empty()).then(|| directory.into());
    let database = MariaDb::start(&options).unwrap();
    let redis = Redis::start(&RedisOptions::new()).unwrap();
    let nginx = Nginx::start(&NginxOptions::new("events {}")).unwrap();
    let process = Process::start(ProcessSpec::new("sleep").argument("1000")).unwrap();
    let pids = [database.pid(), redis.pid(), nginx.pid(), Some(process.pid())].map(Option::unwrap);
    println!(
        "\nheld {} {} {} {} {}",
        pids[0],
        pids[1],
        pids[2],
        pids[3],
        database.private_directory().display()
    );
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

fn this_program() -> PathBuf {
    std::env::current_exe().expect("we run")
}

#[expect(clippy::disallowed_methods, reason = "the parent to be killed must not be tied to our life")]
fn command(program: &Path) -> Command {
    Command::new(program)
}

fn hold(directory: Option<&Path>) -> Held {
    held(command(&this_program()), directory)
}

fn held(mut program: Command, directory: Option<&Path>) -> Held {
    program.args(["--exact", "hold_servers_until_the_input_ends", "--nocapture"]);
    program.env(HOLD, directory.unwrap_or(Path::new("")));
    let mut program = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it is built");
    let output = BufReader::new(program.stdout.take().expect("it is a pipe"));
    let mut lines = output.lines().map(|line| line.expect("it prints"));
    let line = lines.find(|line| line.starts_with("held ")).expect("it starts all of them");
    // Its later words go into a pipe that somebody has to read.
    std::thread::spawn(move || lines.for_each(drop));
    let mut words = line.split_whitespace().skip(1);
    let pids: Vec<u32> = words.by_ref().take(4).map(|word| word.parse().expect("a number")).collect();
    Held { program, pids, private: words.next().expect("a path").into() }
}

fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

fn until_gone(pids: &[u32]) {
    let begun = Instant::now();
    while pids.iter().any(|pid| runs(*pid)) {
        assert!(begun.elapsed() < Duration::from_secs(20), "{pids:?} still run");
        std::thread::yield_now();
    }
}

#[test]
fn a_killed_parent_leaves_no_server_and_its_directory_is_swept() {
    let mut held = hold(None);
    assert!(held.pids.iter().all(|pid| runs(*pid)));
    held.program.kill().unwrap();
    held.program.wait().unwrap();
    until_gone(&held.pids);
    assert!(held.private.exists());
    drop(MariaDb::start(&MariaDbOptions::new()).unwrap());
    assert!(!held.private.exists(), "the directory of a dead owner was not swept");
}

#[test]
fn a_parent_that_ends_takes_everything_with_it() {
    let mut held = hold(None);
    drop(held.program.stdin.take());
    assert!(held.program.wait().unwrap().success());
    until_gone(&held.pids);
    assert!(!held.private.exists());
}

#[test]
fn a_directory_can_be_used_at_once_after_its_owner_was_killed() {
    let home = tempfile::tempdir().unwrap();
    let mut held = hold(Some(home.path()));
    let mut options = MariaDbOptions::new();
    options.directory = Some(home.path().into());
    let refused = MariaDb::start(&options).unwrap_err().to_string();
    assert!(refused.contains("works on it"), "{refused}");
    held.program.kill().unwrap();
    held.program.wait().unwrap();
    let server = MariaDb::start(&options).unwrap();
    assert_eq!(server.execute("SELECT 1").unwrap(), "1\n");
    assert!(!runs(held.pids[0]));
}

/// When the tests run as a normal user, they all show that; as root this one does.
#[test]
fn a_normal_user_without_a_home_starts_them_too() {
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
    let program = home.path().join("parent");
    fs::copy(this_program(), &program).unwrap();
    let theirs = home.path().join("u");
    fs::create_dir(&theirs).unwrap();
    let is_root = fs::metadata(&theirs).unwrap().uid() == 0;
    let mut start = if is_root {
        chown(&theirs, Some(65534), Some(65534)).unwrap();
        let mut start = command(Path::new("setpriv"));
        start.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(&program);
        start
    } else {
        command(&program)
    };
    start.env("TMPDIR", &theirs).env("HOME", "/nonexistent").env_remove("XDG_CACHE_HOME");
    let mut held = held(start, None);
    let owner = fs::metadata(format!("/proc/{}", held.pids[0])).unwrap().uid();
    assert_ne!(owner, 0, "the server runs as root");
    held.program.kill().unwrap();
    held.program.wait().unwrap();
    until_gone(&held.pids);
}
