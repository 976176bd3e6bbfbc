//! Tokens with a real Redis behind them: what a request sees when it is there, stopped, restarted.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use golive_auth::{
    AuthenticateError, RefreshError, SecretKey, Subject, TokenKeys, TokenKind, TokenService, TokenSettings,
};
use golive_cache::{Cache, CacheOptions, RefreshFamilies, RevocationStore};
use golive_sandbox::{Redis, RedisOptions};
use secrecy::ExposeSecret;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

#[tokio::test]
async fn logout_holds_over_a_restart_and_an_outage_is_503() {
    let mut options = RedisOptions::new();
    options.append_only = true;
    let redis = Redis::start(&options).unwrap();
    let cache = Cache::connect(&CacheOptions::new(redis.url().into())).await.unwrap();
    let revocation = RevocationStore::new(cache.clone());
    revocation.prepare(at(0)).await.unwrap();
    let families = RefreshFamilies::new(cache.clone());
    let key = SecretKey::generate();
    let service = TokenService::new(TokenKeys::new(&key), TokenSettings::new("plant", "plant-api"));
    let subject = Subject::new("17", "rosa", "operator");

    let stays = service.start_session(&subject, &families, at(1)).await.unwrap();
    let leaves = service.start_session(&subject, &families, at(1)).await.unwrap();
    let authenticate = async |token: &secrecy::SecretString| {
        service.authenticate(token.expose_secret(), TokenKind::Access, &revocation, at(10)).await
    };
    assert!(authenticate(&leaves.access.token).await.is_ok());
    service.end_session(&leaves.access.claims, &families, &revocation).await.unwrap();
    assert!(matches!(authenticate(&leaves.access.token).await, Err(AuthenticateError::Revoked)));
    let ended = service.refresh(&leaves.refresh.claims, &subject, &families, at(10)).await;
    assert!(matches!(ended, Err(RefreshError::Ended)));

    redis.kill().unwrap();
    let away = authenticate(&stays.access.token).await.unwrap_err();
    assert!(matches!(away, AuthenticateError::Unavailable(_)));
    assert_eq!(away.http_status(), 503);
    let away = service.refresh(&stays.refresh.claims, &subject, &families, at(10)).await;
    assert!(matches!(away, Err(RefreshError::Unavailable(_))));
    assert!(service.end_session(&stays.access.claims, &families, &revocation).await.is_err());

    redis.start_again().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while cache.ping().await.is_err() {
        assert!(Instant::now() < deadline, "never connected again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(matches!(authenticate(&leaves.access.token).await, Err(AuthenticateError::Revoked)));
    assert!(authenticate(&stays.access.token).await.is_ok());
    let next = service.refresh(&stays.refresh.claims, &subject, &families, at(10)).await.unwrap();
    let replayed = service.refresh(&stays.refresh.claims, &subject, &families, at(15)).await.unwrap();
    assert_eq!(next.refresh.token.expose_secret(), replayed.refresh.token.expose_secret());
    let late = at(15) + TimeDelta::seconds(30);
    let stolen = service.refresh(&stays.refresh.claims, &subject, &families, late).await;
    assert!(matches!(stolen, Err(RefreshError::Reused)));
}
