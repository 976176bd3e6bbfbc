//! A key ring in a file that several instances follow, and what others see of it.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use golive_auth::{
    Cutover, KeyAlgorithm, KeyRing, KeyRingFile, KeyState, Subject, TokenKeys, TokenKind, TokenService,
    TokenSettings, VerifyTokenError,
};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::ExposeSecret;
use serde_json::Value;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn service(file: &KeyRingFile) -> TokenService {
    TokenService::new(TokenKeys::watch(file.clone()).unwrap(), TokenSettings::new("plant", "plant-api"))
}

fn token(service: &TokenService) -> String {
    let issued = service.issue_access(&Subject::new("17", "rosa", "operator"), now()).unwrap();
    issued.token.expose_secret().to_owned()
}

fn verify(service: &TokenService, token: &str) -> Result<(), VerifyTokenError> {
    service.verify(token, TokenKind::Access, now()).map(drop)
}

/// Asks until the answer is as wanted.
fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn instances_follow_a_rotation_without_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let file = KeyRingFile::at(directory.path().join("ring.json"));
    file.create(&KeyRing::generate(KeyAlgorithm::Hs256, now())).unwrap();
    let (one, two) = (service(&file), service(&file));
    let old = token(&one);
    assert_eq!(verify(&two, &old), Ok(()));

    let overlap = Cutover::Overlap(Duration::from_secs(3600));
    let rotated = file.change(|ring| ring.rotate(overlap, now())).unwrap();
    // A third instance starts and signs with the new key: the others meet a key that they do not know.
    let new = token(&service(&file));
    wait_for("the unknown key makes them look", || verify(&one, &new).is_ok() && verify(&two, &new).is_ok());
    assert_eq!(one.keys().current_id(), rotated.active);
    assert_eq!(verify(&one, &old), Ok(()), "the old key overlaps");

    file.change(|ring| ring.rotate(Cutover::Immediate, now())).unwrap();
    wait_for("the cut is seen without any new token", || {
        verify(&one, &new) == Err(VerifyTokenError::UnknownKey)
            && verify(&two, &old) == Err(VerifyTokenError::UnknownKey)
    });
    assert_eq!(verify(&two, &token(&one)), Ok(()));
}

#[test]
fn others_verify_with_the_published_keys_and_only_with_usable_ones() {
    for (algorithm, theirs) in
        [(KeyAlgorithm::EdDsa, Algorithm::EdDSA), (KeyAlgorithm::Es256, Algorithm::ES256)]
    {
        let mut ring = KeyRing::generate(algorithm, now());
        ring.stage(algorithm, now());
        let staged = ring.keys().into_iter().find(|key| key.state == KeyState::Next).unwrap();
        let service = TokenService::new(TokenKeys::from_ring(ring), TokenSettings::new("plant", "plant-api"));
        let token = token(&service);
        let document = service.keys().jwks(now()).to_string();
        assert!(!document.contains("\"d\""));
        let set: JwkSet = serde_json::from_str(&document).unwrap();
        assert!(set.find(&staged.id).is_some(), "the next key is published before it signs");
        let kid = jsonwebtoken::decode_header(&token).unwrap().kid.unwrap();
        let key = DecodingKey::from_jwk(set.find(&kid).unwrap()).unwrap();
        let mut validation = Validation::new(theirs);
        validation.set_issuer(&["plant"]);
        validation.set_audience(&["plant-api"]);
        validation.validate_exp = false;
        assert_eq!(
            jsonwebtoken::decode::<Value>(&token, &key, &validation).unwrap().claims["username"],
            "rosa"
        );
        assert_eq!(verify(&service, &token), Ok(()));
    }
}

/// The classic: a public key used as the secret of an HMAC.
#[test]
fn a_public_key_is_no_secret() {
    let ring = KeyRing::generate(KeyAlgorithm::EdDsa, now());
    let jwk = ring.jwks(now())["keys"][0].clone();
    let service = TokenService::new(TokenKeys::from_ring(ring), TokenSettings::new("plant", "plant-api"));
    let good = token(&service);
    let claims: Value = jsonwebtoken::dangerous::insecure_decode::<Value>(&good).unwrap().claims;
    let public = jwk["x"].as_str().unwrap();
    for secret in [public.as_bytes().to_vec(), jwk.to_string().into_bytes()] {
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some("at+jwt".to_owned());
        header.kid = jwk["kid"].as_str().map(str::to_owned);
        let forged = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(&secret)).unwrap();
        assert_eq!(verify(&service, &forged), Err(VerifyTokenError::Algorithm));
        // The same signature under the header of the real key.
        let real = good.split_once('.').unwrap().0;
        let (_, rest) = forged.split_once('.').unwrap();
        assert!(matches!(
            verify(&service, &format!("{real}.{rest}")),
            Err(VerifyTokenError::Signature | VerifyTokenError::Malformed)
        ));
    }
}
