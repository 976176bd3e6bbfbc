//! Health beside real servers that are killed and frozen: it answers within its time-outs, stays alive, and takes traffic
//! away only where the service decided so.
#![expect(clippy::unwrap_used, reason = "a test that fails")]

mod support;

use std::io;
use std::time::{Duration, Instant};

use golive_observe::{CheckOutput, HealthChecks, HealthReport, HealthStatus, Importance, RedisInfo};
use golive_sandbox::{MariaDb, MariaDbOptions, Redis, RedisOptions};
use support::LIMIT;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a check may take; the bound of the whole answer leaves room for a busy machine.
const PATIENCE: Duration = Duration::from_millis(500);

/// A server of MariaDB speaks first, and every answer of Redis begins with a sign of its own. A frozen process does neither,
/// although its system still takes the connection.
async fn greets(port: u16, question: &[u8]) -> io::Result<CheckOutput> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(question).await?;
    let mut answer = [0; 64];
    match stream.read(&mut answer).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(CheckOutput::up()),
    }
}

/// A service that cannot do without its database, and can without Redis for a while.
struct Watched {
    address: std::net::SocketAddr,
    client: reqwest::Client,
}

impl Watched {
    async fn start(database: u16, redis: u16) -> Self {
        let health = HealthChecks::new()
            .ready("database", Importance::Critical, PATIENCE, move || greets(database, b""))
            .ready("redis", Importance::Degradable, PATIENCE, move || greets(redis, b"PING\r\n"));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router: axum::Router = health.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let client = reqwest::Client::builder().timeout(LIMIT).no_proxy().build().unwrap();
        Self { address, client }
    }

    async fn get(&self, path: &str) -> (u16, Duration, String) {
        let began = Instant::now();
        let answer = self.client.get(format!("http://{}{path}", self.address)).send().await.unwrap();
        (answer.status().as_u16(), began.elapsed(), answer.text().await.unwrap())
    }

    /// Asks readiness until it says this of these checks; whatever it says comes in time, and it is always alive.
    async fn until(&self, status: u16, expected: [HealthStatus; 2]) {
        let began = Instant::now();
        loop {
            let (live, took, _) = self.get("/health/live").await;
            assert_eq!(live, 200, "alive, whatever it rests on");
            assert!(took < PATIENCE + LIMIT / 4, "{took:?}");
            let (ready, took, body) = self.get("/health/ready").await;
            // Checks run at the same time: their patience does not add up.
            assert!(took < PATIENCE + LIMIT / 4, "{took:?}");
            let report: HealthReport = serde_json::from_str(&body).unwrap();
            let found: Vec<HealthStatus> = report.checks.iter().map(|check| check.status).collect();
            assert!(
                report.checks.iter().all(|check| check.milliseconds < 1e3 * LIMIT.as_secs_f64() / 4.0),
                "{body}"
            );
            if (ready, found.as_slice()) == (status, &expected) {
                return;
            }
            assert!(began.elapsed() < LIMIT, "still {ready}: {body}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_and_frozen_servers_are_told_in_time_and_by_their_importance() {
    use HealthStatus::{Degraded, Down, Up};
    let start = || {
        let database = MariaDb::start(&MariaDbOptions::new()).unwrap();
        (database, Redis::start(&RedisOptions::new()).unwrap())
    };
    let (database, redis) = tokio::task::spawn_blocking(start).await.unwrap();
    let watched = Watched::start(database.port(), redis.port()).await;
    watched.until(200, [Up, Up]).await;

    redis.freeze();
    watched.until(200, [Up, Degraded]).await;
    redis.thaw();
    watched.until(200, [Up, Up]).await;

    database.pause();
    watched.until(503, [Down, Up]).await;
    redis.freeze();
    watched.until(503, [Down, Degraded]).await;
    redis.thaw();
    database.resume();
    watched.until(200, [Up, Up]).await;

    redis.kill().unwrap();
    watched.until(200, [Up, Degraded]).await;
    database.kill().unwrap();
    watched.until(503, [Down, Degraded]).await;
}

#[test]
fn what_a_real_redis_says_of_itself_is_read() {
    let redis = Redis::start(&RedisOptions::new()).unwrap();
    redis.command(&["SET", "known", "1"]).unwrap();
    redis.command(&["GET", "known"]).unwrap();
    redis.command(&["GET", "unknown"]).unwrap();
    let info = RedisInfo::parse(&redis.command(&["INFO"]).unwrap()).unwrap();
    assert!(info.used_memory > 100_000 && info.clients >= 1, "{info:?}");
    assert_eq!((info.hits, info.misses, info.evicted_keys), (1, 1, 0));
}
