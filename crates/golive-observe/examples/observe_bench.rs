//! What observation costs a service: the same small route with and without it, load from this process on a service in
//! another one. Prints ratios as JSON for `cargo xtask bench observe`, which judges them.
//!
//! Both sides answer the same document on the same route to the same requests over the same 16 kept connections, in turns.
//! The bare side is axum and the route. The whole stack is what a service gets by `init` and `request_layer`: one JSON line
//! a request in a file on the disk of the temporary directory, with the client and user that the handler identifies, its
//! trace and request id; metrics; scrubbing with a registered secret; error tracking to an endpoint. All of it is on, and
//! rotated files are compressed while the load runs. Load and service share the machine, so that a request costs the rate
//! what all of its processor time is, that of the log's writer included; that time is told besides.
//!
//! `observe_bench [seconds=4] [rounds=5]`; and for a profiler `observe_bench serve=ADDRESS mode=full log=FILE` with
//! `observe_bench load=ADDRESS [seconds=3600]`.

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use golive_observe::{
    HealthChecks, LogFile, LogTarget, ObserveOptions, Scrubber, identify, init, request_layer,
};
use golive_sandbox::{Process, ProcessSpec, Sink, free_port};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

type Failure = Box<dyn Error + Send + Sync>;

/// Connections at once, and requests a second where latency is compared at the same load.
const CONNECTIONS: u32 = 16;
const PACE: u32 = 1600;

/// Lines a second that a flood logs.
const FLOOD_LINES: u32 = 100_000;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: HashMap<String, String> = std::env::args()
        .filter_map(|argument| {
            argument.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
        })
        .collect();
    if let Some(address) = arguments.get("serve") {
        return serve(address, &arguments).await;
    }
    let number = |name: &str, usual: u64| arguments.get(name).map_or(Ok(usual), |value| value.parse());
    if let Some(address) = arguments.get("load") {
        // For a profiler: load on a service that was started by hand.
        let seconds = Duration::from_secs(number("seconds", 3600)?);
        let latencies = load(address, seconds, None).await?;
        let share = |share| percentile(&latencies, share);
        return write_out(&json!({
            "answered": latencies.len(), "p50": share(0.5), "p90": share(0.9), "p99": share(0.99), "p999": share(0.999),
        }));
    }
    let (seconds, rounds) = (Duration::from_secs(number("seconds", 4)?), number("rounds", 5)?);
    let stack = whole_stack(seconds, rounds).await?;
    let flood = flood(seconds, rounds).await?;
    let results = json!({ "ratios": [
        { "name": "requests a second, whole stack to bare route", "ratio": stack.rates, "at_least": 0.80 },
        { "name": "p99, whole stack to bare route", "ratio": stack.tails, "at_most": 1.3 },
        { "name": "microseconds to scrub a line of 1 KiB", "ratio": scrubbing(), "at_most": 2.0 },
        { "name": "median latency under 100,000 log lines a second, queue full, to none", "ratio": flood, "at_most": 1.05 },
    ], "told": [
        { "name": "requests a second of the bare route", "value": stack.bare.rate },
        { "name": "requests a second of the whole stack", "value": stack.full.rate },
        { "name": "microseconds, p99, bare route", "value": stack.bare.tail },
        { "name": "microseconds, p99, whole stack", "value": stack.full.tail },
        { "name": "processor microseconds of the service for a request, bare route", "value": stack.bare.cpu },
        { "name": "processor microseconds of the service for a request, whole stack", "value": stack.full.cpu },
    ]});
    write_out(&results)
}

#[expect(clippy::print_stdout, reason = "the results of a measurement are its output")]
fn write_out(results: &serde_json::Value) -> Result<(), Failure> {
    println!("{results}");
    Ok(())
}

/// One side: requests a second, the slowest hundredth in microseconds, and the service's processor microseconds for
/// a request.
#[derive(Debug, Clone, Copy, Default)]
struct Side {
    rate: f64,
    tail: f64,
    cpu: f64,
}

/// The medians over all rounds: ratios of requests a second and of p99, and both sides alone.
struct Stack {
    rates: f64,
    tails: f64,
    bare: Side,
    full: Side,
}

/// Sides take turns within a round, and a ratio is of one round.
async fn whole_stack(seconds: Duration, rounds: u64) -> Result<Stack, Failure> {
    let sink = Sink::start()?;
    let mut measured: Vec<[Side; 2]> = Vec::new();
    for round in 0..rounds {
        let directory = tempfile::tempdir()?;
        let dsn = format!("dsn=http://0123456789abcdef0123456789abcdef@127.0.0.1:{}/7", sink.port());
        let log = format!("log={}", directory.path().join("app.log").display());
        let arguments = [vec!["mode=bare".to_owned()], vec!["mode=full".to_owned(), dsn, log]];
        let mut sides = [Side::default(); 2];
        for turn in 0..2 {
            let side = usize::from((round + turn) % 2 == 1);
            let service = Service::start(&arguments[side], directory.path()).await?;
            load(&service.address, Duration::from_millis(500), None).await?;
            let before = service.cpu_microseconds()?;
            let latencies = load(&service.address, seconds, None).await?;
            let answered = latencies.len() as f64;
            sides[side] = Side {
                rate: answered / seconds.as_secs_f64(),
                tail: percentile(&latencies, 0.99),
                cpu: (service.cpu_microseconds()? - before) / answered,
            };
        }
        measured.push(sides);
    }
    let of = |value: &dyn Fn(&[Side; 2]) -> f64| median(measured.iter().map(value).collect());
    let side = |index: usize| Side {
        rate: of(&|sides| sides[index].rate),
        tail: of(&|sides| sides[index].tail),
        cpu: of(&|sides| sides[index].cpu),
    };
    Ok(Stack {
        rates: of(&|sides| sides[1].rate / sides[0].rate),
        tails: of(&|sides| sides[1].tail / sides[0].tail),
        bare: side(0),
        full: side(1),
    })
}

/// The median over all rounds of the median latency while a flood is logged, to that without one, at the same pace.
async fn flood(seconds: Duration, rounds: u64) -> Result<f64, Failure> {
    let mut ratios = Vec::new();
    for round in 0..rounds {
        let directory = tempfile::tempdir()?;
        let journal = format!("journal={}", directory.path().join("errors.jsonl").display());
        // A device that refuses every write keeps the queue full.
        let common = vec!["mode=full".to_owned(), "log=/dev/full".to_owned(), journal];
        let mut measured = [0.0; 2];
        for turn in 0..2 {
            let side = usize::from((round + turn) % 2 == 1);
            let mut arguments = common.clone();
            arguments.extend((side == 1).then(|| "flood=yes".to_owned()));
            let service = Service::start(&arguments, directory.path()).await?;
            load(&service.address, Duration::from_secs(1), Some(PACE)).await?;
            measured[side] = percentile(&load(&service.address, seconds, Some(PACE)).await?, 0.5);
        }
        ratios.push(measured[1] / measured[0]);
    }
    Ok(median(ratios))
}

/// Microseconds that scrubbing adds to a line of 1 KiB, the median of many.
fn scrubbing() -> f64 {
    let scrubber = Scrubber::new();
    let scrubber = scrubber.with_secret(&"a-registered-secret-of-the-service".into());
    let mut line = String::from("order saved for shift early at line 7: status=200 duration_ms=12.5 rows=3 ");
    while line.len() < 1024 {
        line.push_str("machine press-3 reported pieces=118, 2 of them scrap, operator present; ");
    }
    line.truncate(1024);
    let mut took: Vec<f64> = Vec::new();
    for _ in 0..100_000 {
        let began = Instant::now();
        let plain = std::hint::black_box(std::hint::black_box(&line).as_str()).len();
        let without = began.elapsed();
        let began = Instant::now();
        let clean = std::hint::black_box(scrubber.scrub(std::hint::black_box(&line))).len();
        let with = began.elapsed();
        std::hint::black_box((plain, clean));
        took.push(with.saturating_sub(without).as_secs_f64() * 1e6);
    }
    median(took)
}

struct Service {
    address: String,
    process: Process,
}

impl Service {
    async fn start(arguments: &[String], directory: &Path) -> Result<Self, Failure> {
        let address = format!("127.0.0.1:{}", free_port()?);
        let spec = ProcessSpec::new(std::env::current_exe()?)
            .argument(format!("serve={address}"))
            .arguments(arguments.to_vec())
            .output(directory.join("output"));
        let service = Self { process: Process::start(spec)?, address };
        let began = Instant::now();
        while TcpStream::connect(&service.address).await.is_err() {
            if began.elapsed() > Duration::from_secs(20) || !service.process.is_running() {
                return Err("the measured service did not start".into());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(service)
    }
}

impl Service {
    /// Processor time of all its threads so far, in whole ticks of ten milliseconds.
    fn cpu_microseconds(&self) -> Result<f64, Failure> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.pid()))?;
        // The name in parentheses may hold blanks; user and system time are the 12th and 13th field after it.
        let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
        let ticks =
            after.split_whitespace().skip(11).take(2).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
        Ok(ticks * 10_000.0)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.process.kill();
    }
}

/// Microseconds of each request; with a pace, so many a second over all connections.
async fn load(address: &str, seconds: Duration, pace: Option<u32>) -> Result<Vec<f64>, Failure> {
    let tasks = (0..CONNECTIONS).map(|_| tokio::spawn(ask(address.to_owned(), seconds, pace)));
    let mut latencies = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        latencies.extend(task.await??);
    }
    latencies.sort_by(f64::total_cmp);
    Ok(latencies)
}

async fn ask(address: String, seconds: Duration, pace: Option<u32>) -> Result<Vec<f64>, Failure> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let request = b"GET /orders/17 HTTP/1.1\r\nhost: bench\r\n\
        traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n";
    let mut ticks = pace.map(|pace| tokio::time::interval(Duration::from_secs(1) * CONNECTIONS / pace));
    let (mut latencies, mut buffer) = (Vec::new(), vec![0; 4096]);
    let end = Instant::now() + seconds;
    while Instant::now() < end {
        if let Some(ticks) = &mut ticks {
            ticks.tick().await;
        }
        let began = Instant::now();
        stream.write_all(request).await?;
        let mut length = 0;
        // The document ends with the only closing bracket of the answer.
        while buffer[..length].last() != Some(&b'}') {
            match stream.read(&mut buffer[length..]).await? {
                0 => return Err("the service closed the connection".into()),
                count => length += count,
            }
        }
        if !buffer.starts_with(b"HTTP/1.1 200") {
            return Err("the service did not answer with 200".into());
        }
        latencies.push(began.elapsed().as_secs_f64() * 1e6);
    }
    Ok(latencies)
}

fn percentile(sorted: &[f64], share: f64) -> f64 {
    let index = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    percentile(&values, 0.5)
}

/// The measured service: the route alone, or with everything around it.
async fn serve(address: &str, arguments: &HashMap<String, String>) -> Result<(), Failure> {
    let is_full = arguments.get("mode").is_some_and(|mode| mode == "full");
    let route = Router::new().route("/orders/{id}", get(if is_full { order_observed } else { order }));
    let listener = tokio::net::TcpListener::bind(address).await?;
    if !is_full {
        return Ok(axum::serve(listener, route).await?);
    }
    let mut options = ObserveOptions::new("bench");
    options.log = LogTarget::File(LogFile::new(arguments.get("log").ok_or("log= is missing")?));
    options.sentry_dsn = arguments.get("dsn").map(|dsn| dsn.as_str().into());
    options.error_journal = arguments.get("journal").map(Into::into);
    let _guard = init(options)?;
    if arguments.contains_key("flood") {
        std::thread::spawn(flood_the_log);
    }
    let app = route.merge(HealthChecks::new().router()).layer(request_layer());
    Ok(axum::serve(listener, app).await?)
}

fn flood_the_log() {
    let began = Instant::now();
    let mut logged = 0_u64;
    loop {
        let due = (began.elapsed().as_secs_f64() * f64::from(FLOOD_LINES)) as u64;
        while logged < due {
            tracing::info!(logged, table = "orders", "a line of a flood");
            logged += 1;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn document() -> axum::Json<serde_json::Value> {
    axum::Json(json!({ "id": 17, "product": "shirt, blue, M", "pieces": 118, "scrap": 2, "shift": "early" }))
}

fn order() -> std::future::Ready<axum::response::Response> {
    std::future::ready(document().into_response())
}

fn order_observed() -> std::future::Ready<axum::response::Response> {
    identify("ACME-MFG", "operator1");
    order()
}
