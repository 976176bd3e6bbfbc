//! What verifying a token costs in processor time, beside jsonwebtoken's plain `decode` of the same token; and what
//! verifying it and looking its revocation up does, beside PyJWT and redis-py. All in one run, printed as JSON with the
//! ratios: `cargo xtask bench auth`, which hands over an interpreter and a script for what is Python.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement that cannot be made ends")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use golive_auth::{
    Claims, KeyAlgorithm, KeyRing, SecretKey, Subject, TokenKeys, TokenKind, TokenService, TokenSettings,
};
use golive_cache::{Cache, CacheOptions, RevocationStore};
use golive_sandbox::{ProcessSpec, Redis, RedisOptions, run_to_end};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use rustix::time::{ClockId, clock_gettime};
use secrecy::ExposeSecret;

const ROUNDS: usize = 21;
const CALLS: u32 = 20_000;
/// Requests at a time, where Redis is asked.
const CONCURRENT: u32 = 64;

fn main() {
    let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let secret = SecretKey::generate();
    let (ours, decode) = beside_decode(&secret, now);
    let (checked, python) = beside_python(secret, now);
    let results = serde_json::json!({
        "schema_version": 1,
        "rounds": ROUNDS,
        "processor_nanoseconds": {
            "hs256_every_check": ours, "jsonwebtoken_decode": decode,
            "eddsa": asymmetric(KeyAlgorithm::EdDsa, now), "es256": asymmetric(KeyAlgorithm::Es256, now),
            "with_revocation": checked, "pyjwt_with_redis_py": python,
        },
        "ratios": [
            { "name": "every check of HS256 / jsonwebtoken's decode", "ratio": ours / decode, "at_most": 0.5 },
            {
                "name": "processor time of PyJWT and redis-py / of every check with revocation",
                "ratio": python.map(|python| python / checked), "at_least": 10.0,
            },
        ],
    });
    println!("{results:#}");
}

fn service(keys: TokenKeys) -> TokenService {
    TokenService::new(keys, TokenSettings::new("plant", "plant-api"))
}

fn token_of(service: &TokenService, now: DateTime<Utc>) -> String {
    let mut subject = Subject::new("17", "rosa.alvarez", "operator");
    subject.client_id = Some("NORTH".to_owned());
    service.issue_access(&subject, now).unwrap().token.expose_secret().to_owned()
}

/// Medians of both, round by round.
fn beside_decode(secret: &SecretKey, now: DateTime<Utc>) -> (f64, f64) {
    let service = service(TokenKeys::new(secret));
    let token = token_of(&service, now);
    let key = DecodingKey::from_secret(secret.dangerous_expose().as_bytes());
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_issuer(&["plant"]);
    validation.set_audience(&["plant-api"]);
    validation.validate_exp = false; // the token is of another day
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(nanoseconds(CALLS, || {
            let _claims = black_box(service.verify(&token, TokenKind::Access, now).unwrap());
        }));
        theirs.push(nanoseconds(CALLS, || {
            let _claims = black_box(decode::<Claims>(&token, &key, &validation).unwrap());
        }));
    }
    (median(ours), median(theirs))
}

fn asymmetric(algorithm: KeyAlgorithm, now: DateTime<Utc>) -> f64 {
    let service = service(TokenKeys::from_ring(KeyRing::generate(algorithm, now)));
    let token = token_of(&service, now);
    let verify = || {
        let _claims = black_box(service.verify(&token, TokenKind::Access, now).unwrap());
    };
    median((0..ROUNDS).map(|_| nanoseconds(500, verify)).collect())
}

/// Verification and revocation of many requests at once, and of PyJWT with redis-py on the same server; `None` where
/// there is no Python to measure.
#[tokio::main]
async fn beside_python(secret: SecretKey, now: DateTime<Utc>) -> (f64, Option<f64>) {
    let redis = Redis::start(&RedisOptions::new()).unwrap();
    let mut options = CacheOptions::new(redis.url().into());
    options.command_timeout = Duration::from_secs(5);
    let store = RevocationStore::new(Cache::connect(&options).await.unwrap());
    let opened = now - chrono::TimeDelta::hours(1);
    store.prepare(opened).await.unwrap();
    let service = Arc::new(service(TokenKeys::new(&secret)));
    let token = Arc::new(token_of(&service, now));
    // The server is gone in a minute, and its password in an environment would be no secret.
    redis.command(&["CONFIG", "SET", "requirepass", ""]).unwrap();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let before = clock(ClockId::ProcessCPUTime);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..CONCURRENT {
            let (service, store, token) = (Arc::clone(&service), store.clone(), Arc::clone(&token));
            tasks.spawn(async move {
                for _ in 0..CALLS / CONCURRENT {
                    service.authenticate(&token, TokenKind::Access, &store, now).await.unwrap();
                }
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
        ours.push((clock(ClockId::ProcessCPUTime) - before) / f64::from(CALLS / CONCURRENT * CONCURRENT));
        theirs.extend(pyjwt(&redis, &secret, &token));
    }
    (median(ours), (!theirs.is_empty()).then(|| median(theirs)))
}

fn pyjwt(redis: &Redis, secret: &SecretKey, token: &str) -> Option<f64> {
    let mut arguments = std::env::args_os().skip(1);
    let spec = ProcessSpec::new(arguments.next()?).argument(arguments.next()?).argument("pyjwt");
    let spec = spec.environment([
        ("REDIS_URL", format!("redis://127.0.0.1:{}", redis.port())),
        ("TOKEN", token.to_owned()),
        ("KEY", secret.dangerous_expose().to_owned()),
    ]);
    let microseconds: f64 = run_to_end(spec, Duration::from_secs(120)).unwrap().output.trim().parse().ok()?;
    Some(microseconds * 1e3)
}

/// Of the thread, so that others on the machine count little.
fn nanoseconds(calls: u32, mut call: impl FnMut()) -> f64 {
    let start = clock(ClockId::ThreadCPUTime);
    for _ in 0..calls {
        call();
    }
    (clock(ClockId::ThreadCPUTime) - start) / f64::from(calls)
}

fn clock(id: ClockId) -> f64 {
    let time = clock_gettime(id);
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds of a short run")]
    let nanoseconds = (time.tv_sec * 1_000_000_000 + time.tv_nsec) as f64;
    nanoseconds
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
