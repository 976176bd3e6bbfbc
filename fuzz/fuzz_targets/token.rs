//! The reader of tokens. An input that begins with an even byte is a whole token; otherwise it is split at its first zero
//! byte into header and claims and signed with the right key, so that what lies behind the signature is reached too.
#![no_main]

use std::sync::LazyLock;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use chrono::DateTime;
use golive_auth::{KeyAlgorithm, KeyRing, SecretKey, TokenKeys, TokenKind, TokenService, TokenSettings};
use libfuzzer_sys::fuzz_target;

const SECRET: &str = "q7Vx2LmZ9sKd4TnB8wRf3HyJ6cPg1UaE5oXiQv0MtNzSbDkWlYrCuGhFjAePq7x2";
const NOW: i64 = 1_800_000_000;

static SERVICES: LazyLock<[TokenService; 3]> = LazyLock::new(|| {
    let now = DateTime::from_timestamp(NOW, 0).unwrap();
    let service = |keys| TokenService::new(keys, TokenSettings::new("plant", "plant-api"));
    [
        service(TokenKeys::new(&SecretKey::parse(SECRET).unwrap())),
        service(TokenKeys::from_ring(KeyRing::generate(KeyAlgorithm::EdDsa, now))),
        service(TokenKeys::from_ring(KeyRing::generate(KeyAlgorithm::Es256, now))),
    ]
});

fuzz_target!(|input: &[u8]| {
    let Some((first, rest)) = input.split_first() else { return };
    let is_signed = first % 2 == 1;
    let token = if is_signed { signed(rest) } else { String::from_utf8_lossy(rest).into_owned() };
    let now = DateTime::from_timestamp(NOW, 0).unwrap();
    for (index, service) in SERVICES.iter().enumerate() {
        for kind in [TokenKind::Access, TokenKind::Refresh, TokenKind::PasswordChange] {
            if let Ok(claims) = service.verify(&token, kind, now) {
                assert!(is_signed && index == 0, "nobody signed this");
                assert!(claims.exp > NOW - 120 && claims.iat <= NOW + 120, "out of its time: {claims:?}");
                assert!(!claims.jti.is_empty() && !claims.sub.is_empty());
            }
        }
    }
});

fn signed(input: &[u8]) -> String {
    let mut parts = input.splitn(2, |byte| *byte == 0);
    let (header, claims) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let text = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), text.as_bytes());
    format!("{text}.{}", BASE64.encode(tag))
}
