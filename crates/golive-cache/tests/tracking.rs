//! With client tracking a check asks only for what it does not know, and still never accepts what is revoked: real
//! servers, two connections, one of which revokes behind the other's back. The faults of a server are in `faults.rs`.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use golive_cache::{Cache, RevocationStatus, RevocationStore};
use golive_sandbox::{Redis, RedisCluster};
use support::{MemoryJournal, at, clock, connect_patiently, of_token, options, server, token, until};

async fn connect_tracking(url: &str) -> Cache {
    let mut options = options(url);
    options.command_timeout = Duration::from_secs(10);
    options.client_tracking = true;
    Cache::connect(&options).await.unwrap()
}

/// A store that remembers, and one that does not.
async fn stores(redis: &Redis) -> (RevocationStore, RevocationStore) {
    let remembering = RevocationStore::new(connect_tracking(&redis.url()).await);
    let other = RevocationStore::new(connect_patiently(&redis.url()).await);
    remembering.prepare(at(0)).await.unwrap();
    (remembering, other)
}

/// Keys that one check asks Redis for, besides the two of every check, as the server saw it.
async fn asked(redis: &Redis, store: &RevocationStore, id: &str) -> usize {
    redis.command(&["SLOWLOG", "RESET"]).unwrap();
    redis.command(&["CONFIG", "SET", "slowlog-log-slower-than", "0"]).unwrap();
    store.status(&token(id), clock()).await.unwrap();
    redis.command(&["CONFIG", "SET", "slowlog-log-slower-than", "-1"]).unwrap();
    let log = redis.command(&["SLOWLOG", "GET", "100"]).unwrap();
    let call = log.lines().skip_while(|line| *line != "MGET").skip(1);
    call.take_while(|line| line.contains("{revoked}")).count() - 2
}

#[tokio::test]
async fn what_is_known_is_confirmed_and_not_asked_for() {
    let redis = server(false);
    let (remembering, other) = stores(&redis).await;
    assert_eq!(asked(&redis, &remembering, "good").await, 4, "token, user, session, tenant");
    assert_eq!(asked(&redis, &remembering, "good").await, 0);
    assert_eq!(asked(&redis, &remembering, "another").await, 4);
    assert_eq!(asked(&redis, &other, "good").await, 4);
    assert_eq!(asked(&redis, &other, "good").await, 4, "without tracking everything is asked for");
}

#[tokio::test]
async fn every_kind_of_revocation_by_another_counts_at_once() {
    let redis = server(false);
    let (remembering, other) = stores(&redis).await;
    let status = async |id: &str| remembering.status(&token(id), clock()).await.unwrap();
    let hour = Duration::from_secs(3600);
    for round in 0..200 {
        let id = format!("token-{round}");
        assert_eq!(status(&id).await, RevocationStatus::Active);
        other.revoke_token(&id, hour).await.unwrap();
        assert_eq!(status(&id).await, RevocationStatus::TokenRevoked, "round {round}");
    }
    assert_eq!(status("good").await, RevocationStatus::Active);
    other.revoke_session("session-1", hour).await.unwrap();
    assert_eq!(status("good").await, RevocationStatus::SessionRevoked);
    other.revoke_user_before("user-1", at(1_000)).await.unwrap();
    assert_eq!(status("good").await, RevocationStatus::SessionRevoked, "issued at the cutoff, not before it");
    other.revoke_user_before("user-1", at(1_001)).await.unwrap();
    assert_eq!(status("good").await, RevocationStatus::UserRevoked);
    other.revoke_tenant_before("tenant-1", at(1_001)).await.unwrap();
    assert_eq!(status("good").await, RevocationStatus::TenantRevoked);
    other.revoke_all_before(at(1_001)).await.unwrap();
    assert_eq!(status("good").await, RevocationStatus::AllRevoked);
}

#[tokio::test]
async fn under_a_crowd_no_check_that_begins_after_a_revocation_passes() {
    const TOKENS: usize = 40;
    let redis = server(false);
    let (remembering, other) = stores(&redis).await;
    let mut crowd = tokio::task::JoinSet::new();
    let (revoked, _) = tokio::sync::watch::channel(0_usize);
    for worker in 0..32 {
        let (store, revoked) = (remembering.clone(), revoked.subscribe());
        crowd.spawn(async move {
            let mut accepted = 0_usize;
            for round in 0_usize.. {
                let before = *revoked.borrow();
                let which = (worker + round) % TOKENS;
                let is_revoked = store.is_revoked(&token(&format!("t{which}")), clock()).await.unwrap();
                assert!(is_revoked || which >= before, "t{which} was revoked before it was asked about");
                accepted += usize::from(!is_revoked);
                if before == TOKENS && round % TOKENS == 0 {
                    break;
                }
            }
            accepted
        });
    }
    for which in 0..TOKENS {
        tokio::time::sleep(Duration::from_millis(3)).await;
        other.revoke_token(&format!("t{which}"), Duration::from_secs(3600)).await.unwrap();
        revoked.send_replace(which + 1);
    }
    let accepted: usize = crowd.join_all().await.into_iter().sum();
    assert!(accepted > 0, "something was asked about while it was good");
}

#[tokio::test]
async fn a_store_emptied_and_opened_again_by_another_is_not_what_is_remembered() {
    let redis = server(false);
    let (remembering, other) = stores(&redis).await;
    let token = golive_cache::TokenFacts::new("later", "user-1", at(1_000));
    assert_eq!(remembering.status(&token, clock()).await.unwrap(), RevocationStatus::Active);
    assert_eq!(remembering.status(&token, clock()).await.unwrap(), RevocationStatus::Active);
    redis.command(&["FLUSHALL"]).unwrap();
    assert!(other.prepare(at(0)).await.unwrap(), "at the same time as the first");
    // What the server knew to tell of went with the rest: nobody is told of this.
    other.revoke_token("later", Duration::from_secs(3600)).await.unwrap();
    assert_eq!(remembering.status(&token, clock()).await.unwrap(), RevocationStatus::TokenRevoked);
}

#[tokio::test]
async fn what_is_remembered_ends_with_the_connection() {
    let redis = server(false);
    let journal = Arc::new(MemoryJournal::default());
    let remembering = RevocationStore::new(connect_tracking(&redis.url()).await);
    let remembering = remembering.with_journal(journal.clone(), clock);
    remembering.prepare(clock()).await.unwrap();
    let other = RevocationStore::new(connect_patiently(&redis.url()).await).with_journal(journal, clock);
    other.prepare(clock()).await.unwrap();
    for round in 0..20 {
        let id = format!("token-{round}");
        let served = async || remembering.is_revoked(&token(&id), clock()).await;
        until("served", async || served().await.is_ok()).await;
        assert!(!served().await.unwrap());
        redis.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).unwrap();
        until("revoked", async || other.revoke(&of_token(&id), clock()).await.unwrap().propagated).await;
        let answer = served().await;
        assert_ne!(answer.as_ref().ok(), Some(&false), "round {round}: a revoked token was accepted");
        until("served again", async || served().await.ok() == Some(true)).await;
    }
}

#[tokio::test]
async fn a_server_that_may_not_tell_is_asked_for_everything() {
    let redis = server(false);
    redis
        .command(&["ACL", "SETUSER", "limited", "on", ">secret", "~*", "+@all", "-client|tracking"])
        .unwrap();
    let url = redis.url();
    let host = url.rsplit('@').next().unwrap();
    let limited = RevocationStore::new(connect_tracking(&format!("redis://limited:secret@{host}")).await);
    limited.prepare(at(0)).await.unwrap();
    for _ in 0..3 {
        assert_eq!(asked(&redis, &limited, "good").await, 4);
    }
}

#[tokio::test]
async fn in_a_cluster_everything_is_asked_for() {
    let cluster = RedisCluster::start(3).unwrap();
    let (remembering, other) =
        (connect_tracking(&cluster.url()).await, connect_patiently(&cluster.url()).await);
    let (remembering, other) = (RevocationStore::new(remembering), RevocationStore::new(other));
    remembering.prepare(at(0)).await.unwrap();
    for round in 0..20 {
        let id = format!("token-{round}");
        assert!(!remembering.is_revoked(&token(&id), clock()).await.unwrap());
        other.revoke_token(&id, Duration::from_secs(3600)).await.unwrap();
        assert!(remembering.is_revoked(&token(&id), clock()).await.unwrap());
    }
}

#[tokio::test]
async fn a_bounded_staleness_spares_the_question_and_news_still_counts() {
    let redis = server(false);
    let (remembering, other) = stores(&redis).await;
    let patient = remembering.with_max_staleness(Duration::from_secs(3600));
    assert!(!patient.is_revoked(&token("good"), clock()).await.unwrap());
    let asked_until_now = commands(&redis);
    for _ in 0..1_000 {
        assert!(!patient.is_revoked(&token("good"), clock()).await.unwrap());
    }
    assert!(commands(&redis) < asked_until_now + 500, "the watchdog's and ours of asking, not one a check");
    other.revoke_token("good", Duration::from_secs(3600)).await.unwrap();
    until("told", async || patient.is_revoked(&token("good"), clock()).await.unwrap()).await;
    let brief = patient.with_max_staleness(Duration::from_nanos(1));
    assert_eq!(asked(&redis, &brief, "other").await, 4);
    assert_eq!(asked(&redis, &brief, "other").await, 0, "confirmed, as the proof is too old");
}

fn commands(redis: &Redis) -> u64 {
    let info = redis.command(&["INFO", "commandstats"]).unwrap();
    let calls =
        info.lines().filter_map(|line| line.split("calls=").nth(1)?.split(',').next()?.parse::<u64>().ok());
    calls.sum()
}
