//! The read-through cache on a real Redis: stale values, absence, one load for two instances, and a local tier that
//! hears of invalidations, or serves nothing.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod support;

use std::io::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use golive_cache::{Cache, LocalTier, ReadThrough, ReadThroughOptions};
use support::{connect, connect_patiently, server, until};
use tokio::sync::Notify;

const LONG: Duration = Duration::from_secs(600);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_after_its_time_is_served_while_one_loads_and_when_the_load_fails() {
    let redis = server(false);
    let mut options = ReadThroughOptions::new(LONG);
    options.stale = LONG;
    let cache: ReadThrough<u32, (i64, &str)> =
        ReadThrough::with(connect_patiently(&redis.url()).await, "swr", options);
    let key = (7, "oee");
    assert_eq!(cache.get_or_load(&key, async || Ok::<_, Error>(1)).await.unwrap(), 1);
    // Its time is over: what marks it as fresh is gone.
    redis.command(&["DEL", "golive:cache:{swr:1:7:oee}:f"]).unwrap();
    let (is_loading, may_end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let loading = tokio::spawn({
        let (cache, is_loading, may_end) = (cache.clone(), Arc::clone(&is_loading), Arc::clone(&may_end));
        async move {
            let load = async || {
                is_loading.notify_one();
                may_end.notified().await;
                Ok::<_, Error>(2)
            };
            cache.get_or_load(&(7, "oee"), load).await.unwrap()
        }
    });
    is_loading.notified().await;
    for _ in 0..5 {
        assert_eq!(cache.get_or_load(&key, async || Ok::<_, Error>(9)).await.unwrap(), 1, "old, at once");
    }
    assert_eq!(cache.stats().stale_hits, 5);
    may_end.notify_one();
    assert_eq!(loading.await.unwrap(), 2);
    assert_eq!(cache.get_or_load(&key, async || Ok::<_, Error>(9)).await.unwrap(), 2);
    redis.command(&["DEL", "golive:cache:{swr:1:7:oee}:f"]).unwrap();
    let failing = async || Err::<u32, _>(Error::other("the database is away"));
    assert_eq!(cache.get_or_load(&key, failing).await.unwrap(), 2, "better than nothing");
    cache.invalidate(&key).await.unwrap();
    assert!(cache.get_or_load(&key, failing).await.is_err(), "what was invalidated is not served");
}

#[tokio::test]
async fn absence_is_remembered_for_its_own_time() {
    let redis = server(false);
    let options = ReadThroughOptions::new(LONG);
    let cache: ReadThrough<Option<u32>, i64> = ReadThrough::of_optional(
        connect_patiently(&redis.url()).await,
        "absent",
        options,
        Duration::from_secs(20),
    );
    assert_eq!(cache.get_or_load(&1, async || Ok::<_, Error>(None)).await.unwrap(), None);
    assert_eq!(cache.get_or_load(&1, async || Ok::<_, Error>(Some(5))).await.unwrap(), None);
    assert_eq!(cache.get_or_load(&2, async || Ok::<_, Error>(Some(5))).await.unwrap(), Some(5));
    let ttl = |key: &str| redis.command(&["PTTL", key]).unwrap().parse::<i64>().unwrap();
    assert!((1..=22_000).contains(&ttl("golive:cache:{absent:1}:v")));
    assert!((500_000..=660_000).contains(&ttl("golive:cache:{absent:2}:v")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_load_once_and_one_that_fails_makes_room() {
    let redis = server(false);
    let mut options = ReadThroughOptions::new(LONG);
    options.shared_load = Some(Duration::from_secs(30));
    let one: ReadThrough<u32, i64> =
        ReadThrough::with(connect_patiently(&redis.url()).await, "once", options);
    let two: ReadThrough<u32, i64> =
        ReadThrough::with(connect_patiently(&redis.url()).await, "once", options);
    let failed = one.get_or_load(&1, async || Err::<u32, _>(Error::other("no"))).await;
    assert!(failed.is_err());
    let loads = Arc::new(AtomicU32::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for cache in [&one, &two, &one, &two] {
        let (cache, loads) = (cache.clone(), Arc::clone(&loads));
        tasks.spawn(async move {
            let load = async || {
                tokio::time::sleep(Duration::from_millis(100)).await;
                Ok::<_, Error>(loads.fetch_add(1, Ordering::Relaxed) + 1)
            };
            cache.get_or_load(&1, load).await.unwrap()
        });
    }
    while let Some(value) = tasks.join_next().await {
        assert_eq!(value.unwrap(), 1);
    }
    assert_eq!(loads.load(Ordering::Relaxed), 1);
}

/// A cache with values in the process, which hears itself.
async fn with_local(url: &str) -> ReadThrough<u32, i64> {
    with_local_on(connect_patiently(url).await).await
}

async fn with_local_on(cache: Cache) -> ReadThrough<u32, i64> {
    let mut options = ReadThroughOptions::new(LONG);
    options.local = Some(LocalTier::new(100, LONG));
    let cache: ReadThrough<u32, i64> = ReadThrough::with(cache, "near", options);
    until("it keeps values in the process", async || {
        let value = cache.get_or_load(&0, async || Ok::<_, Error>(0)).await.unwrap();
        assert_eq!(value, 0);
        cache.stats().local_hits > 0
    })
    .await;
    cache
}

#[tokio::test]
async fn an_invalidation_reaches_the_memory_of_other_instances() {
    let redis = server(false);
    let (one, two) = (with_local(&redis.url()).await, with_local(&redis.url()).await);
    for round in 1..20 {
        assert_eq!(one.get_or_load(&1, async || Ok::<_, Error>(round)).await.unwrap(), round);
        assert_eq!(two.get_or_load(&1, async || Ok::<_, Error>(99)).await.unwrap(), round);
        let before = two.stats();
        assert_eq!(two.get_or_load(&1, async || Ok::<_, Error>(99)).await.unwrap(), round);
        assert_eq!(two.stats().local_hits, before.local_hits + 1, "from memory");
        one.invalidate(&1).await.unwrap();
        let next = round + 1;
        until("the other sees the new value", async || {
            two.get_or_load(&1, async || Ok::<_, Error>(next)).await.unwrap() == next
        })
        .await;
    }
    assert!(two.stats().hit_ratio().unwrap() > 0.5);
}

#[tokio::test]
async fn a_load_that_an_invalidation_overtook_is_not_kept_in_memory_either() {
    let redis = server(false);
    let (one, two) = (with_local(&redis.url()).await, with_local(&redis.url()).await);
    for key in 1..50 {
        let overtaken = async || {
            two.invalidate(&key).await.unwrap();
            Ok::<_, Error>(1)
        };
        assert_eq!(one.get_or_load(&key, overtaken).await.unwrap(), 1);
        assert_eq!(one.get_or_load(&key, async || Ok::<_, Error>(2)).await.unwrap(), 2, "key {key}");
    }
}

#[tokio::test]
async fn memory_is_not_served_while_nobody_would_tell_of_an_invalidation() {
    let redis = server(false);
    let cache = with_local_on(connect(&redis.url()).await).await;
    assert_eq!(cache.get_or_load(&1, async || Ok::<_, Error>(1)).await.unwrap(), 1);
    assert_eq!(cache.get_or_load(&1, async || Ok::<_, Error>(9)).await.unwrap(), 1);
    redis.freeze();
    until("it asks the loader", async || {
        cache.get_or_load(&1, async || Ok::<_, Error>(2)).await.unwrap() == 2
    })
    .await;
    redis.thaw();
    // Only the subscriptions end: Redis answers, and the memory is left aside until they are back.
    until("it serves from memory again", async || {
        let before = cache.stats().local_hits;
        cache.get_or_load(&0, async || Ok::<_, Error>(0)).await.unwrap();
        cache.stats().local_hits > before
    })
    .await;
    redis.command(&["CLIENT", "KILL", "TYPE", "pubsub"]).unwrap();
    redis.command(&["SET", "golive:cache:{near:0}:v", "7"]).unwrap(); // unheard
    until("it looks into Redis", async || {
        cache.get_or_load(&0, async || Ok::<_, Error>(0)).await.unwrap() == 7
    })
    .await;
}
