//! Nothing outlives its parent, whatever becomes of that.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use golive_sandbox::{MariaDb, MariaDbOptions};

struct Held {
    program: Child,
    pids: Vec<u32>,
    private: PathBuf,
}

/// `examples/hold`, which is built beside the tests.
fn example() -> PathBuf {
    let me = std::env::current_exe().expect("we run");
    me.ancestors().nth(2).expect("tests are built in target/PROFILE/deps").join("examples/hold")
}

#[expect(clippy::disallowed_methods, reason = "the parent to be killed must not be tied to our life")]
fn command(program: &Path) -> Command {
    Command::new(program)
}

fn hold(directory: Option<&Path>) -> Held {
    let mut program = command(&example());
    program.args(directory);
    held(program)
}

fn held(mut program: Command) -> Held {
    let mut program = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it is built");
    let mut line = String::new();
    BufReader::new(program.stdout.take().expect("it is a pipe")).read_line(&mut line).expect("it prints");
    let mut words = line.split_whitespace();
    let pids: Vec<u32> = words.by_ref().take(4).map(|word| word.parse().expect("a number")).collect();
    assert_eq!(pids.len(), 4, "{line:?}");
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
    let program = home.path().join("hold");
    fs::copy(example(), &program).unwrap();
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
    let mut held = held(start);
    let owner = fs::metadata(format!("/proc/{}", held.pids[0])).unwrap().uid();
    assert_ne!(owner, 0, "the server runs as root");
    held.program.kill().unwrap();
    held.program.wait().unwrap();
    until_gone(&held.pids);
}
