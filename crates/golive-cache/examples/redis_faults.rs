//! Prints `docs/redis-faults.md`: hurts real servers in every way of the list while requests go on, and writes down what
//! they saw. It ends with an error if one revoked token was accepted or one answer came late. Run it as
//! `cargo run -p golive-cache --example redis_faults > docs/redis-faults.md`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "prints a page, and ends where a test would")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use golive_sandbox::{Proxy, Redis, RedisCluster, RedisOptions, RedisSentinel};
use support::{BOUND, Instance, MemoryJournal, clock, of_token, server, token, until};

const HEAD: &str = "# What each Redis fault means to a request

`golive-cache` against real servers, each hurt in one way while requests go on: every request asks whether a token is revoked,
of a connection with client tracking and of one without. One token was revoked by another instance beforehand. Printed by
`cargo run -p golive-cache --example redis_faults > docs/redis-faults.md`, which fails if that token is accepted once
or an answer comes later than its time-out (here 400 ms) and what a busy machine adds; the tests `faults` and `topologies` of the
crate hold the same. *Slowest*: the slowest answer. *Closed*: from the first 503 to the last.

| fault | asked | 503 | slowest | closed | revoked accepted |
|---|---|---|---|---|---|
";

const FOOT: &str = "
## What a request sees

| part | while Redis is away, read-only, emptied or not yet looked at |
|---|---|
| revocation check | `CommandError`: answer **503 with `Retry-After`** (`http_status`, `retry_after`), never 401. The first three wait for their time-out, the others are answered in microseconds until the watchdog gets an answer |
| logout, `revoke_*` | 503 unless all instances refuse from now on; with a journal it is recorded all the same, refused by this instance at once, and written to Redis when it can be |
| rate limit | this instance decides at its share (`with_local_share`, stricter for a login; `deny_on_outage` for nothing at all). `Decision::source` says so, it is counted and logged once a minute; whoever was denied stays denied |
| read-through cache | the loader answers, so many at a time; values in the process are not served, because nobody would tell of an invalidation |
| `/ready` | not ready (`Cache::health`); liveness has nothing to do with Redis |

## What can be lost, and what cannot

- **With a journal** (`RevocationStore::with_journal`) nothing that was acknowledged is lost by a crash, an emptied server, a
  restore of an old file, or a failover to a replica that lags. A marker read with every check names the filling and the server's
  own replication history; while it is not the one this instance has compared, over the connection it compared it on, a check is 503.
- **Without a journal** an emptied store refuses everything issued before that moment: people log in again. What a failover or a
  crash cuts off the end (with `appendfsync everysec` the last second) is lost, unless this instance revoked it itself.
- **Two primaries.** With Sentinel an instance trusts a primary for one lease (three looks of the watchdog and two time-outs,
  1.25 s by default), and a revocation acknowledged over a connection younger than a lease waits until it is one lease old. So an
  instance that still talks to the former primary has left it, or refuses, before the acknowledgement. If *all* sentinels are out of
  reach of an instance the server's own word stands: cut off together with a former primary, it would go on trusting it. Set
  `min-replicas-to-write 1` and keep access tokens short.
- **An address that moves** (DNS, a virtual address) without Sentinel: a former primary that still says `master` cannot be told
  from the real one.
- **Eviction.** With a `maxmemory-policy` other than `noeviction` single revocations vanish and nothing shows it: `golive cache check`
  finds it. A full server refuses revocations (503, or recorded and not yet propagated) and goes on answering checks.
- **With client tracking** (`CacheOptions::client_tracking`) the same holds: what is remembered is confirmed by each answer, and ends
  with the connection and with the marker. With `RevocationStore::with_max_staleness` a revocation by another instance counts when its
  news arrives, and at the latest after that time.
- **Limits.** Counts that a crash forgets begin anew, at most one burst more; a request that timed out may have been counted.
  While Redis is away all instances together allow at most the number of instances times their share.
- **A cluster** keeps all revocations in one slot, so that a check stays one command: the shard that holds it is theirs. While slots
  move, checks that find their keys on both sides (`TRYAGAIN`) are 503. While one shard of several stands still, the answers of the
  others keep the breaker from opening for long: what needs that shard waits for its time-out.
";

#[derive(Default)]
struct Seen {
    asked: u32,
    refused: u32,
    accepted: u32,
    slowest: Duration,
    first_refusal: Option<Instant>,
    last_refusal: Option<Instant>,
}

impl Seen {
    async fn ask(&mut self, instance: &Instance) -> bool {
        let mut is_served = true;
        let stores = [&instance.store, &instance.tracking];
        for (id, store) in ["gone", "good"].into_iter().flat_map(|id| stores.map(|store| (id, store))) {
            let asked = Instant::now();
            let answer = store.is_revoked(&token(id), clock()).await;
            self.slowest = self.slowest.max(asked.elapsed());
            self.asked += 1;
            self.accepted += u32::from(id == "gone" && matches!(answer, Ok(false)));
            if answer.is_err() {
                is_served = false;
                self.refused += 1;
                self.first_refusal.get_or_insert(asked);
                self.last_refusal = Some(Instant::now());
            }
        }
        is_served
    }

    fn print(&self, fault: &str) {
        let closed = self.first_refusal.zip(self.last_refusal).map(|(first, last)| last - first);
        let closed = closed.map_or("never".to_owned(), |closed| format!("{:.2} s", closed.as_secs_f64()));
        let (slowest, accepted) = (self.slowest.as_millis(), self.accepted);
        println!("| {fault} | {} | {} | {slowest} ms | {closed} | {accepted} |", self.asked, self.refused);
        assert_eq!(self.accepted, 0, "{fault}: a revoked token was accepted");
        assert!(self.slowest < BOUND, "{fault}: an answer took {slowest} ms");
    }
}

/// Asks all the time: while the fault is done, and until requests are served again, or half a second without any.
async fn measure(fault: &str, instance: &Instance, hurt: impl Future<Output = ()>) {
    let mut seen = Seen::default();
    let mut hurt = pin!(hurt);
    let mut hurt_at = None;
    let mut served_since = None;
    loop {
        if hurt_at.is_none() {
            tokio::select! {
                biased;
                () = &mut hurt => hurt_at = Some(Instant::now()),
                () = tokio::time::sleep(Duration::from_micros(200)) => {}
            }
        }
        if seen.ask(instance).await {
            let since = *served_since.get_or_insert_with(Instant::now);
            let is_over = hurt_at.is_some_and(|at| at.max(since).elapsed() > Duration::from_millis(500));
            if is_over {
                break;
            }
        } else {
            served_since = None;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(hurt_at.is_none_or(|at| at.elapsed() < support::PATIENCE), "{fault}: never served again");
    }
    seen.print(fault);
}

async fn pair(url: &str) -> (Instance, Instance) {
    let journal = Arc::new(MemoryJournal::default());
    let (first, second) = (Instance::start(url, &journal).await, Instance::start(url, &journal).await);
    assert!(first.store.revoke(&of_token("gone"), clock()).await.unwrap().propagated);
    second.until_served("gone", "good").await;
    (first, second)
}

async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

async fn one_server() {
    let second = Duration::from_secs(1);
    let redis = server(false);
    let (first, asking) = pair(&redis.url()).await;
    measure("none", &asking, pause(second)).await;
    let hurt = async {
        redis.kill().unwrap();
        pause(second).await;
        redis.start_again().unwrap();
    };
    measure("`kill -9`, away 1 s, back empty (no persistence)", &asking, hurt).await;
    let hurt = async {
        redis.freeze();
        pause(10 * second).await;
        redis.thaw();
    };
    measure("`SIGSTOP` for 10 s", &asking, hurt).await;
    let hurt = async { drop(redis.command(&["FLUSHALL"]).unwrap()) };
    measure("`FLUSHALL`", &asking, hurt).await;
    let hurt = async { drop(redis.command(&["SCRIPT", "FLUSH"]).unwrap()) };
    measure("`SCRIPT FLUSH`", &asking, hurt).await;
    let hurt = async {
        redis.command(&["CONFIG", "SET", "maxmemory", "1kb"]).unwrap();
        let receipt = first.store.revoke(&of_token("later"), clock()).await.unwrap();
        assert!(receipt.journaled && !receipt.propagated);
        pause(second).await;
        redis.command(&["CONFIG", "SET", "maxmemory", "0"]).unwrap();
    };
    measure("`maxmemory` reached, `noeviction`", &asking, hurt).await;
    let hurt = async {
        redis.command(&["REPLICAOF", "127.0.0.1", "1"]).unwrap();
        pause(second).await;
        redis.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
    };
    measure("becomes a replica for 1 s (`READONLY`)", &asking, hurt).await;
}

async fn kept_and_slow() {
    let redis = server(true);
    let (_first, asking) = pair(&redis.url()).await;
    let hurt = async {
        redis.kill().unwrap();
        redis.start_again().unwrap();
    };
    measure("`kill -9`, back at once with its append-only file", &asking, hurt).await;
    let proxy = Proxy::start(redis.port()).unwrap();
    let url = redis.url().replace(&redis.port().to_string(), &proxy.port().to_string());
    let (_first, asking) = pair(&url).await;
    let hurt = async {
        proxy.delay(Duration::from_millis(100));
        pause(Duration::from_secs(2)).await;
        proxy.mend();
    };
    measure("100 ms on the wire for 2 s", &asking, hurt).await;
    let hurt = async {
        proxy.delay(Duration::from_secs(1));
        pause(Duration::from_secs(3)).await;
        proxy.mend();
    };
    measure("1 s on the wire for 3 s", &asking, hurt).await;
    measure("the wire is cut", &asking, async { proxy.cut() }).await;
}

async fn sentinel() {
    let primary = Redis::start(&RedisOptions::new()).unwrap();
    let replica = primary.start_replica(&RedisOptions::new()).unwrap();
    until("the replica follows", async || {
        replica.command(&["INFO", "replication"]).unwrap().contains("master_link_status:up")
    })
    .await;
    let sentinel = RedisSentinel::start(&primary, Duration::from_secs(1)).unwrap();
    until("the sentinel knows the replica", async || sentinel.replicas().unwrap_or(0) == 1).await;
    let (_first, asking) = pair(&sentinel.url()).await;
    let hurt = async {
        primary.freeze();
        until("failed over", async || sentinel.primary_port().unwrap() == replica.port()).await;
        primary.thaw(); // and thinks that it is the primary, until the sentinel tells it
        let role = async || primary.command(&["ROLE"]).unwrap_or_default().starts_with("slave");
        until("demoted", role).await;
    };
    measure("Sentinel failover (down after 1 s), the former primary wakes up", &asking, hurt).await;
}

async fn cluster() {
    let cluster = RedisCluster::start(3).unwrap();
    let (_first, asking) = pair(&cluster.url()).await;
    let held = |node: &&Redis| !node.command(&["KEYS", "*revoked*"]).unwrap().is_empty();
    let home = cluster.nodes().iter().find(held).unwrap();
    let other = cluster.nodes().iter().find(|node| node.port() != home.port()).unwrap();
    for (node, fault) in [
        (home, "cluster of three: the shard with the revocations stands still for 1 s"),
        (other, "cluster of three: another shard stands still for 1 s"),
    ] {
        let hurt = async {
            node.freeze();
            pause(Duration::from_secs(1)).await;
            node.thaw();
        };
        measure(fault, &asking, hurt).await;
    }
}

#[tokio::main]
async fn main() {
    print!("{HEAD}");
    one_server().await;
    kept_and_slow().await;
    sentinel().await;
    cluster().await;
    print!("{FOOT}");
}
