//! Tokens with a real Redis behind them: what a request sees when it is there, stopped, restarted.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use golive_auth::{
    AuthenticateError, IssuedToken, RefreshError, Revocation, SecretKey, SqlRevocation, Subject, TokenKeys,
    TokenKind, TokenService, TokenSettings,
};
use golive_cache::{Cache, CacheOptions, RefreshFamilies, RevocationStore};
use golive_sandbox::{MariaDb, MariaDbOptions, Redis, RedisOptions};
use sea_orm::Database;
use secrecy::ExposeSecret;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

#[tokio::test]
async fn logout_holds_over_a_restart_and_an_outage_is_503() {
    let mut options = RedisOptions::new();
    options.append_only = true;
    // A disk that stands still holds up what is written each second: a kill would lose it.
    options.settings = vec!["appendfsync always".to_owned()];
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
    let tries = service.start_session(&subject, &families, at(1)).await.unwrap();
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
    assert!(service.end_session(&tries.access.claims, &families, &revocation).await.is_err());

    redis.start_again().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    // Until the server that came back has been looked at, the answer is 503; never is the revoked token accepted.
    while let Err(error) = authenticate(&stays.access.token).await {
        assert_eq!(error.http_status(), 503);
        assert!(authenticate(&leaves.access.token).await.is_err());
        assert!(Instant::now() < deadline, "never connected again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(matches!(authenticate(&leaves.access.token).await, Err(AuthenticateError::Revoked)));
    let told = authenticate(&tries.access.token).await;
    assert!(
        matches!(told, Err(AuthenticateError::Revoked)),
        "a logout that was not confirmed counts here at least"
    );
    let next = service.refresh(&stays.refresh.claims, &subject, &families, at(10)).await.unwrap();
    let replayed = service.refresh(&stays.refresh.claims, &subject, &families, at(15)).await.unwrap();
    assert_eq!(next.refresh.token.expose_secret(), replayed.refresh.token.expose_secret());
    let late = at(15) + TimeDelta::seconds(30);
    let stolen = service.refresh(&stays.refresh.claims, &subject, &families, late).await;
    assert!(matches!(stolen, Err(RefreshError::Reused)));
}

#[expect(clippy::disallowed_methods, reason = "the journal's entries expire by the clock")]
fn now() -> DateTime<Utc> {
    Utc::now()
}

#[tokio::test]
async fn a_redis_that_forgot_everything_is_filled_from_the_journal_in_sql() {
    let mut options = MariaDbOptions::new();
    options.databases = vec!["plant".to_owned()];
    let server = MariaDb::start(&options).unwrap();
    let journal = SqlRevocation::new(Database::connect(server.url("plant")).await.unwrap());
    journal.create_table().await.unwrap();
    let redis = Redis::start(&RedisOptions::new()).unwrap();
    let cache = Cache::connect(&CacheOptions::new(redis.url().into())).await.unwrap();
    let store = || RevocationStore::new(cache.clone()).with_journal(Arc::new(journal.clone()), now);
    let revocation = store();
    revocation.prepare(now()).await.unwrap();

    let service =
        TokenService::new(TokenKeys::new(&SecretKey::generate()), TokenSettings::new("plant", "plant-api"));
    let subject = |id: &str, tenant: &str| {
        let mut subject = Subject::new(id, "rosa", "operator");
        subject.client_id = Some(tenant.to_owned());
        subject
    };
    let issued = |id: &str, tenant: &str| {
        service.issue_access(&subject(id, tenant), now() - TimeDelta::seconds(5)).unwrap()
    };
    let (token, session) = (issued("1", "NORTH"), issued("2", "NORTH"));
    let (user, tenant, stays) = (issued("3", "NORTH"), issued("4", "SOUTH"), issued("5", "NORTH"));
    let life = Duration::from_secs(900);
    let asked: &dyn Revocation = &revocation;
    asked.revoke_token(&token.claims.jti, life).await.unwrap();
    asked.revoke_session(&session.claims.sid, life).await.unwrap();
    asked.revoke_user_before("3", now()).await.unwrap();
    asked.revoke_tenant_before("SOUTH", now()).await.unwrap();

    // Another instance, which revoked nothing itself, so that only Redis and the journal can tell it.
    let other = store();
    redis.command(&["FLUSHALL"]).unwrap();
    let ask = async |issued: &IssuedToken| {
        service.authenticate(issued.token.expose_secret(), TokenKind::Access, &other, now()).await
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        for ended in [&token, &session, &user, &tenant] {
            assert!(ask(ended).await.is_err(), "nothing revoked is ever accepted");
        }
        match ask(&stays).await {
            Ok(_) => break,
            Err(error) => assert_eq!(error.http_status(), 503, "closed, and nobody is sent to log in again"),
        }
        assert!(Instant::now() < deadline, "never filled again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for ended in [&token, &session, &user, &tenant] {
        assert!(matches!(ask(ended).await, Err(AuthenticateError::Revoked)));
    }
}
