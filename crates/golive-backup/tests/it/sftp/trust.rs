//! Which server is spoken to, and who is let in by it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use golive_backup::{Key, SftpOptions};
use golive_sandbox::{Process, ProcessSpec, Sshd, SshdOptions, run_to_end};

use super::{PATIENCE, address, on_disk, open, options, parsed, sshd, text};

#[test]
fn only_the_server_that_is_known_is_spoken_to() {
    let folder = tempfile::tempdir().unwrap();
    let known = folder.path().join("known hosts");
    let other = Sshd::start(&SshdOptions::new()).unwrap();
    let key = Key::generate();
    let looked = |lines: &str| {
        fs::write(&known, lines).unwrap();
        let address = address(sshd(), sshd().port(), "trust", &known);
        text(&open(parsed(&address), &key).list().unwrap_err())
    };
    let public = sshd().directory().join("host_key.pub");
    let spec = ProcessSpec::new("ssh-keygen").argument("-lf").argument(&public);
    let fingerprint = run_to_end(spec, PATIENCE).unwrap().output;
    let fingerprint = fingerprint.split_whitespace().nth(1).unwrap();
    let keyscan = format!("ssh-keyscan -t ed25519 -p {} 127.0.0.1 >> '{}'", sshd().port(), known.display());

    let unknown = looked("");
    for told in [fingerprint, &keyscan, "does not hold its key"] {
        assert!(unknown.contains(told), "{unknown}");
    }
    assert_eq!(fs::read_to_string(&known).unwrap(), "", "nobody is trusted because they answered first");
    let changed = looked(&other.known_as(sshd().port()).unwrap());
    for told in [fingerprint, &keyscan, "somebody stands between"] {
        assert!(changed.contains(told), "{changed}");
    }
    let ours = sshd().known_as(sshd().port()).unwrap();
    let revoked = looked(&format!("{ours}@revoked {ours}"));
    assert!(revoked.contains("revoked"), "{revoked}");
    assert!(!on_disk(sshd(), "trust").exists());

    let mut nothing_to_go_by = options(sshd(), "trust");
    nothing_to_go_by.client = PathBuf::from("/nowhere/ssh");
    let without = text(&open(nothing_to_go_by, &key).list().unwrap_err());
    assert!(without.contains("openssh-client") && !without.contains("mariadb"), "{without}");

    // By another name it is another server, and a name in a file of hashes is a name.
    fs::write(&known, &ours).unwrap();
    let hash = ProcessSpec::new("ssh-keygen").argument("-q").argument("-Hf").argument(&known);
    assert!(run_to_end(hash, PATIENCE).unwrap().status.success());
    assert!(fs::read_to_string(&known).unwrap().starts_with("|1|"));
    let address = address(sshd(), sshd().port(), "trust", &known);
    assert!(open(parsed(&address), &key).list().unwrap().is_empty());
    let renamed = text(&open(parsed(&address.replace("127.0.0.1", "localhost")), &key).list().unwrap_err());
    assert!(renamed.contains("does not hold its key"), "{renamed}");
}

#[test]
fn a_key_that_is_not_let_in_is_told_and_an_agents_key_is_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let key = Key::generate();
    let other = Sshd::start(&SshdOptions::new()).unwrap();
    let address = |file: &Path| {
        address(sshd(), sshd().port(), "login", &sshd().known_hosts())
            .replace(sshd().login_key().to_str().unwrap(), file.to_str().unwrap())
    };
    let refused = text(&open(parsed(&address(&other.login_key())), &key).list().unwrap_err());
    assert!(refused.contains("refuses the login") && refused.contains("authorized_keys"), "{refused}");

    let socket = folder.path().join("agent");
    let agent = ProcessSpec::new("ssh-agent").argument("-D").argument("-a").argument(&socket);
    let _agent = Process::start(agent).unwrap();
    let began = Instant::now();
    while !socket.exists() {
        assert!(began.elapsed() < PATIENCE, "no agent");
        std::thread::sleep(Duration::from_millis(5));
    }
    let variable = |name: &str| (name == "SSH_AUTH_SOCK").then(|| socket.to_str().unwrap().to_owned());
    let full = address(&other.login_key());
    let start = full.find("key=").unwrap();
    let address = format!("{}{}", &full[..start], &full[full.find("known_hosts").unwrap()..]);
    let by_agent = || {
        let mut options = SftpOptions::parse(&address, "/nowhere", &variable).unwrap();
        options.patience = Duration::from_secs(20);
        open(options, &key).list()
    };
    let empty = text(&by_agent().unwrap_err());
    assert!(empty.contains("ssh-add -l"), "{empty}");
    let add = ProcessSpec::new("ssh-add")
        .argument(sshd().login_key())
        .environment([("SSH_AUTH_SOCK", socket.as_os_str())]);
    assert!(run_to_end(add, PATIENCE).unwrap().status.success());
    assert!(by_agent().unwrap().is_empty());
}

#[test]
fn a_server_with_a_key_of_rsa_alone_serves_too() {
    let mut rsa = SshdOptions::new();
    rsa.host_key = "rsa".to_owned();
    let sshd = Sshd::start(&rsa).unwrap();
    let repository = open(options(&sshd, "rsa"), &Key::generate());
    assert!(repository.list().unwrap().is_empty());
    fs::write(sshd.known_hosts(), "").unwrap();
    let again = text(&open(options(&sshd, "rsa"), &Key::generate()).list().unwrap_err());
    assert!(again.contains("ssh-rsa SHA256:"), "{again}");
}
