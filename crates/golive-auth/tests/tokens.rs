//! Tokens: what is accepted, and every way in that must stay shut.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use golive_auth::{
    AuthenticateError, MemoryRefreshStore, MemoryRevocation, RefreshError, Revocation, SecretKey, Subject,
    TokenKeys, TokenKind, TokenService, TokenSettings, VerifyTokenError,
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::ExposeSecret;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn later(seconds: i64) -> DateTime<Utc> {
    now() + TimeDelta::seconds(seconds)
}

fn subject() -> Subject {
    let mut subject = Subject::new("17", "rosa", "operator");
    subject.client_id = Some("NORTH".to_owned());
    subject
}

fn service(key: &SecretKey) -> TokenService {
    TokenService::new(TokenKeys::new(key), TokenSettings::new("plant", "plant-api"))
}

fn claims() -> Value {
    json!({
        "iss": "plant", "aud": "plant-api", "sub": "17", "jti": "t", "sid": "s", "iat": now().timestamp(),
        "iat_ms": now().timestamp_millis(), "nbf": now().timestamp(), "exp": now().timestamp() + 900,
        "sxp": now().timestamp() + 900, "typ": "access", "username": "rosa", "role": "operator", "client_id": null,
        "must_change_password": false,
    })
}

fn header(key: &SecretKey) -> Header {
    let mut header = Header::new(Algorithm::HS256);
    header.typ = Some("at+jwt".to_owned());
    header.kid = Some(key.fingerprint());
    header
}

fn signing(key: &SecretKey) -> EncodingKey {
    EncodingKey::from_secret(key.dangerous_expose().as_bytes())
}

/// A token signed with the right key, whatever it says.
fn forge(key: &SecretKey, algorithm: Algorithm, claims: &Value, change: impl FnOnce(&mut Header)) -> String {
    let mut header = header(key);
    header.alg = algorithm;
    change(&mut header);
    jsonwebtoken::encode(&header, claims, &signing(key)).unwrap()
}

/// Claims with the user given twice.
struct Twice(Value);

impl Serialize for Twice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let claims = self.0.as_object().unwrap();
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in claims.iter().chain([(&"sub".to_owned(), &json!("1"))]) {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

#[test]
fn a_token_says_what_was_put_in() {
    let service = service(&SecretKey::generate());
    let issued = service.issue_access(&subject(), now()).unwrap();
    let token = issued.token.expose_secret();
    let claims = service.verify(token, TokenKind::Access, later(60)).unwrap();
    assert_eq!(claims.subject(), subject());
    assert_eq!(claims.facts().issued_at, now());
    assert!(!format!("{issued:?} {service:?}").contains(token));
    let ttl = service.revocation_ttl(&claims, later(60));
    assert_eq!(ttl, Duration::from_secs(840 + 5 + 30), "remaining life, leeway, margin");
}

#[test]
fn times_are_checked_with_the_leeway_and_no_more() {
    let service = service(&SecretKey::generate());
    let issued = service.issue_access(&subject(), now()).unwrap();
    let verify = |at| service.verify(issued.token.expose_secret(), TokenKind::Access, at).map(|_| ());
    assert_eq!(verify(later(904)), Ok(()));
    assert_eq!(verify(later(905)), Err(VerifyTokenError::Expired));
    assert_eq!(verify(later(-5)), Ok(()));
    assert_eq!(verify(later(-6)), Err(VerifyTokenError::NotYetValid));
}

#[test]
fn another_key_refuses_and_a_retiring_one_accepts_until_its_time() {
    let (old, new) = (SecretKey::generate(), SecretKey::generate());
    let issued = service(&old).issue_access(&subject(), now()).unwrap();
    let token = issued.token.expose_secret();
    let cut = service(&new).verify(token, TokenKind::Access, now());
    assert_eq!(cut.unwrap_err(), VerifyTokenError::UnknownKey);
    let keys = TokenKeys::with_retiring(&new, &[(&old, later(100))]);
    let overlap = TokenService::new(keys, TokenSettings::new("plant", "plant-api"));
    assert!(overlap.verify(token, TokenKind::Access, later(99)).is_ok());
    assert_eq!(
        overlap.verify(token, TokenKind::Access, later(100)).unwrap_err(),
        VerifyTokenError::UnknownKey
    );
}

#[test]
fn attacks_are_refused() {
    let key = SecretKey::generate();
    let service = service(&key);
    let verify = |token: &str| service.verify(token, TokenKind::Access, now()).map(|_| ()).unwrap_err();
    let plain = |change: fn(&mut Value)| {
        let mut claims = claims();
        change(&mut claims);
        forge(&key, Algorithm::HS256, &claims, |_| ())
    };
    let good = plain(|_| ());
    assert!(service.verify(&good, TokenKind::Access, now()).is_ok(), "the forge works");

    assert_eq!(verify(&forge(&key, Algorithm::HS512, &claims(), |_| ())), VerifyTokenError::Algorithm);
    let (_header, rest) = good.split_once('.').unwrap();
    // {"alg":"none","typ":"at+jwt"}
    let none = format!("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{rest}");
    assert!(matches!(verify(&none), VerifyTokenError::Algorithm | VerifyTokenError::Malformed));
    for kid in [None, Some("../../dev/null".to_owned()), Some("' OR 1=1 --".to_owned()), Some(String::new())]
    {
        let token = forge(&key, Algorithm::HS256, &claims(), |header| header.kid = kid);
        assert_eq!(verify(&token), VerifyTokenError::UnknownKey);
    }
    let critical = forge(&key, Algorithm::HS256, &claims(), |header| header.crit = Some(vec!["x".into()]));
    assert_eq!(verify(&critical), VerifyTokenError::Malformed);
    let key_from_elsewhere =
        forge(&key, Algorithm::HS256, &claims(), |header| header.jku = Some("https://x.example".into()));
    assert_eq!(verify(&key_from_elsewhere), VerifyTokenError::Malformed);
    let typ = forge(&key, Algorithm::HS256, &claims(), |header| header.typ = Some("JWT".into()));
    assert_eq!(verify(&typ), VerifyTokenError::Kind);

    assert_eq!(verify(&plain(|c| c["iss"] = json!("other"))), VerifyTokenError::Issuer);
    assert_eq!(verify(&plain(|c| c["aud"] = json!("other"))), VerifyTokenError::Audience);
    assert_eq!(verify(&plain(|c| c["typ"] = json!("refresh"))), VerifyTokenError::Kind);
    for claim in ["iss", "aud", "sub", "jti", "sid", "iat", "iat_ms", "nbf", "exp", "typ", "role"] {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(claim);
        assert_eq!(
            verify(&forge(&key, Algorithm::HS256, &claims, |_| ())),
            VerifyTokenError::Malformed,
            "{claim}"
        );
    }
    assert_eq!(verify(&plain(|c| c["iat"] = json!(1_900_000_000))), VerifyTokenError::NotYetValid);
    for cut in 1..43 {
        let refused = verify(&good[..good.len() - cut]);
        assert!(matches!(refused, VerifyTokenError::Signature | VerifyTokenError::Malformed), "{cut}");
    }
    let twice = Twice(claims());
    let token = jsonwebtoken::encode(&header(&key), &twice, &signing(&key)).unwrap();
    assert_eq!(verify(&token), VerifyTokenError::Malformed);
    assert_eq!(verify(&format!("{good}=")), VerifyTokenError::Malformed);
    let other = plain(|c| c["sub"] = json!("1"));
    let payload = other.split('.').nth(1).unwrap();
    let parts: Vec<&str> = good.split('.').collect();
    assert_eq!(verify(&format!("{}.{payload}.{}", parts[0], parts[2])), VerifyTokenError::Signature);
    assert_eq!(verify(&"a".repeat(5000)), VerifyTokenError::TooLong);
    for junk in ["", ".", "..", "...", "a.b.c", "{}", "\u{0}\u{0}.\u{0}.\u{0}"] {
        assert_eq!(verify(junk), VerifyTokenError::Malformed, "{junk:?}");
    }
}

#[tokio::test]
async fn refresh_tokens_rotate_and_a_stolen_one_ends_the_session() {
    let service = service(&SecretKey::generate());
    let (store, revocation) = (MemoryRefreshStore::new(), MemoryRevocation::new());
    let first = service.start_session(&subject(), &store, now()).await.unwrap();
    let refresh = async |claims, at| service.refresh(claims, &subject(), &store, at).await;

    let second = refresh(&first.refresh.claims, later(60)).await.unwrap();
    let replayed = refresh(&first.refresh.claims, later(65)).await.unwrap();
    assert_eq!(
        second.refresh.token.expose_secret(),
        replayed.refresh.token.expose_secret(),
        "two tabs get the same successor"
    );
    let reused = refresh(&first.refresh.claims, later(120)).await;
    assert!(matches!(reused, Err(RefreshError::Reused)));
    let ended = refresh(&second.refresh.claims, later(120)).await;
    assert!(matches!(ended, Err(RefreshError::Reused)), "for the owner as well");
    service.end_session(&first.refresh.claims, &store, &revocation).await.unwrap();
    let token = second.access.token.expose_secret();
    let refused = service.authenticate(token, TokenKind::Access, &revocation, later(121)).await.unwrap_err();
    assert!(matches!(refused, AuthenticateError::Revoked));
    assert_eq!(refused.http_status(), 401);
    let other = Subject::new("18", "juan", "operator");
    let swapped = service.refresh(&first.refresh.claims, &other, &store, later(60)).await;
    assert!(matches!(swapped, Err(RefreshError::OtherUser)));
    let access = service.refresh(&first.access.claims, &subject(), &store, later(60)).await;
    assert!(access.is_err(), "an access token refreshes nothing");
}

#[tokio::test]
async fn a_session_ends_however_often_it_is_refreshed() {
    let mut settings = TokenSettings::new("plant", "plant-api");
    settings.refresh_lifetime = Duration::from_secs(1000);
    settings.session_lifetime = Duration::from_secs(1500);
    let service = TokenService::new(TokenKeys::new(&SecretKey::generate()), settings);
    let store = MemoryRefreshStore::new();
    let first = service.start_session(&subject(), &store, now()).await.unwrap();
    let second = service.refresh(&first.refresh.claims, &subject(), &store, later(900)).await.unwrap();
    assert_eq!(second.refresh.claims.exp, later(1500).timestamp());
    assert_eq!(second.access.claims.exp, later(1500).timestamp());
}

#[tokio::test]
async fn cutoffs_revoke_what_came_before_and_not_what_comes_after() {
    let service = service(&SecretKey::generate());
    let revocation = MemoryRevocation::new();
    let old = service.issue_access(&subject(), now()).unwrap();
    let change = now() + TimeDelta::milliseconds(300);
    revocation.revoke_user_before("17", change).await.unwrap();
    // Within the same second, at the moment of the change.
    let new = service.issue_access(&subject(), change).unwrap();
    let authenticate =
        async |token: &str| service.authenticate(token, TokenKind::Access, &revocation, later(1)).await;
    assert!(matches!(authenticate(old.token.expose_secret()).await, Err(AuthenticateError::Revoked)));
    assert!(authenticate(new.token.expose_secret()).await.is_ok());
    revocation.revoke_tenant_before("NORTH", later(1)).await.unwrap();
    assert!(matches!(authenticate(new.token.expose_secret()).await, Err(AuthenticateError::Revoked)));
}

#[test]
fn an_account_that_must_change_its_password_gets_a_token_for_that_only() {
    let service = service(&SecretKey::generate());
    let mut subject = subject();
    subject.must_change_password = true;
    let restricted = service.issue_access(&subject, now()).unwrap();
    let token = restricted.token.expose_secret();
    let refused = service.verify(token, TokenKind::Access, now()).unwrap_err();
    assert_eq!(refused, VerifyTokenError::PasswordChangeRequired);
    assert_eq!(AuthenticateError::from(refused).http_status(), 403);
    assert!(service.verify(token, TokenKind::PasswordChange, now()).is_ok());
    assert_eq!(service.verify(token, TokenKind::Refresh, now()).unwrap_err(), VerifyTokenError::Kind);
    let full = service.issue_access(&self::subject(), now()).unwrap();
    assert!(service.verify(full.token.expose_secret(), TokenKind::PasswordChange, now()).is_ok());
    let refresh = service.issue_refresh(&self::subject(), now()).unwrap();
    let swapped =
        service.verify(refresh.token.expose_secret(), TokenKind::PasswordChange, now()).unwrap_err();
    assert_eq!(swapped, VerifyTokenError::Kind);
}
