//! `load` and `db` as an operator runs them: against a small application, and a database that lacks an index.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;

use golive_sandbox::{MariaDb, MariaDbOptions, Nginx, NginxOptions, free_port};
use support::run;

fn application() -> (Nginx, String) {
    let port = free_port().unwrap();
    let options = NginxOptions::new(format!(
        "error_log stderr; events {{}} http {{ {{temporary_paths}} access_log off; server {{ listen 127.0.0.1:{port};
            location /dashboard {{ default_type application/json; return 200 '{{\"oee\":61}}'; }}
            location /metrics {{ default_type text/plain; return 200 'pool_size 7\\nqueue_length $connection_requests\\n'; }}
        }} }}"
    ));
    (Nginx::start(&options).unwrap(), format!("http://127.0.0.1:{port}"))
}

fn described(folder: &std::path::Path) {
    let text = r#"
[application]
name = "small"

[load]
seconds = 2
thresholds = ['http.duration{route="/dashboard"}.p95 < 10s']

[[load.scenarios]]
role = "supervisor"
run = { name = "dashboards", kind = "dashboard", users = 2, think_seconds = 0.01, request = { path = "/dashboard?a=1" }, expect = { json_pointer_present = ["/oee"] } }
"#;
    std::fs::write(folder.join("golive.toml"), text).unwrap();
}

#[test]
fn a_run_writes_its_files_and_its_exit_code_says_how_thresholds_were_kept() {
    let (_nginx, url) = application();
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    described(here);
    let files = ["--html", "l.html", "--junit", "l.xml", "--prometheus", "l.prom", "--json", "l.json"];
    let kept = run(here, "", &[&["load", "run", "--base-url", &url][..], &files[..]].concat()).with(0);
    kept.says(&["kept", "p99.9"]);
    let read = |name: &str| std::fs::read_to_string(here.join(name)).unwrap();
    let page = read("l.html");
    assert!(page.contains("<svg") && page.contains("every threshold was kept") && !page.contains("<script"));
    assert!(!page.contains("http-equiv=\"refresh\"") && !page.contains(" src=") && !page.contains("<link"));
    assert!(read("l.xml").contains("http.duration{route=&quot;/dashboard&quot;}.p95"));
    assert!(read("l.prom").contains(
        "golive_load_duration_seconds{scenario=\"dashboards\",route=\"/dashboard\",quantile=\"0.95\"}"
    ));
    assert!(read("l.json").contains("\"distribution\""));

    let strict = ["--threshold", "http.duration.p50 < 1us", "--junit", "b.xml"];
    run(here, "", &[&["load", "run", "--base-url", &url][..], &strict[..]].concat())
        .with(10)
        .says(&["BROKEN"]);
    assert!(read("b.xml").contains("<failure"));
    let untold = ["--threshold", "http.duration{route=\"/other\"}.p50 < 1s"];
    run(here, "", &[&["load", "run", "--base-url", &url][..], &untold[..]].concat())
        .with(12)
        .says(&["unknown"]);
    let wrong = ["--threshold", "http.latency < 1s"];
    run(here, "", &[&["load", "run", "--base-url", &url][..], &wrong[..]].concat()).with(2);
    let against = ["--baseline", "l.json"];
    run(here, "", &[&["load", "run", "--base-url", &url][..], &against[..]].concat())
        .with(12)
        .says(&["too few"]);
}

/// Answers on both users' connections until each has been answered a few times, and goes on in threads.
fn answer_some(listener: &TcpListener) {
    let (say, said) = std::sync::mpsc::channel();
    for _ in 0..2 {
        let (mut socket, _) = listener.accept().unwrap();
        let say = say.clone();
        std::thread::spawn(move || {
            let mut request = [0; 4096];
            while socket.read(&mut request).is_ok_and(|read| read > 0) {
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"oee\":61}";
                if socket.write_all(answer).is_err() {
                    return;
                }
                let _ = say.send(());
            }
        });
    }
    // Past the warm-up of two seconds at a hundred a second and user, or so: some are counted.
    for _ in 0..500 {
        said.recv().unwrap();
    }
}

#[test]
fn ctrl_c_and_sigterm_end_a_run_with_a_report() {
    for signal in [rustix::process::Signal::INT, rustix::process::Signal::TERM] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let folder = tempfile::tempdir().unwrap();
        described(folder.path());
        let arguments = ["load", "run", "--base-url", &url, "--seconds", "600", "--json", "stopped.json"];
        let mut child = support::golive(folder.path())
            .args(arguments)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        // The handler is there when requests go out; until then a signal would end it the hard way.
        answer_some(&listener);
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(12));
        let report = std::fs::read_to_string(folder.path().join("stopped.json")).unwrap();
        assert!(report.contains("\"stopped\": \"canceled\""), "{report}");
    }
}

#[test]
fn a_soak_ends_by_what_must_not_grow_and_unknown_is_not_kept() {
    let (_nginx, url) = application();
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    described(here);
    let text = std::fs::read_to_string(here.join("golive.toml")).unwrap();
    let watched =
        "[http]\nmetrics = \"/metrics\"\n\n[load]\nwatch_metrics = [\"pool_size\", \"queue_length\"]";
    std::fs::write(here.join("golive.toml"), text.replace("[load]", watched)).unwrap();
    let soak = ["load", "run", "--base-url", &url, "--seconds", "18", "--steady", "pool_size"];
    let files = ["--steady", "queue_length", "--json", "l.json", "--junit", "l.xml"];
    std::thread::scope(|both| {
        both.spawn(|| run(here, "", &soak).with(0).says(&["kept     pool_size is steady"]));
        let grows = run(here, "", &[&soak[..], &files[..]].concat()).with(10);
        grows.says(&["kept     pool_size is steady", "BROKEN   queue_length grows"]);
    });
    let read = |name: &str| std::fs::read_to_string(here.join(name)).unwrap();
    assert!(read("l.json").contains("\"trend\": \"grows\"") && read("l.xml").contains("what must not grow"));
    let short = ["load", "run", "--base-url", &url, "--steady", "pool_size", "--steady", "other"];
    let unknown = run(here, "", &short).with(12);
    unknown.says(&["unknown  pool_size", "unknown  other is unknown after 0 samples"]);
}

#[test]
fn a_capacity_is_found_or_it_is_said_why_not() {
    let (_nginx, url) = application();
    let folder = tempfile::tempdir().unwrap();
    described(folder.path());
    let search = ["load", "capacity", "--base-url", &url, "--seconds", "1", "--highest", "2"];
    run(folder.path(), "", &search).with(0).says(&["held", "highest"]);
    let strict = [&search[..], &["--threshold", "http.duration.p50 < 1us"]].concat();
    run(folder.path(), "", &strict).with(10).says(&["broke"]);
}

#[test]
fn an_index_is_proven_on_a_copy_and_written_as_a_migration() {
    let mut options = MariaDbOptions::new();
    options.databases = vec!["app".into()];
    let server = MariaDb::start(&options).unwrap();
    server
        .execute(
            "USE app; CREATE TABLE orders (id INT PRIMARY KEY AUTO_INCREMENT, customer VARCHAR(20) NOT NULL, total INT NOT NULL);
             INSERT INTO orders (customer, total) SELECT CONCAT('secret', seq % 500), seq FROM seq_1_to_30000",
        )
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    std::fs::write(
        here.join("q.sql"),
        "SELECT SUM(total), MIN(id)\n FROM orders WHERE customer = 'secret7';\n",
    )
    .unwrap();
    let url = server.url("app");
    let prove = ["db", "prove", "--target", "env:TARGET", "--statements", "q.sql", "--migration", "."];
    let proven = run(here, &url, &prove).with(10);
    proven.says(&["paid", "`customer`", "MiB"]);
    assert!(!proven.all().contains("secret7"), "{}", proven.all());
    let written = std::fs::read_dir(here)
        .unwrap()
        .flatten()
        .find(|file| file.file_name().to_string_lossy().ends_with(".rs"));
    let migration = std::fs::read_to_string(written.unwrap().path()).unwrap();
    assert!(migration.contains(".col(Alias::new(\"customer\"))"), "{migration}");
    let indexes = "SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema = 'app'";
    assert_eq!(server.execute(indexes).unwrap().trim(), "1", "the target itself is only read");
    let unconfirmed =
        ["db", "prove", "--target", "env:TARGET", "--statements", "q.sql", "--copy", "env:TARGET"];
    run(here, &url, &unconfirmed).with(2);

    let sized = run(here, &url, &["db", "size", "--here", "--target", "env:TARGET"]).with(0);
    sized.says(&[
        "innodb_buffer_pool_size",
        "operating system",
        "connections of",
        "left for the buffer pool",
    ]);
}

/// Ended with the test, however that ends.
struct Agent(std::process::Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn agent(here: &std::path::Path) -> (Agent, String) {
    let arguments = ["load", "agent", "--listen", "127.0.0.1:0", "--token", "file:token"];
    let child = support::golive(here).args(arguments).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut agent = Agent(child);
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(agent.0.stdout.take().unwrap()), &mut line)
        .unwrap();
    (agent, line.trim().strip_prefix("listening on ").unwrap().to_owned())
}

#[test]
fn a_load_is_shared_by_agents_that_know_its_token() {
    let (_nginx, url) = application();
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    described(here);
    std::fs::write(here.join("token"), "a token that is long enough\n").unwrap();
    let ((_one, first), (_two, second)) = (agent(here), agent(here));
    let agents = format!("{first},{second}");
    let load = ["load", "run", "--base-url", &url, "--agents", &agents, "--agents-token"];
    run(here, "", &[&load[..], &["file:token"]].concat()).with(0).says(&["kept", "dashboards"]);

    std::fs::write(here.join("other"), "a token that is another\n").unwrap();
    run(here, "", &[&load[..], &["file:other"]].concat()).with(12).says(&["not the one of this agent"]);
    // An argument stands in process lists.
    run(here, "", &[&load[..], &["a token that is long enough"]].concat()).with(2).says(&["process lists"]);
    let open = ["load", "agent", "--listen", "0.0.0.0:0", "--token", "file:token"];
    run(here, "", &open).with(2).says(&["certificate"]);
}
