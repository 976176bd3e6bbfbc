//! Limits against a real Redis: several windows, weights, spoofed addresses, and the layer's answers.
#![cfg(feature = "tower")]
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests fail like tests, and a process tells its count"
)]

mod support;

use std::convert::Infallible;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use golive_cache::{
    AddressPrefix, ClientAddress, DecisionSource, ForwardedHeader, Quota, RateKey, RateLimitLayer,
    RateLimiter, TrustedProxies,
};
use golive_sandbox::{ProcessSpec, run_to_end};
use http::{HeaderMap, HeaderValue, Request, Response};
use support::{connect_patiently, server, until};
use tower::{Layer, ServiceExt, service_fn};

fn number(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test]
async fn all_windows_hold_and_the_tightest_is_told() {
    let redis = server(false);
    let limiter = RateLimiter::new(
        connect_patiently(&redis.url()).await,
        Quota::new("w", number(5), HOUR).and(number(7), DAY),
    );
    let first = limiter.check("a").await;
    assert_eq!((first.allowed, first.window, first.limit, first.remaining), (true, 0, 5, 4));
    let dear = limiter.check_cost("a", number(4)).await;
    assert_eq!((dear.allowed, dear.window, dear.remaining), (true, 0, 0));
    let refused = limiter.check("a").await;
    assert!(!refused.allowed && refused.window == 0, "{refused:?}");
    assert!(refused.retry_after > Duration::from_secs(600) && refused.retry_after <= HOUR / 5);

    // What the short window refuses is not charged to the long one.
    let limiter = RateLimiter::new(
        connect_patiently(&redis.url()).await,
        Quota::new("x", number(2), HOUR).and(number(3), DAY),
    );
    let results = [limiter.check("a").await, limiter.check("a").await, limiter.check("a").await];
    assert_eq!(
        results.map(|decision| (decision.allowed, decision.window)),
        [(true, 0), (true, 0), (false, 0)]
    );
    let ttl: i64 = redis.command(&["PTTL", "golive:limit:gcra:x:{a}"]).unwrap().parse().unwrap();
    let two_of_three = i64::try_from((DAY * 2 / 3).as_millis()).unwrap();
    assert!((two_of_three - 60_000..=two_of_three).contains(&ttl), "the long window keeps the key: {ttl}");

    // The long window is the tighter one from the start.
    let limiter = RateLimiter::new(
        connect_patiently(&redis.url()).await,
        Quota::new("y", number(9), HOUR).and(number(1), DAY),
    );
    assert_eq!((limiter.check("a").await.window, limiter.check("a").await.window), (1, 1));
}

/// Set in the processes that take from the limit.
const PROCESS: &str = "GOLIVE_TEST_LIMIT_URL";
/// A folder in which each of them says that it is there.
const MEETING: &str = "GOLIVE_TEST_LIMIT_MEETING";
const TWO_PROCESSES: &str = "two_processes_share_one_limit_exactly";

/// This test starts itself, twice.
#[test]
fn two_processes_share_one_limit_exactly() {
    #[expect(clippy::disallowed_methods, reason = "how a process is told that it is one of the two")]
    if let (Ok(url), Ok(meeting)) = (std::env::var(PROCESS), std::env::var(MEETING)) {
        return take_from_the_limit(&url, meeting.as_ref());
    }
    let redis = server(false);
    let meeting = tempfile::tempdir().unwrap();
    let attempt = || {
        let itself = ProcessSpec::new(std::env::current_exe().unwrap())
            .arguments(["--exact", TWO_PROCESSES, "--nocapture"])
            .environment([(PROCESS, redis.url()), (MEETING, meeting.path().display().to_string())]);
        let finished = run_to_end(itself, Duration::from_secs(60)).unwrap();
        let counted = finished.output.lines().find_map(|line| line.split("allowed: ").nth(1));
        counted.unwrap_or_else(|| panic!("{}", finished.output)).parse::<usize>().unwrap()
    };
    let (one, other) = std::thread::scope(|scope| {
        let other = scope.spawn(attempt);
        (attempt(), other.join().unwrap())
    });
    assert_eq!(one + other, 300, "{one} and {other} of 500 attempts each, at the same time");
}

#[tokio::main]
async fn take_from_the_limit(url: &str, meeting: &std::path::Path) {
    let cache = connect_patiently(url).await;
    let limiter = RateLimiter::new(cache, Quota::new("processes", number(300), DAY));
    std::fs::write(meeting.join(std::process::id().to_string()), "").unwrap();
    until("both processes are there", async || std::fs::read_dir(meeting).unwrap().count() == 2).await;
    let mut allowed = 0;
    for _ in 0..50 {
        let ten = std::array::from_fn::<_, 10, _>(|_| limiter.check("shared"));
        for decision in futures_util::future::join_all(ten).await {
            assert!(!decision.is_degraded());
            allowed += u32::from(decision.allowed);
        }
    }
    println!("allowed: {allowed}");
}

#[tokio::test]
async fn great_limits_hold_as_small_ones_do() {
    let redis = server(false);
    let limiter =
        RateLimiter::new(connect_patiently(&redis.url()).await, Quota::per_minute("great", 6_000_000));
    let all = limiter.check_cost("a", number(5_990_000)).await;
    assert!(all.allowed && !all.is_degraded(), "{all:?}");
    let refused = limiter.check_cost("a", number(5_000_000)).await;
    assert!(!refused.allowed && !refused.is_degraded(), "the key was kept: {refused:?}");
}

#[tokio::test]
async fn a_denied_key_is_not_asked_about_again_and_an_operator_frees_it() {
    let redis = server(false);
    let cache = connect_patiently(&redis.url()).await;
    let limiter = RateLimiter::new(cache.clone(), Quota::new("w", number(1), HOUR));
    assert!(limiter.check("a").await.allowed);
    assert_eq!(limiter.check("a").await.source, DecisionSource::Redis);
    let before = cache.stats().commands;
    for _ in 0..100 {
        let decision = limiter.check("a").await;
        assert!(!decision.allowed && decision.source == DecisionSource::Remembered);
    }
    assert_eq!(cache.stats().commands, before);
    limiter.forget("a").await.unwrap();
    assert!(limiter.check("a").await.allowed);
    let stats = limiter.stats();
    assert_eq!((stats.allowed, stats.denied, stats.degraded, stats.is_degraded), (2, 101, 0, false));
}

#[tokio::test]
async fn a_clock_set_back_does_not_shut_anybody_out() {
    let redis = server(false);
    let limiter = RateLimiter::new(connect_patiently(&redis.url()).await, Quota::new("w", number(2), HOUR));
    // As if the last request had come in the far future.
    redis.command(&["SET", "golive:limit:gcra:w:{a}", "99999999999999999"]).unwrap();
    let refused = limiter.check("a").await;
    assert!(!refused.allowed && refused.retry_after <= HOUR, "{refused:?}");
}

#[tokio::test]
async fn denied_on_outage_means_denied() {
    let redis = server(false);
    let limiter = RateLimiter::new(
        connect_patiently(&redis.url()).await,
        Quota::new("w", number(10), HOUR).deny_on_outage(),
    );
    assert!(limiter.check("a").await.allowed);
    redis.kill().unwrap();
    until("it is noticed", async || limiter.check("a").await.is_degraded()).await;
    let decision = limiter.check("a").await;
    assert!(!decision.allowed && decision.retry_after > Duration::ZERO);
}

#[tokio::test]
async fn of_a_thousand_spoofed_addresses_none_gets_more() {
    let redis = server(false);
    let limiter =
        RateLimiter::new(connect_patiently(&redis.url()).await, Quota::new("spoof", number(10), HOUR));
    let proxies = TrustedProxies::networks(vec!["10.0.0.0/8".parse().unwrap()]);
    let client = ClientAddress::new(proxies, ForwardedHeader::XForwardedFor);
    let (proxy, attacker): (IpAddr, IpAddr) = ("10.0.0.5".parse().unwrap(), "203.0.113.7".parse().unwrap());
    let mut allowed = 0;
    for i in 0..1_000_u32 {
        let forged = IpAddr::from((0x0100_0000 + i * 7919).to_be_bytes());
        let mut headers = HeaderMap::new();
        let peer = match i % 4 {
            0 => {
                // Straight to the service, past the proxy.
                headers.append("x-forwarded-for", HeaderValue::from_str(&forged.to_string()).unwrap());
                attacker
            }
            1 => {
                let value = format!("{forged}, 127.0.0.1, {attacker}");
                headers.append("x-forwarded-for", HeaderValue::from_str(&value).unwrap());
                proxy
            }
            2 => {
                headers.append("x-forwarded-for", HeaderValue::from_str(&forged.to_string()).unwrap());
                headers.append("x-forwarded-for", HeaderValue::from_str(&attacker.to_string()).unwrap());
                proxy
            }
            _ => {
                headers.append("forwarded", HeaderValue::from_str(&format!("for={forged}")).unwrap());
                headers.append("x-real-ip", HeaderValue::from_str(&forged.to_string()).unwrap());
                headers.append("x-forwarded-for", HeaderValue::from_static("::ffff:203.0.113.7"));
                proxy
            }
        };
        let key = AddressPrefix::default().key(client.of(peer, &headers));
        allowed += u32::from(limiter.check(&key).await.allowed);
    }
    assert_eq!(allowed, 10);
}

#[tokio::test]
async fn the_layer_tells_the_limit_and_answers_429_as_a_problem() {
    let redis = server(false);
    let limiter = RateLimiter::new(connect_patiently(&redis.url()).await, Quota::new("api", number(2), HOUR));
    let layer = RateLimitLayer::new(limiter, |request| {
        (request.uri.path() != "/health").then(|| RateKey::new("user-1").with_cost(NonZeroU32::MIN))
    });
    let service = layer.layer(service_fn(async |_request: Request<()>| {
        Ok::<_, Infallible>(Response::new("served".to_owned()))
    }));
    let call = async |path: &str| {
        let request = Request::builder().uri(path).body(()).unwrap();
        service.clone().oneshot(request).await.unwrap()
    };
    let first = call("/").await;
    assert_eq!(first.headers()["ratelimit-policy"], "\"api\";q=2;w=3600");
    assert_eq!(first.headers()["ratelimit"], "\"api\";r=1;t=1800");
    assert!(!first.headers().contains_key("retry-after"));
    call("/").await;
    let third = call("/").await;
    assert_eq!(
        (third.status().as_u16(), &third.headers()["content-type"]),
        (429, &HeaderValue::from_static("application/problem+json"))
    );
    let wait: u64 = third.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1_700..=1_800).contains(&wait), "{wait}");
    assert_eq!(third.headers()["ratelimit"].to_str().unwrap(), format!("\"api\";r=0;t={wait}"));
    let problem: serde_json::Value = serde_json::from_str(third.body()).unwrap();
    assert_eq!((problem["status"].as_u64(), problem["retry_after"].as_u64()), (Some(429), Some(wait)));
    let health = call("/health").await;
    assert!(health.status().is_success() && !health.headers().contains_key("ratelimit"));
}
