//! Our reader of tokens against jsonwebtoken's, over tokens that are a little wrong: what one accepts the other accepts,
//! and junk never panics. `PROPTEST_CASES=1000000` makes a long run of it.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use golive_auth::{
    Claims, Cutover, KeyAlgorithm, KeyRing, SecretKey, TokenKeys, TokenKind, TokenService, TokenSettings,
    verify_password,
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use proptest::prelude::*;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

const NOW: i64 = 1_800_000_000;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(NOW, 0).unwrap()
}

struct Key {
    id: String,
    algorithm: Algorithm,
    signs: EncodingKey,
    verifies: DecodingKey,
}

struct World {
    service: TokenService,
    /// All but the last are in the ring and usable.
    keys: Vec<Key>,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let mut ring = KeyRing::from_secret(&SecretKey::generate(), now());
    ring.stage(KeyAlgorithm::EdDsa, now());
    ring.rotate(Cutover::Overlap(Duration::from_secs(3600)), now());
    ring.stage(KeyAlgorithm::Es256, now());
    let mut keys = keys_of(&ring);
    keys.extend(keys_of(&KeyRing::generate(KeyAlgorithm::Hs256, now())));
    let service = TokenService::new(TokenKeys::from_ring(ring), TokenSettings::new("plant", "plant-api"));
    World { service, keys }
});

fn keys_of(ring: &KeyRing) -> Vec<Key> {
    let stored: Value = serde_json::from_str(ring.to_secret_json().expose_secret()).unwrap();
    let jwks = ring.jwks(now());
    let key = |key: &Value| {
        let text = |name: &str| key[name].as_str().unwrap().to_owned();
        let (id, secret) = (text("kid"), text("secret"));
        let public = |id: &str| {
            let found = jwks["keys"].as_array().unwrap().iter().find(|jwk| jwk["kid"] == id).unwrap();
            DecodingKey::from_jwk(&serde_json::from_value(found.clone()).unwrap()).unwrap()
        };
        let der = || URL_SAFE_NO_PAD.decode(&secret).unwrap();
        let (algorithm, signs, verifies) = match text("alg").as_str() {
            "EdDSA" => (Algorithm::EdDSA, EncodingKey::from_ed_der(&der()), public(&id)),
            "ES256" => (Algorithm::ES256, EncodingKey::from_ec_der(&der()), public(&id)),
            _ => {
                let secret = secret.as_bytes();
                (Algorithm::HS256, EncodingKey::from_secret(secret), DecodingKey::from_secret(secret))
            }
        };
        Key { id, algorithm, signs, verifies }
    };
    stored["keys"].as_array().unwrap().iter().map(key).collect()
}

/// The same rules, by jsonwebtoken and one at a time.
fn oracle(token: &str, expected: TokenKind) -> Option<Claims> {
    let world = &*WORLD;
    if token.len() > world.service.settings().max_token_bytes {
        return None;
    }
    let header = jsonwebtoken::decode_header(token).ok()?;
    if header.crit.is_some() || header.jwk.is_some() || header.jku.is_some() || header.x5u.is_some() {
        return None;
    }
    let usable = &world.keys[..world.keys.len() - 1];
    let key = usable.iter().find(|key| Some(&key.id) == header.kid.as_ref())?;
    let mut validation = Validation::new(key.algorithm);
    validation.set_issuer(&["plant"]);
    validation.set_audience(&["plant-api"]);
    validation.validate_exp = false;
    let claims = jsonwebtoken::decode::<Claims>(token, &key.verifies, &validation).ok()?.claims;
    let (typ, wanted) = match claims.typ {
        TokenKind::Access => ("at+jwt", expected != TokenKind::Refresh && !claims.must_change_password),
        TokenKind::Refresh => ("rt+jwt", expected == TokenKind::Refresh),
        _ => ("pc+jwt", expected == TokenKind::PasswordChange),
    };
    let change = claims.typ == TokenKind::Access && expected == TokenKind::PasswordChange;
    let in_time = NOW < claims.exp.saturating_add(5)
        && claims.nbf.max(claims.iat).max(claims.iat_ms / 1000) <= NOW.saturating_add(5);
    let named = !claims.sub.is_empty() && !claims.jti.is_empty() && !claims.sid.is_empty();
    (header.typ.as_deref() == Some(typ) && (wanted || change) && in_time && named).then_some(claims)
}

fn time() -> impl Strategy<Value = i64> {
    prop_oneof![8 => NOW - 10..NOW + 10, 1 => any::<i64>(), 1 => Just(NOW + 900)]
}

fn any_json() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z.-]{0,8}".prop_map(Value::from),
        Just(json!(["plant-api"])),
        Just(json!({"a": [1]})),
    ]
}

/// Claims that are right but for their times and at most one member.
fn claims() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "iss",
        "aud",
        "sub",
        "jti",
        "sid",
        "iat",
        "iat_ms",
        "nbf",
        "exp",
        "sxp",
        "typ",
        "username",
        "role",
        "client_id",
        "must_change_password",
        "surplus",
    ]);
    let kinds = prop::sample::select(vec!["access", "access", "refresh", "password_change"]);
    let wrong = prop::option::weighted(0.4, (names, prop::option::of(any_json())));
    (time(), time(), time(), kinds, wrong).prop_map(|(exp, nbf, iat, kind, wrong)| {
        let mut claims = json!({
            "iss": "plant", "aud": "plant-api", "sub": "17", "jti": "t", "sid": "s", "iat": iat,
            "iat_ms": iat.saturating_mul(1000), "nbf": nbf, "exp": exp, "sxp": exp, "typ": kind,
            "username": "rosa \u{1F600}", "role": "operator", "client_id": null, "must_change_password": false,
        });
        match wrong {
            Some((name, Some(value))) => claims[name] = value,
            Some((name, None)) => drop(claims.as_object_mut().unwrap().remove(name)),
            None => {}
        }
        claims
    })
}

/// Headers that mostly agree with the key.
fn header(key: &Key, wrong: u8, kind: &str) -> Header {
    let mut header = Header::new(key.algorithm);
    header.typ = Some(
        match kind {
            "refresh" => "rt+jwt",
            "password_change" => "pc+jwt",
            _ => "at+jwt",
        }
        .to_owned(),
    );
    header.kid = Some(key.id.clone());
    match wrong {
        1 => header.kid = None,
        2 => header.kid = Some(WORLD.keys[0].id.clone()),
        3 => header.typ = Some("JWT".to_owned()),
        4 => header.typ = None,
        5 => header.crit = Some(vec!["exp".to_owned()]),
        6 => header.jku = Some("https://x.example/keys".to_owned()),
        7 => header.cty = Some("harmless".to_owned()),
        _ => {}
    }
    header
}

fn token() -> impl Strategy<Value = String> {
    (0..WORLD.keys.len(), claims(), prop_oneof![3 => Just(0_u8), 1 => 1..8_u8]).prop_map(
        |(key, claims, wrong)| {
            let key = &WORLD.keys[key];
            let header = header(key, wrong, claims["typ"].as_str().unwrap_or_default());
            loop {
                let token = jsonwebtoken::encode(&header, &claims, &key.signs).unwrap();
                let signature = URL_SAFE_NO_PAD.decode(token.rsplit('.').next().unwrap()).unwrap();
                // Of the two forms of an ES256 signature we take one; jsonwebtoken makes either.
                if key.algorithm != Algorithm::ES256 || signature[32] < 0x7f {
                    break token;
                }
            }
        },
    )
}

/// What happens to a token on its way.
fn damaged() -> impl Strategy<Value = String> {
    (token(), 0..7_u8, any::<prop::sample::Index>(), any::<char>()).prop_map(|(token, how, index, c)| {
        let at = index.index(token.len());
        match how {
            0 => token[..at].to_owned(),
            1 => format!("{}{c}{}", &token[..at], &token[at + 1..]),
            2 => format!("{}{c}{}", &token[..at], &token[at..]),
            3 => format!("{token}="),
            4 => format!("{token}."),
            5 => token.replacen('.', "..", 1),
            _ => token.chars().rev().collect(),
        }
    })
}

fn both_agree(token: &str) -> Result<(), TestCaseError> {
    for expected in [TokenKind::Access, TokenKind::Refresh, TokenKind::PasswordChange] {
        let ours = WORLD.service.verify(token, expected, now());
        let theirs = oracle(token, expected);
        prop_assert_eq!(ours.is_ok(), theirs.is_some(), "{:?} for {:?}: {}", ours, expected, token);
        if let (Ok(ours), Some(theirs)) = (ours, theirs) {
            prop_assert_eq!(serde_json::to_value(ours).unwrap(), serde_json::to_value(theirs).unwrap());
        }
    }
    Ok(())
}

proptest! {
    // The keys are new each time: what failed once cannot be replayed from a file.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_token_is_good_for_both_or_for_none(token in token()) {
        both_agree(&token)?;
    }

    #[test]
    fn a_damaged_token_is_good_for_both_or_for_none(token in damaged()) {
        both_agree(&token)?;
    }

    #[test]
    fn junk_is_refused_and_nothing_panics(junk in "\\PC{0,200}", dotted in "[A-Za-z0-9_=-]{0,60}(\\.[A-Za-z0-9_=-]{0,60}){0,4}") {
        prop_assert!(WORLD.service.verify(&junk, TokenKind::Access, now()).is_err());
        both_agree(&dotted)?;
    }

    #[test]
    fn stored_hashes_of_any_shape_are_read_without_a_panic(stored in hash()) {
        let _ = verify_password(&stored, &"demo123".into());
    }
}

/// Texts that begin like a stored hash and go on like anything. Costs stay small: they are paid.
fn hash() -> impl Strategy<Value = String> {
    let prefix = prop::sample::select(vec![
        "$argon2id$v=19$m=8,t=1,p=1$",
        "$argon2i$",
        "argon2$argon2id$v=19$m=16,t=1,p=1$",
        "$2b$04$",
        "$2y$",
        "bcrypt$$2a$04$",
        "{bcrypt}$2b$04$",
        "bcrypt_sha256$$2b$04$",
        "pbkdf2_sha256$10$",
        "pbkdf2_sha1$",
        "$pbkdf2-sha512$9$",
        "$pbkdf2$",
        "pbkdf2:sha256:10$",
        "scrypt$16$",
        "scrypt:16:8:1$",
        "$scrypt$ln=4,r=8,p=1$",
        "md5$",
        "sha1$salt$",
        "*",
        "{SSHA}",
        "!",
        "",
    ]);
    (prefix, "[0-9A-Za-z+/.$=,]{0,60}", "\\PC{0,8}")
        .prop_map(|(prefix, body, end)| format!("{prefix}{body}{end}"))
}
