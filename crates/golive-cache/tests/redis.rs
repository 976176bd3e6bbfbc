//! Promises kept against a real Redis that is stopped, killed, frozen, emptied and restarted.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use golive_cache::{
    Cache, CacheOptions, CommandError, ConnectCacheError, FamilyRotation, FindingSeverity, Quota,
    RateLimiter, ReadThrough, RefreshFamilies, RevocationStatus, RevocationStore, TokenFacts, check,
};
use golive_sandbox::{ProcessSpec, Redis, RedisOptions, run_to_end};
use tokio::sync::Barrier;

const PATIENCE: Duration = Duration::from_secs(20);

fn server(append_only: bool) -> Redis {
    let mut options = RedisOptions::new();
    options.append_only = append_only;
    // A disk that stands still holds up what is written each second: a kill would lose it.
    options.settings = vec!["appendfsync always".to_owned()];
    Redis::start(&options).unwrap()
}

async fn connect(redis: &Redis) -> Cache {
    let mut options = CacheOptions::new(redis.url().into());
    options.command_timeout = Duration::from_secs(5); // nothing is slow here but the machine
    Cache::connect(&options).await.unwrap()
}

async fn until_connected(cache: &Cache) {
    let deadline = Instant::now() + PATIENCE;
    while cache.ping().await.is_err() {
        assert!(Instant::now() < deadline, "never connected again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn at(milliseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_800_000_000_000 + milliseconds).unwrap()
}

fn token(id: &str) -> TokenFacts {
    let mut token = TokenFacts::new(id, "user-1", at(1_000));
    token.session = Some("session-1".to_owned());
    token.tenant = Some("tenant-1".to_owned());
    token
}

#[tokio::test]
async fn every_kind_of_revocation_counts_and_touches_nothing_else() {
    let redis = server(false);
    let store = RevocationStore::new(connect(&redis).await);
    assert!(store.prepare(at(0)).await.unwrap(), "empty at first");
    assert!(!store.prepare(at(500_000)).await.unwrap(), "in use afterwards");
    let now = at(2_000);
    let status = async |token: &TokenFacts| store.status(token, now).await.unwrap();
    assert_eq!(status(&token("a")).await, RevocationStatus::Active);
    assert_eq!(status(&TokenFacts::new("x", "nobody", at(-1))).await, RevocationStatus::AllRevoked);

    store.revoke_token("a", Duration::from_secs(60)).await.unwrap();
    assert_eq!(status(&token("a")).await, RevocationStatus::TokenRevoked);
    assert_eq!(status(&token("b")).await, RevocationStatus::Active);

    store.revoke_session("session-1", Duration::from_secs(60)).await.unwrap();
    assert_eq!(status(&token("b")).await, RevocationStatus::SessionRevoked);
    let mut other = token("b");
    other.session = Some("session-2".to_owned());
    assert_eq!(status(&other).await, RevocationStatus::Active);

    store.revoke_user_before("user-1", at(1_001)).await.unwrap();
    store.revoke_user_before("user-1", at(500)).await.unwrap(); // a cutoff never moves back
    assert_eq!(status(&other).await, RevocationStatus::UserRevoked);
    other.issued_at = at(1_001);
    assert_eq!(status(&other).await, RevocationStatus::Active, "issued at the cutoff: after the change");

    store.revoke_tenant_before("tenant-1", at(1_002)).await.unwrap();
    assert_eq!(status(&other).await, RevocationStatus::TenantRevoked);
    other.tenant = Some("tenant-2".to_owned());
    assert_eq!(status(&other).await, RevocationStatus::Active);

    store.revoke_all_before(at(1_003)).await.unwrap();
    assert!(store.is_revoked(&other, now).await.unwrap());
    let refused = store.revoke_token("", Duration::from_secs(1)).await.unwrap_err();
    assert!(matches!(refused, CommandError::InvalidKey { .. }));
}

#[tokio::test]
async fn revocations_survive_the_client_and_the_server() {
    let redis = server(true);
    let cache = connect(&redis).await;
    let store = RevocationStore::new(cache.clone());
    store.prepare(at(0)).await.unwrap();
    store.revoke_token("a", Duration::from_secs(600)).await.unwrap();
    cache.close().await;
    let cache = connect(&redis).await;
    let store = RevocationStore::new(cache.clone());
    assert!(store.is_revoked(&token("a"), at(2_000)).await.unwrap(), "another client");
    redis.kill().unwrap();
    redis.start_again().unwrap();
    until_connected(&cache).await;
    assert!(store.is_revoked(&token("a"), at(2_000)).await.unwrap(), "killed and restarted");
    assert!(!store.is_revoked(&token("b"), at(2_000)).await.unwrap(), "and only that one");
}

#[tokio::test]
async fn a_store_that_lost_its_memory_refuses_what_was_issued_before() {
    let redis = server(false);
    let cache = connect(&redis).await;
    let store = RevocationStore::new(cache.clone());
    store.prepare(at(0)).await.unwrap();
    store.revoke_token("a", Duration::from_secs(600)).await.unwrap();
    redis.stop().unwrap();
    redis.start_again().unwrap(); // empty now
    until_connected(&cache).await;
    assert_eq!(
        store.status(&token("a"), at(2_000)).await.unwrap(),
        RevocationStatus::TokenRevoked,
        "known here"
    );
    let store = RevocationStore::new(cache.clone()); // as another instance, which did not revoke it
    assert_eq!(store.status(&token("a"), at(2_000)).await.unwrap(), RevocationStatus::AllRevoked);
    assert_eq!(store.status(&token("b"), at(2_000)).await.unwrap(), RevocationStatus::AllRevoked);
    let fresh = TokenFacts::new("c", "user-1", at(2_000));
    assert_eq!(store.status(&fresh, at(2_001)).await.unwrap(), RevocationStatus::Active, "after a new login");
}

#[tokio::test]
async fn a_stopped_or_frozen_server_is_an_error_within_the_time_limit() {
    let redis = server(false);
    let mut options = CacheOptions::new(redis.url().into());
    options.command_timeout = Duration::from_millis(150);
    let cache = Cache::connect(&options).await.unwrap();
    let store = RevocationStore::new(cache.clone());
    store.prepare(at(0)).await.unwrap();

    signal(&redis, "-STOP");
    for i in 0..10 {
        let start = Instant::now();
        assert!(store.is_revoked(&token("a"), at(2_000)).await.is_err(), "call {i}");
        assert!(start.elapsed() < Duration::from_secs(1), "call {i} took {:?}", start.elapsed());
    }
    let start = Instant::now();
    assert!(matches!(cache.ping().await, Err(CommandError::Unavailable)), "the breaker is open");
    assert!(start.elapsed() < Duration::from_millis(100), "without waiting for the time-out");
    signal(&redis, "-CONT");
    until_connected(&cache).await;
    assert!(!store.is_revoked(&token("a"), at(2_000)).await.unwrap());

    redis.kill().unwrap();
    let start = Instant::now();
    assert!(store.is_revoked(&token("a"), at(2_000)).await.is_err());
    assert!(store.revoke_token("a", Duration::from_secs(60)).await.is_err(), "a logout is not confirmed");
    assert!(start.elapsed() < Duration::from_secs(2));
    redis.start_again().unwrap();
    until_connected(&cache).await;
}

fn signal(redis: &Redis, name: &str) {
    let pid = redis.pid().unwrap().to_string();
    let spec = ProcessSpec::new("/bin/kill").argument(name).argument(pid);
    assert!(run_to_end(spec, PATIENCE).unwrap().status.success());
}

#[tokio::test]
async fn a_service_started_before_redis_connects_when_it_comes() {
    let redis = server(false);
    redis.stop().unwrap();
    let refused = Cache::connect(&CacheOptions::new(redis.url().into())).await.unwrap_err();
    assert!(matches!(refused, ConnectCacheError::Unreachable { .. }), "{refused}");
    let cache = Cache::start(&CacheOptions::new(redis.url().into())).unwrap();
    assert!(cache.ping().await.is_err());
    redis.start_again().unwrap();
    until_connected(&cache).await;
}

#[tokio::test]
async fn connection_errors_say_what_to_do_and_hide_the_password() {
    let redis = server(false);
    let url = format!("redis://:hunter2-hunter2@127.0.0.1:{}/0", redis.port());
    let refused = Cache::connect(&CacheOptions::new(url.into())).await.unwrap_err();
    assert!(matches!(refused, ConnectCacheError::Login { .. }), "{refused:?}");
    let naked = format!("redis://127.0.0.1:{}/0", redis.port());
    let naked = Cache::connect(&CacheOptions::new(naked.into())).await.unwrap_err();
    assert!(matches!(naked, ConnectCacheError::Login { .. }), "{naked:?}");
    let bad = Cache::connect(&CacheOptions::new("no url hunter2-hunter2".into())).await.unwrap_err();
    for error in [refused, bad] {
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clients_share_one_limit_exactly() {
    let redis = server(false);
    let quota = Quota::new("exact", NonZeroU32::new(100).unwrap(), Duration::from_secs(3600));
    let allowed = Arc::new(AtomicU32::new(0));
    let mut tasks = Vec::new();
    for _client in 0..2 {
        let limiter = RateLimiter::new(connect(&redis).await, quota.clone());
        for _worker in 0..5 {
            let (limiter, allowed) = (limiter.clone(), Arc::clone(&allowed));
            tasks.push(tokio::spawn(async move {
                for _ in 0..100 {
                    let decision = limiter.check("10.0.0.1").await;
                    assert!(!decision.is_degraded());
                    if decision.allowed {
                        allowed.fetch_add(1, Ordering::Relaxed);
                    } else {
                        assert!(decision.retry_after > Duration::ZERO && decision.remaining == 0);
                    }
                }
            }));
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(allowed.load(Ordering::Relaxed), 100, "of 1000 attempts");
}

#[tokio::test]
async fn limits_survive_a_restart_and_are_local_and_stricter_meanwhile() {
    let redis = server(true);
    let cache = connect(&redis).await;
    let quota = Quota::new("login", NonZeroU32::new(4).unwrap(), Duration::from_secs(3600));
    let limiter = RateLimiter::new(cache.clone(), quota);
    for remaining in (0..4).rev() {
        let decision = limiter.check("rosa").await;
        assert!(decision.allowed && decision.remaining == remaining, "{decision:?}");
    }
    assert!(!limiter.check("rosa").await.allowed);
    redis.kill().unwrap();
    let start = Instant::now();
    assert!(!limiter.check("rosa").await.allowed, "denied before is denied still");
    let decisions = [limiter.check("mia").await, limiter.check("mia").await, limiter.check("mia").await];
    // One was on its way when the server was killed and waits for its time-out; the others do not.
    assert!(start.elapsed() < Duration::from_secs(10));
    assert!(decisions.iter().all(golive_cache::Decision::is_degraded));
    assert_eq!(decisions.map(|decision| decision.allowed), [true, true, false], "half of four");
    assert_eq!(limiter.degraded_decisions(), 3);
    redis.start_again().unwrap(); // and has forgotten the script
    until_connected(&cache).await;
    let decision = limiter.check("rosa").await;
    assert!(!decision.allowed && !decision.is_degraded(), "{decision:?}");
    assert!(limiter.check("another").await.allowed);
}

#[tokio::test]
async fn a_spent_limit_comes_back_with_time() {
    let redis = server(false);
    let limiter = RateLimiter::new(
        connect(&redis).await,
        Quota::new("tick", NonZeroU32::new(5).unwrap(), Duration::from_secs(2)),
    );
    let mut passed = 0;
    while limiter.check("k").await.allowed {
        passed += 1;
        assert!(passed < 100);
    }
    assert!(passed >= 5);
    let start = Instant::now();
    while !limiter.check("k").await.allowed {
        assert!(start.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let dear = limiter.check_cost("k", NonZeroU32::new(1000).unwrap()).await;
    assert!(!dear.allowed, "a cost above the burst never passes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_load_a_key_then_hits_then_invalidation() {
    let redis = server(false);
    let cache: ReadThrough<Option<u32>> =
        ReadThrough::new(connect(&redis).await, "thresholds", Duration::from_secs(600));
    let loads = Arc::new(AtomicU32::new(0));
    let started = Arc::new(Barrier::new(20));
    let mut tasks = Vec::new();
    for _ in 0..20 {
        let (cache, loads, started) = (cache.clone(), Arc::clone(&loads), Arc::clone(&started));
        tasks.push(tokio::spawn(async move {
            tokio::time::timeout(PATIENCE, started.wait()).await.unwrap();
            cache
                .get_or_load("tenant-1", async || {
                    // Until all others have looked into Redis and found nothing.
                    let deadline = Instant::now() + PATIENCE;
                    while cache.stats().misses < 20 {
                        assert!(Instant::now() < deadline);
                        tokio::task::yield_now().await;
                    }
                    Ok::<_, std::io::Error>(Some(loads.fetch_add(1, Ordering::Relaxed) + 1))
                })
                .await
                .unwrap()
        }));
    }
    for task in tasks {
        assert_eq!(task.await.unwrap(), Some(1));
    }
    assert_eq!(loads.load(Ordering::Relaxed), 1);
    let load = async || Ok::<_, std::io::Error>(Some(2));
    assert_eq!(cache.get_or_load("tenant-1", load).await.unwrap(), Some(1), "from Redis");
    assert_eq!(cache.stats().hits, 1);
    cache.invalidate("tenant-1").await.unwrap();
    assert_eq!(cache.get_or_load("tenant-1", load).await.unwrap(), Some(2));
    let none = async || Ok::<_, std::io::Error>(None);
    assert_eq!(cache.get_or_load("tenant-2", none).await.unwrap(), None);
    assert_eq!(cache.get_or_load("tenant-2", load).await.unwrap(), None, "absence is kept");
}

#[tokio::test]
async fn a_load_that_an_invalidation_overtook_is_not_kept() {
    let redis = server(false);
    let ours: ReadThrough<u32> = ReadThrough::new(connect(&redis).await, "config", Duration::from_secs(600));
    let theirs: ReadThrough<u32> =
        ReadThrough::new(connect(&redis).await, "config", Duration::from_secs(600));
    let stale = ours
        .get_or_load("k", async || {
            theirs.invalidate("k").await.unwrap(); // another instance writes while we load
            Ok::<_, std::io::Error>(1)
        })
        .await
        .unwrap();
    assert_eq!(stale, 1);
    assert_eq!(ours.get_or_load("k", async || Ok::<_, std::io::Error>(2)).await.unwrap(), 2);
    let failed = ours.get_or_load("broken", async || Err::<u32, _>(std::io::Error::other("no"))).await;
    assert!(failed.is_err());
    assert_eq!(ours.get_or_load("broken", async || Ok::<_, std::io::Error>(3)).await.unwrap(), 3);
}

#[tokio::test]
async fn without_redis_the_loader_answers() {
    let redis = server(false);
    let cache: ReadThrough<u32> =
        ReadThrough::new(connect(&redis).await, "permissions", Duration::from_secs(120));
    redis.kill().unwrap();
    let start = Instant::now();
    for i in 0..20 {
        assert_eq!(cache.get_or_load("k", async || Ok::<_, std::io::Error>(i)).await.unwrap(), i);
    }
    assert!(start.elapsed() < Duration::from_secs(10), "each of them waited");
    assert_eq!(cache.stats().failures, 20);
    assert!(cache.invalidate("k").await.is_err(), "the caller must know");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_family_has_one_winner_and_ends_on_reuse() {
    let redis = server(false);
    let (one, two) =
        (RefreshFamilies::new(connect(&redis).await), RefreshFamilies::new(connect(&redis).await));
    let (grace, ttl) = (Duration::from_secs(10), Duration::from_secs(600));
    one.start("f", "t1", ttl).await.unwrap();
    let both = tokio::join!(
        one.rotate("f", "t1", "t2a", at(0), grace, ttl),
        two.rotate("f", "t1", "t2b", at(0), grace, ttl)
    );
    let both = [both.0.unwrap(), both.1.unwrap()];
    let winner = if both[0] == FamilyRotation::Rotated { "t2a" } else { "t2b" };
    assert_eq!(both.iter().filter(|r| **r == FamilyRotation::Rotated).count(), 1);
    let replay = FamilyRotation::Replayed { successor: winner.to_owned(), issued_at: at(0) };
    assert!(both.contains(&replay), "{both:?}");
    let late = at(0) + TimeDelta::seconds(11);
    assert_eq!(one.rotate("f", "t1", "t3", late, grace, ttl).await.unwrap(), FamilyRotation::Reused);
    assert_eq!(
        one.rotate("f", winner, "t3", late, grace, ttl).await.unwrap(),
        FamilyRotation::Reused,
        "ended"
    );
    assert_eq!(one.rotate("g", "t1", "t2", late, grace, ttl).await.unwrap(), FamilyRotation::Unknown);
    one.start("h", "t1", ttl).await.unwrap();
    one.end("h").await.unwrap();
    assert_eq!(one.rotate("h", "t1", "t2", late, grace, ttl).await.unwrap(), FamilyRotation::Unknown);
}

#[tokio::test]
async fn the_check_tells_a_fit_server_from_one_that_forgets() {
    let fit = server(true);
    let seen = check(&fit.url().into()).await.unwrap();
    assert!(seen.findings.is_empty(), "{:?}", seen.findings);
    assert_eq!((seen.role.as_str(), seen.append_only), ("master", Some(true)));
    assert_eq!(seen.maxmemory_policy.as_deref(), Some("noeviction"));

    let mut options = RedisOptions::new();
    options.settings = vec!["maxmemory-policy allkeys-lru".to_owned(), "maxmemory 50mb".to_owned()];
    let unfit = Redis::start(&options).unwrap();
    let seen = check(&unfit.url().into()).await.unwrap();
    let ids: Vec<&str> = seen.findings.iter().map(|finding| finding.id).collect();
    assert_eq!(ids, ["redis.evicts", "redis.no_append_only"]);
    assert!(seen.findings.iter().all(|finding| finding.severity == FindingSeverity::Error));
    unfit.stop().unwrap();
    assert!(check(&unfit.url().into()).await.is_err(), "could not look is not a finding");
}

#[tokio::test]
async fn a_full_server_refuses_to_revoke_and_says_why() {
    let mut options = RedisOptions::new();
    options.settings = vec!["maxmemory-policy noeviction".to_owned(), "maxmemory 1kb".to_owned()];
    let redis = Redis::start(&options).unwrap();
    let store = RevocationStore::new(connect(&redis).await);
    let refused = store.revoke_token("a", Duration::from_secs(60)).await.unwrap_err();
    assert!(matches!(refused, CommandError::OutOfMemory), "{refused:?}");
}
