//! Processes, the sink, nginx and certificates, for real.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use golive_sandbox::{
    CertificateAuthority, Nginx, NginxOptions, Process, ProcessError, ProcessSpec, Requirement, Sink,
    free_port, look, run_to_end,
};

const SOON: Duration = Duration::from_secs(20);

fn request(port: u16, text: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("somebody listens");
    stream.set_read_timeout(Some(SOON)).expect("a valid limit");
    stream.write_all(text.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

#[test]
fn a_process_writes_to_its_file_and_takes_its_children_with_it() {
    let home = tempfile::tempdir().unwrap();
    let output = home.path().join("out");
    let spec = ProcessSpec::new("sh")
        .arguments(["-c", "echo $MARK; pwd >&2; sleep 1000 & echo $!; wait"])
        .environment([("MARK", "here")])
        .directory(home.path())
        .output(&output);
    let process = Process::start(spec).unwrap();
    let begun = Instant::now();
    let lines = loop {
        let lines: Vec<String> =
            fs::read_to_string(&output).unwrap_or_default().lines().map(str::to_owned).collect();
        if lines.len() == 3 {
            break lines;
        }
        assert!(begun.elapsed() < SOON, "{lines:?}");
        std::thread::yield_now();
    };
    assert_eq!(lines[0], "here");
    assert!(process.is_running());
    let grandchild = lines[2].clone();
    assert!(fs::exists(format!("/proc/{grandchild}")).unwrap());
    assert_eq!(process.terminate(SOON).and_then(|status| status.code()), None, "ended by the signal");
    assert!(!process.is_running());
    let gone =
        || fs::read_to_string(format!("/proc/{grandchild}/stat")).map_or(true, |stat| stat.contains(") Z "));
    while !gone() {
        assert!(begun.elapsed() < SOON, "what it started still runs");
        std::thread::yield_now();
    }
}

#[test]
fn a_command_is_run_to_its_end() {
    let spec = ProcessSpec::new("sh").arguments(["-c", "cat; echo bad >&2; exit 3"]).input("given");
    let finished = run_to_end(spec, SOON).unwrap();
    assert_eq!((finished.status.code(), finished.output.as_str()), (Some(3), "given"));
    assert_eq!(finished.errors, "bad\n");
    let slow = run_to_end(ProcessSpec::new("sleep").argument("1000"), Duration::from_millis(50)).unwrap_err();
    assert!(matches!(slow, ProcessError::TooLong { .. }), "{slow}");
    let none = run_to_end(ProcessSpec::new("no-such-program"), SOON).unwrap_err();
    assert!(none.to_string().contains("find the program `no-such-program`"), "{none}");
}

#[test]
fn an_empty_environment_holds_what_was_given_only() {
    let spec = ProcessSpec::new("/usr/bin/env").empty_environment().environment([("A", "b")]);
    let finished = run_to_end(spec, SOON).unwrap();
    let names: Vec<&str> = finished.output.lines().filter_map(|line| line.split('=').next()).collect();
    assert!(names.contains(&"A") && !names.contains(&"HOME") && !names.contains(&"PATH"), "{names:?}");
}

#[test]
fn the_sink_remembers_what_it_was_sent() {
    let sink = Sink::start().unwrap();
    assert_eq!(sink.wait_for(1, Duration::from_millis(10)), []);
    let answer = request(
        sink.port(),
        "POST /api/1/envelope/?a=b HTTP/1.1\r\nHost: x\r\nX-Key: k\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
    );
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("{}"), "{answer}");
    let received = sink.wait_for(1, SOON);
    assert_eq!(received.len(), 1);
    assert_eq!((received[0].method.as_str(), received[0].path.as_str()), ("POST", "/api/1/envelope/?a=b"));
    assert_eq!(
        (received[0].headers["x-key"].as_str(), received[0].body.as_slice()),
        ("k", b"hello".as_slice())
    );
    let answer = request(
        sink.port(),
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\nConnection: close\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert_eq!(sink.received().len(), 1);
}

#[test]
fn nginx_serves_the_given_configuration_and_names_what_is_wrong_in_it() {
    let authority = CertificateAuthority::new("test authority").unwrap();
    let certificate = authority.issue(&["localhost", "127.0.0.1"]).unwrap();
    let (plain, secure) = (free_port().unwrap(), free_port().unwrap());
    let mut options = NginxOptions::new(format!(
        "events {{}}\nhttp {{\n access_log off;\n {{temporary_paths}}\n server {{ listen 127.0.0.1:{plain}; \
         listen 127.0.0.1:{secure} ssl;\n ssl_certificate {{directory}}/cert.pem; ssl_certificate_key \
         {{directory}}/key.pem;\n location / {{ return 200 hello; }} }} }}"
    ));
    options.files = vec![
        ("cert.pem".into(), certificate.certificate_pem.clone()),
        ("key.pem".into(), certificate.expose_key_pem().to_owned()),
    ];
    let nginx = Nginx::start(&options).unwrap();
    let get = "GET / HTTP/1.0\r\n\r\n";
    assert!(request(plain, get).ends_with("hello"));
    nginx.kill().unwrap();
    assert!(TcpStream::connect(("127.0.0.1", plain)).is_err());
    nginx.start_again().unwrap();
    assert!(request(plain, get).ends_with("hello"));
    assert!(TcpStream::connect(("127.0.0.1", secure)).is_ok());

    let wrong = Nginx::start(&NginxOptions::new("events {}\nno_such_directive 1;")).unwrap_err().to_string();
    assert!(wrong.contains("unknown directive \"no_such_directive\""), "{wrong}");
}

#[test]
fn everything_needed_is_found_with_its_version() {
    for found in look() {
        // mariadb-install-db would begin to install whatever it is asked.
        let silent = found.requirement == Requirement::MariadbInstallDb;
        assert!(found.path.is_some() && found.version.is_some() != silent, "{found:?}");
    }
}
