//! What driving load costs beside wrk, and whether both and ab tell the same; what ten thousand users take. Printed as JSON with
//! the ratios: `cargo xtask bench load`.
//!
//! The application under load is this program again, in a process and on a thread of its own. Processor time is compared, as
//! wall time on a machine with other work is not; agreement is compared at one load: sixteen connections, and an answer that
//! takes twenty milliseconds whoever asks.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement that cannot be made ends")]

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use golive_load::{LoadPlan, LoadReport, RequestTemplate, Scenario, ScenarioKind, run};
use tokio_util::sync::CancellationToken;
use url::Url;

const CONNECTIONS: u32 = 16;
const SECONDS: u64 = 4;
const ROUNDS: usize = 5;
const ANSWER: Duration = Duration::from_millis(20);

fn main() {
    if std::env::args().nth(1).as_deref() == Some("serve") {
        return serve();
    }
    let server = Server::start();
    let (mut cost, mut agreement) = (Rounds::default(), Rounds::default());
    for _ in 0..ROUNDS {
        cost.add(&server, "/");
        agreement.add(&server, "/slow");
    }
    let users = ten_thousand(&server);
    let share = |ours: f64, theirs: Option<f64>| theirs.map(|theirs| (ours / theirs - 1.0).abs());
    let results = serde_json::json!({
        "schema_version": 1,
        "rounds": ROUNDS,
        "trivial_request": cost.json(),
        "same_load": agreement.json(),
        "ten_thousand_users": users,
        "ratios": [
            { "name": "requests a processor second / wrk's", "ratio": cost.wrk(|m| m.per_processor_second).map(|wrk| cost.ours(|m| m.per_processor_second) / wrk), "at_least": 0.5 },
            { "name": "throughput's distance from wrk's at the same load", "ratio": share(agreement.ours(|m| m.per_second), agreement.wrk(|m| m.per_second)), "at_most": 0.05 },
            { "name": "median's distance from wrk's at the same load", "ratio": share(agreement.ours(|m| m.median_ms), agreement.wrk(|m| m.median_ms)), "at_most": 0.05 },
            { "name": "throughput's distance from ab's at the same load", "ratio": share(agreement.ours(|m| m.per_second), agreement.ab(|m| m.per_second)), "at_most": 0.05 },
            { "name": "median's distance from ab's at the same load", "ratio": share(agreement.ours(|m| m.median_ms), agreement.ab(|m| m.median_ms)), "at_most": 0.05 },
            { "name": "GiB at most with ten thousand users", "ratio": users["peak_gib"], "at_most": 1.0 },
            { "name": "errors of ten thousand users", "ratio": users["errors"], "at_most": 0.0 },
        ],
    });
    println!("{results:#}");
}

/// One thread: what is measured is the generators.
fn serve() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap().port());
        let slow = async || {
            tokio::time::sleep(ANSWER).await;
            "hello"
        };
        axum::serve(listener, Router::new().route("/", get(async || "hello")).route("/slow", get(slow)))
            .await
            .unwrap();
    });
}

struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start() -> Self {
        let mut child = program(std::env::current_exe().unwrap().to_str().unwrap())
            .arg("serve")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut told = std::io::BufReader::new(child.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut told, &mut line).unwrap();
        Self { child, url: format!("http://127.0.0.1:{}", line.trim()) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "the one room of this example that starts programs")]
fn program(name: &str) -> Command {
    Command::new(name)
}

#[derive(Clone, Copy, serde::Serialize)]
struct Measured {
    per_second: f64,
    per_processor_second: f64,
    median_ms: f64,
}

#[derive(Default)]
struct Rounds {
    ours: Vec<Measured>,
    wrk: Vec<Measured>,
    ab: Vec<Measured>,
}

impl Rounds {
    fn add(&mut self, server: &Server, path: &str) {
        self.ours.push(ours(server, path));
        self.wrk.extend(wrk(&format!("{}{path}", server.url)));
        self.ab.extend(ab(&format!("{}{path}", server.url)));
    }

    fn ours(&self, pick: fn(&Measured) -> f64) -> f64 {
        median(&self.ours, pick).unwrap()
    }

    fn wrk(&self, pick: fn(&Measured) -> f64) -> Option<f64> {
        median(&self.wrk, pick)
    }

    fn ab(&self, pick: fn(&Measured) -> f64) -> Option<f64> {
        median(&self.ab, pick)
    }

    fn json(&self) -> serde_json::Value {
        serde_json::json!({ "golive": self.ours, "wrk": self.wrk, "ab": self.ab })
    }
}

fn median(measured: &[Measured], pick: fn(&Measured) -> f64) -> Option<f64> {
    let mut values: Vec<f64> = measured.iter().map(pick).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

fn ours(server: &Server, path: &str) -> Measured {
    let before = processor_seconds(0);
    let report = drive(server, path, CONNECTIONS, SECONDS, Duration::ZERO);
    let took = processor_seconds(0) - before;
    assert_eq!(report.errors, 0, "{:?}", report.scenarios[0].errors);
    Measured {
        per_second: report.requests as f64 / report.seconds,
        per_processor_second: report.requests as f64 / took,
        median_ms: report.scenarios[0].service.unwrap().p50_ms,
    }
}

fn drive(server: &Server, path: &str, users: u32, seconds: u64, think: Duration) -> LoadReport {
    let mut scenario = Scenario::new("s", ScenarioKind::Other, RequestTemplate::get(path));
    scenario.users = users;
    scenario.think_time = think;
    let mut plan = LoadPlan::new(Url::parse(&server.url).unwrap(), vec![scenario]);
    plan.duration = Duration::from_secs(seconds);
    plan.warm_up = Duration::ZERO;
    plan.max_requests = u64::MAX;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(run(&plan, &|_| {}, &CancellationToken::new())).unwrap()
}

/// `None` where wrk is not installed.
fn wrk(url: &str) -> Option<Measured> {
    let (before, began) = (processor_seconds(2), Instant::now());
    let output = program("wrk")
        .args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{SECONDS}s"), "--latency", url])
        .output()
        .ok()?;
    let (took, lasted) = (processor_seconds(2) - before, began.elapsed().as_secs_f64());
    let text = String::from_utf8(output.stdout).unwrap();
    let after = |word: &str| text.lines().find_map(|line| line.trim().strip_prefix(word)).map(str::trim);
    let per_second: f64 = after("Requests/sec:")?.parse().ok()?;
    let median = after("50%")?;
    let factors = [("us", 0.001), ("ms", 1.0), ("s", 1000.0)];
    let median_ms = factors
        .iter()
        .find_map(|(unit, factor)| Some(median.strip_suffix(unit)?.parse::<f64>().ok()? * factor))?;
    Some(Measured { per_second, per_processor_second: per_second * lasted / took, median_ms })
}

/// `None` where ab is not installed.
fn ab(url: &str) -> Option<Measured> {
    let file = std::env::temp_dir().join(format!("golive-ab-{}.csv", std::process::id()));
    let (before, began) = (processor_seconds(2), Instant::now());
    let output = program("ab")
        .args([
            "-k",
            "-q",
            "-c",
            &CONNECTIONS.to_string(),
            "-t",
            &SECONDS.to_string(),
            "-n",
            "10000000",
            "-e",
        ])
        .arg(&file)
        .arg(url)
        .output()
        .ok()?;
    let (took, lasted) = (processor_seconds(2) - before, began.elapsed().as_secs_f64());
    let table = std::fs::read_to_string(&file).ok()?;
    let _ = std::fs::remove_file(&file);
    let median_ms = table.lines().find_map(|line| line.strip_prefix("50,"))?.parse().ok()?;
    let text = String::from_utf8(output.stdout).unwrap();
    let rate = text.lines().find_map(|line| line.strip_prefix("Requests per second:"))?;
    let per_second: f64 = rate.split_whitespace().next()?.parse().ok()?;
    Some(Measured { per_second, per_processor_second: per_second * lasted / took, median_ms })
}

fn ten_thousand(server: &Server) -> serde_json::Value {
    let report = drive(server, "/", 10_000, 20, Duration::from_secs(8));
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: f64 = peak.split_whitespace().next().unwrap().parse().unwrap();
    serde_json::json!({
        "users": 10_000,
        "requests": report.requests,
        "errors": report.errors,
        "peak_gib": kib / f64::from(1 << 20),
        "inconclusive": report.inconclusive,
    })
}

/// Of this process, or with an offset of two of the children that it has waited for.
fn processor_seconds(offset: usize) -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
    (ticks(11 + offset) + ticks(12 + offset)) / 100.0
}
