//! A real MariaDB server through its whole life.

use std::time::Duration;

use golive_sandbox::{MariaDb, MariaDbOptions};

fn with_database() -> MariaDbOptions {
    let mut options = MariaDbOptions::new();
    options.databases = vec!["shop".into()];
    options
}

#[test]
fn starts_with_utc_utf8mb4_and_one_account_that_can_log_in() {
    let server = MariaDb::start(&with_database()).unwrap();
    let said = server
        .execute(
            "SELECT @@global.time_zone, @@character_set_server, CURRENT_USER(); SHOW GRANTS; SHOW DATABASES",
        )
        .unwrap();
    assert!(said.starts_with("+00:00\tutf8mb4\tgolive@localhost\n"), "{said}");
    assert!(said.contains("ALL PRIVILEGES ON *.*") && said.contains("WITH GRANT OPTION"), "{said}");
    assert!(said.lines().any(|line| line == "shop"), "{said}");
    let open = server
        .execute(
            "SELECT user, host FROM mysql.global_priv WHERE user <> 'golive' \
             AND NOT COALESCE(JSON_VALUE(priv, '$.account_locked'), 0)",
        )
        .unwrap();
    assert_eq!(open, "", "accounts besides ours that can log in");
}

#[test]
fn statements_run_from_many_threads_at_once() {
    let server = MariaDb::start(&with_database()).unwrap();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let server = &server;
            scope.spawn(move || {
                for round in 0..100 {
                    let file = server.client_file().unwrap();
                    let text = std::fs::read_to_string(file).unwrap();
                    assert!(
                        text.ends_with("default-character-set=utf8mb4\n"),
                        "{number}, {round}: half a file"
                    );
                }
                assert_eq!(server.execute(&format!("SELECT {number}")).unwrap(), format!("{number}\n"));
            });
        }
    });
    let left = std::fs::read_dir(server.private_directory()).unwrap();
    let left =
        left.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("client.cnf"));
    assert_eq!(left.count(), 1);
}

#[test]
fn committed_rows_survive_a_kill_and_a_stop_on_the_same_port() {
    let server = MariaDb::start(&with_database()).unwrap();
    let (port, pid) = (server.port(), server.pid().unwrap());
    server.execute("CREATE TABLE shop.t (id INT PRIMARY KEY); INSERT INTO shop.t VALUES (1)").unwrap();
    server.kill().unwrap();
    assert_eq!(server.pid(), None);
    assert!(server.execute("SELECT 1").is_err());
    server.start_again().unwrap();
    assert_ne!(server.pid(), Some(pid));
    server.execute("INSERT INTO shop.t VALUES (2)").unwrap();
    server.stop().unwrap();
    server.start_again().unwrap();
    assert_eq!(server.port(), port);
    assert_eq!(server.execute("SELECT COUNT(*) FROM shop.t").unwrap(), "2\n");
}

#[test]
fn several_run_at_once() {
    let servers: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> =
            (0..3).map(|_| scope.spawn(|| MariaDb::start(&MariaDbOptions::new()).unwrap())).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    // The threads that started them have ended, and they still run.
    for server in &servers {
        assert_eq!(server.execute("SELECT 1").unwrap(), "1\n");
    }
    let pids: Vec<u32> = servers.iter().filter_map(MariaDb::pid).collect();
    drop(servers);
    for pid in pids {
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "process {pid} still runs");
    }
}

#[test]
fn a_directory_keeps_data_and_password() {
    let home = tempfile::tempdir().unwrap();
    let mut options = with_database();
    options.directory = Some(home.path().join("db"));
    let first = MariaDb::start(&options).unwrap();
    first.execute("CREATE TABLE shop.t (id INT PRIMARY KEY); INSERT INTO shop.t VALUES (7)").unwrap();
    let refused = MariaDb::start(&options).unwrap_err().to_string();
    assert!(refused.contains("another program works on it"), "{refused}");
    let url = first.url("shop");
    drop(first);
    let second = MariaDb::start(&options).unwrap();
    assert_eq!(second.execute("SELECT id FROM shop.t").unwrap(), "7\n");
    let password = |url: &str| url.split(['@', ':']).nth(2).map(str::to_owned);
    assert_eq!(password(&url), password(&second.url("shop")));
}

#[test]
fn the_password_is_in_no_argument_and_no_readable_file() {
    use std::os::unix::fs::PermissionsExt;
    let server = MariaDb::start(&MariaDbOptions::new()).unwrap();
    let url = server.url("x");
    let password = url.split(['@', ':']).nth(2).unwrap();
    assert_eq!(password.len(), 40);
    let arguments = std::fs::read_to_string(format!("/proc/{}/cmdline", server.pid().unwrap())).unwrap();
    assert!(arguments.contains("mariadbd") && !arguments.contains(password));
    assert!(!format!("{server:?}").contains(password));
    let file = server.client_file().unwrap();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let directory = server.private_directory().to_path_buf();
    assert_eq!(directory.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    drop(server);
    assert!(!directory.exists());
}

#[test]
fn settings_win_and_a_binary_log_is_written() {
    let mut options = MariaDbOptions::new();
    options.binary_log = true;
    options.durable = true;
    options.settings = vec!["max_connections=17".into(), "innodb-log-file-size=16M".into()];
    let server = MariaDb::start(&options).unwrap();
    let said = server
        .execute("SELECT @@max_connections, @@log_bin, @@binlog_format, @@innodb_flush_log_at_trx_commit, @@innodb_log_file_size")
        .unwrap();
    assert_eq!(said, "17\t1\tROW\t1\t16777216\n");
    assert!(
        !server.execute("SHOW BINLOG EVENTS").unwrap().contains("USER"),
        "accounts are in the binary log"
    );
}

#[test]
fn a_server_that_cannot_start_fails_at_once_with_its_log() {
    let mut options = MariaDbOptions::new();
    options.settings = vec!["no-such-setting=1".into()];
    let begun = std::time::Instant::now();
    let error = MariaDb::start(&options).unwrap_err().to_string();
    assert!(error.contains("unknown variable 'no-such-setting=1'"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_database_name_that_needs_quoting_is_refused() {
    let server = MariaDb::start(&MariaDbOptions::new()).unwrap();
    let error = server.create_database("a`; DROP DATABASE mysql; --").unwrap_err().to_string();
    assert!(error.contains("must be 1 to 64 of"), "{error}");
}

#[test]
fn two_starts_at_once_make_one_template() {
    let cache = tempfile::tempdir().unwrap();
    let mut options = MariaDbOptions::new();
    options.template_directory = Some(cache.path().to_path_buf());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| assert_eq!(MariaDb::start(&options).unwrap().execute("SELECT 1").unwrap(), "1\n"));
        }
    });
    let made: Vec<_> = std::fs::read_dir(cache.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    assert_eq!(made.len(), 1, "{made:?}");
}
