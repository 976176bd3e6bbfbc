//! A Sentinel failover and a cluster of three primaries: the promises of revocations and limits hold over both.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod support;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use golive_cache::{Cache, Quota, RateLimiter, ReadThrough};
use golive_sandbox::{Redis, RedisCluster, RedisOptions, RedisSentinel};
use support::{
    BOUND, Instance, MemoryJournal, PATIENCE, clock, connect_patiently, of_token, options, token, until,
};

struct Watched {
    primary: Redis,
    replica: Redis,
    sentinel: RedisSentinel,
}

async fn watched() -> Watched {
    let primary = Redis::start(&RedisOptions::new()).unwrap();
    let replica = primary.start_replica(&RedisOptions::new()).unwrap();
    until("the replica follows", async || {
        replica.command(&["INFO", "replication"]).is_ok_and(|said| said.contains("master_link_status:up"))
    })
    .await;
    let sentinel = RedisSentinel::start(&primary, Duration::from_millis(1000)).unwrap();
    until("the sentinel knows the replica", async || sentinel.replicas().unwrap_or(0) == 1).await;
    Watched { primary, replica, sentinel }
}

impl Watched {
    async fn until_failed_over(&self) {
        let port = self.replica.port();
        until("the replica is promoted", async || self.sentinel.primary_port().ok() == Some(port)).await;
    }
}

#[tokio::test]
async fn a_failover_after_a_kill_loses_no_revocation() {
    let watched = watched().await;
    let journal = Arc::new(MemoryJournal::default());
    let first = Instance::start(&watched.sentinel.url(), &journal).await;
    let second = Instance::start(&watched.sentinel.url(), &journal).await;
    // The replica misses what is written now, as one does that lags behind: its link is cut, and it cannot make a new one.
    watched.replica.freeze();
    watched.primary.command(&["CLIENT", "KILL", "TYPE", "replica"]).unwrap();
    let receipt = first.store.revoke(&of_token("gone"), clock()).await.unwrap();
    assert!(receipt.propagated);
    assert!(second.store.is_revoked(&token("gone"), clock()).await.unwrap());
    watched.primary.kill().unwrap();
    watched.replica.thaw();
    let outage = second.until_served("gone", "good").await;
    assert!(outage < PATIENCE);
    assert_eq!(watched.sentinel.primary_port().unwrap(), watched.replica.port());
    assert!(second.store.is_revoked(&token("gone"), clock()).await.unwrap(), "from the journal");
}

#[tokio::test]
async fn a_former_primary_that_wakes_up_is_not_believed() {
    let watched = watched().await;
    let journal = Arc::new(MemoryJournal::default());
    let first = Instance::start(&watched.sentinel.url(), &journal).await;
    let second = Instance::start(&watched.sentinel.url(), &journal).await;
    watched.primary.freeze();
    watched.until_failed_over().await;
    until("the first has moved", async || {
        matches!(first.store.revoke(&of_token("gone"), clock()).await, Ok(receipt) if receipt.propagated)
    })
    .await;
    // The former primary still thinks that it is one, and knows nothing of the revocation.
    watched.primary.thaw();
    let watching = async {
        let demoted = async || {
            let role = watched.primary.command(&["ROLE"]).unwrap_or_default();
            role.starts_with("slave")
        };
        until("it is demoted", demoted).await;
    };
    second.never_accepts("gone", watching).await;
    second.until_served("gone", "good").await;
}

#[tokio::test]
async fn one_connected_to_a_former_primary_leaves_it_when_the_sentinel_says_so() {
    let watched = watched().await;
    let journal = Arc::new(MemoryJournal::default());
    let instance = Instance::start(&watched.sentinel.url(), &journal).await;
    // Nothing is wrong with the primary but that another one was chosen.
    until("the sentinel agrees to it", async || {
        watched.sentinel.server().command(&["SENTINEL", "FAILOVER", "golive"]).is_ok()
    })
    .await;
    watched.until_failed_over().await;
    let instance_to_be = Instance::start(&watched.sentinel.url(), &journal).await;
    instance_to_be.store.revoke(&of_token("gone"), clock()).await.unwrap();
    instance.until_served("gone", "good").await;
    assert!(instance.cache.stats().reconnections > 1);
}

#[tokio::test]
async fn limits_over_a_failover_are_shared_local_and_shared_again() {
    let watched = watched().await;
    let cache = Cache::connect(&options(&watched.sentinel.url())).await.unwrap();
    let quota = Quota::new("login", NonZeroU32::new(10).unwrap(), Duration::from_secs(3600));
    let limiter = RateLimiter::new(cache.clone(), quota);
    for _ in 0..10 {
        assert!(limiter.check("a").await.allowed);
    }
    until("the replica has it", async || {
        watched.replica.command(&["KEYS", "*limit*"]).is_ok_and(|keys| !keys.is_empty())
    })
    .await;
    watched.primary.kill().unwrap();
    let mut extra = 0;
    let begun = Instant::now();
    loop {
        let asked = Instant::now();
        let decision = limiter.check("a").await;
        assert!(asked.elapsed() < BOUND);
        extra += u32::from(decision.allowed);
        if !decision.is_degraded() {
            break;
        }
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(extra, 5, "the local share, and not one more");
    assert!(!limiter.check("a").await.allowed, "the promoted replica knows the count");
}

#[tokio::test]
async fn a_cluster_serves_and_one_lost_shard_closes_what_needs_it() {
    let cluster = RedisCluster::start(3).unwrap();
    let journal = Arc::new(MemoryJournal::default());
    let first = Instance::start(&cluster.url(), &journal).await;
    let second = Instance::start(&cluster.url(), &journal).await;
    first.store.revoke(&of_token("gone"), clock()).await.unwrap();
    second.until_served("gone", "good").await;
    let limiter = RateLimiter::new(first.cache.clone(), Quota::per_minute("cluster", 3));
    let lookups: ReadThrough<u32> = ReadThrough::new(first.cache.clone(), "x", Duration::from_secs(60));
    for user in 0..30 {
        let user = format!("user-{user}"); // over all shards
        let decisions = [limiter.check(&user).await, limiter.check(&user).await, limiter.check(&user).await];
        assert!(
            decisions.iter().all(|decision| decision.allowed && !decision.is_degraded()),
            "{decisions:?}"
        );
        assert!(!limiter.check(&user).await.allowed);
        assert_eq!(lookups.get_or_load(&user, async || Ok::<_, std::io::Error>(7)).await.unwrap(), 7);
        lookups.invalidate(&user).await.unwrap();
    }
    let home = home(&cluster);
    cluster.nodes()[home].freeze();
    for _ in 0..30 {
        let asked = Instant::now();
        let answer = second.store.is_revoked(&token("gone"), clock()).await;
        assert!(asked.elapsed() < BOUND, "{:?}", asked.elapsed());
        assert_ne!(answer.ok(), Some(false));
        assert!(
            limiter.check("user-1").await.retry_after > Duration::ZERO || limiter.degraded_decisions() > 0
        );
    }
    cluster.nodes()[home].thaw();
    second.until_served("gone", "good").await;
}

/// The node that holds the revocations.
fn home(cluster: &RedisCluster) -> usize {
    let held = |node: &Redis| !node.command(&["KEYS", "*revoked*"]).unwrap().is_empty();
    cluster.nodes().iter().position(held).unwrap()
}

#[tokio::test]
async fn slots_that_move_take_limits_and_revocations_with_them() {
    let cluster = RedisCluster::start(3).unwrap();
    let journal = Arc::new(MemoryJournal::default());
    let instance = Instance::start(&cluster.url(), &journal).await;
    let other = Instance::start(&cluster.url(), &journal).await;
    other.store.revoke(&of_token("gone"), clock()).await.unwrap();
    instance.until_served("gone", "good").await;
    let limiter = RateLimiter::new(instance.cache.clone(), Quota::per_minute("moved", 5));
    let from = home(&cluster);
    let to = (from + 1) % 3;
    let (from, to) = (&cluster.nodes()[from], &cluster.nodes()[to]);
    let slot = from.command(&["CLUSTER", "KEYSLOT", "golive:{revoked}:marker"]).unwrap();
    let id = |node: &Redis| node.command(&["CLUSTER", "MYID"]).unwrap();
    to.command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(from)]).unwrap();
    from.command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(to)]).unwrap();
    // One key after the other: in between a check has keys on both sides, and is told to try again (TRYAGAIN, ASK).
    let keys = from.command(&["CLUSTER", "GETKEYSINSLOT", &slot, "1000"]).unwrap();
    let port = to.port().to_string();
    let password = secrecy::ExposeSecret::expose_secret(to.password()).to_owned();
    for key in keys.lines() {
        from.command(&["MIGRATE", "127.0.0.1", &port, key, "0", "5000", "AUTH", &password]).unwrap();
        let asked = Instant::now();
        let answer = instance.store.is_revoked(&token("gone"), clock()).await;
        assert!(asked.elapsed() < BOUND);
        assert_ne!(answer.ok(), Some(false), "a revoked token was accepted");
    }
    for node in [to, from] {
        node.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &id(to)]).unwrap();
    }
    instance.until_served("gone", "good").await; // MOVED
    assert!(instance.store.is_revoked(&token("gone"), clock()).await.unwrap());
    assert!(limiter.check("a").await.allowed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clients_share_one_limit_exactly_in_a_cluster() {
    let cluster = RedisCluster::start(3).unwrap();
    let quota = Quota::new("exact", NonZeroU32::new(100).unwrap(), Duration::from_secs(3600));
    let allowed = Arc::new(AtomicU32::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for _client in 0..2 {
        let limiter = RateLimiter::new(connect_patiently(&cluster.url()).await, quota.clone());
        for _worker in 0..5 {
            let (limiter, allowed) = (limiter.clone(), Arc::clone(&allowed));
            tasks.spawn(async move {
                for _ in 0..100 {
                    let decision = limiter.check("10.0.0.1").await;
                    assert!(!decision.is_degraded());
                    allowed.fetch_add(u32::from(decision.allowed), Ordering::Relaxed);
                }
            });
        }
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    assert_eq!(allowed.load(Ordering::Relaxed), 100, "of 1000 attempts");
}
