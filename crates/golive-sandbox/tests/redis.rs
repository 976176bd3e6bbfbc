//! A real Redis server through its whole life.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use golive_sandbox::{Redis, RedisOptions};

/// Sends inline commands after the password and returns the answer to the last.
fn ask(server: &Redis, commands: &[&str]) -> String {
    let url = server.url();
    let password = url.split(['@', ':']).nth(2).expect("the server talks");
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).expect("the server talks");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("the server talks");
    write!(stream, "AUTH {password}\r\n{}\r\nQUIT\r\n", commands.join("\r\n")).expect("the server talks");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the server talks");
    answer
}

#[test]
fn answers_to_its_password_only() {
    let server = Redis::start(&RedisOptions::new()).unwrap();
    assert_eq!(ask(&server, &["SET a 1", "GET a"]), "+OK\r\n+OK\r\n$1\r\n1\r\n+OK\r\n");
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    stream.write_all(b"GET a\r\nQUIT\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("-NOAUTH"), "{answer}");
    let arguments = std::fs::read_to_string(format!("/proc/{}/cmdline", server.pid().unwrap())).unwrap();
    let url = server.url();
    assert!(!arguments.contains(url.split(['@', ':']).nth(2).unwrap()));
}

#[test]
fn appended_changes_survive_a_kill_and_a_new_start() {
    let home = tempfile::tempdir().unwrap();
    let mut options = RedisOptions::new();
    options.directory = Some(home.path().to_path_buf());
    options.append_only = true;
    let server = Redis::start(&options).unwrap();
    let port = server.port();
    ask(&server, &["SET kept yes"]);
    server.kill().unwrap();
    server.start_again().unwrap();
    assert_eq!(server.port(), port);
    assert!(ask(&server, &["GET kept"]).contains("yes"));
    drop(server);
    let server = Redis::start(&options).unwrap();
    assert!(ask(&server, &["GET kept"]).contains("yes"));
}

#[test]
fn without_append_only_a_restart_forgets() {
    let server = Redis::start(&RedisOptions::new()).unwrap();
    ask(&server, &["SET gone yes"]);
    server.stop().unwrap();
    server.start_again().unwrap();
    assert!(!ask(&server, &["GET gone"]).contains("yes"));
}

#[test]
fn a_wrong_setting_fails_at_once() {
    let mut options = RedisOptions::new();
    options.settings = vec!["no-such-setting 1".into()];
    let error = Redis::start(&options).unwrap_err().to_string();
    assert!(error.contains("ended with") && error.contains("no-such-setting"), "{error}");
}
