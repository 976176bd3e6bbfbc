//! Backups by the built binary: taken, listed, read again, drilled, restored, damaged.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use golive_sandbox::{MariaDb, MariaDbOptions, Redis, RedisOptions, Sshd, SshdOptions};
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
    // An unverified backup counts as none.
    backup(&["status"]).with(10).says(&["NOT to be relied on", "golive backup drill"]);
    backup(&["verify", "--deep", "--format", "json"]).with(0).says(&["\"passed\": true"]);
    backup(&["drill"]).with(0).says(&["every table equal"]);
    backup(&["list"]).with(0).says(&["restored and compared"]);
    let metrics = here.join("backup.prom");
    backup(&["status", "--metrics", metrics.to_str().unwrap()]).with(0).says(&["backups of app: good"]);
    assert!(std::fs::read_to_string(&metrics).unwrap().contains("golive_backup_good{database=\"app\"} 1"));
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

#[test]
fn a_backup_goes_behind_sftp_and_comes_back_and_an_address_with_a_password_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let (mariadb, sshd) = (server(), Sshd::start(&SshdOptions::new()).unwrap());
    mariadb.execute("CREATE TABLE app.t (id INT PRIMARY KEY, v VARCHAR(20)); INSERT INTO app.t VALUES (1, 'planted-row')").unwrap();
    mariadb.create_database("again").unwrap();
    let (user, port, key) = (sshd.user(), sshd.port(), sshd.login_key());
    let known = here.join("known hosts");
    let address =
        format!("sftp://{user}@127.0.0.1:{port}/~/b?key={}&known_hosts={}", key.display(), known.display());
    let backup = |database: &str, arguments: &[&str]| -> Ended {
        run(here, &mariadb.url(database), &[&["backup"], arguments, &["--repository", &address]].concat())
    };
    backup("app", &["create", "--target", "env:TARGET"]).with(12).says(&["SHA256:", "ssh-keyscan"]);
    std::fs::write(&known, sshd.known_as(port).unwrap()).unwrap();
    backup("app", &["create", "--target", "env:TARGET"]).with(0).says(&["1 rows", "/~/b/000001-"]);
    backup("app", &["list"]).with(0).says(&["1 backups", "not proven yet"]);
    backup("app", &["verify"]).with(0).says(&["intact"]);
    backup("again", &["restore", "--target", "env:TARGET"]).with(0);
    assert_eq!(mariadb.execute("SELECT v FROM again.t").unwrap().trim(), "planted-row");
    flip_a_byte(&sshd.home().join("b"));
    backup("app", &["verify"]).with(10).says(&["DAMAGED"]);

    let told = format!("sftp://{user}:hunter2hunter2@127.0.0.1:{port}/b");
    let refused = run(here, "", &["backup", "list", "--repository", &told]).with(2);
    refused.says(&["take the password out", "?key=FILE"]);
    assert!(!refused.all().contains("hunter2"), "{}", refused.all());
}

#[test]
fn a_backup_that_is_ended_leaves_nothing_behind_and_the_next_one_need_not_wait() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let (mariadb, sshd) = (server(), Sshd::start(&SshdOptions::new()).unwrap());
    let rows = "SELECT seq AS id, CONCAT(SHA2(seq, 512), SHA2(-seq, 512)) AS v FROM seq_1_to_60000";
    mariadb.execute(&format!("USE app; CREATE TABLE t (PRIMARY KEY (id)) {rows}")).unwrap();
    let (user, port, key) = (sshd.user(), sshd.port(), sshd.login_key());
    let known = here.join("known hosts");
    std::fs::write(&known, sshd.known_as(port).unwrap()).unwrap();
    let behind =
        format!("sftp://{user}@127.0.0.1:{port}/~/b?key={}&known_hosts={}", key.display(), known.display());
    let beside = here.join("b").display().to_string();
    let places = [
        (beside, here.join("b"), rustix::process::Signal::INT),
        (behind, sshd.home().join("b"), rustix::process::Signal::TERM),
    ];
    for (address, on_disk, signal) in places {
        let create = ["backup", "create", "--target", "env:TARGET", "--repository", &address];
        let mut child = support::golive(here)
            .args(create)
            .args(["--rate-limit", "1"])
            .env("TARGET", mariadb.url("app"))
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while stored(&on_disk).iter().all(|(_, bytes)| *bytes < 1 << 20) {
            assert!(child.try_wait().unwrap().is_none() && std::time::Instant::now() < deadline);
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal).unwrap();
        let ended = support::ended(child.wait_with_output().unwrap()).with(75);
        ended.says(&["ending", "take it again"]);
        let left = stored(&on_disk);
        assert!(left.iter().all(|(_, bytes)| *bytes < 100), "{left:?}");
        run(here, &mariadb.url("app"), &create).with(0).says(&["60000 rows"]);
    }
}

#[test]
fn a_dropped_table_is_found_and_the_database_comes_back_as_it_was_before() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let mariadb = logging_server();
    mariadb.execute("CREATE TABLE app.t (id INT PRIMARY KEY, v VARCHAR(20)); INSERT INTO app.t VALUES (1, 'planted-row')").unwrap();
    let url = mariadb.url("app");
    let backup = |arguments: &[&str]| -> Ended { run(here, &url, &[&["backup"], arguments].concat()) };
    let target = ["--target", "env:TARGET"];
    let archive = || backup(&[&["archive-binlog", "--once"], &target[..]].concat());

    backup(&[&["create"], &target[..]].concat()).with(0);
    mariadb.execute("INSERT INTO app.t VALUES (2, 'planted-later')").unwrap();
    mariadb.execute("UPDATE app.t SET v = 'spoiled'").unwrap();
    let spoiled = mariadb.execute("SELECT @@gtid_binlog_pos").unwrap().trim().to_owned();
    archive().with(0).says(&["complete up to"]);
    let undo = [&["undo", &spoiled], &target[..]].concat();
    backup(&undo).with(0).says(&["nothing was changed", "update"]);
    backup(&[&undo[..], &["--yes"]].concat()).with(0).says(&["taken back"]);
    assert_eq!(mariadb.execute("SELECT COUNT(*) FROM app.t WHERE v LIKE 'planted%'").unwrap().trim(), "2");

    mariadb.execute("DROP TABLE app.t").unwrap();
    let dropped = mariadb.execute("SELECT @@gtid_binlog_pos").unwrap().trim().to_owned();
    mariadb.execute("CREATE TABLE app.later (id INT)").unwrap();
    archive().with(0);
    backup(&["find-event", "--table", "absent"]).with(10);
    let found = backup(&["find-event", "--table", "t", "--kind", "drop"]).with(0);
    found.says(&["DROP TABLE", &format!("--before {dropped}")]);

    let copy = MariaDb::start(&MariaDbOptions::new()).unwrap();
    let recover = |more: &[&str]| {
        let words = [&["backup", "restore"], &target[..], more].concat();
        run(here, &copy.url("app"), &words)
    };
    recover(&["--to", "yesterday"]).with(2).says(&["with its zone"]);
    recover(&["--to", "2026-11-22 10:15:00"]).with(2);
    recover(&["--before", &dropped, "--dry-run"])
        .with(0)
        .says(&["replay 3 transactions", "nothing was changed"]);
    recover(&["--before", &dropped, "--dangerous-allow-gap", "yes"]).with(2).says(&["lose-what-is-missing"]);
    let done = recover(&["--before", &dropped]).with(0);
    assert_eq!(
        copy.execute("SELECT GROUP_CONCAT(v ORDER BY id) FROM app.t").unwrap().trim(),
        "planted-row,planted-later"
    );
    // Never over what is there.
    recover(&["--to", "latest"]).with(2).says(&["not empty"]);
    for ended in [&found, &done] {
        assert!(!ended.all().contains("planted"), "no value is shown");
    }
}

#[test]
fn disasters_are_rehearsed_with_a_copy_of_the_data_and_nothing_confirmed_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let mut options = MariaDbOptions::new();
    options.databases = vec!["app".to_owned()];
    let mariadb = MariaDb::start(&options).unwrap();
    mariadb.execute("CREATE TABLE app.t (id INT PRIMARY KEY, v VARCHAR(20)); INSERT INTO app.t VALUES (1, 'planted-row')").unwrap();
    let backup =
        |arguments: &[&str]| -> Ended { run(here, &mariadb.url("app"), &[&["backup"], arguments].concat()) };
    backup(&["create", "--target", "env:TARGET"]).with(0);
    let page = here.join("disasters.md");
    let drilled = backup(&[
        "drill",
        "--disaster",
        "dropped-table",
        "--disaster",
        "corruption",
        "--disaster",
        "server-loss",
        "--disaster",
        "full-disk",
        "--disaster",
        "network-partition",
        "--disaster",
        "redis-loss",
        "--page",
        page.to_str().unwrap(),
        "--format",
        "json",
    ])
    .with(0);
    let reports = drilled.json()["reports"].as_array().unwrap().clone();
    assert_eq!(reports.len(), 6);
    for report in &reports {
        let seen = |field: &str| report[field].as_f64().unwrap();
        if report["disaster"] == "redis_loss" {
            // What is in the backup comes back, what was written since does not, and that is measured.
            assert!((seen("committed"), seen("recovered")) == (400.0, 200.0), "{report}");
            assert!(seen("lost_seconds") > 0.0 && seen("recovery_seconds") > 0.0, "{report}");
            continue;
        }
        if report["disaster"] == "network_partition" {
            assert!(seen("committed") >= 20.0 && seen("recovered") == seen("committed"), "{report}");
            continue;
        }
        assert!(seen("committed") >= 40.0 && seen("recovery_seconds") > 0.0, "{report}");
        if report["disaster"] != "server_loss" {
            assert!(seen("recovered") >= seen("committed") && seen("lost_seconds") == 0.0, "{report}");
        }
        // What a killed server had confirmed and not sent yet may be lost: seconds of it, never more.
        assert!(seen("lost_seconds") < 30.0, "{report}");
    }
    let text = std::fs::read_to_string(&page).unwrap();
    for words in [
        "find-event --table golive_drill --kind drop",
        "restore --before 0-1-",
        "restore --to latest",
        "$REPOSITORY",
        "restore --into DIRECTORY/data",
        "find-event --table golive_partition --kind insert",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    let password = secrecy::ExposeSecret::expose_secret(mariadb.password()).to_owned();
    assert!(!text.contains(&password) && !drilled.all().contains(&password));

    // The files of the server too, and back into a data directory.
    let physical = backup(&["create", "--physical", "--target", "env:TARGET", "--format", "json"]).with(0);
    let id = physical.json()["backup"]["id"].as_str().unwrap().to_owned();
    let data = here.join("data");
    backup(&["restore", &id, "--into", data.to_str().unwrap()]).with(0).says(&["prepared"]);
    assert!(data.join("app").is_dir());
    backup(&["restore", &id, "--into", data.to_str().unwrap()]).with(2).says(&["there already"]);
}

#[test]
fn a_backup_is_proven_as_it_is_taken_with_its_accounts_and_by_a_schedule_that_systemd_takes() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let mut options = MariaDbOptions::new();
    options.databases = vec!["app".to_owned()];
    let mariadb = MariaDb::start(&options).unwrap();
    mariadb
        .execute(
            "CREATE TABLE app.t (id INT PRIMARY KEY); INSERT INTO app.t VALUES (1); CREATE USER worker@localhost IDENTIFIED BY 'planted';
             GRANT SELECT ON app.* TO worker@localhost",
        )
        .unwrap();
    let backup = |arguments: &[&str]| run(here, &mariadb.url("app"), &[&["backup"], arguments].concat());
    let taken = backup(&["create", "--target", "env:TARGET", "--prove", "due", "--rate-limit", "50"]).with(0);
    taken.says(&["every table equal", "later versions of MariaDB read too"]);
    backup(&["status"]).with(0).says(&["backups of app: good", "would be lost now, by backups without"]);
    // Proven a moment ago, so not again.
    let again = backup(&["create", "--target", "env:TARGET", "--prove", "due"]).with(0);
    assert!(!again.all().contains("every table equal"), "{}", again.all());

    let copy = MariaDb::start(&MariaDbOptions::new()).unwrap();
    let restore = ["backup", "restore", "--target", "env:TARGET", "--with-accounts"];
    run(here, &copy.url("app"), &restore).with(0).says(&["accounts made"]);
    assert!(copy.execute("SHOW GRANTS FOR worker@localhost").unwrap().contains("`app`.*"));

    // Files of the server are a backup too: proven by a server started on them.
    backup(&["create", "--physical", "--target", "env:TARGET"]).with(0);
    let drilled = backup(&["drill", "--format", "json"]).with(0).json();
    assert_eq!(drilled["equal"], true, "{drilled}");
    assert!(drilled["backup"].as_str().unwrap().starts_with("000003-"), "{drilled}");
    backup(&["status"]).with(0).says(&["backups of app: good"]);

    let units = here.join("units");
    let written =
        backup(&["schedule", "--into", units.to_str().unwrap(), "--at", "03:30", "--physical"]).with(0);
    written.says(&["systemd"]);
    let service = std::fs::read_to_string(units.join("golive-backup.service")).unwrap();
    assert!(service.contains("create --physical --prove due") && !service.contains("mysql://"), "{service}");
    let timer = std::fs::read_to_string(units.join("golive-backup.timer")).unwrap();
    assert!(timer.contains("OnCalendar=*-*-* 03:30:00 UTC"), "{timer}");
    assert!(units.join("golive-archiver.service").is_file() && units.join("golive-backup.cron").is_file());
}

#[test]
fn redis_is_fetched_and_put_back_as_a_file_it_starts_on() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let redis = Redis::start(&RedisOptions::new()).unwrap();
    redis.command(&["SET", "planted", "value"]).unwrap();
    let url = redis.url();
    let fetch = ["backup", "create", "--redis", "--redis-url", "env:TARGET", "--prove", "always"];
    let taken = run(here, &url, &fetch).with(0);
    taken.says(&["1 keys of Redis", "1 keys came back of 1 to 1", "as it was recorded"]);
    let drilled = run(here, &url, &["backup", "drill", "--format", "json"]).with(0).json();
    assert_eq!(
        (&drilled["equal"], &drilled["drill"]["redis"]["keys"]),
        (&true.into(), &1.into()),
        "{drilled}"
    );
    run(here, &url, &["backup", "list"]).with(0).says(&["redis"]);
    let root = here.join("copy");
    let data = root.join("data");
    run(here, &url, &["backup", "restore", "--into", data.to_str().unwrap()])
        .with(0)
        .says(&["dump.rdb", "appendonly no"]);
    let mut options = RedisOptions::new();
    options.directory = Some(root);
    options.append_only = false;
    let copy = Redis::start(&options).unwrap();
    assert_eq!(copy.command(&["GET", "planted"]).unwrap().trim(), "value");
    let password = secrecy::ExposeSecret::expose_secret(redis.password()).to_owned();
    assert!(!taken.all().contains(&password));
}

/// In the middle of the largest stored part.
fn flip_a_byte(repository: &Path) {
    let parts = std::fs::read_dir(repository).unwrap().flatten().filter(|entry| entry.path().is_dir());
    let files =
        parts.flat_map(|part| std::fs::read_dir(part.path()).unwrap().flatten().map(|file| file.path()));
    let sealed = files.filter(|path| path.extension().is_some_and(|kind| kind == "age"));
    let largest = sealed.max_by_key(|path| std::fs::metadata(path).unwrap().len()).expect("a stored part");
    let mut bytes = std::fs::read(&largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(largest, bytes).unwrap();
}

#[test]
fn a_run_that_is_killed_while_it_holds_the_tool_up_leaves_no_server_blocked() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let mariadb = server();
    mariadb.execute("CREATE TABLE app.t (id INT PRIMARY KEY); INSERT INTO app.t VALUES (1)").unwrap();
    let killed = (0..20).any(|_| {
        let mut child = support::golive(here)
            .args(["backup", "create", "--physical", "--target", "env:TARGET"])
            .env("TARGET", mariadb.url("app"))
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let mut held = None;
        while held.is_none() && child.try_wait().unwrap().is_none() {
            held = children(child.id()).into_iter().find(|child| child.state == "T").map(|child| child.pid);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let Some(tool) = held else { return false };
        // A commit waits for as long as the tool stands there.
        let began = std::time::Instant::now();
        mariadb.execute("UPDATE app.t SET id = id + 1").unwrap();
        while runs(tool) {
            assert!(began.elapsed() < std::time::Duration::from_secs(30), "the tool goes on by itself");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        true
    });
    assert!(killed, "it was never seen held");
}

#[test]
fn an_archiver_that_is_killed_leaves_no_program_that_fetches_on_and_no_login() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let mariadb = logging_server();
    mariadb.execute("CREATE TABLE app.t (id INT PRIMARY KEY)").unwrap();
    let temporary = here.join("temporary");
    std::fs::create_dir(&temporary).unwrap();
    let golive = |arguments: &[&str]| {
        let mut command = support::golive(here);
        command.args(["backup"]).args(arguments).args(["--target", "env:TARGET"]);
        command.env("TARGET", mariadb.url("app")).env("TMPDIR", &temporary);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        command
    };
    assert!(golive(&["create"]).status().unwrap().success());
    let mut archiver = golive(&["archive-binlog"]).spawn().unwrap();
    let began = std::time::Instant::now();
    let limit = std::time::Duration::from_secs(30);
    let fetching = loop {
        // Beside it is who ends it.
        let (found, others): (Vec<_>, Vec<_>) =
            children(archiver.id()).into_iter().partition(|child| child.name == "mariadb-binlog");
        if let (Some(child), Some(_)) = (found.first(), others.iter().find(|child| child.name == "sh")) {
            break child.pid;
        }
        assert!(began.elapsed() < limit, "it fetches nothing");
    };
    archiver.kill().unwrap();
    archiver.wait().unwrap();
    while runs(fetching) {
        assert!(began.elapsed() < limit, "it fetches on");
    }
    let logins = || {
        std::fs::read_dir(&temporary).unwrap().flatten().map(|entry| entry.file_name()).collect::<Vec<_>>()
    };
    assert_eq!(logins().len(), 1, "{:?}", logins());
    assert!(golive(&["archive-binlog", "--once"]).status().unwrap().success());
    assert!(logins().is_empty(), "{:?}", logins());
}

/// A server with one empty database `app` that writes a binary log.
fn logging_server() -> MariaDb {
    let mut options = MariaDbOptions::new();
    options.binary_log = true;
    options.databases = vec!["app".to_owned()];
    MariaDb::start(&options).unwrap()
}

/// A program that another has started.
struct ChildProcess {
    pid: u32,
    name: String,
    state: String,
}

/// What a program has started and what has not ended.
fn children(parent: u32) -> Vec<ChildProcess> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let (name, rest) = stat.split_once(" (")?.1.rsplit_once(") ")?;
        let mut fields = rest.split(' ');
        let state = fields.next()?.to_owned();
        (fields.next() == Some(&parent.to_string())).then(|| ChildProcess {
            pid,
            name: name.to_owned(),
            state,
        })
    })
    .collect()
}

/// Whether a program has not ended; one that nobody has asked for its end has.
fn runs(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Every file below a folder, with its size.
fn stored(folder: &Path) -> Vec<(std::path::PathBuf, u64)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => folders.push(entry.path()),
                Ok(metadata) => files.push((entry.path(), metadata.len())),
                Err(_) => {}
            }
        }
    }
    files
}
