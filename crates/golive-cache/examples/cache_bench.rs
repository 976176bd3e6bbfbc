//! Measures golive-cache beside `redis-benchmark`, moka and the Python library `limits` on one disposable server,
//! interleaved, and prints the ratios of the medians as JSON. `cargo xtask bench cache` runs it, with an interpreter and
//! a script for what is Python.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement that cannot be made ends")]

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use golive_cache::{Cache, CacheOptions, LocalTier, Quota, RateLimiter, ReadThrough, ReadThroughOptions};
use golive_cache::{RevocationStore, TokenFacts};
use golive_sandbox::{ProcessSpec, Redis, RedisOptions, run_to_end};
use rustix::time::{ClockId, clock_gettime};

const ROUNDS: usize = 5;
/// So many that a rate is of some tenths of a second.
const OPERATIONS: u32 = 400_000;
const CONCURRENT: u32 = 64;
const LOCAL_HITS: u32 = 300_000;

/// Operations a second of redis-benchmark, which pipelines so many.
fn redis_benchmark(redis: &Redis, pipeline: u32, command: &[&str]) -> f64 {
    let (port, operations, pipeline) =
        (redis.port().to_string(), OPERATIONS.to_string(), pipeline.to_string());
    let spec = ProcessSpec::new("redis-benchmark")
        .arguments(["-p", &port, "-c", "50", "-n", &operations, "-P", &pipeline, "--csv"])
        .arguments(command.iter().copied());
    let finished = run_to_end(spec, Duration::from_secs(120)).unwrap();
    let line = finished.output.lines().last().unwrap();
    // "EXISTS k","39000.00",...; a command may hold commas, a number does not.
    line.split("\",\"").nth(1).and_then(|rate| rate.parse().ok()).unwrap()
}

/// Operations a second of ours, so many at a time.
async fn ours<F: Future<Output = ()> + Send + 'static>(operation: impl Fn(u32) -> F) -> f64 {
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..CONCURRENT {
        tasks.spawn(operation(worker));
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    f64::from(OPERATIONS / CONCURRENT * CONCURRENT) / begun.elapsed().as_secs_f64()
}

async fn checks(store: &RevocationStore, now: DateTime<Utc>) -> f64 {
    ours(|worker| {
        let store = store.clone();
        async move {
            let token = TokenFacts::new(format!("token-{worker}"), "user-1", now);
            for _ in 0..OPERATIONS / CONCURRENT {
                store.is_revoked(&token, now).await.unwrap();
            }
        }
    })
    .await
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// Microseconds of processor time that this process has used.
fn processor_time() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    #[expect(clippy::cast_precision_loss, reason = "microseconds of a short run")]
    let microseconds = (time.tv_sec * 1_000_000 + time.tv_nsec / 1_000) as f64;
    microseconds
}

/// Microseconds of processor time for one hit of `limits`; `None` where there is no Python to measure.
fn limits(redis: &Redis) -> Option<f64> {
    let mut arguments = std::env::args_os().skip(1);
    let spec = ProcessSpec::new(arguments.next()?).argument(arguments.next()?).argument("limits");
    let spec = spec.environment([("REDIS_URL", format!("redis://127.0.0.1:{}", redis.port()))]);
    run_to_end(spec, Duration::from_secs(120)).unwrap().output.trim().parse().ok()
}

/// The limiter's call as the server saw it: `EVALSHA digest 1 key arguments`.
async fn call_of(redis: &Redis, limiter: &RateLimiter) -> Vec<String> {
    limiter.check("bench").await;
    redis.command(&["CONFIG", "SET", "slowlog-log-slower-than", "0"]).unwrap();
    limiter.check("bench").await;
    redis.command(&["CONFIG", "SET", "slowlog-log-slower-than", "-1"]).unwrap();
    let log = redis.command(&["SLOWLOG", "GET", "10"]).unwrap();
    let call = log.lines().skip_while(|line| *line != "EVALSHA");
    call.take(7).map(str::to_owned).collect() // digest, 1, key, cost, interval, burst
}

async fn local_hits() -> (f64, f64) {
    let redis = Redis::start(&RedisOptions::new()).unwrap();
    let cache = Cache::connect(&CacheOptions::new(redis.url().into())).await.unwrap();
    let mut options = ReadThroughOptions::new(Duration::from_secs(600));
    options.local = Some(LocalTier::new(10_000, Duration::from_secs(600)));
    let near: ReadThrough<u64> = ReadThrough::with(cache, "near", options);
    while near.stats().local_hits == 0 {
        near.get_or_load("key", async || Ok::<_, std::io::Error>(1)).await.unwrap();
    }
    let alone: moka::sync::Cache<String, u64> =
        moka::sync::Cache::builder().max_capacity(10_000).time_to_live(Duration::from_secs(600)).build();
    alone.insert("key".to_owned(), 1);
    let nanoseconds = |begun: Instant| begun.elapsed().as_secs_f64() * 1e9 / f64::from(LOCAL_HITS);
    let (mut ours, mut moka) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        for _ in 0..LOCAL_HITS {
            std::hint::black_box(near.get_or_load("key", async || Ok::<_, std::io::Error>(1)).await.unwrap());
        }
        ours.push(nanoseconds(begun));
        let begun = Instant::now();
        for _ in 0..LOCAL_HITS {
            std::hint::black_box(alone.get("key"));
        }
        moka.push(nanoseconds(begun));
    }
    (median(ours), median(moka))
}

/// The confirmed check on a runtime of several threads beside `redis-benchmark`, in per cent of its rate.
async fn on_several_threads() -> f64 {
    let redis = Redis::start(&RedisOptions::new()).unwrap();
    let mut options = CacheOptions::new(redis.url().into());
    (options.command_timeout, options.client_tracking) = (Duration::from_secs(5), true);
    let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let store = RevocationStore::new(Cache::connect(&options).await.unwrap());
    store.prepare(now).await.unwrap();
    redis.command(&["CONFIG", "SET", "requirepass", ""]).unwrap();
    let (mut own, mut peer) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        peer.push(redis_benchmark(&redis, 16, &["EXISTS", "golive:{revoked}:token:1"]));
        own.push(checks(&store, now).await);
    }
    100.0 * median(own) / median(peer)
}

/// One thread asks, as one thread of `redis-benchmark` does.
fn main() {
    let runtime = |threads| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap()
    };
    let several = std::thread::available_parallelism().unwrap().get();
    let on_several = runtime(several).block_on(on_several_threads());
    runtime(1).block_on(measure(several, on_several));
}

async fn measure(several: usize, on_several: f64) {
    let redis = Redis::start(&RedisOptions::new()).unwrap();
    let mut options = CacheOptions::new(redis.url().into());
    options.command_timeout = Duration::from_secs(5);
    let cache = Cache::connect(&options).await.unwrap();
    let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let store = RevocationStore::new(cache.clone());
    store.prepare(now).await.unwrap();
    options.client_tracking = true;
    let tracking = RevocationStore::new(Cache::connect(&options).await.unwrap());
    let lenient = tracking.clone().with_max_staleness(Duration::from_millis(10));
    let many = NonZeroU32::new(u32::MAX).unwrap();
    let limiter = RateLimiter::new(cache, Quota::new("bench", many, Duration::from_secs(1_000_000)));
    let call = call_of(&redis, &limiter).await;
    let call: Vec<&str> = call.iter().map(String::as_str).collect();
    // The benchmark program takes a password only where every user of the machine could read it.
    redis.command(&["CONFIG", "SET", "requirepass", ""]).unwrap();
    let (mut rates, mut costs, mut python) = ([const { Vec::new() }; 7], Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        rates[0].push(redis_benchmark(&redis, 1, &["EXISTS", "golive:{revoked}:token:1"]));
        rates[1].push(redis_benchmark(&redis, 16, &["EXISTS", "golive:{revoked}:token:1"]));
        for (rate, store) in [(2, &store), (5, &tracking), (6, &lenient)] {
            rates[rate].push(checks(store, now).await);
        }
        rates[3].push(redis_benchmark(&redis, 1, &call));
        let decide = |worker: u32| {
            let limiter = limiter.clone();
            async move {
                let key = format!("user-{worker}");
                for _ in 0..OPERATIONS / CONCURRENT {
                    assert!(!limiter.check(&key).await.is_degraded());
                }
            }
        };
        let before = processor_time();
        rates[4].push(ours(decide).await);
        costs.push((processor_time() - before) / f64::from(OPERATIONS));
        python.extend(limits(&redis));
    }
    let [exists, exists_16, check, evalsha, decision, tracking, lenient] = rates.map(median);
    let (cost, python) = (median(costs), (!python.is_empty()).then(|| median(python)));
    let (near, moka) = local_hits().await;
    let results = serde_json::json!({
        "schema_version": 1,
        "rounds": ROUNDS,
        "per_second": {
            "redis_benchmark_exists": exists, "redis_benchmark_exists_pipelined_16": exists_16,
            "revocation_check": check, "revocation_check_with_client_tracking": tracking,
            "revocation_check_with_staleness_of_10_ms": lenient, "redis_benchmark_evalsha": evalsha, "rate_limit_decision": decision,
        },
        "rate_limit_processor_microseconds": cost, "python_limits_processor_microseconds": python,
        "local_hit_nanoseconds": near, "moka_alone_nanoseconds": moka,
        "ratios": [
            { "name": "revocation check / EXISTS", "ratio": check / exists, "at_least": 3.0 },
            { "name": "revocation check with client tracking, confirmed each time / EXISTS, 16 pipelined", "ratio": tracking / exists_16, "at_least": 0.5 },
            { "name": "rate limit decision / EVALSHA of the same script", "ratio": decision / evalsha, "at_least": 2.0 },
            { "name": "processor time of Python's limits / of a rate limit decision", "ratio": python.map(|python| python / cost), "at_least": 10.0 },
            { "name": "local hit over moka alone, microseconds", "ratio": (near - moka) / 1e3, "at_most": 1.0 },
        ],
        "told": [
            { "name": format!("per cent of EXISTS, 16 pipelined: with client tracking, on {several} threads"), "value": on_several },
            { "name": "per cent of EXISTS, 16 pipelined: revocation check", "value": 100.0 * check / exists_16 },
            { "name": "per cent of EXISTS, 16 pipelined: with client tracking and 10 ms of staleness allowed", "value": 100.0 * lenient / exists_16 },
        ],
    });
    println!("{results:#}");
}
