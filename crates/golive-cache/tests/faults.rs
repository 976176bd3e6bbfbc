//! What a request sees, and within what time, while a real Redis is killed, frozen, slowed down, emptied, filled up or
//! restarted empty: never a revoked token accepted, never an answer later than the time-out.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod support;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use golive_cache::{Cache, CommandError, Quota, RateLimiter, ReadThrough, RevocationStore, Standing};
use golive_sandbox::{Proxy, Redis, RedisOptions};
use support::{
    BOUND, Instance, MemoryJournal, PATIENCE, at, clock, connect, connect_patiently, of_token, options,
    server, token, until,
};

/// Two instances on one server; the first revoked `gone`, which the second knows from Redis alone.
async fn pair(redis: &Redis) -> (Instance, Instance, Arc<MemoryJournal>) {
    let journal = Arc::new(MemoryJournal::default());
    let first = Instance::start(&redis.url(), &journal).await;
    let second = Instance::start(&redis.url(), &journal).await;
    let receipt = first.store.revoke(&of_token("gone"), clock()).await.unwrap();
    assert!(receipt.journaled && receipt.propagated);
    second.until_served("gone", "good").await;
    assert!(second.store.is_revoked(&token("gone"), clock()).await.unwrap());
    (first, second, journal)
}

/// Every answer comes in time, and none of them is "not revoked".
async fn assert_closed(instance: &Instance, calls: u32) {
    let stores = [&instance.store, &instance.tracking];
    for (call, store) in (0..calls).flat_map(|call| stores.map(|store| (call, store))) {
        let asked = Instant::now();
        let answer = store.is_revoked(&token("gone"), clock()).await;
        assert!(asked.elapsed() < BOUND, "call {call}: {:?}", asked.elapsed());
        assert_eq!(answer.unwrap_err().http_status(), 503, "call {call}");
    }
}

#[tokio::test]
async fn killed_and_restarted_empty_it_is_closed_until_filled_from_the_journal() {
    let redis = server(false);
    let (_first, second, _journal) = pair(&redis).await;
    redis.kill().unwrap();
    assert_closed(&second, 50).await;
    redis.start_again().unwrap(); // with nothing in it
    second.until_served("gone", "good").await;
    assert!(second.store.is_revoked(&token("gone"), clock()).await.unwrap());
}

#[tokio::test]
async fn killed_with_its_file_it_comes_back_by_itself() {
    let redis = server(true);
    let (_first, second, _journal) = pair(&redis).await;
    redis.kill().unwrap();
    assert_closed(&second, 50).await;
    redis.start_again().unwrap();
    second.until_served("gone", "good").await;
}

#[tokio::test]
async fn frozen_it_costs_a_few_requests_their_time_out_and_the_others_nothing() {
    let redis = server(false);
    let (_first, second, _journal) = pair(&redis).await;
    redis.freeze();
    assert_closed(&second, 5).await;
    let begun = Instant::now();
    let mut calls = 0;
    while begun.elapsed() < Duration::from_secs(3) {
        assert_closed(&second, 1).await;
        calls += 1;
        tokio::task::yield_now().await;
    }
    // A handful waited for their time-out; the breaker answers the rest at once.
    assert!(calls > 100, "{calls} calls in three seconds: each waited");
    let health = second.cache.health().await;
    assert!(!health.is_ready && health.latency.is_none() && health.stats.timeouts < 50, "{health:?}");
    redis.thaw();
    second.until_served("gone", "good").await;
    until("the breaker closes", async || second.cache.health().await.is_ready).await;
}

#[tokio::test]
async fn the_breaker_alone_spares_requests_the_wait() {
    let redis = server(false);
    let mut blind = options(&redis.url());
    blind.watchdog_interval = Duration::from_secs(600); // it looks once, and then no more
    let cache = Cache::connect(&blind).await.unwrap();
    redis.freeze();
    for call in 0..20 {
        let answer = cache.ping().await;
        let is_spared = matches!(answer, Err(CommandError::Unavailable));
        assert_eq!(is_spared, call >= 3, "call {call}: {answer:?}");
    }
    let stats = cache.stats();
    assert_eq!((stats.timeouts, stats.breaker_opened, stats.refused), (3, 1, 17));
    redis.thaw();
}

#[tokio::test]
async fn a_command_to_a_slow_server_ends_at_its_time_out() {
    let redis = server(false);
    let proxy = Proxy::start(redis.port()).unwrap();
    let url = redis.url().replace(&redis.port().to_string(), &proxy.port().to_string());
    let journal = Arc::new(MemoryJournal::default());
    let slow = Instance::start(&url, &journal).await;
    let near = Instance::start(&redis.url(), &journal).await;
    near.store.revoke(&of_token("gone"), clock()).await.unwrap();
    slow.until_served("gone", "good").await;
    proxy.delay(Duration::from_millis(50));
    assert!(slow.store.is_revoked(&token("gone"), clock()).await.unwrap(), "slow is not away");
    proxy.delay(Duration::from_secs(2));
    assert_closed(&slow, 20).await;
    proxy.mend();
    slow.until_served("gone", "good").await;
}

#[tokio::test]
async fn a_cut_wire_is_mended() {
    let redis = server(false);
    let proxy = Proxy::start(redis.port()).unwrap();
    let url = redis.url().replace(&redis.port().to_string(), &proxy.port().to_string());
    let journal = Arc::new(MemoryJournal::default());
    let instance = Instance::start(&url, &journal).await;
    let near = Instance::start(&redis.url(), &journal).await;
    near.store.revoke(&of_token("gone"), clock()).await.unwrap();
    for _ in 0..3 {
        proxy.cut();
        instance.until_served("gone", "good").await;
    }
}

#[tokio::test]
async fn emptied_it_is_closed_until_filled_again() {
    let redis = server(true);
    let (first, second, _journal) = pair(&redis).await;
    for i in 0..600 {
        let id = format!("gone-{i}"); // more than one page
        first.store.revoke(&of_token(&id), clock()).await.unwrap();
    }
    for _ in 0..3 {
        redis.command(&["FLUSHALL"]).unwrap();
        second.until_served("gone", "good").await;
        for id in ["gone", "gone-0", "gone-599"] {
            assert!(second.store.is_revoked(&token(id), clock()).await.unwrap(), "{id}");
        }
    }
}

#[tokio::test]
async fn emptied_while_the_journal_is_away_it_stays_closed() {
    let redis = server(false);
    let (_first, second, journal) = pair(&redis).await;
    journal.set_away(true);
    redis.command(&["FLUSHALL"]).unwrap();
    assert_closed(&second, 30).await;
    let refused = second.store.revoke(&of_token("later"), clock()).await.unwrap_err();
    assert!(matches!(refused, CommandError::Journal(_)), "{refused:?}");
    journal.set_away(false);
    second.until_served("gone", "good").await;
}

#[tokio::test]
async fn one_revoked_token_lost_alone_is_not_found_out_and_one_revoked_here_is_refused_still() {
    let redis = server(false);
    let (first, _second, _journal) = pair(&redis).await;
    // Somebody deletes a single key by hand: the instance that revoked it remembers.
    redis.command(&["DEL", "golive:{revoked}:token:gone"]).unwrap();
    assert!(first.store.is_revoked(&token("gone"), clock()).await.unwrap());
}

#[tokio::test]
async fn full_it_answers_checks_and_revocations_wait_in_the_journal() {
    let redis = server(false);
    let (first, second, _journal) = pair(&redis).await;
    redis.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).unwrap();
    redis.command(&["CONFIG", "SET", "maxmemory", "1kb"]).unwrap();
    assert!(second.store.is_revoked(&token("gone"), clock()).await.unwrap());
    assert!(!second.store.is_revoked(&token("good"), clock()).await.unwrap(), "checks go on");
    let receipt = first.store.revoke(&of_token("also-gone"), clock()).await.unwrap();
    assert!(receipt.journaled && !receipt.propagated, "{receipt:?}");
    assert!(
        first.store.is_revoked(&token("also-gone"), clock()).await.unwrap(),
        "refused where it was revoked"
    );
    let error = first.store.revoke_token("third", Duration::from_secs(60)).await.unwrap_err();
    assert_eq!(error.http_status(), 503, "a logout is not confirmed before all instances refuse");
    let limiter = RateLimiter::new(first.cache.clone(), Quota::per_minute("full", 10));
    assert!(limiter.check("a").await.is_degraded(), "limits are local");
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]).unwrap();
    until("what was journaled reaches the others", async || {
        matches!(second.store.is_revoked(&token("also-gone"), clock()).await, Ok(true))
            && matches!(second.store.is_revoked(&token("third"), clock()).await, Ok(true))
    })
    .await;
}

#[tokio::test]
async fn a_revocation_during_an_outage_reaches_everybody_afterwards() {
    let redis = server(true);
    let (first, second, _journal) = pair(&redis).await;
    redis.freeze();
    let begun = Instant::now();
    let receipt = first.store.revoke(&of_token("late"), clock()).await.unwrap();
    assert!(receipt.journaled && !receipt.propagated);
    assert!(begun.elapsed() < BOUND);
    assert!(first.store.is_revoked(&token("late"), clock()).await.unwrap(), "known here without Redis");
    redis.thaw();
    until("the others know", async || {
        matches!(second.store.is_revoked(&token("late"), clock()).await, Ok(true))
    })
    .await;
}

#[tokio::test]
async fn forgotten_scripts_are_sent_again() {
    let redis = server(false);
    let cache = connect_patiently(&redis.url()).await;
    let limiter = RateLimiter::new(
        cache.clone(),
        Quota::new("scripts", NonZeroU32::new(10).unwrap(), Duration::from_secs(3600)),
    );
    let store = RevocationStore::new(cache);
    store.prepare(at(0)).await.unwrap();
    store.revoke_user_before("user-1", at(1)).await.unwrap();
    for remaining in (0..10).rev() {
        redis.command(&["SCRIPT", "FLUSH"]).unwrap();
        let decision = limiter.check("a").await;
        assert!(
            decision.allowed && !decision.is_degraded() && decision.remaining == remaining,
            "{decision:?}"
        );
        store.revoke_user_before("user-1", at(2)).await.unwrap();
    }
    assert!(!limiter.check("a").await.allowed);
}

#[tokio::test]
async fn a_server_that_becomes_a_replica_is_not_trusted_though_it_answers() {
    let redis = server(false);
    let primary = server(false);
    let (_first, second, _journal) = pair(&redis).await;
    let port = primary.port().to_string();
    redis.command(&["REPLICAOF", "127.0.0.1", &port]).unwrap();
    for store in [&second.store, &second.tracking] {
        until("it is noticed", async || store.is_revoked(&token("good"), clock()).await.is_err()).await;
    }
    assert_closed(&second, 20).await;
    // Between two of its looks the watchdog connects anew, in case the address leads elsewhere by now.
    until("health says why", async || second.cache.health().await.standing == Standing::Replica).await;
    assert!(Cache::connect(&options(&redis.url())).await.is_err(), "nor connected to");
    redis.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
    second.until_served("gone", "good").await;
}

#[tokio::test]
async fn more_commands_than_allowed_at_once_are_refused_at_once() {
    let redis = server(false);
    let mut few = options(&redis.url());
    few.max_commands_in_flight = 8;
    few.breaker_failures = 1_000;
    few.command_timeout = Duration::from_secs(2);
    let cache = Cache::connect(&few).await.unwrap();
    redis.freeze();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let cache = cache.clone();
        calls.spawn(async move { cache.ping().await });
    }
    let mut busy = 0;
    while let Some(answer) = calls.join_next().await {
        busy += u32::from(matches!(answer.unwrap(), Err(CommandError::Busy { waiting: 8 })));
    }
    assert_eq!(busy, 92);
    redis.thaw();
    until("it answers", async || cache.ping().await.is_ok()).await;
}

#[tokio::test]
async fn a_service_starts_without_redis_and_opens_when_it_comes() {
    let redis = server(false);
    redis.stop().unwrap();
    let cache = Cache::start(&options(&redis.url())).unwrap();
    let journal: Arc<MemoryJournal> = Arc::default();
    let store = RevocationStore::new(cache.clone()).with_journal(journal, clock);
    assert!(store.is_revoked(&token("good"), clock()).await.is_err());
    assert!(cache.ready(Duration::from_millis(50)).await.is_err());
    redis.start_again().unwrap();
    cache.ready(PATIENCE).await.unwrap();
    until("the store opens without being asked to", async || {
        matches!(store.is_revoked(&token("good"), clock()).await, Ok(false))
    })
    .await;
}

#[tokio::test]
async fn limits_and_caches_go_on_while_it_is_frozen_and_come_back() {
    let redis = server(false);
    let cache = connect(&redis.url()).await;
    let quota = Quota::new("login", NonZeroU32::new(6).unwrap(), Duration::from_secs(3600));
    let limiter = RateLimiter::new(cache.clone(), quota);
    let lookups: ReadThrough<u32> = ReadThrough::new(cache.clone(), "lookups", Duration::from_secs(60));
    assert!(!limiter.check("a").await.is_degraded());
    redis.freeze();
    for call in 0..50 {
        let begun = Instant::now();
        let decision = limiter.check("a").await;
        assert!(decision.is_degraded() && begun.elapsed() < BOUND, "call {call}");
        let begun = Instant::now();
        let value = lookups.get_or_load("k", async || Ok::<_, std::io::Error>(call)).await.unwrap();
        assert!(value == call && begun.elapsed() < 2 * BOUND, "call {call}");
    }
    redis.thaw();
    until("limits are shared again", async || !limiter.check("b").await.is_degraded()).await;
    cache.ready(PATIENCE).await.unwrap();
    // One before and this one; and those that timed out, which the server did when it went on.
    assert!((1..=4).contains(&limiter.check("a").await.remaining));
}

#[tokio::test]
async fn a_snapshot_of_the_past_is_not_believed() {
    // A server restored from an old file has a marker, but another history.
    let mut kept = RedisOptions::new();
    kept.settings = vec!["save 3600 1".to_owned()];
    let redis = Redis::start(&kept).unwrap();
    let journal = Arc::new(MemoryJournal::default());
    let first = Instance::start(&redis.url(), &journal).await;
    redis.command(&["SAVE"]).unwrap();
    first.store.revoke(&of_token("gone"), clock()).await.unwrap();
    redis.kill().unwrap(); // what was written since is lost
    redis.start_again().unwrap();
    let other = Instance::start(&redis.url(), &journal).await;
    assert!(other.store.is_revoked(&token("gone"), clock()).await.unwrap());
}
